import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from tests.training.worlds import Floats
from training.rows import Rows
from training.slices import slice_guard, slices_of


def world(rng: np.random.Generator, *, n: int, groups: int) -> tuple[Rows, Floats, pd.DataFrame]:
    logit = rng.normal(-1.2, 1.3, n)
    churned = rng.uniform(size=n) < special.expit(logit)
    group = pd.DataFrame({"region": [f"r{i}" for i in rng.integers(0, groups, n)]})
    ids = np.array([f"c{i:06d}" for i in range(n)])
    rows = Rows(pd.DataFrame(index=range(n)), ids, np.full(n, np.datetime64("2025-01-01")), churned)
    return rows, special.expit(logit + rng.normal(0, 0.5, n)), group


@pytest.mark.slow
def test_healthy_models_raise_a_false_alarm_in_at_most_five_of_a_hundred() -> None:
    rng = np.random.default_rng(1)
    worlds = 200
    alarms = 0
    for _ in range(worlds):
        rows, p, group = world(rng, n=4000, groups=10)
        alarms += slice_guard(slices_of(rows, p, group)).severity != "pass"
    # Bonferroni at 5 % two-sided, alarms on the worse side only: about 2.5 %.
    assert alarms <= stats.binom.ppf(0.999, worlds, 0.05)


def test_a_group_that_is_not_ranked_at_all_is_named_and_blocks() -> None:
    rng = np.random.default_rng(2)
    rows, p, group = world(rng, n=6000, groups=6)
    lost = (group["region"] == "r3").to_numpy()
    p[lost] = rng.permutation(p[lost])
    guard = slice_guard(slices_of(rows, p, group))
    assert guard.is_blocking
    assert guard.columns == ("region",)
    assert "region=r3" in guard.reason


def test_a_group_that_is_ranked_worse_but_usefully_is_a_warning() -> None:
    rng = np.random.default_rng(3)
    rows, p, group = world(rng, n=20_000, groups=4)
    worse = (group["region"] == "r1").to_numpy()
    logit = special.logit(p)
    p = special.expit(np.where(worse, logit + rng.normal(0, 1.5, p.size), logit))
    guard = slice_guard(slices_of(rows, p, group))
    assert guard.severity == "warn"
    assert "region=r1" in guard.reason


def test_a_group_that_the_champion_ranks_better_blocks() -> None:
    rng = np.random.default_rng(4)
    rows, champion, group = world(rng, n=20_000, groups=4)
    worse = (group["region"] == "r1").to_numpy()
    logit = special.logit(champion)
    p = special.expit(np.where(worse, logit + rng.normal(0, 1.5, logit.size), logit))
    guard = slice_guard(slices_of(rows, p, group, champion=champion))
    assert guard.is_blocking
    assert "region=r1 is ranked worse than by the champion" in guard.reason


def test_groups_without_20_of_each_outcome_are_reported_as_untestable() -> None:
    rng = np.random.default_rng(5)
    rows, p, _ = world(rng, n=1000, groups=1)
    region = pd.DataFrame({"region": np.where(np.arange(1000) < 30, "tiny", "rest")})
    found = slices_of(rows, p, region)
    assert [s.p_value for s in found] == [None, None]  # the rest of "rest" is tiny too
    guard = slice_guard(found)
    assert guard.severity == "pass"
    assert guard.figures["untestable"] == ["region=rest", "region=tiny"]
    assert "too few outcomes" in guard.reason


def test_numbers_and_columns_with_many_levels_are_no_slices() -> None:
    rng = np.random.default_rng(6)
    rows, p, _ = world(rng, n=500, groups=1)
    columns = pd.DataFrame({"x": rng.normal(size=500), "city": [f"city{i % 13}" for i in range(500)]})
    assert slices_of(rows, p, columns) == ()


def test_missing_values_are_a_group_of_their_own() -> None:
    rng = np.random.default_rng(7)
    rows, p, _ = world(rng, n=2000, groups=1)
    columns = pd.DataFrame({"region": pd.Series(["north", None] * 1000, dtype="str")})
    assert [s.name for s in slices_of(rows, p, columns)] == ["region=(missing)", "region=north"]
