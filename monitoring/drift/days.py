"""One day's drift: the model's reference, made on its first report and kept, against the customers scored that day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from math import ceil
from typing import TYPE_CHECKING

from features.build import build_features
from features.families import feature_set
from features.spine import build_spine
from holdback.business import Churn, ColumnChurn
from holdback.tables import FEATURES_TABLE, TABLES
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.cells import MINIMUM_CELL
from monitoring.drift.bins import Kind, Reference, bin_counts, largest_unknown, new_values, reference_bins
from monitoring.drift.storage import from_rows, to_rows
from monitoring.drift.verdicts import SHARE_MATTERS, ColumnDrift, DayDrift, day_drift
from monitoring.kept import kept, key_of

if TYPE_CHECKING:
    import pyarrow as pa

    from training.churn import ChurnModel

REFERENCE_DAYS = 6
"""Snapshots of the model's training that make up the reference at most, newest first."""
REFERENCE_ROWS = 200_000
"""Rows after which no further snapshot is added."""


@dataclass(frozen=True, slots=True)
class ScoreDrift:
    """The model's own scores against those of its first day in use.

    Attributes:
        first_on: That day.
        found: The verdict; None when the report is of that very day.
    """

    first_on: date
    found: ColumnDrift | None


@dataclass(frozen=True, slots=True)
class NewValues:
    """Values of a category that the reference never saw, with the customers who have them."""

    column: str
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a day's rows say of the bins of a reference, in numbers; the bins' own values are the reference's.

    Attributes:
        row_count: Customers that day.
        absent: Columns of the reference that the day's table does not have.
        counts: Column -> rows per bin.
        unknown: Column -> rows of its commonest value beyond those remembered.
        fresh: Values that the reference never saw, of at least :data:`MINIMUM_CELL` customers each.
    """

    row_count: int
    absent: tuple[str, ...] = ()
    counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    fresh: tuple[NewValues, ...] = ()


def kept_drift(
    workspace: Workspace,
    warehouse: Warehouse,
    churn: Churn,
    as_of: date,
    reference: Reference | None,
    importances: Mapping[str, float],
) -> tuple[DayDrift, tuple[NewValues, ...]]:
    """Compare the features of the customers scored on a day with those that their model learned from.

    They are counted once for a day's record, report and site. Only the counts are kept: a reference names the values of
    its categories, and those may be a person's.

    Args:
        workspace: The business.
        warehouse: Holds the tables ``features`` and ``scores``.
        churn: The churn definition.
        as_of: The day.
        reference: What the model learned from (:func:`stored_reference`); None when that is not known.
        importances: Feature -> share of the model.
    """
    relation = _described(churn, as_of)
    count = _row_count(warehouse, relation) if _columns(warehouse) else 0
    if reference is None:
        return day_drift(None, {}, row_count=count), ()
    versions = [warehouse.version(table) for table in (FEATURES_TABLE, "scores")]
    counted: Counted = kept(
        workspace, f"drift-{churn.name}", key_of(churn.name, as_of, versions, count, reference), Counted,
        lambda: _counted(warehouse, relation, count, reference),
    )  # fmt: skip
    return _verdicts(reference, counted, importances), counted.fresh


def _counted(warehouse: Warehouse, relation: str, count: int, reference: Reference) -> Counted:
    present = _columns(warehouse)
    absent = tuple(column.name for column in reference.columns if column.name not in present)
    measured = [column for column in reference.columns if column.name not in absent]
    counts = bin_counts(warehouse, relation, measured) if count else {column.name: () for column in measured}
    unknown = largest_unknown(warehouse, relation, measured) if count else {}
    counted = Counted(count, absent, counts, unknown)
    bins = {column.name: column for column in reference.columns}
    # Beyond the values that are remembered there are old ones too: only those that have grown are named.
    least = {name: max(MINIMUM_CELL, ceil(SHARE_MATTERS * count)) for name in unknown}
    fresh = [
        NewValues(
            column.name,
            new_values(warehouse, relation, bins[column.name], at_least=least.get(column.name, MINIMUM_CELL)),
        )
        for column in _verdicts(reference, counted, {}).drifted
        if "new values" in column.findings
    ]
    return replace(counted, fresh=tuple(fresh))


def _verdicts(reference: Reference, counted: Counted, importances: Mapping[str, float]) -> DayDrift:
    return day_drift(
        reference, counted.counts, row_count=counted.row_count, absent=counted.absent, importances=importances,
        unknown=counted.unknown,
    )  # fmt: skip


def score_drift(warehouse: Warehouse, churn: Churn, model_version: str, as_of: date) -> ScoreDrift | None:
    """Compare the day's probabilities with those of the model's first day in use; None when the day was not scored."""
    where = f"churn = '{churn.name}' and model_version = '{model_version}'"
    first = warehouse.query(f"select min(as_of) as first from scores where {where} and as_of <= date '{as_of}'")
    first_on = first["first"][0].as_py()
    if first_on is None:
        return None
    if first_on == as_of:
        return ScoreDrift(first_on, None)
    then, today = (f"(select * from scores where {where} and as_of = date '{day}')" for day in (first_on, as_of))
    reference = reference_bins(warehouse, then, {"probability": "number"})
    counts = bin_counts(warehouse, today, reference.columns)
    found = day_drift(reference, counts, row_count=_row_count(warehouse, today))
    return ScoreDrift(first_on, found.columns[0])


def stored_reference(
    workspace: Workspace, churn: Churn, model_version: str, as_of: date
) -> tuple[Reference | None, Mapping[str, float]]:
    """Return a model's reference and the importance of its features, computing and keeping them the first time.

    None when they were never kept and the model's file is not on this machine: then nothing is known to compare with.
    """
    warehouse = workspace.warehouse
    batch = f"drift/{churn.name}/{model_version}"
    if not warehouse.has_batch("profiles", batch):
        rows = _computed(workspace, churn, model_version, batch, as_of)
        if rows is None:
            return None, {}
        warehouse.append("profiles", rows, batch=batch)
    return kept_reference(warehouse, churn, model_version)


def kept_reference(
    warehouse: Warehouse, churn: Churn, model_version: str
) -> tuple[Reference | None, Mapping[str, float]]:
    """Return what :func:`stored_reference` kept of a model; None when it has kept nothing yet. It only reads."""
    batch = f"drift/{churn.name}/{model_version}"
    kept = warehouse.query(f"select * from profiles where batch_id = '{batch}'").to_pylist()
    importances = {row["column_name"]: float(row["value"]) for row in kept if row["statistic"] == "importance"}
    return from_rows(row for row in kept if row["statistic"] != "importance"), importances


def _computed(workspace: Workspace, churn: Churn, version: str, batch: str, as_of: date) -> pa.Table | None:
    from holdback.commits import rows_of

    model = _model(workspace, churn, version)
    if model is None:
        return None
    rows = _learned_from(workspace, churn, model)
    if rows is None:
        return None
    kinds: dict[str, Kind] = {
        feature.name: "number" if feature.kind == "number" else "category"
        for feature in feature_set(workspace.business).without_texts
        if not feature.protected
    }
    reference = reference_bins(workspace.warehouse, "_learned", kinds, frames={"_learned": rows})
    load = {"batch_id": batch, "feed": FEATURES_TABLE, "as_of": as_of, "row_count": reference.row_count}
    weights = [
        {**load, "column_name": name, "statistic": "importance", "key": None, "value": weight}
        for name, weight in model.importance().items()
    ]
    stored = to_rows(reference, batch_id=batch, feed=FEATURES_TABLE, as_of=as_of)
    return rows_of(TABLES["profiles"], [*stored, *weights])


def _model(workspace: Workspace, churn: Churn, version: str) -> ChurnModel | None:
    from training.churn import load
    from training.registry import champion_model, model_name

    found = champion_model(workspace, churn.name)
    if found is not None and found[0].version == version:
        return found[1]
    path = workspace.models / f"{model_name(workspace.business, churn.name)}-{version}.cbm"
    return load(path) if path.exists() else None


def _learned_from(workspace: Workspace, churn: Churn, model: ChurnModel) -> pa.Table | None:
    """Features of the customers described on the model's newest snapshots; None when nobody was."""
    import pyarrow as pa

    parts: list[pa.Table] = []
    for day in _snapshots(churn, model):
        if sum(part.num_rows for part in parts) >= REFERENCE_ROWS:
            break
        spine = build_spine(workspace.warehouse, workspace.business, churn, day)
        if spine.num_rows:
            declared = feature_set(workspace.business).without_texts
            parts.append(
                build_features(workspace.warehouse, workspace.business, churn, day, spine=spine, features=declared)
            )
    return pa.concat_tables(parts) if parts else None


def _snapshots(churn: Churn, model: ChurnModel) -> list[date]:
    from holdback.days import months_before

    known = date.fromisoformat(str(model.information["as_of"]))
    if isinstance(churn, ColumnChurn) or not model.information.get("knows_until"):
        return [known]
    horizon = timedelta(days=churn.lead_days + churn.outcome_days)
    newest = date.fromisoformat(str(model.information["knows_until"])) - horizon
    return [months_before(newest, back) for back in range(REFERENCE_DAYS)]


def _described(churn: Churn, as_of: date) -> str:
    """SQL of the day's features of the customers that this churn definition scored."""
    return (
        f"(select * from {FEATURES_TABLE} where as_of = date '{as_of}' and customer_id in "
        f"(select customer_id from scores where churn = '{churn.name}' and as_of = date '{as_of}'))"
    )


def _columns(warehouse: Warehouse) -> set[str]:
    """Columns of the table ``features``; empty when it was never written."""
    if warehouse.version(FEATURES_TABLE) is None:
        return set()
    return set(warehouse.query(f"select * from {FEATURES_TABLE} limit 0").column_names)


def _row_count(warehouse: Warehouse, relation: str) -> int:
    return int(warehouse.query(f"select count(*) as n from {relation} as _rows")["n"][0].as_py())
