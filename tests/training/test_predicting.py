"""Probabilities straight from the feature table are those of the plain path, to the last bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from catboost import CatBoostError

from features.declarations import Feature, FeatureSet, Kind, Meaning
from holdback.errors import DataError
from training.churn import ChurnModel, Recipe, fit
from training.datasets import feature_frame
from training.encoding import KEPT_LEVELS
from training.rows import Rows
from training.scoring import predicting
from training.scoring.predicting import _encoded, null_count, probability_of

KINDS: dict[str, Kind] = {
    "days": "number", "orders": "number", "plan": "category", "city": "category", "remarks": "text",
}  # fmt: skip
CITIES = [f"city-{i:02d}" for i in range(80)]
WORDS = ("bill", "thanks", "shop", "leaving", "price", "call")


def declared(kinds: dict[str, Kind] = KINDS) -> FeatureSet:
    features = [
        Feature(name, feed="tills", role="transactions", family=name, aggregate="count", unit="",
                meaning=Meaning(name, name), kind=kind)
        for name, kind in kinds.items()
    ]  # fmt: skip
    return FeatureSet(tuple(features), ())


def table(n: int, *, seed: int) -> pa.Table:
    """Numbers and categories with gaps, eighty cities, and texts."""
    rng = np.random.default_rng(seed)
    gap = [rng.random(n) < 0.1 for _ in KINDS]
    said = [" ".join(rng.choice(WORDS, 4)) for _ in range(n)]
    return pa.table(
        {
            "customer_id": [f"c-{i:05d}" for i in range(n)],
            "days": pa.array(np.where(gap[0], np.nan, rng.exponential(30, n))),
            "orders": pa.array(rng.poisson(3, n).astype(float), mask=gap[1]),
            "plan": pa.array(rng.choice(["basic", "pro"], n), pa.string(), mask=gap[2]),
            "city": pa.array(rng.choice(CITIES, n), pa.string(), mask=gap[3]),
            "remarks": pa.array(said, pa.string(), mask=gap[4]),
        }
    )


@pytest.fixture(scope="module")
def model() -> ChurnModel:
    described = table(3000, seed=1)
    frame = feature_frame(described, declared())
    leaning = frame["days"].fillna(90) / 40 - frame["orders"].fillna(0) / 3 + (frame["plan"] == "pro")
    leaning += frame["city"].isin(CITIES[:20]) - 1
    churned = np.random.default_rng(2).random(len(frame)) < 1 / (1 + np.exp(-leaning))
    keys = np.asarray(described["customer_id"].to_pylist(), dtype=object)
    rows = Rows(
        frame.drop(columns="remarks"), keys, np.full(len(frame), np.datetime64("2026-01-01")), churned.to_numpy(),
        texts=frame[["remarks"]],
    )  # fmt: skip
    found = fit(rows, threads=1, recipe=Recipe(learning_rate=0.2, most_trees=60, seed_count=2)).model
    assert len(found.encoding.kept["city"]) == KEPT_LEVELS
    return found


def plain(model: ChurnModel, described: pa.Table) -> np.ndarray:
    return model.probability(feature_frame(described, declared()), threads=1)


def test_every_probability_is_that_of_the_plain_path_to_the_last_bit(model: ChurnModel) -> None:
    assert {"remarks"} == set(model.encoding.texts)
    described = pa.concat_tables([table(700, seed=3), table(900, seed=4)])  # parts of a day are chunks of their own
    found = probability_of(model, described, declared())
    assert len(np.unique(found)) > 100
    assert found.tobytes() == plain(model, described).tobytes()


def test_levels_that_the_model_never_saw_and_columns_without_any_value_too(model: ChurnModel) -> None:
    described = table(300, seed=5)
    odd = ["(missing)", "(other)", "never seen", "", None, "basic"] * 50
    for name, values in (("plan", odd), ("city", odd), ("remarks", [None] * 300)):
        described = described.set_column(described.column_names.index(name), name, pa.array(values, pa.string()))
    for name in ("orders", "city"):
        empty = pa.nulls(300, described.schema.field(name).type)
        described = described.set_column(described.column_names.index(name), name, empty)
        assert probability_of(model, described, declared()).tobytes() == plain(model, described).tobytes()


def test_numbers_of_any_width_and_long_texts_too(model: ChurnModel) -> None:
    described = table(200, seed=6)
    for name, kind in (("orders", pa.int32()), ("days", pa.float32()), ("city", pa.large_string())):
        place = described.column_names.index(name)
        described = described.set_column(place, name, described[name].cast(kind))
    assert probability_of(model, described, declared()).tobytes() == plain(model, described).tobytes()


@pytest.mark.parametrize("start", [0, 1, 7, 8, 13])
@pytest.mark.parametrize("count", [1, 8, 100])
def test_rows_cut_out_anywhere_too(model: ChurnModel, start: int, count: int) -> None:
    described = table(300, seed=11).slice(start, count)  # gaps are told in bits, eight customers a byte
    assert probability_of(model, described, declared()).tobytes() == plain(model, described).tobytes()


@pytest.mark.parametrize("most", [1_000, 50, 7])
def test_chunks_of_any_length_too(model: ChurnModel, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(predicting, "_MOST_ROWS", most)
    some = [table(count, seed=count) for count in (1, 90, 13)]
    described = pa.concat_tables([some[0], some[1].slice(0, 0), some[1].slice(3), some[2].slice(1, 9)])
    assert described["days"].num_chunks > 2
    assert probability_of(model, described, declared()).tobytes() == plain(model, described).tobytes()


def test_numbers_beyond_those_of_half_the_width_too(model: ChurnModel) -> None:
    odd = [1e300, -1e300, 1e-320, -0.0, np.inf, -np.inf, np.nan, None, 3.0000000001, 2.9999999999]
    described = table(300, seed=16)
    for name in ("days", "orders"):
        place = described.column_names.index(name)
        described = described.set_column(place, name, pa.array(odd * 30, pa.float64()))
    assert probability_of(model, described, declared()).tobytes() == plain(model, described).tobytes()


def test_what_a_gap_holds_is_not_read(model: ChurnModel) -> None:
    described = table(300, seed=17)
    place = described.column_names.index("orders")
    bits, _ = described["orders"].chunk(0).buffers()
    for held in (1e300, 0.0, np.nan):
        values = np.where(described["orders"].is_valid(), described["orders"].fill_null(0), held)
        orders = pa.Array.from_buffers(pa.float64(), 300, [bits, pa.py_buffer(values)])
        changed = described.set_column(place, "orders", orders)
        assert probability_of(model, changed, declared()).tobytes() == plain(model, described).tobytes()


def test_a_frame_in_name_only_refuses_whoever_looks_past_its_items(model: ChurnModel) -> None:
    frame = _encoded(model.encoding, table(10, seed=18).select(list(model.encoding.names)))
    assert (frame.shape, list(frame.columns)) == ((10, 5), list(model.encoding.names))
    with pytest.raises(CatBoostError):
        model.booster.predict_proba(pd.DataFrame(frame))


def test_a_column_that_changed_its_kind_goes_the_plain_way(model: ChurnModel) -> None:
    described = table(200, seed=7).drop_columns(["plan"]).append_column("plan", pa.array(np.ones(200)))
    kinds = declared({**KINDS, "plan": "number"})
    expected = model.probability(feature_frame(described, kinds), threads=1)
    assert probability_of(model, described, kinds).tobytes() == expected.tobytes()


def test_nobody_has_no_probability_and_a_missing_column_is_named(model: ChurnModel) -> None:
    nobody = table(10, seed=8).slice(0, 0)
    assert probability_of(model, nobody, declared()).shape == (0,)
    without = declared({name: kind for name, kind in KINDS.items() if name != "city"})
    with pytest.raises(DataError, match="needs the columns city, which are missing"):
        probability_of(model, table(10, seed=9), without)


def test_rows_without_a_value_are_counted_as_a_frame_counts_them() -> None:
    described = table(500, seed=10)
    frame: pd.DataFrame = feature_frame(described, declared())
    assert {name: null_count(described[name]) for name in KINDS} == frame.isna().sum().to_dict()
    assert null_count(described.slice(0, 0)["days"]) == 0
