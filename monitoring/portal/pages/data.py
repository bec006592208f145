"""The page about data: what came in and what did not, what was kept aside and why, and how fresh everything is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from monitoring.portal.days import with_missing_days
from monitoring.portal.pages.data_read import (
    MOST_BATCHES,
    WINDOW_DAYS,
    Batch,
    Corrected,
    FeedDays,
    Refused,
    Waiting,
    read_batches,
    read_corrected,
    read_days,
    read_refused,
    read_waiting,
)
from monitoring.portal.pages.data_said import (
    contracts_section,
    corrections_section,
    freshness_section,
    gaps_section,
    nulls_section,
    quarantine_section,
)
from monitoring.portal.parts import Cell, Chart, Column, Notice, Page, Part, Point, Section, Series, Stat, Stats, Table
from monitoring.portal.source import Source
from monitoring.quality import Quality, data_quality
from monitoring.words import Words

_MOST_CHARTS = 12


@dataclass(frozen=True, slots=True)
class Data:
    """Everything that the page says, before it is said in a language.

    Attributes:
        as_of: The day.
        quality: Counts, reasons, rules and null shares of the day.
        batches: The newest files.
        days: By feed, the days with and without a file.
        waiting: What waits in quarantine.
        corrected: What later files replaced.
        refused: Files refused today.
    """

    as_of: date
    quality: Quality
    batches: tuple[Batch, ...]
    days: tuple[FeedDays, ...]
    waiting: tuple[Waiting, ...]
    corrected: tuple[Corrected, ...]
    refused: tuple[Refused, ...]

    @property
    def missing_count(self) -> int:
        """Days without a file, over all feeds of which the business file does not allow it."""
        return sum(len(feed.missing) for feed in self.days if feed.is_required)


def read(source: Source) -> Data:
    """Ask the warehouse what came in up to the day."""
    warehouse, business, as_of = source.warehouse, source.business, source.as_of
    return Data(
        as_of=as_of,
        quality=data_quality(warehouse, business, as_of),
        batches=read_batches(warehouse, as_of),
        days=read_days(warehouse, business, as_of),
        waiting=read_waiting(warehouse, as_of),
        corrected=read_corrected(warehouse, as_of),
        refused=read_refused(warehouse, as_of),
    )


def page(content: Data, words: Words) -> Page:
    """Say it in one language."""
    w = words
    return Page(
        name="data",
        title=w("data_title"),
        lead=_lead(content, w),
        sections=(
            _arrived_section(content, w),
            contracts_section(content.quality.broken, content.refused, w),
            quarantine_section(content.quality.reasons, content.quality.broken, content.waiting, w),
            freshness_section(content.quality.feeds, w),
            gaps_section(content.days, w),
            _history_section(content, w),
            corrections_section(content.corrected, w),
            nulls_section(content.quality.nulls, w),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Sums:
    """Rows of all files loaded today."""

    offered: int
    clean: int
    quarantined: int
    unchanged: int
    corrected: int
    feed_count: int


def _sums(quality: Quality) -> _Sums:
    today = [feed.newest for feed in quality.feeds if feed.newest is not None and feed.came_today]
    return _Sums(
        sum(rows.offered for rows in today),
        sum(rows.clean for rows in today),
        sum(rows.quarantined for rows in today),
        sum(rows.unchanged for rows in today),
        sum(rows.corrected for rows in today),
        len(today),
    )


def _lead(c: Data, w: Words) -> str:
    sums, feeds = _sums(c.quality), len(c.quality.feeds)
    if sums.feed_count:
        said = [
            w(
                "data_lead",
                n=w.count(sums.offered),
                feeds=w.count(sums.feed_count),
                all=w.count(feeds),
                kept=w.count(sums.quarantined),
                share=w.share(sums.quarantined / sums.offered if sums.offered else 0.0),
            )
        ]
    elif c.batches:
        said = [w("data_lead_nothing", day=w.day(c.batches[0].as_of))]
    else:
        said = [w("data_lead_never")]
    if c.refused:
        said.append(w("data_lead_refused", n=w.count(sum(one.file_count for one in c.refused))))
    if c.quality.stale_feeds:
        said.append(w("data_lead_stale", names=", ".join(feed.feed for feed in c.quality.stale_feeds)))
    if c.missing_count:
        said.append(w("data_lead_missing_one" if c.missing_count == 1 else "data_lead_missing_many", n=c.missing_count))
    if sums.feed_count and len(said) == 1:
        said.append(w("data_lead_well"))
    return " ".join(said)


def _arrived_section(c: Data, w: Words) -> Section:
    title = w("data_arrived")
    if not c.batches and not c.refused:
        return Section("arrived", title, (Notice(w("data_never"), "look", (w("data_never_do"), "holdback ingest")),))
    sums = _sums(c.quality)
    share = w.share(sums.quarantined / sums.offered) if sums.offered else ""
    stats = (
        Stat(w("data_offered"), w.count(sums.offered), w("data_def_offered")),
        Stat(w("data_clean"), w.count(sums.clean), w("data_def_clean")),
        Stat(
            w("data_kept"),
            w.count(sums.quarantined),
            w("data_def_kept"),
            note=w("data_of_offered", share=share) if share else "",
            state="look" if sums.quarantined else "none",
        ),
        Stat(w("data_repeated"), w.count(sums.unchanged), w("data_def_repeated")),
        Stat(w("data_corrected"), w.count(sums.corrected), w("data_def_corrected")),
        Stat(
            w("data_feeds_today"),
            w("of", n=w.count(sums.feed_count), all=w.count(len(c.quality.feeds))),
            w("data_def_feeds_today"),
        ),
    )
    return Section("arrived", title, (Stats(stats), _batches_table(c, w)))


def _batches_table(c: Data, w: Words) -> Table:
    return Table(
        name="batches",
        caption=w("data_batches", n=w.count(min(MOST_BATCHES, len(c.batches)))),
        columns=(
            Column(w("data_loaded_for"), w("data_def_loaded_for")),
            Column(w("data_feed")),
            Column(w("data_file"), w("data_def_file")),
            Column(w("data_offered"), w("data_def_offered_file"), is_number=True),
            Column(w("data_clean"), w("data_def_clean"), is_number=True),
            Column(w("data_kept"), w("data_def_kept"), is_number=True),
            Column(w("data_repeated"), w("data_def_repeated"), is_number=True),
            Column(w("data_corrected"), w("data_def_corrected"), is_number=True),
        ),
        rows=tuple(_batch_row(batch, w) for batch in c.batches),
    )


def _batch_row(batch: Batch, w: Words) -> tuple[Cell, ...]:
    kind = w("data_history_file") if batch.is_history else w("data_release") if batch.is_release else ""
    return (
        Cell(w.brief_day(batch.as_of)),
        Cell(batch.feed),
        Cell(batch.source or w("nothing"), kind),
        Cell(w.count(batch.offered)),
        Cell(w.count(batch.clean)),
        Cell(w.count(batch.quarantined), state="look" if batch.quarantined else "none"),
        Cell(w.count(batch.unchanged)),
        Cell(w.count(batch.corrected)),
    )


def _history_section(c: Data, w: Words) -> Section:
    title = w("data_history")
    drawn = [feed for feed in c.days if len(feed.days) > 1]
    if not drawn:
        return Section("history", title, (Notice(w("data_history_none")),))
    parts: list[Part] = [*_kept_chart(drawn, w)]
    parts += [_rows_chart(feed, position, w) for position, feed in enumerate(drawn[:_MOST_CHARTS], start=1)]
    if len(drawn) > _MOST_CHARTS:
        parts.append(Notice(w("data_history_first", n=w.count(_MOST_CHARTS), all=w.count(len(drawn)))))
    return Section("history", title, tuple(parts), w("data_history_lead", n=w.count(WINDOW_DAYS)))


def _kept_chart(feeds: list[FeedDays], w: Words) -> list[Chart]:
    """Draw the share kept aside of the feeds that had any, on all days with a file of one of them."""
    troubled = [feed for feed in feeds if any(found.quarantined for found in feed.days)]
    if not troubled:
        return []
    days = sorted({day for feed in troubled for day in with_missing_days([found.day for found in feed.days])})
    series = []
    for feed in troubled:
        shares = {found.day: found.quarantined / found.offered for found in feed.days if found.offered}
        own = with_missing_days([found.day for found in feed.days])
        points = tuple(Point(day.isoformat(), shares.get(day)) for day in own)
        series.append(Series(feed.feed, points, is_main=len(troubled) == 1))
    worst = max(
        ((found.quarantined / found.offered, found.day, feed.feed)
         for feed in troubled for found in feed.days if found.offered),
        default=None,
    )  # fmt: skip
    sentence = (
        "" if worst is None else w("data_kept_worst", share=w.share(worst[0]), feed=worst[2], day=w.day(worst[1]))
    )
    chart = Chart(
        name="kept-aside",
        title=w("data_kept_chart"),
        definition=w("data_def_kept_chart"),
        kind="history",
        series=tuple(series),
        unit="share",
        x_title=w("data_day"),
        y_title=w("data_kept_share"),
        sentence=sentence,
    )
    return [chart] if len(days) > 1 else []


def _rows_chart(feed: FeedDays, position: int, w: Words) -> Chart:
    rows = {found.day: float(found.offered) for found in feed.days}
    points = tuple(Point(day.isoformat(), rows.get(day)) for day in with_missing_days(list(rows)))
    gaps = sum(point.value is None for point in points)
    sentence = w("data_rows_gap_one" if gaps == 1 else "data_rows_gap_many", n=w.count(gaps)) if gaps else ""
    return Chart(
        name=f"rows-{position}",
        title=w("data_rows_chart", feed=feed.feed),
        definition=w("data_def_rows_chart"),
        kind="history",
        series=(Series(w("data_offered"), points, is_main=True),),
        unit="count",
        x_title=w("data_day"),
        y_title=w("data_rows"),
        sentence=sentence,
    )
