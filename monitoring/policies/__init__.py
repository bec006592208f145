"""What another rule for choosing would have earned, told from the logged propensities of what was done."""
