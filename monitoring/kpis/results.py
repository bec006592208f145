"""What is told of customers as a whole: every figure with its interval, its n, and the day from which it is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from monitoring.proportions import Share


@dataclass(frozen=True, slots=True)
class GroupRate:
    """The churn rate of one group.

    Attributes:
        value: Name of the group; the month for rates by month.
        customer_count: Customers described; None when the group is withheld.
        left: Share of those with a known outcome that left, with its Wilson interval; None when none is known, or when
            the group is withheld.
        is_withheld: True when the group is too small to be shown, or would give a small one away.
        known_from: First day on which the rate is known; None when the data have not come that far.
    """

    value: str
    customer_count: int | None
    left: Share | None
    is_withheld: bool
    known_from: date | None


@dataclass(frozen=True, slots=True)
class ChurnRates:
    """Churn rates of a whole and of its groups.

    Attributes:
        churn: Name of the churn definition.
        by: What the groups are.
        as_of: The day of knowledge.
        described_on: The day whose customers are counted; None for rates by month, each of which has its own.
        total: All of them together; None for rates by month.
        groups: One per group, in the order of their names.
        notes: What a reader must know.
    """

    churn: str
    by: str
    as_of: date
    described_on: date | None
    total: GroupRate | None
    groups: tuple[GroupRate, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio of two sums over customers, with its 95 % interval.

    Attributes:
        estimate: The ratio.
        low: Lower end of its interval.
        high: Upper end.
        n: Customers.
        method: How the interval was computed.
    """

    estimate: float
    low: float
    high: float
    n: int
    method: str


@dataclass(frozen=True, slots=True)
class RevenueChurn:
    """What became of the revenue of a day's customers. Amounts are in currency units, per month.

    Attributes:
        churn: Name of the churn definition.
        described_on: The day whose customers are counted.
        ends_on: The day on which their revenue is looked at again: the end of their outcome window.
        as_of: The day of knowledge.
        known_from: First day on which this is known.
        currency: Of the amounts.
        customer_count: Customers with a known outcome.
        unknown_count: Customers described whose outcome is not known; they are left out.
        start_amount: What the customers brought on ``described_on``.
        end_amount: What they bring on ``ends_on``; None when no later day can be looked at.
        lost: Revenue of those who left, over the revenue at the start.
        reduced: What those who stayed bring less than before, over the revenue at the start.
        grown: What those who stayed bring more than before.
        gross_churn: ``lost + reduced``.
        net_retention: Revenue at the end over revenue at the start, of the same customers: newcomers do not count.
        is_concentrated: True when so few customers bring most of it that the intervals are too narrow.
        notes: What a reader must know.
    """

    churn: str
    described_on: date
    ends_on: date
    as_of: date
    known_from: date
    currency: str
    customer_count: int
    unknown_count: int
    start_amount: float
    end_amount: float | None
    lost: Ratio
    reduced: Ratio | None
    grown: Ratio | None
    gross_churn: Ratio | None
    net_retention: Ratio | None
    is_concentrated: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RetentionPoint:
    """How many are still there, so many months after their start.

    Attributes:
        month: On the first day of the so-manieth month after the month in which they started.
        at_risk: Customers watched over the month before it.
        left: Of these, those who were no longer there on that day.
        retained: Share of all who started that is still there.
        low: Lower end of its 95 % interval.
        high: Upper end.
        known_from: The day on which it was known; of several cohorts, the newest.
    """

    month: int
    at_risk: int
    left: int
    retained: float
    low: float
    high: float
    known_from: date


@dataclass(frozen=True, slots=True)
class RetentionCurve:
    """Retention of a cohort, or of everybody.

    Attributes:
        cohort: Month of the start (2026-03), or ``all``.
        customer_count: Customers who entered the curve, at their start or when the records began.
        points: By month since the start, from 1; they end where fewer than five are still watched.
    """

    cohort: str
    customer_count: int
    points: tuple[RetentionPoint, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """Retention curves.

    Attributes:
        churn: Name of the churn definition: there is who is described by it.
        as_of: The day of knowledge.
        curves: One for everybody, or one per cohort.
        withheld_count: Cohorts that are too small to be shown.
        notes: What a reader must know.
    """

    churn: str
    as_of: date
    curves: tuple[RetentionCurve, ...]
    withheld_count: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """Customers who went from one group to another.

    Attributes:
        came_from: Group on the first day, or ``arrived``.
        went_to: Group on the second day, or ``gone``.
        customer_count: How many; None when withheld.
        share: Of those who were in ``came_from``, with its Wilson interval; None when withheld, or nobody was in it.
    """

    came_from: str
    went_to: str
    customer_count: int | None
    share: Share | None


@dataclass(frozen=True, slots=True)
class Transitions:
    """From which group to which customers went between two days.

    Attributes:
        churn: Name of the churn definition: ``gone`` is who is no longer described by it, ``arrived`` who was not yet.
        by: What the groups are.
        since: The first day.
        as_of: The second day, on which the shares are known.
        groups: Names of the groups, in order.
        moves: One per pair of groups that somebody could have gone between.
        notes: What a reader must know.
    """

    churn: str
    by: str
    since: date
    as_of: date
    groups: tuple[str, ...]
    moves: tuple[Move, ...]
    notes: tuple[str, ...] = ()

    def move(self, came_from: str, went_to: str) -> Move:
        """Return one of the moves; raise ``KeyError`` when there is none."""
        for move in self.moves:
            if (move.came_from, move.went_to) == (came_from, went_to):
                return move
        raise KeyError(f"transitions: nobody could go from {came_from!r} to {went_to!r}.")


@dataclass(frozen=True, slots=True)
class GroupSize:
    """One group on a day.

    Attributes:
        value: Its name.
        customer_count: Customers in it; None when withheld.
        share: Of all described; None when withheld.
        revenue_amount: What one of them brings a month, on average, in currency units; None when withheld or unknown.
    """

    value: str
    customer_count: int | None
    share: float | None
    revenue_amount: float | None


@dataclass(frozen=True, slots=True)
class GroupSizes:
    """How large the groups of a day are.

    Attributes:
        churn: Name of the churn definition whose customers are counted.
        by: What the groups are.
        as_of: The day, on which this is known.
        customer_count: All customers described; None when they are too few to be shown.
        currency: Of the amounts.
        groups: In the order of their names.
        is_stored: True when the rows of table ``segments`` were read, False when they were computed.
    """

    churn: str
    by: str
    as_of: date
    customer_count: int | None
    currency: str
    groups: tuple[GroupSize, ...]
    is_stored: bool
