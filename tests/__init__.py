"""Holdback's tests: a mirror of the packages, with real engines and real files."""
