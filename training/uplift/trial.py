"""What an uplift model learns from: customers who got one action or nothing, drawn with odds that were written down."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]

CHURNED = "churned"


@dataclass(frozen=True, eq=False)
class Trial:
    """One action against nothing: one row per customer and entry, of those who got one of the two.

    Among them the odds of the action are ``P(action) / (P(action) + P(none))``, both as logged: with those, comparisons
    within equal features are as good as drawn, whatever other actions there were.

    Attributes:
        action: Name of the action.
        frame: Features as known at the entry, n rows: numbers as float64, categories as text (None = absent).
        customer_ids: Whose rows; a customer (or a household: what was drawn together) is never split over folds and is
            resampled as one; shape (n,).
        as_ofs: Day of each entry, ``datetime64[D]``, shape (n,).
        treated: True where the action was given as drawn, whether or not it reached the customer, shape (n,).
        propensity: Logged probability of the action, given that it was this action or nothing; in (0, 1), shape (n,).
        good: Outcome of which more is better: 1 for who stayed (visited, bought), else 0; or an amount; shape (n,).
        value_amounts: What one more unit of ``good`` is worth in currency units, at least 0, shape (n,); 1 where a unit
            is counted instead of weighed.
        cost_amounts: Expected cost of giving the action, in the unit of ``value_amounts``, shape (n,).
        risk: Frozen churn probability that the decision saw, shape (n,); NaN where there was none.
        left_out: Rows that cannot be learned from, counted by reason.
        outcome: Name of the outcome that ``good`` tells of: ``churned`` (good: stayed), or one of the business' own.
        churn: Name of the churn definition that the campaign works against.
        aim: Outcome and horizon in words: what an effect learned here is an effect on.
    """

    action: str
    frame: pd.DataFrame
    customer_ids: npt.NDArray[Any]
    as_ofs: npt.NDArray[np.datetime64]
    treated: Booleans
    propensity: Floats
    good: Floats
    value_amounts: Floats
    cost_amounts: Floats
    risk: Floats
    left_out: dict[str, int] = field(default_factory=dict)
    outcome: str = CHURNED
    churn: str = ""
    aim: str = ""

    def __len__(self) -> int:
        return int(self.good.size)

    @property
    def is_binary(self) -> bool:
        """True when the outcome is yes or no: its expectation is a probability."""
        return bool(np.isin(self.good, (0.0, 1.0)).all())

    @property
    def overlap(self) -> Floats:
        """How much each row tells of the effect: the variance of its draw, with a mean of 1, shape (n,).

        Whom a policy was sure to treat tells little, and his AIPW score, divided by tiny odds, is almost only noise.

        Source: Nie and Wager, Biometrika 108 (2021); Li, Morgan and Zaslavsky, JASA 113 (2018).
        """
        variance = self.propensity * (1.0 - self.propensity)
        return np.asarray(variance / variance.mean())

    def where(self, mask: Booleans) -> Trial:
        """Return the rows of a boolean mask, in the same order."""
        per_row = {
            name: getattr(self, name)[mask]
            for name in (
                "customer_ids", "as_ofs", "treated", "propensity", "good", "value_amounts", "cost_amounts", "risk"
            )
        }  # fmt: skip
        return replace(self, frame=self.frame.loc[mask].reset_index(drop=True), **per_row)


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What each competitor says of each row of a trial, by models that saw neither the row nor its customer.

    Attributes:
        scores: By competitor's name, shape (n,); higher means to be treated first.
        effects: Names of those whose score is an expected gain in ``good`` (others only rank).
        gains: AIPW score of each row, in units of ``good``: its expectation given the features is the effect; the
            outcome models in it did not see the row either; shape (n,).
        untreated: Expected ``good`` of each row without the action, shape (n,).
        fold: Which fold each row was held out in; scores of different folds come from different models, shape (n,).
    """

    scores: dict[str, Floats]
    effects: frozenset[str]
    gains: Floats
    untreated: Floats
    fold: npt.NDArray[np.intp]
