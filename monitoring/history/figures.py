"""One figure of a day, and how a group of figures is asked for so that one that fails leaves the others alone."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from math import isfinite
from pathlib import Path

from holdback.errors import Busy, HoldbackError, OperatorError
from holdback.workspace import Workspace
from monitoring.moment import Moment
from monitoring.proportions import Share
from training.estimates import Estimate


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of the table ``daily_metrics``, without its day; see :class:`monitoring.history.DayValue`."""

    metric: str
    about: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Day:
    """What the figures of a day are read from: the warehouse at one moment; the workspace for models and journal."""

    workspace: Workspace
    warehouse: Moment
    as_of: date


@dataclass(frozen=True)
class Asked:
    """Figures that are computed together.

    Attributes:
        names: Each one's metric and what it is about.
        compute: Computes them; whatever it raises is the reason why those that are missing are not known.
    """

    names: tuple[tuple[str, str], ...]
    compute: Callable[[], Iterable[Figure]]


def answered(asked: Asked) -> Iterator[Figure]:
    """Yield the figures that were asked for; those that cannot be known with the reason in place of the value.

    Raises:
        OperatorError: the disk or a server failed: the same can succeed in a minute, so nothing is kept of it.
        Busy: another process was in the way.
    """
    told: set[tuple[str, str]] = set()
    try:
        for figure in asked.compute():
            told.add((figure.metric, figure.about))
            yield _whole(figure)
    except (OperatorError, Busy, OSError, MemoryError):
        raise
    except HoldbackError as why:
        reason = str(why)
    except Exception as fault:  # noqa: BLE001 - a fault in one figure must not cost the day all the others
        # What a vendor says may repeat a value of the data, and this is kept: the place says as much to who mends it.
        place = traceback.extract_tb(fault.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        reason = f"it could not be computed ({type(fault).__name__}, {where}). Tell who maintains Holdback"
    else:
        reason = "it was not computed"
    for metric, about in asked.names:
        if (metric, about) not in told:
            yield Figure(metric, about, reason=reason)


def unknown(metric: str, about: str, reason: str) -> Figure:
    """Return a figure that is not known, with the reason."""
    return Figure(metric, about, reason=reason)


def counted(metric: str, about: str, count: float, *, n: int | None = None) -> Figure:
    """Return a figure that is counted: it has no interval."""
    return Figure(metric, about, float(count), n=n)


def estimated(metric: str, about: str, estimate: Estimate) -> Figure:
    """Return a figure with its interval."""
    return Figure(metric, about, estimate.estimate, estimate.low, estimate.high, estimate.n)


def shared(metric: str, about: str, share: Share) -> Figure:
    """Return a share with its interval."""
    return Figure(metric, about, share.share, share.low, share.high, int(share.n))


def _whole(figure: Figure) -> Figure:
    """Return a figure that a table can hold: never one that is not a number."""
    if any(part is not None and not isfinite(part) for part in (figure.value, figure.low, figure.high)):
        return replace(figure, value=None, low=None, high=None, reason="it is not a finite number")
    return figure
