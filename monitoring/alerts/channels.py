"""The ways to people: log, file, e-mail, signed call, Slack. Who is not reached says why, and repeats no secret."""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from campaigns.delivery.outbox import append_line
from campaigns.delivery.signing import endpoint_at, value_of
from campaigns.delivery.webhook import Clock, NotNow, Patience, Wait, post
from holdback.business.alerts import Channel, EmailChannel, FileChannel, LogChannel, Severity, SlackChannel
from holdback.errors import BusinessFileError, OperatorError
from holdback.workspace import Workspace
from monitoring.alerts.messages import Message

LOGGER: Final = "holdback.alerts"
PATIENCE: Final = Patience(attempts=3, timeout_seconds=10.0, longest_wait_seconds=10.0)
"""A day must not wait long for a channel: what is not taken now is tried again by the next run."""
_LEVELS: Final[dict[Severity, int]] = {
    # A notice is logged as a warning: without a handler of one's own, Python shows nothing below that.
    "notice": logging.WARNING, "warning": logging.WARNING, "critical": logging.ERROR,
}  # fmt: skip


@dataclass(frozen=True)
class Sender:
    """What sending needs.

    Args:
        workspace: Where files lie.
        environment: Holds the addresses and secrets that the business file names.
        now: The instant, naive UTC.
        wait: Lets seconds pass.
        patience: How long to keep trying.
    """

    workspace: Workspace
    environment: Mapping[str, str]
    now: datetime
    wait: Wait
    patience: Patience = PATIENCE


class NotTaken(Exception):
    """The channel did not take the message; the text says why, without a word of the receiver's or a secret."""


def send(message: Message, channel: Channel, sender: Sender) -> str:
    """Send one message through one channel; when it returns, the channel has taken it.

    Returns:
        What somebody should know all the same, such as a recipient who was refused; empty when all is well.

    Raises:
        NotTaken: it has not, with the reason.
    """
    try:
        if isinstance(channel, LogChannel):
            _log(message)
        elif isinstance(channel, FileChannel):
            _write(message, channel, sender)
        elif isinstance(channel, EmailChannel):
            return _mail(message, channel, sender)
        else:
            _call(message, channel, sender)
    except NotTaken:
        raise
    except (BusinessFileError, OperatorError) as error:
        raise NotTaken(str(error)) from error
    except Exception as fault:  # noqa: BLE001 - a vendor's fault in one channel must stop no other, nor the day
        # Its words may repeat an address or a password; its chain is kept out of every log for the same reason.
        raise NotTaken(f"it cannot be used as it is declared ({type(fault).__name__}).") from None
    return ""


def _log(message: Message) -> None:
    log = logging.getLogger(LOGGER)
    if message.is_test:
        log.warning("alert tested: business=%s", message.business)
    for item in message.items:
        log.log(
            _LEVELS[item.severity],
            "alert %s: business=%s as_of=%s id=%s rule=%s about=%s severity=%s since=%s seen=%s runbook=%s",
            item.state, message.business, message.as_of, item.alert.alert_id, item.alert.rule, item.alert.about,
            item.severity, item.alert.since, " ".join(item.sentence.split()), item.runbook,
        )  # fmt: skip


def _write(message: Message, channel: FileChannel, sender: Sender) -> None:
    path = sender.workspace.folder / channel.path
    if not path.parent.resolve().is_relative_to(sender.workspace.folder):
        raise NotTaken(f"{channel.path}: leads out of the workspace. Take the link away.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotTaken(
            f"{path.parent}: cannot be made ({error.strerror}). Check permissions and free space."
        ) from error
    head = {"key": message.key, "business": message.business, "as_of": message.as_of.isoformat()}
    told = [item.plain() for item in message.items] or [{"is_test": message.is_test}]
    for line in told:
        append_line(path, json.dumps({**head, **line}, ensure_ascii=False))


def _call(message: Message, channel: Channel, sender: Sender) -> None:
    assert not isinstance(channel, LogChannel | FileChannel | EmailChannel)
    where = f"channels.{channel.name}"
    url = value_of(channel.url, f"{where}.url", sender.environment)
    secret, content = "", {}
    if isinstance(channel, SlackChannel):
        content = {"text": slack_text(message)}
    else:
        secret = value_of(channel.secret, f"{where}.secret", sender.environment)
        content = {**message.plain(), "text": message.text}
    endpoint = endpoint_at(url, secret, f"{where}.url: the value of {channel.url}", "Alerts")
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    clock = Clock(sender.now, sender.wait)
    try:
        answer, attempts = post(message.key, body, endpoint, clock=clock, patience=sender.patience)
    except NotNow as stop:
        raise NotTaken(f"{stop}.") from stop
    if not answer.is_taken:
        raise NotTaken(f"{answer.reason} ({attempts} {'try' if attempts == 1 else 'tries'}).")


def slack_text(message: Message) -> str:
    """Return a message as Slack takes it: its three special characters are written out, the first line is bold.

    Source: Slack's "Formatting text for app surfaces", escaping text.
    """
    first, _, rest = message.text.partition("\n")
    safe = first.replace("*", "∗")
    return _escaped(f"*{safe}*\n{rest}")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _mail(message: Message, channel: EmailChannel, sender: Sender) -> str:
    mail = _letter(message, channel, sender.now)
    user, password = _credentials(channel, sender.environment)
    attempts = sender.patience.attempts
    for attempt in range(1, attempts + 1):
        try:
            refused = _hand_over(mail, channel, user, password, sender.patience.timeout_seconds)
            # Whoever took it must not get it daily because another one's address is wrong.
            return f"{refused} of {len(channel.to)} recipients were refused by the server" if refused else ""
        except smtplib.SMTPException as error:
            reason, can_pass = _said(error)
        except ssl.SSLError:
            reason, can_pass = "its certificate is not trusted, or it does not speak TLS", False
        except TimeoutError:
            reason, can_pass = f"no answer within {sender.patience.timeout_seconds:g} seconds", True
        except OSError as error:
            reason, can_pass = f"the connection failed ({type(error).__name__})", True
        if not can_pass or attempt == attempts:
            raise NotTaken(f"{reason} ({attempt} {'try' if attempt == 1 else 'tries'}).")
        sender.wait(sender.patience.first_wait_seconds * 2 ** (attempt - 1))
    raise NotTaken("it was not tried.")


def _letter(message: Message, channel: EmailChannel, now: datetime) -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"] = " ".join(message.subject.split())
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.to)
    mail["Date"] = format_datetime(now.replace(tzinfo=UTC))
    mail["Message-ID"] = f"<{message.key}@holdback.invalid>"  # the same when it is sent again
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail


def _credentials(channel: EmailChannel, environment: Mapping[str, str]) -> tuple[str | None, str | None]:
    if channel.user is None or channel.password is None:
        return None, None
    where = f"channels.{channel.name}"
    user = value_of(channel.user, f"{where}.user", environment) if channel.user.startswith("$") else channel.user
    return user, value_of(channel.password, f"{where}.password", environment)


def _hand_over(
    mail: EmailMessage, channel: EmailChannel, user: str | None, password: str | None, timeout_seconds: float
) -> int:
    """Hand a letter to the server; return how many recipients it refused while it took the others."""
    context = ssl.create_default_context() if channel.encryption != "none" else None
    if channel.encryption == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(channel.host, channel.port, timeout=timeout_seconds, context=context)
    else:
        server = smtplib.SMTP(channel.host, channel.port, timeout=timeout_seconds)
    with server:
        if channel.encryption == "starttls":
            server.starttls(context=context)  # refused: nothing is sent in clear
        if user is not None and password is not None:
            server.login(user, password)
        return len(server.send_message(mail))


def _said(error: smtplib.SMTPException) -> tuple[str, bool]:
    """Return what the server said as a number, and whether it can pass; its words may repeat ours."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return "it refuses user and password", False
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "it offers no encryption (STARTTLS) or no sign-in", False
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        count = len(error.recipients)
        return f"it refuses {count} of the recipients", all(code[0] // 100 == 4 for code in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"it answered {error.smtp_code}", error.smtp_code // 100 == 4
    return f"it did not go on ({type(error).__name__})", True
