"""The arithmetic of contributions: sizes, directions, intervals, and what is never among them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from features.declarations import Feature, Meaning
from monitoring.causes.contributions import (
    Contributions,
    changes,
    contributions_of,
    course_of,
    extremes,
    rank_correlation,
    sizes,
)
from training.churn import ChurnModel, Recipe, fit
from training.reasons import points_of
from training.rows import rows_sorted

NAMES = ("price", "orders_30d", "orders_90d", "plan", "gender", "noise")
FAMILIES = {"orders_30d": "frequency", "orders_90d": "frequency", "price": "price"}


def feature(name: str) -> Feature:
    kind = "category" if name in ("plan", "gender") else "number"
    return Feature(
        name, feed="tills", role="transactions", family=FAMILIES.get(name, "attributes"), aggregate="value", unit="",
        meaning=Meaning(name, name), kind=kind, protected=name == "gender",  # type: ignore[arg-type]
    )  # fmt: skip


FEATURES = tuple(feature(name) for name in NAMES)


def customers(n: int, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    orders = rng.poisson(1.0, n).astype(float)
    return pd.DataFrame(
        {
            "price": rng.uniform(10, 50, n),
            "orders_30d": orders,
            "orders_90d": orders + rng.poisson(2.0, n),
            "plan": rng.choice(["basic", "pro"], n),
            "gender": rng.choice(["f", "m"], n),
            "noise": rng.normal(size=n),
        }
    )


@pytest.fixture(scope="module")
def model() -> ChurnModel:
    """A model that has seen the gender: one that was trained before it was declared protected."""
    frame = customers(4000)
    logit = (frame["price"] - 30) / 6 - 0.5 * frame["orders_30d"] + np.where(frame["plan"] == "basic", 0.5, -0.5)
    logit += np.where(frame["gender"] == "f", 3.0, -3.0)
    rows = rows_sorted(
        frame,
        customer_ids=[f"c{i:05d}" for i in range(len(frame))],
        as_ofs=np.full(len(frame), np.datetime64("2025-01-01")),
        churned=np.random.default_rng(2).uniform(size=len(frame)) < special.expit(logit.to_numpy()),
    )
    return fit(rows, threads=1, recipe=Recipe(learning_rate=0.2, seed_count=1)).model


@pytest.fixture(scope="module")
def found(model: ChurnModel) -> Contributions:
    frame = customers(800, seed=3)
    return contributions_of(model, frame, np.arange(800).astype(str), FEATURES, threads=1)


def made(points: dict[str, np.ndarray], ids: np.ndarray) -> Contributions:
    """Contributions that were not asked of any model."""
    return Contributions(ids, pd.DataFrame(index=range(ids.size)), points, points, points, {})


def test_the_planted_feature_is_largest_and_has_its_direction(found: Contributions) -> None:
    order = sorted(sizes(found).items(), key=lambda item: -item[1][0].estimate)
    assert [order[0][0], order[-1][0]] == ["price", "noise"]
    assert course_of(rank_correlation(found.frame["price"].to_numpy(), found.logits["price"])) == "higher"
    assert course_of(rank_correlation(found.frame["orders_30d"].to_numpy(), found.logits["orders_30d"])) == "lower"
    told = extremes(found.frame["plan"], found.by_feature["plan"])
    assert told is not None
    assert (told[0].value, told[1].value) == ("basic", "pro")


def test_a_protected_feature_is_not_among_them_though_the_model_saw_it(model: ChurnModel, found: Contributions) -> None:
    assert model.importance()["gender"] > 0.2
    assert "gender" not in found.by_feature
    assert "gender" not in found.by_family
    assert "gender" not in found.declared


def test_a_family_is_what_its_features_are_together(model: ChurnModel, found: Contributions) -> None:
    raw, base = model.contributions(customers(800, seed=3), threads=1)
    at = [model.encoding.names.index(name) for name in ("orders_30d", "orders_90d")]
    both = points_of(base + raw.sum(axis=1), raw[:, at].sum(axis=1))
    assert found.by_family["frequency"] == pytest.approx(both)
    shares = [share.estimate for _, share in sizes(found).values()]
    assert sum(shares) == pytest.approx(1)


def test_the_interval_is_that_of_a_mean() -> None:
    values = np.random.default_rng(0).gamma(2, 2, 2_000)
    points, _ = sizes(made({"a": values}, np.arange(2_000)))["a"]
    error = values.std() / np.sqrt(2_000)
    assert points.estimate == pytest.approx(values.mean())
    # 500 resamples: the ends of the interval are known to about a tenth of the error each.
    assert points.low == pytest.approx(values.mean() - 1.96 * error, abs=0.4 * error)
    assert points.high == pytest.approx(values.mean() + 1.96 * error, abs=0.4 * error)


def test_few_customers_have_no_interval() -> None:
    points, share = sizes(made({"a": np.ones(29), "b": np.ones(29)}, np.arange(29)))["a"]
    assert (points.estimate, points.low, points.high) == (1, None, None)
    assert (share.estimate, share.low) == (0.5, None)


def test_a_model_that_sees_nothing_has_no_shares() -> None:
    points, share = sizes(made({"a": np.zeros(40)}, np.arange(40)))["a"]
    assert (points.estimate, share.estimate, share.low) == (0, 0, 0)


def test_the_same_customers_with_the_same_points_changed_by_nothing() -> None:
    values, ids = np.random.default_rng(0).normal(size=200), np.arange(200)
    one = made({"a": values}, ids)
    change = changes(one, one)["a"]
    # Drawn together, they cancel exactly.
    assert (change.estimate, change.low, change.high) == pytest.approx((0, 0, 0))


def test_changes_of_all_families_hold_together() -> None:
    rng = np.random.default_rng(11)
    worlds, wrong = 120, 0
    for world in range(worlds):
        days = []
        for _ in range(2):
            ids = rng.choice(400, 150, replace=False)
            days.append(made({f"f{i}": rng.gamma(2, 1, 150) for i in range(8)}, ids))
        found = changes(days[0], days[1], seed=world, resamples=200)
        wrong += any(change.low > 0 or change.high < 0 for change in found.values())  # type: ignore[operator]
    # At 5 % of worlds, 120 worlds show more than 14 with a chance of 0.1 % (binomial).
    assert wrong <= 14


def test_a_family_that_only_one_day_knows_has_no_change() -> None:
    ids = np.arange(50)
    old, new = made({"a": np.ones(50)}, ids), made({"a": np.ones(50), "b": np.ones(50)}, ids)
    assert set(changes(old, new)) == {"a"}
    assert changes(made({"c": np.ones(50)}, ids), new) == {}


@pytest.mark.parametrize(
    ("values", "contribution", "says"),
    [
        (np.ones(50), np.arange(50.0), None),  # a flat value
        (np.arange(50.0), np.zeros(50), None),  # a flat contribution
        (np.full(50, np.nan), np.arange(50.0), None),  # nothing known
        (np.arange(9.0), np.arange(9.0), None),  # too few
        (np.r_[np.arange(20.0), [np.nan] * 30], np.arange(50.0), "higher"),
        (np.arange(50.0), -np.arange(50.0), "lower"),
        (np.arange(51.0), np.abs(np.arange(51.0) - 25), "mixed"),  # a valley
    ],
)
def test_directions(values: np.ndarray, contribution: np.ndarray, says: str | None) -> None:
    assert course_of(rank_correlation(values, contribution)) == says


def test_levels_of_few_customers_are_nobodys() -> None:
    values = pd.Series(["rare"] * 4 + ["a"] * 20 + ["b"] * 20)
    told = extremes(values, np.r_[np.full(4, 90.0), np.full(20, 2.0), np.full(20, -1.0)])
    assert told is not None
    assert (told[0].value, told[0].points, told[0].customer_count) == ("a", 2.0, 20)
    assert told[1].value == "b"
    assert extremes(pd.Series(["a"] * 30), np.arange(30.0)) is None
    assert extremes(values, np.zeros(44)) is None


def test_what_customers_wrote_is_a_driver_and_silence_is_not() -> None:
    n, rng = 1500, np.random.default_rng(5)
    is_angry, wrote = rng.random(n) < 0.4, rng.random(n) < 0.5
    said = np.where(is_angry, "too expensive and slow, very angry", "all is well, thank you")
    frame, texts = customers(n)[["price", "noise"]], pd.DataFrame({"remarks": pd.Series(said).where(wrote, None)})
    rows = rows_sorted(
        frame,
        customer_ids=[f"c{i:05d}" for i in range(n)],
        as_ofs=np.full(n, np.datetime64("2025-01-01")),
        churned=rng.uniform(size=n) < np.where(is_angry, 0.7, 0.1),
        texts=texts,
    )
    model = fit(rows, threads=1, recipe=Recipe(learning_rate=0.2, seed_count=1)).model
    remarks = Feature(
        "remarks", feed="nps", role="feedback", family="remarks", aggregate="texts", unit="text",
        meaning=Meaning("Remarks", "Comentarios"), kind="text",
    )  # fmt: skip
    declared = (feature("price"), feature("noise"), remarks)
    found = contributions_of(model, frame.assign(remarks=texts["remarks"]), np.arange(n), declared, threads=1)
    assert max(sizes(found), key=lambda family: sizes(found)[family][0].estimate) == "remarks"
    assert np.all(found.by_family["remarks"][~wrote] == 0)
    assert found.by_family["remarks"][wrote & is_angry].mean() > 5
    assert found.frame["remarks"].dtype == np.float64  # the words themselves go no further
