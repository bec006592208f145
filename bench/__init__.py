"""Measurements of what the project promises: ratios, not seconds. ``make bench``, or ``python -m bench``."""

import flows  # noqa: F401 - whoever imports it tells no vendor's makers that it runs
