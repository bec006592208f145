"""Everything that customers said, on one table: both clocks, corrections, scales, silence."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pyarrow.compute as pc
import pytest

from monitoring.feedback import VOICES, read_voices
from tests.features.world import Memory
from tests.monitoring.feedback.company import AS_OF, Row, answers, asked, company, warehouse

MIDNIGHT = datetime(2026, 3, 1, 23)  # Madrid: the start of the 2nd


def voices(lake: Memory, *, days: int = 90) -> list[dict[str, Any]]:
    found = read_voices(lake, lake.business, AS_OF, days=days)
    assert found.schema.equals(VOICES)
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def test_every_feed_speaks_in_one_table() -> None:
    lake = warehouse(
        survey=[asked("a", 9.0, channel="email", kind="nps", step="install", remark="<b>Bien</b>")],
        shops=[asked("b", 5.0, days_ago=9)],
        calls=[asked("c", days_ago=8, channel="phone", remark="se cae\x00")],
        contracts=[asked("d", kind="start")],
    )
    told = [
        (v["customer_id"], v["feed"], v["role"], v["channel"], v["kind"], v["step"], v["score"], v["score_share"],
         v["scale"], v["is_answered"], v["remark"])
        for v in voices(lake)
    ]  # fmt: skip
    assert told == [
        ("a", "survey", "feedback", "email", "nps", "install", 9.0, 0.9, "nps", True, "Bien"),
        ("b", "shops", "feedback", None, "csat", None, 5.0, 1.0, "five", True, None),
        ("c", "calls", "interactions", "phone", "ticket", None, None, None, None, True, "se cae"),
    ]


def test_silence_is_a_voice_and_words_without_a_score_are_an_answer() -> None:
    lake = warehouse(
        survey=[
            asked("a"),
            asked("b", remark="vaya"),
            asked("c", remark=" \x00 "),
            asked("d", kind="review", score=2.0),
        ]
    )
    assert [v["is_answered"] for v in voices(lake)] == [False, True, False, True]


def test_a_score_is_a_share_of_the_scale_of_its_day() -> None:
    changed = company(survey={"scale": [{"scale": "nps"}, {"scale": "five", "since": "2026-02-01"}]})
    midnight = datetime(2026, 1, 31, 23)
    rows: list[Row] = [
        {"customer_id": "a", "event_at": midnight - timedelta(microseconds=1), "score": 5.0},
        {"customer_id": "b", "event_at": midnight, "score": 5.0},
        {"customer_id": "c", "event_at": midnight + timedelta(days=1), "score": 9.0},  # stored before it was declared
    ]
    found = voices(warehouse(changed, survey=rows))
    assert [(v["score_share"], v["scale"], v["kind"], v["score"]) for v in found] == [
        (0.5, "nps", "nps", 5.0), (1.0, "five", "csat", 5.0), (None, "five", "csat", 9.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scale", "score", "share", "kind"),
    [("ten", 1.0, 0.0, "rating"), ("hundred", 25.0, 0.25, "rating"), (None, 3.0, None, "rating")],
)
def test_a_feed_that_names_no_kind_is_told_by_its_scale(
    scale: str | None, score: float, share: float | None, kind: str
) -> None:
    [voice] = voices(warehouse(company(shops={"scale": scale}), shops=[asked("a", score)]))
    assert (voice["score_share"], voice["kind"]) == (share, kind)


def test_both_clocks_hold() -> None:
    rows = [
        asked("before", 1.0, days_ago=0.01),
        {"customer_id": "now", "event_at": MIDNIGHT, "score": 2.0},
        asked("late", 3.0, loaded_at=MIDNIGHT + timedelta(hours=1)),
        asked("in time", 4.0, loaded_at=MIDNIGHT),
        asked("long ago", 5.0, days_ago=90.01),
        asked("just", 6.0, days_ago=89.9),
    ]
    assert [v["customer_id"] for v in voices(warehouse(survey=rows))] == ["just", "in time", "before"]


def test_a_corrected_answer_counts_as_it_was_known() -> None:
    fixed_at = MIDNIGHT - timedelta(days=1)
    rows = [
        asked("a", 2.0, batch_id="b1", row_number=1),
        asked("a", 9.0, batch_id="b2", row_number=1, loaded_at=fixed_at),
    ]
    replaced = [{"feed": "survey", "batch_id": "b1", "row_number": 1, "replaced_at": fixed_at, "replaced_by": "b2"}]
    lake = warehouse(survey=rows, superseded=replaced)
    assert [v["score"] for v in voices(lake)] == [9.0]
    earlier = read_voices(lake, lake.business, AS_OF - timedelta(days=2), days=90)
    assert earlier["score"].to_pylist() == [2.0]


def test_a_feed_that_was_never_loaded_says_nothing() -> None:
    assert voices(warehouse()) == []
    assert voices(warehouse(company(survey=None, shops=None, calls=None))) == []


def test_a_megabyte_of_markup_is_cut_and_breaks_nothing() -> None:
    lake = warehouse(survey=[asked("a", 1.0, remark="<div>😡 no va</div>" + "<p>&nbsp;</p>" * 90_000)])
    assert voices(lake)[0]["remark"] == "😡 no va"


def test_the_order_is_that_of_events_whatever_the_order_of_rows() -> None:
    rows = answers([3.0, None, 7.0, 8.0], days_ago=5)
    there = read_voices(warehouse(survey=rows), company(), AS_OF, days=9)
    back = [{**row, "batch_id": "b", "row_number": i + 1} for i, row in enumerate(rows)][::-1]
    assert read_voices(warehouse(survey=back), company(), AS_OF, days=9).equals(there)


def test_what_is_not_asked_for_is_left_out_and_nothing_else_changes() -> None:
    lake = warehouse(
        survey=[asked("a"), asked("b", remark="vaya"), asked("c", remark=" "), asked("d", 3.0, remark="mal")],
        shops=[asked("e", 5.0, days_ago=9)],
        calls=[asked("f", days_ago=8, remark="se cae")],
    )
    everything = read_voices(lake, lake.business, AS_OF, days=90)
    for columns in (["is_answered"], ["score", "customer_id"], ["remark"], ["kind", "is_answered", "remark", "feed"]):
        assert read_voices(lake, lake.business, AS_OF, days=90, columns=columns).equals(everything.select(columns))
        surveys = read_voices(lake, lake.business, AS_OF, days=90, columns=columns, roles=("feedback",))
        assert surveys.equals(everything.filter(pc.field("role") == "feedback").select(columns))
    assert read_voices(lake, lake.business, AS_OF, days=90, columns=["feed"], roles=()).num_rows == 0


def test_days_are_at_least_one_and_may_reach_back_before_all_time() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        read_voices(warehouse(), company(), AS_OF, days=0)
    assert len(voices(warehouse(survey=[asked("a", 1.0)]), days=3_000_000)) == 1
