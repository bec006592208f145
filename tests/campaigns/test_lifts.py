"""What an action is believed to save is never shown as measured; what was measured is used, shrunk and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from campaigns.decisions import decide
from campaigns.decisions.rows import policy_version
from campaigns.lifts import Lift, lifts, lifts_used
from campaigns.lifts.learning import BETWEEN_SD, Measurement, learn, prior_sd
from campaigns.lifts.today import MEASURED_DAYS
from holdback.business import Business
from tests.campaigns.company import company, warehouse
from tests.campaigns.decisions.world import AS_OF, customer, days_from, decided, opened, put
from tests.campaigns.decisions.world import company as deciding_company
from tests.features.world import Row

EXPIRES = date(2027, 3, 31)
BELIEF = {"value": 0.2, "source": "pilot of 2025", "expires_on": EXPIRES}
ACTIONS: list[Row] = [
    {"name": "mail", "channel": "email", "cost": 0.1},
    {"name": "call", "channel": "phone", "cost": 5.0, "assumed_lift": BELIEF},
]
Floats = npt.NDArray[np.float64]
READ_ON = date(2026, 10, 1)
#: Half the width of a 95 % interval whose standard deviation is 0.1.
HALF = 0.1 * float(stats.norm.ppf(0.975))


def effect(estimate: float | None = 0.1, half: float = HALF, **changes: Any) -> Row:
    """An official reading of the save rate of calls."""
    ends = {} if estimate is None else {"low": estimate - half, "high": estimate + half}
    return {
        "as_of": READ_ON, "campaign": "save_calls", "version": 1, "segment": "intended_action=call",
        "metric": "save_rate", "method": "ratio", "reading": "official", "estimate": estimate, "level": 0.95, **ends,
        **changes,
    }  # fmt: skip


def business_with(belief: Mapping[str, Any] | None = BELIEF) -> Business:
    call = {key: value for key, value in ACTIONS[1].items() if key != "assumed_lift"}
    return company(actions=[ACTIONS[0], call | ({"assumed_lift": belief} if belief else {})])


def found(*effects: Row, on: date = READ_ON, belief: Mapping[str, Any] | None = BELIEF) -> dict[str, Lift]:
    business = business_with(belief)
    return dict(lifts(warehouse(business, effects=list(effects)), business, on))


def test_an_action_without_a_belief_has_no_lift() -> None:
    assert list(found()) == ["call"]
    assert found(belief=None) == {}


@pytest.mark.parametrize(
    ("day", "status"),
    [(date(2027, 3, 30), "assumed"), (EXPIRES, "stale"), (date(2030, 1, 1), "stale")],
)
def test_a_belief_is_stale_from_the_day_on_which_it_expires(day: date, status: str) -> None:
    assert found(on=day)["call"] == Lift("call", 0.2, status, "pilot of 2025", EXPIRES)  # type: ignore[arg-type]


def test_a_lift_says_what_it_rests_on_whenever_it_is_told() -> None:
    assert str(found()["call"]) == "20.0% of the leavers (assumed: pilot of 2025, until 2027-03-31)"


def test_an_action_can_be_believed_to_drive_customers_away() -> None:
    assert found(belief={**BELIEF, "value": -0.3})["call"].save_rate == -0.3


def test_an_official_reading_makes_a_lift_measured() -> None:
    lift = found(effect(0.1))["call"]
    assert (lift.status, lift.measured_on, lift.campaign_count) == ("measured", READ_ON, 1)
    assert 0.1 < lift.save_rate < 0.2
    assert lift.low is not None
    assert lift.high is not None
    assert lift.low < lift.save_rate < lift.high
    told = f"{lift.save_rate:.2f} ({lift.low:.2f} to {lift.high:.2f})"
    assert lift.source == (
        f"measured in save_calls/1 on 2026-10-01: {told}, shrunk from 0.10 towards the assumed 0.20, which counts "
        f"{lift.prior_share:.0%}"
    )
    assert str(lift) == f"{lift.save_rate:.1%} of the leavers ({lift.source}, until 2027-10-01)"


@pytest.mark.parametrize(
    "changes",
    [
        {"reading": "daily"},
        {"reading": "exploratory"},
        {"withheld": "sample_ratio"},
        {"metric": "churned"},
        {"segment": "all"},
        {"segment": "intended_action=mail2"},
        {"campaign": None},
        {"as_of": READ_ON + timedelta(days=1)},
        {"estimate": None},
        {"low": None},
        {"level": None},
        {"low": 0.1, "high": 0.1},
        {"high": float("nan")},
        {"low": float("-inf")},
    ],
)
def test_whatever_else_was_computed_leaves_it_assumed(changes: Row) -> None:
    lift = found(effect(**{"estimate": 0.1, **changes}))["call"]
    assert lift == Lift("call", 0.2, "assumed", "pilot of 2025", EXPIRES)
    assert not lift.is_from_measurement


def test_a_measured_lift_is_stale_a_year_after_its_newest_reading_and_still_used() -> None:
    readings = [effect(0.1), effect(0.14, as_of=READ_ON + timedelta(days=100), version=2)]
    expires = READ_ON + timedelta(days=100 + MEASURED_DAYS)
    fresh = found(*readings, on=expires - timedelta(days=1))["call"]
    old = found(*readings, on=expires)["call"]
    assert (fresh.status, old.status, old.expires_on) == ("measured", "stale", expires)
    assert (old.save_rate, old.low, old.is_from_measurement) == (fresh.save_rate, fresh.low, True)
    assert "(stale: measured in 2 campaigns, last in save_calls/2 on 2027-01-09" in str(old)


def test_a_day_knows_only_what_had_been_measured_by_then() -> None:
    readings = [effect(0.1), effect(0.3, as_of=READ_ON + timedelta(days=30), campaign="autumn")]
    before, then, after = (found(*readings, on=READ_ON + timedelta(days=days))["call"] for days in (-1, 0, 30))
    assert [lift.campaign_count for lift in (before, then, after)] == [0, 1, 2]
    assert before.save_rate == 0.2
    assert then.save_rate < after.save_rate


def test_the_newest_reading_of_a_version_counts_and_of_two_methods_the_more_cautious_one() -> None:
    once = found(effect(0.1))["call"]
    assert found(effect(0.4, as_of=READ_ON - timedelta(days=1)), effect(0.1))["call"] == once
    assert found(effect(0.1), effect(0.12, half=HALF / 2, method="cupac"))["call"] == once


def test_an_action_that_nobody_had_an_opinion_about_is_measured_against_nothing() -> None:
    lift = found(effect(0.3), belief=None)["call"]
    assert lift.status == "measured"
    assert 0 < lift.save_rate < 0.3
    assert "towards 0, since nothing was assumed" in lift.source


def measurement(estimate: float, half: float = HALF, *, level: float = 0.95, campaign: str = "c/1") -> Measurement:
    return Measurement("call", campaign, READ_ON, estimate, estimate - half, estimate + half, level)


def test_an_assumption_and_a_measurement_that_are_equally_sure_meet_in_the_middle() -> None:
    """Prior N(0.2, 0.1^2), measured 0.1 with 0.1; differing truths make the campaign count a little less than half."""
    learned = learn(0.2, [measurement(0.1)])
    assert 0.15 < learned.save_rate < 0.16
    assert 0.5 < learned.prior_share < 0.6
    assert learned.save_rate == pytest.approx(0.2 * learned.prior_share + 0.1 * (1 - learned.prior_share), abs=1e-3)


def test_the_level_of_an_interval_is_understood() -> None:
    """An interval of 80 % that is as wide stands for a larger error, so it counts less."""
    assert measurement(0.1, level=0.8).variance == pytest.approx((HALF / stats.norm.ppf(0.9)) ** 2)
    assert learn(0.2, [measurement(0.1, level=0.8)]).prior_share > learn(0.2, [measurement(0.1)]).prior_share


@pytest.mark.parametrize(("assumed", "sd"), [(0.3, 0.15), (-0.3, 0.15), (0.02, 0.05), (0.0, 0.05), (None, 0.1)])
def test_an_assumption_is_believed_to_be_half_of_its_value_off(assumed: float | None, sd: float) -> None:
    assert prior_sd(assumed) == pytest.approx(sd)


def test_an_assumption_that_much_data_contradict_gives_way() -> None:
    learned = learn(0.3, [measurement(-0.3, half=0.01)])
    assert learned.save_rate == pytest.approx(-0.3, abs=0.01)
    assert learned.prior_share < 0.02
    two = learn(0.3, [measurement(-0.3, half=0.05, campaign=f"c/{i}") for i in range(2)])
    assert two.save_rate == pytest.approx(-0.3, abs=0.01)


def test_more_campaigns_leave_less_of_the_assumption() -> None:
    shares = [learn(0.3, [measurement(0.1, campaign=f"c/{i}") for i in range(k)]).prior_share for k in (1, 2, 4, 8)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < 0.15


def test_campaigns_that_contradict_each_other_promise_less_than_those_that_agree() -> None:
    def width(*estimates: float) -> float:
        learned = learn(0.2, [measurement(each, half=0.05, campaign=f"c/{each}") for each in estimates])
        return learned.high - learned.low

    assert width(0.0, 0.2, 0.4) > 1.3 * width(0.19, 0.2, 0.21)


def test_nobody_keeps_more_than_everybody() -> None:
    learned = learn(0.9, [measurement(1.6, half=0.2)])
    assert (learned.save_rate, learned.high) == (1.0, 1.0)
    assert learn(-0.9, [measurement(-4.0, half=0.2)]).low == -1.0


# -- worlds with a known truth -----------------------------------------------------------------------------------------

WORLDS = 1_000


def worlds(rng: np.random.Generator, *, campaigns: int, customers: int, between: float) -> dict[str, Floats]:
    """Worlds whose truth varies as the assumption allows; churn 20 %, a fifth held out, intervals by Katz (1978)."""
    base, z, assumed = 0.2, float(stats.norm.ppf(0.975)), 0.15
    rows = []
    for _ in range(WORLDS):
        mu = rng.normal(assumed, prior_sd(assumed))
        measured, held = [], customers // 5
        for number in range(campaigns):
            treated_rate = base * (1 - rng.normal(mu, between))
            leavers = rng.binomial([customers - held, held], [treated_rate, base])
            p1, p0 = leavers / [customers - held, held]
            se = sqrt((1 - p1) / leavers[0] + (1 - p0) / leavers[1])
            low, high = 1 - p1 / p0 * np.exp(z * se), 1 - p1 / p0 * np.exp(-z * se)
            measured.append(Measurement("call", f"c/{number}", READ_ON, float(1 - p1 / p0), low, high, 0.95))
        learned = learn(assumed, measured)
        raw = np.mean([one.estimate for one in measured])
        rows.append((mu, rng.normal(mu, between), learned.save_rate, learned.low, learned.high, raw))
    return dict(zip(("truth", "next", "estimate", "low", "high", "raw"), np.array(rows).T, strict=True))


def rmse(errors: Floats) -> float:
    return float(np.sqrt((errors**2).mean()))


@pytest.mark.parametrize(("campaigns", "customers"), [(1, 1_250), (1, 5_000), (3, 2_500)])
def test_a_shrunken_lift_is_closer_to_the_truth_than_what_was_measured(campaigns: int, customers: int) -> None:
    world = worlds(np.random.default_rng(11), campaigns=campaigns, customers=customers, between=0.0)
    gain = (world["raw"] - world["truth"]) ** 2 - (world["estimate"] - world["truth"]) ** 2
    assert gain.mean() > 3 * gain.std() / sqrt(WORLDS)  # not by chance
    assert rmse(world["estimate"] - world["truth"]) < 0.9 * rmse(world["raw"] - world["truth"])


@pytest.mark.parametrize(("campaigns", "customers"), [(1, 1_250), (1, 25_000), (2, 25_000), (4, 2_500)])
def test_the_interval_covers_the_truth_as_often_as_it_says(campaigns: int, customers: int) -> None:
    """At least 95 %, less three standard errors of 1,000 worlds: it promises the next campaign, which is more."""
    world = worlds(np.random.default_rng(12), campaigns=campaigns, customers=customers, between=BETWEEN_SD)
    covered = (world["low"] <= world["truth"]) & (world["truth"] <= world["high"])
    assert covered.mean() >= 0.95 - 3 * sqrt(0.95 * 0.05 / WORLDS)
    # The next campaign's truth: the mean of tau stands for tau itself, which costs up to five points of coverage.
    covered = (world["low"] <= world["next"]) & (world["next"] <= world["high"])
    assert covered.mean() >= 0.90 - 3 * sqrt(0.90 * 0.10 / WORLDS)


# -- the loop: measured lifts decide, and the ledger remembers ---------------------------------------------------------


def test_the_decisions_of_the_day_after_use_what_was_measured_and_the_ledger_tells_when(tmp_path: Path) -> None:
    days = days_from(AS_OF, 3)
    business = deciding_company(contact={"at_most": 9})
    workspace = opened(tmp_path, business, [customer("ann"), customer("bea")], days=days)
    decide(workspace, days[0])
    told = effect(-0.5, half=0.05, as_of=days[1], campaign="spring")
    put(workspace, "effects", [told], batch="measured")
    decide(workspace, days[1])
    decide(workspace, days[2])
    rows = [decided(workspace, on=day)["ann"] for day in days]
    assert [row["intended_action"] for row in rows] == ["call", "mail", "mail"]  # a call drives away
    lift = lifts(workspace.warehouse, business, days[1])["call"]
    assert lift.save_rate == pytest.approx(-0.5, abs=0.05)
    assert [row["lift"] for row in rows] == [0.3, 0.05, 0.05]

    used = lifts_used(workspace.warehouse, business, days[0], days[2])
    assert [(u.action, u.save_rate, u.status, u.source, u.first_on, u.last_on, u.decision_count) for u in used] == [
        ("call", 0.3, "assumed", "the team", days[0], days[0], 2),
        ("mail", 0.05, "assumed", "the team", days[1], days[2], 4),
    ]
    assert str(used[0]) == "2026-03-02: call 30.0% (assumed: the team), 2 decisions"
    assert lifts_used(workspace.warehouse, business, days[1], days[2])[0].action == "mail"
    assert lifts_used(workspace.warehouse, business, days[2] + timedelta(days=1), days[2] + timedelta(days=9)) == ()


def test_a_decision_keeps_where_its_measured_lift_came_from(tmp_path: Path) -> None:
    workspace = opened(tmp_path, deciding_company(), [customer("ann")])
    put(workspace, "effects", [effect(0.35, as_of=AS_OF, campaign="winter")], batch="measured")
    decide(workspace, AS_OF)
    lift = lifts(workspace.warehouse, workspace.business, AS_OF)["call"]
    row = decided(workspace)["ann"]
    assert (row["lift"], row["lift_status"], row["detail"]) == (lift.save_rate, "measured", lift.detail)
    assert row["gain_cents"] == round(0.5 * row["kept_cents"] * lift.save_rate - 500)
    [used] = lifts_used(workspace.warehouse, workspace.business, AS_OF, AS_OF)
    assert (used.status, used.source) == ("measured", lift.source)
    assert used.source is not None
    assert used.source.startswith("measured in winter/1 on 2026-03-02: 0.3")


def test_other_measurements_are_another_policy_and_time_alone_is_not(tmp_path: Path) -> None:
    business = business_with()

    def version(effects: Sequence[Row], day: date) -> str:
        return policy_version(business, lifts(warehouse(business, effects=list(effects)), business, day))

    assumed, measured = version([], READ_ON), version([effect(0.1)], READ_ON)
    assert len({assumed, measured, version([effect(0.1), effect(0.2, version=2)], READ_ON)}) == 3
    assert version([], EXPIRES) == assumed
    assert version([effect(0.1)], READ_ON + timedelta(days=2 * MEASURED_DAYS)) == measured
