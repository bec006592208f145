"""Buy till you die: how often a customer without a contract will buy again (BG/NBD), and for how much (gamma-gamma).

Sources: Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), formulas 6 and 10;
Fader & Hardie (2013), "The Gamma-Gamma Model of Monetary Value". Checked against the published CDNOW figures.

Time is in weeks and money in currency units throughout. Identical customers are counted, not repeated, and the gradient
is exact, so a fit on 24,000 customers costs a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from holdback.errors import DataError

Floats = npt.NDArray[np.float64]

WEEKS_PER_YEAR: Final = 365.25 / 7
FEWEST_REPEAT_BUYERS: Final = 50
"""With fewer customers who came back, four parameters of repeat buying are guesses."""
NOBODY_LEAVES: Final = 0.01
"""A smaller ``a`` says that no purchase is ever the last: the time to leaving was not found in the data."""

_BOUND: Final = 7.0  # of each log-parameter, on time scaled to 10 and money scaled to 1: 0.0009 to 1,097
_AT_BOUND: Final = 0.01
_LONGEST: Final = 10.0  # what the oldest customer's age is scaled to
_STARTS: Final = (0.0, -1.0, 1.0)
_DISCOUNT_STEPS_PER_YEAR: Final = 12
_NODES: Final = np.linspace(-15, 15, 601)  # standard deviations of the logit of a beta: nothing lies beyond
_NEVER: Final = 1e-290  # the smallest probability of leaving that can still be divided by
_ALL_EQUAL: Final = 1e-9
_NUDGE: Final = 1e-7  # the forecast has a removable pole at a = 1 and at a + b + x = 1


@dataclass(frozen=True, eq=False)
class Purchases:
    """What the buying models need to know of n customers who bought at least once. Time in weeks.

    Several orders of one day are one purchase: the model knows no two purchases at one instant.

    Attributes:
        frequency: Repeat purchases, x, shape (n,); 0 for who bought on one day only.
        recency: Weeks from the first to the last purchase, t_x, shape (n,); 0 exactly where x is 0.
        age: Weeks from the first purchase to the day of looking, T, shape (n,).
        mean_amount: Mean amount of a purchase in currency units, shape (n,), 0 or more.
        is_first_in_mean: Whether the first purchase counts in ``mean_amount``. It should: of a customer who never came
            back it is all that is known. False reproduces the published figures, which leave it out.

    Raises:
        DataError: shapes differ, a value is missing, infinite or negative, or the three times contradict each other.
    """

    frequency: Floats
    recency: Floats
    age: Floats
    mean_amount: Floats
    is_first_in_mean: bool = True

    def __post_init__(self) -> None:
        names = ("frequency", "recency", "age", "mean_amount")
        shape = np.shape(self.frequency)
        for name in names:
            values = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, values)
            if values.ndim != 1 or values.shape != shape:
                raise DataError(f"purchases: {name} has shape {values.shape}. All four must be one list of {shape}.")
            _require(np.isfinite(values), values, f"{name} must be a number, without gaps")
            _require(values >= 0, values, f"{name} must not be negative")
        whole = self.frequency == np.floor(self.frequency)
        _require(whole, self.frequency, "frequency counts repeat purchases, in whole numbers")
        _require(self.recency <= self.age, self.recency - self.age, "nobody bought after the day of looking")
        agree = (self.frequency > 0) == (self.recency > 0)
        _require(agree, self.frequency, "recency is 0 for who bought on one day only, and for nobody else")

    def __len__(self) -> int:
        return len(self.frequency)

    @property
    def amount_count(self) -> Floats:
        """Purchases behind ``mean_amount``, shape (n,)."""
        return self.frequency + 1 if self.is_first_in_mean else self.frequency

    @property
    def repeat_buyer_count(self) -> int:
        """Customers who came back at least once."""
        return int((self.frequency > 0).sum())


@dataclass(frozen=True, slots=True)
class BgNbd:
    """A fitted BG/NBD: purchases are Poisson at gamma(r, alpha) rates; each is the last with beta(a, b) probability.

    Attributes:
        r: Shape of the purchase rates.
        alpha: Scale of the purchase rates, in weeks; r / alpha is the mean rate per week of who is still there.
        a: First parameter of the probability that a purchase is the last.
        b: Second parameter of it.
        log_likelihood: Of the customers it was fitted on, time in weeks.
        is_degenerate: The forecasts are finite, but must not be used: see ``why``.
        why: What is wrong, in words; None when nothing is.
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float
    is_degenerate: bool = False
    why: str | None = None

    def expected_purchases(self, purchases: Purchases, horizon: float) -> Floats:
        """Purchases expected of each customer in the next ``horizon`` weeks, shape (n,). Formula 10 of the paper.

        Written after Euler's transformation of its 2F1, which keeps powers of x out: 500 purchases do not overflow.

        Raises:
            DataError: the horizon is negative or not a number.
        """
        if not (np.isfinite(horizon) and horizon >= 0):
            raise DataError(f"value horizon: {horizon} weeks. It must be a number, 0 or more.")
        x, age = purchases.frequency, purchases.age
        a = self.a + _NUDGE if abs(self.a - 1) < _NUDGE else self.a
        total = a + self.b + x - 1
        total = np.where(np.abs(total) < _NUDGE, _NUDGE, total)
        remaining = (self.alpha + age) / (self.alpha + age + horizon)
        with np.errstate(over="ignore", invalid="ignore"):
            series = special.hyp2f1(a + self.b - 1 - self.r, a - 1, total, 1 - remaining)
            expected = total / (a - 1) * (1 - remaining ** (a - 1) * series)
        for row in np.flatnonzero(~np.isfinite(expected)):
            expected[row] = self._expected_by_quadrature(float(x[row]), horizon / (self.alpha + float(age[row])))
        return np.asarray(np.maximum(expected, 0.0) * self.alive_probability(purchases), dtype=np.float64)

    def _expected_by_quadrature(self, x: float, horizon: float) -> float:
        """Purchases of who is still there, where the 2F1 overflows: a mean over the beta of leaving, in logits."""
        a, b = self.a, self.b + x
        centre, spread = special.digamma(a) - special.digamma(b), special.polygamma(1, [a, b]).sum() ** 0.5
        logits = centre + spread * _NODES
        log_weights = a * special.log_expit(logits) + b * special.log_expit(-logits)
        weights, leaving = np.exp(log_weights - log_weights.max()), np.maximum(special.expit(logits), _NEVER)
        bought = -np.expm1(-(self.r + x) * np.log1p(leaving * horizon)) / leaving
        return float(weights @ bought / weights.sum())

    def alive_probability(self, purchases: Purchases) -> Floats:
        """Probability that each customer has not left yet, shape (n,).

        It never serves as a risk score: a customer without a repeat purchase gets 1 by construction (nobody leaves
        before the second purchase in this model), although he is the likeliest to stay away. On CDNOW the AUC of
        1 - P(alive) against real silence is 0.32, worse than a coin.
        """
        x = purchases.frequency
        odds = self._log_odds_of_having_left(x, purchases.recency, purchases.age)
        return np.where(x > 0, special.expit(-odds), 1.0)

    def _log_odds_of_having_left(self, x: Floats, recency: Floats, age: Floats) -> Floats:
        left = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        silence = (self.r + x) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        return np.asarray(left + silence, dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content; :func:`bgnbd_from` reads it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class GammaGamma:
    """A fitted gamma-gamma: amounts are gamma(p, nu) around each customer's mean, nu is gamma(q, v) among customers.

    Attributes:
        p: Shape of one customer's amounts.
        q: Shape of the differences between customers.
        v: Scale of the differences between customers, in currency units.
        mean_amount: Mean amount of a purchase over all customers, for whom nothing is known of.
        is_degenerate: Some parameter was not found; the customer's own mean is the answer then.
        why: What is wrong, in words; None when nothing is.
    """

    p: float
    q: float
    v: float
    mean_amount: float
    is_degenerate: bool = False
    why: str | None = None

    def expected_amount(self, purchases: Purchases) -> Floats:
        """Expected amount of the next purchase in currency units, shape (n,): own mean, shrunk to everybody's.

        When degenerate: the customer's own mean, and everybody's for whom no amount is known of.
        """
        count = purchases.amount_count
        if self.is_degenerate:
            return np.where(count > 0, purchases.mean_amount, self.mean_amount)
        weight = self.p * count / (self.p * count + self.q - 1)
        everybody = self.v * self.p / (self.q - 1)
        return np.asarray((1 - weight) * everybody + weight * purchases.mean_amount, dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON content; :func:`gamma_gamma_from` reads it."""
        return asdict(self)


def bgnbd_from(content: Mapping[str, Any]) -> BgNbd:
    """Read back what :meth:`BgNbd.as_dict` wrote."""
    return BgNbd(**content)


def gamma_gamma_from(content: Mapping[str, Any]) -> GammaGamma:
    """Read back what :meth:`GammaGamma.as_dict` wrote."""
    return GammaGamma(**content)


def fit_bgnbd(purchases: Purchases) -> BgNbd:
    """Fit the BG/NBD by maximum likelihood. Never fails: what could not be found is flagged in the result.

    Args:
        purchases: n customers; x, t_x and T are used.

    Returns:
        The model; ``is_degenerate`` when fewer than 50 customers came back, or when a parameter ran into its bound
        (``a`` below 0.01 or ``b`` at its bound: "nobody ever leaves").

    Examples:
        >>> once = np.zeros(3)
        >>> fit_bgnbd(Purchases(once, once, once + 10, once + 25)).why
        '0 customers came back; at least 50 are needed'
    """
    scale = _LONGEST / float(purchases.age.max()) if len(purchases) and purchases.age.max() > 0 else 1.0
    rows = np.column_stack([purchases.frequency, purchases.recency * scale, purchases.age * scale])
    groups, count = np.unique(rows, axis=0, return_counts=True)
    x, recency, age = groups.T
    levels, of_level = np.unique(x, return_inverse=True)
    share = count / max(len(purchases), 1)

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        value, gradient = _bgnbd_terms(np.exp(log_parameters), x, recency, age, levels, of_level)
        # Not `share @ value`: BLAS starts a thread per core for it, which costs seven times the CPU on a busy machine.
        slope = np.array([(share * part).sum() for part in gradient])
        return -float((share * value).sum()), -slope * np.exp(log_parameters)

    logs, value = _best(loss, 4)
    r, alpha, a, b = (float(part) for part in np.exp(logs))
    # Scaled time changes the density of each repeat purchase by the scale.
    log_likelihood = len(purchases) * (-value + float((share * x).sum()) * np.log(scale))
    why = _bgnbd_fault(purchases, logs, a)
    return BgNbd(r, alpha / scale, a, b, float(log_likelihood), why is not None, why)


def fit_gamma_gamma(purchases: Purchases) -> GammaGamma:
    """Fit the gamma-gamma by maximum likelihood on customers whose mean amount is above 0. Never fails.

    It assumes that how much a customer spends says nothing about how often he buys.

    Args:
        purchases: n customers; the mean amount and the number of purchases behind it are used.

    Returns:
        The model; ``is_degenerate`` with too few customers, when ``q`` is not above 1 (the mean of such a model is
        infinite), when all amounts are equal, or when a parameter ran into its bound.
    """
    known = (purchases.amount_count > 0) & (purchases.mean_amount > 0)
    count, amount = purchases.amount_count[known], purchases.mean_amount[known]
    mean = float(amount.mean()) if len(amount) else 0.0
    if len(amount) < FEWEST_REPEAT_BUYERS or purchases.repeat_buyer_count < FEWEST_REPEAT_BUYERS:
        too_few = f"{purchases.repeat_buyer_count} customers came back, {len(amount)} have an amount"
        return GammaGamma(1.0, 2.0, mean or 1.0, mean, True, f"{too_few}; at least {FEWEST_REPEAT_BUYERS} are needed")
    scaled = amount / mean
    if np.ptp(scaled) < _ALL_EQUAL:
        return GammaGamma(1.0, 2.0, mean, mean, True, f"all amounts are {mean:,.2f}: nobody differs from anybody")

    def loss(log_parameters: Floats) -> tuple[float, Floats]:
        value, gradient = _gamma_gamma_terms(np.exp(log_parameters), count, scaled)
        return -float(value.mean()), -np.array([part.mean() for part in gradient]) * np.exp(log_parameters)

    logs, _ = _best(loss, 3)
    p, q, v = (float(part) for part in np.exp(logs))
    names = [name for name, log in zip("pqv", logs, strict=True) if abs(log) > _BOUND - _AT_BOUND]
    why = None
    if q <= 1:
        why = f"q is {q:.2f}; the expected amount is infinite unless q is above 1"
    elif names:
        why = f"{' and '.join(names)} ran into a bound: the amounts do not differ as the model expects"
    return GammaGamma(p, q, v * mean, mean, why is not None, why)


def expected_spend(
    bgnbd: BgNbd, gamma_gamma: GammaGamma, purchases: Purchases, horizon: float, discount_rate: float = 0.0
) -> Floats:
    """Spend expected of each customer in the next ``horizon`` weeks, in currency units of today, shape (n,).

    Args:
        bgnbd: How often.
        gamma_gamma: For how much.
        purchases: n customers.
        horizon: Weeks, 0 or more.
        discount_rate: Per year, 0 or more; each month's purchases count from its middle.

    Raises:
        DataError: the horizon or the rate is negative or not a number.
    """
    if not (np.isfinite(discount_rate) and discount_rate >= 0):
        raise DataError(f"discount rate: {discount_rate} per year. It must be a number, 0 or more.")
    amount = gamma_gamma.expected_amount(purchases)
    if discount_rate == 0:
        return bgnbd.expected_purchases(purchases, horizon) * amount
    step_count = max(1, round(horizon / WEEKS_PER_YEAR * _DISCOUNT_STEPS_PER_YEAR))
    spend, before = np.zeros(len(purchases)), np.zeros(len(purchases))
    for step in range(1, step_count + 1):
        until = bgnbd.expected_purchases(purchases, horizon * step / step_count)
        middle = horizon * (step - 0.5) / step_count / WEEKS_PER_YEAR
        spend += (until - before) / (1 + discount_rate) ** middle
        before = until
    return spend * amount


def _require(holds: npt.NDArray[np.bool_], values: Floats, rule: str) -> None:
    if not holds.all():
        row = int(np.flatnonzero(~holds)[0])
        raise DataError(
            f"purchases: {int((~holds).sum())} of {len(values)} rows, first row {row} ({values[row]:g}): {rule}. "
            "Correct the purchases."
        )


def _best(loss: Callable[[Floats], tuple[float, Floats]], count: int) -> tuple[Floats, float]:
    """Lowest of a few bounded descents: the likelihoods have flat ridges, on which one descent may stop early."""
    found = [
        optimize.minimize(loss, np.full(count, start), jac=True, method="L-BFGS-B", bounds=[(-_BOUND, _BOUND)] * count)
        for start in _STARTS
    ]
    best = min(found, key=lambda result: float(result.fun))
    return np.asarray(best.x, dtype=np.float64), float(best.fun)


def _bgnbd_terms(
    parameters: Floats, x: Floats, recency: Floats, age: Floats, levels: Floats, of_level: npt.NDArray[np.intp]
) -> tuple[Floats, tuple[Floats, Floats, Floats, Floats]]:
    """Log-likelihood of each customer (formula 6) and its derivatives by r, alpha, a and b."""
    r, alpha, a, b = parameters
    log_age, log_recency = np.log(alpha + age), np.log(alpha + recency)
    log_alive = -(r + x) * log_age
    previous = np.maximum(x, 1) - 1
    log_left = np.where(x > 0, np.log(a) - np.log(b + previous) - (r + x) * log_recency, -np.inf)
    alive = special.expit(log_alive - log_left)
    # Whatever depends on x alone is computed once per level of x: the special functions are the cost.
    rate = special.gammaln(r + levels) - special.gammaln(r)
    survival = special.betaln(a, b + levels) - special.betaln(a, b)
    value = (rate + survival)[of_level] + r * np.log(alpha) + np.logaddexp(log_alive, log_left)
    by_r = special.digamma(r + levels) - special.digamma(r)
    by_a = special.digamma(a + b) - special.digamma(a + b + levels)
    by_b = by_a + special.digamma(b + levels) - special.digamma(b)
    gradient = (
        by_r[of_level] + np.log(alpha) - alive * log_age - (1 - alive) * log_recency,
        r / alpha - (r + x) * (alive / (alpha + age) + (1 - alive) / (alpha + recency)),
        by_a[of_level] + (1 - alive) / a,
        by_b[of_level] - (1 - alive) / (b + previous),
    )
    return value, gradient


def _gamma_gamma_terms(parameters: Floats, count: Floats, mean: Floats) -> tuple[Floats, tuple[Floats, Floats, Floats]]:
    """Log-likelihood of each customer's mean amount (formula 1a) and its derivatives by p, q and v."""
    p, q, v = parameters
    shape, log_total = p * count, np.log(v + count * mean)
    log_share = np.log(count * mean) - log_total
    value = -special.betaln(shape, q) + q * (np.log(v) - log_total) + shape * log_share - np.log(mean)
    both = special.digamma(shape + q)
    gradient = (
        count * (both - special.digamma(shape) + log_share),
        both - special.digamma(q) + np.log(v) - log_total,
        q / v - (shape + q) / (v + count * mean),
    )
    return value, gradient


def _bgnbd_fault(purchases: Purchases, logs: Floats, a: float) -> str | None:
    if purchases.repeat_buyer_count < FEWEST_REPEAT_BUYERS:
        return f"{purchases.repeat_buyer_count} customers came back; at least {FEWEST_REPEAT_BUYERS} are needed"
    if a < NOBODY_LEAVES or logs[3] > _BOUND - _AT_BOUND:
        return f"a = {a:.4f}, b = {np.exp(logs[3]):,.0f}: nobody ever leaves, which is not known from these purchases"
    names = [name for name, log in zip(("r", "alpha", "a", "b"), logs, strict=True) if abs(log) > _BOUND - _AT_BOUND]
    return f"{' and '.join(names)} ran into a bound: the purchases do not tell it" if names else None
