"""A company whose customers complain, buy and cancel at random, and the same trial in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from holdback.business import Business
from holdback.workspace import Workspace

DAY = timedelta(days=1)
OPENS = date(2025, 1, 1)
OUTCOME_DAYS, ACTIVE_DAYS = 30, 40

FILE: dict[str, Any] = {
    "slug": "shop",
    "name": "Shop",
    "currency": "EUR",
    "time_zone": "UTC",
    "customers": {"source": "clients.csv", "key": "client", "attributes": {"region": "category"}},
    "feeds": {
        "tills": {
            "role": "transactions", "source": "tills/*.csv",
            "columns": {"customer_id": "client", "event_at": "at", "amount": "paid"},
        },
        "contracts": {
            "role": "subscriptions", "source": "contracts/*.csv",
            "columns": {"customer_id": "client", "event_at": "at", "kind": "what"},
        },
        "tickets": {
            "role": "interactions", "source": "tickets/*.csv",
            "columns": {"customer_id": "client", "event_at": "at", "topic": "topic"},
        },
    },
    "churn": [
        {
            "name": "lapsed", "kind": "inactivity", "feed": "tills", "outcome_days": OUTCOME_DAYS,
            "active_days": ACTIVE_DAYS,
        },
        {"name": "cancelled", "kind": "cancellation", "feed": "contracts", "outcome_days": OUTCOME_DAYS},
    ],
    "actions": [{"name": name, "channel": "phone", "cost": 1.0} for name in ("call", "gift")],
}  # fmt: skip

COMPLAINTS: dict[str, Any] = {
    "name": "complaints", "kind": "count_over", "feed": "tickets", "at_least": 2, "over_days": 14, "cooldown_days": 21,
    "expected_per_day": 1.0, "then": [{"when": {"region": ["north"]}, "action": "call"}, {"action": "gift"}],
}  # fmt: skip


def business_of(*, churn: Literal["lapsed", "cancelled"] = "lapsed", **changes: Any) -> Business:
    """The shop; its first churn definition is ``churn``, and ``changes`` are made to its only trigger."""
    first = [one for one in FILE["churn"] if one["name"] == churn]
    others = [one for one in FILE["churn"] if one["name"] != churn]
    return Business.model_validate({**FILE, "churn": first + others, "triggers": [COMPLAINTS | changes]})


@dataclass
class Shop:
    """What happened, by customer: instants, in order."""

    region: dict[str, str] = field(default_factory=dict)
    purchases: dict[str, list[datetime]] = field(default_factory=dict)
    tickets: dict[str, list[datetime]] = field(default_factory=dict)
    cancelled: dict[str, datetime] = field(default_factory=dict)

    def write(self, folder: Path, business: Business, *, loads: timedelta = DAY) -> Workspace:
        """Store it as if every row had been loaded ``loads`` after it happened."""
        workspace = Workspace(folder, business, threads=1)
        started = datetime(OPENS.year, OPENS.month, OPENS.day)
        contracts = [(who, started, "start") for who in self.region]
        contracts += [(who, at, "cancel") for who, at in self.cancelled.items()]
        tills = [(who, at, 1000) for who, all_at in self.purchases.items() for at in all_at]
        tickets = [(who, at, "complaint") for who, all_at in self.tickets.items() for at in all_at]
        for name, column, rows in (
            ("tills", "amount_cents", tills), ("contracts", "kind", contracts), ("tickets", "topic", tickets),
        ):  # fmt: skip
            at = [row[1] for row in rows]
            columns = {
                "customer_id": [row[0] for row in rows],
                "event_at": pa.array(at, pa.timestamp("us")),
                column: [row[2] for row in rows],
                **loaded(len(rows), [moment + loads for moment in at]),
            }
            if rows:
                workspace.warehouse.append(name, pa.table(columns), batch="all")
        clients = {"customer_id": list(self.region), "region": list(self.region.values())}
        clients |= loaded(len(self.region), [started] * len(self.region))
        workspace.warehouse.append("customers", pa.table(clients), batch="all")
        return workspace


def loaded(count: int, at: list[datetime]) -> dict[str, Any]:
    """The columns of loading."""
    return {
        "batch_id": ["all"] * count,
        "row_number": list(range(1, count + 1)),
        "loaded_at": pa.array(at, pa.timestamp("us")),
    }


def random_shop(seed: int, *, customers: int = 120, days: int = 200) -> Shop:
    """Customers who buy every week or so, complain in bursts, and leave: complainers more often."""
    rng = np.random.default_rng(seed)
    shop = Shop()
    for number in range(customers):
        who = f"c{number:03d}"
        shop.region[who] = "north" if rng.random() < 0.5 else "south"
        ends = float(days)
        if rng.random() < 0.4:
            burst = rng.uniform(20, days - 40)
            shop.tickets[who] = [_at(burst + back) for back in sorted(rng.uniform(0, 10, rng.integers(1, 5)))]
            if rng.random() < 0.6:
                ends = min(days, burst + rng.uniform(5, 30))
        elif rng.random() < 0.3:
            ends = rng.uniform(30, days)
        if ends < days:
            shop.cancelled[who] = _at(ends)
        gaps = np.cumsum(rng.exponential(8.0, 80)) + rng.uniform(0, 8)
        shop.purchases[who] = [_at(gap) for gap in gaps if gap < ends]
    # Whoever comes to the end proves that the data reach it.
    shop.region["last"] = "south"
    shop.purchases["last"] = [_at(float(day)) for day in range(0, days + 1, 5)]
    shop.cancelled["last"] = _at(float(days))
    return shop


def _at(days: float) -> datetime:
    return datetime(OPENS.year, OPENS.month, OPENS.day) + timedelta(seconds=round(days * 86_400))


def start(day: date) -> datetime:
    """The instant at which a day begins."""
    return datetime(day.year, day.month, day.day)
