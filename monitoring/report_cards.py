"""The first screen of the report: eight figures, each with what it means and whether somebody has to act."""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.cells import MINIMUM_CELL, shown_count
from monitoring.report_content import ReportContent
from monitoring.standing import OURS
from monitoring.words import Words

_RATIO = (0.8, 1.25)


@dataclass(frozen=True)
class Card:
    """One figure of the first screen."""

    name: str
    title: str
    big: str
    note: str
    state: str = ""
    small: str = ""


def first_screen(r: ReportContent, w: Words) -> tuple[Card, ...]:
    """Return the cards of the first screen in reading order."""
    return (*_scored_cards(r, w), _model_card(r, w), _judged_card(r, w), _drift_card(r, w), _data_card(r, w))


def _scored_cards(r: ReportContent, w: Words) -> tuple[Card, ...]:
    s = r.scored
    if s is None:
        return (Card("scored", w("card_scored"), w("nothing"), w("card_scored_none"), "none"),)
    few = w("fewer_than", least=MINIMUM_CELL)
    at_risk = int(s.at_risk.count)
    shown = [w.count(n) if shown_count(n) is not None else few for n in (s.customer_count, at_risk, s.line_count)]
    if not s.is_at_risk_shown and shown[1] != few:
        shown[1] = w("not_shown")
    high = s.tiers[0]
    return (
        Card("scored", w("card_scored"), shown[0], w("card_scored_note", version=s.model_version)),
        Card(
            "at_risk",
            w("card_at_risk"),
            shown[1],
            w(
                "card_at_risk_note",
                share=w.share(s.at_risk.share) if s.is_at_risk_shown else w("nothing"),
                cut=w.share(r.churn.risk_tiers.medium, 0),
                high=w.count(high.count) if high.count is not None else few if high.is_small else w("not_shown"),
            ),
        ),
        Card(
            "expected",
            w("card_expected"),
            w.count(s.expected),
            w("card_expected_note", low=w.count(s.expected_low), high=w.count(s.expected_high)),
        ),
        Card(
            "line",
            w("card_line"),
            shown[2],
            w(
                "card_line_note",
                expected=w.count(s.line_expected),
                share=w.share(s.line_expected / s.line_count, 0) if s.line_count else w("nothing"),
            ),
        ),
    )


def _model_card(r: ReportContent, w: Words) -> Card:
    ours = r.standing.figures.get((OURS, "auc"))
    title = w("card_model")
    if ours is None or not r.standing.gains:
        return Card("model", title, w("unknown"), w("card_model_none"), "none")
    auc = w.interval(w.number(ours.estimate, 3), w.number(ours.low, 3), w.number(ours.high, 3))
    if r.standing.blocking_guards:  # a model that knows the outcome beforehand looks better than anything
        names = ", ".join(w.known("guard_", guard.name) for guard in r.standing.blocking_guards)
        return Card("model", title, w("blocked"), w("card_model_blocked", auc=auc, guards=names), "bad")
    # Better than the simple methods means better than every one of them.
    hardest = min(r.standing.gains, key=lambda gain: gain.auc.low)
    kind, state = ("better", "good") if hardest.is_better else ("not_better", "look")
    if any(gain.is_worse for gain in r.standing.gains):
        kind, state = "worse", "bad"
    note = w(f"card_model_{kind}", auc=auc, baseline=w.known("model_", hardest.baseline))
    return Card("model", title, w(kind), note, state)


def _judged_card(r: ReportContent, w: Words) -> Card:
    c = r.performance.newest
    title = w("card_judged")
    if c is None:
        return Card("judged", title, w("unknown"), not_judged(r, w), "none")
    note = w("card_judged_note", day=w.day(c.as_of), n=w.count(c.matured_count), all=w.count(c.scored_count))
    if c.auc is None:
        return Card("judged", title, w("nothing"), note, "none")
    state = "good"
    if c.predicted_over_actual is not None and ratio_side(r) != "fits":
        state = "look"
    if c.auc.low <= 0.5:
        state = "bad" if c.auc.high <= 0.5 else "look"
    interval = w("interval", low=w.number(c.auc.low, 3), high=w.number(c.auc.high, 3))
    return Card("judged", title, w.number(c.auc.estimate, 3), note, state, interval)


def _drift_card(r: ReportContent, w: Words) -> Card:
    title = w("card_drift")
    if not r.drift.measured:
        return Card("drift", title, w("unknown"), w("card_drift_none"), "none")
    measured, weight = w.count(len(r.drift.measured)), r.drift.drifted_importance
    if r.drift.drifted and weight is not None:
        note = w("card_drift_note", measured=measured, importance=w.share(weight, 0))
    else:
        note = w("card_drift_plain", measured=measured)
    return Card("drift", title, w.count(len(r.drift.drifted)), note, "look" if r.drift.drifted else "good")


def _data_card(r: ReportContent, w: Words) -> Card:
    q, title = r.quality, w("card_data")
    kept = sum(int(feed.quarantined_today.count) for feed in q.feeds if feed.quarantined_today)
    critical = any(rule.severity == "critical" for rule in q.broken)
    state = "good"
    if any(rule.severity != "info" for rule in q.broken) or any(share.is_unusual for share in q.nulls):
        state = "look"
    if critical or q.stale_feeds or q.offered != q.clean + q.quarantined:
        state = "bad"
    if not q.rows_today:
        return Card("data", title, w.count(0), w("card_data_none"), state if state == "bad" else "none")
    note = w("card_data_note", quarantined=w.count(kept), share=w.share(kept / q.rows_today))
    return Card("data", title, w.count(q.rows_today), note, state)


def not_judged(r: ReportContent, w: Words) -> str:
    """Say why past scores cannot be judged yet; empty when they can."""
    if r.performance.reason is None:
        return ""
    day = w.day(r.performance.knowable_on) if r.performance.knowable_on else ""
    return w(f"performance_{r.performance.reason}", day=day)


def ratio_side(r: ReportContent) -> str:
    """``high`` or ``low`` when the whole interval lies outside what is well, else ``fits``."""
    ratio = r.performance.newest.predicted_over_actual if r.performance.newest else None
    if ratio is None:
        return "fits"
    return "high" if ratio.low > _RATIO[1] else "low" if ratio.high < _RATIO[0] else "fits"
