"""Small warehouses written by hand, and what a page says of them: its parts by name, all its texts, its shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from campaigns.decisions import decide_batch
from campaigns.ledger import record
from holdback.workspace import Workspace
from monitoring.portal.parts import Chart, Page, Stat, Stats, Table
from monitoring.words import Words
from tests.campaigns.decisions.world import AS_OF, Row, company, customer, put, score
from tests.monitoring.portal.reading import EN, ES, content_of, section, texts

__all__ = ["EN", "ES", "section", "texts"]  # what every page is read with

TIERS = {"high": 0.7, "medium": 0.3, "low": 0.1}
YESTERDAY = AS_OF - timedelta(days=1)


def workspace(root: Path, **changes: Any) -> Workspace:
    """An empty workspace of the company of the campaigns' tests, under a changed business file."""
    return Workspace(root / ".holdback", company(**changes), threads=1)


def people(count: int, *, city: str = "Lugo", prefix: str = "client-") -> list[Row]:
    """Customers ``client-0001`` and so on."""
    return [customer(f"{prefix}{number:04d}", city=city) for number in range(1, count + 1)]


def scores(workspace: Workspace, on: date, **tiers: Sequence[str]) -> None:
    """Score customers in tiers on a day."""
    rows = [score(name, TIERS[tier], on=on) for tier, names in tiers.items() for name in names]
    put(workspace, "scores", rows, batch=f"scores/{on}")


def names(first: int, last: int) -> list[str]:
    """Ids of customers from one number to another."""
    return [f"client-{number:04d}" for number in range(first, last + 1)]


def contact(name: str, action: str = "call", *, cost_cents: int = 500, **changes: Any) -> Row:
    """A decided contact; ``action='none'`` is none."""
    channel = {"call": "phone", "mail": "email", "gift": "post"}.get(action)
    return {
        "kind": "decided", "customer_id": name, "unit_id": name, "campaign": "spring", "version": 1, "salt": "salt",
        "group": "treatment", "propensity": 1.0, "action": action, "channel": channel, "cost_cents": cost_cents,
        **changes,
    }  # fmt: skip


def drawn(name: str, group: str, *, campaign: str | None = None) -> Row:
    """An assignment to a layer."""
    return {
        "kind": "assigned", "customer_id": name, "unit_id": name, "campaign": campaign, "version": 1, "salt": "salt",
        "group": group, "propensity": 0.5,
    }  # fmt: skip


def decide(workspace: Workspace, on: date, rows: Sequence[Row], *, batch: str | None = None) -> None:
    """Record the day's decision."""
    columns = {key for row in rows for key in row}
    full = [{key: row.get(key) for key in sorted(columns)} for row in rows]
    record(workspace, on, pa.Table.from_pylist(full), batch=batch or decide_batch(on))


def ran(workspace: Workspace, flow: str, on: date, *, receipt: Row | None = None, error: str | None = None) -> None:
    """Write a run of a flow into the journal."""
    journal, slug = workspace.journal, workspace.business.slug
    run_id = f"{flow}-{on}-{len(journal.runs(business=slug))}"
    at = datetime(2026, 3, 2, 6) + timedelta(minutes=len(journal.runs(business=slug)))
    journal.start_run(run_id, flow=flow, business=slug, as_of=on, inputs_key="", owner="me", now=at)
    journal.end_run(run_id, now=at, receipt=None if error else receipt or {}, error=error)


def batch(feed: str, on: date, **changes: Any) -> Row:
    """A file of twenty rows that were all let in."""
    return {
        "sequence": 1, "batch_id": f"{feed}/{on}", "feed": feed, "source": f"{on}.csv", "as_of": on, "covers_on": None,
        "rows_offered": 20, "rows_clean": 20, "rows_quarantined": 0, "rows_unchanged": 0, "rows_corrected": 0,
        "loaded_at": datetime(on.year, on.month, on.day), "is_load_time_assumed": False, **changes,
    }  # fmt: skip


def read(module: Any, workspace: Workspace, as_of: date = AS_OF) -> Any:
    """What a page reads of a day."""
    return content_of(module, workspace, as_of)


def said(module: Any, workspace: Workspace, as_of: date = AS_OF, words: Words = EN) -> Page:
    """The page of a day."""
    page: Page = module.page(read(module, workspace, as_of), words)
    return page


def stat(page: Page, label: str) -> Stat:
    [found] = [one for one in stats(page) if one.label == label]
    return found


def stats(page: Page) -> list[Stat]:
    return [one for part in parts(page) if isinstance(part, Stats) for one in part.stats]


def parts(page: Page) -> list[Any]:
    return [part for section in page.sections for part in section.parts]


def chart(page: Page, name: str) -> Chart:
    [found] = [part for part in parts(page) if isinstance(part, Chart) and part.name == name]
    return found


def table(page: Page, name: str) -> Table:
    [found] = [part for part in parts(page) if isinstance(part, Table) and part.name == name]
    return found


def rows(page: Page, name: str) -> list[list[str]]:
    """The texts of a table's cells."""
    return [[cell.text.replace("\u00a0", " ") for cell in row] for row in table(page, name).rows]


def shape(part: Any) -> Any:
    """What a page is made of, without its texts: the same in every language."""
    if isinstance(part, str):
        return "text" if part else ""
    if isinstance(part, tuple | list):
        return [shape(one) for one in part]
    if is_dataclass(part):
        kept = {"name", "kind", "unit", "state"}
        return {
            "is": type(part).__name__,
            **{f.name: getattr(part, f.name) if f.name in kept else shape(getattr(part, f.name)) for f in fields(part)},
        }
    return part


def without_definition(page: Page) -> list[str]:
    """Numbers that do not say how they are computed."""
    found = [one.label for one in stats(page) if not one.definition]
    found += [part.title for part in parts(page) if isinstance(part, Chart) and not part.definition]
    return found + [
        column.label
        for part in parts(page)
        if isinstance(part, Table)
        for column in part.columns
        if column.is_number and not column.definition
    ]
