"""The scales of surveys: from where to where each goes, and which one was in force when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from holdback.business.sections import Feed, Scale

#: Lowest and highest answer of each scale.
SCALE_RANGES: Mapping[Scale, tuple[float, float]] = {
    "nps": (0.0, 10.0),
    "five": (1.0, 5.0),
    "ten": (1.0, 10.0),
    "hundred": (0.0, 100.0),
}


@dataclass(frozen=True)
class ScaleSpan:
    """The time in which a feed's answers are on one scale.

    Args:
        scale: Which one.
        since: First day of it; None from the beginning.
        until: First day of the next one; None when it is the newest.
        is_only: True when the feed never had another.
    """

    scale: Scale
    since: date | None = None
    until: date | None = None
    is_only: bool = True

    @property
    def lowest(self) -> float:
        """The lowest answer."""
        return SCALE_RANGES[self.scale][0]

    @property
    def highest(self) -> float:
        """The highest answer."""
        return SCALE_RANGES[self.scale][1]

    @property
    def words(self) -> str:
        """The span in words.

        Examples:
            >>> ScaleSpan("five", date(2026, 3, 1), is_only=False).words
            'scale five, in force from 2026-03-01'
        """
        bounds = [f"from {self.since}"] if self.since else []
        bounds += [f"before {self.until}"] if self.until else []
        return f"scale {self.scale}" + (f", in force {' and '.join(bounds)}" if bounds else "")

    def condition(self, instant: Callable[[date], datetime]) -> str:
        """SQL that is true for the events of the span.

        Args:
            instant: Start of a day of the business, as naive UTC (:meth:`holdback.business.Business.instant`).
        """
        bounds = [f"event_at {sign} timestamp '{instant(day).isoformat(sep=' ')}'"
                  for sign, day in ((">=", self.since), ("<", self.until)) if day is not None]  # fmt: skip
        return " and ".join(bounds) or "true"


def scale_spans(feed: Feed) -> tuple[ScaleSpan, ...]:
    """Return when a feedback feed was on which scale, the oldest span first; empty when no scale is declared.

    Spans are half-open and follow each other without a gap: every answer is on exactly one scale.
    """
    scales = feed.scales
    if not scales:
        return ()
    ends = [*(scale.since for scale in scales[1:]), None]
    return tuple(
        ScaleSpan(scale.scale, scale.since, until, len(scales) == 1) for scale, until in zip(scales, ends, strict=True)
    )
