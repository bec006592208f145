"""Effects: what an action changed, from moments and counts, by methods with known answers: functions of numbers."""

from __future__ import annotations

from monitoring.effects.compliance import complier_effect
from monitoring.effects.harm import Harm, harm_of
from monitoring.effects.means import mean_effect
from monitoring.effects.moments import Moments, moments_of
from monitoring.effects.money import paid_to_stayers, return_on_cost
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Arm, Effect, Maturity
from monitoring.effects.sequences import daily_means, daily_shares, half_width, planned_variance
from monitoring.effects.shares import design_effect_of, share_effect
from monitoring.effects.survival import (
    Curve,
    Watched,
    days_kept_effect,
    kaplan_meier,
    longest_horizon,
    survival_effect,
    watched,
)

__all__ = [
    "Arm",
    "Curve",
    "Effect",
    "Harm",
    "Maturity",
    "Moments",
    "NotMeasurable",
    "Watched",
    "complier_effect",
    "daily_means",
    "daily_shares",
    "days_kept_effect",
    "design_effect_of",
    "half_width",
    "harm_of",
    "kaplan_meier",
    "longest_horizon",
    "mean_effect",
    "moments_of",
    "paid_to_stayers",
    "planned_variance",
    "return_on_cost",
    "share_effect",
    "survival_effect",
    "watched",
]
