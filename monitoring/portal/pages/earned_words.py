"""How the page about earnings writes money, returns and the reasons why a figure is not there."""

from __future__ import annotations

from datetime import date
from typing import Final

from monitoring.outcomes import UNKNOWN
from monitoring.pnl.lines import Amount, Line
from monitoring.portal.parts import Cell, State
from monitoring.words import Words

_CLASSES: Final = ("invest", "maintain", "do_not_spend", "unknown")
STATES: Final[dict[str, State]] = {"gain": "good", "loss": "bad", "open": "none"}


def money(cents: float, currency: str, w: Words) -> str:
    """Write an amount to the smallest coin that its currency has."""
    return w.money(round(cents) / 100, currency)


def forecast_money(cents: int, currency: str, w: Words) -> str:
    """Write a sum of forecasts, which has no interval, no finer than it is known: in thousands, small ones in tens."""
    amount = cents / 100
    step = 1_000 if abs(amount) >= 10_000 else 100 if abs(amount) >= 1_000 else 10
    return w.money(round(amount / step) * step, currency, 0)


def round_money(cents: float, currency: str, w: Words) -> str:
    """Write an amount in whole units: for sentences."""
    return w.money(cents / 100, currency, 0)


def range_of(amount: Amount, currency: str, w: Words) -> str:
    """Write the interval of an amount in whole units: for sentences."""
    low, high = (round_money(cents, currency, w) for cents in (amount.low_cents, amount.high_cents))
    return w("interval", low=low, high=high)


def interval(amount: Amount, currency: str, w: Words) -> str:
    """Write the interval of an amount."""
    low, high = (money(cents, currency, w) for cents in (amount.low_cents, amount.high_cents))
    return w("interval", low=low, high=high)


def amount_cell(amount: Amount | None, currency: str, w: Words) -> Cell:
    """Write an estimated amount with its interval."""
    if amount is None:
        return Cell(w("nothing"))
    return Cell(money(amount.cents, currency, w), interval(amount, currency, w))


def signed_share(value: float, w: Words, digits: int = 0) -> str:
    """Write a return as a share of the cost, with its sign."""
    written = w.share(value, digits)
    return f"+{written}" if value > 0 and any(digit in written for digit in "123456789") else written


def roi_cell(roi: tuple[float, float, float] | None, w: Words) -> Cell:
    """Write a return on cost with its interval."""
    if roi is None:
        return Cell(w("nothing"))
    estimate, low, high = (signed_share(value, w) for value in roi)
    return Cell(estimate, w("interval", low=low, high=high))


def net_side(net: Amount) -> str:
    """Say on which side of zero the whole interval lies: ``gain``, ``loss`` or, on both, ``open``."""
    return "gain" if net.low_cents > 0 else "loss" if net.high_cents < 0 else "open"


def fit_class(name: str | None, w: Words) -> str:
    """Name a class in words."""
    known = "unknown" if name in (None, UNKNOWN) else name
    return w(f"earned_class_{known}") if known in _CLASSES else str(name)


def months(line: Line, w: Words) -> str:
    """Write the months of entry that a line is about."""
    ends = [
        w.full_month(date.fromisoformat(f"{month}-01")) for month in (line.entry_month or "").split(" to ") if month
    ]
    return w("interval", low=ends[0], high=ends[-1]) if len(ends) > 1 else "".join(ends)


def why(line: Line, w: Words) -> str:
    """Say why a line has no figure, and from when on it has one."""
    because = line.because or "numbers"
    if because == "maturity" and line.knowable_on is not None:
        return w("earned_why_maturity", day=w.day(line.knowable_on))
    if because == "reading" and line.knowable_on is not None:
        return w("earned_why_reading", day=w.day(line.knowable_on))
    return w(f"earned_why_{because}")
