"""What a customer is worth: the margin expected of him over the business' horizon, and how far to trust it."""
