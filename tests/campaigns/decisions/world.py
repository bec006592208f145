"""A small company with campaigns whose days can be decided: its file, its customers, its scores, its launches."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from campaigns.designs import Design
from campaigns.designs.design import trigger_rule
from campaigns.holdout import campaign_layer
from campaigns.ledger import record
from holdback.business import Audience, Business
from holdback.workspace import Workspace
from tests.features.world import arrow

AS_OF = date(2026, 3, 2)
LONG_AGO = datetime(2024, 1, 1)
Row = dict[str, Any]

FILE: dict[str, Any] = {
    "slug": "acme",
    "name": "Acme",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "customers": {
        "source": "customers.csv",
        "key": "id",
        "columns": {"household_id": "home", "contact_key": "address", "consent": "agreed"},
        "attributes": {
            "city": "category", "age": "number", "vulnerable": "flag", "quiet": "flag", "mail_ok": "flag",
            "gone": "label",
        },
    },
    "feeds": {
        "contracts": {
            "role": "subscriptions",
            "source": "contracts.csv",
            "columns": {"customer_id": "who", "event_at": "at", "kind": "kind", "price": "price"},
        },
        "sendings": {
            "role": "campaign_contacts",
            "source": "sendings.csv",
            "columns": {
                "customer_id": "who", "event_at": "at", "campaign": "c", "channel": "ch", "outcome": "o",
                "action": "a", "decision_id": "d",
            },
        },
    },
    "churn": [
        {"name": "left", "kind": "cancellation", "feed": "contracts", "outcome_days": 30},
        {"name": "gone", "kind": "column", "attribute": "gone"},
    ],
    "value": {"margin_rate": 0.5, "discount_rate": 0.0},
    "actions": [
        {
            "name": "call", "channel": "phone", "cost": 5.0,
            "assumed_lift": {"value": 0.3, "source": "the team", "expires_on": date(2027, 1, 1)},
        },
        {
            "name": "mail", "channel": "email", "cost": 0.1,
            "assumed_lift": {"value": 0.05, "source": "the team", "expires_on": date(2027, 1, 1)},
        },
        {"name": "gift", "channel": "post", "cost": 1.0},
    ],
    "holdout": {"global_share": 0.0, "campaign_share": 0.0, "explore_share": 0.0},
    "contact": {"at_most": 2, "per_days": 30, "reachable": {"email": "mail_ok"}, "opted_out": "quiet",
                "suppressed_by": ["vulnerable"]},
    "campaigns": [{"name": "spring", "actions": ["call", "mail"], "horizon_days": 30}],
}  # fmt: skip


def company(**changes: Any) -> Business:
    """The company; a change replaces a section, or is merged into it where both are mappings."""
    content = copy.deepcopy(FILE)
    for section, value in changes.items():
        known = content.get(section)
        content[section] = {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
    return Business.model_validate(content)


def actions(**changes: Mapping[str, Any]) -> list[Row]:
    """The company's actions with some of their keys changed (None removes one): ``actions(call={"cost": 1})``."""
    changed = [{**action, **changes.get(action["name"], {})} for action in FILE["actions"]]
    return [{key: value for key, value in action.items() if value is not None} for action in changed]


def customer(name: str, **changes: Any) -> Row:
    """A customer whom everything may reach."""
    return {
        "customer_id": name, "household_id": None, "contact_key": None, "has_consent": True, "city": "Lugo",
        "age": 40.0, "vulnerable": False, "quiet": False, "mail_ok": True, "loaded_at": LONG_AGO, **changes,
    }  # fmt: skip


def contract(name: str, price_cents: int = 10_000, **changes: Any) -> Row:
    """The start of a contract, long ago."""
    return {"customer_id": name, "event_at": LONG_AGO, "kind": "start", "price_cents": price_cents, **changes}


def score(name: str, probability: float = 0.5, *, on: date = AS_OF, **changes: Any) -> Row:
    """A score of the day."""
    tier = "high" if probability >= 0.4 else "medium" if probability >= 0.2 else "low"
    return {
        "as_of": on, "customer_id": name, "churn": "left", "model_version": "7", "probability": probability,
        "risk_tier": tier, "is_above_capacity_line": False, **changes,
    }  # fmt: skip


def uplift(name: str, expected: float | None, *, action: str = "call", on: date = AS_OF, version: str = "3") -> Row:
    """What an uplift model expects of an action."""
    return {"as_of": on, "customer_id": name, "action": action, "model_version": version, "uplift": expected}


def value(name: str, decile: int, margin_cents: int = 50_000, *, on: date = AS_OF, **changes: Any) -> Row:
    """What a value model says of a customer; without months unless they are given."""
    return {
        "as_of": on, "customer_id": name, "model_version": "2", "method": "btyd+hurdle", "margin_cents": margin_cents,
        "months": None, "value_decile": decile, **changes,
    }  # fmt: skip


def put(workspace: Workspace, table: str, rows: Iterable[Row], *, batch: str) -> None:
    """Append rows of a declared table."""
    workspace.warehouse.append(table, arrow(workspace.business.tables[table], list(rows)), batch=batch)


def opened(
    root: Path,
    business: Business,
    customers: Sequence[Row],
    *,
    days: Sequence[date] = (AS_OF,),
    probability: Mapping[str, float] | float = 0.5,
    launched: bool = True,
) -> Workspace:
    """A workspace with these customers, each with a contract and a score of each day, and its campaigns launched."""
    workspace = Workspace(root, business, threads=1)
    put(workspace, "customers", customers, batch="customers")
    names = [row["customer_id"] for row in customers]
    put(workspace, "contracts", [contract(name) for name in names], batch="contracts")
    for day in days:
        at = {name: probability if isinstance(probability, float) else probability[name] for name in names}
        put(workspace, "scores", [score(name, at[name], on=day) for name in names], batch=f"scores/{day}")
    if launched:
        launch_all(workspace, days[0])
    return workspace


def launch_all(workspace: Workspace, on: date) -> None:
    """Record the launch of every campaign, as the business file has it."""
    for campaign in workspace.business.campaigns:
        design = design_of(workspace.business, campaign.name, on)
        detail = f'{{"design": {design.to_json()}, "hash": "{design.hash}"}}'
        rows = pa.table(
            {
                "kind": ["launched"], "campaign": [campaign.name], "version": [campaign.version],
                "salt": [design.salt], "detail": [detail],
            }
        )  # fmt: skip
        record(workspace, on, rows, batch=f"launch/{campaign.name}/{campaign.version}")


def design_of(business: Business, name: str, on: date) -> Design:
    """The design of a campaign without the plan behind it, which would need a year of history."""
    campaign = business.campaign_named(name)
    layer = campaign_layer(business, campaign)
    return Design(
        campaign=name, version=campaign.version, salt=layer.salt, launched_on=on,
        primary_outcome=campaign.primary_outcome, decision_metric=campaign.decision_metric,
        churn=business.churn_named(campaign.churn).model_dump(mode="json"),
        horizon_days=business.horizon_days(campaign), alpha=campaign.alpha, reading_alpha=campaign.alpha,
        power=campaign.power, actions=campaign.actions, audience=Audience.model_validate(campaign.audience),
        holdout_share=layer.holdout_share, explore_share=business.holdout.explore_share,
        starts_on=campaign.starts_on or on, ends_on=campaign.ends_on, last_entry_on=None, reads_on=None, base_rate=0.2,
        lift=0.1, effect=0.02, holdout_count=None, treatment_count=None, forced_reason="a test of something else",
        trigger=trigger_rule(business, campaign),
        trigger_days=None if campaign.trigger is None else campaign.trigger_days,
    )  # fmt: skip


def with_file(workspace: Workspace, **changes: Any) -> Workspace:
    """The same workspace under a changed business file."""
    return Workspace(workspace.root, company(**changes), threads=1)


def ledger(workspace: Workspace, *, kind: str | None = None, on: date | None = None) -> list[Row]:
    """Rows of the ledger in their order, without what is drawn at random and the hashes that follow from it."""
    rows: list[Row] = workspace.warehouse.query(
        "select * exclude (nonce, identity, previous_hash, hash) from ledger order by ledger.as_of, sequence"
    ).to_pylist()
    return [row for row in rows if (kind is None or row["kind"] == kind) and (on is None or row["as_of"] == on)]


def decided(workspace: Workspace, *, on: date = AS_OF) -> dict[str, Row]:
    """The day's decisions by customer."""
    return {row["customer_id"]: row for row in ledger(workspace, kind="decided", on=on)}


def days_from(first: date, count: int) -> list[date]:
    """Days in a row."""
    return [first + timedelta(days=offset) for offset in range(count)]
