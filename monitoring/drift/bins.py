"""Bins of a reference, fixed once per model version, and one SQL pass that counts any day's rows in them.

Numbers are cut at the reference's deciles, so one outlier moves nothing. A value that many customers share (an atom:
the zero of a count) gets a bin of its own, else a shift inside the widened bin would be invisible. Categories keep
their fifteen largest values, ``other`` for the rest that the reference knows, and ``new`` for what it never saw. Null
is the last bin of every column.

The largest values are chosen on one half of the reference's customers and counted on the other half: the winners of a
draw look larger in that draw than they are, and with 50 equal categories that alone is "drift" on 4 days of 10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

    from holdback.warehouse import Warehouse

Kind = Literal["number", "category"]

QUANTILES = tuple(i / 10 for i in range(1, 10))
VALUES_AT_ONCE = 10_000_000
"""Values of which one statement finds the quantiles: what it holds of them (twice 8 bytes each) it cannot spill."""
TOP_VALUES = 15
KNOWN_VALUES = 500
"""Categories remembered by name. Of a column with more, a value beyond them is new when it has become so common that it
would have been among them: its tail changes every day."""
_CHOOSING_HALF = "(md5(customer_id) < '8')"


@dataclass(frozen=True, slots=True)
class ColumnBins:
    """How one column is cut, and how many reference rows lie in each bin.

    Attributes:
        name: The column.
        kind: ``number`` or ``category``.
        edges: Numbers: bin i holds ``edges[i-1] <= x < edges[i]``; empty when every reference value is null.
        atoms: Numbers: edges whose bin holds, in the reference, that one value only.
        values: Categories: the largest ones, one bin each.
        tail: Categories beyond those that the reference knows; together they are the bin ``other``.
        is_tail_complete: False when the reference has more than :data:`KNOWN_VALUES` values.
        singleton_count: Categories that exactly one customer of the reference had; their share estimates how much of
            another sample is unseen (Good 1953), so the first sight of a rare value is not taken for a new one.
        counts: Reference rows per bin; the last is null, for categories ``other`` and ``new`` stand before it, and the
            rows are those of one half of the customers.
    """

    name: str
    kind: Kind
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    atoms: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    is_tail_complete: bool = True
    singleton_count: int = 0

    @property
    def bin_count(self) -> int:
        """Bins, the one for null included."""
        return len(self.edges) + 2 if self.kind == "number" else len(self.values) + 3

    @property
    def row_count(self) -> int:
        """Reference rows counted, nulls included."""
        return sum(self.counts)

    @property
    def null_count(self) -> int:
        """Reference rows without a value."""
        return self.counts[-1]

    def histogram_sql(self) -> str:
        """Return the SQL aggregate that counts rows: a map that :meth:`counted` turns into rows per bin."""
        column = quoted(self.name)
        if self.kind == "number":
            # The engine's bins hold their upper end; ours hold the lower one. Below zero the two change places.
            value = f"-{number(self.name)}"
            ends = ", ".join(f"'{-edge!r}'::double" for edge in reversed(self.edges))
            bins = f"histogram({value}, [{ends}])" if self.edges else "map([], [])::map(double, ubigint)"
            return f"struct_pack(bins := {bins}, known := count({value}), rows := count(*))"
        top, other, new, null = (len(self.values) + i for i in range(4))
        seen = ", ".join(literal(value) for value in (*self.values, *self.tail))
        place = f"list_position([{seen}]::varchar[], {column}::varchar)"
        beyond = new - 1 if self.is_tail_complete else other - 1
        return (
            f"histogram(case when {column} is null then {null - 1} "
            f"when coalesce({place}, 0) = 0 then {beyond} else least({place}, {top + 1}) - 1 end)"
        )

    def counted(self, found: Any) -> tuple[int, ...]:
        """Return rows per bin from what :meth:`histogram_sql` found."""
        if self.kind == "category":
            by_bin = dict(found or ())
            return tuple(int(by_bin.get(b, 0)) for b in range(self.bin_count))
        by_end = dict(found["bins"] or ())
        above = [int(by_end.get(-edge, 0)) for edge in self.edges]
        return (found["known"] - sum(above), *above, found["rows"] - found["known"])


@dataclass(frozen=True, slots=True)
class Reference:
    """The bins of every column, over the rows a model learned from.

    Attributes:
        columns: One entry per column, in the feature set's order.
        row_count: Rows counted.
        customer_count: Distinct customers among them: the size that counts in a test, as the monthly rows of one
            customer repeat each other.
        as_of_from: First day of the rows, ISO.
        as_of_to: Last day of the rows, ISO.
    """

    columns: tuple[ColumnBins, ...]
    row_count: int
    customer_count: int
    as_of_from: str = ""
    as_of_to: str = ""


def quoted(name: str) -> str:
    """Quote an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def number(name: str) -> str:
    """SQL of a column as a number; what is not a number is null."""
    return f"nullif({quoted(name)}::double, 'nan'::double)"


def reference_bins(
    warehouse: Warehouse,
    relation: str,
    kinds: Mapping[str, Kind],
    *,
    frames: Mapping[str, pa.Table] | None = None,
) -> Reference:
    """Cut every column of ``relation`` into bins and count its rows in them, in a few SQL passes.

    Args:
        warehouse: Where the relation lives.
        relation: A table, or a SELECT in parentheses, with ``customer_id``, ``as_of`` and the columns of ``kinds``.
        kinds: Column -> ``number`` or ``category``.
        frames: Relations that the SQL names and that are not in the warehouse.

    Returns:
        The reference; a relation without rows gives one with ``row_count`` 0.
    """
    names = {kind: [name for name, its in kinds.items() if its == kind] for kind in ("number", "category")}
    cuts = _edges(warehouse, relation, names["number"], frames or {})
    numbers = [ColumnBins(name, "number", (), edges=edges, atoms=atoms) for name, (edges, atoms) in cuts.items()]
    counts = bin_counts(warehouse, relation, numbers, frames=frames)
    bins = {column.name: replace(column, counts=counts[column.name]) for column in numbers}
    bins |= _values(warehouse, relation, names["category"], frames or {})
    size = warehouse.query(
        "select count(*) as n, count(distinct customer_id) as customers, min(as_of)::varchar as first_on, "
        f"max(as_of)::varchar as last_on from {relation} as _rows",
        frames=frames or {},
    ).to_pylist()[0]
    return Reference(
        columns=tuple(bins[name] for name in kinds),
        row_count=size["n"],
        customer_count=size["customers"],
        as_of_from=size["first_on"] or "",
        as_of_to=size["last_on"] or "",
    )


def bin_counts(
    warehouse: Warehouse,
    relation: str,
    columns: Sequence[ColumnBins],
    *,
    frames: Mapping[str, pa.Table] | None = None,
) -> dict[str, tuple[int, ...]]:
    """Count the rows of ``relation`` in each column's bins, in one SQL pass over all rows.

    Returns:
        Column -> rows per bin (:attr:`ColumnBins.bin_count` of them).
    """
    if not columns:
        return {}
    histograms = ", ".join(f"{column.histogram_sql()} as c{i}" for i, column in enumerate(columns))
    row = warehouse.query(f"select {histograms} from {relation} as _rows", frames=frames or {}).to_pylist()[0]
    return {column.name: column.counted(row[f"c{i}"]) for i, column in enumerate(columns)}


def largest_unknown(
    warehouse: Warehouse,
    relation: str,
    columns: Sequence[ColumnBins],
    *,
    frames: Mapping[str, pa.Table] | None = None,
) -> dict[str, int]:
    """Return, for columns with more values than are remembered, the rows of the commonest value beyond those."""
    found = {}
    for column in columns:
        if column.kind == "category" and not column.is_tail_complete:
            largest = new_values(warehouse, relation, column, at_least=1, frames=frames)
            found[column.name] = largest[0][1] if largest else 0
    return found


def new_values(
    warehouse: Warehouse,
    relation: str,
    column: ColumnBins,
    *,
    at_least: int,
    frames: Mapping[str, pa.Table] | None = None,
) -> tuple[tuple[str, int], ...]:
    """Return the largest values that the reference never saw, with their rows; none rarer than ``at_least``."""
    name = quoted(column.name)
    seen = ", ".join(literal(value) for value in (*column.values, *column.tail))
    found = warehouse.query(
        f"select {name}::varchar as value, count(*) as n from {relation} as _rows where {name} is not null "
        f"and coalesce(list_position([{seen}]::varchar[], {name}::varchar), 0) = 0 "
        f"group by all having count(*) >= {int(at_least)} order by n desc, value limit 3",
        frames=frames or {},
    )
    return tuple((row["value"], row["n"]) for row in found.to_pylist())


def _deciles(
    warehouse: Warehouse, relation: str, numbers: Sequence[str], frames: Mapping[str, pa.Table]
) -> dict[str, list[float]]:
    """Return the deciles of each column, none of an empty one. DuckDB holds all values that it is asked about."""
    counted = warehouse.query(f"select count(*) as n from {relation} as _rows", frames=frames)["n"][0].as_py()
    at_once = max(1, VALUES_AT_ONCE // max(1, int(counted)))
    levels = ", ".join(str(level) for level in QUANTILES)
    found: dict[str, list[float]] = {}
    for start in range(0, len(numbers), at_once):
        names = numbers[start : start + at_once]
        asked = [f"quantile_disc({number(name)}, [{levels}]) as q{i}" for i, name in enumerate(names)]
        rows = warehouse.query(f"select {', '.join(asked)} from {relation} as _rows", frames=frames).to_pylist()
        found |= {name: [float(q) for q in rows[0][f"q{i}"] or ()] for i, name in enumerate(names)}
    return found


def _edges(
    warehouse: Warehouse, relation: str, numbers: Sequence[str], frames: Mapping[str, pa.Table]
) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Return per column its edges and its atoms."""
    if not numbers:
        return {}
    cuts = _deciles(warehouse, relation, numbers, frames)
    atoms = [(name, q) for name, qs in cuts.items() for q in sorted({q for q in qs if qs.count(q) > 1})]
    if atoms:
        after = warehouse.query(
            "select "
            + ", ".join(
                f"min({number(name)}) filter (where {number(name)} > '{q!r}'::double) as a{i}"
                for i, (name, q) in enumerate(atoms)
            )
            + f" from {relation} as _rows",
            frames=frames,
        ).to_pylist()[0]
        for i, (name, q) in enumerate(atoms):
            above = after[f"a{i}"]  # null when the atom is the largest value: then anything above it is news
            cuts[name].append(nextafter(q, inf) if above is None else float(above))
    return {name: (tuple(sorted(set(qs))), tuple(q for n, q in atoms if n == name)) for name, qs in cuts.items()}


def _values(
    warehouse: Warehouse, relation: str, categories: Sequence[str], frames: Mapping[str, pa.Table]
) -> dict[str, ColumnBins]:
    """Return per column its bins and their rows: each column's values are grouped once, for both halves."""
    if not categories:
        return {}
    # Who is of which half is found out once for all columns, and a value's customers are not counted: one or more.
    cast = ", ".join(f"{quoted(name)}::varchar as v{i}" for i, name in enumerate(categories))
    halved = f"with _halved as (select customer_id, {_CHOOSING_HALF} as is_choosing, {cast} from {relation} as _rows)"
    each = [
        f"(with sizes as (select v{i} as value, count(*) filter (where is_choosing) as n, "
        "count(*) filter (where not is_choosing) as counted, "
        f"min(customer_id) = max(customer_id) as is_single from _halved group by v{i}) "
        f"select {i} as place, value, n, counted, (select count(value) from sizes) as value_count, "
        "(select count(value) from sizes where is_single) as singletons, "
        "(select sum(counted)::bigint from sizes where value is not null) as all_counted, "
        "(select sum(counted)::bigint from sizes where value is null) as nulls "
        f"from sizes order by n desc, value limit {KNOWN_VALUES} + 1)"
        for i in range(len(categories))
    ]
    found: dict[int, list[dict[str, Any]]] = {}
    query = f"{halved} select * from ({' union all '.join(each)}) order by place, n desc, value"
    for row in warehouse.query(query, frames=frames).to_pylist():
        found.setdefault(row["place"], []).append(row)
    return {name: _category(name, found.get(i, [])) for i, name in enumerate(categories)}


def _category(name: str, rows: Sequence[Mapping[str, Any]]) -> ColumnBins:
    """Return the bins of a category from its values, the largest first, null among them."""
    if not rows:
        return ColumnBins(name, "category", (0, 0, 0))
    known = [row for row in rows if row["value"] is not None][:KNOWN_VALUES]
    values = tuple(row["value"] for row in known)
    top = [row["counted"] for row in known[:TOP_VALUES]]
    others, nulls = (rows[0]["all_counted"] or 0) - sum(top), rows[0]["nulls"] or 0
    return ColumnBins(
        name,
        "category",
        (*top, others, 0, nulls),
        values=values[:TOP_VALUES],
        tail=values[TOP_VALUES:],
        is_tail_complete=rows[0]["value_count"] <= KNOWN_VALUES,
        singleton_count=rows[0]["singletons"],
    )
