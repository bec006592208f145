"""One offer that is taken, from the simulated CRM through the feed and the ledger to the account: counted once."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from campaigns.ledger import record
from campaigns.reconciliation import reconcile
from holdback.workspace import Workspace
from monitoring.pnl import Line, Spent, pnl
from tests.campaigns.decisions.world import design_of, put
from tests.monitoring.pnl.shop import Row, shop
from tests.simulator.companies import active, company_after, contacts_for, play_on

OFFER: dict[str, Any] = {
    "name": "loyalty_offer", "channel": "email", "cost": 0.05, "incentive_amount": 6.0, "incentive_taken_share": 0.3,
    "assumed_lift": {"value": 0.1, "source": "the team", "expires_on": "2030-01-01"},
}  # fmt: skip


def lines_of_one_taken_offer() -> list[Row]:
    """What the CRM reports of one contact whose offer was redeemed, and whose first line was not corrected."""
    company = company_after(3, customers=600)
    company.crm.newsletter_until = 0
    contacts = contacts_for(company, active(company), "loyalty_offer")
    found: list[Row] = []
    for number in range(7):
        play_on(company, 1, contacts if number == 0 else ())
        table = company.feeds(company.played_until).get("contacts")
        found += table.to_pylist() if table else []
    count = Counter(row["decision_id"] for row in found)
    taken = next(row for row in found if row["outcome"] == "redeemed" and count[row["decision_id"]] == 2)
    return [row for row in found if row["decision_id"] == taken["decision_id"]]


def account_of(root: Path, reported: list[Row]) -> Spent:
    """Decide the contact, let its lines come in, reconcile, and return what the campaign spent."""
    business = shop(
        actions=[OFFER],
        campaigns=[{"name": "spring", "actions": ["loyalty_offer"], "horizon_days": 30}],
    )
    workspace = Workspace(root, business, threads=1)
    first = reported[0]
    sent_at = datetime.fromisoformat(str(first["sent_at"])).replace(tzinfo=None)
    day, who = sent_at.date(), first["customer"]
    design = design_of(business, "spring", day)
    detail = f'{{"design": {design.to_json()}, "hash": "{design.hash}"}}'
    own = {"campaign": "spring", "version": 1, "salt": "s", "customer_id": who, "unit_id": who, "group": "treatment"}
    rows: list[Row] = [
        {"kind": "launched", "campaign": "spring", "version": 1, "salt": "s", "detail": detail},
        {**own, "kind": "assigned", "propensity": 0.5, "fit_class": "invest"},
        {**own, "kind": "decided", "action": "loyalty_offer", "channel": "email", "cost_cents": 185,
         "entry_id": first["decision_id"]},
    ]  # fmt: skip
    columns = dict.fromkeys(key for row in rows for key in row)
    record(workspace, day, pa.Table.from_pylist([{c: row.get(c) for c in columns} for row in rows]), batch="decided")
    put(workspace, "mails", [
        {"customer_id": row["customer"], "event_at": at, "loaded_at": at + timedelta(hours=2), "batch_id": "b",
         "row_number": number, "campaign": row["campaign"], "channel": row["channel"], "outcome": row["outcome"],
         "action": row["action"], "decision_id": row["decision_id"],
         "cost_cents": None if row["cost"] is None else round(100 * row["cost"])}
        for number, row in enumerate(reported)
        for at in (datetime.fromisoformat(str(row["sent_at"])).replace(tzinfo=None),)
    ], batch="mails")  # fmt: skip
    as_of = day + timedelta(days=10)
    reconcile(workspace, as_of)
    found = pnl(workspace, as_of)
    assert all(proof.agrees for proof in found.proofs)
    total: Line = next(line for line in found.lines if line.is_total)
    return total.spent


def test_an_offer_that_is_taken_costs_its_contact_and_its_incentive_once(tmp_path: Path) -> None:
    sent, redeemed = lines_of_one_taken_offer()
    assert (sent["cost"], redeemed["cost"]) == (0.05, 6.0)
    assert account_of(tmp_path, [sent, redeemed]) == Spent(contact_cents=5, incentive_cents=600, decision_count=1)


def test_what_an_incentive_really_cost_replaces_what_was_offered(tmp_path: Path) -> None:
    sent, redeemed = lines_of_one_taken_offer()
    dearer = [sent, {**redeemed, "cost": 7.2}]
    assert account_of(tmp_path / "dearer", dearer) == Spent(5, 720, 1)
    untold = [sent, {**redeemed, "cost": None}]
    assert account_of(tmp_path / "untold", untold) == Spent(5, 600, 1)  # no cost was reported: what was offered
    alone = [{**redeemed, "cost": 6.0}]
    assert account_of(tmp_path / "alone", alone) == Spent(5, 600, 1)  # the contact: as decided, 1.85 less 0.3 x 6.00
