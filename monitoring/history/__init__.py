"""The figures of each day, kept in the warehouse as they were known then (table ``daily_metrics``).

:data:`METRICS` says which there are and what each means, :func:`record_day` computes and keeps those of a day once,
:func:`metric_history`, :func:`histories` and :func:`newest` read them back.
"""

from monitoring.history.metrics import ABOUT, METRICS, About, Metric, Unit
from monitoring.history.reading import DAYS, DayValue, histories, metric_history, newest, subjects
from monitoring.history.recording import NotKnown, RecordedDay, record_day

__all__ = [
    "ABOUT",
    "DAYS",
    "METRICS",
    "About",
    "DayValue",
    "Metric",
    "NotKnown",
    "RecordedDay",
    "Unit",
    "histories",
    "metric_history",
    "newest",
    "record_day",
    "subjects",
]
