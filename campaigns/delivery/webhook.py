"""One signed call per contact, repeated with patience and never without its idempotency key."""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final

from campaigns.delivery.receipts import Receipt, Receipts
from campaigns.delivery.signing import Endpoint, signature

Wait = Callable[[float], object]
"""Lets so many seconds pass; ``time.sleep`` in production."""


@dataclass(frozen=True)
class Patience:
    """How long the webhook keeps trying.

    Args:
        attempts: Calls per contact at most.
        timeout_seconds: Without a word for so long, the server is taken as silent.
        first_wait_seconds: Wait after the first failure; it doubles with each one, give or take a quarter.
        longest_wait_seconds: No wait is longer; a server that asks for a longer one is left alone until the next run.
        failures_in_a_row: After so many contacts given up one after the other, the rest is kept for the next run.
    """

    attempts: int = 5
    timeout_seconds: float = 10.0
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 120.0
    failures_in_a_row: int = 5


PATIENCE: Final = Patience()


@dataclass(frozen=True)
class Window:
    """When contacts may go out: from ``opens_at`` until before ``closes_at``, both naive UTC."""

    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True)
class WebhookResult:
    """What the webhook did with the contacts of a day.

    Args:
        delivered: Taken by the receiver in this run.
        known: Taken in an earlier run, and not sent again.
        dead: Given up, in this run or before; they wait for ``resend``.
        waiting: Not sent in this run.
        waiting_because: Why, in words; None when nothing waits.
    """

    delivered: int = 0
    known: int = 0
    dead: int = 0
    waiting: int = 0
    waiting_because: str | None = None

    def __str__(self) -> str:
        told = f"{self.delivered:,} sent, {self.known:,} sent before, {self.dead:,} given up, {self.waiting:,} waiting"
        return f"{told} ({self.waiting_because})" if self.waiting_because else told


@dataclass
class Clock:
    """The instant that was given, moved on by the time that has passed since: measured, or waited for in a test."""

    now: datetime
    wait: Wait
    _waited: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    @property
    def instant(self) -> datetime:
        """The present, as naive UTC."""
        return self.now + timedelta(seconds=max(self._waited, time.monotonic() - self._started))

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.wait(seconds)
        self._waited += seconds


@dataclass(frozen=True)
class Answer:
    """What a receiver said to a call, or why it said nothing; ``reason`` holds no word of its own."""

    status: int | None
    reason: str
    is_worth_another_try: bool
    retry_after: float | None = None

    @property
    def is_taken(self) -> bool:
        """True when the receiver took the call."""
        return self.status is not None and 200 <= self.status < 300


class NotNow(Exception):
    """Sending stops here; the message says why."""


def send(
    contacts: Iterable[Mapping[str, Any]],
    endpoint: Endpoint,
    receipts: Receipts,
    *,
    clock: Clock,
    window: Window,
    patience: Patience = PATIENCE,
    again: bool = False,
    check: Callable[[], object] = lambda: None,
) -> WebhookResult:
    """Send each contact that has no receipt, once.

    A call is repeated after 429, 5xx, a broken connection and silence, with the same idempotency key: the receiver may
    have taken the first one although its answer was lost. Any other answer is final; a redirection is never followed.
    Each verdict is on the disk before the next contact is sent. Outside ``window`` nothing is sent.

    Args:
        contacts: What the receiver gets, one mapping per contact with its ``decision_id``.
        endpoint: The receiver.
        receipts: What was settled before; grows.
        clock: Tells and passes the time.
        window: When contacts may go out.
        patience: How long to keep trying.
        again: True to try once more what was given up before.
        check: Called before each contact; raises what ends the sending: another process may do it by now.

    Raises:
        OperatorError: a verdict cannot be written down.
    """
    settled = receipts.delivered if again else receipts.delivered | receipts.dead.keys()
    listed = list(contacts)
    known = sum(contact["decision_id"] in receipts.delivered for contact in listed)
    open_ones = [contact for contact in listed if contact["decision_id"] not in settled]
    delivered, failures, because = 0, 0, None
    left = len(open_ones)
    for contact in open_ones:
        check()
        try:
            receipt = _settle(contact, endpoint, clock, window, patience)
        except NotNow as stop:
            because = str(stop)
            break
        receipts.add(receipt)
        left -= 1
        delivered += receipt.verdict == "delivered"
        failures = 0 if receipt.verdict == "delivered" else failures + 1
        if failures >= patience.failures_in_a_row and left:
            because = f"{failures} contacts in a row were given up; the last reason: {receipt.reason}"
            break
    receipts.write_dead_letters()
    named = {contact["decision_id"] for contact in listed}
    return WebhookResult(delivered, known, len(receipts.dead.keys() & named), left, because)


def _settle(
    contact: Mapping[str, Any], endpoint: Endpoint, clock: Clock, window: Window, patience: Patience
) -> Receipt:
    decision_id = str(contact["decision_id"])
    body = json.dumps(contact, ensure_ascii=False, separators=(",", ":"), default=_plain).encode()
    answer, attempts = post(decision_id, body, endpoint, clock=clock, patience=patience, window=window)
    if answer.is_taken:
        return Receipt(decision_id, "delivered", attempts, answer.status, None, clock.instant)
    return Receipt(decision_id, "dead", attempts, answer.status, answer.reason, clock.instant)


def post(
    key: str, body: bytes, endpoint: Endpoint, *, clock: Clock, patience: Patience, window: Window | None = None
) -> tuple[Answer, int]:
    """Make one call until it is taken, is refused for good, or patience ends.

    Args:
        key: The idempotency key; the same for each attempt.
        body: JSON in UTF-8.
        endpoint: The receiver; signed for when it has a secret.
        clock: Tells and passes the time.
        patience: How long to keep trying.
        window: When calls may go out; None for always.

    Returns:
        The last answer, and how many attempts it took.

    Raises:
        NotNow: it is outside the window, or the receiver asks for more patience than there is.
    """
    answer = Answer(None, "was not tried", False)
    for attempt in range(1, patience.attempts + 1):
        if window is not None:
            _refuse_quiet_hours(clock.instant, window)
        answer = _call(endpoint, key, body, clock.instant, patience.timeout_seconds)
        if answer.is_taken or not answer.is_worth_another_try or attempt == patience.attempts:
            return answer, attempt
        pause = _pause(answer, attempt, key, patience)
        if pause > patience.longest_wait_seconds:
            raise NotNow(f"the receiver asks for {pause:,.0f} seconds of patience")
        clock.pause(pause)
    return answer, patience.attempts


def _refuse_quiet_hours(instant: datetime, window: Window) -> None:
    if instant < window.opens_at:
        raise NotNow(f"quiet hours until {window.opens_at.isoformat(timespec='minutes')} UTC")
    if instant >= window.closes_at:
        raise NotNow(f"quiet hours since {window.closes_at.isoformat(timespec='minutes')} UTC")


def _call(endpoint: Endpoint, key: str, body: bytes, instant: datetime, timeout_seconds: float) -> Answer:
    """Make one call on a connection of its own: what a server says too much can not be taken for the next answer."""
    sent_at = int(instant.replace(tzinfo=UTC).timestamp())
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "holdback",
        "Idempotency-Key": key,
        "Connection": "close",
    }
    if endpoint.secret:
        headers["X-Holdback-Signature"] = signature(endpoint.secret, sent_at, body)
    connection = _connection(endpoint, timeout_seconds)
    try:
        connection.request("POST", endpoint.path, body, headers)
        response = connection.getresponse()
        return _judged(response.status, response.getheader("Retry-After"), instant)
    except ssl.SSLCertVerificationError:
        return Answer(None, "its certificate is not trusted", False)
    except TimeoutError:
        return Answer(None, f"no answer within {timeout_seconds:g} seconds", True)
    except UnicodeError:  # an empty part of the name, one of more than 63 characters, or what no name may hold
        return Answer(None, "its address is not one of the internet", False)
    except (OSError, http.client.HTTPException) as error:
        return Answer(None, f"the connection failed ({type(error).__name__})", True)
    finally:
        connection.close()


def _connection(endpoint: Endpoint, timeout_seconds: float) -> http.client.HTTPConnection:
    if endpoint.is_encrypted:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=timeout_seconds, context=context)
    return http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_seconds)


def _judged(status: int, retry_after: str | None, instant: datetime) -> Answer:
    if status == 429 or 500 <= status < 600:
        return Answer(status, f"answered {status}", True, _seconds(retry_after, instant))
    if 300 <= status < 400:
        return Answer(status, f"answered {status}: redirections are not followed", False)
    return Answer(status, f"answered {status}", False)


def _seconds(retry_after: str | None, instant: datetime) -> float | None:
    """Read ``Retry-After``: seconds, or a date (RFC 9110, 10.2.3); None when it says nothing usable."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return max(0.0, (moment - instant.replace(tzinfo=UTC)).total_seconds())


def _pause(answer: Answer, attempt: int, key: str, patience: Patience) -> float:
    """Return the seconds to wait: never less than the server asks; spread by a hash, so that a rerun does the same."""
    if answer.retry_after is not None:
        return answer.retry_after
    draw = hashlib.blake2b(f"{key}/{attempt}".encode(), digest_size=4).digest()
    spread = 0.75 + 0.5 * int.from_bytes(draw, "big") / 2**32
    return float(min(patience.longest_wait_seconds, patience.first_wait_seconds * 2 ** (attempt - 1) * spread))


def _plain(value: object) -> object:
    """Write what JSON has no word for: instants and days as ISO 8601, money as a number."""
    if isinstance(value, Decimal):
        return float(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON")
