"""Recency, frequency and money: fifths with ties, and the grid of their names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from features.segments import RFM_GROUPS, build_segments, rfm_group
from features.segments.rfm import RFM_GRID
from tests.features.world import AS_OF, Memory, Row, company, instant, spine_of


def bought(customer: str, *days_ago: float, cents: int = 1000) -> list[Row]:
    return [
        {"customer_id": customer, "event_at": instant(days=-days - 0.1), "amount_cents": cents, "order_id": f"{days}"}
        for days in days_ago
    ]


def rfm(rows: list[Row]) -> dict[str, tuple[str | None, str | None]]:
    business = company()
    found = build_segments(Memory(business, {"tills": rows}), business, business.churn_named("lapse"), AS_OF)
    return {row["customer_id"]: (row["rfm"], row["rfm_group"]) for row in found.to_pylist()}


def test_five_customers_one_in_each_fifth() -> None:
    rows = [
        *bought("ann", 1, 11, 21, 31, 41, cents=5000),
        *bought("bob", 10, 20, 30, 40, cents=4000),
        *bought("cy", 20, 30, 40, cents=3000),
        *bought("dee", 30, 40, cents=2000),
        *bought("eve", 40, cents=1000),
    ]
    assert rfm(rows) == {
        "ann": ("555", "champions"),
        "bob": ("444", "loyal"),
        "cy": ("333", "needs_attention"),
        "dee": ("222", "hibernating"),
        "eve": ("111", "hibernating"),
    }


def test_equal_customers_are_in_the_same_fifth_whatever_their_key() -> None:
    rows = [row for number in range(20) for row in bought(f"c{number:02d}", 5)]
    assert set(rfm(rows).values()) == {("333", "needs_attention")}
    assert set(rfm(rows[::-1]).values()) == {("333", "needs_attention")}


def test_one_customer_is_the_middle_of_all() -> None:
    assert rfm(bought("ann", 3)) == {"ann": ("333", "needs_attention")}


def test_several_lines_of_one_day_are_one_purchase_and_money_that_went_back_counts() -> None:
    often = bought("often", 5, 6, cents=100)
    lines = bought("lines", *([5] * 9), cents=100)
    returned = [*bought("returned", 5, cents=5000), *bought("returned", 4, cents=-4950)]
    found = rfm([*often, *lines, *returned])
    assert {name: value[0][1] for name, value in found.items() if value[0]} == {
        "often": "5",
        "lines": "2",
        "returned": "2",
    }
    # 200, 900 and 50 cents: the places of three customers are in the fifths 1, 3 and 5.
    assert {name: value[0][2] for name, value in found.items() if value[0]} == {
        "often": "3",
        "lines": "5",
        "returned": "1",
    }


def test_places_are_those_of_pandas_with_average_ranks() -> None:
    rng = np.random.default_rng(5)
    rows: list[Row] = []
    for number in range(150):
        days = np.unique(np.append(rng.integers(0, 360, rng.integers(0, 9)), rng.integers(0, 89)))
        rows += [
            row for day in days for row in bought(f"c{number:03d}", int(day), cents=int(rng.integers(1, 20)) * 100)
        ]
    table = pd.DataFrame(rows)
    table["days"] = ((instant() - table["event_at"]).dt.total_seconds() // 86_400).astype(int)
    measured = table.groupby("customer_id").agg(r=("days", "min"), f=("days", "nunique"), m=("amount_cents", "sum"))
    measured["r"] = -measured["r"]
    fifths = (np.floor(5 * (measured.rank(method="average") - 0.5) / len(measured)) + 1).astype(int).astype(str)
    expected = (fifths["r"] + fifths["f"] + fifths["m"]).to_dict()
    assert {name: value[0] for name, value in rfm(rows).items()} == expected


def test_the_grid_has_every_combination_and_every_name_once_or_more() -> None:
    assert [len(row) for row in RFM_GRID] == [5] * 5
    assert {name for row in RFM_GRID for name in row} == set(RFM_GROUPS)
    assert rfm_group(4, 1, 1) == "promising"
    assert rfm_group(2, 5, 5) == "cannot_lose"
    # Halves go upwards: 4 and 5 are a 5.
    assert rfm_group(1, 4, 5) == "cannot_lose"


def test_the_statement_and_the_function_say_the_same() -> None:
    rng = np.random.default_rng(1)
    rows: list[Row] = []
    for number in range(200):
        days = rng.choice(80, rng.integers(1, 12), replace=False)
        rows += bought(f"c{number:03d}", *map(int, days), cents=int(rng.integers(1, 9_000)))
    found = rfm(rows)
    assert len(set(found.values())) > 30
    for fifths, group in found.values():
        assert fifths is not None
        assert group == rfm_group(*map(int, fifths))


@pytest.mark.parametrize("feeds", [{}, {"tills": bought("zoe", 3)}])
def test_who_bought_nothing_has_none(feeds: dict[str, list[Row]]) -> None:
    business = company()
    spine = spine_of(["ann"])
    [row] = build_segments(Memory(business, feeds), business, business.churn[0], AS_OF, spine=spine).to_pylist()
    assert (row["rfm"], row["rfm_group"], row["revenue_cents"]) == (None, None, 0)


def test_purchases_older_than_a_year_do_not_count() -> None:
    business = company()
    rows = bought("old", 400) + bought("ann", 364) + bought("ann", 366)
    found = build_segments(
        Memory(business, {"tills": rows}), business, business.churn[0], AS_OF, spine=spine_of(["ann", "old"])
    ).to_pylist()
    assert [row["rfm"] for row in found] == ["333", None]
