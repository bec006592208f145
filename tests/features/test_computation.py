"""The feature table as a whole: equal bits, bounded steps, real files."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from features import computation
from features.build import build_features, feature_steps
from features.compiler import only
from features.computation import customers_per_step
from features.families import feature_set
from features.labels import build_labels
from features.spine import build_spine
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.warehouse import Lake
from tests.features.test_leaks import EVERYBODY, WORLD
from tests.features.world import AS_OF, Memory, arrow, company, spine_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The leak tests' world as Delta tables, in two batches per table."""
    root = tmp_path_factory.mktemp("lake")
    business = company()
    lake = Lake(root, business.tables)
    for name, rows in WORLD.items():
        table = arrow(business.tables[name], rows)
        if name == "superseded":
            lake.append(name, table, batch="b2")
            continue
        lake.append(name, table.slice(0, 40), batch="b")
        lake.append(name, table.slice(40), batch="b2")
    return root


def of(folder: Path, threads: int = 2) -> tuple[Lake, Business]:
    return Lake(folder, company().tables, threads=threads), company()


def test_delta_tables_on_disk_give_the_bits_of_the_same_rows_in_memory(folder: Path) -> None:
    lake, business = of(folder)
    spine = spine_of(EVERYBODY)
    stored = build_features(lake, business, business.churn[0], AS_OF, spine=spine)
    assert stored.equals(build_features(Memory(business, WORLD), business, business.churn[0], AS_OF, spine=spine))
    assert stored.column_names == ["customer_id", "as_of", *feature_set(business).names]
    for feature in feature_set(business):
        assert stored.schema.field(feature.name).type == (pa.float64() if feature.kind == "number" else pa.string())


def test_another_number_of_threads_and_smaller_steps_give_the_same_bits(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, business = of(folder)
    spine = spine_of(EVERYBODY)
    whole = build_features(lake, business, business.churn[0], AS_OF, spine=spine)
    alone, _ = of(folder, threads=1)
    assert whole.equals(build_features(alone, business, business.churn[0], AS_OF, spine=spine))
    monkeypatch.setattr(computation, "CUSTOMERS_PER_STEP", 3)
    steps = list(feature_steps(lake, business, business.churn[0], AS_OF, spine=spine))
    assert [step.num_rows for step in steps] == [3, 3, 3, 2]
    assert whole.equals(pa.concat_tables(steps).combine_chunks())


def test_a_spine_in_any_order_gives_rows_ordered_by_customer(folder: Path) -> None:
    lake, business = of(folder)
    shuffled = spine_of(EVERYBODY).take([3, 0, 7, 1, 10, 5, 2, 9, 6, 4, 8])
    table = build_features(lake, business, business.churn[0], AS_OF, spine=shuffled)
    assert table["customer_id"].to_pylist() == sorted(EVERYBODY)


def test_spine_features_and_labels_describe_the_same_customers_in_the_same_order(folder: Path) -> None:
    lake, business = of(folder)
    for churn in business.churn:
        day = AS_OF - timedelta(days=80)
        spine = build_spine(lake, business, churn, day)
        features = build_features(lake, business, churn, day)
        labels = build_labels(lake, business, churn, day, known_on=AS_OF)
        assert spine["customer_id"].equals(features["customer_id"])
        assert spine["customer_id"].equals(labels["customer_id"])


def test_a_business_without_any_row_gives_an_empty_table_with_its_columns(tmp_path: Path) -> None:
    business = company()
    table = build_features(Lake(tmp_path, business.tables), business, business.churn[0], AS_OF)
    assert table.num_rows == 0
    assert table.column_names == ["customer_id", "as_of", *feature_set(business).names]


def test_a_part_of_the_feature_set_gives_the_same_values_and_only_its_columns(folder: Path) -> None:
    lake, business = of(folder)
    part = only(feature_set(business), ["overdue_ratio", "segment"])
    assert part.names == ("days_since_last_order", "gap_mean_days", "overdue_ratio", "segment")
    spine = spine_of(EVERYBODY)
    whole = build_features(lake, business, business.churn[0], AS_OF, spine=spine)
    table = build_features(lake, business, business.churn[0], AS_OF, spine=spine, features=part)
    assert table.equals(whole.select(["customer_id", "as_of", *part.names]))


def test_a_step_describes_fewer_customers_when_they_have_more_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    business = company()
    rows: list[dict[str, Any]] = [
        {"customer_id": f"c{i % 4}", "event_at": business.instant(AS_OF), "amount_cents": 1} for i in range(400)
    ]
    warehouse = Memory(business, {"tills": rows})
    monkeypatch.setattr(computation, "ROWS_PER_STEP", 200)
    assert customers_per_step(warehouse, feature_set(business), 4) == 2
    monkeypatch.setattr(computation, "ROWS_PER_STEP", 10)
    assert customers_per_step(warehouse, feature_set(business), 4) == 1


def test_a_step_describes_fewer_customers_when_they_have_more_features(monkeypatch: pytest.MonkeyPatch) -> None:
    business = company()
    declared, warehouse = feature_set(business), Memory(business, {})
    monkeypatch.setattr(computation, "VALUES_PER_STEP", 7 * len(declared))
    assert customers_per_step(warehouse, declared, 100) == 7
    assert customers_per_step(warehouse, only(declared, ["segment"]), 100) == 7 * len(declared)
    monkeypatch.setattr(computation, "VALUES_PER_STEP", 1)
    assert customers_per_step(warehouse, declared, 100) == 1


def test_a_customer_who_is_asked_for_twice_is_described_twice_and_alike(folder: Path) -> None:
    lake, business = of(folder)
    spine = spine_of(EVERYBODY)
    once = build_features(lake, business, business.churn[0], AS_OF, spine=spine).to_pylist()
    twice = build_features(lake, business, business.churn[0], AS_OF, spine=pa.concat_tables([spine, spine]))
    assert twice.to_pylist() == [row for row in once for _ in range(2)]


def test_a_sample_takes_the_steps_of_its_own_rows_not_of_everybodys(monkeypatch: pytest.MonkeyPatch) -> None:
    business = company()
    rows: list[dict[str, Any]] = [
        {"customer_id": f"c{i % 100:02}", "event_at": business.instant(AS_OF) - timedelta(days=1), "amount_cents": i}
        for i in range(400)
    ]
    warehouse, sample = Memory(business, {"tills": rows}), spine_of([f"c{i:02}" for i in range(10)])
    whole = build_features(warehouse, business, business.churn[0], AS_OF, spine=sample)
    monkeypatch.setattr(computation, "ROWS_PER_STEP", 20)
    assert customers_per_step(warehouse, feature_set(business), 10) == 1  # as if these ten had all the 400 rows
    steps = list(feature_steps(warehouse, business, business.churn[0], AS_OF, spine=sample))
    assert [step.num_rows for step in steps] == [5, 5]
    assert whole.equals(pa.concat_tables(steps).combine_chunks())


def test_absurd_amounts_and_years_do_not_break_the_arithmetic() -> None:
    business = company()
    rows = [
        {"customer_id": "a", "event_at": at, "amount_cents": cents, "quantity": quantity, "order_id": None}
        for at, cents, quantity in (
            (business.instant(date(1900, 1, 1)), 2**62, float("inf")),
            (business.instant(date(2025, 5, 1)), 2**62, float("nan")),
            (business.instant(date(2025, 5, 2)), 2**62, 1e300),
        )
    ]
    row = build_features(Memory(business, {"tills": rows}), business, business.churn[0], AS_OF).to_pylist()[0]
    assert row["spend_amount_all"] == pytest.approx(3 * 2**62 / 100)
    assert row["unit_count_30d"] == 0
    assert row["gap_sd_days"] is not None


OPTIONAL = [
    f"{feed}.{column.key}"
    for feed, declared in company().feeds.items()
    for column in declared.mapped_columns
    if not column.required
]


@pytest.mark.parametrize("column", OPTIONAL)
def test_any_optional_column_may_be_missing(column: str) -> None:
    business = company(without=(column,))
    feed = column.partition(".")[0]
    declared = feature_set(business)
    part = only(declared, [f.name for f in declared if f.feed == feed])
    says_how_to_count = column in ("deals.subscription_id", "surveys.kind")  # and has no feature of its own
    assert len(part) < len([f for f in feature_set(company()) if f.feed == feed]) or says_how_to_count
    spine = spine_of(EVERYBODY)
    table = build_features(Memory(business, WORLD), business, business.churn[0], AS_OF, spine=spine, features=part)
    assert table.num_rows == spine.num_rows


def test_the_required_columns_alone_are_enough() -> None:
    business = company(without=tuple(OPTIONAL))
    spine = spine_of(EVERYBODY)
    table = build_features(Memory(business, WORLD), business, business.churn[0], AS_OF, spine=spine)
    assert table.num_rows == spine.num_rows
    assert table["usage_quantity_30d"].null_count == 0


def test_an_unknown_feature_is_refused() -> None:
    with pytest.raises(BusinessFileError, match="is not a feature of this business"):
        only(feature_set(company()), ["nonsense"])
