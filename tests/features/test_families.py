"""Every family against a second, slow computation, over random histories (hypothesis)."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.build import build_features
from features.compiler import only
from features.declarations import FeatureSet
from features.families import feature_set
from tests.features import naive
from tests.features.world import AS_OF, Memory, company, instant, spine_of

CUSTOMERS = ("ann", "bob", "cy", "dee", "eve")

#: Seconds from as_of: mostly the past 14 months, the edges of windows, and some future.
WHEN = st.one_of(
    st.integers(-430 * 86_400, 20 * 86_400),
    st.sampled_from([0, -1, 1, *(-days * 86_400 for days in (7, 30, 90, 120, 180, 365)), -365 * 86_400 - 1]),
)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


def one_of(*values: str) -> st.SearchStrategy[str | None]:
    return st.sampled_from([None, *values])


CENTS = st.integers(-3_000, 20_000)
REMARKS = one_of(
    "", " \t ", "Muy  CARO", "<p>Gracias</p>", "call 600 123", "mail\nme@x.es now", "<10 euros 😡", "x" * 900
)
COLUMNS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "tills": {
        "amount_cents": CENTS,
        "order_id": one_of("o1", "o2", "o3", "o4"),
        "discount_cents": maybe(st.integers(0, 900)),
        "quantity": maybe(st.floats(-5, 20, allow_nan=False)),
        "category": one_of("tea", "milk", "o'clock"),
        "channel": one_of("web", "store"),
        "direction": one_of("in", "out"),
        "destination": one_of("own", "wire"),
    },
    "calls": {
        "channel": one_of("phone", "email"),
        "topic": one_of("bill"),
        "outcome": one_of("solved", "refused"),
        "resolved_after_seconds": maybe(st.integers(0, 60 * 86_400)),
        "duration_seconds": maybe(st.integers(0, 5_000)),
        "is_caused_by_us": maybe(st.booleans()),
        "remark": REMARKS,
    },
    "surveys": {
        "kind": one_of("nps", "rating", "review", "remark"),
        "score": maybe(st.floats(0, 10, allow_nan=False)),
        "remark": REMARKS,
    },
    "levels": {"account_kind": one_of("savings", "checking"), "balance_cents": st.integers(-5_000, 100_000)},
    "deals": {
        "kind": st.sampled_from(["start", "renew", "change", "pause", "cancel"]),
        "subscription_id": one_of("s1", "s2"),
        "plan": one_of("basic", "plus"),
        "price_cents": maybe(st.integers(0, 9_000)),
        "ends_on": maybe(st.dates(AS_OF - timedelta(days=100), AS_OF + timedelta(days=400))),
    },
    "meters": {"metric": one_of("minutes", "megabytes"), "quantity": st.floats(-1, 500, allow_nan=False)},
    "mails": {
        "campaign": st.just("spring"),
        "channel": one_of("email", "phone"),
        "outcome": one_of("sent", "answered", "redeemed"),
    },
}
NAIVE: dict[str, Callable[..., naive.Values]] = {
    "tills": naive.transactions,
    "calls": naive.interactions,
    "surveys": naive.feedback,
    "levels": naive.balances,
    "deals": naive.subscriptions,
    "meters": naive.usage,
    "mails": naive.campaign_contacts,
}


@st.composite
def histories(draw: st.DrawFn, feed: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of one feed for a few customers, some loaded late, and corrections of some of them."""
    rows = []
    for number in range(1, draw(st.integers(0, 40)) + 1):
        at = instant() + timedelta(seconds=draw(WHEN))
        row = {
            "customer_id": draw(st.sampled_from(CUSTOMERS)),
            "event_at": at,
            "loaded_at": at + timedelta(days=draw(st.sampled_from([0, 0, 1, 40]))),
            "batch_id": draw(st.sampled_from(["b1", "b2"])),
            "row_number": number,
            **{name: draw(values) for name, values in COLUMNS[feed].items()},
        }
        if feed == "calls":
            after = row.pop("resolved_after_seconds")
            row["resolved_at"] = None if after is None else at + timedelta(seconds=after)
        rows.append(row)
    replaced = [
        {
            "feed": feed,
            "batch_id": row["batch_id"],
            "row_number": row["row_number"],
            "replaced_at": row["loaded_at"] + timedelta(days=draw(st.sampled_from([1, 100]))),
            "replaced_by": "b3",
        }
        for row in rows
        if draw(st.integers(0, 5)) == 0
    ]
    return rows, replaced


def features_of(feed: str, *, without: tuple[str, ...] = ()) -> FeatureSet:
    declared = feature_set(company(without=without))
    return only(declared, [f.name for f in declared if f.feed == feed])


def assert_same(got: dict[str, Any], expected: naive.Values) -> None:
    assert set(got) - {"customer_id", "as_of"} == set(expected)
    for name, value in expected.items():
        if isinstance(value, float | int) and got[name] is not None:
            assert math.isclose(got[name], value, rel_tol=1e-9, abs_tol=1e-7), (name, got[name], value)
        else:
            assert got[name] == value, (name, got[name], value)


def check(feed: str, history: Any, *, without: tuple[str, ...] = (), **options: Any) -> None:
    rows, replaced = history
    business = company(without=without)
    warehouse = Memory(business, {feed: rows, "superseded": replaced})
    table = build_features(
        warehouse, business, business.churn[-1], AS_OF,
        spine=spine_of([*CUSTOMERS, "nobody"]), features=features_of(feed, without=without),
    )  # fmt: skip
    day = naive.Day(business, AS_OF)
    known = naive.visible(rows, day, replaced, feed)
    for got in table.to_pylist():
        own = [row for row in known if row["customer_id"] == got["customer_id"]]
        assert_same(got, NAIVE[feed](own, day, **options))


few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@few
@given(histories("tills"))
def test_orders_rolled_up_from_lines_are_what_a_plain_loop_finds(history: Any) -> None:
    check("tills", history)


@few
@given(histories("tills"))
def test_without_an_order_column_each_line_is_an_order(history: Any) -> None:
    rows, replaced = history
    without = ("tills.order_id", "tills.direction")
    business = company(without=without)
    warehouse = Memory(business, {"tills": rows, "superseded": replaced})
    features = features_of("tills", without=without)
    table = build_features(warehouse, business, business.churn[0], AS_OF, spine=spine_of(CUSTOMERS), features=features)
    day = naive.Day(business, AS_OF)
    known = naive.visible(rows, day, replaced, "tills")
    for got in table.to_pylist():
        own = [{**row, "direction": "out"} for row in known if row["customer_id"] == got["customer_id"]]
        expected = naive.transactions(own, day, has_orders=False)
        del expected["order_lines_mean_365d"]
        assert_same(got, {name: value for name, value in expected.items() if "flow_amount" not in name})


@pytest.mark.parametrize("feed", [feed for feed in COLUMNS if feed != "tills"])
def test_a_family_is_what_a_plain_loop_finds(feed: str) -> None:
    @few
    @given(histories(feed))
    def holds(history: Any) -> None:
        check(feed, history)

    holds()


@st.composite
def versions(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    for number in range(1, draw(st.integers(0, 8)) + 1):
        rows.append(
            {
                "customer_id": draw(st.sampled_from(CUSTOMERS)),
                "signed_up_at": draw(maybe(st.just(instant() - timedelta(seconds=draw(st.integers(1, 10**8)))))),
                "segment": draw(one_of("gold", "silver")),
                "age": draw(maybe(st.floats(18, 99, allow_nan=False))),
                "vip": draw(maybe(st.booleans())),
                "left": draw(maybe(st.booleans())),
                "batch_id": draw(st.sampled_from(["b1", "b2"])),
                "row_number": number,
                "loaded_at": instant() + timedelta(days=draw(st.sampled_from([-300, -1, 0, 1, 5]))),
            }
        )
    return rows


@few
@given(versions())
def test_a_customer_is_described_by_the_newest_version_that_was_known(rows: list[dict[str, Any]]) -> None:
    business = company()
    table = build_features(
        Memory(business, {"customers": rows}), business, business.churn[0], AS_OF,
        spine=spine_of(CUSTOMERS), features=features_of("customers"),
    )  # fmt: skip
    for got in table.to_pylist():
        own = [row for row in rows if row["customer_id"] == got["customer_id"]]
        assert_same(got, naive.customers(own, naive.Day(business, AS_OF)))
