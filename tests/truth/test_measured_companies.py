"""A simulated company goes through the front door, is held out, contacted and measured; what was planted comes out."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import norm

from campaigns.decisions.deciding import linked_customers
from campaigns.designs import Design, standings
from campaigns.holdout import assign, campaign_layer, earlier_groups
from campaigns.ledger import record
from campaigns.units import contact_units
from holdback.business import Business
from holdback.ingest import ingest
from holdback.workspace import Workspace
from monitoring.measurement import measure, stored_effects
from simulator import Company, Contact
from simulator.truth import truth
from tests.simulator.companies import company_after
from tests.simulator.examples import example_with

pytestmark = [pytest.mark.slow, pytest.mark.truth]

DAY = timedelta(days=1)
HORIZON = 60
#: One world in ten thousand misses by chance.
LEVEL = 0.9999


def business_of(project_root: Path) -> Business:
    """Return the telephone company of the examples, with the feeds that a measurement needs and half held out."""
    content = example_with(project_root, "telecom", ("contracts", "contacts"))
    content["customers"]["attributes"] = {}
    content["customers"]["protected"] = []
    call = {"name": "retention_call", "channel": "phone", "cost": 4.5, "capacity_per_day": 3, "cooling_off_days": 60}
    content["actions"] = [call]
    content["campaigns"] = [{"name": "save_calls", "actions": ["retention_call"], "holdout_share": 0.5}]
    return Business.model_validate(content)


def experiment(folder: Path, project_root: Path, scenario: str, customers: int) -> tuple[Workspace, float]:
    """Contact half of everybody with a contract on one day, and let 61 days pass.

    Returns:
        The workspace, and the true mean effect of being put on the list on everybody's churn within the horizon.
    """
    files = folder / "files"
    workspace = Workspace(folder / "work", business_of(project_root), {"TELECOM_DAYS": str(files)})
    company = company_after(0, customers=customers, scenario=scenario, seed=11)
    company.write_history(files, company.played_until + 35 * DAY)
    entry = company.played_until + DAY
    ingest(workspace, entry, history=True)
    secret = truth(company, entry, HORIZON, worlds=2)

    units = contact_units(linked_customers(workspace.warehouse, workspace.business, entry))
    units = units.filter(pc.is_in(units["customer_id"], value_set=secret["customer_id"]))
    layer = campaign_layer(workspace.business, workspace.business.campaigns[0])
    groups = assign(units, layer, earlier_groups(workspace.warehouse, layer))
    launch_and_assign(workspace, groups, company)
    treated = groups.filter(pc.equal(groups["group"], "treatment"))["customer_id"].to_pylist()
    contacts = [Contact(f"d-{who}", who, "save_calls", "retention_call", "phone") for who in treated]
    for number in range(HORIZON + 2):
        day = entry + number * DAY
        company.play(day, contacts if number == 0 else ())
        company.write_day(files, day)
        if number % 10 == 9 or number > HORIZON - 1:
            ingest(workspace, day + DAY)
    assigned = pc.is_in(secret["customer_id"], value_set=groups["customer_id"])
    return workspace, float(np.mean(secret.filter(assigned)["effect_retention_call"].to_numpy()))


def launch_and_assign(workspace: Workspace, groups: pa.Table, company: Company) -> None:
    entry = company.played_until + DAY
    campaign, churn = workspace.business.campaigns[0], workspace.business.churn[0]
    layer = campaign_layer(workspace.business, campaign)
    count = groups.num_rows // 2
    design = Design(
        campaign=campaign.name, version=1, salt=layer.salt, launched_on=entry, primary_outcome="churned",
        decision_metric="incremental_margin", churn=churn.model_dump(mode="json"), horizon_days=HORIZON, alpha=0.05,
        reading_alpha=0.04, power=0.8, actions=campaign.actions, audience=campaign.audience, holdout_share=0.5,
        explore_share=0.0, starts_on=entry, ends_on=None, last_entry_on=entry, reads_on=entry + (HORIZON + 1) * DAY,
        base_rate=0.064, lift=0.2, effect=0.01, holdout_count=count, treatment_count=count,
    )  # fmt: skip
    detail = json.dumps({"design": json.loads(design.to_json()), "hash": design.hash})
    launched = {"kind": "launched", "campaign": campaign.name, "version": 1, "salt": layer.salt, "detail": detail}
    record(workspace, entry, pa.Table.from_pylist([launched]), batch="launch/1")
    rows = groups.drop_columns("is_new")
    same = {"kind": "assigned", "campaign": campaign.name, "salt": layer.salt}
    for name, value in same.items():
        rows = rows.append_column(name, pa.array([value] * rows.num_rows, pa.string()))
    rows = rows.append_column("version", pa.array([1] * rows.num_rows, pa.int64()))
    record(workspace, entry, rows, batch=f"decide/{entry}")


def widened(row: dict[str, float]) -> tuple[float, float]:
    """Return the interval at the level of this test."""
    error = (row["high"] - row["low"]) / (2 * norm.isf((1 - row["level"]) / 2))
    half = norm.isf((1 - LEVEL) / 2) * error
    return row["estimate"] - half, row["estimate"] + half


@pytest.mark.parametrize("scenario", ["constant_effect", "no_effect", "harmful_campaign"])
def test_the_effect_that_was_planted_is_recovered(scenario: str, tmp_path: Path, project_root: Path) -> None:
    workspace, planted = experiment(tmp_path, project_root, scenario, customers=8_000)
    newest = workspace.warehouse.query("select max(as_of) as day from batches")["day"][0].as_py()
    done = measure(workspace, newest)
    [row] = [
        row
        for row in stored_effects(workspace.warehouse, newest, campaign="save_calls")
        if row["metric"] == "churned" and row["reading"] == "official" and row["segment"] == "all"
    ]
    low, high = widened(row)
    assert low <= planted <= high, (row["estimate"], planted)
    [standing] = standings(workspace.warehouse, workspace.business, newest)
    if scenario == "harmful_campaign":
        assert done.halted == ("save_calls/1",)
        assert (standing.state, standing.by) == ("halted", "harm monitor")
    else:
        assert (done.halted, standing.state) == ((), "in force")
