"""The data dictionary: every declared table and column as one page of markdown.

``docs/data-dictionary.md`` is this page; a check compares the two, so the page cannot be out of date.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdback.tables import CUSTOMERS, ROLES, TABLES, Column, Table

_INTRODUCTION = """# Data dictionary

Generated from `holdback/tables.py`; edit that file, not this one.

Every table of a business' warehouse. A feed becomes one table, named as in the business file and shaped by its role;
a role's columns that the business file does not map stay empty. Money is stored as whole cents, an instant as UTC, a
share or probability as a number between 0 and 1. `loaded_at` is the second clock: a row is visible at `as_of` if it
happened before that day and was loaded by its start.
"""


def data_dictionary() -> str:
    """Return the page."""
    parts = [
        _INTRODUCTION,
        "## Feeds, by role\n",
        *(_section(role) for role in ROLES.values()),
        "## Customers\n",
        "The attributes of the business file follow as extra columns.\n",
        _section(CUSTOMERS),
        "## Holdback's own tables\n",
        *(_section(table) for table in TABLES.values() if table is not CUSTOMERS),
    ]
    return "\n".join(parts)


def _section(table: Table) -> str:
    return f"### `{table.name}`\n\nOne row is {table.grain}.\n\n" + "\n".join(_lines(table.columns)) + "\n"


def _lines(columns: Iterable[Column]) -> Iterable[str]:
    yield "| column | mapped as | type | unit | required | meaning |"
    yield "|---|---|---|---|---|---|"
    for column in columns:
        cells = (
            f"`{column.name}`",
            f"`{column.key}`" if column.key != column.name else "",
            column.type,
            column.unit or "",
            "yes" if column.required else "",
            _meaning(column),
        )
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _meaning(column: Column) -> str:
    said = [column.meaning]
    if column.allowed is not None:
        said.append(f"One of: {', '.join(column.allowed)}")
    if column.minimum is not None or column.maximum is not None:
        low = f"{column.minimum:g}" if column.minimum is not None else "any"
        high = f"{column.maximum:g}" if column.maximum is not None else "any"
        said.append(f"From {low} to {high}")
    return ". ".join(said) + "."
