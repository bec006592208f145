from __future__ import annotations

from datetime import date, datetime, timedelta

from holdback.batches import BatchRecord, History, batch_id_of


def record(sequence: int, day: date, rows: int, **changes: object) -> BatchRecord:
    values: dict[str, object] = {
        "sequence": sequence, "batch_id": f"b{sequence}", "feed": "orders", "source": f"{day}.csv",
        "as_of": day + timedelta(days=1), "rows_offered": rows, "rows_clean": rows, "rows_quarantined": 0,
        "loaded_at": datetime(2026, 1, 1), "covers_on": day,
    }  # fmt: skip
    return BatchRecord(**{**values, **changes})  # type: ignore[arg-type]


FIRST = date(2026, 1, 5)  # a Monday
DAYS = [FIRST + timedelta(days=i) for i in range(70)]
DAILY = [record(i, day, 10 if day.weekday() == 6 else 100) for i, day in enumerate(DAYS)]


def test_what_is_usual_is_the_same_weekdays_median() -> None:
    history = History(DAILY)
    monday, sunday = FIRST + timedelta(days=70), FIRST + timedelta(days=69)
    assert history.usual_rows("orders", monday, 4.0) == (25, 401)
    assert history.usual_rows("orders", sunday, 4.0) == (2, 41)


def test_only_the_last_eight_count_and_only_those_before_the_day() -> None:
    grown = [record(i, FIRST + timedelta(days=i), 100 if i < 70 else 1000) for i in range(140)]
    assert History(grown).usual_rows("orders", FIRST + timedelta(days=140), 2.0) == (500, 2001)
    assert History(grown).usual_rows("orders", FIRST + timedelta(days=70), 2.0) == (50, 201)


def test_nothing_is_unusual_while_fewer_than_four_are_known() -> None:
    assert History(DAILY[:21]).usual_rows("orders", FIRST + timedelta(days=21), 2.0)[0] == 0
    assert History(DAILY).usual_rows("other", FIRST + timedelta(days=70), 2.0)[0] == 0


def test_a_monthly_feed_is_compared_with_all_its_batches() -> None:
    monthly = [record(i, date(2025, i, 28), 1000) for i in range(1, 6)]
    assert History(monthly).usual_rows("orders", date(2025, 6, 30), 2.0) == (500, 2001)


def test_batches_that_were_read_again_and_releases_are_not_usual() -> None:
    weeks = [record(i, FIRST + timedelta(days=7 * i), 100) for i in range(4)]
    again = [record(10 + i, FIRST + timedelta(days=7 * i), 100, replaces=f"b{i}") for i in range(4)]
    released = [record(20 + i, FIRST + timedelta(days=7 * i), 1, released_from=f"b{i}") for i in range(4)]
    low, _ = History([*weeks, *again, *released]).usual_rows("orders", FIRST + timedelta(days=28), 2.0)
    assert low == 50


def test_a_family_is_everything_whose_rows_a_batch_accounts_for() -> None:
    records = [
        record(1, FIRST, 5),
        record(2, FIRST, 1, released_from="b1"),
        record(3, FIRST, 5, replaces="b1"),
        record(4, FIRST, 5, replaces="b3"),
        record(5, FIRST, 5),
    ]
    history = History(records)
    assert sorted(history.family("b4")) == ["b1", "b2", "b3", "b4"]
    assert history.replaced() == {"b1", "b3"}


def test_a_batch_id_depends_on_mapping_content_and_what_came_between() -> None:
    ids = {batch_id_of("m", "c"), batch_id_of("m", "d"), batch_id_of("n", "c"), batch_id_of("m", "c", after="x")}
    assert len(ids) == 4
    assert all(len(batch_id) == 16 for batch_id in ids)
    assert batch_id_of("m", "c") == batch_id_of("m", "c")
