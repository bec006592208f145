"""Before anybody competes: does the action change some customers more than others, and is it only their risk?

Both questions are regressions of the AIPW score G, whose expectation given the features is the effect, on what models
said of customers they had not seen. Errors are robust and by customer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from holdback.errors import NotKnowableYet
from training.estimates import Estimate
from training.uplift.trial import OutOfFold, Trial

Floats = npt.NDArray[np.float64]

#: Chance of seeing a difference between customers that is not there, one-sided: half of what the league may err.
ALPHA: Final = 0.025
#: By how much the error of a slope grows when the score follows the noise of those who judge it: :mod:`training.uplift.
#: gain` has the argument for lists; a slope is linear in the score, so all of its variance doubles.
SLOPE_OF_NOISE: Final = math.sqrt(2)
#: Chance of seeing a deviation from a constant share of the risk that is not there.
DEVIATION_ALPHA: Final = 0.05
#: Chance below which a difference counts although nothing foretold that one could be seen.
BEYOND_DOUBT: Final = 0.001
#: Fewest customers whose errors can be added up by customer.
FEWEST_CUSTOMERS: Final = 30


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether there is anything to rank.

    Attributes:
        competitor: Whose score was asked.
        average_effect: Mean effect in units of ``good``.
        slope: How much of the difference between customers that the score claims is there: 1 = all of it, 0 = none;
            None when the score makes no difference between customers.
        slope_p_value: One-sided, of "the score says nothing": slope 0 or below, with an error wider by sqrt(2), for a
            score that says nothing follows the noise of those who judge it (``SLOPE_OF_NOISE``).
        spread: Standard deviation of the effect as far as the score explains it, in units of ``good``.
        kept_share: rho: share of would-be leavers that the action keeps, if it is the same for everybody; None when the
            outcome is an amount, or nobody leaves.
        multiplicative_p_value: Of "the effect is rho times the risk, and nothing besides"; None as before.
        sentences: The same in words.
    """

    competitor: str
    average_effect: Estimate
    slope: Estimate | None
    slope_p_value: float
    spread: float
    kept_share: Estimate | None
    multiplicative_p_value: float | None
    sentences: tuple[str, ...]

    @property
    def is_heterogeneous(self) -> bool:
        """True when customers differ in how much the action changes them, beyond chance."""
        return self.slope_p_value < ALPHA

    @property
    def is_beyond_doubt(self) -> bool:
        """True when customers differ so clearly that chance does it once in a thousand trials."""
        return self.slope_p_value < BEYOND_DOUBT

    @property
    def is_risk_enough(self) -> bool:
        """True when the action keeps a share of would-be leavers and nothing speaks against one share for all."""
        return (
            self.kept_share is not None and self.kept_share.low > 0
            and self.multiplicative_p_value is not None and self.multiplicative_p_value >= DEVIATION_ALPHA
        )  # fmt: skip


def diagnose(trial: Trial, out_of_fold: OutOfFold, *, competitor: str = "dr_stack", level: float = 0.95) -> Diagnosis:
    """Ask whether the effect differs between customers, and whether it is a constant share of the risk.

    1. Best linear predictor: G on the score, both less their means within the fold. The slope is 1 for a calibrated
       score and 0 for one that says nothing; it is tested one-sided, for a score turned upside down is no finding, and
       with the error that holds when there is nothing to find.
    2. Effect multiplicative in the base rate, ``tau(x) = rho (1 - m0(x))`` with m0 the chance to stay without the
       action: G on ``1 - m0`` through zero gives rho; what is left is tested against a constant and the score (Wald,
       two degrees of freedom). If it holds, ranking by risk times value is enough.

    Args:
        trial: Whose outcomes; n rows.
        out_of_fold: Scores, G and m0 of the same rows.
        competitor: Whose score stands for the heterogeneity that could be learned.
        level: Coverage of the intervals.

    Raises:
        KeyError: no competitor of that name.
        NotKnowableYet: fewer than ``FEWEST_CUSTOMERS`` customers.

    Source: Chernozhukov, Demirer, Duflo and Fernandez-Val (2018), "Generic machine learning inference", section 3, with
        AIPW scores as in Athey and Wager (2019).
    """
    unit = np.unique(trial.customer_ids, return_inverse=True)[1]
    count = int(unit.max()) + 1 if len(unit) else 0
    if count < FEWEST_CUSTOMERS:
        raise NotKnowableYet(
            f"{trial.action}: {count} customers in the comparison. Errors by customer need at least "
            f"{FEWEST_CUSTOMERS}. Wait until more outcomes are known."
        )
    g, z = out_of_fold.gains, float(stats.norm.isf((1 - level) / 2))
    n = len(g)

    def interval(estimate: float, error: float, what: str) -> Estimate:
        return Estimate(estimate, estimate - z * error, estimate + z * error, n, f"{what}, robust by customer")

    beta, covariance = regression(np.ones((n, 1)), g, unit)
    average = interval(float(beta[0]), float(np.sqrt(covariance[0, 0])), "AIPW mean")

    score = within_folds(out_of_fold.scores[competitor], out_of_fold.fold)
    slope, slope_p_value, spread = None, 1.0, 0.0
    if _varies(score):
        beta, covariance = regression(score[:, None], within_folds(g, out_of_fold.fold), unit)
        error = float(np.sqrt(covariance[0, 0]))
        slope = interval(float(beta[0]), error, "best linear predictor")
        slope_p_value = float(stats.norm.sf(beta[0] / error / SLOPE_OF_NOISE)) if error > 0 else 1.0
        spread = max(float(beta[0]), 0.0) * float(score.std())

    kept, multiplicative_p_value = None, None
    leaving = 1.0 - out_of_fold.untreated
    if trial.is_binary and _varies(leaving):
        beta, covariance = regression(leaving[:, None], g, unit)
        kept = interval(float(beta[0]), float(np.sqrt(covariance[0, 0])), "G on 1 - m0")
        besides = [leaving, np.ones(n)] + ([score] if _varies(score) else [])
        beta, covariance = regression(np.column_stack(besides), g, unit)
        extra, its = beta[1:], covariance[1:, 1:]
        wald = float(extra @ np.linalg.pinv(its) @ extra)
        multiplicative_p_value = float(stats.chi2.sf(wald, len(extra)))
    figures = Diagnosis(competitor, average, slope, slope_p_value, spread, kept, multiplicative_p_value, ())
    return Diagnosis(
        competitor, average, slope, slope_p_value, spread, kept, multiplicative_p_value, _sentences(figures)
    )


def regression(columns: Floats, target: Floats, unit: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return least squares coefficients, shape (k,), and their covariance robust by unit, shape (k, k).

    Args:
        columns: Shape (n, k); nothing is added, no constant either.
        target: Shape (n,).
        unit: Number of the unit of each row, from 0; shape (n,).

    Source: Liang and Zeger (1986), with the factor u / (u - 1).
    """
    bread = np.linalg.pinv(columns.T @ columns)
    beta = bread @ (columns.T @ target)
    scores = columns * (target - columns @ beta)[:, None]
    summed = np.column_stack([np.bincount(unit, weights=column) for column in scores.T])
    count = len(summed)
    return beta, bread @ (summed.T @ summed) @ bread * count / max(count - 1, 1)


def within_folds(values: Floats, fold: npt.NDArray[np.intp]) -> Floats:
    """Return values less their mean within the fold: models of different folds have levels of their own."""
    index = np.unique(fold, return_inverse=True)[1]
    return np.asarray(values - (np.bincount(index, weights=values) / np.bincount(index))[index], dtype=np.float64)


def _varies(values: Floats) -> bool:
    return bool(np.ptp(values) > 1e-12 * max(1.0, float(np.abs(values).max())))


def _sentences(found: Diagnosis) -> tuple[str, ...]:
    average = found.average_effect
    if average.low > 0:
        first = f"On average the action changes the outcome by {_shown(average)}."
    elif average.high < 0:
        first = f"On average the action does harm: {_shown(average)}."
    else:
        first = f"No average effect is shown: {_shown(average)}."
    if found.slope is None:
        second = f"{found.competitor} expects the same effect of everybody: it found no difference between customers."
    elif found.is_heterogeneous:
        second = (
            f"Customers differ in how much it changes them (slope {_shown(found.slope)}, one-sided "
            f"{_p(found.slope_p_value)}): standard deviation of the effect at least {found.spread:.3g}."
        )
    else:
        second = (
            f"No difference between customers is shown (slope {_shown(found.slope)}, one-sided "
            f"{_p(found.slope_p_value)})."
        )
    return first, second, _about_risk(found)


def _about_risk(found: Diagnosis) -> str:
    if found.kept_share is None or found.multiplicative_p_value is None:
        return (
            "Whether the effect is a share of the risk was not asked: the outcome is an amount, or risk does not vary."
        )
    seen = f"rho {_shown(found.kept_share)}, {_p(found.multiplicative_p_value)}"
    if found.kept_share.low <= 0:
        return f"No share of would-be leavers that the action keeps is shown ({seen})."
    if found.is_risk_enough:
        return f"Nothing speaks against one share of would-be leavers kept everywhere ({seen}): risk may rank enough."
    return f"The effect is not a constant share of the risk ({seen}): ranking by risk leaves something."


def _shown(found: Estimate) -> str:
    return f"{found.estimate:.3g} ({found.low:.3g} to {found.high:.3g})"


def _p(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
