"""Commands about campaigns: ``campaign plan``, ``launch``, ``stop``, ``resume``, ``list``, ``show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, bold, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from rich.table import Table

    from campaigns.designs import Design, Standing
    from campaigns.feasibility import DesignOption, Plan

campaigns = typer.Typer(help="Campaigns: can they be read, are they in force, what was fixed.", no_args_is_help=True)

CampaignName = Annotated[str, typer.Argument(help="The campaign's name in the business file.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in a few words; it is kept in the ledger.")]


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(campaigns, name="campaign")


_PLAN_EXAMPLES = """\b
Examples:
  holdback campaign plan spring
  holdback campaign plan spring --as-of 2026-11-01 --json
"""
_LAUNCH_EXAMPLES = """\b
Examples:
  holdback campaign launch spring
  holdback campaign launch spring --force "legal wants every leaver called, whatever we learn"
"""
_SHOW_EXAMPLES = """\b
Examples:
  holdback campaign show spring
  holdback campaign show spring --json
"""


@campaigns.command("plan", epilog=_PLAN_EXAMPLES)
def campaign_plan(
    name: CampaignName, business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Tell when a campaign can be read, by design, from the company's own past. Leaves with 4 when it cannot be."""
    from campaigns.feasibility import plan
    from flows import settings

    workspace = workspace_of(business)
    found = plan(workspace.warehouse, workspace.business, name, settings.chosen_day(workspace, as_of))
    print_json(found) if as_json else show(*tell_plan(found, workspace.business.currency))
    found.require_readable()


@campaigns.command("launch", epilog=_LAUNCH_EXAMPLES)
def campaign_launch(
    name: CampaignName,
    business: BusinessFile = None,
    as_of: AsOf = None,
    force: Annotated[
        str | None, typer.Option("--force", metavar="REASON", help="Launch what cannot be read, and write down why.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fix a campaign's design in the ledger and put it in force. Refused, with 4, when it cannot be read in time."""
    from campaigns.designs import launch
    from flows import settings

    workspace = workspace_of(business)
    done = launch(workspace, name, settings.chosen_day(workspace, as_of), force_reason=force)
    if as_json:
        print_json({"design": _design(done.design), "was_launched_already": done.was_launched_already,
                    "changes": done.changes})  # fmt: skip
        return
    before = f"was launched already, on {done.design.launched_on}; nothing changed" if done.was_launched_already else ""
    show(bold(f"{name}/{done.design.version} {before or 'is launched'}"), *tell_design(done.design))
    show(*(f"changed since: {change}" for change in done.changes))


@campaigns.command(
    "stop",
    epilog='\b\nExamples:\n  holdback campaign stop spring --by "Ana Ruiz" --reason "the letter names a wrong price"',
)
def campaign_stop(
    name: CampaignName,
    reason: Reason,
    by: Annotated[str, typer.Option("--by", help="Who stops it.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Stop a campaign's decisions from today on; groups and planned reading stay."""
    from campaigns.designs import halt
    from flows import settings

    workspace = workspace_of(business)
    changed = halt(workspace, name, settings.chosen_day(workspace, as_of), reason=reason, by=by)
    print_json({"campaign": name, "is_halted": True, "was_halted_already": not changed}) if as_json else show(
        f"{name} is halted." if changed else f"{name} was halted already; nothing changed."
    )


@campaigns.command(
    "resume",
    epilog='\b\nExamples:\n  holdback campaign resume spring --by "Ana Ruiz" --reason "the price is mended"',
)
def campaign_resume(
    name: CampaignName,
    reason: Reason,
    by: Annotated[str, typer.Option("--by", help="The person who answers for it.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Let a halted campaign decide again. It takes a person, and a reason."""
    from campaigns.designs import resume
    from flows import settings

    workspace = workspace_of(business)
    changed = resume(workspace, name, settings.chosen_day(workspace, as_of), reason=reason, by=by)
    print_json({"campaign": name, "is_halted": False, "was_halted": changed}) if as_json else show(
        f"{name} decides again." if changed else f"{name} was not halted; nothing changed."
    )


@campaigns.command("list", epilog="\b\nExamples:\n  holdback campaign list\n  holdback campaign list --json")
def campaign_list(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """List the campaigns of the business file: in force or not, since when, when they can be read."""
    from campaigns.designs import standings
    from flows import settings

    workspace = workspace_of(business)
    found = standings(workspace.warehouse, workspace.business, settings.chosen_day(workspace, as_of))
    if as_json:
        print_json([_standing(standing) for standing in found])
        return
    table = table_of("Campaigns", "campaign", "#version", "state", "since", "planned reading", "why")
    for standing in found:
        design = standing.design
        reads_on = "" if design is None or standing.since is None else str(design.reads_on or "none")
        table.add_row(
            standing.campaign, str(standing.version), standing.state, str(standing.since or ""), reads_on,
            standing.reason or "",
        )  # fmt: skip
    show(table if found else "The business file declares no campaign.")


@campaigns.command(
    "show", epilog="\b\nExamples:\n  holdback campaign show spring\n  holdback campaign show spring --json"
)
def campaign_show(
    name: CampaignName, business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Show a campaign's launched design, where it stands, what was found of it, and whom it leaves in peace."""
    from campaigns.designs import check_unchanged, standings
    from campaigns.do_not_disturb import disturbed
    from flows import settings
    from flows.cli.measurement import tell_newest

    workspace = workspace_of(business)
    day = settings.chosen_day(workspace, as_of)
    workspace.business.campaign_named(name)
    [standing] = [s for s in standings(workspace.warehouse, workspace.business, day) if s.campaign == name]
    launched = standing.design if standing.since is not None else None
    changes = check_unchanged(workspace.business, launched) if launched else ()
    in_peace = [segment for segment in disturbed(workspace.warehouse, day) if segment.campaign == name]
    if as_json:
        print_json({**_standing(standing), "changes": changes, "do_not_disturb": in_peace})
        return
    by = f", by {standing.by}" if standing.by else ""
    why = f": {standing.reason}" if standing.reason else ""
    show(bold(f"{name}/{standing.version} as of {day}: {standing.state}{by}{why}"))
    if launched is None:
        show(f"Its design is not fixed yet. Look ahead with `holdback campaign plan {name}`.")
    else:
        show(*tell_design(launched), *(f"changed since: {change}" for change in changes))
        show(*tell_newest(workspace, day, name), *(f"do not disturb: {segment}" for segment in in_peace))


def tell_plan(plan: Plan, currency: str) -> Iterator[Any]:
    """Write a plan for people: what it rests on, the designs side by side, the recommended one marked."""
    from campaigns.feasibility import percent

    yield bold(f"{plan.campaign}/{plan.version} as of {plan.as_of}: {plan.verdict}")
    base, flow = plan.base_rate, plan.flow
    interval = "" if base.low is None or base.high is None else f" ({percent(base.low)} to {percent(base.high)})"
    yield (
        f"churn when nothing is done: {percent(base.rate)}{interval} in {plan.horizon_days} days; {base.source}, "
        f"{base.customer_count:,} customers"
    )
    yield f"who can enter: {flow.stock:,.0f} today and {flow.entering_per_day:,.1f} a day; {flow.source}"
    for action in plan.actions:
        limit = "without a limit" if action.per_day is None else f"for {action.per_day:,.3g} new customers a day"
        yield (
            f"{action.name}: keeps {percent(action.lift)} of the leavers ({action.lift_status}), "
            f"costs {action.cost_amount:,.2f} {currency} each, {limit}"
        )
    yield _options_of(plan, currency)
    yield bold(f"recommended: {plan.recommended or 'none of them'}")
    yield plan.reason
    yield from _global_of(plan)
    yield (
        f"A reading finds the expected effect with {percent(plan.power)} probability at alpha {plan.reading_alpha:g} "
        f"(of {plan.alpha:g}; the page that is looked at daily has the rest). It lies {plan.horizon_days} days after "
        f"the last entry, and {plan.maturity_days} more until the data prove it."
    )
    yield from (f"note: {note}" for note in plan.notes)


def _options_of(plan: Plan, currency: str) -> Table:
    from campaigns.feasibility import percent, points

    headings = ["", "design", "#held out", "#needed", "#in holdout", "entered by", "read on", "#visible fall"]
    table = table_of("", *headings, *([f"#cost, {currency}"] if plan.kept_amount is not None else []))
    for option in plan.options:
        sample = option.sample
        cells = [
            "->" if option.name == plan.recommended else "",
            option.name,
            percent(option.holdout_share),
            f"{sample.total:,}" if sample else "",
            f"{sample.holdout:,}" if sample else "",
            str(option.last_entry_on or "not within 5 years"),
            _reading(option),
            "none" if option.detectable_effect is None else points(option.detectable_effect),
        ]
        cost = [] if plan.kept_amount is None else [f"{option.forgone_amount or 0:,.0f}"]
        table.add_row(*cells, *cost, style="bold" if option.name == plan.recommended else None)
    return table


def _reading(option: DesignOption) -> str:
    if option.reads_on is None:
        return "never"
    return str(option.reads_on) if option.is_readable else f"{option.reads_on}, late"


def _global_of(plan: Plan) -> Iterator[str]:
    from campaigns.feasibility import percent, points

    own = plan.as_written
    until = f"until {plan.ends_on}" if plan.ends_on else "in a year"
    yield (
        f"visible fall: the smallest that those show who enter {until} ({own.detectable_count:,} as written); "
        f"{points(own.effect)} are expected"
    )
    programme = plan.global_holdout
    if programme is not None:
        when = f"can be read on {programme.reads_on}" if programme.reads_on else "cannot be read within 5 years"
        yield (
            f"global holdout: at {percent(programme.holdout_share)} of {programme.customer_count:,} customers, this "
            f"campaign alone {when} ({points(programme.effect)} of {percent(programme.base_rate)} are expected)"
        )


def tell_design(design: Design) -> Iterator[Any]:
    """Write a launched design for people."""
    from campaigns.feasibility import percent, points

    tiers, audience = design.audience.risk_tiers, design.audience
    conditions = [f"risk tier {' or '.join(tiers)}"] if tiers else []
    conditions += [f"value decile {' or '.join(map(str, audience.value_deciles))}"] if audience.value_deciles else []
    conditions += [f"{name} {' or '.join(values)}" for name, values in audience.where.items()]
    conditions += [f"{name} from {low:g} to {high:g}" for name, (low, high) in audience.between.items()]
    needed = (
        "no number of customers is enough"
        if design.holdout_count is None or design.treatment_count is None
        else f"{design.holdout_count + design.treatment_count:,} customers, {design.holdout_count:,} of them held out"
    )
    table = table_of("", "fixed on " + str(design.launched_on), "")
    rows = {
        "primary outcome": f"{design.primary_outcome} ({design.churn['name']}) within {design.horizon_days} days",
        "decision rests on": design.decision_metric,
        "actions": ", ".join(design.actions),
        "audience": ", and ".join(conditions) or "everybody",
        "held out": f"{percent(design.holdout_share)}, explored {percent(design.explore_share)}, salt {design.salt}",
        "alpha and power": f"{design.alpha:g} ({design.reading_alpha:g} for the reading), {percent(design.power)}",
        "expected": f"{points(design.effect)} of {percent(design.base_rate)} (save rate {percent(design.lift)})",
        "needed": needed,
        "planned reading": str(design.reads_on or "none: it cannot be read within 5 years"),
        "hash": design.hash,
    }
    if design.forced_reason:
        rows["launched by force"] = design.forced_reason
    for key, value in rows.items():
        table.add_row(key, value)
    yield table


def _design(design: Design) -> dict[str, Any]:
    import json

    content: dict[str, Any] = json.loads(design.to_json())
    return {**content, "hash": design.hash}


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "campaign": standing.campaign,
        "version": standing.version,
        "state": standing.state,
        "since": standing.since,
        "reason": standing.reason,
        "by": standing.by,
        "design": _design(standing.design) if standing.design else None,
    }
