"""Do low scores and silence go with leaving? Learned from what became of customers, never assumed.

A low score may mean that somebody still cares; silence after being asked may mean that somebody has gone already.
So the sign is learned: churn of those who scored low less churn of those who scored high, and of the silent less that
of those who answered, with intervals. What goes with churn need not cause it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from features.asking import ASKED_KINDS
from features.labels import build_labels
from features.spine import build_spine
from holdback.business import Business, Churn, ColumnChurn
from holdback.errors import BusinessFileError, NotKnowableYet
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL
from monitoring.effects.moments import Moments, moments_of
from monitoring.effects.shares import independent
from monitoring.feedback.ratings import RATED
from monitoring.feedback.voices import read_voices
from monitoring.proportions import ShareDifference, newcombe
from training.snapshot_days import matured_days

if TYPE_CHECKING:
    import pandas as pd

#: Days of the past that are looked at, about a month apart.
MOST_SNAPSHOTS: Final = 6
#: Highest low score and lowest high score, by scale.
LOW_AND_HIGH: Final[Mapping[str, tuple[float, float]]] = {
    "nps": (6, 9),
    "five": (2, 4),
    "ten": (4, 9),
    "hundred": (40, 80),
}

Sign = Literal["more", "less", "not clear"]
_GROUPS: Final = ("silent", "answered", "low", "high")


@dataclass(frozen=True, slots=True)
class Association:
    """What goes with churn, and in which direction.

    Attributes:
        name: ``silence`` or ``low_score``.
        gap: Churn of the others (first) and of those in question (second), and the difference with its interval.
            Shares and n are of customers as if each stood there once.
        customers: Customers in question, and the others.
    """

    name: str
    gap: ShareDifference
    customers: tuple[int, int]

    @property
    def sign(self) -> Sign:
        """Whether it goes with more churn or less; ``not clear`` when the interval holds zero."""
        if not self.gap.excludes_zero:
            return "not clear"
        return "more" if self.gap.difference > 0 else "less"

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        who, others = _WORDS[self.name]
        gap = self.gap
        figures = (
            f"{gap.second.share:.1%} against {gap.first.share:.1%} of {others}; difference "
            f"{100 * gap.difference:+.1f} points, {gap.level:.0%} interval "
            f"{100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
        )
        if self.sign == "not clear":
            return f"No evidence that {who} leave more or less often: {figures}."
        return f"Associated with {self.sign} churn: of {who}, {figures}."


_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "silence": ("customers who were asked and stayed silent", "those who answered"),
    "low_score": ("customers who scored low", "those who scored high"),
}


@dataclass(frozen=True, slots=True)
class FeedbackRisk:
    """What was learned about low scores and silence.

    Attributes:
        business: Slug.
        churn: Name of the churn definition.
        as_of: The day of knowledge.
        days: Days before each day looked at, in which somebody was asked.
        looked_at: Days of the past, the newest first.
        associations: What could be learned; absent where a group has fewer than five customers.
        notes: What a reader must know.
    """

    business: str
    churn: str
    as_of: date
    days: int
    looked_at: tuple[date, ...]
    associations: tuple[Association, ...]
    notes: tuple[str, ...]

    def sign_of(self, name: str) -> Sign:
        """Return the sign of ``silence`` or ``low_score``; ``not clear`` when nothing could be learned."""
        return next((found.sign for found in self.associations if found.name == name), "not clear")


def learn_risk(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    days: int = 90,
    level: float = 0.95,
) -> FeedbackRisk:
    """Learn whether low scores and silence go with more churn or with less.

    Customers are looked at on past days whose outcomes are known, with what was known on each: who was asked in the
    ``days`` before and answered at least once or not at all, and the newest score of those who did. A customer who was
    there on several days counts as one who is alike: intervals are Newcombe's, with as many independent customers as
    the variance says.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day of knowledge.
        days: Days of feedback before each day looked at.
        level: Coverage of the intervals.

    Raises:
        BusinessFileError: no feed asks for feedback.
        NotKnowableYet: no outcome is known yet, or too few customers were asked.

    Source: :func:`monitoring.effects.shares.independent`; Newcombe, Statistics in Medicine 17 (1998) 873, method 10.

    Examples:
        >>> learn_risk(warehouse, business, churn, date(2026, 3, 1)).sign_of("low_score")  # doctest: +SKIP
        'more'
    """
    if not business.feeds_with_role("feedback"):
        raise BusinessFileError(
            f"{business.slug}: feeds: none has the role feedback, so nobody is asked. Map the feed with the answers."
        )
    looked_at = _past_days(warehouse, business, churn, as_of)
    parts = [_described(warehouse, business, churn, day, as_of, days) for day in looked_at]
    totals = _totals(parts)
    found: list[Association] = []
    notes: list[str] = []
    for name, (exposed, others) in {"silence": ("silent", "answered"), "low_score": ("low", "high")}.items():
        counts = (totals[exposed].count, totals[others].count)
        if min(counts) < MINIMUM_CELL:
            words = _WORDS[name]
            notes.append(
                f"{name}: not told: it needs at least {MINIMUM_CELL} {words[0]}, and as many of {words[1]}, "
                "whose outcome is known"
            )
            continue
        sizes = [independent(totals[group], group=group) for group in (others, exposed)]
        found.append(Association(name, newcombe(*sizes, level=level), counts))
    if not found:
        raise NotKnowableYet(
            f"{business.slug}: churn {churn.name}: the outcome of too few customers who were asked is known on "
            f"{as_of}; each group needs {MINIMUM_CELL}. Ask more customers, or come back when more outcomes are known. "
            "Nothing was computed."
        )
    if len(looked_at) > 1:
        notes.append(f"{len(looked_at)} days of the past; who was there on several counts as the variance says")
    notes.append("what goes with churn need not cause it: only an experiment tells that")
    return FeedbackRisk(business.slug, churn.name, as_of, days, looked_at, tuple(found), tuple(notes))


def _past_days(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> tuple[date, ...]:
    """Return the days to look at: those whose outcome is known; of a label, the day from which it tells."""
    if isinstance(churn, ColumnChurn):
        starts = churn.outcome_starts_on
        return (as_of if starts is None else min(starts, as_of),)
    return matured_days(warehouse, business, churn, as_of)[:MOST_SNAPSHOTS]


def _described(
    warehouse: Warehouse, business: Business, churn: Churn, day: date, as_of: date, days: int
) -> pd.DataFrame:
    """Return who was asked before a day: ``customer_id``, churned (0 or 1), and whether each group holds him."""
    spine = build_spine(warehouse, business, churn, day)
    labels = build_labels(warehouse, business, churn, day, known_on=as_of, spine=spine).to_pandas()
    labels = labels[labels["churned"].notna()]
    asked = read_voices(warehouse, business, day, days=days, roles=("feedback",), columns=RATED).to_pandas()
    asked = asked[asked["kind"].isin(ASKED_KINDS)]
    known = asked["score_share"].notna()
    low, high = (asked["scale"].map({scale: ends[end] for scale, ends in LOW_AND_HIGH.items()}) for end in (0, 1))
    asked["low"] = (asked["score"] <= low).astype("float64").where(known)
    asked["high"] = (asked["score"] >= high).astype("float64").where(known)
    by_customer = asked.groupby("customer_id", sort=True)
    groups = by_customer[["low", "high"]].last()  # the newest that is there
    groups["answered"] = by_customer["is_answered"].any()
    groups["silent"] = ~groups["answered"]
    found: pd.DataFrame = labels[["customer_id", "churned"]].merge(groups, left_on="customer_id", right_index=True)
    found["churned"] = found["churned"].astype(float)
    return found


def _totals(parts: Sequence[pd.DataFrame]) -> Mapping[str, Moments]:
    """Return the moments of each group: a unit is a customer, over all days."""
    import pandas as pd

    rows = pd.concat(parts, ignore_index=True)
    found = {}
    for group in _GROUPS:
        chosen = rows[rows[group].eq(True)].groupby("customer_id", sort=True)["churned"]
        known = chosen.count().to_numpy(dtype=np.float64)
        found[group] = moments_of({"known": known, "churned": chosen.sum().to_numpy(dtype=np.float64)})
    return found
