"""Evaluate all triggers of a business, and write down for whom they fire."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from features.clocks import timestamp
from features.triggers.asking import Asked
from features.triggers.evaluating import evaluate, examine
from features.triggers.flooding import is_flooded
from holdback.business import (
    AnnouncedTrigger,
    Business,
    CountTrigger,
    DropTrigger,
    DueTrigger,
    OverdueTrigger,
    ScoreTrigger,
    Trigger,
)
from holdback.progress import Progress, silent
from holdback.sql import literal
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = "firings"

#: An evaluation that lies further back than this is not looked for.
_LOOK_BACK_DAYS = 31


@dataclass(frozen=True)
class FiredTrigger:
    """What one trigger did at one instant.

    Args:
        trigger: Its name.
        holding: Customers for whom the condition holds.
        fired: Those for whom it fires: the others are cooling, or it held for them before.
        cooling: Those for whom it fired within ``cooldown_days``.
        expected: How often it should have fired since the evaluation before (the first time: in the time that the
            condition looks back on); None when the business file does not say.
        is_flooded: It fired far too often (:func:`features.triggers.flooding.is_flooded`): nobody is to be contacted.
        note: Why it can find nobody yet; else None.
    """

    trigger: str
    holding: int
    fired: int
    cooling: int
    expected: float | None
    is_flooded: bool
    note: str | None = None


@dataclass(frozen=True)
class FiredDay:
    """What all triggers did at one instant.

    Args:
        as_of: The day.
        seen_at: The instant of knowledge, as naive UTC.
        triggers: In the business file's order.
        was_fired_already: The instant had been evaluated before: nothing was written.
    """

    as_of: date
    seen_at: datetime
    triggers: tuple[FiredTrigger, ...]
    was_fired_already: bool

    @property
    def fired_count(self) -> int:
        """Firings of all triggers."""
        return sum(trigger.fired for trigger in self.triggers)


def batch_of(as_of: date, seen_at: datetime) -> str:
    """Return the name of the batch that holds the firings of an instant."""
    return f"firings/{as_of}/{seen_at.isoformat()}"


def fire(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    *,
    seen_at: datetime | None = None,
    progress: Progress = silent,
) -> FiredDay:
    """Ask every trigger for whom it fires, and write that down, once for each instant.

    A trigger fires for a customer for whom its condition holds, unless it fired for the same customer within
    ``cooldown_days``. Without a cooldown, it fires when the condition did not hold at the evaluation before. Only
    earlier firings and evaluations count: an instant that is evaluated late, or again, says the same.

    Args:
        warehouse: Where the feeds and the firings are.
        business: The company.
        as_of: The day.
        seen_at: An instant inside the day, as naive UTC; its start by default.
        progress: Told about each trigger.

    Raises:
        ValueError: ``seen_at`` does not lie in the day.
    """
    import pyarrow as pa

    from holdback.tables import TABLES

    asked = Asked.at(business, as_of, seen_at, ())
    batch, before = batch_of(as_of, asked.now), _evaluated_before(warehouse, asked)
    written = TABLES[TABLE].column_names
    found, rows = [], []
    for position, trigger in enumerate(business.triggers):
        progress(f"trigger {trigger.name}", position, len(business.triggers))
        result, fired = _fired_now(warehouse, asked, trigger, before)
        found.append(result)
        rows.append(fired.select(written))
    progress(f"writing {sum(table.num_rows for table in rows):,} firings", len(rows), len(rows))
    is_new = bool(rows) and warehouse.append(TABLE, pa.concat_tables(rows), batch=batch)
    return FiredDay(as_of, asked.now, tuple(found), was_fired_already=bool(rows) and not is_new)


def fired(warehouse: Warehouse, business: Business, name: str, as_of: date, days: int) -> pa.Table:
    """Return for whom a trigger fired on the last ``days`` days, up to and including ``as_of``.

    Args:
        warehouse: Where the firings are.
        business: The company.
        name: Name of the trigger.
        as_of: The last day.
        days: How many days; 1 is ``as_of`` alone.

    Returns:
        ``customer_id, as_of, seen_at, size, branch, action, detail``: the newest firing of each customer, ordered by
        customer.

    Raises:
        BusinessFileError: the business has no such trigger.
    """
    business.trigger_named(name)
    return warehouse.query(
        f"-- the newest firing of each customer, of {days} days.\n"
        "select customer_id, as_of, seen_at, size, branch, action, detail\n"
        f"from {TABLE}\nwhere \"trigger\" = {literal(name)} and as_of <= date '{as_of}'\n"
        f"    and as_of > date '{as_of - timedelta(days=days)}'\n"
        "qualify row_number() over (partition by customer_id order by seen_at desc) = 1\norder by customer_id\n"
    )


def _fired_now(
    warehouse: Warehouse, asked: Asked, trigger: Trigger, before: datetime | None
) -> tuple[FiredTrigger, pa.Table]:
    """Return what a trigger does, and the rows of those for whom it fires."""
    seen_at = asked.now
    found = examine(warehouse, asked.business, trigger, asked.as_of, seen_at=seen_at)
    frames = {"_found": found.rows, "_held_before": _held_before(warehouse, asked, trigger, before, found.rows)}
    cooling = f"fired_at > {asked.clock.days_ago(trigger.cooldown_days)}" if trigger.cooldown_days else "false"
    told = warehouse.query(
        "-- for whom a condition holds, whether the trigger is still cooling for them, and whether it held before.\n"
        "with _last as (\n"
        f"    select customer_id, max(seen_at) as fired_at from {TABLE}\n"
        f'    where "trigger" = {literal(trigger.name)} and seen_at < {timestamp(seen_at)}\n'
        "    group by customer_id\n)\n"
        f"select\n    date '{asked.as_of}' as as_of, _found.customer_id, {literal(trigger.name)} as \"trigger\",\n"
        f"    {timestamp(seen_at)} as seen_at, size, branch, action, detail,\n"
        f"    coalesce({cooling}, false) as is_cooling,\n    _held_before.customer_id is not null as held_before\n"
        "from _found\nleft join _last on _last.customer_id = _found.customer_id\n"
        "left join _held_before on _held_before.customer_id = _found.customer_id\norder by _found.customer_id\n",
        frames=frames,
    )
    import pyarrow.compute as pc

    rows = told.filter(pc.invert(pc.or_(told["is_cooling"], told["held_before"])))
    days, lately = _since(warehouse, asked, trigger, before)
    expected = trigger.expected_per_day * days if trigger.expected_per_day is not None else None
    result = FiredTrigger(
        trigger.name,
        told.num_rows,
        rows.num_rows,
        pc.sum(told["is_cooling"]).as_py() or 0,
        expected,
        is_flooded(trigger, rows.num_rows + lately, days),
        found.note,
    )
    return result, rows


def _held_before(
    warehouse: Warehouse, asked: Asked, trigger: Trigger, before: datetime | None, rows: pa.Table
) -> pa.Table:
    """For whom the condition held at the evaluation before; nobody where a cooldown answers the question."""
    if trigger.cooldown_days or before is None or not rows.num_rows:
        return rows.slice(0, 0).select(["customer_id"])
    held = evaluate(warehouse, asked.business, trigger, asked.business.day_of(before), seen_at=before)
    return held.select(["customer_id"])


def _since(warehouse: Warehouse, asked: Asked, trigger: Trigger, before: datetime | None) -> tuple[float, int]:
    """Return the days that firings are held against, and how often the trigger fired in them already.

    From hour to hour, the day until now counts: what a day's file brings fires in the one hour in which it came.
    """
    if before is None:
        return float(reach_days(trigger)), 0
    days = max(1.0, (asked.now - before) / timedelta(days=1))
    since, now = asked.now - timedelta(days=days), timestamp(asked.now)
    counted = warehouse.query(
        f'select count(*) as fired from {TABLE} where "trigger" = {literal(trigger.name)} '
        f"and seen_at > {timestamp(since)} and seen_at < {now}"
    )
    return days, int(counted["fired"][0].as_py())


def reach_days(trigger: Trigger) -> int:
    """On how many days a condition looks at once: so many days' firings are there when it is first asked."""
    match trigger:
        case OverdueTrigger():
            return trigger.only_open_days
        case DueTrigger():
            return 2 * trigger.ahead_days
        case AnnouncedTrigger():
            return trigger.ahead_days
        case DropTrigger() | ScoreTrigger() | CountTrigger():
            return trigger.over_days


def _evaluated_before(warehouse: Warehouse, asked: Asked) -> datetime | None:
    """Return the newest instant before this one at which triggers were evaluated; None when none is found.

    An evaluation that found nobody has a batch and no rows: the starts of the last days, and the last hours, are
    looked up by name.
    """
    firings = warehouse.query(f"select max(seen_at) as seen_at from {TABLE} where seen_at < {timestamp(asked.now)}")
    seen: list[datetime] = [at for at in firings["seen_at"].to_pylist() if at is not None]
    business, now = asked.business, asked.now
    days = [asked.as_of - timedelta(days=count) for count in range(_LOOK_BACK_DAYS + 1)]
    hour = now.replace(minute=0, second=0, microsecond=0)
    grid = [business.instant(day) for day in days] + [hour - timedelta(hours=count) for count in range(25)]
    for at in sorted({at for at in grid if at < now and at > max(seen, default=datetime.min)}, reverse=True):
        if warehouse.has_batch(TABLE, batch_of(business.day_of(at), at)):
            return at
    return max(seen, default=None)
