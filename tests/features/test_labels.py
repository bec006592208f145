"""Who left, with answers known by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from features.labels import build_labels, knowable_on, outcome_ends_on
from features.spine import build_spine
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


def test_a_label_is_known_on_the_first_day_on_which_it_can_be_and_not_before() -> None:
    business = company()
    lapse, said = business.churn_named("lapse"), business.churn_named("said")
    first = knowable_on(lapse, AS_OF)
    rows = {"tills": [purchase("a", -10), *(purchase("b", day) for day in range(-1, 90))]}
    assert labels("lapse", rows, known_on=first - timedelta(days=1)) == {"a": None, "b": None}
    assert labels("lapse", rows, known_on=first) == {"a": True, "b": False}
    assert knowable_on(said, AS_OF) == AS_OF


def test_each_label_says_when_its_outcome_ends() -> None:
    business = company()
    ends = {churn.name: outcome_ends_on(churn, AS_OF) for churn in business.churn}
    assert ends == {
        "lapse": date(2025, 8, 3),
        "leave": date(2025, 7, 8),
        "said": AS_OF,
        "habit": date(2025, 7, 16),
        "drain": date(2025, 7, 8),
    }
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


def test_a_customer_who_stays_away_for_several_of_his_own_gaps_has_churned() -> None:
    # habit: lead 5, twice the usual gap, 10 to 40 days. The gap is 7 days, so the own window is [5, 19) days.
    names = ("in_lead", "at_start", "last_moment", "at_end", "never", "only_refund")
    rows = [purchase(name, -1 - 7 * week) for name in names for week in range(4)]
    rows += [
        purchase("in_lead", 4.9),
        purchase("at_start", 5),
        purchase("last_moment", 18.99),
        purchase("at_end", 19),
        purchase("only_refund", 12, amount_cents=-100),
        purchase("somebody", 46),
    ]
    assert labels("habit", {"tills": rows}) == {
        "in_lead": True,
        "at_start": False,
        "last_moment": False,
        "at_end": True,
        "never": True,
        "only_refund": True,
    }


def test_no_window_of_a_rhythm_is_shorter_or_longer_than_the_definition_says() -> None:
    # Twice a daily gap is 2 days and becomes 10: [5, 15). Twice 30 days is 60 and becomes 40: [5, 45).
    rows = [purchase(name, -0.5 - day) for name in ("daily_in", "daily_out") for day in range(4)]
    rows += [purchase(name, -0.5 - 30 * month) for name in ("monthly_in", "monthly_out") for month in range(4)]
    rows += [purchase("daily_in", 14.9), purchase("daily_out", 15), purchase("monthly_in", 44.9)]
    rows += [purchase("monthly_out", 45), purchase("monthly_out", 60)]
    assert labels("habit", {"tills": rows}) == {
        "daily_in": False, "daily_out": True, "monthly_in": False, "monthly_out": True,
    }  # fmt: skip


def test_a_rhythm_is_the_median_of_the_gaps_between_days_and_two_purchases_on_a_day_are_one() -> None:
    # Days -43, -40, -20, -10, -5: gaps 3, 20, 10, 5, the median of four is 7.5, twice that 15: the window is [5, 20).
    rows = [purchase(name, day) for name in ("in", "out") for day in (-42.5, -39.5, -39.4, -19.5, -9.5, -4.5, -4.4)]
    rows += [purchase("in", 19.9), purchase("out", 20), purchase("out", 60)]
    assert labels("habit", {"tills": rows}) == {"in": False, "out": True}


def test_every_outcome_of_a_rhythm_is_known_on_the_same_day_whoever_has_a_short_window() -> None:
    rows = {"tills": [*(purchase("a", -1 - 7 * week) for week in range(4)), purchase("b", 44.9), purchase("b", 50)]}
    assert labels("habit", rows, known_on=AS_OF + timedelta(days=45), customers="a") == {"a": None}
    assert labels("habit", rows, known_on=AS_OF + timedelta(days=51), customers="a") == {"a": True}


def test_a_window_of_a_rhythm_ends_at_local_midnight_also_across_the_change_of_clocks() -> None:
    # Spain went to winter time on 2025-10-26: the window from 2025-10-21 (as_of 16, lead 5) of 10 days ends on the 31st
    # at 23:00 UTC of the 30th, one hour later than ten times 24 hours.
    as_of, business = date(2025, 10, 16), company()
    days = [business.instant(as_of - timedelta(days=day)) for day in range(1, 5)]
    end = business.instant(date(2025, 10, 31))
    assert end.hour == 23
    rows = [{"customer_id": name, "event_at": day, "amount_cents": 1} for name in ("in", "out") for day in days]
    rows += [
        {"customer_id": "in", "event_at": end - timedelta(microseconds=1), "amount_cents": 1},
        {"customer_id": "out", "event_at": end, "amount_cents": 1},
        {"customer_id": "out", "event_at": end + timedelta(days=60), "amount_cents": 1},
    ]
    churn = business.churn_named("habit")
    table = build_labels(Memory(business, {"tills": rows}), business, churn, as_of, known_on=date(2026, 1, 30))
    assert dict(zip(table["customer_id"].to_pylist(), table["churned"].to_pylist(), strict=True)) == {
        "in": False, "out": True,
    }  # fmt: skip


def test_who_has_no_rhythm_has_no_outcome() -> None:
    rows = [purchase("thrice", day) for day in (-3, -2, -1)] + [purchase("other", 70)]
    assert labels("habit", {"tills": rows}, customers="thrice unheard_of") == {"thrice": None, "unheard_of": None}


def level(customer: str, days: float, amount: float, account: str = "savings", **row: Any) -> Row:
    balance = round(amount * 100)
    return {"customer_id": customer, "event_at": at(days), "account_kind": account, "balance_cents": balance, **row}


def test_a_balance_of_which_most_has_left_at_the_end_of_the_window_is_churn() -> None:
    # drain: lead 7, outcome 30, four fifths of the balance: the levels of as_of and of day 37 are compared.
    names = ("gone", "all_but_a_cent", "returned", "fell_late", "stays", "grew", "overdrawn")
    rows = [level(name, -20, 1_000) for name in names]
    rows += [
        level("gone", 10, 200),
        level("all_but_a_cent", 10, 200.01),
        *(level("returned", day, amount) for day, amount in ((10, 0), (36.99, 900))),
        *(level("fell_late", day, amount) for day, amount in ((37, 0), (40, 0))),
        level("grew", 30, 5_000),
        level("overdrawn", 30, -50),
    ]
    assert labels("drain", {"levels": rows}) == {
        "gone": True,
        "all_but_a_cent": False,
        "returned": False,
        "fell_late": False,
        "stays": False,
        "grew": False,
        "overdrawn": True,
    }


def test_money_that_moves_from_one_account_to_another_has_not_left() -> None:
    rows = [
        *(level(name, -20, 900) for name in ("moved", "left", "opened")),
        *(level(name, -20, 100, "checking") for name in ("moved", "left")),
        *(level(name, 10, 0) for name in ("moved", "left", "opened")),
        level("moved", 10, 1_000, "checking"),
        level("opened", 12, 900, "checking"),  # no such account on the day itself
        level("left", 40, 100, "checking"),
    ]
    assert labels("drain", {"levels": rows}) == {"moved": False, "left": True, "opened": False}


def test_only_accounts_of_the_kind_that_is_named_count() -> None:
    business = company()
    churn = business.churn_named("drain").model_copy(update={"account_kind": "savings"})
    rows = [level("a", -20, 900), level("a", -20, 900, "checking"), level("a", 10, 0), level("a", 40, 0)]
    rows += [level("b", -20, 9_000, "checking")]
    memory = Memory(business, {"levels": rows})
    assert build_spine(memory, business, churn, AS_OF)["customer_id"].to_pylist() == ["a"]
    table = build_labels(memory, business, churn, AS_OF, known_on=LATER)
    assert table["churned"].to_pylist() == [True]


def test_a_balance_is_unknown_until_the_feed_reaches_the_end_of_the_window() -> None:
    rows = [level("a", -20, 900), level("a", 10, 0)]
    assert labels("drain", {"levels": rows}) == {"a": None}
    late = [*rows, level("b", 38, 1)]
    assert labels("drain", {"levels": late}) == {"a": True}
    assert labels("drain", {"levels": late}, known_on=AS_OF + timedelta(days=38), customers="a") == {"a": None}


def test_who_held_too_little_has_no_outcome_and_the_balance_of_the_day_is_what_was_known_then() -> None:
    rows = [level("poor", -20, 399), level("corrected", -20, 1_000), level("b", 40, 1)]
    rows.append(level("corrected", -20, 100, loaded_at=at(3), batch_id="b2"))
    replaced = {"feed": "levels", "batch_id": "b", "row_number": 2, "replaced_at": at(3), "replaced_by": "b2"}
    found = labels("drain", {"levels": rows, "superseded": [replaced]}, customers="corrected poor unheard_of")
    assert found == {"corrected": True, "poor": None, "unheard_of": None}
