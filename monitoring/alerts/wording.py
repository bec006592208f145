"""What people read of an alert, in the language of the business; the words stand in the catalogues (``alerts.po``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from holdback.business import Business
from holdback.business.alerts import FACTS, Severity
from monitoring.alerts.evaluating import Finding
from monitoring.alerts.states import Alert, Told
from monitoring.history.metrics import METRICS
from monitoring.words import Words, catalogue

RUNBOOK: Final = "docs/runbook.md"
OWN: Final = "own_rule"
_SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "notice")
_UNNAMED = ""


def sentence(finding: Finding, business: Business, w: Words) -> str:
    """Return what is seen, in a sentence; for what is over, that it is."""
    if finding.status == "within":
        return w("alerts_seen_over", name=told_rule(finding.rule.name, w), about=told_about(finding.about, w))
    rule, newest = finding.rule, finding.newest
    seen = Seen(
        rule.name, finding.about, rule.metric, rule.is_default, finding.line, finding.is_above,
        *((None, None, None) if newest is None else (newest.value, newest.low, newest.high)),
    )  # fmt: skip
    return seen.sentence(business.currency, w, detail=finding.detail)


@dataclass(frozen=True, slots=True)
class Seen:
    """What an alert saw last, from which its sentence can be written in any language.

    Attributes:
        rule: Name of the rule.
        about: Its subject; empty for the company.
        metric: The figure; empty when nothing says which.
        is_default: True for a rule that holds without being written down.
        line: The line that is crossed; None for none.
        is_above: True when that is an upper one.
        value: The figure; None without one.
        low: Lower end of its interval; None without one.
        high: Upper end.
    """

    rule: str
    about: str
    metric: str
    is_default: bool
    line: float | None
    is_above: bool
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of_row(cls, rule: str, about: str, value: float | None, detail: Mapping[str, Any]) -> Seen:
        """Return what a row of the table ``alerts`` saw.

        Args:
            rule: Its rule.
            about: Its subject.
            value: Its value.
            detail: Its detail, read.
        """
        return cls(
            rule, about, detail.get("metric") or "", bool(detail.get("is_default")), detail.get("line"),
            bool(detail.get("is_above")), value, detail.get("low"), detail.get("high"),
        )  # fmt: skip

    def sentence(self, currency: str, w: Words, *, about: str | None = None, detail: str = "") -> str:
        """Write it.

        Args:
            currency: Of the business.
            w: The language.
            about: The subject as people call it; by its name by default.
            detail: What was seen besides, for those who run the platform: it may be an error's text, or count people,
                and is in one language. Pages leave it out.
        """
        of = told_about(self.about if about is None else about, w)
        values: dict[str, Any] = {"about": of, "detail": f" ({detail})" if detail else ""}
        if self.value is not None:
            values["value"] = _with_interval(self.value, self.low, self.high, self.metric, currency, w)
            values["n"] = w.count(self.value)
        is_said = self.value is not None or self.metric in FACTS
        if self.is_default and is_said and f"alerts_seen_{self.rule}" in catalogue(w.language):
            return w(f"alerts_seen_{self.rule}", **values)
        if not self.metric:
            return w("alerts_seen_own_fact", metric=told_rule(self.rule, w), **values)
        metric = told_metric(self.metric, w)
        if not is_said or self.line is None or self.metric in FACTS:
            return w("alerts_seen_own_fact", metric=metric, **values)
        line = written(self.line, self.metric, currency, w)
        return w(f"alerts_seen_own_{'above' if self.is_above else 'below'}", metric=metric, line=line, **values)


def block(alert: Alert, state: Told, business: Business, w: Words) -> str:
    """Return everything about one alert: what is seen, since when, the line, what to do and where to read on."""
    newest, detail = alert.newest, alert.newest.detail
    head = w(
        "alerts_head", severity=w(f"alerts_severity_{newest.severity}"), state=w(f"alerts_state_{state}"),
        name=told_rule(alert.rule, w),
    )  # fmt: skip
    lines = [head, newest.message]
    since, until = w.day(alert.since), w.day(newest.as_of)
    lines.append(w("alerts_lasted" if state == "over" else "alerts_since", since=since, until=until))
    if state != "over":
        lines += [_line(detail, business, w), w(f"alerts_do_{_entry(alert)}")]
    lines.append(w("alerts_read_on", entry=runbook_entry(alert), alert_id=alert.alert_id))
    return "\n".join(line for line in lines if line)


def subject(name: str, told: Sequence[tuple[Severity, Told]], as_of: date, w: Words) -> str:
    """Return a message in one line: how many of which severity, and what is over."""
    counts = Counter(severity for severity, state in told if state != "over")
    parts = [
        w(f"alerts_count_{severity}{'' if counts[severity] == 1 else 's'}", n=w.count(counts[severity]))
        for severity in _SEVERITIES
        if counts[severity]
    ]
    over = sum(state == "over" for _, state in told)
    parts += [w("alerts_count_over", n=w.count(over))] if over else []
    return " ".join(f"[Holdback] {name}: {', '.join(parts)} ({w.short_day(as_of)})".split())


def gone(w: Words) -> str:
    """Return what is said of an alert whose rule or subject is no longer in the business file."""
    return w("alerts_seen_gone")


def unknown_for(days: int, w: Words) -> str:
    """Return what is said of an alert of which nothing has been known for so long that it is looked at no more."""
    return w("alerts_seen_no_value", n=w.count(days))


def runbook_entry(alert: Alert) -> str:
    """Return where the runbook tells of an alert."""
    return f"{RUNBOOK}#{_entry(alert).replace('_', '-')}"


def told_rule(name: str, w: Words) -> str:
    """Return a rule as people call it; an own rule by its name."""
    return w.known("alerts_rule_", name)


def told_metric(metric: str, w: Words) -> str:
    """Return a metric as people call it."""
    if metric in METRICS:
        title = METRICS[metric].title
        return title.es if w.language == "es" else title.en
    return w(f"alerts_rule_{'retraining_proposed' if metric == 'retraining_due' else metric}")


def told_about(about: str, w: Words) -> str:
    """Return a subject as it stands in a sentence; nothing for the company."""
    return w("alerts_about", about=about) if about else _UNNAMED


def written(value: float, metric: str, currency: str, w: Words) -> str:
    """Write a value of a metric in its unit."""
    unit = METRICS[metric].unit if metric in METRICS else "count"
    if unit == "share":
        return w.share(value)
    if unit == "money":
        return w.money(value, currency)
    if unit in ("count", "days"):
        return w.count(value)
    return w.number(value, 1 if unit == "points" else 3)


def _with_interval(
    value: float, low: float | None, high: float | None, metric: str, currency: str, w: Words
) -> str:  # fmt: skip
    told = written(value, metric, currency, w)
    if low is None or high is None:
        return told
    ends = (written(low, metric, currency, w), written(high, metric, currency, w))
    return w.interval(told, *ends)


def _line(detail: dict[str, Any] | Any, business: Business, w: Words) -> str:
    metric = detail.get("metric") or ""
    if metric not in METRICS or detail.get("line") is None:
        return ""
    side = "above" if detail.get("is_above") else "below"
    return w(f"alerts_line_{side}", line=written(detail["line"], metric, business.currency, w))


def _entry(alert: Alert) -> str:
    """The runbook's entry: the default rule's, or that of the default rule on the same metric, or that of own rules."""
    detail = alert.newest.detail
    if detail.get("is_default"):
        return alert.rule
    return _ENTRIES.get(str(detail.get("metric")), OWN)


_ENTRIES: Final = {
    "critical_rules_broken": "contract_broken", "feed_age_days": "feed_too_old",
    "quarantined_share": "too_much_quarantined", "integrity_failures": "integrity_failed",
    "campaign_halted": "campaign_halted", "trigger_flooded": "trigger_flooded",
    "predicted_over_actual": "calibration_off", "ledger_broken": "ledger_broken", "model_blocked": "model_blocked",
    "days_since_training": "training_overdue", "retraining_due": "retraining_proposed",
    "step_failed": "step_failed", "nothing_came_in": "nothing_came_in", "channel_unreached": "channel_unreached",
    "registry_unasked": "registry_unasked",
}  # fmt: skip
