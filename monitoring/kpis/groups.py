"""By what customers can be divided, and how large the groups are: never by a protected attribute."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from typing import Final

import pyarrow as pa

from campaigns.values import DECILE_GROUPS, decile_group
from features.clocks import ORDER, Clock, known_rows, newest_versions
from features.corrections import corrected_tables
from features.revenue import contract_key
from features.segments import RFM_GROUPS, STAGES, build_segments, stored_segments
from features.spine import build_spine
from features.steps import Step, select, with_steps
from holdback.business import Business, Churn
from holdback.errors import BusinessFileError, DataError
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.cells import hidden, shown_count
from monitoring.kpis.results import GroupSize, GroupSizes
from monitoring.outcomes.found import UNKNOWN

#: Groups that every company has (``rfm``: with purchases), and the column of table ``segments`` that says them.
_COLUMNS: Final = {
    "stage": "stage",
    "rfm": "rfm_group",
    "cohort": "cohort",
    "value": decile_group("value_decile"),
}
#: Groups whose order is not that of the alphabet.
_ORDERS: Final[dict[str, Sequence[str]]] = {"stage": STAGES, "rfm": RFM_GROUPS, "value": list(DECILE_GROUPS)}
_CENTS: Final = 100


def group_names(business: Business) -> tuple[str, ...]:
    """Return everything by which the customers of this business can be divided, the company's own choice first."""
    customers = business.customers
    usable = [] if customers is None else [
        name for name, a in customers.attributes.items()
        if a.kind in ("category", "flag") and name not in customers.protected
    ]  # fmt: skip
    own = [*business.journey.segments, *filter(None, [business.fit.segment])]
    plan = ["plan"] if _plan_feed(business) is not None and "plan" not in usable else []
    shared = [name for name in _COLUMNS if name != "rfm" or business.feeds_with_role("transactions")]
    return (*shared, *plan, *dict.fromkeys([*own, *usable]))


def in_order(by: str, values: Sequence[str]) -> list[str]:
    """Return the names of groups in their own order, those that are not known last."""
    order = list(_ORDERS.get(by, ()))
    return sorted(values, key=lambda value: (value == UNKNOWN, order.index(value) if value in order else 0, value))


def refuse_group(business: Business, by: str) -> None:
    """Raise ``BusinessFileError`` when customers cannot be divided so."""
    known = group_names(business)
    if by in known:
        return
    if business.customers is not None and by in business.customers.protected:
        raise BusinessFileError(
            f"{business.slug}: group {by!r}: is a protected attribute. What is protected is audited, never shown. "
            f"Choose one of: {', '.join(known)}."
        )
    if by == "rfm":
        raise BusinessFileError(
            f"{business.slug}: group 'rfm': no feed has the role transactions. Recency, frequency and money are those "
            f"of purchases. Choose one of: {', '.join(known)}."
        )
    near = get_close_matches(by, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Choose one of: {', '.join(known)}."
    raise BusinessFileError(f"{business.slug}: group {by!r}: is no category or flag of the customers. {hint}")


def segments_of(
    warehouse: Warehouse, business: Business, churn: Churn, day: date, *, spine: pa.Table | None = None
) -> tuple[pa.Table, bool]:
    """Return a day's segments, and whether they were stored: what is not stored is computed, as known on that day."""
    stored = stored_segments(warehouse, churn.name, day)
    if stored.num_rows:
        return stored, True
    return build_segments(warehouse, business, churn, day, spine=spine), False


def grouped(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    day: date,
    by: str,
    *,
    spine: pa.Table,
    segments: pa.Table | None = None,
) -> pa.Table:
    """Return ``customer_id, value`` of every customer of a spine, as known on the day.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        day: The day of knowledge.
        by: How they are divided.
        spine: ``customer_id, as_of``.
        segments: What :func:`segments_of` said of the spine's day, where that is known already.

    Raises:
        BusinessFileError: customers cannot be divided so.
    """
    refuse_group(business, by)
    frames = {"spine": spine}
    steps: list[Step] = []
    if by in _COLUMNS:
        if segments is None:
            segments, _ = segments_of(warehouse, business, churn, day, spine=spine)
        frames["_segments"] = segments
        own = f"select customer_id, {_COLUMNS[by]} as value from _segments"
    elif by == "plan" and "plan" not in _attributes(business):
        own = _plans(business, Clock.of(business, day), corrected=corrected_tables(warehouse))
    else:
        steps = newest_versions(Clock.of(business, day), (f'"{by}" as told',), corrected_tables(warehouse), spine=True)
        is_flag = business.customers is not None and business.customers.attributes[by].kind == "flag"
        told = "case when told then 'yes' when not told then 'no' end" if is_flag else "told"
        own = f"select customer_id, {told} as value from _customers_rows"
    steps.append(Step("_own", "what each one's group is", own))
    columns = ["spine.customer_id", f"coalesce(cast(value as varchar), {literal(UNKNOWN)}) as value"]
    rest = "from spine left join _own on _own.customer_id = spine.customer_id\norder by spine.customer_id"
    return warehouse.query(f"{with_steps(steps)}\n{select(columns, rest)}", frames=frames)


def group_sizes(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, *, by: str = "stage"
) -> GroupSizes:
    """Return how many of a day's described customers are in each group, and what they bring.

    Raises:
        BusinessFileError: customers cannot be divided so.
        DataError: nobody is described on the day.
    """
    refuse_group(business, by)
    spine = build_spine(warehouse, business, churn, as_of)
    if not spine.num_rows:
        raise DataError(
            f"{business.slug}: churn {churn.name}: nobody is described on {as_of}. Groups need customers. Check that "
            "the data of these days are loaded."
        )
    segments, is_stored = segments_of(warehouse, business, churn, as_of, spine=spine)
    values = grouped(warehouse, business, churn, as_of, by, spine=segments.select(["customer_id", "as_of"]))
    counted = warehouse.query(
        "select value, count(*) as customer_count, avg(revenue_cents) as revenue_cents "
        "from grouped inner join own_segments using (customer_id) group by value",
        frames={"grouped": values, "own_segments": segments},
    ).to_pylist()
    rows = {row["value"]: row for row in counted}
    names = in_order(by, list(rows))
    marks = hidden([rows[name]["customer_count"] for name in names])
    groups = []
    for name, is_hidden in zip(names, marks, strict=True):
        count, cents = rows[name]["customer_count"], rows[name]["revenue_cents"]
        if is_hidden:
            groups.append(GroupSize(name, None, None, None))
        else:
            brings = None if cents is None else cents / _CENTS
            groups.append(GroupSize(name, count, count / segments.num_rows, brings))
    total = shown_count(segments.num_rows)
    return GroupSizes(churn.name, by, as_of, total, business.currency, tuple(groups), is_stored)


def _attributes(business: Business) -> Sequence[str]:
    return list(business.customers.attributes) if business.customers is not None else []


def _plan_feed(business: Business) -> str | None:
    contracts = business.feeds_with_role("subscriptions")
    return next((name for name, feed in contracts.items() if feed.has("plan")), None)


def _plans(business: Business, clock: Clock, *, corrected: frozenset[str]) -> str:
    """SQL of each customer's plan: that of the contract that was last touched, of those that are open if one is."""
    feed = _plan_feed(business)
    assert feed is not None
    order = f"row({', '.join(ORDER)})"
    columns = (f"{contract_key(business, feed)} as contract_id", "kind", "plan", *ORDER)
    rows = known_rows(feed, columns, clock, corrected=feed in corrected)
    contracts = f"""select customer_id, arg_max(kind, {order}) <> 'cancel' as is_open, max({order}) as touched,
        arg_max(plan, {order}) filter (where plan is not null) as plan
    from ({rows}) group by customer_id, contract_id"""
    newest = "arg_max(plan, row(is_open, touched)) as value"
    return f"select customer_id, {newest}\n    from ({contracts}) group by customer_id"
