"""Commands about alerts: ``alerts list``, ``show``, ``ack`` and ``test``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from holdback.business import Business
    from monitoring.alerts import Alert

alerts = typer.Typer(
    help="Alerts: what a person must hear of, who takes care of it, and whether the channels work.",
    no_args_is_help=True,
)

AlertId = Annotated[str, typer.Argument(help="The alert's id, or its beginning.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Also those that are over.")]
By = Annotated[str, typer.Option("--by", help="Who takes care of it.", show_default=False)]
Undo = Annotated[bool, typer.Option("--undo", help="Take it back: it is told again.")]
Note = Annotated[str, typer.Option("--note", help="What is known about it.", show_default=False)]
ChannelName = Annotated[
    str | None, typer.Option("--channel", help="One channel.", show_default="all that are declared")
]

_LIST_EXAMPLES = """\b
Examples:
  holdback alerts list
  holdback alerts list --all --json
"""
_SHOW_EXAMPLES = """\b
Examples:
  holdback alerts show 3f9a
  holdback alerts show 3f9ac210 --json
"""
_ACK_EXAMPLES = """\b
Examples:
  holdback alerts ack 3f9a --by Ana
  holdback alerts ack 3f9a --by Ana --note "the tills' server is down until Friday"
  holdback alerts ack 3f9a --by Ana --undo
"""
_TEST_EXAMPLES = """\b
Examples:
  holdback alerts test
  holdback alerts test --channel ops
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(alerts, name="alerts")


@alerts.command("list", epilog=_LIST_EXAMPLES)
def alerts_list(every: All = False, business: BusinessFile = None, as_json: AsJson = False) -> None:
    """List the alerts that are open, the worst first."""
    from monitoring.alerts import read_alerts
    from monitoring.alerts.rules import RANK

    workspace = workspace_of(business)
    found = [alert for alert in read_alerts(workspace.warehouse) if every or alert.state != "over"]
    found.sort(key=lambda alert: (alert.state == "over", -RANK[alert.newest.severity], alert.since, alert.alert_id))
    if as_json:
        print_json([_plain(alert) for alert in found])
        return
    table = table_of("Alerts", "id", "severity", "state", "since", "what is seen")
    for alert in found:
        table.add_row(alert.alert_id, alert.newest.severity, _state(alert), str(alert.since), alert.newest.message)
    show(table if found else "No alert is open." if not every else "There has been no alert yet.")


@alerts.command("show", epilog=_SHOW_EXAMPLES)
def alerts_show(alert_id: AlertId, business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Show one alert: what is seen, since when, what to do, what became of it, and who was told."""
    from monitoring.alerts import alert_named, read_alerts

    workspace = workspace_of(business)
    alert = alert_named(read_alerts(workspace.warehouse), alert_id)
    if as_json:
        print_json(_plain(alert))
        return
    show(_told(alert, workspace.business))
    table = table_of("What happened", "day", "what", "severity", "#value", "by", "to be told")
    for event in alert.events:
        value = "" if event.value is None else f"{event.value:,.4g}"
        channels = ", ".join(event.channels)
        what = event.state.replace("_", " ")
        table.add_row(str(event.as_of), what, event.severity, value, event.by_whom or "", channels)
    show(table)
    if alert.sent:
        sent = table_of("Who was told", "when (UTC)", "channel", "as", "severity")
        for message in alert.sent:
            sent.add_row(f"{message.sent_at:%Y-%m-%d %H:%M}", message.channel, message.state, message.severity)
        show(sent)
    waiting = [channel for channel in alert.due if alert.waits_for(channel)]
    if waiting:
        show(f"Not told yet: {', '.join(waiting)}. The next run tries again.")


@alerts.command("ack", epilog=_ACK_EXAMPLES)
def alerts_ack(
    alert_id: AlertId, by: By, note: Note = "", undo: Undo = False, business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say that somebody takes care of an alert: it is told no more until it is worse, or over."""
    from flows import settings
    from monitoring.alerts import acknowledge

    if not by.strip():
        raise typer.BadParameter("write who takes care of it.", param_hint="--by")
    workspace = workspace_of(business)
    alert = acknowledge(workspace, alert_id, by=by.strip(), note=note.strip(), undo=undo, now=settings.now())
    if as_json:
        print_json(_plain(alert))
        return
    silent = "It is told no more until it is worse, or over."
    show(f"{alert.alert_id}: {_state(alert)}. {silent if alert.state == 'acknowledged' else 'It is told again.'}")


@alerts.command("test", epilog=_TEST_EXAMPLES)
def alerts_test(
    channel: ChannelName = None, business: BusinessFile = None, as_of: AsOf = None, as_json: AsJson = False
) -> None:
    """Send a message marked as a test through each channel, and say what happened. Exit code 6 when one fails."""
    from flows import settings
    from holdback.errors import BusinessFileError, OperatorError
    from monitoring.alerts import try_channels

    workspace, day = opened(business, as_of)
    names = [declared.name for declared in workspace.business.channels]
    if not names:
        raise BusinessFileError(
            f"{workspace.business.slug}: channels: none is declared, so nobody is told of an alert. Add one, such as\n"
            "channels:\n  - {name: book, kind: file}"
        )
    if channel is not None and channel not in names:
        raise BusinessFileError(
            f"{workspace.business.slug}: channel {channel!r} does not exist. Choose one of: {', '.join(names)}."
        )
    found = try_channels(workspace, day, now=settings.now(), environment=workspace.environment, only=channel)
    if as_json:
        print_json([{"channel": name, "was_taken": why is None, "why": why} for name, why in found.items()])
    else:
        show(*(f"{name}: {'taken' if why is None else f'NOT TAKEN: {why}'}" for name, why in found.items()))
    failed = [name for name, why in found.items() if why is not None]
    if failed:
        raise OperatorError(f"{', '.join(failed)}: not reached; the reasons stand above. Mend them and test again.")


def tell_alerts(receipt: Any) -> Iterator[Any]:
    """What happened, what is open, who was told and who could not be."""
    if "raised" not in receipt:
        yield receipt["waits"]
        return
    standing = ", ".join(f"{count} {severity}" for severity, count in receipt["open"].items() if count) or "none"
    yield f"{receipt['raised']} raised, {receipt['over']} over; open: {standing}"
    yield from (f"{channel}: told of {count}" for channel, count in receipt["told"].items())
    for channel, why in receipt["unreached"].items():
        yield f"{channel}: NOT REACHED: {why} Tried again by the next run."
    yield from (f"note: {note}" for note in receipt["notes"])
    if receipt["waits"]:
        yield receipt["waits"]


def _state(alert: Alert) -> str:
    known = alert.acknowledged
    if alert.state == "acknowledged" and known is not None:
        note = known.detail.get("note")
        return f"acknowledged by {known.by_whom}" + (f" ({note})" if note else "")
    return f"over since {alert.newest.as_of}" if alert.state == "over" else "open"


def _told(alert: Alert, business: Business) -> str:
    from monitoring.alerts.wording import block
    from monitoring.words import Words

    return block(alert, "over" if alert.state == "over" else "still", business, Words("en"))


def _plain(alert: Alert) -> dict[str, Any]:
    """An alert for machines."""
    from monitoring.alerts.wording import runbook_entry

    newest, known = alert.newest, alert.acknowledged
    return {
        "alert_id": alert.alert_id, "rule": alert.rule, "about": alert.about, "state": alert.state,
        "severity": newest.severity, "since": alert.since, "seen": newest.message, "value": newest.value,
        "metric": newest.detail.get("metric"), "low": newest.detail.get("low"), "high": newest.detail.get("high"),
        "line": newest.detail.get("line"), "acknowledged_by": known.by_whom if known is not None else None,
        "note": known.detail.get("note") if known is not None else None, "runbook": runbook_entry(alert),
        "not_told_yet": [channel for channel in alert.due if alert.waits_for(channel)],
        "events": [
            {"as_of": event.as_of, "state": event.state, "severity": event.severity, "value": event.value,
             "happened_at": event.happened_at, "by_whom": event.by_whom, "channels": event.channels}
            for event in alert.events
        ],
        "told": [
            {"channel": one.channel, "state": one.state, "severity": one.severity, "sent_at": one.sent_at}
            for one in alert.sent
        ],
    }  # fmt: skip
