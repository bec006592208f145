"""A booking for next week, from the file to the trigger: only a feed that tells what is to come may tell it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from features.build import build_features
from features.labels import build_labels
from features.spine import build_spine
from features.triggers import evaluate, fire, fired
from holdback.business import Business
from holdback.errors import ContractBroken
from holdback.ingest import ingest
from holdback.quarantine import release
from holdback.workspace import Workspace

AS_OF = date(2026, 3, 2)
DAY = timedelta(days=1)
BOOKED: dict[str, Any] = {"name": "booked", "kind": "announced", "feed": "stays", "on": "event_at", "ahead_days": 14}
STAYS = {"role": "transactions", "columns": {"customer_id": "guest", "event_at": "on", "amount": "paid"}}


def resort(folder: Path, triggers: Sequence[dict[str, Any]] = (BOOKED,), **stays: Any) -> Workspace:
    """A resort whose file of stays tells those that are booked as well, by their first day."""
    churn = [
        {"name": "lapse", "kind": "inactivity", "feed": "stays", "outcome_days": 30, "active_days": 400},
        {"name": "habit", "kind": "rhythm", "feed": "stays", "times": 2, "outcome_days": 60, "least_purchases": 3},
    ]
    declared = {
        "slug": "resort",
        "name": "Resort",
        "currency": "EUR",
        "time_zone": "Europe/Madrid",
        "feeds": {"stays": {**STAYS, "source": str(folder / "stays" / "*.csv"), **stays}},
        "churn": churn,
        "triggers": list(triggers),
    }
    return Workspace(folder / "work", Business.model_validate(declared), {})


def write(folder: Path, name: str, stays: Sequence[tuple[str, date | datetime]]) -> None:
    (folder / "stays").mkdir(parents=True, exist_ok=True)
    lines = ["guest,on,paid", *(f"{guest},{on},100" for guest, on in stays)]
    (folder / "stays" / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


PAST = [("ann", AS_OF - 7 * week * DAY) for week in range(1, 6)] + [("bob", AS_OF - 100 * DAY)]
TO_COME = [("ann", AS_OF + 5 * DAY), ("ann", AS_OF + 9 * DAY), ("cy", AS_OF), ("dee", AS_OF + 15 * DAY)]
TO_COME += [("eve", AS_OF + 400 * DAY), ("fay", AS_OF + 14 * DAY), ("guy", AS_OF + 3 * DAY)]


def known(workspace: Workspace, as_of: date) -> dict[str, float]:
    """Whose stay is announced on a day, and in how many days it comes."""
    rows = evaluate(workspace.warehouse, workspace.business, workspace.business.triggers[0], as_of).to_pylist()
    return {row["customer_id"]: row["size"] for row in rows}


def test_a_file_of_bookings_is_loaded_and_the_trigger_fires(tmp_path: Path) -> None:
    workspace = resort(tmp_path)
    write(tmp_path, "a", [*PAST, *TO_COME])
    (batch,) = ingest(workspace, AS_OF).batches
    assert (batch.offered, batch.clean, batch.quarantined, batch.verdict) == (13, 13, 0, "passed")
    assert known(workspace, AS_OF) == {"ann": 5.0, "cy": 0.0, "fay": 14.0, "guy": 3.0}
    assert fire(workspace.warehouse, workspace.business, AS_OF).fired_count == 4
    rows = fired(workspace.warehouse, workspace.business, "booked", AS_OF, 1).to_pylist()
    assert rows[0]["detail"] == '{"days_left":5,"on":"2026-03-07"}'


def test_a_booking_is_known_from_its_load_on_and_until_it_happens(tmp_path: Path) -> None:
    workspace = resort(tmp_path)
    write(tmp_path, "a", PAST)
    ingest(workspace, AS_OF - DAY)
    write(tmp_path, "b", [("ann", AS_OF + 5 * DAY)])
    ingest(workspace, AS_OF)
    assert known(workspace, AS_OF - DAY) == {}
    assert known(workspace, AS_OF) == {"ann": 5.0}
    assert known(workspace, AS_OF + 5 * DAY) == {"ann": 0.0}
    assert known(workspace, AS_OF + 6 * DAY) == {}


def test_without_such_a_trigger_a_day_to_come_is_a_mistake(tmp_path: Path) -> None:
    count = {"name": "often", "kind": "count_over", "feed": "stays", "at_least": 3}
    write(tmp_path, "a", [*PAST, *TO_COME])
    with pytest.raises(ContractBroken, match="event_at must lie before the end of the day"):
        ingest(resort(tmp_path, [count]), AS_OF)


def test_the_other_rules_hold_for_a_feed_of_bookings(tmp_path: Path) -> None:
    workspace = resort(tmp_path, expects={"quarantined_share": 1})
    (tmp_path / "stays").mkdir()
    rows = "guest,on,paid\nann,2026-03-09,x\n,2026-03-09,1\nbob,soon,1\ncy,2026-03-09,1\n"
    (tmp_path / "stays" / "a.csv").write_text(rows, encoding="utf-8")
    (batch,) = ingest(workspace, AS_OF).batches
    assert batch.reasons == {"amount_is_money": 1, "customer_id_is_given": 1, "event_at_is_instant": 1}
    assert known(workspace, AS_OF) == {"cy": 7.0}


def test_bookings_that_waited_in_quarantine_are_let_in_once_a_trigger_asks_for_them(tmp_path: Path) -> None:
    write(tmp_path, "a", [*PAST, ("ann", AS_OF + 5 * DAY)])
    (batch,) = ingest(resort(tmp_path, ()), AS_OF).batches
    assert batch.reasons == {"event_at_is_not_in_the_future": 1}
    workspace = resort(tmp_path)
    assert ingest(workspace, AS_OF).is_unchanged
    assert release(workspace, batch.batch_id, as_of=AS_OF).released == 1
    assert known(workspace, AS_OF) == {"ann": 5.0}


def test_in_a_history_what_happened_is_known_the_morning_after_and_what_is_booked_now(tmp_path: Path) -> None:
    workspace = resort(tmp_path)
    write(tmp_path, "a", [*PAST, *TO_COME])
    ingest(workspace, AS_OF, history=True)
    assert known(workspace, AS_OF) == {"ann": 5.0, "cy": 0.0, "fay": 14.0, "guy": 3.0}
    sql = "select cast(max(loaded_at) as varchar) as last, count(distinct loaded_at) as mornings from stays"
    assert workspace.warehouse.query(sql).to_pylist() == [{"last": "2026-03-01 23:00:00", "mornings": 7}]


@pytest.mark.parametrize("history", [False, True])
def test_no_feature_no_spine_and_no_label_sees_what_is_only_booked(tmp_path: Path, history: bool) -> None:
    """The features of a day are the bits of those without the bookings, until the stay begins."""
    plain, announcing = resort(tmp_path / "plain"), resort(tmp_path / "announcing")
    write(tmp_path / "plain", "a", PAST)
    write(tmp_path / "announcing", "a", [*PAST, *TO_COME])
    for workspace in (plain, announcing):
        ingest(workspace, AS_OF, history=history)
    for churn in plain.business.churn:
        for as_of in (AS_OF, AS_OF - 60 * DAY):
            labels = [build_labels(w.warehouse, w.business, churn, as_of, known_on=AS_OF) for w in (plain, announcing)]
            assert labels[0].equals(labels[1])
        spines = [build_spine(w.warehouse, w.business, churn, AS_OF) for w in (plain, announcing)]
        assert spines[0].num_rows > 0
        assert spines[0].equals(spines[1])
        features = [build_features(w.warehouse, w.business, churn, AS_OF) for w in (plain, announcing)]
        assert features[0].equals(features[1])
    # On the day after his stay has begun, the guest who had only booked is a customer like the others.
    lapse = announcing.business.churn[0]
    assert "guy" not in build_spine(announcing.warehouse, announcing.business, lapse, AS_OF)["customer_id"].to_pylist()
    later = build_spine(announcing.warehouse, announcing.business, lapse, AS_OF + 4 * DAY)["customer_id"].to_pylist()
    assert later == ["ann", "bob", "cy", "guy"]
