"""Retention curves: of those who started together, how many are still there, month by month.

There is whom the churn definition describes, looked at on the first day of every month. The curve is Kaplan and Meier's
over these months: a customer is watched from the month of his start (his first event in the feed that churn is defined
on), and leaves at the first month's start on which he is no longer there; who comes back later stays lost. Contracts
that began before cancellations were kept are known of those alone who stayed, so such customers enter late: at the age
that they had when the records began (left truncation). Dividing those who are still there by all who ever started would
call the oldest cohorts the most loyal.

A rhythm needs several purchases, and a balance must have grown before it can be missed: kinds ``rhythm`` and
``balance_drop`` watch a customer from the first month's start on which he is described. Only customers whose first
event lies within the months looked back at are watched so: the others may have been described before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.segments import month_frame, month_number
from features.spine import build_spine
from holdback.business import BalanceDropChurn, Business, Churn, ColumnChurn, RhythmChurn
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL
from monitoring.churn_history import month_starts
from monitoring.churn_records import first_cancellation_on, known_events
from monitoring.effects.survival import kaplan_meier, watched
from monitoring.kpis.results import Retention, RetentionCurve, RetentionPoint
from monitoring.proportions import wilson

Integers = npt.NDArray[np.int64]
By = Literal["all", "cohort"]

#: Months that are looked back at, at most: each costs a look at who is there.
MONTHS: Final = 24


@dataclass(frozen=True, eq=False)
class _Watched:
    """Customers by age in months, shape (ages,): who was watched over the month, and who left in it."""

    entered: int
    at_risk: Integers
    left: Integers
    newest_on: Sequence[date]


def retention_curve(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, *, by: By = "all", months: int = MONTHS
) -> Retention:
    """Return the retention of everybody together, or of each cohort: one of :func:`retention_curves`.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions, with a feed.
        as_of: The day of knowledge.
        by: ``all`` or ``cohort`` (month of the start).
        months: Months looked back at.

    Raises:
        BusinessFileError, NotKnowableYet, DataError: as :func:`retention_curves`.
    """
    return retention_curves(warehouse, business, churn, as_of, months=months)[by == "cohort"]


def retention_curves(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, *, months: int = MONTHS
) -> tuple[Retention, Retention]:
    """Return the retention of everybody together, and that of each cohort, with 95 % intervals.

    Intervals follow from Greenwood's variance: it says how many customers, watched to the end, would tell as much, and
    the interval is Wilson's for that many (Rothman, Journal of Chronic Diseases 31, 1978, 557).

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions, with a feed.
        as_of: The day of knowledge.
        months: Months looked back at.

    Raises:
        BusinessFileError: churn of kind ``column`` is one statement: there is no time in it.
        NotKnowableYet: no two first days of months lie between the first data and ``as_of``, or no cancellation is on
            record.
        DataError: nobody ever started, or nobody is there on any first day of a month.
    """
    if isinstance(churn, ColumnChurn):
        raise BusinessFileError(
            f"{business.slug}: churn {churn.name}: kind column says once who left, not when. Retention over time needs "
            "a churn definition with a feed. Name another one with --churn."
        )
    members = _members(warehouse, business, churn, as_of)
    if not members.num_rows:
        raise DataError(
            f"{business.slug}: churn {churn.name}: the feed {churn.feed!r} has no customer up to {as_of}. A curve "
            "needs some who started. Check that the data are loaded."
        )
    started = np.asarray(members["number"].to_numpy(), dtype=np.int64)
    records_since = _records_since(warehouse, business, churn, as_of)
    first = max(records_since, month_number(as_of) - months)
    days = [day for day in reversed(month_starts(as_of)) if month_number(day) >= first]
    if month_number(as_of) <= first:
        raise NotKnowableYet(
            f"{business.slug}: churn {churn.name}: the records begin in the month of {as_of}. A curve needs the "
            f"first day of the month after it. Ask again on {_day(month_number(as_of) + 1)}."
        )
    there = _presence(warehouse, business, churn, days, members)
    notes = [f"there is whom churn {churn.name} describes, on the first day of each month"]
    if isinstance(churn, (RhythmChurn, BalanceDropChurn)):
        started, there, older = _since_described(started, there, first)
        notes.append("months count from the first month's start on which a customer is described, not from his start")
        if older:
            notes.append(
                f"{older:,} customers whose records begin before {_month(first)} are left out: since when they are "
                "described is not seen"
            )
    cohorts = _watch(started, there, days) if started.size else {}
    if not any(one.entered for one in cohorts.values()):
        raise DataError(
            f"{business.slug}: churn {churn.name}: nobody is described on the first day of any month from "
            f"{_month(first)} to {_month(month_number(as_of))}. A curve needs some who can be watched. Check that the "
            "data of these days are loaded."
        )
    if (started < first).any():
        late = sum(one.entered for cohort, one in cohorts.items() if cohort < first)
        notes.append(
            f"{late:,} customers started before {_month(first)}, from when on leaving is watched: they enter the curve "
            "at the age that they had then"
        )
    curve = _curve("all", _together(list(cohorts.values())))
    unseen = curve.points[0].month - 1 if curve.points else 0
    thin = [
        f"nobody was watched over the first {unseen} months of a life: the curve is of those still there then"
    ] * bool(unseen)  # fmt: skip
    shown = {number: one for number, one in sorted(cohorts.items()) if one.entered >= MINIMUM_CELL}
    curves = tuple(_curve(_month(number), one) for number, one in shown.items())
    withheld = sum(0 < one.entered < MINIMUM_CELL for one in cohorts.values())
    return (
        Retention(churn.name, as_of, (curve,), 0, (*notes, *thin)),
        Retention(churn.name, as_of, curves, withheld, tuple(notes)),
    )


def _members(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> pa.Table:
    """Return ``customer_id, number`` (month of the start) of everybody who ever started, as known."""
    assert not isinstance(churn, ColumnChurn)
    what = {"subscriptions": "kind <> 'cancel'", "transactions": "amount_cents >= 0"}
    condition = what.get(business.feeds[churn.feed].role, "true")
    return warehouse.query(
        f"""with _first as (
            select customer_id, min(event_at) as first_at from "{churn.feed}"
            where {known_events(warehouse, business, churn.feed, as_of)} and {condition}
            group by customer_id
        )
        select customer_id, number from _first asof inner join _months on first_at >= _months.starts_at
        order by customer_id""",
        frames={"_months": month_frame(business, as_of)},
    )


def _records_since(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> int:
    """Return the month from which leaving is watched: of the first cancellation, elsewhere of the first event."""
    assert not isinstance(churn, ColumnChurn)
    cancelled = first_cancellation_on(warehouse, business, churn, as_of)
    if cancelled is not None:
        return month_number(cancelled)
    known = known_events(warehouse, business, churn.feed, as_of)
    rows = warehouse.query(f'select min(event_at) as first_at from "{churn.feed}" where {known}')
    return month_number(business.day_of(rows["first_at"][0].as_py()))


def _presence(
    warehouse: Warehouse, business: Business, churn: Churn, days: Sequence[date], members: pa.Table
) -> npt.NDArray[np.bool_]:
    """Return who was there on each day, shape (days, members)."""
    numbered = members.append_column("position", pa.array(np.arange(members.num_rows)))
    there = np.zeros((len(days), members.num_rows), dtype=bool)
    for number, day in enumerate(days):
        spine = build_spine(warehouse, business, churn, day)
        found = warehouse.query(
            "select position from spine inner join members using (customer_id)",
            frames={"spine": spine, "members": numbered},
        )
        there[number, found["position"].to_numpy()] = True
    return there


def _since_described(
    started: Integers, there: npt.NDArray[np.bool_], first: int
) -> tuple[Integers, npt.NDArray[np.bool_], int]:
    """Move starts to the month on whose first day a customer is first described.

    Args:
        started: Month of each one's first event, shape (members,).
        there: Who was described on which first day of a month, shape (days, members).
        first: Month of the first of these days.

    Returns:
        Starts and presence of those who are ever described and began within these months, and how many are described
        but began before.
    """
    described = there.any(axis=0)
    is_new = described & (started >= first)
    return first + there.argmax(axis=0)[is_new], there[:, is_new], int((described & ~is_new).sum())


def _watch(started: Integers, there: npt.NDArray[np.bool_], days: Sequence[date]) -> dict[int, _Watched]:
    """Count by cohort and age in months; ``days`` are the first days of consecutive months."""
    first = month_number(days[0])
    ages = month_number(days[-1]) - int(started.min()) + 1
    counted: dict[int, tuple[Integers, Integers]] = defaultdict(
        lambda: (np.zeros(ages, dtype=np.int64), np.zeros(ages, dtype=np.int64))
    )
    entered: dict[int, int] = defaultdict(int)
    alive = (started < first) & there[0]
    for number in range(len(days) - 1):
        month = first + number
        starting = started == month
        entering = starting | alive if number == 0 else starting
        for cohort, count in _counts(started[entering]):
            entered[cohort] += count
        alive |= starting
        leaving = alive & ~there[number + 1]
        for position, who in ((0, alive), (1, leaving)):
            for cohort, count in _counts(started[who]):
                counted[cohort][position][month - cohort] += count
        alive &= ~leaving
    last = month_number(days[-1])
    return {
        cohort: _Watched(entered[cohort], risk, left, [_day(min(cohort + age + 1, last)) for age in range(ages)])
        for cohort, (risk, left) in counted.items()
    }


def _counts(cohorts: Integers) -> list[tuple[int, int]]:
    values, counts = np.unique(cohorts, return_counts=True)
    return list(zip(values.tolist(), counts.tolist(), strict=True))


def _together(cohorts: Sequence[_Watched]) -> _Watched:
    if not cohorts:
        return _Watched(0, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), [])
    ages = range(len(cohorts[0].at_risk))
    newest = [max((one.newest_on[age] for one in cohorts if one.at_risk[age]), default=date.min) for age in ages]
    return _Watched(
        sum(one.entered for one in cohorts),
        np.sum([one.at_risk for one in cohorts], axis=0),
        np.sum([one.left for one in cohorts], axis=0),
        newest,
    )


def _curve(name: str, counts: _Watched) -> RetentionCurve:
    """Return the curve from the first age at which enough are watched to the last before too few are."""
    enough = np.flatnonzero(counts.at_risk >= MINIMUM_CELL)
    if not enough.size:
        return RetentionCurve(name, counts.entered, ())
    start = int(enough[0])
    thin = np.flatnonzero(counts.at_risk[start:] < MINIMUM_CELL)
    stop = start + int(thin[0]) if thin.size else len(counts.at_risk)
    risk, left = counts.at_risk[start:stop], counts.left[start:stop]
    curve = kaplan_meier(watched(risk, left))
    points = []
    for age, (staying, error) in enumerate(zip(curve.survival.tolist(), curve.error.tolist(), strict=True)):
        n = staying * (1 - staying) / error**2 if error > 0 else float(risk[: age + 1].min())
        found = wilson(staying * n, n)
        points.append(
            RetentionPoint(
                start + age + 1, int(risk[age]), int(left[age]), staying, min(found.low, staying),
                max(found.high, staying), counts.newest_on[start + age],
            )
        )  # fmt: skip
    return RetentionCurve(name, counts.entered, tuple(points))


def _day(number: int) -> date:
    return date(number // 12, number % 12 + 1, 1)


def _month(number: int) -> str:
    return f"{_day(number):%Y-%m}"
