"""What needs a person today: everything that stands still, failed or waits, with who or what it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from campaigns.designs import standings
from campaigns.reconciliation import findings
from holdback.business import Business
from holdback.journal import Journal, Run
from holdback.warehouse import Warehouse
from monitoring.alerts.rules import RANK
from monitoring.alerts.states import read_alerts
from monitoring.alerts.wording import Seen
from monitoring.measurement.measuring import MONITOR
from monitoring.measurement.retiring import RETIRER
from monitoring.portal.parts import State
from monitoring.portal.source import Source
from monitoring.quality import Quality
from training.registry import VALUE, model_name, uplift_subject

DELIVERIES_DAYS: Final = 7
"""Days, today included, on which a decided contact must have been delivered."""
_FINDINGS: Final[Mapping[str, State]] = {
    "leak": "bad", "suppressed_contacted": "bad", "undecided": "look", "duplicate": "look", "missed": "look",
    "foreign_leak": "look", "unknown_decision": "look", "unknown_customer": "look", "unknown_outcome": "look",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that somebody has to look at.

    Attributes:
        kind: Which words say it.
        state: ``bad``: act today; ``look``: look at it.
        about: Whom or what it is about: a campaign, a feed, a check; empty for the company.
        count: How many customers, contacts or rows; None when it does not count anything.
        is_ours: True when ``count`` counts rows, files or what we do ourselves, which may be few; customers may not.
        day: The day that it is about, or since when.
        names: Further names: of fields, guards, rules.
        seen: What an alert saw; None for everything else.
    """

    kind: str
    state: State
    about: str = ""
    count: int | None = None
    is_ours: bool = False
    day: date | None = None
    names: tuple[str, ...] = field(default=())
    seen: Seen | None = None


def read_needs(source: Source, quality: Quality, *, is_scored: bool) -> tuple[Need, ...]:
    """Return everything that needs a person, the worst first.

    Args:
        source: The business on its day.
        quality: What came in.
        is_scored: False when the day was not scored.
    """
    warehouse, business, journal, as_of = source.warehouse, source.business, source.journal, source.as_of
    found = [
        *_models(source, is_scored=is_scored),
        *_runs(journal, business, as_of),
        *_campaigns(warehouse, business, as_of),
        *_checks(warehouse, as_of),
        *_deliveries(warehouse, journal, business, as_of),
        *_reported(warehouse, business, as_of),
        *_triggers(warehouse, as_of),
        *_data(warehouse, quality, as_of),
        *_alerts(warehouse, as_of),
    ]
    return tuple(sorted(found, key=lambda need: need.state != "bad"))


def _models(source: Source, *, is_scored: bool) -> Iterator[Need]:
    business, journal = source.business, source.journal
    name = model_name(business, source.churn.name)
    has_champion = journal.champion(name) is not None
    if not is_scored:
        yield Need("not_scored" if has_champion else "no_model", "bad", day=source.as_of)
    subjects = {source.churn.name: name, VALUE: model_name(business, VALUE)}
    subjects |= {action.name: model_name(business, uplift_subject(action.name)) for action in business.actions}
    for about, model in subjects.items():
        verdicts = [verdict for verdict in journal.verdicts(model) if verdict.as_of <= source.as_of]
        if verdicts and verdicts[-1].decision == "blocked":
            newest = verdicts[-1]
            guards = tuple(g["name"] for g in newest.figures.get("guards", ()) if g["severity"] == "block")
            yield Need("blocked_model", "bad", about, day=newest.as_of, names=guards)


def _runs(journal: Journal, business: Business, as_of: date) -> Iterator[Need]:
    """Steps of the day whose newest run failed; why stands in the journal, and may name what must not be shown.

    What runs again now, such as the report while this page is written, is not over.
    """
    newest: dict[tuple[str, str], Run] = {}
    for run in journal.runs(business=business.slug):
        if run.as_of == as_of:
            newest.setdefault((run.flow, run.subject), run)
    failed = {flow for (flow, _), run in newest.items() if run.state == "failed"}
    for flow in sorted(failed):
        yield Need("failed_run", "bad", flow, day=as_of)


def _campaigns(warehouse: Warehouse, business: Business, as_of: date) -> Iterator[Need]:
    read = {
        (row["campaign"], row["version"]): row["as_of"]
        for row in warehouse.query(
            "select campaign, version, max(as_of) as as_of from effects where reading = 'official' "
            f"and segment = 'all' and estimate is not null and campaign is not null and as_of <= date '{as_of}' "
            "group by all"
        ).to_pylist()
    }
    for standing in standings(warehouse, business, as_of):
        if standing.state == "halted" and standing.by in (MONITOR, RETIRER):
            kind = "halted_for_harm" if standing.by == MONITOR else "halted_for_value"
            yield Need(kind, "bad" if standing.by == MONITOR else "look", standing.campaign, day=standing.since)
        design = standing.design
        reads_on = design.reads_on if design is not None else None
        if design is None or reads_on is None or reads_on > as_of or (design.campaign, design.version) in read:
            continue
        yield Need("reading_due" if reads_on == as_of else "reading_waits", "look", design.campaign, day=reads_on)
    for (campaign, _), day in sorted(read.items()):
        if day == as_of:
            yield Need("reading_taken", "look", campaign, day=day)


def _checks(warehouse: Warehouse, as_of: date) -> Iterator[Need]:
    """Failed checks of the newest measured day; their findings count people, so only their names are told."""
    rows = warehouse.query(
        "select distinct as_of, coalesce(campaign, '') as campaign, \"check\" from integrity_checks "
        f"where verdict = 'failed' and as_of = (select max(as_of) from integrity_checks where as_of <= date '{as_of}') "
        'order by campaign, "check"'
    ).to_pylist()
    for row in rows:
        yield Need("failed_check", "bad", row["campaign"], day=row["as_of"], names=(row["check"],))


def _deliveries(warehouse: Warehouse, journal: Journal, business: Business, as_of: date) -> Iterator[Need]:
    first = as_of - timedelta(days=DELIVERIES_DAYS - 1)
    rows = warehouse.query(
        "select as_of, count(*) as n from ledger where kind = 'decided' and action <> 'none' "
        f"and as_of between date '{first}' and date '{as_of}' group by as_of order by as_of desc"
    ).to_pylist()
    for row in rows:
        done = journal.find_done(flow="deliver", business=business.slug, as_of=row["as_of"], inputs_key="")
        if done is None:
            yield Need("not_delivered", "bad", count=row["n"], is_ours=True, day=row["as_of"])
            continue
        receipt = done.receipt or {}
        calls: Mapping[str, Any] = receipt.get("webhook") or {}
        if calls.get("dead"):
            yield Need("calls_given_up", "bad", count=calls["dead"], is_ours=True, day=row["as_of"])
        if row["as_of"] < as_of:
            continue
        withheld: Mapping[str, int] = receipt.get("withheld") or {}
        if withheld:
            yield Need("withheld", "look", count=sum(withheld.values()), day=as_of, names=tuple(sorted(withheld)))
        if calls.get("waiting"):
            yield Need("calls_wait", "look", count=calls["waiting"], is_ours=True, day=as_of)


def _reported(warehouse: Warehouse, business: Business, as_of: date) -> Iterator[Need]:
    """What does not fit between decided and reported contacts; without their examples, which are customers."""
    for finding in findings(warehouse, business, as_of):
        if finding.count:
            yield Need(f"found_{finding.kind}", _FINDINGS[finding.kind], count=finding.count)


def _triggers(warehouse: Warehouse, as_of: date) -> Iterator[Need]:
    rows = warehouse.query(
        f"select trigger, sum(fired)::bigint as fired from trigger_runs where as_of = date '{as_of}' and is_flooded "
        "group by trigger order by trigger"
    ).to_pylist()
    for row in rows:
        yield Need("flooded_trigger", "look", row["trigger"], count=row["fired"], day=as_of)


def _data(warehouse: Warehouse, quality: Quality, as_of: date) -> Iterator[Need]:
    refused = warehouse.query(
        "select feed, count(distinct batch_id) as n from validations "
        f"where as_of = date '{as_of}' and not is_accepted group by feed order by feed"
    ).to_pylist()
    for row in refused:
        yield Need("refused_file", "bad", row["feed"], count=row["n"], is_ours=True, day=as_of)
    for feed in quality.stale_feeds:
        yield Need("stale_feed", "look", feed.feed, count=feed.limit_days, is_ours=True, day=feed.last_event_on)
    kept = [feed for feed in quality.feeds if feed.quarantined_today is not None and feed.quarantined_today.count]
    if kept:
        rows_kept = sum(int(feed.quarantined_today.count) for feed in kept if feed.quarantined_today is not None)
        names = tuple(feed.feed for feed in kept)
        yield Need("quarantined", "look", count=rows_kept, is_ours=True, day=as_of, names=names)
    warned = sorted({f"{rule.feed}" for rule in quality.broken if rule.severity == "critical"} - {
        row["feed"] for row in refused
    })  # fmt: skip
    for name in warned:
        yield Need("broken_contract", "bad", name, day=as_of)


def _alerts(warehouse: Warehouse, as_of: date) -> Iterator[Need]:
    """Alerts that are not over; whoever acknowledged one is not named.

    Their stored message is in one language, and may hold an error's text or counts of people: the page writes its own.
    """
    standing = [alert for alert in read_alerts(warehouse, as_of) if alert.state != "over"]
    for alert in sorted(standing, key=lambda one: (-RANK[one.newest.severity], one.events[0].as_of, one.alert_id)):
        newest, is_open = alert.newest, alert.state == "open"
        state: State = "bad" if newest.severity == "critical" and is_open else "look"
        seen = Seen.of_row(alert.rule, alert.about, newest.value, newest.detail)
        kind = "open_alert" if is_open else "acknowledged_alert"
        yield Need(kind, state, alert.about, day=alert.events[0].as_of, names=(alert.alert_id,), seen=seen)
