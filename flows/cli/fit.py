"""Commands about fit: ``fit show``, ``explain``, ``audit``, ``backtest``, ``sensitivity``, ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, bold, parse_day, print_json, show, table_of, workspace_of

fit = typer.Typer(
    help="Is keeping a customer worth what it costs? Classes with their arithmetic.", no_args_is_help=True
)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(fit, name="fit")


@fit.command("show", epilog="\b\nExamples:\n  holdback fit show\n  holdback fit show --as-of 2026-11-01 --json")
def fit_show(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Class everybody on a day, once, and print the classes and what they add up to."""
    from campaigns.fit import classify, told
    from campaigns.lifts import lifts
    from flows import settings
    from flows.watching import tell, watched

    workspace = workspace_of(business)
    day, company = settings.chosen_day(workspace, as_of), workspace.business
    with watched("fit", quiet=as_json):
        known = lifts(workspace.warehouse, company, day)
        found = classify(workspace.warehouse, company, day, lifts=known, progress=tell)
    if as_json:
        print_json(found)
        return
    table = table_of(f"Fit on {day}", "class", "#customers", "#share")
    for name in ("invest", "maintain", "do_not_spend"):
        count = getattr(found, f"{name}_count")
        table.add_row(name, f"{count:,}", f"{count / max(found.customer_count, 1):.1%}")
    show(table)
    parts = {"margin": found.margin_cents, "cost to serve": found.cost_to_serve_cents,
             "retention": found.retention_cents, "net": found.net_cents}  # fmt: skip
    show(", ".join(f"{name} {cents / 100:,.2f}" for name, cents in parts.items()) + f" {company.currency}")
    show(told(found.value_bases))
    if found.guarded_counts:
        show("protected: " + ", ".join(f"{name} {count:,}" for name, count in found.guarded_counts.items()))
    if found.assumed_actions:
        show(f"assumed lifts, where no model decides: {', '.join(found.assumed_actions)}")
    show(*(bold(f"worth a look: {warning}") for warning in found.warnings), *(f"note: {n}" for n in found.notes))


@fit.command("explain", epilog="\b\nExamples:\n  holdback fit explain c-0042\n  holdback fit explain c-0042 --json")
def fit_explain(
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Print the arithmetic behind one customer's class, and what would change it."""
    from campaigns.fit import explain_fit
    from flows import settings

    workspace = workspace_of(business)
    found = explain_fit(workspace.warehouse, workspace.business, settings.chosen_day(workspace, as_of), customer)
    print_json(found) if as_json else show(str(found))


@fit.command("audit", epilog="\b\nExamples:\n  holdback fit audit\n  holdback fit audit --as-of 2026-11-01 --json")
def fit_audit(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Compare the classes over protected attributes, which never enter them; leave with 3 when they fall on one."""
    from campaigns.fit import audit_fit, stored_fit, told
    from flows import settings
    from holdback.errors import DataError

    workspace = workspace_of(business)
    day = settings.chosen_day(workspace, as_of)
    rows = stored_fit(workspace.warehouse, day)
    if not rows.num_rows:
        raise DataError(f"{workspace.business.slug}: nobody was classed on {day}. Run `holdback fit show` first.")
    found = audit_fit(workspace.warehouse, workspace.business, day, rows)
    if as_json:
        print_json(found)
    else:
        show(told(found.value_bases), *(str(group) for group in found.groups))
        if not found.groups:
            show("no attribute is protected: nothing to compare")
        show(bold("stop: the classes fall on a protected group") if found.must_stop else "nothing stops the classes")
    if found.must_stop:
        raise typer.Exit(3)


@fit.command("backtest", epilog="\b\nExamples:\n  holdback fit backtest --classified-on 2026-05-01 --days 90")
def fit_backtest(
    classified_on: Annotated[str, typer.Option("--classified-on", metavar="DAY", help="A day that was classed.")],
    days: Annotated[
        int | None, typer.Option(min=1, help="Days that followed.", show_default="the value's horizon")
    ] = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Put the classes of an earlier day beside what those customers really brought and cost afterwards."""
    from campaigns.fit import backtest, told
    from flows import settings

    workspace = workspace_of(business)
    found = backtest(
        workspace.warehouse,
        workspace.business,
        parse_day(classified_on),
        known_on=settings.chosen_day(workspace, as_of),
        days=days,
    )
    if as_json:
        print_json(found)
        return
    table = table_of(f"Classed on {found.classified_on}, seen until {found.ends_on}", "class", "#customers", "#margin",
                     "#cost", "#net", "#cost more than they brought")  # fmt: skip
    for one in found.outcomes:
        money = (f"{cents / 100:,.2f}" for cents in (one.margin_cents, one.cost_cents, one.net_cents))
        share = f"{one.negative_share:.0%} ({one.negative_share_low:.0%} to {one.negative_share_high:.0%})"
        table.add_row(one.fit_class, f"{one.customer_count:,}", *money, share)
    show(table, told(found.value_bases))


@fit.command("sensitivity", epilog="\b\nExamples:\n  holdback fit sensitivity --as-of 2026-11-01")
def fit_sensitivity(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Tell how many classes would change if costs, margin or discount were 20 % higher or lower."""
    from campaigns.fit import sensitivity, told
    from campaigns.lifts import lifts
    from flows import settings

    workspace = workspace_of(business)
    day, company = settings.chosen_day(workspace, as_of), workspace.business
    known = lifts(workspace.warehouse, company, day)
    found = sensitivity(workspace.warehouse, company, day, lifts=known)
    if as_json:
        print_json(found)
    elif found:
        show(told(found[0].value_bases), *(str(one) for one in found))


@fit.command(
    "export", epilog="\b\nExamples:\n  holdback fit export --from 2026-10-01 --to lines.csv --revenue 1250000.00"
)
def fit_export(
    since: Annotated[str, typer.Option("--from", metavar="DAY", help="First day of the booked period.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="CSV file to write; only its owner can read it.")],
    revenue: Annotated[float | None, typer.Option(help="Revenue that finance booked, to compare with.")] = None,
    cost: Annotated[float | None, typer.Option(help="What service and retention cost, to compare with.")] = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Write every line behind the classes for finance; the lines add up to the totals."""
    from campaigns.delivery.contact_list import csv_bytes
    from campaigns.delivery.outbox import write_file
    from campaigns.fit import finance_export
    from flows import settings

    workspace = workspace_of(business)
    day = settings.chosen_day(workspace, as_of)
    found = finance_export(
        workspace.warehouse,
        workspace.business,
        day,
        starts_on=parse_day(since),
        revenue_cents=None if revenue is None else round(revenue * 100),
        cost_centre_cents=None if cost is None else round(cost * 100),
    )
    write_file(to, csv_bytes(found.table))
    if as_json:
        print_json({"path": to, "rows": found.table.num_rows, "reconciliations": found.reconciliations})
        return
    show(f"{found.table.num_rows:,} lines: {to}")
    for one in found.reconciliations:
        booked = "" if one.ledger_cents is None else f"; finance says {one.ledger_cents / 100:,.2f}"
        agrees = {None: "", True: " (agrees)", False: " (DIFFERS by more than 1 %)"}[one.agrees]
        show(f"{one.total}: {one.lines_cents / 100:,.2f}{booked}{agrees}")
