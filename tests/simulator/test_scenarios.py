"""Each scenario's claim, checked against what happens when its days are played."""

from __future__ import annotations

import math
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import pytest

from simulator.bank import Bank
from simulator.incidents import LEAD_DAYS, falls_of
from simulator.scenarios import CLAIM_DAYS, KINDS, SCENARIOS
from simulator.truth import truth
from tests.simulator.companies import active, company_after, contacts_for, left, play_on


def four_errors(probability: float, count: int) -> float:
    """Four binomial standard errors: passed by chance once in sixteen thousand."""
    return 4 * math.sqrt(probability * (1 - probability) / count)


def test_every_scenario_has_a_claim_and_a_test() -> None:
    tested = {name.removeprefix("test_in_").split("__")[0] for name in globals() if name.startswith("test_in_")}
    assert tested == set(SCENARIOS)
    assert all(scenario.claim for scenario in SCENARIOS.values())


def test_in_ordinary__persuadables_are_kept_and_sleeping_dogs_driven_away() -> None:
    company = company_after(30, customers=20_000)
    who = active(company)
    alone, contacted = company.fork(), company.fork()
    play_on(alone, CLAIM_DAYS)
    play_on(contacted, CLAIM_DAYS, contacts_for(company, who))
    # Both worlds have the same luck: whoever differs was changed by the contact.
    kept = left(alone, who) & ~left(contacted, who)
    driven = ~left(alone, who) & left(contacted, who)
    kind = company.people.kind[who]
    changed = {name: (int(kept[kind == k].sum()), int(driven[kind == k].sum())) for k, name in enumerate(KINDS)}
    assert changed["persuadable"][0] > 100
    assert changed["sleeping_dog"][1] > 20
    assert changed["persuadable"][1] == changed["sleeping_dog"][0] == 0
    # Nobody is moved who cannot be; sure things hardly.
    assert changed["lost_cause"] == (0, 0)
    assert changed["sure_thing"][0] < 0.05 * changed["persuadable"][0]


def test_in_no_effect__the_same_people_leave_on_the_same_days() -> None:
    company = company_after(10, customers=3000, scenario="no_effect")
    alone, contacted = company.fork(), company.fork()
    play_on(alone, CLAIM_DAYS)
    for _ in range(CLAIM_DAYS):  # daily contacts: fatigue does nothing either
        contacted.play(contacted.played_until + timedelta(days=1), contacts_for(company, active(contacted)[::20]))
    assert left(alone, active(company)).sum() > 50
    assert (alone.lives.left_on == contacted.lives.left_on).all()


def test_in_constant_effect__the_same_share_of_would_be_leavers_stays() -> None:
    company = company_after(10, customers=20_000, scenario="constant_effect")
    who = active(company)
    alone, contacted = company.fork(), company.fork()
    play_on(alone, CLAIM_DAYS)
    play_on(contacted, CLAIM_DAYS, contacts_for(company, who))
    leavers = left(alone, who)
    kept = leavers & ~left(contacted, who)
    # Hazards times 0.7: of a few leavers 30 % stay; of certain leavers fewer. Between: the mean over the true risks.
    risk = truth(company, company.played_until + timedelta(days=1), CLAIM_DAYS, worlds=2, value_days=1)
    p = risk["probability"].to_numpy()
    share = float(((1 - p) ** 0.7 - (1 - p)).sum() / p.sum())
    assert 0.2 < share < 0.3
    for number, name in enumerate(KINDS):
        of_kind = leavers & (company.people.kind[who] == number)
        assert abs(kept[of_kind].mean() - share) < four_errors(share, int(of_kind.sum())) + 0.01, name


def test_in_harmful_campaign__ten_percent_leave_instead_of_six_point_four() -> None:
    company = company_after(5, customers=30_000, scenario="harmful_campaign")
    who = active(company)
    halves = np.random.default_rng(1).permutation(who)
    contacted, alone = np.sort(halves[::2]), np.sort(halves[1::2])
    play_on(company, CLAIM_DAYS, contacts_for(company, contacted))
    for group, probability in ((contacted, 0.100), (alone, 0.064)):
        assert abs(left(company, group).mean() - probability) < four_errors(probability, len(group))


def test_in_risk_is_not_uplift__contacting_by_risk_is_worse_than_at_random() -> None:
    company = company_after(60, customers=20_000, scenario="risk_is_not_uplift")
    table = truth(company, company.played_until + timedelta(days=1), CLAIM_DAYS, worlds=2, value_days=1)
    who = company.people.positions(table["customer_id"].to_pylist())
    riskiest = np.argsort(-table["probability"].to_numpy())[: len(who) // 5]
    effects = []
    for world in range(4):
        alone, contacted = company.fork(f"{world}"), company.fork(f"{world}")
        play_on(alone, CLAIM_DAYS)
        play_on(contacted, CLAIM_DAYS, contacts_for(company, who))
        effects.append(left(contacted, who).astype(int) - left(alone, who).astype(int))
    effect = np.mean(effects, axis=0)
    by_risk, at_random = effect[riskiest], effect
    error = math.hypot(by_risk.std() / math.sqrt(len(by_risk)), at_random.std() / math.sqrt(len(at_random)))
    assert by_risk.mean() - at_random.mean() > 2 * error
    kinds = company.people.kind[who][riskiest]
    assert np.isin(kinds, [KINDS.index("lost_cause"), KINDS.index("sleeping_dog")]).mean() > 0.5


def test_in_small_company__no_effect_can_be_read_within_a_year() -> None:
    company = company_after(365, customers=5000, scenario="small_company")
    assert len(active(company)) < 400
    known = company.people.known_on(company.played_until.toordinal())
    held_out, treated = 0.1 * known, 0.9 * known
    base = (company.lives.left_on > 0).sum() / 365 * CLAIM_DAYS / len(active(company))
    # The effect found four times in five at 5 % error: 2.80 standard errors. It is larger than churn itself: not even a
    # campaign after which nobody leaves could be told from none.
    z = NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)
    detectable = z * math.sqrt(base * (1 - base) * (1 / held_out + 1 / treated))
    assert detectable > base


def test_in_drift__newcomers_and_causes_change_after_a_year() -> None:
    company = company_after(0, customers=12_000, scenario="drift")
    people, starts = company.people, company.starts_on.toordinal()
    changes = starts + 365
    shares = [
        np.bincount(people.segment[(people.joined >= since) & (people.joined < until)], minlength=4)
        for since, until in ((starts, changes), (changes, changes + 365))
    ]
    before, after = (found / found.sum() for found in shares)
    assert after[3] - before[3] > 0.3
    ratios = []
    for days in (250, 200):  # before the change, and 85 days after it
        play_on(company, days)
        who = active(company)
        fading = company.lives.fade[who] > 0.5
        play_on(company, 45)
        gone = left(company, who)
        ratios.append((gone[fading].mean() / gone[~fading].mean(), int(gone[fading].sum()), int(gone[~fading].sum())))
    # The log of a ratio of two counts errs by the root of 1/a + 1/b.
    (earlier, *counts), (later, *later_counts) = ratios
    assert math.log(earlier) - 4 * math.sqrt(sum(1 / n for n in counts)) > math.log(2)
    assert math.log(later) - 4 * math.sqrt(sum(1 / n for n in later_counts)) < math.log(1.3)
    assert later < earlier / 2


def test_in_leaky__the_customers_file_knows_who_will_leave() -> None:
    company = company_after(0, customers=2000, scenario="leaky")
    while company.played_until < date(2025, 6, 29):
        play_on(company, 1)
    table = company.feeds(company.played_until)["customers"]
    marked = company.people.positions(table.filter(table["final_invoice_planned"])["customer"].to_pylist())
    play_on(company, 30)
    gone = np.flatnonzero(company.lives.left_on > date(2025, 6, 29).toordinal())
    newcomers = company.people.joined[gone] > date(2025, 6, 29).toordinal()
    assert sorted(marked) == sorted(gone[~newcomers])
    assert len(marked) > 20


def test_in_incidents__savings_fall_and_their_owners_follow_weeks_later() -> None:
    company = company_after(310, "bank", customers=1500, scenario="incidents")
    assert isinstance(company.trade, Bank)
    falls = falls_of(company.trade.falls, company.people)
    who = company.people.positions(falls["customer_id"].to_pylist())
    planted = company.trade.leaves_on[who]
    assert len(who) > 80
    assert (company.lives.left_on[who][planted > 0] == planted[planted > 0]).all()
    # 45 of the falls are followed by leaving; of the others no more leave than of everybody, one in six in this time.
    harmless = company.lives.left_on[who][planted == 0] > 0
    assert harmless.mean() < 1 / 6 + four_errors(1 / 6, len(harmless))
    leads = (planted - np.array([day.toordinal() for day in falls["fell_on"].to_pylist()]))[planted > 0]
    assert (leads.min(), leads.max()) == LEAD_DAYS


def test_ordinary_files_know_nothing_of_the_future() -> None:
    company = company_after(29, customers=50)  # 2025-06-29 is a Sunday: the customers' file comes
    assert "final_invoice_planned" not in company.feeds(company.played_until)["customers"].column_names


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_scenario_fits_every_kind_of_company(name: str) -> None:
    for kind in ("telecom", "bank", "resort", "dealer"):
        company = company_after(31, kind, customers=60, scenario=name)
        play_on(company, 3, contacts_for(company, active(company)[:20]))
        assert len(active(company)) > 20
