"""How long customers stay, and between which stages they move: read once for all languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

from holdback.business import ColumnChurn
from holdback.errors import DataError, NotKnowableYet
from holdback.sql import literal
from monitoring.cells import completed
from monitoring.churn_past import kept_of_months
from monitoring.churn_records import first_cancellation_on
from monitoring.kept import kept
from monitoring.kpis import ARRIVED, Retention, RetentionCurve, Transitions, retention_curves, transitions
from monitoring.past import key_as_known
from monitoring.portal.source import Source

Lack = Literal["snapshot", "later", "no_cancellation", "nobody"]
"""Why something over time is not told: churn has no time; the records are too young; cancellations are not on record;
nobody is there."""

#: Cohorts that a table shows, of however many.
MOST_COHORTS: Final = 50
#: Days that stages count as today's (:func:`flows.steps.segment_step` writes them as often).
STAYS_FRESH: Final = timedelta(days=7)
#: Months after the start at which a cohort is told.
AFTER_MONTHS: Final = (1, 3, 6, 12, 24)


@dataclass(frozen=True)
class Cohorts:
    """Retention since the start.

    Attributes:
        lack: Why there is none; None when there is.
        known_on: When there will be, where that is a matter of time.
        curve: Of everybody together.
        rows: Cohorts that were watched from their start on, the newest first, at most :data:`MOST_COHORTS`.
        shown_count: How many there are that may be shown.
        withheld_count: How many are too small, or would give one away.
        late_count: Cohorts that began before leaving was watched.
    """

    lack: Lack | None = None
    known_on: date | None = None
    curve: RetentionCurve | None = None
    rows: tuple[RetentionCurve, ...] = ()
    shown_count: int = 0
    withheld_count: int = 0
    late_count: int = 0


@dataclass(frozen=True)
class Moves:
    """Moves between stages in a month.

    Attributes:
        lack: Why there are none; None when there are.
        known_on: When there will be.
        found: The moves.
    """

    lack: Lack | None = None
    known_on: date | None = None
    found: Transitions | None = None


def read_cohorts(source: Source) -> Cohorts:
    """Read the retention of everybody and of each cohort."""
    if isinstance(source.churn, ColumnChurn):
        return Cohorts("snapshot")
    try:
        everybody, by_cohort = kept_of_months(
            source.workspace, source.warehouse, source.churn, source.as_of, "retention", tuple[Retention, Retention],
            lambda: retention_curves(source.warehouse, source.business, source.churn, source.as_of),
        )  # fmt: skip
    except (NotKnowableYet, DataError) as error:
        return Cohorts(*_lack(source, error))
    curve = everybody.curves[0]
    hidden_count = curve.customer_count - sum(one.customer_count for one in by_cohort.curves)
    watched = [one for one in by_cohort.curves if one.points and one.points[0].month == 1]
    others = [one for one in by_cohort.curves if one not in watched]
    shown = _not_telling(watched, others, by_cohort.withheld_count, hidden_count)
    return Cohorts(
        curve=curve if curve.points else None,
        rows=tuple(reversed(shown))[:MOST_COHORTS],
        shown_count=len(shown),
        withheld_count=by_cohort.withheld_count + len(watched) - len(shown),
        late_count=sum(bool(one.points) for one in others),
    )


def _not_telling(
    watched: Sequence[RetentionCurve], others: Sequence[RetentionCurve], withheld_count: int, hidden_count: int
) -> list[RetentionCurve]:
    """Leave out the smallest cohorts as long as those that are too small could be worked out from the whole."""
    if not withheld_count:
        return list(watched)
    counts = [one.customer_count for one in watched]
    missing = [one.customer_count for one in others]
    missing += [hidden_count - withheld_count + 1, *[1] * (withheld_count - 1)]  # their number and sum are all we know
    marks = completed([*counts, *missing], [False] * len(counts) + [True] * len(missing))
    return [one for one, is_hidden in zip(watched, marks, strict=False) if not is_hidden]


def read_moves(source: Source) -> Moves:
    """Read who moved between stages within the month before the newest day whose stages were written."""
    if isinstance(source.churn, ColumnChurn):
        return Moves("snapshot")
    try:
        found = _moves(source, _written_on(source) or source.as_of)
    except (NotKnowableYet, DataError) as error:
        return Moves(*_lack(source, error))
    if not any(move.customer_count != 0 for move in found.moves if move.came_from != ARRIVED):
        return Moves("later", _next_month(source.as_of))
    return Moves(found=found)


def _written_on(source: Source) -> date | None:
    """Return the newest day whose stages were written; None when none is fresh: then those of today are computed."""
    fresh = f"as_of > date '{source.as_of - STAYS_FRESH}' and as_of <= date '{source.as_of}'"
    found = source.warehouse.query(
        f"select max(as_of) as newest from segments where churn = {literal(source.churn.name)} and {fresh}"
    )
    newest: date | None = found["newest"][0].as_py()
    return newest


def _moves(source: Source, until: date) -> Transitions:
    """Return the moves up to a day: asked once, and read as long as nothing that was known on it has changed."""
    warehouse, business, churn = source.warehouse, source.business, source.churn
    key = key_as_known(warehouse, business, business.feeds, until, churn.name)
    found: Transitions = kept(
        source.workspace, f"moves-{churn.name}", key, Transitions,
        lambda: transitions(warehouse, business, churn, until),
    )  # fmt: skip
    return found


def _lack(source: Source, error: NotKnowableYet | DataError) -> tuple[Lack, date | None]:
    if isinstance(error, DataError):
        return "nobody", None
    try:
        first_cancellation_on(source.warehouse, source.business, source.churn, source.as_of)
    except NotKnowableYet:
        return "no_cancellation", None
    return "later", _next_month(source.as_of)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
