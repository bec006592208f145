"""Write declarations with little repetition: names with their prefix, windows in words, both languages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from features.declarations import Aggregate, Feature, FeedShape, Kind, Meaning

#: Windows of the counts and amounts, in days.
WINDOWS = (7, 30, 90, 180, 365)

#: A vocabulary longer than this gets no feature per value: the table would have hundreds of columns.
MOST_VALUES = 12

#: One bit per value in a 64-bit integer that is never negative.
MOST_BITS = 62


@dataclass
class Declarer:
    """Collects the features of one feed.

    Args:
        shape: The feed.
        prefix: Goes before every name; empty when the business has one feed of this role.
    """

    shape: FeedShape
    prefix: str = ""
    features: list[Feature] = field(default_factory=list)

    def add(
        self,
        name: str,
        family: str,
        aggregate: Aggregate,
        unit: str,
        en: str,
        es: str,
        *,
        column: str | None = None,
        window_days: int | None = None,
        ends_days_ago: int = 0,
        filter: str | None = None,  # noqa: A002 - the declaration's own word
        over: str | None = None,
        divided_by: float = 1,
        kind: Kind = "number",
        vocabulary: tuple[str, ...] = (),
        absent: float | str | None = None,
        protected: bool = False,
        observed_on: date | None = None,
    ) -> None:
        """Declare one feature; see :class:`features.declarations.Feature`. ``en`` and ``es`` are its meaning."""
        of_feed_en, of_feed_es = (f" ({self.shape.feed})",) * 2 if self.prefix else ("", "")
        self.features.append(
            Feature(
                name=self.prefix + name,
                feed=self.shape.feed,
                role=self.shape.role,
                family=family,
                aggregate=aggregate,
                unit=unit,
                meaning=Meaning(en + of_feed_en, es + of_feed_es),
                column=column,
                window_days=window_days,
                ends_days_ago=ends_days_ago,
                filter=filter,
                over=over,
                divided_by=divided_by,
                kind=kind,
                vocabulary=vocabulary,
                absent=absent,
                protected=protected,
                observed_on=observed_on,
            )
        )

    def named(self, name: str) -> str:
        """Return the full name of this feed's feature: for the expressions of derived features."""
        return self.prefix + name

    def each(
        self,
        windows: tuple[int, ...],
        name: str,
        family: str,
        aggregate: Aggregate,
        unit: str,
        en: str,
        es: str,
        *,
        column: str | None = None,
        filter: str | None = None,  # noqa: A002 - the declaration's own word
        over: str | None = None,
        divided_by: float = 1,
        absent: float | None = 0.0,
    ) -> None:
        """Declare one feature per window: ``name_7d``, ``name_30d``, ... with "in the last 7 days" in its meaning."""
        for days in windows:
            self.add(
                f"{name}_{days}d",
                family,
                aggregate,
                unit,
                f"{en} in the last {days} days",
                f"{es} en los últimos {days} días",
                column=column,
                window_days=days,
                filter=filter,
                over=over,
                divided_by=divided_by,
                absent=absent,
            )

    def last_of(self, name: str, family: str, column: str, en: str, es: str, **limits: str) -> None:
        """Declare the newest value of a column, when its vocabulary is declared; ``limits`` may hold a ``filter``."""
        vocabulary = self.shape.vocabulary(column)
        if 0 < len(vocabulary) <= MOST_BITS:
            self.add(
                name,
                family,
                "last_of",
                column,
                en,
                es,
                column=column,
                filter=limits.get("filter"),
                kind="category",
                vocabulary=vocabulary,
            )

    def values(self, column: str) -> list[tuple[str, str]]:
        """Return pairs of value and slug for each declared value of a column; empty when there are none or too many."""
        vocabulary = self.shape.vocabulary(column)
        return slugged(vocabulary) if len(vocabulary) <= MOST_VALUES else []


def slugged(values: tuple[str, ...]) -> list[tuple[str, str]]:
    """Pair each value with a name that can stand in a column; equal names get a number.

    Examples:
        >>> slugged(("Web shop", "web-shop", "+"))
        [('Web shop', 'web_shop'), ('web-shop', 'web_shop_2'), ('+', 'other')]
    """
    taken: set[str] = set()
    pairs = []
    for value in values:
        stem = re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_") or "other"
        slug, number = stem, 2
        while slug in taken:
            slug, number = f"{stem}_{number}", number + 1
        taken.add(slug)
        pairs.append((value, slug))
    return pairs
