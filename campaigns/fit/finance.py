"""What finance can check: an export whose lines add up to the totals, and what other prices would change.

``booked`` lines are what really happened in the period before the day; their revenue is the ledger's, their costs and
the line ``unallocated`` are the cost centre's. ``expected`` lines are those of the fit: per customer they add up to its
V - C - R, to the cent, and their ``source`` says whether the margin is a value model's or follows from the records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.fit.assessment import Prices, assess
from campaigns.fit.bases import FROM_RECORDS, value_bases
from campaigns.fit.booked import CONTACTS, COST_OF_SALES, DISCOUNTS, FAULTS, RETENTION, REVENUE, booked
from campaigns.fit.classes import DO_NOT_SPEND
from campaigns.fit.facts import gather, scored_definition
from campaigns.fit.rates import contact_rates
from campaigns.fit.records import value_model
from campaigns.lifts import Lift
from campaigns.margins import revenue_feed
from holdback.business import Business, Churn
from holdback.errors import DataError
from holdback.sql import literal
from holdback.warehouse import Warehouse

UNALLOCATED = "unallocated"
#: Two totals that differ by more than this share do not agree.
TOLERANCE = 0.01
_WHAT_IF = 0.2


@dataclass(frozen=True)
class Reconciliation:
    """One total of the export beside finance's own.

    Attributes:
        total: ``revenue`` or ``costs``.
        lines_cents: Sum of the export's lines.
        ledger_cents: What finance says; None when it was not given.
    """

    total: str
    lines_cents: int
    ledger_cents: int | None

    @property
    def difference_cents(self) -> int | None:
        """Lines minus ledger."""
        return None if self.ledger_cents is None else self.lines_cents - self.ledger_cents

    @property
    def agrees(self) -> bool | None:
        """True when the two differ by at most one percent; None when there is nothing to compare with."""
        if self.difference_cents is None or self.ledger_cents is None:
            return None
        return abs(self.difference_cents) <= TOLERANCE * abs(self.ledger_cents)


@dataclass(frozen=True)
class FinanceExport:
    """One row per customer and line.

    Attributes:
        table: ``as_of, basis ('booked' or 'expected'), customer_id (null: unallocated), line, amount_cents, source``.
        starts_on: First day of the booked period, which ends before ``as_of``.
        reconciliations: Revenue and costs of the booked lines beside finance's own totals.
    """

    table: pa.Table
    starts_on: date
    reconciliations: tuple[Reconciliation, ...]


def finance_export(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    *,
    starts_on: date,
    revenue_cents: int | None = None,
    cost_centre_cents: int | None = None,
) -> FinanceExport:
    """Return the lines behind the day's fit and what was booked in ``[starts_on, as_of)``.

    Args:
        warehouse: Where the records and the fit are.
        business: The company.
        as_of: A classified day.
        starts_on: First day of the booked period.
        revenue_cents: What the ledger booked as revenue in the period, to compare with.
        cost_centre_cents: What service and retention cost in the period; what no customer caused becomes the line
            ``unallocated``, without a customer.

    Raises:
        DataError: the day was not classified.
    """
    expected = _expected(warehouse, business, as_of)
    happened = booked(warehouse, business, starts_on, as_of, known_on=as_of)
    lines, amounts = happened["line"], happened["amount_cents"]
    is_revenue = pc.is_in(lines, pa.array([REVENUE, DISCOUNTS]))
    is_cost = pc.invert(pc.or_(is_revenue, pc.equal(lines, COST_OF_SALES)))
    revenue, costs = (int(pc.sum(amounts.filter(rows)).as_py() or 0) for rows in (is_revenue, is_cost))
    feed = f"feed {revenue_feed(business)}"
    unit_costs = pa.scalar("fit.cost_to_serve")
    source = pc.if_else(
        is_cost, pc.if_else(pc.equal(lines, RETENTION), pa.scalar("campaign_contacts"), unit_costs), feed
    )
    parts = [_part(as_of, "booked", happened, source), expected]
    if cost_centre_cents is not None:
        rest = pa.table(
            {
                "customer_id": pa.array([None], pa.string()),
                "line": [UNALLOCATED],
                "amount_cents": pa.array([-cost_centre_cents - costs], pa.int64()),
            }
        )
        parts.append(_part(as_of, "booked", rest, pa.array(["cost centre"])))
        costs = -cost_centre_cents
    totals = (
        Reconciliation(REVENUE, revenue, revenue_cents),
        Reconciliation("costs", -costs, cost_centre_cents),
    )
    return FinanceExport(pa.concat_tables(parts), starts_on, totals)


@dataclass(frozen=True)
class WhatIf:
    """What another price would change.

    Attributes:
        price: ``unit_cost``, ``margin`` or ``discount``.
        factor: By which it is multiplied.
        do_not_spend_count: Customers classed out then.
        reclassified_count: Customers with another class than as it is.
        customer_count: Of so many.
        net_cents: Sum of V - C - R then.
        value_bases: Customers by what their V rests on: a value model, or the records.
    """

    price: str
    factor: float
    do_not_spend_count: int
    reclassified_count: int
    customer_count: int
    net_cents: int
    value_bases: Mapping[str, int]

    def __str__(self) -> str:
        return (
            f"{self.price} x {self.factor:g}: {self.reclassified_count:,} of {self.customer_count:,} change class "
            f"({self.reclassified_count / max(self.customer_count, 1):.1%}), {self.do_not_spend_count:,} classed out"
        )


def sensitivity(
    warehouse: Warehouse, business: Business, as_of: date, *, lifts: Mapping[str, Lift], churn: Churn | None = None
) -> tuple[WhatIf, ...]:
    """Return what 20 % more or less of each price would change; the first row is the day as it is.

    Raises:
        DataError: as :func:`campaigns.fit.classify`.
        BusinessFileError: as :func:`campaigns.fit.classify`.
    """
    facts = gather(warehouse, business, as_of, churn=churn or scored_definition(warehouse, business, as_of))
    if facts is None:
        return ()
    rates = contact_rates(facts)
    now = assess(facts, rates, business, lifts)
    bases = value_bases(pa.table({"value_model": value_model(now, facts)}))
    cases = [("as it is", 1.0, Prices())]
    for name in ("unit_cost", "margin", "discount"):
        cases += [(name, factor, Prices(**{name: factor})) for factor in (1 - _WHAT_IF, 1 + _WHAT_IF)]
    found = []
    for name, factor, prices in cases:
        then = assess(facts, rates, business, lifts, prices=prices)
        found.append(
            WhatIf(
                price=name,
                factor=factor,
                do_not_spend_count=int(np.count_nonzero(then.classes.names == DO_NOT_SPEND)),
                reclassified_count=int(np.count_nonzero(then.classes.names != now.classes.names)),
                customer_count=then.net.size,
                net_cents=int(then.net.sum()),
                value_bases=bases,
            )
        )
    return tuple(found)


def _expected(warehouse: Warehouse, business: Business, as_of: date) -> pa.Table:
    """The lines of the stored fit, rounded so that each customer's add up to V - C - R."""
    day = f"from fit where as_of = date '{as_of.isoformat()}'"
    first = warehouse.query(f"select arithmetic {day} limit 1")["arithmetic"].to_pylist()
    if not first:
        raise DataError(f"{business.slug}: fit of {as_of}: the day was not classified. Classify it first.")
    channels = list(json.loads(first[0])["contacts"])
    lines = [
        (REVENUE, "round((revenue + discount) * months)"),
        (DISCOUNTS, "-round(discount * months)"),
        # The last line of each kind takes what rounding leaves.
        (COST_OF_SALES, "margin_cents - round((revenue + discount) * months) + round(discount * months)"),
    ]
    costs = [f"round(cost_{i})" for i in range(len(channels))]
    rest = " - ".join(["cost_to_serve_cents", *costs[:-1]])
    for position, channel in enumerate(channels):
        amount = costs[position] if position < len(channels) - 1 else rest
        lines.append((f"{CONTACTS}{channel}", f"-({amount})"))
    lines.append((RETENTION, "-retention_cents"))
    read = ["revenue", "discount", "months"]
    numbers = [f"cast(json_extract(arithmetic, '$.{name}') as double) as {name}" for name in read]
    for position, channel in enumerate(channels):
        at = {
            k: f"cast(json_extract(arithmetic, {literal(_path(channel, k))}) as double)"
            for k in ("a", "n", "b", "cost")
        }
        observed = f"cast(json_extract(arithmetic, {literal(_path(channel, 'months'))}) as double)"
        numbers.append(f"({at['a']} + {at['n']}) / ({at['b']} + {observed}) * {at['cost']} * months as cost_{position}")
    margin_lines = (REVENUE, DISCOUNTS, COST_OF_SALES)
    by_model = f" || ', ' || coalesce(value_model, {literal(FROM_RECORDS)})"
    selected = "\nunion all\n".join(
        f"select customer_id, {literal(line)} as line, cast({amount} as bigint) as amount_cents, "
        f"{literal(f'fit of {as_of}')}{by_model if line in margin_lines else ''} as source from _fit"
        for line, amount in lines
    )
    stored = ", ".join(
        ["customer_id", "margin_cents", "cost_to_serve_cents", "retention_cents", "value_model", *numbers]
    )
    table = warehouse.query(
        f"with _fit as (select {stored} {day})\n"
        f"select * from ({selected}) as lines where amount_cents <> 0 order by customer_id, line"
    )
    return _part(as_of, "expected", table, table["source"])


def _path(channel: str, key: str) -> str:
    return f"$.contacts.{json.dumps(channel)}.{key}"


def _part(as_of: date, basis: str, rows: pa.Table, source: pa.Array | pa.ChunkedArray) -> pa.Table:
    n = rows.num_rows
    return pa.table(
        {
            "as_of": pa.repeat(pa.scalar(as_of, pa.date32()), n),
            "basis": pa.repeat(pa.scalar(basis), n),
            "customer_id": rows["customer_id"],
            "line": rows["line"],
            "amount_cents": rows["amount_cents"],
            "source": source,
        }
    )


__all__ = [
    "FAULTS",
    "FinanceExport",
    "Reconciliation",
    "WhatIf",
    "finance_export",
    "sensitivity",
]
