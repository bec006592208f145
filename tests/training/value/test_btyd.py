import json
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy import integrate, special

from holdback.errors import DataError
from training.value import btyd
from training.value.btyd import (
    BgNbd,
    Floats,
    GammaGamma,
    Purchases,
    bgnbd_from,
    expected_spend,
    fit_bgnbd,
    fit_gamma_gamma,
    gamma_gamma_from,
)

TRUTH = BgNbd(r=0.6, alpha=6.0, a=0.8, b=2.5, log_likelihood=0.0)
AMOUNTS = GammaGamma(p=6.0, q=4.0, v=15.0, mean_amount=30.0)


def people(frequency: list[float], recency: list[float], age: list[float], amount: float = 20.0) -> Purchases:
    return Purchases(np.array(frequency), np.array(recency), np.array(age), np.full(len(age), amount))


def world(
    rng: np.random.Generator, n: int, *, weeks: float = 52, later: float = 26
) -> tuple[Purchases, Floats, Floats]:
    """Customers drawn from ``TRUTH`` and ``AMOUNTS``; purchases and spend of each in the ``later`` weeks."""
    age = rng.uniform(weeks / 2, weeks, n)
    rate, leaving = rng.gamma(TRUTH.r, 1 / TRUTH.alpha, n), rng.beta(TRUTH.a, TRUTH.b, n)
    scale = rng.gamma(AMOUNTS.q, 1 / AMOUNTS.v, n)
    clock, alive = np.zeros(n), np.ones(n, bool)
    frequency, recency, count_later = np.zeros(n), np.zeros(n), np.zeros(n)
    while alive.any():
        clock = clock + rng.exponential(1, n) / np.maximum(rate, 1e-300)
        alive &= clock <= age + later
        known = alive & (clock <= age)
        frequency, recency = frequency + known, np.where(known, clock, recency)
        count_later += alive & ~known
        alive &= rng.random(n) >= leaving
    mean = rng.gamma(AMOUNTS.p * (frequency + 1)) / (frequency + 1) / scale
    spent = np.where(count_later > 0, rng.gamma(np.maximum(AMOUNTS.p * count_later, 1e-9)) / scale, 0.0)
    return Purchases(frequency, recency, age, mean), count_later, spent


def some_of(purchases: Purchases, chosen: npt.NDArray[np.bool_]) -> Purchases:
    return Purchases(
        purchases.frequency[chosen], purchases.recency[chosen], purchases.age[chosen], purchases.mean_amount[chosen]
    )


def test_planted_parameters_are_found() -> None:
    logs = []
    for seed in range(10):
        purchases, _, _ = world(np.random.default_rng(seed), 4000, later=0.0)
        bgnbd, amounts = fit_bgnbd(purchases), fit_gamma_gamma(purchases)
        assert not bgnbd.is_degenerate
        assert not amounts.is_degenerate
        logs.append(np.log([bgnbd.r, bgnbd.alpha, bgnbd.a, bgnbd.b, amounts.p, amounts.q, amounts.v]))
    found, spread = np.mean(logs, axis=0), np.std(logs, axis=0, ddof=1)
    truth = np.log([TRUTH.r, TRUTH.alpha, TRUTH.a, TRUTH.b, AMOUNTS.p, AMOUNTS.q, AMOUNTS.v])
    # Four standard errors of the mean of 10 worlds; a maximum likelihood estimate is off by about spread^2 in logs.
    assert (np.abs(found - truth) <= 4 * spread / np.sqrt(10) + spread**2).all(), (found - truth, spread)
    assert (spread < 0.35).all(), spread


def test_forecasts_hold_in_total_and_in_every_fifth() -> None:
    purchases, later, spent = world(np.random.default_rng(50), 20_000)
    bgnbd, amounts = fit_bgnbd(purchases), fit_gamma_gamma(purchases)
    for predicted, actual in (
        (bgnbd.expected_purchases(purchases, 26.0), later),
        (expected_spend(bgnbd, amounts, purchases, 26.0), spent),
    ):
        assert_calibrated(predicted, actual)
        for fifth in np.array_split(np.argsort(predicted), 5):
            assert_calibrated(predicted[fifth], actual[fifth])


def assert_calibrated(predicted: Floats, actual: Floats) -> None:
    # Four standard errors of the mean of what came, and 4 % for parameters that 20,000 customers do not fix exactly.
    bound = 4 * actual.std() / np.sqrt(len(actual)) + 0.04 * actual.mean()
    assert predicted.mean() == pytest.approx(actual.mean(), abs=bound)


def test_alive_means_alive() -> None:
    # Of those said to be alive with chance p, the purchases later are those of the living, thinned by p.
    purchases, later, _ = world(np.random.default_rng(51), 40_000, later=500)
    alive = TRUTH.alive_probability(purchases)
    for lowest, highest in ((0.0, 0.3), (0.3, 0.7), (0.7, 0.95)):
        chosen = (alive >= lowest) & (alive < highest)
        expected = TRUTH.expected_purchases(some_of(purchases, chosen), 500.0)
        assert_calibrated(expected, later[chosen])


@pytest.mark.parametrize(
    ("r", "alpha", "a", "b"),
    [
        (0.25, 4.4, 0.8, 2.4),
        (0.25, 4.4, 1.0, 2.4),
        (3.0, 0.5, 2.0, 30.0),
        (0.5, 5.0, 0.3, 0.7),
        (1.0, 1.0, 300.0, 900.0),
    ],
)
@pytest.mark.parametrize("horizon", [1.0, 52.0, 5000.0])
def test_the_closed_form_is_the_integral_it_stands_for(
    r: float, alpha: float, a: float, b: float, horizon: float
) -> None:
    model = BgNbd(r, alpha, a, b, 0.0)
    one = people([0, 0, 3, 500], [0, 0, 10, 100], [0, 20, 20, 101])
    found = model.expected_purchases(one, horizon) / model.alive_probability(one)
    for x, age, value in zip(one.frequency, one.age, found, strict=True):
        assert value == pytest.approx(integrated(model, float(x), float(age), horizon), rel=1e-4)


def test_where_the_closed_form_overflows_the_integral_takes_over_and_stays_finite() -> None:
    # Parameters over the whole range that the fit may return, customers from new to ten years old.
    rng = np.random.default_rng(63)
    one = people([0, 1, 20, 600], [0, 1, 30, 500], [0, 5, 500, 520])
    taken_over = 0
    for r, alpha, a, b in np.exp(rng.uniform(-6.5, 6.5, (300, 4))):
        model = BgNbd(r, alpha, a, b, 0.0)
        for horizon in (0.5, 52.0, 1000.0):
            found, alive = model.expected_purchases(one, horizon), model.alive_probability(one)
            for x, age, value, chance in zip(one.frequency, one.age, found, alive, strict=True):
                other = chance * model._expected_by_quadrature(float(x), horizon / (alpha + float(age)))
                assert np.isfinite(value)
                taken_over += bool(chance > 0 and value == other)
                # 601 nodes lose digits only where a beta has one end below .05, far from anything fitted.
                if min(a, b) > 0.05:
                    assert value == pytest.approx(other, rel=1e-3, abs=1e-9), (model, x, age, horizon)
    assert taken_over > 50


def integrated(model: BgNbd, x: float, age: float, horizon: float) -> float:
    """Purchases of who is alive: the expectation over the beta of leaving, in logits so that both ends are smooth."""

    def integrand(logit: float) -> float:
        leaving = float(special.expit(logit))
        density = model.a * special.log_expit(logit) + (model.b + x) * special.log_expit(-logit)
        survived = -(model.r + x) * np.log1p(leaving * horizon / (model.alpha + age))
        return float(np.exp(density - special.betaln(model.a, model.b + x)) * -np.expm1(survived) / leaving)

    centre = float(np.log(model.a / (model.b + x)))
    halves = ((centre - 120, centre), (centre, centre + 60))
    return sum(float(integrate.quad(integrand, *half, limit=500)[0]) for half in halves)


def test_the_gradients_are_those_of_the_likelihoods() -> None:
    rng = np.random.default_rng(52)
    purchases, _, _ = world(rng, 300)
    x, recency, age = purchases.frequency, purchases.recency, purchases.age
    levels, of_level = np.unique(x, return_inverse=True)

    def of_times(parameters: Floats) -> tuple[float, Floats]:
        value, gradient = btyd._bgnbd_terms(parameters, x, recency, age, levels, of_level)
        return float(value.sum()), np.array([part.sum() for part in gradient])

    def of_money(parameters: Floats) -> tuple[float, Floats]:
        value, gradient = btyd._gamma_gamma_terms(parameters, x + 1, purchases.mean_amount)
        return float(value.sum()), np.array([part.sum() for part in gradient])

    for parameters in np.exp(rng.normal(size=(5, 4))):
        for terms, point in ((of_times, parameters), (of_money, parameters[:3])):
            for place in range(len(point)):
                step = np.zeros(len(point))
                step[place] = 1e-5 * point[place]
                numeric = (terms(point + step)[0] - terms(point - step)[0]) / (2 * step[place])
                assert terms(point)[1][place] == pytest.approx(numeric, rel=1e-5, abs=1e-4)


def test_the_unit_of_time_and_of_money_does_not_matter() -> None:
    purchases, _, _ = world(np.random.default_rng(53), 1500)
    in_days = Purchases(purchases.frequency, purchases.recency * 7, purchases.age * 7, purchases.mean_amount * 100)
    weeks, days = fit_bgnbd(purchases), fit_bgnbd(in_days)
    assert days.alpha == pytest.approx(weeks.alpha * 7, rel=1e-3)
    assert days.expected_purchases(in_days, 70.0) == pytest.approx(weeks.expected_purchases(purchases, 10.0), rel=1e-3)
    # Each repeat purchase has a density per unit of time.
    shift = purchases.frequency.sum() * np.log(7)
    assert days.log_likelihood == pytest.approx(weeks.log_likelihood - shift, abs=1e-3)
    amounts, cents = fit_gamma_gamma(purchases), fit_gamma_gamma(in_days)
    assert cents.expected_amount(in_days) == pytest.approx(100 * amounts.expected_amount(purchases), rel=1e-3)


def test_expectations_grow_with_the_horizon_from_nothing() -> None:
    purchases, _, _ = world(np.random.default_rng(54), 400)
    forecasts = [TRUTH.expected_purchases(purchases, horizon) for horizon in (0.0, 1.0, 10.0, 100.0, 1000.0)]
    assert forecasts[0] == pytest.approx(0, abs=1e-12)
    assert all((later > earlier).all() for earlier, later in pairwise(forecasts))


def test_money_of_later_is_worth_less() -> None:
    purchases, _, _ = world(np.random.default_rng(55), 400)
    plain = expected_spend(TRUTH, AMOUNTS, purchases, 52.0)
    assert expected_spend(TRUTH, AMOUNTS, purchases, 52.0, 1e-9) == pytest.approx(plain, rel=1e-6)
    discounted = expected_spend(TRUTH, AMOUNTS, purchases, 52.0, 0.10)
    # All of it lies between today and a year from now, and more than half of it in the first half.
    assert (discounted < plain).all()
    assert (discounted > plain / 1.10**0.5).all()


def test_who_never_came_back_is_alive_for_certain() -> None:
    assert TRUTH.alive_probability(people([0], [0], [500])).tolist() == [1.0]


def test_models_survive_as_plain_json() -> None:
    purchases, _, _ = world(np.random.default_rng(56), 800)
    for model, read in ((fit_bgnbd(purchases), bgnbd_from), (fit_gamma_gamma(purchases), gamma_gamma_from)):
        assert read(json.loads(json.dumps(model.as_dict(), allow_nan=False))) == model


@pytest.mark.parametrize(
    ("frequency", "recency", "age", "amount", "message"),
    [
        ([-1.0], [1.0], [2.0], 1.0, "frequency must not be negative"),
        ([1.0], [-1.0], [2.0], 1.0, "recency must not be negative"),
        ([1.0], [1.0], [2.0], -1.0, "mean_amount must not be negative"),
        ([float("nan")], [1.0], [2.0], 1.0, "frequency must be a number"),
        ([1.0], [1.0], [float("inf")], 1.0, "age must be a number"),
        ([1.0], [1.0], [2.0], float("nan"), "mean_amount must be a number"),
        ([1.5], [1.0], [2.0], 1.0, "whole numbers"),
        ([1.0], [3.0], [2.0], 1.0, "after the day of looking"),
        ([0.0, 1.0], [0.0, 0.0], [2.0, 2.0], 1.0, "first row 1 .1.: recency is 0"),
        ([0.0], [1.0], [2.0], 1.0, "recency is 0 for who bought on one day only"),
        ([0.0, 1.0], [0.0], [2.0], 1.0, "All four must be one list"),
    ],
)
def test_purchases_that_contradict_themselves_are_refused(
    frequency: list[float], recency: list[float], age: list[float], amount: float, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        people(frequency, recency, age, amount)


@pytest.mark.parametrize("horizon", [-1.0, float("nan"), float("inf")])
def test_a_horizon_that_is_none_is_refused(horizon: float) -> None:
    with pytest.raises(DataError, match="value horizon"):
        TRUTH.expected_purchases(people([0], [0], [1]), horizon)
    with pytest.raises(DataError, match="discount rate"):
        expected_spend(TRUTH, AMOUNTS, people([0], [0], [1]), 10.0, horizon)


@pytest.mark.parametrize(
    "few",
    [
        people([], [], []),
        people([2.0], [3.0], [9.0]),
        people([0.0] * 500, [0.0] * 500, list(np.linspace(1.0, 50.0, 500))),  # everybody bought once
        people([0.0] * 500, [0.0] * 500, [0.0] * 500),  # everybody began today
        world(np.random.default_rng(57), 30)[0],
    ],
    ids=["nobody", "one", "all once", "all today", "thirty"],
)
def test_too_little_to_learn_from_is_flagged_and_still_finite(few: Purchases) -> None:
    bgnbd, amounts = fit_bgnbd(few), fit_gamma_gamma(few)
    for model in (bgnbd, amounts):
        assert model.is_degenerate
        assert "at least 50 are needed" in str(model.why)
        json.dumps(model.as_dict(), allow_nan=False)
    forecast = expected_spend(bgnbd, amounts, few, 26.0)
    assert forecast.shape == (len(few),)
    assert np.isfinite(forecast).all()
    assert (forecast >= 0).all()


def test_customers_of_whom_nobody_leaves_are_flagged() -> None:
    # Plain Poisson buying until the last day: there is no end for the model to find.
    rng = np.random.default_rng(58)
    rate, age = rng.gamma(2, 0.2, 3000), np.full(3000, 52.0)
    frequency = rng.poisson(rate * age).astype(float)
    recency = np.where(frequency > 0, age * rng.random(3000) ** (1 / np.maximum(frequency, 1)), 0.0)
    found = fit_bgnbd(Purchases(frequency, recency, age, np.ones(3000)))
    assert found.is_degenerate
    assert "nobody ever leaves" in str(found.why)


def test_equal_amounts_are_flagged_and_expected_again() -> None:
    purchases, _, _ = world(np.random.default_rng(59), 800)
    same = Purchases(purchases.frequency, purchases.recency, purchases.age, np.full(800, 9.99))
    found = fit_gamma_gamma(same)
    assert found.is_degenerate
    assert found.why == "all amounts are 9.99: nobody differs from anybody"
    assert found.expected_amount(same) == pytest.approx(np.full(800, 9.99))


def test_amounts_without_a_finite_mean_are_flagged() -> None:
    purchases, _, _ = world(np.random.default_rng(60), 5000)
    rng = np.random.default_rng(61)
    wild = rng.gamma(2.0 * (purchases.frequency + 1)) / (purchases.frequency + 1) / rng.gamma(0.8, 1 / 10, 5000)
    found = fit_gamma_gamma(Purchases(purchases.frequency, purchases.recency, purchases.age, wild))
    assert found.is_degenerate
    assert "infinite" in str(found.why)


def test_free_orders_do_not_disturb_the_others() -> None:
    purchases, _, _ = world(np.random.default_rng(62), 3000)
    amounts = purchases.mean_amount.copy()
    amounts[:500] = 0
    found = fit_gamma_gamma(Purchases(purchases.frequency, purchases.recency, purchases.age, amounts))
    assert not found.is_degenerate
    rest = some_of(purchases, np.arange(3000) >= 500)
    assert found.p == pytest.approx(fit_gamma_gamma(rest).p)


def test_of_whom_no_amount_is_known_everybody_is_expected() -> None:
    unknown = Purchases(np.zeros(1), np.zeros(1), np.ones(1), np.zeros(1), is_first_in_mean=False)
    assert AMOUNTS.expected_amount(unknown) == pytest.approx([15.0 * 6.0 / 3.0])
    flagged = GammaGamma(1.0, 2.0, 1.0, mean_amount=12.0, is_degenerate=True, why="too few")
    assert flagged.expected_amount(unknown).tolist() == [12.0]
