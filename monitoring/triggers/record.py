"""What a trigger has to show on the company's own history: how often it fires, and how often it is right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from scipy.stats import chi2

from features.triggers import is_flooded
from holdback.business import Trigger
from monitoring.proportions import Share, ratio_of

Volume = Literal["as expected", "more than expected", "flooded", "nothing is expected", "one day only"]


@dataclass(frozen=True)
class Rate:
    """Events per day with the exact interval of a Poisson count."""

    count: int
    days: int
    per_day: float
    low: float
    high: float


@dataclass(frozen=True)
class Lift:
    """Precision over the base rate, with its interval; no interval where one of the two may be zero."""

    lift: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class LeadTime:
    """Days between the firing and the leaving of those who left; below 0 the trigger came after it."""

    count: int
    lower_quartile: float
    median: float
    upper_quartile: float


@dataclass(frozen=True)
class BranchRecord:
    """What became of those for whom one branch held; ``branch`` is None where none did."""

    branch: int | None
    action: str | None
    fired_count: int
    precision: Share | None


@dataclass(frozen=True)
class TriggerRecord:
    """A trigger replayed on past days whose outcomes are known.

    Attributes:
        trigger: Its name.
        kind: Its kind.
        churn: Name of the churn definition that says who left.
        as_of: The day of knowledge.
        first_on: First replayed day.
        last_on: Last replayed day.
        day_count: Replayed days.
        every_days: Days between two of them; where scores are kept seldomer, on average.
        judged_days: Days in which those for whom it fired must leave.
        known_after_days: Days after which it is known whether they did.
        described_count: Customers and days that the churn definition describes, with a known outcome.
        fired: Firings per day, each customer once per cooldown; None where only one day could be asked.
        fired_count: Firings.
        undescribed_count: Of these, customers whom the churn definition does not describe on the day: they count for
            the volume and for nothing else.
        expected_per_day: What the business file expects.
        volume: What the volume says of it.
        precision: Of the firings, those whose customer left.
        base: Of all described customers on the same days, those who left; ``n`` is an effective number, because the
            same customers are described day after day and their judged days overlap.
        rest: The same without the firings.
        recall: Of all who left, those for whom it had fired in the judged window before.
        lift: ``precision / base``.
        lead: Firing to leaving; None where leaving has no day of its own.
        branches: By branch.
        notes: What a reader must know.
    """

    trigger: str
    kind: str
    churn: str
    as_of: date
    first_on: date
    last_on: date
    day_count: int
    every_days: int
    judged_days: int
    known_after_days: int
    described_count: int
    fired: Rate | None
    fired_count: int
    undescribed_count: int
    expected_per_day: float | None
    volume: Volume
    precision: Share | None
    base: Share | None
    rest: Share | None
    recall: Share | None
    lift: Lift | None
    lead: LeadTime | None
    branches: tuple[BranchRecord, ...] = ()
    notes: tuple[str, ...] = ()


def rate_of(count: int, days: int, *, level: float = 0.95) -> Rate:
    """Return a count per day with its exact interval.

    Args:
        count: Events.
        days: Days, at least 1.
        level: Coverage of the interval.

    Source: F. Garwood, Fiducial limits for the Poisson distribution, Biometrika 28 (1936) 437.

    Examples:
        >>> found = rate_of(10, 1)
        >>> round(found.low, 3), round(found.high, 3)
        (4.795, 18.39)
    """
    tail = (1 - level) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    high = float(chi2.isf(tail, 2 * count + 2)) / 2
    return Rate(count, days, count / days, low / days, high / days)


def lift_of(precision: Share, rest: Share, fired_share: float) -> Lift | None:
    """Return how many times as often those for whom it fired leave as all described customers.

    The base rate holds the fired ones too, so the two are not independent: the interval is computed against the rest,
    which is, and carried over. With ``r`` the ratio against the rest and ``w`` the share fired, the base rate is ``w``
    times the one and ``1 - w`` times the other, and the lift ``r / (w r + 1 - w)`` grows with ``r``.

    Args:
        precision: Of the firings, those who left.
        rest: Of those for whom it did not fire, those who left.
        fired_share: Share of the described customers for whom it fired, in (0, 1).

    Examples:
        >>> from monitoring.proportions import wilson
        >>> found = lift_of(wilson(20, 40), wilson(100, 1000), 0.05)
        >>> round(found.lift, 2), round(found.low, 2), round(found.high, 2)
        (4.17, 2.92, 5.43)
    """

    def against_all(ratio: float) -> float:
        return ratio / (fired_share * ratio + 1 - fired_share)

    if rest.share <= 0:
        return None if precision.share <= 0 else Lift(1 / fired_share, None, None)
    point = against_all(precision.share / rest.share)
    if rest.low <= 0:
        return Lift(point, None, None)
    _, low, high = ratio_of(precision, rest)
    return Lift(point, against_all(low), against_all(high))


def volume_of(trigger: Trigger, fired: Rate | None) -> Volume:
    """Say whether a trigger fires as often as the business file expects; more is more than chance explains."""
    if fired is None:
        return "one day only"
    if trigger.expected_per_day is None:
        return "nothing is expected"
    if is_flooded(trigger, fired.count, fired.days):
        return "flooded"
    return "as expected" if fired.low <= trigger.expected_per_day else "more than expected"
