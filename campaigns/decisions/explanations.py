"""What was decided for one customer on one day, from the ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow.compute as pc

from campaigns.decisions.deciding import linked_customers
from campaigns.holdout import assign, earlier_groups, global_layer
from campaigns.units import contact_units
from holdback.business import Business
from holdback.errors import DataError
from holdback.sql import literal
from holdback.warehouse import Warehouse


@dataclass(frozen=True)
class ExplainedDecision:
    """One customer's decision.

    Attributes:
        customer_id: Whom it is about.
        as_of: The day.
        group_everywhere: Group in the global layer.
        assigned_on: Day on which that was drawn.
        campaign: The campaign whose audience the customer was in; None when in none.
        group: Group in it.
        action: What is done; None when the customer was in no audience.
        intended_action: What the policy chose.
        is_exploration: True when chance chose.
        propensity: Probability with which the action was chosen.
        probability: Churn probability that was seen.
        kept_amount: What would be lost with the customer, in the business' currency.
        gain_amount: Expected incremental margin of the action, in the business' currency.
        lift: Save rate that was used; of an uplift, what it amounts to at this probability of leaving, None when that
            is 0.
        lift_status: What it rests on.
        uplift: Expected rise in the probability of staying, when an uplift model said one of this customer.
        uplift_version: Version of that model.
        fit_class: Fit that was seen.
        value_decile: Tenth by value that was seen; 10 is the most valuable, None when the customer was not valued.
        refused: Why each other action was not chosen, by action.
        reason: What the model associates with leaving.
    """

    customer_id: str
    as_of: date
    group_everywhere: str
    assigned_on: date
    campaign: str | None = None
    group: str | None = None
    action: str | None = None
    intended_action: str | None = None
    is_exploration: bool | None = None
    propensity: float | None = None
    probability: float | None = None
    kept_amount: float | None = None
    gain_amount: float | None = None
    lift: float | None = None
    lift_status: str | None = None
    uplift: float | None = None
    uplift_version: str | None = None
    fit_class: str | None = None
    value_decile: int | None = None
    refused: Mapping[str, str] | None = None
    reason: str | None = None


def explain_decision(warehouse: Warehouse, business: Business, as_of: date, customer_id: str) -> ExplainedDecision:
    """Return what was decided for one customer.

    Raises:
        DataError: the day was not decided, or nobody of this name was known then.
    """
    who, day = literal(customer_id), f"date '{as_of}'"
    group, assigned_on = _everywhere(warehouse, business, as_of, customer_id)
    rows = warehouse.query(
        'select campaign, "group", action, intended_action, is_exploration, propensity, probability, '
        "kept_cents / 100 as kept_amount, gain_cents / 100 as gain_amount, lift, lift_status, fit_class, "
        "value_decile, refused, reason, cast(json_extract(detail, '$.uplift.value') as double) as uplift, "
        "json_extract_string(detail, '$.uplift.model_version') as uplift_version "
        f"from ledger where kind = 'decided' and as_of = {day} and customer_id = {who}"
    ).to_pylist()
    row = rows[0] if rows else {}
    return ExplainedDecision(
        customer_id=customer_id,
        as_of=as_of,
        group_everywhere=group,
        assigned_on=assigned_on,
        **{name: json.loads(value) if name == "refused" and value else value for name, value in row.items()},
    )


def _everywhere(warehouse: Warehouse, business: Business, as_of: date, customer_id: str) -> tuple[str, date]:
    """The group of the customer's unit, as it is made up on the day, and when a member of it was first drawn so."""
    layer = global_layer(business, as_of)
    units = contact_units(linked_customers(warehouse, business, as_of))
    unit_ids = units.filter(pc.equal(units["customer_id"], customer_id))["unit_id"]
    members = units.filter(pc.is_in(units["unit_id"], value_set=unit_ids))
    drawn = warehouse.query(
        "select customer_id, \"group\", as_of from ledger where kind = 'assigned' and campaign is null "
        f"and version = {layer.version} and as_of <= date '{as_of}' "
        "and customer_id in (select customer_id from members) order by as_of, sequence",
        frames={"members": members},
    ).to_pylist()
    own = [row["as_of"] for row in drawn if row["customer_id"] == customer_id]
    if not own:
        raise DataError(
            f"{business.slug}: customer {customer_id!r}: the ledger knows nobody of this name on {as_of}. Check the "
            "name, and that the day was decided (`holdback ledger show`)."
        )
    group = assign(members, layer, earlier_groups(warehouse, layer))["group"][0].as_py()
    return group, min((row["as_of"] for row in drawn if row["group"] == group), default=own[0])
