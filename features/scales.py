"""A survey whose scale changed: older answers are told on the newest scale, so that a feature means one thing.

Always the newest one that the business file declares, whatever the day: training looks back on many days, and what is
learned on one must hold on the others.
"""

from __future__ import annotations

from dataclasses import dataclass

from features.clocks import Clock
from features.declarations import FeedShape
from holdback.scales import ScaleSpan


@dataclass(frozen=True)
class RescaledFeed(FeedShape):
    """A feedback feed that had several scales; a feed that always had one is a plain :class:`FeedShape`.

    Args:
        spans: When which scale was in force, the oldest first.
    """

    spans: tuple[ScaleSpan, ...] = ()


def score_expression(shape: FeedShape, clock: Clock) -> str:
    """SQL of a feed's score on its newest scale: the ranges are laid over each other, end to end.

    Examples:
        A 10 of 0 to 10 is a 5 of 1 to 5, and a 5 is a 3.
    """
    if not isinstance(shape, RescaledFeed):
        return "score"
    newest = shape.spans[-1]
    cases = [
        f"when {span.condition(clock.instant)} then {_mapped(span, newest)}"
        for span in shape.spans[:-1]
        if (span.lowest, span.highest) != (newest.lowest, newest.highest)
    ]
    return f"case {' '.join(cases)} else score end" if cases else "score"


def _mapped(old: ScaleSpan, new: ScaleSpan) -> str:
    stretched = f"(score - {old.lowest:g}e0) * {new.highest - new.lowest:g}e0 / {old.highest - old.lowest:g}e0"
    return f"{stretched} + {new.lowest:g}e0"
