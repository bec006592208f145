"""Prefect's own scheduler, asked for what it does when the clocks change: each local day has exactly one daily run."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.client.schemas.schedules import CronSchedule

from flows.servers.deployments import (
    DAILY_AT,
    DEPLOYED,
    daily_time,
    deployments,
    runs_once_a_day,
    scheduled,
    tag_of,
    time_of_every_day,
)
from holdback.errors import OperatorError
from tests.house.tree import ROOT

TURNS = [
    ("Europe/Madrid", date(2026, 3, 29)),
    ("Europe/Madrid", date(2026, 10, 25)),
    ("Pacific/Auckland", date(2026, 4, 5)),
    ("Pacific/Auckland", date(2026, 9, 27)),
    ("America/Santiago", date(2026, 4, 4)),
    ("America/Santiago", date(2026, 9, 6)),
]
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def starts(cron: str, zone: str, first: date, until: date) -> list[datetime]:
    """Every start that the scheduler finds when it looks every three hours, as one does that is always on."""
    found: set[datetime] = set()
    look_at = datetime.combine(first, time(0), UTC) - timedelta(days=1)
    while look_at.date() <= until + timedelta(days=1):
        found.update(scheduled(cron, zone, look_at, 3))
        look_at += timedelta(minutes=170)
    local = (start.astimezone(ZoneInfo(zone)) for start in sorted(found))
    return [start for start in local if first <= start.date() <= until]


@pytest.mark.parametrize(("zone", "turn"), TURNS)
@pytest.mark.parametrize("at", [DAILY_AT, time(2, 30), time(0, 30), time(23, 30)])
def test_each_local_day_has_exactly_one_daily_run(zone: str, turn: date, at: time) -> None:
    at = time_of_every_day(at, zone, SINCE)
    first, last = turn - timedelta(days=2), turn + timedelta(days=2)
    found = starts(f"{at.minute} {at.hour} * * *", zone, first, last)
    assert [start.date() for start in found] == [first + timedelta(days=n) for n in range(5)]


@pytest.mark.parametrize(("zone", "turn"), TURNS)
def test_the_daily_run_starts_at_its_local_time_on_both_sides_of_a_change(zone: str, turn: date) -> None:
    found = starts("15 5 * * *", zone, turn - timedelta(days=1), turn + timedelta(days=1))
    assert {start.time() for start in found} == {DAILY_AT}


@pytest.mark.parametrize(("turn", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_each_hour_that_passes_has_one_run_of_the_hourly_flow(turn: date, hours: int) -> None:
    [hourly] = [one for one in DEPLOYED if one.flow == "triggers"]
    assert not hourly.is_local
    zone = ZoneInfo("Europe/Madrid")
    found = [one.astimezone(zone) for one in starts(hourly.cron, "UTC", turn - timedelta(days=1), turn)]
    assert Counter(start.date() for start in found)[turn] == hours
    gaps = {later.timestamp() - one.timestamp() for one, later in itertools.pairwise(found)}
    assert gaps == {3600.0}


def test_a_time_that_some_day_lacks_and_another_has_twice_is_moved_to_one_that_every_day_has() -> None:
    # In Chile 2026-09-06 begins at one o'clock; the scheduler would start its run on the evening of the 5th.
    assert not runs_once_a_day(time(0, 30), "America/Santiago", SINCE)
    assert time_of_every_day(time(0, 30), "America/Santiago", SINCE) == time(1, 0)
    assert time_of_every_day(time(2, 30), "Europe/Madrid", SINCE) == time(2, 30)


@pytest.mark.parametrize("zone", ["Africa/Cairo", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])
def test_the_usual_time_is_one_that_every_day_has(zone: str) -> None:
    assert runs_once_a_day(DAILY_AT, zone, SINCE)


@pytest.mark.parametrize("text", ["5", "25:00", "05:15:30", "05:15+01:00", "noon"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(OperatorError, match="HOLDBACK_DAILY_AT: must be"):
        daily_time(text)


def test_the_file_for_a_company_says_the_same() -> None:
    wanted = yaml.safe_load((ROOT / "infra" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    ours = {f"flows/pipelines.py:{one.flow}": one for one in DEPLOYED}
    assert {one["entrypoint"] for one in wanted} == set(ours)
    for one in wanted:
        mine = ours[one["entrypoint"]]
        assert one["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}
        zone = "{{ $HOLDBACK_TIME_ZONE }}" if mine.is_local else "UTC"
        schedules = [{"cron": mine.cron, "timezone": zone, "active": True, "slug": mine.flow}] if mine.cron else []
        assert one.get("schedules", []) == schedules


def test_two_businesses_on_a_companys_prefect_are_told_apart_as_on_one_machine() -> None:
    wanted = yaml.safe_load((ROOT / "infra" / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    [slug] = {one["name"] for one in wanted}
    assert slug == "{{ $HOLDBACK_SLUG }}", "flow and business name a deployment: daily/shop"
    for one in wanted:
        assert one["tags"] == [tag_of(slug)], one["entrypoint"]


def test_the_worker_offers_each_flow_for_the_business_one_run_at_a_time() -> None:
    offered = deployments("shop", "/shop.yaml", "Europe/Madrid", time(6, 30))
    assert [(one.flow_name or "").replace("-", "_") for one in offered] == [one.flow for one in DEPLOYED]
    assert {one.name for one in offered} == {"shop"}
    for one in offered:
        assert one.parameters == {"business": "/shop.yaml"}
        assert one.concurrency_options is not None
        assert one.concurrency_options.collision_strategy == "ENQUEUE"
        assert one.work_pool_name is None
    [daily] = [one for one in offered if one.flow_name == "daily"]
    [schedule] = [one.schedule for one in daily.schedules or []]
    assert isinstance(schedule, CronSchedule)
    assert (schedule.cron, schedule.timezone) == ("30 6 * * *", "Europe/Madrid")
