"""On which days a customer's visible rows are not simply the first ones of the history: those days are *odd*."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from features.snapshots.days import Integers
from features.snapshots.history import EVENT, Flags, History

#: Above this a sum of 64-bit integers may not fit.
_FITS = 2.0**62


def odd_days(history: History, customer: Integers, customer_count: int, first_seen: npt.NDArray[np.int16]) -> Flags:
    """Return the days on which a customer's rows are not the first ones in their final form, shape (days, customers).

    Args:
        history: The rows.
        customer: Customer of each row, shape (n,); an owner may be a part of one.
        customer_count: Customers.
        first_seen: Number of the first day on which a row was visible in some form, shape (n,).
    """
    odd = Intervals(len(history.days), customer_count)
    seen = history.seen_from
    changed = np.flatnonzero(first_seen < seen)
    odd.add(first_seen[changed], seen[changed], customer[changed])
    if len(history) > 1:
        # A row that is visible before an earlier one of the same owner is: until that one is visible, too.
        step = np.int64(len(history.days) + 1)
        base = history.owner * step
        latest = np.maximum.accumulate(base + seen)[:-1] - base[1:]
        overtaking = np.flatnonzero(latest > seen[1:])
        odd.add(seen[1:][overtaking], latest[overtaking], customer[1:][overtaking])
        # Rows of one instant belong together: which of them comes first says nothing.
        is_tied = (history.owner[1:] == history.owner[:-1]) & (history.event_us[1:] == history.event_us[:-1])
        parted = np.flatnonzero(is_tied & (seen[:-1] < seen[1:]))
        odd.add(seen[:-1][parted], seen[1:][parted], customer[1:][parted])
    return odd.flags()


def too_large(history: History, customer: Integers, customer_count: int, column: str, *, squared: bool) -> Flags:
    """Return the customers over whose rows a sum might not fit into 64 bits, shape (customers,)."""
    values = history.values(column)
    if column == EVENT or not len(values):
        return np.zeros(customer_count, bool)
    largest = max(-float(values.min()), float(values.max()))
    most_rows = float(np.bincount(customer, minlength=1).max())
    if (largest * largest if squared else largest) * most_rows < _FITS:
        return np.zeros(customer_count, bool)
    sizes = np.abs(values.astype(np.float64))
    totals = np.bincount(customer, weights=sizes * sizes if squared else sizes, minlength=customer_count)
    return np.asarray(totals >= _FITS)


class Intervals:
    """Half-open intervals of days by customer, and whether a day lies in any of them."""

    def __init__(self, day_count: int, customer_count: int) -> None:
        self._shape = (day_count + 1, customer_count)
        self._changes = np.zeros(self._shape[0] * customer_count, np.int64)

    def add(self, since: npt.NDArray[Any], until: npt.NDArray[Any], customer: npt.NDArray[Any]) -> None:
        """Add intervals ``[since, until)`` of numbered days; empty ones count for nothing."""
        if not len(since):
            return
        until = np.maximum(since, until)
        for day, sign in ((since, 1), (until, -1)):
            cell = day.astype(np.int64) * self._shape[1] + customer
            self._changes += sign * np.bincount(cell, minlength=len(self._changes))

    def flags(self) -> Flags:
        """True for the days that lie in an interval, shape (days, customers)."""
        return np.asarray(np.cumsum(self._changes.reshape(self._shape), axis=0)[:-1] > 0)
