"""What came in: counts that add up, reasons, freshness, nulls."""

from datetime import timedelta

import pytest

from holdback.commits import rows_of
from holdback.tables import TABLES
from monitoring.quality import data_quality
from tests.monitoring.company import LAST_DAY, load_year, receive, workspace_in


def test_a_day_with_a_batch_is_counted(company):
    found = data_quality(company.warehouse, company.business, LAST_DAY)
    tills = next(feed for feed in found.feeds if feed.feed == "tills")
    assert (found.offered, found.clean, found.quarantined, found.rows_today) == (120, 114, 6, 120)
    assert tills.came_today
    assert tills.quarantined_today.share == 0.05
    assert [(r.feed, r.rule, r.row_count) for r in found.reasons] == [("tills", "channel_is_known", 6)]
    assert [(r.rule, r.severity, r.row_count, r.batch_count) for r in found.broken] == [
        ("channel_is_known", "warning", 6, 1)
    ]
    assert [(n.column, n.share, n.usual) for n in found.nulls] == [("channel", 0.02, None)]


def test_a_day_without_a_batch_shows_what_came_last(company):
    found = data_quality(company.warehouse, company.business, LAST_DAY + timedelta(days=10))
    tills = next(feed for feed in found.feeds if feed.feed == "tills")
    assert not tills.came_today
    assert (tills.newest.offered, found.rows_today, tills.quarantined_today) == (120, 0, None)
    assert tills.is_stale
    assert found.stale_feeds == (tills,)


def test_what_came_later_is_not_shown(company):
    found = data_quality(company.warehouse, company.business, LAST_DAY - timedelta(days=1))
    assert (found.offered, found.reasons, found.broken, found.nulls) == (0, (), (), ())


def test_nothing_ever_came_is_a_result(tmp_path):
    workspace = workspace_in(tmp_path)
    found = data_quality(workspace.warehouse, workspace.business, LAST_DAY)
    assert [feed.feed for feed in found.feeds] == ["customers", "tills"]
    assert all(feed.newest is None and not feed.is_stale for feed in found.feeds)
    assert found.offered == 0


def test_a_row_that_broke_two_rules_counts_under_both(tmp_path):
    workspace = workspace_in(tmp_path)
    receive(workspace, LAST_DAY, bad=0)
    kept = {
        "batch_id": "b1", "feed": "tills", "row_number": 9, "raw": "{}", "is_parsed": True,
        "failed_rules": '["amount_is_money", "channel_is_known"]', "loaded_at": workspace.business.instant(LAST_DAY),
    }  # fmt: skip
    workspace.warehouse.append("quarantine", rows_of(TABLES["quarantine"], [kept]), batch="q")
    found = data_quality(workspace.warehouse, workspace.business, LAST_DAY)
    assert [(r.rule, r.row_count) for r in found.reasons] == [("amount_is_money", 1), ("channel_is_known", 1)]


@pytest.mark.parametrize(("usual", "now", "is_unusual"), [(0.02, 0.03, False), (0.02, 0.30, True), (0.30, 0.02, True)])
def test_a_null_share_that_moved_is_pointed_out(tmp_path, usual, now, is_unusual):
    workspace = workspace_in(tmp_path)
    days = [(LAST_DAY - timedelta(days=back), usual) for back in (3, 2, 1)] + [(LAST_DAY, now)]
    rows = [
        {"batch_id": str(i), "feed": "tills", "as_of": day, "column_name": "channel", "statistic": "null_share",
         "value": share, "row_count": 100}
        for i, (day, share) in enumerate(days)
    ]  # fmt: skip
    workspace.warehouse.append("profiles", rows_of(TABLES["profiles"], rows), batch="p")
    found = data_quality(workspace.warehouse, workspace.business, LAST_DAY).nulls
    assert [(n.usual, n.share, n.is_unusual) for n in found] == [(usual, now, is_unusual)]


def test_freshness_is_counted_in_the_days_of_the_business(tmp_path):
    workspace = workspace_in(tmp_path)
    load_year(workspace, customers=20)
    # The last purchases are of late September; on LAST_DAY only what was loaded by then is known.
    tills = data_quality(workspace.warehouse, workspace.business, LAST_DAY).feeds[1]
    assert tills.last_event_on < LAST_DAY
    assert tills.days_since_last_event == (LAST_DAY - tills.last_event_on).days
