"""What a list earns: by hand, against drawing the customers literally, and in worlds where the answer is known."""

import numpy as np
import pytest
from scipy import stats

from tests.training.uplift.leagues import league_of, taught_by_each_other
from training.uplift.gain import LIST_OF_NOISE, largest_of_all, margins, measure_gains
from training.uplift.lists import Fold, queues, treated
from training.uplift.trial import OutOfFold, Trial


def earned(trial: Trial, said: OutOfFold, name: str, share: float) -> float:
    """What the list earns per customer, literally: the sum over rows of the chance to be treated times the margin."""
    return float((treated(trial, said, name, capacity_share=share) * margins(trial, said.gains)).mean())


def measured(trial: Trial, said: OutOfFold, share: float, name: str, resamples: int = 2) -> float:
    gains = measure_gains(trial, said, capacity_share=share, rng=np.random.default_rng(0), resamples=resamples)
    return float(gains.gain[gains.names.index(name)])


@pytest.mark.parametrize(
    ("score", "share", "expected"),
    [
        ([2, 1], 0.5, (2 - 0.5) / 2),  # the first alone
        ([1, 2], 0.5, (-1 - 0.5) / 2),  # the second alone
        ([2, 1], 0.25, (2 - 0.5) / 4),  # half of the first
        ([1, 1], 0.5, (1.5 - 1.5) / 4),  # a tie: half of each
        ([2, 1], 1.0, (1.5 - 1.5) / 2),  # everybody
    ],
)
def test_two_customers_by_hand(score: list[float], share: float, expected: float) -> None:
    """G = 2 and -1, a unit of good is worth 1, the action costs one half."""
    trial, said = league_of({"rule": score}, [2, -1], cost=0.5)
    assert measured(trial, said, share, "rule") == pytest.approx(expected)
    assert earned(trial, said, "rule", share) == pytest.approx(expected)


def test_treating_everybody_earns_the_average_effect_less_the_cost() -> None:
    rng = np.random.default_rng(71)
    trial, said = league_of({"rule": rng.normal(size=50)}, rng.normal(size=50), value=3.0, cost=0.2)
    assert measured(trial, said, 1.0, "rule") == pytest.approx(3 * said.gains.mean() - 0.2)


def test_at_even_odds_without_models_it_is_twice_the_difference_of_sums() -> None:
    """e = .5 and m1 = m0 = 0: G = 2Y if treated, else -2Y: a list earns (2/n) (sum of treated Y - of untreated Y)."""
    rng = np.random.default_rng(72)
    t, y, score = rng.random(40) < 0.5, rng.random(40), rng.random(40)
    trial, said = league_of({"rule": score}, np.where(t, 2 * y, -2 * y), treated=t)
    top = np.argsort(-score)[:10]
    assert measured(trial, said, 0.25, "rule") == pytest.approx((y[top][t[top]].sum() - y[top][~t[top]].sum()) / 20)


def test_an_effect_leaves_out_whom_it_expects_nothing_of() -> None:
    scores = {"dr_stack": [0.3, 0.2, 0.1, -0.1], "rule": [0.3, 0.2, 0.1, -0.1]}
    trial, said = league_of(scores, [1, 1, 1, 1], cost=0.15)
    assert treated(trial, said, "dr_stack", capacity_share=1.0).tolist() == [1, 1, 0, 0]
    assert treated(trial, said, "rule", capacity_share=1.0).tolist() == [1, 1, 1, 1]


def test_value_counts_in_every_list_and_more_of_it_never_ranks_lower() -> None:
    risk = [-0.9, -0.7, -0.7, -0.1]  # minus the chance to stay: the last is the surest to leave
    trial, said = league_of({"risk": risk}, [1, 1, 1, 1], value=[10, 2, 1, 1])
    order = [queue.rows.tolist() for queue in queues(trial, said, "risk")]
    assert order == [[0, 3, 1, 2]]  # .1 * 10, .9, .3 * 2, .3


def test_folds_have_lists_of_their_own() -> None:
    """Scores of the second model are a hundred times as high; half of each fold is treated all the same."""
    trial, said = league_of({"rule": [1, 2, 300, 200]}, [0, 1, 1, 0], fold=[0, 0, 1, 1])
    assert treated(trial, said, "rule", capacity_share=0.5).tolist() == [0, 1, 1, 0]


def test_a_lottery_is_everybodys_equal_chance() -> None:
    rng = np.random.default_rng(73)
    trial, said = league_of({"random": rng.random(30), "rule": rng.random(30)}, rng.normal(size=30), cost=0.1)
    assert treated(trial, said, "random", capacity_share=0.3) == pytest.approx(np.full(30, 0.3))
    gains = measure_gains(trial, said, capacity_share=0.3, rng=rng, resamples=20)
    lottery = gains.over_random()["random"]
    assert (lottery.estimate, lottery.standard_error, lottery.p_value) == (0.0, 0.0, 1.0)


def test_the_order_of_the_rows_says_nothing_even_among_equal_scores() -> None:
    rng = np.random.default_rng(74)
    score, gains, value = np.round(rng.random(60), 1), rng.normal(size=60), rng.random(60)
    turned = rng.permutation(60)
    one = measured(*league_of({"rule": score}, gains, value=value > 0.5), 0.3, "rule")
    other = measured(*league_of({"rule": score[turned]}, gains[turned], value=(value > 0.5)[turned]), 0.3, "rule")
    assert other == pytest.approx(one)


def test_values_are_winsorised_in_the_metric_but_not_in_the_list() -> None:
    value = np.r_[np.ones(199), 1000.0]
    trial, said = league_of({"rule": np.ones(200)}, np.ones(200), value=value)
    assert margins(trial, said.gains).max() == pytest.approx(np.quantile(value, 0.99))
    assert treated(trial, said, "rule", capacity_share=1 / 200)[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.95, 1.0])
def test_a_resample_is_what_drawing_the_customers_literally_earns(share: float) -> None:
    """Ties, three folds, an effect that declines some: as many copies of each row as were drawn, ranked anew."""
    rng = np.random.default_rng(75)
    n = 600
    scores = {"dr_stack": np.round(rng.normal(size=n), 1), "rule": rng.random(n), "value": np.full(n, 0.1)}
    trial, said = league_of(scores, rng.normal(size=n), fold=rng.integers(0, 3, n), cost=0.05, value=1 + rng.random(n))
    counts = rng.multinomial(n, np.full(n, 1 / n), size=4).T
    margin = margins(trial, said.gains)
    for k, name in enumerate(scores):
        folds = [
            Fold.of(np.flatnonzero(said.fold == f), [queues(trial, said, each)[f] for each in scores], margin, share)
            for f in range(3)
        ]
        got = sum(fold.fill(counts[fold.rows].astype(float))[0][k] for fold in folds)
        for resample in range(4):
            copies = np.repeat(np.arange(n), counts[:, resample])
            again, said_again = league_of(
                {name: scores[name][copies]}, said.gains[copies], fold=said.fold[copies], cost=0.05,
                value=trial.value_amounts[copies],
            )  # fmt: skip
            chance = treated(again, said_again, name, capacity_share=share)
            assert got[resample] == pytest.approx((chance * margin[copies]).sum())


def test_a_resample_far_from_expected_fills_the_whole_list_anew() -> None:
    """Nobody of the top is drawn: who is treated lies far beyond what the cut expected."""
    n = 2000
    trial, said = league_of({"rule": -np.arange(n)}, np.arange(n))
    fold = Fold.of(np.arange(n), queues(trial, said, "rule"), margins(trial, said.gains), 0.1)
    weights = np.where(np.arange(n) < 1000, 0.0, 2.0)[:, None]
    money, count = fold.fill(weights)
    assert (count.item(), money.item()) == (200.0, 2 * np.arange(1000, 1100).sum())
    money, count = fold.fill(weights[::-1])  # and everybody drawn is at the top
    assert (count.item(), money.item()) == (200.0, 2 * np.arange(100).sum())


def test_customers_are_resampled_as_one() -> None:
    rng = np.random.default_rng(76)
    score, gains = rng.random(300), rng.normal(size=300)
    alone = league_of({"rule": score}, gains)
    twice = league_of({"rule": np.repeat(score, 2)}, np.repeat(gains, 2), customer=np.repeat(np.arange(300), 2))
    errors = [
        measure_gains(*each, capacity_share=0.3, rng=np.random.default_rng(1), resamples=400).gain_resampled.std()
        for each in (alone, twice)
    ]
    assert errors[0] == pytest.approx(errors[1], rel=1e-9)


def test_the_bootstrap_agrees_with_the_influence_function() -> None:
    """Margin 1 + 2s + noise, top 30 % of a uniform s: influence pi m - m(q) (pi - c) less its mean, m(q) = 2.4."""
    rng = np.random.default_rng(77)
    s = rng.random(4000)
    trial, said = league_of({"rule": s}, 1 + 2 * s + rng.normal(size=4000))
    gains = measure_gains(trial, said, capacity_share=0.3, rng=rng, resamples=1000)
    chance = treated(trial, said, "rule", capacity_share=0.3)
    influence = chance * said.gains - 2.4 * (chance - 0.3)
    expected = influence.std(ddof=1) / np.sqrt(4000)
    assert gains.gain_resampled.std() == pytest.approx(expected, rel=3 / np.sqrt(2 * 1000))


def test_intervals_of_an_order_that_may_be_noise_are_wider() -> None:
    rng = np.random.default_rng(78)
    trial, said = league_of({"a": rng.random(200), "b": rng.random(200), "c": np.ones(200)}, rng.normal(size=200))
    gains = measure_gains(trial, said, capacity_share=0.3, rng=rng, resamples=200)
    plain, wide = gains.against("c"), gains.against("c", taught={"a"})
    assert wide["a"].standard_error == pytest.approx(LIST_OF_NOISE * plain["a"].standard_error)
    assert wide["b"] == plain["b"]
    assert wide["a"].high - wide["a"].low == pytest.approx(LIST_OF_NOISE * (plain["a"].high - plain["a"].low))
    assert "wider by 1.28" in wide["a"].method
    assert gains.against("a", taught={"a"})["b"].standard_error > gains.against("a")["b"].standard_error


def test_two_lists_that_treat_the_same_differ_by_nothing() -> None:
    rng = np.random.default_rng(79)
    score = rng.random(100)
    trial, said = league_of({"a": score, "b": np.exp(score), "c": rng.random(100)}, rng.normal(size=100))
    found = measure_gains(trial, said, capacity_share=0.3, rng=rng, resamples=100).against("a")
    assert (found["b"].estimate, found["b"].low, found["b"].high, found["b"].p_value) == (0.0, 0.0, 0.0, 1.0)
    assert found["c"].standard_error > 0


def test_one_comparison_has_the_normal_quantile_and_many_a_larger_one() -> None:
    """Of 20 independent normals the largest |z| is below 3.016 with a chance of .95: .95 ** (1 / 20) two-sided."""
    z = np.random.default_rng(80).normal(size=(20_000, 20))
    assert largest_of_all(np.zeros(1), z[:, :1], np.ones(1), level=0.95)[0] == pytest.approx(1.96, abs=0.04)
    assert largest_of_all(np.zeros(20), z, np.ones(20), level=0.95)[0] == pytest.approx(3.016, abs=0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capacity_share": 0.0}, "capacity_share"), ({"capacity_share": 1.5}, "capacity_share"),
        ({"resamples": 1}, "resamples"), ({"level": 1.0}, "level"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(change: dict[str, float], message: str) -> None:
    trial, said = league_of({"rule": [1, 2, 3, 4]}, [1, 2, 3, 4])
    asked = {"capacity_share": 0.5, "resamples": 10, "level": 0.95} | change
    with pytest.raises(ValueError, match=message):
        measure_gains(trial, said, rng=np.random.default_rng(0), **asked)  # type: ignore[arg-type]


def test_missing_scores_and_gains_and_a_single_customer_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="rule: needs one finite score"):
        measure_gains(*league_of({"rule": [1, np.nan]}, [1, 2]), capacity_share=0.5, rng=rng)
    with pytest.raises(ValueError, match="finite AIPW gain"):
        measure_gains(*league_of({"rule": [1, 2]}, [1, np.inf]), capacity_share=0.5, rng=rng)
    with pytest.raises(ValueError, match="at least 2"):
        measure_gains(*league_of({"rule": [1, 2]}, [1, 2], customer=[7, 7]), capacity_share=0.5, rng=rng)


@pytest.mark.slow
@pytest.mark.truth
def test_the_interval_covers_what_the_list_truly_earns() -> None:
    """1,000 worlds of 600 customers, margin .2 + 1 (s - .5) + skewed noise, the best 30 %: .3 (.2 + .35) = .165.

    .95 within 3 binomial errors and half a point for the normal approximation.
    """
    rng = np.random.default_rng(81)
    covered = []
    for _ in range(1000):
        s = rng.random(600)
        trial, said = league_of({"rule": s}, 0.2 + (s - 0.5) + rng.exponential(size=600) - 1)
        found = measure_gains(trial, said, capacity_share=0.3, rng=rng, resamples=200).estimate("rule")
        covered.append(found.low <= 0.165 <= found.high)
    assert abs(np.mean(covered) - 0.95) <= 3 * np.sqrt(0.95 * 0.05 / 1000) + 0.005


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("share", "folds"), [(0.5, 2), (0.5, 3), (0.1, 3)])
def test_an_order_learned_from_noise_errs_more_than_its_bootstrap_says(share: float, folds: int) -> None:
    """3,000 worlds, ten features, no effect: t of the gain over a lottery has variance 1 + phi(z)^2 / (c (1 - c)).

    1.28^2 at one half, 1.16^2 at a tenth. Scores of ten features reach .98 of what a score of many would; the standard
    deviation of 3,000 draws is known to 1 / sqrt(6,000) of itself, times three. With a true order it is 1.
    """
    rng = np.random.default_rng(82 + folds)
    spread = {}
    for slope in (0.0, 2.0):
        found = []
        for _ in range(3000):
            score, gains, fold = taught_by_each_other(rng, 300, features=10, folds=folds, slope=slope)
            trial, said = league_of({"rule": score - score.min()}, gains, fold=fold)
            beyond = gains - slope * stats.norm.isf(share)  # less the effect of who is last on the list
            over = (treated(trial, said, "rule", capacity_share=share) - share) * beyond
            found.append((over.mean(), over.std() / np.sqrt(300)))
        estimates, errors = np.array(found).T
        spread[slope] = estimates.std() / np.sqrt((errors**2).mean())
        if not slope:
            assert estimates.mean() == pytest.approx(0.0, abs=4 * estimates.std() / np.sqrt(3000))
    ratio = np.sqrt(1 + stats.norm.pdf(stats.norm.isf(share)) ** 2 / (share * (1 - share)))
    assert ratio <= LIST_OF_NOISE + 1e-12
    assert spread[0.0] == pytest.approx(ratio, rel=0.02 + 3 / np.sqrt(6000))
    assert spread[2.0] == pytest.approx(1.0, rel=0.02 + 3 / np.sqrt(6000))
