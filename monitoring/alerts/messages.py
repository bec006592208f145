"""What a channel is told: one message per run with every alert that it waits for, the worst first."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from holdback.business import Business
from holdback.business.alerts import Severity
from monitoring.alerts.rules import RANK
from monitoring.alerts.states import Alert, Told
from monitoring.alerts.wording import block, runbook_entry, subject
from monitoring.words import Words

_ORDER: tuple[Told, ...] = ("new", "worse", "still", "over")


@dataclass(frozen=True, slots=True)
class Item:
    """One alert as a message tells it.

    Attributes:
        alert: The alert.
        state: ``new``, ``worse`` than told before, ``still`` open, or ``over``.
        severity: How bad it is, or was.
        sentence: What is seen.
        text: Everything, over several lines: what, since when, the line, what to do, where to read on.
        runbook: Where to read on: ``docs/runbook.md#anchor``.
    """

    alert: Alert
    state: Told
    severity: Severity
    sentence: str
    text: str
    runbook: str

    def plain(self) -> dict[str, Any]:
        """The alert for machines; nothing of a customer is in it."""
        newest, detail = self.alert.newest, self.alert.newest.detail
        return {
            "alert_id": self.alert.alert_id, "rule": self.alert.rule, "about": self.alert.about, "state": self.state,
            "severity": self.severity, "since": self.alert.since.isoformat(), "seen": self.sentence,
            "metric": detail.get("metric"), "value": newest.value, "low": detail.get("low"),
            "high": detail.get("high"), "line": detail.get("line"),
            "crossed_when": "above" if detail.get("is_above") else "below", "runbook": self.runbook,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel.

    Attributes:
        key: The same when the same is told again: receivers can tell that they know it.
        business: The business' slug.
        as_of: The day.
        subject: In a line.
        text: Everything, for people.
        items: The alerts, the worst first, what is over last.
        is_test: True for a message that only tries the channel.
    """

    key: str
    business: str
    as_of: date
    subject: str
    text: str
    items: tuple[Item, ...]
    is_test: bool = False

    def plain(self) -> dict[str, Any]:
        """The message for machines."""
        return {
            "key": self.key, "business": self.business, "as_of": self.as_of.isoformat(), "is_test": self.is_test,
            "subject": self.subject, "alerts": [item.plain() for item in self.items],
        }  # fmt: skip


def message_for(business: Business, alerts: Sequence[Alert], channel: str, as_of: date) -> Message | None:
    """Return what a channel is to be told now; None when it waits for nothing.

    Whatever it could not be told before is in it. An alert that is over before the channel heard of it is told as over,
    with the days from and to which it lasted: none is lost. One that somebody acknowledged meanwhile is not told.
    """
    w = Words(business.language)
    waiting = [alert for alert in alerts if alert.waits_for(channel) and alert.state != "acknowledged"]
    items = sorted((_item(alert, channel, business, w) for alert in waiting), key=_rank)
    if not items:
        return None
    told = "".join(f"{item.alert.alert_id}:{item.alert.newest.sequence};" for item in items)
    key = hashlib.blake2b(f"{business.slug}/{channel}/{told}".encode(), digest_size=12).hexdigest()
    line = subject(business.name, [(item.severity, item.state) for item in items], as_of, w)
    blocks = "\n\n".join(item.text for item in items)
    text = f"{line}\n\n{blocks}\n\n{w('alerts_footer', slug=business.slug)}"
    return Message(key, business.slug, as_of, line, text, tuple(items))


def trial_message(business: Business, channel: str, as_of: date, now_text: str) -> Message:
    """Return a message that says that it is a test and nothing else."""
    w = Words(business.language)
    line = w("alerts_test_subject", business=business.name)
    key = hashlib.blake2b(f"{business.slug}/{channel}/test/{now_text}".encode(), digest_size=12).hexdigest()
    return Message(key, business.slug, as_of, line, f"{line}\n\n{w('alerts_test_text')}", (), is_test=True)


def _item(alert: Alert, channel: str, business: Business, w: Words) -> Item:
    before = alert.last_sent(channel)
    state: Told = "over" if alert.state == "over" else "new" if before is None else "still"
    severity = alert.newest.severity
    if before is not None and state == "still" and RANK[severity] > RANK[before.severity]:
        state = "worse"
    text = block(alert, state, business, w)
    return Item(alert, state, severity, alert.newest.message, text, runbook_entry(alert))


def _rank(item: Item) -> tuple[bool, int, int, str, str]:
    return item.state == "over", -RANK[item.severity], _ORDER.index(item.state), item.alert.rule, item.alert.about
