"""A plan tells from the company's own past when a campaign can be read; the date it promises is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import norm

from campaigns.feasibility import ActionLimit, Flow, Plan, percent, plan, points
from campaigns.feasibility.entries import base_rate, flow, household_effect, score_correlation, simulate_entries
from campaigns.feasibility.history import History, Labelled, read_history
from campaigns.members import Members
from campaigns.power import sample_needed
from features.labels import build_labels
from holdback.business import Business
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.workspace import Workspace
from tests.campaigns.contracts import AS_OF, CHURN_30D, FILE, HORIZON_DAYS, OPENS, open_telecom, telecom
from tests.training.companies import open_shop, snapshot

SCORED_ON = tuple(AS_OF - timedelta(days=back) for back in (98, 84, 70, 56, 42, 28, 14, 0))
HIGH = {"campaign": {"audience": {"risk_tiers": ["high"]}}}
Make = Callable[..., Plan]
CALL = ActionLimit("call", 0.3, "assumed", 5.0, 40.0)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_telecom(tmp_path_factory.mktemp("telecom"), scored_on=SCORED_ON)


@pytest.fixture(scope="module")
def planned(company: Workspace) -> Make:
    """Plan the campaign of the company under a changed business file; its data stay."""

    made: dict[str, Plan] = {}

    def make(as_of: date = AS_OF, **changes: Any) -> Plan:
        key = f"{as_of} {changes!r}"
        if key not in made:
            made[key] = plan(company.warehouse, telecom(company.root, **changes).business, "spring", as_of)
        return made[key]

    return make


def members(day: date, tiers: list[str], *, prefix: str = "c", is_scored: bool = True) -> Members:
    ids = np.array([f"{prefix}{i}" for i in range(len(tiers))])
    probability = np.array([CHURN_30D[tier] for tier in tiers]) if is_scored else np.full(len(tiers), np.nan)
    return Members(day, is_scored, ids, ids, np.array(tiers), probability, np.ones(len(tiers), dtype=bool))


# Who enters


def test_those_held_out_use_no_capacity() -> None:
    entries = simulate_entries(
        Flow(100, 0, 0, ""), [CALL], holdout_share=0.2, explore_share=0, budget_per_day=None, days=4
    )
    # 40 calls a day, and 10 held out beside them; 100 members last for two days.
    assert entries.entered.tolist() == [50, 100, 100, 100]
    assert entries.lift == pytest.approx(0.3)
    assert entries.cost_amount == pytest.approx(5)


def test_a_budget_and_a_second_action_decide_what_is_saved() -> None:
    letter = ActionLimit("letter", 0.1, "assumed", 1.0, None)
    entries = simulate_entries(
        Flow(1_000, 0, 0, ""), [CALL, letter], holdout_share=0.0, explore_share=0, budget_per_day=260, days=1
    )
    # 40 calls cost 200; the other 60 pay 60 letters.
    assert entries.entered[0] == 100
    assert entries.lift[0] == pytest.approx((40 * 0.3 + 60 * 0.1) / 100)
    assert entries.cost_amount[0] == pytest.approx(2.6)


def test_exploration_saves_the_mean_of_all_actions_and_none() -> None:
    entries = simulate_entries(
        Flow(10, 0, 0, ""), [CALL], holdout_share=0.5, explore_share=0.1, budget_per_day=None, days=1
    )
    assert entries.lift[0] == pytest.approx(0.9 * 0.3 + 0.1 * 0.15)


def test_members_who_wait_may_leave_and_others_come() -> None:
    entries = simulate_entries(
        Flow(100, 8, 0.1, ""), [CALL], holdout_share=0.0, explore_share=0, budget_per_day=None, days=3
    )
    # 100 - 40 = 60, less a tenth, and 8 more: 62; then 22 less a tenth and 8 more: 27.8, who all enter.
    assert entries.entered.tolist() == pytest.approx([40, 80, 107.8])


def test_nobody_enters_a_campaign_that_treats_nobody() -> None:
    entries = simulate_entries(
        Flow(100, 1, 0, ""), [CALL], holdout_share=1.0, explore_share=0, budget_per_day=None, days=3
    )
    assert entries.entered.tolist() == [0, 0, 0]


def test_the_flow_counts_each_newcomer_once() -> None:
    first = members(AS_OF - timedelta(days=10), ["high"] * 4)  # c0 to c3
    between = members(AS_OF - timedelta(days=5), ["high", "low", "high"], prefix="n")  # n1 is in another tier
    today = members(AS_OF, ["high", "high"])  # c2 and c3 are gone
    history = History(AS_OF, today, (first, between), (), 2, 1)
    found = flow(history, ("high",), global_share=0.5)
    assert found.stock == 1  # two members, half of whom are never contacted
    assert found.entering_per_day == pytest.approx(2 / 10 * 0.5)
    assert found.leaving_share_per_day == pytest.approx(1 - 0.5 ** (1 / 10))


def test_without_scores_in_the_past_the_share_of_today_stands_for_it() -> None:
    earlier = members(AS_OF - timedelta(days=10), ["high"] * 2, is_scored=False)
    today = members(AS_OF, ["high", "low", "low", "low", "low"])  # three customers are new
    found = flow(History(AS_OF, today, (earlier,), (), 5, 1), ("high",), global_share=0.0)
    assert found.entering_per_day == pytest.approx(3 / 10 * 0.2)
    assert "among all customers" in found.source


def test_the_base_rate_is_what_was_seen_of_the_audience() -> None:
    tiers = ["high"] * 100 + ["low"] * 100
    past = Labelled(members(AS_OF - timedelta(days=40), tiers), np.array([1.0] * 30 + [0.0] * 70 + [np.nan] * 100))
    found = base_rate(History(AS_OF, members(AS_OF, tiers), (), (past,), 200, 1), ("high",))
    assert (found.rate, found.customer_count) == (0.3, 100)
    assert found.low is not None
    assert found.high is not None
    # Wilson's interval of 30 of 100.
    assert (found.low, found.high) == pytest.approx((0.2189, 0.3958), abs=5e-5)


def test_the_base_rate_comes_from_scores_while_too_little_was_seen() -> None:
    today = members(AS_OF, ["high", "medium", "low"])
    found = base_rate(History(AS_OF, today, (), (), 3, 1), ("high", "medium"))
    assert found.rate == pytest.approx((0.30 + 0.12) / 2)
    assert found.low is None
    assert "calibrated scores" in found.source


# What the past of a company tells


def test_the_plan_finds_the_churn_that_was_planted(planned: Make) -> None:
    found = planned(**HIGH).base_rate
    assert found.low is not None
    assert found.high is not None
    assert found.low < CHURN_30D["high"] < found.high


def test_the_plan_finds_the_flow_that_was_planted(planned: Make) -> None:
    found = planned(**HIGH).flow
    # 10 join a day, 15 % of them are high, 90 % agreed, 95 % may be contacted; one in twelve leaves before the next of
    # the days that are looked at, two weeks apart. Poisson over 98 days: three standard deviations.
    joining = 10 * 0.15 * 0.9 * 0.95
    assert found.entering_per_day == pytest.approx(joining * 11 / 12, abs=3 * sqrt(joining * 98) / 98)


def test_households_that_leave_together_double_the_variance(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, households=True, customers=3_000)
    history = read_history(workspace.warehouse, workspace.business, workspace.business.campaigns[0], AS_OF)
    # Of two who live together both agreed with .9 x .9: in 9 of 11 units both are counted, so 1 + 9 / 10.
    assert household_effect(history, ()) == pytest.approx(1.9, abs=0.15)
    assert plan(workspace.warehouse, workspace.business, "spring", AS_OF).design_effect > 1.7


def test_a_score_that_says_nothing_within_the_audience_shortens_nothing(planned: Make) -> None:
    assert planned(**HIGH).correlation == 0  # all of the tier have one probability
    assert planned().correlation > 0.1


def test_a_correlation_needs_two_hundred_outcomes() -> None:
    tiers = ["high", "medium"] * 99
    past = Labelled(members(AS_OF, tiers), np.array([1.0, 0.0] * 99))
    assert score_correlation(History(AS_OF, past.members, (), (past,), 198, 1), ()) == 0


def test_only_those_are_counted_whom_the_campaign_is_for(planned: Make) -> None:
    everyone = planned().flow.stock
    lugo = planned(campaign={"audience": {"risk_tiers": ["high", "medium"], "where": {"city": ["Lugo"]}}})
    assert lugo.flow.stock == pytest.approx(everyone / 4, rel=0.15)
    old = planned(campaign={"audience": {"risk_tiers": ["high", "medium"], "between": {"age": [54, 90]}}})
    assert old.flow.stock == pytest.approx(everyone / 2, rel=0.15)
    by_phone = planned(contact={"reachable": {"phone": "reachable"}})
    assert by_phone.flow.stock == pytest.approx(everyone / 2, rel=0.15)
    by_action = planned(call={"eligible": {"risk_tiers": ["high"], "where": {"city": ["Vigo"]}}})
    high = planned(**HIGH).flow.stock
    assert by_action.flow.stock == pytest.approx(high * 3 / 4, rel=0.15)


def test_who_is_in_a_campaign_does_not_enter_until_its_horizon_ends(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=1_000, scored_on=(AS_OF,))
    free = plan(workspace.warehouse, workspace.business, "spring", AS_OF)
    ids = workspace.warehouse.query("select customer_id from scores where risk_tier <> 'low'")["customer_id"]
    for back in (HORIZON_DAYS, 1):  # those of a month ago are through
        n = 50
        rows = {
            "as_of": pa.array([AS_OF - timedelta(days=back)] * n, pa.date32()),
            "sequence": list(range(1, n + 1)),
            "kind": ["assigned"] * n,
            "entry_id": [f"{back}-{i}" for i in range(n)],
            "customer_id": ids[:n] if back == 1 else ids[n : 2 * n],
            "campaign": ["spring"] * n,
            "previous_hash": [""] * n,
            "hash": [""] * n,
        }
        workspace.warehouse.append("ledger", pa.table(rows), batch=str(back))
    busy = plan(workspace.warehouse, workspace.business, "spring", AS_OF)
    agreed = workspace.warehouse.query(
        "select count(*) as n from customers where has_consent and customer_id in "
        "(select customer_id from ledger where entry_id like '1-%')"
    )["n"][0].as_py()
    assert free.flow.stock - busy.flow.stock == pytest.approx(0.95 * agreed)


def test_nothing_that_is_learned_later_changes_the_plan(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=800)
    before = plan(workspace.warehouse, workspace.business, "spring", AS_OF)
    late = workspace.business.instant(AS_OF + timedelta(days=1))
    ids = [f"c-{number:06d}" for number in range(400)]
    rows = {
        "customer_id": ids,
        "event_at": pa.array([workspace.business.instant(AS_OF - timedelta(days=50))] * 400, pa.timestamp("us")),
        "kind": ["cancel"] * 400,
        "batch_id": ["late"] * 400,
        "row_number": list(range(400)),
        "loaded_at": pa.array([late] * 400, pa.timestamp("us")),
    }
    workspace.warehouse.append("deals", pa.table(rows), batch="late")
    assert plan(workspace.warehouse, workspace.business, "spring", AS_OF) == before
    assert plan(workspace.warehouse, workspace.business, "spring", AS_OF + timedelta(days=1)) != before


def test_data_that_come_once_a_month_mature_a_month_later(tmp_path: Path) -> None:
    workspace = telecom(tmp_path)
    days = [OPENS + timedelta(days=back) for back in range(300)]
    at = [workspace.business.instant(day) for day in days]
    monthly = [workspace.business.instant(date(2025 + day.month // 12, day.month % 12 + 1, 3)) for day in days]
    rows = {
        "customer_id": [f"c-{i}" for i in range(300)],
        "event_at": pa.array(at, pa.timestamp("us")),
        "kind": ["start" if i < 250 else "cancel" for i in range(300)],
        "batch_id": ["b"] * 300,
        "row_number": list(range(300)),
        "loaded_at": pa.array(monthly, pa.timestamp("us")),
    }
    workspace.warehouse.append("deals", pa.table(rows), batch="b")
    business = telecom(tmp_path, customers=None).business
    history = read_history(workspace.warehouse, business, business.campaigns[0], date(2025, 10, 20))
    # What happened until 31 July was known from 3 August on, the next on 3 September: on the 2nd, 33 days later, the
    # newest event was still that of 31 July.
    assert history.maturity_days == 33


# The designs


def test_a_reading_lies_a_horizon_and_the_datas_delay_after_the_last_entry(planned: Make) -> None:
    found = planned()
    for option in found.options:
        assert option.sample is not None
        assert option.last_entry_on is not None
        assert option.entry_days is not None
        assert option.last_entry_on == found.starts_on + timedelta(days=option.entry_days - 1)
        assert option.reads_on == option.last_entry_on + timedelta(days=HORIZON_DAYS + found.maturity_days)
        assert option.sample == sample_needed(
            option.base_rate, option.base_rate * (1 - option.lift), holdout_share=option.holdout_share,
            alpha=0.04, power=0.8, correlation=found.correlation,
        )  # fmt: skip


def test_designs_stand_side_by_side(planned: Make) -> None:
    names = [option.name for option in planned().options]
    assert names == ["as written", "10 % held out", "50/50", "later trigger"]
    until = planned(campaign={"ends_on": date(2026, 6, 1)})
    assert [option.name for option in until.options][3:] == ["pooled", "pooled 50/50", "later trigger"]
    at_half = planned(campaign={"holdout_share": 0.5})
    assert [option.name for option in at_half.options][:3] == ["as written", "10 % held out", "20 % held out"]


def test_halves_are_never_read_later_than_a_smaller_holdout(planned: Make) -> None:
    dates = {option.holdout_share: option.reads_on for option in planned().options[:3]}
    assert dates[0.5] is not None
    assert dates[0.2] is not None
    assert dates[0.1] is not None
    assert dates[0.5] < dates[0.2] < dates[0.1]


def test_a_later_trigger_has_a_higher_rate_and_a_smaller_flow(planned: Make) -> None:
    found = planned()
    later = found.options[-1]
    assert later.risk_tiers == ("high",)
    assert later.base_rate > found.base_rate.rate
    assert later.detectable_count < found.as_written.detectable_count


def test_a_campaign_that_can_be_read_is_recommended_as_it_is_written(planned: Make) -> None:
    found = planned(call={"assumed_lift": {**FILE["actions"][0]["assumed_lift"], "value": 0.6}})
    assert found.recommended == "as written"
    assert found.verdict == f"readable on {found.as_written.reads_on} at a 20 % holdout."
    found.require_readable()


def test_the_smallest_holdout_that_can_be_read_is_recommended(planned: Make) -> None:
    found = planned(campaign={"holdout_share": 0.05})
    even = next(option for option in found.options if option.name == "50/50")
    assert found.recommended == "50/50"
    assert "holdout_share: 0.5" in found.reason
    late = found.as_written.reads_on
    when = f"before {late}" if late else "within 5 years"
    assert found.verdict == f"not knowable {when} at a 5 % holdout; {even.reads_on} at 50/50."
    with pytest.raises(NotKnowableYet, match=r"spring/1: not knowable .* at a 5 % holdout; .* Nothing was launched"):
        found.require_readable()


def test_a_campaign_that_ends_too_soon_is_pooled(planned: Make) -> None:
    found = planned(campaign={"ends_on": date(2026, 3, 1)})
    assert not found.as_written.is_readable
    assert found.recommended == "pooled 50/50"
    assert "let this campaign run on, over 2026-03-01" in found.reason


def test_a_small_company_gets_a_design_not_a_threshold(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=300, joining_per_day=0.8, scored_on=SCORED_ON)
    found = plan(workspace.warehouse, workspace.business, "spring", AS_OF)
    assert found.recommended is None
    even = next(option for option in found.options if option.name == "50/50")
    assert even.detectable_effect is not None
    assert f"50/50 shows a fall of {points(even.detectable_effect)} or more" in found.reason
    assert "Pool" in found.reason
    assert "global holdout" in found.reason
    with pytest.raises(NotKnowableYet, match="Pool"):
        found.require_readable()


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_two_groups_nothing_can_be_read(planned: Make, share: float) -> None:
    own = planned(campaign={"holdout_share": share}).as_written
    assert (own.sample, own.reads_on, own.is_readable, own.detectable_effect) == (None, None, False, None)


def test_what_holding_back_costs_is_told_once_values_are_known(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=1_000, scored_on=(AS_OF,))
    assert plan(workspace.warehouse, workspace.business, "spring", AS_OF).as_written.forgone_amount is None
    ids = workspace.warehouse.query("select customer_id from scores")["customer_id"]
    n = len(ids)
    rows = {
        "as_of": pa.array([AS_OF] * n, pa.date32()),
        "customer_id": ids,
        "margin_cents": [60_000] * n,
        "net_cents": [50_000] * n,
        "kept_cents": [50_000] * n,
        "fit_class": ["maintain"] * n,
        "expires_on": pa.array([AS_OF + timedelta(days=90)] * n, pa.date32()),
    }
    workspace.warehouse.append("fit", pa.table(rows), batch="fit")
    found = plan(workspace.warehouse, workspace.business, "spring", AS_OF)
    own = found.as_written
    assert found.kept_amount == 500
    assert own.sample is not None
    # Twice called within the horizon: 10 EUR each.
    assert own.forgone_amount == pytest.approx(own.sample.holdout * (own.base_rate * 0.3 * 500 - 10))
    assert "of margin" in found.reason or found.recommended is None


def test_capacity_and_budget_are_shared_with_campaigns_beside(planned: Make) -> None:
    beside = [{"name": "spring", "actions": ["call"]}, {"name": "other", "actions": ["call", "letter"]}]
    alone, shared = planned(budget={"per_day": 100}), planned(campaigns=beside, budget={"per_day": 100})
    # 40 calls a day, twice per customer within the horizon.
    assert alone.actions[0].per_day == 20
    assert (shared.actions[0].per_day, shared.budget_per_day) == (10, 50)
    assert any("shared equally with other" in note for note in shared.notes)
    over = [beside[0], {**beside[1], "ends_on": AS_OF}]
    assert planned(campaigns=over).actions[0].per_day == 20


def test_the_programme_is_read_against_the_global_holdout(planned: Make) -> None:
    small = planned().global_holdout
    assert small is not None
    assert small.reads_on is None  # 5 % of 4,000 customers, a fifth of whom are treated
    strong = planned(
        holdout={"global_share": 0.3, "campaign_share": 0.1, "explore_share": 0.0},
        campaign={"audience": {"risk_tiers": ["high", "medium", "low"]}},
        call={"capacity_per_day": 1000, "assumed_lift": {**FILE["actions"][0]["assumed_lift"], "value": 0.9}},
    ).global_holdout
    assert strong is not None
    assert strong.reads_on is not None
    assert planned(holdout={"global_share": 0.0}).global_holdout is None


def test_assumptions_are_called_so(planned: Make) -> None:
    assert any("assumed, not measured" in note for note in planned().notes)
    stale = planned(call={"assumed_lift": {**FILE["actions"][0]["assumed_lift"], "expires_on": date(2025, 6, 1)}})
    assert any("stale, not measured" in note for note in stale.notes)
    both = planned(campaign={"actions": ["call", "letter"]})
    assert any(note.startswith("letter: has no lift") for note in both.notes)


def test_without_scores_everybody_described_stands_for_the_tiers(planned: Make) -> None:
    found = planned(as_of=date(2025, 9, 1))  # before the first scored day
    assert any("No scores yet" in note for note in found.notes)
    assert "later trigger" not in [option.name for option in found.options]
    assert "no scores tell the risk tiers yet" in found.base_rate.source


def test_a_company_that_says_itself_who_left_can_plan(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"id": [f"c{i}" for i in range(4_000)], "gone": rng.random(4_000) < 0.2})
    workspace = snapshot(tmp_path, frame, key="id", label="gone")
    content = workspace.business.model_dump(mode="json")
    content["actions"] = FILE["actions"]
    content["campaigns"] = [{"name": "spring", "actions": ["call"], "audience": {}, "holdout_share": 0.5}]
    found = plan(workspace.warehouse, Business.model_validate(content), "spring", AS_OF)
    assert found.base_rate.rate == pytest.approx(float(frame["gone"].mean()))
    assert (found.horizon_days, found.maturity_days) == (30, 1)
    assert found.as_written.reads_on is not None


def test_a_shop_whose_customers_lapse_can_plan(tmp_path: Path) -> None:
    campaign = {"name": "spring", "actions": ["call"], "audience": {}, "holdout_share": 0.5}
    workspace = open_shop(tmp_path, actions=[FILE["actions"][0]], campaigns=[campaign], customers=600)
    day = date(2025, 10, 20)
    found = plan(workspace.warehouse, workspace.business, "spring", day)
    months = churn_rates(workspace, day)
    assert min(months) <= found.base_rate.rate <= max(months)
    # A longer horizon, under which fewer lapse, describes the same customers.
    longer = with_campaign(workspace, horizon_days=60)
    assert plan(workspace.warehouse, longer, "spring", day).base_rate.rate < found.base_rate.rate


def churn_rates(workspace: Workspace, day: date) -> list[float]:
    """The churn rate of some days, 30 to 120 days ago, from the labels themselves."""
    churn = workspace.business.churn[0]
    rates = []
    for back in range(30, 121, 10):
        labels = build_labels(workspace.warehouse, workspace.business, churn, day - timedelta(days=back), known_on=day)
        known = labels["churned"].drop_null().to_pylist()
        rates += [sum(known) / len(known)] if known else []
    return rates


def with_campaign(workspace: Workspace, **changes: Any) -> Business:
    content = workspace.business.model_dump(mode="json")
    content["campaigns"] = [{**content["campaigns"][0], **changes}]
    return Business.model_validate(content)


# What cannot be planned


def test_a_campaign_that_is_not_in_the_file(company: Workspace) -> None:
    with pytest.raises(BusinessFileError, match=r"campaign 'autumn' does not exist. Choose one of: spring"):
        plan(company.warehouse, company.business, "autumn", AS_OF)


def test_a_campaign_that_is_over(planned: Make) -> None:
    with pytest.raises(BusinessFileError, match="ends_on: 2025-12-01 leaves no day of entry"):
        planned(campaign={"ends_on": date(2025, 12, 1)})


def test_no_action_that_is_expected_to_keep_anybody(planned: Make) -> None:
    with pytest.raises(BusinessFileError, match=r"none of them \(letter\) is expected to keep anybody.*assumed_lift"):
        planned(campaign={"actions": ["letter"]})
    with pytest.raises(BusinessFileError, match="expected to keep anybody"):
        planned(call={"assumed_lift": {**FILE["actions"][0]["assumed_lift"], "value": -0.1}})


def test_nobody_in_the_audience(planned: Make) -> None:
    with pytest.raises(BusinessFileError, match=r"audience: nobody is in it on 2026-01-01.*Widen it"):
        planned(campaign={"audience": {"where": {"city": ["Atlantis"]}}})


def test_a_horizon_that_ends_before_the_lead_time(planned: Make) -> None:
    churn = [{**FILE["churn"][0], "lead_days": 14}]
    with pytest.raises(BusinessFileError, match=r"horizon_days: 10 days end before .* Choose at least 15"):
        planned(churn=churn, campaign={"horizon_days": 10})


def test_a_company_without_events(tmp_path: Path) -> None:
    workspace = telecom(tmp_path)
    with pytest.raises(DataError, match=r"no event is known on 2026-01-01.*holdback ingest"):
        plan(workspace.warehouse, workspace.business, "spring", AS_OF)


def test_too_early_says_from_which_day_on_it_works(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=500, days=120)
    with pytest.raises(NotKnowableYet) as told:
        plan(workspace.warehouse, workspace.business, "spring", OPENS + timedelta(days=50))
    ready = OPENS + timedelta(days=60 + HORIZON_DAYS + 1)
    assert f"The first plan can be made on {ready}" in str(told.value)
    with pytest.raises(NotKnowableYet):
        plan(workspace.warehouse, workspace.business, "spring", ready - timedelta(days=1))
    assert plan(workspace.warehouse, workspace.business, "spring", ready).base_rate.customer_count > 0


def test_a_horizon_longer_than_the_past(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=300, days=120, campaign={"horizon_days": 200})
    with pytest.raises(NotKnowableYet, match=r"then 200 days of outcomes. The first plan can be made on 2025-09-19"):
        plan(workspace.warehouse, workspace.business, "spring", OPENS + timedelta(days=120))


def test_numbers_are_written_for_people() -> None:
    assert (percent(0.05), percent(0.125), points(0.0153), points(0.0004)) == (
        "5 %", "12.5 %", "1.5 points", "0.04 points",
    )  # fmt: skip


# The promise


def _worlds(
    found: Plan, base: float, entering_per_day: float, worlds: int, *, share: float, reads_on: date
) -> Iterator[bool]:
    """Play the campaign in worlds of its own, day by day; True where the reading of that day finds the effect."""
    rng = np.random.default_rng(2)
    days = (reads_on - found.starts_on).days - found.horizon_days - found.maturity_days + 1  # those are mature
    waiting = rng.poisson(found.flow.stock, worlds).astype(np.int64)
    held, treated = np.zeros(worlds, dtype=np.int64), np.zeros(worlds, dtype=np.int64)
    limit = found.actions[0].per_day
    assert limit is not None
    for _ in range(days):
        entering = np.minimum(waiting, int(limit / (1 - share)))
        out = rng.binomial(entering, share)
        held, treated = held + out, treated + entering - out
        waiting = rng.binomial(waiting - entering, 1 - found.flow.leaving_share_per_day)
        waiting = waiting + rng.poisson(entering_per_day, worlds)
    left = rng.binomial(held, base) / held
    kept = rng.binomial(treated, base * (1 - found.as_written.lift)) / treated
    error = np.sqrt(left * (1 - left) / held + kept * (1 - kept) / treated)
    yield from ((left - kept) / error > norm.isf(found.reading_alpha / 2)).tolist()


@pytest.mark.parametrize("design", ["as written", "10 % held out", "50/50"])
def test_the_promised_date_gives_the_promised_power(planned: Make, design: str) -> None:
    strong = {"assumed_lift": {**FILE["actions"][0]["assumed_lift"], "value": 0.5}}
    found = planned(**HIGH, call=strong)
    option = next(option for option in found.options if option.name == design)
    assert option.reads_on is not None
    worlds = 2_000
    power = np.mean(list(_worlds(
        found, found.base_rate.rate, found.flow.entering_per_day, worlds,
        share=option.holdout_share, reads_on=option.reads_on,
    )))  # fmt: skip
    # Four binomial standard errors, and 0.02 for the normal approximation and the rounding to whole days.
    assert power == pytest.approx(0.8, abs=4 * sqrt(0.8 * 0.2 / worlds) + 0.02)


def test_half_the_time_would_not_have_given_it(planned: Make) -> None:
    found = planned(**HIGH)
    even = next(option for option in found.options if option.name == "50/50")
    assert even.reads_on is not None
    assert even.entry_days is not None
    early = even.reads_on - timedelta(days=even.entry_days // 2)
    power = np.mean(list(_worlds(
        found, found.base_rate.rate, found.flow.entering_per_day, 1_000, share=0.5, reads_on=early,
    )))  # fmt: skip
    assert power < 0.7


def test_the_promise_holds_in_the_companys_true_future(planned: Make) -> None:
    # The plan knows the past alone; the future has the planted churn and the planted flow, of which it saw a part.
    found = planned(**HIGH)
    even = next(option for option in found.options if option.name == "50/50")
    assert even.reads_on is not None
    true_flow, worlds = 10 * 0.15 * 0.9 * 0.95, 1_000
    power = np.mean(list(_worlds(
        found, CHURN_30D["high"], true_flow, worlds, share=0.5, reads_on=even.reads_on,
    )))  # fmt: skip
    assert power > 0.8 - 4 * sqrt(0.8 * 0.2 / worlds) - 0.02
