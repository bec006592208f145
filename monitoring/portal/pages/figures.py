"""How figures with an interval stand in a cell and in a sentence: the same on every page that shows shares."""

from __future__ import annotations

from monitoring.portal.parts import Cell, Point
from monitoring.proportions import Share
from monitoring.words import Words


def limits(words: Words, figure: Share, digits: int = 1) -> str:
    """Write the limits of a share: ``42.1% to 51.0%``."""
    w = words
    return w("interval", low=w.share(figure.low, digits), high=w.share(figure.high, digits))


def in_words(words: Words, figure: Share, digits: int = 1) -> str:
    """Write a share with its limits."""
    w = words
    return w.interval(w.share(figure.share, digits), w.share(figure.low, digits), w.share(figure.high, digits))


def share_cell(words: Words, figure: Share | None) -> Cell:
    """Write a share in a cell, its limits in small; a dash where there is none."""
    return Cell(words("nothing")) if figure is None else Cell(words.share(figure.share), limits(words, figure))


def share_point(x: str | float, figure: Share | None) -> Point:
    """Draw a share with its limits; a gap where there is none."""
    return Point(x, None) if figure is None else Point(x, figure.share, figure.low, figure.high)


def in_points(words: Words, estimate: float, low: float, high: float) -> str:
    """Write a difference of shares in percentage points, with its sign and limits."""
    w = words
    return w.interval(*(w.signed(100 * value, 1) for value in (estimate, low, high)))
