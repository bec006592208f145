"""Companies that Hypothesis invents, and how they live day by day: who moves, who says no, what is reported back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from campaigns.reconciliation import reconcile
from holdback.business import Business
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import (
    AS_OF,
    LONG_AGO,
    actions,
    company,
    contract,
    customer,
    launch_all,
    ledger,
    put,
    score,
)

Row = dict[str, Any]
PROBABILITIES = (0.05, 0.3, 0.6, 0.9)
#: Horizon of a campaign's second version; who is in the first one stays as long as that said.
RENEWED_DAYS = 1
SHARES = (0.0, 0.1, 0.3, 0.6)


@dataclass(frozen=True)
class Day:
    """What is new on one day.

    Attributes:
        gap: Days since the one before.
        shares: Of the holdouts and of exploration, from this day on.
        changes: New versions of customers, by number: what they say differently.
        reports: Outcome of each of yesterday's contacts, as far as the CRM reports them, in turn.
        foreign: Numbers of the customers whom somebody else contacted the day before.
    """

    gap: int
    shares: Mapping[str, float]
    changes: Mapping[int, Row]
    reports: Sequence[str | None]
    foreign: Sequence[int]


@dataclass(frozen=True)
class History:
    """A company and its days."""

    people: Sequence[Row]
    limits: Mapping[str, Any]
    campaigns: Sequence[Row]
    contact: Mapping[str, Any]
    days: Sequence[Day]
    rotates_with: int | None
    renewed_with: int | None

    @property
    def dates(self) -> list[date]:
        """The days in order."""
        found, day = [], AS_OF
        for each in self.days:
            day += timedelta(days=each.gap)
            found.append(day)
        return found

    def horizon(self, row: Row) -> timedelta:
        """How long a row of the ledger keeps its customer in its campaign, by the file of the day of its launch."""
        stated = {campaign["name"]: campaign["horizon_days"] for campaign in self.campaigns}
        return timedelta(days=RENEWED_DAYS if row["version"] == 2 else stated[row["campaign"]])

    def business(self, position: int) -> Business:
        """The company's file on one of its days."""
        dates = self.dates
        rotates = [dates[self.rotates_with]] if self.rotates_with is not None else []
        is_renewed = self.renewed_with is not None and position >= self.renewed_with
        campaigns = [dict(campaign) for campaign in self.campaigns]
        if is_renewed:
            campaigns[0] |= {"version": 2, "horizon_days": RENEWED_DAYS}
        return company(
            actions=actions(**self.limits["actions"]),
            holdout={**self.days[position].shares, "rotates_on": rotates},
            campaigns=campaigns,
            contact=dict(self.contact),
            **({"budget": {"per_day": self.limits["budget"]}} if self.limits["budget"] else {}),
        )


def _of(value: Any, *rare: Any, often: int = 8) -> st.SearchStrategy[Any]:
    return st.sampled_from([value] * often + list(rare))


HOMES = _of(None, "h1", "h2", "h3", "h4", often=12)  # rare enough that not everybody becomes one unit
KEYS = _of(None, "k1@x.es", " K1@X.ES ", "k2@x.es", "", often=16)
FLAGS = {
    "has_consent": _of(True, False, None, often=20), "vulnerable": _of(False, True, None, often=20),
    "quiet": _of(False, True, None, often=20), "mail_ok": _of(True, False, None, often=6),
}  # fmt: skip
PEOPLE = st.fixed_dictionaries(
    {
        "household_id": HOMES, "contact_key": KEYS, **FLAGS, "city": st.sampled_from(["Lugo", "Lugo", "Vigo"]),
        "price_cents": st.sampled_from([10_000, 60_000, 200_000]), "risk": st.integers(0, 3),
        "since": _of(0, 1, often=6),
    }
)  # fmt: skip
CHANGES = st.fixed_dictionaries({}, optional={"household_id": HOMES, "contact_key": KEYS, **FLAGS})
AUDIENCES = st.fixed_dictionaries(
    {"risk_tiers": st.sampled_from([[], ["high"], ["high", "medium"]])},
    optional={"where": st.just({"city": ["Lugo"]})},
)
ACTION_SETS = st.sampled_from([["call", "mail"], ["mail"], ["mail", "gift"], ["call", "mail", "gift"]])


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Companies of one to two dozen people, with one to three campaigns whose audiences overlap, and their days."""
    count = draw(st.integers(8, 22))
    capacity = _of(None, 1, 2, 5, often=4)
    budget = _of(None, 5.1, 11.29, 30.0, often=4)
    campaigns = [
        {
            "name": name, "actions": draw(ACTION_SETS), "audience": draw(AUDIENCES),
            "horizon_days": draw(st.sampled_from([1, 3, 30])),
            **({"budget_per_day": own} if (own := draw(budget)) else {}),
        }
        for name in ("spring", "summer", "autumn")[: draw(st.integers(1, 3))]
    ]  # fmt: skip
    shares = st.fixed_dictionaries(
        {
            "global_share": _of(0.0, 0.1, 0.3, often=2), "campaign_share": st.sampled_from(SHARES),
            "explore_share": _of(0.0, 0.3, 1.0, often=2),
        }
    )  # fmt: skip
    outcomes = st.sampled_from([None, "sent", "sent", "delivered", "bounced", "opted_out", "complained"])
    days = [
        Day(
            gap=draw(_of(1, 2, 4, often=3)),
            shares=draw(shares),
            changes=draw(st.dictionaries(st.integers(0, count - 1), CHANGES, max_size=4)) if position else {},
            reports=draw(st.lists(outcomes, min_size=1, max_size=5)),
            foreign=draw(st.lists(st.integers(0, count - 1), max_size=2)) if position else [],
        )
        for position in range(draw(st.integers(2, 4)))
    ]
    later = st.none() | st.integers(1, len(days) - 1)
    return History(
        people=draw(st.lists(PEOPLE, min_size=count, max_size=count)),
        limits={
            "actions": {name: {"capacity_per_day": draw(capacity)} for name in ("call", "mail", "gift")}
            | {"mail": {"capacity_per_day": draw(capacity), "cooling_off_days": draw(st.sampled_from([0, 2]))}},
            "budget": draw(budget),
        },
        campaigns=campaigns,
        contact={"at_most": draw(st.sampled_from([1, 2, 9])), "per_days": draw(st.sampled_from([1, 3, 30]))},
        days=days,
        rotates_with=draw(later),
        renewed_with=draw(later),
    )  # fmt: skip


def name_of(number: int) -> str:
    """A customer's id; the order of the ids is not the order of the rows."""
    return f"c{number * 7 % 23:02d}"


def live_until(root: Path, history: History, position: int, *, in_other_pieces: bool = False) -> Workspace:
    """Write what became known up to one of the days (of that day alone, when the earlier ones are there already).

    Args:
        root: Where the company lives.
        history: Its days.
        position: Which day.
        in_other_pieces: True to write the same rows in another order and in other batches.
    """
    business, day = history.business(position), history.dates[position]
    workspace = Workspace(root, business, threads=1)
    known_at = LONG_AGO if position == 0 else business.instant(day)
    versions = _versions(history, position)
    new = [row for number, row in versions.items() if history.people[number]["since"] == position]
    changed = [row for number, row in versions.items() if number in history.days[position].changes]
    changed = [row for row in changed if row not in new]
    _write(workspace, "customers", [{**row, "loaded_at": known_at, "batch_id": f"b-{position}"} for row in
                                    [*new, *changed]], f"customers/{position}", in_other_pieces)  # fmt: skip
    prices = {name_of(number): person["price_cents"] for number, person in enumerate(history.people)}
    started = [contract(row["customer_id"], prices[row["customer_id"]], loaded_at=known_at) for row in new]
    _write(workspace, "contracts", started, f"contracts/{position}", in_other_pieces)
    scores = [
        score(name_of(number), PROBABILITIES[(person["risk"] + position) % 4], on=day)
        for number, person in enumerate(history.people)
        if person["since"] <= position
    ]
    _write(workspace, "scores", scores, f"scores/{position}", in_other_pieces)
    _write(workspace, "sendings", _reported(workspace, history, position), f"sendings/{position}", in_other_pieces)
    launch_all(workspace, day)
    reconcile(workspace, day)
    return workspace


def _versions(history: History, position: int) -> dict[int, Row]:
    """What is known of each customer on a day, by number."""
    found = {}
    for number, person in enumerate(history.people):
        if person["since"] > position:
            continue
        said = {name: value for name, value in person.items() if name not in ("price_cents", "risk", "since")}
        for day in history.days[person["since"] : position + 1]:
            said |= day.changes.get(number, {})
        found[number] = customer(name_of(number), **said)
    return found


def known_customers(history: History, position: int) -> dict[str, Row]:
    """The newest version of each customer on a day, by name."""
    return {row["customer_id"]: row for row in _versions(history, position).values()}


def _reported(workspace: Workspace, history: History, position: int) -> list[Row]:
    """What the CRM tells on a day of the contacts of the day before, and of contacts that were none of ours."""
    if position == 0:
        return []
    day, before = history.dates[position], history.dates[position - 1]
    told = history.days[position].reports
    known = {"event_at": workspace.business.instant(before) + timedelta(hours=11),
             "loaded_at": workspace.business.instant(day)}  # fmt: skip
    contacts = [row for row in ledger(workspace, kind="decided", on=before) if row["action"] != "none"]
    rows = [
        {
            "customer_id": row["customer_id"], "campaign": row["campaign"], "channel": row["channel"],
            "action": row["action"], "decision_id": row["entry_id"], "outcome": told[turn % len(told)], **known,
        }
        for turn, row in enumerate(sorted(contacts, key=lambda row: row["customer_id"]))
        if told[turn % len(told)] is not None
    ]  # fmt: skip
    return rows + [
        {"customer_id": name_of(number), "campaign": "tax office", "channel": "phone", "outcome": "sent", **known}
        for number in history.days[position].foreign
    ]


def _write(workspace: Workspace, table: str, rows: list[Row], batch: str, in_other_pieces: bool) -> None:
    if not rows:
        return
    numbered = [{**row, "row_number": 100 * len(batch) + i} for i, row in enumerate(rows)]
    if not in_other_pieces:
        put(workspace, table, numbered, batch=batch)
        return
    mixed = sorted(numbered, key=lambda row: row["customer_id"][::-1], reverse=True)
    for piece in range(3):
        put(workspace, table, mixed[piece::3], batch=f"{batch}/{piece}")
