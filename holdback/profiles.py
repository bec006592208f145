"""What a batch looks like, in numbers small enough to keep for ever, and how far the next one is from it.

A number is counted in bins whose limits never depend on the data (half an octave each, by sign, zero apart), a category
by its most frequent values; so the profiles of any batches can be added up. Null is a bin of its own.

Drift is the population stability index against the batches before, minus the value that chance alone gives. Rows of one
customer resemble each other, so chance is reckoned with customers, not rows, where a batch has several rows of one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from holdback.tables import Column

if TYPE_CHECKING:
    import duckdb

    from holdback.mapping import Shape

#: Names and keys have as many values as rows, and words of customers are nobody's statistic.
_NOT_PROFILED = frozenset({"customer_id", "order_id", "household_id", "contact_key", "subscription_id", "remark"})
_VALUES_KEPT = 100
_QUANTILES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)

#: Earlier batches that a new one is compared with, at most.
REFERENCE_BATCHES = 30
#: With fewer units on either side the index says more about chance than about the data.
_FEWEST_UNITS = 50
#: Bins that hold less of the reference than this are one bin.
_SMALLEST_SHARE = 0.01


@dataclass(frozen=True)
class ColumnProfile:
    """One column of one batch.

    Args:
        column_name: Stored name.
        row_count: Clean rows in the batch.
        unit_count: Customers among them: what chance is reckoned with.
        figures: null_share, and for numbers mean, whole_share, negative_share.
        quantiles: Of numbers, by their order in [0, 1].
        shares: Share of all rows by bin or value; what is missing to one is null or another value.
    """

    column_name: str
    row_count: int
    unit_count: int
    figures: Mapping[str, float]
    shares: Mapping[str, float]
    quantiles: Mapping[str, float] = field(default_factory=dict)

    @property
    def null_share(self) -> float:
        """Share of rows without a value."""
        return self.figures["null_share"]


@dataclass(frozen=True)
class Drift:
    """How far one column of a batch is from the batches before it.

    Args:
        column_name: Stored name.
        psi: Population stability index.
        chance: What it would be on average with no drift at all.
    """

    column_name: str
    psi: float
    chance: float

    @property
    def excess(self) -> float:
        """The index beyond chance."""
        return self.psi - self.chance


def profiled_columns(shape: Shape) -> tuple[Column, ...]:
    """Return the columns of a feed whose distribution means something."""
    return tuple(
        f.column
        for f in shape.fields
        if f.column.name not in _NOT_PROFILED and f.column.type not in ("date", "instant")
    )


def profile_batch(connection: duckdb.DuckDBPyConnection, shape: Shape, relation: str) -> tuple[ColumnProfile, ...]:
    """Profile the rows of a relation; an empty one has no profile."""
    columns = profiled_columns(shape)
    if not columns:
        return ()
    counts = connection.sql(f"select count(*), count(distinct customer_id) from {relation}").fetchall()[0]
    if not counts[0]:
        return ()
    shares = _shares(connection, columns, relation, counts[0])
    figures = {column.name: _figures(connection, column, relation) for column in columns}
    return tuple(
        ColumnProfile(c.name, counts[0], counts[1], figures[c.name][0], shares[c.name], figures[c.name][1])
        for c in columns
    )


def measure_drift(batch: Sequence[ColumnProfile], earlier: Sequence[Sequence[ColumnProfile]]) -> tuple[Drift, ...]:
    """Compare a batch with the accepted batches before it; columns with too little to compare are left out."""
    before: dict[str, list[ColumnProfile]] = defaultdict(list)
    for profile in list(earlier)[-REFERENCE_BATCHES:]:
        for column in profile:
            before[column.column_name].append(column)
    measured = (_drift(column, before[column.column_name]) for column in batch)
    return tuple(drift for drift in measured if drift is not None)


def _drift(column: ColumnProfile, before: Sequence[ColumnProfile]) -> Drift | None:
    rows = sum(profile.row_count for profile in before)
    units = sum(profile.unit_count for profile in before)
    if min(units, column.unit_count) < _FEWEST_UNITS:
        return None
    reference: dict[str, float] = defaultdict(float)
    for profile in before:
        for key, share in _with_rest(profile).items():
            reference[key] += share * profile.row_count / rows
    current = _with_rest(column)
    kept = [key for key, share in reference.items() if share >= _SMALLEST_SHARE and key != "rest"]
    bins = [(reference[key], current.get(key, 0.0)) for key in kept]
    bins.append((1 - sum(p for p, _ in bins), 1 - sum(q for _, q in bins)))
    psi = 0.0
    for p, q in bins:
        # Half a unit more in each bin: an empty one must not make the index infinite.
        smooth_p = (max(p, 0) * units + 0.5) / (units + 0.5 * len(bins))
        smooth_q = (max(q, 0) * column.unit_count + 0.5) / (column.unit_count + 0.5 * len(bins))
        psi += (smooth_q - smooth_p) * math.log(smooth_q / smooth_p)
    return Drift(column.column_name, psi, (len(bins) - 1) * (1 / units + 1 / column.unit_count))


def _with_rest(profile: ColumnProfile) -> dict[str, float]:
    """Return the shares with null as a bin of its own; ``rest`` is every value that is not listed."""
    listed = {f"={key}": share for key, share in profile.shares.items()}
    return {**listed, "null": profile.null_share, "rest": 1 - profile.null_share - sum(listed.values())}


def _shares(
    connection: duckdb.DuckDBPyConnection, columns: Iterable[Column], relation: str, row_count: int
) -> dict[str, dict[str, float]]:
    counted = " union all ".join(
        f"select '{c.name}' as column_name, {_bin(c)} as bin, count(*) as n from {relation}"
        f' where "{c.name}" is not null group by all'
        for c in columns
    )
    rows = connection.sql(
        f"select column_name, bin, n from ({counted})"
        f" qualify row_number() over (partition by column_name order by n desc, bin) <= {_VALUES_KEPT}"
    ).fetchall()
    shares: dict[str, dict[str, float]] = {c.name: {} for c in columns}
    for column_name, bin_, count in rows:
        shares[column_name][bin_] = count / row_count
    return shares


def _bin(column: Column) -> str:
    name = f'"{column.name}"'
    if column.type in ("text", "flag"):
        return f"cast({name} as varchar)"
    value = f"cast({name} as double)"
    octave = f"cast(cast(floor(2 * log2(abs({value}))) as integer) as varchar)"
    return f"case when {value} = 0 then '0' when {value} < 0 then '-' || {octave} else '+' || {octave} end"


def _figures(
    connection: duckdb.DuckDBPyConnection, column: Column, relation: str
) -> tuple[dict[str, float], dict[str, float]]:
    name = f'"{column.name}"'
    missing = f"1 - count({name}) / cast(count(*) as double)"
    distinct = f"count(distinct {name}) / cast(count(*) as double)"
    if column.type in ("text", "flag"):
        row = connection.sql(f"select {missing}, {distinct} from {relation}").fetchall()[0]
        return {"null_share": row[0], "distinct_share": row[1]}, {}
    unit = 100 if column.type == "money" else 1
    row = connection.sql(
        f"select {missing}, {distinct}, avg({name}), avg(cast({name} % {unit} = 0 as integer)),"
        f" avg(cast({name} < 0 as integer)), quantile_cont({name}, {list(_QUANTILES)}) from {relation}"
    ).fetchall()[0]
    figures = dict(zip(("null_share", "distinct_share", "mean", "whole_share", "negative_share"), row, strict=False))
    present = {key: float(value) for key, value in figures.items() if value is not None}
    return present, {f"{q:g}": float(v) for q, v in zip(_QUANTILES, row[5] or (), strict=False)}


def profile_rows(profiles: Sequence[ColumnProfile]) -> list[dict[str, Any]]:
    """Return the rows of the table ``profiles``, without the batch they belong to."""
    rows: list[dict[str, Any]] = []
    for profile in profiles:
        listed: list[tuple[str, str | None, float]] = [("unit_count", None, float(profile.unit_count))]
        listed += [(name, None, value) for name, value in profile.figures.items()]
        listed += [("quantile", key, value) for key, value in profile.quantiles.items()]
        listed += [("share", key, value) for key, value in profile.shares.items()]
        rows += [
            {
                "column_name": profile.column_name,
                "statistic": statistic,
                "key": key,
                "value": value,
                "row_count": profile.row_count,
            }
            for statistic, key, value in listed
        ]
    return rows


def profiles_from_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[ColumnProfile, ...]:
    """Rebuild the profile of one batch from its rows in ``profiles``."""
    by_column: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_column[row["column_name"]].append(row)
    profiles = []
    for name, its_rows in by_column.items():
        figures = {r["statistic"]: r["value"] for r in its_rows if r["statistic"] not in ("share", "quantile")}
        units = int(figures.pop("unit_count"))
        shares = {r["key"]: r["value"] for r in its_rows if r["statistic"] == "share"}
        quantiles = {r["key"]: r["value"] for r in its_rows if r["statistic"] == "quantile"}
        profiles.append(ColumnProfile(name, its_rows[0]["row_count"], units, figures, shares, quantiles))
    return tuple(profiles)
