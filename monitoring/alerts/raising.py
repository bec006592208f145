"""The alerts of a day: what is seen is written down, what must be told is told, and what was told is written down.

Order of events, under the business' lock ``telling``: (1) the rules are asked; (2) what happened is appended to the
table ``alerts`` in one commit, together with the channels that must be told of it; (3) each channel gets one message
with everything that it waits for; (4) as soon as a channel took it, that is appended to ``alert_messages``. So a
message is sent **at least once**: a process that is killed before (2) has done nothing; after (2) the next run sends
what is not marked as taken, even when the alert is over by then; between (3) and (4) the next run sends it again, with
the same key (``Idempotency-Key``, ``Message-ID``), by which receivers can tell. No alert that was written down is ever
lost in silence. Two runs at once wait for each other: the second one finds nothing left to tell.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from campaigns.delivery.webhook import Patience, Wait
from campaigns.designs import standings
from holdback.business.alerts import Severity
from holdback.commits import rows_of
from holdback.progress import Progress, silent
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.alerts.changing import UNKNOWN_DAYS, Change, Day, changes
from monitoring.alerts.channels import PATIENCE, NotTaken, Sender, send
from monitoring.alerts.evaluating import Figure, evaluate
from monitoring.alerts.messages import Message, message_for, trial_message
from monitoring.alerts.rules import Rule, rules_of
from monitoring.alerts.seeing import see
from monitoring.alerts.states import Alert, not_over, read_alerts
from monitoring.alerts.wording import gone, sentence, unknown_for
from monitoring.history.reading import DayValue
from monitoring.words import Words

LATE_DAYS = 1
"""A day is told about while it is today or yesterday; of older ones (a backfill) alerts are kept and not sent."""
LEDGER_WEEKDAY = 0
"""The ledger's hashes are computed on Mondays, and daily while they do not hold; each decision checks its end."""
LOCK = "telling"  # not the name of the flow around it, which holds a lock of its own
_PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class AlertedDay:
    """What a day's alerts did.

    Attributes:
        business: The business' slug.
        as_of: The day.
        raised: Alerts that began.
        seen_again: Alerts that go on, and were worth a row.
        over: Alerts that ended.
        open: Alerts that are not over, by severity; acknowledged ones count.
        told: Alerts that each channel took in this run.
        unreached: Channels that took nothing, with the reason; they are tried again by the next run.
        notes: What somebody should know of the channels.
        waits: Why the rules were not asked; None when they were.
    """

    business: str
    as_of: date
    raised: int = 0
    seen_again: int = 0
    over: int = 0
    open: Mapping[Severity, int] = field(default_factory=dict)
    told: Mapping[str, int] = field(default_factory=dict)
    unreached: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    waits: str | None = None

    @property
    def did_nothing(self) -> bool:
        """True when nothing happened and nothing was told: the day was alerted before."""
        return not (self.raised or self.seen_again or self.over or self.told or self.unreached)

    def __str__(self) -> str:
        standing = ", ".join(f"{count} {severity}" for severity, count in self.open.items() if count) or "none"
        lines = [f"{self.business} as of {self.as_of}: {self.raised} raised, {self.over} over; open: {standing}"]
        lines += [f"  {channel}: {count} told" for channel, count in self.told.items()]
        lines += [f"  {channel}: NOT REACHED, {why} It is tried again." for channel, why in self.unreached.items()]
        lines += [f"  {note}" for note in self.notes]
        lines += [f"  {self.waits}"] if self.waits else []
        return "\n".join(lines)


def raise_alerts(
    workspace: Workspace,
    as_of: date,
    *,
    now: datetime,
    environment: Mapping[str, str],
    progress: Progress = silent,
    wait: Wait = time.sleep,
    patience: Patience = PATIENCE,
    wait_seconds: float = _PATIENCE_SECONDS,
) -> AlertedDay:
    """Ask every rule about a day, write down what happened, and tell who must know.

    Done twice for the same day and the same knowledge it changes and sends nothing; what a kill does is told above, in
    the module. A channel that cannot be reached
    fails nothing: the others are told, it is told by the next run, and the result says so.

    Args:
        workspace: The business.
        as_of: The day; its metrics (:func:`monitoring.history.record_day`) are there already.
        now: The instant, naive UTC.
        environment: Holds addresses and secrets of the channels.
        progress: Told about each step.
        wait: Lets seconds pass between two tries.
        patience: How long each channel is tried.
        wait_seconds: How long to wait for another run.

    Raises:
        Busy: another process tells alerts at this moment.
        OperatorError: the tables cannot be written.
    """
    business, warehouse = workspace.business, workspace.warehouse
    with workspace.lock(LOCK, wait_seconds=wait_seconds):
        progress("alerts", 0, 2)
        alerts = read_alerts(warehouse)
        newest = max((alert.newest.as_of for alert in alerts), default=as_of)
        happened: tuple[Change, ...] = ()
        waits = None
        if newest > as_of:
            waits = f"{newest} was alerted already: what is past is not judged anew. Waiting messages were sent."
        else:
            happened = _happened(workspace, alerts, as_of, now)
            if happened:
                warehouse.append("alerts", _rows(happened), batch=f"alerts/{as_of}/{happened[0].event.sequence}")
                alerts = read_alerts(warehouse)
        progress("telling", 1, 2)
        sender = Sender(workspace, environment, now, wait, patience)
        told, unreached, notes = _tell(workspace, alerts, as_of, sender)
        if waits is None:
            more = _happened(workspace, alerts, as_of, now, tuple(_unreached(told, unreached, as_of)))
            if more:
                warehouse.append("alerts", _rows(more), batch=f"alerts/{as_of}/{more[0].event.sequence}")
                alerts, happened = read_alerts(warehouse), (*happened, *more)
                told, notes = _tell_the_others(workspace, alerts, as_of, sender, told, unreached, notes)
    counts = {state: sum(c.event.state == state for c in happened) for state in ("raised", "seen_again", "over")}
    return AlertedDay(
        business.slug, as_of, **counts, open=_open(alerts), told=told, unreached=unreached, notes=notes, waits=waits
    )


def try_channels(
    workspace: Workspace,
    as_of: date,
    *,
    now: datetime,
    environment: Mapping[str, str],
    only: str | None = None,
    wait: Wait = time.sleep,
    patience: Patience = PATIENCE,
) -> Mapping[str, str | None]:
    """Send a message marked as a test through each channel, or the one named; nothing is written down.

    Returns:
        By channel, why it did not take the message; None where it did.
    """
    sender = Sender(workspace, environment, now, wait, patience)
    found: dict[str, str | None] = {}
    for channel in workspace.business.channels:
        if only is not None and channel.name != only:
            continue
        message = trial_message(workspace.business, channel.name, as_of, now.isoformat())
        try:
            send(message, channel, sender)
            found[channel.name] = None
        except NotTaken as why:
            found[channel.name] = str(why)
    return found


def _happened(
    workspace: Workspace, alerts: Sequence[Alert], as_of: date, now: datetime, seen: Sequence[Figure] | None = None
) -> tuple[Change, ...]:
    """What the rules say of the day; with ``seen``, of nothing but that."""
    business = workspace.business
    w, rules = Words(business.language), rules_of(business)
    day = Day(
        as_of, now,
        is_current=business.day_of(now) - as_of <= timedelta(days=LATE_DAYS),
        repeat_after_days=business.alerts.repeat_after_days,
        asked=frozenset(_asked(workspace, rules, alerts, as_of)),
    )  # fmt: skip
    is_due = as_of.weekday() == LEDGER_WEEKDAY or ("ledger_broken", "") in not_over(alerts)
    if seen is None:
        figures = see(workspace, rules, as_of, with_hashes=day.is_current and is_due)
    else:
        figures = tuple(seen)
        day = dataclasses.replace(day, asked=frozenset(not_over(alerts)))
    findings = evaluate(rules, figures, as_of)
    return changes(
        business.slug, alerts, findings, day,
        write=lambda found: sentence(found, business, w), gone=gone(w), unknown=unknown_for(UNKNOWN_DAYS, w),
    )  # fmt: skip


def _unreached(told: Iterable[str], unreached: Mapping[str, str], as_of: date) -> Iterator[Figure]:
    """What telling itself saw: the channels that took something, and those that did not."""
    for name in told:
        yield Figure("channel_unreached", name, (DayValue(as_of, 0.0),))
    for name, why in unreached.items():
        yield Figure("channel_unreached", name, (DayValue(as_of, 1.0),), why.rstrip("."))


def _asked(
    workspace: Workspace, rules: Sequence[Rule], alerts: Sequence[Alert], as_of: date
) -> Iterator[tuple[str, str]]:
    """Every rule with every subject that it may be about, but for campaigns that are over.

    A step of the day is a subject as long as it has an alert.
    """
    business = workspace.business
    steps = {rule.name for rule in rules if rule.metric == "step_failed"}
    yield from ((alert.rule, alert.about) for alert in alerts if alert.rule in steps)
    over = {
        standing.campaign for standing in standings(workspace.warehouse, business, as_of) if standing.state == "over"
    }
    named = (business.churn, business.campaigns, business.triggers, business.channels)
    names = (one.name for part in named for one in part if part is not business.campaigns or one.name not in over)
    subjects = ("", "customers", "programme", *business.feeds, *names)
    for rule in rules:
        for about in subjects if rule.about is None else (rule.about,):
            yield rule.name, about


def _tell_the_others(
    workspace: Workspace, alerts: Sequence[Alert], as_of: date, sender: Sender, told: Mapping[str, int],
    unreached: Mapping[str, str], notes: tuple[str, ...],
) -> tuple[dict[str, int], tuple[str, ...]]:  # fmt: skip
    """Tell of channels that were not reached, or are again, through those that work; who fails now waits."""
    more, _, said = _tell(workspace, alerts, as_of, sender, leave_out=unreached)
    names = (channel.name for channel in workspace.business.channels if {channel.name} & (told.keys() | more.keys()))
    return {name: told.get(name, 0) + more.get(name, 0) for name in names}, tuple(dict.fromkeys((*notes, *said)))


def _tell(
    workspace: Workspace, alerts: Sequence[Alert], as_of: date, sender: Sender, *, leave_out: Collection[str] = ()
) -> tuple[dict[str, int], dict[str, str], tuple[str, ...]]:
    told: dict[str, int] = {}
    unreached: dict[str, str] = {}
    notes: list[str] = []
    for channel in workspace.business.channels:
        if channel.name in leave_out:
            continue
        message = message_for(workspace.business, alerts, channel.name, as_of)
        if message is None:
            continue
        try:
            note = send(message, channel, sender)
        except NotTaken as why:
            unreached[channel.name] = str(why)
            continue
        _mark(workspace, message, channel.name, sender.now)
        told[channel.name] = len(message.items)
        notes += [f"{channel.name}: {note}"] if note else []
    known = {channel.name for channel in workspace.business.channels}
    lost = sorted({name for alert in alerts for name in alert.due if name not in known and alert.waits_for(name)})
    notes += [f"{name}: waits for messages, and is no longer in the business file" for name in lost]
    return told, unreached, tuple(notes)


def _mark(workspace: Workspace, message: Message, channel: str, now: datetime) -> None:
    rows = [
        {
            "as_of": message.as_of, "alert_id": item.alert.alert_id, "channel": channel,
            "sequence": item.alert.newest.sequence, "severity": item.severity, "state": item.state, "sent_at": now,
            "message_key": message.key,
        }
        for item in message.items
    ]  # fmt: skip
    batch = f"alert_messages/{channel}/{message.key}"
    workspace.warehouse.append("alert_messages", rows_of(TABLES["alert_messages"], rows), batch=batch)


def _rows(happened: Sequence[Change]) -> object:
    return rows_of(TABLES["alerts"], [row_of(change) for change in happened])


def row_of(change: Change) -> dict[str, object]:
    """Return an event as a row of the table ``alerts``."""
    event = change.event
    return {
        "as_of": event.as_of, "alert_id": change.alert_id, "rule": change.rule, "about": change.about,
        "state": event.state, "severity": event.severity, "happened_at": event.happened_at, "message": event.message,
        "value": event.value, "by_whom": event.by_whom, "sequence": event.sequence,
        "channels": json.dumps(list(event.channels)) if event.channels else None, "detail": json.dumps(event.detail),
    }  # fmt: skip


def _open(alerts: Sequence[Alert]) -> dict[Severity, int]:
    found: dict[Severity, int] = {"critical": 0, "warning": 0, "notice": 0}
    for alert in alerts:
        if alert.state != "over":
            found[alert.newest.severity] += 1
    return found
