"""Does the model rank some group of customers worse? Each slice against the rest, corrected for how many were tried.

"The worst slice is .05 below the whole" raises a false alarm in two of three healthy models; a slice against the rest
with DeLong's error and Bonferroni's correction does in 2 to 4 %. A group that cannot be tested is said to be so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from training.delong import auc_difference, auc_influence, standard_error
from training.guards import Guard
from training.metrics import Estimate, auc
from training.rows import Rows, is_number

Floats = npt.NDArray[np.float64]

FEWEST_OF_A_CLASS = 20
"""Churners, and stayers, that a slice and its rest need before they are compared."""
_MOST_LEVELS = 12
_ALPHA = 0.05
_USELESS_BELOW = 0.6


@dataclass(frozen=True)
class Slice:
    """One group of customers and how well they are ranked.

    Attributes:
        column: What the group is defined by.
        level: Its value.
        n: Rows in the group.
        churner_count: Churners among them.
        auc: AUC inside the group; None when it cannot be tested.
        rest_auc: AUC of all others; None when it cannot be tested.
        p_value: Of "as well ranked as the rest", times the number of slices tried (at most 1); None when not tested.
        against_champion_p_value: The same of "as well ranked as by the champion"; None without one.
        against_champion: AUC of this model minus the champion's inside the group; None without one.
    """

    column: str
    level: str
    n: int
    churner_count: int
    auc: Estimate | None
    rest_auc: Estimate | None
    p_value: float | None
    against_champion: float | None = None
    against_champion_p_value: float | None = None

    @property
    def name(self) -> str:
        """``column=level``, as in the table ``evaluations``."""
        return f"{self.column}={self.level}"

    @property
    def is_worse_than_rest(self) -> bool:
        """True when it is ranked worse than the rest beyond chance."""
        return (
            self.p_value is not None and self.auc is not None and self.rest_auc is not None
            and self.p_value < _ALPHA and self.auc.estimate < self.rest_auc.estimate
        )  # fmt: skip

    @property
    def is_worse_than_champion(self) -> bool:
        """True when the champion ranks the group better beyond chance."""
        return (
            self.against_champion is not None and self.against_champion_p_value is not None
            and self.against_champion < 0 and self.against_champion_p_value < _ALPHA
        )  # fmt: skip


def slices_of(
    holdout: Rows, probability: Floats, columns: pd.DataFrame, *, champion: Floats | None = None
) -> tuple[Slice, ...]:
    """Compare every level of every categorical column with the rest of the holdout.

    Args:
        holdout: Rows with known outcomes.
        probability: The model's probabilities, shape (n,).
        columns: What to slice by, n rows: categories (also ones that are not features, to audit them); columns with
            more than 12 levels and numbers are left out.
        champion: The champion's probabilities on the same rows, if there is one.
    """
    masks: list[tuple[str, str, npt.NDArray[np.bool_]]] = []
    for column in columns.columns:
        if is_number(columns[column]):
            continue
        text = columns[column].astype("str").fillna("(missing)").to_numpy()
        levels = sorted(set(text))
        if 2 <= len(levels) <= _MOST_LEVELS:
            masks += [(str(column), str(level), np.asarray(text == level)) for level in levels]
    tried = sum(_is_testable(holdout.churned, mask) for _, _, mask in masks)
    return tuple(_compared(holdout, probability, champion, mask, tried, column, level) for column, level, mask in masks)


def slice_guard(slices: tuple[Slice, ...]) -> Guard:
    """Stop a model that serves a group worse than the champion does, or that cannot rank a group at all.

    A group ranked worse than the rest is only a warning as such: within "two-year contracts" the strongest feature is
    constant, so every honest model ranks them worse. It blocks when the champion does it better, or when even the
    upper end of the group's AUC is below .60.
    """
    tested = [s for s in slices if s.p_value is not None]
    worse = [s for s in tested if s.is_worse_than_rest]
    useless = [s for s in worse if s.auc is not None and s.auc.high < _USELESS_BELOW]
    lost = [s for s in tested if s.is_worse_than_champion]
    untestable = [s.name for s in slices if s.p_value is None]
    figures = {
        "tested": len(tested),
        "untestable": untestable,
        "worse_than_rest": {s.name: [str(s.auc), str(s.rest_auc), s.p_value] for s in worse},
        "worse_than_champion": {s.name: [s.against_champion, s.against_champion_p_value] for s in lost},
    }
    note = f" {len(untestable)} more have too few outcomes to be tested." if untestable else ""
    if useless or lost:
        texts = [f"{s.name} has an AUC of {s.auc} and the rest {s.rest_auc}" for s in useless]
        texts += [f"{s.name} is ranked worse than by the champion ({s.against_champion:+.3f})" for s in lost]
        columns = tuple(dict.fromkeys(s.column for s in (*useless, *lost)))
        reason = f"{'; '.join(texts)}.{note} Look at these customers' data before promoting."
        return Guard("slices", "block", reason, columns, figures)
    if worse:
        names = ", ".join(f"{s.name} ({s.auc.estimate:.2f})" for s in worse if s.auc is not None)
        reason = f"ranked worse than the rest of the customers: {names}. Treat their scores with care.{note}"
        return Guard("slices", "warn", reason, tuple(dict.fromkeys(s.column for s in worse)), figures)
    return Guard("slices", "pass", f"none of {len(tested)} groups is ranked worse than the rest.{note}", (), figures)


def _is_testable(churned: npt.NDArray[np.bool_], mask: npt.NDArray[np.bool_]) -> bool:
    counts = (churned[mask].sum(), (~churned[mask]).sum(), churned[~mask].sum(), (~churned[~mask]).sum())
    return bool(min(counts) >= FEWEST_OF_A_CLASS)


def _compared(
    holdout: Rows,
    probability: Floats,
    champion: Floats | None,
    mask: npt.NDArray[np.bool_],
    tried: int,
    column: str,
    level: str,
) -> Slice:
    inside, churned, customers = holdout.churned[mask], holdout.churned, holdout.customer_ids
    if not _is_testable(churned, mask):
        return Slice(column, level, int(mask.sum()), int(inside.sum()), None, None, None)
    gap = auc_influence(inside, probability[mask])[0] - auc_influence(churned[~mask], probability[~mask])[0]
    error = np.hypot(
        standard_error(inside, probability[mask], groups=customers[mask]),
        standard_error(churned[~mask], probability[~mask], groups=customers[~mask]),
    )
    p_value = min(1.0, tried * float(2 * stats.norm.sf(abs(gap) / error))) if error > 0 else 1.0
    difference = (
        None if champion is None else auc_difference(inside, probability[mask], champion[mask], groups=customers[mask])
    )
    return Slice(
        column=column,
        level=level,
        n=int(mask.sum()),
        churner_count=int(inside.sum()),
        auc=auc(inside, probability[mask], groups=customers[mask]),
        rest_auc=auc(churned[~mask], probability[~mask], groups=customers[~mask]),
        p_value=p_value,
        against_champion=None if difference is None else difference.estimate,
        against_champion_p_value=None if difference is None else min(1.0, tried * difference.p_value),
    )
