"""Ask the uplift models in office about every customer of a day, once and for ever."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from features.families import feature_set
from holdback.errors import DataError
from holdback.journal import Champion
from holdback.progress import Progress, silent
from holdback.sql import literal
from holdback.tables import FEATURES_TABLE
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from training.datasets import feature_frame
from training.uplift.learning import deciding_model
from training.uplift.model import UpliftModel


@dataclass(frozen=True)
class ActionUplifts:
    """One action's uplifts of a day.

    Attributes:
        action: Its name.
        model_version: Version of the model that was in office.
        decided_by: The competitor by which it decides.
        customer_count: Customers asked about.
        mean_uplift: Mean expected rise in the probability of staying.
        harmed_count: Customers whom the model expects the action to drive away.
        was_there_already: True when the rows had been written before and were only read.
    """

    action: str
    model_version: str
    decided_by: str
    customer_count: int
    mean_uplift: float
    harmed_count: int
    was_there_already: bool


@dataclass(frozen=True)
class UpliftDay:
    """A day's uplifts, by action; empty while no model is in office."""

    as_of: date
    actions: tuple[ActionUplifts, ...]


def write_uplifts(workspace: Workspace, as_of: date, *, progress: Progress = silent) -> UpliftDay:
    """Write what the models in office expect each action to change for the customers described on a day.

    The features are those that the day's scores were made from. A day's rows are one commit per action and never
    rewritten; a rerun answers with the stored rows, also when another model has taken office since.

    Args:
        workspace: The business.
        as_of: The day; it must have been scored.
        progress: Told about each action.

    A model that learned later than the day says nothing of it, and none speaks of customers whose risk lies outside of
    what it has seen: for those the rule of the day decides.

    Raises:
        DataError: a model is in office, but the day was not scored.
        OperatorError: a model's file cannot be read.
    """
    actions = workspace.business.actions
    found = []
    for position, action in enumerate(actions):
        progress(f"uplift of {action.name}", position, len(actions))
        batch = f"uplifts/{action.name}/{as_of}"
        is_known = workspace.warehouse.has_batch("uplifts", batch)
        office = deciding_model(workspace, action.name)
        if is_known or (office is not None and _write(workspace, as_of, action.name, batch, *office)):
            found.append(_told(workspace, as_of, action.name, office, was_there_already=is_known))
    return UpliftDay(as_of, tuple(found))


def _write(workspace: Workspace, as_of: date, action: str, batch: str, champion: Champion, model: UpliftModel) -> bool:
    """Write one action's rows; False when its model can say nothing of the day."""
    if date.fromisoformat(str(model.information["as_of"])) > as_of:
        return False  # it knows the day's future: the rule of the day decided then
    rows = _described(workspace.warehouse, as_of, model)
    if not rows.num_rows:
        return False  # nobody has a risk that it has seen
    declared = feature_set(workspace.business)
    # What another set of features described that day is missing now: the model says so by name.
    known = tuple(feature for feature in declared if feature.name in rows.column_names)
    frame = feature_frame(rows, replace(declared, features=known))
    uplift = model.uplift(frame, threads=workspace.threads)
    count = rows.num_rows
    table = pa.table(
        {
            "as_of": pa.array([as_of] * count, pa.date32()),
            "customer_id": rows["customer_id"],
            "action": pa.array([action] * count, pa.string()),
            "model_version": pa.array([champion.version] * count, pa.string()),
            "uplift": pa.array(np.clip(uplift, -1.0, 1.0)),
        }
    )
    workspace.warehouse.append("uplifts", table, batch=batch)
    return True


def _described(warehouse: Warehouse, as_of: date, model: UpliftModel) -> pa.Table:
    """The features that the day's scores were made from, of customers with a risk that the model has seen."""
    of_the_day = f"from {FEATURES_TABLE} where as_of = date '{as_of}'"
    is_there = warehouse.version(FEATURES_TABLE) is not None
    if not is_there or not warehouse.query(f"select 1 {of_the_day} limit 1").num_rows:
        raise DataError(
            f"uplifts of {as_of}: nobody is described on that day. The models ask for the features that the day's "
            "scores were made from. Score the day first (`holdback score`)."
        )
    seen, among = model.information.get("risk_range"), ""
    if seen is not None:
        low, high = (float(end) for end in seen)
        among = (
            f" and customer_id in (select customer_id from scores where as_of = date '{as_of}' and churn = "
            f"{literal(str(model.information['churn']))} and probability between {low!r} and {high!r})"
        )
    return warehouse.query(f"select * {of_the_day}{among} order by customer_id")


def _told(
    workspace: Workspace,
    as_of: date,
    action: str,
    office: tuple[Champion, UpliftModel] | None,
    *,
    was_there_already: bool,
) -> ActionUplifts:
    row = workspace.warehouse.query(
        f"""
        select count(*) as customers, avg(uplift) as mean, count(*) filter (where uplift < 0) as harmed,
               min(model_version) as version
        from uplifts where as_of = date '{as_of}' and action = {literal(action)}
        """
    ).to_pylist()[0]
    is_same = office is not None and office[0].version == row["version"]
    decided_by = str(office[1].information["decided_by"]) if office is not None and is_same else "an earlier model"
    return ActionUplifts(
        action, row["version"], decided_by, row["customers"], float(row["mean"]), row["harmed"], was_there_already
    )


@dataclass(frozen=True)
class Office:
    """Who decides about an action.

    Attributes:
        action: Its name.
        version: Version of the model in office; None while the rule of the day decides.
        decided_by: The competitor by which it decides, or the rule in words.
        learned_on: Day of knowledge of its learning.
        customer_count: Customers whom it learned from.
        average: Average effect that it learned.
    """

    action: str
    version: str | None
    decided_by: str
    learned_on: date | None
    customer_count: int | None
    average: float | None


@dataclass(frozen=True)
class Fifth:
    """A fifth of a day's customers by expected uplift of one action; 1 is the best fifth."""

    action: str
    fifth: int
    customer_count: int
    mean_uplift: float


def offices(workspace: Workspace) -> tuple[Office, ...]:
    """Return who decides about each action of the business file, in its order."""
    found = []
    for action in workspace.business.actions:
        office = deciding_model(workspace, action.name)
        if office is None:
            found.append(Office(action.name, None, "the rule of the day: risk x lift x value - cost", None, None, None))
            continue
        champion, model = office
        told = model.information
        learned_on, count = date.fromisoformat(str(told["as_of"])), int(told["customer_count"])
        found.append(
            Office(action.name, champion.version, str(told["decided_by"]), learned_on, count, float(told["average"][0]))
        )
    return tuple(found)


def uplifts_by_fifth(workspace: Workspace, as_of: date) -> tuple[Fifth, ...]:
    """Return a day's mean uplifts by fifths of the customers, by action, the best fifth first."""
    rows = workspace.warehouse.query(
        f"""
        with ranked as (
            select action, uplift, ntile(5) over (partition by action order by uplift desc, customer_id) as fifth
            from uplifts where as_of = date '{as_of}'
        )
        select action, fifth, count(*) as customer_count, avg(uplift) as mean_uplift
        from ranked group by action, fifth order by action, fifth
        """
    ).to_pylist()
    return tuple(Fifth(**row) for row in rows)
