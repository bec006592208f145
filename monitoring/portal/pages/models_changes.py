"""What changed since the model learned: how many leave, how scores are distributed, what customers look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import date

from monitoring.cells import MINIMUM_CELL, hidden
from monitoring.drift.verdicts import PSI_LARGE, ColumnDrift, bin_labels
from monitoring.portal.pages.models_content import ModelsContent
from monitoring.portal.pages.models_judged import not_judged
from monitoring.portal.pages.models_written import written
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, Stat, State, Stats, Table
from monitoring.words import Words

ROWS = 50
_HEAVY = 0.1  # share of the model from which a large change of one feature needs action


def labels_section(content: ModelsContent, words: Words) -> Section:
    """Whether as many leave as did when the model learned."""
    w, found = words, content.labels
    title = w("models_labels")
    later = w("models_rate_from", day=w.day(content.knowable_on)) if content.knowable_on else ""
    if found.learned is None:
        return Section("labels", title, (Notice(w("models_labels_no_rate"), "none"),))
    learned = written(words, found.learned.share, w.share)
    at_training = learned.stat(w("models_learned_rate"), w("models_def_learned_rate"))
    newest = found.newest
    cohorts = [cohort for cohort in found.cohorts if cohort.observed.n >= MINIMUM_CELL]
    if newest is None or not cohorts:
        return Section("labels", title, (Notice(not_judged(content, w), "none"), Stats((at_training,))))
    newest = cohorts[0]
    now = written(words, newest.observed, w.share)
    states: dict[str, State] = {"as before": "good", "more leave": "look", "fewer leave": "look"}
    key = newest.verdict.replace(" ", "_")
    sentence = w(f"models_labels_{key}", now=now.both, then=learned.both, day=w.day(newest.as_of))
    change = newest.change
    stats = Stats(
        (
            at_training,
            now.stat(w("models_rate_now"), w("models_def_rate_now"), note=w("models_scored", day=w.day(newest.as_of))),
            Stat(w("models_rate_change"), w.signed(100 * change.difference, 1), w("models_def_rate_change"),
                 w("interval", low=w.signed(100 * change.low, 1), high=w.signed(100 * change.high, 1)),
                 w("models_points"), states[newest.verdict]),
        )
    )  # fmt: skip
    series = tuple(
        Point(c.as_of.isoformat(), c.observed.share, c.observed.low, c.observed.high) for c in reversed(cohorts)
    )
    chart = Chart(
        "rate-by-week", w("models_rate_by_week"), w("models_def_rate_now"), "history",
        (Series(w("observed"), series, is_main=True),), "share", w("models_scored_on"), w("observed"),
        reference=found.learned.share.share, reference_label=w("models_learned_rate"), sentence=later,
    )  # fmt: skip
    return Section("labels", title, (Notice(sentence, states[newest.verdict]), stats, chart))


def scores_section(content: ModelsContent, words: Words) -> Section:
    """Whether scores are distributed as on the version's first day."""
    w, moved = words, content.score_drift
    title = w("drift_scores")
    if moved is None:
        return Section("scores", title, (Notice(w("models_promise_none"), "none"),))
    if moved.found is None:
        return Section("scores", title, (Notice(w("drift_scores_first"), "none"),))
    c = moved.found
    if c.status == "not measured":
        return Section("scores", title, (Notice(f"{w('not_measured')}: {w(f'reason_{c.reason}')}.", "none"),))
    state: State = "look" if c.findings else "good"
    day = w.day(moved.first_on)
    sentence = w("models_scores_moved" if c.findings else "models_scores_stable", day=day)
    change = Stat(w("psi_title"), w.number(max(c.excess, 0.0), 3), w("models_def_psi"), state=state)
    parts: list[Part] = [Notice(sentence, state), Stats((change,))]
    chart = w("models_scores_chart")
    parts += _distribution(c, "scores-then-and-now", chart, w.brief_day(moved.first_on), w.share, w)
    return Section("scores", title, tuple(parts))


def features_section(content: ModelsContent, words: Words) -> Section:
    """Which features changed beyond chance, those that matter to the model first."""
    w, d = words, content.drift
    title = w("models_features")
    if not d.measured:
        key = "models_features_no_reference" if content.version and not content.has_reference else "drift_no_rows"
        if content.version is None:
            key = "card_drift_none"
        return Section("features", title, (Notice(w(key), "none"), *_not_measured(content, w)))
    measured, changed = w.count(len(d.measured)), w.count(len(d.drifted))
    weight = d.drifted_importance
    if not d.drifted:
        sentence = w("drift_none", n=measured)
    elif weight is None:
        sentence = w("drift_some", n=changed, measured=measured)
    else:
        sentence = w("models_features_changed", n=changed, measured=measured, weight=w.share(weight, 0))
    details = [w("models_no_alarm_alone")] if d.drifted else []
    if content.young_count:
        details.append(w("models_features_young", n=w.count(content.young_count)))
    parts: list[Part] = [Notice(sentence, "look" if d.drifted else "good", tuple(details)), _table(content, w)]
    foremost = next(iter(d.drifted), None)
    if foremost is not None:
        meaning = _meaning(foremost.name, content, w)
        chart = w("drift_largest", feature=meaning)
        parts += _distribution(foremost, "largest-change", chart, w("models_then"), w.significant, w)
    parts += _not_measured(content, w)
    first, last = (w.day(date.fromisoformat(day)) for day in (d.reference_from, d.reference_to))
    lead = w("models_features_lead", first=first, last=last, n=w.count(d.reference_n))
    return Section("features", title, tuple(parts), lead)


def _table(c: ModelsContent, w: Words) -> Table:
    rows = c.drift.measured[:ROWS]
    columns = tuple(
        Column(w(f"models_feature_{name}"), w(f"models_def_feature_{name}"), is_number=name in ("weight", "psi"))
        for name in ("name", "verdict", "weight", "psi", "missing")
    )
    caption = w("models_features_caption", shown=w.count(len(rows)), all=w.count(len(c.drift.measured)))
    return Table("features", caption, columns, tuple(_row(column, c, w) for column in rows))


def _row(column: ColumnDrift, c: ModelsContent, w: Words) -> tuple[Cell, ...]:
    fresh = next((found.values for found in c.new_values if found.column == column.name), ())
    named = ", ".join(f"{value} ({w.count(n)})" for value, n in fresh)
    verdict = "; ".join(w(f"finding_{finding}") for finding in column.findings) or w("finding_stable")
    state: State = "good"
    if column.findings:
        state = "bad" if column.excess >= PSI_LARGE and (column.importance or 0) >= _HEAVY else "look"
    return (
        Cell(_meaning(column.name, c, w), column.name),
        Cell(verdict, w("new_values_named", values=named) if named else "", state),
        Cell(w("nothing") if column.importance is None else w.share(column.importance)),
        Cell(w.number(max(column.excess, 0.0), 3)),
        _missing(column, w),
    )


def _missing(column: ColumnDrift, w: Words) -> Cell:
    found = column.missing
    if found is None or max(found.first.share, found.second.share) < 0.0005:  # shown as 0.1 %
        return Cell(w("nothing"))
    change = w("from_to", before=w.share(found.first.share), today=w.share(found.second.share))
    return Cell(change, w("interval", low=w.signed(100 * found.low, 1), high=w.signed(100 * found.high, 1)))


def _meaning(name: str, c: ModelsContent, w: Words) -> str:
    found = c.meanings.get(name)
    return name if found is None else found.es if w.language == "es" else found.en


def _distribution(
    column: ColumnDrift, name: str, title: str, before: str, show: Callable[[float], str], w: Words
) -> list[Part]:
    """The distribution before and now, in the reference's bins; bins of a few customers are gaps."""
    if column.bins is None:
        return []
    labels = [w.known("bin_", label) if label.startswith("<") and label.endswith(">") else label
              for label in bin_labels(column.bins, show)]  # fmt: skip
    then = _seen(column.reference_shares, column.reference_n)
    now = _seen(column.current_shares, column.current_n)
    kept = [i for i in range(len(labels)) if column.reference_shares[i] > 0 or column.current_shares[i] > 0]
    names = _distinct([labels[i] for i in kept])
    series = (
        Series(w("models_now"), tuple(Point(x, now[i]) for x, i in zip(names, kept, strict=True)), is_main=True),
        Series(before, tuple(Point(x, then[i]) for x, i in zip(names, kept, strict=True))),
    )
    return [
        Chart(name, title, w("models_def_distribution"), "bars", series, "share", w("models_bin"),
              w("models_share_of_customers"), sentence=w("drift_bins") if column.kind == "number" else "")
    ]  # fmt: skip


def _seen(shares: tuple[float, ...], n: int) -> list[float | None]:
    marks = hidden([round(share * n) for share in shares])
    return [None if is_hidden else share for share, is_hidden in zip(shares, marks, strict=True)]


def _distinct(labels: list[str]) -> list[str]:
    """Names of bins that differ also where rounding made two of them alike."""
    seen: Counter[str] = Counter()
    found = []
    for label in labels:
        seen[label] += 1
        found.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return found


def _not_measured(c: ModelsContent, w: Words) -> tuple[Part, ...]:
    reasons = Counter(column.reason for column in c.drift.not_measured)
    if not reasons:
        return ()
    details = tuple(f"{w.count(n)}: {w(f'reason_{reason}')}" for reason, n in reasons.most_common())
    return (Notice(w("not_measured_note", n=w.count(sum(reasons.values()))), "none", details),)
