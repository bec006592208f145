"""What became of each alert so far: read from the tables ``alerts`` and ``alert_messages``, and kept nowhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from holdback.business.alerts import Severity
from holdback.warehouse import Warehouse
from monitoring.alerts.rules import RANK

State = Literal["raised", "seen_again", "acknowledged", "over"]
Told = Literal["new", "worse", "still", "over"]


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the table ``alerts``."""

    as_of: date
    sequence: int
    state: State
    severity: Severity
    happened_at: datetime
    message: str
    value: float | None
    by_whom: str | None
    channels: tuple[str, ...]
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sent:
    """One row of the table ``alert_messages``."""

    channel: str
    sequence: int
    severity: Severity
    state: Told
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert with everything that became of it.

    Attributes:
        alert_id: Its name.
        rule: Name of the rule.
        about: Its subject; empty for the company.
        events: What happened, in order; the first is ``raised``.
        sent: What each channel took, in order.
    """

    alert_id: str
    rule: str
    about: str
    events: tuple[Event, ...]
    sent: tuple[Sent, ...] = ()

    @property
    def newest(self) -> Event:
        """What happened last."""
        return self.events[-1]

    @property
    def state(self) -> Literal["open", "acknowledged", "over"]:
        """How it stands; one that is worse than when somebody acknowledged it is open again."""
        if self.newest.state == "over":
            return "over"
        return "acknowledged" if self.is_silent_at(self.newest.severity) else "open"

    def is_silent_at(self, severity: Severity) -> bool:
        """True when somebody acknowledged it when it was at least so bad."""
        known = self.acknowledged
        return known is not None and RANK[severity] <= RANK[known.severity]

    @property
    def since(self) -> date:
        """First day on which it was seen: the figures may tell of days before it was raised."""
        told = self.events[0].detail.get("since")
        return date.fromisoformat(told) if told else self.events[0].as_of

    @property
    def acknowledged(self) -> Event | None:
        """Who silenced it, and when; None also when that was taken back: a ``seen_again`` by a person."""
        said = next((event for event in reversed(self.events) if event.by_whom is not None), None)
        return said if said is not None and said.state == "acknowledged" else None

    @property
    def due(self) -> tuple[str, ...]:
        """Channels that were ever to be told of it."""
        return tuple(sorted({channel for event in self.events for channel in event.channels}))

    def last_due(self, channel: str) -> Event | None:
        """Return the newest event that a channel was to be told of."""
        return next((event for event in reversed(self.events) if channel in event.channels), None)

    def last_sent(self, channel: str) -> Sent | None:
        """Return what a channel took last."""
        return next((sent for sent in reversed(self.sent) if sent.channel == channel), None)

    def waits_for(self, channel: str) -> bool:
        """True when a channel has not taken the newest of what it was to be told of."""
        due, sent = self.last_due(channel), self.last_sent(channel)
        return due is not None and (sent is None or sent.sequence < due.sequence)


def read_alerts(warehouse: Warehouse, as_of: date | None = None) -> tuple[Alert, ...]:
    """Return every alert up to a day (all of them by default), in the order in which they were raised."""
    until = f"where as_of <= date '{as_of}' " if as_of is not None else ""
    rows = warehouse.query(f"select * from alerts {until}order by sequence, happened_at").to_pylist()
    told = warehouse.query(f"select * from alert_messages {until}order by sequence, sent_at").to_pylist()
    events: dict[tuple[str, str, str], list[Event]] = {}
    for row in rows:
        events.setdefault((row["alert_id"], row["rule"], row["about"]), []).append(_event(row))
    sent: dict[str, list[Sent]] = {}
    for row in told:
        sent.setdefault(row["alert_id"], []).append(
            Sent(row["channel"], row["sequence"], row["severity"], row["state"], row["sent_at"])
        )
    return tuple(Alert(*key, tuple(found), tuple(sent.get(key[0], ()))) for key, found in events.items())


def not_over(alerts: Sequence[Alert]) -> dict[tuple[str, str], Alert]:
    """Return the alerts that are not over by rule and subject; there is at most one of each."""
    return {(alert.rule, alert.about): alert for alert in alerts if alert.state != "over"}


def _event(row: Mapping[str, Any]) -> Event:
    return Event(
        row["as_of"], row["sequence"], row["state"], row["severity"], row["happened_at"], row["message"], row["value"],
        row["by_whom"], tuple(json.loads(row["channels"] or "[]")), json.loads(row["detail"] or "{}"),
    )  # fmt: skip
