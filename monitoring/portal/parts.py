"""What a page of the portal is made of: a page says what there is to read, and one template draws them all.

Every text in here is written already, in one language. A part never holds markup: everything is escaped when drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

State = Literal["good", "look", "bad", "none"]
"""How something stands; always said in words as well. ``none``: nothing to say about it."""
Unit = Literal["share", "count", "number", "money", "days"]
ChartKind = Literal["history", "bars", "dots", "reliability"]


@dataclass(frozen=True, slots=True)
class Stat:
    """One number of a page.

    Attributes:
        label: What it is.
        value: The number, written; ``–`` when it is not known, and then ``note`` says why.
        definition: How it is computed and from what, shown on hover and focus; never empty.
        interval: Its interval, written (``42 to 51``); empty for what is counted and not estimated.
        note: What to know beside it: the change since yesterday, the date before which it is not knowable.
        state: How it stands.
    """

    label: str
    value: str
    definition: str
    interval: str = ""
    note: str = ""
    state: State = "none"


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a series; ``low`` and ``high`` bound it. What must not be shown, or is not known, is None."""

    x: str | float
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together, under a name. ``is_main``: what the chart is about; others stand back."""

    label: str
    points: tuple[Point, ...]
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture that can be read as a table and downloaded as CSV: both are made from the same points.

    Attributes:
        name: Unique on its page; letters, digits and hyphens. Also the name of its CSV file.
        title: What it shows.
        definition: As for :class:`Stat`.
        kind: ``history`` (over days: lines with bands), ``bars`` (categories; several series stand side by side),
            ``dots`` (estimates with intervals, one row per point) or ``reliability`` (predicted on x, observed on y,
            with the diagonal).
        series: What is drawn; an empty chart must not be made: say it in a sentence.
        unit: Of the values: how axis, hover and table write them; ``money`` in the business' currency.
        x_title: What the points are; the first column of the table.
        y_title: What the values are.
        reference: A value drawn as a line to compare with (zero, chance, one).
        reference_label: What that line means.
        marks: Days or categories on x with a word each, drawn as upright lines (a reading date, a launch).
        sentence: What a reader should see in it.
    """

    name: str
    title: str
    definition: str
    kind: ChartKind
    series: tuple[Series, ...]
    unit: Unit
    x_title: str
    y_title: str
    reference: float | None = None
    reference_label: str = ""
    marks: tuple[tuple[str, str], ...] = ()
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``definition`` shows on hover and focus of its head."""

    label: str
    definition: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table: text, and in small its interval or note.

    Attributes:
        text: What is read first.
        small: Its interval, written, or a note.
        state: How it stands.
        number: The bare number for the CSV file, as it was computed (a share in [0, 1]); None: what ``text`` says.
        low: The lower bound for the CSV file, as ``number``; None: what ``small`` says.
        high: The upper bound.
    """

    text: str
    small: str = ""
    state: State = "none"
    number: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to read; the first cell of each row is its head.

    Attributes:
        name: Unique on its page; also the name of its CSV file.
        caption: What it shows.
        columns: One per cell of a row.
        rows: The first ``shown`` are drawn open, the others behind a button.
        shown: How many.
        empty: What is said instead when there are no rows.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shown: int = 12
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence, and how it stands.

    Attributes:
        text: The sentence.
        state: How it stands.
        details: Further sentences, one per line.
        link: ``(text, address)``; the address is relative to the page.
    """

    text: str
    state: State = "none"
    details: tuple[str, ...] = ()
    link: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers beside each other."""

    stats: tuple[Stat, ...]


Part = Stats | Chart | Table | Notice


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page under a heading.

    Attributes:
        name: Unique on the page; the address of the heading.
        title: The heading.
        parts: In reading order.
        lead: What it says, in a sentence.
        is_folded: Only the heading is shown until a reader opens it; open on paper, and when its address is asked for.
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    lead: str = ""
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page in one language.

    Attributes:
        name: Of its file: ``today`` becomes ``today.html``.
        title: Its heading.
        lead: What it says in one or two sentences: whoever reads nothing else knows how things stand.
        sections: In reading order.
    """

    name: str
    title: str
    lead: str
    sections: tuple[Section, ...] = field(default=())
