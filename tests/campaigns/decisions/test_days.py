"""A day in numbers: they come from the ledger alone, add up, and are the same on every rerun."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.decisions import DecisionDay, decide, decided_day
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import (
    AS_OF,
    Row,
    actions,
    company,
    customer,
    decided,
    ledger,
    opened,
    put,
    score,
    with_file,
)

NEXT = AS_OF + timedelta(days=1)
CAMPAIGNS: list[Row] = [
    {"name": "spring", "actions": ["call", "mail"], "horizon_days": 30, "audience": {"where": {"city": ["Lugo"]}}},
    {"name": "summer", "actions": ["mail", "gift"], "horizon_days": 30},
]
PEOPLE = [customer(f"c{i:02d}", city="Lugo" if i % 3 else "Vigo", has_consent=i % 10 != 0) for i in range(40)]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, DecisionDay]]:
    """Two days of a company with two campaigns, holdouts, exploration and limits."""
    business = company(
        campaigns=CAMPAIGNS,
        actions=actions(call={"capacity_per_day": 6}),
        holdout={"global_share": 0.15, "campaign_share": 0.3, "explore_share": 0.3},
        budget={"per_day": 60.0},
    )
    workspace = opened(tmp_path_factory.mktemp("lived"), business, PEOPLE)
    first = decide(workspace, AS_OF)
    put(workspace, "scores", [score(row["customer_id"], 0.3, on=NEXT) for row in PEOPLE], batch="next")
    return workspace, {"first": first, "next": decide(workspace, NEXT)}


def test_the_numbers_are_those_of_the_rows(lived: tuple[Workspace, dict[str, DecisionDay]]) -> None:
    workspace, days = lived
    day = days["first"]
    rows = list(decided(workspace).values())
    contacts = [row for row in rows if row["action"] != "none"]
    entered = [row for row in ledger(workspace, kind="assigned", on=AS_OF) if row["campaign"] is not None]
    everywhere = [row for row in ledger(workspace, kind="assigned", on=AS_OF) if row["campaign"] is None]
    assert day.customer_count == len(everywhere) == 40
    assert day.globally_held_count == [row["group"] for row in everywhere].count("holdout") > 0
    assert [campaign.name for campaign in day.campaigns] == ["spring", "summer"]
    for campaign in day.campaigns:
        own = [row for row in rows if row["campaign"] == campaign.name]
        mine = [row for row in contacts if row["campaign"] == campaign.name]
        into = [row for row in entered if row["campaign"] == campaign.name]
        assert campaign.audience_count == len(own)
        assert campaign.contact_count == len(mine) > 0
        assert campaign.explored_count == sum(row["is_exploration"] for row in mine)
        assert campaign.entered_count == len(into)
        assert campaign.held_back_count == [row["group"] for row in into].count("holdout")
        assert campaign.spent_cents == sum(row["cost_cents"] for row in mine)
    assert sum(day.contact_counts.values()) == len(contacts)
    assert day.spent_cents == sum(campaign.spent_cents for campaign in day.campaigns) <= 6_000
    assert day.budget_cents == 6_000
    assert sum(day.refused_counts.values()) == len(rows) - len(contacts)
    nobody_agreed = [row for row in rows if row["action"] == "none" and "no_consent" in row["refused"]]
    assert day.refused_counts["suppressed: no_consent"] == len(nobody_agreed)


def test_the_next_day_counts_its_own_rows_and_the_layers_so_far(
    lived: tuple[Workspace, dict[str, DecisionDay]],
) -> None:
    workspace, days = lived
    for day in days.values():
        assert [balance.layer for balance in day.balances] == ["global", "spring", "summer"]
    layers = {balance.layer: balance for balance in days["next"].balances}
    for name, balance in layers.items():
        rows = [row for row in ledger(workspace, kind="assigned") if (row["campaign"] or "global") == name]
        assert balance.treatment_count == [row["group"] for row in rows].count("treatment")
        assert balance.holdout_count == [row["group"] for row in rows].count("holdout")
        assert balance.is_sound
    new = [row for row in ledger(workspace, kind="assigned", on=NEXT) if row["campaign"] is not None]
    assert sum(campaign.entered_count for campaign in days["next"].campaigns) == len(new)


@pytest.mark.parametrize("which", ["first", "next"])
def test_a_rerun_tells_the_same_also_when_later_days_were_decided(
    lived: tuple[Workspace, dict[str, DecisionDay]], which: str
) -> None:
    workspace, days = lived
    first = days[which]
    again = decide(workspace, first.as_of)
    assert again.was_decided_already
    assert {**vars(again), "was_decided_already": False} == vars(first)


def test_a_day_is_told_though_the_file_forgot_its_campaigns(lived: tuple[Workspace, dict[str, DecisionDay]]) -> None:
    workspace, days = lived
    bare = with_file(workspace, campaigns=[])
    found = decided_day(bare.warehouse, bare.business, AS_OF, was_decided_already=True)
    assert [campaign.name for campaign in found.campaigns] == ["spring", "summer"]
    assert found.contact_counts == days["first"].contact_counts
    assert [balance.layer for balance in found.balances] == ["global"]


def test_of_several_reasons_the_one_nearest_to_a_contact_is_counted(tmp_path: Path) -> None:
    """The call is not for her, the mail would cost more than it saves: she missed a contact by the mail's price."""
    changed = actions(call={"eligible": {"where": {"city": ["Vigo"]}}}, mail={"cost": 5_000.0})
    workspace = opened(tmp_path, company(actions=changed), [customer("ann")])
    assert decide(workspace, AS_OF).refused_counts == {"no_gain": 1}


def test_a_day_that_was_not_decided_is_empty(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), [customer("ann")])
    found = decided_day(workspace.warehouse, workspace.business, NEXT, was_decided_already=False)
    assert (found.campaigns, found.contact_counts, found.refused_counts, found.balances) == ((), {}, {}, ())
