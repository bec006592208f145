"""Fit by what value and uplift models say: the arithmetic by hand, who is said to have said it, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from campaigns.fit import audit_fit, backtest, classify, explain_fit, finance_export, sensitivity, stored_fit, told
from campaigns.fit.bases import FROM_RECORDS, value_bases
from campaigns.margins import monthly_margins
from holdback.business import Business
from holdback.workspace import Workspace
from tests.campaigns.fit.company import (
    AS_OF,
    CALLS,
    TILLS,
    Row,
    calls,
    company,
    contract,
    days_ago,
    lift,
    opened,
    score,
)

NAMES = [f"c{i:02d}" for i in range(40)]
SHOP: dict[str, Any] = {
    "feeds": {"tills": TILLS, "calls": CALLS},
    "churn": [{"name": "left", "kind": "inactivity", "feed": "tills", "outcome_days": 60}],
}
HAZARD = "value model version 2 (hazard), of 2026-05-30"
BTYD = "value model version 3 (btyd+hurdle), of 2026-05-30"


def valued(name: str, margin_cents: int, months: float | None = None, *, decile: int = 5, **changes: Any) -> Row:
    by_months = months is not None
    return {
        "as_of": AS_OF - timedelta(days=2), "customer_id": name, "model_version": "2" if by_months else "3",
        "method": "hazard" if by_months else "btyd+hurdle", "margin_cents": margin_cents, "months": months,
        "value_decile": decile, **changes,
    }  # fmt: skip


def phones(root: Path, values: Sequence[Row], **more: Sequence[Row]) -> Workspace:
    some: dict[str, Sequence[Row]] = {
        "contracts": [contract(name) for name in NAMES],
        "customers": [{"customer_id": name, "signed_up_at": days_ago(700), "vulnerable": False} for name in NAMES],
        "scores": [score(name, 0.3) for name in NAMES],
        "calls": [row for i, name in enumerate(NAMES) for row in calls(name, 2 + i % 5)],
        "customer_values": values,
    }
    return opened(root, company(), {**some, **more})


def shop(root: Path, values: Sequence[Row], probability: float = 0.3) -> Workspace:
    tills = [
        {"customer_id": name, "event_at": days_ago(d), "amount_cents": 1999 + 7 * i, "discount_cents": 101 + i}
        for i, name in enumerate(NAMES)
        for d in (3, 99, 200, 364, 400)
    ]
    some: dict[str, Sequence[Row]] = {
        "tills": tills, "calls": [row for i, name in enumerate(NAMES) for row in calls(name, 3 + i)],
        "scores": [score(name, probability) for name in NAMES], "customer_values": values,
    }  # fmt: skip
    return opened(root, company(**SHOP), some)


def classed(workspace: Workspace, business: Business, **more: Any) -> dict[str, Row]:
    classify(workspace.warehouse, business, AS_OF, lifts=lift(), **more)
    return {row["customer_id"]: row for row in stored_fit(workspace.warehouse, AS_OF).to_pylist()}


def months(p: float) -> float:
    return float(sum((1 - p) ** (k * 30.4375 / 60) / 1.08 ** (k / 12) for k in range(1, 13)))


def test_a_contract_brings_its_booked_margin_for_the_months_that_the_model_expects(tmp_path: Path) -> None:
    workspace = phones(tmp_path, [valued("c00", 999_999, 9.5)])
    rows = classed(workspace, company())
    assert rows["c00"]["margin_cents"] == 9_500  # 10.00 a month, whatever the model multiplied with
    assert rows["c01"]["margin_cents"] == round(1000 * months(0.3))
    # c05 calls as often as c00: the cost of a month, for as many months.
    assert rows["c00"]["cost_to_serve_cents"] / 9.5 == pytest.approx(
        rows["c05"]["cost_to_serve_cents"] / months(0.3), abs=0.2
    )
    assert [(rows[name]["value_model"], rows[name]["value_decile"]) for name in ("c00", "c01")] == [
        (HAZARD, 5), (None, None),
    ]  # fmt: skip


def test_purchases_are_worth_what_the_model_says_and_last_as_the_score_lets_expect(tmp_path: Path) -> None:
    rows = classed(shop(tmp_path, [valued("c00", 12_345, decile=10)]), company(**SHOP))
    before = classed(shop(tmp_path / "before", []), company(**SHOP))
    assert rows["c00"]["margin_cents"] == 12_345
    assert rows["c00"]["cost_to_serve_cents"] == before["c00"]["cost_to_serve_cents"]
    assert {name: row for name, row in rows.items() if name != "c00"} == {
        name: row for name, row in before.items() if name != "c00"
    }
    # The interval of the margin grows with it, that of the cost stays.
    width, was = ((r["net_high_cents"] - r["net_low_cents"]) for r in (rows["c00"], before["c00"]))
    ratio = 12_345 / before["c00"]["margin_cents"]
    assert 0.5 * ratio < width / was < 1.05 * ratio


def test_a_value_of_zero_counts_and_does_not_divide(tmp_path: Path) -> None:
    told_of = [valued("c00", 0), valued("c01", 0, 0.0), valued("c02", -500)]
    shops = classed(shop(tmp_path, told_of), company(**SHOP))
    assert [shops[name]["margin_cents"] for name in ("c00", "c01", "c02")] == [0, 0, -500]
    assert shops["c01"]["cost_to_serve_cents"] == 0  # who stays no month costs nothing
    assert all(row["net_low_cents"] <= row["net_cents"] <= row["net_high_cents"] for row in shops.values())


def test_who_leaves_for_certain_has_no_months_over_which_to_spread_a_value(tmp_path: Path) -> None:
    rows = classed(shop(tmp_path, [valued("c00", 5_000), valued("c01", 5_000, 3.0)], 1.0), company(**SHOP))
    assert (rows["c00"]["margin_cents"], rows["c00"]["value_model"]) == (0, None)
    assert rows["c01"]["value_model"] == HAZARD
    assert rows["c01"]["margin_cents"] > 0


def test_who_never_leaves_is_worth_what_the_model_says(tmp_path: Path) -> None:
    rows = classed(shop(tmp_path, [valued("c00", 5_000), valued("c01", 5_000, 3.0)], 0.0), company(**SHOP))
    assert rows["c00"]["margin_cents"] == 5_000
    assert rows["c01"]["net_low_cents"] <= rows["c01"]["net_cents"] <= rows["c01"]["net_high_cents"]


@pytest.mark.parametrize(
    "changes",
    [{"as_of": AS_OF - timedelta(days=32)}, {"as_of": AS_OF + timedelta(days=1)}, {"months": float("nan")}],
    ids=["too old", "of tomorrow", "nan"],
)
def test_a_value_that_does_not_count_leaves_the_records(tmp_path: Path, changes: Row) -> None:
    rows = classed(phones(tmp_path, [valued("c00", 1, 9.5) | changes]), company())
    assert (rows["c00"]["margin_cents"], rows["c00"]["value_model"]) == (round(1000 * months(0.3)), None)


def test_other_margins_are_not_asked_of_a_model(tmp_path: Path) -> None:
    workspace = phones(tmp_path, [valued("c00", 1, 9.5)])
    own = monthly_margins(workspace.warehouse, company(), AS_OF)
    rows = classed(workspace, company(), margins=own)
    assert (rows["c00"]["value_model"], rows["c00"]["value_decile"]) == (None, 5)


def test_a_contract_whose_price_is_not_known_stays_unknown(tmp_path: Path) -> None:
    prices = [contract(name, None if name == "c00" else 2000) for name in NAMES]
    some = [row for name in NAMES for row in calls(name, 150 if name == "c00" else 2)]
    rows = classed(phones(tmp_path, [valued("c00", 9_000, 9.5)], contracts=prices, calls=some), company())
    assert rows["c00"]["guardrail"] == "unknown_margin"


def test_the_explanation_adds_up_and_says_whose_word_it_is(tmp_path: Path) -> None:
    workspace = shop(tmp_path, [valued("c00", 12_345), valued("c01", 1, 8.0)])
    rows = classed(workspace, company(**SHOP))
    hows = {}
    for name in ("c00", "c01", "c02"):
        found = explain_fit(workspace.warehouse, company(**SHOP), AS_OF, name)
        assert sum(line.amount_cents for line in found.lines) == rows[name]["net_cents"]
        hows[name] = found.lines[0].how
    a = months(0.3)
    assert hows["c00"] == (
        f"{123.45 / a:,.2f} a month x {a:.2f} months; 30.0% leave in 60 days; the margin of the horizon is by {BTYD}"
    )
    assert hows["c01"].endswith(f"x 8.00 months; the months are by {HAZARD}")
    assert hows["c02"].endswith("30.0% leave in 60 days; from the records")


def test_finance_still_reconciles_to_the_cent_and_reads_the_source(tmp_path: Path) -> None:
    business = company(**SHOP)
    workspace = shop(tmp_path, [valued(name, 4_321 + i, None if i % 2 else 7.25) for i, name in enumerate(NAMES[:30])])
    rows = classed(workspace, business)
    export = finance_export(workspace.warehouse, business, AS_OF, starts_on=AS_OF - timedelta(days=365))
    lines = export.table.filter(pc.equal(export.table["basis"], "expected")).to_pylist()
    net: dict[str, int] = dict.fromkeys(NAMES, 0)
    for line in lines:
        net[line["customer_id"]] += line["amount_cents"]
    assert net == {name: row["net_cents"] for name, row in rows.items()}
    sources = {(line["customer_id"], line["line"]): line["source"] for line in lines}
    assert sources["c00", "revenue"] == f"fit of {AS_OF}, {HAZARD}"
    assert sources["c01", "cost_of_sales"] == f"fit of {AS_OF}, {BTYD}"
    assert sources["c39", "discounts"] == f"fit of {AS_OF}, {FROM_RECORDS}"
    assert sources["c00", "contacts by phone"] == f"fit of {AS_OF}"
    # What is paid is the margin's part of it: half here, after discounts.
    paid = sum(line["amount_cents"] for line in lines if line["customer_id"] == "c01"
               and line["line"] in ("revenue", "discounts"))  # fmt: skip
    assert paid == pytest.approx(2 * rows["c01"]["margin_cents"], abs=2)


def test_every_reading_of_a_day_says_what_it_rests_on(tmp_path: Path) -> None:
    workspace = phones(tmp_path, [valued(name, 1, 9.0) for name in NAMES[:30]])
    result = classify(workspace.warehouse, company(), AS_OF, lifts=lift())
    expected = {HAZARD: 30, FROM_RECORDS: 10}
    assert result.value_bases == result.audit.value_bases == expected
    assert list(result.value_bases) == [HAZARD, FROM_RECORDS]
    again = classify(workspace.warehouse, company(), AS_OF, lifts=lift())
    assert again.value_bases == expected
    stored = stored_fit(workspace.warehouse, AS_OF)
    assert audit_fit(workspace.warehouse, company(), AS_OF, stored).value_bases == expected
    assert {tuple(w.value_bases.items()) for w in sensitivity(workspace.warehouse, company(), AS_OF, lifts=lift())} == {
        tuple(expected.items())
    }
    assert told(expected) == f"value: 30 customers by {HAZARD}; 10 from the records"
    assert value_bases(stored.select(["customer_id"])) == {}
    later = AS_OF + timedelta(days=10)
    reaching = [{**contract("c00"), "event_at": company().instant(later - timedelta(days=1)), "kind": "renew"}]
    opened(tmp_path, company(), {"contracts": reaching}, batch="later")
    assert backtest(workspace.warehouse, company(), AS_OF, known_on=later, days=10).value_bases == expected


def test_other_margins_and_discounts_move_a_modelled_value_as_a_booked_one(tmp_path: Path) -> None:
    workspace = shop(tmp_path, [valued(name, 10_000) for name in NAMES])
    cases = {(w.price, w.factor): w for w in sensitivity(workspace.warehouse, company(**SHOP), AS_OF, lifts=lift())}
    now, more = cases["as it is", 1.0], cases["margin", 1.2]
    assert more.net_cents - now.net_cents == pytest.approx(0.2 * 40 * 10_000, abs=40)
    assert cases["discount", 1.2].net_cents < now.net_cents


def expecting(name: str, uplift: float) -> Row:
    return {"as_of": AS_OF, "customer_id": name, "action": "call", "model_version": "4", "uplift": uplift}


def test_who_is_invested_in_follows_the_uplift(tmp_path: Path) -> None:
    """10.00 a month, 60.00 to lose: a call of 5.00 pays if it keeps nearly all who leave, not one in fifty."""
    told_of = [expecting("c00", 0.29), expecting("c01", 0.02), expecting("c02", -0.1)]
    workspace = phones(tmp_path, [], uplifts=told_of)
    rows = classed(workspace, company())
    assert [rows[name]["fit_class"] for name in ("c00", "c01", "c02", "c03")] == ["invest"] + ["maintain"] * 3
    assert [rows[name]["retention_cents"] for name in ("c00", "c01", "c02", "c03")] == [500, 500, 0, 500]
    hows = [explain_fit(workspace.warehouse, company(), AS_OF, name).lines[-1].how for name in ("c00", "c02", "c03")]
    assert hows == [
        "one call; +29.00 points of staying by uplift model version 4", "nothing is planned",
        "one call; its lift is assumed",
    ]  # fmt: skip


def test_an_action_for_the_best_tenths_is_planned_for_them_alone(tmp_path: Path) -> None:
    call = {**company().model_dump(mode="json")["actions"][0], "eligible": {"value_deciles": [10]}}
    workspace = phones(tmp_path, [valued("c00", 1, 9.5, decile=10), valued("c01", 1, 9.5, decile=9)])
    rows = classed(workspace, company(actions=[call]))
    assert [name for name, row in rows.items() if row["retention_cents"]] == ["c00"]


def test_a_contract_that_was_valued_without_months_is_worth_that_and_paid_accordingly(tmp_path: Path) -> None:
    workspace = phones(tmp_path, [valued("c00", 4_000)])
    rows = classed(workspace, company())
    assert (rows["c00"]["margin_cents"], rows["c00"]["value_model"]) == (4_000, BTYD)
    export = finance_export(workspace.warehouse, company(), AS_OF, starts_on=AS_OF - timedelta(days=30))
    own = [row for row in export.table.to_pylist() if row["customer_id"] == "c00" and row["basis"] == "expected"]
    assert sum(row["amount_cents"] for row in own) == rows["c00"]["net_cents"]
    assert {row["line"]: row["amount_cents"] for row in own}["revenue"] == pytest.approx(8_000, abs=1)
