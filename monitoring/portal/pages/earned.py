"""What retention earned: the account of finance against those whom nobody contacted, campaign by campaign.

Figures are those of ``holdback campaign pnl``, to the cent. What is measured and what is expected stand in different
sections; what cannot be known yet says from when on it can.
"""

from __future__ import annotations

from monitoring.portal.pages.earned_content import Book, EarnedContent, read_earned
from monitoring.portal.pages.earned_sections import (
    book_section,
    by_campaign,
    forecast,
    is_small,
    proofs,
    summary,
    title,
    unmeasured,
)
from monitoring.portal.pages.earned_words import months, net_side, range_of, round_money
from monitoring.portal.parts import Notice, Page, Part, Section
from monitoring.portal.source import Source
from monitoring.words import Words


def read(source: Source) -> EarnedContent:
    """Ask the warehouse once what retention cost and what it brought; nothing is written."""
    return read_earned(source)


def page(content: EarnedContent, words: Words) -> Page:
    """Say it in one language."""
    w = words
    parts: list[Part] = []
    if content.books:
        parts += [*summary(content, w), *by_campaign(content, w)]
    else:
        parts.append(Notice(w("earned_nobody"), details=(w("earned_nobody_how"),)))
    sections = [Section("account", w("earned_account"), tuple(parts))]
    sections += [book_section(book, content, w) for book in content.books if book.total is not None]
    missing = tuple(unmeasured(content, w))
    if missing:
        sections.append(Section("unmeasured", w("earned_unmeasured"), missing))
    expected = tuple(forecast(content, w))
    if expected:
        sections.append(Section("forecast", w("earned_forecast"), expected, lead=w("earned_forecast_lead")))
    if content.books:
        sections.append(Section("proof", w("earned_proof"), tuple(proofs(content, w))))
    return Page("earned", w("earned_title"), lead(content, w), tuple(sections))


def lead(content: EarnedContent, w: Words) -> str:
    """Say in a sentence or two what was spent and whether it paid."""
    if not content.books:
        return w("earned_nobody")
    currency, spent = content.business.currency, content.spent
    said = [w("earned_lead_spent", amount=round_money(spent.cents, currency, w))] if content.campaigns else []
    if any(book.trouble == "books" for book in content.books):
        said.append(w("earned_lead_trouble"))
    measured = [
        book
        for book in content.books
        if book.total is not None and book.total.earned is not None and not is_small(book.total)
    ]
    if measured:  # the programme comes first
        return " ".join([*said, _paid(measured[0], content, w)])
    lines = [book.total for book in content.books if book.total is not None]
    days = [line.knowable_on for line in lines if line.knowable_on is not None]
    waits = [day for day in days if day > content.as_of]
    said.append(w("earned_lead_waits", day=w.day(min(waits))) if waits else w("earned_lead_nothing"))
    return " ".join(said)


def _paid(book: Book, content: EarnedContent, w: Words) -> str:
    """Say whether the money came back; an interval on both sides of zero says that it is not known."""
    assert book.total is not None
    assert book.total.earned is not None
    net = book.total.earned.net
    between = range_of(net, content.business.currency, w)
    return w(f"earned_lead_{net_side(net)}", what=title(book, w), months=months(book.total, w), interval=between)
