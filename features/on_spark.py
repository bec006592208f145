"""The same statements in Spark: a warehouse whose every ``query`` is rendered and computed there.

Whatever takes a :class:`holdback.warehouse.Warehouse` (spine, features, labels, triggers, segments, outcomes of
campaigns) computes in Spark when it is given :class:`OnSpark`, and returns the same: there is no second version of
anything. The conformance suite compares every column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from features.clocks import Clock
from features.compiler import compile_features
from features.dialects import render, tables_in, taken_apart
from holdback.warehouse.spark import Spark

if TYPE_CHECKING:
    import pyarrow as pa

    from features.declarations import FeatureSet
    from holdback.business import Business
    from holdback.warehouse import Lake

_ORDERED = "order by customer_id\n"

#: Spark computes a step anew wherever it is named, and so the steps in it: with more computations than this, those that
#: are named more than once are written down.
MOST_COMPUTATIONS = 60


@dataclass(frozen=True)
class OnSpark:
    """A warehouse that computes in Spark and writes where it always wrote.

    Args:
        spark: The tables in Spark.
    """

    spark: Spark

    @classmethod
    def of(cls, lake: Lake, master: str) -> OnSpark:
        """Return a lake's tables, computed at a master."""
        return cls(Spark(lake, master))

    def query(self, sql: str, *, frames: Mapping[str, pa.Table] | None = None) -> pa.Table:
        """See :meth:`holdback.warehouse.Warehouse.query`; the statement is written in DuckDB's SQL as everywhere."""
        with self.spark.alone(), self._prepared(render(sql, "spark"), frames or {}) as (last, given):
            return self.spark.query(last, frames=given)

    def relation(self, sql: str, frames: Mapping[str, Any] | None = None) -> Any:
        """Return the same as a ``DataFrame``, of which nothing is computed yet."""
        return self.spark.relation(render(sql, "spark"), frames)

    @contextmanager
    def _prepared(self, sql: str, frames: Mapping[str, pa.Table]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What is left to ask once the steps that many others name are computed."""
        steps, last = taken_apart(sql)
        uses = Counter(name for step in (*steps.values(), last) for name in tables_in(step))
        if _computations(steps, last) <= MOST_COMPUTATIONS:
            yield sql, frames
            return
        with self.spark.folder() as folder:
            given = self.spark.given(frames)
            for name, step in steps.items():
                relation = self.spark.relation(step, {n: given[n] for n in tables_in(step) if n in given})
                given[name] = self.spark.kept(relation, folder / name) if uses[name] > 1 else relation
            yield last, {name: given[name] for name in tables_in(last) if name in given}

    def append(self, table: str, rows: pa.Table, *, batch: str) -> bool:
        """See :meth:`holdback.warehouse.Warehouse.append`: the driver commits."""
        return self.spark.lake.append(table, rows, batch=batch)

    def replace_day(self, table: str, as_of: date, rows: pa.Table) -> None:
        """See :meth:`holdback.warehouse.Warehouse.replace_day`: the driver commits."""
        self.spark.lake.replace_day(table, as_of, rows)

    def version(self, table: str) -> int | None:
        """See :meth:`holdback.warehouse.Warehouse.version`."""
        return self.spark.lake.version(table)

    def has_batch(self, table: str, batch: str) -> bool:
        """See :meth:`holdback.warehouse.Warehouse.has_batch`."""
        return self.spark.lake.has_batch(table, batch)

    def corrected(self) -> frozenset[str]:
        """See :meth:`holdback.warehouse.Warehouse.corrected`."""
        return self.spark.lake.corrected()


def describe(on_spark: OnSpark, business: Business, spine: Any, as_of: date, features: FeatureSet) -> Any:
    """Return the features of :func:`features.build.build_features` as a ``DataFrame``, in no order.

    Args:
        on_spark: Where the feeds are.
        business: The company.
        spine: DataFrame ``customer_id, as_of``; written down, because every feed is joined with it.
        as_of: The day of knowledge.
        features: The feature set, or a part of it.
    """
    statements = compile_features(features, Clock.of(business, as_of), corrected=on_spark.corrected())
    described = spine
    # In Spark the number that tells customers apart may be their text: to count them takes all rows to one place.
    numbered = spine.withColumn("customer_number", spine["customer_id"])
    for sql in statements.values():
        # Sorting is for who reads the rows one after the other; here the next join would undo it.
        part = on_spark.relation(sql.removesuffix(_ORDERED), {"spine": numbered})
        described = described.join(part.drop("as_of"), "customer_id", "left")
    return described.select("customer_id", "as_of", *(f"`{name}`" for name in features.names))


def _computations(steps: Mapping[str, str], last: str) -> int:
    """How many steps Spark would compute, each as often as it is named."""
    sizes: dict[str, int] = {}
    for name, step in steps.items():
        sizes[name] = 1 + sum(sizes[other] for other in tables_in(step) if other in sizes)
    return sum(sizes[name] for name in tables_in(last) if name in sizes)
