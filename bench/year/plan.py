"""What the study does.

Settled on trial worlds (seeds 1, 5, 101 to 110, 201 to 206, 901 and 902); the study plays others.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from bench.year.oracle import HORIZON_DAYS

#: Seed of the study's first world: none of those that its design was settled on.
FIRST_SEED = 301

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: A kept customer is worth the margin of two years, to every policy alike.
VALUE_MONTHS = 24
MARGIN_RATE = 0.6


@dataclass(frozen=True)
class Plan:
    """A year of decisions about one action in a simulated telephone company.

    Every customer is looked at in one week of nine, drawn once for ever: nobody is contacted more often than that, and
    each decision has its sixty days before the next. That holds for every policy.

    Args:
        scenario: What is planted.
        customers: At the start.
        history_weeks: Weeks of files before the first decision.
        weeks: Weeks of decisions, on Mondays.
        wave_weeks: In how many weeks everybody is looked at once.
        action: What the company can do.
        capacity_share: Contacts at most, as a share of those who are looked at.
        first_share: Share that explores until the first model takes office.
        first_weeks: How long that goes on at most.
        second_share: Share that explores when a model is in office, until ``second_weeks``.
        second_weeks: Weeks after which only ``explore_share`` explores.
        explore_share: Share that explores afterwards; also when nothing was found.
        kept_controls: Share of the uncontacted explorers that is learned from: there are many more than contacted ones.
        learns_every_months: A month is the study's; less often is cheaper.
    """

    scenario: str
    customers: int = 100_000
    history_weeks: int = 13
    weeks: int = 52
    wave_weeks: int = 9
    action: str = "retention_call"
    capacity_share: float = 0.20
    first_share: float = 1.0
    first_weeks: int = 35
    second_share: float = 0.5
    second_weeks: int = 39
    explore_share: float = 0.05
    kept_controls: float = 0.60
    learns_every_months: int = 1

    @property
    def opens_on(self) -> date:
        """The first day that is played."""
        return self.monday(0) - timedelta(weeks=self.history_weeks)

    def monday(self, week: int) -> date:
        """Day of the decisions of a week; files of all weeks end on the day before."""
        return date(2025, 1, 6) + timedelta(weeks=week)

    @property
    def learning_weeks(self) -> tuple[int, ...]:
        """Weeks in which is learned: each month, once outcomes of at least four weeks are known."""
        months = [round(self.weeks * month / 12) for month in range(0, 12, self.learns_every_months)]
        return tuple(week for week in months if week * 7 >= HORIZON_DAYS + 4 * 7)


def value_amounts(price_cents: Integers) -> Floats:
    """Return what each customer is worth when kept, in currency units, from the monthly price."""
    return np.asarray(price_cents * (MARGIN_RATE * VALUE_MONTHS / 100.0))
