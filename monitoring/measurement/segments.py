"""Effects by segment: drawn towards each other, and none of them a headline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import sqrt

from holdback.business import Business
from monitoring.effects import Effect, Moments, NotMeasurable
from monitoring.effects.ratios import arm_of, contrast
from monitoring.effects.segments import CHURN_SCALE, shrink_segments
from monitoring.measurement.figures import EXPLORATORY_LEVEL, Asked, is_large_enough
from monitoring.measurement.readings import Figure, ReadingKind
from monitoring.outcomes import CHURNED, HOLDOUT, TREATMENT

_CUTS = ("fit_class", "risk_tier", "value_decile", "intended_action")


def cuts(business: Business) -> tuple[str, ...]:
    """Return by what a campaign is cut: fit, risk, value, the intended action, and the company's own segment."""
    own = business.fit.segment
    return (*_CUTS, own) if own is not None and own not in _CUTS else _CUTS


def segment_figures(asked: Asked) -> Iterator[Figure]:
    """Yield the effect on churn in each segment, every cut drawn towards its own mean.

    On the day of the planned reading they are part of it; on the day of a halt they say whom the campaign drove away.
    """
    if asked.withheld is not None or asked.primary.name != CHURNED:
        return
    reading: ReadingKind = "official" if asked.is_official else "daily"
    for cut in cuts(asked.business):
        own = {
            str(value): groups
            for value, groups in asked.outcomes.segments.get(cut, {}).items()
            if is_large_enough(groups)
        }
        raw = dict(_raw(own))
        if len(raw) < 2:
            continue
        found = shrink_segments(raw, scale=CHURN_SCALE, level=EXPLORATORY_LEVEL, is_good_when_lower=True)
        for segment in found.segments:
            groups = own[segment.name]
            effect = Effect(
                CHURNED,
                segment.estimate,
                segment.low,
                segment.high,
                EXPLORATORY_LEVEL,
                arm_of(groups[TREATMENT], "churned", "known"),
                arm_of(groups[HOLDOUT], "churned", "known"),
                "hierarchical",
                is_good_when_lower=True,
                notes=(f"alone {100 * segment.raw:+.2f} points, q = {segment.q_value:.2g}",),
            )
            yield Figure(CHURNED, f"{cut}={segment.name}", reading, effect.method, effect)


def _raw(own: Mapping[str, Mapping[str, Moments]]) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield each segment's own effect and standard error; where nothing varies there is none."""
    for value, groups in own.items():
        try:
            found = contrast(groups[TREATMENT], groups[HOLDOUT], "churned", "known")
        except NotMeasurable:
            continue
        if found.variance > 0:
            yield value, (found.estimate, sqrt(found.variance))
