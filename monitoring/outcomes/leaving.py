"""What can be told of when customers left; who left at all is told by :mod:`features.following`."""

from __future__ import annotations

from holdback.business import BalanceDropChurn, ColumnChurn, InactivityChurn, RhythmChurn
from monitoring.outcomes.asking import Asked


def without_survival(asked: Asked) -> str | None:
    """Return why there is no curve of survival, or None when there is one."""
    if isinstance(asked.churn, InactivityChurn):
        return "no survival curve: who stops buying leaves on no day; inactivity is known when the horizon is over"
    if isinstance(asked.churn, RhythmChurn):
        return "no survival curve: who stops buying leaves on no day; each one's silence is judged by his own rhythm"
    if isinstance(asked.churn, BalanceDropChurn):
        return "no survival curve: money leaves little by little; the balance is compared when the horizon is over"
    if isinstance(asked.churn, ColumnChurn):
        return "no survival curve: the column that says who left does not say when"
    return None
