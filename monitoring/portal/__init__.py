"""The portal: a static site for one business and day that opens without a server and asks nobody for anything."""
