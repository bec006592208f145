"""Everything that customers said, or did not say when they were asked: one table over all feeds and channels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from features.asking import ASKED_KINDS
from features.clocks import Clock, known_rows
from features.corrections import corrected_tables
from holdback.business import Business, Feed
from holdback.scales import ScaleSpan, scale_spans
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.feedback.plain import LONGEST_READ, plain_texts

#: What a question is when its feed does not say, by its scale.
_KIND_OF_SCALE: Final = {"nps": "nps", "five": "csat", "ten": "rating", "hundred": "rating"}

#: Roles of the feeds in which customers speak.
VOICE_ROLES: Final = ("feedback", "interactions")

VOICES: Final = pa.schema(
    [
        ("customer_id", pa.string()),
        ("event_at", pa.timestamp("us")),
        ("feed", pa.string()),
        ("role", pa.string()),
        ("channel", pa.string()),
        ("kind", pa.string()),
        ("step", pa.string()),
        ("score", pa.float64()),
        ("score_share", pa.float64()),
        ("scale", pa.string()),
        ("is_answered", pa.bool_()),
        ("remark", pa.string()),
        ("batch_id", pa.string()),
        ("row_number", pa.int64()),
    ]
)


def read_voices(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    *,
    days: int,
    roles: Collection[str] = VOICE_ROLES,
    columns: Sequence[str] = VOICES.names,
) -> pa.Table:
    """Return what customers said in the days before a day, as it was known then.

    Both clocks hold and a corrected row counts as it was corrected. A feed that was never loaded adds nothing.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        as_of: The day of knowledge.
        days: How many days back, at least 1.
        roles: Of which feeds: ``feedback`` and ``interactions`` by default.
        columns: Which of the columns of :data:`VOICES`: a year of a large company takes no more than is asked for.

    Returns:
        One row per request for feedback, review, remark or ticket, in the order of events. ``kind`` is nps, csat, ces,
        rating, review, remark or ticket (by the scale when the feed does not say); ``score`` as given; ``score_share``
        in [0, 1] of the scale in force on that day (null without one, or outside it); ``scale`` its name;
        ``is_answered`` false for silence; ``remark`` plain text of at most
        :data:`monitoring.feedback.plain.LONGEST_REMARK` characters; ``batch_id`` and ``row_number`` point at the row.

    Raises:
        ValueError: ``days`` is not positive.

    Examples:
        >>> voices = read_voices(workspace.warehouse, business, date(2026, 3, 1), days=90)  # doctest: +SKIP
    """
    if days < 1:
        raise ValueError(f"read_voices: days must be at least 1 (got {days}).")
    clock = Clock.of(business, as_of)
    corrected = corrected_tables(warehouse)
    since = f"event_at >= {clock.days_ago(min(days, (as_of - date(1900, 1, 2)).days))}"
    selects = [
        _voices_of(name, feed, clock, since, corrected) for name, feed in business.feeds.items() if feed.role in roles
    ]
    if not selects:
        return VOICES.empty_table().select(columns)
    # Who gave no score may have answered in words: they are read then, whether they are asked for or not.
    remark = "remark" if "remark" in columns else "case when not is_scored then remark end as remark"
    wanted = ["kind", "is_scored", *(name for name in columns if name not in ("kind", "remark", "is_answered"))]
    union = "\n    union all\n    ".join(selects)
    found = warehouse.query(
        f"-- voices: one row per request, review or contact, as known on {as_of}.\n"
        f"select {', '.join(wanted)}, {remark} from (\n    {union}\n)\n"
        "order by event_at, feed, batch_id, row_number, customer_id"
    )
    remarks = plain_texts(found["remark"])
    is_asked = pc.is_in(found["kind"], value_set=pa.array(sorted(ASKED_KINDS), found["kind"].type))
    is_answered = pc.or_(pc.or_(found["is_scored"], pc.invert(is_asked)), pc.is_valid(remarks))
    told = {"remark": remarks, "is_answered": is_answered}
    schema = pa.schema([VOICES.field(name) for name in columns])
    return pa.table({name: told[name] if name in told else found[name] for name in columns}).cast(schema)


def month_of(business: Business, instants: Iterable[datetime]) -> list[str]:
    """Return the month of each instant by the business' own clock, such as ``2026-03``."""
    return [f"{business.day_of(at):%Y-%m}" for at in instants]


def is_since(business: Business, instants: Iterable[datetime], as_of: date, days: int) -> list[bool]:
    """Say of each instant whether it lies in the last ``days`` days before a day, or later."""
    start = business.instant(as_of - timedelta(days=days))
    return [at >= start for at in instants]


def _voices_of(name: str, feed: Feed, clock: Clock, since: str, corrected: Collection[str]) -> str:
    """SQL of one feed's rows in the common shape, before remarks become plain text."""
    spans = scale_spans(feed)
    is_ticket = feed.role == "interactions"
    has_score = not is_ticket and feed.has("score")

    def text(column: str) -> str:
        return f'"{column}"' if feed.has(column) else "cast(null as varchar)"

    score = '"score"' if has_score else "cast(null as double)"
    remark = f'left("remark", {LONGEST_READ})' if feed.has("remark") else "cast(null as varchar)"
    columns = (
        "event_at",
        f"{literal(name)} as feed",
        f"{literal(feed.role)} as role",
        f"{text('channel')} as channel",
        f"{literal('ticket') if is_ticket else _kind(feed, spans, clock, has_score)} as kind",
        f"{text('step')} as step",
        f"cast({score} as double) as score",
        f"{_share(spans, clock) if has_score else 'cast(null as double)'} as score_share",
        f"{_by_span(spans, clock, lambda span: literal(span.scale))} as scale",
        f"{score} is not null as is_scored",
        f"{remark} as remark",
        "batch_id",
        "row_number",
    )
    return known_rows(name, columns, clock, corrected=name in corrected, also=since, spine=False)


def _kind(feed: Feed, spans: tuple[ScaleSpan, ...], clock: Clock, has_score: bool) -> str:
    otherwise = "rating" if has_score else "remark"
    by_scale = _by_span(spans, clock, lambda span: literal(_KIND_OF_SCALE[span.scale]), literal(otherwise))
    return f'coalesce("kind", {by_scale})' if feed.has("kind") else by_scale


def _share(spans: tuple[ScaleSpan, ...], clock: Clock) -> str:
    def share(span: ScaleSpan) -> str:
        inside = f'"score" between {span.lowest:g} and {span.highest:g}'
        return f'case when {inside} then ("score" - {span.lowest:g}e0) / {span.highest - span.lowest:g}e0 end'

    return f"cast({_by_span(spans, clock, share)} as double)"


def _by_span(spans: tuple[ScaleSpan, ...], clock: Clock, value: Callable[[ScaleSpan], str], other: str = "null") -> str:
    """SQL of a value by the scale in force when the event happened."""
    if not spans:
        return other if other != "null" else "cast(null as varchar)"
    cases = [f"when {span.condition(clock.instant)} then {value(span)}" for span in spans]
    return f"(case {' '.join(cases)} end)"
