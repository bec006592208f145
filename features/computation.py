"""Compute the feature table of a day, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from features.clocks import Clock
from features.compiler import compile_features
from features.corrections import corrected_tables
from features.declarations import FeatureSet
from features.families import feature_set
from features.spine import build_spine, numbered
from holdback.business import Business, Churn
from holdback.errors import DataError
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of a feed in one step at most: what keeps memory bounded, whatever the number of customers.
ROWS_PER_STEP = 2_500_000

#: Customers in one step at most: of 64 features a step of 25,000 needs 50 MB less than one of 50,000.
CUSTOMERS_PER_STEP = 25_000

#: Steps that most statements describe at once: lines of orders take as much memory as all else for twice the customers.
STEPS_AT_ONCE = 2

#: Values (customers times features) in one step at most: the width of the result counts too.
VALUES_PER_STEP = 3_400_000

#: Values of several steps at most that are found at once.
VALUES_AT_ONCE = 2_000_000


def build_features(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    spine: pa.Table | None = None,
    features: FeatureSet | None = None,
) -> pa.Table:
    """Return the features of the customers that a churn definition describes on a day.

    A pure function of what the warehouse knew at ``as_of``: run again, tomorrow or with other threads, it returns
    the same bits. The result itself needs 8 bytes per value; :func:`feature_steps` yields it in parts.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions; says whom the day describes.
        as_of: The day of knowledge: nothing that happened or was loaded later is visible.
        spine: ``customer_id, as_of`` of other customers than the definition's, each once.
        features: A part of the business' feature set (:func:`features.compiler.only`); all of it by default.

    Returns:
        ``customer_id, as_of`` and one column per feature (numbers DOUBLE, categories text), ordered by customer.

    Raises:
        BusinessFileError: the business file, or one of the company's own feature files, is wrong.
        DataError: an own feature file yields several rows for one customer.

    Examples:
        >>> table = build_features(workspace.warehouse, business, business.churn[0], date(2011, 9, 9))  # doctest: +SKIP
    """
    import pyarrow as pa

    return pa.concat_tables(feature_steps(warehouse, business, churn, as_of, spine=spine, features=features))


def feature_steps(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    spine: pa.Table | None = None,
    features: FeatureSet | None = None,
    step_customers: int | None = None,
) -> Iterator[pa.Table]:
    """Yield the rows of :func:`build_features` in parts, ordered by customer; at least one part, possibly empty.

    ``step_customers``: as :func:`customers_per_step` said of all customers, where ``spine`` is a part of them.
    """
    declared = features if features is not None else feature_set(business)
    if spine is not None:
        rows = spine.select(["customer_id", "as_of"]).sort_by("customer_id")
    else:
        rows = build_spine(warehouse, business, churn, as_of)  # ordered already
    statements = compile_features(declared, Clock.of(business, as_of), corrected=corrected_tables(warehouse))
    size = step_customers or customers_per_step(
        warehouse, declared, rows.num_rows, spine=rows if spine is not None else None
    )
    light = {shape.feed for shape in declared.shapes if shape.role != "transactions"}
    values = size * sum(feature.feed in light for feature in declared)
    at_once = min(STEPS_AT_ONCE, max(1, VALUES_AT_ONCE // max(values, 1)))
    wide = {feed: sql for feed, sql in statements.items() if feed in light}
    narrow = {feed: sql for feed, sql in statements.items() if feed not in light}
    for some in _parts(rows, size * at_once):
        # What these steps found is let go before the next ones find theirs.
        yield from _steps(warehouse, declared, wide, narrow, some, size)


def _steps(
    warehouse: Warehouse,
    features: FeatureSet,
    wide: Mapping[str, str],
    narrow: Mapping[str, str],
    spine: pa.Table,
    size: int,
) -> Iterator[pa.Table]:
    """The steps of some customers: what is ``wide`` is asked of all of them at once, what is ``narrow`` by steps."""
    found = _columns(warehouse, wide, spine)
    for number, step in enumerate(_parts(spine, size)):
        own = {name: column.slice(number * size, size) for name, column in found.items()}
        yield _beside(step, own | _columns(warehouse, narrow, step), features)


def _parts(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    """The rows in parts; at least one."""
    return (rows.slice(start, size) for start in range(0, max(rows.num_rows, 1), size))


def customers_per_step(
    warehouse: Warehouse, features: FeatureSet, customers: int, *, spine: pa.Table | None = None
) -> int:
    """Return how many customers one step may describe, so that neither rows nor values of it are too many.

    Args:
        warehouse: Where the feeds are.
        features: The features.
        customers: How many are described.
        spine: Who they are, where they are a part of all: then their own rows are counted, if it matters. Each step
            reads every file, so that a sample in as many steps as everybody would cost many times what everybody costs.
    """
    most = max(1, min(CUSTOMERS_PER_STEP, VALUES_PER_STEP // max(len(features), 1)))
    if not features.shapes or not customers:
        return most

    def at_most(rows: int) -> int:
        return max(1, min(most, customers * ROWS_PER_STEP // max(rows, 1)))

    size = at_most(_largest_feed(warehouse, features))
    return size if spine is None or size >= min(customers, most) else at_most(_largest_feed(warehouse, features, spine))


def _largest_feed(warehouse: Warehouse, features: FeatureSet, spine: pa.Table | None = None) -> int:
    """Rows of the feed that has the most, of the customers of a spine or of all."""
    own = " where customer_id in (select customer_id from spine)" if spine is not None else ""
    counted = " union all ".join(f'select count(*) as stored from "{shape.feed}"{own}' for shape in features.shapes)
    frames = {"spine": spine} if spine is not None else None
    return int(warehouse.query(f"select max(stored) as stored from ({counted})", frames=frames)["stored"][0].as_py())


def described(
    warehouse: Warehouse,
    features: FeatureSet,
    statements: Mapping[str, str],
    spine: pa.Table,
    *,
    frames: Mapping[str, pa.Table] | None = None,
) -> pa.Table:
    """Run every statement over some customers and put the columns side by side; ``frames`` stand in for tables."""
    return _beside(spine, _columns(warehouse, statements, spine, frames), features)


def _columns(
    warehouse: Warehouse, statements: Mapping[str, str], spine: pa.Table, frames: Mapping[str, pa.Table] | None = None
) -> dict[str, pa.ChunkedArray]:
    """What the statements say of some customers, by feature, in their order."""
    columns: dict[str, pa.ChunkedArray] = {}
    given = {**(frames or {}), "spine": numbered(spine)}
    for feed, sql in statements.items():
        part = warehouse.query(sql, frames=given)
        if part.num_rows != spine.num_rows:
            raise DataError(
                f"features of {feed}: {part.num_rows} rows for {spine.num_rows} customers. The file yields several "
                "rows for a customer. Group it by customer_id."
            )
        columns |= {name: part[name] for name in part.column_names[2:]}
    return columns


def _beside(spine: pa.Table, columns: Mapping[str, pa.ChunkedArray], features: FeatureSet) -> pa.Table:
    """The feature table of some customers."""
    import pyarrow as pa

    keys = {name: spine[name] for name in ("customer_id", "as_of")}
    return pa.table(keys | {name: columns[name] for name in features.names})
