"""Commands about decisions: ``decide``, ``decisions``, ``ledger``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, Past, bold, print_json, show, table_of, text_of, workspace_of

decided = typer.Typer(help="Who is contacted today, why, and what was refused.", no_args_is_help=True)
ledger = typer.Typer(help="The record of what was decided and done, which nobody can change.", no_args_is_help=True)

#: Words for what the ledger writes as a code, for people.
_WHY = {
    "in_campaign": "takes part in another campaign",
    "held_out": "held out",
    "suppressed": "must not be contacted",
    "not_eligible": "not eligible",
    "fit": "keeping costs more than it brings",
    "do_not_disturb": "measured: being contacted makes customers like this one leave",
    "channel": "cannot be reached by this channel",
    "cooling_off": "had it recently",
    "other_member": "somebody else of the household comes first",
    "no_gain": "costs more than it saves",
    "no_gain: drives_away": "the model expects the action to drive him away",
    "price": "others gain more from the budget or the capacity",
    "weaker": "another action gains more",
    "explored": "chance chose otherwise",
    "was_in_campaign": "has been through this campaign; a new version would begin again",
}


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog="\b\nExamples:\n  holdback decide\n  holdback decide --as-of 2026-11-01 --json")(decide)
    app.add_typer(decided, name="decisions")
    app.add_typer(ledger, name="ledger")


def why(code: str) -> str:
    """Say in words what a code of the ledger means.

    Examples:
        >>> why("suppressed: opted_out")
        'must not be contacted: opted_out'
    """
    if code in _WHY:
        return _WHY[code]
    name, colon, rest = code.partition(":")
    return f"{_WHY.get(name, name)}{colon}{rest}"


def decide(business: BusinessFile = None, as_of: AsOf = None, past: Past = False, as_json: AsJson = False) -> None:
    """Enter what was really sent, decide whom to contact today, once, and write the contact lists."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcomes = run("decide_daily", quiet=as_json, business=text_of(business), as_of=as_of, past=past)
    print_outcomes(outcomes, as_json=as_json)


@decided.command(
    "list", epilog="\b\nExamples:\n  holdback decisions list\n  holdback decisions list --as-of 2026-11-01 --limit 50"
)
def decisions_list(
    business: BusinessFile = None,
    as_of: AsOf = None,
    limit: Annotated[int, typer.Option(min=1, help="Contacts at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the day's contacts, masked. The whole list, for those who call and write, lies in the outbox."""
    from campaigns.delivery import check_contacts, masked
    from flows import settings

    workspace = workspace_of(business)
    day = settings.chosen_day(workspace, as_of)
    listed = check_contacts(workspace, day)
    found = masked(listed.contacts).slice(0, limit).to_pylist()
    if as_json:
        print_json(found)
    else:
        show(contact_table(found) if found else f"Nobody is contacted on {day}.")
        if listed.withheld is not None and listed.withheld.num_rows:
            show(f"{listed.withheld.num_rows:,} withheld, their message lacks something: holdback decisions preview")
        show(f"The whole list, readable by its owner only: {workspace.outbox / str(day)}")


def contact_table(rows: list[dict[str, Any]]) -> Any:
    """Contacts as a table for people; give it masked ones."""
    table = table_of("Contacts", "customer", "campaign", "action", "channel", "why (an association, not a cause)")
    for row in rows:
        table.add_row(row["customer"], row["campaign"], row["action"], row["channel"], row.get("reason") or "")
    return table


@decided.command(
    "preview",
    epilog="\b\nExamples:\n  holdback decisions preview\n  holdback decisions preview --action offer --limit 1\n"
    "  holdback decisions preview --sample --language en",
)
def decisions_preview(
    business: BusinessFile = None,
    as_of: AsOf = None,
    campaign: Annotated[str | None, typer.Option(help="Only of this campaign.", show_default="all")] = None,
    action: Annotated[str | None, typer.Option(help="Only of this action.", show_default="all")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Messages per action.")] = 3,
    language: Annotated[
        str | None, typer.Option(help="Write them in this language.", show_default="each customer's own")
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="With made-up customers: nothing needs to be decided yet.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the day's messages as they leave, and which are withheld because something is missing.

    What is shown is personal: names and what is said to whom.
    """
    from campaigns.delivery import preview, preview_samples
    from flows import settings

    workspace = workspace_of(business)
    if sample:
        found = preview_samples(workspace.business, campaign=campaign, action=action, language=language, limit=limit)
        told = "sample values"
    else:
        day = settings.chosen_day(workspace, as_of)
        found = preview(workspace, day, campaign=campaign, action=action, language=language, limit=limit)
        told = str(day)
    print_json(found) if as_json else show(*_previewed(found, told))


def _previewed(found: Any, told: str) -> list[Any]:
    parts: list[Any] = []
    for one in found.messages:
        parts.append(bold(f"{one.customer}  {one.campaign}, {one.action} by {one.channel}"))
        parts += [f"Subject: {one.subject}"] if one.subject else []
        parts += [one.message, ""]
    if found.message_count:
        parts.append(f"{len(found.messages):,} of {found.message_count:,} messages ({told}).")
    elif not found.withheld:
        hint = "" if found.is_sample else " Add --sample to see the messages with made-up customers."
        parts.append(f"No message to show ({told}).{hint}")
    if found.withheld:
        table = table_of("Withheld: decided, and not contacted", "action", "lacks", "", "#customers", "such as")
        for row in found.withheld:
            table.add_row(row.action, row.missing_field, row.because, f"{row.count:,}", ", ".join(row.customers))
        parts.append(table)
    return parts


@decided.command(
    "explain", epilog="\b\nExamples:\n  holdback decisions explain c-0042\n  holdback decisions explain c-0042 --json"
)
def decisions_explain(
    customer: Annotated[str, typer.Argument(help="The customer's id.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Say what was decided for one customer, with the arithmetic and all that was refused."""
    from campaigns.decisions import explain_decision
    from flows import settings

    workspace = workspace_of(business)
    day = settings.chosen_day(workspace, as_of)
    found = explain_decision(workspace.warehouse, workspace.business, day, customer)
    print_json(found) if as_json else show(*_told(found, workspace.business.currency))


def _told(found: Any, currency: str) -> list[str]:
    if found.group_everywhere == "holdout":
        return [
            f"{found.customer_id}: in the global holdout since {found.assigned_on}: nothing contacts this customer."
        ]
    if found.action is None:
        return [f"{found.customer_id}: in no campaign's audience on {found.as_of}."]
    lines = [f"{found.customer_id} on {found.as_of}: {found.action} ({found.campaign}, {found.group})"]
    if found.intended_action not in (found.action, "none"):
        lines.append(f"the policy would have chosen {found.intended_action}")
    if found.is_exploration:
        lines.append(f"drawn at random, with probability {found.propensity:.4f}")
    lines.append(f"churn probability {found.probability:.1%}; {found.kept_amount:,.2f} {currency} at stake")
    if found.uplift is not None:
        lines.append(
            f"uplift {100 * found.uplift:+.2f} points of staying (uplift model version {found.uplift_version}); "
            f"expected gain {found.gain_amount:,.2f} {currency}"
        )
    elif found.lift is not None:
        lines.append(
            f"save rate {found.lift:.1%} ({found.lift_status}); expected gain {found.gain_amount:,.2f} {currency}"
        )
    lines += [f"  {action}: {why(code)}" for action, code in found.refused.items()]
    return lines


@ledger.command("verify", epilog="\b\nExamples:\n  holdback ledger verify\n  holdback ledger verify --json")
def ledger_verify(business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Recompute the chain of hashes, and say whether a row was changed, added or taken away."""
    from campaigns.ledger import verify

    found = verify(workspace_of(business))
    print_json(found) if as_json else show(str(found))
    if not found.is_whole:
        raise typer.Exit(6)


@ledger.command(
    "show", epilog="\b\nExamples:\n  holdback ledger show\n  holdback ledger show --as-of 2026-11-01 --json"
)
def ledger_show(
    business: BusinessFile = None,
    as_of: AsOf = None,
    limit: Annotated[int, typer.Option(min=1, max=31, help="Days at most.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Count what the ledger recorded on its newest days."""
    from campaigns.ledger import counts_by_day
    from flows import settings

    workspace = workspace_of(business)
    rows = counts_by_day(workspace.warehouse, settings.chosen_day(workspace, as_of), days=limit)
    if as_json:
        print_json(rows)
        return
    table = table_of("Ledger", "rows of kind", *(f"#{row.as_of:%m-%d}" for row in reversed(rows)))
    for kind in dict.fromkeys(kind for row in rows for kind in row.counts):
        table.add_row(kind, *(f"{row.counts.get(kind, 0):,}" for row in reversed(rows)))
    show(table if rows else "The ledger is empty: nothing was decided yet.")
