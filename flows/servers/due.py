"""A day whose hour has passed while the machine was off is not lost: its run is started when the worker starts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from flows.missed import newest_lived_day
from flows.servers.deployments import scheduled, tag_of
from holdback.workspace import Workspace


def is_due(workspace: Workspace, at: time, now: datetime) -> bool:
    """True when today's hour has passed and today was not lived yet, in a business that was lived before.

    Args:
        workspace: The business.
        at: The local time at which a day's run starts.
        now: The instant, aware.
    """
    business = workspace.business
    today = business.day_of(now.astimezone(UTC).replace(tzinfo=None))
    newest = newest_lived_day(workspace, today + timedelta(days=1))
    return newest is not None and newest < today and start_of(today, at, business.time_zone) <= now


def start_of(day: date, at: time, time_zone: str) -> datetime:
    """Return when the scheduler starts a local day's run, in UTC."""
    [start] = scheduled(
        f"{at.minute} {at.hour} * * *", time_zone, datetime.combine(day, time(0, 0), UTC) - timedelta(hours=15), 1
    )
    while _local_day(start, time_zone) < day:
        [start] = scheduled(f"{at.minute} {at.hour} * * *", time_zone, start + timedelta(minutes=1), 1)
    return start


def _local_day(instant: datetime, time_zone: str) -> date:
    from zoneinfo import ZoneInfo

    return instant.astimezone(ZoneInfo(time_zone)).date()


def start_what_is_due(workspace: Workspace, at: time, now: datetime) -> str:
    """Start today's daily run when it is due and nobody is about to run it; return what was done, or nothing."""
    if not is_due(workspace, at, now):
        return ""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterExpectedStartTime,
        FlowRunFilterState,
        FlowRunFilterStateType,
        FlowRunFilterTags,
    )
    from prefect.client.schemas.objects import StateType
    from prefect.types import DateTime

    unfinished = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(f"daily/{workspace.business.slug}")
        coming = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[tag_of(workspace.business.slug)]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=unfinished)),
                expected_start_time=FlowRunFilterExpectedStartTime(
                    before_=DateTime.fromtimestamp(now.timestamp(), UTC)
                ),
            )
        )
        if any(run.deployment_id == deployment.id for run in coming):
            return "today's daily run waits in Prefect already"
        client.create_flow_run_from_deployment(deployment.id, tags=["started because its hour had passed"])
    return f"the hour of today's daily run ({at:%H:%M}) had passed: it is started now"
