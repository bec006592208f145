"""Commands about what was done by hand: ``audit`` and ``audit verify``."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import typer

from flows.cli.options import AsJson, BusinessFile, parse_day, print_json, show, table_of, workspace_of

audited = typer.Typer(
    help="Who did what by hand, when, from where and why: promoted, forced, released, acknowledged, forgot.",
    invoke_without_command=True,
    epilog="\b\nExamples:\n  holdback audit\n  holdback audit --since 2026-11-01 --who ana\n  holdback audit verify",
)

Since = Annotated[
    date | None, typer.Option("--since", parser=parse_day, metavar="DAY", help="From this day on.", show_default="all")
]
Who = Annotated[str | None, typer.Option("--who", help="Only of this person.", show_default="everybody")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(audited, name="audit")


@audited.callback()
def audit(
    context: typer.Context,
    since: Since = None,
    who: Who = None,
    business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:
    """Who did what by hand, when, from where and why: promoted, forced, released, acknowledged, forgot."""
    if context.invoked_subcommand is not None:
        return
    from holdback.audit import acts

    workspace = workspace_of(business)
    start = workspace.business.instant(since) if since else None
    found = acts(workspace, since=start, who=who)
    if as_json:
        print_json(found)
        return
    ended = {act.act_id for act in found if act.outcome != "begun"}
    table = table_of("Done by hand", "when (UTC)", "who", "from", "what", "about", "why", "outcome")
    for act in found:
        if act.outcome == "begun" and act.act_id in ended:
            continue
        outcome = "begun, and never ended" if act.outcome == "begun" else act.outcome
        when = datetime.strftime(act.at, "%Y-%m-%d %H:%M")
        table.add_row(when, act.actor.who, act.actor.host, act.what, act.about, act.why, outcome)
    show(table if found else "Nothing was done by hand.")


@audited.command("verify", epilog="\b\nExamples:\n  holdback audit verify\n  holdback audit verify --json")
def audit_verify(business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Recompute the chain of the record. Exit code 6 when a row was changed, added or taken away."""
    import socket

    from holdback.audit import verify
    from holdback.errors import OperatorError

    workspace = workspace_of(business)
    found = verify(workspace, host=socket.gethostname())
    if as_json:
        print_json({"is_whole": found.is_whole, "rows": found.rows, "head": found.head, "fault": found.fault})
    else:
        show(str(found))
    if not found.is_whole:
        raise OperatorError(
            f"{workspace.business.slug}: the record of what was done by hand is broken: {found.fault} Bring the journal"
            " back from a backup, and find out who may write it."
        )
