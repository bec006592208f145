"""The harm stop: an alarm, readable every day, that a campaign makes customers leave.

Each unit that leaves carries the label under which it was drawn. If treatment changes nothing, the label of a leaver
is ``treatment`` with the propensity e of its drawing, whenever it left and whoever left before. The monitor bets that
it is ``treatment`` more often: as often as if treated units left theta times as often as those held out. Its winnings,

    ``product over leavers of q/e (treated) or (1 - q)/(1 - e) (held out)``, ``q = e theta / (e theta + 1 - e)``,

averaged over a fixed grid of theta > 1, are the e-value; the alarm is raised when they first reach 1/alpha.

Why it may be looked at daily. When treatment changes nothing, each factor has mean one given the past, for every theta;
so the product, and its average over theta, is a martingale that starts at 1, and it ever reaches 1/alpha with
probability at most alpha (Ville). When treatment only ever delays leaving (in distribution: at no time since entry have
more of the treated left), couple each treated unit with itself untreated: its factor, which is above 1, comes later or
never, while those of the units held out, below 1, are the same. So the winnings are on every day at most those of the
martingale, and the promise holds. Nothing is assumed about when units enter, how risky they are, whether the propensity
changed on the way, or maturity: units that still may leave simply have not spoken. Factors of one day are multiplied
together, so their order within a day means nothing. Leavers who become known late change past days: an alarm that was
raised is kept where it was recorded, and not asked of a later history.

Source: Ville, Étude critique de la notion de collectif (1939); ter Schure, Pérez-Ortiz, Ly, Grünwald, The anytime-valid
logrank test, New England Journal of Statistics in Data Science 2 (2024); Grünwald, de Heide, Koolen, Safe testing, JRSS
B 86 (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import exp, log

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import logsumexp

from monitoring.effects.moments import Floats

#: Ratios that the monitor bets on, in equal parts: from a twentieth more leavers to three times as many.
RATIOS: tuple[float, ...] = (1.05, 1.1, 1.2, 1.3, 1.45, 1.6, 1.8, 2.1, 2.5, 3.0)

_LEAST_RATIO, _LARGEST_RATIO = 1e-6, 1e6


@dataclass(frozen=True, slots=True)
class Harm:
    """What the leavers say, on one day, about whether the campaign makes customers leave.

    Attributes:
        e_value: Winnings today, from 1; above 1 speaks for harm.
        largest_e_value: Largest winnings so far, at least 1. Its inverse is an anytime-valid p-value.
        alarm_on: First day on which they reached 1/alpha; None when they never did. An alarm stays.
        alpha: Probability of an alarm, on any day, in a campaign that harms nobody.
        treatment_count: Treated units that left.
        holdout_count: Units held out that left.
        expected_treatment_share: Share of treated among the leavers if treatment changed nothing; None without leavers.
        churn_ratio: How many times as often the treated leave, as estimated; None while only one group has leavers.
        churn_ratio_low: Lower bound of it that holds on all days at once, at level 1 - alpha; 0 when nothing is known.
    """

    e_value: float
    largest_e_value: float
    alarm_on: date | None
    alpha: float
    treatment_count: int
    holdout_count: int
    expected_treatment_share: float | None
    churn_ratio: float | None
    churn_ratio_low: float

    @property
    def is_alarm(self) -> bool:
        """True when the campaign must be stopped."""
        return self.alarm_on is not None


@dataclass(frozen=True, eq=False)
class _Leavers:
    """Leavers by day, then group, propensity and count."""

    on: npt.NDArray[np.datetime64]
    is_treated: Floats
    propensity: Floats
    count: Floats


def harm_of(
    churned_on: Sequence[date] | npt.ArrayLike,
    group: Sequence[str] | npt.ArrayLike,
    propensity: npt.ArrayLike,
    unit_count: npt.ArrayLike,
    *,
    alpha: float,
    ratios: Sequence[float] = RATIOS,
) -> Harm:
    """Read the harm monitor from the units that have left so far.

    Args:
        churned_on: Day on which the first customer of the units left, shape (rows,); days in any order.
        group: ``treatment`` or ``holdout``, as drawn, shape (rows,).
        propensity: Probability of ``treatment`` when the units were drawn, shape (rows,). Units that could only be
            drawn one way (0 or 1) say nothing and are left out.
        unit_count: Units of the row, shape (rows,).
        alpha: Probability of a false alarm over the whole campaign, in (0, 1).
        ratios: Ratios to bet on, each above 1; fixed before the campaign.

    Returns:
        The monitor's state after the last day. Without leavers: an e-value of 1 and no alarm.

    Raises:
        ValueError: ``alpha``, a ratio, a group, a propensity or a count is out of range, or the columns differ in
            length.

    Examples:
        >>> from datetime import date
        >>> days = [date(2026, 3, 1)] * 2 + [date(2026, 3, 2)] * 2
        >>> found = harm_of(days, ["treatment", "holdout"] * 2, [0.5] * 4, [30, 10, 20, 5], alpha=0.05)
        >>> found.alarm_on, round(found.churn_ratio, 2), round(found.churn_ratio_low, 2)
        (datetime.date(2026, 3, 1), 3.33, 1.56)
    """
    if not 0 < alpha < 1:
        raise ValueError(f"harm: alpha must lie in (0, 1) (got {alpha!r}).")
    grid = np.asarray(ratios, dtype=np.float64)
    if grid.size == 0 or not (np.isfinite(grid).all() and (grid > 1).all()):
        raise ValueError(f"harm: the ratios to bet on must be finite and above 1 (got {tuple(ratios)!r}).")
    leavers = _leavers(churned_on, group, propensity, unit_count)
    treated = float(leavers.count @ leavers.is_treated)
    total = float(leavers.count.sum())
    if total == 0:
        return Harm(1.0, 1.0, None, alpha, 0, 0, None, None, 0.0)
    days, paths = _log_winnings(leavers, grid, 1.0)
    crossed = np.flatnonzero(paths >= -log(alpha))
    return Harm(
        _bounded_exp(float(paths[-1])),
        _bounded_exp(max(float(paths.max()), 0.0)),
        days[crossed[0]].astype("datetime64[D]").item() if crossed.size else None,
        alpha,
        round(treated),
        round(total - treated),
        float(leavers.count @ leavers.propensity) / total,
        _estimate(leavers) if 0 < treated < total else None,
        _lower_bound(leavers, grid, alpha),
    )


def _leavers(
    churned_on: Sequence[date] | npt.ArrayLike,
    group: Sequence[str] | npt.ArrayLike,
    propensity: npt.ArrayLike,
    unit_count: npt.ArrayLike,
) -> _Leavers:
    on, label = np.asarray(churned_on, dtype="datetime64[D]"), np.asarray(group, dtype=str)
    share, count = np.asarray(propensity, dtype=np.float64), np.asarray(unit_count, dtype=np.float64)
    if not on.shape == label.shape == share.shape == count.shape or on.ndim != 1:
        raise ValueError(
            "harm: the columns of the leavers differ in length "
            f"({on.shape}, {label.shape}, {share.shape} and {count.shape})."
        )
    strange = sorted(set(label.tolist()) - {"treatment", "holdout"})
    if strange:
        raise ValueError(f"harm: a group is treatment or holdout (got {', '.join(map(repr, strange[:5]))}).")
    if np.isnat(on).any() or not (np.isfinite(count).all() and (count >= 0).all() and (count % 1 == 0).all()):
        raise ValueError("harm: a day is missing, or a count of units is no whole number of at least 0.")
    if not ((share >= 0) & (share <= 1)).all():
        raise ValueError("harm: a propensity lies outside [0, 1] or is missing. It is the probability of treatment.")
    speaks = (share > 0) & (share < 1) & (count > 0)
    is_treated = (label == "treatment").astype(np.float64)
    # One order of the rows for every order in which they may come: then not even the rounding differs.
    order = np.lexsort((count[speaks], share[speaks], is_treated[speaks], on[speaks]))
    return _Leavers(on[speaks][order], is_treated[speaks][order], share[speaks][order], count[speaks][order])


def _log_winnings(leavers: _Leavers, grid: Floats, null: float) -> tuple[npt.NDArray[np.datetime64], Floats]:
    """Return each day with leavers and the log of the winnings at its end, against a ratio of ``null``.

    A leaver's label is treatment with probability at most ``e null / (e null + 1 - e)`` when the ratio is at most
    ``null``; the bets are on multiples of it.
    """
    e = leavers.propensity[:, None]
    bet = leavers.is_treated[:, None] * np.log(grid)[None, :]
    bet = bet - np.log((e * null * grid[None, :] + 1 - e) / (e * null + 1 - e))
    days, first = np.unique(leavers.on, return_index=True)
    gains = np.add.reduceat(leavers.count[:, None] * bet, first, axis=0)
    return days, np.asarray(logsumexp(np.cumsum(gains, axis=0), axis=1) - log(grid.size), dtype=np.float64)


def _estimate(leavers: _Leavers) -> float:
    """Return the ratio under which as many treated leavers were expected as were seen."""
    seen = float(leavers.count @ leavers.is_treated)

    def surplus(log_ratio: float) -> float:
        weight = leavers.propensity * exp(log_ratio)
        return float(leavers.count @ (weight / (weight + 1 - leavers.propensity))) - seen

    return exp(float(brentq(surplus, log(_LEAST_RATIO) * 2, log(_LARGEST_RATIO) * 2, xtol=1e-12)))


def _lower_bound(leavers: _Leavers, grid: Floats, alpha: float) -> float:
    """Return the largest ratio that the winnings against it have ever refuted; they fall as the ratio grows."""

    def margin(log_ratio: float) -> float:
        return float(_log_winnings(leavers, grid, exp(log_ratio))[1].max()) + log(alpha)

    low, high = log(_LEAST_RATIO), log(_LARGEST_RATIO)
    if margin(low) <= 0:
        return 0.0
    return _LARGEST_RATIO if margin(high) > 0 else exp(float(brentq(margin, low, high, xtol=1e-7)))


def _bounded_exp(value: float) -> float:
    """Return exp(value), held below infinity: nobody reads beyond 1e304."""
    return exp(min(value, 700.0))
