"""What a page looks back on for months is asked once a week, as it was known on the week's first day, and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date, timedelta
from typing import TypeVar

from holdback.errors import DataError, NotKnowableYet
from monitoring.kept import kept
from monitoring.past import key_as_known
from monitoring.portal.source import Source

T = TypeVar("T")


def first_of_week(day: date) -> date:
    """Return the Monday of a day's week.

    Examples:
        >>> first_of_week(date(2026, 3, 5)), first_of_week(date(2026, 3, 2))
        (datetime.date(2026, 3, 2), datetime.date(2026, 3, 2))
    """
    return day - timedelta(days=day.weekday())


def asked_weekly(
    source: Source, name: str, kind: type[T], ask: Callable[[date], T], *, feeds: Collection[str], about: object = None
) -> T:
    """Return an answer as it was known on Monday; what could not be known then is asked as of the page's day.

    A week's pages say the same: what is loaded later changes nothing of it. Only where the past itself has changed (an
    older history was loaded, somebody was forgotten), or the business file, is it asked anew.

    Args:
        source: The page's.
        name: What is asked; names a file.
        kind: The answer's type, a dataclass of plain values.
        ask: Gives the answer as of a day.
        feeds: What it is read from, besides the customers, their scores and the corrections.
        about: Whatever else it depends on.

    Raises:
        HoldbackError: what ``ask`` raises, of the page's day.
    """
    monday = first_of_week(source.as_of)
    key = key_as_known(source.warehouse, source.business, feeds, monday, about)
    try:
        return kept(source.workspace, name, key, kind, lambda: ask(monday))
    except (DataError, NotKnowableYet):
        if monday == source.as_of:
            raise
        return ask(source.as_of)
