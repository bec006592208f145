"""Who was assigned to what, and when: from our ledger, or from a feed of role ``assignments``.

Each customer is analysed as he was first assigned. A correction in the ledger can put somebody into the holdout, so
that nothing contacts him any more; it does not change the group in which he is analysed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from features.clocks import not_replaced
from features.following import assignment_step
from features.steps import Step, with_steps
from holdback.errors import DataError
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.outcomes.asking import Asked

COLUMNS = (
    "customer_id", "unit_id", '"group"', "entered_on", "propensity", "probability", "kept_cents", "fit_class", "action",
)  # fmt: skip


@dataclass(frozen=True)
class Assigned:
    """How the assignments of a cohort are read, and what was found at a first look.

    Attributes:
        steps: SQL that ends in ``_assigned``: one row per customer (:data:`COLUMNS`; ``propensity`` is that of
            treatment).
        frames: What the steps read besides the warehouse.
        count: Customers.
        first_on: First day of entry; None when nobody was assigned.
        last_on: Last day of entry.
        is_single: True when every unit is one customer.
        duplicate_count: Customers who were assigned more than once.
        changed_count: Assignments that were corrected afterwards.
    """

    steps: tuple[Step, ...]
    frames: dict[str, pa.Table]
    count: int
    first_on: date | None
    last_on: date | None
    is_single: bool
    duplicate_count: int
    changed_count: int


def find_assigned(warehouse: Warehouse, asked: Asked) -> Assigned:
    """Look at who was assigned up to a day.

    Args:
        warehouse: Where ledger and feeds are.
        asked: The cohort and the day.

    Raises:
        DataError: somebody stands in both groups, or an assignment is in words that the file does not translate.
    """
    is_ours = asked.cohort.assigned_by is None
    rows, frames = (_from_ledger(asked), {}) if is_ours else _from_feed(warehouse, asked)
    look = warehouse.query(
        f"""{with_steps([rows])}
        select count(*) as row_count, count(distinct customer_id) as customer_count, min(entered_on) as first_on,
            max(entered_on) as last_on, coalesce(bool_and(unit_id = customer_id), true) as is_single,
            count(*) filter (where "group" is null) as wordless_count
        from _assigned_rows""",
        frames=frames,
    ).to_pylist()[0]
    _refuse_foreign_words(asked, look["wordless_count"])
    duplicates = 0
    steps = [rows]
    if look["row_count"] > look["customer_count"]:
        duplicates = _count_duplicates(warehouse, asked, rows, frames)
        first = (
            f"select {', '.join(COLUMNS)} from _assigned_rows\n    qualify row_number() over (partition by customer_id "
        )
        steps.append(Step("_assigned", "the first assignment counts", first + "order by assigned_order) = 1"))
    else:
        steps.append(Step("_assigned", "everybody once", f"select {', '.join(COLUMNS)} from _assigned_rows"))
    return Assigned(
        steps=tuple(steps),
        frames=frames,
        count=look["customer_count"],
        first_on=look["first_on"],
        last_on=look["last_on"],
        is_single=look["is_single"],
        duplicate_count=duplicates,
        changed_count=_count_changed(warehouse, asked),
    )


def layer_condition(asked: Asked) -> str:
    """SQL condition: the ledger's row of kind ``assigned`` is of this layer and version, and known by now."""
    named = "is null" if asked.cohort.campaign is None else f"= {literal(asked.cohort.campaign)}"
    return f"campaign {named} and version = {asked.cohort.version} and as_of <= {asked.clock.today}"


def _from_ledger(asked: Asked) -> Step:
    return Step(
        "_assigned_rows",
        f"who was assigned in {asked.cohort.name}, as the ledger recorded it",
        f"""select customer_id, coalesce(unit_id, customer_id) as unit_id, "group", as_of as entered_on,
        round(case when "group" = 'holdout' then 1 - propensity else propensity end, 12) as propensity,
        probability, kept_cents, fit_class, cast(null as varchar) as action, row(as_of, sequence) as assigned_order
    from ledger
    where kind = 'assigned' and {layer_condition(asked)}""",
    )


def _from_feed(warehouse: Warehouse, asked: Asked) -> tuple[Step, dict[str, pa.Table]]:
    feed, named = asked.cohort.assigned_by, asked.cohort.campaign or ""
    assert feed is not None
    return assignment_step(warehouse, asked.business, feed, asked.campaign, named, asked.as_of, asked.corrected)


def _refuse_foreign_words(asked: Asked, count: int) -> None:
    if count:
        feed = asked.cohort.assigned_by
        translated = f"feeds.{feed}.groups" if feed else "the ledger"
        raise DataError(
            f"{asked.business.slug}: campaign {asked.cohort.name}: {count:,} assignments are neither treatment nor "
            f"holdout. Nothing can be measured before all are understood. Translate their words under {translated}."
        )


def _count_duplicates(warehouse: Warehouse, asked: Asked, rows: Step, frames: dict[str, pa.Table]) -> int:
    found = warehouse.query(
        f"""{with_steps([rows])},
        _twice as (
            select customer_id, count(distinct "group") as group_count
            from _assigned_rows group by customer_id having count(*) > 1
        )
        select count(*) filter (where group_count > 1) as torn, count(*) filter (where group_count = 1) as same
        from _twice""",
        frames=frames,
    ).to_pylist()[0]
    if found["torn"]:
        raise DataError(
            f"{asked.business.slug}: campaign {asked.cohort.name}: {found['torn']:,} customers are assigned to both "
            "treatment and holdout. Who stands on both sides belongs to neither, so nothing was measured. Find out "
            "which assignment was carried out, and correct the other."
        )
    return int(found["same"])


def _count_changed(warehouse: Warehouse, asked: Asked) -> int:
    """Count the assignments that were corrected afterwards, as known by now."""
    feed = asked.cohort.assigned_by
    if feed is None:
        sql = f"""select count(distinct changed.corrects) as n
        from ledger as changed inner join (
            select entry_id, "group" from ledger where kind = 'assigned' and {layer_condition(asked)}
        ) as first on first.entry_id = changed.corrects
        where changed.kind = 'corrected' and changed.as_of <= {asked.clock.today}
            and changed."group" is distinct from first."group\""""
    elif feed not in asked.corrected:
        return 0
    else:
        campaign = literal(asked.cohort.campaign or "")
        sql = f"""select count(distinct customer_id) as n from "{feed}"
        where campaign = {campaign} and loaded_at <= {asked.clock.now} and not ({not_replaced(feed, asked.clock)})"""
    return int(warehouse.query(sql)["n"][0].as_py())
