"""Measurements of what the project promises: ratios, not seconds. ``make bench``, or ``python -m bench``."""
