"""What customers answer and write, and what goes with leaving: read once for all languages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdback.business import ColumnChurn
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from monitoring.cells import hidden
from monitoring.churn_history import month_starts
from monitoring.feedback import FeedbackRisk, Rating, Theme, learn_risk, read_voices, themes
from monitoring.feedback.ratings import EVERYBODY, RATED, rate
from monitoring.portal.source import Source
from monitoring.portal.weekly import asked_weekly

#: Days of answers that today's figures are made of.
DAYS: Final = 90
#: Customers whose remarks are read for a page.
MOST_WRITERS: Final = 4_000
_YEAR: Final = 365

Lack = Literal["no_feed", "nobody", "no_remarks", "few", "no_outcome"]
"""Why something is not told: no feed asks; nobody was asked; none maps remarks; too few wrote; no outcome is known."""


@dataclass(frozen=True)
class Answers:
    """What one feed's customers answered to one kind of question on one scale.

    Attributes:
        feed: The feed.
        rating: Of the last :data:`DAYS` days.
        months: Of whole months of the last year, oldest first; hidden ones are gaps.
    """

    feed: str
    rating: Rating
    months: tuple[Rating, ...]


@dataclass(frozen=True)
class Opinions:
    """What customers say.

    Attributes:
        answers_lack: Why there are no answers; None when there are.
        answers: By feed and kind of question.
        themes_lack: Why there are no themes; None when there are.
        themes: What they write about, the most frequent first.
        writers: Customers whose remarks were read; None when too few to be shown.
        all_writers: All who wrote, likewise.
        risk_lack: Why nothing was learned; None when something was.
        risk: Whether low scores and silence go with leaving.
    """

    answers_lack: Lack | None = None
    answers: tuple[Answers, ...] = ()
    themes_lack: Lack | None = None
    themes: tuple[Theme, ...] = ()
    writers: int | None = None
    all_writers: int | None = None
    risk_lack: Lack | None = None
    risk: FeedbackRisk | None = None


def read_opinions(source: Source) -> Opinions:
    """Read answers, themes and what was learned about them; no text of anybody's is kept."""
    answers = tuple(_answers(source)) if source.business.feeds_with_role("feedback") else ()
    lack: Lack | None = None
    if not answers:
        lack = "nobody" if source.business.feeds_with_role("feedback") else "no_feed"
    themes_lack, told, writers, all_writers = _themes(source)
    risk_lack, risk = _risk(source)
    return Opinions(lack, answers, themes_lack, told, writers, all_writers, risk_lack, risk)


def _answers(source: Source) -> Iterable[Answers]:
    business, as_of = source.business, source.as_of
    columns = ("feed", "event_at", *RATED)
    asked = read_voices(source.warehouse, business, as_of, days=_YEAR, roles=("feedback",), columns=columns)
    for feed in business.feeds_with_role("feedback"):
        year = asked.filter(pc.field("feed") == feed)
        lately = year.filter(pc.field("event_at") >= business.instant(as_of - timedelta(days=DAYS)))
        rated = rate(lately, None, business=business.slug, as_of=as_of, days=DAYS).ratings
        by_month = rate(
            year, _months_of(source, year), business=business.slug, as_of=as_of, days=_YEAR, by="month"
        ).ratings  # fmt: skip
        for rating in rated:
            own = [r for r in by_month if (r.kind, r.scale) == (rating.kind, rating.scale) and r.group != EVERYBODY]
            yield Answers(feed, rating, _whole_months(own, as_of))


def _whole_months(months: Iterable[Rating], as_of: date) -> tuple[Rating, ...]:
    """Keep whole months; where one of those within today's figures is hidden, all of them are: today's tell the sum."""
    first = f"{as_of - timedelta(days=_YEAR):%Y-%m}"
    since = f"{as_of - timedelta(days=DAYS):%Y-%m}"
    told = list(months)
    is_telling = any(one.is_hidden for one in told if one.group >= since)
    return tuple(
        Rating(one.group, one.kind, one.scale, True) if is_telling and one.group >= since else one
        for one in told
        if first < one.group < f"{as_of:%Y-%m}"
    )


def _themes(source: Source) -> tuple[Lack | None, tuple[Theme, ...], int | None, int | None]:
    try:
        found = themes(source.warehouse, source.business, source.as_of, days=DAYS, most_customers=MOST_WRITERS)
    except BusinessFileError:
        return "no_remarks", (), None, None
    except NotKnowableYet:
        return "few", (), None, None
    # Remarks of no theme are what the others leave of the whole.
    marks = hidden([*(one.remarks for one in found.themes), found.other])
    told = tuple(one for one, is_hidden in zip(found.themes, marks, strict=False) if not is_hidden)
    return None if told else "few", told, found.customers, found.writers


def _risk(source: Source) -> tuple[Lack | None, FeedbackRisk | None]:
    business, churn = source.business, source.churn

    def learned(known_on: date) -> FeedbackRisk:
        return learn_risk(source.warehouse, business, churn, known_on, days=DAYS)

    try:
        if isinstance(churn, ColumnChurn):  # one snapshot of the customers: there is no past to look back on
            return None, learned(source.as_of)
        feeds = {churn.feed, *business.feeds_with_role("feedback"), *business.feeds_with_role("interactions")}
        return None, asked_weekly(source, "feedback-risk", FeedbackRisk, learned, feeds=feeds)
    except BusinessFileError:
        return "no_feed", None
    except (NotKnowableYet, DataError):
        return "no_outcome", None


def _months_of(source: Source, voices: pa.Table) -> pa.Array:
    """Return each row's month by the business' own clock; all rows at once, as there may be very many."""
    starts = [day for day in reversed(month_starts(source.as_of)) if day > source.as_of - timedelta(days=_YEAR + 31)]
    instants = np.array([source.business.instant(day) for day in starts], dtype="datetime64[us]")
    events = voices["event_at"].to_numpy().astype("datetime64[us]")
    names = pa.array([f"{day:%Y-%m}" for day in starts])
    return names.take(pa.array(np.searchsorted(instants, events, side="right") - 1))
