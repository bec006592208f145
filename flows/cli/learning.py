"""Commands about value and uplift: ``value train|show``, ``uplift learn|show``."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, print_json, show, table_of, text_of

value = typer.Typer(help="What customers are worth: the margin expected of each.", no_args_is_help=True)
uplift = typer.Typer(
    help="Whom each action changes: learned where chance decided, promoted on evidence.", no_args_is_help=True
)

Campaign = Annotated[
    str | None, typer.Option("--campaign", help="Learn from this campaign only.", show_default="all of them")
]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(value, name="value")
    app.add_typer(uplift, name="uplift")


@value.command("train", epilog="\b\nExamples:\n  holdback value train\n  holdback value train --as-of 2026-11-01")
def value_train(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Learn what customers are worth, and judge it on what they really brought."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcome = run("train_value", quiet=as_json, business=text_of(business), as_of=as_of)
    print_outcomes([outcome], as_json=as_json)


@value.command("show", epilog="\b\nExamples:\n  holdback value show\n  holdback value show --as-of 2026-11-01 --json")
def value_show(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print what the customers are worth by tenths, most valuable first, and what the figures rest on."""
    from training.value.tenths import by_decile

    workspace, day = opened(business, as_of)
    found = by_decile(workspace, day)
    if as_json:
        print_json(found)
        return
    if not found:
        show(
            f"Nobody has been valued by {day}: what customers bring is booked, as `holdback fit explain` says of each. "
            "`holdback value train` learns a model, and `holdback daily` asks it."
        )
        return
    currency = workspace.business.currency
    total = sum(tenth.margin_cents for tenth in found)
    title = f"Expected margin, as of {found[0].as_of}"
    table = table_of(title, "tenth", "#customers", f"#{currency} each", "#of the total")
    for tenth in found:
        each = tenth.margin_cents / 100 / max(tenth.customer_count, 1)
        share = tenth.margin_cents / total if total else 0.0
        table.add_row(str(tenth.decile), f"{tenth.customer_count:,}", f"{each:,.2f}", f"{share:.1%}")
    show(table)
    show(
        f"{total / 100:,.2f} {currency} over {workspace.business.value.horizon_days} days, by version "
        f"{found[0].model_version} ({found[0].method}); `holdback models show --value` says how far to trust it"
    )


@uplift.command("learn", epilog="\b\nExamples:\n  holdback uplift learn\n  holdback uplift learn --campaign save_calls")
def uplift_learn(
    business: BusinessFile = None, as_of: AsOf = None, campaign: Campaign = None, as_json: AsJson = False
) -> None:
    """Learn whom each action changes; a model decides only when it beats what decides now beyond chance."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcome = run("learn", quiet=as_json, business=text_of(business), as_of=as_of, campaign=campaign)
    print_outcomes([outcome], as_json=as_json)


@uplift.command("show", epilog="\b\nExamples:\n  holdback uplift show\n  holdback uplift show --as-of 2026-11-01")
def uplift_show(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Print who decides about each action, and what is expected of the day's customers by fifths."""
    from training.uplift.today import offices, uplifts_by_fifth

    workspace, day = opened(business, as_of)
    found, fifths = offices(workspace), uplifts_by_fifth(workspace, day)
    if as_json:
        print_json({"offices": found, "fifths": fifths})
        return
    table = table_of("Who decides", "action", "version", "by", "learned as of", "#customers", "#average effect")
    for one in found:
        average = "" if one.average is None else f"{one.average:+.2%}"
        count = "" if one.customer_count is None else f"{one.customer_count:,}"
        table.add_row(one.action, one.version or "", one.decided_by, str(one.learned_on or ""), count, average)
    show(table)
    if not fifths:
        show(f"No model was asked on {day}. `holdback uplift learn` says what evidence there is.")
        return
    table = table_of(f"Expected rise in the probability of staying, {day}", "action", "fifth", "#customers", "#mean")
    for part in fifths:
        table.add_row(part.action, str(part.fifth), f"{part.customer_count:,}", f"{part.mean_uplift:+.2%}")
    show(table, "an expectation by groups: no interval is given for a single customer, because none would hold")
