"""Who is at risk today, what that is worth, and what changed since the day before: counted in SQL, small groups hidden.

Figures that could point at somebody are None. ``at risk`` is whoever is in the tiers high or medium.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from math import sqrt
from typing import Any, Final, Literal

from campaigns.values import VALUE_DAYS, values_in_force
from holdback.business import Churn
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL, completed, hidden, shown_count

HISTORY_DAYS: Final = 60
"""Scored days that the picture of the past shows."""
_EDGES: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)
_NORMAL: Final = 1.96
_CENTS: Final = 100


@dataclass(frozen=True, slots=True)
class Counts:
    """Customers scored on one day, by tier; None is not shown. ``at_risk`` is high and medium together."""

    as_of: date
    scored: int | None
    at_risk: int | None
    high: int | None
    medium: int | None
    low: int | None

    @property
    def at_risk_share(self) -> float | None:
        """Of those scored."""
        return None if self.at_risk is None or not self.scored else self.at_risk / self.scored


@dataclass(frozen=True, slots=True)
class Margin:
    """What would be lost with those at risk, as expected.

    Attributes:
        amount: Sum of probability times margin, in currency units.
        low: Lower end of what chance does to it, if probabilities and margins are right.
        high: Upper end.
        basis: ``model``: what a value model said; ``records``: what the fit reckoned from the records.
        valued_on: Day of the values.
        unvalued_share: Share of those at risk of whom no margin is known; None when it cannot be shown.
    """

    amount: float
    low: float
    high: float
    basis: Literal["model", "records"]
    valued_on: date
    unvalued_share: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different from the newest earlier scored day. Each pair is shown whole or not at all."""

    since: date
    at_risk_before: int | None
    newly_at_risk: int | None
    no_longer_at_risk: int | None
    arrived: int | None
    gone: int | None


@dataclass(frozen=True, slots=True)
class Bin:
    """Customers whose probability lies from ``low`` to below ``high``."""

    low: float
    high: float
    count: int | None


@dataclass(frozen=True, slots=True)
class Risk:
    """The scores of one day.

    Attributes:
        now: The day's counts.
        model_version: The model that scored.
        expected: Sum of the probabilities: customers that leave if they are right; None when too few are scored.
        expected_low: Lower end of what chance does to it.
        expected_high: Upper end.
        margin: None when nobody at risk is valued, or it cannot be shown.
        nobody_is_valued: True when no margin of anybody at risk is known.
        changes: None when no earlier day was scored.
        bins: Over all probabilities.
    """

    now: Counts
    model_version: str
    expected: float | None
    expected_low: float | None
    expected_high: float | None
    margin: Margin | None
    nobody_is_valued: bool
    changes: Changes | None
    bins: tuple[Bin, ...]


def tier_counts(as_of: date, high: int, medium: int, low: int) -> Counts:
    """Return a day's counts without those that are too small, or that the others would tell.

    Whoever knows how many are at risk and how many of them at medium knows the rest: first the two sides of the line
    between at risk and not are judged, then the tiers within the side that is shown.

    Examples:
        >>> tier_counts(date(2026, 3, 1), 3, 200, 50)
        Counts(as_of=datetime.date(2026, 3, 1), scored=253, at_risk=203, high=None, medium=None, low=50)
        >>> tier_counts(date(2026, 3, 1), 0, 0, 1).scored is None
        True
    """
    scored, at_risk = high + medium + low, high + medium
    if shown_count(scored) is None:
        return Counts(as_of, None, None, None, None, None)
    if any(hidden([at_risk, low])):
        marks = hidden([high, medium, low])
        kept = [None if mark else count for mark, count in zip(marks, (high, medium), strict=False)]
        return Counts(as_of, scored, None, kept[0], kept[1], None)
    marks = hidden([high, medium])
    return Counts(as_of, scored, at_risk, None if marks[0] else high, None if marks[1] else medium, low)


def read_history(warehouse: Warehouse, churn: Churn, as_of: date) -> tuple[Counts, ...]:
    """Return the counts of the newest scored days up to a day, oldest first."""
    own = f"churn = {literal(churn.name)} and as_of <= date '{as_of}'"
    rows = warehouse.query(
        "select as_of, count(*) filter (where risk_tier = 'high') as high, "
        "count(*) filter (where risk_tier = 'medium') as medium, count(*) filter (where risk_tier = 'low') as low "
        f"from scores where {own} and as_of in (select distinct as_of from scores where {own} "
        f"order by as_of desc limit {HISTORY_DAYS}) group by as_of order by as_of"
    ).to_pylist()
    return tuple(tier_counts(**row) for row in rows)


def read_risk(warehouse: Warehouse, churn: Churn, as_of: date, history: tuple[Counts, ...]) -> Risk | None:
    """Return the day's scores in numbers; None when the day was not scored.

    Args:
        warehouse: Where the scores are.
        churn: The churn definition.
        as_of: The day.
        history: Result of :func:`read_history` for the day.
    """
    if not history or history[-1].as_of != as_of:
        return None
    now = history[-1]
    total = warehouse.query(
        "select max(model_version) as version, sum(probability) as expected, "
        f"sum(probability * (1 - probability)) as variance from scores where {_own(churn, as_of)}"
    ).to_pylist()[0]
    expected, spread = total["expected"], _NORMAL * sqrt(total["variance"])
    can_be_told = now.scored is not None
    margin, nobody_is_valued = _margin(warehouse, churn, as_of, now)
    return Risk(
        now=now,
        model_version=str(total["version"]),
        expected=expected if can_be_told else None,
        expected_low=max(expected - spread, 0.0) if can_be_told else None,
        expected_high=min(expected + spread, float(now.scored or 0)) if can_be_told else None,
        margin=margin,
        nobody_is_valued=nobody_is_valued,
        changes=_changes(warehouse, churn, history),
        bins=_bins(warehouse, churn, as_of, now),
    )


def _own(churn: Churn, as_of: date) -> str:
    return f"churn = {literal(churn.name)} and as_of = date '{as_of}'"


def _margin(warehouse: Warehouse, churn: Churn, as_of: date, now: Counts) -> tuple[Margin | None, bool]:
    """Return the margin at risk, and whether nobody at risk is valued at all."""
    records = (
        "select customer_id, margin_cents, as_of as valued_on from fit where as_of = (select max(as_of) from fit "
        f"where as_of <= date '{as_of}' and as_of >= date '{as_of - timedelta(days=VALUE_DAYS)}')"
    )
    sources: tuple[tuple[Literal["model", "records"], str], ...] = (
        ("model", values_in_force(as_of)), ("records", records)
    )  # fmt: skip
    for basis, valued in sources:
        found = warehouse.query(
            "select count(*) as at_risk, count(margin_cents) as valued, max(valued_on) as valued_on, "
            "sum(probability * margin_cents) as expected, "
            "sum(probability * (1 - probability) * cast(margin_cents as double) * margin_cents) as variance "
            f"from (select customer_id, probability from scores where {_own(churn, as_of)} and risk_tier <> 'low') "
            f"left join ({valued}) using (customer_id)"
        ).to_pylist()[0]
        if found["valued"]:
            return _margin_of(found, basis, now), False
    return None, bool(now.at_risk)


def _margin_of(found: dict[str, Any], basis: Literal["model", "records"], now: Counts) -> Margin | None:
    unvalued = found["at_risk"] - found["valued"]
    if now.at_risk is None or found["valued"] < MINIMUM_CELL:
        return None
    spread = _NORMAL * sqrt(found["variance"])
    return Margin(
        amount=found["expected"] / _CENTS,
        low=(found["expected"] - spread) / _CENTS,
        high=(found["expected"] + spread) / _CENTS,
        basis=basis,
        valued_on=found["valued_on"],
        unvalued_share=None if shown_count(unvalued) is None else unvalued / found["at_risk"],
    )


def _changes(warehouse: Warehouse, churn: Churn, history: tuple[Counts, ...]) -> Changes | None:
    if len(history) < 2:
        return None
    before, now = history[-2], history[-1]
    found = warehouse.query(
        "select count(*) filter (where n.is_at_risk and not o.is_at_risk) as newly, "
        "count(*) filter (where o.is_at_risk and not n.is_at_risk) as no_longer, "
        "count(*) filter (where o.customer_id is null) as arrived, "
        "count(*) filter (where n.customer_id is null) as gone from "
        f"(select customer_id, risk_tier <> 'low' as is_at_risk from scores where {_own(churn, now.as_of)}) n "
        f"full join (select customer_id, risk_tier <> 'low' as is_at_risk from scores where {_own(churn, before.as_of)}"
        ") o using (customer_id)"
    ).to_pylist()[0]
    # The moves between the tiers tell the stock of one day from that of the other.
    is_untold = now.at_risk is None or before.at_risk is None
    newly, no_longer = _pair(found["newly"], found["no_longer"], is_hidden=is_untold)
    is_small = now.scored is None or before.scored is None
    arrived, gone = _pair(found["arrived"], found["gone"], is_hidden=is_small)
    return Changes(before.as_of, before.at_risk, newly, no_longer, arrived, gone)


def _pair(more: int, fewer: int, *, is_hidden: bool) -> tuple[int | None, int | None]:
    """Both or neither: the stocks of the two days tell the difference of the two."""
    if is_hidden or shown_count(more) is None or shown_count(fewer) is None:
        return None, None
    return more, fewer


def _bins(warehouse: Warehouse, churn: Churn, as_of: date, now: Counts) -> tuple[Bin, ...]:
    """Count customers by probability; within each tier, whose total is told, what is hidden cannot be worked out."""
    cuts = (churn.risk_tiers.medium, churn.risk_tiers.high)
    edges = sorted({*_EDGES, *cuts})
    counted = ", ".join(
        f"count(*) filter (where probability >= {low!r} and probability {'<=' if high == 1.0 else '<'} {high!r}) "
        f"as b{position}"
        for position, (low, high) in enumerate(pairwise(edges))
    )
    counts: list[int] = list(
        warehouse.query(f"select {counted} from scores where {_own(churn, as_of)}").to_pylist()[0].values()
    )
    bins: list[Bin] = []
    for tier_total, low_cut, high_cut in ((now.low, 0.0, cuts[0]), (now.medium, *cuts), (now.high, cuts[1], 1.0)):
        own = [i for i, (low, high) in enumerate(pairwise(edges)) if low >= low_cut and high <= high_cut]
        marks = completed([counts[i] for i in own], [tier_total is None] * len(own))
        bins += [Bin(edges[i], edges[i + 1], None if m else counts[i]) for i, m in zip(own, marks, strict=True)]
    return tuple(bins)
