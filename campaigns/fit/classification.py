"""Classify everybody on a day, once and for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import pyarrow as pa

from campaigns.fit.assessment import assess
from campaigns.fit.audit import FitAudit, audit_fit
from campaigns.fit.bases import value_bases
from campaigns.fit.classes import AUDIT, DO_NOT_SPEND, INVEST, MAINTAIN
from campaigns.fit.facts import Facts, gather, scored_definition, seen_channels
from campaigns.fit.rates import contact_rates
from campaigns.fit.records import batch_of, fit_rows, value_model
from campaigns.lifts import Lift, model_source
from campaigns.margins import MonthlyMargins, revenue_feed
from holdback.business import Business, Churn, ColumnChurn
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse

_TOTALS = ("margin_cents", "cost_to_serve_cents", "retention_cents", "net_cents")
_NO_FEED = (
    "no feed of role interactions: the cost to serve counts as 0, so nobody is classed out for what his contacts cost"
)


@dataclass(frozen=True)
class FitResult:
    """A day's classes in numbers.

    Attributes:
        as_of: The day.
        customer_count: Customers classified.
        invest_count: Of them ``invest``.
        maintain_count: ``maintain``.
        do_not_spend_count: ``do_not_spend``.
        guarded_counts: Customers surely below the floor whom each guardrail protected.
        margin_cents: Sum of V.
        cost_to_serve_cents: Sum of C.
        retention_cents: Sum of R.
        net_cents: Sum of V - C - R.
        unscored_count: Customers without a score, who got the mean probability; None when the rows were only read.
        assumed_actions: Actions whose lift is not measured: every ``invest`` that rests on them is an assumption.
        value_bases: Customers by what their V rests on: a value model, or the records.
        audit: The classes over protected groups.
        warnings: What somebody should mend.
        notes: How the figures are to be read.
        was_classified_already: True when the rows had been written before and were only read.
    """

    as_of: date
    customer_count: int
    invest_count: int
    maintain_count: int
    do_not_spend_count: int
    guarded_counts: Mapping[str, int]
    margin_cents: int
    cost_to_serve_cents: int
    retention_cents: int
    net_cents: int
    unscored_count: int | None
    assumed_actions: tuple[str, ...]
    value_bases: Mapping[str, int]
    audit: FitAudit
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    was_classified_already: bool


def classify(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    *,
    lifts: Mapping[str, Lift],
    churn: Churn | None = None,
    margins: MonthlyMargins | None = None,
    progress: Progress = silent,
) -> FitResult:
    """Class every customer of the day and write the table ``fit``, or answer with the rows that stand already.

    Classified is who is a customer by the feed that carries the revenue, and who was scored. Where the classes fall on
    a protected group (:mod:`campaigns.fit.audit`), nobody is classed out that day.

    Args:
        warehouse: Where everything is.
        business: The company; sections ``value`` and ``fit``.
        as_of: The day; nothing later is visible.
        lifts: Lift of each action that has one (:func:`campaigns.lifts.lifts`).
        churn: Whose scores; the first definition of the file that was scored on the day by default.
        margins: What customers bring a month, from another source than the records.
        progress: Told about each step.

    Returns:
        The day in numbers. A day on which nobody is a customer and nobody was scored writes nothing.

    Raises:
        BusinessFileError: no feed says what customers bring.
        DataError: there are customers, but none was scored on the day.

    Examples:
        >>> classify(workspace.warehouse, business, day, lifts=lifts(business, day))  # doctest: +SKIP
    """
    revenue_feed(business)
    if warehouse.has_batch("fit", batch_of(as_of)):
        return _result(warehouse, business, as_of, lifts, was_classified_already=True)
    progress("what is known of each customer", 0, 3)
    facts = gather(
        warehouse, business, as_of, churn=churn or scored_definition(warehouse, business, as_of), margins=margins
    )
    if facts is None:
        return _result(warehouse, business, as_of, lifts)
    progress(f"arithmetic of {facts.table.num_rows:,} customers", 1, 3)
    rows, audit = _rows(warehouse, business, as_of, facts, lifts)
    notes, unscored_count = _notes(business, facts), facts.unscored_count
    del facts  # a million customers are a quarter of a gigabyte
    pa.default_memory_pool().release_unused()
    progress(f"writing {rows.num_rows:,} classes", 2, 3)
    written = warehouse.append("fit", rows, batch=batch_of(as_of))
    del rows
    # Whether this process wrote the rows or another was faster: what stands is what counts.
    return _result(
        warehouse,
        business,
        as_of,
        lifts,
        notes=notes,
        unscored_count=unscored_count,
        audit=audit if written else None,
        was_classified_already=not written,
    )


def _rows(
    warehouse: Warehouse, business: Business, as_of: date, facts: Facts, lifts: Mapping[str, Lift]
) -> tuple[pa.Table, FitAudit | None]:
    """The day's rows, with nobody classed out when the classes fall on a protected group; and the audit they stood.

    The audit is None when it changed the classes: then it is of others.
    """
    rates = contact_rates(facts)
    found = assess(facts, rates, business, lifts)
    named = pa.table(
        {
            "customer_id": facts.table["customer_id"],
            "fit_class": pa.array(found.classes.names, pa.string()),
            "value_model": value_model(found, facts),
        }
    )
    audit: FitAudit | None = audit_fit(warehouse, business, as_of, named, with_proxies=False)
    if audit is not None and audit.must_stop:
        found, audit = replace(found, classes=found.classes.suspended(AUDIT)), None
    return fit_rows(found, facts, rates, business, lifts, as_of), audit


def _result(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    lifts: Mapping[str, Lift],
    *,
    notes: tuple[str, ...] = (),
    unscored_count: int | None = None,
    audit: FitAudit | None = None,
    was_classified_already: bool = False,
) -> FitResult:
    day = f"from fit where as_of = date '{as_of.isoformat()}'"
    totals = ", ".join(f"cast(coalesce(sum({name}), 0) as bigint) as {name}" for name in _TOTALS)
    sums = warehouse.query(f"select count(*) as customers, {totals} {day}").to_pylist()[0]
    counts = _counted(warehouse.query(f"select fit_class as name, count(*) as customers {day} group by fit_class"))
    guards = "unnest(string_split(guardrail, ', '))"
    guarded = _counted(
        warehouse.query(f"select name, count(*) as customers from (select {guards} as name {day}) as g group by name")
    )
    if audit is None:
        classes = warehouse.query(f"select customer_id, fit_class, value_model {day} order by customer_id")
        audit = audit_fit(warehouse, business, as_of, classes, with_proxies=False)
    return FitResult(
        as_of=as_of,
        customer_count=sums.pop("customers"),
        invest_count=counts.get(INVEST, 0),
        maintain_count=counts.get(MAINTAIN, 0),
        do_not_spend_count=counts.get(DO_NOT_SPEND, 0),
        guarded_counts=guarded,
        **sums,
        unscored_count=unscored_count,
        assumed_actions=tuple(name for name, lift in sorted(lifts.items()) if lift.status != "measured"),
        value_bases=value_bases(warehouse.query(f"select value_model {day}")),
        audit=audit,
        warnings=_warnings(warehouse, business, as_of, guarded.get(AUDIT, 0)),
        notes=notes,
        was_classified_already=was_classified_already,
    )


def _counted(rows: pa.Table) -> dict[str, int]:
    return dict(sorted(zip(rows["name"].to_pylist(), rows["customers"].to_pylist(), strict=True)))


def _warnings(warehouse: Warehouse, business: Business, as_of: date, suspended_count: int) -> tuple[str, ...]:
    found = []
    costs = business.fit.cost_to_serve
    if not business.feeds_with_role("interactions"):
        found.append(_NO_FEED)
    elif not costs:
        found.append(
            "fit.cost_to_serve is empty: the cost to serve counts as 0. Say there what a contact costs by channel"
        )
    else:
        seen = seen_channels(warehouse, business, as_of)
        for channel in sorted(set(costs) - seen):
            known = ", ".join(sorted(seen)) or "none"
            found.append(f"fit.cost_to_serve: channel {channel!r} never occurs in the interactions (seen: {known})")
        for channel in sorted(seen - set(costs)):
            found.append(f"fit.cost_to_serve: channel {channel!r} occurs but has no cost; its contacts count as free")
    if suspended_count:
        found.append(
            f"the classes fall on a protected group: {suspended_count:,} customers were not classed out. Look at the "
            "audit"
        )
    return tuple(found)


def _notes(business: Business, facts: Facts) -> tuple[str, ...]:
    notes = [f"margin from the records: {facts.margins.method} (feed {facts.margins.feed})"]
    if facts.unscored_count:
        notes.append(
            f"{facts.unscored_count:,} customers have no score by {facts.churn.name!r} on that day; they got the mean "
            f"probability, {facts.mean_probability:.1%}"
        )
    if isinstance(facts.churn, ColumnChurn):
        notes.append(f"{facts.churn.name!r} states no outcome window; {facts.outcome_days} days were taken")
    notes += [
        f"{name}: {model_source(version)} says what it changes; its lift counts for those of whom it says nothing"
        for name, version in facts.uplifts.versions.items()
    ]
    if business.value.margin_rate == 1.0:
        notes.append("value.margin_rate is 1: every amount counts as margin in full")
    return tuple(notes)
