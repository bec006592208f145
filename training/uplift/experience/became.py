"""What became of those who entered, by the same definitions that measurement uses (:mod:`features.following`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from features.corrections import corrected_tables
from features.following import (
    Following,
    calendar_frame,
    contract_steps,
    days_frame,
    leaving_steps,
    outcome_steps,
    outcomes_by_feed,
    reaches,
)
from features.steps import Step, select, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse
from training.uplift.experience.aims import Aim
from training.uplift.experience.entries import Entries
from training.uplift.trial import Booleans, Floats


@dataclass(frozen=True, eq=False)
class Became:
    """What became of each entry.

    Attributes:
        is_mature: True when the horizon is over and the data reach its end, shape (n,).
        good: Outcome of which more is better, NaN while it is not known, shape (n,).
        ripens_after_days: Days from an entry to the first day on which it can be read.
    """

    is_mature: Booleans
    good: Floats
    ripens_after_days: int

    def ripens_on(self, entered_on: date) -> date:
        """Return the first day on which who entered on a day can be read, if the data come in time."""
        return entered_on + timedelta(days=self.ripens_after_days)


def what_became(warehouse: Warehouse, business: Business, aim: Aim, entries: Entries, as_of: date) -> Became:
    """Return the outcome of each entry as known on a day, by both clocks.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        aim: The outcome, and the days to it.
        entries: Who entered; at least one.
        as_of: The day of knowledge.

    Raises:
        BusinessFileError: the churn kind cannot be followed in this release.
    """
    asked = Following(business, aim.churn, aim.horizon_days, aim.primary_outcome, as_of, corrected_tables(warehouse))
    days = entries.table["entered_on"]
    first, last = days.min(), days.max()
    reached = reaches(warehouse, asked, asked.proving_feeds)
    frames = {
        "_assigned": pa.table(
            {
                "who": pa.array(np.arange(len(entries)), pa.int64()),
                "customer_id": pa.array(entries.table["customer_id"], pa.string()),
                "entered_on": pa.array(days, pa.date32()),
            }
        ),
        "_days": days_frame(
            asked, first, last, churn_reach=_churn_reach(asked, reached, first), reach=_reach(as_of, reached)
        ),
        "_calendar": calendar_frame(business, first, max(as_of, last)),
    }
    near = asked.within(first, last)
    steps = [
        Step("_entered", "everybody with his own days", "select * from _assigned inner join _days using (entered_on)"),
        Step("spine", "whose rows are read", "select distinct customer_id from _entered"),
        *contract_steps(asked),
        *leaving_steps(asked, near),
        *outcome_steps(asked, near),
    ]  # fmt: skip
    names = [f"outcome_{position}" for position in range(len(business.outcomes))]
    others = ["_left", *(f"_outcome_{position}" for position in range(len(outcomes_by_feed(business.outcomes))))]
    joins = "".join(f"\n    left join {name} on {name}.who = _entered.who" for name in others)
    columns = ["_entered.who", "is_mature", "churned", *(f"coalesce({name}, 0)::double as {name}" for name in names)]
    sql = f"{with_steps(steps)}\n{select(columns, f'from _entered{joins}')}\norder by _entered.who"
    found = warehouse.query(sql, frames=frames)
    is_mature = np.asarray(found["is_mature"].to_numpy(zero_copy_only=False), dtype=bool)
    good = _good(business, aim, found)
    return Became(is_mature, np.where(is_mature, good, np.nan), aim.horizon_days + (1 if asked.proving_feeds else 0))


def _good(business: Business, aim: Aim, found: pa.Table) -> Floats:
    """The outcome, turned so that more is better: 1 who stayed; 1 to whom it happened; an amount in currency units."""
    outcome = aim.outcome(business)
    if outcome is None:
        churned = found["churned"].cast(pa.int8()).cast(pa.float64())
        return 1.0 - np.asarray(churned.to_numpy(zero_copy_only=False), dtype=np.float64)
    told = np.asarray(found[f"outcome_{business.outcomes.index(outcome)}"].to_numpy(), dtype=np.float64)
    told = told / 100 if aim.is_money(business) else told
    if outcome.good == "higher":
        return told
    return 1.0 - told if outcome.kind == "event" else -told


def _reach(as_of: date, reached: Mapping[str, date | None]) -> date | None:
    """Up to this day everything is known that makes an entry mature; None when a feed holds nothing."""
    days = [day for day in reached.values() if day is not None]
    return None if len(days) < len(reached) else min([as_of, *days])


def _churn_reach(asked: Following, reached: Mapping[str, date | None], first: date) -> date:
    """Until when leaving is known; an empty feed tells of nobody."""
    if asked.churn_feed is None:
        return asked.as_of
    reach = reached[asked.churn_feed]
    return first if reach is None else min(asked.as_of, reach)
