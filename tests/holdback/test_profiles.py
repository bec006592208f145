from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from holdback.mapping import shape_of
from holdback.profiles import ColumnProfile, measure_drift, profile_batch, profile_rows, profiles_from_rows
from tests.holdback.shop import make_business


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        yield connection


def profile(
    connection: duckdb.DuckDBPyConnection, folder: Path, cents: list[int | None], kinds: Sequence[str | None]
) -> tuple[ColumnProfile, ...]:
    rows = pa.table(
        {
            "customer_id": [f"c{i}" for i in range(len(cents))],
            "amount_cents": pa.array(cents, pa.int64()),
            "category": pa.array(kinds, pa.string()),
        }
    )
    connection.register("rows_", rows)
    return profile_batch(connection, shape_of(make_business(folder), "orders"), "rows_")


def test_a_profile_says_what_a_column_looks_like(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    amount, category = profile(connection, tmp_path, [100, -250, 0, None], ["a", "a", "b", None])
    assert (amount.column_name, amount.row_count, amount.unit_count) == ("amount_cents", 4, 4)
    assert amount.figures == {
        "null_share": 0.25, "distinct_share": 0.75, "mean": -50.0, "whole_share": 2 / 3, "negative_share": 1 / 3,
    }  # fmt: skip
    assert amount.shares == {"0": 0.25, "+13": 0.25, "-15": 0.25}  # 2 log2(100) = 13.3, 2 log2(250) = 15.9
    assert (amount.quantiles["0"], amount.quantiles["0.5"], amount.quantiles["1"]) == (-250, 0, 100)
    assert category.shares == {"a": 0.5, "b": 0.25}


def test_a_profile_survives_storage(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    made = profile(connection, tmp_path, [100, -250, 0, None], ["a", "a", "b", None])
    assert profiles_from_rows(profile_rows(made)) == made


def test_names_and_words_of_customers_are_not_profiled(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    made = profile(connection, tmp_path, [1], ["a"])
    assert [column.column_name for column in made] == ["amount_cents", "category"]
    assert profile(connection, tmp_path, [], []) == ()


def sample(rng: np.random.Generator, n: int, *, factor: float = 1.0, missing: float = 0.0) -> list[int | None]:
    values = rng.lognormal(7, 1, n) * factor
    return [None if rng.random() < missing else int(v) for v in values]


def test_no_drift_is_found_where_there_is_none(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Under no drift PSI is about chi-square / n, whose mean is the chance term.

    A chi-square with 8 to 20 degrees of freedom is above its mean with probability 0.43 to 0.46: of 40 pairs, 18 +- 5
    standard deviations of 3.2.
    """
    rng = np.random.default_rng(11)
    excesses = []
    for _ in range(40):
        before = profile(connection, tmp_path, sample(rng, 400), ["a"] * 400)
        now = profile(connection, tmp_path, sample(rng, 200), ["a"] * 200)
        excesses.append(measure_drift(now, [before])[0].excess)
    assert 2 <= sum(excess > 0 for excess in excesses) <= 34
    assert max(excesses) < 0.5


@pytest.mark.parametrize("change", [{"factor": 3.0}, {"missing": 0.6}, {"factor": -1.0}, {"factor": 0.01}], ids=str)
def test_a_shift_in_scale_sign_or_missing_values_is_found(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, change: dict[str, float]
) -> None:
    rng = np.random.default_rng(5)
    before = profile(connection, tmp_path, [*sample(rng, 1999), 10**15], ["a"] * 2000)
    now = profile(connection, tmp_path, sample(rng, 500, **change), ["a"] * 500)
    assert measure_drift(now, [before])[0].excess > 0.5


def test_relabelled_categories_are_found_and_rare_ones_are_not(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    amounts: list[int | None] = [100] * 300
    before = profile(connection, tmp_path, amounts, ["France"] * 150 + ["Spain"] * 80 + ["Germany"] * 70)
    relabelled = profile(connection, tmp_path, amounts, ["Germany"] * 150 + ["France"] * 80 + ["Spain"] * 70)
    rare = profile(connection, tmp_path, amounts, ["France"] * 150 + ["Spain"] * 80 + ["Germany"] * 69 + ["Chad"])
    unknown = profile(connection, tmp_path, amounts, ["Francia"] * 150 + ["Spain"] * 80 + ["Germany"] * 70)
    excess = {name: measure_drift(p, [before])[1].excess for name, p in
              {"relabelled": relabelled, "rare": rare, "unknown": unknown}.items()}  # fmt: skip
    moved = ((150, 80), (80, 70), (70, 150))  # France, Spain, Germany
    index = sum((q - p) / 300 * math.log(q / p) for p, q in moved)
    assert excess["relabelled"] == pytest.approx(index - 3 * 2 / 300, abs=0.01)
    assert excess["unknown"] > 3
    assert excess["rare"] < 0


def test_what_is_known_of_earlier_batches_adds_up(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    parts = [sample(rng, 200) for _ in range(5)]
    whole = profile(connection, tmp_path, [v for part in parts for v in part], ["a"] * 1000)
    pieces = [profile(connection, tmp_path, part, ["a"] * 200) for part in parts]
    now = profile(connection, tmp_path, sample(rng, 300, factor=1.5), ["a"] * 300)
    assert measure_drift(now, pieces)[0].psi == pytest.approx(measure_drift(now, [whole])[0].psi)


def test_too_little_to_compare_is_not_compared(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    few = profile(connection, tmp_path, [100] * 49, ["a"] * 49)
    many = profile(connection, tmp_path, [100] * 500, ["a"] * 500)
    assert measure_drift(few, [many]) == measure_drift(many, [few]) == measure_drift(many, []) == ()
