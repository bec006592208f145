"""Were the classes right? What was classified on a day, beside what the customers brought and cost afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from scipy import stats

from campaigns.fit.bases import value_bases
from campaigns.fit.booked import COST_OF_SALES, DISCOUNTS, FAULTS, RETENTION, REVENUE, booked
from campaigns.fit.records import stored_fit
from campaigns.margins import revenue_feed
from features.clocks import Clock, known_rows
from features.corrections import corrected_tables
from holdback.business import Business
from holdback.errors import DataError, NotKnowableYet
from holdback.warehouse import Warehouse

#: Records that end earlier than this before the end of the period do not tell it.
_REACH_DAYS = 31
_CLASSES = ("invest", "maintain", "do_not_spend")


@dataclass(frozen=True)
class ClassOutcome:
    """What customers of one class brought afterwards.

    Attributes:
        fit_class: The class.
        customer_count: Customers in it.
        margin_cents: What they brought.
        cost_cents: What serving them cost, our own faults left out.
        retention_cents: What was spent on keeping them.
        net_cents: Margin minus both.
        negative_share: Share of them who cost more than they brought.
        negative_share_low: Lower end of its 95 % interval (Wilson 1927).
        negative_share_high: Upper end.
    """

    fit_class: str
    customer_count: int
    margin_cents: int
    cost_cents: int
    retention_cents: int
    net_cents: int
    negative_share: float
    negative_share_low: float
    negative_share_high: float

    def __str__(self) -> str:
        return (
            f"{self.fit_class}: {self.customer_count:,} customers brought {self.net_cents / 100:,.2f}; "
            f"{self.negative_share:.0%} cost more than they brought "
            f"({self.negative_share_low:.0%} to {self.negative_share_high:.0%})"
        )


@dataclass(frozen=True)
class Backtest:
    """The classes of a day beside what happened.

    Attributes:
        classified_on: The day of the classes.
        ends_on: First day after the period that followed.
        outcomes: One row per class that occurs.
        rank_correlation: Spearman's, between FIT and what each customer brought; None below three customers.
        customer_count: Customers compared.
        value_bases: Of them, by what their V rested on: a value model, or the records.
    """

    classified_on: date
    ends_on: date
    outcomes: tuple[ClassOutcome, ...]
    rank_correlation: float | None
    customer_count: int
    value_bases: Mapping[str, int]


def backtest(
    warehouse: Warehouse, business: Business, classified_on: date, *, known_on: date, days: int | None = None
) -> Backtest:
    """Compare the classes of a day with what the customers brought and cost in the days after it.

    Who left brought nothing from then on: that is part of what was forecast.

    Args:
        warehouse: Where the records and the fit are.
        business: The company.
        classified_on: A classified day.
        known_on: The day of the question.
        days: Length of the period; ``value.horizon_days`` by default.

    Raises:
        NotKnowableYet: the period is not over on ``known_on``, or the records do not reach its end.
        DataError: the day was not classified.
    """
    ends_on = classified_on + timedelta(days=days if days is not None else business.value.horizon_days)
    _require_period(warehouse, business, classified_on, ends_on, known_on)
    fit = stored_fit(warehouse, classified_on)
    if fit.num_rows == 0:
        raise DataError(f"{business.slug}: fit of {classified_on}: the day was not classified. Classify a later one.")
    lines = booked(warehouse, business, classified_on, ends_on, known_on=known_on)
    margin = f"line in ('{REVENUE}', '{DISCOUNTS}', '{COST_OF_SALES}')"
    is_service = f"not {margin} and line <> '{RETENTION}' and not starts_with(line, '{FAULTS}')"
    rows = warehouse.query(
        f"""
        select
            fit_rows.fit_class,
            fit_rows.fit,
            cast(coalesce(sum(amount_cents) filter (where {margin}), 0) as bigint) as margin,
            cast(coalesce(-sum(amount_cents) filter (where {is_service}), 0) as bigint) as cost,
            cast(coalesce(-sum(amount_cents) filter (where line = '{RETENTION}'), 0) as bigint) as retention
        from fit_rows
        left join lines on lines.customer_id = fit_rows.customer_id
        group by fit_rows.customer_id, fit_rows.fit_class, fit_rows.fit
        order by fit_rows.customer_id
        """,
        frames={"fit_rows": fit.select(["customer_id", "fit_class", "fit"]), "lines": lines},
    )
    names = rows["fit_class"].to_numpy(zero_copy_only=False)
    outcomes = tuple(_outcome(name, rows.filter(pa.array(names == name))) for name in _CLASSES if (names == name).any())
    net = rows["margin"].to_numpy() - rows["cost"].to_numpy() - rows["retention"].to_numpy()
    fits = rows["fit"].to_numpy()
    varies = net.size > 2 and np.ptp(net) > 0 and np.ptp(fits) > 0
    correlation = float(stats.spearmanr(fits, net).statistic) if varies else None
    return Backtest(classified_on, ends_on, outcomes, correlation, rows.num_rows, value_bases(fit))


def _require_period(
    warehouse: Warehouse, business: Business, classified_on: date, ends_on: date, known_on: date
) -> None:
    if known_on < ends_on:
        raise NotKnowableYet(
            f"{business.slug}: fit of {classified_on}: its customers are known until {ends_on}, and it is {known_on}. "
            f"Ask again on {ends_on}, or for fewer days. Nothing was computed."
        )
    feed = revenue_feed(business)
    corrected = feed in corrected_tables(warehouse)
    rows = known_rows(feed, ("event_at",), Clock.of(business, known_on), corrected=corrected, spine=False)
    newest = warehouse.query(f"select max(event_at) as newest from ({rows}) as s")["newest"][0].as_py()
    if newest is None or business.day_of(newest) < ends_on - timedelta(days=_REACH_DAYS):
        reach = "hold nothing" if newest is None else f"end on {business.day_of(newest)}"
        raise NotKnowableYet(
            f"{business.slug}: fit of {classified_on}: the records of feed {feed!r} {reach}, the period ends on "
            f"{ends_on}. Load them, or ask for fewer days. Nothing was computed."
        )


def _outcome(name: str, rows: pa.Table) -> ClassOutcome:
    margin, cost, retention = (rows[column].to_numpy() for column in ("margin", "cost", "retention"))
    net = margin - cost - retention
    n, negative = net.size, int((net < 0).sum())
    share = stats.binomtest(negative, n).proportion_ci(confidence_level=0.95, method="wilson")
    return ClassOutcome(
        fit_class=name,
        customer_count=n,
        margin_cents=int(margin.sum()),
        cost_cents=int(cost.sum()),
        retention_cents=int(retention.sum()),
        net_cents=int(net.sum()),
        negative_share=negative / n,
        negative_share_low=float(share.low),
        negative_share_high=float(share.high),
    )
