from __future__ import annotations

import decimal
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdback.business import Business, Feed
from holdback.errors import BusinessFileError, ContractBroken
from holdback.mapping import check_columns, map_rows, shape_of
from holdback.originals import Original
from tests.holdback.shop import make_business

Values = Callable[..., list[Any]]


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def read_texts(
    connection: duckdb.DuckDBPyConnection,
    texts: list[str | None],
    *,
    key: str = "amount",
    role: str = "transactions",
    origin: object = "x",
    zone: str = "Europe/Madrid",
    extra: dict[str, list[str | None]] | None = None,
    **feed: Any,
) -> list[tuple[Any, Any]]:
    """Map texts to one of our columns; return each value beside what could not be read."""
    columns = {"customer_id": "who", "event_at": "when", "amount": "what", "kind": {"constant": "start"}}
    shown = {k: v for k, v in columns.items() if k != "kind" or role == "subscriptions"}
    if role == "subscriptions":
        shown.pop("amount")
    section = Feed.model_validate({"role": role, "source": "f.csv", "columns": {**shown, key: origin}, **feed})
    business = Business.model_validate(
        {
            "slug": "lab", "name": "Lab", "currency": "EUR", "time_zone": zone, "feeds": {"lab": section},
            "churn": [{"name": "gone", "kind": "inactivity" if role == "transactions" else "cancellation",
                       "feed": "lab", "outcome_days": 30}],
        }
    )  # fmt: skip
    shape = shape_of(business, "lab")
    count = len(texts)
    given_columns: dict[str, list[str | None]] = {"who": ["c"] * count, "when": ["2026-01-01"] * count}
    given_columns |= {"what": ["1"] * count, "x": texts, **(extra or {})}
    names = tuple(given_columns)
    frame = pa.table(
        {
            "row_number": list(range(1, count + 1)),
            "is_parsed": [True] * count,
            "line": pa.nulls(count, pa.string()),
            **{f"source_{i + 1}": pa.array(given_columns[name], pa.string()) for i, name in enumerate(names)},
        }
    )
    connection.register("_frame", frame)
    connection.execute("create or replace table _original as select * from _frame")
    connection.execute("drop table if exists _offered")
    map_rows(connection, shape, Original("f.csv", names, count))
    column = shape.column(key)
    assert column is not None
    unreadable = f'"{column.name}_unreadable"' if column.type != "text" else "null"
    return connection.sql(f'select "{column.name}", {unreadable} from _offered order by row_number').fetchall()


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12.34", 1234), ("-12.34", -1234), ("+5", 500), ("5.", 500), (".5", 50), (" 7.10 ", 710), ("1e2", 10000),
        ("1.005", 101), ("-1.005", -101), ("1.00499999999999999999999", 100), ("0.005", 1), ("0.0049999999", 0),
        ("9999999999999.99", 10**15 - 1), ("-9999999999999.99", 1 - 10**15),
    ],
)  # fmt: skip
def test_money_is_whole_cents_rounded_half_away_from_zero(
    connection: duckdb.DuckDBPyConnection, text: str, cents: int
) -> None:
    assert read_texts(connection, [text]) == [(cents, None)]


@pytest.mark.parametrize(
    "text",
    ["nan", "inf", "-Infinity", "1,5", "1,234.50", "1.234,50", "1_000", "0x1F", "€5", "5 EUR", "--1", "1e", "e5", ".",
     "9223372036854775808", "92233720368547758.07", "10000000000000.00", "1e400", "١٢"],
)  # fmt: skip
def test_what_is_not_money_is_unreadable_and_kept(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert read_texts(connection, [text]) == [(None, text)]


def test_a_comma_is_a_decimal_sign_only_where_it_is_declared(connection: duckdb.DuckDBPyConnection) -> None:
    csv = {"decimal": ",", "delimiter": ";"}
    assert read_texts(connection, ["12,34", "-0,5", "12.34", "1.234,5", "7"], csv=csv) == [
        (1234, None), (-50, None), (None, "12.34"), (None, "1.234,5"), (700, None),
    ]  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amounts=st.lists(st.decimals(-(10**12), 10**12, places=6), min_size=1, max_size=50))
def test_money_equals_decimal_arithmetic(connection: duckdb.DuckDBPyConnection, amounts: list[Decimal]) -> None:
    expected = [int((a * 100).quantize(Decimal(1), rounding=decimal.ROUND_HALF_UP)) for a in amounts]
    assert [cents for cents, _ in read_texts(connection, [f"{a:f}" for a in amounts])] == expected


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pairs=st.lists(st.tuples(st.integers(-(10**6), 10**6), st.decimals(0, 10**6, places=4)), min_size=1, max_size=50)
)
def test_a_product_is_exact(connection: duckdb.DuckDBPyConnection, pairs: list[tuple[int, Decimal]]) -> None:
    with decimal.localcontext(prec=60):
        expected = [int((q * p * 100).quantize(Decimal(1), rounding=decimal.ROUND_HALF_UP)) for q, p in pairs]
    found = read_texts(
        connection,
        [str(q) for q, _ in pairs],
        origin={"multiply": ["x", "y"]},
        extra={"y": [f"{p:f}" for _, p in pairs]},
    )
    assert [cents for cents, _ in found] == expected


def test_a_product_with_a_missing_factor_is_missing_and_with_a_bad_one_is_bad(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    found = read_texts(
        connection, ["2", "2", "x", "", "1e13"], origin={"multiply": ["x", "y"]}, extra={"y": ["1.5", "", "1", "", "1"]}
    )
    assert found == [(300, None), (None, None), (None, "x x 1"), (None, None), (None, "1e13 x 1")]


def test_a_product_of_three_factors_is_computed(connection: duckdb.DuckDBPyConnection) -> None:
    extra: dict[str, list[str | None]] = {"y": ["2.5", "1"], "z": ["0.1", "nan"]}
    found = read_texts(connection, ["4", "1"], origin={"multiply": ["x", "y", "z"]}, extra=extra)
    assert found == [(100, None), (None, "1 x 1 x nan")]


def test_declared_nulls_are_missing_and_others_are_not(connection: duckdb.DuckDBPyConnection) -> None:
    found = read_texts(connection, ["", " ", "NA", None, "1"], csv={"nulls": ["", "NA"]})
    assert found == [(None, None), (None, " "), (None, None), (None, None), (100, None)]


@pytest.mark.parametrize(
    ("text", "value"),
    [("yes", True), ("No", False), ("TRUE", True), ("f", None), ("1", True), ("0", False), ("Y", True), ("n", False),
     ("2", None), ("ja", None), ("1.0", None), (" true ", True)],
)  # fmt: skip
def test_flags_are_yes_and_no_in_every_usual_form(
    connection: duckdb.DuckDBPyConnection, text: str, value: bool | None
) -> None:
    assert read_flag(connection, text) == (value, None if value is not None else text)


def read_flag(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[Any, Any]:
    business = Business.model_validate(
        {
            "slug": "lab", "name": "Lab", "currency": "EUR", "time_zone": "UTC",
            "customers": {"source": "f.csv", "key": "id", "attributes": {"left": {"kind": "label", "column": "x"}}},
            "churn": [{"name": "gone", "kind": "column", "attribute": "left"}],
        }
    )  # fmt: skip
    connection.execute(
        "create or replace table _original as select 1 as row_number, true as is_parsed, null::varchar as line,"
        " 'c' as source_1, $text as source_2",
        {"text": text},
    ).fetchall()
    map_rows(connection, shape_of(business, "customers"), Original("f.csv", ("id", "x"), 1))
    found = connection.sql('select "left", left_unreadable from _offered').fetchall()[0]
    return found[0], found[1]


def utc(*parts: int) -> datetime:
    return datetime(*parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-15", utc(2026, 1, 14, 23)),
        ("2026-07-15 12:30", utc(2026, 7, 15, 10, 30)),
        ("2026-07-15T12:30:01.5", utc(2026, 7, 15, 10, 30, 1, 500000)),
        ("2026-07-15T12:30:00Z", utc(2026, 7, 15, 12, 30)),
        ("2026-07-15 12:30:00+05:30", utc(2026, 7, 15, 7)),
        ("2026-07-15 12:30:00-0400", utc(2026, 7, 15, 16, 30)),
        ("2026-07-15 12:30:00+02", utc(2026, 7, 15, 10, 30)),
    ],
)
def test_an_iso_instant_is_stored_as_utc(connection: duckdb.DuckDBPyConnection, text: str, instant: datetime) -> None:
    assert read_texts(connection, [text], key="event_at") == [(instant, None)]


@pytest.mark.parametrize(
    "text",
    ["15/07/2026", "2026-02-30", "2026-7-5", "infinity", "epoch", "now", "today", "2026-07-15 25:00", "0019-07-15",
     "12026-07-15", "2026-07-15 12:30 Europe/Madrid", "20260715", "1752580800"],
)  # fmt: skip
def test_what_is_not_an_iso_instant_is_unreadable(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert read_texts(connection, [text], key="event_at") == [(None, text)]


def test_dates_are_read_in_the_declared_formats_only_the_first_that_fits(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    formats = ["%d/%m/%Y %H:%M", "%m-%d-%Y"]
    texts: list[str | None] = [
        "03/04/2026 10:00", "03-04-2026", "2026-04-03", "infinity", "31/02/2026 10:00", "3/4/26 10:00",
    ]  # fmt: skip
    found = read_texts(connection, texts, key="event_at", zone="UTC", date_format=formats)
    assert [value for value, _ in found] == [utc(2026, 4, 3, 10), utc(2026, 3, 4), None, None, None, None]
    assert [bad for _, bad in found[2:]] == texts[2:]


def test_a_format_with_an_offset_is_absolute(connection: duckdb.DuckDBPyConnection) -> None:
    found = read_texts(
        connection, ["15.07.2026 12:30 +0200"], key="event_at", date_format="%d.%m.%Y %H:%M %z", zone="America/New_York"
    )
    assert found == [(utc(2026, 7, 15, 10, 30), None)]


def test_a_format_that_is_none_is_a_fault_of_the_business_file(connection: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(BusinessFileError, match="date_format"):
        read_texts(connection, ["x"], key="event_at", date_format="%Q")


@pytest.mark.parametrize("zone", ["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
def test_local_times_agree_with_the_time_zone_database(connection: duckdb.DuckDBPyConnection, zone: str) -> None:
    """A skipped time uses the offset before the change (fold 0), a repeated one its second occurrence (fold 1)."""
    texts = [f"2026-{m:02d}-{d:02d} {h:02d}:30:00" for m in range(1, 13) for d in range(1, 29, 3) for h in range(24)]
    texts += [f"2026-{day} {h:02d}:{m}:00" for day in ("03-08", "03-29", "04-05", "10-04", "10-25", "11-01")
              for h in range(5) for m in ("00", "15", "45")]  # fmt: skip
    found = read_texts(connection, list(texts), key="event_at", zone=zone)
    expected = [local_to_utc(datetime.fromisoformat(text), ZoneInfo(zone)) for text in texts]
    assert [value for value, _ in found] == expected


def local_to_utc(local: datetime, zone: ZoneInfo) -> datetime:
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None) for fold in (0, 1))
    is_repeated = second > first
    return second if is_repeated else first


def test_a_date_stays_the_day_it_says(connection: duckdb.DuckDBPyConnection) -> None:
    found = read_texts(
        connection, ["2026-07-01", "2026-07-01 23:30:00", "9999-12-31", "x"], key="ends_on", role="subscriptions"
    )
    assert found == [(date(2026, 7, 1), None), (date(2026, 7, 1), None), (date(9999, 12, 31), None), (None, "x")]


def test_a_constant_fills_every_row(connection: duckdb.DuckDBPyConnection) -> None:
    assert read_texts(connection, ["a", "b"], key="channel", origin={"constant": "store"}) == [("store", None)] * 2


def test_a_missing_column_is_named_with_its_nearest_name(tmp_path: Path) -> None:
    shape = shape_of(make_business(tmp_path), "orders")
    original = Original("f.csv", ("customer", "at", "ammount", "order", "kind"), 1)
    with pytest.raises(ContractBroken, match=r"'amount'.*is missing; the nearest one there is 'ammount'"):
        check_columns(shape, original)


def test_every_missing_column_is_named_at_once_and_a_wrong_delimiter_is_guessed_at(tmp_path: Path) -> None:
    shape = shape_of(make_business(tmp_path), "orders")
    with pytest.raises(ContractBroken) as caught:
        check_columns(shape, Original("f.csv", ("customer;at;amount;order;kind",), 1))
    assert str(caught.value).count("is missing") == 5
    assert "is csv.delimiter ',' right?" in str(caught.value)


def test_a_mapped_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    shape = shape_of(make_business(tmp_path), "orders")
    with pytest.raises(ContractBroken, match=r"'amount'.*stands 2 times"):
        check_columns(shape, Original("f.csv", ("customer", "at", "amount", "amount", "order", "kind"), 1))


def test_columns_that_nothing_uses_are_returned(tmp_path: Path) -> None:
    shape = shape_of(make_business(tmp_path), "orders")
    original = Original("f.csv", ("customer", "at", "amount", "order", "kind", "note", "note"), 1)
    assert check_columns(shape, original) == ("note", "note")


def test_the_fingerprint_changes_with_the_mapping_and_not_with_the_contract(tmp_path: Path) -> None:
    def fingerprint(**changes: Any) -> str:
        return shape_of(make_business(tmp_path, **changes), "orders").fingerprint

    plain = fingerprint()
    assert fingerprint(expects={"rows": [1, 2]}, accepts={"category": ["a"]}) == plain
    assert fingerprint(date_format="%Y") != plain
    assert fingerprint(csv={"delimiter": ";"}) != plain
    assert fingerprint(time_zone="UTC") != plain
