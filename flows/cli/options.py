"""Options that many commands share, and how answers are printed."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from holdback.workspace import Workspace


def parse_day(text: str) -> date:
    """Read a day that a person typed; tell how to write one when it is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a day. Write it as 2026-11-21.") from error


BusinessFile = Annotated[
    Path | None,
    typer.Option(
        "--business", "-b", envvar="HOLDBACK_BUSINESS", help="The business file.", show_default="business.yaml"
    ),
]
AsOf = Annotated[
    date | None,
    typer.Option("--as-of", parser=parse_day, metavar="DAY", help="The day of knowledge.", show_default="today"),
]
ChurnName = Annotated[
    str | None, typer.Option("--churn", help="Which churn definition.", show_default="the first in the file")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Past = Annotated[
    bool, typer.Option("--past", help="Decide a day that has passed all the same: for trials on old data.")
]
ChurnNames = Annotated[
    str | None, typer.Option("--churn", help="Which churn definition.", show_default="all in the file")
]


def workspace_of(business: Path | None) -> Workspace:
    """Open the workspace that the command is about."""
    from flows import settings

    settings.prepare_vendors()
    return settings.open_workspace(business)


def opened(business: Path | None, as_of: date | None) -> tuple[Workspace, date]:
    """Open the workspace that the command is about, and choose its day."""
    from flows import settings

    workspace = workspace_of(business)
    return workspace, settings.chosen_day(workspace, as_of)


def text_of(path: Path | None) -> str | None:
    """Return a path as flows take it: their parameters are JSON."""
    return None if path is None else str(path)


def print_json(value: Any) -> None:
    """Print a value as JSON; days and instants as ISO 8601."""
    typer.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if hasattr(value, "__dataclass_fields__"):
        import dataclasses

        return dataclasses.asdict(value)
    return str(value)


def table_of(title: str, *columns: str) -> Table:
    """Return an empty table with these headings; columns that start with ``#`` are numbers, set flush right."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column.removeprefix("#"), justify="right" if column.startswith("#") else "left")
    return table


def bold(text: str) -> Text:
    """Return a text in bold."""
    from rich.text import Text

    return Text(text, style="bold")


def show(*parts: Any) -> None:
    """Print tables and text for people. Text is printed as it is: data may hold brackets."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=110)
    for part in parts:
        console.print(part)


def interval(figure: Any, *, digits: int = 3, signed: bool = False) -> str:
    """Write an estimate with its interval.

    Args:
        figure: Mapping with ``estimate``, ``low`` and ``high``.
        digits: After the point.
        signed: True where the sign matters.

    Examples:
        >>> interval({"estimate": 0.8485, "low": 0.839, "high": 0.858})
        '0.849 (0.839 to 0.858)'
    """
    form = f"{{:{'+' if signed else ''}.{digits}f}}"
    estimate, low, high = (form.format(figure[part]) for part in ("estimate", "low", "high"))
    return f"{estimate} ({low} to {high})"
