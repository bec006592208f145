"""Whether the groups of a layer have the sizes that were drawn: on the last day, and on every day before.

What is expected are the propensities of the drawing, so 10 % held out is no mismatch. What is counted is units, never
customers: a household is drawn once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import exp, log, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import special, stats

from monitoring.effects.checks import Check, Verdict

Floats = npt.NDArray[np.float64]

#: Below this probability the final sizes are no chance.
P_LIMIT: Final = 0.001
#: Above this Bayes factor the sizes of any day are no chance: at most 1 right layer in 1,000 gets there (Ville).
BAYES_FACTOR_LIMIT: Final = 1000.0
#: Units that the alternative's prior is worth: it expects shares near the drawn ones.
_CONCENTRATION: Final = 100.0
#: Under this many expected units in the smaller group the count is judged exactly.
_FEW_UNITS: Final = 20
#: The logarithm of what a float can hold; larger Bayes factors say no more.
_LARGEST_LOG: Final = 709.0
_DIGITS: Final = 12  # propensities that differ by less are one
#: With more distinct propensities than this, each has too few units for a Bayes factor of its own to learn anything.
_MANY_PROPENSITIES: Final = 20
#: The alternative is then one shift of all log odds: normal with this standard deviation, as wide as the other prior.
_SHIFT: Final = 0.25
_SHIFT_POINTS: Final = 41


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """How the sizes of the two groups compare with their drawing.

    Attributes:
        treatment_units: Units in treatment.
        holdout_units: Units held out.
        expected_treatment_units: Sum of the propensities of treatment.
        p_value: Probability of sizes at least this far off if the drawing is right; read it once, at the end.
        p_limit: Below it the final sizes are no chance.
        log_bayes_factor: Natural logarithm, as of the last day, between -709 and 709; may be read every day.
        bayes_factor_limit: Above it the sizes are no chance.
        first_alarm_on: First day whose Bayes factor was above the limit; None when none was.
        is_final: Whether the p-value counts for the verdict.
        verdict: ``failed`` when the Bayes factor ever passed its limit, or the final p-value is below its own.
    """

    treatment_units: int
    holdout_units: int
    expected_treatment_units: float
    p_value: float
    p_limit: float
    log_bayes_factor: float
    bayes_factor_limit: float
    first_alarm_on: date | None
    is_final: bool
    verdict: Verdict

    @property
    def bayes_factor(self) -> float:
        """How much better a wrong drawing explains the sizes than the right one."""
        return exp(self.log_bayes_factor)

    @property
    def check(self) -> Check:
        """The row that it makes."""
        value, limit = (self.p_value, self.p_limit) if self.is_final else (self.bayes_factor, self.bayes_factor_limit)
        return Check("sample_ratio", self.verdict, value, limit, self.finding)

    @property
    def finding(self) -> str:
        """What was seen, in a sentence."""
        count = self.treatment_units + self.holdout_units
        if count == 0:
            return "No unit was assigned."
        seen = (
            f"{self.holdout_units:,} of {count:,} units are held out where {count - self.expected_treatment_units:,.1f}"
            f" are expected (p = {self.p_value:.2g}, Bayes factor {self.bayes_factor:.3g})"
        )
        if self.verdict == "passed":
            return f"{seen}: as chance has it."
        since = f"; first seen on {self.first_alarm_on}" if self.first_alarm_on else ""
        return (
            f"{seen}: that is no chance{since}. Look for units that were lost, added or merged after the drawing, and "
            "for a step that treats the groups differently."
        )


def sample_ratio(
    entries: pa.Table,
    *,
    is_final: bool = False,
    p_limit: float = P_LIMIT,
    bayes_factor_limit: float = BAYES_FACTOR_LIMIT,
) -> SampleRatio:
    """Compare the sizes of the groups with their propensities, at the end and as seen day by day.

    Final: Pearson's chi-square with one degree of freedom, ``(n_t - sum e)^2 / sum e (1 - e)``, which is the textbook's
    form when all propensities are equal; exact (Poisson-binomial, two-sided by probability) when fewer than 20 units
    are expected in a group. Daily: the Dirichlet-multinomial Bayes factor of :func:`log_bayes_factor`, one for each
    distinct propensity, multiplied; with more than 20 distinct ones, that of one shift of all log odds. Either starts
    at 1 and under a right drawing is a martingale, so it passes the limit with probability of at most
    ``1 / bayes_factor_limit`` however often it is looked at.

    Args:
        entries: ``entered_on, propensity, treatment_units, holdout_units``: units by day of entry and propensity of
            treatment at the drawing. Days may come in any order.
        is_final: True at the planned reading: then the p-value counts, too.
        p_limit: Smallest p-value that passes.
        bayes_factor_limit: Largest Bayes factor that passes.

    Returns:
        ``not checked`` when nobody entered.

    Raises:
        ValueError: a propensity outside [0, 1], or a count below 0 or missing.

    Source: Fabijan et al., Diagnosing sample ratio mismatch, KDD 2019; Lindon and Malek, Anytime-valid inference for
    multinomial count data, NeurIPS 2022.

    Examples:
        >>> day = {"entered_on": [date(2026, 3, 2)], "propensity": [0.5]}
        >>> found = sample_ratio(
        ...     pa.table({**day, "treatment_units": [821588], "holdout_units": [815482]}), is_final=True
        ... )
        >>> f"{found.p_value:.3g}", found.verdict
        ('1.82e-06', 'failed')
    """
    propensity, treated, held, days = _columns(entries)
    count = treated + held
    expected = float((propensity * count).sum())
    if not count.sum():
        return SampleRatio(0, 0, 0.0, 1.0, p_limit, 0.0, bayes_factor_limit, None, is_final, "not checked")
    p_value = _p_value(propensity, treated, held)
    by_day = _log_bayes_factors(propensity, treated, held, days)
    alarms = [day for day, value in by_day.items() if value > log(bayes_factor_limit)]
    is_wrong = bool(alarms) or (is_final and p_value < p_limit)
    return SampleRatio(
        treatment_units=int(treated.sum()),
        holdout_units=int(held.sum()),
        expected_treatment_units=expected,
        p_value=p_value,
        p_limit=p_limit,
        log_bayes_factor=float(np.clip(list(by_day.values())[-1], -_LARGEST_LOG, _LARGEST_LOG)),
        bayes_factor_limit=bayes_factor_limit,
        first_alarm_on=alarms[0] if alarms else None,
        is_final=is_final,
        verdict="failed" if is_wrong else "passed",
    )


def log_bayes_factor(counts: npt.ArrayLike, shares: npt.ArrayLike, *, concentration: npt.ArrayLike) -> Floats:
    """Return the logarithm of how much better other shares than the drawn ones explain the counts.

    ``lnG(sum a) - lnG(sum a + N) + sum_k [lnG(a_k + n_k) - lnG(a_k)] - sum_k n_k ln theta_k``: under the
    alternative the shares are Dirichlet(a). A count where the share is zero gives 709, the largest that is told.

    Args:
        counts: n, units in each group; shape (..., k).
        shares: theta, drawn shares that sum to 1; shape (..., k).
        concentration: a, above 0 where the share is; shape (..., k). The project takes ``100 theta``.

    Source: Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022.

    Examples:
        >>> [round(float(np.exp(log_bayes_factor(n, [0.5, 0.5], concentration=[1, 1]))), 4) for n in ([2, 0], [10, 0])]
        [1.3333, 93.0909]
    """
    n, theta, a = (np.asarray(values, dtype=np.float64) for values in (counts, shares, concentration))
    n, theta, a = np.broadcast_arrays(n, theta, a)
    is_possible = theta > 0
    is_broken = ((n > 0) & ~is_possible).any(axis=-1)
    n, theta, a = np.where(is_possible, n, 0.0), np.where(is_possible, theta, 1.0), np.where(is_possible, a, 0.0)
    safe = np.where(is_possible, a, 1.0)
    each = np.where(is_possible, special.gammaln(safe + n) - special.gammaln(safe) - n * np.log(theta), 0.0)
    total = a.sum(axis=-1)
    value = special.gammaln(total) - special.gammaln(total + n.sum(axis=-1)) + each.sum(axis=-1)
    result: Floats = np.where(is_broken, _LARGEST_LOG, value)
    return result


def _columns(entries: pa.Table) -> tuple[Floats, Floats, Floats, list[date]]:
    """Return propensity, treatment units, holdout units and day of each row, by day."""
    rows = entries.sort_by("entered_on")
    propensity, treated, held = (
        np.asarray(rows[name].to_numpy(), dtype=np.float64)
        for name in ("propensity", "treatment_units", "holdout_units")
    )
    if not ((propensity >= 0) & (propensity <= 1)).all():
        raise ValueError("sample_ratio: a propensity lies outside [0, 1] or is missing. It is a probability.")
    if not ((treated >= 0) & (held >= 0) & np.isfinite(treated + held)).all():
        raise ValueError("sample_ratio: a count of units is below 0 or missing.")
    if rows["entered_on"].null_count:
        raise ValueError("sample_ratio: a day of entry is missing. Every unit entered on a day.")
    return np.round(propensity, _DIGITS), treated, held, rows["entered_on"].to_pylist()


def _p_value(propensity: Floats, treated: Floats, held: Floats) -> float:
    """Return the final two-sided probability; 0 when a unit is where its propensity forbids."""
    if treated[propensity == 0].sum() or held[propensity == 1].sum():
        return 0.0
    count = treated + held
    mean, variance = float((propensity * count).sum()), float((propensity * (1 - propensity) * count).sum())
    if variance == 0:
        return 1.0
    if min(mean, float(count.sum()) - mean) < _FEW_UNITS:
        return _exact_p_value(propensity, treated, held)
    return float(stats.chi2.sf((treated.sum() - mean) ** 2 / variance, 1))


def _exact_p_value(propensity: Floats, treated: Floats, held: Floats) -> float:
    """Return the probability of all counts of the smaller group that are no likelier than the one found."""
    count = treated + held
    is_treatment_smaller = (propensity * count).sum() * 2 < count.sum()
    share, found = (propensity, treated.sum()) if is_treatment_smaller else (1 - propensity, held.sum())
    # Fewer than 20 are expected: beyond this length nothing is left (the found count always lies within it).
    length = int(min(count.sum(), found + _FEW_UNITS + 30 * sqrt(_FEW_UNITS)))
    mass = np.ones(1)
    for value in np.unique(share[count > 0]):
        trials = int(count[share == value].sum())
        mass = np.convolve(mass, stats.binom.pmf(np.arange(min(trials, length) + 1), trials, value))[: length + 1]
    is_rarer = mass <= mass[int(found)] * (1 + 1e-7)  # counts as rare as the found one are as far off as it
    return float(min(mass[is_rarer].sum(), 1.0))


def _log_bayes_factors(propensity: Floats, treated: Floats, held: Floats, days: list[date]) -> dict[date, float]:
    """Return the logarithm of the Bayes factor at the end of each day."""
    ends = np.flatnonzero([i + 1 == len(days) or days[i + 1] != day for i, day in enumerate(days)])
    distinct = np.unique(propensity)
    if len(distinct) > _MANY_PROPENSITIES:
        total = _shifted_log_bayes_factors(propensity, treated, held, ends)
    else:
        total = np.zeros(len(ends))
        for value in distinct:
            is_here = propensity == value
            counts = np.stack([np.cumsum(treated * is_here)[ends], np.cumsum(held * is_here)[ends]], axis=-1)
            shares = np.array([value, 1 - value])
            total += log_bayes_factor(counts, shares, concentration=_CONCENTRATION * shares)
    return {days[end]: float(value) for end, value in zip(ends, total, strict=True)}


def _shifted_log_bayes_factors(propensity: Floats, treated: Floats, held: Floats, ends: npt.NDArray[np.intp]) -> Floats:
    """Return, after the rows given, how much better a common shift of the log odds explains the groups.

    A mixture of likelihood ratios over shifts, so a martingale like the other. Units without chance say nothing, unless
    they are where they cannot be.
    """
    has_chance = (propensity > 0) & (propensity < 1)
    is_broken = np.cumsum(np.where(propensity == 0, treated, 0.0) + np.where(propensity == 1, held, 0.0))[ends] > 0
    odds = special.logit(np.where(has_chance, propensity, 0.5))
    treated, held = treated * has_chance, held * has_chance
    points, weights = special.roots_hermitenorm(_SHIFT_POINTS)
    each = np.empty((_SHIFT_POINTS, len(ends)))
    for i, shift in enumerate(_SHIFT * points):
        for_treated = special.log_expit(odds + shift) - special.log_expit(odds)
        for_held = special.log_expit(-odds - shift) - special.log_expit(-odds)
        each[i] = np.cumsum(treated * for_treated + held * for_held)[ends]
    mixed: Floats = special.logsumexp(each, axis=0, b=(weights / weights.sum())[:, None])
    return np.where(is_broken, _LARGEST_LOG, mixed)
