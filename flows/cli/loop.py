"""Commands about days: ``report``, ``daily``, ``backfill``, ``demo``."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.options import (
    AsJson,
    AsOf,
    BusinessFile,
    ChurnNames,
    Past,
    parse_day,
    text_of,
)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog="\b\nExamples:\n  holdback report\n  holdback report --as-of 2026-11-01 --open")(report)
    app.command(epilog="\b\nExamples:\n  holdback daily\n  holdback daily --as-of 2026-11-01 --json")(daily)
    app.command(epilog=_BACKFILL_EXAMPLES)(backfill)
    app.command(epilog="\b\nExamples:\n  holdback demo\n  holdback demo groceries")(demo)


_BACKFILL_EXAMPLES = """\b
Examples:
  holdback backfill --from 2026-10-01 --to 2026-10-31
  holdback backfill --from 2025-12-01 --to 2026-11-01 --every month --only-ingest
"""


def report(
    business: BusinessFile = None,
    as_of: AsOf = None,
    churn: ChurnNames = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the site's first page in the browser.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the day's report, then build the site that people read and publish it where the business file says.

    The report is one HTML file that opens offline: drift, data quality, performance on matured labels.
    """
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcomes = run("report", quiet=as_json, business=text_of(business), as_of=as_of, churn=churn)
    print_outcomes(outcomes, as_json=as_json)
    for outcome in outcomes if open_it else ():
        if outcome.flow == "portal":
            typer.launch(str(outcome.receipt["first_page"]))


def daily(business: BusinessFile = None, as_of: AsOf = None, past: Past = False, as_json: AsJson = False) -> None:
    """Do all a day needs: ingest, train if there is no champion, score, decide, report. What the schedule runs."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcomes = run("daily", quiet=as_json, business=text_of(business), as_of=as_of, past=past)
    print_outcomes(outcomes, as_json=as_json)


def backfill(
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="The first day.")],
    until: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="The last day.", show_default="today")
    ] = None,
    every: Annotated[str, typer.Option(help="day, week or month, counted back from the last day.")] = "day",
    only_ingest: Annotated[bool, typer.Option("--only-ingest", help="Load the data; do not score.")] = False,
    business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:
    """Do the work of each day of a range, oldest first. Days that are done change nothing."""
    from flows.cli.answers import print_outcomes
    from flows.running import run
    from holdback.errors import BusinessFileError

    first, last = parse_day(since), None if until is None else parse_day(until)
    if every not in ("day", "week", "month"):
        raise BusinessFileError(f"--every: must be day, week or month (got {every!r}).")
    if last is not None and first > last:
        raise BusinessFileError(f"--from: {first} lies after --to {last}. Put the earlier day first.")
    outcomes = run(
        "backfill",
        quiet=as_json,
        business=text_of(business),
        since=first,
        until=last,
        every=every,
        only_ingest=only_ingest,
    )
    print_outcomes(outcomes, as_json=as_json)


def demo(
    company: Annotated[
        str, typer.Argument(help="telecom (simulated, with campaigns) or groceries (real data).")
    ] = "telecom",
    as_json: AsJson = False,
) -> None:
    """Run the whole loop on a company that everybody can run, and print what was found on one screen.

    telecom: a simulated telephone company: a year of history, then 90 days with two campaigns and a global holdout.
    groceries: a real grocery retailer's year, without campaigns.
    """
    from holdback.errors import BusinessFileError

    if company == "telecom":
        from flows.demo.telecom import run_telecom

        run_telecom(as_json=as_json)
    elif company == "groceries":
        from flows.demo.groceries import run_groceries

        run_groceries(as_json=as_json)
    else:
        raise BusinessFileError(f"demo: {company!r} is not a company of the demo. Choose telecom or groceries.")
