"""How tests read a page: its parts of one kind, all of its text, and its shape without any words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date
from types import ModuleType
from typing import Any

from holdback.workspace import Workspace
from monitoring.moment import one_moment
from monitoring.portal.parts import Cell, Chart, Notice, Page, Section, Stat, Stats, Table
from monitoring.portal.source import Source
from monitoring.words import Words

EN, ES = Words("en"), Words("es")


def content_of(module: ModuleType, workspace: Workspace, as_of: date) -> Any:
    """Read a page's content at one moment: nothing can be written."""
    with one_moment(workspace.warehouse) as moment:
        churn = workspace.business.churn[0]
        return module.read(Source(moment, workspace.journal, workspace.business, churn, as_of, workspace))


def texts(part: Any) -> Iterator[str]:
    """Every text of a page or of a part of it."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, tuple | list):
        for one in part:
            yield from texts(one)
    elif is_dataclass(part):
        for field in fields(part):
            yield from texts(getattr(part, field.name))


def text(part: Any) -> str:
    """All texts of a page in one piece, with ordinary blanks."""
    return "\n".join(texts(part)).replace("\u00a0", " ")


def section(page: Page, name: str) -> Section:
    """The section of that address."""
    return next(one for one in page.sections if one.name == name)


def tables(page: Page | Section) -> dict[str, Table]:
    """The tables of a page by name."""
    return {part.name: part for part in _parts(page) if isinstance(part, Table)}


def charts(page: Page | Section) -> dict[str, Chart]:
    """The charts of a page by name."""
    return {part.name: part for part in _parts(page) if isinstance(part, Chart)}


def notices(page: Page | Section) -> list[Notice]:
    """The sentences of a page."""
    return [part for part in _parts(page) if isinstance(part, Notice)]


def stats(page: Page | Section) -> dict[str, Stat]:
    """The numbers of a page by label; the first of a label."""
    found: dict[str, Stat] = {}
    for part in _parts(page):
        if isinstance(part, Stats):
            for one in part.stats:
                found.setdefault(one.label, one)
    return found


def row(table: Table, head: str) -> tuple[Cell, ...]:
    """The row of a table that begins with a text."""
    return next(cells for cells in table.rows if cells[0].text == head)


def shape(part: Any) -> Any:
    """What a page is made of, without its words: the same in every language."""
    if isinstance(part, Cell):
        return ("cell", part.state, bool(part.small))
    if isinstance(part, Stat):
        return ("stat", part.state, bool(part.interval), bool(part.note))
    if isinstance(part, Chart):
        points = [[(p.value, p.low, p.high) for p in one.points] for one in part.series]
        return ("chart", part.name, part.kind, part.unit, points, len(part.marks))
    if isinstance(part, Notice):
        return ("notice", part.state, len(part.details))
    if isinstance(part, Table):
        return ("table", part.name, len(part.columns), [[shape(cell) for cell in cells] for cells in part.rows])
    if isinstance(part, Stats):
        return [shape(one) for one in part.stats]
    if isinstance(part, Section):
        return (part.name, [shape(one) for one in part.parts], bool(part.lead))
    return (part.name, [shape(one) for one in part.sections], bool(part.lead))


def _parts(page: Page | Section) -> Iterator[Any]:
    if isinstance(page, Section):
        yield from page.parts
    else:
        for one in page.sections:
            yield from one.parts


def assert_well_made(page: Page) -> None:
    """Every number has its definition, every name is unique, every row has a cell per column, no chart is empty."""
    names = [part.name for part in _parts(page) if isinstance(part, Table | Chart)]
    assert len(names) == len(set(names)), names
    addresses = [one.name for one in page.sections]
    assert len(addresses) == len(set(addresses)), addresses
    for part in _parts(page):
        if isinstance(part, Stats):
            assert all(one.definition and one.label and one.value for one in part.stats)
        if isinstance(part, Table):
            assert all(len(cells) == len(part.columns) for cells in part.rows), part.name
            assert all(column.definition for column in part.columns if column.is_number), part.name
            assert part.rows or part.empty, part.name
        if isinstance(part, Chart):
            assert part.series
            assert all(one.points for one in part.series), part.name
            assert part.definition
            assert part.sentence
    assert page.lead
