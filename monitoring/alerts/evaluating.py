"""Does a figure cross its line today? Pure functions of values; chance alone does not cross anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from holdback.business.alerts import Severity
from monitoring.alerts.rules import Rule
from monitoring.history.metrics import METRICS
from monitoring.history.reading import DayValue

Status = Literal["crossed", "within", "unclear", "no value"]
"""``unclear``: beyond the line, and not (yet) surely or long enough: it raises nothing, and ends nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one subject over the last days, and what to know of it.

    Attributes:
        metric: Its name.
        about: Its subject; empty for the company.
        days: Oldest first; the newest may be older than today.
        detail: What was seen besides, in sentences or names; empty when there is nothing.
    """

    metric: str
    about: str
    days: tuple[DayValue, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one subject today.

    Attributes:
        rule: The rule.
        about: The subject.
        status: Whether the line is crossed.
        since: First day of the run of days beyond the line, as far as the figures reach back; None when it is not.
        newest: Today's value; None without one.
        line: The line that is crossed, or the one that would be.
        is_above: True when that line is an upper one.
        severity: How bad it is.
        detail: As the figure has it.
    """

    rule: Rule
    about: str
    status: Status
    since: date | None
    newest: DayValue | None
    line: float
    is_above: bool
    severity: Severity
    detail: str = ""


def evaluate(rules: Iterable[Rule], figures: Iterable[Figure], as_of: date) -> tuple[Finding, ...]:
    """Judge every rule on every subject that it is about, in the rules' order.

    Args:
        rules: The rules.
        figures: The figures, each subject once.
        as_of: The day; a figure without a value on it says nothing today.
    """
    found = sorted(figures, key=lambda figure: figure.about)
    return tuple(
        judge(rule, figure, as_of)
        for rule in rules
        for figure in found
        if figure.metric == rule.metric and _is_about(rule, figure)
    )


def judge(rule: Rule, figure: Figure, as_of: date) -> Finding:
    """Judge one rule on one subject.

    The line is crossed when, on each of the last ``for_days`` days with a value, today's among them, the nearer end of
    the interval lies beyond it (the value itself where there is no interval, or where the rule asks for that). Whoever
    is beyond by the value alone is ``unclear``: an alert that is open stays open until the value itself is back, so
    that an interval that wavers around the line opens and closes nothing.

    Examples:
        >>> rule = Rule("late", "feed_age_days", None, 2.0, None, "warning", ())
        >>> judge(rule, Figure("feed_age_days", "tills", (DayValue(date(2026, 3, 2), 3.0),)), date(2026, 3, 2)).status
        'crossed'
    """
    known = [day for day in figure.days if day.value is not None and day.as_of <= as_of]
    newest = known[-1] if known and known[-1].as_of == as_of else None
    if newest is None:
        line, is_above = _line(rule, 0.0)
        return Finding(rule, figure.about, "no value", None, None, line, is_above, rule.severity, figure.detail)
    line, is_above = _line(rule, newest.value or 0.0)
    beyond = [_is_beyond(day.value or 0.0, line, is_above) for day in known]
    status: Status = "within"
    if beyond[-1]:
        last = known[-rule.for_days :]
        sure = all(_is_beyond(_nearest(day, is_above, rule), line, is_above) for day in last)
        status = "crossed" if sure and len(last) == rule.for_days else "unclear"
    return Finding(
        rule, figure.about, status, _since(known, beyond), newest, line, is_above, _severity(rule, newest, is_above),
        figure.detail,
    )  # fmt: skip


def _is_about(rule: Rule, figure: Figure) -> bool:
    if rule.about is not None:
        return rule.about == figure.about
    known = METRICS.get(figure.metric)
    # Of a metric that is told of each and of all together, each is enough.
    return figure.about != "" or known is None or not known.about.endswith("or all")


def _line(rule: Rule, value: float) -> tuple[float, bool]:
    """Return the line that matters for a value, and whether it is an upper one."""
    if rule.above is None or rule.below is None:
        return (rule.above, True) if rule.above is not None else (rule.below or 0.0, False)
    return (rule.below, False) if value < (rule.above + rule.below) / 2 else (rule.above, True)


def _is_beyond(value: float, line: float, is_above: bool) -> bool:
    return value > line if is_above else value < line


def _nearest(day: DayValue, is_above: bool, rule: Rule) -> float:
    """Return the value that must be beyond the line: the end of the interval that lies nearer to it."""
    end = day.low if is_above else day.high
    return end if rule.beyond_chance and end is not None else day.value or 0.0


def _since(known: Sequence[DayValue], beyond: Sequence[bool]) -> date | None:
    first = None
    for day, is_beyond in zip(reversed(known), reversed(beyond), strict=True):
        if not is_beyond:
            break
        first = day.as_of
    return first


def _severity(rule: Rule, newest: DayValue, is_above: bool) -> Severity:
    if is_above and rule.critical_above is not None and _nearest(newest, True, rule) > rule.critical_above:
        return "critical"
    return rule.severity
