"""The decision of a day, from the scores to the ledger."""
