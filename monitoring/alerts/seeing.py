"""What the rules look at: the figures kept of the last days, and what is or is not so today."""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from campaigns.designs import standings
from campaigns.ledger import verify
from holdback.journal import Run
from holdback.sql import literal
from holdback.workspace import Workspace
from monitoring.alerts.evaluating import Figure
from monitoring.alerts.rules import Rule
from monitoring.history.reading import DayValue
from monitoring.measurement.measuring import MONITOR
from monitoring.measurement.retiring import RETIRER
from monitoring.retraining import evidence
from monitoring.unasked import unasked
from monitoring.words import Words
from training.registry import model_name

_SHOWN = 5
_RUN_DAYS = 40  # a step that comes once a month is still looked at
_LONGEST_ERROR = 300
_BATCHES = 60  # of each feed, that tell what is usual
_FEWEST_GAPS = 3
_QUIET_DAYS = 3  # and three times the usual distance
_DONE_WITHOUT = frozenset(
    (
        "retrain", "train_value", "value_daily", "learn", "triggers", "segments", "uplift_daily", "alerts", "catch_up",
        "retention",
    )
)  # fmt: skip
"""Steps that the day goes on without; see flows/pipelines.py."""
_GAPS = 3  # days are missing now and then: so many calendar days per day with a value are looked at


def see(workspace: Workspace, rules: Sequence[Rule], as_of: date, *, with_hashes: bool = True) -> tuple[Figure, ...]:
    """Return every figure that a rule is about, as known on a day.

    What costs work (the ledger's hashes, the evidence for retraining) is only done when a rule asks for it.

    Args:
        workspace: The business; nothing is written.
        rules: The rules.
        as_of: The day.
        with_hashes: False leaves the ledger's hashes alone, which takes seconds and grows with it, unless the day's
            measurement computed them anyway.
    """
    asked = {rule.metric for rule in rules}
    figures = list(_kept(workspace, rules, as_of))
    for metric, facts in _FACTS.items():
        if metric in asked:
            figures += (
                Figure(metric, about, (DayValue(as_of, float(is_so)),), detail)
                for about, is_so, detail in facts(workspace, as_of, with_hashes)
            )
    return tuple(figures)


def _kept(workspace: Workspace, rules: Sequence[Rule], as_of: date) -> Iterator[Figure]:
    names = sorted({rule.metric for rule in rules} - set(_FACTS))
    if not names:
        return
    since = as_of - timedelta(days=_GAPS * max(rule.for_days for rule in rules) + 30)
    rows = workspace.warehouse.query(
        "select metric, about, as_of, value, low, high, n from daily_metrics "
        f"where metric in ({', '.join(map(literal, names))}) and as_of between date '{since}' and date '{as_of}' "
        "order by metric, about, as_of"
    ).to_pylist()
    days: dict[tuple[str, str], list[DayValue]] = {}
    for row in rows:
        value = DayValue(row["as_of"], row["value"], row["low"], row["high"], row["n"])
        days.setdefault((row["metric"], row["about"]), []).append(value)
    for metric, about, seen in _of_today(workspace, names, as_of):
        known = days.setdefault((metric, about), [])
        if not known or known[-1].as_of < as_of:
            known.append(DayValue(as_of, seen))
    for (metric, about), values in days.items():
        newest = values[-1]
        is_told = newest.as_of == as_of and bool(newest.value)
        detail = _DETAILS[metric](workspace, about, as_of) if is_told and metric in _DETAILS else ""
        yield Figure(metric, about, tuple(values), detail)


def _of_today(workspace: Workspace, names: Sequence[str], as_of: date) -> Iterator[tuple[str, str, float]]:
    """What the tables say of the day itself: a day whose ingest was refused is not recorded, and must be told most."""
    if "feed_age_days" in names:
        for feed, newest in _newest_days(workspace, as_of).items():
            yield "feed_age_days", feed, float((as_of - newest[-1]).days)
    if "critical_rules_broken" in names:
        rows = workspace.warehouse.query(
            "select feed, count(distinct rule) filter (where severity = 'critical' and not is_passed) as broken "
            f"from validations where as_of = date '{as_of}' group by feed order by feed"
        ).to_pylist()
        yield from (("critical_rules_broken", row["feed"], float(row["broken"])) for row in rows)
        if rows:
            yield "critical_rules_broken", "", float(sum(row["broken"] for row in rows))


def _newest_days(workspace: Workspace, as_of: date) -> dict[str, list[date]]:
    """Of each feed the days of its newest batches' newest events, oldest first; of the customers' table of the batches.

    A feed that never came is not there.
    """
    rows = workspace.warehouse.query(
        f"select feed, last_event_at, as_of from batches where as_of <= date '{as_of}' "
        f"qualify row_number() over (partition by feed order by as_of desc, last_event_at desc) <= {_BATCHES}"
    ).to_pylist()
    business = workspace.business
    days: dict[str, set[date]] = {}
    for row in rows:
        day = row["as_of"] if row["last_event_at"] is None else business.day_of(row["last_event_at"])
        days.setdefault(row["feed"], set()).add(min(day, as_of))
    return {feed: sorted(found) for feed, found in days.items() if feed == "customers" or feed in business.feeds}


def _broken_rules(workspace: Workspace, feed: str, as_of: date) -> str:
    """Name the broken rules; what was seen in the data stays where it is."""
    where = f"and feed = {literal(feed)}" if feed else ""
    return _listed(
        workspace,
        "select distinct feed || ': ' || replace(rule, '_', ' ') as name from validations "
        f"where as_of = date '{as_of}' and severity = 'critical' and not is_passed {where} order by name",
    )


def _failed_checks(workspace: Workspace, about: str, as_of: date) -> str:
    where = f"and coalesce(campaign, 'programme') = {literal(about)}" if about else ""
    return _listed(
        workspace,
        "select distinct replace(\"check\", '_', ' ') as name from integrity_checks "
        f"where as_of = date '{as_of}' and verdict = 'failed' {where} order by name",
    )


def _listed(workspace: Workspace, sql: str) -> str:
    names = workspace.warehouse.query(sql)["name"].to_pylist()
    more = f", +{len(names) - _SHOWN}" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


_DETAILS = {"critical_rules_broken": _broken_rules, "integrity_failures": _failed_checks}

_Fact = tuple[str, float, str]


def _silent_feeds(workspace: Workspace, as_of: date, _: bool) -> Iterator[_Fact]:
    """Feeds that nothing came of for long, where the business file names no limit: 1; for twice as long: 2.

    Long is more than three days and more than three times the distance that nine of ten deliveries kept.
    """
    w, business = Words(workspace.business.language), workspace.business
    for feed, days in _newest_days(workspace, as_of).items():
        if feed not in business.feeds or business.feeds[feed].expects.fresh_within_days is not None:
            continue
        gaps = [(later - earlier).days for earlier, later in itertools.pairwise(days)]
        if len(gaps) < _FEWEST_GAPS:
            continue  # nobody can say yet what is usual
        usual = statistics.quantiles(gaps, n=10, method="inclusive")[-1]
        age, most = (as_of - days[-1]).days, max(float(_QUIET_DAYS), _QUIET_DAYS * usual)
        told = w("alerts_silent_for", days=w.count(age), usual=w.count(math.ceil(usual))) if age > most else ""
        yield feed, float((age > most) + (age > 2 * most)), told


def _halted(workspace: Workspace, as_of: date, _: bool) -> Iterator[_Fact]:
    """Campaigns that Holdback itself halted, for harm or because their trigger earns nothing."""
    for standing in standings(workspace.warehouse, workspace.business, as_of):
        is_so = standing.state == "halted" and standing.by in (MONITOR, RETIRER)
        yield standing.campaign, is_so, (standing.reason or "") if is_so else ""


def _flooded(workspace: Workspace, as_of: date, _: bool) -> Iterator[_Fact]:
    rows = workspace.warehouse.query(
        "select trigger, fired, expected, is_flooded from trigger_runs "
        f"where as_of = date '{as_of}' qualify row_number() over (partition by trigger order by seen_at desc) = 1"
    ).to_pylist()
    for row in rows:
        expected = f" / {row['expected']:,.1f}" if row["expected"] is not None else ""
        yield row["trigger"], bool(row["is_flooded"]), f"{row['fired']:,}{expected}" if row["is_flooded"] else ""


def _broken_ledger(workspace: Workspace, as_of: date, with_hashes: bool) -> Iterator[_Fact]:
    """Take the measurement's own check where it made one; else compute, if that is wanted."""
    found = workspace.warehouse.query(
        f"select verdict, finding from integrity_checks where as_of = date '{as_of}' and \"check\" = 'ledger' limit 1"
    ).to_pylist()
    if found:
        is_broken = found[0]["verdict"] == "failed"
        yield "", is_broken, found[0]["finding"] if is_broken else ""
        return
    if not with_hashes:
        return
    seen = verify(workspace)
    yield "", not seen.is_whole, seen.fault or ""


def _blocked_models(workspace: Workspace, as_of: date, _: bool) -> Iterator[_Fact]:
    """Models whose newest training was stopped by a guard."""
    for churn in workspace.business.churn:
        verdicts = workspace.journal.verdicts(model_name(workspace.business, churn.name))
        told = [verdict for verdict in verdicts if verdict.as_of <= as_of]
        is_so = bool(told) and told[-1].decision == "blocked"
        reasons: Sequence[Any] = told[-1].figures.get("reasons", ()) if is_so else ()
        yield churn.name, is_so, " ".join(map(str, reasons))


def _unasked_registry(workspace: Workspace, as_of: date, _: bool) -> Iterator[_Fact]:
    """Definitions whose day was scored while the registry of models did not answer: with this machine's copy."""
    for name, why in unasked(workspace.journal, workspace.business, as_of).items():
        yield name, why is not None, _first_sentence(why or "")


def _retraining(workspace: Workspace, as_of: date, _: bool) -> Iterator[_Fact]:
    """Models that evidence speaks against; while nothing can be said, what was proposed stays proposed."""
    w = Words(workspace.business.language)
    for churn in workspace.business.churn:
        found = evidence(workspace, churn, as_of)
        if found.may_be_proposed:
            yield churn.name, True, " ".join(found.sentences(w))
        elif found.is_answered or not found.is_proposed:
            yield churn.name, False, ""


def _failed_steps(workspace: Workspace, as_of: date, _: bool) -> Iterator[_Fact]:
    """Steps whose newest run failed: 2 when the day cannot do without it, 1 when it can; with our message, shortened.

    A step that does the same for several churn definitions has failed when it failed for one of them. What waits has
    not failed, and what runs at this moment is not judged. Steps after the alerts (report, site) are seen the next day.
    """
    business = workspace.business
    known = {"", *(churn.name for churn in business.churn), *(campaign.name for campaign in business.campaigns)}
    flows: dict[str, list[Run]] = {}
    for run in workspace.journal.newest_runs(
        business=business.slug, since=as_of - timedelta(days=_RUN_DAYS), until=as_of
    ):
        if run.subject not in known:
            continue  # no longer in the business file
        before = flows.setdefault(run.flow, [])
        if run.subject or not before:  # a run without a subject is of an older journal once there are others
            before.append(run)
    for flow, runs in sorted(flows.items()):
        ended = [run for run in runs if run.state != "running"]
        failed = next((run for run in ended if run.state == "failed"), None)
        if failed is not None:
            is_busy = (failed.receipt or {}).get("error_class") == "Busy"  # another run does the work
            can_wait = is_busy or (flow in _DONE_WITHOUT and not _has_no_model(workspace, failed))
            yield flow, 1.0 if can_wait else 2.0, _first_sentence(failed.error or "")
        elif len(ended) == len(runs):
            yield flow, 0.0, ""


def _has_no_model(workspace: Workspace, run: Run) -> bool:
    """True for a first training: without it nobody is scored."""
    if run.flow != "retrain" or not run.subject:
        return False
    return workspace.journal.champion(model_name(workspace.business, run.subject)) is None


def _first_sentence(error: str) -> str:
    line = next(iter(error.strip().splitlines()), "")
    sentence = re.split(r"(?<=[.!?])\s", line, maxsplit=1)[0].rstrip(".")
    return sentence if len(sentence) <= _LONGEST_ERROR else f"{sentence[: _LONGEST_ERROR - 1]}…"


_FACTS = {
    "step_failed": _failed_steps,
    "nothing_came_in": _silent_feeds,
    "campaign_halted": _halted,
    "trigger_flooded": _flooded,
    "ledger_broken": _broken_ledger,
    "model_blocked": _blocked_models,
    "registry_unasked": _unasked_registry,
    "retraining_due": _retraining,
}
