"""Customers with several accounts: what is found of each account is put together by customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.measures import Measure
from features.snapshots.days import Integers
from features.snapshots.history import Flags, History
from features.snapshots.runs import Found, Runs

_EXTREMES = {"max": (np.maximum, np.iinfo(np.int64).min), "min": (np.minimum, np.iinfo(np.int64).max)}


@dataclass(frozen=True, eq=False)
class Accounts:
    """Which accounts customers have.

    Args:
        customer: Customer of each account, ascending, shape (accounts,).
        customer_count: Customers; some may have none.
    """

    customer: Integers
    customer_count: int

    def combined(
        self, history: History, measures: Mapping[Measure, str], parts: Mapping[str, Measure], days: range
    ) -> dict[str, Found]:
        """Compute measures over accounts: by name, of every customer on some days, shape (days times customers,)."""
        count = len(self.customer)
        runs = Runs(history, np.arange(days.start * count, days.stop * count), {})
        of_accounts = {name: runs.found(part) for name, part in parts.items()}
        firsts = history.begins()[:-1]
        found = {}
        for measure, name in measures.items():
            assert measure.column is not None
            part = of_accounts[measure.column]
            is_meant = np.ones(count, bool) if measure.filter is None else history.conditions[measure.filter][firsts]
            known = (part.known.reshape(len(days), count) & is_meant).reshape(-1)
            found[name] = self._by_customer(measure.operation, Found(part.values, known), len(days))
        return found

    def _by_customer(self, operation: str, part: Found, day_count: int) -> Found:
        values = np.zeros((day_count, self.customer_count), np.int64)
        known: Flags = np.zeros((day_count, self.customer_count), bool)
        if len(self.customer):
            whose, begins = np.unique(self.customer, return_index=True)
            ufunc, neutral = _EXTREMES.get(operation, (np.add, 0))
            by_account = np.where(part.known, part.values, neutral).reshape(day_count, -1)
            values[:, whose] = ufunc.reduceat(by_account, begins, axis=1)
            known[:, whose] = np.logical_or.reduceat(part.known.reshape(day_count, -1), begins, axis=1)
        return Found(values.reshape(-1), known.reshape(-1))
