"""The parts of a day's scoring: ranges of customers that any process can do, each done once.

A plan is a folder in the workspace that holds all a worker needs besides the tables: who is described, and the model
in office when the plan was made. A part leaves one immutable file, put in place by a rename: a part that is finished is
not done again, whatever died after it. The folder's name carries what the result depends on (the day, the model, the
tables' versions, the statements), so that nothing old is ever taken for new. What a day leaves is removed when the day
is written; what a dead run left, when the same definition is scored again.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from features.build import feature_steps
from features.clocks import Clock
from features.compiler import compile_features
from features.computation import customers_per_step
from features.corrections import corrected_tables
from features.declarations import FeatureSet
from features.families import feature_set
from features.spine import build_spine, spine_sql
from holdback.business import Churn
from holdback.errors import Busy, DataError
from holdback.progress import Progress
from holdback.workspace import Workspace
from training.churn import ChurnModel, load
from training.datasets import feature_frame
from training.reasons import explain, to_json
from training.scoring.part_files import disk_errors, laid_out, read, stored, write
from training.scoring.predicting import null_count, probability_of

if TYPE_CHECKING:
    import pyarrow as pa

    from training.scoring.results import Flags, Floats

R = TypeVar("R")


class TablesChanged(Busy):
    """The tables are not those that a plan was made from: one day's scores must not come from two states of them."""


CUSTOMERS_PER_PART = 100_000
"""At most: to ask a model for reasons costs a tenth of a second before the first one, which few parts pay seldom."""
MOST_PARTS = 50
"""A task runner pays for each part, and a company of many millions has workers enough for fifty."""
_MATTERS = 0.01  # share of the model below which a column that grew empty is no reason to stop the day
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODEL, _SPINE, _LINE = "model.cbm", "spine.arrow", "line.arrow"


@dataclass(frozen=True)
class ScorePlan:
    """How a day's scoring is divided. Plain values: it can be sent to any worker.

    Attributes:
        churn: The churn definition.
        as_of: The day.
        model_version: The champion when the plan was made; every part is scored with it.
        key: What was known then (:func:`known_by`); every part must know the same.
        folder: Where the parts lie.
        customer_count: Customers described.
        customers_per_part: Customers in each part but the last.
        customers_per_step: Customers that one statement describes.
        watched: Share of nulls in training of each column that matters to the model, by name.
    """

    churn: str
    as_of: date
    model_version: str
    key: str
    folder: str
    customer_count: int
    customers_per_part: int
    customers_per_step: int
    watched: Mapping[str, float]

    @property
    def part_count(self) -> int:
        """How many parts there are, numbered from 0."""
        return -(-self.customer_count // self.customers_per_part)

    def span(self, number: int) -> tuple[int, int]:
        """Return where a part starts among the customers ordered by key, and how many it has."""
        start = number * self.customers_per_part
        return start, min(self.customers_per_part, self.customer_count - start)


@dataclass(frozen=True)
class PartReceipt:
    """What a part found, small enough to send.

    Attributes:
        number: Which part.
        customer_count: Customers in it.
        null_counts: Of each watched column, how many of them have no value.
        was_done_already: True when its file was there, and nothing was computed.
    """

    number: int
    customer_count: int
    null_counts: Mapping[str, int]
    was_done_already: bool = False


class RunParts(Protocol):
    """Does a piece of work for every part of a plan, in any order, and returns what each returned, in order."""

    def __call__(
        self, work: Callable[[Workspace, ScorePlan, int], R], workspace: Workspace, plan: ScorePlan,
        progress: Progress,
    ) -> list[R]:  # fmt: skip
        """Raise what a part raised, once it is certain that it cannot be done."""
        ...


def one_after_another(
    work: Callable[[Workspace, ScorePlan, int], R], workspace: Workspace, plan: ScorePlan, progress: Progress
) -> list[R]:
    """Do the parts here, one after the other: memory holds one part at a time."""
    done = []
    for number in range(plan.part_count):
        start, count = plan.span(number)
        told = "scoring" if work is score_part else "reasons of"
        progress(f"{told} customers {start + 1:,} to {start + count:,}", number, plan.part_count)
        done.append(work(workspace, plan, number))
    return done


def plan_parts(
    workspace: Workspace,
    churn: Churn,
    as_of: date,
    version: str,
    model: ChurnModel,
    *,
    customers_per_part: int | None = None,
) -> ScorePlan:
    """Divide the customers that a definition describes on a day into ranges, and lay out what the parts need.

    The same tables, day and model give the same plan, and find the parts that are done.

    Args:
        workspace: The business.
        churn: The definition.
        as_of: The day.
        version: The model's version.
        model: The model in office.
        customers_per_part: Customers in a part; by default those of :func:`divided`.

    Raises:
        DataError: nobody is described on the day.
    """
    import pyarrow as pa

    business, warehouse = workspace.business, workspace.warehouse
    key = known_by(workspace, churn, as_of, version)
    folder = workspace.folder / "parts" / f"{churn.name}-{as_of}-{key}"
    _remove_others(folder, churn)
    if not folder.exists():
        spine = build_spine(warehouse, business, churn, as_of).select(["customer_id", "as_of"]).sort_by("customer_id")
        if not spine.num_rows:
            raise DataError(
                f"{business.slug}: churn {churn.name}: nobody is described on {as_of}. At least one customer "
                "must be active. Check that the data of these days are loaded."
            )
        with laid_out(folder) as place:
            write(place / _SPINE, spine)
            model.save(place / _MODEL)
    with pa.memory_map(str(folder / _SPINE)) as source:
        count = pa.ipc.open_file(source).read_all().num_rows
    step = customers_per_step(warehouse, feature_set(business), count)
    size = divided(count, step) if customers_per_part is None else customers_per_part
    shares = watched_columns(model, feature_set(business))
    return ScorePlan(churn.name, as_of, version, key, str(folder), count, size, step, shares)


def divided(customers: int, step: int) -> int:
    """Return the customers of a part.

    Whole steps: a part that ends within one would cost a statement more. About as many in each: workers end together.
    At most :data:`CUSTOMERS_PER_PART`, but for one step, and where that would make more than :data:`MOST_PARTS` parts.
    """
    steps = -(-customers // step)
    parts = -(-steps // max(CUSTOMERS_PER_PART // step, -(-steps // MOST_PARTS)))
    return step * -(-steps // parts)


def watched_columns(model: ChurnModel, declared: FeatureSet) -> dict[str, float]:
    """Return the share of nulls in training of each column that matters to a model."""
    weights = model.importance()
    return {
        name: float(share)
        for name, share in model.information["null_shares"].items()
        if weights.get(name, 0.0) >= _MATTERS and name in declared.names
    }


def score_part(workspace: Workspace, plan: ScorePlan, number: int) -> PartReceipt:
    """Describe the customers of a part and give each a probability, unless that is done.

    Raises:
        OperatorError: the plan's folder or the tables cannot be read or written.
        TablesChanged: the tables are not those of the plan; nothing was written.
    """
    import pyarrow as pa

    path = _part_file(plan, number)
    found = stored(path)
    if found is not None:
        return PartReceipt(**{**json.loads(found.schema.metadata[b"receipt"]), "was_done_already": True})
    business = workspace.business
    declared, (start, count) = feature_set(business), plan.span(number)
    with disk_errors(plan.folder):
        spine = read(Path(plan.folder) / _SPINE).slice(start, count)
    steps = feature_steps(
        workspace.warehouse, business, business.churn_named(plan.churn), plan.as_of,
        spine=spine, features=declared, step_customers=plan.customers_per_step,
    )  # fmt: skip
    described = pa.concat_tables(steps)
    refuse_other_tables(workspace, plan)  # looked at last: then every statement saw the tables of the plan
    nulls = {name: null_count(described[name]) for name in plan.watched}
    probability = probability_of(_model(plan.folder), described, declared)
    receipt = PartReceipt(number, count, nulls)
    # The last column, whatever the company calls its own.
    rows = described.append_column("probability", pa.array(probability, pa.float64()))
    with disk_errors(plan.folder):
        write(path, rows.replace_schema_metadata({"receipt": json.dumps(asdict(receipt))}))
    return receipt


def explain_part(workspace: Workspace, plan: ScorePlan, number: int) -> int:
    """Write down the reasons of those customers of a part who are told any, unless that is done; return how many.

    Call it once the line of the day is drawn.
    """
    import pyarrow as pa

    path = _reasons_file(plan, number)
    found = stored(path)
    if found is not None:
        return int(found.num_rows)
    business = workspace.business
    start, count = plan.span(number)
    with disk_errors(plan.folder):
        explained = read(Path(plan.folder) / _LINE)["is_explained"].slice(start, count)
        positions = np.flatnonzero(explained.to_numpy(zero_copy_only=False))
        described = described_part(plan, number).take(positions)
    declared = feature_set(business)
    texts: list[str | None] = []
    if positions.size:
        frame = feature_frame(described, declared)
        reasons = explain(
            _model(plan.folder), frame, declared,
            language=business.language, currency=business.currency, threads=workspace.threads,
        )  # fmt: skip
        texts = [to_json(one) for one in reasons]
    rows = pa.table({"position": pa.array(positions + start, pa.int64()), "reasons": pa.array(texts, pa.string())})
    with disk_errors(plan.folder):
        write(path, rows)
    return int(rows.num_rows)


def described_part(plan: ScorePlan, number: int) -> pa.Table:
    """The features of a finished part: on disk, and in memory only where they are looked at."""
    rows = read(_part_file(plan, number))
    return rows.select(list(range(rows.num_columns - 1)))


def described_parts(plan: ScorePlan) -> pa.Table:
    """The features of all customers, ordered by key: on disk, and in memory only where they are looked at."""
    import pyarrow as pa

    parts = [described_part(plan, number).replace_schema_metadata(None) for number in range(plan.part_count)]
    return pa.concat_tables(parts)


def scored_customers(plan: ScorePlan) -> tuple[Any, Floats]:
    """The keys of all customers in order, and the probability of each; shape (n,) both."""
    ids, found = [], []
    for number in range(plan.part_count):
        rows = read(_part_file(plan, number))
        ids.append(np.asarray(rows["customer_id"].to_numpy(zero_copy_only=False), dtype=object))
        found.append(np.asarray(rows.column(rows.num_columns - 1).to_numpy(), dtype=np.float64))
    return np.concatenate(ids), np.concatenate(found)


def keep_line(plan: ScorePlan, above: Flags, explained: Flags) -> None:
    """Write down who is above the line and who is told a reason, for the parts to read."""
    import pyarrow as pa

    with disk_errors(plan.folder):
        write(Path(plan.folder) / _LINE, pa.table({"is_above": pa.array(above), "is_explained": pa.array(explained)}))


def line_of(plan: ScorePlan) -> Flags:
    """Who is above the line, shape (n,)."""
    return np.asarray(read(Path(plan.folder) / _LINE)["is_above"].to_numpy(zero_copy_only=False), dtype=np.bool_)


def reasons_of(plan: ScorePlan) -> list[str | None]:
    """The reasons of every customer in order, as JSON; None of those who are told none."""
    texts: list[str | None] = [None] * plan.customer_count
    for number in range(plan.part_count):
        rows = read(_reasons_file(plan, number))
        for position, text in zip(rows["position"].to_pylist(), rows["reasons"].to_pylist(), strict=True):
            texts[position] = text
    return texts


def remove_parts(plan: ScorePlan) -> None:
    """Remove what the plan left: the day is written, or its data must be mended first."""
    shutil.rmtree(plan.folder, ignore_errors=True)


def remove_parts_of_day(workspace: Workspace, churn: Churn, as_of: date) -> None:
    """Remove the parts of a day that is written: who wrote it was killed before it could, and they hold people's data.

    The flow's lock keeps the living away.
    """
    for left in (workspace.folder / "parts").glob(f"{churn.name}-{as_of}-*"):
        shutil.rmtree(left, ignore_errors=True)


def refuse_other_tables(workspace: Workspace, plan: ScorePlan) -> None:
    """Refuse to go on with a plan when the tables that this process reads are not those that the plan was made from.

    Raises:
        TablesChanged: rows came in meanwhile, or this process reads another warehouse.
    """
    churn = workspace.business.churn_named(plan.churn)
    if known_by(workspace, churn, plan.as_of, plan.model_version) != plan.key:
        raise TablesChanged(
            f"scores of {plan.as_of}: the tables changed while customers were described, or a worker reads another "
            "warehouse than this process (HOLDBACK_DATABASE_URL must be the same for both). No score was written. "
            "Run it again when nothing is being loaded."
        )


def known_by(workspace: Workspace, churn: Churn, as_of: date, version: str) -> str:
    """Name all that a day's scores depend on: model, statements, warehouse, versions of the tables that they read."""
    business, warehouse = workspace.business, workspace.warehouse
    clock, corrected = Clock.of(business, as_of), corrected_tables(warehouse)
    spoken = [spine_sql(business, churn, clock, corrected=corrected)]
    spoken += compile_features(feature_set(business), clock, corrected=corrected).values()
    words = {word for sql in spoken for word in _WORD.findall(sql)}
    versions = [(table, warehouse.version(table)) for table in sorted(words & set(business.tables))]
    place = type(warehouse).__name__
    seen = (installed("holdback"), business.model_dump_json(), version, spoken, place, versions)
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _remove_others(folder: Path, churn: Churn) -> None:
    """Remove what dead runs of this definition left; the flow's lock keeps the living away."""
    if folder.parent.is_dir():
        for other in folder.parent.iterdir():
            if other != folder and other.name.lstrip(".").startswith(f"{churn.name}-"):
                shutil.rmtree(other, ignore_errors=True)


@lru_cache(maxsize=1)
def _model(folder: str) -> ChurnModel:
    return load(Path(folder) / _MODEL)


def _part_file(plan: ScorePlan, number: int) -> Path:
    # Another division of the same customers has other files.
    return Path(plan.folder) / f"part-{plan.customers_per_part}-{number:03d}.arrow"


def _reasons_file(plan: ScorePlan, number: int) -> Path:
    return Path(plan.folder) / f"reasons-{plan.customers_per_part}-{number:03d}.arrow"
