"""How a chart's axes are written: round steps, and numbers as the language and the unit write them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from math import floor, log10
from textwrap import wrap
from typing import Any

from babel.numbers import format_compact_currency

from monitoring.charts import shortened, ticks
from monitoring.portal.parts import Unit
from monitoring.words import Words


@dataclass(frozen=True, slots=True)
class Scale:
    """The axis of the values.

    Attributes:
        low: Where it begins.
        high: Where it ends.
        steps: The values that are named.
        names: How they are written.
        write: How any value of it is written, in full.
        few: The fewer steps, with their names, that a telephone has room for.
    """

    low: float
    high: float
    steps: tuple[float, ...]
    names: tuple[str, ...]
    write: Callable[[float], str]
    few: tuple[tuple[float, str], ...]

    def axis(self) -> dict[str, Any]:
        """Return it as Plotly's axis."""
        return {
            "tickvals": list(self.steps),
            "ticktext": [escape(name) for name in self.names],
            "range": [self.low, self.high],
            "showgrid": True,
        }

    def narrow(self, name: str) -> dict[str, Any]:
        """Return what replaces parts of the axis of this name where there is little room."""
        return {
            f"{name}.tickvals": [value for value, _ in self.few],
            f"{name}.ticktext": [escape(written) for _, written in self.few],
        }


def scale_of(values: Sequence[float], unit: Unit, words: Words, currency: str, *, with_zero: bool = False) -> Scale:
    """Return an axis on which all values lie, with some air; from zero on where bars stand on it."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if with_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    air = (high - low) * 0.06 or abs(high) * 0.1 or (0.01 if unit == "share" else 1.0)
    begin = low if with_zero and low == 0 else low - air
    end = high if with_zero and high == 0 and low < 0 else high + air
    if unit in ("share", "count", "days") and low >= 0:
        begin = max(begin, 0.0)
    if unit == "share" and high <= 1:
        end = min(end, 1.0 if high < 1 else 1.02)
    steps, fewer = ticks(begin, end, 6), ticks(begin, end, 3)
    write = writer(values, unit, words, currency)
    few = tuple(zip(fewer, _names(fewer, unit, words, currency), strict=True))
    return Scale(begin, end, tuple(steps), tuple(_names(steps, unit, words, currency)), write, few)


def writer(values: Sequence[float], unit: Unit, words: Words, currency: str) -> Callable[[float], str]:
    """Return how values of one chart are written: all with the same number of decimals.

    Examples:
        >>> writer([0.1, 0.25], "share", Words("en"), "EUR")(0.1234)
        '12.3%'
    """
    largest = max((abs(value) for value in values), default=0.0)
    if unit == "share":
        return lambda value: words.share(value, 2 if largest < 0.03 else 1)
    if unit == "count":
        return words.count
    if unit == "money":
        return lambda value: words.money(value, currency, 0 if largest >= 1000 else None)
    if unit == "days":
        return lambda value: words.number(value, 0 if value == int(value) else 1)
    if all(value == int(value) for value in values):
        return lambda value: words.number(value, 0 if value == int(value) else 1)
    digits = min(max(2 - floor(log10(largest)), 0), 5) if largest else 0
    return lambda value: words.number(value, digits)


def day_of(x: str | float) -> date | None:
    """Read a day or month in ISO 8601 (``2026-03-01``, ``2026-03``); None for any other name."""
    text = str(x)
    if len(text) not in (7, 10) or text[4] != "-":
        return None
    try:
        return date.fromisoformat(text if len(text) == 10 else f"{text}-01")
    except ValueError:
        return None


def write_x(x: str | float, words: Words) -> str:
    """Write what a point is: a day as tables do, a month with its name, a number, a name as it is."""
    if isinstance(x, str):
        day = day_of(x)
        if day is None:
            return x
        return words.month(day) if len(x) == 7 else words.brief_day(day)
    return words.significant(x)


def line_breaks(text: str, width: int, *, lines: int = 2) -> str:
    """Return a name broken into at most two short lines for Plotly, escaped; what does not fit ends in an ellipsis."""
    parts = wrap(text, width, break_long_words=True) or [""]
    if len(parts) > lines:
        parts = [*parts[: lines - 1], shortened(" ".join(parts[lines - 1 :]), width)]
    return "<br>".join(escape(part) for part in parts)


def _names(steps: Sequence[float], unit: Unit, words: Words, currency: str) -> list[str]:
    step = abs(steps[1] - steps[0]) if len(steps) > 1 else abs(steps[0]) or 1.0
    digits = max(0, -floor(log10(step) + 1e-9))
    if unit == "share":
        return [words.share(value, max(0, digits - 2)) for value in steps]
    if unit != "money":
        return [words.number(value, digits) for value in steps]
    if step < 1000:
        return [words.money(value, currency, min(digits, 2)) for value in steps]
    return [_compact(value, currency, words, step) for value in steps]


def _compact(value: float, currency: str, words: Words, step: float) -> str:
    largest_unit = 1_000_000 if abs(value) >= 1_000_000 else 1000
    digits = 1 if step < largest_unit else 0
    return str(format_compact_currency(value, currency, locale=words.language, fraction_digits=digits)).replace(
        "-", "\u2212"
    )
