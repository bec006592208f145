"""The whole loop against companies whose truth is known: it recovers what was planted."""
