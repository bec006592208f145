"""What the benchmark of snapshots computes is right, whether rows come in time or late."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.snapshots import DAYS, compare, delay, many, one
from bench.world import AS_OF, lake_at, write_world


def test_the_days_are_the_first_ones_of_24_months_and_the_newest_one_is_the_day() -> None:
    assert len(DAYS) == 24
    assert {day.day for day in DAYS} == {1}
    assert (str(DAYS[0]), DAYS[-1]) == ("2024-02-01", AS_OF)


def test_many_days_at_once_are_what_each_is_alone_in_time_and_late(tmp_path: Path) -> None:
    monthly, nightly = tmp_path / "monthly", tmp_path / "nightly"
    write_world(lake_at(monthly), 200, rng=np.random.default_rng(7))
    delay(monthly, nightly)
    for folder in (monthly, nightly):
        assert compare(folder, (DAYS[5], AS_OF)) == {"wrong": []}
        assert int(str(many(folder)["rows"])) > 10 * int(str(one(folder)["rows"]))
    delays = lake_at(nightly).query("select max(loaded_at - event_at) > interval 2 day as found from calls")
    assert delays["found"][0].as_py()
