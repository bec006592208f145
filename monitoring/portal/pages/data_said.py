"""Rules, quarantine, freshness, gaps, corrections and empty columns as sections of the page about data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitoring.portal.pages.data_read import MOST_WAITING, Corrected, FeedDays, Refused, Waiting
from monitoring.portal.pages.data_rules import rule_in_words
from monitoring.portal.parts import Cell, Column, Notice, Part, Section, State, Table
from monitoring.quality import BrokenRule, FeedQuality, NullShare, Reason
from monitoring.words import Words

_SEVERITIES: Final[Mapping[str, State]] = {"critical": "bad", "warning": "look", "info": "none"}
_MOST_DAYS: Final = 6
"""Missing days that a cell names."""
_MOST_NULLS: Final = 50


def contracts_section(broken: tuple[BrokenRule, ...], refused: tuple[Refused, ...], w: Words) -> Section:
    """Say which rules did not hold today, and which files were refused for it."""
    notices: list[Part] = [
        Notice(
            w(
                "data_refused",
                feed=one.feed,
                n=w.count(one.file_count),
                rules="; ".join(rule_in_words(rule, w) for rule in one.rules) or w("nothing"),
            ),
            "bad",
            (w("data_refused_do"), "holdback ingest"),
        )
        for one in refused
    ]
    table = Table(
        name="rules",
        caption=w("data_rules_caption"),
        columns=(
            Column(w("data_rule"), w("data_def_rule")),
            Column(w("data_feed")),
            Column(w("data_severity"), w("data_def_severity")),
            Column(w("data_files"), w("data_def_files"), is_number=True),
            Column(w("data_rows"), w("data_def_rule_rows"), is_number=True),
        ),
        rows=tuple(_rule_row(rule, w) for rule in broken),
        empty=w("data_rules_none"),
    )
    return Section("contracts", w("data_contracts"), (*notices, table), w("data_contracts_lead"))


def _rule_row(rule: BrokenRule, w: Words) -> tuple[Cell, ...]:
    seen = w("data_seen", value=rule.observed) if rule.observed and rule.row_count is None else ""
    return (
        Cell(rule_in_words(rule.rule, w), rule.rule, _SEVERITIES.get(rule.severity, "none")),
        Cell(rule.feed),
        Cell(w.known("severity_", rule.severity)),
        Cell(w.count(rule.batch_count)),
        Cell(w("data_whole_file") if rule.row_count is None else w.count(rule.row_count), seen),
    )


def quarantine_section(
    reasons: tuple[Reason, ...], broken: tuple[BrokenRule, ...], waiting: tuple[Waiting, ...], w: Words
) -> Section:
    """Say why rows were kept aside today, unless the broken rules said it, and what waits with how to look at it."""
    told = {(rule.feed, rule.rule, rule.row_count) for rule in broken}
    others = [one for one in reasons if (one.feed, one.rule, one.row_count) not in told]
    why = Table(
        name="reasons",
        caption=w("data_reasons_caption"),
        columns=(
            Column(w("data_reason"), w("data_def_reason")),
            Column(w("data_feed")),
            Column(w("data_rows"), w("data_def_reason_rows"), is_number=True),
        ),
        rows=tuple((Cell(rule_in_words(one.rule, w)), Cell(one.feed), Cell(w.count(one.row_count))) for one in others),
        empty=w("data_reasons_none"),
    )
    waits = Table(
        name="waiting",
        caption=w("data_waiting_caption", n=w.count(MOST_WAITING)),
        columns=(
            Column(w("data_loaded_for"), w("data_def_loaded_for")),
            Column(w("data_feed")),
            Column(w("data_file"), w("data_def_file")),
            Column(w("data_waiting"), w("data_def_waiting"), is_number=True),
            Column(w("data_look"), w("data_def_look")),
        ),
        rows=tuple(
            (
                Cell(w.brief_day(one.as_of)),
                Cell(one.feed),
                Cell(one.source or w("nothing")),
                Cell(w.count(one.row_count)),
                Cell(f"holdback quarantine show {one.batch_id}"),
            )
            for one in waiting
        ),
        empty=w("data_waiting_none"),
    )
    parts = (why, waits) if others or not reasons else (Notice(w("data_reasons_above")), waits)
    return Section("quarantine", w("data_quarantine"), parts, w("data_quarantine_lead"))


def freshness_section(feeds: tuple[FeedQuality, ...], w: Words) -> Section:
    """Say how old the newest event of each feed is, beside what the business file allows."""
    table = Table(
        name="freshness",
        caption=w("data_freshness_caption"),
        columns=(
            Column(w("data_feed")),
            Column(w("data_last_file"), w("data_def_last_file")),
            Column(w("data_last_event"), w("data_def_last_event")),
            Column(w("data_age"), w("data_def_age"), is_number=True),
            Column(w("data_limit"), w("data_def_limit"), is_number=True),
            Column(w("data_verdict"), w("data_def_verdict")),
        ),
        rows=tuple(_freshness_row(feed, w) for feed in feeds),
        empty=w("data_no_feeds"),
    )
    return Section("freshness", w("data_freshness"), (table,))


def _freshness_row(feed: FeedQuality, w: Words) -> tuple[Cell, ...]:
    if feed.newest is None:
        verdict, state = "never", "look"
    elif feed.is_stale:
        verdict, state = "stale", "bad"
    elif feed.limit_days is None or feed.days_since_last_event is None:
        verdict, state = "no_limit", "none"
    else:
        verdict, state = "fresh", "good"
    return (
        Cell(feed.feed, state=_state(state)),
        Cell(w("data_today") if feed.came_today else w.brief_day(feed.newest.as_of) if feed.newest else w("nothing")),
        Cell(w("nothing") if feed.last_event_on is None else w.brief_day(feed.last_event_on)),
        Cell(w("nothing") if feed.days_since_last_event is None else w.count(feed.days_since_last_event)),
        Cell(w("nothing") if feed.limit_days is None else w.count(feed.limit_days)),
        Cell(w(f"data_verdict_{verdict}")),
    )


def _state(name: str) -> State:
    states: dict[str, State] = {"good": "good", "look": "look", "bad": "bad"}
    return states.get(name, "none")


def gaps_section(days: tuple[FeedDays, ...], w: Words) -> Section:
    """Name the days without a file that the rhythm of a feed asks for."""
    table = Table(
        name="gaps",
        caption=w("data_gaps_caption"),
        columns=(
            Column(w("data_feed")),
            Column(w("data_rhythm"), w("data_def_rhythm")),
            Column(w("data_missing"), w("data_def_missing"), is_number=True),
            Column(w("data_which"), w("data_def_which")),
            Column(w("data_do")),
        ),
        rows=tuple(_gap_row(feed, w) for feed in days if feed.missing),
        empty=w("data_gaps_none"),
    )
    parts: list[Part] = [table]
    unknown = [feed.feed for feed in days if feed.step_days is None]
    if unknown:
        parts.append(Notice(w("data_gaps_unknown", names=", ".join(unknown))))
    return Section("gaps", w("data_gaps"), tuple(parts))


def _gap_row(feed: FeedDays, w: Words) -> tuple[Cell, ...]:
    step = feed.step_days or 1
    newest = [w.brief_day(day) for day in reversed(feed.missing)][:_MOST_DAYS]
    more = len(feed.missing) - len(newest)
    listed = ", ".join(newest) + (f" {w('data_and_more', n=w.count(more))}" if more else "")
    return (
        Cell(feed.feed, state="look" if feed.is_required else "none"),
        Cell(w("data_every_day") if step == 1 else w("data_every_days", n=w.count(step))),
        Cell(w.count(len(feed.missing))),
        Cell(listed),
        Cell(w("data_gap_required" if feed.is_required else "data_gap_allowed")),
    )


def corrections_section(corrected: tuple[Corrected, ...], w: Words) -> Section:
    """Say what later files replaced."""
    table = Table(
        name="corrections",
        caption=w("data_corrections_caption"),
        columns=(
            Column(w("data_feed")),
            Column(w("data_corrected"), w("data_def_corrected_window"), is_number=True),
            Column(w("data_corrected_on"), w("data_def_corrected_on")),
        ),
        rows=tuple(
            (Cell(one.feed), Cell(w.count(one.row_count)), Cell(w.brief_day(one.newest_on))) for one in corrected
        ),
        empty=w("data_corrections_none"),
    )
    return Section("corrections", w("data_corrections"), (table,), w("data_corrections_lead"))


def nulls_section(nulls: tuple[NullShare, ...], w: Words) -> Section:
    """Name the columns that are emptier, or fuller, than usual."""
    unusual = [one for one in nulls if one.is_unusual]
    table = Table(
        name="nulls",
        caption=w("data_nulls_caption"),
        columns=(
            Column(w("data_column"), w("data_def_column")),
            Column(w("data_feed")),
            Column(w("data_empty"), w("data_def_empty"), is_number=True),
            Column(w("data_usual"), w("data_def_usual"), is_number=True),
            Column(w("data_rows"), w("data_def_null_rows"), is_number=True),
        ),
        rows=tuple(
            (
                Cell(one.column, state="look"),
                Cell(one.feed),
                Cell(w.share(one.share)),
                Cell(w("nothing") if one.usual is None else w.share(one.usual)),
                Cell(w.count(one.row_count)),
            )
            for one in unusual[:_MOST_NULLS]
        ),
        empty=w("data_nulls_none"),
    )
    return Section("nulls", w("data_nulls"), (table,))
