"""Score a day in Spark's executors: the same rows, from the same SQL and the same model file, in the same one commit.

Each executor describes its share of the customers and asks the model in office, which is sent to it as the bytes of its
file and loaded once per Python worker. Only keys and probabilities come to the driver, which draws the line over all
customers, has the reasons told by the executors, and commits. Whatever dies before the commit leaves nothing behind but
a folder of scratch files; whatever comes after it finds the day written.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from features.clocks import Clock
from features.corrections import corrected_tables
from features.declarations import FeatureSet
from features.families import feature_set
from features.on_spark import OnSpark, describe
from features.spine import spine_sql
from holdback.business import Churn
from holdback.errors import DataError, OperatorError
from holdback.progress import Progress, silent
from holdback.warehouse import Lake
from holdback.warehouse.spark import spark_errors
from holdback.workspace import Workspace
from training.churn import ChurnModel, load
from training.datasets import feature_frame
from training.reasons import Language, explain, to_json
from training.scoring.days import champion_for, refuse_empty_columns, score_batch
from training.scoring.parts import TablesChanged, known_by, watched_columns
from training.scoring.results import (
    ScoreResult,
    above_capacity_line,
    explained_too,
    keep_features,
    score_result,
    score_rows,
    stored_scores,
)

if TYPE_CHECKING:
    import pyarrow as pa

#: The model of this worker, by what its file holds; a worker serves one day's scoring after the other.
_loaded: dict[str, ChurnModel] = {}


@dataclass(frozen=True)
class _Model:
    """The model in office, as it travels: the bytes of its file, sent once to every executor."""

    file: Any  # pyspark.Broadcast, which has no types
    digest: str

    def loaded(self) -> ChurnModel:
        """The model, read from its file by the first who asks in a worker."""
        if self.digest not in _loaded:
            with tempfile.TemporaryDirectory(prefix="holdback-model-") as folder:
                path = Path(folder) / "model.cbm"
                path.write_bytes(self.file.value)
                _loaded.clear()
                _loaded[self.digest] = load(path)
        return _loaded[self.digest]


def score_on_spark(workspace: Workspace, churn_name: str, as_of: date, *, progress: Progress = silent) -> ScoreResult:
    """Score the day's described customers in Spark, or answer with the rows that stand already.

    Args:
        workspace: The business; its ``spark_master`` says where Spark is.
        churn_name: Which churn definition.
        as_of: The day of knowledge.
        progress: Called at the start of each step.

    Raises:
        BusinessFileError: the business has no such churn definition.
        OperatorError: there is no champion, or Spark failed; no score was written.
        TablesChanged: rows came in meanwhile (a kind of ``Busy``); no score was written.
        DataError: the champion knows more than the day did, nobody is described, or columns that matter grew empty.
    """
    business, warehouse = workspace.business, workspace.warehouse
    churn = business.churn_named(churn_name)
    if warehouse.has_batch("scores", score_batch(churn, as_of)):
        stored = stored_scores(warehouse, churn.name, as_of)
        return score_result(workspace, stored, churn, as_of, was_scored_already=True)
    version, model = champion_for(workspace, churn, as_of)
    known = known_by(workspace, churn, as_of, version)
    on_spark = spark_of(workspace)
    declared = feature_set(business)
    with on_spark.spark.folder() as folder:
        progress(f"features and scores of {as_of} in Spark", 0, 3)
        carried = _carried(on_spark, model)
        scored = _scored(on_spark, workspace, churn, as_of, declared, carried, folder)
        rows = on_spark.spark.mapped(folder / "scored")
        watched = watched_columns(model, declared)
        nulls = {name: rows[name].null_count for name in watched}
        refuse_empty_columns(workspace, watched, nulls, rows.num_rows, as_of)
        customer_ids = np.asarray(rows["customer_id"].to_numpy(), dtype=object)
        probability = np.asarray(rows["probability"].to_numpy(), dtype=np.float64)
        above = above_capacity_line(probability, customer_ids, business.capacity_among(probability.size))
        explained = above | explained_too(probability, customer_ids, churn)
        progress(f"reasons of {int(explained.sum()):,} customers in Spark", 1, 3)
        texts = _reasons(on_spark, workspace, declared, carried, scored, rows, explained, folder)
        progress(f"writing {rows.num_rows:,} scores", 2, 3)
        if known_by(workspace, churn, as_of, version) != known:
            raise TablesChanged(
                f"scores of {as_of}: rows came in while Spark described the customers. No score was written. Run it "
                "again when nothing is being loaded."
            )
        keep_features(warehouse, as_of, rows.select(["customer_id", "as_of", *declared.without_texts.names]))
        written = warehouse.append(
            "scores",
            score_rows(churn, as_of, version, customer_ids, probability, above, texts),
            batch=score_batch(churn, as_of),
        )
    stored = stored_scores(warehouse, churn.name, as_of)
    return score_result(workspace, stored, churn, as_of, was_scored_already=not written)


def spark_of(workspace: Workspace) -> OnSpark:
    """Return the workspace's tables in Spark.

    Raises:
        OperatorError: no master is set, or the tables are not files that executors can read.
    """
    warehouse = workspace.warehouse
    if workspace.spark_master is None or not isinstance(warehouse, Lake):
        raise OperatorError(
            f"{workspace.business.slug}: Spark computes over Delta tables in a folder that every executor sees, and "
            "HOLDBACK_SPARK_MASTER names its master. With a PostgreSQL as the warehouse unset it: a task runner then "
            "divides the scoring."
        )
    return OnSpark.of(warehouse, workspace.spark_master)


def _carried(on_spark: OnSpark, model: ChurnModel) -> _Model:
    with tempfile.TemporaryDirectory(prefix="holdback-model-") as folder:
        path = Path(folder) / "model.cbm"
        model.save(path)
        content = path.read_bytes()
    return _Model(on_spark.spark.session.sparkContext.broadcast(content), hashlib.sha256(content).hexdigest())


def _scored(
    on_spark: OnSpark,
    workspace: Workspace,
    churn: Churn,
    as_of: date,
    declared: FeatureSet,
    model: _Model,
    folder: Path,
) -> Any:
    """Features and probability of everybody described, ordered by customer, as the executors wrote them down."""
    business, spark = workspace.business, on_spark.spark
    clock = Clock.of(business, as_of)
    described = on_spark.relation(spine_sql(business, churn, clock, corrected=corrected_tables(workspace.warehouse)))
    spine = spark.kept(described, folder / "spine")
    counted = spark.counted(spine)
    if not counted:
        raise DataError(
            f"{business.slug}: churn {churn.name}: nobody is described on {as_of}. At least one customer "
            "must be active. Check that the data of these days are loaded."
        )
    features = describe(on_spark, business, spine, as_of, declared)
    # A schema of its own: to add to the relation's would change what it is asked for.
    schema = type(features.schema)(list(features.schema.fields)).add("probability", "double")
    with spark_errors(spark.master):
        asked = features.mapInArrow(_asking(model, declared), schema)
    # Written down before it is sorted: Spark looks at what it sorts twice, and would describe and ask everybody twice.
    unsorted = spark.kept(asked, folder / "asked")
    scored = spark.kept(unsorted.orderBy("customer_id"), folder / "scored")
    found = spark.counted(scored)
    if found != counted:
        raise DataError(
            f"features of {as_of}: {found} rows for {counted} customers. A file of the company's own yields several "
            "rows for a customer. Group it by customer_id."
        )
    return scored


def _asking(model: _Model, declared: FeatureSet) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What a worker does with its customers: it adds the probability, the last column."""

    def ask(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            rows = pa.Table.from_batches([batch])
            probability = model.loaded().probability(feature_frame(rows, declared), threads=1)
            yield from rows.append_column("probability", pa.array(probability, pa.float64())).to_batches()

    return ask


def _reasons(
    on_spark: OnSpark,
    workspace: Workspace,
    declared: FeatureSet,
    model: _Model,
    scored: Any,
    rows: pa.Table,
    explained: np.ndarray[Any, Any],
    folder: Path,
) -> list[str | None]:
    """The reasons of those who are told any, at their place among all."""
    import pyarrow as pa

    texts: list[str | None] = [None] * rows.num_rows
    positions = np.flatnonzero(explained)
    if not positions.size:
        return texts
    chosen = pa.table({"customer_id": rows["customer_id"].take(positions), "position": positions})
    frame = on_spark.spark.given({"chosen": chosen})["chosen"]
    tell = _telling(model, declared, workspace.business.language, workspace.business.currency)
    with spark_errors(on_spark.spark.master):
        told = scored.join(frame, "customer_id").mapInArrow(tell, "position bigint, reasons string")
    on_spark.spark.kept(told, folder / "reasons")
    found = on_spark.spark.mapped(folder / "reasons").to_pydict()
    for position, text in zip(found["position"], found["reasons"], strict=True):
        texts[position] = text
    return texts


def _telling(
    model: _Model, declared: FeatureSet, language: Language, currency: str
) -> Callable[[Iterator[Any]], Iterator[Any]]:
    """What a worker does with those who are told a reason."""

    def tell(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            rows = pa.Table.from_batches([batch])
            frame = feature_frame(rows, declared)
            reasons = explain(model.loaded(), frame, declared, language=language, currency=currency, threads=1)
            texts = pa.array([to_json(one) for one in reasons], pa.string())
            yield pa.RecordBatch.from_arrays([rows["position"].combine_chunks(), texts], ["position", "reasons"])

    return tell
