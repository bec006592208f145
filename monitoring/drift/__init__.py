"""Drift: a reference fixed once per model version, one SQL pass per day, a verdict that does not cry wolf.

The door to Evidently is :mod:`monitoring.drift.evidently_metrics`, which loads it only when a report is drawn.
"""

from monitoring.drift.bins import ColumnBins, Kind, Reference, bin_counts, largest_unknown, new_values, reference_bins
from monitoring.drift.verdicts import ColumnDrift, DayDrift, chance_psi, day_drift, psi, same_distribution

__all__ = [
    "ColumnBins",
    "ColumnDrift",
    "DayDrift",
    "Kind",
    "Reference",
    "bin_counts",
    "chance_psi",
    "day_drift",
    "largest_unknown",
    "new_values",
    "psi",
    "reference_bins",
    "same_distribution",
]
