"""What a launch fixes of a campaign that a trigger chooses for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from campaigns.designs import Design, check_unchanged, launched
from holdback.business import Business
from holdback.errors import BusinessFileError
from tests.campaigns.decisions.world import AS_OF, FILE, company, customer, opened

ENDS: dict[str, Any] = {"name": "ends", "kind": "announced", "feed": "contracts", "ahead_days": 30}
CARE: dict[str, Any] = {"name": "care", "actions": ["call"], "trigger": "ends", "horizon_days": 30,
                        "holdout_share": 0.2}  # fmt: skip
SPRING = FILE["campaigns"][0]
CONTRACTS = FILE["feeds"]["contracts"]


def waiting(days: int) -> Business:
    """A company whose campaigns say for how many days a firing counts."""
    contracts = {**CONTRACTS, "columns": {**CONTRACTS["columns"], "ends_on": "ends"}}
    campaigns = [{**campaign, "trigger_days": days} for campaign in (CARE, SPRING)]
    return company(feeds={"contracts": contracts}, triggers=[ENDS], campaigns=campaigns)


def designs(root: Path, business: Business) -> dict[str, Design]:
    workspace = opened(root, business, [customer("a")])
    return {design.campaign: design for design in launched(workspace.warehouse, business, AS_OF)}


def test_for_how_many_days_a_firing_counts_is_fixed_because_it_decides_who_is_chosen(tmp_path: Path) -> None:
    found = designs(tmp_path, waiting(2))
    assert check_unchanged(waiting(2), found["care"]) == ()
    with pytest.raises(BusinessFileError, match=r"trigger_days 2 became 5.*raise its version to 2"):
        check_unchanged(waiting(5), found["care"])
    assert check_unchanged(waiting(5), found["spring"]) == (), "no trigger chooses for it"


def test_a_design_that_was_launched_before_it_was_fixed_is_read_and_written_as_it_was(tmp_path: Path) -> None:
    early = replace(designs(tmp_path, waiting(2))["care"], trigger_days=None)
    assert "trigger_days" not in json.loads(early.to_json())
    assert Design.from_json(early.to_json()) == early
    assert check_unchanged(waiting(5), early) == ()
