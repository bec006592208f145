"""Commands about data: ``ingest``, ``quarantine``, ``features``."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, ChurnName, print_json, show, table_of, text_of, workspace_of

quarantined = typer.Typer(help="Rows that were offered and not let in, with their reasons.", no_args_is_help=True)
features_ = typer.Typer(help="What is known about a customer, and how it is computed.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog=_INGEST_EXAMPLES)(ingest)
    app.add_typer(quarantined, name="quarantine")
    app.add_typer(features_, name="features")


_INGEST_EXAMPLES = """\b
Examples:
  holdback ingest                                  what has arrived until today
  holdback ingest --as-of 2026-11-01               as if today were that day
  holdback ingest --history                        first load of a long past: each row counts as known the morning after
"""


def ingest(
    business: BusinessFile = None,
    as_of: AsOf = None,
    history: Annotated[bool, typer.Option("--history", help="First load of a long past.")] = False,
    as_json: AsJson = False,
) -> None:
    """Land new files, validate them, quarantine bad rows with reasons, load the rest. Loading twice changes nothing."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcome = run("ingest_daily", quiet=as_json, business=text_of(business), as_of=as_of, history=history)
    print_outcomes([outcome], as_json=as_json)


@quarantined.command("list", epilog="\b\nExamples:\n  holdback quarantine list\n  holdback quarantine list --json")
def quarantine_list(business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Count the rows in quarantine by batch and rule."""
    from holdback.quarantine import list_quarantine

    batches = list_quarantine(workspace_of(business))
    if as_json:
        print_json(batches)
        return
    table = table_of("In quarantine", "batch", "feed", "source", "as of", "#rows", "#waiting", "why")
    for batch in batches:
        why = ", ".join(f"{rule} {count:,}" for rule, count in batch.reasons.items())
        counts = (f"{batch.quarantined:,}", f"{batch.open:,}")
        table.add_row(batch.batch_id, batch.feed, batch.source, str(batch.as_of), *counts, why)
    show(table if batches else "Nothing is in quarantine.")


@quarantined.command("show", epilog="\b\nExamples:\n  holdback quarantine show 3f1c9a7be2d04c11 --limit 5")
def quarantine_show(
    batch_id: Annotated[str, typer.Argument(help="The batch, as `quarantine list` names it.")],
    business: BusinessFile = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that broke this rule.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show quarantined rows as they came, with the rules they broke. They may hold personal data."""
    from holdback.quarantine import show_rows

    rows = show_rows(workspace_of(business), batch_id=batch_id, reason=rule, limit=limit)
    if as_json:
        print_json(rows)
        return
    table = table_of(f"Batch {batch_id}", "#row", "rules", "as it came")
    for row in rows:
        table.add_row(str(row.row_number), ", ".join(row.failed_rules), str(row.raw))
    show(table if rows else "No row matches.")


@quarantined.command("release", epilog="\b\nExamples:\n  holdback quarantine release 3f1c9a7be2d04c11")
def quarantine_release(
    batch_id: Annotated[str, typer.Argument(help="The batch, as `quarantine list` names it.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that broke this rule.")] = None,
    as_json: AsJson = False,
) -> None:
    """Try quarantined rows again under today's business file; those that pass now are loaded."""
    from flows import settings
    from holdback.quarantine import release

    workspace = workspace_of(business)
    released = release(workspace, batch_id, as_of=settings.chosen_day(workspace, as_of), reason=rule)
    if as_json:
        print_json(released)
    else:
        typer.echo(f"{released.released:,} of {released.chosen:,} rows were loaded; the others stay in quarantine.")


@features_.command("list", epilog="\b\nExamples:\n  holdback features list\n  holdback features list --json")
def features_list(business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Print the dictionary of features: name, family, meaning, unit."""
    from features.build import feature_set

    workspace = workspace_of(business)
    features = feature_set(workspace.business).features
    if as_json:
        print_json(features)
        return
    spanish = workspace.business.language == "es"
    table = table_of(f"{len(features)} features", "name", "family", "meaning", "unit")
    for feature in features:
        table.add_row(
            feature.name, feature.family, feature.meaning.es if spanish else feature.meaning.en, feature.unit or ""
        )
    show(table)


@features_.command("sql", epilog="\b\nExamples:\n  holdback features sql order_count_90d --as-of 2026-11-01")
def features_sql(
    name: Annotated[str, typer.Argument(help="The feature.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Print the SQL that computes one feature."""
    from features.build import feature_sql
    from flows import settings

    workspace = workspace_of(business)
    day = settings.chosen_day(workspace, as_of)
    sql = feature_sql(workspace.business, name, day)
    print_json({"name": name, "as_of": day, "sql": sql}) if as_json else typer.echo(sql)


@features_.command("explain", epilog="\b\nExamples:\n  holdback features explain 1042 --as-of 2026-11-01")
def features_explain(
    customer_id: Annotated[str, typer.Argument(help="The customer.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    churn: ChurnName = None,
    as_json: AsJson = False,
) -> None:
    """Print one customer's values, with the events behind them. Personal data: for those who may see it."""
    from features.build import explain_customer
    from flows import settings

    workspace = workspace_of(business)
    day = settings.chosen_day(workspace, as_of)
    definition = workspace.business.churn_named(churn)
    explained = explain_customer(workspace.warehouse, workspace.business, definition, day, customer_id)
    if as_json:
        print_json(explained)
        return
    values = table_of(f"Customer {customer_id} as of {day}", "feature", "#value")
    for name, value in explained.values.items():
        values.add_row(name, "" if value is None else f"{value:,.4g}" if isinstance(value, float) else str(value))
    show(values)
    for feed, rows in explained.events.items():
        events = table_of(f"{feed}: the newest {len(rows)} events", *(rows[0] if rows else ()))
        for row in rows:
            events.add_row(*("" if value is None else str(value) for value in row.values()))
        show(events)
