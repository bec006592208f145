"""The page about churn: the rate, the revenue, who leaves, how long customers stay, and what goes with leaving."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from holdback.business import Churn, ColumnChurn
from monitoring.portal.pages.churn_causes import Reasons, read_reasons, reasons_section, strongest
from monitoring.portal.pages.churn_groups import groups_section
from monitoring.portal.pages.churn_journey import Cohorts, Moves, read_cohorts, read_moves
from monitoring.portal.pages.churn_rates import Divided, Months, read_divided, read_months
from monitoring.portal.pages.churn_staying import cohorts_section, moves_section
from monitoring.portal.pages.churn_time import changed, rate_section, revenue_section, why_no_rate
from monitoring.portal.pages.figures import in_words
from monitoring.portal.parts import Notice, Page, Section
from monitoring.portal.source import Source
from monitoring.words import Words


@dataclass(frozen=True)
class ChurnContent:
    """Everything that the page says.

    Attributes:
        churn: What leaving means.
        currency: Of amounts.
        as_of: The day of knowledge.
        months: The rate by month.
        divided: The rate by group, and revenue; None while no outcome is known.
        cohorts: Who is still there, by time since the start.
        moves: Between stages.
        reasons: Why.
    """

    churn: Churn
    currency: str
    as_of: date
    months: Months
    divided: Divided | None
    cohorts: Cohorts
    moves: Moves
    reasons: Reasons


def read(source: Source) -> ChurnContent:
    """Ask the warehouse; nobody's own row leaves it."""
    months = read_months(source)
    return ChurnContent(
        churn=source.churn,
        currency=source.business.currency,
        as_of=source.as_of,
        months=months,
        divided=read_divided(source) if months.known else None,
        cohorts=read_cohorts(source),
        moves=read_moves(source),
        reasons=read_reasons(source),
    )


def page(content: ChurnContent, words: Words) -> Page:
    """Say it in one language."""
    w = words
    return Page(
        "churn",
        w("churn_page_title"),
        _lead(content, w),
        (
            rate_section(content.months, content.churn, content.as_of, w),
            revenue_section(content.divided, content.months, content.churn, w),
            *groups_section(content.divided, w),
            cohorts_section(content.cohorts, content.divided, content.churn, w),
            moves_section(content.moves, w),
            reasons_section(content.reasons, w),
            Section("methods", w("churn_page_methods"), (Notice(w("churn_page_methods_say")),), is_folded=True),
        ),
    )


def _lead(content: ChurnContent, words: Words) -> str:
    w, months = words, content.months
    newest = months.newest
    if newest is None or newest.left is None:
        return why_no_rate(months, w)
    if isinstance(content.churn, ColumnChurn):
        said = [w("churn_page_lead_snapshot", rate=in_words(w, newest.left), n=w.count(newest.left.n))]
    else:
        day = w.day(date.fromisoformat(f"{newest.value}-01"))
        said = [w("churn_page_lead", rate=in_words(w, newest.left), n=w.count(newest.left.n), day=day)]
        said += filter(None, [changed(months, w)])
    first = strongest(content.reasons, w)
    if first is not None:
        said.append(w("churn_page_lead_driver", driver=first))
    return " ".join(said)
