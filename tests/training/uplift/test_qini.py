"""The Qini coefficient: its definition by hand, on real data, and its interval in worlds with a known coefficient."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from training.uplift.qini import CURVE_POINTS, qini, qini_of_gains


def by_definition(score: np.ndarray, t: np.ndarray, y: np.ndarray, e: np.ndarray) -> float:
    """(1/n) sum_k g(k/n) - g(1)/2, literally, less the g(1)/2n by which the trapezoid differs; no equal scores."""
    m1, m0 = np.average(y[t == 1], weights=1 / e[t == 1]), np.average(y[t == 0], weights=1 / (1 - e[t == 0]))
    gain = m1 - m0 + t * (y - m1) / e - (1 - t) * (y - m0) / (1 - e)
    n, order = len(score), np.argsort(-score)
    g = [gain[order[:k]].sum() / n for k in range(1, n + 1)]
    return float(np.mean(g) - g[-1] / 2 - g[-1] / (2 * n))


def world(
    rng: np.random.Generator, n: int, *, slope: float, mixed: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Retention .7, effect .05 + slope (s - 1/2): the coefficient is slope times the variance of s, slope / 12."""
    s = rng.random(n)
    e = np.where(rng.random(n) < 0.5, 0.9, 0.5) if mixed else np.full(n, 0.9)
    t = rng.random(n) < e
    return s, t, rng.random(n) < 0.7 + t * (0.05 + slope * (s - 0.5)), e


def test_six_customers_by_hand() -> None:
    """Both groups have mean 2/3, so G = 2/3, 4/3, -4/3, -2/3, 2/3, -2/3, and g = 1/9, 1/3, 1/9, 0, 1/9, 0."""
    found = qini([6, 5, 4, 3, 2, 1], [1, 0, 1, 0, 1, 0], [1, 0, 0, 1, 1, 1], [0.5] * 6)
    assert found.estimate == pytest.approx(1 / 9)
    assert found.average_effect == pytest.approx(0.0)
    gains = {point.share: point.gain for point in found.curve}
    assert [gains[share] for share in (0.0, 0.5, 1.0)] == pytest.approx([0.0, 1 / 9, 0.0])


def test_it_is_its_definition() -> None:
    rng = np.random.default_rng(61)
    for _ in range(50):
        s, t, y, e = world(rng, 200, slope=0.2, mixed=True)
        assert qini(s, t, y, e).estimate == pytest.approx(
            by_definition(s, t.astype(float), y.astype(float), e), abs=1e-12
        )


def test_the_order_of_the_rows_says_nothing_even_among_equal_scores() -> None:
    rng = np.random.default_rng(62)
    s, t, y, e = world(rng, 500, slope=0.2, mixed=True)
    s = np.round(s, 1)
    found = qini(s, t, y, e)
    turned = qini(s[::-1], t[::-1], y[::-1], e[::-1])
    assert (turned.estimate, turned.standard_error) == pytest.approx((found.estimate, found.standard_error))
    # Equal scores in random order give the same on average.
    shuffled = [by_definition(s + 1e-6 * rng.random(500), t.astype(float), y.astype(float), e) for _ in range(300)]
    assert found.estimate == pytest.approx(np.mean(shuffled), abs=4 * np.std(shuffled) / np.sqrt(300))


def test_only_the_order_of_the_scores_counts_and_turning_it_turns_the_sign() -> None:
    s, t, y, e = world(np.random.default_rng(63), 500, slope=0.2)
    assert qini(np.exp(5 * s), t, y, e) == qini(s, t, y, e)
    assert qini(-s, t, y, e).estimate == pytest.approx(-qini(s, t, y, e).estimate)


def test_the_curve_is_ready_to_be_drawn() -> None:
    found = qini(*world(np.random.default_rng(64), 300, slope=0.2))
    assert len(found.curve) == CURVE_POINTS
    assert (found.curve[0].share, found.curve[0].gain) == (0.0, 0.0)
    assert found.curve[-1].gain == pytest.approx(found.average_effect)
    assert found.curve[-1].at_random == pytest.approx(found.average_effect)


def test_households_drawn_together_widen_the_interval() -> None:
    s, t, y, e = world(np.random.default_rng(65), 400, slope=0.2)
    twice = [np.repeat(values, 2) for values in (s, t, y, e)]
    found = qini(*twice, unit=np.repeat(np.arange(400), 2))
    alone = qini(s, t, y, e)
    assert found.estimate == pytest.approx(alone.estimate)
    assert found.standard_error == pytest.approx(alone.standard_error)
    assert qini(*twice).standard_error == pytest.approx(alone.standard_error / np.sqrt(2), rel=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": [1, 1, 1, 1]}, "orders nobody"), ({"treated": [1, 1, 1, 1]}, "treated and untreated"),
        ({"propensity": [1, 0.5, 0.5, 0.5]}, "propensity"), ({"score": [1, 2]}, "one length"),
        ({"outcome_good": [1, 0, float("nan"), 1]}, "missing"), ({"outcome_good": [1, 1, 1, 1]}, "nothing to gain"),
        ({}, "nothing varies"),  # by chance: what each owes to ranks and to outcomes adds up to the same
        ({"unit": [7, 7, 7, 7]}, "one unit"), ({"level": 1.0}, "level"), ({"treated": [2, 0, 1, 0]}, "as 1 and 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "score": [4, 3, 2, 1], "treated": [1, 0, 1, 0], "outcome_good": [1, 0, 0, 1], "propensity": [0.5] * 4
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        qini(**(good | change))  # type: ignore[arg-type]


def test_given_the_gains_it_is_the_same_coefficient() -> None:
    rng = np.random.default_rng(68)
    s, t, y, e = world(rng, 500, slope=0.2, mixed=True)
    m1, m0 = np.average(y[t], weights=1 / e[t]), np.average(y[~t], weights=1 / (1 - e[~t]))
    gains = m1 - m0 + t * (y - m1) / e - (1 - t) * (y - m0) / (1 - e)
    assert qini_of_gains(s, gains, t) == qini(s, t, y, e)


@pytest.mark.parametrize(
    ("score", "gains", "message"),
    [([1, 2], [1, 2, 3], "one length"), ([1, 2, np.nan], [1, 2, 3], "missing"), ([1, 2, 3], [1, 2, np.inf], "missing"),
     ([1, 1, 1], [1, 2, 3], "orders nobody")],
)  # fmt: skip
def test_gains_that_cannot_be_judged_are_refused(score: list[float], gains: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        qini_of_gains(score, gains, [1, 0, 1][: len(score)] if len(score) == len(gains) else [1, 0])


@pytest.mark.slow
def test_hillstroms_customers_can_be_ranked_for_womens_mail(shared_data: Callable[[str], Path]) -> None:
    """T-learner of two logistic regressions, 3 folds: 73 +- 4 (x 1e4) over seeds; the bootstrap's error is near 10."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mails = pd.read_csv(shared_data("hillstrom") / "hillstrom.csv")
    mails = mails[mails["segment"].isin(["Womens E-Mail", "No E-Mail"])]
    facts = ["recency", "history", "history_segment", "mens", "womens", "zip_code", "newbie", "channel"]
    x = pd.get_dummies(mails[facts], drop_first=True).astype(float).to_numpy()
    t, y = (mails["segment"] == "Womens E-Mail").to_numpy(), mails["visit"].to_numpy(dtype=float)
    score = np.zeros(len(y))
    for learn, judge in StratifiedKFold(3, shuffle=True, random_state=0).split(x, 2 * t + y):
        treated, held = (
            make_pipeline(StandardScaler(), LogisticRegression()).fit(x[learn][t[learn] == k], y[learn][t[learn] == k])
            for k in (1, 0)
        )
        gain = treated.predict_proba(x[judge])[:, 1] - held.predict_proba(x[judge])[:, 1]
        score[judge] = stats.rankdata(gain) / len(judge)  # within the fold: two models' scores do not compare
    e = np.full(len(y), 0.5)
    found = qini(score, t, y, e)
    assert found.estimate * 1e4 == pytest.approx(73, abs=8)
    assert found.is_better_than_random
    assert found.average_effect == pytest.approx(0.0452, abs=5e-5)
    rng = np.random.default_rng(66)
    drawn = [qini(*(values[i] for values in (score, t, y, e))).estimate for i in rng.integers(0, len(y), (100, len(y)))]
    assert found.standard_error == pytest.approx(np.std(drawn), rel=3 / np.sqrt(200))


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_the_interval_covers_the_true_coefficient(slope: float, mixed: bool) -> None:
    """2,000 worlds of 2,000 customers at 90/10 and mixed propensities: .95 within 3 binomial errors and half a point.

    The half point is for the interval's own approximation: the holdout has 200 customers. With slope 0 what does not
    cover is a false alarm of the test against zero.
    """
    rng = np.random.default_rng(67)
    worlds, truth = 2_000, slope / 12
    found = [qini(*world(rng, 2_000, slope=slope, mixed=mixed)) for _ in range(worlds)]
    covered = np.mean([each.low <= truth <= each.high for each in found])
    assert abs(covered - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / worlds) + 0.005
    estimates = np.array([each.estimate for each in found])
    assert abs(estimates.mean() - truth) <= 3 * estimates.std() / np.sqrt(worlds)
    assert np.mean([each.standard_error for each in found]) == pytest.approx(estimates.std(), rel=0.08)
