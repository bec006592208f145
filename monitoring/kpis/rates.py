"""The churn rate as a figure that people steer by: by month, by group, by cohort.

A rate belongs to the customers described on one day, and is known when their outcome window is over and the data reach
its end. Groups are those that the customers were in on that day, not those into which leaving put them.
"""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa

from features.labels import build_labels, knowable_on
from features.spine import build_spine
from holdback.business import Business, Churn, ColumnChurn
from holdback.errors import DataError, NotKnowableYet
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL, hidden, shown_count
from monitoring.churn_history import churn_history, first_event_on, month_starts
from monitoring.churn_records import first_cancellation_on, is_on_record
from monitoring.kpis.groups import grouped, in_order
from monitoring.kpis.results import ChurnRates, GroupRate
from monitoring.proportions import wilson

MONTH = "month"
#: Months that are tried before it is said that no outcome is known.
_TRIES = 3


def churn_rates(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    by: str = MONTH,
    on: date | None = None,
    outcomes: tuple[date, pa.Table] | None = None,
    segments: pa.Table | None = None,
) -> ChurnRates:
    """Return churn rates with their Wilson intervals, as known at ``as_of``.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day of knowledge.
        by: ``month``, ``cohort``, ``stage``, ``rfm``, ``value``, ``plan``, or a category or flag of the customers.
        on: The day whose customers are counted; by default the newest first day of a month whose outcomes are known
            (for kind ``column``, the day of knowledge). Not for rates by month, each of which has its own.
        outcomes: What :func:`known_outcomes` said, by whoever asks for several groups of the same day.
        segments: What :func:`monitoring.kpis.groups.segments_of` said of the day of ``outcomes``, likewise.

    Raises:
        BusinessFileError: customers cannot be divided so.
        NotKnowableYet: the outcomes are not over (the message says when they will be), or no cancellation is on record.
        DataError: nobody is described, or the day is before the first cancellation on record.
        ValueError: a day for rates by month.
    """
    if by == MONTH:
        if on is not None:
            raise ValueError(f"churn rates by month have no day of their own (got {on}). Divide by something else.")
        return _by_month(warehouse, business, churn, as_of)
    day, labels = outcomes or known_outcomes(warehouse, business, churn, as_of, on=on)
    spine = labels.select(["customer_id", "as_of"])
    values = grouped(warehouse, business, churn, day, by, spine=spine, segments=segments)
    counted = warehouse.query(
        "select value, count(*) as described, count(churned) as known, count(*) filter (where churned) as gone "
        "from grouped inner join labels using (customer_id) group by value",
        frames={"grouped": values, "labels": labels},
    ).to_pylist()
    rows = {row["value"]: row for row in counted}
    names = in_order(by, list(rows))
    known_from = None if isinstance(churn, ColumnChurn) else knowable_on(churn, day)
    # Two wholes are told: those described, and those of whom the outcome is known.
    marks = [
        any(either)
        for either in zip(
            hidden([rows[name]["described"] for name in names]),
            hidden([rows[name]["known"] for name in names]),
            strict=True,
        )
    ]
    groups = tuple(
        GroupRate(name, None, None, True, known_from)
        if is_hidden
        else _rate(name, rows[name]["described"], rows[name]["known"], rows[name]["gone"], known_from or day)
        for name, is_hidden in zip(names, marks, strict=True)
    )
    described, known, gone = (sum(row[part] for row in rows.values()) for part in ("described", "known", "gone"))
    total = _rate("all", described, known, gone, known_from or day)
    notes = () if not any(marks) else (f"withheld: {sum(marks)} groups that are too small, or would give one away",)
    return ChurnRates(churn.name, by, as_of, day, total, groups, notes)


def known_outcomes(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, *, on: date | None = None
) -> tuple[date, pa.Table]:
    """Return a day whose outcomes are known, and what became of its customers (:func:`features.labels.build_labels`).

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day of knowledge.
        on: The day; by default the newest first day of a month on which somebody's outcome is known.

    Raises:
        NotKnowableYet: no outcome is known.
        DataError: nobody is described, on that day or ever, or leaving was not on record then.
    """
    days = [on] if on is not None else _days(warehouse, business, churn, as_of)
    found_anybody = False
    for day in days:
        if knowable_on(churn, day) > as_of:
            raise NotKnowableYet(
                f"{business.slug}: churn {churn.name}: the outcomes of {day} are not knowable before "
                f"{knowable_on(churn, day)}, and the day asked about is {as_of}. Ask again from then on, or about an "
                "earlier day."
            )
        if on is not None:
            _refuse_unrecorded(warehouse, business, churn, day, as_of)
        spine = build_spine(warehouse, business, churn, day)
        if not spine.num_rows:
            continue
        found_anybody = True
        labels = build_labels(warehouse, business, churn, day, known_on=as_of, spine=spine)
        if labels["churned"].null_count < labels.num_rows:
            return day, labels
    if found_anybody:
        raise NotKnowableYet(
            f"{business.slug}: churn {churn.name}: of the customers of {', '.join(map(str, days))} no outcome is known "
            f"on {as_of}. The data must reach the end of the outcome window. Load newer data, or wait for them."
        )
    named = f"on {on}" if on is not None else f"up to {as_of}"
    raise DataError(
        f"{business.slug}: churn {churn.name}: nobody is described {named}. A rate needs customers. Check that the "
        "data of these days are loaded."
    )


def _days(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> list[date]:
    """Return the newest month starts whose outcomes can be known, newest first."""
    if isinstance(churn, ColumnChurn):
        return [as_of]
    first = first_event_on(warehouse, business, churn)
    if first is None or first >= as_of:
        return []
    after = [day for day in month_starts(as_of) if day > first]
    over = [day for day in after if knowable_on(churn, day) <= as_of]
    if over:
        cancelled = first_cancellation_on(warehouse, business, churn, as_of)
        watched = [day for day in over if is_on_record(churn, day, cancelled)]
        if watched:
            return watched[:_TRIES]
        after = [day for day in after if is_on_record(churn, day, cancelled)]
    next_month = min(after) if after else (as_of.replace(day=1) + timedelta(days=32)).replace(day=1)
    return [next_month]


def _refuse_unrecorded(warehouse: Warehouse, business: Business, churn: Churn, day: date, as_of: date) -> None:
    cancelled = first_cancellation_on(warehouse, business, churn, as_of)
    if cancelled is not None and not is_on_record(churn, day, cancelled):
        raise DataError(
            f"{business.slug}: churn {churn.name}: the first cancellation on record is of {cancelled}, the day asked "
            f"about is {day}. Contracts that ended before are missing, so nobody would seem to have left. Ask about "
            f"{cancelled.replace(day=1)} or a later day, or load older cancellations."
        )


def _by_month(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> ChurnRates:
    months = churn_history(warehouse, business, churn, as_of)
    groups = []
    for month in months:
        known_from = month.knowable_on or (knowable_on(churn, month.as_of) if month.left is not None else None)
        counts = [month.customer_count] if month.left is None else [month.customer_count, month.left.n]
        is_hidden = any(0 < count < MINIMUM_CELL for count in counts)
        groups.append(
            GroupRate(
                f"{month.as_of:%Y-%m}",
                None if is_hidden else month.customer_count,
                None if is_hidden else month.left,
                is_hidden,
                known_from,
            )
        )
    cancelled = first_cancellation_on(warehouse, business, churn, as_of)
    if not groups:
        raise DataError(
            f"{business.slug}: churn {churn.name}: nobody is described on the first day of any month up to {as_of}. A "
            "rate needs customers. Check that the data of these days are loaded."
        )
    first, oldest = first_event_on(warehouse, business, churn), months[0].as_of
    earlier = [day for day in month_starts(as_of) if first is not None and first < day < oldest]
    notes: tuple[str, ...] = ()
    if earlier and cancelled is not None and not is_on_record(churn, earlier[0], cancelled):
        notes = (
            f"the first cancellation on record is of {cancelled}: months whose outcomes begin before "
            f"{cancelled:%Y-%m} are left out, as contracts that ended then are missing",
        )
    return ChurnRates(churn.name, MONTH, as_of, None, None, tuple(groups), notes)


def _rate(name: str, described: int, known: int, gone: int, known_from: date) -> GroupRate:
    if shown_count(described) is None or shown_count(known) is None:
        return GroupRate(name, None, None, True, known_from)
    return GroupRate(name, described, wilson(gone, known) if known else None, False, known_from)
