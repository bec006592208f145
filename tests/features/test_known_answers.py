"""Six rows and their features, computed by hand."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest

from features.build import build_features
from tests.features.world import AS_OF, Memory, company, spine_of


def line(day: datetime, order: str, amount: float, **row: Any) -> dict[str, Any]:
    return {"customer_id": "ann", "event_at": day, "order_id": order, "amount_cents": round(amount * 100), **row}


# as_of 2025-06-01 in Madrid begins at 2025-05-31 22:00 UTC.
SIX_ROWS = [
    line(datetime(2025, 5, 30, 10), "A", 20, channel="web", category="tea", discount_cents=100),
    line(datetime(2025, 5, 30, 10), "A", 10, channel="web", category="milk"),
    line(datetime(2025, 5, 20, 10), "B", 30, channel="store", category="tea"),
    line(datetime(2025, 5, 10, 10), "C", 12, channel="web", category="tea"),
    line(datetime(2025, 5, 12, 10), "D", -5),
    line(datetime(2025, 3, 1, 10), "E", 8, channel="store", category="o'clock"),
]


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    business = company()
    table = build_features(
        Memory(business, {"tills": SIX_ROWS}), business, business.churn[0], AS_OF, spine=spine_of(["ann", "nobody"])
    )
    assert table["customer_id"].to_pylist() == ["ann", "nobody"]
    return dict(table.to_pylist()[0])


HAND = {
    "days_since_last_order": 1,  # 30 May 10:00 to 31 May 22:00 is a day and a half: one full day
    "days_since_first_order": 91,  # 1 March 10:00 to 31 May 22:00: 91.5 days
    "order_count_7d": 1,  # A
    "order_count_30d": 3,  # A, B, C; D only gave money back
    "order_count_90d": 3,  # E is of 1 March; the window begins on 3 March
    "order_count_180d": 4,
    "order_count_all": 4,
    "spend_amount_7d": 30,
    "spend_amount_30d": 72,
    "spend_amount_365d": 80,
    "order_amount_mean_90d": 24,  # 72 / 3
    "order_amount_max_365d": 30,
    "order_amount_last": 30,
    "order_lines_mean_365d": 5 / 4,
    "refund_count_30d": 1,
    "refund_amount_30d": 5,
    "refund_share_365d": 5 / 80,
    "days_since_last_refund": 19,  # 12 May 10:00
    "discount_amount_30d": 1,
    "discount_share_90d": 1 / 73,  # of 72 paid and 1 given
    "gap_mean_days": 30,  # gaps of 70, 10 and 10 days
    "gap_sd_days": math.sqrt((40**2 + 20**2 + 20**2) / 2),
    "overdue_ratio": 1 / 30,
    "order_count_trend_30d": (3 / 30) / (1 / 90),
    "spend_amount_trend_30d": (72 / 30) / (8 / 90),
    "order_count_30d_year_ago": 0,
    "category_count_90d": 2,
    "category_count_365d": 3,
    "order_web_count_90d": 2,
    "last_order_channel": "web",
    "rfm_recency_score": 5,
    "rfm_frequency_score": 2,  # 4 orders in a year
    "rfm_monetary_score": 2,  # 80 in a year
    "lifecycle_stage": "regular",
}


@pytest.mark.parametrize("name", HAND)
def test_a_feature_of_the_six_rows_is_what_the_hand_finds(name: str, values: dict[str, Any]) -> None:
    expected = HAND[name]
    if isinstance(expected, str):
        assert values[name] == expected
    else:
        assert values[name] == pytest.approx(expected, rel=1e-12)


def test_a_customer_without_rows_gets_the_declared_values() -> None:
    business = company()
    table = build_features(
        Memory(business, {"tills": SIX_ROWS}), business, business.churn[0], AS_OF, spine=spine_of(["nobody"])
    )
    row = table.to_pylist()[0]
    assert (row["order_count_90d"], row["spend_amount_90d"], row["unresolved_count"]) == (0.0, 0.0, 0.0)
    assert (row["days_since_last_order"], row["gap_mean_days"], row["balance_amount"], row["segment"]) == (None,) * 4
    assert row["lifecycle_stage"] == "none"
