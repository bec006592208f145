"""What was found about rules for choosing, and how a difference is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from monitoring.policies.estimators import Difference, PolicyValue

Floats = npt.NDArray[np.float64]

#: How a value is computed; the first is the one that is told.
METHODS: Final = ("aipw", "snipw", "ipw")


@dataclass(frozen=True)
class InOffice:
    """A model that decides about an action.

    Attributes:
        uplift: From features (n rows) to the expected gain in the outcome, shape (n,).
        learned_on: Its day of knowledge: outcomes that were known then are no test of it.
    """

    uplift: Callable[[pd.DataFrame], Floats] = field(repr=False)  # a model prints a megabyte
    learned_on: date


@dataclass(frozen=True)
class PolicyResult:
    """One rule.

    Attributes:
        name: Its name.
        meaning: What it does.
        treated_share: Share of the customers whom it would treat; None when it cannot be told.
        values: What it would have earned per customer, by method.
        over_nobody: How much more than contacting nobody, by method.
        why_not: Why nothing can be said; None when it can.
    """

    name: str
    meaning: str
    treated_share: float | None = None
    values: Mapping[str, PolicyValue] = field(default_factory=dict)
    over_nobody: Mapping[str, Difference] = field(default_factory=dict)
    why_not: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The rules of one company, each on customers who entered and whose outcome is known.

    Attributes:
        as_of: Day of knowledge.
        aim: The outcome that they were followed to, in words.
        currency: Unit of the rewards; None where an outcome is counted.
        n: Customers.
        campaigns: ``name/version`` of theirs.
        policy_versions: Names of the rules that chose then.
        capacity_shares: By action, the share that the limited rules could treat.
        results: Rule by rule.
        differences: First minus second of two rules that were asked for, by method; empty when one cannot be told.
        notes: What a reader must know.
    """

    as_of: date
    aim: str
    currency: str | None
    n: int
    campaigns: tuple[str, ...]
    policy_versions: tuple[str, ...]
    capacity_shares: Mapping[str, float]
    results: tuple[PolicyResult, ...]
    differences: Mapping[str, Difference] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def told_difference(found: Difference, first: str, second: str, currency: str | None) -> str:
    """Say in a sentence what a difference means; the one place where "no evidence" is said.

    Examples:
        >>> told_difference(Difference(2.0, 1.0, 3.0, 0.5, 0.0001, 0.95, 400), "model", "risk", "EUR")
        'model would have earned 2.00 EUR (1.00 to 3.00) more per customer than risk.'
        >>> told_difference(Difference(2.0, -1.0, 5.0, 1.5, 0.2, 0.95, 400), "model", "risk", "EUR")
        'No evidence of a difference between model and risk: +2.00 EUR per customer (-1.00 to +5.00).'
    """
    unit = f" {currency}" if currency else ""
    if found.low <= 0 <= found.high:
        return (
            f"No evidence of a difference between {first} and {second}: {found.estimate:+,.2f}{unit} per customer "
            f"({found.low:+,.2f} to {found.high:+,.2f})."
        )
    if found.estimate < 0:
        return told_difference(
            Difference(-found.estimate, -found.high, -found.low, found.standard_error, found.p_value, found.level,
                       found.n),
            second, first, currency,
        )  # fmt: skip
    return (
        f"{first} would have earned {found.estimate:,.2f}{unit} ({found.low:,.2f} to {found.high:,.2f}) more per "
        f"customer than {second}."
    )
