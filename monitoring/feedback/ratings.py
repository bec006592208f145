"""What customers answer when they are asked: NPS, satisfaction and mean score, and who stays silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Final, cast

import numpy as np
import numpy.typing as npt

from features.asking import ASKED_KINDS
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.steps import with_steps
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.scales import SCALE_RANGES
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL, completed, hidden
from monitoring.feedback.intervals import DETRACTOR, PROMOTER, Figure, mean_score, net_promoter_score
from monitoring.feedback.voices import month_of, read_voices
from monitoring.proportions import Share, wilson

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from holdback.business.sections import Scale

#: What ratings are told by, besides the customers' attributes.
DIVISIONS: Final = ("month", "step", "channel")
#: Columns of the voices that ratings are made of.
RATED: Final = ("customer_id", "kind", "scale", "score", "score_share", "is_answered")
EVERYBODY: Final = "all"
NOT_KNOWN: Final = "not known"
#: Scales of which the two highest answers mean "satisfied".
_TOP_TWO: Final = ("five", "ten", "nps")


@dataclass(frozen=True, slots=True)
class Rating:
    """What one group of customers answered to one kind of question on one scale.

    Every customer counts once: he answered if he ever did, with the newest answer.

    Attributes:
        group: Value of what the ratings are told by; :data:`EVERYBODY` for all.
        kind: nps, csat, ces, rating or review.
        scale: Scale in force when it was asked; None when none is declared.
        is_hidden: True when the group is too small to be shown; then every figure below is None.
        asked: Customers asked; for reviews, which nobody asks for, those who wrote one.
        answered: Customers who gave a score or wrote something.
        response: Answered of asked; None for reviews.
        nps: Points from -100 to 100; only for kind nps on the scale of 0 to 10.
        satisfied: Share of the two highest answers of the scale; None for nps, for effort scores, on other scales.
        mean: Mean score, in points of its scale; None without a scale.
    """

    group: str
    kind: str
    scale: str | None
    is_hidden: bool
    asked: int | None = None
    answered: int | None = None
    response: Share | None = None
    nps: Figure | None = None
    satisfied: Share | None = None
    mean: Figure | None = None

    @property
    def silent(self) -> int | None:
        """Customers who were asked and never answered; None when hidden, and for reviews."""
        if self.asked is None or self.answered is None or self.response is None:
            return None
        return self.asked - self.answered


@dataclass(frozen=True, slots=True)
class Ratings:
    """All ratings of some days.

    Attributes:
        business: Slug.
        as_of: The day of knowledge.
        days: Days looked back on.
        by: What they are told by; None for everybody together.
        ratings: The kinds in a fixed order; of each its groups, everybody first.
        level: Coverage of every interval.
        notes: What a reader must know.
    """

    business: str
    as_of: date
    days: int
    by: str | None
    ratings: tuple[Rating, ...]
    level: float
    notes: tuple[str, ...]


def nps(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    *,
    days: int = 90,
    by: str | None = None,
    level: float = 0.95,
) -> Ratings:
    """Return what customers answered in the days before a day, with intervals and response rates.

    The NPS is the share of answers of 9 and 10 less that of 0 to 6, on the scale of 0 to 10 and nowhere else. A survey
    on another scale has its share of satisfied customers (the two highest answers) and its mean; one whose scale
    changed has a rating for each scale.

    A customer counts once in each group, and once a month when it is told by month: with the newest answer, or as
    silent. Groups of fewer than five customers asked or answering are hidden.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        as_of: The day of knowledge.
        days: How many days back.
        by: ``month``, ``step``, ``channel``, or an attribute of the customers (category or flag, not protected).
        level: Coverage of the intervals.

    Raises:
        BusinessFileError: no feed asks for feedback, or nothing can be told by ``by``.

    Examples:
        >>> nps(workspace.warehouse, business, date(2026, 3, 1), by="step").ratings[0].nps  # doctest: +SKIP
    """
    if not business.feeds_with_role("feedback"):
        raise BusinessFileError(
            f"{business.slug}: feeds: none has the role feedback, so nobody is asked. Map the feed with the answers."
        )
    _check_division(business, by)
    told_by = () if by is None or by not in DIVISIONS else ("event_at" if by == "month" else by,)
    voices = read_voices(warehouse, business, as_of, days=days, roles=("feedback",), columns=(*RATED, *told_by))
    groups = _groups(warehouse, business, as_of, voices, by)
    return rate(voices, groups, business=business.slug, as_of=as_of, days=days, by=by, level=level)


def rate(
    voices: pa.Table,
    groups: pa.Array | pa.ChunkedArray | None,
    *,
    business: str,
    as_of: date,
    days: int,
    by: str | None = None,
    level: float = 0.95,
) -> Ratings:
    """Return the ratings of voices (:func:`monitoring.feedback.voices.read_voices`, at least :data:`RATED`).

    Texts are told apart by number: there may be millions of rows. ``groups`` has one text per row.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    asked = voices.select(RATED)
    if groups is not None:
        asked = asked.append_column("group", pc.fill_null(groups.cast(pa.string()), NOT_KNOWN))
    asked = asked.filter(pc.is_in(asked["kind"], value_set=pa.array([*ASKED_KINDS, "review"])))
    asked = asked.set_column(asked.column_names.index("scale"), "scale", pc.fill_null(asked["scale"], ""))
    frame: pd.DataFrame = asked.to_pandas(strings_to_categorical=True)
    # What lies outside its scale was let in before the scale was declared: it is no answer that can be read.
    frame["answer"] = frame["score"].where((frame["scale"] == "") | frame["score_share"].notna())
    frame = frame[(frame["kind"] != "review") | frame["answer"].notna()]
    found: list[Rating] = []
    for kind in (*ASKED_KINDS, "review"):
        of_kind = frame[frame["kind"] == kind]
        for scale in sorted(of_kind["scale"].unique()):
            found += _rated(of_kind[of_kind["scale"] == scale], kind, scale or None, by, level)
    return Ratings(business, as_of, days, by, tuple(found), level, _notes(found, by))


def _rated(frame: pd.DataFrame, kind: str, scale: str | None, by: str | None, level: float) -> list[Rating]:
    """Rate everybody, then each group of one kind of question on one scale."""
    everybody = _Answers.of(frame)
    cells = [(EVERYBODY, everybody)]
    marks = [hidden([everybody.asked])[0] or hidden([everybody.answered])[0]]
    if by is not None:
        by_group = frame.groupby("group", sort=True, observed=True)
        parts = {str(group): _Answers.of(rows) for group, rows in by_group}
        ordered = sorted(parts, key=lambda group: (group == NOT_KNOWN, group))
        too_few = hidden([parts[group].asked for group in ordered])
        cells += [(group, parts[group]) for group in ordered]
        marks += completed([parts[group].answered for group in ordered], too_few)
    return [
        Rating(group, kind, scale, True) if is_hidden else _rating(group, kind, scale, answers, level)
        for (group, answers), is_hidden in zip(cells, marks, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Answers:
    """What some customers answered, each with the newest score; who was asked, and who answered at all."""

    scores: npt.NDArray[np.float64]
    asked: int
    answered: int

    @classmethod
    def of(cls, frame: pd.DataFrame) -> _Answers:
        """Take the rows by customer, whose number is that of the category: a later row's answer replaces an earlier."""
        customer, answer = frame["customer_id"].cat.codes.to_numpy(), frame["answer"].to_numpy(dtype=np.float64)
        has_answer, is_answered = ~np.isnan(answer), frame["is_answered"].to_numpy(dtype=np.bool_)
        newest = np.full(len(frame["customer_id"].cat.categories), np.nan)  # silence is no answer
        newest[customer[has_answer]] = answer[has_answer]
        asked, answered = np.zeros((2, len(newest)), dtype=np.bool_)
        asked[customer], answered[customer[is_answered]] = True, True
        return cls(newest[np.isfinite(newest)], int(asked.sum()), int(answered.sum()))


def _rating(group: str, kind: str, scale: str | None, answers: _Answers, level: float) -> Rating:
    given, n = answers.scores, len(answers.scores)
    response = None if kind == "review" else wilson(answers.answered, answers.asked, level=level)
    if n < MINIMUM_CELL or scale is None:
        return Rating(group, kind, scale, False, answers.asked, answers.answered, response)
    lowest, highest = SCALE_RANGES[cast("Scale", scale)]
    score = satisfied = None
    if kind == "nps" and scale == "nps":
        score = net_promoter_score(int((given >= PROMOTER).sum()), int((given <= DETRACTOR).sum()), n, level=level)
    elif kind != "ces" and scale in _TOP_TWO:
        satisfied = wilson(int((given >= highest - 1).sum()), n, level=level)
    mean = mean_score(given, lowest=lowest, highest=highest, level=level)
    return Rating(group, kind, scale, False, answers.asked, answers.answered, response, score, satisfied, mean)


def _groups(
    warehouse: Warehouse, business: Business, as_of: date, voices: pa.Table, by: str | None
) -> pa.Array | pa.ChunkedArray | None:
    """Return the group of every row; None when everybody is one."""
    import pyarrow as pa

    if by is None:
        return None
    if by == "month":
        return pa.array(month_of(business, voices["event_at"].to_pylist()), pa.string())
    if by in DIVISIONS:
        return voices[by]
    values = _attribute(warehouse, business, as_of, by)
    return pa.array([values.get(customer) for customer in voices["customer_id"].to_pylist()], pa.string())


def _attribute(warehouse: Warehouse, business: Business, as_of: date, name: str) -> Mapping[str, str | None]:
    """Return each customer's value of an attribute, as it was known on the day."""
    steps = newest_versions(Clock.of(business, as_of), (f'"{name}" as value',), corrected_tables(warehouse))
    found = warehouse.query(f"{with_steps(steps)}\nselect customer_id, cast(value as varchar) as value "
                            "from _customers_rows order by customer_id")  # fmt: skip
    return dict(zip(found["customer_id"].to_pylist(), found["value"].to_pylist(), strict=True))


def _check_division(business: Business, by: str | None) -> None:
    if by is None or by in DIVISIONS:
        return
    customers = business.customers
    declared = {} if customers is None else customers.attributes
    allowed = [
        name
        for name, attribute in declared.items()
        if attribute.kind in ("category", "flag") and customers is not None and name not in customers.protected
    ]
    if by in allowed:
        return
    reason = "is protected: it is audited and never shown" if by in getattr(customers, "protected", ()) else (
        f"is a {declared[by].kind}, not a category or flag" if by in declared else "is nothing that ratings are told by"
    )  # fmt: skip
    raise BusinessFileError(
        f"{business.slug}: feedback by {by!r}: {reason}. Choose one of: {', '.join([*DIVISIONS, *allowed])}."
    )


def _notes(found: Sequence[Rating], by: str | None) -> tuple[str, ...]:
    if not found:
        return ("nobody was asked in these days",)
    period = "month" if by == "month" else "group"
    notes = [f"every customer counts once per {period}: with the newest answer, or as silent"]
    if any(rating.is_hidden for rating in found):
        notes.append(f"groups of fewer than {MINIMUM_CELL} customers are hidden, and those that would give them away")
    if any(rating.kind == "nps" and rating.scale != "nps" for rating in found):
        notes.append("an NPS question on another scale than 0 to 10 has no NPS: its satisfied and its mean are told")
    if len({rating.scale for rating in found if rating.kind == found[0].kind}) > 1:
        notes.append("the scale changed: each scale has its own figures")
    if any(rating.scale is None and rating.answered for rating in found):
        notes.append("a feed without a declared scale has no figures: say scale: nps, five, ten or hundred")
    return tuple(notes)
