"""Rules on what a company logged: the same customers for all, and what the models have seen is no test of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from campaigns.ledger import record
from holdback.business import Business
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.workspace import Workspace
from monitoring.policies import Difference, InOffice, policy_values, told_difference
from tests.features.world import arrow
from tests.monitoring.measurement.experiment import HORIZON_DAYS, STARTS_ON
from tests.training.uplift.tried import AS_OF, CALL, MAIL, company, entry, launched, lives

LATER = 30
DAYS = (STARTS_ON, STARTS_ON + timedelta(days=LATER))


def workspace(folder: Path, *, told: Business | None = None, held_every: int = 3, **changes: Any) -> Workspace:
    """Customers of two days a month apart, drawn to be called, mailed or held out; the odds of both days differ."""
    opened = Workspace(folder, told or company(), threads=1)
    everybody: list[dict[str, Any]] = []
    for position, day in enumerate(DAYS):
        calls = (0.5, 0.75)[position]
        odds = {"share": (0.4, 0.3)[position], "eligible": {"call": calls, "mail": 1.0 - calls}}
        rows = []
        for n in range(300 * position, 300 * position + 300):
            action = "none" if n % held_every == 0 else ("call", "mail")[n % 2]
            told_entry = {
                "group": "holdout" if action == "none" else "treatment", "action": action, "on": day,
                "kept_cents": 1_000 * (1 + n % 50), **odds, **changes,
            }  # fmt: skip
            rows += [{**row, "sequence": None} for row in entry(n, **told_entry)]
        ledger = arrow(opened.business.tables["ledger"], ([launched()] if position == 0 else []) + rows)
        filled_in = ["sequence", "entry_id", "previous_hash", "hash", "nonce", "identity", "redacted_by"]
        record(opened, day, ledger.drop_columns(["as_of", *filled_in]), batch=f"decide/{day}")
        everybody += rows
    events = lives(everybody, until=AS_OF)
    opened.warehouse.append("contracts", arrow(opened.business.tables["contracts"], events), batch="contracts")
    return opened


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return workspace(tmp_path_factory.mktemp("tried"))


def by_risk(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.full(len(frame), 0.1)


def models(learned_on: date) -> Mapping[str, InOffice]:
    return {action: InOffice(by_risk, learned_on) for action in ("call", "mail")}


def test_every_rule_is_told_or_says_why_not(tried: Workspace) -> None:
    found = policy_values(tried, AS_OF, share=0.5)
    told = {result.name: result for result in found.results}
    assert (found.n, found.currency, found.aim) == (600, "EUR", "left within 60 days")
    assert found.campaigns == ("spring/1",)
    for name in ("nobody", "everybody", "current", "random", "risk", "value"):
        assert told[name].why_not is None, name
        assert set(told[name].values) == {"aipw", "snipw", "ipw"}
        assert told[name].values["aipw"].n == 600
    assert told["nobody"].over_nobody["aipw"].estimate == 0.0
    assert told["model"].why_not == "no uplift model is in office"
    assert sum(found.capacity_shares.values()) == pytest.approx(0.5)


def test_a_model_is_judged_on_whom_it_did_not_learn_from(tried: Workspace) -> None:
    """Those of the first day were known when it learned, those of the second were not."""
    learned_on = STARTS_ON + timedelta(days=HORIZON_DAYS + 5)
    found = policy_values(tried, AS_OF, names=("model", "nobody"), models=models(learned_on), share=0.9)
    model, nobody = found.results
    assert (model.values["aipw"].n, nobody.values["aipw"].n) == (300, 600)
    assert found.differences["aipw"].n == 300
    assert any("300 customers" in note for note in found.notes)


def test_a_model_that_has_seen_everybody_waits(tried: Workspace) -> None:
    found = policy_values(tried, AS_OF, names=("model", "nobody"), models=models(AS_OF))
    assert "learned from all of these customers" in str(found.results[0].why_not)
    assert found.differences == {}


def test_a_rule_that_was_hardly_ever_followed_is_not_told(tmp_path: Path) -> None:
    """Fifteen held-out customers cannot say what contacting nobody earns, nor what anything earns over it."""
    found = policy_values(workspace(tmp_path, held_every=40, share=0.025), AS_OF, names=("nobody", "everybody"))
    for result in found.results:
        assert "hardly ever done: 600 customers say as much as 15" in str(result.why_not)
    assert found.differences == {}


def test_customers_from_before_a_price_changed_are_left_out(tmp_path: Path) -> None:
    dearer = company(actions=[{**CALL, "cost": 9.0}, MAIL])
    with pytest.raises(NotKnowableYet, match="the price of an action changed"):
        policy_values(workspace(tmp_path, told=dearer), AS_OF)


def test_what_cannot_be_asked_is_refused(tried: Workspace, tmp_path: Path) -> None:
    with pytest.raises(BusinessFileError, match="oracle"):
        policy_values(tried, AS_OF, names=("oracle",))
    with pytest.raises(BusinessFileError, match="autumn"):
        policy_values(tried, AS_OF, campaign="autumn")
    with pytest.raises(NotKnowableYet, match=str(STARTS_ON + timedelta(days=HORIZON_DAYS + 1))):
        policy_values(tried, STARTS_ON + timedelta(days=5))
    with pytest.raises(DataError, match="probabilities of the actions were not logged"):
        policy_values(workspace(tmp_path, eligible=None), AS_OF)


def test_only_an_interval_without_zero_is_evidence() -> None:
    def told(estimate: float, low: float, high: float) -> str:
        return told_difference(Difference(estimate, low, high, 1.0, 0.5, 0.95, 10), "model", "risk", "EUR")

    assert told(1.0, -0.1, 2.0).startswith("No evidence of a difference between model and risk: +1.00 EUR")
    assert told(1.0, 0.1, 2.0) == "model would have earned 1.00 EUR (0.10 to 2.00) more per customer than risk."
    assert told(-1.0, -2.0, -0.1) == "risk would have earned 1.00 EUR (0.10 to 2.00) more per customer than model."
    assert told(0.0, 0.0, 0.0).startswith("No evidence")
