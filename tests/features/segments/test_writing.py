"""The table ``segments``: one batch per day, written once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from features.segments import batch_of, build_segments, stored_segments, write_segments
from holdback.warehouse import Lake
from tests.features.world import AS_OF, Row, arrow, company, instant

CUSTOMERS = [f"c{number}" for number in range(12)]


def tills(*days_ago: float) -> list[Row]:
    return [
        {"customer_id": customer, "event_at": instant(days=-days), "amount_cents": 100, "order_id": "o"}
        for customer in CUSTOMERS for days in days_ago
    ]  # fmt: skip


def deals() -> list[Row]:
    return [
        {"customer_id": customer, "event_at": instant(days=-200), "kind": "start", "price_cents": 900}
        for customer in CUSTOMERS[:4]
    ]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path, company().tables, threads=1)
    lake.append("tills", arrow(company().tables["tills"], tills(300, 20)), batch="b1")
    lake.append("deals", arrow(company().tables["deals"], deals()), batch="b1")
    return lake


def test_a_day_is_written_once_for_all_churn_definitions(lake: Lake) -> None:
    steps: list[str] = []
    day = write_segments(lake, company(), AS_OF, progress=lambda step, _done, _total: steps.append(step))
    counts = {one.churn: one.customer_count for one in day.churns}
    assert counts["lapse"] == 12
    assert counts["leave"] == 4
    assert not day.was_written_already
    assert len(steps) == len(company().churn)
    assert lake.has_batch("segments", batch_of(AS_OF))
    lapse = company().churn_named("lapse")
    assert stored_segments(lake, "lapse", AS_OF).equals(build_segments(lake, company(), lapse, AS_OF))


def test_a_rerun_answers_with_what_stands_also_when_the_data_have_changed(lake: Lake) -> None:
    first = write_segments(lake, company(), AS_OF)
    version = lake.version("segments")
    late = [{**row, "loaded_at": instant(days=-1), "customer_id": f"new-{row['customer_id']}"} for row in tills(3)]
    lake.append("tills", arrow(company().tables["tills"], late), batch="b2")
    again = write_segments(lake, company(), AS_OF)
    assert again.was_written_already
    assert again.churns == first.churns
    assert lake.version("segments") == version
    assert write_segments(lake, company(), AS_OF + timedelta(days=1)).churns[0].customer_count == 24


def test_the_first_day_describes_nobody_writes_nothing_and_can_be_asked_again(lake: Lake) -> None:
    before = AS_OF - timedelta(days=300)
    day = write_segments(lake, company(), before)
    assert (day.churns, day.customer_count, day.was_written_already) == ((), 0, False)
    assert lake.version("segments") is None
    earlier = [{**row, "loaded_at": row["event_at"]} for row in tills(310)]
    lake.append("tills", arrow(company().tables["tills"], earlier), batch="b2")
    assert write_segments(lake, company(), before).customer_count == 12


def test_what_is_told_adds_up(lake: Lake) -> None:
    for one in write_segments(lake, company(), AS_OF).churns:
        assert sum(one.stage_counts.values()) == one.customer_count
        assert one.valued_count == 0


def test_who_has_no_stage_is_written_and_counted(tmp_path: Path) -> None:
    everything = ("tills", "calls", "surveys", "levels", "deals", "meters", "mails")
    business = company(without=everything)
    lake = Lake(tmp_path, business.tables, threads=1)
    known = [{"customer_id": who, "left": False, "loaded_at": instant(days=-9)} for who in CUSTOMERS]
    lake.append("customers", arrow(business.tables["customers"], known), batch="b1")
    [said] = write_segments(lake, business, AS_OF).churns
    assert said.stage_counts == {"not known": 12}
    assert stored_segments(lake, "said", AS_OF)["stage"].null_count == 12
