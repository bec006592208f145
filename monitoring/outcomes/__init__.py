"""What became of everybody who was assigned: read from the warehouse as counts, means and covariances.

:mod:`~monitoring.outcomes.cohorts` says whom to follow, :mod:`~monitoring.outcomes.found` what is handed on.
"""

from monitoring.outcomes.cohorts import CHURNED, Cohort, cohort_of, programme
from monitoring.outcomes.found import (
    GROUPS,
    HOLDOUT,
    TOTALS,
    TREATMENT,
    UNKNOWN,
    Exposure,
    Outcomes,
    SegmentName,
    SegmentValue,
)

__all__ = [
    "CHURNED",
    "GROUPS",
    "HOLDOUT",
    "TOTALS",
    "TREATMENT",
    "UNKNOWN",
    "Cohort",
    "Exposure",
    "Outcomes",
    "SegmentName",
    "SegmentValue",
    "cohort_of",
    "programme",
]
