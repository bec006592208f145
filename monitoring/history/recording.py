"""A day's figures, computed once and kept as they were known then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date

from holdback.commits import rows_of
from holdback.progress import Progress, silent
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.history.figures import Asked, Day, Figure, answered
from monitoring.history.of_campaigns import asked_of_campaigns
from monitoring.history.of_data import asked_of_data
from monitoring.history.of_models import asked_of_models
from monitoring.moment import one_moment

TABLE = "daily_metrics"


@dataclass(frozen=True, slots=True)
class NotKnown:
    """A figure that could not be known on the day, with the reason."""

    metric: str
    about: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """What is kept of one day.

    Attributes:
        as_of: The day.
        known_count: Figures with a value.
        not_known: Figures without one.
        was_recorded_already: True when the day had been recorded before and nothing was computed.
    """

    as_of: date
    known_count: int
    not_known: tuple[NotKnown, ...]
    was_recorded_already: bool


def batch_of(as_of: date) -> str:
    """Name of the one batch that holds a day's figures."""
    return f"{TABLE}/{as_of.isoformat()}"


def record_day(
    workspace: Workspace, as_of: date, *, is_partial: bool = False, progress: Progress = silent
) -> RecordedDay:
    """Compute each figure of a day once and keep it: as it was known then.

    The day's first record stands. What comes later (late rows, corrections, a better model) changes what the past looks
    like today, not what was known and decided by then; a history that is rewritten can prove neither an alert nor a
    decision right. So record a day when its work is done, not before: a figure that was not knowable stays so. When the
    machine fails (:class:`OperatorError`) nothing is kept, and the day can be recorded again.

    A day whose work is not done (a definition could not be scored) is recorded as ``is_partial``: what is known stands,
    as ever, and the rest is not there. It follows when the day is done again without a fault, if it ever is.

    Figures that a report computes as well are computed again, not handed over: a day must be recorded the same with and
    without a report, and together they cost less than a second.

    Args:
        workspace: The business.
        as_of: The day.
        is_partial: True when some of the day's work failed, and may still be done.
        progress: Is told what is being computed.

    Returns:
        What is kept; a figure that cannot be known is listed with its reason, and leaves the others alone.

    Raises:
        OperatorError: the disk cannot be read or written; nothing was kept.
    """
    warehouse = workspace.warehouse
    partial = f"{batch_of(as_of)}/partial"
    was_partial = warehouse.has_batch(TABLE, partial)
    if warehouse.has_batch(TABLE, batch_of(as_of)) or (is_partial and was_partial):
        return _recorded(workspace, as_of, was_recorded_already=True)
    with one_moment(warehouse) as moment:
        asked = tuple(_asked(Day(workspace, moment, as_of)))
        figures: list[Figure] = []
        for position, group in enumerate(asked):
            progress(f"recording {group.names[0][0].replace('_', ' ')}", position, len(asked))
            figures += answered(group)
    if is_partial:
        figures = [figure for figure in figures if figure.value is not None]
    elif was_partial:
        stands = warehouse.query(f"select metric, about from {TABLE} where as_of = date '{as_of}'").to_pylist()
        known = {(row["metric"], row["about"]) for row in stands}
        figures = [figure for figure in figures if (figure.metric, figure.about) not in known]
    rows = rows_of(TABLES[TABLE], [{"as_of": as_of, **asdict(figure)} for figure in figures])
    was_new = warehouse.append(TABLE, rows, batch=partial if is_partial else batch_of(as_of))
    return _recorded(workspace, as_of, was_recorded_already=not was_new)


def _asked(day: Day) -> Iterator[Asked]:
    yield from asked_of_models(day)
    yield from asked_of_data(day)
    yield from asked_of_campaigns(day)


def _recorded(workspace: Workspace, as_of: date, *, was_recorded_already: bool) -> RecordedDay:
    rows = workspace.warehouse.query(
        f"select metric, about, value, reason from {TABLE} where as_of = date '{as_of}' order by metric, about"
    ).to_pylist()
    return RecordedDay(
        as_of=as_of,
        known_count=sum(row["value"] is not None for row in rows),
        not_known=tuple(NotKnown(r["metric"], r["about"], str(r["reason"])) for r in rows if r["value"] is None),
        was_recorded_already=was_recorded_already,
    )
