"""What was tried becomes trials: who, with which odds, what became of them, and what was known when they entered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from features.families import feature_set
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from monitoring.outcomes import Cohort, read_outcomes
from tests.features.world import Memory
from tests.monitoring.measurement.experiment import HORIZON_DAYS, STARTS_ON
from tests.training.uplift.tried import AS_OF, CALL, MAIL, company, entry, launched, lives, many, noon, tried
from training.uplift.experience import capacity_share, read_trials
from training.uplift.experience.entries import (
    BEFORE_THE_LOG,
    BOTH_GROUPS,
    DREW_NOTHING,
    GONE_ACTION,
    NO_GROUP_LOGGED,
    NO_ODDS_LOGGED,
    NOT_DRAWN,
    OTHER_MEMBER,
)
from training.uplift.experience.logged import NO_VALUE, OTHER_PRICE, UNKNOWN_OUTCOME
from training.uplift.experience.reading import RARE


def test_a_trial_says_what_became_of_everybody_as_measurement_does() -> None:
    warehouse = tried(many())
    found = read_trials(warehouse, company(), "spring", AS_OF)
    trial = found.trials["call"]
    assert (len(trial), int(trial.treated.sum())) == (400, 200)
    cohort = Cohort("spring", 1, company().churn[0], HORIZON_DAYS, None)
    measured = read_outcomes(warehouse, company(), cohort, AS_OF).groups
    for group, rows in (("treatment", trial.treated), ("holdout", ~trial.treated)):
        moments = measured[group]
        assert 1 - trial.good[rows].mean() == pytest.approx(moments.total("churned") / moments.total("known"))
    assert set(trial.propensity) == {0.5}
    assert set(trial.value_amounts) == {100.0}
    assert set(trial.cost_amounts) == {4.0}
    assert trial.risk.min() == pytest.approx(0.1)
    assert trial.outcome == "churned"
    assert (found.campaigns, found.policy_versions) == (("spring/1",), ("rules",))


def test_the_odds_are_those_of_the_action_against_being_held_out() -> None:
    """By hand: e = .8, q(call) = .7, so P(call) = .56, P(held out) = .2 and .56 / .76; of an explorer whom the rule
    would have given nothing: .8 (.1 / .3) = .26667 and .2, so .26667 / .46667.
    """
    chosen = {"share": 0.2, "eligible": {"none": 0.1, "call": 0.7, "mail": 0.2}}
    drawn = {"share": 0.2, "eligible": {"none": 0.7, "call": 0.1, "mail": 0.2}, "intended_action": "none"}
    rows = [row for n in range(400) for row in entry(n, **(chosen if n % 4 < 2 else drawn))]
    trial = read_trials(tried(rows), company(), None, AS_OF).trials["call"]
    assert sorted(set(trial.propensity.round(12))) == pytest.approx([0.8 / 3 / (0.8 / 3 + 0.2), 0.56 / 0.76])


def test_several_actions_share_the_held_out_and_nobody_else() -> None:
    odds = {"share": 0.4, "eligible": {"call": 0.5, "mail": 0.5}}
    rows = [row for n in range(600) for row in entry(n, action=None if n % 2 else ("call", "mail")[n % 4 // 2], **odds)]
    found = read_trials(tried(rows), company(), None, AS_OF)
    for action in ("call", "mail"):
        trial = found.trials[action]
        assert (len(trial), int(trial.treated.sum())) == (450, 150)
        assert set(trial.propensity.round(12)) == {round(0.3 / 0.7, 12)}
        assert trial.cost_amounts[0] == {"call": 4.0, "mail": 1.0}[action]


def test_who_drew_nothing_is_no_example_of_nothing_and_is_counted() -> None:
    """He may be contacted on the next day: only the held-out are left alone."""
    odds: dict[str, Any] = {"eligible": {"none": 0.25, "call": 0.75}}
    rows = many(**odds) + [row for n in range(400, 480, 2) for row in entry(n, action="none", **odds)]
    trial = read_trials(tried(rows), company(), None, AS_OF).trials["call"]
    assert (len(trial), trial.left_out) == (400, {DREW_NOTHING: 40})
    assert set(trial.propensity.round(12)) == {round(0.375 / 0.875, 12)}


def test_a_household_is_one_and_its_other_members_are_counted() -> None:
    rows = many()
    others = [{**row, "customer_id": f"c{9000 + n}"} for n, row in enumerate(rows[::2])]  # assigned, never decided
    silent = [
        {**one, "customer_id": f"c{8000 + n}", "intended_action": "none", "action": "none", "eligible": '{"none":1.0}'}
        for n, one in enumerate(rows[:20])
    ]
    trial = read_trials(tried([*rows, *others, *silent]), company(), None, AS_OF).trials["call"]
    assert trial.left_out == {OTHER_MEMBER: 410}
    pairs = [row for n in range(400) for row in entry(n, unit_id=f"u{n // 2 * 2}", group="treatment" if n % 4 < 2 else
                                                      "holdout")]  # fmt: skip
    trial = read_trials(tried(pairs), company(), None, AS_OF).trials["call"]
    assert len(set(trial.customer_ids)) == 200


@dataclass
class Case:
    name: str
    changes: dict[str, Any]
    reason: str


BENT = (
    Case("no propensity of the group", {"share": None}, NO_GROUP_LOGGED),
    Case("no odds of the actions", {"eligible": None}, NO_ODDS_LOGGED),
    Case("everybody held out", {"share": 1.0, "group": "holdout"}, NOT_DRAWN),
    Case("nobody held out", {"share": 0.0, "group": "treatment"}, NOT_DRAWN),
    Case("an old ledger", {"group": "holdout", "eligible": {"none": 1.0}}, BEFORE_THE_LOG),
)


@pytest.mark.parametrize("case", BENT, ids=lambda case: case.name)
def test_what_was_not_drawn_or_not_logged_is_refused_with_its_reason(case: Case) -> None:
    with pytest.raises(DataError, match=f"nobody who entered can be learned from .400 {case.reason[:30]}"):
        read_trials(tried(many(**case.changes)), company(), None, AS_OF)


@pytest.mark.parametrize("case", BENT, ids=lambda case: case.name)
def test_a_part_that_was_not_drawn_or_not_logged_is_left_out_and_counted(case: Case) -> None:
    later = STARTS_ON + timedelta(days=10)
    bent = [row for n in range(5000, 5020) for row in entry(n, **case.changes)]
    sound = [row for n in range(400) for row in entry(n, on=later)]
    trial = read_trials(tried([*sound, *bent]), company(), None, AS_OF).trials["call"]
    assert (len(trial), trial.left_out) == (400, {case.reason: 20})


def test_the_treated_of_an_old_ledger_go_with_its_held_out() -> None:
    """Their odds are logged; but without the held-out of the same days only one group would stay."""
    old = [row for n in range(100) for row in entry(n, eligible={"none": 1.0} if n % 2 else {"call": 1.0})]
    later = STARTS_ON + timedelta(days=10)
    trial = read_trials(
        tried([*old, *(row for n in range(100, 500) for row in entry(n, on=later))]), company(), None, AS_OF
    ).trials["call"]
    assert (len(trial), trial.left_out) == (400, {BEFORE_THE_LOG: 100})


def test_odds_that_would_give_a_few_customers_all_the_weight_are_left_out() -> None:
    rare = [row for n in range(400, 440) for row in entry(n, eligible={"call": 0.005, "mail": 0.995})]
    trial = read_trials(tried([*many(), *rare]), company(), None, AS_OF).trials["call"]
    assert (len(trial), trial.left_out) == (400, {RARE: 40})


def test_an_action_that_was_never_tried_is_told() -> None:
    found = read_trials(tried(many()), company(), None, AS_OF)
    assert list(found.trials) == ["call"]
    assert "nobody could have drawn it" in found.missing["mail"]
    assert any("mail" in note for note in found.notes)


def test_an_action_that_left_the_file_is_left_out() -> None:
    odds = {"share": 0.4, "eligible": {"call": 0.5, "fax": 0.5}, "cost_cents": 400}
    rows = [row for n in range(600) for row in entry(n, action=None if n % 2 else ("call", "fax")[n % 4 // 2], **odds)]
    trial = read_trials(tried(rows), company(), None, AS_OF).trials["call"]
    assert (len(trial), trial.left_out) == (450, {GONE_ACTION: 150})
    assert set(trial.propensity.round(12)) == {round(0.3 / 0.7, 12)}


def test_entries_from_before_the_price_changed_are_another_offer() -> None:
    """The held-out of the same rules go too: their rows have no price, but name the rules."""
    dear = [row for n in range(400, 500) for row in entry(n, policy_version="dear", cost_cents=0 if n % 2 else 900)]
    trial = read_trials(tried([*many(), *dear]), company(), None, AS_OF).trials["call"]
    assert (len(trial), trial.left_out) == (400, {OTHER_PRICE: 100})
    same = [row for n in range(400, 500) for row in entry(n, policy_version="other rules", share=0.3)]
    trial = read_trials(tried([*many(), *same]), company(), None, AS_OF).trials["call"]
    assert sorted(set(trial.propensity.round(12))) == [0.5, 0.7]  # pooled, each with the odds of its own day


def test_versions_are_pooled_when_their_launches_fixed_the_same_outcome() -> None:
    rows = [*many(), *(row for n in range(400, 500) for row in entry(n, version=2))]
    both = [launched(1), launched(2, salt="phones/spring/2")]
    assert len(read_trials(tried([*both, *rows]), company(), None, AS_OF).trials["call"]) == 500
    other = [launched(1), launched(2, salt="phones/spring/2", horizon_days=30)]
    found = read_trials(tried([*other, *rows]), company(), None, AS_OF)
    trial = found.trials["call"]
    assert len(trial) == 400
    assert trial.left_out["followed to another outcome, or over another horizon, than most"] == 50
    assert any("not pooled" in note for note in found.notes)


def test_who_was_gone_or_has_no_value_is_left_out_and_counted() -> None:
    rows = [row for n in range(400) for row in entry(n, kept_cents=None if n < 30 else -500 if n < 60 else 10_000)]
    gone = {f"c{n:04d}": -20 for n in range(390, 400)} | {f"c{n:04d}": 10 for n in range(60, 120)}
    trial = read_trials(tried(rows, contracts=lives(rows, leaves=gone)), company(), None, AS_OF).trials["call"]
    assert (len(trial), trial.left_out) == (360, {UNKNOWN_OUTCOME: 10, NO_VALUE: 30})
    assert sorted(set(trial.value_amounts)) == [0.0, 100.0]


def test_nothing_is_known_before_the_horizon_and_the_day_is_named() -> None:
    rows = many()
    early = STARTS_ON + timedelta(days=HORIZON_DAYS)
    ripe = STARTS_ON + timedelta(days=HORIZON_DAYS + 1)
    with pytest.raises(NotKnowableYet, match=f"can be read on {ripe}"):
        read_trials(tried(rows, contracts=lives(rows, until=early)), company(), None, early)
    with pytest.raises(NotKnowableYet, match="nobody entered yet"):
        read_trials(tried([launched()], contracts=[]), company(), None, early)
    # On the day itself those of the first day are known, and nobody of the others.
    with pytest.raises(NotKnowableYet, match="134 customers, and it takes 300"):
        read_trials(tried(rows, contracts=lives(rows, until=ripe)), company(), None, ripe)


def test_thirty_customers_are_too_few_and_the_day_is_named() -> None:
    rows = many(30)
    with pytest.raises(NotKnowableYet, match=r"30 customers, and it takes 300.*At the pace so far that is on 20\d\d-"):
        read_trials(tried(rows), company(), None, AS_OF)


def test_who_waits_already_is_counted_before_a_day_is_named() -> None:
    late = AS_OF - timedelta(days=20)
    rows = [*many(200), *(row for n in range(200, 800) for row in entry(n, on=late))]
    with pytest.raises(NotKnowableYet, match=f"that is on {late + timedelta(days=HORIZON_DAYS + 1)}"):
        read_trials(tried(rows), company(), None, AS_OF)


def test_one_outcome_for_all_says_nothing() -> None:
    rows = many()
    with pytest.raises(NotKnowableYet, match="0 of them with the rarer outcome"):
        read_trials(tried(rows, contracts=lives(rows, leaves={})), company(), None, AS_OF)


def test_a_campaign_that_does_not_exist_is_no_experience() -> None:
    with pytest.raises(BusinessFileError, match="autumn"):
        read_trials(tried(many()), company(), "autumn", AS_OF)


def test_who_stands_in_both_groups_belongs_to_neither() -> None:
    told = company(campaigns=[{"name": "spring", "actions": ["call"], "assigned_by": "drawn", "horizon_days": 60}],
                   feeds={**_feeds(), "drawn": _drawn()})  # fmt: skip
    rows = [
        {"customer_id": f"c{n:04d}", "event_at": noon(STARTS_ON), "campaign": "spring", "propensity": 0.5,
         "group": "holdout" if n % 2 else "treatment", "action": None if n % 2 else "call"}
        for n in range(400)
    ]  # fmt: skip
    torn = [{**rows[0], "group": "holdout", "row_number": 900}, {**rows[2], "row_number": 901}]
    events = lives([row for n in range(400) for row in entry(n, on=STARTS_ON)])
    trial = read_trials(
        Memory(told, {"drawn": [*rows, *torn], "contracts": events}), told, None, AS_OF
    ).trials["call"]  # fmt: skip
    assert (len(trial), trial.left_out) == (399, {BOTH_GROUPS: 2})
    assert set(trial.propensity) == {0.5}
    assert set(trial.value_amounts) == {1.0}  # no value was frozen: a customer who stays counts as one
    assert set(trial.cost_amounts) == {0.0}
    assert np.isnan(trial.risk).all()


def test_an_outcome_of_the_company_s_own_is_what_is_good() -> None:
    """Source: counted by hand from the rows below."""
    metered = {"role": "usage", "source": "m.csv", "columns": {"customer_id": "w", "event_at": "t", "quantity": "q"}}
    bought = {
        "role": "transactions",
        "source": "t.csv",
        "columns": {"customer_id": "w", "event_at": "t", "amount": "a"},
    }
    feeds = {**_feeds(), "meters": metered, "tills": bought}
    outcomes = [
        {"name": "visited", "feed": "meters", "kind": "event"},
        {"name": "fault", "feed": "meters", "kind": "event", "good": "lower"},
        {"name": "spend", "feed": "tills", "kind": "total", "of": "amount"},
    ]
    rows = many()
    at = noon(STARTS_ON + timedelta(days=20))
    feed = [
        {"customer_id": f"c{n:04d}", "event_at": at, "quantity": 1.0, "amount_cents": 1_250} for n in range(0, 400, 4)
    ]
    feed.append(
        {"customer_id": "later", "event_at": noon(AS_OF - timedelta(days=1)), "quantity": 1.0, "amount_cents": 1}
    )
    for name, good, worth, cost in (("visited", 1.0, 1.0, 0.0), ("fault", 0.0, 1.0, 0.0), ("spend", 12.5, 0.5, 4.0)):
        told = company(feeds=feeds, outcomes=outcomes)
        ledger = [launched(primary_outcome=name), *rows]
        trial = read_trials(tried(ledger, told=told, contracts=lives(rows), meters=feed, tills=feed), told, None, AS_OF
                            ).trials["call"]  # fmt: skip
        assert trial.outcome == name
        mine = np.array([int(one[1:]) % 4 == 0 for one in trial.customer_ids])
        assert set(trial.good[mine]) == {good}
        assert set(trial.good[~mine]) == {1.0 if name == "fault" else 0.0}
        assert (trial.value_amounts[0], trial.cost_amounts[0]) == (worth, cost)


@dataclass
class Kept(Memory):
    """A warehouse that kept the features of some days."""

    kept: pa.Table | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kept is not None:
            self._frames["features"] = self.kept

    def version(self, table: str) -> int | None:
        return 1 if table == "features" and self.kept is not None else None


def kept_features(days: list[date], price: float, *, but: str | None = None) -> pa.Table:
    """Features of everybody on some days, with a price that no contract has."""
    ids = [f"c{n:04d}" for n in range(400)]
    columns: dict[str, Any] = {
        "customer_id": ids * len(days),
        "as_of": pa.array([day for day in days for _ in ids], pa.date32()),
    }
    for feature in feature_set(company()):
        if feature.name != but:
            value = price if feature.name == "contract_price_amount" else None
            kind = pa.float64() if feature.kind == "number" else pa.string()
            columns[feature.name] = pa.array([value] * len(ids) * len(days), kind)
    return pa.table(columns)


def prices(kept: pa.Table | None, contracts: list[dict[str, Any]] | None = None) -> tuple[Any, Any]:
    """Days of entry, and the price that the trial knows, with these features kept."""
    rows = many()
    warehouse = Kept(company(), {"ledger": [launched(), *rows], "contracts": contracts or lives(rows)}, kept)
    trial = read_trials(warehouse, company(), None, AS_OF).trials["call"]
    return trial.as_ofs, trial.frame["contract_price_amount"].to_numpy()


def test_features_are_those_that_the_day_kept_else_they_are_computed_for_that_day() -> None:
    days, price = prices(kept_features([STARTS_ON], 77.0))
    assert set(price[days == np.datetime64(STARTS_ON)]) == {77.0}
    assert set(price[days != np.datetime64(STARTS_ON)]) == {20.0}


def test_features_of_another_day_are_never_used() -> None:
    near = [STARTS_ON - timedelta(days=1), STARTS_ON + timedelta(days=3), AS_OF]
    _, price = prices(kept_features(near, 99.0))
    assert set(price) == {20.0}


def test_a_kept_day_that_lacks_a_feature_of_today_is_computed_again() -> None:
    _, price = prices(kept_features([STARTS_ON], 77.0, but="open_contract_count"))
    assert set(price) == {20.0}


def test_nothing_that_happened_or_was_loaded_after_the_entry_is_known() -> None:
    rows = many()
    events = lives(rows)
    entry_at = company().instant(STARTS_ON)
    everybody = [row["customer_id"] for row in rows if row["kind"] == "assigned"]
    after = [{"customer_id": one, "event_at": noon(STARTS_ON + timedelta(days=5)), "kind": "change", "price_cents": 5}
             for one in everybody]  # fmt: skip
    late = [{"customer_id": one, "event_at": entry_at - timedelta(days=9), "kind": "change", "price_cents": 7,
             "loaded_at": entry_at + timedelta(days=4)} for one in everybody]  # fmt: skip
    _, price = prices(None, [*events, *after, *late])
    assert set(price) == {20.0}


def test_protected_attributes_are_no_features() -> None:
    told = company(customers={"source": "c.csv", "key": "id", "attributes": {"city": "category", "origin": "category"},
                              "protected": ["origin"]})  # fmt: skip
    frame = read_trials(tried(many(), told=told), told, None, AS_OF).trials["call"].frame
    assert "city" in frame.columns
    assert "origin" not in frame.columns


@pytest.mark.parametrize(
    ("changes", "share"),
    [
        ({"actions": [{**CALL, "capacity_per_day": 20}, MAIL]}, 0.3),  # 200 treated on 3 days could have had it
        ({"actions": [{**CALL, "capacity_per_day": 500}, MAIL]}, 1.0),
        ({"budget": {"per_day": 80.0}}, 0.3),
        ({}, 0.3),
    ],
    ids=["capacity", "more room than customers", "budget", "no limit"],
)
def test_room_for_an_action_is_told_of_those_who_could_have_had_it(changes: dict[str, Any], share: float) -> None:
    told = company(**changes)
    assert capacity_share(tried(many(), told=told), told, "call", AS_OF) == pytest.approx(share)


def test_who_could_have_had_an_action_and_did_not_counts_for_the_room() -> None:
    weaker = {"eligible": {"mail": 1.0}, "action": None, "intended_action": "mail", "refused": '{"call":"weaker"}'}
    rows = [*many(), *(row for n in range(400, 1000, 2) for row in entry(n, **{**weaker, "action": "mail"}))]
    rows += [row for n in range(1000, 1100, 2) for row in entry(n, **{**weaker, "refused": '{"call":"suppressed: x"}'})]
    told = company(actions=[{**CALL, "capacity_per_day": 20}, MAIL])
    assert capacity_share(tried(rows, told=told), told, "call", AS_OF) == pytest.approx(20 / (500 / 3))


def _feeds() -> dict[str, Any]:
    return company().model_dump(mode="json", exclude_defaults=True)["feeds"]  # type: ignore[no-any-return]


def _drawn() -> dict[str, Any]:
    columns = {name: name for name in ("customer_id", "event_at", "campaign", "group", "action", "propensity")}
    return {"role": "assignments", "source": "drawn.csv", "columns": columns}
