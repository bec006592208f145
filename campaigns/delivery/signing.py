"""Where the webhook's calls go, and how they are signed."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from holdback.business import Business
from holdback.errors import BusinessFileError

_LOCAL_NAMES = frozenset({"localhost"})
_SIGNATURE = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")

REPLAY_SECONDS: Final = 300
"""A call that was signed longer ago, or for later than this, is not taken: it may be one that somebody recorded."""
LARGEST_BODY: Final = 1 << 20
"""Bytes of a call; ours are far smaller."""


class NotOurs(Exception):
    """A call is not to be believed; the message says why, and repeats nothing of it."""


@dataclass(frozen=True)
class Endpoint:
    """The receiver of the calls; its address and its secret are shown nowhere.

    Args:
        host: Name or address of the server.
        port: Its port.
        path: Path and query of the address.
        is_encrypted: True for https; False only for a server on this machine.
        secret: Key of the signature.
    """

    host: str = field(repr=False)
    port: int = field(repr=False)
    path: str = field(repr=False)
    is_encrypted: bool
    secret: str = field(repr=False)


def endpoint_of(business: Business, environment: Mapping[str, str]) -> Endpoint | None:
    """Return where the business wants its calls; None when it wants none.

    Raises:
        BusinessFileError: a variable is not set, or its value is not an address that personal data may be sent to.
    """
    section = business.delivery.webhook
    if section is None:
        return None
    url = value_of(section.url, "delivery.webhook.url", environment)
    secret = value_of(section.secret, "delivery.webhook.secret", environment)
    return endpoint_at(url, secret, f"{business.slug}: delivery.webhook.url: the value of {section.url}", "Contacts")


def endpoint_at(url: str, secret: str, where: str, what: str) -> Endpoint:
    """Return the receiver at an address.

    Args:
        url: The address; never repeated in a message.
        secret: Key of the signature; empty for a receiver whose address is its secret.
        where: How the address is called in a message.
        what: What travels there, such as ``Contacts``.

    Raises:
        BusinessFileError: it is not an address that anything may be sent to.
    """
    parts = _split(url, where)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BusinessFileError(f"{where} is not an address. Write https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise BusinessFileError(f"{where} holds a user or a password. Take them out: the signature tells who calls.")
    if parts.scheme == "http" and not _is_local(parts.hostname):
        raise BusinessFileError(
            f"{where} begins with http://. {what} travel encrypted unless they stay on this machine. Write https://."
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    is_encrypted = parts.scheme == "https"
    return Endpoint(parts.hostname, parts.port or (443 if is_encrypted else 80), path, is_encrypted, secret)


def value_of(variable: str, where: str, environment: Mapping[str, str]) -> str:
    """Return the value that ``$NAME`` stands for.

    Raises:
        BusinessFileError: it is not set.
    """
    name = variable.removeprefix("$")
    value = environment.get(name, "").strip()
    if not value:
        raise BusinessFileError(f"{where}: the environment variable {name} is not set. Set it. Nothing was delivered.")
    return value


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of ``X-Holdback-Signature``: ``t=<unix seconds>,v1=<HMAC-SHA256 of "t.body", in hex>``.

    Examples:
        >>> signature("key", 1, b"{}")[:24]  # printf '1.{}' | openssl dgst -sha256 -hmac key
        't=1,v1=1ba6b8171186efc61'
    """
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def verified(secret: str, signed: str, key: str, body: bytes, *, now: int) -> dict[str, Any]:
    """Return what a call says if it is to be believed: what a receiver must check, in the order that costs least.

    Within the replay window a recorded call can come again: a receiver keeps each ``key`` that it took for as long,
    and answers 200 to one that it knows, without acting on it.

    Args:
        secret: Key of the signature, known to both sides.
        signed: Value of the header ``X-Holdback-Signature``.
        key: Value of the header ``Idempotency-Key``; it must be the signed body's own, ``decision_id`` or ``key``.
        body: The bytes as they came, before anything parsed or decoded them.
        now: The receiver's clock, in Unix seconds.

    Raises:
        NotOurs: it is not.
        ValueError: the secret is empty: everybody could sign.

    Examples:
        >>> body = b'{"decision_id":"d-1"}'
        >>> verified("key", signature("key", 1_000, body), "d-1", body, now=1_060)
        {'decision_id': 'd-1'}
    """
    if not secret:
        raise ValueError("without a secret anybody could have signed")
    if len(body) > LARGEST_BODY:
        raise NotOurs("its body is too large")
    parts = _SIGNATURE.fullmatch(signed)
    if parts is None:
        raise NotOurs("its signature is not one")
    signed_at = int(parts[1])
    if not hmac.compare_digest(signature(secret, signed_at, body), f"t={signed_at},v1={parts[2]}"):
        raise NotOurs("its signature is not ours")
    if abs(now - signed_at) > REPLAY_SECONDS:
        raise NotOurs("it was not signed just now")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise NotOurs("its body is not JSON") from None
    own = (content.get("decision_id") or content.get("key")) if isinstance(content, dict) else None
    if own is None or own != key:
        raise NotOurs("its key is not that of its body")
    return dict(content)


def _split(url: str, where: str) -> SplitResult:
    """Split an address; what Python or a server could read in two ways is refused."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError when it is no port
    except ValueError:
        raise BusinessFileError(f"{where} is not an address. Write https://host/path.") from None
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BusinessFileError(f"{where} holds characters that an address has not. Write them percent-encoded.")
    return parts


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOCAL_NAMES
