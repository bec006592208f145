"""A day whose hour passed while the machine was off is due; one that was lived, or of a new business, is not."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from flows.servers.due import is_due, start_of
from holdback.business import load_business
from holdback.workspace import Workspace
from monitoring.history import record_day
from tests.flows.shop import BUSINESS

AT = time(5, 15)


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    path = tmp_path / "shop.yaml"
    path.write_text(BUSINESS.format(folder=tmp_path))
    return Workspace(tmp_path / "home", load_business(path), threads=1)


def test_today_is_due_from_its_hour_on_until_it_was_lived(shop: Workspace) -> None:
    morning, noon = datetime(2026, 3, 10, 4, 0, tzinfo=UTC), datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert not is_due(shop, AT, noon), "a business that was never lived waits for its first morning"
    record_day(shop, date(2026, 3, 7))
    assert not is_due(shop, AT, morning)
    assert is_due(shop, AT, noon)
    record_day(shop, date(2026, 3, 10))
    assert not is_due(shop, AT, noon)


@pytest.mark.parametrize(
    ("zone", "day", "hour"),
    [
        ("Europe/Madrid", date(2026, 3, 29), datetime(2026, 3, 29, 3, 15, tzinfo=UTC)),
        ("Europe/Madrid", date(2026, 10, 25), datetime(2026, 10, 25, 4, 15, tzinfo=UTC)),
        ("Pacific/Auckland", date(2026, 9, 27), datetime(2026, 9, 26, 16, 15, tzinfo=UTC)),
        ("Pacific/Honolulu", date(2026, 3, 10), datetime(2026, 3, 10, 15, 15, tzinfo=UTC)),
    ],
)
def test_a_local_days_hour_is_the_one_at_which_the_scheduler_starts_it(zone: str, day: date, hour: datetime) -> None:
    assert start_of(day, AT, zone) == hour
