"""Score every described customer of a day, once and for ever.

The champion is resolved once. A day's scores are one commit: all rows or none, and never rewritten; a rerun answers
with the stored rows, also when another champion has taken office since.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from features.build import feature_steps
from features.declarations import FeatureSet
from features.families import feature_set
from holdback.business import Churn
from holdback.errors import DataError, OperatorError
from holdback.progress import Progress, silent
from holdback.tables import FEATURES_TABLE
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from training.churn import ChurnModel
from training.datasets import feature_frame
from training.guards import null_shares_grown
from training.reasons import explain, from_json, to_json
from training.registry import champion_model, model_name

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]

ROWS_PER_BATCH = 200_000
_MATTERS = 0.01  # share of the model below which a column that grew empty is no reason to stop the day


@dataclass(frozen=True)
class ReasonCount:
    """A main reason and how many customers above the capacity line have it.

    Attributes:
        family: The features' family.
        meaning: What the feature that speaks for it says, in the business' language.
        customer_count: Customers whose first reason it is.
    """

    family: str
    meaning: str
    customer_count: int


@dataclass(frozen=True)
class ScoreResult:
    """A day's scores in numbers.

    Attributes:
        as_of: The day.
        churn: The churn definition.
        model_version: The champion that scored it.
        customer_count: Customers scored.
        high_count: Customers in the tier ``high``.
        medium_count: Customers in the tier ``medium``.
        low_count: Customers in the tier ``low``.
        above_capacity_count: Customers above the capacity line.
        line_probability: Probability of the last customer above the line; None when nobody is.
        expected_churner_count: Sum of all probabilities.
        main_reasons: First reasons of the customers above the line, commonest first.
        was_scored_already: True when the rows had been written before and were only read.
    """

    as_of: date
    churn: str
    model_version: str
    customer_count: int
    high_count: int
    medium_count: int
    low_count: int
    above_capacity_count: int
    line_probability: float | None
    expected_churner_count: float
    main_reasons: tuple[ReasonCount, ...]
    was_scored_already: bool


def score(workspace: Workspace, churn_name: str, as_of: date, *, progress: Progress = silent) -> ScoreResult:
    """Score the day's described customers with the champion, or answer with the rows that stand already.

    Args:
        workspace: The business.
        churn_name: The churn definition.
        as_of: The day; nothing later is visible.
        progress: Told about each step.

    Raises:
        OperatorError: there is no champion, or its file cannot be read.
        DataError: the champion was trained on later knowledge than the day's, nobody is described, or a column that
            matters has grown empty since training.
    """
    warehouse, business = workspace.warehouse, workspace.business
    churn = business.churn_named(churn_name)
    batch = f"scores/{churn.name}/{as_of}"
    if warehouse.has_batch("scores", batch):
        return _result(workspace, stored_scores(warehouse, churn.name, as_of), churn, as_of, was_scored_already=True)
    version, model = _champion_for(workspace, churn, as_of)
    declared = feature_set(business)
    progress(f"features of {as_of}", 0, 3)
    described = _described(warehouse, workspace, churn, as_of, declared)
    _refuse_empty_columns(workspace, described, model, as_of)
    progress(f"scoring {described.num_rows:,} customers", 1, 3)
    probability = _probabilities(described, declared, model, threads=workspace.threads)
    customer_ids = np.asarray(described["customer_id"].to_numpy(zero_copy_only=False), dtype=object)
    capacity = business.capacity_among(described.num_rows)
    above = above_capacity_line(probability, customer_ids, capacity)
    explained = above | explained_too(probability, customer_ids, churn)
    progress(f"reasons of {int(explained.sum()):,} customers", 2, 3)
    reasons = _reasons(workspace, described, declared, model, explained)
    rows = _rows(churn, as_of, version, customer_ids, probability, above, reasons)
    keep_features(warehouse, as_of, described.select(["customer_id", "as_of", *declared.without_texts.names]))
    written = warehouse.append("scores", rows, batch=batch)
    # Whether this process wrote the rows or another was faster: what stands is what counts.
    stored = stored_scores(warehouse, churn.name, as_of)
    return _result(workspace, stored, churn, as_of, was_scored_already=not written)


def stored_scores(warehouse: Warehouse, churn_name: str, as_of: date) -> pa.Table:
    """The day's rows as they were written, ordered by customer; empty when the day was not scored."""
    name = churn_name.replace("'", "''")
    return warehouse.query(
        "select as_of, customer_id, churn, model_version, probability, risk_tier, is_above_capacity_line, reasons "
        f"from scores where as_of = date '{as_of}' and churn = '{name}' order by customer_id"
    )


def above_capacity_line(probability: Floats, customer_ids: npt.NDArray[Any], capacity: int) -> npt.NDArray[np.bool_]:
    """Mark the ``capacity`` customers with the highest probabilities; ties go to the smaller key.

    Examples:
        >>> above_capacity_line(np.array([0.2, 0.7, 0.7]), np.array(["a", "c", "b"]), 1)
        array([False, False,  True])
    """
    order = np.lexsort((customer_ids.astype(str), -probability))
    above = np.zeros(probability.size, dtype=bool)
    above[order[:capacity]] = True
    return above


def explained_too(probability: Floats, customer_ids: npt.NDArray[Any], churn: Churn) -> npt.NDArray[np.bool_]:
    """Mark the customers at risk, whom a campaign may contact and must know why; at most one in three of all.

    Args:
        probability: Of each customer, shape (n,).
        customer_ids: Their keys.
        churn: Its tier ``medium`` is where risk begins.
    """
    most = -(-probability.size // 3)
    return above_capacity_line(probability, customer_ids, most) & (probability >= churn.risk_tiers.medium)


def risk_tiers(probability: Floats, churn: Churn) -> npt.NDArray[Any]:
    """``high``, ``medium`` or ``low`` by the cut-offs of the churn definition, shape (n,)."""
    tiers = churn.risk_tiers
    return np.where(probability >= tiers.high, "high", np.where(probability >= tiers.medium, "medium", "low"))


def keep_features(warehouse: Warehouse, as_of: date, described: pa.Table) -> None:
    """Keep the day's features in the table ``features``, beside those of customers that another definition described.

    What customers wrote is not kept: it stands in the feeds, and one copy of it is enough.
    They can be computed again at any time; kept, the drift report and the decisions need not.
    """
    known = f"select * from {FEATURES_TABLE} where as_of = date '{as_of}'"
    has_others = warehouse.version(FEATURES_TABLE) is not None and warehouse.query(f"{known} limit 1").num_rows
    if has_others:
        known += " and customer_id not in (select customer_id from described)"
        merged = f"select * from described union all by name {known} order by customer_id"
        described = warehouse.query(merged, frames={"described": described})
    warehouse.replace_day(FEATURES_TABLE, as_of, described)


def _champion_for(workspace: Workspace, churn: Churn, as_of: date) -> tuple[str, ChurnModel]:
    found = champion_model(workspace, churn.name)
    if found is None:
        raise OperatorError(
            f"model {model_name(workspace.business, churn.name)}: there is no champion to score with. A guard may have "
            "stopped it: look with `holdback models list`; train with `holdback retrain`, or promote a version by hand "
            "with `holdback models promote VERSION`."
        )
    champion, model = found
    known_on = date.fromisoformat(str(model.information["as_of"]))
    if known_on > as_of:
        raise DataError(
            f"scores of {as_of}: champion version {champion.version} was trained with what was known on {known_on}. "
            f"A score must not know the future. Score {known_on} or a later day, or retrain for {as_of}."
        )
    return champion.version, model


def _described(warehouse: Warehouse, workspace: Workspace, churn: Churn, as_of: date, declared: FeatureSet) -> pa.Table:
    import pyarrow as pa

    steps = feature_steps(warehouse, workspace.business, churn, as_of, features=declared)
    described = pa.concat_tables(steps)
    if not described.num_rows:
        raise DataError(
            f"{workspace.business.slug}: churn {churn.name}: nobody is described on {as_of}. At least one customer "
            "must be active. Check that the data of these days are loaded."
        )
    return described


def _refuse_empty_columns(workspace: Workspace, described: pa.Table, model: ChurnModel, as_of: date) -> None:
    weights = model.importance()
    shares = {
        name: share
        for name, share in model.information["null_shares"].items()
        if weights.get(name, 0.0) >= _MATTERS and name in described.column_names
    }
    grown = null_shares_grown(shares, described.select(list(shares)).to_pandas())
    if grown:
        seen = "; ".join(f"{name} in {now:.1%} (in training {before:.1%})" for name, (before, now) in grown.items())
        raise DataError(
            f"{workspace.business.slug}: scores of {as_of}: columns are null far more often than in training: {seen}. "
            "The model would take a null for the smallest value. Look at the feeds behind them; nothing was written."
        )


def _probabilities(described: pa.Table, declared: FeatureSet, model: ChurnModel, *, threads: int) -> Floats:
    parts = [
        model.probability(feature_frame(described.slice(start, ROWS_PER_BATCH), declared), threads=threads)
        for start in range(0, described.num_rows, ROWS_PER_BATCH)
    ]
    return np.concatenate(parts)


def _reasons(
    workspace: Workspace, described: pa.Table, declared: FeatureSet, model: ChurnModel, explained: npt.NDArray[np.bool_]
) -> list[str | None]:
    business = workspace.business
    positions = np.flatnonzero(explained)
    frame = feature_frame(described.take(positions), declared)
    found = explain(
        model, frame, declared, language=business.language, currency=business.currency, threads=workspace.threads
    )
    texts: list[str | None] = [None] * described.num_rows
    for position, reasons in zip(positions, found, strict=True):
        texts[position] = to_json(reasons)
    return texts


def _rows(
    churn: Churn,
    as_of: date,
    version: str,
    customer_ids: npt.NDArray[Any],
    probability: Floats,
    above: npt.NDArray[np.bool_],
    reasons: list[str | None],
) -> pa.Table:
    import pyarrow as pa

    n = probability.size
    return pa.table(
        {
            "as_of": pa.array([as_of] * n, pa.date32()),
            "customer_id": pa.array(customer_ids, pa.string()),
            "churn": pa.array([churn.name] * n, pa.string()),
            "model_version": pa.array([version] * n, pa.string()),
            "probability": pa.array(probability, pa.float64()),
            "risk_tier": pa.array(risk_tiers(probability, churn), pa.string()),
            "is_above_capacity_line": pa.array(above, pa.bool_()),
            "reasons": pa.array(reasons, pa.string()),
        }
    )


def _result(
    workspace: Workspace, rows: pa.Table, churn: Churn, as_of: date, *, was_scored_already: bool
) -> ScoreResult:
    tiers = Counter(rows["risk_tier"].to_pylist())
    above = rows.filter(rows["is_above_capacity_line"])
    line = np.asarray(above["probability"].to_numpy(), dtype=np.float64)
    language = workspace.business.language
    meanings = {feature.name: getattr(feature.meaning, language) for feature in feature_set(workspace.business)}
    first = Counter(
        (reasons[0].family, meanings.get(reasons[0].feature, reasons[0].feature))
        for reasons in (from_json(text) for text in above["reasons"].to_pylist() if text)
        if reasons
    )
    return ScoreResult(
        as_of=as_of,
        churn=churn.name,
        model_version=str(rows["model_version"][0].as_py()),
        customer_count=rows.num_rows,
        high_count=tiers["high"],
        medium_count=tiers["medium"],
        low_count=tiers["low"],
        above_capacity_count=above.num_rows,
        line_probability=float(line.min()) if line.size else None,
        expected_churner_count=float(np.asarray(rows["probability"].to_numpy()).sum()),
        main_reasons=tuple(
            ReasonCount(*key, count) for key, count in sorted(first.items(), key=lambda i: (-i[1], i[0]))
        ),
        was_scored_already=was_scored_already,
    )
