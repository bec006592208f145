"""The sections ``alerts`` and ``channels``: what a person must hear of, and how it reaches them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from holdback.business.sections import Name, Section, Texts, refuse_unknown

if TYPE_CHECKING:
    from holdback.business.model import Business

Severity = Literal["notice", "warning", "critical"]
Unit = Literal["count", "money", "share", "number", "days", "flag"]

#: What rules can be about: metrics of the table ``daily_metrics``, with their unit.
MEASURED_DAILY: Final[dict[str, Unit]] = {
    "customers_scored": "count", "customers_at_risk": "count", "margin_at_risk_amount": "money",
    "mean_probability": "share", "churn_rate": "share", "drifted_features": "count", "score_change": "number",
    "auc": "number", "predicted_over_actual": "number", "calibration_error": "share", "expected_auc": "number",
    "offered_rows": "count", "quarantined_share": "share", "feed_age_days": "days", "critical_rules_broken": "count",
    "decided_contacts": "count", "held_out_customers": "count", "spent_amount": "money", "trigger_firings": "count",
    "nps": "number", "response_rate": "share", "effect": "number", "integrity_failures": "count",
    "days_since_training": "days",
}  # fmt: skip
#: And what is or is not so on a day: 1 when it is.
FACTS: Final[dict[str, Unit]] = dict.fromkeys(
    (
        "campaign_halted",
        "trigger_flooded",
        "ledger_broken",
        "model_blocked",
        "retraining_due",
        "step_failed",
        "nothing_came_in",
        "channel_unreached",
        "registry_unasked",
    ),
    "flag",
)
METRICS: Final[dict[str, Unit]] = {**MEASURED_DAILY, **FACTS}
#: Rules that hold without being written down; ``off`` switches them off, a rule of the same name takes their place.
DEFAULT_RULES: Final = (
    "contract_broken", "feed_too_old", "too_much_quarantined", "integrity_failed", "campaign_halted", "trigger_flooded",
    "calibration_off", "ledger_broken", "model_blocked", "training_overdue", "retraining_proposed", "step_failed",
    "nothing_came_in", "channel_unreached", "registry_unasked",
)  # fmt: skip

_OWN_FILE = re.compile(r"(log/)?[^/.][^/]*\.jsonl")
_VARIABLE = re.compile(r"\$[A-Z][A-Z0-9_]*")


def _is_address(text: str) -> str:
    """Refuse what no mail server takes: :class:`ValueError`. Only ASCII, which every server takes."""
    from email.errors import HeaderParseError
    from email.headerregistry import Address

    try:
        parsed = Address(addr_spec=text)
    except (HeaderParseError, ValueError, IndexError, AttributeError):  # the last two are faults of the parser's own
        parsed = Address()
    is_plain = text.isascii() and text.isprintable() and not re.search(r"[\s,;<>]", text)
    if not is_plain or not parsed.username or not _is_host(parsed.domain):
        raise ValueError(f"{text!r} is not an address such as name@example.com")
    return text


def _is_host(text: str) -> bool:
    """True for a name or address of a server: no part of a name is empty or has more than 63 characters (RFC 1035)."""
    try:
        ip_address(text.removeprefix("[").removesuffix("]").removeprefix("IPv6:"))
    except ValueError:
        return all(re.fullmatch(r"[A-Za-z0-9_-]{1,63}", part) for part in text.removesuffix(".").split("."))
    return True


_Address = Annotated[str, AfterValidator(_is_address)]


class _Channel(Section):
    name: Name

    @model_validator(mode="before")
    @classmethod
    def _secrets_stay_outside(cls, content: Any) -> Any:
        """Refuse a secret in the file before any other rule could repeat it in its message."""
        if isinstance(content, dict) and "@" in str(content.get("host")):
            raise ValueError("host: a server's name without user and password, which have keys of their own")
        for key in ("url", "secret", "password", "user") if isinstance(content, dict) else ():
            value = content.get(key)
            if value is None or (isinstance(value, str) and _VARIABLE.fullmatch(value)):
                continue
            if key == "user" and isinstance(value, str) and not value.startswith("$"):
                continue  # a user's name is no secret
            raise ValueError(
                f"{key}: write $NAME, where the environment variable NAME holds it; secrets never stand in a business "
                "file. What stands there now must be changed at its source: others may have read it"
            )
        return content


class LogChannel(_Channel):
    """A line per alert in the log of the process (Python's logger ``holdback.alerts``)."""

    kind: Literal["log"]


class FileChannel(_Channel):
    """A line of JSON per alert at the end of a file."""

    kind: Literal["file"]
    path: str = Field("alerts.jsonl", description="In the workspace of the business: NAME.jsonl or log/NAME.jsonl")

    @model_validator(mode="after")
    def _touches_no_other_file(self) -> FileChannel:
        """Whatever else lies in the workspace (journal, tables, site) would be spoilt by a line at its end."""
        if not _OWN_FILE.fullmatch(self.path) or not self.path.isprintable() or "\\" in self.path:
            raise ValueError("path: must lie in the workspace, such as alerts.jsonl or log/alerts.jsonl")
        return self


class EmailChannel(_Channel):
    """An e-mail to people."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)

    kind: Literal["email"]
    host: str = Field(description="The mail server")
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    encryption: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="none only for a server on this machine"
    )
    sender: _Address = Field(alias="from")
    to: Annotated[Texts, Field(description="Who gets it; at least one address")]
    user: str | None = Field(None, description="Name to sign in with, or $NAME of the variable that holds it")
    password: str | None = Field(None, description="$NAME of the variable with the password")

    @model_validator(mode="after")
    def _reaches_somebody(self) -> EmailChannel:
        if not self.to:
            raise ValueError("to: an e-mail needs at least one recipient")
        for address in self.to:
            try:
                _is_address(address)
            except ValueError as error:
                raise ValueError(f"to: {error}") from error
        if not _is_host(self.host):
            raise ValueError(f"host: {self.host!r} is not a server's name, such as mail.example.com")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: write both, or neither")
        if self.encryption == "none" and not _is_this_machine(self.host):
            raise ValueError("encryption: none is only for a server on this machine; write starttls or tls")
        return self


class WebhookChannel(_Channel):
    """A signed call with JSON, as for contacts."""

    kind: Literal["webhook"]
    url: str = Field(description="$NAME of the variable with the address")
    secret: str = Field(description="$NAME of the variable with the key that signs the calls (HMAC-SHA256)")


class SlackChannel(_Channel):
    """An incoming webhook of Slack, or of anything that takes ``{"text": ...}``."""

    kind: Literal["slack"]
    url: str = Field(description="$NAME of the variable with the address, which is a secret")


Channel = Annotated[
    LogChannel | FileChannel | EmailChannel | WebhookChannel | SlackChannel, Field(discriminator="kind")
]


class AlertRule(Section):
    """When somebody must hear of a figure."""

    name: Name
    metric: str
    about: str | None = Field(None, description="One feed, churn definition, campaign or trigger; each one by default")
    above: float | None = Field(None, description="The line: alert above it")
    below: float | None = Field(None, description="The line: alert below it; write above or below")
    for_days: Annotated[int, Field(ge=1, le=60)] = Field(1, description="Days with a value, one after the other")
    beyond_chance: bool = Field(
        True,
        description="True: where a figure has an interval, its nearer end must cross the line, so that chance wakes "
        "nobody; false: the figure itself",
    )
    severity: Severity = "warning"
    channels: Texts | None = Field(None, description="Names of channels; those of alerts.channels by default")

    @model_validator(mode="after")
    def _has_one_line(self) -> AlertRule:
        refuse_unknown("metric", [self.metric], list(METRICS), "a metric")
        if (self.above is None) == (self.below is None):
            both = "above and below are both there" if self.above is not None else "there is no line"
            raise ValueError(f"{both}: write either above or below; two rules make a band")
        return self


class Alerts(Section):
    """What a person must hear of, besides the rules that hold anyway."""

    rules: tuple[AlertRule, ...] = ()
    off: Texts = Field((), description=f"Rules that hold anyway and are not wanted: {', '.join(DEFAULT_RULES)}")
    channels: Texts | None = Field(
        None, description="Channels of rules that name none; every channel that is declared by default"
    )
    repeat_after_days: Annotated[int, Field(ge=1, le=365)] = Field(
        7, description="Days after which an alert that is still open, and that nobody acknowledged, is told again"
    )

    @model_validator(mode="before")
    @classmethod
    def _off_is_a_word(cls, content: Any) -> Any:
        """Take YAML's boolean for the key that it was written as: ``off`` without quotes is ``false`` in YAML 1.1."""
        if not isinstance(content, dict):
            return content
        return {"off" if key is False else key: value for key, value in content.items()}

    @model_validator(mode="after")
    def _names_are_known(self) -> Alerts:
        refuse_unknown("off", self.off, list(DEFAULT_RULES), "a rule that holds anyway")
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("rules: two rules have the same name")
        return self


def check_alerts(business: Business) -> None:
    """Raise ``ValueError`` for the first channel or subject that does not exist, or name that stands twice."""
    names = [channel.name for channel in business.channels]
    if len(set(names)) < len(names):
        raise ValueError("channels: two channels have the same name")
    _refuse_unknown_channels("alerts.channels", business.alerts.channels, names)
    subjects = sorted({*_subjects(business)})
    for position, rule in enumerate(business.alerts.rules):
        where = f"alerts.rules[{position}]"
        _refuse_unknown_channels(f"{where}.channels", rule.channels, names)
        about = "a feed, churn definition, campaign, trigger or action"
        refuse_unknown(f"{where}.about", filter(None, [rule.about]), subjects, about)


def _refuse_unknown_channels(where: str, asked: tuple[str, ...] | None, names: list[str]) -> None:
    if asked and not names:
        raise ValueError(f"{where}: {asked[0]!r} is not one of the channels: none is declared. Add channels")
    refuse_unknown(where, asked or (), names, "one of the channels")


def _subjects(business: Business) -> Iterator[str]:
    yield from ("customers", *business.feeds)
    for named in (business.churn, business.campaigns, business.triggers, business.actions):
        yield from (one.name for one in named)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
