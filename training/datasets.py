"""Which days a model may learn from, and which it is judged on.

Snapshots lie calendar months apart, counted back from the newest day whose outcome is known. That day is the holdout;
a snapshot may be learned from only if its outcome window was over when the holdout began (the purge gap). Un-purged
snapshots share outcomes with the holdout: they flattered the AUC by .027 and halved the calibration error.

A business whose churn is a column has one snapshot and no dates: there a quarter of the customers, chosen by the hash
of their key, is the holdout, and every result says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.declarations import Feature, FeatureSet
from features.families import feature_set
from features.labels import build_labels, outcome_ends_on
from features.snapshots.building import build_snapshots
from features.spine import build_spine
from holdback.business import Business, Churn, ColumnChurn
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from training.guards import FEWEST_FOR_PROMOTION
from training.rows import Rows, hash_share, rows_sorted
from training.snapshot_days import matured_days, purged

if TYPE_CHECKING:
    import pyarrow as pa

MOST_POOLED_DAYS = 3
SNAPSHOT_HOLDOUT_SHARE = 0.25
MOST_TRAINING_ROWS = 500_000


@dataclass(frozen=True)
class Plan:
    """The days of one training run.

    Attributes:
        learn_on: Snapshots to learn from, oldest first.
        judge_on: Snapshots of the holdout, oldest first.
        is_split_by_customer: True when holdout and training share their days and a quarter of the customers is held
            out instead (a snapshot without dates, or a history too short for a split in time).
    """

    learn_on: tuple[date, ...]
    judge_on: tuple[date, ...]
    is_split_by_customer: bool


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training rows, holdout rows and where they came from.

    Attributes:
        training: Rows to learn from.
        holdout: Rows to judge on; no customer's outcome in them was known when training rows were labelled.
        audited: Protected attributes of the holdout's customers, for slices only: no model ever sees them.
        features: Declarations of the model's features (protected ones are not among them).
        plan: The days.
        knows_until: Day on which the last outcome of the training rows ended; None for a snapshot without dates.
        versions: Newest commit of each table that was read.
        value_meaning: What ``value_amounts`` are, in words; None without amounts.
        held_out_share: Share of the described customers of a holdout day that is in the holdout, in (0, 1].
        notes: What a reader must know about the split, in words.
    """

    training: Rows
    holdout: Rows
    audited: pd.DataFrame
    features: tuple[Feature, ...]
    plan: Plan
    knows_until: date | None
    versions: Mapping[str, int]
    value_meaning: str | None
    held_out_share: float = 1.0
    notes: tuple[str, ...] = field(default=())


def build_dataset(workspace: Workspace, churn: Churn, as_of: date, *, progress: Progress = silent) -> Dataset:
    """Build the training rows and the holdout as they were knowable on a day.

    Args:
        workspace: The business and its warehouse.
        churn: The churn definition.
        as_of: The day of knowledge.
        progress: Told about each snapshot.

    Raises:
        NotKnowableYet: no outcome is known yet; the message says when the first one will be.
        DataError: nobody is described, or all outcomes are the same.
    """
    warehouse, business = workspace.warehouse, workspace.business
    declared = feature_set(business)
    builder = _Builder(warehouse, business, churn, as_of, declared, progress)
    if isinstance(churn, ColumnChurn):
        plan = Plan((as_of,), (as_of,), is_split_by_customer=True)
        notes = [
            "the business gives one snapshot without dates: a quarter of the customers, chosen by the hash of their "
            "key, is the holdout; how the model holds over time is not known"
        ]
    else:
        days = matured_days(warehouse, business, churn, as_of)
        plan, notes = _planned(builder, days, churn, business.training.snapshots)
    builder.limit_rows(plan)
    described = builder.rows(sorted({*plan.learn_on, *plan.judge_on}))
    training, _ = _joined([described[day] for day in plan.learn_on])
    holdout, audited = _joined([described[day] for day in plan.judge_on])
    if plan.is_split_by_customer:
        held_out = hash_share(holdout.customer_ids, salt="holdout") < SNAPSHOT_HOLDOUT_SHARE
        learned = hash_share(training.customer_ids, salt="holdout") >= SNAPSHOT_HOLDOUT_SHARE
        holdout, audited = holdout.where(held_out), audited.loc[held_out].reset_index(drop=True)
        training = training.where(learned)
    where = f"{business.slug}: churn {churn.name}"
    training.require_both_classes(f"{where}: training rows")
    holdout.require_both_classes(f"{where}: holdout of {plan.judge_on[-1]}")
    return Dataset(
        training=training,
        holdout=holdout,
        audited=audited,
        features=tuple(feature for feature in declared if not feature.protected),
        plan=plan,
        knows_until=None if isinstance(churn, ColumnChurn) else outcome_ends_on(churn, plan.learn_on[-1]),
        versions=_versions(warehouse, business),
        value_meaning=builder.value_meaning,
        held_out_share=builder.share * (SNAPSHOT_HOLDOUT_SHARE if plan.is_split_by_customer else 1.0),
        notes=(*notes, *builder.notes),
    )


class _Builder:
    """Builds the labelled rows of days, once; keeps what the planning already read."""

    def __init__(
        self,
        warehouse: Warehouse,
        business: Business,
        churn: Churn,
        as_of: date,
        declared: FeatureSet,
        progress: Progress,
    ) -> None:
        self.warehouse, self.business, self.churn, self.as_of = warehouse, business, churn, as_of
        self.declared, self.progress = declared, progress
        self.share = 1.0
        self.notes: list[str] = []
        self.value_columns, self.value_meaning = _value_columns(declared, business)
        self._labels: dict[date, pa.Table] = {}

    def labels(self, day: date) -> pa.Table:
        """Known outcomes of a day: ``customer_id, as_of, churned`` without nulls."""
        if day not in self._labels:
            spine = build_spine(self.warehouse, self.business, self.churn, day)
            labels = build_labels(self.warehouse, self.business, self.churn, day, known_on=self.as_of, spine=spine)
            self._labels[day] = labels.filter(labels["churned"].is_valid())
        return self._labels[day]

    def churner_count(self, day: date) -> int:
        import pyarrow.compute as pc

        return int(pc.sum(self.labels(day)["churned"]).as_py() or 0)

    def limit_rows(self, plan: Plan) -> None:
        """Above half a million training rows, learn from a sample of customers (the same ones on every day)."""
        total = sum(self.labels(day).num_rows for day in plan.learn_on)
        if total > MOST_TRAINING_ROWS:
            self.share = MOST_TRAINING_ROWS / total
            self.notes.append(
                f"{total:,} rows are more than a model needs: it learns from {self.share:.0%} of the customers, chosen "
                "by the hash of their key, and is judged on the same share"
            )

    def rows(self, days: Sequence[date]) -> dict[date, tuple[Rows, pd.DataFrame]]:
        """Labelled rows of each day, and the protected attributes of the same customers."""
        spines = {day: self._sampled(day) for day in days}
        tables = build_snapshots(
            self.warehouse, self.business, self.churn, days,
            spines=spines, features=self.declared, progress=self.progress,
        )  # fmt: skip
        # A day's table is let go before the next one becomes a frame.
        return {day: self._labelled(tables.pop(day), spines.pop(day), day) for day in days}

    def _sampled(self, day: date) -> pa.Table:
        """The labels of the customers that are learned from or judged on."""
        labels = self.labels(day)
        if self.share < 1:
            ids = labels["customer_id"].to_numpy(zero_copy_only=False)
            labels = labels.filter(hash_share(ids, salt="sample") < self.share)
        return labels

    def _labelled(self, table: pa.Table, labels: pa.Table, day: date) -> tuple[Rows, pd.DataFrame]:
        # Both are ordered by customer and describe the same customers.
        labels = labels.sort_by("customer_id")
        frame = feature_frame(table, self.declared)
        names = [feature.name for feature in self.declared.without_texts if not feature.protected]
        texts = [feature.name for feature in self.declared if feature.kind == "text" and not feature.protected]
        protected = [feature.name for feature in self.declared if feature.protected]
        rows = rows_sorted(
            frame[names],
            customer_ids=table["customer_id"].to_numpy(zero_copy_only=False),
            as_ofs=np.full(len(frame), np.datetime64(day)),
            churned=labels["churned"].to_numpy(zero_copy_only=False).astype(bool),
            value_amounts=value_amounts(frame, self.value_columns, self.business),
            texts=frame[texts] if texts else None,
        )
        ids = np.asarray(table["customer_id"].to_numpy(zero_copy_only=False), dtype=object).astype(str)
        return rows, frame[protected].iloc[np.argsort(ids, kind="stable")].reset_index(drop=True)


def feature_frame(table: pa.Table, declared: FeatureSet) -> pd.DataFrame:
    """The feature table as a frame: numbers float64, categories and texts with nulls, in the set's order."""
    frame = table.select(list(declared.names)).to_pandas()
    kinds = {feature.name: "float64" if feature.kind == "number" else "str" for feature in declared}
    shaped: pd.DataFrame = frame.astype(kinds)
    return shaped


def value_amounts(frame: pd.DataFrame, columns: tuple[str, ...], business: Business) -> np.ndarray[Any, Any] | None:
    """Margin of each customer's last 365 days in currency units, shape (n,); None without amounts."""
    if not columns:
        return None
    spent = frame[list(columns)].fillna(0.0).sum(axis=1).to_numpy(dtype=np.float64)
    # A customer who got more back than paid has no margin to lose.
    return np.asarray(np.maximum(spent, 0.0) * business.value.margin_rate)


def _value_columns(declared: FeatureSet, business: Business) -> tuple[tuple[str, ...], str | None]:
    columns = tuple(
        feature.name
        for feature in declared
        if feature.role == "transactions" and feature.name.endswith("spend_amount_365d")
    )
    if not columns:
        return (), None
    return columns, f"margin of the last 365 days in {business.currency} ({business.value.margin_rate:.0%} of spending)"


def _planned(builder: _Builder, days: tuple[date, ...], churn: Churn, most_snapshots: int) -> tuple[Plan, list[str]]:
    """Hold out the newest day; pool older ones only while churners are few and something is left to learn from."""
    assert not isinstance(churn, ColumnChurn)
    horizon = churn.lead_days + churn.outcome_days
    held_out = [days[0]]
    count = builder.churner_count(days[0])
    while count < FEWEST_FOR_PROMOTION and len(held_out) < MOST_POOLED_DAYS and len(held_out) < len(days):
        older = days[len(held_out)]
        if not purged(days, older, horizon):
            break
        held_out.append(older)
        count += builder.churner_count(older)
    learn_on = purged(days, held_out[-1], horizon)[:most_snapshots]
    notes = []
    if len(held_out) > 1:
        notes.append(f"the holdout pools {len(held_out)} days, as the newest one alone has too few churners")
    if learn_on:
        return Plan(tuple(reversed(learn_on)), tuple(reversed(held_out)), is_split_by_customer=False), notes
    shared = tuple(reversed(days[:MOST_POOLED_DAYS]))
    notes = [
        f"no snapshot's outcome ends before the newest one, {days[0]}, begins: a quarter of the customers, chosen by "
        "the hash of their key, is the holdout on the same days; how the model holds over time is not known yet"
    ]
    return Plan(shared, shared, is_split_by_customer=True), notes


def _joined(parts: list[tuple[Rows, pd.DataFrame]]) -> tuple[Rows, pd.DataFrame]:
    """Put the rows of several days, oldest first, together: they stay sorted by day and customer."""
    rows = [part for part, _ in parts]
    values = [part.value_amounts for part in rows]
    texts = [part.texts for part in rows]
    joined = Rows(
        pd.concat([part.frame for part in rows], ignore_index=True),
        np.concatenate([part.customer_ids for part in rows]),
        np.concatenate([part.as_ofs for part in rows]),
        np.concatenate([part.churned for part in rows]),
        None if values[0] is None else np.concatenate([v for v in values if v is not None]),
        None if texts[0] is None else pd.concat([t for t in texts if t is not None], ignore_index=True),
    )
    return joined, pd.concat([audited for _, audited in parts], ignore_index=True)


def _versions(warehouse: Warehouse, business: Business) -> dict[str, int]:
    tables = ["customers", "superseded", *business.feeds]
    found = {table: warehouse.version(table) for table in tables}
    return {table: version for table, version in found.items() if version is not None}
