"""A day's classes: computed once from what was known, never rewritten."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.fit import FitResult, classify, explain_fit, fit_in_force, stored_fit
from campaigns.margins import MonthlyMargins, monthly_margins
from holdback.business import Business
from holdback.errors import BusinessFileError, DataError
from holdback.workspace import Workspace
from tests.campaigns.fit.company import (
    AS_OF,
    CALLS,
    CONTRACTS,
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
from tests.features.world import arrow

USUAL = [f"c{i:03d}" for i in range(60)]
DEAR = ["dear", "dear_complains", "dear_new", "dear_paused", "dear_vulnerable"]


def rows() -> dict[str, list[Row]]:
    """Sixty customers who call now and then, and five who call all the time, four of them protected."""
    some: dict[str, list[Row]] = {
        "contracts": [contract(c) for c in (*USUAL, *DEAR)],
        "customers": [{"customer_id": c, "signed_up_at": days_ago(700), "vulnerable": False} for c in (*USUAL, *DEAR)],
        "scores": [score(c, 0.1) for c in (*USUAL, *DEAR)],
        "calls": [row for i, c in enumerate(USUAL) for row in calls(c, 2 + i % 5)],
    }
    for customer in DEAR:
        some["calls"] += calls(customer, 40, first=100) if customer == "dear_new" else calls(customer, 150)
    some["customers"] += [
        {"customer_id": "dear_vulnerable", "signed_up_at": days_ago(700), "vulnerable": True, "row_number": 900},
        {"customer_id": "dear_new", "signed_up_at": days_ago(120), "vulnerable": False, "row_number": 901},
    ]
    some["contracts"].append({"customer_id": "dear_paused", "event_at": days_ago(9), "kind": "pause"})
    some["calls"] += calls("dear_complains", 2, first=20, topic="complaint")
    return some


def classified(root: Path, business: Business, some: dict[str, list[Row]], **more: Any) -> tuple[Workspace, FitResult]:
    workspace = opened(root, business, some)
    return workspace, classify(workspace.warehouse, business, AS_OF, lifts=lift(), **more)


def column(workspace: Workspace, name: str) -> dict[str, Any]:
    found = stored_fit(workspace.warehouse, AS_OF)
    return dict(zip(found["customer_id"].to_pylist(), found[name].to_pylist(), strict=True))


def test_customers_some_at_a_time_are_classed_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, _ = classified(tmp_path / "at_once", company(), rows())
    monkeypatch.setattr("campaigns.fit.facts.CUSTOMERS_AT_ONCE", 7)
    in_parts, _ = classified(tmp_path / "in_parts", company(), rows())
    assert stored_fit(in_parts.warehouse, AS_OF).equals(stored_fit(at_once.warehouse, AS_OF))


def test_who_surely_costs_more_than_he_brings_is_classed_out_unless_protected(tmp_path: Path) -> None:
    workspace, result = classified(tmp_path, company(), rows())
    classes, guardrails = column(workspace, "fit_class"), column(workspace, "guardrail")
    assert [c for c, name in classes.items() if name == "do_not_spend"] == ["dear"]
    assert {c: guardrails[c] for c in DEAR} == {
        "dear": None,
        "dear_complains": "open_complaint",
        "dear_new": "young_relation",
        "dear_paused": "unknown_margin",
        "dear_vulnerable": "vulnerable",
    }
    assert (result.customer_count, result.do_not_spend_count, result.unscored_count) == (65, 1, 0)
    assert result.guarded_counts == dict.fromkeys(
        ("open_complaint", "unknown_margin", "vulnerable", "young_relation"), 1
    )
    assert result.assumed_actions == ("call",)


def test_no_more_than_the_largest_share_is_classed_out(tmp_path: Path) -> None:
    some = rows()
    some["contracts"] = some["contracts"][:-1]
    some["customers"] = some["customers"][:-2]
    some["calls"] = some["calls"][:-2]
    workspace, result = classified(tmp_path, company(fit={"largest_share": 0.04}), some)
    assert result.do_not_spend_count == 2  # of 65
    assert result.guarded_counts["largest_share"] >= 2
    assert column(workspace, "guardrail")["dear"] in (None, "largest_share")


def test_a_sub_total_is_what_its_parts_are(tmp_path: Path) -> None:
    workspace, result = classified(tmp_path, company(), rows())
    table = stored_fit(workspace.warehouse, AS_OF).to_pylist()
    for row in table:
        assert row["kept_cents"] == row["margin_cents"] - row["cost_to_serve_cents"]
        assert row["net_cents"] == row["kept_cents"] - row["retention_cents"]
        assert row["net_low_cents"] <= row["net_cents"] <= row["net_high_cents"]
        assert (row["fit"] >= 50) == (row["net_cents"] >= 0)
        assert row["expires_on"] == AS_OF + timedelta(days=90)
    assert result.net_cents == sum(row["net_cents"] for row in table)
    assert result.net_cents == result.margin_cents - result.cost_to_serve_cents - result.retention_cents


def test_a_class_is_never_rewritten(tmp_path: Path) -> None:
    business = company()
    workspace, first = classified(tmp_path, business, rows())
    before = stored_fit(workspace.warehouse, AS_OF)
    workspace.warehouse.append("scores", arrow(business.tables["scores"], [score("late", 0.9)]), batch="late")
    workspace.warehouse.append("calls", arrow(business.tables["calls"], calls("c000", 500)), batch="late")
    again = classify(workspace.warehouse, business, AS_OF, lifts=lift(save_rate=0.9))
    assert again.was_classified_already
    assert not first.was_classified_already
    assert stored_fit(workspace.warehouse, AS_OF).equals(before)
    assert (again.net_cents, again.do_not_spend_count) == (first.net_cents, first.do_not_spend_count)


def test_what_was_learned_later_changes_nothing(tmp_path: Path) -> None:
    plain, _ = classified(tmp_path / "plain", company(), rows())
    some = rows()
    late = {"loaded_at": days_ago(-1)}
    some["calls"] += calls("c000", 300, **late) + calls("c001", 3, first=0, last=-5)
    some["contracts"] += [contract("c002", 9_000_000, days=50, **late), contract("tomorrow", days=-1)]
    some["customers"].append({"customer_id": "c003", "signed_up_at": days_ago(700), "vulnerable": True, **late})
    knowing, _ = classified(tmp_path / "knowing", company(), some)
    assert stored_fit(knowing.warehouse, AS_OF).equals(stored_fit(plain.warehouse, AS_OF))


def test_contacts_that_we_caused_are_not_the_customers_cost(tmp_path: Path) -> None:
    some = rows()
    some["calls"] = [row for row in some["calls"] if not row["customer_id"].startswith("dear")]
    some["calls"] += calls("dear", 150, is_caused_by_us=True) + calls(
        "dear_new", 150, topic="complaint", outcome="upheld"
    )
    for row in some["calls"]:
        row["resolved_at"] = days_ago(1)
    workspace, result = classified(tmp_path, company(), some)
    assert result.do_not_spend_count == 0
    costs = column(workspace, "cost_to_serve_cents")
    assert costs["dear"] == costs["dear_complains"]  # who never called
    assert "150 contacts that we caused are not counted" in str(
        explain_fit(workspace.warehouse, company(), AS_OF, "dear")
    )


def test_a_class_expires(tmp_path: Path) -> None:
    workspace, _ = classified(tmp_path, company(fit={"expires_days": 30}), rows())
    in_force = [fit_in_force(workspace.warehouse, AS_OF + timedelta(days=days)).num_rows for days in (-1, 0, 29, 30)]
    assert in_force == [0, 65, 65, 0]


def test_a_customer_without_a_score_gets_the_mean_and_the_result_says_so(tmp_path: Path) -> None:
    some = rows()
    some["scores"] = [score(c, 0.1 if i % 2 else 0.3) for i, c in enumerate(USUAL)]
    workspace, result = classified(tmp_path, company(), some)
    assert result.unscored_count == len(DEAR)
    assert any(
        "have no score by 'left' on that day; they got the mean probability, 20.0%" in note for note in result.notes
    )
    assert "20.0% leave in 60 days (the mean of the scored" in str(
        explain_fit(workspace.warehouse, company(), AS_OF, "dear")
    )


def test_the_arithmetic_adds_up_and_can_be_computed_by_hand(tmp_path: Path) -> None:
    workspace, _ = classified(tmp_path, company(), rows())
    for customer in ("dear", "c001", "dear_new"):
        found = explain_fit(workspace.warehouse, company(), AS_OF, customer)
        assert sum(line.amount_cents for line in found.lines) == found.net_cents
    found = explain_fit(workspace.warehouse, company(), AS_OF, "c001")
    months = sum(0.9 ** (k * 30.4375 / 60) / 1.08 ** (k / 12) for k in range(1, 13))
    assert found.lines[0].amount_cents == round(1000 * months)
    assert found.lines[0].how.startswith(f"10.00 a month x {months:.2f} months; 10.0% leave in 60 days")
    assert str(found).splitlines()[0] == "c001 on 2026-06-01: maintain, fit " + f"{found.fit:.0f}"
    assert any(c.startswith("breaks even") for c in explain_fit(workspace.warehouse, company(), AS_OF, "dear").changes)


def test_who_is_no_customer_has_no_explanation(tmp_path: Path) -> None:
    workspace, _ = classified(tmp_path, company(), rows())
    with pytest.raises(DataError, match="customer 'nobody' has no class"):
        explain_fit(workspace.warehouse, company(), AS_OF, "nobody")


def test_at_risk_and_worth_it_is_invest(tmp_path: Path) -> None:
    some = rows()
    some["contracts"].append(contract("rich", 90_000))
    some["scores"].append(score("rich", 0.3))
    some["scores"].append(score("c000", 0.3))
    workspace, result = classified(tmp_path, company(), some)
    assert (result.invest_count, column(workspace, "fit_class")["rich"]) == (1, "invest")
    assert column(workspace, "retention_cents")["rich"] == 500
    lines = explain_fit(workspace.warehouse, company(), AS_OF, "rich").lines
    assert lines[-1].how == "one call; its lift is assumed"


def test_an_action_for_others_is_not_planned(tmp_path: Path) -> None:
    call = {"name": "call", "channel": "phone", "cost": 5.0, "eligible": {"where": {"region": "north"}}}
    some = rows()
    some["scores"] = [score(c, 0.3) for c in (*USUAL, *DEAR)]
    some["customers"] += [{"customer_id": "c000", "signed_up_at": days_ago(700), "region": "north", "row_number": 950}]
    workspace, _ = classified(tmp_path, company(actions=[call]), some)
    planned = column(workspace, "retention_cents")
    assert [c for c, cents in planned.items() if cents] == ["c000"]


def test_other_margins_can_take_the_place_of_the_bookkeeping(tmp_path: Path) -> None:
    business, some = company(), rows()
    workspace = opened(tmp_path, business, some)
    own = monthly_margins(workspace.warehouse, business, AS_OF)
    cents = own.table.column_names.index("margin_cents")
    doubled = own.table.set_column(
        cents, own.table.schema.field(cents), [[2 * m for m in own.table[cents].to_pylist()]]
    )
    classify(
        workspace.warehouse, business, AS_OF, lifts=lift(),
        margins=MonthlyMargins(doubled, own.feed, own.role, "a model"),
    )  # fmt: skip
    months = sum(0.9 ** (k * 30.4375 / 60) / 1.08 ** (k / 12) for k in range(1, 13))
    assert column(workspace, "margin_cents")["c000"] == round(2000 * months)


def test_without_a_feed_of_contacts_serving_costs_nothing_and_the_result_says_so(tmp_path: Path) -> None:
    business = company(feeds={"contracts": CONTRACTS})
    workspace, result = classified(tmp_path, business, {k: v for k, v in rows().items() if k != "calls"})
    assert result.cost_to_serve_cents == 0
    assert result.do_not_spend_count == 0
    assert "the cost to serve counts as 0" in result.warnings[0]
    assert sum(line.amount_cents for line in explain_fit(workspace.warehouse, business, AS_OF, "dear").lines) > 0


def test_channels_without_a_cost_and_costs_without_a_channel_are_told(tmp_path: Path) -> None:
    some = rows()
    some["calls"] += calls("c000", 3, channel="chat")
    _, result = classified(tmp_path, company(), some)
    assert result.warnings == (
        "fit.cost_to_serve: channel 'email' never occurs in the interactions (seen: chat, phone)",
        "fit.cost_to_serve: channel 'chat' occurs but has no cost; its contacts count as free",
    )
    _, result = classified(tmp_path / "free", company(fit={"cost_to_serve": {}}), some)
    assert result.warnings[0].startswith("fit.cost_to_serve is empty")


def test_a_company_without_a_table_of_customers_is_classified_from_its_feeds(tmp_path: Path) -> None:
    business = company(customers=None, fit={"never_classed_out": []})
    _, result = classified(tmp_path, business, {k: v for k, v in rows().items() if k != "customers"})
    assert result.customer_count == 65
    assert result.do_not_spend_count >= 1
    assert result.audit.groups == ()


def test_without_revenue_the_file_is_to_be_mended(tmp_path: Path) -> None:
    business = company(
        feeds={"calls": CALLS},
        churn=[{"name": "left", "kind": "column", "attribute": "gone"}],
        customers={"attributes": {"gone": "label", "vulnerable": "flag"}, "protected": []},
    )
    workspace = opened(tmp_path, business, {"scores": [score("a")]})
    with pytest.raises(BusinessFileError, match="no feed says what a customer brings"):
        classify(workspace.warehouse, business, AS_OF, lifts={})


def test_a_day_without_scores_is_to_be_scored_first(tmp_path: Path) -> None:
    some = rows()
    del some["scores"]
    with pytest.raises(DataError, match="65 customers, none scored for 'left' on that day"):
        classified(tmp_path, company(), some)


def test_an_empty_day_writes_nothing_and_can_be_classified_later(tmp_path: Path) -> None:
    workspace, result = classified(tmp_path, company(), {})
    assert (result.customer_count, result.net_cents, result.was_classified_already) == (0, 0, False)
    for name, some in rows().items():
        workspace.warehouse.append(name, arrow(company().tables[name], some), batch="later")
    assert classify(workspace.warehouse, company(), AS_OF, lifts=lift()).customer_count == 65


def test_who_returns_more_than_he_buys_has_fit_0(tmp_path: Path) -> None:
    business = company(
        feeds={"tills": TILLS, "calls": CALLS},
        churn=[{"name": "left", "kind": "inactivity", "feed": "tills", "outcome_days": 60}],
    )
    tills = [
        {"customer_id": c, "event_at": days_ago(d), "amount_cents": 3000 + 20 * i}
        for i, c in enumerate(USUAL)
        for d in (10, 90, 200, 300, 400)
    ]
    tills += [
        {"customer_id": "returner", "event_at": days_ago(d), "amount_cents": 3000} for d in (10, 90, 200, 300, 400)
    ]
    tills += [{"customer_id": "returner", "event_at": days_ago(d), "amount_cents": -60_000} for d in (9, 89, 199)]
    some = {"tills": tills, "scores": [score(c) for c in (*USUAL, "returner")], "calls": calls("c000", 3)}
    workspace, result = classified(tmp_path, business, some)
    assert column(workspace, "margin_cents")["returner"] < 0
    assert column(workspace, "fit")["returner"] == 0
    assert result.margin_cents == sum(column(workspace, "margin_cents").values())
