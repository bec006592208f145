"""What stands behind a value."""

from __future__ import annotations

from datetime import timedelta

import pytest

from features.explain import explain_customer, feature_sql
from holdback.errors import BusinessFileError, DataError
from tests.features.test_known_answers import SIX_ROWS
from tests.features.test_leaks import WORLD
from tests.features.world import AS_OF, Memory, company, instant


def test_a_value_comes_with_the_events_it_was_computed_from() -> None:
    business = company()
    explained = explain_customer(Memory(business, {"tills": SIX_ROWS}), business, business.churn[0], AS_OF, "ann")
    assert explained.values["order_count_30d"] == 3
    behind = explained.behind["order_count_30d"]
    assert (behind.event_count, behind.first_event_at, behind.last_event_at) == (
        3,
        SIX_ROWS[3]["event_at"],
        SIX_ROWS[0]["event_at"],
    )
    assert [order["paid_cents"] for order in explained.events["tills"]] == [3000, 3000, 0, 1200, 800]
    assert not {"customer_id", "customer_number"} & explained.events["tills"][0].keys()  # the same in each
    assert explained.events["calls"] == []


def test_every_count_equals_the_number_of_events_behind_it() -> None:
    business = company()
    for customer in ("ann", "bob"):
        explained = explain_customer(Memory(business, WORLD), business, business.churn[0], AS_OF, customer)
        counts = [name for name, value in explained.values.items() if "_count_" in name and name in explained.behind]
        counts = [name for name in counts if "trend" not in name and "category" not in name]
        assert len(counts) > 50
        counted_rows = {n: v for n, v in explained.values.items() if n in counts and not n.startswith("unit")}
        assert {n: explained.behind[n].event_count for n in counted_rows} == counted_rows


def test_attributes_and_derived_features_have_values_but_no_events() -> None:
    business = company()
    explained = explain_customer(Memory(business, WORLD), business, business.churn[0], AS_OF, "ann")
    assert explained.values["segment"] == "silver"
    assert not {"segment", "overdue_ratio", "feedback_score_change"} & set(explained.behind)


def test_some_features_can_be_explained_alone() -> None:
    business = company()
    explained = explain_customer(
        Memory(business, {"tills": SIX_ROWS}), business, business.churn[0], AS_OF, "ann", names=("order_count_7d",)
    )
    assert dict(explained.values) == {"order_count_7d": 1}


def test_a_customer_of_whom_nothing_was_known_is_refused() -> None:
    business = company()
    late = {"customer_id": "zed", "event_at": instant(), "amount_cents": 1}
    with pytest.raises(DataError, match="customer zed: nothing was known on 2025-06-01"):
        explain_customer(Memory(business, {"tills": [late]}), business, business.churn[0], AS_OF, "zed")
    later = AS_OF + timedelta(days=1)
    explained = explain_customer(Memory(business, {"tills": [late]}), business, business.churn[0], later, "zed")
    assert explained.values["order_count_all"] == 1


def test_the_sql_of_one_feature_reads_one_feed_and_shows_what_it_is_derived_from() -> None:
    sql = feature_sql(company(), "overdue_ratio", AS_OF)
    assert '"days_since_last_order"' in sql
    assert '"gap_mean_days"' in sql
    assert '"calls"' not in sql
    assert "order_count_90d" not in sql
    with pytest.raises(BusinessFileError, match="Did you mean"):
        feature_sql(company(), "overdue_ration", AS_OF)
