"""The stage of the relationship, the cohort, value and revenue: known answers of tiny companies."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from features.segments import build_segments
from tests.features.world import AS_OF, Memory, Row, company, instant, spine_of

FOUNDED = {"customer_id": "founder", "event_at": instant(days=-900), "amount_cents": 100}


def purchases(customer: str, *days_ago: float) -> list[Row]:
    return [{"customer_id": customer, "event_at": instant(days=-days), "amount_cents": 1000} for days in days_ago]


def signed(customer: str, days_ago: float, **attributes: object) -> Row:
    return {"customer_id": customer, "signed_up_at": instant(days=-days_ago), **attributes}


def described(churn: str, who: str = "ann", *, without: tuple[str, ...] = (), **rows: list[Row]) -> dict[str, Any]:
    business = company(without=without)
    world = Memory(business, rows)
    definition = business.churn_named(churn)
    found = build_segments(world, business, definition, AS_OF, spine=spine_of([who, "zoe"]))
    return {row["customer_id"]: row for row in found.to_pylist()}[who]


def stage_of(*days_ago: float, churn: str = "lapse", **more: list[Row]) -> str:
    tills = [FOUNDED, *purchases("ann", *days_ago)]
    return str(described(churn, tills=tills, **more)["stage"])


@pytest.mark.parametrize(
    ("days_ago", "stage"),
    [
        # Windows of 56 days, as long as the outcome window of the definition.
        ((400, 100, 60, 50, 45, 40, 35, 30, 20, 10), "growing"),  # 8 after 2: |6| > sqrt(10)
        ((400, 100, 60, 50, 40), "steady"),  # 2 after 2
        ((400, 100, 60, 50, 40, 30), "steady"),  # 3 after 2: chance, |1| < sqrt(5)
        ((400, 110, 105, 100, 95, 90, 80, 70, 60, 10), "cooling"),  # 1 after 8: |7| > sqrt(9)
        ((400, 100, 3), "returned"),  # silent for 97 days
        ((400, 58.5, 3), "steady"),  # silent for 55 days only
        ((500, 200, 100), "steady"),  # silent, and not back
        ((400, 150, 57, 50), "steady"),  # came back before the last 56 days: no longer back
    ],
)
def test_the_trend_and_the_return_of_a_buyer(days_ago: tuple[float, ...], stage: str) -> None:
    assert stage_of(*days_ago, customers=[signed("ann", 800)]) == stage


@pytest.mark.parametrize(("days", "stage"), [(89.9, "new"), (90.1, "steady")])
def test_new_is_who_signed_up_less_than_ninety_days_ago(days: float, stage: str) -> None:
    assert stage_of(20, 10, customers=[signed("ann", days)]) == stage


def test_without_a_sign_up_the_first_purchase_counts_if_records_were_kept_before_it() -> None:
    assert stage_of(20, 10) == "new"
    tills = purchases("ann", 20, 10) + purchases("bob", 60)
    assert described("lapse", tills=tills)["stage"] == "steady"  # may have been here for years


def test_nobody_grows_on_the_first_days_of_the_records() -> None:
    tills = purchases("ann", 50, 45, 40, 35, 30, 25, 20, 10)
    assert described("lapse", tills=tills, customers=[signed("ann", 700)])["stage"] == "steady"


def test_what_the_newest_scores_call_high_is_at_risk_for_a_week() -> None:
    def score(days_ago: int, tier: str, churn: str = "lapse") -> Row:
        day = AS_OF - timedelta(days=days_ago)
        return {"as_of": day, "customer_id": "ann", "churn": churn, "model_version": "1", "probability": 0.9,
                "risk_tier": tier, "is_above_capacity_line": True}  # fmt: skip

    assert stage_of(20, scores=[score(6, "high")]) == "at_risk"
    assert stage_of(20, scores=[score(0, "high")]) == "at_risk"
    assert stage_of(20, scores=[score(7, "high")]) == "new"
    assert stage_of(20, scores=[score(6, "high"), score(2, "low")]) == "new"
    assert stage_of(20, scores=[score(2, "high", "leave")]) == "new"
    # The newest scores count, also when they leave the customer out: who is not described is not at risk.
    assert stage_of(20, scores=[score(6, "high"), {**score(2, "high"), "customer_id": "zoe"}]) == "new"


def deals(*events: tuple[float, str, str]) -> list[Row]:
    return [
        {"customer_id": "ann", "event_at": instant(days=-days), "kind": kind, "subscription_id": contract,
         "price_cents": 2500, "plan": "basic"}
        for days, kind, contract in events
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "stage"),
    [
        (((700, "start", "a"), (200, "cancel", "a"), (20, "start", "b")), "returned"),
        (((700, "start", "a"), (200, "cancel", "a"), (20, "start", "a")), "returned"),  # the same contract again
        (((700, "start", "a"), (200, "cancel", "a"), (40, "start", "b")), "steady"),  # back for longer than a window
        (((700, "start", "a"), (30, "cancel", "a"), (20, "start", "b")), "steady"),  # a change of contract
        (((700, "start", "a"), (20, "start", "b"), (10, "cancel", "a")), "steady"),
        (((700, "start", "a"),), "steady"),
    ],
)
def test_who_has_a_contract_again_has_returned(events: tuple[tuple[float, str, str], ...], stage: str) -> None:
    rows = deals(*events)
    assert described("leave", deals=rows, without=("tills", "levels", "meters"))["stage"] == stage


def meters(customer: str, metric: str, recent: float, before: float) -> list[Row]:
    days = [(day, recent if day <= 28 else before) for day in range(1, 140, 7)]
    return [
        {"customer_id": customer, "event_at": instant(days=-day), "metric": metric, "quantity": quantity}
        for day, quantity in days
    ]


@pytest.mark.parametrize(
    ("minutes", "megabytes", "stage"),
    [
        ((10, 10), (5, 5), "steady"),
        ((14, 10), (6, 5), "growing"),  # 1.4 and 1.2: 1.3 on average
        ((10, 10), (2, 5), "cooling"),  # 1 and 0.4
        ((0, 10), (5, 5), "cooling"),
        ((20, 10), (0, 5), "steady"),  # one up, one down
    ],
)
def test_use_is_compared_metric_by_metric(
    minutes: tuple[float, float], megabytes: tuple[float, float], stage: str
) -> None:
    use = [*meters("ann", "minutes", *minutes), *meters("ann", "megabytes", *megabytes)]
    rows = {"deals": deals((700, "start", "a")), "meters": use, "customers": [signed("ann", 700)]}
    assert described("leave", without=("tills", "levels"), **rows)["stage"] == stage


def levels(*balances: tuple[float, int], kind: str = "savings") -> list[Row]:
    return [
        {"customer_id": "ann", "event_at": instant(days=-days), "account_kind": kind, "balance_cents": cents}
        for days, cents in balances
    ]


@pytest.mark.parametrize(
    ("rows", "stage"),
    [
        (levels((400, 1000), (150, 1000), (5, 1300)), "growing"),
        (levels((400, 1000), (150, 1000), (5, 790)), "cooling"),
        (levels((400, 1000), (150, 1000), (5, 1100)), "steady"),
        (levels((400, 1000)), "steady"),  # an account that stands still
        (levels((400, 900), (250, 0), (5, 1100)), "returned"),
        (levels((400, 1000), (5, 0)) + levels((400, 0), (5, 1000), kind="checking"), "steady"),  # from one to the other
    ],
)
def test_balances_are_compared_with_those_of_a_window_ago(rows: list[Row], stage: str) -> None:
    found = described("said", levels=rows, customers=[signed("ann", 900)], without=("tills", "meters"))
    assert found["stage"] == stage


def test_the_cohort_is_the_local_month_of_the_sign_up_else_of_the_first_purchase() -> None:
    tills = [FOUNDED, {"customer_id": "ann", "event_at": company().instant(date(2025, 3, 1)), "amount_cents": 5}]
    assert described("lapse", tills=tills)["cohort"] == "2025-03"  # 23:00 UTC on the last day of February
    first = [{"customer_id": "ann", "signed_up_at": company().instant(date(2024, 1, 1)) - timedelta(seconds=1)}]
    assert described("lapse", tills=tills, customers=first)["cohort"] == "2023-12"


def test_the_newest_fresh_value_counts() -> None:
    def value(days_ago: int, decile: int, version: str = "1") -> Row:
        return {"as_of": AS_OF - timedelta(days=days_ago), "customer_id": "ann", "model_version": version,
                "method": "btyd", "margin_cents": 5, "value_decile": decile}  # fmt: skip

    def decile(*values: Row) -> object:
        return described("lapse", tills=purchases("ann", 5), customer_values=list(values))["value_decile"]

    assert decile(value(40, 9)) is None
    assert decile(value(31, 9)) == 9
    assert decile(value(20, 9), value(3, 7)) == 7
    assert decile(value(3, 7, "9"), value(3, 8, "10")) == 8


def test_revenue_is_what_a_customer_brings_a_month() -> None:
    paid = [{"customer_id": "ann", "event_at": instant(days=-days), "amount_cents": cents}
            for days, cents in ((31, 900), (29, 500), (2, -100), (1, 250))]  # fmt: skip
    assert described("lapse", tills=paid, without=("deals",))["revenue_cents"] == 650
    contracts = [
        *deals((700, "start", "a"), (300, "start", "b"), (200, "cancel", "b"), (90, "start", "c"), (50, "pause", "c")),
        {"customer_id": "ann", "event_at": instant(days=-10), "kind": "renew", "subscription_id": "a"},
    ]
    assert described("lapse", tills=paid, deals=contracts)["revenue_cents"] == 2500
    kept = levels((80, 120_000), (20, 240_000)) + levels((400, 600_000), kind="checking")
    # A month's margin of 1,800 + 6,000: the margin rate is 1.
    assert described("said", levels=kept, without=("deals", "tills"))["revenue_cents"] == round(780_000 / 12)


def test_of_a_company_with_nothing_but_customers_no_stage_is_said() -> None:
    everything = ("tills", "calls", "surveys", "levels", "deals", "meters", "mails")
    found = described("said", customers=[{"customer_id": "ann", "left": False}], without=everything)
    assert found["stage"] is None
    assert [found[name] for name in ("rfm", "rfm_group", "cohort", "value_decile", "revenue_cents")] == [None] * 5


@pytest.mark.parametrize(("days", "stage"), [(30, "new"), (800, "steady")])
def test_a_sign_up_alone_says_a_stage(days: float, stage: str) -> None:
    everything = ("tills", "calls", "surveys", "levels", "deals", "meters", "mails")
    assert described("said", customers=[signed("ann", days)], without=everything)["stage"] == stage


def test_a_score_says_a_stage_of_whom_nothing_else_is_known() -> None:
    everything = ("tills", "calls", "surveys", "levels", "deals", "meters", "mails")
    score = {"as_of": AS_OF, "customer_id": "ann", "churn": "said", "model_version": "1", "probability": 0.9,
             "risk_tier": "high", "is_above_capacity_line": True}  # fmt: skip
    found = described("said", customers=[{"customer_id": "ann"}], scores=[score], without=everything)
    assert found["stage"] == "at_risk"


def test_every_churn_definition_of_every_kind_is_described() -> None:
    business = company()
    for churn in business.churn:
        found = build_segments(Memory(business, {}), business, churn, AS_OF, spine=spine_of(["ann"]))
        assert found["churn"].to_pylist() == [churn.name]
