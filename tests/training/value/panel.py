"""Contracts whose hazards are known to the last month: by age, by kind of contract and by the months to its renewal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.value.hazard import DAYS_PER_MONTH, Landmark

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NEVER = 10**6
FIRST_DAY = date(2020, 1, 1)


def hazard(age: Any, is_yearly: Any, dearness: Any) -> Floats:
    """Monthly contracts are left early; yearly ones in their twelfth month, when they could be renewed."""
    monthly = 0.02 + 0.07 * np.exp(-np.asarray(age) / 6)
    yearly = np.where(np.asarray(age) % 12 == 11, 0.22, 0.003)
    return np.asarray(np.clip(np.where(is_yearly, yearly, monthly) * dearness, 0, 0.9))


@dataclass(frozen=True, eq=False)
class Panel:
    """Customers and the months in which they joined and left, from 0.

    Attributes:
        joined: First month, shape (n,).
        left: Month in whose course each left; NEVER for who stayed to the end, shape (n,).
        is_yearly: Who can leave once a year, shape (n,).
        dearness: What the hazard is multiplied by, shape (n,).
    """

    joined: Integers
    left: Integers
    is_yearly: npt.NDArray[np.bool_]
    dearness: Floats

    def alive(self, month: int) -> npt.NDArray[np.bool_]:
        """Who had a contract at the beginning of a month."""
        return (self.joined < month) & (self.left >= month)

    def landmark(self, month: int, until: int) -> Landmark:
        """The customers of a month's beginning, seen until another month's beginning."""
        alive = self.alive(month)
        age, left = month - self.joined[alive], self.left[alive]
        yearly = self.is_yearly[alive]
        frame = pd.DataFrame(
            {
                "age_days": age * DAYS_PER_MONTH,
                "days_left": np.where(yearly, (12 - age % 12) * DAYS_PER_MONTH, np.nan),
                "dearness": self.dearness[alive],
                "contract": np.where(yearly, "yearly", "monthly"),
            }
        )
        left_in = np.where(left < until, left - month + 1, 0)
        on = FIRST_DAY + timedelta(days=round(month * DAYS_PER_MONTH))
        return Landmark(on, frame, np.flatnonzero(alive).astype(str), left_in, until - month)

    def true_hazards(self, month: int, months: int) -> Floats:
        """What was planted, for the customers of a month's beginning, shape (n, months)."""
        alive = self.alive(month)
        age = month - self.joined[alive]
        ahead = [hazard(age + k, self.is_yearly[alive], self.dearness[alive]) for k in range(months)]
        return np.stack(ahead, axis=1)


def panel(rng: np.random.Generator, *, customers: int = 7000, months: int = 60) -> Panel:
    """Draw a panel: customers join evenly over the months."""
    joined = rng.integers(0, months, customers)
    is_yearly = rng.random(customers) < 0.55
    dearness = np.exp(rng.normal(0, 0.35, customers))
    left = np.full(customers, NEVER)
    for month in range(months):
        here = (joined <= month) & (left > month)
        goes = here & (rng.random(customers) < hazard(month - joined, is_yearly, dearness))
        left[goes] = month
    return Panel(joined, left, is_yearly, dearness)


def decile_error(expected: Floats, true: Floats) -> float:
    """Mean absolute error of the means of the forecast's deciles, in months."""
    parts = np.array_split(np.argsort(expected, kind="stable"), 10)
    return float(np.mean([abs(expected[part].mean() - true[part].mean()) for part in parts]))
