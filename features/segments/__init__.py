"""In which groups customers are: stage of the relationship, recency-frequency-money, cohort, value, revenue.

- :mod:`~features.segments.statement`: the stage, and the one statement that says everything;
- :mod:`~features.segments.activity`: more active than before, less, or back after a silence;
- :mod:`~features.segments.rfm`: fifths, and the names of their combinations;
- :mod:`~features.segments.revenue`: what a customer brings in a month;
- :mod:`~features.segments.writing`: the table ``segments``, one batch per day.
"""

from features.segments.activity import Asked
from features.segments.months import month_frame, month_number
from features.segments.revenue import monthly_revenue
from features.segments.rfm import RFM_GROUPS, rfm_group
from features.segments.statement import build_segments, segments_sql
from features.segments.writing import ChurnSegments, SegmentedDay, batch_of, stored_segments, write_segments

#: Every stage of the relationship, in the order in which a customer passes through them.
STAGES = ("new", "growing", "steady", "cooling", "at_risk", "returned")

__all__ = [
    "RFM_GROUPS",
    "STAGES",
    "Asked",
    "ChurnSegments",
    "SegmentedDay",
    "batch_of",
    "build_segments",
    "month_frame",
    "month_number",
    "monthly_revenue",
    "rfm_group",
    "segments_sql",
    "stored_segments",
    "write_segments",
]
