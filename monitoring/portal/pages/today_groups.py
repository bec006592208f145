"""In which groups of customers the risk is: by the company's own segments, by stage, by value. Small groups hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal

from campaigns.values import DECILE_GROUPS, decile_group
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.declarations import Meaning
from features.segments import RFM_GROUPS, STAGES
from features.steps import with_steps
from holdback.business import Business, Churn
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.cells import hidden, hidden_grid

MOST_GROUPS: Final = 50
"""Groups that a table shows; of more, those with most customers at risk."""
_FRESH_DAYS: Final = 31
"""Older groups of the table ``segments`` are not shown beside today's scores."""
_UNKNOWN: Final = ""
_ORDERS: Final = {"stage": STAGES, "rfm": RFM_GROUPS, "value": tuple(DECILE_GROUPS)}

Kind = Literal["attribute", "stage", "rfm", "value"]


@dataclass(frozen=True, slots=True)
class Group:
    """Customers of one group; None is not shown. ``name`` is empty for those of whom the group is not known."""

    name: str
    customer_count: int | None
    at_risk: int | None

    @property
    def share(self) -> float | None:
        """Of them at risk."""
        if self.at_risk is None or not self.customer_count:
            return None
        return self.at_risk / self.customer_count


@dataclass(frozen=True, slots=True)
class Division:
    """All customers scored today, divided by one thing.

    Attributes:
        kind: ``attribute`` of the company's own, or one of the groups that every company has.
        title: The attribute as the business file tells it; None for the others.
        is_flag: True when the groups are yes and no.
        grouped_on: Day of the groups; None for attributes, which are those known today.
        groups: The first :data:`MOST_GROUPS` that can be shown: in their own order, else those with most at risk first.
        shown_count: How many can be shown.
        hidden_count: How many cannot: too small, or they would tell a small one.
    """

    kind: Kind
    title: Meaning | None
    is_flag: bool
    grouped_on: date | None
    groups: tuple[Group, ...]
    shown_count: int
    hidden_count: int


def read_divisions(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> tuple[Division, ...]:
    """Return today's risk by every segment that the business file names, then by stage, RFM group and value."""
    return (
        *_by_attribute(warehouse, business, churn, as_of),
        *_by_stored_group(warehouse, churn, as_of),
    )


def shown_groups(counts: list[tuple[str, int, int]]) -> tuple[Group, ...]:
    """Return groups without what is too small, or could be worked out from the totals of the page.

    Args:
        counts: Name, customers and customers at risk of every group.
    """
    sizes = hidden([n for _, n, _ in counts])
    cells = hidden_grid([[at_risk, n - at_risk] for _, n, at_risk in counts])
    return tuple(
        Group(name, None if is_small else n, None if is_small or cell[0] else at_risk)
        for (name, n, at_risk), is_small, cell in zip(counts, sizes, cells, strict=True)
    )


def _by_attribute(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> Iterator[Division]:
    customers = business.customers
    if customers is None:
        return
    for name in dict.fromkeys([*business.journey.segments, *filter(None, [business.fit.segment])]):
        attribute = customers.attributes.get(name)
        if attribute is None or name in customers.protected:
            continue
        is_flag = attribute.kind == "flag"
        told = "case when told then 'yes' when not told then 'no' end" if is_flag else "cast(told as varchar)"
        steps = newest_versions(Clock.of(business, as_of), (f'"{name}" as told',), corrected_tables(warehouse))
        rows = warehouse.query(
            f"{with_steps(steps)} select coalesce({told}, '{_UNKNOWN}') as name, count(*) as n, "
            "count(*) filter (where risk_tier <> 'low') as at_risk "
            f"from (select customer_id, risk_tier from scores where {_own(churn, as_of)}) "
            "left join _customers_rows using (customer_id) group by name order by at_risk desc, n desc, name"
        ).to_pylist()
        plain = name.replace("_", " ")
        title = Meaning(attribute.meaning_in("en") or plain, attribute.meaning_in("es") or plain)
        yield _division("attribute", rows, title=title, is_flag=is_flag)


def _by_stored_group(warehouse: Warehouse, churn: Churn, as_of: date) -> Iterator[Division]:
    since = as_of - timedelta(days=_FRESH_DAYS)
    grouped_on = warehouse.query(
        f"select max(as_of) as day from segments where churn = {literal(churn.name)} "
        f"and as_of <= date '{as_of}' and as_of >= date '{since}'"
    )["day"][0].as_py()
    if grouped_on is None:
        return
    columns: tuple[tuple[Kind, str], ...] = (
        ("stage", "stage"), ("rfm", "rfm_group"), ("value", decile_group("value_decile"))
    )  # fmt: skip
    for kind, column in columns:
        rows = warehouse.query(
            f"select coalesce(grouped, '{_UNKNOWN}') as name, count(*) as n, "
            "count(*) filter (where risk_tier <> 'low') as at_risk "
            f"from (select customer_id, risk_tier from scores where {_own(churn, as_of)}) left join "
            f"(select customer_id, {column} as grouped from segments where {_own(churn, grouped_on)}) "
            "using (customer_id) group by name"
        ).to_pylist()
        if any(row["name"] != _UNKNOWN for row in rows):
            order = [*_ORDERS[kind], _UNKNOWN]
            yield _division(kind, sorted(rows, key=lambda row: order.index(row["name"])), grouped_on=grouped_on)


def _division(
    kind: Kind,
    rows: list[dict[str, Any]],
    *,
    title: Meaning | None = None,
    is_flag: bool = False,
    grouped_on: date | None = None,
) -> Division:
    groups = shown_groups([(row["name"], row["n"], row["at_risk"]) for row in rows])
    shown = tuple(group for group in groups if group.customer_count is not None)
    return Division(kind, title, is_flag, grouped_on, shown[:MOST_GROUPS], len(shown), len(groups) - len(shown))


def _own(churn: Churn, day: date) -> str:
    return f"churn = {literal(churn.name)} and as_of = date '{day}'"
