"""What would make a measurement wrong without anybody noticing: late, corrected and missing rows, and impatience."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from holdback.business import Business
from holdback.business.sections import ScaleSince
from holdback.errors import BusinessFileError, DataError
from monitoring.outcomes import Cohort, Outcomes, cohort_of, programme, read_outcomes
from tests.campaigns.test_designs import DESIGN
from tests.features.world import Row
from tests.monitoring.outcomes.company import assigned, company, contract, noon, warehouse

ENTRY = date(2026, 3, 2)
HORIZON = 30
ENDS = ENTRY + timedelta(days=HORIZON)
AS_OF = ENDS + timedelta(days=10)
LONG_AGO = datetime(2025, 6, 1)
#: Somebody outside the campaign begins a contract after the horizon: so it is known that the data reach its end.
LATER = contract("later", "start", noon(ENDS + timedelta(days=1)))


def day(number: int) -> date:
    """Return a day counted from the entry."""
    return ENTRY + timedelta(days=number)


def read(
    business: Business,
    as_of: date = AS_OF,
    *,
    cohort: Cohort | None = None,
    segments: tuple[Any, ...] = (),
    **rows: Any,
) -> Outcomes:
    """Read the campaign; the feed of contracts reaches its end unless the rows of ``deals`` are given as ``only``."""
    followed = cohort or Cohort("spring", 1, business.churn[0], HORIZON, None)
    return read_outcomes(warehouse(business, **rows), business, followed, as_of, segments=segments)


def churned(found: Outcomes, group: str = "treatment") -> tuple[float, float]:
    """Return who left, and of how many it is known."""
    moments = found.groups[group]
    return round(moments.total("churned"), 9), round(moments.total("known"), 9)


def one(*events: Row, as_of: date = AS_OF, superseded: list[Row] | None = None) -> Outcomes:
    """Read a campaign of one treated customer with these events of contracts."""
    deals = [contract("ana", "start", LONG_AGO), *events, LATER]
    return read(
        company(), as_of, ledger=[assigned("ana", "treatment", ENTRY)], deals=deals, superseded=superseded or []
    )


# Leaving


def test_a_cancellation_that_was_heard_of_too_late_counts_from_then_on() -> None:
    told_on = AS_OF + timedelta(days=5)
    late = contract("ana", "cancel", noon(day(20)), loaded_at=noon(told_on))
    assert churned(one(late)) == (0, 1)
    assert churned(one(late, as_of=told_on + timedelta(days=1))) == (1, 1)


def test_a_cancellation_that_was_corrected_never_happened() -> None:
    wrong = contract("ana", "cancel", noon(day(20)), batch_id="b", row_number=2)
    gone = {"feed": "deals", "batch_id": "b", "row_number": 2, "replaced_by": "c"}
    assert churned(one(wrong, superseded=[{**gone, "replaced_at": noon(day(25))}])) == (0, 1)
    assert churned(one(wrong, superseded=[{**gone, "replaced_at": noon(AS_OF)}])) == (1, 1)


def test_who_swaps_one_contract_for_another_stays() -> None:
    swap = (
        contract("ana", "cancel", noon(day(10))),
        contract("ana", "start", noon(day(12)), subscription_id="another"),
    )
    found = one(*swap)
    assert churned(found) == (0, 1)
    assert found.churners.num_rows == 0


def test_who_comes_back_before_the_horizon_ends_stays_and_who_leaves_again_left_on_the_second_day() -> None:
    back = (contract("ana", "cancel", noon(day(10))), contract("ana", "renew", noon(day(12))))
    assert churned(one(*back)) == (0, 1)
    found = one(*back, contract("ana", "cancel", noon(day(20))), contract("ana", "cancel", noon(day(22))))
    assert churned(found) == (1, 1)
    assert found.churners["churned_on"].to_pylist() == [day(20)]


def test_who_left_within_the_lead_is_not_known_but_is_among_the_churners() -> None:
    found = one(contract("ana", "cancel", noon(day(1))))  # the lead is three days
    assert churned(found) == (0, 0)
    assert found.churners["churned_on"].to_pylist() == [day(1)]
    assert found.survival is not None
    assert found.survival.num_rows == 0
    assert any("1 treated and 0 held-out customers left within the lead time of 3 days" in note for note in found.notes)


def test_who_leaves_on_the_day_after_the_horizon_stayed() -> None:
    assert churned(one(contract("ana", "cancel", noon(day(HORIZON - 1))))) == (1, 1)
    assert churned(one(contract("ana", "cancel", noon(day(HORIZON))))) == (0, 1)


def test_a_life_is_followed_as_far_as_it_is_known() -> None:
    found = one(contract("ana", "cancel", noon(day(10))), as_of=day(20))
    # Only events before the 20th day count, and the newest of them lies on the 10th: that day is not whole.
    assert found.survival is not None
    assert found.survival.to_pydict() == {
        "group": ["treatment"] * 10, "day": list(range(10)), "at_risk": [1] * 10, "churned": [0] * 10,
    }  # fmt: skip
    later = one(contract("ana", "cancel", noon(day(10))), contract("bob", "start", noon(day(15))), as_of=day(20))
    assert later.survival is not None
    assert later.survival["churned"].to_pylist() == [0] * 10 + [1]
    assert later.maturity.matured_count == 0


def test_money_that_went_back_is_no_purchase_and_one_within_the_lead_is_none_either() -> None:
    business, people = company("inactivity", "tills"), [assigned("ana", "treatment", ENTRY)]
    proof = {"customer_id": "x", "event_at": noon(ENDS), "amount_cents": 1}
    for at, cents, left in ((5, 100, 0), (5, 0, 0), (5, -100, 1), (2, 100, 1), (HORIZON, 100, 1)):
        bill = {"customer_id": "ana", "event_at": noon(day(at)), "amount_cents": cents}
        found = read(business, ledger=people, tills=[bill, proof])
        assert churned(found) == (left, 1), (at, cents)
        assert found.churners.num_rows == left


# Maturity


def test_nobody_is_read_before_the_first_reading_and_the_day_is_named() -> None:
    found = one(as_of=day(12))
    assert found.maturity.matured_count == 0
    assert found.maturity.assigned_count == 1
    assert found.maturity.first_reading_on == day(HORIZON + 1)
    assert [moments.count for moments in found.groups.values()] == [0, 0]
    assert found.groups["treatment"].covariance.shape == (21, 21)
    assert any("the first valid reading is 2026-04-02" in note.lower() for note in found.notes)
    assert found.entries["treatment_units"].to_pylist() == [1]


def test_a_feed_that_ends_before_the_horizon_proves_nothing() -> None:
    business, people = company(), [assigned("ana", "treatment", ENTRY)]
    start = contract("ana", "start", LONG_AGO)
    last = contract("bob", "start", business.instant(ENDS) - timedelta(microseconds=1))
    found = read(business, ledger=people, deals=[start, last])
    assert (found.maturity.matured_count, found.maturity.data_reach_on) == (0, day(HORIZON - 1))
    assert found.maturity.first_reading_on == AS_OF + timedelta(days=1)
    proof = contract("bob", "start", business.instant(ENDS))
    assert read(business, ledger=people, deals=[start, proof]).maturity.matured_count == 1
    assert read(business, ENDS, ledger=people, deals=[start, proof]).maturity.matured_count == 0  # not heard of yet


def test_revenue_waits_for_its_own_feed() -> None:
    business, people = company(revenue="tills"), [assigned("ana", "treatment", ENTRY)]
    deals = [contract("ana", "start", LONG_AGO), LATER]
    bill = {"customer_id": "ana", "event_at": noon(day(5)), "amount_cents": 700}
    found = read(business, ledger=people, deals=deals, tills=[bill])
    assert (found.maturity.matured_count, found.maturity.data_reach_on) == (0, day(5))
    assert f"the feed tills is known until {day(5)} only: horizons that end later are not read yet" in found.notes
    assert not any("the feed deals" in note for note in found.notes)
    found = read(business, ledger=people, deals=deals, tills=[bill, {**bill, "event_at": noon(ENDS)}])
    assert found.groups["treatment"].total("revenue_cents") == 700


def test_an_empty_feed_is_said_to_be_empty() -> None:
    found = read(company(), ledger=[assigned("ana", "treatment", ENTRY)])
    assert found.maturity.data_reach_on is None
    assert "the feed deals holds nothing yet: no outcome can be known before it does" in found.notes


def test_an_outcome_whose_feed_ends_early_is_told() -> None:
    found = read(
        company(), ledger=[assigned("ana", "treatment", ENTRY)], deals=[contract("ana", "start", LONG_AGO), LATER]
    )
    assert "visited: the feed meters holds nothing; what happened later is missing" in found.notes
    primary = Cohort("spring", 1, company().churn[0], HORIZON, None, "visited")
    rows = {"ledger": [assigned("ana", "treatment", ENTRY)], "deals": [LATER]}
    assert read(company(), cohort=primary, **rows).maturity.matured_count == 0  # the primary outcome must be proven
    meters = [{"customer_id": "x", "event_at": noon(ENDS), "quantity": 1.0}]
    assert read(company(), cohort=primary, meters=meters, **rows).maturity.matured_count == 1


# Assignments


def test_nobody_assigned_is_an_answer() -> None:
    found = read(company(), segments=("fit_class",), deals=[LATER])
    assert found.maturity.first_reading_on is None
    assert found.notes[0] == "nobody was assigned yet"
    assert found.segments == {"fit_class": {}}
    assert (found.churners.num_rows, found.entries.num_rows) == (0, 0)


def test_without_a_holdout_there_is_nothing_to_compare_with() -> None:
    found = one()
    assert "nobody was held out among the mature: there is nothing to compare with" in found.notes
    assert found.groups["holdout"].count == 0


def test_an_assignment_of_a_later_day_is_not_known_yet() -> None:
    people = [assigned("ana", "treatment", ENTRY), assigned("bob", "holdout", AS_OF + timedelta(days=1))]
    assert read(company(), ledger=people, deals=[LATER]).maturity.assigned_count == 1


def test_who_was_assigned_twice_is_analysed_from_the_first_time() -> None:
    twice = [assigned("ana", "treatment", ENTRY), assigned("ana", "treatment", day(50))]
    found = read(company(), day(60), ledger=twice, deals=[contract("ana", "start", LONG_AGO), LATER])
    assert (found.maturity.assigned_count, found.duplicate_count, found.maturity.last_entry_on) == (1, 1, day(50))
    assert found.entries["entered_on"].to_pylist() == [ENTRY]
    assert "1 customers were assigned more than once: the first time counts" in found.notes


def test_who_stands_on_both_sides_stops_the_measurement_without_being_named() -> None:
    both = [assigned("ana", "treatment", ENTRY), assigned("ana", "holdout", day(3))]
    with pytest.raises(DataError, match="campaign spring/1: 1 customers are assigned to both") as raised:
        read(company(), ledger=both)
    assert "ana" not in str(raised.value)


def test_a_correction_changes_what_is_done_and_not_how_it_is_analysed() -> None:
    person = assigned("ana", "treatment", ENTRY)
    moved = {"kind": "corrected", "corrects": person["entry_id"], "entry_id": "x", "group": "holdout", "as_of": day(4)}
    found = read(company(), ledger=[person, moved], deals=[contract("ana", "start", LONG_AGO), LATER])
    assert (found.groups["treatment"].count, found.groups["holdout"].count, found.changed_count) == (1, 0, 1)
    assert "1 assignments were corrected afterwards: they are analysed as they were first assigned" in found.notes


def test_other_campaigns_versions_and_layers_do_not_mix() -> None:
    people = [
        assigned("ana", "treatment", ENTRY),
        assigned("bob", "holdout", ENTRY, version=2),
        assigned("cai", "holdout", ENTRY, campaign="autumn"),
        assigned("dan", "holdout", ENTRY, campaign=None),
    ]
    assert read(company(), ledger=people, deals=[LATER]).maturity.assigned_count == 1


def test_a_household_is_one_unit_and_counts_when_any_member_is_mature() -> None:
    home = [
        assigned("ana", "treatment", ENTRY),
        assigned("bob", "treatment", ENTRY, unit_id="ana"),
        assigned("cai", "treatment", day(35), unit_id="ana"),  # joined later
        assigned("dan", "holdout", ENTRY, unit_id="ana"),  # of another household then, held out before they merged
    ]
    deals = [contract(row["customer_id"], "start", LONG_AGO) for row in home]
    deals += [contract("ana", "cancel", noon(day(9))), contract("bob", "cancel", noon(day(7))), LATER]
    found = read(company(), ledger=home, deals=deals)
    treated = found.groups["treatment"]
    assert (treated.count, treated.total("customers"), treated.total("churned")) == (1, 2, 2)
    assert found.groups["holdout"].count == 1
    assert (found.maturity.assigned_count, found.maturity.matured_count) == (4, 3)
    assert found.churners.to_pylist() == [
        {"churned_on": day(7), "group": "treatment", "propensity": 0.8, "unit_count": 1}
    ]
    assert found.entries["treatment_units"].to_pylist() == [1]


# The programme


def test_the_programme_follows_everybody_from_his_first_day_in_the_current_drawing() -> None:
    business = company(holdout={"rotates_on": [day(-10)], "global_share": 0.2})
    people = [
        assigned("ana", "treatment", day(-40), campaign=None, version=1),
        assigned("ana", "treatment", ENTRY, campaign=None, version=2),
        assigned("bob", "holdout", day(2), campaign=None, version=2, unit_id="ana"),
        assigned("cai", "holdout", ENTRY, version=2),
    ]
    contact = {"customer_id": "bob", "event_at": noon(day(6)), "campaign": "autumn", "outcome": "sent"}
    foreign = {"customer_id": "ana", "event_at": noon(day(6)), "campaign": "newsletter", "outcome": "sent"}
    cohort = programme(business, AS_OF)
    assert (cohort.campaign, cohort.version, cohort.horizon_days, cohort.name) == (None, 2, 30, "programme/2")
    found = read(business, cohort=cohort, ledger=people, deals=[LATER], mails=[contact, foreign])
    assert found.maturity.assigned_count == 2
    assert found.exposure["holdout"].reached_count == 1
    assert (found.exposure["treatment"].reached_count, found.exposure["treatment"].other_count) == (0, 1)


# Contacts and costs


def decision(customer: str, action: str, on: date, cents: int, **rest: Any) -> Row:
    told = {"campaign": "spring", "version": 1, "entry_id": f"{customer}/{on}", "intended_action": action, **rest}
    return {"kind": "decided", "customer_id": customer, "as_of": on, "action": action, "cost_cents": cents, **told}


def event(kind: str, of: Row, at: datetime, **rest: Any) -> Row:
    told = {"kind": kind, "customer_id": of["customer_id"], "campaign": "spring", "version": 1, "happened_at": at}
    known = {"as_of": at.date(), "decision_id": of["entry_id"], "entry_id": f"{kind}/{of['entry_id']}"}
    return {**told, **known, "action": of["action"], **rest}


def cost_of(reported: Row) -> str:
    return hashlib.sha256(f"cost{reported['entry_id']}".encode()).hexdigest()


def cost(*rows: Row, **more: Any) -> tuple[float, Outcomes]:
    people = [assigned(name, "treatment", ENTRY) for name in ("ana", "bob")]
    found = read(company(), ledger=[*people, assigned("cai", "holdout", ENTRY), *rows], deals=[LATER], **more)
    return found.groups["treatment"].total("cost_cents"), found


def test_a_decision_costs_what_was_reported_else_what_was_expected() -> None:
    call, gift = decision("ana", "call", ENTRY, 400), decision("bob", "gift", ENTRY, 350)
    assert cost(call, gift)[0] == 400 + 50 + 0.3 * 1_000  # a gift of 10.00 that three in ten take
    paid = event("cost", call, noon(day(1)), cost_cents=612)
    assert cost(call, gift, paid)[0] == 612 + 350
    took = event("redeemed", gift, noon(day(3)))
    really = event("cost", gift, noon(day(3)), cost_cents=720, entry_id=cost_of(took))
    assert cost(call, gift, took, really)[0] == 400 + 50 + 720  # instead of the 10.00 that were offered
    both = event("cost", gift, noon(day(1)), cost_cents=44)
    assert cost(call, gift, took, really, both)[0] == 400 + 44 + 720
    total, found = cost(call, gift, took)
    assert total == 400 + 50 + 1_000  # the action's redemptions are reported: whoever did not redeem cost nothing more
    assert found.exposure["treatment"].incentive_cents == 1_000
    undone = {"kind": "corrected", "corrects": took["entry_id"], "entry_id": "u", "as_of": day(5)}
    assert cost(call, gift, took, undone)[0] == 400 + 350


def test_a_decision_that_was_never_reported_costs_nothing_once_its_action_is_reported_later() -> None:
    """Ana's gift was withheld: nothing came back within the three days that reconciliation waits, and others' did."""
    mine, other = decision("ana", "gift", ENTRY, 350), decision("bob", "gift", day(1), 350)
    soon, later = event("sent", other, noon(day(2))), event("sent", other, noon(day(3)))
    assert cost(mine, other)[0] == 2 * 350  # nothing is reported: as decided
    assert cost(mine, other, soon)[0] == 2 * 350  # it may still come
    total, found = cost(mine, other, later)
    assert total == 350
    treated = found.exposure["treatment"]
    assert (treated.incentive_cents, treated.decided_count, treated.reached_count) == (300, 2, 1)
    assert cost(mine, other, later, event("bounced", mine, noon(day(1))))[0] == 2 * 350  # it left, and came back
    undone = {"kind": "corrected", "corrects": later["entry_id"], "entry_id": "u", "as_of": day(5)}
    assert cost(mine, other, later, undone)[0] == 2 * 350


def test_an_action_that_is_never_reported_costs_what_was_decided() -> None:
    call, gift = decision("ana", "call", ENTRY, 400), decision("bob", "gift", ENTRY, 350)
    mailed = event("sent", gift, noon(day(6)))
    assert cost(call, gift, mailed)[0] == 400 + 350
    elsewhere = event("sent", decision("cai", "call", ENTRY, 400), noon(day(6)), campaign="autumn")
    assert cost(call, gift, mailed, elsewhere)[0] == 400 + 350


def test_what_happens_outside_the_horizon_or_to_another_campaign_costs_nothing() -> None:
    early, late = decision("ana", "call", day(-1), 400), decision("ana", "call", ENDS, 400)
    other = decision("ana", "call", day(3), 400, campaign="autumn", entry_id="a")
    newer = decision("ana", "call", day(4), 400, version=2, entry_id="b")
    nothing = decision("ana", "none", day(5), 0)
    assert cost(early, late, other, newer, nothing)[0] == 0


def test_reached_is_who_was_really_contacted_whatever_was_decided() -> None:
    call = decision("ana", "call", ENTRY, 400)
    bounced = event("bounced", call, noon(day(1)))
    found = cost(call, bounced)[1]
    assert found.groups["treatment"].total("reached") == 0
    assert (found.exposure["treatment"].decided_count, found.exposure["treatment"].reached_count) == (1, 0)
    sent = event("sent", call, noon(day(1)))
    assert cost(call, sent)[1].groups["treatment"].total("reached") == 1
    late = event("sent", call, noon(ENDS))
    assert cost(call, late)[1].groups["treatment"].total("reached") == 0
    leak = {"customer_id": "cai", "event_at": noon(day(8)), "campaign": "spring", "outcome": None}
    found = cost(call, mails=[leak])[1]
    assert found.groups["holdout"].total("reached") == 1
    assert found.exposure["holdout"].reached_count == 1
    foreign = {**leak, "campaign": "newsletter"}
    assert cost(call, mails=[foreign])[1].exposure["holdout"].other_count == 1


# Answers


@pytest.mark.parametrize(("score", "points"), [(9, 100), (8, 0), (7, 0), (6, -100)])
def test_the_last_answer_of_each_counts(score: int, points: int) -> None:
    people = [assigned(name, "treatment", ENTRY) for name in ("ana", "bob", "cai")]
    asked = [
        ("ana", 3, 10),
        ("ana", 9, score),
        ("ana", 12, None),
        ("bob", 4, None),
        ("cai", -1, 10),
        ("cai", HORIZON, 1),
    ]
    surveys = [{"customer_id": who, "event_at": noon(day(at)), "score": told} for who, at, told in asked]
    treated = read(company(), ledger=people, deals=[LATER], surveys=surveys).groups["treatment"]
    assert [treated.total(name) for name in ("asked", "answered", "nps", "score")] == [2, 1, points, score]


def test_only_answers_on_the_newest_scale_count_where_the_scale_changed() -> None:
    """A 5 of 1 to 5 is no detractor: points are for the scale of 0 to 10, and scores of two scales have no mean."""
    business = company()
    scales = (ScaleSince(scale="five"), ScaleSince(scale="nps", since=day(8)))
    changed = business.feeds["surveys"].model_copy(update={"scale": scales})
    business = business.model_copy(update={"feeds": {**business.feeds, "surveys": changed}})
    people = [assigned(name, "treatment", ENTRY) for name in ("ana", "bob")]
    said = [("ana", 3, 5), ("ana", 9, 10), ("bob", 4, 5)]
    surveys = [{"customer_id": who, "event_at": noon(day(at)), "score": told} for who, at, told in said]
    treated = read(business, ledger=people, deals=[LATER], surveys=surveys).groups["treatment"]
    assert [treated.total(name) for name in ("asked", "answered", "nps", "score")] == [1, 1, 100, 10]


# What was assigned elsewhere


def drawn(customer: str, arm: str, at: datetime, **rest: Any) -> Row:
    return {"customer_id": customer, "event_at": at, "campaign": "elsewhere", "group": arm, **rest}


def elsewhere(*rows: Row, as_of: date = AS_OF, **more: Any) -> Outcomes:
    business = company()
    cohort = cohort_of(business, business.campaign_named("elsewhere"), None)
    return read(business, as_of, cohort=cohort, drawn=list(rows), deals=[LATER], **more)


def test_words_of_the_company_mean_our_groups_and_foreign_words_stop_the_measurement() -> None:
    found = elsewhere(drawn("ana", "call", noon(ENTRY)), drawn("bob", "nothing", noon(ENTRY)))
    assert (found.groups["treatment"].count, found.groups["holdout"].count) == (1, 1)
    assert found.entries["propensity"].to_pylist() == [None]
    with pytest.raises(DataError, match=r"2 assignments are neither treatment nor holdout.*feeds\.drawn\.groups"):
        elsewhere(drawn("ana", "letter", noon(ENTRY)), drawn("bob", "letters", noon(ENTRY)))


def test_a_corrected_assignment_of_a_feed_counts_as_corrected_and_is_told() -> None:
    wrong = drawn("ana", "call", noon(ENTRY), batch_id="b", row_number=7)
    right = drawn("ana", "nothing", noon(ENTRY), loaded_at=noon(day(3)))
    gone = {"feed": "drawn", "batch_id": "b", "row_number": 7, "replaced_at": noon(day(3)), "replaced_by": "c"}
    found = elsewhere(wrong, right, drawn("bob", "call", noon(ENTRY)), superseded=[gone])
    assert (found.groups["treatment"].count, found.groups["holdout"].count, found.changed_count) == (1, 1, 1)


def test_an_assignment_that_was_loaded_late_is_not_known_before() -> None:
    found = elsewhere(drawn("ana", "call", noon(ENTRY)), drawn("bob", "call", noon(ENTRY), loaded_at=noon(AS_OF)))
    assert found.maturity.assigned_count == 1


def test_the_cost_of_a_campaign_elsewhere_is_that_of_its_action_or_what_the_feeds_report() -> None:
    rows = [drawn("ana", "mail", noon(ENTRY)), drawn("bob", "nothing", noon(ENTRY))]
    assert elsewhere(*rows).groups["treatment"].total("cost_cents") == 50 + 300  # the campaign's only action
    named = [drawn("ana", "mail", noon(ENTRY), action="call"), rows[1]]
    assert elsewhere(*named).groups["treatment"].total("cost_cents") == 400
    mail = {"customer_id": "ana", "event_at": noon(day(2)), "campaign": "elsewhere", "outcome": "sent", "cost_cents": 7}
    told = elsewhere(*rows, mails=[mail, {**mail, "outcome": "redeemed", "cost_cents": None}])
    assert told.groups["treatment"].total("cost_cents") == 7 + 1_000
    told = elsewhere(*rows, mails=[mail, {**mail, "outcome": "redeemed", "cost_cents": 720}])
    assert told.groups["treatment"].total("cost_cents") == 7 + 720
    assert told.groups["treatment"].total("reached") == 1


# Segments


def test_segments_are_what_was_known_at_the_entry() -> None:
    people = [
        assigned("ana", "treatment", ENTRY, probability=0.7, fit_class="invest"),
        assigned("bob", "holdout", ENTRY, probability=0.3),
        assigned("cai", "holdout", day(1), probability=0.1, unit_id="bob"),
        assigned("dan", "holdout", day(1)),
    ]
    decisions = [decision("ana", "call", ENTRY, 400), decision("bob", "none", ENTRY, 0, intended_action="gift")]
    decisions += [decision("ana", "gift", day(9), 350), decision("bob", "none", day(9), 0, intended_action="none")]
    versions = [
        {"customer_id": "ana", "region": "north", "loaded_at": datetime(2026, 1, 1)},
        {"customer_id": "ana", "region": "south", "loaded_at": noon(day(1))},
        {"customer_id": "bob", "region": "west", "loaded_at": noon(day(2))},
    ]
    names = ("risk_tier", "intended_action", "region", "fit_class", ("region", "entry_month"))
    found = read(company(), segments=names, ledger=[*people, *decisions], deals=[LATER], customers=versions)
    counts = {
        name: {value: {g: m.total("customers") for g, m in groups.items() if m.count} for value, groups in cuts.items()}
        for name, cuts in found.segments.items()
    }
    assert counts["risk_tier"] == {
        "high": {"treatment": 1}, "medium": {"holdout": 1}, "low": {"holdout": 1}, "not known": {"holdout": 1},
    }  # fmt: skip
    assert counts["intended_action"] == {"call": {"treatment": 1}, "gift": {"holdout": 2}, "not known": {"holdout": 1}}
    assert counts["region"] == {"north": {"treatment": 1}, "west": {"holdout": 1}, "not known": {"holdout": 2}}
    assert counts["fit_class"] == {"invest": {"treatment": 1}, "not known": {"holdout": 3}}
    assert ("north", "2026-03") in counts["region", "entry_month"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("origin", "is a protected attribute. What is protected is audited, never shown"),
        (("fit_class", "origin"), "is a protected attribute"),
        ("regoin", "Did you mean 'region'"),
        ("gone", "is no category that was known at the entry"),
    ],
)
def test_a_segment_that_may_not_be_shown_is_refused(name: Any, why: str) -> None:
    with pytest.raises(BusinessFileError, match=why):
        read(company(), segments=(name,))


# Money


def test_revenue_is_cut_where_the_time_before_the_entry_says_and_never_by_the_outcome() -> None:
    people = [assigned(f"c{n}", "treatment" if n % 2 else "holdout", ENTRY) for n in range(3)]
    before = [{"customer_id": f"c{n}", "event_at": noon(day(-3)), "amount_cents": 1_000} for n in range(3)]
    after = [{"customer_id": "c1", "event_at": noon(day(3)), "amount_cents": 50_000}]
    late = [{"customer_id": "x", "event_at": noon(ENDS), "amount_cents": 1}]
    business = company(revenue="tills")
    found = read(business, ledger=people, deals=[LATER], tills=[*before, *after, *late])
    assert found.cap_cents == 1_000
    treated = found.groups["treatment"]
    assert (treated.total("revenue_cents"), treated.total("revenue_capped_cents")) == (50_000, 1_000)
    assert treated.total("margin_cents") == pytest.approx(400)
    assert any("revenue is capped at 10.00 EUR per customer (99.5 % point of the time" in note for note in found.notes)
    bare = read(business, ledger=people, deals=[LATER], tills=[*after, *late])
    assert (bare.cap_cents, bare.groups["treatment"].total("revenue_capped_cents")) == (None, 50_000)


def test_a_horizon_over_the_change_of_the_clocks_ends_at_local_midnight() -> None:
    # Madrid puts its clocks forward on 29 March: the horizon ends at 22:00 UTC of the 31st, not at 23:00.
    business = company(revenue="tills")
    bill = {"customer_id": "ana", "amount_cents": 100}
    inside = {**bill, "event_at": datetime(2026, 3, 31, 21, 59)}
    outside = {**bill, "event_at": datetime(2026, 3, 31, 22, 0)}
    found = read(business, ledger=[assigned("ana", "treatment", ENTRY)], deals=[LATER], tills=[inside, outside])
    assert found.groups["treatment"].total("revenue_cents") == 100


# Cohorts


def test_a_cohort_keeps_what_the_launch_fixed_although_the_file_says_otherwise_by_now() -> None:
    fixed = {**company().churn[0].model_dump(mode="json"), "outcome_days": 57}
    design = replace(DESIGN, campaign="spring", version=3, churn=fixed, horizon_days=60)
    for campaign in (company().campaign_named("spring"), None):
        cohort = cohort_of(company(), campaign, design)
        assert (cohort.name, cohort.horizon_days, cohort.lead_days) == ("spring/3", 60, 3)
        assert cohort.churn.model_dump(mode="json") == fixed


def test_what_cannot_be_followed_is_refused() -> None:
    business = company()
    with pytest.raises(BusinessFileError, match="campaign spring: was never launched, and no feed says who"):
        cohort_of(business, business.campaign_named("spring"), None)
    gone = Cohort("spring", 1, business.churn[0].model_copy(update={"feed": "old_deals"}), HORIZON, None)
    with pytest.raises(BusinessFileError, match="feed 'old_deals' is not in the file any more"):
        read(business, cohort=gone)
