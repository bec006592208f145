"""Campaigns: planned beside found, for each of them and for all together, with everything that it takes to believe it.

Effects are those of tables ``effects`` and ``integrity_checks``, as ``holdback campaign show`` prints them; nothing is
estimated here. While a check fails, no effect of its campaign is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from monitoring.measurement.readable import is_large_enough
from monitoring.outcomes import CHURNED
from monitoring.portal.pages.campaigns_content import (
    LARGEST_PAGE,
    CampaignsContent,
    Seen,
    Stage,
    read_campaigns,
)
from monitoring.portal.pages.campaigns_sections import sections, stage, title
from monitoring.portal.pages.campaigns_words import basis, counts, figure, interval, metric, side, why
from monitoring.portal.parts import Cell, Column, Notice, Page, Part, Section, State, Table
from monitoring.portal.source import Source
from monitoring.words import Words

_ORDER: Final[tuple[Stage, ...]] = (
    "in force", "harmful", "retired", "halted", "waits", "over", "elsewhere", "not launched",
)  # fmt: skip
_CLEAR: Final = 3  # campaigns that the lead names because they say something
_FOUND: dict[str, State] = {"better": "good", "worse": "bad", "open": "none"}


def read(source: Source) -> CampaignsContent:
    """Ask the warehouse once what there is to say about campaigns; nothing is written."""
    return read_campaigns(source)


def page(content: CampaignsContent, words: Words) -> Page:
    """Say it in one language."""
    w = words
    own = [seen for seen in content.seen if seen.name is not None]
    if not own:
        text = w("campaigns_none")
        parts: tuple[Part, ...] = (Notice(text, details=(w("campaigns_none_how"),)),)
        told = [Section("overview", w("campaigns_overview"), parts)]
    else:
        told = [_overview(content, w)]
    for seen in _with_section(content):
        told += sections(seen, content, w)
    repeated = tuple(_portfolio(content, w))
    if repeated:
        told.append(Section("next", w("campaigns_next"), repeated, lead=w("campaigns_next_lead")))
    return Page("campaigns", w("campaigns_title"), lead(content, w), tuple(told))


def lead(content: CampaignsContent, w: Words) -> str:
    """Say how campaigns stand in a few sentences: how many, what needs somebody, what is known."""
    own = [seen for seen in content.seen if seen.name is not None and seen.stage not in ("older", "gone")]
    if not own:
        return w("campaigns_none")
    said = [_stages(own, w)]
    for seen in own:
        if seen.stage == "harmful":
            said.append(w("campaigns_lead_harm", campaign=seen.name or ""))
    withheld = [seen.name or w("campaigns_programme") for seen in content.seen if seen.is_withheld]
    if withheld:
        said.append(w("campaigns_lead_withheld", campaigns=", ".join(withheld)))
    return " ".join([*said, _known(content, w)])


def _stages(own: Sequence[Seen], w: Words) -> str:
    """Say how many campaigns stand where."""
    if len(own) == 1:
        return w("campaigns_lead_one", campaign=own[0].name or "", stage=stage(own[0], w).text)
    found = Counter(seen.stage for seen in own)
    told = [
        f"{count} {w(f'campaigns_stage_{key}') if count == 1 else w(f'campaigns_many_{key}')}"
        for name in _ORDER
        for key, count in ((name.replace(" ", "_"), found[name]),)
        if count
    ]
    return w("campaigns_lead", n=len(own), stages="; ".join(told))


def _known(content: CampaignsContent, w: Words) -> str:
    """Say what is known of effects: of the programme first, else of whoever can be read."""
    if content.measured_on is None:
        return w("campaigns_lead_unmeasured")
    readable = [seen for seen in content.seen if seen.found is not None]
    clear = [seen for seen in readable[1:] if seen.found is not None and side(seen.found, content) != "open"]
    if readable:
        return " ".join(_found(seen, content, w) for seen in (readable[0], *clear[:_CLEAR]))
    days = [seen.knowable_on for seen in content.seen if seen.knowable_on is not None and not seen.is_withheld]
    return w("campaigns_lead_waits", day=w.day(min(days))) if days else w("campaigns_lead_nothing")


def _found(seen: Seen, content: CampaignsContent, w: Words) -> str:
    row = seen.found
    assert row is not None
    between = interval(row["metric"], row["low"], row["high"], content, w)
    said, day = side(row, content), w.day(row["as_of"])
    if said == "open" and row["metric"] == CHURNED:
        fewer, more = (w.number(100 * abs(end), 2) for end in (row["low"], row["high"]))
        return w("campaigns_lead_open_churn", campaign=title(seen, w), fewer=fewer, more=more, day=day)
    return w(
        f"campaigns_lead_{said}", campaign=title(seen, w), what=metric(row["metric"], w), interval=between, day=day
    )


def _with_section(content: CampaignsContent) -> list[Seen]:
    """The programme once it was measured, and campaigns; on the largest pages those that decide or were stopped."""
    first = ("programme", "harmful", "in force", "retired", "halted", "waits", "elsewhere", "over", "not launched")
    ranked = sorted(
        content.seen, key=lambda seen: first.index(seen.stage) if seen.stage in first else len(first)
    )  # fmt: skip
    kept = {seen.slug for seen in ranked[:LARGEST_PAGE]}
    return [seen for seen in content.seen if seen.slug in kept]


def _overview(content: CampaignsContent, w: Words) -> Section:
    rows = tuple(tuple(_row(seen, content, w)) for seen in content.seen)
    columns = (
        Column(w("campaigns_column_campaign")),
        Column(w("campaigns_column_stage"), w("campaigns_column_stage_means")),
        Column(w("campaigns_treated"), w("campaigns_treated_means"), is_number=True),
        Column(w("campaigns_held"), w("campaigns_held_means"), is_number=True),
        Column(w("campaigns_matured"), w("campaigns_matured_means"), is_number=True),
        Column(w("campaigns_column_planned"), w("campaigns_column_planned_means"), is_number=True),
        Column(w("campaigns_column_found"), w("campaigns_column_found_means"), is_number=True),
        Column(w("campaigns_column_says"), w("campaigns_column_says_means")),
    )
    parts: list[Part] = [Table("overview", w("campaigns_caption_overview"), columns, rows, shown=LARGEST_PAGE)]
    parts.append(
        Notice(w("campaigns_how"), details=(w("campaigns_how_wide"), w("campaigns_how_daily"), w("campaigns_how_sum")))
    )
    if len(content.seen) > LARGEST_PAGE:
        parts.append(Notice(w("campaigns_many", shown=LARGEST_PAGE, all=len(content.seen))))
    return Section("overview", w("campaigns_overview"), tuple(parts))


def _row(seen: Seen, content: CampaignsContent, w: Words) -> Iterator[Cell]:
    none = Cell(w("nothing"))
    yield Cell(title(seen, w))
    yield stage(seen, w)
    if seen.entered is None or seen.entered.all == 0:
        yield none
        yield none
    else:
        yield from (Cell(text) for text in counts((seen.entered.treated, seen.entered.held), w))
    if seen.figures:
        yield Cell(counts((seen.matured_count, max(seen.assigned_count - seen.matured_count, 0)), w)[0])
    else:
        yield none
    planned = next((row["planned"] for row in seen.newest if row["planned"] is not None), None)
    if planned is None and seen.design is not None and seen.primary == "churned":
        planned = -seen.design.effect
    yield none if planned is None else Cell(figure(seen.primary, planned, content, w))
    row = seen.found
    if row is not None:
        between = interval(seen.primary, row["low"], row["high"], content, w)
        small = " ".join(filter(None, (between, basis(row, seen, w))))
        yield Cell(figure(seen.primary, row["estimate"], content, w), small)
        what = side(row, content)
        yield Cell(w(f"campaigns_verdict_{what}"), state=_FOUND[what])
        return
    yield none
    yield Cell(_why_not(seen, w), state="bad" if seen.is_withheld else "none")


def _why_not(seen: Seen, w: Words) -> str:
    if seen.newest:
        daily = next((row for row in seen.newest if row["reading"] == "daily"), seen.newest[0])
        return why(daily, seen, w)
    return w("campaigns_why_not_launched") if seen.stage == "not launched" else w("campaigns_why_unmeasured")


def _is_small(seen: Seen) -> bool:
    """True when its planned reading rests on a handful of customers."""
    own = [row for row in seen.figures if (row["metric"], row["reading"]) == ("churned", "official")]
    return not all(is_large_enough(row) for row in own if row["estimate"] is not None)


def _portfolio(content: CampaignsContent, w: Words) -> Iterator[Part]:
    """What to expect of each campaign that was read, when it is repeated; those withheld today promise nothing."""
    found = content.portfolio.expected
    if found is None:
        return
    silent = {f"{seen.name}/{seen.version}" for seen in content.seen if seen.is_withheld or _is_small(seen)}
    rows = tuple(
        (
            Cell(one.name),
            Cell(w.brief_day(content.portfolio.read_on[one.name])),
            Cell(figure("churned", one.measured, content, w)),
            Cell(
                figure("churned", one.estimate, content, w),
                interval("churned", one.low, one.high, content, w),
            ),
        )
        for one in found.campaigns
        if one.name not in silent
    )
    if not rows:
        return
    columns = (
        Column(w("campaigns_column_campaign")),
        Column(w("campaigns_reading"), w("campaigns_reading_means")),
        Column(w("campaigns_column_measured"), w("campaigns_column_measured_means"), is_number=True),
        Column(w("campaigns_column_next"), w("campaigns_column_next_means"), is_number=True),
    )
    yield Table("next", w("campaigns_caption_next"), columns, rows)
    yield Notice(w("campaigns_next_learned") if found.source == "campaigns" else w("campaigns_next_sceptical"))
