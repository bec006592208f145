"""What a day's scores are: the rows, who is above the line, who is told a reason, and the day in numbers.

Each function is about the day as a whole, whoever computed the probabilities: this process part after part, a task
runner's workers, or Spark's executors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from features.families import feature_set
from holdback.business import Churn
from holdback.errors import DataError
from holdback.tables import FEATURES_TABLE
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from training.reasons import from_json

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


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
        registry_note: Why the company's registry could not be asked who is in office, in a sentence: the rows are those
            of the champion that the journal names. None when it was asked, and where there is none to ask.
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
    registry_note: str | None = None


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
        import pyarrow as pa

        known += " and customer_id not in (select customer_id from ours) order by customer_id"
        others = warehouse.query(known, frames={"ours": described.select(["customer_id"])})
        described = pa.concat_tables([described, others], promote_options="default")
    warehouse.replace_day(FEATURES_TABLE, as_of, described)


def score_rows(
    churn: Churn,
    as_of: date,
    version: str,
    customer_ids: npt.NDArray[Any],
    probability: Floats,
    above: npt.NDArray[np.bool_],
    reasons: Sequence[str | None],
) -> pa.Table:
    """The rows of the table ``scores``, one per customer in the order given.

    Args:
        churn: The definition.
        as_of: The day.
        version: The model's version.
        customer_ids: Keys, shape (n,).
        probability: Of each, shape (n,).
        above: Who is above the capacity line, shape (n,).
        reasons: Of each as JSON; None of those who are told none.
    """
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


def score_result(
    workspace: Workspace, rows: pa.Table, churn: Churn, as_of: date, *, was_scored_already: bool
) -> ScoreResult:
    """Put a day's stored rows (:func:`stored_scores`) into numbers.

    Raises:
        DataError: no row is left of a day that was scored: its retention period is over.
    """
    if not rows.num_rows:
        raise DataError(
            f"scores of {as_of}: the day was scored, and its rows are older than the retention period of scores. "
            "A day is scored once: nothing can be told of it any more. Choose a later day."
        )
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
