"""Effects: what an action changed, from moments and counts, by methods with known answers: functions of numbers.

What is named as its module is imported from there: ``from monitoring.effects.means import mean_effect``.
"""

from __future__ import annotations

from monitoring.effects.checks import Check, Verdict
from monitoring.effects.compliance import complier_effect
from monitoring.effects.harm import Harm, harm_of
from monitoring.effects.independence import Independence
from monitoring.effects.means import mean_effect
from monitoring.effects.missing import Coverage, ResponseRates, coverage, response_rates
from monitoring.effects.moments import Moments, moments_of
from monitoring.effects.money import paid_to_stayers, return_on_cost
from monitoring.effects.portfolio import Expected, Portfolio, expected_next
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Arm, Effect, Maturity
from monitoring.effects.sample_ratio import SampleRatio, log_bayes_factor
from monitoring.effects.segments import RandomEffects, Segment, Segments, random_effects, shrink_segments
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
    "Check",
    "Coverage",
    "Curve",
    "Effect",
    "Expected",
    "Harm",
    "Independence",
    "Maturity",
    "Moments",
    "NotMeasurable",
    "Portfolio",
    "RandomEffects",
    "ResponseRates",
    "SampleRatio",
    "Segment",
    "Segments",
    "Verdict",
    "Watched",
    "complier_effect",
    "coverage",
    "daily_means",
    "daily_shares",
    "days_kept_effect",
    "design_effect_of",
    "expected_next",
    "half_width",
    "harm_of",
    "kaplan_meier",
    "log_bayes_factor",
    "longest_horizon",
    "mean_effect",
    "moments_of",
    "paid_to_stayers",
    "planned_variance",
    "random_effects",
    "response_rates",
    "return_on_cost",
    "share_effect",
    "shrink_segments",
    "survival_effect",
    "watched",
]
