"""Say the churn rate of groups: a picture of few, a table of many, and which of them stand apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from monitoring.cells import MINIMUM_CELL
from monitoring.kpis import ARRIVED, GONE, GroupRate
from monitoring.outcomes.found import UNKNOWN
from monitoring.portal.pages.churn_rates import Divided, Groups
from monitoring.portal.pages.figures import share_cell, share_point
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Section, Series, Table
from monitoring.words import Words

#: More groups than this are a table.
_DRAWN: Final = 12
#: What divides the customers of every company.
_OURS: Final = ("stage", "rfm", "value", "plan", "cohort")
#: Groups that a sentence names.
_NAMED: Final = 3


def groups_section(divided: Divided | None, words: Words) -> tuple[Section, ...]:
    """Say who leaves: by stage, value, attributes. No section where no outcome is known: the rate says why."""
    w = words
    if divided is None:
        return ()
    parts: list[Part] = []
    alone: list[str] = []
    alike: list[Groups] = []
    for groups in _once(divided.groups):
        if groups.shown_count + groups.withheld_count < 2:
            alone.append(_title(groups, w))
        elif not groups.rows:
            parts.append(Notice(w("churn_page_all_withheld", what=_title(groups, w), least=MINIMUM_CELL)))
        elif groups.shown_count > _DRAWN:
            parts += _many(groups, w)
        elif groups.apart:
            parts += _few(groups, divided, w)
        else:
            alike.append(groups)
    if alike:
        parts += _alike(alike, w)
    if alone:
        parts.append(Notice(w("churn_page_one_group", what=", ".join(alone))))
    lead = w("churn_page_groups_lead", day=w.day(divided.described_on), least=MINIMUM_CELL)
    return (Section("groups", w("churn_page_groups"), tuple(parts), lead),)


def _once(divisions: Sequence[Groups]) -> Iterator[Groups]:
    """Leave out what divides customers into groups of the same names as the plan: it is told as the plan already."""
    plans = {one.value for groups in divisions if groups.by == "plan" for one in groups.rows}
    for groups in divisions:
        is_plan_again = groups.by not in _OURS and {one.value for one in groups.rows} == plans
        if not is_plan_again or len(plans) < 2:
            yield groups


def _few(groups: Groups, divided: Divided, words: Words) -> Iterator[Part]:
    w = words
    title = _title(groups, w)
    total = divided.total.left if divided.total is not None else None
    points = tuple(share_point(_named(groups, one, w), one.left) for one in groups.rows)
    yield Chart(
        f"by-{_slug(groups.by)}",
        w("churn_page_by", what=title),
        w("churn_page_by_definition"),
        "dots",
        (Series(w("churn_page_rate"), points, True),),
        "share",
        title,
        w("churn_page_rate"),
        reference=None if total is None else total.share,
        reference_label="" if total is None else w("churn_page_everybody"),
        sentence=_sentence(groups, w),
    )


def _many(groups: Groups, words: Words) -> Iterator[Part]:
    w = words
    title = _title(groups, w)
    shown, everything = len(groups.rows), groups.shown_count
    caption = w("churn_page_by", what=title)
    if everything > shown:
        caption = w("churn_page_by_largest", what=title, shown=w.count(shown), all=w.count(everything))
    yield Table(
        f"by-{_slug(groups.by)}",
        caption,
        (
            Column(title),
            Column(w("churn_page_customers"), w("churn_page_customers_definition"), is_number=True),
            Column(w("churn_page_rate"), w("churn_page_by_definition"), is_number=True),
        ),
        tuple(_row(groups, one, w) for one in groups.rows),
    )
    sentence = _sentence(groups, w)
    if sentence:
        yield Notice(sentence)


def _alike(divisions: Sequence[Groups], words: Words) -> Iterator[Part]:
    """Put the divisions whose groups do not differ into one table: a picture of each would say nothing."""
    w = words
    rows = [
        (Cell(_title(groups, w)), *_row(groups, one, w)) for groups in divisions for one in groups.rows
    ]  # fmt: skip
    yield Table(
        "alike",
        w("churn_page_alike"),
        (
            Column(w("churn_page_divided")),
            Column(w("churn_page_group")),
            Column(w("churn_page_customers"), w("churn_page_customers_definition"), is_number=True),
            Column(w("churn_page_rate"), w("churn_page_by_definition"), is_number=True),
        ),
        tuple(rows),
    )
    yield Notice(w("churn_page_alike_sentence"))
    for groups in divisions:
        if groups.withheld_count:
            withheld = w("churn_page_withheld", count=w.count(groups.withheld_count), least=MINIMUM_CELL)
            yield Notice(f"{_title(groups, w)}: {withheld}")


def by_cohort(cohorts: Groups, words: Words) -> Table:
    """Return the rate by month of the first contact, as a table."""
    w = words
    key = "churn_page_by_largest" if cohorts.shown_count > len(cohorts.rows) else "churn_page_by"
    title = _title(cohorts, w)
    shown, everything = w.count(len(cohorts.rows)), w.count(cohorts.shown_count)
    return Table(
        "by-cohort",
        w(key, what=title, shown=shown, all=everything) if key.endswith("largest") else w(key, what=title),
        (
            Column(title),
            Column(w("churn_page_customers"), w("churn_page_customers_definition"), is_number=True),
            Column(w("churn_page_rate"), w("churn_page_by_definition"), is_number=True),
        ),
        tuple(_row(cohorts, one, w) for one in reversed(cohorts.rows)),
        empty=w("churn_page_all_withheld", what=title, least=MINIMUM_CELL),
    )


def _row(groups: Groups, one: GroupRate, words: Words) -> tuple[Cell, ...]:
    return (
        Cell(value_named(groups, one.value, words)),
        Cell(words.count(one.customer_count or 0)),
        share_cell(words, one.left),
    )


def _sentence(groups: Groups, words: Words) -> str:
    """Say which groups stand apart, and how many are not shown."""
    w = words
    said = []
    for name, gap in groups.apart[:_NAMED]:
        key = "churn_page_apart_more" if gap.difference > 0 else "churn_page_apart_less"
        points, low, high = (w.signed(100 * value, 1) for value in (gap.difference, gap.low, gap.high))
        rate, others = w.share(gap.second.share), w.share(gap.first.share)
        told = value_named(groups, name, w)
        said.append(w(key, group=told, rate=rate, others=others, gap=points, low=low, high=high))
    if not said and len(groups.rows) > 1:
        said.append(w("churn_page_not_apart"))
    if groups.withheld_count:
        said.append(w("churn_page_withheld", count=w.count(groups.withheld_count), least=MINIMUM_CELL))
    return " ".join(said)


def _named(groups: Groups, one: GroupRate, words: Words) -> str:
    count = words.count(one.customer_count or 0)
    return words("churn_page_group_of", group=value_named(groups, one.value, words), count=count)


def value_named(groups: Groups, value: str, words: Words) -> str:
    """Return a group's name in words: what is ours is translated, what is the company's stands as it is."""
    if groups.is_flag and value != UNKNOWN:
        return words.known("churn_page_flag_", value)
    if groups.by == "cohort" and value != UNKNOWN:
        return words.month(date.fromisoformat(f"{value}-01"))
    if groups.by in ("stage", "rfm", "value"):
        return stage_named(value, words)
    return words("churn_page_unknown") if value == UNKNOWN else value


def stage_named(value: str, words: Words) -> str:
    """Return a stage, a group of recency, frequency and money or of value, or where somebody came from or went to."""
    w = words
    special = {UNKNOWN: "churn_page_unknown", ARRIVED: "churn_page_arrived", GONE: "churn_page_gone"}
    return w(special[value]) if value in special else w.known("churn_page_value_", value)


def _title(groups: Groups, words: Words) -> str:
    return _dividing(groups.by, words) if groups.meaning is None else str(getattr(groups.meaning, words.language))


def _dividing(by: str, words: Words) -> str:
    """Return what divides customers in words: what every company has is ours, an attribute stands by its name."""
    w = words
    return w.known("churn_page_dividing_", by) if by in _OURS else by.replace("_", " ")


def _slug(name: str) -> str:
    return name.replace("_", "-")
