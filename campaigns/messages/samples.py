"""Made-up customers, to see and to try templates with before anything is decided."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from campaigns.messages.fields import needed_attributes
from holdback.business import Action, Business

_REASONS = json.dumps([{"family": "service", "feature": "interaction_count_30d", "value": "4"}])
_FIRST_NAMES = ("María", "Nikolai", "Ana Belén")
_EXECUTIVE = "Lucía Ferrer"


def sample_rows(business: Business, actions: Sequence[Action], *, count: int = 1) -> pa.Table:
    """Return rows as :func:`campaigns.messages.write_messages` takes them, of customers who do not exist.

    Args:
        business: The company.
        actions: One customer or more for each.
        count: Customers per action.
    """
    campaigns = {name: campaign.name for campaign in reversed(business.campaigns) for name in campaign.actions}
    rows = []
    for action in actions:
        for number in range(count):
            name = f"sample-{action.name}-{number + 1}"
            rows.append(
                {
                    "decision_id": name,
                    "customer_id": name,
                    "campaign": campaigns.get(action.name, "sample"),
                    "action": action.name,
                    "channel": action.channel,
                    "reasons": _REASONS,
                    **_attributes(business, action, number),
                }
            )
    return pa.Table.from_pylist(rows)


def _attributes(business: Business, action: Action, number: int) -> dict[str, object]:
    delivery = business.delivery
    wanted = needed_attributes(business) | {name for fields in delivery.fields.values() for name in fields}
    declared = business.customers.attributes if business.customers else {}
    made: dict[str, object] = {}
    for name in sorted(wanted):
        kind = declared[name].kind
        made[name] = {"number": 12.5, "flag": True}.get(kind, name.replace("_", " "))
    languages = list(action.message.text) if action.message else list(action.offer)
    told = {
        delivery.language: languages[number % len(languages)] if languages else business.language,
        delivery.first_name: _FIRST_NAMES[number % len(_FIRST_NAMES)],
        delivery.executive: _EXECUTIVE,
    }
    made.update({name: value for name, value in told.items() if name is not None})
    return {f"attribute_{name}": value for name, value in made.items()}
