"""Retention periods: what is older than the business file says is removed; the ledger is never cut.

The day's flow removes whole weeks: a row is taken out of a table by writing the table anew, and what one day has
added is not worth that. ``holdback retention apply`` removes to the day.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from campaigns.delivery.contact_list import MANIFEST
from campaigns.delivery.receipts import RECEIPTS
from flows.failures import let_go
from flows.forgetting.forgetting import writers_held
from flows.observing.logs import log_folder
from flows.runs import Outcome, Receipt, inputs_key, once
from holdback.audit import verify
from holdback.batches import History
from holdback.business.retention import STATE_ROLES
from holdback.errors import OperatorError
from holdback.sql import literal
from holdback.warehouse import PostgresWarehouse
from holdback.warehouse.postgres import may_rewrite
from holdback.workspace import Workspace

_SCORES = ("scores", "uplifts", "customer_values", "fit", "segments")
#: What stands in the place of an expired row that could be read, and of one that could not: exactly these texts.
_EXPIRED_PARSED, _EXPIRED_TORN = literal(json.dumps({"expired": True})), literal("expired")
_EXPIRED_ROWS = f"{_EXPIRED_PARSED}, {_EXPIRED_TORN}"
_OUTBOX_STAYS = (MANIFEST, RECEIPTS)
_FILES = ("landing", "outbox", "reports", "logs")
_BY_DAY = ("features", "scores")


@dataclass(frozen=True)
class Due:
    """What one period says on one day.

    Args:
        what: What is kept: ``feed calls``, ``landing``, ``scores``, ...
        days: For how many days; None: for ever.
        before: What is older goes: events, days or files before this day; None: nothing does.
        count: Rows or files that are older.
    """

    what: str
    days: int | None
    before: date | None
    count: int


@dataclass(frozen=True)
class Retained:
    """What the periods of a business say, and what was removed.

    Args:
        business: The business' slug.
        as_of: The day.
        due: Each period.
        is_applied: True when what was older was removed.
        removed: Rows or files that were removed, by period.
        left: Rows that are due and stay, by period: this login of the database may only add rows.
    """

    business: str
    as_of: date
    due: tuple[Due, ...]
    is_applied: bool
    removed: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    @property
    def to_do(self) -> str:
        """What somebody must still do, in words; empty for nothing."""
        if not self.left:
            return ""
        counts = ", ".join(f"{what} {count:,}" for what, count in self.left.items())
        return (
            f"due, and still there: {counts} rows. The login of the day may only add rows: "
            "run `holdback retention apply` as keeper."
        )


def due_on(workspace: Workspace, as_of: date, *, whole_weeks: bool = False) -> tuple[Due, ...]:
    """Return what each period says on a day, those without one too; of whole weeks only, if asked."""
    return tuple(_due(workspace, what, days, as_of, whole_weeks) for what, days in _periods(workspace))


def apply_retention(
    workspace: Workspace, as_of: date, *, dry_run: bool = False, whole_weeks: bool = False, wait_seconds: float = 0
) -> Retained:
    """Remove what is older than its period; doing it twice changes nothing.

    In a company's PostgreSQL only who may rewrite tables removes rows; for anybody else they are told as ``left``, and
    what lies in files goes all the same.

    Args:
        workspace: The company.
        as_of: The day; periods are counted back from it.
        dry_run: Only count.
        whole_weeks: Remove whole weeks only, Monday to Sunday: a day may stay up to six days longer.
        wait_seconds: How long to wait for whatever writes rows about customers.

    Raises:
        Busy: a run that writes rows about customers is at work.
        OperatorError: a disk or a database refuses. Run it again.
    """
    due = due_on(workspace, as_of, whole_weeks=whole_weeks)
    expired = [one for one in due if one.before is not None and one.count]
    if dry_run or not expired:
        return Retained(workspace.business.slug, as_of, due, not dry_run)
    warehouse = workspace.warehouse
    mine = not isinstance(warehouse, PostgresWarehouse) or may_rewrite(warehouse.url, warehouse.schema)
    removed: dict[str, int] = {}
    left: dict[str, int] = {}
    with writers_held(workspace, wait_seconds):
        for one in expired:
            if mine or one.what in _FILES:
                _remove(workspace, one)
                removed[one.what] = one.count
            else:
                left[one.what] = one.count
    return Retained(workspace.business.slug, as_of, due, True, removed, left)


def _periods(workspace: Workspace) -> Iterator[tuple[str, int | None]]:
    business, section = workspace.business, workspace.business.retention
    for name, feed in business.feeds.items():
        yield f"feed {name}", section.of_feed(name, feed.role)
    for what in ("landing", "quarantine", "outbox", "features", "scores", "reports", "logs"):
        yield what, getattr(section, what)


def _due(workspace: Workspace, what: str, days: int | None, as_of: date, whole_weeks: bool) -> Due:
    if days is None:
        return Due(what, None, None, 0)
    before = as_of - timedelta(days=days)
    if whole_weeks:
        before -= timedelta(days=before.weekday())
    if what in _FILES:
        return Due(what, days, before, sum(1 for _ in _old_files(workspace, what, before)))
    count = 0
    for table, condition in _old_rows(workspace, what, before):
        if workspace.warehouse.version(table) is not None:
            count += workspace.warehouse.query(f'select count(*) as n from "{table}" where {condition}')["n"][0].as_py()
    return Due(what, days, before, count)


def _remove(workspace: Workspace, one: Due) -> None:
    assert one.before is not None
    if one.what in _FILES:
        for path in list(_old_files(workspace, one.what, one.before)):
            try:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            except OSError as error:
                raise OperatorError(f"{path}: cannot be removed ({error.strerror}). Check permissions.") from error
        return
    warehouse = workspace.warehouse
    for table, condition in _old_rows(workspace, one.what, one.before):
        if warehouse.version(table) is None:
            continue
        if one.what in _BY_DAY:
            warehouse.drop_days(table, one.before)
        elif table == "quarantine":
            blank = f"case when is_parsed then {_EXPIRED_PARSED} else {_EXPIRED_TORN} end"
            raw = f"case when {condition} then {blank} else raw end as raw"
            warehouse.rewrite(table, f"select * replace ({raw}) from quarantine")
        else:
            warehouse.rewrite(table, f'select * from "{table}" where not coalesce({condition}, false)')


def _old_rows(workspace: Workspace, what: str, before: date) -> Iterator[tuple[str, str]]:
    """Yield tables and the SQL condition of the rows that are older."""
    business = workspace.business
    instant = f"timestamp '{business.instant(before).isoformat(sep=' ')}'"
    if what.startswith("feed "):
        feed = what.removeprefix("feed ")
        yield feed, f"event_at < {instant}{_unless_it_holds(business.feeds[feed].role, feed, instant)}"
    elif what == "quarantine":
        yield "quarantine", f"loaded_at < {instant} and raw not in ({_EXPIRED_ROWS})"
    else:
        for table in _SCORES if what == "scores" else (what,):
            yield table, f"as_of < date '{before}'"


def _unless_it_holds(role: str, feed: str, instant: str) -> str:
    """SQL: rows of who has a younger one go when they are old; the newest state of each customer stays.

    Of contracts everything stays of a customer who has not cancelled: what began long ago may still run. An opt-out
    holds for ever, so the report of one stays.
    """
    if role == "campaign_contacts":
        return " and coalesce(lower(trim(outcome)), '') <> 'opted_out'"
    if role not in STATE_ROLES:
        return ""
    if role == "balances":
        return f""" and exists (select 1 from "{feed}" y where y.customer_id = "{feed}".customer_id
            and y.event_at > "{feed}".event_at and y.event_at < {instant})"""
    return f""" and customer_id in (select customer_id from "{feed}" group by customer_id
            having max(event_at) < {instant} and arg_max(kind, event_at) = 'cancel')"""


def _old_files(workspace: Workspace, what: str, before: date) -> Iterator[Path]:
    if what == "landing":
        days = {record.batch_id: record.as_of for record in History.read(workspace.warehouse).records}
        for folder in sorted(workspace.landing.iterdir()) if workspace.landing.is_dir() else ():
            if folder.is_dir() and folder.name in days and days[folder.name] < before:
                yield folder
        return
    root = {"outbox": workspace.outbox, "reports": workspace.reports, "logs": log_folder(workspace)}[what]
    for path in sorted(root.iterdir()) if root.is_dir() else ():
        day = _day_in(path.name)
        if day is None or day >= before:
            continue
        if what == "outbox" and path.is_dir():
            yield from (file for file in sorted(path.iterdir()) if file.name not in _OUTBOX_STAYS)
        else:
            yield path


def _day_in(name: str) -> date | None:
    """The day that a name begins or ends with."""
    stem = name.split(".")[0]
    for text in (name[:10], stem[-10:]):
        try:
            return date.fromisoformat(text)
        except ValueError:
            continue
    return None


def retention_step(workspace: Workspace, as_of: date, *, wait_seconds: float = 0) -> Outcome:
    """Apply the retention periods at the end of a day, once; the journal of runs tells what was removed.

    What was kept of faults goes after its month too. The receipt, which Prefect keeps as well, names the newest row of
    the record of what was done by hand: whoever cuts that record's tail would have to change it there too.
    """

    def work() -> Receipt:
        done = apply_retention(workspace, as_of, whole_weeks=True, wait_seconds=wait_seconds)
        record = verify(workspace)
        receipt = {"removed": done.removed, "periods": {one.what: one.days for one in done.due}}
        return {**receipt, "left": done.left, "to_do": done.to_do, "record": f"{record.rows} {record.head}"}

    let_go(workspace.folder / "failures")
    return once(
        "retention", workspace, as_of, work, key=lambda: inputs_key(workspace, "retention"),
        stands=lambda receipt: not receipt.get("left"), wait_seconds=wait_seconds,
    )  # fmt: skip
