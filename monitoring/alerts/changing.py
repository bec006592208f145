"""From what was, and what is seen today, to what happens: raised, seen again, over. Pure; the same twice is nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from monitoring.alerts.evaluating import Finding
from monitoring.alerts.rules import RANK
from monitoring.alerts.states import Alert, Event, State, not_over

UNKNOWN_DAYS: Final = 30
"""Days without a figure after which an alert is over: whoever could know it is gone, and nobody mends it any more."""
Write = Callable[[Finding], str]
"""Writes what a person reads of a finding."""


@dataclass(frozen=True, slots=True)
class Change:
    """One event to be: which alert it belongs to, and the event."""

    alert_id: str
    rule: str
    about: str
    event: Event


@dataclass(frozen=True, slots=True)
class Day:
    """The day on which alerts change.

    Attributes:
        as_of: The day.
        now: The instant, naive UTC.
        is_current: False for a day that has long passed (a backfill, a trial): nobody is told about it.
        repeat_after_days: After so many days an open alert is told again.
        asked: Every ``(rule, subject)`` that is still looked at: an alert of any other is over.
    """

    as_of: date
    now: datetime
    is_current: bool
    repeat_after_days: int
    asked: Collection[tuple[str, str]]


def changes(
    slug: str, alerts: Sequence[Alert], findings: Sequence[Finding], day: Day, *, write: Write, gone: str, unknown: str
) -> tuple[Change, ...]:
    """Return what happens to the alerts on a day, in the order of the findings; what ends comes last.

    Told (``channels`` of the event) is: what is raised; what worsened since a channel was last to be told; what is
    still open ``repeat_after_days`` after that, with its last value while there is no newer one; what is over, to
    whoever was to be told of it before. What somebody acknowledged is told no more until it is worse than then, or
    over. An alert of which nothing has been known for :data:`UNKNOWN_DAYS` is over.

    Args:
        slug: Of the business; part of an alert's id.
        alerts: Every alert so far.
        findings: What the rules say today.
        day: The day.
        write: Writes the sentence of a finding.
        gone: What is said of an alert whose rule or subject is no longer there.
        unknown: What is said of an alert of which nothing has been known for long.
    """
    open_ones = not_over(alerts)
    following = max((alert.newest.sequence for alert in alerts), default=0)
    found: list[Change] = []
    for finding in findings:
        known = open_ones.get((finding.rule.name, finding.about))
        for state, channels in _of(finding, known, day):
            following += 1
            alert_id = known.alert_id if known is not None else _name(slug, finding, day, following)
            event = _event(finding, day, following, state, channels, write(finding), known)
            found.append(Change(alert_id, finding.rule.name, finding.about, event))
    judged = {(finding.rule.name, finding.about) for finding in findings if finding.status != "no value"}
    for key, alert in open_ones.items():
        if key in judged:
            continue
        last, known_on = alert.newest, _known_on(alert)
        is_lost = (day.as_of - known_on).days >= UNKNOWN_DAYS
        detail = {**last.detail, "known_on": known_on.isoformat()}
        if key not in day.asked or is_lost:
            said = gone if key not in day.asked else unknown
            event = Event(
                day.as_of, following + 1, "over", last.severity, day.now, said, None, None,
                _if_current(alert.due, day), {**detail, "is_gone": True},
            )  # fmt: skip
        else:
            again = () if alert.state == "acknowledged" else tuple(c for c in alert.due if _is_due(alert, c, day))
            if not _if_current(again, day):
                continue
            event = Event(
                day.as_of, following + 1, "seen_again", last.severity, day.now, last.message, last.value, None, again,
                detail,
            )  # fmt: skip
        following += 1
        found.append(Change(alert.alert_id, alert.rule, alert.about, event))
    return tuple(found)


def _known_on(alert: Alert) -> date:
    """The last day on which its figure was known."""
    told = alert.newest.detail.get("known_on")
    return date.fromisoformat(told) if told else alert.newest.as_of


def _is_due(alert: Alert, channel: str, day: Day) -> bool:
    last = alert.last_due(channel)
    return last is not None and (day.as_of - last.as_of).days >= day.repeat_after_days


def _of(finding: Finding, known: Alert | None, day: Day) -> Iterator[tuple[State, tuple[str, ...]]]:
    if known is None:
        if finding.status == "crossed":
            yield "raised", _if_current(finding.rule.channels, day)
        return
    if finding.status == "within":
        yield "over", _if_current(known.due, day)
    elif finding.status != "no value":
        told = () if known.is_silent_at(finding.severity) else finding.rule.channels
        channels = _if_current(tuple(c for c in told if _is_to_be_told(known, finding, c, day)), day)
        last = known.newest
        is_news = (last.as_of, last.severity, last.value) != (day.as_of, finding.severity, _value(finding))
        if channels or is_news:
            yield "seen_again", channels


def _is_to_be_told(known: Alert, finding: Finding, channel: str, day: Day) -> bool:
    last = known.last_due(channel)
    if last is None:
        return True  # raised on a day that had passed, or the channel is new
    is_worse = RANK[finding.severity] > RANK[last.severity]
    return is_worse or (day.as_of - last.as_of).days >= day.repeat_after_days


def _if_current(channels: tuple[str, ...], day: Day) -> tuple[str, ...]:
    return channels if day.is_current else ()


def _name(slug: str, finding: Finding, day: Day, sequence: int) -> str:
    told = f"{slug}/{finding.rule.name}/{finding.about}/{day.as_of}/{sequence}"
    return hashlib.blake2b(told.encode(), digest_size=4).hexdigest()


def _event(
    finding: Finding, day: Day, sequence: int, state: State, channels: tuple[str, ...], message: str,
    known: Alert | None,
) -> Event:  # fmt: skip
    newest = finding.newest
    since = known.since if known is not None else finding.since
    detail: dict[str, Any] = {
        "metric": finding.rule.metric,
        "line": finding.line,
        "is_above": finding.is_above,
        "since": since.isoformat() if since is not None else None,
        "low": newest.low if newest is not None else None,
        "high": newest.high if newest is not None else None,
        "detail": finding.detail,
        "is_default": finding.rule.is_default,
    }
    return Event(
        day.as_of, sequence, state, finding.severity, day.now, message, _value(finding), None, channels, detail
    )


def _value(finding: Finding) -> float | None:
    return finding.newest.value if finding.newest is not None else None
