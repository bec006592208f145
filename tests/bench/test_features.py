"""What the benchmark of features measures is the same work on every side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.child import export, features, hand, scan
from bench.chosen import chosen
from bench.feature_peers import differences
from bench.features import slope
from bench.world import lake_at, write_world


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    write_world(lake_at(folder), 200, rng=np.random.default_rng(7))
    return folder


def test_sixty_four_features_are_chosen_with_what_they_are_made_of() -> None:
    assert len(chosen("64")) == 64
    assert set(chosen("64").names) < set(chosen("all").names)


def test_sql_by_hand_gives_the_bits_of_compiled_sql(company: Path) -> None:
    compiled, by_hand = features(company, "shared"), hand(company)
    assert compiled["digest"] == by_hand["digest"]
    assert compiled["rows"] == by_hand["rows"]


def test_a_scan_of_fewer_columns_reads_the_same_rows(company: Path) -> None:
    assert scan(company, "64") == scan(company, "all")


def test_other_tools_get_every_row_and_visible_rows_apart(company: Path, tmp_path: Path) -> None:
    export(company, str(tmp_path))
    calls, visible = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("calls", "calls_visible"))
    assert len(calls) == 200 * 46
    assert 0 < len(visible) < len(calls)
    assert (visible["happened_at"] == visible["event_at"]).all()


def test_a_value_that_differs_is_named(company: Path, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.parquet", tmp_path / "theirs.parquet"
    features(company, "newest", str(ours))
    table = pd.read_parquet(ours)
    table.drop(columns="as_of").sample(frac=1, random_state=1).to_parquet(theirs)
    assert differences(ours, theirs) == []
    table.loc[3, "balance_savings_amount"] += 1e-3
    table.to_parquet(theirs)
    assert differences(ours, theirs) == ["balance_savings_amount differs for 1 customers"]
    table.iloc[1:].to_parquet(theirs)
    assert differences(ours, theirs) == ["199 customers instead of 200, or others"]


def test_the_exponent_is_the_slope_of_logarithms() -> None:
    assert slope({100: 3.0, 1_000: 30.0, 10_000: 300.0}) == pytest.approx(1.0)
    assert slope({100: 1.0, 10_000: 10.0**3}) == pytest.approx(1.5)
