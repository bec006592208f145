"""Say how long customers stay since their start, and how they move between stages."""

from __future__ import annotations

from datetime import date
from typing import Final

from holdback.business import BalanceDropChurn, Churn, RhythmChurn
from monitoring.cells import MINIMUM_CELL
from monitoring.kpis import ARRIVED, GONE, Move, RetentionCurve, RetentionPoint, Transitions
from monitoring.portal.pages.churn_groups import by_cohort, stage_named
from monitoring.portal.pages.churn_journey import AFTER_MONTHS, Cohorts, Lack, Moves
from monitoring.portal.pages.churn_rates import Divided
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, Table
from monitoring.words import Words

_YEAR: Final = 12


def cohorts_section(cohorts: Cohorts, divided: Divided | None, churn: Churn, words: Words) -> Section:
    """Say how many are still there, by time since the start, and how each cohort fares."""
    w = words
    parts: list[Part] = []
    if cohorts.lack is not None:
        parts.append(Notice(_why_not(cohorts.lack, cohorts.known_on, w)))
    elif cohorts.curve is None:
        parts.append(Notice(w("churn_page_too_few")))
    else:
        parts.append(_curve(cohorts.curve, churn, w))
        parts.append(_by_start(cohorts, churn, w))
        notes = []
        if cohorts.late_count:
            notes.append(w("churn_page_late_cohorts", count=w.count(cohorts.late_count)))
        if cohorts.withheld_count:
            notes.append(w("churn_page_withheld", count=w.count(cohorts.withheld_count), least=MINIMUM_CELL))
        parts += [Notice(note) for note in notes]
    if divided is not None and divided.cohorts is not None and divided.cohorts.shown_count > 1:
        parts.append(by_cohort(divided.cohorts, w))
        if divided.cohorts.withheld_count:
            withheld = w.count(divided.cohorts.withheld_count)
            parts.append(Notice(w("churn_page_withheld", count=withheld, least=MINIMUM_CELL)))
    return Section("cohorts", w("churn_page_cohorts"), tuple(parts), w("churn_page_cohorts_lead"))


def _curve(curve: RetentionCurve, churn: Churn, words: Words) -> Chart:
    w = words
    last = curve.points[-1]
    told = next((point for point in curve.points if point.month == _YEAR), last)
    first = curve.points[0].month - 1
    sentence = w(
        "churn_page_retention_sentence", months=told.month, share=w.share(told.retained),
        between=w("interval", low=w.share(told.low), high=w.share(told.high)),
    )  # fmt: skip
    if first:
        sentence = f"{sentence} {w('churn_page_unseen_months', months=first)}"
    return Chart(
        "retention",
        w("churn_page_retention"),
        _definition(churn, w),
        "history",
        (Series(w("churn_page_still_there"), tuple(_point(one) for one in curve.points), True),),
        "share",
        w("churn_page_months_since"),
        w("churn_page_still_there"),
        sentence=sentence,
    )


def _by_start(cohorts: Cohorts, churn: Churn, words: Words) -> Table:
    w = words
    reached = max((one.points[-1].month for one in cohorts.rows), default=0)
    told = [month for month in AFTER_MONTHS if month <= reached]
    caption = w("churn_page_by_start")
    if cohorts.shown_count > len(cohorts.rows):
        shown, everything = w.count(len(cohorts.rows)), w.count(cohorts.shown_count)
        caption = w("churn_page_by_start_newest", shown=shown, all=everything)
    return Table(
        "retention-by-cohort",
        caption,
        (
            Column(w("churn_page_started")),
            Column(w("churn_page_entered"), w("churn_page_entered_definition"), is_number=True),
            *(Column(_after(month, w), _definition(churn, w), is_number=True) for month in told),
        ),
        tuple(_cohort(one, told, w) for one in cohorts.rows),
        empty=w("churn_page_no_cohort"),
    )


def _cohort(curve: RetentionCurve, told: list[int], words: Words) -> tuple[Cell, ...]:
    w = words
    points = {point.month: point for point in curve.points}
    cells = [Cell(w.month(date.fromisoformat(f"{curve.cohort}-01"))), Cell(w.count(curve.customer_count))]
    for month in told:
        point = points.get(month)
        if point is None:
            cells.append(Cell(w("nothing")))
        else:
            between = w("interval", low=w.share(point.low, 0), high=w.share(point.high, 0))
            cells.append(Cell(w.share(point.retained, 0), between))
    return tuple(cells)


def _after(months: int, words: Words) -> str:
    w = words
    return w("churn_page_after_1") if months == 1 else w("churn_page_after", months=months)


def _definition(churn: Churn, words: Words) -> str:
    if isinstance(churn, RhythmChurn | BalanceDropChurn):
        return words("churn_page_retention_definition_described")
    return words("churn_page_retention_definition")


def _point(point: RetentionPoint) -> Point:
    return Point(float(point.month), point.retained, point.low, point.high)


def moves_section(moves: Moves, words: Words) -> Section:
    """Say from which stage to which customers went."""
    w = words
    if moves.found is None:
        text = _why_not(moves.lack or "nobody", moves.known_on, w)
        return Section("stages", w("churn_page_stages"), (Notice(text),), w("churn_page_stages_lead"))
    found = moves.found
    parts: list[Part] = [_moves_table(found, w)]
    if any(move.customer_count is None for move in found.moves):
        parts.append(Notice(w("churn_page_moves_withheld", least=MINIMUM_CELL)))
    return Section("stages", w("churn_page_stages"), tuple(parts), w("churn_page_stages_lead"))


def _moves_table(found: Transitions, words: Words) -> Table:
    w = words
    to = (*found.groups, GONE)
    return Table(
        "moves",
        w("churn_page_moves", since=w.day(found.since), until=w.day(found.as_of)),
        (
            Column(w("churn_page_from"), w("churn_page_from_definition")),
            *(Column(stage_named(one, w), w("churn_page_to_definition"), is_number=True) for one in to),
        ),
        tuple(
            (Cell(stage_named(row, w)), *(_move(found, row, column, w) for column in to))
            for row in (*found.groups, ARRIVED)
        ),
    )


def _move(found: Transitions, row: str, column: str, words: Words) -> Cell:
    w = words
    if (row, column) == (ARRIVED, GONE):
        return Cell("")
    move: Move = found.move(row, column)
    if move.customer_count is None:
        return Cell(w("not_shown"))
    count = w.count(move.customer_count)
    if move.share is None or row == ARRIVED or move.customer_count == 0:
        return Cell(count)
    return Cell(
        count, w.interval(w.share(move.share.share, 0), w.share(move.share.low, 0), w.share(move.share.high, 0))
    )


def _why_not(lack: Lack, known_on: date | None, words: Words) -> str:
    w = words
    if lack == "later" and known_on is not None:
        return w("churn_page_lack_later", day=w.day(known_on))
    return w(f"churn_page_lack_{'nobody' if lack == 'later' else lack}")
