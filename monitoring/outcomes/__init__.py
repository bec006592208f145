"""What became of everybody who was assigned: read from the warehouse as counts, means and covariances.

:mod:`~monitoring.outcomes.cohorts` says whom to follow, :mod:`~monitoring.outcomes.found` what is handed on,
:func:`~monitoring.outcomes.reading.read_outcomes` reads it in one statement.
"""

from features.following import CHURNED
from monitoring.outcomes.cohorts import PROGRAMME, Cohort, cohort_of, programme
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
from monitoring.outcomes.reading import read_outcomes
from monitoring.outcomes.segments import FIXED_NAMES, segment_names

__all__ = [
    "CHURNED",
    "FIXED_NAMES",
    "GROUPS",
    "HOLDOUT",
    "PROGRAMME",
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
    "read_outcomes",
    "segment_names",
]
