"""Days on which nobody worked: found, and made good in order, before today."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from flows.runs import Outcome, Receipt, once
from holdback.errors import HoldbackError, OperatorError
from holdback.workspace import Workspace

FLOW = "catch_up"
MOST_DAYS = 14
_LOOKED_BACK = timedelta(days=40)  # as far as the alert about a failed step reaches


@dataclass(frozen=True)
class Missed:
    """The days before the one to be lived that nobody lived.

    Attributes:
        days: Those that are made good, oldest first.
        left_out_count: Days since the newest that was lived that lie too far back to be made good without being asked.
        since: The day that was lived before the first of them; None when none was.
    """

    days: tuple[date, ...]
    left_out_count: int
    since: date | None


def most_days() -> int:
    """Return how many days back missed ones are made good: ``HOLDBACK_CATCH_UP_DAYS``, or 14; 0: none.

    Raises:
        OperatorError: the variable is not a whole number.
    """
    stated = os.environ.get("HOLDBACK_CATCH_UP_DAYS", str(MOST_DAYS))
    if not stated.isdigit():
        raise OperatorError(f"HOLDBACK_CATCH_UP_DAYS: must be a whole number of days, 0 for none (got {stated!r}).")
    return int(stated)


def missed_days(lived: Collection[date], day: date, *, at_most: int) -> Missed:
    """Return which days were missed: also those between days that were lived.

    Args:
        lived: The days that were lived; none before ``day``: the business is new, and nothing was missed.
        day: The day to be lived.
        at_most: How many days back may be made good.

    Examples:
        >>> missed = missed_days([date(2026, 3, 1), date(2026, 3, 3)], date(2026, 3, 5), at_most=9)
        >>> [str(day) for day in missed.days], missed.left_out_count
        (['2026-03-02', '2026-03-04'], 0)
    """
    before = sorted(one for one in lived if one < day)
    if not before:
        return Missed((), 0, None)
    reach = max(day - timedelta(days=at_most), before[0])
    made_good = [one for n in range((day - reach).days) if (one := reach + timedelta(days=n)) not in lived]
    left_out_count = max((day - before[-1]).days - 1 - at_most, 0)
    earlier = [one for one in before if not made_good or one < made_good[0]]
    return Missed(tuple(made_good), left_out_count, earlier[-1])


def lived_days(workspace: Workspace, before: date) -> frozenset[date]:
    """Return the days before ``before`` whose figures were recorded: a day's work ends with that (``record_daily``).

    A day of which a definition could not be scored counts: its run failed, and says so.
    """
    sql = f"select distinct as_of from daily_metrics where as_of < date '{before}'"
    return frozenset(workspace.warehouse.query(sql)["as_of"].to_pylist())


def newest_lived_day(workspace: Workspace, before: date) -> date | None:
    """Return the newest day before ``before`` that was lived."""
    return max(lived_days(workspace, before), default=None)


def caught_up(
    workspace: Workspace,
    day: date,
    live: Callable[[date], Sequence[Outcome]],
    *,
    at_most: int,
    wait_seconds: float = 0,
) -> list[Outcome]:
    """Live each missed day before ``day``, oldest first; what a day lacks stops no other.

    What could not be made good, or was left out, stands in the journal as a run that failed, so that an alert tells it;
    a day that could not be made good is tried again by the next daily run, as long as it does not lie too far back.

    Args:
        workspace: The business.
        day: The day to be lived afterwards.
        live: Does a missed day's work: all but deciding, which nobody does for a day that has passed.
        at_most: How many days back may be made good.
        wait_seconds: How long to wait for another process that makes days good.
    """
    missed = missed_days(lived_days(workspace, day), day, at_most=at_most)
    if not missed.days and not missed.left_out_count and not _has_failed(workspace, day):
        return []
    outcomes: list[Outcome] = []
    not_done: dict[str, str] = {}
    receipt: dict[str, Any] = {
        "days": [one.isoformat() for one in missed.days],
        "not_done": not_done,
        "left_out_count": missed.left_out_count,
        "since": str(missed.since),
    }

    def work() -> Receipt:
        for one in missed.days:
            try:
                outcomes.extend(live(one))
            except Exception as fault:  # noqa: BLE001 - whatever a past day lacks, today's contacts must not wait for it
                not_done[one.isoformat()] = str(fault) if isinstance(fault, HoldbackError) else type(fault).__name__
        if not_done or missed.left_out_count:
            raise _NotCaughtUp(_told(missed, not_done))
        return receipt

    try:
        done = once(FLOW, workspace, day, work, wait_seconds=wait_seconds)
    except _NotCaughtUp:
        done = Outcome(FLOW, workspace.business.slug, day, receipt, was_done_already=False)
    return [*outcomes, done]


class _NotCaughtUp(OperatorError):
    """Days are missing for good, or until the next run."""


def _told(missed: Missed, not_done: dict[str, str]) -> str:
    """Say in the journal what an alert repeats: its first sentence names the days."""
    parts = []
    if not_done:
        why = " ".join(f"{day}: {said}" for day, said in not_done.items())
        parts.append(
            f"missed days: {', '.join(not_done)} could not be made good. {why} Today was worked on all the same; the "
            "next `holdback daily` tries them again."
        )
    if missed.left_out_count:
        parts.append(
            f"missed days: {missed.left_out_count} after {missed.since} lie more than HOLDBACK_CATCH_UP_DAYS back and "
            "were left out. `holdback backfill --from DAY --to DAY` does them."
        )
    return " ".join(parts)


def _has_failed(workspace: Workspace, day: date) -> bool:
    """True when the journal's last word is that days are missing: it must be told when they no longer are."""
    newest = workspace.journal.newest_runs(business=workspace.business.slug, since=day - _LOOKED_BACK, until=day)
    return any(run.flow == FLOW and run.state == "failed" for run in newest)
