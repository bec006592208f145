"""Drift, quality, performance on matured labels, and the pages that tell people about them.

Plain functions return frozen dataclasses; pages are drawn from those and from nothing else. Reads the warehouse and the
run journal, writes only pages and the drift reference of a model.
"""
