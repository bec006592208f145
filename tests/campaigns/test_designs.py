"""A design is fixed at its launch: what may change is shown, what may not is refused, and a halt takes a reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.designs import Design, check_unchanged, halt, launch, launched, resume, standings
from campaigns.feasibility import plan
from campaigns.ledger import verify
from holdback.business import Audience
from holdback.errors import BusinessFileError, NotKnowableYet
from holdback.workspace import Workspace
from tests.campaigns.contracts import AS_OF, FILE, HORIZON_DAYS, open_telecom, telecom

REASON = "legal wants every leaver called"
TOMORROW = AS_OF + timedelta(days=1)
STRONG = {"assumed_lift": {**FILE["actions"][0]["assumed_lift"], "value": 0.6}}
HALVES = {"holdout_share": 0.5}

DESIGN = Design(
    campaign="spring", version=1, salt="telecom/spring/1", launched_on=AS_OF, primary_outcome="churned",
    decision_metric="incremental_margin", churn={"name": "leave", "kind": "cancellation"}, horizon_days=30, alpha=0.05,
    reading_alpha=0.04, power=0.8, actions=("call",), audience=Audience(where={"city": ("Lugo",)}), holdout_share=0.2,
    explore_share=0.05, starts_on=AS_OF, ends_on=None, last_entry_on=date(2026, 3, 1), reads_on=date(2026, 4, 1),
    base_rate=0.15, lift=0.3, effect=0.045, holdout_count=600, treatment_count=2_400,
)  # fmt: skip


@pytest.fixture
def company(tmp_path: Path) -> Workspace:
    """A company whose campaign can be read."""
    return open_telecom(tmp_path, customers=1_500, scored_on=(AS_OF,), call=STRONG, campaign=HALVES)


def with_file(company: Workspace, **changes: Any) -> Workspace:
    """The same company under a changed business file."""
    campaign = {**HALVES, **changes.pop("campaign", {})}
    return telecom(company.root, **{"call": STRONG, "campaign": campaign, **changes})


# The design itself


def test_a_design_comes_back_from_its_json_as_it_was() -> None:
    assert Design.from_json(DESIGN.to_json()) == DESIGN
    forced = replace(DESIGN, reads_on=None, last_entry_on=None, ends_on=date(2026, 2, 1), forced_reason="señor, ¿qué?")
    assert Design.from_json(forced.to_json()) == forced


def test_the_json_and_the_hash_of_a_design_never_change() -> None:
    # Known to every ledger that was written: a change here would make all launched designs look changed.
    assert DESIGN.to_json().startswith('{"actions":["call"],"alpha":0.05,"audience":{"between":{},"risk_tiers":[],')
    assert DESIGN.hash == replace(DESIGN).hash
    assert len(DESIGN.hash) == 64


@given(alpha=st.floats(0.01, 0.2), horizon=st.integers(1, 730), share=st.floats(0, 1))
def test_another_design_has_another_hash(alpha: float, horizon: int, share: float) -> None:
    other = replace(DESIGN, alpha=alpha, horizon_days=horizon, holdout_share=share)
    assert (other.hash == DESIGN.hash) == (other == DESIGN)


def test_alpha_is_split_between_the_reading_and_the_daily_page() -> None:
    assert DESIGN.daily_alpha == pytest.approx(0.01)


# Launch


def test_a_launch_fixes_the_design_and_plans_the_reading(company: Workspace) -> None:
    done = launch(company, "spring", AS_OF)
    design = done.design
    assert not done.was_launched_already
    assert done.plan is not None
    own = done.plan.as_written
    assert design.reads_on == own.reads_on
    assert design.reads_on is not None
    assert design.last_entry_on is not None
    assert design.reads_on >= design.last_entry_on + timedelta(days=HORIZON_DAYS)
    assert own.sample is not None
    assert (design.holdout_count, design.treatment_count) == (own.sample.holdout, own.sample.treatment)
    assert (design.alpha, design.reading_alpha, design.horizon_days) == (0.05, 0.04, HORIZON_DAYS)
    assert design.salt == "telecom/spring/1"
    assert design.forced_reason is None
    assert launched(company.warehouse, company.business, AS_OF) == (design,)


def test_a_second_launch_changes_nothing(company: Workspace) -> None:
    first = launch(company, "spring", AS_OF)
    before = company.warehouse.version("ledger")
    again = launch(company, "spring", TOMORROW)
    assert again.was_launched_already
    assert again.design == first.design
    assert company.warehouse.version("ledger") == before


def test_a_launch_is_unknown_to_the_days_before_it(company: Workspace) -> None:
    launch(company, "spring", AS_OF)
    assert launched(company.warehouse, company.business, AS_OF - timedelta(days=1)) == ()


def test_a_campaign_that_cannot_be_read_is_refused_and_nothing_is_written(company: Workspace) -> None:
    weak = with_file(company, call={}, campaign={"holdout_share": 0.05})
    with pytest.raises(NotKnowableYet, match=r"not knowable .* at a 5 % holdout") as told:
        launch(weak, "spring", AS_OF)
    assert told.value.exit_code == 4
    assert weak.warehouse.version("ledger") is None


def test_a_written_reason_forces_it_and_is_kept(company: Workspace) -> None:
    weak = with_file(company, call={}, campaign={"holdout_share": 0.05})
    done = launch(weak, "spring", AS_OF, force_reason=f"  {REASON} ")
    assert done.design.forced_reason == REASON
    [standing] = standings(weak.warehouse, weak.business, TOMORROW)
    assert (standing.state, standing.reason) == ("in force", REASON)


@pytest.mark.parametrize("reason", ["", "because", "just because"])
def test_a_reason_of_two_words_is_none(company: Workspace, reason: str) -> None:
    weak = with_file(company, call={}, campaign={"holdout_share": 0.05})
    with pytest.raises(BusinessFileError, match="is no reason"):
        launch(weak, "spring", AS_OF, force_reason=reason)
    assert weak.warehouse.version("ledger") is None


def test_a_reason_that_was_not_needed_is_not_kept(company: Workspace) -> None:
    assert launch(company, "spring", AS_OF, force_reason=REASON).design.forced_reason is None


def test_force_does_not_replace_a_past(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=200, days=40)
    with pytest.raises(NotKnowableYet, match="The first plan can be made on"):
        launch(workspace, "spring", date(2025, 2, 10), force_reason=REASON)


# What may change, and what may not


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"campaign": {"horizon_days": 45}}, "horizon_days 30 became 45"),
        ({"campaign": {"alpha": 0.1}}, "alpha 0.05 became 0.1"),
        ({"campaign": {"actions": ["call", "letter"]}}, "actions"),
        ({"campaign": {"audience": {"risk_tiers": ["high"]}}}, "audience"),
        ({"churn": [{**FILE["churn"][0], "risk_tiers": {"high": 0.6, "medium": 0.3}}]}, "churn"),
    ],
)
def test_what_the_launch_fixed_is_not_changed_within_a_version(
    company: Workspace, changes: dict[str, Any], named: str
) -> None:
    design = launch(company, "spring", AS_OF).design
    changed = with_file(company, **changes)
    with pytest.raises(BusinessFileError, match=rf"fixed at its launch on 2026-01-01: .*{named}.*its version to 2"):
        check_unchanged(changed.business, design)
    with pytest.raises(BusinessFileError, match="raise its version"):
        launch(changed, "spring", TOMORROW)


def test_every_changed_field_is_named_at_once(company: Workspace) -> None:
    design = launch(company, "spring", AS_OF).design
    changed = with_file(company, campaign={"alpha": 0.1, "horizon_days": 45})
    with pytest.raises(BusinessFileError, match=r"horizon_days 30 became 45; alpha 0.05 became 0.1"):
        check_unchanged(changed.business, design)


def test_a_changed_share_is_allowed_and_shown(company: Workspace) -> None:
    design = launch(company, "spring", AS_OF).design
    assert check_unchanged(company.business, design) == ()
    smaller = with_file(company, campaign={"holdout_share": 0.1, "ends_on": date(2026, 9, 1), "power": 0.9})
    shown = check_unchanged(smaller.business, design)
    assert shown[0].startswith("holdout_share: 50 % at the launch, 10 % now; nobody changes groups")
    assert shown[1].startswith("power: 0.8 at the launch, 0.9 now")
    assert shown[2] == "ends_on: open at the launch, 2026-09-01 now"
    assert launch(smaller, "spring", TOMORROW).changes == shown
    assert launched(smaller.warehouse, smaller.business, TOMORROW) == (design,)


def test_a_new_version_is_a_new_launch_with_a_salt_of_its_own(company: Workspace) -> None:
    first = launch(company, "spring", AS_OF).design
    second = with_file(company, campaign={"version": 2, "alpha": 0.1})
    # Version 1 is no longer what the file says: nothing is decided until version 2 is launched.
    assert launched(second.warehouse, second.business, TOMORROW) == ()
    with pytest.raises(BusinessFileError, match="version: 2 is not the launched version 1"):
        check_unchanged(second.business, first)
    design = launch(second, "spring", TOMORROW).design
    assert (design.version, design.salt, design.alpha) == (2, "telecom/spring/2", 0.1)
    assert launched(second.warehouse, second.business, TOMORROW) == (design,)
    with pytest.raises(BusinessFileError, match=r"version: 1 is older than version 2.*choose 3"):
        launch(company, "spring", TOMORROW)


# In force, and out of it


def test_a_campaign_decides_within_its_period_only(company: Workspace) -> None:
    later = with_file(company, campaign={"starts_on": date(2026, 2, 1), "ends_on": date(2026, 12, 1)})
    design = launch(later, "spring", AS_OF, force_reason=REASON).design
    states = {}
    for day in (AS_OF, date(2026, 1, 31), date(2026, 2, 1), date(2026, 11, 30), date(2026, 12, 1)):
        [standing] = standings(later.warehouse, later.business, day)
        states[day] = standing.state
        assert launched(later.warehouse, later.business, day) == ((design,) if standing.state == "in force" else ())
    assert list(states.values()) == ["waits", "waits", "in force", "in force", "over"]
    assert design.starts_on == date(2026, 2, 1)


def test_a_halt_stops_decisions_from_its_day_on_until_a_person_resumes(company: Workspace) -> None:
    launch(company, "spring", AS_OF)
    assert halt(company, "spring", TOMORROW, reason="churn rises among the treated", by="the harm monitor")
    assert not halt(company, "spring", TOMORROW, reason="churn rises among the treated", by="the harm monitor")
    assert len(launched(company.warehouse, company.business, AS_OF)) == 1
    assert launched(company.warehouse, company.business, TOMORROW) == ()
    [halted] = standings(company.warehouse, company.business, TOMORROW)
    assert (halted.state, halted.since, halted.by) == ("halted", TOMORROW, "the harm monitor")
    assert halted.reason == "churn rises among the treated"

    day = TOMORROW + timedelta(days=5)
    with pytest.raises(BusinessFileError, match="nobody is named"):
        resume(company, "spring", day, reason="the letter was mended", by=" ")
    assert resume(company, "spring", day, reason="the letter was mended", by="Ana Ruiz")
    assert not resume(company, "spring", day, reason="the letter was mended", by="Ana Ruiz")
    assert len(launched(company.warehouse, company.business, day)) == 1
    assert halt(company, "spring", day, reason="the price is wrong again", by="Ana Ruiz")
    assert launched(company.warehouse, company.business, day) == ()


def test_one_day_has_room_for_several_halts(company: Workspace) -> None:
    launch(company, "spring", AS_OF)
    for _ in range(3):
        assert halt(company, "spring", AS_OF, reason="the price is wrong", by="Ana Ruiz")
        assert launched(company.warehouse, company.business, AS_OF) == ()
        assert resume(company, "spring", AS_OF, reason="the price is wrong", by="Ana Ruiz")
        assert len(launched(company.warehouse, company.business, AS_OF)) == 1
    assert verify(company).is_whole


def test_a_halted_campaign_is_not_launched_again(company: Workspace) -> None:
    launch(company, "spring", AS_OF)
    halt(company, "spring", TOMORROW, reason="the price is wrong", by="Ana Ruiz")
    assert launch(company, "spring", TOMORROW).was_launched_already
    assert launched(company.warehouse, company.business, TOMORROW) == ()


def test_only_a_launched_campaign_is_halted_or_resumed(company: Workspace) -> None:
    for switch in (halt, resume):
        with pytest.raises(BusinessFileError, match=r"version 1 was not launched by 2026-01-01.*campaign launch"):
            switch(company, "spring", AS_OF, reason="the price is wrong", by="Ana Ruiz")
    with pytest.raises(BusinessFileError, match="is no reason"):
        halt(company, "spring", AS_OF, reason="wrong", by="Ana Ruiz")


def test_a_campaign_that_left_the_file_is_in_force_no_more(company: Workspace) -> None:
    launch(company, "spring", AS_OF)
    without = with_file(company, campaign={"name": "summer"})
    assert launched(without.warehouse, without.business, TOMORROW) == ()
    [standing] = standings(without.warehouse, without.business, TOMORROW)
    assert (standing.campaign, standing.state, standing.design) == ("summer", "not launched", None)


# What was run elsewhere


def test_a_campaign_that_was_run_elsewhere_is_never_planned_launched_or_halted(tmp_path: Path) -> None:
    drawn: dict[str, Any] = {"role": "assignments", "source": "drawn.csv"}
    drawn["columns"] = {"customer_id": "c", "event_at": "at", "campaign": "m", "group": "g"}
    elsewhere = {"name": "mailing", "actions": ["letter"], "assigned_by": "drawn"}
    campaigns = [FILE["campaigns"][0], elsewhere]
    company = telecom(tmp_path, feeds={**FILE["feeds"], "drawn": drawn}, campaigns=campaigns)
    assert [standing.campaign for standing in standings(company.warehouse, company.business, AS_OF)] == ["spring"]
    for ask in (
        lambda: plan(company.warehouse, company.business, "mailing", AS_OF),
        lambda: launch(company, "mailing", AS_OF, force_reason=REASON),
        lambda: halt(company, "mailing", AS_OF, reason=REASON, by="Ana"),
    ):
        with pytest.raises(BusinessFileError, match="'drawn' says that it was run elsewhere"):
            ask()
