"""Which model is asked about a day: the one that was in office then, as far as that is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from holdback.errors import NotKnowableYet, OperatorError
from holdback.sql import literal
from holdback.workspace import Workspace
from training.churn import ChurnModel, load
from training.registry import champion_model, model_name


@dataclass(frozen=True, eq=False)
class Office:
    """A model that can be asked.

    Attributes:
        version: Its version.
        model: The frozen model.
    """

    version: str
    model: ChurnModel

    @property
    def trained_on(self) -> date:
        """The day of its training run."""
        return date.fromisoformat(str(self.model.information["as_of"]))


def office_today(workspace: Workspace, churn_name: str) -> Office:
    """Return the champion.

    Raises:
        NotKnowableYet: no model was ever put in office.
        OperatorError: its file cannot be read.
    """
    found = champion_model(workspace, churn_name)
    if found is None:
        raise NotKnowableYet(
            f"model {model_name(workspace.business, churn_name)}: no model is in office yet. What is associated with "
            "leaving is read from a model. Train one with `holdback retrain`, or promote a version by hand with "
            "`holdback models promote VERSION`."
        )
    champion, model = found
    return Office(champion.version, model)


def office_on(workspace: Workspace, churn_name: str, day: date, today: Office) -> tuple[Office, bool]:
    """Return the model that was in office on a day, and True; else today's, and False.

    The scores of the day say who scored it; where it was not scored, the verdicts say who had been put in office last.

    Args:
        workspace: The business.
        churn_name: The churn definition.
        day: The day.
        today: The champion.
    """
    version = _scored_by(workspace, churn_name, day) or _promoted_by(workspace, churn_name, day)
    if version == today.version:
        return today, True
    path = workspace.models / f"{model_name(workspace.business, churn_name)}-{version}.cbm"
    if version is None or not path.exists():
        return today, False
    try:
        return Office(version, load(path)), True
    except OperatorError:  # a damaged copy of a model that left office long ago is no reason to say nothing
        return today, False


def _scored_by(workspace: Workspace, churn_name: str, day: date) -> str | None:
    found = workspace.warehouse.query(
        f"select max(model_version) as version from scores where as_of = date '{day}' and churn = {literal(churn_name)}"
    )["version"][0].as_py()
    return None if found is None else str(found)


def _promoted_by(workspace: Workspace, churn_name: str, day: date) -> str | None:
    verdicts = workspace.journal.verdicts(model_name(workspace.business, churn_name))
    before = [verdict.version for verdict in verdicts if verdict.decision == "promote" and verdict.as_of <= day]
    return before[-1] if before else None
