"""The rules that hold for a business: its own, and those that hold anyway."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from holdback.business import Business
from holdback.business.alerts import DEFAULT_RULES, AlertRule, Severity
from monitoring.history.metrics import METRICS

CALIBRATION_BAND: Final = (0.8, 1.25)
"""Predicted over actual churn from which on the probabilities, and every amount made from them, are off."""
OVERDUE_DAYS: Final = 180
"""Days since the training after which somebody should ask why nobody trained."""
_QUARANTINE_WARNS_AT = 0.5  # of what the business file allows: above all of it the batch is refused altogether

#: A severity and how bad it is.
RANK: Final[dict[Severity, int]] = {"notice": 0, "warning": 1, "critical": 2}


@dataclass(frozen=True, slots=True)
class Rule:
    """When a figure is worth a person's attention.

    Attributes:
        name: Of the rule.
        metric: Which figure.
        about: Which subject; None for each.
        above: The upper line; None when there is none.
        below: The lower line.
        severity: How bad it is to cross a line.
        channels: Who is told.
        for_days: So many days with a value, one after the other.
        beyond_chance: True when the nearer end of an interval must cross the line.
        critical_above: From here on it is critical, whatever ``severity`` says.
        is_default: True when it holds without being written down.
    """

    name: str
    metric: str
    about: str | None
    above: float | None
    below: float | None
    severity: Severity
    channels: tuple[str, ...]
    for_days: int = 1
    beyond_chance: bool = True
    critical_above: float | None = None
    is_default: bool = False


def rules_of(business: Business) -> tuple[Rule, ...]:
    """Return the rules of a business: those that hold anyway and are not off or replaced, then its own.

    A default rule whose line is in the business file (a feed's freshness) stands once per feed.
    """
    section = business.alerts
    everybody = tuple(channel.name for channel in business.channels)
    usual = everybody if section.channels is None else section.channels
    own = {rule.name for rule in section.rules}
    wanted = set(DEFAULT_RULES) - set(section.off) - own
    defaults = tuple(rule for rule in _defaults(business, usual) if rule.name in wanted)
    return defaults + tuple(_own(business, rule, usual) for rule in section.rules)


def _defaults(business: Business, channels: tuple[str, ...]) -> Iterator[Rule]:
    def rule(
        name: str, metric: str, severity: Severity, *, about: str | None = None, above: float | None = 0.0,
        below: float | None = None, critical_above: float | None = None,
    ) -> Rule:  # fmt: skip
        return Rule(
            name, metric, about, above, below, severity, channels, critical_above=critical_above, is_default=True
        )

    yield rule("step_failed", "step_failed", "warning", critical_above=1.0)
    yield rule("contract_broken", "critical_rules_broken", "critical")
    sources = {**({"customers": business.customers} if business.customers is not None else {}), **business.feeds}
    for feed, source in sources.items():
        limit = source.expects.fresh_within_days
        if limit is not None:
            late = float(2 * max(limit, 1))
            yield rule("feed_too_old", "feed_age_days", "warning", about=feed, above=float(limit), critical_above=late)
        most = source.expects.quarantined_share * _QUARANTINE_WARNS_AT
        yield rule("too_much_quarantined", "quarantined_share", "warning", about=feed, above=most)
    yield rule("nothing_came_in", "nothing_came_in", "warning", critical_above=1.0)
    yield rule("integrity_failed", "integrity_failures", "critical")
    yield rule("campaign_halted", "campaign_halted", "critical")
    yield rule("trigger_flooded", "trigger_flooded", "warning")
    low, high = CALIBRATION_BAND
    yield rule("calibration_off", "predicted_over_actual", "warning", above=high, below=low)
    yield rule("ledger_broken", "ledger_broken", "critical")
    yield rule("model_blocked", "model_blocked", "warning")
    for silent in business.channels:
        others = tuple(name for name in channels if name != silent.name)
        yield Rule("channel_unreached", "channel_unreached", silent.name, 0.0, None, "notice", others, is_default=True)
    yield rule("registry_unasked", "registry_unasked", "notice")
    yield rule("training_overdue", "days_since_training", "notice", above=float(OVERDUE_DAYS))
    if business.training.retrain == "propose":
        yield rule("retraining_proposed", "retraining_due", "notice")


def _own(business: Business, rule: AlertRule, usual: tuple[str, ...]) -> Rule:
    about = rule.about
    kind = METRICS[rule.metric].about if rule.metric in METRICS else ""
    if kind == "churn" and about == business.churn[0].name:
        about = ""  # as the table has it
    if about is None and kind.endswith("or all"):
        about = ""  # all together; one of them is named
    return Rule(
        rule.name, rule.metric, about, rule.above, rule.below, rule.severity,
        usual if rule.channels is None else rule.channels, rule.for_days, rule.beyond_chance,
    )  # fmt: skip
