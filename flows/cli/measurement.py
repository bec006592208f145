"""``campaign measure``: what a campaign changed, beside what was planned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, bold, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from datetime import date

    from holdback.business import Business
    from holdback.workspace import Workspace

Row = Mapping[str, Any]

_EXAMPLES = """\b
Examples:
  holdback campaign measure                  every campaign, and the programme
  holdback campaign measure spring
  holdback campaign measure spring --as-of 2026-11-01 --json
"""


def add_to(campaigns: typer.Typer) -> None:
    """Add this module's command to the commands about campaigns."""
    campaigns.command("measure", epilog=_EXAMPLES)(campaign_measure)


def campaign_measure(
    name: Annotated[str | None, typer.Argument(help="One campaign.", show_default="all, and the programme")] = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Measure what campaigns changed against their holdouts, once a day; print planned beside found."""
    from flows import settings, steps
    from flows.watching import watched
    from monitoring.measurement import stored_checks, stored_effects

    workspace = workspace_of(business)
    if name is not None:
        workspace.business.campaign_named(name)
    day = settings.chosen_day(workspace, as_of)
    with watched("measure", quiet=as_json):
        steps.measure_step(workspace, day)
    found = stored_effects(workspace.warehouse, day, campaign=name)
    checks = stored_checks(workspace.warehouse, day, campaign=name)
    if as_json:
        print_json({"as_of": day, "effects": found, "checks": checks})
        return
    show(*tell_measured(found, checks, workspace.business))


def tell_newest(workspace: Workspace, day: date, name: str) -> Iterator[Any]:
    """Write what was measured of a campaign last, up to a day; nothing when it never was."""
    from monitoring.measurement import measured_on, stored_checks, stored_effects

    newest = measured_on(workspace.warehouse, day)
    if newest is not None:
        found = stored_effects(workspace.warehouse, newest, campaign=name)
        checks = stored_checks(workspace.warehouse, newest, campaign=name)
        if found or checks:
            yield f"as measured on {newest}:"
            yield from tell_measured(found, checks, workspace.business)


def tell_measured(effects: Sequence[Row], checks: Sequence[Row], business: Business) -> Iterator[Any]:
    """Write what was measured on a day for people: one table per campaign, then what its checks say."""
    layers = dict.fromkeys((row["campaign"], row["version"]) for row in (*effects, *checks))
    if not layers:
        yield (
            "Nothing was measured that day: when it was measured, no campaign was launched yet and nobody held out. "
            "A day is measured once; what was launched since is measured tomorrow."
        )
    for campaign, version in layers:
        own = [row for row in effects if (row["campaign"], row["version"]) == (campaign, version)]
        yield bold(f"{campaign or 'the programme against the global holdout'}/{version}")
        if own:
            yield f"{own[0]['assigned_count']:,} customers entered, {own[0]['matured_count']:,} of them can be read"
        table = table_of("", "what", "#planned", "#found", "#interval", "#treated", "#held out", "reading")
        for row in own:
            if row["estimate"] is not None:
                table.add_row(*_cells(row, business))
        if table.row_count:
            yield table
        yield from dict.fromkeys(_missing(row) for row in own if row["estimate"] is None)
        yield from dict.fromkeys(f"note: {note}" for row in own for note in _notes(row))
        yield from _told([row for row in checks if (row["campaign"], row["version"]) == (campaign, version)])
        yield ""


def _cells(row: Row, business: Business) -> list[str]:
    what = row["metric"] + ("" if row["segment"] == "all" else f", {row['segment']}")
    planned = "" if row["planned"] is None else _shown(row, row["planned"], business)
    interval = f"{_shown(row, row['low'], business)} to {_shown(row, row['high'], business)}"
    return [
        what, planned, f"{_shown(row, row['estimate'], business)}{_unit(row, business)}",
        "" if row["low"] == row["high"] else interval, f"{row['treatment_count']:,}", f"{row['holdout_count']:,}",
        f"{row['reading']}, {row['method']}",
    ]  # fmt: skip


def _missing(row: Row) -> str:
    """Say why a figure is not there."""
    what = f"{row['reading']} {row['metric']}" + ("" if row["segment"] == "all" else f", {row['segment']}")
    if row["knowable_on"] is not None:
        return f"{what}: not knowable before {row['knowable_on']}"
    return f"{what}: {row['withheld'] or 'no day can be named on which it can be read'}"


def _notes(row: Row) -> list[str]:
    notes: list[str] = json.loads(row["notes"]) if row["notes"] and row["segment"] == "all" else []
    return notes


def _told(checks: Sequence[Row]) -> Iterator[Any]:
    """Say what failed or is odd in full, and of the rest only that it was looked at."""
    for row in checks:
        if row["verdict"] in ("failed", "warning"):
            text = f"{row['verdict']}: {row['check']}: {row['finding']}"
            yield bold(text) if row["verdict"] == "failed" else text
    for verdict in ("passed", "not checked"):
        names = dict.fromkeys(row["check"] for row in checks if row["verdict"] == verdict)
        if names:
            yield f"{verdict}: {', '.join(names)}"


def _shown(row: Row, value: float, business: Business) -> str:
    """Write a figure in its own unit: shares in points, money in the currency, both per customer."""
    from monitoring.measurement import unit_of

    unit = unit_of(row["metric"], business)
    return f"{value if unit == 'number' else 100 * value if unit == 'share' else value / 100:+,.2f}"


def _unit(row: Row, business: Business) -> str:
    from monitoring.measurement import unit_of

    return {"share": " pt", "money": f" {business.currency}", "number": ""}[unit_of(row["metric"], business)]
