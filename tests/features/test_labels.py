"""Who left, with answers known by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from features.labels import KINDS, build_labels, label_sql, outcome_ends_on
from features.spine import build_spine
from holdback.business import Churn
from holdback.errors import BusinessFileError
from tests.features.world import AS_OF, Memory, Row, company, instant, spine_of

LATER = AS_OF + timedelta(days=200)


def at(days: float) -> Any:
    return instant(days=days)


def purchase(customer: str, days: float, **row: Any) -> Row:
    return {"customer_id": customer, "event_at": at(days), "amount_cents": 100, **row}


def event(customer: str, days: float, kind: str, **row: Any) -> Row:
    return {"customer_id": customer, "event_at": at(days), "kind": kind, **row}


def labels(churn: str, rows: dict[str, list[Row]], *, known_on: date = LATER, customers: str = "") -> dict[str, Any]:
    business = company()
    spine = spine_of(customers.split()) if customers else None
    table = build_labels(
        Memory(business, rows), business, business.churn_named(churn), AS_OF, known_on=known_on, spine=spine
    )
    return dict(zip(table["customer_id"].to_pylist(), table["churned"].to_pylist(), strict=True))


def test_who_buys_nothing_in_the_outcome_window_has_churned() -> None:
    # lapse: lead 7, outcome 56: the window is [7, 63) days after as_of.
    rows = [
        *(purchase(name, -10) for name in ("in_lead", "at_start", "at_end", "last_moment", "never", "only_refund")),
        purchase("in_lead", 6.9),
        purchase("at_start", 7),
        purchase("at_end", 63),
        purchase("last_moment", 62.99),
        purchase("only_refund", 20, amount_cents=-100),
    ]
    assert labels("lapse", {"tills": rows}) == {
        "in_lead": True,
        "at_start": False,
        "at_end": True,
        "last_moment": False,
        "never": True,
        "only_refund": True,
    }


def test_a_label_is_unknown_until_the_window_is_over() -> None:
    rows = {"tills": [purchase("a", -10), purchase("b", -1), purchase("b", 63), purchase("b", 70)]}
    assert labels("lapse", rows, known_on=AS_OF + timedelta(days=62)) == {"a": None, "b": None}
    assert labels("lapse", rows, known_on=AS_OF + timedelta(days=64)) == {"a": True, "b": True}


def test_a_label_is_unknown_while_the_data_do_not_reach_the_end_of_the_window() -> None:
    # The last delivery ends on day 40: nobody bought after it, because nothing was delivered after it.
    rows = {"tills": [purchase("a", -10), purchase("b", -1), purchase("b", 40)]}
    assert labels("lapse", rows) == {"a": None, "b": None}


def test_a_label_does_not_know_what_was_loaded_after_the_day_it_is_asked() -> None:
    rows = {"tills": [purchase("a", -10), purchase("a", 20, loaded_at=at(150)), purchase("b", 63)]}
    assert labels("lapse", rows, known_on=AS_OF + timedelta(days=100), customers="a") == {"a": True}
    assert labels("lapse", rows, known_on=AS_OF + timedelta(days=151), customers="a") == {"a": False}


def test_a_contract_cancelled_in_the_window_is_churn_and_one_cancelled_in_the_lead_is_too_late() -> None:
    # leave: lead 7, outcome 30: the window is [7, 37) days after as_of.
    rows = [
        *(
            event(name, -100, "start")
            for name in ("stays", "leaves", "in_lead", "at_start", "at_end", "swaps", "returns")
        ),
        event("leaves", 20, "cancel"),
        event("in_lead", 6.9, "cancel"),
        event("at_start", 7, "cancel"),
        event("at_end", 37, "cancel"),
        event("swaps", 20, "cancel"),
        event("swaps", 20, "start", subscription_id="other"),
        event("returns", 10, "cancel"),
        event("returns", 30, "start"),
        event("stays", 15, "renew"),
        event("stays", 50, "change"),
    ]
    assert labels("leave", {"deals": rows}) == {
        "stays": False,
        "leaves": True,
        "in_lead": None,
        "at_start": True,
        "at_end": False,
        "swaps": False,
        "returns": False,
    }


def test_a_cancellation_is_unknown_until_the_feed_reaches_the_end_of_the_window() -> None:
    rows = {"deals": [event("a", -100, "start"), event("a", 20, "cancel")]}
    assert labels("leave", rows) == {"a": None}


def test_a_customer_with_two_contracts_leaves_when_the_last_one_ends() -> None:
    rows = [
        *(event(name, -50, "start", subscription_id=key) for name in ("half", "whole") for key in ("s1", "s2")),
        event("half", 10, "cancel", subscription_id="s1"),
        *(event("whole", day, "cancel", subscription_id=key) for day, key in ((9, "s1"), (30, "s2"))),
        event("other", 40, "start"),
    ]
    assert labels("leave", {"deals": rows}, customers="half whole") == {"half": False, "whole": True}


def test_the_companys_own_label_is_taken_as_it_is() -> None:
    rows = [
        {"customer_id": name, "left": said, "signed_up_at": at(-500), "loaded_at": at(-1)}
        for name, said in (("gone", True), ("here", False), ("untold", None))
    ]
    rows.append({"customer_id": "here", "left": True, "signed_up_at": at(-500), "loaded_at": at(300)})
    assert labels("said", {"customers": rows}) == {"gone": True, "here": False, "untold": None}


def test_each_label_says_when_its_outcome_ends() -> None:
    business = company()
    ends = {churn.name: outcome_ends_on(churn, AS_OF) for churn in business.churn}
    assert ends == {"lapse": date(2025, 8, 3), "leave": date(2025, 7, 8), "said": AS_OF}
    table = build_labels(
        Memory(business, {"tills": [purchase("a", -1)]}), business, business.churn[0], AS_OF, known_on=LATER
    )
    assert table.schema.names == ["customer_id", "as_of", "churned", "outcome_ends_on"]
    assert table["outcome_ends_on"].to_pylist() == [date(2025, 8, 3)]


def test_nobody_described_gives_no_label_and_no_error() -> None:
    business = company()
    for churn in business.churn:
        assert build_spine(Memory(business, {}), business, churn, AS_OF).num_rows == 0
        assert build_labels(Memory(business, {}), business, churn, AS_OF, known_on=LATER).num_rows == 0


@pytest.mark.parametrize("kind", ["rhythm", "balance_drop"])
def test_a_churn_kind_of_a_later_release_is_refused_with_the_kinds_there_are(kind: str) -> None:
    assert kind in KINDS
    coming: Churn = company().churn[0].model_copy(update={"kind": kind})
    with pytest.raises(BusinessFileError, match=f"'{kind}' comes with a later release. Choose one of: inactivity"):
        label_sql(company(), coming, AS_OF, known_on=LATER)
