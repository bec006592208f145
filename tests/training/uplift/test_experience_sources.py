"""Experience from where it really comes: days that were decided here, and Hillstrom's experiment, run elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from campaigns.decisions import decide
from features.families import feature_set
from holdback.business import load_business
from holdback.ingest import ingest
from holdback.workspace import Workspace
from tests.campaigns.decisions.world import AS_OF, actions, company, contract, customer, opened, put
from tests.monitoring.outcomes.hillstrom import read_hillstrom, write_company
from training.uplift.experience import read_trials
from training.uplift.experience.entries import DREW_NOTHING, read_entries


def test_what_was_decided_here_is_experience(tmp_path: Path) -> None:
    """Odds by hand: the rule has a call for everybody; an explorer (0.4) draws none, a call or a mail. So in treatment
    a call has .6 + .4 / 3, a mail .4 / 3; the holdout is a half.
    """
    business = company(
        actions=actions(mail={"cost": 2_000.0}, call={"cost": 1.0}),
        holdout={"campaign_share": 0.5, "explore_share": 0.4},
    )
    workspace = opened(tmp_path, business, [customer(f"c{n:03d}") for n in range(600)])
    decide(workspace, AS_OF)
    later = AS_OF + timedelta(days=31)
    gone_at = business.instant(AS_OF + timedelta(days=5))
    leavers = [contract(f"c{n:03d}", kind="cancel", event_at=gone_at) for n in range(0, 600, 4)]
    proof = contract("later", event_at=business.instant(later) - timedelta(hours=2))
    put(workspace, "contracts", [*leavers, proof], batch="later")

    call, mail = 0.5 * (0.6 + 0.4 / 3), 0.5 * 0.4 / 3
    entries = read_entries(workspace.warehouse, business, "spring", later)
    total = 0.5 + call + mail
    assert np.unique(entries.probability.round(9), axis=0) == pytest.approx(
        np.array([[0.5, call, mail, 0.0]]) / total, abs=1e-8
    )
    assert list(entries.left_out) == [DREW_NOTHING]

    trial = read_trials(workspace.warehouse, business, "spring", later).trials["call"]
    assert set(trial.propensity.round(9)) == {round(call / (call + 0.5), 9)}
    assert abs(trial.treated.mean() - call / (call + 0.5)) < 4.4 * np.sqrt(0.25 / len(trial))
    gone = np.array([int(one[1:]) % 4 == 0 for one in trial.customer_ids])
    assert (trial.good == ~gone).all()
    assert trial.risk == pytest.approx(np.full(len(trial), 0.5))


@pytest.mark.slow
def test_hillstrom_is_experience_with_what_was_known_when_the_mails_went_out(
    shared_data: Callable[[str], Path], project_root: Path, tmp_path: Path
) -> None:
    """Counts and effects: shared/data/hillstrom/PROVENANCE.md and shared/design/statistics.md, section 2a."""
    frame = read_hillstrom(shared_data("hillstrom/hillstrom.csv"))
    write_company(frame, tmp_path)
    business = load_business(project_root / "businesses" / "hillstrom.yaml")
    workspace = Workspace(tmp_path / "work", business, {"HILLSTROM": str(tmp_path)}, threads=2)
    ingest(workspace, date(2008, 3, 6), feeds=["customers"])  # the company knew them before it mailed them
    ingest(workspace, date(2008, 3, 22), history=True)
    found = read_trials(workspace.warehouse, business, None, date(2008, 3, 22))
    assert found.campaigns == ("mens/1", "womens/1")
    assert dict(found.capacity_shares) == {"mens_mail": 0.3, "womens_mail": 0.3}
    for action, treated, points in (("mens_mail", 21_307, 7.66), ("womens_mail", 21_387, 4.52)):
        trial = found.trials[action]
        assert (len(trial), int(trial.treated.sum())) == (treated + 21_306, treated)
        assert set(trial.propensity) == {0.5}
        assert (set(trial.value_amounts), set(trial.cost_amounts)) == ({1.0}, {0.0})
        assert round(100 * (trial.good[trial.treated].mean() - trial.good[~trial.treated].mean()), 2) == points
        assert trial.left_out == {}
        known = ["recency", "history_segment", "zip_code", "newbie", "channel"]
        assert not trial.frame[known].isna().any(axis=None)
        assert set(known) <= set(feature_set(business).names)
        line = frame.set_index("customer").loc[list(trial.customer_ids)]
        assert (trial.frame["recency"].to_numpy() == line["recency"].to_numpy()).all()
        assert (trial.good == line["visit"].to_numpy()).all()
    assert not any("attribute" in note for note in found.notes)
