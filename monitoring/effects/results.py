"""What an effect is made of: it never travels without its interval, its n, its maturity and its method."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Arm:
    """One group as it was analysed.

    Attributes:
        customer_count: Customers in the analysis.
        unit_count: Units (households) that they belong to.
        rate: Mean per customer, unadjusted, in the metric's own unit; None when it cannot be computed.
    """

    customer_count: int
    unit_count: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Maturity:
    """How much of what was assigned can be read.

    Attributes:
        as_of: The day of the question.
        assigned_count: Customers assigned so far, both groups.
        matured_count: Those whose horizon is over, and whom the data reach.
        known_count: Matured customers whose outcome is known.
        first_entry_on: First day of entry; None when nobody entered.
        last_entry_on: Last day of entry so far.
        first_reading_on: First day on which anybody is mature; None when nobody entered.
        data_reach_on: The feed of the outcome is known up to this day (exclusive); None when it is empty.
    """

    as_of: date
    assigned_count: int
    matured_count: int
    known_count: int
    first_entry_on: date | None
    last_entry_on: date | None
    first_reading_on: date | None
    data_reach_on: date | None


@dataclass(frozen=True, slots=True)
class Effect:
    """Treatment minus holdout, per customer, always as assigned.

    Attributes:
        metric: Name of the outcome: ``churned``, ``margin``, ``revenue``, ``nps``, ...
        estimate: Treatment minus holdout in the metric's own unit; below zero is good for churn.
        low: Lower end of the interval.
        high: Upper end.
        level: Coverage that the interval promises, such as 0.96.
        treatment: The treated, as assigned.
        holdout: Those left alone, as assigned.
        method: How it was computed, as a short name: ``newcombe``, ``cupac``, ``kaplan-meier``, ...
        is_good_when_lower: True for churn; False for money and feeling.
        notes: What a reader must know to read it (``capped at 312.40``, ``approximate: small holdout``).
    """

    metric: str
    estimate: float
    low: float
    high: float
    level: float
    treatment: Arm
    holdout: Arm
    method: str
    is_good_when_lower: bool = False
    notes: tuple[str, ...] = ()

    @property
    def benefit(self) -> float:
        """The estimate turned so that more is better."""
        return -self.estimate if self.is_good_when_lower else self.estimate

    @property
    def benefit_low(self) -> float:
        """The lower end of the interval of :attr:`benefit`."""
        return -self.high if self.is_good_when_lower else self.low

    @property
    def benefit_high(self) -> float:
        """The upper end of the interval of :attr:`benefit`."""
        return -self.low if self.is_good_when_lower else self.high

    @property
    def is_beneficial(self) -> bool:
        """True when the whole interval lies on the good side of zero."""
        return self.benefit_low > 0

    @property
    def is_harmful(self) -> bool:
        """True when the whole interval lies on the bad side of zero."""
        return self.benefit_high < 0
