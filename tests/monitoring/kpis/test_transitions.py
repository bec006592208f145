"""From stage to stage between two days, and how large the groups are."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from features.segments import write_segments
from holdback.errors import BusinessFileError, DataError
from holdback.warehouse import Lake
from monitoring.kpis import ARRIVED, GONE, group_sizes, transitions
from monitoring.proportions import wilson
from tests.features.world import Memory, Row, arrow
from tests.monitoring.kpis.company import AS_OF, RECORDED, at, cancel, company, names, start, world

CANCELLED = company().churn_named("cancelled")
BEFORE = date(2025, 5, 15)


def customers(ids: list[str], **attributes: object) -> list[Row]:
    return [
        {"customer_id": who, "region": "north", "vip": False, "gender": "f", "loaded_at": at(2024, 1, 1), **attributes}
        for who in ids
    ]


def segments(day: date, stages: dict[str, list[str]]) -> list[Row]:
    return [
        {"as_of": day, "customer_id": who, "churn": "cancelled", "stage": stage, "revenue_cents": 1000}
        for stage, ids in stages.items() for who in ids
    ]  # fmt: skip


def moved() -> Memory:
    """Of 20 new customers 12 are steady a month later and 8 have gone; of 30 steady ones 25 stay so; 10 arrive."""
    new, steady, arriving = names("n", 20), names("s", 30), names("a", 10)
    deals = [RECORDED, *(start(who, at(2024, 1, 5)) for who in (*new, *steady))]
    deals += [start(who, at(2025, 6, 2)) for who in arriving] + [cancel(who, at(2025, 6, 1)) for who in new[12:]]
    stored = segments(BEFORE, {"new": new, "steady": steady})
    stored += segments(AS_OF, {"steady": [*new[:12], *steady[:25]], "at_risk": steady[25:], "new": arriving})
    return world(deals=deals, segments=stored)


def test_counts_and_shares_of_each_row() -> None:
    found = transitions(moved(), company(), CANCELLED, AS_OF)
    assert (found.since, found.groups) == (BEFORE, ("new", "steady", "at_risk"))
    assert found.move("new", "steady").customer_count == 12
    assert found.move("new", GONE).customer_count == 8
    assert found.move("steady", "at_risk").customer_count == 5
    assert found.move(ARRIVED, "new").customer_count == 10
    assert found.move("new", "new").customer_count == 0
    assert found.move("new", GONE).share == wilson(8, 20)
    assert found.move("steady", "steady").share == wilson(25, 30)
    assert sum(move.customer_count or 0 for move in found.moves if move.came_from != ARRIVED) == 50
    assert found.notes == ()
    with pytest.raises(KeyError):
        found.move(ARRIVED, GONE)


def test_few_who_moved_cannot_be_worked_out_from_the_totals() -> None:
    new, steady = names("n", 20), names("s", 30)
    stored = segments(BEFORE, {"new": new, "steady": steady})
    stored += segments(AS_OF, {"steady": [*new[:17], *steady[:15]], "new": [*new[17:], *steady[15:]]})
    deals = [start(who, at(2024, 1, 5)) for who in (*new, *steady)]
    found = transitions(world(deals=deals, segments=stored), company(), CANCELLED, AS_OF)
    pairs = [(row, column) for row in ("new", "steady") for column in ("new", "steady")]
    assert [found.move(*pair).customer_count for pair in pairs] == [None] * 4
    assert all(found.move(*pair).share is None for pair in pairs)


def test_days_that_were_not_written_are_computed_as_they_were_known() -> None:
    deals = [RECORDED, *(start(who, at(2025, 1, 5)) for who in names("c", 12))]
    deals += [start(who, at(2025, 5, 3)) for who in names("d", 9)]
    found = transitions(world(deals=deals), company(), CANCELLED, AS_OF, since=date(2025, 4, 20))
    assert found.groups == ("new", "steady")
    assert found.move("steady", "steady").customer_count == 12
    assert found.move(ARRIVED, "new").customer_count == 9
    assert [note[:33] for note in found.notes] == [
        "the segments of 2025-04-20 were n",
        "the segments of 2025-06-15 were n",
    ]


def test_the_first_day_everyone_left_and_nobody_at_all() -> None:
    deals = [start(who, at(2025, 5, 20)) for who in names("c", 12)]
    first = transitions(world(deals=deals), company(), CANCELLED, AS_OF)
    assert [move.customer_count for move in first.moves if move.came_from == ARRIVED] == [12]
    gone = [start(who, at(2025, 1, 5)) for who in names("c", 12)]
    gone += [cancel(who, at(2025, 6, 1)) for who in names("c", 12)]
    last = transitions(world(deals=gone), company(), CANCELLED, AS_OF)
    assert last.move("steady", GONE).share == wilson(12, 12)
    with pytest.raises(DataError, match="nobody is described on 2025-05-15 or on 2025-06-15"):
        transitions(world(), company(), CANCELLED, AS_OF)
    with pytest.raises(DataError, match="not before 2025-06-15"):
        transitions(moved(), company(), CANCELLED, AS_OF, since=AS_OF)


def test_customers_move_between_groups_of_their_own_too() -> None:
    deals = [start(who, at(2024, 1, 5)) for who in names("c", 12)]
    versions = customers(names("c", 12)) + customers(names("c", 6), region="south", loaded_at=at(2025, 6, 1))
    found = transitions(world(deals=deals, customers=versions), company(), CANCELLED, AS_OF, by="region")
    assert found.move("north", "south").share == wilson(6, 12)
    with pytest.raises(BusinessFileError, match="protected"):
        transitions(world(deals=deals, customers=versions), company(), CANCELLED, AS_OF, by="gender")


def test_sizes_of_groups_and_what_they_bring() -> None:
    found = group_sizes(moved(), company(), CANCELLED, AS_OF)
    assert (found.customer_count, found.is_stored, found.currency) == (52, True, "EUR")
    assert [(one.value, one.customer_count) for one in found.groups] == [("new", 10), ("steady", 37), ("at_risk", 5)]
    assert [one.revenue_amount for one in found.groups] == [10.0] * 3
    assert sum(one.share or 0 for one in found.groups) == pytest.approx(1)
    small = group_sizes(world(deals=[start("one", at(2025, 1, 5))]), company(), CANCELLED, AS_OF, by="cohort")
    assert small.customer_count is None
    assert [(one.value, one.customer_count, one.share) for one in small.groups] == [("2025-01", None, None)]
    with pytest.raises(DataError, match=r"nobody is described on 2025-06-15\. Groups need customers"):
        group_sizes(world(), company(), CANCELLED, AS_OF)


def test_what_was_written_is_what_is_told(tmp_path: Path) -> None:
    tables = company().tables
    lake = Lake(tmp_path, tables, threads=1)
    deals = [RECORDED, *(start(who, at(2025, 1, 5)) for who in names("c", 12))]
    deals += [start(who, at(2025, 5, 3)) for who in names("d", 9)]
    lake.append("deals", arrow(tables["deals"], deals), batch="b")
    computed = transitions(lake, company(), CANCELLED, AS_OF, since=AS_OF - timedelta(days=50))
    for day in (AS_OF - timedelta(days=50), AS_OF):
        write_segments(lake, company(), day)
    written = transitions(lake, company(), CANCELLED, AS_OF, since=AS_OF - timedelta(days=50))
    assert written.moves == computed.moves
    assert (len(computed.notes), written.notes) == (2, ())


def test_who_has_gone_before_cancellations_were_on_record_is_not_known() -> None:
    deals = [start(who, at(2025, 1, 5)) for who in names("c", 12)]
    silent = transitions(world(deals=deals), company(), CANCELLED, AS_OF)
    assert silent.notes[-1] == "no cancellation is on record: who has gone is not known"
    late = transitions(world(deals=[*deals, cancel("c00", at(2025, 6, 3))]), company(), CANCELLED, AS_OF)
    assert late.notes[-1] == "the first cancellation on record is of 2025-06-03: who had gone before is not known"


def test_a_snapshot_has_no_moves_and_no_stages() -> None:
    bare = company(feeds=())
    rows = [{"customer_id": who, "region": "n", "left": False, "loaded_at": at(2025, 1, 1)} for who in names("c", 12)]
    warehouse = world(bare, customers=rows)
    with pytest.raises(BusinessFileError, match="kind column says once who left, not when"):
        transitions(warehouse, bare, bare.churn[0], AS_OF)
    [group] = group_sizes(warehouse, bare, bare.churn[0], AS_OF).groups
    assert (group.value, group.customer_count) == ("not known", 12)
    with pytest.raises(BusinessFileError, match="'rfm': no feed has the role transactions"):
        group_sizes(warehouse, bare, bare.churn[0], AS_OF, by="rfm")


def test_who_has_no_stage_did_not_arrive() -> None:
    """A stage that is not known is a group of its own, also in rows that were written."""
    stored = segments(BEFORE, {"new": names("c", 12)}) + segments(AS_OF, {"steady": names("c", 6)})
    stored += [{**row, "stage": None} for row in segments(AS_OF, {"": names("c", 12)[6:]})]
    deals = [RECORDED, *(start(who, at(2024, 1, 5)) for who in names("c", 12))]
    found = transitions(world(deals=deals, segments=stored), company(), CANCELLED, AS_OF)
    assert found.groups == ("new", "steady", "not known")
    assert found.move("new", "not known").customer_count == 6
