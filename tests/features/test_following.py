"""Who left, counted from each one's own entry, is who left by the labels of that day."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import pytest

from features.corrections import corrected_tables
from features.following import Following, calendar_frame, contract_steps, days_frame, leaving_steps, reaches
from features.labels import build_labels
from features.spine import build_spine
from features.steps import Step, with_steps
from holdback.business import ColumnChurn
from tests.features.test_leaks import WORLD
from tests.features.world import AS_OF, CHURN, Memory, Row, company, instant

NAMES = [definition["name"] for definition in CHURN]


def followed(
    memory: Memory, churn_name: str, entries: dict[str, date], known_on: date, horizon_days: int | None = None
) -> dict[str, dict[str, Any]]:
    business = memory.business
    churn = business.churn_named(churn_name)
    if horizon_days is None:
        horizon_days = 20 if isinstance(churn, ColumnChurn) else churn.lead_days + churn.outcome_days
    asked = Following(business, churn, horizon_days, "churned", known_on, corrected_tables(memory))
    first, last = min(entries.values()), max(entries.values())
    feeds = [asked.churn_feed] if asked.churn_feed else []
    reach = next(iter(reaches(memory, asked, feeds).values()), known_on)
    limit = None if reach is None else min(known_on, reach)
    days = days_frame(asked, first, last, churn_reach=limit, reach=limit)
    people = pa.table({"customer_id": list(entries), "entered_on": pa.array(entries.values(), pa.date32())})
    steps = [
        Step(
            "_entered", "everybody", "select row_number() over () as who, * from _people join _days using (entered_on)"
        ),
        Step("spine", "whose rows are read", "select customer_id from _entered"),
        *contract_steps(asked),
        *leaving_steps(asked, asked.within(first, last)),
    ]
    told = "select customer_id, churned, left_on from _entered left join _left using (who) order by customer_id"
    calendar = calendar_frame(business, first, max(known_on, last))
    rows = memory.query(
        f"{with_steps(steps)}\n{told}", frames={"_people": people, "_days": days, "_calendar": calendar}
    ).to_pylist()
    return {row.pop("customer_id"): row for row in rows}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("back", [120, 80, 46, 20])
def test_everybody_who_enters_on_a_day_is_told_what_the_labels_of_that_day_tell(name: str, back: int) -> None:
    world = {table: [row for row in rows if row["loaded_at"] <= row.get("event_at", row["loaded_at"])
                     + timedelta(days=1)] for table, rows in WORLD.items() if table != "superseded"}  # fmt: skip
    memory, as_of = Memory(company(), world), AS_OF - timedelta(days=back)
    churn = memory.business.churn_named(name)
    spine = build_spine(memory, memory.business, churn, as_of)
    labels = build_labels(memory, memory.business, churn, as_of, known_on=AS_OF, spine=spine)
    told = dict(zip(labels["customer_id"].to_pylist(), labels["churned"].to_pylist(), strict=True))
    assert told
    found = followed(memory, name, dict.fromkeys(told, as_of), AS_OF)
    assert {customer: row["churned"] for customer, row in found.items()} == told


def weekly(customer: str, until: float, count: int = 5) -> list[Row]:
    days = [until - 7 * number for number in range(count)]
    return [{"customer_id": customer, "event_at": instant(days=day), "amount_cents": 100} for day in days]


def test_who_breaks_his_rhythm_has_left_on_the_day_on_which_his_own_window_is_over() -> None:
    # habit: lead 5, twice the usual gap of 7 days: the window of who enters on day d is [d + 5, d + 19).
    rows = [*weekly("gone", -1), *weekly("gone_later", -1), *weekly("here", -1), *weekly("rare", -1, 3)]
    rows += [*weekly("here", 13, 2), {"customer_id": "x", "event_at": instant(days=24), "amount_cents": 1}]
    entries = {"gone": AS_OF, "gone_later": AS_OF + timedelta(days=6), "here": AS_OF, "rare": AS_OF}
    memory = Memory(company(), {"tills": rows})
    found = followed(memory, "habit", entries, AS_OF + timedelta(days=25))
    # The feed reaches day 24: the windows of 19 days are over, that of day 25 is not; nobody's horizon of 45 days is.
    assert {name: row["left_on"] for name, row in found.items()} == {
        "gone": AS_OF + timedelta(days=19), "gone_later": None, "here": None, "rare": None,
    }  # fmt: skip
    assert {row["churned"] for row in found.values()} == {None}


def test_a_short_horizon_shortens_the_window_of_a_rhythm_and_a_long_one_does_not_lengthen_it() -> None:
    rows = [*weekly("slow", -1), {"customer_id": "slow", "event_at": instant(days=16), "amount_cents": 100}]
    rows.append({"customer_id": "x", "event_at": instant(days=150), "amount_cents": 1})
    memory, known_on = Memory(company(), {"tills": rows}), AS_OF + timedelta(days=160)
    for horizon, left_on in ((12, AS_OF + timedelta(days=12)), (45, None), (120, None)):
        found = followed(memory, "habit", {"slow": AS_OF}, known_on, horizon)
        assert (found["slow"]["churned"], found["slow"]["left_on"]) == (left_on is not None, left_on)


def test_whose_balance_is_gone_has_left_on_the_day_on_which_his_horizon_is_over() -> None:
    def level(customer: str, days: float, cents: int) -> Row:
        return {"customer_id": customer, "event_at": instant(days=days), "balance_cents": cents}

    rows = [level(name, -9, 90_000) for name in ("gone", "here", "late")]
    rows += [level("gone", 3, 0), level("here", 3, 0), level("here", 30, 80_000), level("late", 38, 0)]
    rows.append(level("x", 39, 1))
    entries = {"gone": AS_OF, "here": AS_OF, "late": AS_OF + timedelta(days=5), "poor": AS_OF}
    found = followed(Memory(company(), {"levels": rows}), "drain", entries, AS_OF + timedelta(days=40))
    assert {name: (row["churned"], row["left_on"]) for name, row in found.items()} == {
        "gone": (True, AS_OF + timedelta(days=37)), "here": (False, None), "late": (None, None), "poor": (None, None),
    }  # fmt: skip
