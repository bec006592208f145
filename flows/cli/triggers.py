"""Commands about triggers: ``triggers test``, ``triggers list`` and ``triggers show``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, parse_day, print_json, show, table_of

if TYPE_CHECKING:
    import pyarrow as pa

    from monitoring.proportions import Share
    from monitoring.triggers import TriggerRecord, TriggerStanding

triggers = typer.Typer(
    help="Triggers: what must happen to a customer for somebody to act at once, and whether it is worth it.",
    no_args_is_help=True,
)

TriggerName = Annotated[str, typer.Argument(help="Name of the trigger in the business file.", show_default=False)]
Since = Annotated[
    date | None,
    typer.Option(
        "--since", parser=parse_day, metavar="DAY", help="First day to replay.",
        show_default="a year before the last day that can be judged",
    ),
]  # fmt: skip
EveryDays = Annotated[int, typer.Option("--every-days", min=1, max=31, help="Days between two replayed days.")]

_TEST_EXAMPLES = """\b
Examples:
  holdback triggers test savings_drop
  holdback triggers test savings_drop --since 2026-01-01 --every-days 1
  holdback triggers test savings_drop --as-of 2026-11-01 --json
"""
_SHOW_EXAMPLES = """\b
Examples:
  holdback triggers show savings_drop
  holdback triggers show savings_drop --as-of 2026-11-01 --json
"""
_SHOWN = 40


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(triggers, name="triggers")


@triggers.command("test", epilog=_TEST_EXAMPLES)
def triggers_test(
    name: TriggerName,
    since: Since = None,
    every_days: EveryDays = 7,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Replay a trigger on the company's own past: how often it fires, how often it is right, how early it comes."""
    from flows.watching import tell, watched
    from monitoring.triggers import judge, told

    workspace, day = opened(business, as_of)
    trigger = workspace.business.trigger_named(name)
    with watched("triggers test", quiet=as_json):
        found = judge(
            workspace.warehouse, workspace.business, trigger, day, since=since, every_days=every_days, progress=tell
        )
    if as_json:
        print_json(found)
        return
    show(f"{name}: fires when {told(trigger, workspace.business)}", *_record(found))


@triggers.command("list", epilog="\b\nExamples:\n  holdback triggers list\n  holdback triggers list --json")
def triggers_list(business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """List the declared triggers: how often each fires, and what acting on it has earned."""
    from monitoring.triggers import trigger_standings

    workspace, day = opened(business, as_of)
    found = trigger_standings(workspace.warehouse, workspace.business, day)
    if as_json:
        print_json(list(found))
        return
    if not found:
        show(f"{workspace.business.slug}: no trigger is declared. Add some under triggers: in the business file.")
        return
    show(*_standings(found, day, workspace.business.currency))


@triggers.command("show", epilog=_SHOW_EXAMPLES)
def triggers_show(
    name: TriggerName, business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Show for whom a trigger fired on a day, by branch, and what it saw. Names customers: keep it among yourselves."""
    import pyarrow.compute as pc

    from features.triggers import fired

    workspace, day = opened(business, as_of)
    trigger = workspace.business.trigger_named(name)
    rows = fired(workspace.warehouse, workspace.business, name, day, 1, with_floods=True)
    rows = rows.filter(pc.equal(rows["as_of"], day))
    if as_json:
        print_json({"trigger": name, "as_of": day, "firings": rows.to_pylist()})
        return
    from monitoring.triggers import told

    show(f"{name}: fires when {told(trigger, workspace.business)}", *_firings(rows, day))


def _record(found: TriggerRecord) -> Iterator[Any]:
    """Write a trial for people."""
    days = f"on {found.first_on}" if found.day_count == 1 else (
        f"on {found.day_count} days from {found.first_on} to {found.last_on}, every {found.every_days} days"
    )  # fmt: skip
    yield f"replayed {days}, as known on {found.as_of}; who left is told by churn {found.churn}{_judged(found)}"
    table = table_of("", "figure", "#value", "#95 % interval", "#n", "what it says")
    if found.fired is not None:
        expected = "" if found.expected_per_day is None else f" (expected: {found.expected_per_day:g})"
        table.add_row(
            "firings per day", f"{found.fired.per_day:,.2f}", f"{found.fired.low:,.2f} to {found.fired.high:,.2f}",
            f"{found.fired_count:,}", f"{found.volume}{expected}",
        )  # fmt: skip
    else:
        table.add_row(
            "firings", f"{found.fired_count:,}", "", f"{found.described_count:,}", "of the snapshot's customers"
        )
    for label, share, says in (
        ("precision", found.precision, "of those for whom it fired left"),
        ("base rate", found.base, "of all customers left, on the same days"),
        ("without it", found.rest, "of the others left"),
        ("recall", found.recall, "of all who left had been found by it"),
    ):
        if share is not None:
            table.add_row(label, f"{share.share:.1%}", _interval(share), f"{share.n:,.0f}", says)
    if found.lift is not None:
        limits = "" if found.lift.low is None else f"{found.lift.low:.2f} to {found.lift.high:.2f}"
        table.add_row("lift", f"{found.lift.lift:.2f}", limits, "", "precision over base rate")
    if found.lead is not None:
        quartiles = f"{found.lead.lower_quartile:.0f} to {found.lead.upper_quartile:.0f} (half of them)"
        table.add_row(
            "days ahead", f"{found.lead.median:.0f}", quartiles, f"{found.lead.count:,}", "from firing to leaving"
        )
    yield table
    if any(branch.branch is not None for branch in found.branches):
        branches = table_of("by branch", "branch", "action", "#fired", "#precision", "#95 % interval")
        for branch in found.branches:
            share = branch.precision
            branches.add_row(
                "none holds" if branch.branch is None else f"then[{branch.branch}]", branch.action or "any",
                f"{branch.fired_count:,}", "" if share is None else f"{share.share:.1%}",
                "" if share is None else _interval(share),
            )  # fmt: skip
        yield branches
    yield from (f"note: {note}" for note in found.notes)


def _judged(found: TriggerRecord) -> str:
    if not found.judged_days:
        return ""
    known = f", known after {found.known_after_days}" if found.known_after_days != found.judged_days else ""
    return f" within {found.judged_days} days{known}"


def _interval(share: Share) -> str:
    return f"{share.low:.1%} to {share.high:.1%}"


def _standings(found: tuple[TriggerStanding, ...], day: date, currency: str) -> Iterator[Any]:
    """Write where the triggers stand for people."""
    table = table_of(
        f"triggers on {day}; worth in {currency} per customer", "trigger", "campaign", "state", "#today", "#30 days",
        "#expected", "#worth",
    )  # fmt: skip
    for one in found:
        table.add_row(
            one.trigger, one.campaign or "none acts", "retired" if one.is_retired else one.campaign_state or "watched",
            f"{one.fired_today:,}", f"{one.fired_lately:,}",
            "" if one.expected_per_day is None else f"{one.expected_per_day:g} a day", _worth(one),
        )  # fmt: skip
    yield table
    evaluated = max((one.last_evaluated_at for one in found if one.last_evaluated_at is not None), default=None)
    yield f"last evaluated: {'never' if evaluated is None else f'{evaluated:%Y-%m-%d %H:%M} UTC'}"
    for one in found:
        yield f"{one.trigger}: fires when {one.condition}"
        if one.volume in ("flooded", "more than expected"):
            yield f"{one.trigger}: {one.volume} today"
        if one.why_halted is not None:
            yield f"{one.trigger}: halted: {one.why_halted}"


def _worth(one: TriggerStanding) -> str:
    if one.campaign is None:
        return ""
    if one.value is None:
        return "not measured yet"
    return f"{one.value.estimate:+,.2f} ({one.value.low:+,.2f} to {one.value.high:+,.2f})"


def _firings(rows: pa.Table, day: date) -> Iterator[Any]:
    """Write a day's firings for people, by branch."""
    if not rows.num_rows:
        yield f"it fired for nobody on {day}; `holdback triggers list` says when it was asked last"
        return
    by_branch: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        branch = -1 if row["branch"] is None else row["branch"]
        by_branch.setdefault((branch, row["action"] or "any"), []).append(row)
    yield f"{rows.num_rows:,} firings on {day}"
    for (branch, action), found in sorted(by_branch.items()):
        title = f"then[{branch}]: {action}" if branch >= 0 else f"no branch: {action}"
        table = table_of(f"{title} ({len(found):,})", "customer", "#size", "seen at (UTC)", "what it saw")
        for row in found[:_SHOWN]:
            size = "" if row["size"] is None else f"{row['size']:,.2f}"
            table.add_row(row["customer_id"], size, f"{row['seen_at']:%Y-%m-%d %H:%M}", row["detail"] or "")
        yield table
        if len(found) > _SHOWN:
            yield f"... and {len(found) - _SHOWN:,} more; --json names them all"
