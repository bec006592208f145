"""The uplift models in office, as rules for choosing."""

from __future__ import annotations

from datetime import date
from functools import partial

from holdback.workspace import Workspace
from monitoring.policies.results import InOffice


def models_in_office(workspace: Workspace) -> dict[str, InOffice]:
    """Return the uplift model in office of each action that has one.

    Raises:
        OperatorError: a model's file is neither here nor in the registry.
    """
    from training.uplift.learning import deciding_model

    found: dict[str, InOffice] = {}
    for action in workspace.business.actions:
        office = deciding_model(workspace, action.name)
        if office is None:
            continue
        _, model = office
        learned_on = date.fromisoformat(str(model.information["as_of"]))
        found[action.name] = InOffice(partial(model.uplift, threads=workspace.threads), learned_on)
    return found
