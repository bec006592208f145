"""Evaluate all triggers of a business, and write down for whom they fire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
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

TABLE, RUNS = "firings", "trigger_runs"

#: However long a trigger was silent, not more days' firings are expected at once.
_LONGEST_SILENCE_DAYS = 31


@dataclass(frozen=True)
class FiredTrigger:
    """What one trigger did at one instant.

    Args:
        trigger: Its name.
        holding: Customers for whom the condition holds.
        fired: Those for whom it fires: the others are cooling, or it held for them before.
        cooling: Those for whom it fired within ``cooldown_days``.
        expected: How often it should have fired since it last fired for anybody (the first time: in the time that
            the condition looks back on); None when the business file does not say.
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
        was_fired_already: All had been asked at this instant before: nothing was written.
    """

    as_of: date
    seen_at: datetime
    triggers: tuple[FiredTrigger, ...]
    was_fired_already: bool

    @property
    def fired_count(self) -> int:
        """Firings of all triggers."""
        return sum(trigger.fired for trigger in self.triggers)


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
    ``cooldown_days``. Without a cooldown, it fires when the condition did not hold when it was asked before. Firings on
    which nobody can act (of a flood, or where no branch holds yet) start no cooldown.

    Args:
        warehouse: Where the feeds and the firings are.
        business: The company.
        as_of: The day.
        seen_at: An instant inside the day, as naive UTC; its start by default.
        progress: Told about each trigger.

    Returns:
        What each trigger did; of those that had been asked at this instant before, what they did then.

    Raises:
        ValueError: ``seen_at`` does not lie in the day.
    """
    import pyarrow as pa

    from holdback.tables import TABLES

    asked = Asked.at(business, as_of, seen_at, ())
    known = _runs(warehouse, asked.now)
    found: dict[str, FiredTrigger] = dict(known)
    rows = []
    new = [trigger for trigger in business.triggers if trigger.name not in known]
    for position, trigger in enumerate(new):
        progress(f"trigger {trigger.name}", position, len(new))
        found[trigger.name], fired = _fired_now(warehouse, asked, trigger)
        rows.append(fired.select(TABLES[TABLE].column_names))
    if new:
        progress(f"writing {sum(table.num_rows for table in rows):,} firings", len(rows), len(rows))
        batch = f"{as_of}/{asked.now.isoformat()}/{','.join(trigger.name for trigger in new)}"
        warehouse.append(TABLE, pa.concat_tables(rows), batch=f"{TABLE}/{batch}")
        warehouse.append(RUNS, _run_rows(asked, [found[trigger.name] for trigger in new]), batch=f"{RUNS}/{batch}")
    told = tuple(found[trigger.name] for trigger in business.triggers)
    return FiredDay(as_of, asked.now, told, was_fired_already=bool(told) and not new)


def fired(
    warehouse: Warehouse,
    business: Business,
    name: str,
    as_of: date,
    days: int,
    *,
    with_floods: bool = False,
    only_cooling: bool = False,
) -> pa.Table:
    """Return for whom a trigger fired in the ``days`` times 24 hours before the start of a day, and on the day.

    Args:
        warehouse: Where the firings are.
        business: The company.
        name: Name of the trigger.
        as_of: The last day.
        days: How long a firing counts; with 1, what fires in the afternoon is still there on the next morning.
        with_floods: Return also what was found when the trigger fired far too often.
        only_cooling: Return only what starts a cooldown: firings on which somebody could act.

    Returns:
        ``customer_id, as_of, seen_at, size, branch, action, detail``: the newest firing of each customer, ordered by
        customer.

    Raises:
        BusinessFileError: the business has no such trigger.
    """
    trigger = business.trigger_named(name)
    since = timestamp(business.instant(as_of) - timedelta(days=days))
    return warehouse.query(
        f"-- the newest firing of each customer, of {days} days.\n"
        "select customer_id, seen.as_of, seen.seen_at, size, branch, action, detail\n"
        f"{_firings_of(trigger, with_floods=with_floods, only_cooling=only_cooling)}\n"
        f"    and seen.as_of <= date '{as_of}' and seen.seen_at > {since}\n"
        "qualify row_number() over (partition by customer_id order by seen.seen_at desc) = 1\norder by customer_id\n"
    )


def asked_last(warehouse: Warehouse, trigger: Trigger, before: datetime) -> datetime | None:
    """Return the newest instant before another one (naive UTC) at which a trigger was asked; None when it never was."""
    found = warehouse.query(
        f'select max(seen_at) as at from {RUNS} where "trigger" = {literal(trigger.name)} '
        f"and seen_at < {timestamp(before)}"
    )
    at: datetime | None = found["at"][0].as_py()
    return at


def _firings_of(trigger: Trigger, *, with_floods: bool = False, only_cooling: bool = False) -> str:
    """SQL from ``from`` on: a trigger's firings, called ``seen``; floods and what no branch took count when told."""
    floods = "" if with_floods else "\n    and not coalesce(asked.is_flooded, false)"
    acted = "\n    and seen.action is not null" if only_cooling and trigger.then else ""
    return (
        f'from {TABLE} as seen\nleft join {RUNS} as asked on asked."trigger" = seen."trigger" '
        f'and asked.seen_at = seen.seen_at\nwhere seen."trigger" = {literal(trigger.name)}{floods}{acted}'
    )


def _fired_now(warehouse: Warehouse, asked: Asked, trigger: Trigger) -> tuple[FiredTrigger, pa.Table]:
    """Return what a trigger does, and the rows of those for whom it fires."""
    import pyarrow.compute as pc

    before = asked_last(warehouse, trigger, asked.now)
    found = examine(warehouse, asked.business, trigger, asked.as_of, seen_at=asked.now)
    frames = {"_found": found.rows, "_held_before": _held_before(warehouse, asked, trigger, before, found.rows)}
    told = warehouse.query(
        "-- for whom a condition holds, whether the trigger is still cooling for them, and whether it held before.\n"
        f"with _cooling as (\n{_cooling(asked, trigger)}\n)\n"
        f"select\n    date '{asked.as_of}' as as_of, _found.customer_id, {literal(trigger.name)} as \"trigger\",\n"
        f"    {timestamp(asked.now)} as seen_at, size, branch, action, detail,\n"
        "    _cooling.customer_id is not null as is_cooling,\n    _held_before.customer_id is not null as held_before\n"
        "from _found\nleft join _cooling on _cooling.customer_id = _found.customer_id\n"
        "left join _held_before on _held_before.customer_id = _found.customer_id\norder by _found.customer_id\n",
        frames=frames,
    )
    rows = told.filter(pc.invert(pc.or_(told["is_cooling"], told["held_before"])))
    days, lately = _since(warehouse, asked, trigger)
    result = FiredTrigger(
        trigger.name,
        told.num_rows,
        rows.num_rows,
        pc.sum(told["is_cooling"]).as_py() or 0,
        trigger.expected_per_day * days if trigger.expected_per_day is not None else None,
        is_flooded(trigger, rows.num_rows + lately, days),
        found.note,
    )
    return result, rows


def _cooling(asked: Asked, trigger: Trigger) -> str:
    """SQL of those for whom a trigger fired within its cooldown, before or (of a day that has passed) after."""
    if not trigger.cooldown_days:
        return "    select customer_id from _found where false"
    return (
        f"    select distinct seen.customer_id\n{_firings_of(trigger, only_cooling=True)}\n"
        f"    and seen.seen_at <> {timestamp(asked.now)} and seen.seen_at > "
        f"{asked.clock.days_ago(trigger.cooldown_days)} and seen.seen_at < "
        f"{asked.clock.days_ago(-trigger.cooldown_days)}"
    )


def _held_before(
    warehouse: Warehouse, asked: Asked, trigger: Trigger, before: datetime | None, rows: pa.Table
) -> pa.Table:
    """For whom the condition held when it was asked before; nobody where a cooldown answers the question."""
    if trigger.cooldown_days or before is None or not rows.num_rows:
        return rows.slice(0, 0).select(["customer_id"])
    held = evaluate(warehouse, asked.business, trigger, asked.business.day_of(before), seen_at=before)
    return held.select(["customer_id"])


def _since(warehouse: Warehouse, asked: Asked, trigger: Trigger) -> tuple[float, int]:
    """Return the days that firings are held against, and how often the trigger fired in them already.

    They begin when it last fired at least a day ago, or was first asked: what comes in weekly files fires on one day
    for the whole week, and the hours after it belong to that week too. What was first asked today found all that the
    condition looks back on.
    """
    name, now = f'"trigger" = {literal(trigger.name)}', timestamp(asked.now)
    yesterday = timestamp(asked.now - timedelta(days=1))
    found = warehouse.query(
        f"select coalesce((select max(seen_at) from {TABLE} where {name} and seen_at <= {yesterday}), "
        f"(select min(seen_at) from {RUNS} where {name} and seen_at <= {yesterday})) as at"
    )
    last: datetime | None = found["at"][0].as_py()
    days = float(_reach_days(trigger))
    if last is not None:
        days = min((asked.now - last) / timedelta(days=1), float(_LONGEST_SILENCE_DAYS))
    since = timestamp(asked.now - timedelta(days=days))
    counted = warehouse.query(
        f"select count(*) as fired from {TABLE} where {name} and seen_at > {since} and seen_at < {now}"
    )
    return days, int(counted["fired"][0].as_py())


def _runs(warehouse: Warehouse, now: datetime) -> dict[str, FiredTrigger]:
    """Return what triggers did at an instant, by name, as it was written down."""
    rows = warehouse.query(f"select * from {RUNS} where seen_at = {timestamp(now)}").to_pylist()
    names = ("holding", "fired", "cooling", "expected", "is_flooded", "note")
    return {row["trigger"]: FiredTrigger(row["trigger"], *(row[name] for name in names)) for row in rows}


def _run_rows(asked: Asked, found: Sequence[FiredTrigger]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist([{"as_of": asked.as_of, "seen_at": asked.now, **asdict(one)} for one in found])


def _reach_days(trigger: Trigger) -> int:
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
