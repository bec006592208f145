from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from simulator import Company, Contact
from simulator.contacts import BOUNCED_SHARE, MISSED_SHARE, read_contact_lists
from simulator.scenarios import SLEEPING_DOG
from tests.simulator.companies import active, company_after, contacts_for, play_on

CALL, OFFER = "retention_call", "loyalty_offer"


def sent_to_all(action: str, *, days: int, scenario: str = "ordinary") -> tuple[Company, list[dict[str, object]]]:
    """Contact all of 6,000 customers on one day, and return the rows that the CRM sends back, the newest of each."""
    company = company_after(3, customers=6000, scenario=scenario)
    company.crm.newsletter_until = 0
    rows: dict[object, dict[str, object]] = {}
    contacts = contacts_for(company, active(company), action)
    for number in range(days):
        play_on(company, 1, contacts if number == 0 else ())
        table = company.feeds(company.played_until).get("contacts")
        for row in table.to_pylist() if table else []:
            rows[row["customer"], row["sent_at"]] = row
    return company, list(rows.values())


def test_a_few_contacts_are_missed_repeated_or_bounce() -> None:
    company, rows = sent_to_all(CALL, days=1)
    listed = len(active(company)) + (company.lives.left_on == company.played_until.toordinal()).sum()
    reported = {row["customer"] for row in rows}
    assert abs(1 - len(reported) / listed - MISSED_SHARE) < 4 * math.sqrt(MISSED_SHARE / listed)
    assert 0 < len(rows) - len(reported) < 0.02 * listed
    bounced = sum(row["outcome"] == "bounced" for row in rows) / len(reported)
    no_phone = (~company.people.has_phone[active(company)]).mean()
    expected = no_phone + (1 - no_phone) * BOUNCED_SHARE
    assert abs(bounced - expected) < 4 * math.sqrt(expected / listed)


def test_calls_are_answered_on_the_day_and_cost_what_they_cost() -> None:
    _, rows = sent_to_all(CALL, days=1)
    outcomes = {row["outcome"] for row in rows}
    assert outcomes == {"sent", "answered", "bounced", "opted_out", "complained"}
    assert {row["cost"] for row in rows} == {4.5}
    assert {(row["action"], row["channel"], row["campaign"]) for row in rows} == {(CALL, "phone", "spring")}
    assert all(str(row["decision_id"]).startswith("d") for row in rows)


def test_an_offer_that_is_redeemed_days_later_has_its_own_row_which_costs_the_incentive_alone() -> None:
    _, first_day = sent_to_all(OFFER, days=1)
    _, week = sent_to_all(OFFER, days=7)
    assert not any(row["outcome"] == "redeemed" for row in first_day)
    redeemed = [row for row in week if row["outcome"] == "redeemed"]
    assert {row["cost"] for row in redeemed} == {6.0}
    sent = [row for row in week if row["outcome"] != "redeemed"]
    assert {row["cost"] for row in sent} == {0.05}
    assert len(sent) == len(first_day)
    assert {row["decision_id"] for row in redeemed} <= {row["decision_id"] for row in sent}
    assert 0.15 < len(redeemed) / len(sent) < 0.35


def test_whoever_opts_out_withdraws_consent() -> None:
    company, rows = sent_to_all(CALL, days=1)
    out = [str(row["customer"]) for row in rows if row["outcome"] == "opted_out"]
    assert len(out) > 20
    assert not company.lives.has_consent[company.people.positions(out)].any()


def test_sleeping_dogs_opt_out_more_often() -> None:
    company, rows = sent_to_all(CALL, days=1)
    who = company.people.positions([str(row["customer"]) for row in rows])
    is_out = np.array([row["outcome"] == "opted_out" for row in rows])
    dogs = company.people.kind[who] == SLEEPING_DOG
    assert is_out[dogs].mean() > 2 * is_out[~dogs].mean()


def test_contacts_wear_out_when_they_come_too_often() -> None:
    company = company_after(3)
    who = active(company)[:100]
    lives = company.lives
    everyone = np.arange(company.people.known_on(company.played_until.toordinal()))
    one = company.crm.actions[CALL]
    pulls = []
    for _ in range(5):
        company.crm.move(one, who, lives)
        fatigue = lives.pull(everyone, company.scenario, has_changed=False)[who] - lives.nudge[who]
        pulls.append(fatigue.mean())
    assert pulls[1] > pulls[0]
    assert np.all(np.diff(pulls[1:]) > 0.3)


def test_an_effect_fades_to_a_third_in_fifty_days() -> None:
    company = company_after(3, scenario="ordinary")
    who = np.flatnonzero(company.people.kind[:300] == 0)
    company.crm.move(company.crm.actions[CALL], who, company.lives)
    before = company.lives.nudge[who].copy()
    play_on(company, 50)
    assert np.allclose(company.lives.nudge[who] / before, math.exp(-1))


def test_unknown_customers_and_actions_stop_nothing() -> None:
    company = company_after(3)
    known = company.people.ids[0].as_py()
    strange = [Contact("d1", "nobody", "spring", CALL, "phone"), Contact("d2", "T9999999", "spring", CALL, "phone")]
    play_on(company, 1, [*strange, Contact("d3", known, "spring", "fireworks", "post")])
    rows = company.feeds(company.played_until)["contacts"]
    assert rows["decision_id"].to_pylist() == ["d3"]
    assert rows["action"].to_pylist() == ["fireworks"]


def test_contact_lists_are_read_by_their_header_whatever_the_order(tmp_path: Path) -> None:
    (tmp_path / "phone.csv").write_text(
        "customer_id,decision_id,extra,campaign,action\nT0000001,d1,x,spring,retention_call\n", encoding="utf-8"
    )
    (tmp_path / "email.csv").write_text(
        "channel,customer_id,decision_id,campaign,action\nemail,T0000002,,spring,loyalty_offer\n", encoding="utf-8"
    )
    for refused in ("_refused.csv", ".draft-phone.csv"):
        (tmp_path / refused).write_text(
            "decision_id,customer_id,campaign,action\nd9,T0000009,spring,x\n", encoding="utf-8"
        )
    assert read_contact_lists(tmp_path) == (
        Contact(None, "T0000002", "spring", OFFER, "email"),
        Contact("d1", "T0000001", "spring", CALL, "phone"),
    )
    company = company_after(1)
    assert company.take_contacts(tmp_path.parent, company.played_until) == ()


def test_a_leaky_crm_contacts_people_who_are_not_on_the_list() -> None:
    company = company_after(3, customers=3000, scenario="leaky")
    listed = active(company)[:500]
    play_on(company, 1, contacts_for(company, listed))
    rows = company.feeds(company.played_until)["contacts"]
    strangers = rows.filter(pc.is_null(rows["decision_id"]))
    who = set(company.people.positions(strangers["customer"].to_pylist()).tolist())
    assert not who & set(listed.tolist())
    assert len(who) == pytest.approx(50, abs=4 * math.sqrt(50 * MISSED_SHARE) + 1)
