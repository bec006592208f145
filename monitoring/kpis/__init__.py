"""What people steer by: churn rates, revenue churn, retention, and how customers move between stages.

Every figure has its interval, its n and the day from which it is known; groups of fewer than five customers are not
shown, nor what would give them away.

- :mod:`~monitoring.kpis.rates`: the churn rate by month, group and cohort;
- :mod:`~monitoring.kpis.revenue`: revenue lost, and net revenue retention;
- :mod:`~monitoring.kpis.retention`: who is still there, month by month since the start;
- :mod:`~monitoring.kpis.transitions`: from which stage to which;
- :mod:`~monitoring.kpis.groups`: by what customers can be divided, and how large the groups are.
"""

from monitoring.kpis.groups import group_names, group_sizes
from monitoring.kpis.rates import MONTH, churn_rates, known_outcomes
from monitoring.kpis.results import (
    ChurnRates,
    GroupRate,
    GroupSize,
    GroupSizes,
    Move,
    Ratio,
    Retention,
    RetentionCurve,
    RetentionPoint,
    RevenueChurn,
    Transitions,
)
from monitoring.kpis.retention import retention_curve, retention_curves
from monitoring.kpis.revenue import revenue_churn
from monitoring.kpis.transitions import ARRIVED, GONE, transitions

__all__ = [
    "ARRIVED",
    "GONE",
    "MONTH",
    "ChurnRates",
    "GroupRate",
    "GroupSize",
    "GroupSizes",
    "Move",
    "Ratio",
    "Retention",
    "RetentionCurve",
    "RetentionPoint",
    "RevenueChurn",
    "Transitions",
    "churn_rates",
    "group_names",
    "group_sizes",
    "known_outcomes",
    "retention_curve",
    "retention_curves",
    "revenue_churn",
    "transitions",
]
