"""The plan of a trigger's campaign counts those for whom it can fire, and looks as often as the trigger does."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from campaigns.feasibility.entries import flow
from campaigns.feasibility.history import History, read_history
from features.triggers import fire
from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from tests.campaigns.contracts import AS_OF, open_telecom

JOINED: dict[str, Any] = {"name": "joined", "kind": "count_over", "feed": "deals", "at_least": 1, "over_days": 3,
                          "where": {"kind": "start"}}  # fmt: skip
WELCOME = {"trigger": "joined", "audience": {}, "holdout_share": 0.2, "trigger_days": 2}


def opened(root: Path, *, campaign: dict[str, Any] = WELCOME, **trigger: Any) -> Workspace:
    """The telecom, whose campaign is for those who joined lately: about ten a day, of whom nine agree to it."""
    return open_telecom(root, customers=300, triggers=[{**JOINED, **trigger}], campaign=campaign)


def history(workspace: Workspace, as_of: date = AS_OF) -> History:
    business = workspace.business
    return read_history(workspace.warehouse, business, business.campaign_named("spring"), as_of)


def stock(workspace: Workspace, as_of: date = AS_OF) -> float:
    return flow(history(workspace, as_of), (), global_share=0.0).stock


def put_firings(workspace: Workspace, days_ago: dict[str, int], **more: Any) -> None:
    rows = [
        {"as_of": (day := AS_OF - timedelta(days=days)), "customer_id": name, "trigger": "joined",
         "seen_at": workspace.business.instant(day), "size": 1.0, "detail": "{}", **more}
        for name, days in days_ago.items()
    ]  # fmt: skip
    workspace.warehouse.append("firings", rows_of(TABLES["firings"], rows), batch="firings")


@pytest.mark.slow
def test_for_whom_the_trigger_is_cooling_does_not_wait_to_enter(tmp_path: Path) -> None:
    workspace = opened(tmp_path)
    names = history(workspace).today.customer_ids.tolist()
    assert stock(workspace) == len(names) > 15
    ages = (
        [10] * 5 + [29] + [30, 40] + [0, 1] + [-1]
    )  # cooling; cooled off; waiting for today's decision; not yet known
    put_firings(workspace, dict(zip(names, ages, strict=False)))
    assert stock(workspace) == len(names) - 6
    found = history(workspace)
    assert found.today.customer_ids.tolist() == names, "who enters and leaves is told by the condition"
    assert not np.isin(names[:6], found.today.customer_ids[found.today.is_free]).any()
    assert all(past.is_free.all() for past in found.earlier)


def test_a_firing_on_which_nobody_could_act_starts_no_cooldown(tmp_path: Path) -> None:
    workspace = opened(tmp_path, then=[{"when": {"city": "Lugo"}, "action": "call"}])
    names = history(workspace).today.customer_ids.tolist()
    put_firings(workspace, dict.fromkeys(names, 10), action=None)
    assert stock(workspace) == len(names) > 0


def test_without_a_cooldown_what_held_when_it_was_asked_last_does_not_fire(tmp_path: Path) -> None:
    workspace = opened(tmp_path, cooldown_days=0, over_days=5)
    whole = stock(workspace)
    for days in (4, 3):
        fire(workspace.warehouse, workspace.business, AS_OF - timedelta(days=days))
    held = history(workspace, AS_OF - timedelta(days=3)).today.customer_ids
    today = history(workspace).today
    assert 0 < stock(workspace) == whole - np.isin(today.customer_ids, held).sum() < whole


@pytest.mark.parametrize(("over_days", "step", "looks"), [(1, 1, 28), (30, 7, 13)])
def test_the_past_is_looked_at_as_often_as_the_trigger_looks_back(
    tmp_path: Path, over_days: int, step: int, looks: int
) -> None:
    found = history(opened(tmp_path, over_days=over_days))
    days = [past.day for past in found.earlier]
    assert days == [AS_OF - timedelta(days=step * back) for back in range(looks, 0, -1)]
    joining = flow(found, (), global_share=0.0).entering_per_day
    # Ten join a day and nine agree: Poisson, so its standard error is sqrt(9 / days).
    assert joining == pytest.approx(9.0, abs=4 * (9.0 / (step * looks)) ** 0.5)
