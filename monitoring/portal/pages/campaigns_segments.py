"""Effects by segment: what was planned to be read apart from what only asks, and nobody in a handful is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from monitoring.cells import MINIMUM_CELL, hidden
from monitoring.portal.pages.campaigns_asking import Row
from monitoring.portal.pages.campaigns_content import CampaignsContent, Seen
from monitoring.portal.pages.campaigns_words import definition, figure, interval, metric
from monitoring.portal.parts import Cell, Column, Notice, Part, Table
from monitoring.words import Words

#: Segments that a table shows at most: the worst of them.
MOST: Final = 50
_CUTS: Final = ("fit_class", "risk_tier", "value_decile", "intended_action")
_VALUES: Final = ("invest", "maintain", "do_not_spend", "high", "medium", "low")


def segment_parts(seen: Seen, content: CampaignsContent, w: Words, voices: Sequence[str]) -> Iterator[Part]:
    """Yield a table for each of the voices that has figures of segments."""
    if seen.is_withheld:
        return
    for voice in voices:
        own = [row for row in seen.segments if row["reading"] == voice]
        if own:
            yield _table(voice, own, seen, content, w)


def in_peace(seen: Seen, w: Words) -> Iterator[Part]:
    """Yield the segments that are left in peace."""
    if seen.in_peace and not seen.is_withheld:
        told = tuple(
            w(
                "campaigns_peace_one",
                segment=name(one.segment, w),
                points=w.number(100 * one.estimate, 1),
                low=w.number(100 * one.low, 1),
                high=w.number(100 * one.high, 1),
                day=w.day(one.measured_on),
            )
            for one in seen.in_peace[:MOST]
        )
        yield Notice(w("campaigns_peace"), "look", told)


def name(segment: str, w: Words) -> str:
    """Name a segment: ours in words, the company's own as it stands in its data."""
    cut, _, value = segment.partition("=")
    said = w(f"campaigns_cut_{cut}") if cut in _CUTS else cut.replace("_", " ")
    known = cut in ("fit_class", "risk_tier") and value in _VALUES
    return f"{said}: {w(f'campaigns_value_{value}') if known else value}"


def shown(rows: Sequence[Row], seen: Seen) -> list[Row]:
    """Return the segments whose groups may be shown: neither they nor what the others leave of the whole are a few."""
    kept: list[Row] = []
    for _, group in groupby(sorted(rows, key=_cut), key=_cut):
        own = list(group)
        marks = [False] * len(own)
        for side in ("treatment_count", "holdout_count"):
            sizes = [row[side] or 0 for row in own]
            rest = max((_whole(own[0], seen, side) or sum(sizes)) - sum(sizes), 0)
            marks = [a or b for a, b in zip(marks, hidden([*sizes, rest])[: len(own)], strict=True)]
        kept += [row for row, is_hidden in zip(own, marks, strict=True) if not is_hidden]
    return kept


def _cut(row: Row) -> tuple[str, str]:
    return row["metric"], row["segment"].partition("=")[0]


def _whole(row: Row, seen: Seen, side: str) -> int | None:
    """Customers of everybody's figure that the segments are parts of."""
    everybody = [
        own for own in seen.figures
        if own["metric"] == row["metric"] and own["as_of"] == row["as_of"] and own[side] is not None
    ]  # fmt: skip
    return max((own[side] for own in everybody), default=None)


def _table(voice: str, rows: Sequence[Row], seen: Seen, content: CampaignsContent, w: Words) -> Table:
    kept = shown(rows, seen)
    kept.sort(key=lambda row: _benefit(row, content))
    worst = kept[:MOST]
    caption = w(f"campaigns_segments_{voice}", day=w.day(rows[0]["as_of"]))
    if len(worst) < len(rows):
        caption = (
            f"{caption} {w('campaigns_segments_of', shown=len(worst), all=w.count(len(rows)), least=MINIMUM_CELL)}"
        )
    kinds = "; ".join(f"{metric(n, w)}: {definition(n, w)}" for n in dict.fromkeys(row["metric"] for row in rows))
    columns = (
        Column(w("campaigns_column_segment"), w("campaigns_column_segment_means")),
        Column(w("campaigns_column_what"), kinds),
        Column(w("campaigns_column_found"), w("campaigns_column_segments_means"), is_number=True),
        Column(w("campaigns_treated"), w("campaigns_segment_n"), is_number=True),
        Column(w("campaigns_held"), w("campaigns_segment_n"), is_number=True),
    )
    cells = tuple(
        (
            Cell(name(row["segment"], w)),
            Cell(metric(row["metric"], w)),
            Cell(
                figure(row["metric"], row["estimate"], content, w),
                interval(row["metric"], row["low"], row["high"], content, w),
            ),
            Cell(w.count(row["treatment_count"])),
            Cell(w.count(row["holdout_count"])),
        )
        for row in worst
    )
    empty = w("campaigns_segments_small", least=MINIMUM_CELL)
    return Table(f"segments-{voice}-{seen.slug}", caption, columns, cells, empty=empty)


def _benefit(row: Row, content: CampaignsContent) -> float:
    lower: bool = row["metric"] in content.lower_is_better
    return float(-row["estimate"] if lower else row["estimate"])
