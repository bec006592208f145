"""Is there anything to rank, and is it only the risk: closed forms, worlds with nothing to find, and worlds with."""

import numpy as np
import pytest

from holdback.errors import NotKnowableYet
from tests.training.uplift.leagues import league_of, taught_by_each_other
from training.uplift.diagnosis import ALPHA, Diagnosis, diagnose, regression, within_folds
from training.uplift.trial import OutOfFold, Trial


def risky(rng: np.random.Generator, n: int, *, rho: float, besides: float = 0.0) -> tuple[Trial, OutOfFold]:
    """Leavers of 5 to 45 %, of whom the action keeps rho; `besides` adds what only the score knows."""
    leave, x = 0.05 + 0.4 * rng.random(n), rng.choice([-1.0, 1.0], n)
    effect = rho * leave + besides * x
    t = rng.random(n) < 0.5
    y = (rng.random(n) < 1 - leave + t * effect).astype(float)
    gains = effect + np.where(t, 2 * (y - (1 - leave + effect)), -2 * (y - (1 - leave)))
    return league_of({"dr_stack": 0.05 + x}, gains, treated=t, good=y, untreated=1 - leave)


def test_the_slope_is_least_squares_within_folds() -> None:
    rng = np.random.default_rng(101)
    fold = np.arange(300) % 3
    score = rng.normal(size=300) + 10 * fold
    trial, said = league_of({"dr_stack": score}, 5 * fold + 0.5 * score + 0.1 * rng.normal(size=300), fold=fold)
    found = diagnose(trial, said)
    s, g = within_folds(score, fold), within_folds(said.gains, fold)
    assert found.slope is not None
    assert found.slope.estimate == pytest.approx(np.polyfit(s, g, 1)[0])
    assert found.is_heterogeneous
    assert found.spread == pytest.approx(found.slope.estimate * s.std())
    assert found.average_effect.estimate == pytest.approx(said.gains.mean())


def test_errors_are_those_of_the_sandwich_and_by_customer() -> None:
    """One column of ones: the error of a mean; every row twice under one customer: the same."""
    g = np.random.default_rng(102).normal(size=100)
    beta, covariance = regression(np.ones((100, 1)), g, np.arange(100))
    assert (beta[0], covariance[0, 0]) == pytest.approx((g.mean(), g.var(ddof=1) / 100))
    beta, covariance = regression(np.ones((200, 1)), np.repeat(g, 2), np.repeat(np.arange(100), 2))
    assert covariance[0, 0] == pytest.approx(g.var(ddof=1) / 100)


def test_a_score_that_expects_the_same_of_everybody_finds_nothing() -> None:
    trial, said = league_of({"dr_stack": 0.03 + np.arange(90) % 3}, np.ones(90), fold=np.arange(90) % 3)
    found = diagnose(trial, said)
    assert (found.slope, found.slope_p_value, found.spread) == (None, 1.0, 0.0)
    assert "same effect of everybody" in found.sentences[1]


def test_a_score_that_is_upside_down_is_no_finding() -> None:
    rng = np.random.default_rng(103)
    score = rng.normal(size=500)
    found = diagnose(*league_of({"dr_stack": score}, -score + rng.normal(size=500)))
    assert not found.is_heterogeneous
    assert found.slope_p_value > 0.999
    assert found.spread == 0.0


def test_a_constant_share_of_the_risk_is_recognised() -> None:
    """rho = .3 within 4 of its own errors, and nothing besides."""
    found = diagnose(*risky(np.random.default_rng(104), 20_000, rho=0.3))
    assert found.kept_share is not None
    half = (found.kept_share.high - found.kept_share.low) / 2
    assert found.kept_share.estimate == pytest.approx(0.3, abs=4 * half / 1.96)
    assert found.is_risk_enough
    assert "risk may rank enough" in found.sentences[2]


def test_what_risk_does_not_explain_is_seen() -> None:
    found = diagnose(*risky(np.random.default_rng(105), 20_000, rho=0.3, besides=0.05))
    assert found.multiplicative_p_value is not None
    assert found.multiplicative_p_value < 1e-3
    assert found.is_heterogeneous
    assert "leaves something" in found.sentences[2]


def test_an_amount_has_no_risk() -> None:
    rng = np.random.default_rng(106)
    trial, said = league_of({"dr_stack": rng.random(100)}, rng.normal(size=100), good=rng.exponential(size=100))
    found = diagnose(trial, said)
    assert (found.kept_share, found.multiplicative_p_value, found.is_risk_enough) == (None, None, False)
    assert "not asked" in found.sentences[2]


@pytest.mark.parametrize(
    ("shift", "words"), [(1.0, "changes the outcome by"), (-1.0, "does harm"), (0.0, "No average")]
)
def test_the_average_comes_first(shift: float, words: str) -> None:
    gains = np.tile([-1.0, 1.0], 100) + shift
    assert words in diagnose(*league_of({"dr_stack": np.arange(200)}, gains)).sentences[0]


def test_few_customers_are_told_to_wait() -> None:
    with pytest.raises(NotKnowableYet, match="29 customers"):
        diagnose(*league_of({"dr_stack": np.arange(29)}, np.arange(29)))


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("folds", [2, 3])
def test_nothing_is_found_where_there_is_nothing(folds: int) -> None:
    """3,000 worlds of noise whose score was learned out of fold: found in at most 2.5 % and 3 binomial errors.

    With the error of fixed scores it would be found in 8 % (`SLOPE_OF_NOISE`); a true slope is still found.
    """
    rng = np.random.default_rng(107 + folds)

    def found(slope: float, worlds: int) -> list[Diagnosis]:
        drawn = (taught_by_each_other(rng, 300, features=10, folds=folds, slope=slope) for _ in range(worlds))
        return [diagnose(*league_of({"dr_stack": s}, g, fold=f, good=g)) for s, g, f in drawn]

    nothing = found(0.0, 3000)
    share = np.mean([each.is_heterogeneous for each in nothing])
    assert share <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / 3000)
    slopes = [(e.slope.estimate, (e.slope.high - e.slope.low) / 2 / 1.96) for e in nothing if e.slope is not None]
    naive = np.mean([estimate / error > 1.96 for estimate, error in slopes])
    assert naive > 0.05, "else the wider error is not needed"
    assert np.mean([each.is_heterogeneous for each in found(0.5, 300)]) > 0.95


@pytest.mark.slow
@pytest.mark.truth
def test_a_constant_share_is_rejected_as_rarely_as_promised() -> None:
    """1,000 worlds of 2,000 customers: .05 within 3 binomial errors and half a point; rho is covered as promised."""
    rng = np.random.default_rng(109)
    found = [diagnose(*risky(rng, 2000, rho=0.3)) for _ in range(1000)]
    rejected = np.mean([(each.multiplicative_p_value or 0.0) < 0.05 for each in found])
    assert abs(rejected - 0.05) <= 3 * np.sqrt(0.05 * 0.95 / 1000) + 0.005
    covered = np.mean([e.kept_share is not None and e.kept_share.low <= 0.3 <= e.kept_share.high for e in found])
    assert abs(covered - 0.95) <= 3 * np.sqrt(0.05 * 0.95 / 1000) + 0.005
