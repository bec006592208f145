"""Measurements of what the project promises: ratios, not seconds. Run ``python -m bench`` (``BENCH_QUICK=1``: small)."""
