"""Whether treatment and holdout are alike, looked at as soon as they are assigned.

What is counted is units, never customers: a household is drawn once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import stats

from campaigns.holdout.layers import Group

Floats = npt.NDArray[np.float64]

#: Below this probability a difference is no chance. Looked at daily for 60 days it cries wolf in about 1 % of campaigns
#: (at 0.05 it would in a third).
ALARM_BELOW: Final = 0.001
#: With fewer expected units than this in the smaller group, the count is judged exactly, and covariates are not.
_FEW_UNITS = 20


@dataclass(frozen=True)
class Balance:
    """How alike the two groups are.

    Attributes:
        treatment_count: Units assigned to treatment.
        holdout_count: Units held out.
        expected_share: Share that should be held out, by the propensities.
        sample_ratio_p: Probability of a count at least this far from the expected one, if the drawing is right.
        largest_difference: Largest standardized mean difference (holdout minus treatment, in standard deviations) of a
            covariate, or the least probable one when that is no chance; None without covariates.
        largest_on: The covariate that has it.
        difference_p: Its probability if the drawing is right, times the number of covariates (Bonferroni).
        verdict: In words.
    """

    treatment_count: int
    holdout_count: int
    expected_share: float
    sample_ratio_p: float
    largest_difference: float | None
    largest_on: str | None
    difference_p: float
    verdict: str

    @property
    def is_sound(self) -> bool:
        """True when nothing speaks against the drawing."""
        return min(self.sample_ratio_p, self.difference_p) >= ALARM_BELOW


def check_balance(groups: pa.Table, covariates: pa.Table | None = None) -> Balance:
    """Compare the sizes of the groups with their propensities, and what was known of the units before.

    Sample ratio: Pearson's chi-square with one degree of freedom, ``(holdout - sum h)^2 / sum h(1 - h)`` with h each
    unit's probability of being held out (Fabijan et al., KDD 2019; equal propensities give the textbook's form); the
    exact binomial test when fewer than 20 units are expected in a group. Covariates: difference of the units' means
    over ``sqrt((s_1^2 + s_0^2) / 2)`` (Austin 2009), judged against its standard error, because what chance alone makes
    depends on the size; with fewer than 20 units in a group they are not judged.

    Args:
        groups: ``customer_id, unit_id, group, propensity``, such as those that :func:`campaigns.holdout.assign` returns
            for the units drawn. A unit counts as held out when any row of it is.
        covariates: ``customer_id`` and numbers or flags known before the assignment (risk, tenure, ...). A unit has the
            mean of its members; what is not known is left out.

    Examples:
        >>> two = {"customer_id": ["a", "b"], "unit_id": ["a", "b"], "group": ["treatment", "holdout"]}
        >>> check_balance(pa.table({**two, "propensity": [0.5, 0.5]})).verdict
        '1 of 2 units are held out where 50.0 % are expected: as chance has it (p = 1).'
    """
    names = pc.unique(groups["unit_id"])
    unit = np.asarray(pc.index_in(groups["unit_id"], value_set=names), dtype=np.int64)
    is_held = np.zeros(len(names), dtype=bool)
    rows_held = np.asarray(pc.equal(groups["group"], Group.HOLDOUT.value), dtype=bool)
    is_held[unit[rows_held]] = True
    propensity = groups["propensity"].to_numpy()
    expected = np.zeros(len(names))
    expected[unit] = np.where(rows_held, propensity, 1.0 - propensity)

    ratio_p = _sample_ratio_p(is_held, expected)
    differences = {} if covariates is None else _differences(groups["customer_id"], unit, is_held, covariates)
    largest_on = max(differences, key=lambda name: abs(differences[name][0]), default=None)
    worst = min((p for _, p in differences.values()), default=1.0)
    difference_p = min(1.0, worst * max(1, len(differences)))
    if differences and difference_p < ALARM_BELOW:
        largest_on = min(differences, key=lambda name: differences[name][1])
    largest = differences[largest_on][0] if largest_on is not None else None
    held_count, count, share = int(is_held.sum()), len(names), float(expected.mean()) if len(names) else 0.0
    return Balance(
        treatment_count=count - held_count,
        holdout_count=held_count,
        expected_share=share,
        sample_ratio_p=ratio_p,
        largest_difference=largest,
        largest_on=largest_on,
        difference_p=difference_p,
        verdict=_verdict(held_count, count, share, ratio_p, largest_on, largest, difference_p),
    )


def _sample_ratio_p(is_held: npt.NDArray[np.bool_], expected: Floats) -> float:
    variance = float((expected * (1.0 - expected)).sum())
    found, mean = int(is_held.sum()), float(expected.sum())
    if variance == 0.0:
        return 1.0 if found == round(mean) else 0.0
    is_one_share = bool(np.ptp(expected) < 1e-12)
    if is_one_share and min(mean, len(is_held) - mean) < _FEW_UNITS:
        return float(stats.binomtest(found, len(is_held), float(expected[0])).pvalue)
    return float(stats.chi2.sf((found - mean) ** 2 / variance, 1))


def _differences(
    customer_ids: pa.ChunkedArray, unit: npt.NDArray[np.int64], is_held: npt.NDArray[np.bool_], covariates: pa.Table
) -> dict[str, tuple[float, float]]:
    """Standardized mean difference and its two-sided probability, by covariate that varies."""
    position = pc.index_in(customer_ids, value_set=covariates["customer_id"])
    found: dict[str, tuple[float, float]] = {}
    for name in covariates.column_names:
        if name == "customer_id":
            continue
        values = covariates[name].take(position).cast(pa.float64()).to_numpy()
        is_known = np.isfinite(values)
        known_count = np.bincount(unit[is_known], minlength=len(is_held))
        sums = np.bincount(unit[is_known], weights=values[is_known], minlength=len(is_held))
        means = sums[known_count > 0] / known_count[known_count > 0]
        held, treated = means[is_held[known_count > 0]], means[~is_held[known_count > 0]]
        if min(len(held), len(treated)) < _FEW_UNITS:
            continue
        spread = np.sqrt((held.var(ddof=1) + treated.var(ddof=1)) / 2)
        if spread <= 1e-12 * max(1.0, float(np.abs(means).max())):
            continue
        difference = float((held.mean() - treated.mean()) / spread)
        error = np.sqrt(held.var(ddof=1) / len(held) + treated.var(ddof=1) / len(treated)) / spread
        found[name] = (difference, float(2.0 * stats.norm.sf(abs(difference) / error)))
    return found


def _verdict(
    held: int, count: int, share: float, ratio_p: float, name: str | None, difference: float | None, difference_p: float
) -> str:
    if count == 0:
        return "No unit was assigned."
    counted = f"{held:,} of {count:,} units are held out where {100 * share:.1f} % are expected"
    if ratio_p < ALARM_BELOW:
        return (
            f"{counted}: that is no chance (p = {ratio_p:.2g}). Do not read this campaign before it is known why: look "
            "for customers who were lost or added after the drawing."
        )
    if name is not None and difference is not None and difference_p < ALARM_BELOW:
        return (
            f"{counted}, but the groups differ in {name} by {difference:+.3f} standard deviations "
            f"(p = {difference_p:.2g}). Do not read this campaign before it is known why."
        )
    alike = f"; the largest difference is {difference:+.3f} standard deviations, in {name}" if name is not None else ""
    return f"{counted}: as chance has it (p = {ratio_p:.2g}){alike}."
