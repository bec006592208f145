"""Who could be given something today: each refusal, their order, the way to one campaign, and one member per unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from campaigns.decisions.candidates import Candidates, Known, columns_of, read_candidates
from campaigns.decisions.refusals import Refusal
from campaigns.lifts import lifts
from holdback.business import Business
from tests.campaigns.company import rows
from tests.campaigns.decisions.world import AS_OF, FILE, actions, company, customer, score
from tests.features.world import Memory, Row

UNITS = {"customer_id": pa.string(), "unit_id": pa.string(), "group": pa.string()}
TAKEN = {
    "customer_id": pa.string(), "campaign": pa.string(), "version": pa.int64(), "group": pa.string(),
    "is_in_several": pa.bool_(),
}  # fmt: skip
SUPPRESSED = {"customer_id": pa.string(), "reason": pa.string(), "channel": pa.string()}
COOLING = {"unit_id": pa.string(), "action": pa.string()}
FIT = {"customer_id": pa.string(), "kept_cents": pa.int64(), "fit_class": pa.string(), "value_decile": pa.int64()}
CITIES = [
    {"name": "lugo", "actions": ["call", "mail"], "audience": {"where": {"city": ["Lugo"]}}},
    {"name": "elders", "actions": ["mail", "gift"], "audience": {"between": {"age": [60, 120]}}},
]


def table(shape: Mapping[str, pa.DataType], some: Sequence[Sequence[Any]]) -> pa.Table:
    return pa.table(
        [pa.array([row[i] for row in some], kind) for i, kind in enumerate(shape.values())], names=list(shape)
    )


def known(
    names: Sequence[str],
    *,
    units: Mapping[str, str] | None = None,
    held: Sequence[str] = (),
    taken: Sequence[tuple[str, str, int, str]] = (),
    in_several: bool = False,
    suppressed: Sequence[tuple[str, str, str | None]] = (),
    cooling: Sequence[tuple[str, str]] = (),
    classes: Mapping[str, str] | None = None,
    kept: Mapping[str, int] | None = None,
    deciles: Mapping[str, int] | None = None,
) -> Known:
    """What other steps found out: everybody alone, free and worth 1,000.00, unless it is said otherwise."""
    unit_of = {name: name for name in names} | dict(units or {})
    group = {name: "holdout" if unit_of[name] in held else "treatment" for name in names}
    return Known(
        units=table(UNITS, [(name, unit_of[name], group[name]) for name in names]),
        taken=table(TAKEN, [(*row, in_several) for row in taken]),
        suppressed=table(SUPPRESSED, suppressed),
        cooling=table(COOLING, cooling),
        fit=table(
            FIT,
            [
                (
                    name,
                    (kept or {}).get(name, 100_000),
                    (classes or {}).get(name, "maintain"),
                    (deciles or {}).get(name),
                )
                for name in names
            ],
        ),
    )


def read(
    business: Business,
    people: Sequence[Row],
    facts: Known | None = None,
    *,
    scores: Sequence[Row] | None = None,
    as_of: date = AS_OF,
    **tables: list[Row],
) -> Candidates:
    names = [row["customer_id"] for row in people]
    scored = [score(name) for name in names] if scores is None else list(scores)
    memory = Memory(business, {"customers": list(people), "scores": scored, **tables})
    facts = facts or known(sorted({row["customer_id"] for row in scored}))
    known_lifts = lifts(memory, business, as_of)
    return read_candidates(memory, business, business.campaigns, as_of, facts, known_lifts)


def refusals(found: Candidates, name: str) -> dict[str, str]:
    """Why each action of the customer's campaign is not open to him, by action."""
    position = found.rows["customer_id"].to_pylist().index(name)
    own = found.rows["campaign_index"].to_pylist()[position]
    return {
        column.action.name: Refusal(int(found.refusal[position, index])).code
        for index, column in enumerate(found.columns)
        if column.campaign_index == own
    }


def campaigns_of(found: Candidates) -> dict[str, int]:
    return dict(rows(found.rows, "customer_id", "campaign_index"))


EVERYTHING_OPEN = {"call": "open", "mail": "open"}


def test_a_customer_whom_nothing_speaks_against_may_be_given_everything() -> None:
    found = read(company(), [customer("ann")])
    assert refusals(found, "ann") == EVERYTHING_OPEN
    assert found.is_open.tolist() == [[True, True]]
    assert found.costs.tolist() == [500, 10]


def test_the_gain_is_what_the_action_keeps_less_what_it_costs() -> None:
    found = read(company(), [customer("ann")], known(["ann"], kept={"ann": 20_000}), scores=[score("ann", 0.4)])
    # 0.4 x 20,000 at stake; 30 % saved by a call of 500, 5 % by a mail of 10.
    assert found.gain_cents.tolist() == [[0.4 * 0.3 * 20_000 - 500, 0.4 * 0.05 * 20_000 - 10]]


def test_incentives_count_as_often_as_they_are_taken() -> None:
    paid = actions(call={"incentive_amount": 30.0, "incentive_taken_share": 0.25})
    assert read(company(actions=paid), [customer("ann")]).costs.tolist() == [1250, 10]


def test_an_action_without_a_lift_gains_nothing_and_costs_what_it_costs() -> None:
    found = read(company(campaigns=[{"name": "spring", "actions": ["gift"]}]), [customer("ann")])
    assert found.gain_cents.tolist() == [[0.0]]
    assert found.is_open.tolist() == [[True]]


CLOSED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "in another campaign": (
        {"taken": [("ann", "other", 1, "treatment")]}, {"call": "in_campaign", "mail": "in_campaign"},
    ),
    "in an older version": (
        {"taken": [("ann", "spring", 7, "treatment")]}, {"call": "in_campaign", "mail": "in_campaign"},
    ),
    "held out here": ({"taken": [("ann", "spring", 1, "holdout")]}, {"call": "held_out", "mail": "held_out"}),
    "held out elsewhere": ({"taken": [("ann", "other", 1, "holdout")]}, {"call": "held_out", "mail": "held_out"}),
    "suppressed": ({"suppressed": [("ann", "opted_out", None)]}, {"call": "suppressed", "mail": "suppressed"}),
    "not worth it": ({"classes": {"ann": "do_not_spend"}}, {"call": "fit", "mail": "fit"}),
    "channel closed": ({"suppressed": [("ann", "bounced", "email")]}, {"call": "open", "mail": "channel"}),
    "had it lately": ({"cooling": [("ann", "call")]}, {"call": "cooling_off", "mail": "open"}),
    "grown out of units in several campaigns": (
        {"taken": [("ann", "spring", 1, "treatment")], "in_several": True},
        {"call": "in_campaign", "mail": "in_campaign"},
    ),
    "treated here": ({"taken": [("ann", "spring", 1, "treatment")]}, EVERYTHING_OPEN),
}  # fmt: skip


@pytest.mark.parametrize("case", CLOSED)
def test_each_refusal_closes_what_it_is_about(case: str) -> None:
    facts, expected = CLOSED[case]
    assert refusals(read(company(), [customer("ann")], known(["ann"], **facts)), "ann") == expected


def test_an_action_that_is_not_for_a_customer_is_not_open_to_him() -> None:
    for_vigo = actions(call={"eligible": {"where": {"city": ["Vigo"]}}})
    found = read(company(actions=for_vigo), [customer("ann"), customer("bea", city="Vigo")])
    assert refusals(found, "ann") == {"call": "not_eligible", "mail": "open"}
    assert refusals(found, "bea") == EVERYTHING_OPEN


def test_an_action_can_be_for_a_risk_tier_alone() -> None:
    for_high = actions(call={"eligible": {"risk_tiers": ["high"]}})
    scores = [score("ann", 0.5), score("bea", 0.3)]
    found = read(company(actions=for_high), [customer("ann"), customer("bea")], scores=scores)
    assert refusals(found, "ann") == EVERYTHING_OPEN
    assert refusals(found, "bea") == {"call": "not_eligible", "mail": "open"}


@pytest.mark.parametrize("age", [None, 17.9, 30.1])
def test_who_is_not_known_to_be_eligible_is_not(age: float | None) -> None:
    for_young = actions(mail={"eligible": {"between": {"age": [18, 30]}}})
    found = read(company(actions=for_young), [customer("ann", age=age)])
    assert refusals(found, "ann") == {"call": "open", "mail": "not_eligible"}


def test_what_costs_nothing_is_open_to_those_who_are_not_worth_more() -> None:
    facts = known(["ann"], classes={"ann": "do_not_spend"})
    found = read(company(actions=actions(mail={"cost": 0.0})), [customer("ann")], facts)
    assert refusals(found, "ann") == {"call": "fit", "mail": "open"}


def test_of_several_reasons_the_first_in_order_counts() -> None:
    """Each step of the ladder takes away the reason that counted before."""
    business = company(actions=actions(mail={"eligible": {"where": {"city": ["Vigo"]}}}))
    facts: dict[str, Any] = {
        "taken": [("ann", "other", 1, "holdout")],
        "suppressed": [("ann", "no_consent", None), ("ann", "bounced", "email")],
        "cooling": [("ann", "mail")],
        "classes": {"ann": "do_not_spend"},
    }
    changes: list[dict[str, Any]] = [
        {}, {"taken": [("ann", "other", 1, "treatment")]}, {"taken": []}, {"suppressed": facts["suppressed"][1:]},
        {"city": "Vigo"}, {"classes": {}}, {"suppressed": []}, {"cooling": []},
    ]  # fmt: skip
    city, ladder = "Lugo", []
    for change in changes:
        city = change.pop("city", city)
        facts.update(change)
        ladder.append(refusals(read(business, [customer("ann", city=city)], known(["ann"], **facts)), "ann")["mail"])
    assert ladder == [
        "held_out", "in_campaign", "suppressed", "not_eligible", "fit", "channel", "cooling_off", "open",
    ]  # fmt: skip


def test_all_that_speaks_against_any_contact_is_told_together() -> None:
    facts = known(["ann"], suppressed=[("ann", "protected", None), ("ann", "no_consent", None), ("ann", "x", "sms")])
    found = read(company(), [customer("ann")], facts)
    assert found.rows["suppressed_by"].to_pylist() == ["no_consent, protected"]


def test_who_is_in_several_audiences_goes_to_the_first_campaign_of_the_file() -> None:
    people = [
        customer("ann", city="Lugo", age=70.0), customer("bea", city="Vigo", age=70.0),
        customer("cid", city="Lugo", age=20.0), customer("dan", city="Vigo", age=20.0),
    ]  # fmt: skip
    found = read(company(campaigns=CITIES), people)
    assert campaigns_of(found) == {"ann": 0, "bea": 1, "cid": 0}
    assert campaigns_of(read(company(campaigns=CITIES[::-1]), people)) == {"ann": 0, "bea": 0, "cid": 1}


def test_who_is_in_a_campaign_stays_in_it() -> None:
    facts = known(["ann", "bea"], taken=[("ann", "elders", 1, "treatment")])
    found = read(company(campaigns=CITIES), [customer("ann", age=70.0), customer("bea", age=70.0)], facts)
    assert campaigns_of(found) == {"ann": 1, "bea": 0}
    assert refusals(found, "ann") == {"mail": "open", "gift": "open"}


def test_a_unit_that_grew_out_of_two_campaigns_gets_nothing_from_either() -> None:
    facts = known(["ann"], taken=[("ann", "elders", 1, "treatment")], in_several=True)
    found = read(company(campaigns=CITIES), [customer("ann", age=70.0)], facts)
    assert set(refusals(found, "ann").values()) == {"in_campaign"}


def test_who_left_the_audience_of_his_campaign_gets_nothing_from_another() -> None:
    facts = known(["ann"], taken=[("ann", "elders", 1, "treatment")])
    found = read(company(campaigns=CITIES), [customer("ann", age=40.0)], facts)
    assert refusals(found, "ann") == {"call": "in_campaign", "mail": "in_campaign"}


def test_actions_of_other_campaigns_are_not_open() -> None:
    found = read(company(campaigns=CITIES), [customer("ann", age=70.0), customer("bea", city="Vigo", age=70.0)])
    assert found.is_open.tolist() == [[True, True, False, False], [False, False, True, True]]


def test_who_is_held_out_globally_is_not_read() -> None:
    facts = known(["ann", "bea", "cid"], units={"bea": "ann"}, held=["ann"])
    found = read(company(), [customer("ann"), customer("bea"), customer("cid")], facts)
    assert found.rows["customer_id"].to_pylist() == ["cid"]


def test_who_was_not_scored_for_the_campaigns_churn_is_in_no_audience() -> None:
    scores = [score("ann"), score("bea", churn="gone"), score("cid", on=date(2026, 3, 1))]
    people = [customer("ann"), customer("bea"), customer("cid")]
    assert read(company(), people, scores=scores).rows["customer_id"].to_pylist() == ["ann"]
    gone = company(campaigns=[{**FILE["campaigns"][0], "churn": "gone"}])
    assert read(gone, people, scores=scores).rows["customer_id"].to_pylist() == ["bea"]


def test_risk_tiers_of_an_audience_are_those_of_the_campaigns_churn() -> None:
    scores = [score("ann", 0.5), score("bea", 0.3), score("cid", 0.1)]
    people = [customer(row["customer_id"]) for row in scores]
    assert read(company(), people, scores=scores).rows["customer_id"].to_pylist() == ["ann", "bea"]
    low = company(campaigns=[{"name": "spring", "actions": ["mail"], "audience": {"risk_tiers": ["low"]}}])
    assert read(low, people, scores=scores).rows["customer_id"].to_pylist() == ["cid"]


def test_of_a_unit_only_the_member_with_most_to_gain_is_open() -> None:
    facts = known(["ann", "bea", "cid"], units={"bea": "ann", "cid": "ann"}, kept={"bea": 200_000})
    found = read(company(), [customer("ann"), customer("bea"), customer("cid")], facts)
    assert refusals(found, "bea") == EVERYTHING_OPEN
    assert refusals(found, "ann") == refusals(found, "cid") == {"call": "other_member", "mail": "other_member"}


def test_of_members_with_as_much_to_gain_the_smaller_name_comes_first() -> None:
    facts = known(["ann", "bea"], units={"bea": "ann"})
    found = read(company(), [customer("bea"), customer("ann")], facts)
    assert refusals(found, "ann") == EVERYTHING_OPEN
    assert refusals(found, "bea") == {"call": "other_member", "mail": "other_member"}


def test_a_member_to_whom_nothing_is_open_takes_nobodys_place() -> None:
    facts = known(["ann", "bea"], units={"bea": "ann"}, kept={"ann": 900_000}, suppressed=[("ann", "opted_out", None)])
    found = read(company(), [customer("ann"), customer("bea")], facts)
    assert refusals(found, "ann") == {"call": "suppressed", "mail": "suppressed"}
    assert refusals(found, "bea") == EVERYTHING_OPEN


def test_a_unit_with_members_in_two_campaigns_has_one_open_member() -> None:
    people = [customer("ann", city="Lugo"), customer("bea", city="Vigo", age=70.0)]
    facts = known(["ann", "bea"], units={"bea": "ann"}, kept={"bea": 900_000})
    found = read(company(campaigns=CITIES), people, facts)
    assert refusals(found, "ann") == {"call": "other_member", "mail": "other_member"}
    assert refusals(found, "bea") == {"mail": "open", "gift": "open"}


def test_what_is_not_known_yet_is_not_seen() -> None:
    moved = customer("ann", city="Vigo", loaded_at=company().instant(date(2026, 3, 3)), batch_id="later")
    found = read(company(campaigns=CITIES), [customer("ann"), moved], known(["ann"]), scores=[score("ann")])
    assert campaigns_of(found) == {"ann": 0}


def test_without_a_table_of_customers_whoever_is_scored_can_be_a_candidate() -> None:
    bare = company(customers=None, contact={"reachable": {}, "opted_out": None, "suppressed_by": []},
                   churn=FILE["churn"][:1])  # fmt: skip
    found = read(bare, [], scores=[score("ann"), score("bea")])
    assert campaigns_of(found) == {"ann": 0, "bea": 0}
    assert found.is_open.all()


def test_a_customer_of_whom_only_the_score_is_known_is_in_no_audience_that_asks_for_more() -> None:
    found = read(company(campaigns=CITIES), [], scores=[score("ann")])
    assert found.rows.num_rows == 0
    assert campaigns_of(read(company(), [], scores=[score("ann")])) == {"ann": 0}


def test_who_has_no_fit_has_nothing_at_stake() -> None:
    facts = known(["ann"])
    found = read(company(), [customer("ann")], Known(facts.units, facts.taken, facts.suppressed, facts.cooling,
                                                     table(FIT, [])))  # fmt: skip
    assert found.rows["kept_cents"].to_pylist() == [0]
    assert found.gain_cents.tolist() == [[-500.0, -10.0]]


def test_nobody_to_choose_from_is_no_fault() -> None:
    found = read(company(), [customer("ann")], scores=[score("ann", 0.01)])
    assert found.refusal.shape == found.gain_cents.shape == (0, 2)
    assert found.is_open.dtype == np.bool_


def test_columns_stand_in_the_order_of_the_business_file_and_share_their_action() -> None:
    business = company(campaigns=CITIES)
    columns = columns_of(business, business.campaigns, lifts(Memory(business, {}), business, AS_OF))
    assert [(c.campaign.name, c.action.name, c.campaign_index, c.action_index) for c in columns] == [
        ("lugo", "call", 0, 0), ("lugo", "mail", 0, 1), ("elders", "mail", 1, 1), ("elders", "gift", 1, 2),
    ]  # fmt: skip
    assert [column.lift is None for column in columns] == [False, False, False, True]


@pytest.mark.parametrize("name", ["probability", "risk_tier", "reasons", "churn", "unit_id"])
def test_an_attribute_may_be_called_as_a_column_of_ours(name: str) -> None:
    attributes = {**FILE["customers"]["attributes"], name: "category"}
    business = company(
        customers={"attributes": attributes},
        campaigns=[{"name": "spring", "actions": ["call"], "audience": {"where": {name: ["yes"]}}}],
    )
    found = read(business, [customer("ann", **{name: "yes"}), customer("bea", **{name: "no"})])
    assert found.rows["customer_id"].to_pylist() == ["ann"]
    assert found.rows["probability"].to_pylist() == [0.5]


def test_names_and_values_with_quotes_are_read_as_they_are() -> None:
    business = company(campaigns=[{"name": "spring", "actions": ["call"], "audience": {"where": {"city": ["L'H"]}}}])
    found = read(business, [customer("o'neil", city="L'H"), customer('a"b', city="L'H")])
    assert found.rows["customer_id"].to_pylist() == ['a"b', "o'neil"]
