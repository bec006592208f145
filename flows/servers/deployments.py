"""Which flows this machine's worker runs, and when: once per local day, whatever the clocks do.

``infra/prefect.yaml`` says the same for a company's work pool; a test compares the two. A deployment is called
``FLOW/SLUG`` here and there, so that two businesses on one Prefect never take each other's place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from holdback.errors import OperatorError

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

DAILY_AT = time(5, 15)

_YEARS_CHECKED = 5
_STEP_MINUTES = 15


@dataclass(frozen=True)
class Deployed:
    """One flow that can be started by Prefect.

    Attributes:
        flow: Name of the function in :mod:`flows.pipelines`.
        cron: When it starts by itself; empty: never.
        is_local: True when ``cron`` is the business' local time; an hourly flow counts hours as they pass (UTC):
            a local clock that goes back would leave two hours between runs.
    """

    flow: str
    cron: str = ""
    is_local: bool = True


DEPLOYED = (
    Deployed("daily", f"{DAILY_AT.minute} {DAILY_AT.hour} * * *"),
    Deployed("triggers", "40 * * * *", is_local=False),
    Deployed("retrain", "30 6 1 * *"),
    Deployed("train_value"),
    Deployed("learn"),
    Deployed("ingest_daily"),
    Deployed("score_daily"),
    Deployed("decide_daily"),
    Deployed("measure"),
    Deployed("report"),
    Deployed("backfill"),
)


def tag_of(slug: str) -> str:
    """Return the tag of all deployments, and so of all scheduled runs, of a business."""
    return f"holdback:{slug}"


def daily_time(text: str | None) -> time:
    """Read ``HOLDBACK_DAILY_AT``.

    Raises:
        OperatorError: it is no time of day.

    Examples:
        >>> daily_time("06:30"), daily_time(None)
        (datetime.time(6, 30), datetime.time(5, 15))
    """
    if text is None:
        return DAILY_AT
    try:
        at = time.fromisoformat(text)
    except ValueError as error:
        raise OperatorError(f"HOLDBACK_DAILY_AT: must be a time of day such as 05:15 (got {text!r}).") from error
    if at.second or at.microsecond or at.tzinfo:
        raise OperatorError(f"HOLDBACK_DAILY_AT: must be hours and minutes such as 05:15 (got {text!r}).")
    return at


def time_of_every_day(wanted: time, time_zone: str, since: datetime) -> time:
    """Return the first time from ``wanted`` on at which Prefect's scheduler starts exactly one run each local day.

    Where the clocks go forward over midnight (Chile, Egypt), a run at half past midnight would start in the evening
    *before*, so that one day had two runs and the next one none. The scheduler itself is asked, for the next years.

    Args:
        wanted: The local time that was asked for.
        time_zone: The business' time zone.
        since: From when on it must hold, aware.

    Raises:
        OperatorError: there is no such time within six hours.
    """
    for step in range(6 * 60 // _STEP_MINUTES):
        minutes = wanted.hour * 60 + wanted.minute + step * _STEP_MINUTES
        at = time(minutes // 60 % 24, minutes % 60)
        if runs_once_a_day(at, time_zone, since):
            return at
    raise OperatorError(f"HOLDBACK_DAILY_AT: {wanted:%H:%M} does not come once a day in {time_zone}. Choose another.")


def runs_once_a_day(at: time, time_zone: str, since: datetime) -> bool:
    """True when the scheduler's own dates for a local time hit each day of the next years exactly once."""
    zone = ZoneInfo(time_zone)
    for turn in _turns(zone, since.astimezone(UTC)):
        start = datetime.combine(turn - timedelta(days=2), time(12), zone)
        days = [run.astimezone(zone).date() for run in scheduled(f"{at.minute} {at.hour} * * *", time_zone, start, 4)]
        first = days[0]
        if days != [first + timedelta(days=n) for n in range(4)] or abs((first - start.date()).days) > 1:
            return False
    return True


def _turns(zone: ZoneInfo, since: datetime) -> Iterator[date]:
    """Yield the local days on which the clocks are put forward or back, and today's."""
    yield since.astimezone(zone).date()
    before = since.astimezone(zone).utcoffset()
    for day in range(366 * _YEARS_CHECKED):
        at = since + timedelta(days=day)
        offset = at.astimezone(zone).utcoffset()
        if offset != before:
            yield at.astimezone(zone).date()
            before = offset


def scheduled(cron: str, time_zone: str, start: datetime, count: int) -> list[datetime]:
    """Return the next starts by the clock of Prefect's own scheduler, in UTC."""
    from prefect.server.schemas.schedules import CronSchedule

    dates = asyncio.run(CronSchedule(cron=cron, timezone=time_zone).get_dates(count, start=start))
    return [datetime.fromtimestamp(one.timestamp(), UTC) for one in dates]


def deployments(slug: str, business: str, time_zone: str, daily_at: time) -> list[RunnerDeployment]:
    """Return what the worker offers for a business: each flow with its schedule, one run at a time.

    A second run waits for the first (ENQUEUE): with CANCEL_NEW a run that crashed would cost the next day.
    """
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from flows import pipelines

    made = []
    for one in DEPLOYED:
        cron = f"{daily_at.minute} {daily_at.hour} * * *" if one.flow == "daily" else one.cron
        options: dict[str, Any] = {}
        if cron:
            options["schedules"] = [Cron(cron, timezone=time_zone if one.is_local else "UTC", slug=one.flow)]
        made.append(
            getattr(pipelines, one.flow).to_deployment(
                slug,
                parameters={"business": business},
                tags=[tag_of(slug)],
                concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
                entrypoint_type=EntrypointType.MODULE_PATH,
                **options,
            )
        )
    return made
