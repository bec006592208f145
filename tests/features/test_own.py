"""A company's own features: one SQL file beside its business file."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from features.build import build_features
from features.families import feature_set
from holdback.business import Business, load_business
from holdback.errors import BusinessFileError, DataError
from tests.features.test_leaks import WORLD, cut_off, poisoned
from tests.features.world import AS_OF, Memory, company, instant, spine_of

LOYALTY = """\
-- loyalty: one row per customer_id.
-- feature tea_units_30d (number, units, absent 0): Tea bought in 30 days | Té comprado en 30 días
-- feature best_segment (category): Best segment ever
with bought as (
    select customer_id, sum(quantity) as units
    from tills
    where event_at < :as_of and loaded_at <= :as_of and event_at >= :as_of - interval 30 day and category = 'tea'
    group by customer_id
),
named as (
    select customer_id, max(segment) as best_segment
    from customers
    where loaded_at <= :as_of and signed_up_at < :as_of_day + 1
    group by customer_id
)
select customer_id, units as tea_units_30d, best_segment
from bought
full join named using (customer_id);
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    """Write a business file with an own family, and load it."""

    def written(sql: str) -> Business:
        content = company().model_dump(mode="json", exclude_none=True)
        (tmp_path / "acme.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        folder = tmp_path / "acme" / "features"
        folder.mkdir(parents=True)
        (folder / "loyalty.sql").write_text(sql, encoding="utf-8")
        return load_business(tmp_path / "acme.yaml")

    return written


def test_an_own_file_adds_its_features_with_names_meanings_and_values_when_absent(write: Any) -> None:
    business = write(LOYALTY)
    declared = feature_set(business)
    tea = declared.named("tea_units_30d")
    assert (tea.kind, tea.unit, tea.absent, tea.family) == ("number", "units", 0.0, "loyalty")
    assert (tea.meaning.en, tea.meaning.es) == ("Tea bought in 30 days", "Té comprado en 30 días")
    assert declared.named("best_segment").meaning.es == "Best segment ever"
    rows = {
        "tills": [
            {"customer_id": "ann", "event_at": instant(days=-d), "category": c, "quantity": 2.0, "amount_cents": 1}
            for d, c in ((1, "tea"), (2, "milk"), (29, "tea"), (31, "tea"))
        ],
        "customers": [{"customer_id": "bob", "segment": "gold", "signed_up_at": instant(days=-50)}],
    }
    table = build_features(Memory(business, rows), business, business.churn[0], AS_OF, spine=spine_of(["ann", "bob"]))
    assert table.select(["tea_units_30d", "best_segment"]).to_pylist() == [
        {"tea_units_30d": 4.0, "best_segment": None},
        {"tea_units_30d": 0.0, "best_segment": "gold"},
    ]


def test_an_own_file_does_not_know_the_future(write: Any) -> None:
    business = write(LOYALTY)
    known, *others = (
        build_features(Memory(business, world), business, business.churn[0], AS_OF)
        for world in (WORLD, cut_off(WORLD), poisoned(WORLD))
    )
    assert known["tea_units_30d"].null_count == 0
    assert all(known.equals(other) for other in others)


def test_the_hash_changes_with_the_file(write: Any, tmp_path: Path) -> None:
    business = write(LOYALTY)
    before = feature_set(business).hash
    path = tmp_path / "acme" / "features" / "loyalty.sql"
    path.write_text(LOYALTY.replace("30 day ", "31 day "), encoding="utf-8")
    assert feature_set(business).hash != before


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (("event_at < :as_of and ", ""), "table tills is read without 'event_at < :as_of'"),
        (("and loaded_at <= :as_of", ""), "table tills is read without 'loaded_at <= :as_of'"),
        (("loaded_at <= :as_of and signed", "signed"), "table customers is read without 'loaded_at <= :as_of'"),
        (("event_at < :as_of", "event_at <= :as_of"), "table tills is read without 'event_at < :as_of'"),
        (("event_at < :as_of and", "event_at < :as_of or"), "table tills is read without"),
        (("(number, units, absent 0)", "(units)"), "says neither number nor category"),
        (("absent 0", "absent none"), "absent must be a number \\(got 'none'\\)"),
        (("-- feature", "-- it has"), "declares no feature"),
        (("group by customer_id\n),", "group customer_id\n),"), "is not a SELECT that can be read"),
        (("tea_units_30d", "order_count_90d"), "'order_count_90d' is declared twice"),
    ],
)
def test_an_own_file_that_is_wrong_is_refused_with_what_to_do(write: Any, change: tuple[str, str], fault: str) -> None:
    assert change[0] in LOYALTY
    with pytest.raises(BusinessFileError, match=fault):
        feature_set(write(LOYALTY.replace(*change)))


def test_an_own_file_with_two_rows_for_a_customer_is_refused(write: Any) -> None:
    twice = (
        "-- feature amount (number): Amount\n"
        "select customer_id, amount_cents as amount from tills where event_at < :as_of and loaded_at <= :as_of"
    )
    business = write(twice)
    rows = [{"customer_id": "ann", "event_at": instant() - timedelta(days=d), "amount_cents": d} for d in (1, 2)]
    with pytest.raises(DataError, match=r"features of own/loyalty: 2 rows for 1 customers"):
        build_features(Memory(business, {"tills": rows}), business, business.churn[0], AS_OF)
