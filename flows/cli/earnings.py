"""``campaign portfolio`` and ``campaign pnl``: campaigns side by side, and what retention earned, for finance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, bold, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from monitoring.measurement.portfolio import SideBySide
    from monitoring.pnl import Line, ProfitAndLoss

_PORTFOLIO_EXAMPLES = """\b
Examples:
  holdback campaign portfolio
  holdback campaign portfolio --as-of 2026-11-01 --json
"""
_PNL_EXAMPLES = """\b
Examples:
  holdback campaign pnl
  holdback campaign pnl --to retention.csv       every line with its arithmetic, for finance
  holdback campaign pnl --as-of 2026-11-01 --json
"""


def add_to(campaigns: typer.Typer) -> None:
    """Add this module's commands to the commands about campaigns."""
    campaigns.command("portfolio", epilog=_PORTFOLIO_EXAMPLES)(campaign_portfolio)
    campaigns.command("pnl", epilog=_PNL_EXAMPLES)(campaign_pnl)


def campaign_portfolio(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show the campaigns that were read side by side, and what to expect of each next year; never a sum."""
    from flows import settings
    from monitoring.measurement.portfolio import side_by_side

    workspace = workspace_of(business)
    found = side_by_side(workspace.warehouse, settings.chosen_day(workspace, as_of))
    print_json(found) if as_json else show(*tell_portfolio(found))


def campaign_pnl(
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="CSV file to write; only its owner can read it.")
    ] = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Show what retention cost and what it brought against the holdout; it agrees with the books to the cent."""
    from flows import settings
    from monitoring.pnl import pnl, write_pnl

    workspace = workspace_of(business)
    account = pnl(workspace, settings.chosen_day(workspace, as_of))
    path = None if to is None else write_pnl(account, to)
    if as_json:
        print_json({"account": account, "path": path})
        return
    show(*tell_pnl(account))
    if path is not None:
        show(f"written to {path}: every line with its arithmetic")


def tell_portfolio(found: SideBySide) -> Iterator[Any]:
    """Write the campaigns side by side for people."""
    if found.expected is None:
        yield "No campaign has had its planned reading yet; `holdback campaign measure` shows what can be said today."
    else:
        headings = ("campaign", "read on", "#measured", "#expected next year", "#interval")
        table = table_of("", *headings)
        for one in found.expected.campaigns:
            interval = f"{100 * one.low:+.2f} to {100 * one.high:+.2f}"
            table.add_row(
                one.name, str(found.read_on[one.name]), _points(one.measured), _points(one.estimate), interval
            )
        yield table
        learned = "learned from these campaigns" if found.expected.source == "campaigns" else (
            "sceptical: four campaigns must be read before they can say what campaigns here usually do"
        )  # fmt: skip
        yield f"Change of {found.metric}. What to expect is drawn towards the usual campaign ({learned})."
    if found.programme is not None:
        row = found.programme
        yield (
            f"The programme against the global holdout, within the first horizon after each customer was drawn: "
            f"{_points(row['estimate'])} ({100 * row['low']:+.2f} to {100 * row['high']:+.2f}). The campaigns' effects "
            "overlap: they do not add up to it."
        )


def tell_pnl(account: ProfitAndLoss) -> Iterator[Any]:
    """Write the account for people: one line per campaign and the programme; the CSV has every class and month."""
    yield bold(f"retention until {account.as_of}, in {account.currency}, intervals at {account.level:.0%}")
    headings = ("", "entered", "#treated", "#held out", "#contacts cost", "#incentives", "#for nothing")
    table = table_of("", *headings, "#margin won", "#net")
    for line in account.lines:
        if line.is_total:
            table.add_row(*_pnl_cells(line))
    yield table
    yield from (f"{_campaign(line)}: {line.reason}" for line in account.lines if line.is_total and line.reason)
    yield from (f"note: {note}" for note in account.notes)
    yield f"{len(account.proofs)} totals agree with the books to the cent"


def _pnl_cells(line: Line) -> list[str]:
    earned = line.earned
    wasted = earned.stayer_incentives if earned else None
    amounts = [earned.incremental_margin, earned.net] if earned else []
    shown = [
        f"{amount.cents / 100:,.0f} ({amount.low_cents / 100:,.0f} to {amount.high_cents / 100:,.0f})"
        for amount in amounts
    ]
    return [
        _campaign(line), line.entry_month or "", f"{line.treatment_count:,}", f"{line.holdout_count:,}",
        f"{line.spent.contact_cents / 100:,.2f}", f"{line.spent.incentive_cents / 100:,.2f}",
        "" if wasted is None else f"{wasted.cents / 100:,.2f}", *(shown or ["", ""]),
    ]  # fmt: skip


def _campaign(line: Line) -> str:
    return f"{line.campaign or 'programme'}/{line.version}"


def _points(value: float) -> str:
    return f"{100 * value:+.2f} pt"
