"""The company of the delivery's tests, which also writes: its templates, its customers' names and languages."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from holdback.workspace import Workspace
from tests.campaigns.delivery.company import (
    AS_OF,
    FILE,
    assigned,
    customer,
    decided,
    delivery,
    make_workspace,
    put,
    write_ledger,
)

SERVICE = {"family": "service", "feature": "interaction_count_30d", "value": "4", "points": 9.1, "text": "x: 4 (+9)"}
CALL = {
    "name": "call", "channel": "phone", "cost": 6.5, "incentive_amount": 30,
    "message": {"text": {"es": "Hola {{ first_name }}. Le habla {{ executive }}.", "en": "Hello {{ first_name }}."}},
}  # fmt: skip
MAIL = {
    "name": "mail", "channel": "email", "cost": 0.05,
    "offer": {"es": "un mes gratis", "en": "a month for free"},
    "message": {
        "subject": {"es": "{{ offer }}, {{ first_name }}", "en": "{{ offer }}, {{ first_name }}"},
        "text": {
            "es": "{{ first_name }}: {{ offer }}{% if reason_text %} por {{ reason_text }}{% endif %}.",
            "en": "{{ first_name }}: {{ offer }}{% if reason_text %} for {{ reason_text }}{% endif %}.",
        },
    },
}  # fmt: skip


def words(*actions: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Sections of a business file that writes; ``sections`` go into ``delivery``."""
    customers = copy.deepcopy(FILE["customers"])
    customers["attributes"].update(name="category", tongue="category", manager="category")
    told = delivery(language="tongue", first_name="name", executive="manager", **sections)
    return {"actions": list(actions) or [CALL, MAIL], "customers": customers, "delivery": told}


def writing_workspace(
    folder: Path, *actions: dict[str, Any], environment: dict[str, str] | None = None, **sections: Any
) -> Workspace:
    """A workspace of the company, which writes with these actions."""
    return make_workspace(folder, environment=environment, **words(*actions, **sections))


def person(name: str, *, called: str | None = "Ana", tongue: str | None = "es", **changes: Any) -> dict[str, Any]:
    """A customer with a name, a language and somebody in charge."""
    return {**customer(name), "name": called, "tongue": tongue, "manager": "Lucía", **changes}


def choose(workspace: Workspace, *people: dict[str, Any], action: str = "call", reasons: Any = (SERVICE,)) -> None:
    """Treat these people on the day with an action, scored for these reasons."""
    put(workspace, "customers", *people)
    names = [one["customer_id"] for one in people]
    write_ledger(workspace, *(row for name in names for row in (assigned(name), decided(name, action))))
    put(workspace, "scores", *(score(name, reasons) for name in names))


def score(name: str, reasons: Any) -> dict[str, Any]:
    """A score of the day."""
    return {
        "as_of": AS_OF, "customer_id": name, "churn": "left", "model_version": "1", "probability": 0.64,
        "risk_tier": "high", "is_above_capacity_line": True, "reasons": json.dumps(list(reasons)),
    }  # fmt: skip
