"""Which features a business gets, and what a declaration says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from features.families import feature_set
from features.families.declaring import slugged
from holdback.business import Business
from holdback.errors import BusinessFileError
from tests.features.world import company

EVENT = {"customer_id": "who", "event_at": "at"}


def business(feeds: dict[str, Any], **parts: Any) -> Business:
    given: dict[str, Any] = {
        "slug": "b", "name": "B", "currency": "EUR", "time_zone": "UTC",
        "feeds": {name: {"source": "x.csv", **feed} for name, feed in feeds.items()},
        "churn": [{"name": "lapse", "kind": "inactivity", "feed": next(iter(feeds)), "outcome_days": 30}],
        **parts,
    }  # fmt: skip
    return Business.model_validate(given)


TILLS: dict[str, Any] = {"role": "transactions", "columns": {**EVENT, "amount": "a"}}
MINIMAL: dict[str, Any] = {
    "tills": TILLS,
    "calls": {"role": "interactions", "columns": EVENT},
    "surveys": {"role": "feedback", "columns": {**EVENT, "score": "s"}},
}


def test_transactions_customers_interactions_and_feedback_give_sixty_features_with_the_fewest_columns() -> None:
    customers = {"source": "c.csv", "key": "who"}
    assert len(feature_set(business(MINIMAL, customers=customers))) >= 60


def test_only_mapped_columns_give_features() -> None:
    few = set(feature_set(business({"tills": TILLS})).names)
    all_columns = set(feature_set(company()).names)
    assert few < all_columns
    absent = ("discount", "unit_count", "category", "channel", "order_lines", "flow", "interaction", "tenure")
    assert not [name for name in few for word in absent if word in name]


def test_a_column_without_declared_values_gives_no_feature_per_value() -> None:
    undeclared = {**TILLS, "columns": {**TILLS["columns"], "category": "c", "channel": "ch"}}
    assert feature_set(business({"tills": undeclared})).names == feature_set(business({"tills": TILLS})).names


def test_two_feeds_of_one_role_put_their_names_before_their_features() -> None:
    names = feature_set(business({"tills": TILLS, "web": TILLS})).names
    assert "tills_order_count_90d" in names
    assert "web_order_count_90d" in names
    assert "order_count_90d" not in names
    assert len(set(names)) == len(names)


def test_the_label_and_the_load_columns_are_never_features() -> None:
    assert not {"left", "batch_id", "loaded_at", "row_number", "customer_id", "as_of"} & set(
        feature_set(company()).names
    )


def test_every_feature_says_what_it_means_in_both_languages_and_in_which_unit() -> None:
    for feature in feature_set(company()):
        assert feature.unit, feature.name
        assert feature.meaning.en, feature.name
        assert feature.meaning.es, feature.name
        if feature.role != "customers":
            assert feature.meaning.en != feature.meaning.es, feature.name
        if feature.window_days and not feature.ends_days_ago and feature.name.endswith("d"):
            assert f"_{feature.window_days}d" in feature.name


def test_an_attribute_is_told_in_the_language_in_which_the_company_tells_it() -> None:
    told = {"both": {"en": "Province", "es": "Provincia"}, "one": "Tarif", "spanish": {"es": "Sexo"}}
    attributes = {name: {"kind": "category", "meaning": meaning} for name, meaning in told.items()}
    customers = {"source": "c.csv", "key": "who", "attributes": {**attributes, "bare_name": "category"}}
    features = feature_set(business({"tills": TILLS}, customers=customers))
    meanings = {name: features.named(name).meaning for name in (*told, "bare_name")}
    assert {name: (found.en, found.es) for name, found in meanings.items()} == {
        "both": ("Province", "Provincia"), "one": ("Tarif", "Tarif"), "spanish": ("Sexo", "Sexo"),
        "bare_name": ("Bare name", "Bare name"),
    }  # fmt: skip


def test_protected_attributes_and_the_day_of_observation_are_carried() -> None:
    customers = {
        "source": "c.csv", "key": "who", "protected": ["age"],
        "attributes": {"age": "number", "points": {"kind": "number", "observed_on": "2025-05-01", "unit": "points"}},
    }  # fmt: skip
    features = feature_set(business({"tills": TILLS}, customers=customers))
    assert features.named("age").protected
    assert not features.named("points").protected
    assert str(features.named("points").observed_on) == "2025-05-01"
    assert features.named("points").unit == "points"


def test_the_hash_is_stable_and_changes_with_anything_that_changes_a_value() -> None:
    base = feature_set(business({"tills": TILLS}))
    assert base.hash == feature_set(business({"tills": TILLS})).hash
    assert re.fullmatch("[0-9a-f]{16}", base.hash)
    with_orders = {**TILLS, "columns": {**TILLS["columns"], "order_id": "o"}}
    assert feature_set(business({"tills": with_orders})).hash != base.hash
    assert feature_set(business({"tills": TILLS, "web": TILLS})).hash != base.hash


@pytest.mark.parametrize("seed", ["0", "1"])
def test_another_process_computes_the_same_hash(seed: str) -> None:
    program = (
        "from features.families import feature_set; from tests.features.world import company; "
        "print(feature_set(company()).hash)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": seed}, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.stdout.strip() == feature_set(company()).hash


def test_an_attribute_that_takes_a_features_name_is_refused() -> None:
    customers = {"source": "c.csv", "key": "who", "attributes": {"order_count_90d": "number"}}
    with pytest.raises(BusinessFileError, match=r"'order_count_90d' is declared twice \(transactions tills, customers"):
        feature_set(business({"tills": TILLS}, customers=customers))


def test_an_unknown_feature_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BusinessFileError, match="Did you mean 'order_count_90d'"):
        feature_set(company()).named("order_cont_90d")


def test_values_become_column_names_that_differ() -> None:
    assert slugged(("A+", "A-", "Ünï")) == [("A+", "a"), ("A-", "a_2"), ("Ünï", "n")]
    assert slugged(("?", "!")) == [("?", "other"), ("!", "other_2")]
