"""Whether two layers were drawn independently of each other: a shared salt would give both the same groups."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from monitoring.effects.checks import Check, Verdict

#: Below this probability the two drawings hang together.
P_LIMIT: Final = 0.001
#: With fewer units in both layers nothing is judged.
SMALLEST_COUNT: Final = 20
#: Where a cell is expected to be smaller than this, the table is judged exactly (Cochran's rule).
_SMALLEST_CELL: Final = 5.0


@dataclass(frozen=True, slots=True)
class Independence:
    """How the groups of two layers go together.

    Attributes:
        unit_count: Units that are in both layers.
        correlation: Phi, between -1 and 1; 1 means that both layers hold out the same units. None when it is not
            checked.
        p_value: Probability of a table at least this uneven if the drawings are independent; None when not checked.
        p_limit: Below it they are not.
        method: ``chi-square``, ``fisher`` (exact, for small cells) or ``none``.
        verdict: ``passed``, ``failed`` or ``not checked``.
    """

    unit_count: int
    correlation: float | None
    p_value: float | None
    p_limit: float
    method: str
    verdict: Verdict

    @property
    def check(self) -> Check:
        """The row that it makes."""
        return Check("independence", self.verdict, self.p_value, self.p_limit, self.finding)

    @property
    def finding(self) -> str:
        """What was seen, in a sentence."""
        if self.p_value is None or self.correlation is None:
            return f"{self.unit_count:,} units are in both layers, not enough of every group to compare the drawings."
        seen = (
            f"The groups of {self.unit_count:,} units in both layers have a correlation of {self.correlation:+.3f} "
            f"(p = {self.p_value:.2g})"
        )
        if self.verdict == "passed":
            return f"{seen}: as chance has it."
        return (
            f"{seen}: the drawings hang together, so the effect of one layer contains the other's. "
            "Look for two layers with one salt, and for an audience that was chosen by the other layer's group."
        )


def independence(counts: npt.ArrayLike, *, p_limit: float = P_LIMIT) -> Independence:
    """Compare the groups of two layers, over the units that are in both.

    Pearson's chi-square of the two-by-two table with one degree of freedom, without continuity correction; Fisher's
    exact test where a cell is expected to be below 5.

    Args:
        counts: Units by group in the first layer (rows: treatment, holdout) and in the second (columns), shape (2, 2).
        p_limit: Smallest p-value that passes.

    Returns:
        ``not checked`` when fewer than 20 units are in both layers, or one group of a layer is empty.

    Raises:
        ValueError: the table is not two by two, or a count is below 0 or missing.

    Source: Pearson (1900); Cochran (1954) for the smallest cell; Fisher (1935).

    Examples:
        >>> independence([[900, 0], [0, 100]]).correlation
        1.0
        >>> independence([[810, 90], [90, 10]]).verdict
        'passed'
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (2, 2) or not (np.isfinite(table) & (table >= 0)).all():
        raise ValueError(f"independence: needs two by two counts of at least 0 (got {table.tolist()}).")
    count = int(table.sum())
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    if count < SMALLEST_COUNT or not rows.all() or not columns.all():
        return Independence(count, None, None, p_limit, "none", "not checked")
    product = float(rows.prod()) * float(columns.prod())
    correlation = float(table[0, 0] * table[1, 1] - table[0, 1] * table[1, 0]) / sqrt(product)
    if (np.outer(rows, columns) / count).min() < _SMALLEST_CELL:
        method, p_value = "fisher", float(stats.fisher_exact(table.astype(np.int64)).pvalue)
    else:
        method, p_value = "chi-square", float(stats.chi2.sf(count * correlation**2, 1))
    return Independence(
        count, correlation, min(p_value, 1.0), p_limit, method, "failed" if p_value < p_limit else "passed"
    )
