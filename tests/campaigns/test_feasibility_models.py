"""What a plan says of value and uplift models: who is chosen by value, who cannot be, what is in office."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from campaigns.feasibility import Plan, plan
from campaigns.feasibility.history import read_history
from holdback.errors import BusinessFileError
from holdback.workspace import Workspace
from tests.campaigns.contracts import AS_OF, open_telecom, telecom

SCORED_ON = tuple(AS_OF - timedelta(days=back) for back in (70, 56, 42, 28, 14, 0))
BEST: dict[str, Any] = {"campaign": {"audience": {"value_deciles": [9, 10]}}}


def write_values(workspace: Workspace, *days: date) -> None:
    """Value everybody who was scored on these days: the tenth follows the number of the customer."""
    for day in days:
        ids = workspace.warehouse.query(f"select customer_id from scores where as_of = date '{day}'")["customer_id"]
        deciles = [1 + int(name[-1]) for name in ids.to_pylist()]
        n = len(deciles)
        rows = {"as_of": pa.array([day] * n, pa.date32()), "customer_id": ids, "model_version": ["1"] * n,
                "method": ["hazard"] * n, "margin_cents": [1_000] * n, "months": [9.0] * n,
                "value_decile": deciles}  # fmt: skip
        workspace.warehouse.append("customer_values", pa.table(rows), batch=f"values/{day}")


def planned(workspace: Workspace) -> Plan:
    return plan(workspace.warehouse, workspace.business, "spring", AS_OF)


def test_without_values_an_audience_by_value_is_empty_and_the_plan_says_why(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=600, joining_per_day=1, scored_on=SCORED_ON, **BEST)
    with pytest.raises(BusinessFileError, match=r"nobody is in it on 2026-01-01.*the audience asks for value_deciles"):
        planned(workspace)


def test_an_action_that_is_for_some_tenths_only_leaves_an_audience_empty_as_well(tmp_path: Path) -> None:
    best: dict[str, Any] = {"call": {"eligible": {"value_deciles": [10]}}}
    workspace = open_telecom(tmp_path, customers=600, joining_per_day=1, scored_on=SCORED_ON, **best)
    with pytest.raises(BusinessFileError, match=r"actions.call.eligible asks for value_deciles"):
        planned(workspace)


def test_an_audience_by_value_is_counted_by_value(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=1_000, joining_per_day=3, scored_on=SCORED_ON)
    write_values(workspace, *SCORED_ON)
    everybody = planned(telecom(tmp_path, campaign={"audience": {}}))
    best = planned(telecom(tmp_path, **BEST))
    assert best.flow.stock == pytest.approx(0.2 * everybody.flow.stock, rel=0.15)
    assert best.flow.entering_per_day == pytest.approx(0.2 * everybody.flow.entering_per_day, rel=0.5)
    assert "outcomes of the audience" in best.base_rate.source
    assert not any("value" in note for note in best.notes if "worth" not in note)


def test_past_days_without_values_tell_neither_the_flow_nor_the_rate(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=1_000, joining_per_day=3, scored_on=SCORED_ON, **BEST)
    write_values(workspace, AS_OF)
    found = planned(workspace)
    assert found.base_rate.source == f"calibrated scores of {AS_OF}"
    assert found.flow.entering_per_day == 0
    assert any(note.startswith("Nobody's value was known on the past days") for note in found.notes)
    history = read_history(workspace.warehouse, workspace.business, workspace.business.campaigns[0], AS_OF)
    assert history.earlier == ()
    assert all(past.members.lacks_values for past in history.labelled)


def test_a_model_in_office_is_named(tmp_path: Path) -> None:
    workspace = open_telecom(tmp_path, customers=600, joining_per_day=1, scored_on=SCORED_ON)
    rows = {"as_of": pa.array([AS_OF], pa.date32()), "customer_id": ["c-000001"], "action": ["call"],
            "model_version": ["5"], "uplift": [0.1]}  # fmt: skip
    assert not any("uplift" in note for note in planned(workspace).notes)
    workspace.warehouse.append("uplifts", pa.table(rows), batch="uplifts")
    assert any(note.startswith("call: uplift model version 5 is in office") for note in planned(workspace).notes)
