"""Commands about retention periods: ``retention show`` and ``retention apply``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, print_json, show, table_of

retention = typer.Typer(
    help="For how long what is kept (section retention of the business file).", no_args_is_help=True
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(retention, name="retention")


@retention.command("show", epilog="\b\nExamples:\n  holdback retention show\n  holdback retention show --json")
def retention_show(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show each period, and how much is older today. What has none is kept for ever, and says so."""
    from flows.forgetting.retention import due_on

    workspace, day = opened(business, as_of)
    due = due_on(workspace, day)
    if as_json:
        print_json(due)
        return
    show(_table(due, day))
    endless = [one.what for one in due if one.days is None]
    if endless:
        show(f"Kept for ever: {', '.join(endless)}. Whoever answers for data protection will ask why.")
    show("The ledger is never cut; who is forgotten is named in it no more.")


@retention.command(
    "apply", epilog="\b\nExamples:\n  holdback retention apply --dry-run\n  holdback retention apply --as-of 2026-11-01"
)
def retention_apply(
    dry_run: DryRun = False, business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Remove what is older than its period, to the day and for good. The day's flow does it by whole weeks."""
    from flows.forgetting.retention import apply_retention
    from holdback.errors import OperatorError

    workspace, day = opened(business, as_of)
    done = apply_retention(workspace, day, dry_run=dry_run)
    if as_json:
        print_json(done)
    else:
        show(_table(done.due, day), "Nothing was changed." if dry_run or not done.removed else "Removed.")
    if done.left:
        raise OperatorError(f"{workspace.business.slug}: retention: {done.to_do}")


def _table(due: Any, day: Any) -> Any:
    table = table_of(f"Retention periods on {day}", "what", "#days", "what is older than", "#older")
    for one in due:
        days = "for ever" if one.days is None else f"{one.days:,}"
        table.add_row(one.what, days, str(one.before or ""), f"{one.count:,}" if one.days else "")
    return table
