"""The way of a day: what is refused before anything is decided, who enters, who stays, and what a rerun finds."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from campaigns.decisions import decide, decide_batch
from campaigns.designs import halt, resume
from campaigns.ledger import correct, verify
from holdback.errors import BusinessFileError, Busy, DataError
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import (
    AS_OF,
    FILE,
    Row,
    actions,
    company,
    contract,
    customer,
    days_from,
    decided,
    launch_all,
    ledger,
    opened,
    put,
    score,
    with_file,
)

NEXT = AS_OF + timedelta(days=1)
LATER = datetime(2026, 3, 10)
PEOPLE = [customer(f"c{i:02d}") for i in range(20)]
SPRING: Row = FILE["campaigns"][0]


def acted(workspace: Workspace, *, on: date = AS_OF) -> dict[str, str]:
    return {name: row["action"] for name, row in decided(workspace, on=on).items()}


def groups(workspace: Workspace, campaign: str | None = "spring") -> dict[str, str]:
    return {r["customer_id"]: r["group"] for r in ledger(workspace, kind="assigned") if r["campaign"] == campaign}


def test_a_rerun_reads_what_was_decided_whatever_the_file_says_meanwhile(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE)
    first = decide(workspace, AS_OF)
    rows = ledger(workspace)
    changed = with_file(workspace, holdout={"global_share": 1.0}, actions=actions(call={"capacity_per_day": 1}))
    again = decide(changed, AS_OF)
    assert ledger(workspace) == rows
    assert (first.was_decided_already, again.was_decided_already) == (False, True)
    assert (
        (again.contact_counts, again.spent_cents)
        == (first.contact_counts, first.spent_cents)
        == ({"phone": 20}, 10_000)
    )
    assert workspace.warehouse.has_batch("ledger", decide_batch(AS_OF))
    assert verify(workspace).is_whole


def test_a_day_before_the_newest_one_is_not_decided(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE, days=[AS_OF, NEXT])
    decide(workspace, NEXT)
    rows = ledger(workspace)
    with pytest.raises(
        DataError, match=r"decisions of 2026-03-02: the ledger has rows of 2026-03-03 already"
    ) as caught:
        decide(workspace, AS_OF)
    assert caught.value.exit_code == 3
    assert ledger(workspace) == rows


def test_a_day_without_scores_is_not_decided(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE)
    rows = ledger(workspace)
    with pytest.raises(DataError, match="2026-03-03"):
        decide(workspace, NEXT)
    assert ledger(workspace) == rows


def test_who_decides_at_the_same_time_is_told_to_wait(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE)
    with workspace.lock("decide"), pytest.raises(Busy, match="decide"):
        decide(Workspace(tmp_path, workspace.business), AS_OF)
    assert decide(workspace, AS_OF).was_decided_already is False


def test_a_campaign_that_is_not_launched_decides_nothing(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE, launched=False)
    found = decide(workspace, AS_OF)
    assert (found.campaigns, found.contact_counts, found.customer_count) == ((), {}, 20)
    assert ledger(workspace, kind="decided") == []


def test_a_company_without_campaigns_still_draws_its_global_holdout(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(campaigns=[], holdout={"global_share": 0.5}), PEOPLE)
    found = decide(workspace, AS_OF)
    assert found.customer_count == 20
    assert 0 < found.globally_held_count < 20


@pytest.mark.parametrize("people", [[], PEOPLE])
def test_a_day_on_which_nobody_is_eligible_is_decided_and_says_so(tmp_path: Path, people: list[Row]) -> None:
    workspace = opened(tmp_path, company(), people, probability=0.05)
    found = decide(workspace, AS_OF)
    assert (found.contact_counts, found.spent_cents, found.campaigns) == ({}, 0, ())
    assert decide(workspace, AS_OF).was_decided_already is True
    assert (found.customer_count, found.globally_held_count) == (len(people), 0)


def test_a_day_on_which_nothing_is_open_to_anybody_says_why(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann", has_consent=False), customer("bea", quiet=True)])
    found = decide(workspace, AS_OF)
    assert found.refused_counts == {"suppressed: no_consent": 1, "suppressed: opted_out": 1}
    assert [(c.audience_count, c.contact_count, c.entered_count) for c in found.campaigns] == [(2, 0, 0)]


def test_a_halted_campaign_decides_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    days = days_from(AS_OF, 3)
    workspace = opened(tmp_path, company(), PEOPLE, days=days)
    decide(workspace, days[0])
    halt(workspace, "spring", days[1], reason="the offer was wrong", by="Ann")
    decide(workspace, days[1])
    resume(workspace, "spring", days[2], reason="the offer is right", by="Ann")
    decide(workspace, days[2])
    assert [len(decided(workspace, on=day)) for day in days] == [20, 0, 20]


def test_a_launched_campaign_that_was_changed_stops_the_day(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE)
    rows = ledger(workspace)
    changed = with_file(workspace, campaigns=[{**SPRING, "horizon_days": 10}])
    with pytest.raises(BusinessFileError, match="horizon_days 30 became 10"):
        decide(changed, AS_OF)
    assert ledger(workspace) == rows


def test_a_campaign_outside_its_period_decides_nothing(tmp_path: Path) -> None:
    days = days_from(AS_OF, 3)
    period = {**SPRING, "starts_on": days[1], "ends_on": days[2]}
    workspace = opened(tmp_path, company(campaigns=[period]), PEOPLE, days=days)
    for day in days:
        decide(workspace, day)
    assert [len(decided(workspace, on=day)) for day in days] == [0, 20, 0]


def test_growing_and_shrinking_a_share_moves_nobody(tmp_path: Path) -> None:
    days = days_from(AS_OF, 3)
    people = [customer(f"c{i:03d}") for i in range(60)]
    shares = [0.3, 0.9, 0.0]
    workspace = opened(tmp_path, company(holdout={"global_share": 0.2, "campaign_share": 0.3}), people, days=days)
    for day, share in zip(days, shares, strict=True):
        decide(with_file(workspace, holdout={"global_share": share, "campaign_share": share}), day)
    held = {name for name, group in groups(workspace, None).items() if group == "holdout"}
    held |= {name for name, group in groups(workspace).items() if group == "holdout"}
    assert len(held) > 15
    assert len(ledger(workspace, kind="assigned")) == 60 + len(groups(workspace))
    contacted = {r["customer_id"] for r in ledger(workspace, kind="decided") if r["action"] != "none"}
    assert not contacted & held
    assert len(contacted) + len(held) == 60


def test_who_joins_the_household_of_a_held_out_customer_is_held_out_with_it(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(holdout={"global_share": 1.0}), [customer("old", household_id="h")])
    decide(workspace, AS_OF)
    opens = with_file(workspace, holdout={"global_share": 0.0})
    known_at = opens.business.instant(NEXT)
    newcomers = [customer("new", household_id="h"), customer("lone")]
    put(opens, "customers", [{**row, "loaded_at": known_at, "batch_id": "n"} for row in newcomers], batch="new")
    put(opens, "contracts", [contract("new"), contract("lone")], batch="new")
    put(opens, "scores", [score(name, on=NEXT) for name in ("old", "new", "lone")], batch="new")
    decide(opens, NEXT)
    assert groups(opens, None) == {"old": "holdout", "new": "holdout", "lone": "treatment"}
    assert acted(opens, on=NEXT) == {"lone": "call"}


def test_a_unit_is_in_one_campaign_until_its_horizon_ends(tmp_path: Path) -> None:
    """Everybody enters spring and leaves its audience; summer gets them when three days are over."""
    campaigns = [
        {"name": "spring", "actions": ["call"], "horizon_days": 3, "audience": {"risk_tiers": ["high"]}},
        {"name": "summer", "actions": ["mail"], "horizon_days": 3, "audience": {"risk_tiers": ["medium"]}},
    ]
    days = days_from(AS_OF, 4)
    business = company(campaigns=campaigns, contact={"at_most": 9}, holdout={"campaign_share": 0.5})
    workspace = opened(tmp_path, business, PEOPLE, days=days[:1])
    for day in days[1:]:
        put(workspace, "scores", [score(row["customer_id"], 0.3, on=day) for row in PEOPLE], batch=str(day))
    found = [decide(workspace, day) for day in days]
    assert found[0].contact_counts["phone"] == list(groups(workspace).values()).count("treatment")
    assert [day.refused_counts for day in found[1:3]] == [
        {"held_out": list(groups(workspace).values()).count("holdout"),
         "in_campaign": list(groups(workspace).values()).count("treatment")}
    ] * 2  # fmt: skip
    assert set(groups(workspace, "summer")) == {row["customer_id"] for row in PEOPLE}
    assert 0 < found[3].contact_counts["email"] < 20


def test_two_units_of_two_campaigns_that_merge_get_nothing_from_either(tmp_path: Path) -> None:
    campaigns = [{**SPRING, "audience": {"where": {"city": ["Lugo"]}}},
                 {"name": "autumn", "actions": ["gift"], "horizon_days": 30}]  # fmt: skip
    gift = actions(gift={"assumed_lift": {"value": 0.1, "source": "us", "expires_on": date(2027, 1, 1)}})
    business = company(campaigns=campaigns, actions=gift)
    people = [customer("ann", household_id="h"), customer("bea", city="Vigo")]
    workspace = opened(tmp_path, business, people, days=(AS_OF, NEXT))
    decide(workspace, AS_OF)
    assert acted(workspace) == {"ann": "call", "bea": "gift"}
    moved = customer("bea", city="Vigo", household_id="h", loaded_at=business.instant(NEXT))
    put(workspace, "customers", [moved], batch="moved")
    decide(workspace, NEXT)
    assert acted(workspace, on=NEXT) == {"ann": "none", "bea": "none"}


def test_after_its_horizon_a_unit_is_through_with_the_campaign_whoever_joins_it(tmp_path: Path) -> None:
    """Who is left after a horizon is no fresh sample: only a new version begins again, with new groups."""
    late = AS_OF + timedelta(days=40)
    workspace = opened(tmp_path, company(), [customer("ann", household_id="h")])
    decide(workspace, AS_OF)
    put(workspace, "customers", [customer("bea", household_id="h", loaded_at=LATER)], batch="joined")
    put(workspace, "contracts", [contract("bea")], batch="contract")
    put(workspace, "scores", [score("ann", on=late), score("bea", 0.9, on=late)], batch="late")
    found = decide(workspace, late)
    assert set(acted(workspace, on=late).values()) == {"none"}
    assert found.refused_counts == {"was_in_campaign": 2}
    assert groups(workspace) == {"ann": "treatment"}


def test_a_rotation_that_has_passed_stays_in_the_file(tmp_path: Path) -> None:
    rotated = {"global_share": 0.5, "rotates_on": [AS_OF]}
    workspace = opened(tmp_path, company(holdout=rotated), PEOPLE[:3], days=(AS_OF, NEXT))
    decide(workspace, AS_OF)
    forgetful = with_file(workspace, holdout={"global_share": 0.5})
    with pytest.raises(BusinessFileError, match=r"rotates_on: the global holdout was drawn 2 times.*Put it back"):
        decide(forgetful, NEXT)


def test_an_older_versions_holdout_lasts_as_long_as_it_was_launched_for(tmp_path: Path) -> None:
    """The new version is shorter; who was held out for 30 days is not free after 5."""
    days = [AS_OF, AS_OF + timedelta(days=6), AS_OF + timedelta(days=30)]
    first = company(campaigns=[{**SPRING, "holdout_share": 1.0}])
    workspace = opened(tmp_path, first, PEOPLE[:3], days=days)
    decide(workspace, days[0])
    shorter = with_file(workspace, campaigns=[{**SPRING, "version": 2, "horizon_days": 5}])
    launch_all(shorter, days[1])
    decide(shorter, days[1])
    assert set(acted(shorter, on=days[1]).values()) == {"none"}
    decide(shorter, days[2])
    assert set(acted(shorter, on=days[2]).values()) == {"call"}


def test_a_campaign_that_left_the_file_sets_nobody_free(tmp_path: Path) -> None:
    both = [{**SPRING, "holdout_share": 1.0}, {"name": "summer", "actions": ["mail"], "horizon_days": 30}]
    days = [AS_OF, AS_OF + timedelta(days=29), AS_OF + timedelta(days=30)]
    workspace = opened(tmp_path, company(campaigns=both), PEOPLE[:3], days=days)
    decide(workspace, days[0])
    without = with_file(workspace, campaigns=both[1:])
    for day in days[1:]:
        decide(without, day)
    assert set(acted(without, on=days[1]).values()) == {"none"}
    assert set(acted(without, on=days[2]).values()) == {"mail"}


def test_a_rotation_draws_the_global_holdout_anew_and_keeps_its_history(tmp_path: Path) -> None:
    people = [customer(f"c{i:03d}") for i in range(60)]
    business = company(holdout={"global_share": 0.3, "rotates_on": [NEXT]}, contact={"at_most": 9})
    workspace = opened(tmp_path, business, people, days=[AS_OF, NEXT])
    decide(workspace, AS_OF)
    decide(workspace, NEXT)
    held: dict[int, set[str]] = {1: set(), 2: set()}
    for row in ledger(workspace, kind="assigned"):
        if row["campaign"] is None and row["group"] == "holdout":
            held[row["version"]].add(row["customer_id"])
    assert held[1]
    assert held[2]
    assert held[1] != held[2]
    for day, version in ((AS_OF, 1), (NEXT, 2)):
        assert set(decided(workspace, on=day)) == {row["customer_id"] for row in people} - held[version]


def test_a_correction_can_put_somebody_into_the_holdout(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(contact={"at_most": 9}), PEOPLE[:2], days=[AS_OF, NEXT])
    decide(workspace, AS_OF)
    entry = next(r for r in ledger(workspace, kind="assigned") if (r["campaign"], r["customer_id"]) == (None, "c00"))
    correct(workspace, NEXT, entry["entry_id"], reason="a member of the board", changes={"group": "holdout"})
    decide(workspace, NEXT)
    assert acted(workspace, on=NEXT) == {"c01": "call"}


def test_two_campaigns_against_two_kinds_of_churn_each_use_their_own_scores(tmp_path: Path) -> None:
    campaigns: list[dict[str, Any]] = [
        {"name": "spring", "actions": ["call"], "horizon_days": 30},
        {"name": "summer", "actions": ["mail"], "horizon_days": 30, "churn": "gone"},
    ]
    workspace = opened(tmp_path, company(campaigns=campaigns), [customer("ann"), customer("bea")],
                       probability={"ann": 0.5, "bea": 0.05})  # fmt: skip
    gone = [score(name, p, churn="gone", model_version="9") for name, p in (("ann", 0.05), ("bea", 0.6))]
    put(workspace, "scores", gone, batch="gone")
    decide(workspace, AS_OF)
    rows = decided(workspace)
    assert {name: (row["action"], row["probability"], row["model_version"]) for name, row in rows.items()} == {
        "ann": ("call", 0.5, "7"), "bea": ("mail", 0.6, "9"),
    }  # fmt: skip
