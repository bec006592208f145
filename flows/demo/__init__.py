"""``holdback demo``: the whole loop on a company that everybody can run, and what was found on one screen."""
