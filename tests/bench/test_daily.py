"""What a day may cost is a sum that can be checked by hand, and a day that was not done is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.daily import STEPS, Allowed, by_flow, faults, scan
from bench.world import AS_OF, business, lake_at, write_world
from flows import settings
from holdback.workspace import Workspace

DONE: dict[str, list[dict[str, Any]]] = {
    **{flow: [{}] for flow in STEPS},
    "ingest_daily": [{"batches": [{"source": "a.csv", "offered": 3, "clean": 2, "quarantined": 1}]}],
    "score_daily": [{"customer_count": 6, "high_count": 1, "medium_count": 2, "low_count": 3}],
    "decide_daily": [{"spent_cents": 5, "budget_cents": 5}],
}


def test_what_is_allowed_is_the_sum_of_the_promises() -> None:
    # 0.4 to start, 3 for the rows, 50 to describe, 5 for probabilities, 50 for reasons, 100 to decide, read and ask
    whole = Allowed(1_000_000, scan_seconds=10, pandas_seconds=4, definitions=1, valuations=0)
    assert whole.seconds == pytest.approx(0.4 + 3 + 50 + 5 + 50 + 100)
    valued = Allowed(1_000_000, scan_seconds=10, pandas_seconds=4, definitions=1, valuations=1)
    assert valued.seconds - whole.seconds == pytest.approx(55)
    assert Allowed(100_000, 1, 0, 1, 0).seconds == pytest.approx(0.4 + 10.5 + 10)


def test_a_day_that_was_done_is_not_wrong() -> None:
    assert list(faults(DONE)) == []


@pytest.mark.parametrize(
    ("flow", "receipt", "said"),
    [
        ("decide_daily", {"waits": "the day has passed"}, "decide_daily was not done: the day has passed"),
        ("decide_daily", {"spent_cents": 6, "budget_cents": 5}, "6 cents were spent of 5"),
        ("ingest_daily", {"batches": [{"source": "a", "offered": 3, "clean": 2, "quarantined": 0}]}, "a: 3 rows"),
        ("score_daily", {"customer_count": 7, "high_count": 1}, "7 customers, in tiers"),
        ("score_daily", {}, "customers, in tiers"),
    ],
)
def test_a_day_that_was_not_done_right_is_wrong(flow: str, receipt: dict[str, Any], said: str) -> None:
    (found,) = faults({**DONE, flow: [receipt]})
    assert said in found


def test_a_step_that_is_missing_is_wrong() -> None:
    (found,) = faults({flow: receipts for flow, receipts in DONE.items() if flow != "portal"})
    assert found == "daily: portal was not done: it was not asked"


def test_outcomes_are_told_by_flow() -> None:
    told = [{"flow": "a", "receipt": {"n": 1}}, {"flow": "b", "receipt": {}}, {"flow": "a", "receipt": {"n": 2}}]
    assert by_flow(told) == {"a": [{"n": 1}, {"n": 2}], "b": [{}]}


def test_the_scan_reads_every_row_before_the_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_at(tmp_path)
    write_world(lake, 50, rng=np.random.default_rng(3))
    workspace = Workspace(tmp_path, business())
    monkeypatch.setattr(settings, "open_workspace", lambda _: workspace)
    monkeypatch.setattr(Workspace, "warehouse", lake)
    now = business().instant(AS_OF)
    expected = sum(
        lake.query(f"select count(*) as n from {feed} where event_at < timestamp '{now}'")["n"][0].as_py()
        for feed in business().feeds
    )
    assert scan(AS_OF) == expected > 0
