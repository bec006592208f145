"""The model in office: who promoted it, its figures beside plain methods, how true its scores turned out."""

from __future__ import annotations

from datetime import date
from functools import partial

from monitoring.cells import MINIMUM_CELL
from monitoring.performance import BAND, Cohort
from monitoring.portal.pages.models_content import ModelsContent
from monitoring.portal.pages.models_guards import seen_by
from monitoring.portal.pages.models_written import point, written
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, Stat, State, Stats, Table
from monitoring.standing import OURS, Decision
from monitoring.words import Words
from training.estimates import Estimate

_DECISIONS_SHOWN = 20
_WHY = (
    ("there is no champion yet", "first"),
    ("a refresh that is not worse", "refresh"),
    ("the changed recipe is better, as", "better"),
    ("the changed recipe is better (", "once_better"),
    ("the refresh may be worse", "maybe_worse"),
    ("a changed recipe must be better", "not_better"),
    ("the challenger gives every customer", "same"),
    ("the champion was trained on outcomes", "overlap"),
    ("rolled back", "rolled_back"),
    ("promoted by hand", "by_hand"),
)
"""How a recorded reason begins -> how the page says it; others are shown as they were recorded."""


def champion_section(content: ModelsContent, words: Words) -> Section:
    """Who is in office, since when, why, and what it learned from."""
    w, c = words, content
    parts: list[Part] = []
    crowned = next((d for d in c.history if d.version == c.version and d.decision == "promote"), None)
    if c.version is None:
        parts.append(Notice(w("models_never_scored"), "none"))
    elif crowned is None:
        parts.append(Notice(w("models_no_verdict", version=c.version), "look"))
    else:
        parts.append(Notice(_decision(crowned, w), "look" if crowned.is_by_hand else "good", _reasons(crowned, w)))
    if c.scored_on is not None and c.scored_on != c.as_of:
        parts.append(Notice(w("models_day_missing", day=w.day(c.as_of), scored=w.day(c.scored_on)), "look"))
    if c.is_registry_unasked and c.version is not None and c.scored_on is not None:
        parts.append(Notice(w("models_registry_unasked", day=w.day(c.scored_on), version=c.version), "look"))
    if c.version is not None:
        parts.append(Stats(_champion_stats(c, w)))
    if c.history:
        parts.append(_history_table(c, w))
    return Section("champion", w("models_champion"), tuple(parts))


def guards_section(content: ModelsContent, words: Words) -> tuple[Section, ...]:
    """What was checked before it was promoted, folded when nothing stood in its way; nothing where nothing is known."""
    guards = content.standing.trained.guards if content.standing.trained is not None else ()
    if not guards:
        return ()
    passed = sum(guard.severity == "pass" for guard in guards)
    title = words("models_folded_guards", passed=passed, all=len(guards))
    table = _guards_table(content, words)
    return (Section("guards-before", title, (table,), is_folded=not content.standing.blocking_guards),)


def figures_section(content: ModelsContent, words: Words) -> Section:
    """Its figures on customers that it had not seen, beside plain methods."""
    w, c = words, content
    s = c.standing
    ours = s.figures.get((OURS, "auc"))
    if ours is None:
        return Section("figures", w("models_figures"), (Notice(w("model_none"), "none"),))
    parts: list[Part] = [_against_baselines(c, ours, w)]
    rows = [Point(w.known("model_", name), f.estimate, f.low, f.high) for name in s.models
            if (f := s.figures.get((name, "auc"))) is not None]  # fmt: skip
    parts.append(
        Chart("auc-beside-baselines", w("model_chart"), w("models_def_auc"), "dots",
              (Series(w("metric_auc"), tuple(rows), is_main=True),), "number", w("models_model"), w("metric_auc"),
              reference=0.5, reference_label=w("models_chance"), sentence=w("model_note"))
    )  # fmt: skip
    columns = [Column(w("metric"), w("models_def_metric"))]
    columns += [Column(w.known("model_", name), w.known("models_method_", name), is_number=True) for name in s.models]
    figures = tuple(
        (Cell(_metric(m, c, w), w.known("models_metric_", m)), *(_figure(c, name, m, w) for name in s.models))
        for m in s.metrics
    )
    parts.append(Table("figures", w("models_figures_caption"), tuple(columns), figures))
    return Section("figures", w("models_figures"), tuple(parts))


def promise_section(content: ModelsContent, words: Words) -> Section:
    """What today's scores promise, before any outcome is known."""
    w, e = words, content.expected
    title = w("models_promise")
    if e is None or content.scored_on is None:
        return Section("promise", title, (Notice(w("models_promise_none"), "none"),))
    if e.customer_count < MINIMUM_CELL:
        return Section("promise", title, (Notice(w("models_few_customers", least=MINIMUM_CELL), "none"),))
    later = w("models_judged_from", day=w.day(content.knowable_on)) if content.knowable_on else ""
    stats = [
        _promised(e.auc, w("models_expected_auc"), w("models_def_expected_auc"), w("models_expected_auc_few"), w),
        written(w, e.churners, w.count).stat(
            w("models_expected_churners"), w("models_def_expected_churners"),
            note=w("models_of_scored", n=w.count(e.customer_count)),
        ),
    ]  # fmt: skip
    if e.precision is not None and e.line_count >= MINIMUM_CELL:
        precision = written(w, e.precision, w.share)
        note = w("models_of_line", n=w.count(e.line_count))
        stats.append(precision.stat(w("models_expected_precision"), w("models_def_expected_precision"), note=note))
    state, credit = _credit_words(newest_judged(content), w)
    notice = Notice(w("models_estimate_only"), state, tuple(text for text in (credit, later) if text))
    return Section("promise", title, (notice, Stats(tuple(stats))))


def judged_section(content: ModelsContent, words: Words) -> Section:
    """How good past scores turned out, week by week."""
    w, c = words, content
    title = w("models_judged")
    cohorts = _shown(c)
    if not cohorts:
        return Section("judged", title, (Notice(not_judged(c, w), "none"),))
    newest = cohorts[0]
    parts: list[Part] = [Notice(_judged_sentence(newest, w), _judged_state(newest), _waiting(c, w))]
    observed = tuple(point(cohort.as_of.isoformat(), cohort.auc) for cohort in reversed(cohorts))
    promised = tuple(point(cohort.as_of.isoformat(), cohort.expected_auc) for cohort in reversed(cohorts))
    if any(p.value is not None for p in observed):
        series = [Series(w("models_measured"), observed, is_main=True)]
        if any(p.value is not None for p in promised):
            series.append(Series(w("models_promised"), promised))
        parts.append(
            Chart("auc-by-week", w("models_auc_by_week"), w("models_def_auc"), "history", tuple(series), "number",
                  w("models_scored_on"), w("metric_auc"), reference=0.5, reference_label=w("models_chance"),
                  sentence=w("models_auc_by_week_note"))
        )  # fmt: skip
    parts.append(_weeks_table(cohorts, w))
    return Section("judged", title, tuple(parts))


def calibration_section(content: ModelsContent, words: Words) -> Section:
    """Whether probabilities mean what they say: by week, and over their whole range."""
    w, c = words, content
    title = w("models_calibration")
    cohorts = _shown(c)
    if not cohorts:
        return Section("calibration", title, (Notice(not_judged(c, w), "none"),))
    newest = cohorts[0]
    state: State = "good" if newest.calibration == "fits" else "look"
    if newest.predicted_over_actual is None:
        parts: list[Part] = [Notice(w("models_nobody_left", day=w.day(newest.as_of)), "none")]
    else:
        ratio = written(w, newest.predicted_over_actual, partial(w.number, digits=2)).both
        parts = [Notice(w(f"models_ratio_{newest.calibration}", ratio=ratio, day=w.day(newest.as_of)), state)]
    weeks = [cohort for cohort in reversed(cohorts) if cohort.predicted_over_actual is not None]
    if weeks:
        days = [cohort.as_of.isoformat() for cohort in weeks]
        found = tuple(point(day, cohort.predicted_over_actual) for day, cohort in zip(days, weeks, strict=True))
        band = tuple(Point(day, 1.0, *BAND) for day in days)
        parts.append(
            Chart("calibration-by-week", w("models_ratio_by_week"), w("models_def_ratio"), "history",
                  (Series(w("models_measured"), found, is_main=True), Series(w("models_band"), band)), "number",
                  w("models_scored_on"), w("ratio"), reference=1.0, reference_label=w("models_right"),
                  sentence=w("models_ratio_by_week_note", low=w.number(BAND[0], 2), high=w.number(BAND[1], 2)))
        )  # fmt: skip
    points = tuple(
        Point(b.predicted, b.observed.share, b.observed.low, b.observed.high)
        for b in newest.reliability if b.observed.n >= MINIMUM_CELL
    )  # fmt: skip
    if points:
        parts.append(
            Chart("reliability", w("models_reliability", day=w.day(newest.as_of)), w("models_def_reliability"),
                  "reliability", (Series(w("models_measured"), points, is_main=True),), "share",
                  w("models_said"), w("models_happened"), sentence=w("models_reliability_note"))
        )  # fmt: skip
    return Section("calibration", title, tuple(parts))


def not_judged(content: ModelsContent, words: Words) -> str:
    """Say why no past score is judged."""
    w, p = words, content.performance
    if p.reason is None:
        return w("models_few_customers", least=MINIMUM_CELL)
    return w(f"performance_{p.reason}", day=w.day(p.knowable_on) if p.knowable_on else "")


def newest_judged(content: ModelsContent) -> Cohort | None:
    """The newest judged day with enough customers to be shown."""
    return next(iter(_shown(content)), None)


def _shown(content: ModelsContent) -> tuple[Cohort, ...]:
    return tuple(cohort for cohort in content.performance.cohorts if cohort.matured_count >= MINIMUM_CELL)


def _decision(decision: Decision, w: Words) -> str:
    values = {"version": decision.version, "day": w.day(decision.as_of)}
    if decision.is_by_hand:
        is_back = any(reason.startswith("rolled back") for reason in decision.reasons)
        return w("verdict_rollback" if is_back else "verdict_by_hand", **values)
    if decision.decision in ("promote", "keep", "blocked"):
        return w(f"verdict_{decision.decision}", **values)
    return w("verdict_other", **values, decision=decision.decision)


def _reasons(decision: Decision, w: Words) -> tuple[str, ...]:
    """Why it was decided so: said in the page's language, or quoted when it is something of its own."""
    by = w("models_by_hand") if decision.is_by_hand else w("models_by_gate")
    return (by, *(_why(reason, w) for reason in decision.reasons))


def _why(reason: str, w: Words) -> str:
    kind = next((name for start, name in _WHY if reason.startswith(start)), None)
    return w("models_as_recorded", text=reason) if kind is None else w(f"models_why_{kind}")


def _champion_stats(c: ModelsContent, w: Words) -> tuple[Stat, ...]:
    unknown = w("nothing")
    guards = c.standing.trained.guards if c.standing.trained is not None else ()
    passed = sum(guard.severity == "pass" for guard in guards)
    worst: State = "bad" if c.standing.blocking_guards else "good" if passed == len(guards) else "look"
    rows = c.learned
    span = ""
    if c.has_reference and c.drift.reference_from:
        span = w("models_compared_with", first=_reference_day(c.drift.reference_from, w),
                 last=_reference_day(c.drift.reference_to, w),
                 n=w.count(c.reference_customer_count))  # fmt: skip
    found = [
        Stat(w("models_version"), c.version or unknown, w("models_def_version"),
             note=w("models_since", day=w.day(c.in_office_since)) if c.in_office_since else ""),
        Stat(w("models_rows"), w.count(rows.row_count) if rows else unknown, w("models_def_rows"),
             note=span if rows else w("models_rows_unknown")),
    ]  # fmt: skip
    if rows is not None:
        found.append(written(w, rows.share, w.share).stat(w("models_learned_rate"), w("models_def_learned_rate")))
    if guards:
        text = w("of", n=w.count(passed), all=w.count(len(guards)))
        found.append(Stat(w("models_guards"), text, w("models_def_guards"), state=worst))
    return tuple(found)


def _reference_day(text: str, w: Words) -> str:
    return w.brief_day(date.fromisoformat(text))


def _guards_table(c: ModelsContent, w: Words) -> Table:
    assert c.standing.trained is not None
    states: dict[str, State] = {"pass": "good", "warn": "look", "block": "bad"}
    return Table(
        "guards",
        w("models_guards_caption"),
        (
            Column(w("guard"), w("models_def_guard")),
            Column(w("models_result"), w("models_def_result")),
            Column(w("what_was_seen"), w("models_def_recorded")),
        ),
        tuple(
            (
                Cell(w.known("guard_", guard.name), w.known("models_asks_", guard.name)),
                Cell(w.known("guard_", guard.severity), state=states.get(guard.severity, "none")),
                Cell(seen_by(guard, w)),
            )
            for guard in c.standing.trained.guards
        ),
    )


def _history_table(c: ModelsContent, w: Words) -> Table:
    shown = c.history[:_DECISIONS_SHOWN]
    caption = w("models_history_caption", shown=w.count(len(shown)), all=w.count(len(c.history)))
    columns = (
        Column(w("models_day"), w("models_def_day")), Column(w("models_decision"), w("models_def_decision")),
        Column(w("models_why"), w("models_def_why")),
    )  # fmt: skip
    rows = tuple(
        (Cell(w.brief_day(d.as_of)), Cell(_decision(d, w)), Cell(" ".join(_why(reason, w) for reason in d.reasons)))
        for d in shown
    )
    return Table("decisions", caption, columns, rows, shown=5)


def _against_baselines(c: ModelsContent, ours: Estimate, w: Words) -> Notice:
    auc = written(w, ours, partial(w.number, digits=3)).both
    if c.standing.blocking_guards:
        names = ", ".join(w.known("guard_", guard.name) for guard in c.standing.blocking_guards)
        return Notice(w("models_against_blocked", auc=auc, guards=names), "bad")
    if not c.standing.gains:
        return Notice(w("models_against_nothing", auc=auc), "none")
    hardest = min(c.standing.gains, key=lambda gain: gain.auc.low)
    kind, state = ("better", "good") if hardest.is_better else ("not_better", "look")
    if any(gain.is_worse for gain in c.standing.gains):
        kind, state = "worse", "bad"
    gains = tuple(
        w("models_gain_over", baseline=w.known("model_", gain.baseline),
          gain=w.interval(w.signed(gain.auc.estimate), w.signed(gain.auc.low), w.signed(gain.auc.high)))
        for gain in c.standing.gains
    )  # fmt: skip
    text = w(f"models_against_{kind}", auc=auc, baseline=w.known("model_", hardest.baseline))
    return Notice(text, "good" if state == "good" else "bad" if state == "bad" else "look", gains)


def _metric(metric: str, c: ModelsContent, w: Words) -> str:
    if metric == "value_at_capacity":
        money = w("metric_value_at_capacity", currency=c.currency)
        return money if c.capacity_is_money else w("metric_left_at_capacity")
    return w.known("metric_", metric)


def _figure(c: ModelsContent, model: str, metric: str, w: Words) -> Cell:
    found = c.standing.figures.get((model, metric))
    if found is None:
        return Cell(w("nothing"))
    if metric == "value_at_capacity":
        return written(w, found, partial(w.money, currency=c.currency) if c.capacity_is_money else w.share).cell
    digits = 2 if metric in ("top_decile_lift", "predicted_over_actual", "calibration_slope") else 3
    return written(w, found, partial(w.number, digits=digits)).cell


def _promised(found: Estimate | None, label: str, definition: str, few: str, w: Words) -> Stat:
    if found is None:
        return Stat(label, w("nothing"), definition, note=few)
    return written(w, found, partial(w.number, digits=3)).stat(label, definition)


def _credit(newest: Cohort | None) -> tuple[State, str]:
    """Whether what hangs on the calibration can be believed: did it hold where it can be checked?

    Probabilities can be right on average and too extreme all the same: then the AUC comes out below what they promised.
    """
    if newest is None or newest.predicted_over_actual is None:
        return "none", "unknown"
    if newest.calibration != "fits":
        return "look", "lost"
    measured, promised = newest.auc, newest.expected_auc
    if measured is None or promised is None:
        return "none", "unknown"
    if measured.estimate < promised.low:
        return "look", "flattered"
    return ("look", "modest") if measured.estimate > promised.high else ("good", "held")


def _credit_words(newest: Cohort | None, w: Words) -> tuple[State, str]:
    state, key = _credit(newest)
    if newest is None:
        return state, w("models_credit_unknown")
    three = partial(w.number, digits=3)
    promised, measured = (w("nothing") if e is None else three(e.estimate) for e in (newest.expected_auc, newest.auc))
    return state, w(f"models_credit_{key}", day=w.day(newest.as_of), promised=promised, measured=measured)


def _judged_sentence(newest: Cohort, w: Words) -> str:
    if newest.auc is None:
        left = w.count(newest.churner_count)
        return w("performance_one_class", n=w.count(newest.matured_count), left=left)
    auc = written(w, newest.auc, partial(w.number, digits=3)).both
    kind = "worse" if newest.auc.high < 0.5 else "chance" if newest.auc.low <= 0.5 else "ranks"
    return w(f"models_judged_{kind}", day=w.day(newest.as_of), auc=auc, n=w.count(newest.matured_count))


def _judged_state(newest: Cohort) -> State:
    if newest.auc is None:
        return "none"
    return "good" if newest.auc.low > 0.5 else "bad" if newest.auc.high <= 0.5 else "look"


def _waiting(c: ModelsContent, w: Words) -> tuple[str, ...]:
    found = [w("performance_waiting", n=w.count(c.performance.waiting_day_count))]
    if c.knowable_on is not None and c.knowable_on > c.as_of:
        found.append(w("models_judged_from", day=w.day(c.knowable_on)))
    return tuple(found) if c.performance.waiting_day_count else ()


def _weeks_table(cohorts: tuple[Cohort, ...], w: Words) -> Table:
    three, two = partial(w.number, digits=3), partial(w.number, digits=2)
    none = Cell(w("nothing"))
    columns = tuple(
        Column(w(f"models_week_{name}"), w(f"models_def_week_{name}"), is_number=name != "day")
        for name in ("day", "known", "auc", "observed", "predicted", "ratio", "line")
    )
    rows = tuple(
        (
            Cell(w.brief_day(c.as_of), w("models_week_version", version=c.model_version)),
            Cell(w.count(c.matured_count), w("models_of", n=w.count(c.scored_count))),
            none if c.auc is None else written(w, c.auc, three).cell,
            written(w, c.observed, w.share).cell,
            Cell(w.share(c.predicted)),
            none if c.predicted_over_actual is None else written(w, c.predicted_over_actual, two).cell,
            none if c.reached is None or c.reached.n < MINIMUM_CELL else written(w, c.reached, w.share).cell,
        )
        for c in cohorts
    )
    return Table("weeks", w("models_weeks_caption"), columns, rows)
