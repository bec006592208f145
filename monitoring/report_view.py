"""The report's content in words and pictures: everything that its template prints and that is not there already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial

from markupsafe import Markup

from holdback.business import BalanceDropChurn, Churn, ColumnChurn, RhythmChurn
from monitoring import charts
from monitoring.cells import MINIMUM_CELL, shown_count
from monitoring.drift.verdicts import PSI_LARGE, ColumnDrift, bin_labels
from monitoring.quality import FeedQuality, NullShare
from monitoring.report_cards import Card, first_screen, not_judged, ratio_side
from monitoring.report_content import ReportContent
from monitoring.standing import OURS, Decision, GuardSeen
from monitoring.words import Words

FIRST_COLUMNS = 12
FIRST_NULLS = 12
LONGEST_WINDOW_DAYS = 365


@dataclass(frozen=True)
class FigureCell:
    """A figure and its interval, written."""

    value: str
    interval: str


@dataclass(frozen=True)
class FigureRow:
    """One figure of every model."""

    name: str
    label: str
    cells: tuple[FigureCell, ...]


@dataclass(frozen=True)
class DriftRow:
    """One feature's drift, written."""

    name: str
    meaning: str
    importance: str
    change: str
    missing: str
    state: str
    verdict: str
    more: str


@dataclass(frozen=True)
class FeedRow:
    """One feed's batches, written."""

    name: str
    when: str
    offered: str
    clean: str
    quarantined: str
    repeated: str
    last: str
    stale: str
    chart: Markup


@dataclass(frozen=True)
class ReportView:
    """What the template needs besides the content."""

    churn_meaning: str
    cards: tuple[Card, ...]
    scored_cell: int | None
    line_cell: str
    tiers_chart: Markup | None
    model_chart: Markup | None
    model_rows: tuple[FigureRow, ...]
    verdict: str
    verdict_gain: str
    verdict_state: str
    earlier_verdict: str
    guards: tuple[GuardSeen, ...]
    reference_from: str
    reference_to: str
    drift_sentence: str
    young: str
    drift_chart: Markup | None
    drift_chart_of: str
    drift_first: tuple[DriftRow, ...]
    drift_rest: tuple[DriftRow, ...]
    score_sentence: str
    balanced: bool
    feeds: tuple[FeedRow, ...]
    nulls: tuple[NullShare, ...]
    not_judged: str
    reliability_chart: Markup | None
    ratio_words: str
    cohorts_chart: Markup | None
    history_chart: Markup | None
    cells: dict[date, int | None]


def report_view(r: ReportContent, w: Words) -> ReportView:
    """Put a report's content into words and pictures."""
    rows = _drift_rows(r, w)
    foremost = next(iter(r.drift.drifted), None)
    newest, trained = r.standing.newest, r.standing.trained
    by_hand = newest is not None and newest.is_by_hand
    line_count = r.scored.line_count if r.scored else 0
    return ReportView(
        churn_meaning=churn_meaning(r.churn, w),
        cards=first_screen(r, w),
        scored_cell=shown_count(r.scored.customer_count) if r.scored else None,
        line_cell=w.count(line_count) if shown_count(line_count) is not None else w("fewer_than", least=MINIMUM_CELL),
        tiers_chart=_tiers_chart(r, w),
        model_chart=_model_chart(r, w),
        model_rows=_model_rows(r, w),
        verdict=_verdict(newest, w) if newest else "",
        verdict_gain=_verdict_gain(newest, w) if newest else "",
        verdict_state=_verdict_state(newest),
        earlier_verdict=_verdict(trained, w) if by_hand and trained else "",
        guards=trained.guards if by_hand and trained else newest.guards if newest else (),
        reference_from=_written_day(r.drift.reference_from, w),
        reference_to=_written_day(r.drift.reference_to, w),
        drift_sentence=_drift_sentence(r, w),
        young=_young(r, w),
        drift_chart=_drift_chart(foremost, w) if foremost else None,
        drift_chart_of=r.meanings.get(foremost.name, foremost.name) if foremost else "",
        drift_first=rows[:FIRST_COLUMNS],
        drift_rest=rows[FIRST_COLUMNS:],
        score_sentence=_score_sentence(r, w),
        balanced=r.quality.offered == r.quality.clean + r.quality.quarantined,
        feeds=tuple(_feed_row(feed, i, w) for i, feed in enumerate(r.quality.feeds)),
        nulls=r.quality.nulls[: max(FIRST_NULLS, sum(share.is_unusual for share in r.quality.nulls))],
        not_judged=not_judged(r, w),
        reliability_chart=_reliability_chart(r, w),
        ratio_words=_ratio_words(r, w),
        cohorts_chart=_cohorts_chart(r, w),
        history_chart=_history_chart(r, w),
        cells={month.as_of: shown_count(month.customer_count) for month in r.history},
    )


def churn_meaning(churn: Churn, w: Words) -> str:
    """Say what leaving means."""
    if isinstance(churn, ColumnChurn):
        return w("churn_column", attribute=churn.attribute)
    later = "_lead" if churn.lead_days else ""
    own: dict[str, object] = {}
    if isinstance(churn, RhythmChurn):
        own = {"times": w.number(churn.times, digits=0 if churn.times.is_integer() else 1)}
    if isinstance(churn, BalanceDropChurn):
        own = {"drop": w.share(churn.drop_share, digits=0)}
    return w(f"churn_{churn.kind}{later}", outcome=churn.outcome_days, lead=churn.lead_days, **own)


def _written_day(iso: str, w: Words) -> str:
    return w.day(date.fromisoformat(iso)) if iso else w("nothing")


def _tiers_chart(r: ReportContent, w: Words) -> Markup | None:
    if r.scored is None or any(tier.share is None for tier in r.scored.tiers):
        return None
    parts = [charts.Part(w(f"tier_{tier.name}"), tier.share or 0.0, tier.name) for tier in r.scored.tiers]
    return charts.split("tiers-chart", w("tiers_chart"), parts, show=w.share)


def _model_chart(r: ReportContent, w: Words) -> Markup | None:
    rows = [
        charts.Dot(w.known("model_", name), found.estimate, found.low, found.high, name == OURS)
        for name in r.standing.models
        if (found := r.standing.figures.get((name, "auc"))) is not None
    ]
    return charts.dots("model-chart", w("model_chart"), rows, show=partial(w.number, digits=3)) if rows else None


def _model_rows(r: ReportContent, w: Words) -> tuple[FigureRow, ...]:
    def cell(name: str, metric: str) -> FigureCell:
        found = r.standing.figures.get((name, metric))
        if found is None:
            return FigureCell(w("nothing"), "")
        digits = 2 if metric in ("top_decile_lift", "predicted_over_actual", "calibration_slope") else 3
        if metric == "value_at_capacity":
            digits = 2 if r.value_is_money else 3
        low, high = w.number(found.low, digits), w.number(found.high, digits)
        return FigureCell(w.number(found.estimate, digits), w("interval", low=low, high=high))

    def label(metric: str) -> str:
        if metric == "value_at_capacity":
            return (
                w("metric_value_at_capacity", currency=r.currency) if r.value_is_money else w("metric_left_at_capacity")
            )
        return w.known("metric_", metric)

    return tuple(
        FigureRow(metric, label(metric), tuple(cell(name, metric) for name in r.standing.models))
        for metric in r.standing.metrics
    )


def _verdict(decision: Decision, w: Words) -> str:
    day = w.day(decision.as_of)
    if decision.is_by_hand:
        is_back = any("rolled back" in reason for reason in decision.reasons)
        return w("verdict_rollback" if is_back else "verdict_by_hand", version=decision.version, day=day)
    if decision.decision in ("promote", "keep", "blocked"):
        return w(f"verdict_{decision.decision}", version=decision.version, day=day)
    return w("verdict_other", version=decision.version, day=day, decision=decision.decision)


def _verdict_gain(decision: Decision, w: Words) -> str:
    gain = decision.auc_gain
    if gain is None:
        return ""
    return w("verdict_gain", gain=w.interval(w.signed(gain.estimate), w.signed(gain.low), w.signed(gain.high)))


def _verdict_state(decision: Decision | None) -> str:
    if decision is None:
        return ""
    if decision.is_by_hand:
        return "look"
    return {"promote": "good", "blocked": "bad"}.get(decision.decision, "")


def _drift_sentence(r: ReportContent, w: Words) -> str:
    if not r.drift.measured:
        return w("drift_no_rows") if r.drift.current_n == 0 else w("card_drift_none")
    measured = w.count(len(r.drift.measured))
    if not r.drift.drifted:
        return w("drift_none", n=measured)
    return w("drift_some", n=w.count(len(r.drift.drifted)), measured=measured)


def _young(r: ReportContent, w: Words) -> str:
    """Say so when the data were younger than the longest windows when the model learned."""
    if r.first_event_on is None or not r.drift.drifted:
        return ""
    days = (date.fromisoformat(r.drift.reference_from) - r.first_event_on).days
    return w("drift_young", n=w.count(days)) if days < LONGEST_WINDOW_DAYS else ""


def _drift_chart(column: ColumnDrift, w: Words) -> Markup | None:
    if column.bins is None:
        return None
    labels = [w.known("bin_", label) if label.startswith("<") and label.endswith(">") else label
              for label in bin_labels(column.bins, w.significant)]  # fmt: skip
    shown = [i for i in range(len(labels)) if column.reference_shares[i] > 0 or column.current_shares[i] > 0]
    return charts.pairs(
        "drift-chart",
        w("drift_largest", feature=column.name),
        [labels[i] for i in shown],
        [column.reference_shares[i] for i in shown],
        [column.current_shares[i] for i in shown],
        show=w.share,
    )


def _drift_rows(r: ReportContent, w: Words) -> tuple[DriftRow, ...]:
    fresh = {found.column: found.values for found in r.new_values}

    def row(c: ColumnDrift) -> DriftRow:
        verdict = "; ".join(w(f"finding_{finding}") for finding in c.findings) or w("finding_stable")
        named = ", ".join(f"{value} ({w.count(n)})" for value, n in fresh.get(c.name, ()))
        missing = c.missing
        moved = missing is not None and max(missing.first.share, missing.second.share) >= 0.0005  # shown as 0.1%
        return DriftRow(
            name=c.name,
            meaning=r.meanings.get(c.name, c.name),
            importance=w("nothing") if c.importance is None else w.share(c.importance),
            change=w.number(max(c.excess, 0.0), 3),
            missing=w("from_to", before=w.share(missing.first.share), today=w.share(missing.second.share))
            if missing is not None and moved
            else w("nothing"),
            state=("bad" if c.excess >= PSI_LARGE and (c.importance or 0) >= 0.1 else "look") if c.findings else "good",
            verdict=verdict,
            more=w("new_values_named", values=named) if named else "",
        )

    return tuple(row(column) for column in r.drift.measured)


def _score_sentence(r: ReportContent, w: Words) -> str:
    found = r.score_drift.found if r.score_drift else None
    if found is None:
        return ""
    if found.status == "not measured":
        return f"{w('not_measured')}: {w(f'reason_{found.reason}')}."
    assert r.score_drift is not None
    key = "drift_scores_moved" if found.findings else "drift_scores_stable"
    return w(key, day=w.day(r.score_drift.first_on), change=w.number(max(found.excess, 0.0), 3))


def _feed_row(feed: FeedQuality, position: int, w: Words) -> FeedRow:
    newest, none = feed.newest, w("nothing")
    if newest is None:
        when = w("never_loaded")
    elif feed.came_today:
        when = w("today")
    else:
        when = w("newest_batch", day=w.short_day(newest.as_of))
    days = feed.days_since_last_event
    last = none
    if feed.last_event_on is not None and days is not None:
        ago = w("days_ago_none") if days == 0 else w("day_ago") if days == 1 else w("days_ago", n=w.count(days))
        last = f"{w.short_day(feed.last_event_on)} ({ago})"
    recent = [(w.short_day(batch.as_of), float(batch.clean), float(batch.quarantined)) for batch in feed.recent]
    return FeedRow(
        name=feed.feed,
        when=when,
        offered=w.count(newest.offered) if newest else none,
        clean=w.count(newest.clean) if newest else none,
        quarantined=w.count(newest.quarantined) if newest else none,
        repeated=w.count(newest.unchanged) if newest else none,
        last=last,
        stale=w("stale", n=feed.limit_days) if feed.is_stale else "",
        chart=charts.columns(f"feed-{position}", w("recent_chart", feed=feed.feed), recent, show=w.count)
        if recent
        else Markup(""),
    )


def _ratio_words(r: ReportContent, w: Words) -> str:
    return w(f"ratio_{ratio_side(r)}")


def _reliability_chart(r: ReportContent, w: Words) -> Markup | None:
    cohort = r.performance.newest
    if cohort is None:
        return None
    points = [(p.predicted, p.observed.share, p.observed.low, p.observed.high) for p in cohort.reliability]
    axes = (w("predicted_axis"), w("observed_axis"))
    return charts.reliability("reliability", w("reliability_chart"), points, show=partial(w.share, digits=0), axes=axes)


def _cohorts_chart(r: ReportContent, w: Words) -> Markup | None:
    points = [
        (w.month(c.as_of), c.auc.estimate, c.auc.low, c.auc.high) for c in reversed(r.performance.cohorts) if c.auc
    ]
    if len(points) < 2:
        return None
    return charts.history("cohorts", w("cohorts_chart"), points, show=partial(w.number, digits=2))


def _history_chart(r: ReportContent, w: Words) -> Markup | None:
    points = [
        (w.month(m.as_of), m.left.share, m.left.low, m.left.high)
        for m in r.history
        if m.left is not None and shown_count(m.customer_count) is not None
    ]
    if len(points) < 2:
        return None
    return charts.history("history-chart", w("history_chart"), points, show=partial(w.share, digits=0))
