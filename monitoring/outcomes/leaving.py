"""What can be told of when customers left; who left at all is told by :mod:`features.following`."""

from __future__ import annotations

from holdback.business import ColumnChurn, InactivityChurn
from monitoring.outcomes.asking import Asked


def without_survival(asked: Asked) -> str | None:
    """Return why there is no curve of survival, or None when there is one."""
    if isinstance(asked.churn, InactivityChurn):
        return "no survival curve: who stops buying leaves on no day; inactivity is known when the horizon is over"
    if isinstance(asked.churn, ColumnChurn):
        return "no survival curve: the column that says who left does not say when"
    return None
