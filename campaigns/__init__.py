"""What we do and to whom: fit, suppression, holdout, decisions, ledger, delivery."""
