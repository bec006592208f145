"""The state of a business as Prometheus reads it: how the runs went, and the figures of the newest day.

Everything is read from the journal and the tables when it is asked for, so that a restart loses no count and a file
that was removed is whole again after the next step. Labels name the business, steps, feeds, churn definitions and
campaigns, which the business file bounds; never a customer, a day or a run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal

from flows import settings
from holdback.errors import HoldbackError, OperatorError
from holdback.journal import Run
from holdback.workspace import Workspace

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_DAY_SECONDS = 86_400
_RUN_DAYS = 40  # as the alerts: a step that comes once a month is still looked at, one that was given up is not


@dataclass(frozen=True)
class Metric:
    """One figure for Prometheus.

    Attributes:
        name: With its unit, as Prometheus wants it.
        kind: ``gauge`` or ``counter``.
        help: What it says.
        labels: Its labels besides ``business``.
    """

    name: str
    kind: Literal["gauge", "counter"]
    help: str
    labels: tuple[str, ...] = ()


_STEP = ("step", "subject")
METRICS: tuple[Metric, ...] = (
    Metric("holdback_run_duration_seconds", "gauge", "How long the newest run of a step that is over took.", _STEP),
    Metric("holdback_run_last_start_timestamp_seconds", "gauge", "When the newest run of a step began.", _STEP),
    Metric("holdback_run_last_success_timestamp_seconds", "gauge", "When a step last did what it should.", _STEP),
    Metric("holdback_run_is_failed", "gauge", "1 when the newest run of a step failed, else 0.", _STEP),
    Metric("holdback_run_is_running", "gauge", "1 while a step runs (or died without a word), else 0.", _STEP),
    Metric("holdback_run_failures_total", "counter", "Runs of a step that failed, ever.", _STEP),
    Metric("holdback_run_successes_total", "counter", "Runs of a step that did what they should, ever.", _STEP),
    Metric("holdback_figures_timestamp_seconds", "gauge", "Start of the day whose figures follow."),
    Metric("holdback_rows_offered", "gauge", "Rows that came in on the day.", ("feed",)),
    Metric("holdback_rows_quarantined_ratio", "gauge", "Share of the day's rows that were kept aside.", ("feed",)),
    Metric("holdback_critical_rules_broken", "gauge", "Critical contract rules that the day's rows broke.", ("feed",)),
    Metric("holdback_data_age_seconds", "gauge", "Age of the newest event of a feed, in whole days.", ("feed",)),
    Metric("holdback_customers_scored", "gauge", "Customers who were given a probability of leaving.", ("churn",)),
    Metric("holdback_customers_at_risk", "gauge", "Customers in the tiers high and medium.", ("churn",)),
    Metric("holdback_drifted_features", "gauge", "Features that changed beyond chance.", ("churn",)),
    Metric("holdback_model_age_seconds", "gauge", "Days since the model was trained, in seconds.", ("churn",)),
    Metric("holdback_contacts_decided", "gauge", "Customers whom the day's decision contacts."),
    Metric("holdback_spend_amount", "gauge", "Expected cost of the day's contacts.", ("currency",)),
    Metric("holdback_integrity_failures", "gauge", "Checks of a campaign that failed.", ("campaign",)),
    Metric("holdback_alerts_open", "gauge", "Alerts that are not over, acknowledged or not.", ("severity",)),
    Metric("holdback_ledger_is_whole", "gauge", "0 while an alert says that the ledger was changed, else 1."),
    Metric("holdback_written_timestamp_seconds", "gauge", "When these figures were read."),
)  # fmt: skip
"""Every figure, in the order of the file."""

Sample = tuple[str, Mapping[str, str], float]


_TABLES_CHANGE = frozenset({"record_daily", "alerts"})
_read: dict[Path, tuple[Sample, ...]] = {}  # what the tables said last, by business: most steps do not change it


def exposition(workspace: Workspace, *, now: datetime, is_read_again: bool = True) -> str:
    """Return the text that Prometheus scrapes, or that node_exporter's textfile collector reads.

    Args:
        workspace: The business; nothing is written.
        now: The instant, naive UTC.
        is_read_again: False where the tables still say what they said when this process asked last.
    """
    found: dict[str, list[str]] = {}
    for name, labels, value in _samples(workspace, now, is_read_again=is_read_again):
        written = ",".join(
            f'{key}="{_escaped(text)}"' for key, text in {"business": workspace.business.slug, **labels}.items()
        )
        found.setdefault(name, []).append(f"{name}{{{written}}} {_number(value)}")
    lines: list[str] = []
    for metric in METRICS:
        if metric.name in found:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += found[metric.name]
    return "\n".join(lines) + "\n"


def write_exposition(workspace: Workspace, path: Path, *, now: datetime, is_read_again: bool = True) -> Path:
    """Put the figures in a file as a whole: whoever reads it sees the old ones or the new ones.

    Args:
        workspace: The business.
        path: The file, or a folder, in which each business has a file of its own.
        now: The instant, naive UTC.
        is_read_again: As for :func:`exposition`.

    Raises:
        OperatorError: the file cannot be written.
    """
    target = path / f"holdback_{workspace.business.slug}.prom" if path.is_dir() else path
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(exposition(workspace, now=now, is_read_again=is_read_again), encoding="utf-8")
        draft.chmod(0o644)  # totals only; the collector is another user
        draft.replace(target)
    except OSError as error:
        raise OperatorError(
            f"{target}: cannot be written ({error.strerror}). Name a file that you can write, such as "
            "/var/lib/node_exporter/textfile/holdback.prom."
        ) from error
    finally:
        draft.unlink(missing_ok=True)
    return target


def write_if_asked(workspace: Workspace, step: str) -> None:
    """Refresh the file that ``HOLDBACK_PROMETHEUS_FILE`` names; a figure that cannot be written stops no run.

    Args:
        workspace: The business.
        step: What is over: only some steps change what is read from the tables.
    """
    path = os.environ.get("HOLDBACK_PROMETHEUS_FILE")
    if path:
        try:
            write_exposition(workspace, Path(path), now=settings.now(), is_read_again=step in _TABLES_CHANGE)
        except (HoldbackError, OSError):
            return  # its own timestamp grows old, and the rules of infra/prometheus-rules.yaml say so


def _samples(workspace: Workspace, now: datetime, *, is_read_again: bool) -> Iterator[Sample]:
    today = workspace.business.day_of(now)
    yield from _of_runs(workspace, now)
    if is_read_again or workspace.folder not in _read:
        _read[workspace.folder] = (*_of_the_day(workspace, today), *_of_alerts(workspace, today))
    yield from _read[workspace.folder]
    yield "holdback_written_timestamp_seconds", {}, _seconds(now)


def _of_runs(workspace: Workspace, now: datetime) -> Iterator[Sample]:
    """When each step last did what it should, and how the steps stand that still run: a campaign may have ended."""
    slug, journal = workspace.business.slug, workspace.journal
    runs = journal.newest_by_state(business=slug)
    by_step: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        by_step.setdefault((run.flow, run.subject), []).append(run)
    for (step, subject), own in sorted(by_step.items()):
        labels = {"step": step, "subject": subject}
        newest = own[0]
        done = next((run for run in own if run.state == "done"), None)
        if done is not None and done.ended_at is not None:
            yield "holdback_run_last_success_timestamp_seconds", labels, _seconds(done.ended_at)
        if newest.started_at < now - timedelta(days=_RUN_DAYS):
            continue
        over = next((run for run in own if run.ended_at is not None), None)
        if over is not None and over.ended_at is not None:
            yield "holdback_run_duration_seconds", labels, (over.ended_at - over.started_at).total_seconds()
        yield "holdback_run_last_start_timestamp_seconds", labels, _seconds(newest.started_at)
        yield "holdback_run_is_failed", labels, float(newest.state == "failed")
        yield "holdback_run_is_running", labels, float(newest.state == "running")
    counts = journal.run_counts(business=slug)
    for step, subject in sorted({(step, subject) for step, subject, _ in counts}):
        labels = {"step": step, "subject": subject}
        yield "holdback_run_failures_total", labels, counts.get((step, subject, "failed"), 0)
        yield "holdback_run_successes_total", labels, counts.get((step, subject, "done"), 0)


_FIGURES: Mapping[str, tuple[str, str, Callable[[float], float]]] = {
    "offered_rows": ("holdback_rows_offered", "feed", float),
    "quarantined_share": ("holdback_rows_quarantined_ratio", "feed", float),
    "critical_rules_broken": ("holdback_critical_rules_broken", "feed", float),
    "feed_age_days": ("holdback_data_age_seconds", "feed", lambda days: days * _DAY_SECONDS),
    "customers_scored": ("holdback_customers_scored", "churn", float),
    "customers_at_risk": ("holdback_customers_at_risk", "churn", float),
    "drifted_features": ("holdback_drifted_features", "churn", float),
    "days_since_training": ("holdback_model_age_seconds", "churn", lambda days: days * _DAY_SECONDS),
    "decided_contacts": ("holdback_contacts_decided", "", float),
    "spent_amount": ("holdback_spend_amount", "currency", float),
    "integrity_failures": ("holdback_integrity_failures", "campaign", float),
}


def _of_the_day(workspace: Workspace, today: date) -> Iterator[Sample]:
    """The figures of the newest day that was recorded; one that could not be known is not there."""
    from monitoring.history import newest

    business = workspace.business
    found = newest(workspace.warehouse, today)
    if not found:
        return
    day = max(value.as_of for value in found.values())
    yield "holdback_figures_timestamp_seconds", {}, _seconds(business.instant(day))
    for (metric, about), value in found.items():
        if metric not in _FIGURES or value.value is None or value.as_of != day:
            continue
        name, label, turned = _FIGURES[metric]
        if label in ("feed", "campaign") and not about:
            continue  # all together: the sum of the others
        named = {"churn": about or business.churn[0].name, "currency": business.currency}.get(label, about)
        yield name, {label: named} if label else {}, turned(value.value)


def _of_alerts(workspace: Workspace, today: date) -> Iterator[Sample]:
    from monitoring.alerts import read_alerts

    alerts = [alert for alert in read_alerts(workspace.warehouse, today) if alert.state != "over"]
    for severity in ("critical", "warning", "notice"):
        yield "holdback_alerts_open", {"severity": severity}, sum(alert.newest.severity == severity for alert in alerts)
    yield "holdback_ledger_is_whole", {}, float(all(alert.rule != "ledger_broken" for alert in alerts))


def _seconds(instant: datetime) -> float:
    return instant.replace(tzinfo=UTC).timestamp()


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
