"""What a handful of customers said, counted by hand."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from holdback.business import Business
from holdback.workspace import Workspace
from monitoring.causes.results import EVERYBODY, Saying
from monitoring.causes.stated import Stated, read_stated
from monitoring.proportions import newcombe, wilson
from tests.monitoring.causes.company import CHURN, FILE, write

TODAY = date(2025, 7, 1)  # day 181 of the year, counted from 0 at 2025-01-01
#: Outcomes of 45 days: the newest day whose window the data reach is the one before 2025-05-17.
PRICES = {"kind": pa.string(), "price_cents": pa.int64(), "reason": pa.string()}


def nothing(_feed: str, _text: str) -> str | None:
    return None


def workspace(root: Path, **changes: Any) -> Workspace:
    """Forty customers since January: the first twelve leave in June, the others stay."""
    found = Workspace(root, Business.model_validate({**FILE, **changes}), threads=1)
    rows: list[Any] = [(f"c{i:02d}", 1.0, "start", 1000, None) for i in range(40)]
    reasons = ["price"] * 5 + ["moving"] * 3 + ["rude"] * 2 + [None] * 2
    rows += [(f"c{i:02d}", 155.0 + i / 10, "cancel", 1000, reasons[i]) for i in range(12)]
    rows += [("zz", 1.0, "start", 1000, None), ("zz", 179.0, "renew", 1000, None)]
    write(found, "contracts", rows, PRICES)
    people = [f"c{i:02d}" for i in range(40)] + ["zz"]
    found.warehouse.append(
        "customers",
        pa.table(
            {
                "customer_id": people,
                "gender": ["f"] * 41,
                "segment": ["home"] * 8 + ["business"] * 4 + ["home"] * 20 + ["business"] * 8 + ["home"],
                "colour": ["red"] * 38 + ["blue"] * 3,
                "batch_id": ["b"] * 41,
                "row_number": list(range(41)),
                "loaded_at": pa.array([datetime(2025, 1, 1)] * 41, pa.timestamp("us")),
            }
        ),
        batch="b",
    )
    return found


def read(found: Workspace, *names: str, as_of: date = TODAY) -> Stated:
    return read_stated(found.warehouse, found.business, found.business.churn_named(CHURN), as_of, nothing, names)


def of(stated: Stated, kind: str, group: tuple[str, str] = EVERYBODY) -> dict[str, Saying]:
    return {s.value: s for s in stated.sayings.get(group, ()) if s.kind == kind}


def tickets(found: Workspace, rows: list[tuple[str, float, str]], batch: str = "b") -> None:
    write(found, "tickets", rows, {"topic": pa.string()}, batch=batch)


def answers(found: Workspace, rows: list[tuple[str, float, str, float | None, str | None]]) -> None:
    write(found, "nps", rows, {"kind": pa.string(), "score": pa.float64(), "remark": pa.string()})


def test_reasons_are_shares_of_those_who_gave_one(tmp_path: Path) -> None:
    stated = read(workspace(tmp_path))
    assert stated.cancelled[EVERYBODY] == wilson(10, 12)
    # "moving" (3) and "rude" (2) are too few to be told.
    assert of(stated, "reason") == {"price": Saying("reason", "contracts", "price", None, wilson(5, 10))}
    assert (stated.left_count, stated.stayed_count) == (12, 29)


def test_a_single_small_reason_takes_the_next_smallest_with_it(tmp_path: Path) -> None:
    found = workspace(tmp_path)
    more: list[Any] = [(f"d{i}", 1.0, "start", 1000, None) for i in range(14)]
    more += [(f"d{i}", 160.0, "cancel", 1000, ("price", "moving")[i < 6]) for i in range(14)]
    write(found, "contracts", more, PRICES, batch="more")
    # price 13, moving 9, rude 2: with two of them the third could be worked out.
    assert list(of(read(found), "reason")) == ["price"]


def test_who_has_another_contract_or_came_back_did_not_leave(tmp_path: Path) -> None:
    found = workspace(tmp_path)
    again = [("c00", 175.0, "start", 1200, None), ("c01", 176.0, "renew", 1200, None)]
    write(found, "contracts", again, PRICES, batch="again")
    assert read(found).cancelled[EVERYBODY] == wilson(8, 10)


def test_reasons_by_group_hide_small_groups(tmp_path: Path) -> None:
    stated = read(workspace(tmp_path), "segment", "colour")
    # Eight left at home, four in business: both would be shown only if neither were small.
    assert [group for group in stated.cancelled if group[0] == "segment"] == []
    assert stated.cancelled[("colour", "red")] == wilson(10, 12)


def test_topics_of_leavers_and_stayers_have_the_same_days_to_be_said_in(tmp_path: Path) -> None:
    found = workspace(tmp_path)
    day = read(found).compared_on
    assert day == date(2025, 5, 15)
    at = float((day - date(2025, 1, 1)).days)
    rows = [(f"c{i:02d}", at - 10, "outage") for i in range(6)]  # six leavers
    rows += [(f"c{i:02d}", at - 20, "outage") for i in (0, 1)]  # twice the same is once
    rows += [(f"c{i:02d}", at - 10, "outage") for i in range(12, 17)]  # five stayers
    rows += [(f"c{i:02d}", at + 1, "outage") for i in range(6, 12)]  # after the day: too late to compare
    rows += [(f"c{i:02d}", at - 100, "outage") for i in range(20, 30)]  # more than 90 days before
    rows += [("c02", at - 5, "moving"), ("c03", at - 5, "moving"), ("c20", at - 5, "moving")]  # too few
    rows += [("c04", at - 5, " "), ("nobody", at - 5, "outage")]
    tickets(found, rows)
    told = of(read(found), "topic")
    assert list(told) == ["outage"]
    outage = told["outage"]
    assert (outage.left, outage.stayed) == (wilson(6, 12), wilson(5, 29))
    assert outage.difference == newcombe((5, 29), (6, 12), level=0.95)


def test_what_was_loaded_after_the_day_was_not_known_on_it(tmp_path: Path) -> None:
    found = workspace(tmp_path)
    at = float((date(2025, 5, 15) - date(2025, 1, 1)).days)
    tickets(found, [(f"c{i:02d}", at - 0.5, "outage") for i in range(30)])  # known half a day later
    assert of(read(found), "topic") == {}


def test_scores_remarks_and_silence_count_among_those_who_could(tmp_path: Path) -> None:
    found = workspace(tmp_path)
    asked: list[Any] = [(f"c{i:02d}", 100.0, "nps", 3.0 if i < 6 else 9.0, None) for i in range(8)]  # leavers
    asked += [(f"c{i:02d}", 100.0, "nps", 6.0 if i < 17 else 7.0, "well" if i < 20 else None) for i in range(12, 32)]
    asked += [(f"c{i:02d}", 101.0, "nps", None, None) for i in (*range(8), *range(32, 40))]
    answers(found, asked)
    stated = read(found)
    low, silence, remark = (of(stated, kind)["nps"] for kind in ("low_score", "silence", "remark"))
    assert (low.left, low.stayed) == (wilson(6, 8), wilson(5, 20))  # 6 of the NPS still detracts
    assert (silence.left, silence.stayed) == (wilson(0, 8), wilson(8, 28))  # who answered once was not silent
    assert (remark.left, remark.stayed) == (wilson(0, 8), wilson(8, 28))
    assert low.difference == newcombe((5, 20), (6, 8), level=1 - 0.05 / 3)  # three comparisons hold together


def test_only_who_was_asked_and_said_nothing_is_silent(tmp_path: Path) -> None:
    found = workspace(tmp_path)
    rows: list[Any] = [(f"c{i:02d}", 100.0, "nps", None, None) for i in range(6)]  # six leavers: silent
    rows += [(f"c{i:02d}", 100.0, "nps", None, "too dear") for i in range(6, 12)]  # six write without a score
    rows += [(f"c{i:02d}", 100.0, "csat", None, "<p> </p>") for i in range(12, 17)]  # five stayers: nothing but markup
    rows += [(f"c{i:02d}", 100.0, None, 9.0, None) for i in range(17, 30)]  # thirteen score
    rows += [(f"c{i:02d}", 100.0, "review", None, "lovely") for i in range(30, 40)]  # nobody asked
    rows += [("c00", 101.0, "review", None, "a review is no answer to the question")]
    answers(found, rows)
    silence = of(read(found), "silence")["nps"]
    assert (silence.left, silence.stayed) == (wilson(6, 12), wilson(5, 18))


def test_a_scale_that_changed_is_read_as_it_was(tmp_path: Path) -> None:
    since = {"scale": [{"scale": "nps"}, {"scale": "five", "since": "2025-04-01"}]}
    found = workspace(tmp_path, feeds={**FILE["feeds"], "nps": {**FILE["feeds"]["nps"], **since}})
    asked: list[Any] = [(f"c{i:02d}", 60.0, "nps", 5.0, None) for i in range(6)]  # 5 of 10: low
    asked += [(f"c{i:02d}", 100.0, "nps", 5.0, None) for i in range(6, 12)]  # 5 of 5: not
    asked += [(f"c{i:02d}", 100.0, "nps", 2.0, None) for i in range(12, 18)]  # 2 of 5: low
    answers(found, asked)
    low = of(read(found), "low_score")["nps"]
    assert (low.left, low.stayed) == (wilson(6, 12), wilson(6, 6))


def test_a_feed_without_a_scale_has_no_low_scores(tmp_path: Path) -> None:
    plain = {key: value for key, value in FILE["feeds"]["nps"].items() if key != "scale"}
    found = workspace(tmp_path, feeds={**FILE["feeds"], "nps": plain})
    answers(found, [(f"c{i:02d}", 100.0, "nps", 1.0, None) for i in range(40)])
    assert of(read(found), "low_score") == {}
    assert of(read(found), "silence")["nps"].stayed == wilson(0, 28)


def test_before_any_outcome_is_known_reasons_stand_alone(tmp_path: Path) -> None:
    found = workspace(tmp_path)
    early: list[Any] = [(f"e{i}", 2.0, "start", 1000, None) for i in range(6)]
    early += [(f"e{i}", 20.0, "cancel", 1000, "price") for i in range(6)]
    write(found, "contracts", early, PRICES, batch="early")
    stated = read(found, as_of=date(2025, 2, 1))
    assert list(of(stated, "reason")) == ["price"]
    assert (stated.compared_on, stated.left_count) == (None, 0)
    assert "no outcome is known on 2025-02-01" in stated.why_not


def test_a_company_that_asks_and_writes_down_nothing(tmp_path: Path) -> None:
    contracts = {**FILE["feeds"]["contracts"], "columns": {"customer_id": "c", "event_at": "at", "kind": "k"}}
    found = workspace(tmp_path, feeds={"contracts": contracts})
    stated = read(found, "segment")
    assert (dict(stated.sayings), dict(stated.cancelled)) == ({}, {})
    assert stated.left_count == 12


@pytest.mark.parametrize("text", ["children's", '"; drop table x', "caffè ☕" * 50])
def test_any_word_is_only_a_word(tmp_path: Path, text: str) -> None:
    found = workspace(tmp_path)
    tickets(found, [(f"c{i:02d}", 100.0, text) for i in range(20)])
    assert list(of(read(found, "segment"), "topic")) == [text]
