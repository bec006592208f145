"""A feature is declared, not coded: this module says what a declaration is.

:mod:`features.families` writes the declarations of a business; :mod:`features.compiler` turns all those of one feed
into one pass of ``FILTER`` aggregates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from typing import Literal

from holdback.errors import BusinessFileError

Aggregate = Literal[
    "count",  # rows
    "sum",  # of the column
    "mean",  # of the column, over rows where it is known
    "min",
    "max",
    "last",  # the column's newest known value; between rows of the same instant, the largest
    "last_of",  # the newest value of a declared vocabulary; between rows of the same instant, the later declared
    "distinct",  # how many values of a declared vocabulary; the column holds one bit per value
    "share",  # rows that pass the filter (or sum of the column) over all rows (or sum of `over`)
    "days_since_last",  # full days from the newest row to as_of
    "days_since_first",
    "gap_mean_days",  # between one event and the next
    "gap_sd_days",
    "trend",  # per day in the window, over per day in the three windows before it
    "texts",  # the column's texts, newest first, one after the other
    "value",  # the column of a relation that has one row per customer
    "derived",  # an expression over other features of the set
]
Kind = Literal["number", "category", "text"]
OutputType = Literal["double", "varchar"]

#: Raised when the meaning of a preparation step or an aggregate changes, so that stored features are not mixed up.
EDITION = 1


@dataclass(frozen=True)
class Meaning:
    """What a feature says, in the two languages of the reports, without a final stop."""

    en: str
    es: str


@dataclass(frozen=True)
class Feature:
    """One column of the feature table.

    Args:
        name: Column name; carries the unit, and the window last: ``order_count_90d``.
        feed: Feed it is computed from; ``customers`` for the customers' own table, or the file of an own family.
        role: The feed's role, ``customers``, ``own`` or ``derived``.
        family: Features that tell the same story share a family; reasons are grouped by it.
        aggregate: How rows become one value.
        column: SQL expression over the feed's prepared rows (for ``derived``: over other features).
        window_days: Length of the half-open window that ends at ``as_of``; None means all history.
        ends_days_ago: The window ends this many days before ``as_of`` instead.
        filter: SQL condition on the feed's prepared rows.
        over: Denominator of a ``share``, when it is another expression than ``column``.
        divided_by: What the integer result is divided by at the very end (100 for cents).
        unit: In which the value is given.
        meaning: In words, English and Spanish.
        kind: ``number`` (DOUBLE), ``category`` (VARCHAR) or ``text`` (VARCHAR: what somebody wrote, never printed).
        vocabulary: The declared values of a ``last_of``.
        absent: Value for a customer without any row; None is null, "not known".
        protected: Kept for audits only: never given to a model, never shown as a reason.
        observed_on: The day that the value describes, when the business file states one.

    Examples:
        >>> Feature("order_count_90d", feed="tills", role="transactions", family="frequency", aggregate="count",
        ...         window_days=90, unit="orders", meaning=Meaning("Orders", "Pedidos"), absent=0.0).output_type
        'double'
    """

    name: str
    feed: str
    role: str
    family: str
    aggregate: Aggregate
    unit: str
    meaning: Meaning
    column: str | None = None
    window_days: int | None = None
    ends_days_ago: int = 0
    filter: str | None = None
    over: str | None = None
    divided_by: float = 1
    kind: Kind = "number"
    vocabulary: tuple[str, ...] = ()
    absent: float | str | None = None
    protected: bool = False
    observed_on: date | None = None

    @property
    def output_type(self) -> OutputType:
        """The SQL type of the column: every number is DOUBLE, every category and text VARCHAR."""
        return "double" if self.kind == "number" else "varchar"


@dataclass(frozen=True)
class FeedShape:
    """What the compiler must know of a feed: its role, and what the business file really maps.

    Args:
        feed: The feed's name, which is its table.
        role: The feed's role, or ``customers``.
        columns: Stored names of the mapped columns.
        vocabularies: Declared values by stored column name, in the file's order.
    """

    feed: str
    role: str
    columns: tuple[str, ...]
    vocabularies: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def has(self, column: str) -> bool:
        """True when the column is mapped."""
        return column in self.columns

    def vocabulary(self, column: str) -> tuple[str, ...]:
        """Return the values that a mapped column may take; empty when none are declared."""
        return dict(self.vocabularies).get(column, ()) if self.has(column) else ()


@dataclass(frozen=True)
class OwnFamily:
    """A company's own SQL file: ``sql`` yields one row per customer with the columns that ``features`` declare."""

    name: str
    sql: str
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class FeatureSet:
    """All features of a business, in the order of the table's columns.

    Two sets with the same :attr:`hash` compute the same values from the same warehouse.
    """

    features: tuple[Feature, ...]
    shapes: tuple[FeedShape, ...]
    own_families: tuple[OwnFamily, ...] = ()

    def __iter__(self) -> Iterator[Feature]:
        return iter(self.features)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the feature table after ``customer_id`` and ``as_of``."""
        return tuple(feature.name for feature in self.features)

    @cached_property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that change when any value could; wording does not count."""
        content = [{k: v for k, v in asdict(feature).items() if k != "meaning"} for feature in self.features]
        shapes = [asdict(shape) for shape in self.shapes]
        own = [family.sql for family in self.own_families]
        text = json.dumps([EDITION, content, shapes, own], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def without_texts(self) -> FeatureSet:
        """The same set without what people wrote: for whatever takes a column for a number or a category."""
        return replace(self, features=tuple(feature for feature in self.features if feature.kind != "text"))

    def named(self, name: str) -> Feature:
        """Return one feature.

        Raises:
            BusinessFileError: there is none of this name; the message offers the nearest.
        """
        from difflib import get_close_matches

        for feature in self.features:
            if feature.name == name:
                return feature
        near = get_close_matches(name, self.names, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise BusinessFileError(
            f"features: {name!r} is not a feature of this business. {hint}`holdback features list` prints all of them."
        )
