"""From a declared aggregate to SQL: the measures that the pass over a feed computes, and the expression over them.

Measures are whole numbers, instants or texts; only the final expression turns them into DOUBLE. So a value depends
on the set of rows alone, not on their order or on how threads divided them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from features.clocks import Clock
from features.declarations import Feature
from holdback.sql import literal

#: A trend compares a window with the time before it that is this many times as long.
TREND_TIMES = 3

#: Microseconds from the year 1 to 1970: makes every instant positive.
YEAR_ONE = 62_135_596_800_000_000

#: Room for the positions of a vocabulary beside an instant, in one 64-bit integer.
PLACES = 64

#: Characters of a customer's joined texts that are kept: the newest ones.
MOST_CHARACTERS = 2_000


Operation = Literal[
    "rows",  # how many
    "known",  # rows whose column is known
    "sum",
    "squares",  # sum of the column's squares
    "min",
    "max",
    "newest",  # the column's newest known value; between rows of the same instant, the largest
    "newest_of",  # instant and place in a vocabulary of the newest row with a value of it, in one whole number
    "bits",  # bitwise or
    "texts",
    "value",  # of the one row
]


@dataclass(frozen=True)
class Measure:
    """One aggregate over a feed's prepared rows: a whole number, an instant or a text.

    Args:
        operation: How rows become one value.
        column: SQL expression over a row; None where rows are counted.
        filter: SQL condition on rows.
        since_days: Only rows from the day that begins this many days before ``as_of``.
        until_days: Only rows before the day that begins this many days before ``as_of``.
        vocabulary: The values of a ``newest_of``.
    """

    operation: Operation
    column: str | None = None
    filter: str | None = None
    since_days: int | None = None
    until_days: int | None = None
    vocabulary: tuple[str, ...] = ()

    def sql(self, clock: Clock) -> str:
        """Write the aggregate for one day.

        A condition stands inside of the aggregate where it can: DuckDB divides the rows once for every ``filter``,
        which costs half as much again for 28 counts of one feed.
        """
        is_of_known = self.operation in ("newest", "texts")
        window = _between(self.since_days, self.until_days, clock)
        held = [part for part in (f"{self.column} is not null" if is_of_known else None, self.filter, window) if part]
        condition = " and ".join(held)
        value = _VALUES.get(self.operation, "{column}").format(column=self.column, place=self.place)
        if condition and self.operation == "rows":
            return f"count(case when {condition} then 1 end)"
        if condition and not is_of_known:
            value = f"case when {condition} then {value} end"
        aggregate = _AGGREGATES[self.operation].format(value=value)
        return f"{aggregate} filter (where {condition})" if is_of_known else aggregate

    @property
    def place(self) -> str:
        """SQL of the position of the column's value in the vocabulary; null for another value."""
        cases = " ".join(f"when {literal(value)} then {place}" for place, value in enumerate(self.vocabulary))
        return f"case {self.column} {cases} end"


#: What of a row is aggregated, where it is not the column itself. Squares of lifetimes fit into 64 bits, their sum does
#: not: Spark does not widen it by itself. Time and position in one whole number: its maximum costs a fifth of an
#: ``arg_max`` over texts.
_VALUES: Mapping[Operation, str] = {
    "squares": "cast({column} * {column} as hugeint)",
    "newest_of": f"(epoch_us(event_at) + {YEAR_ONE}) * {PLACES} + {{place}}",
}

_AGGREGATES: Mapping[Operation, str] = {
    "rows": "count(*)",
    "known": "count({value})",
    "sum": "sum({value})",
    "squares": "sum({value})",
    "min": "min({value})",
    "max": "max({value})",
    "newest": "arg_max({value}, row(event_at, {value}))",
    "newest_of": "max({value})",
    "bits": "bit_or({value})",
    "texts": "string_agg({value}, ' ' order by event_at desc, {value} desc)",
    "value": "{value}",
}


@dataclass
class Measures:
    """The measures of one feed's pass, each computed once however many features ask for it.

    Args:
        clock: The day of knowledge.
        relation: Name of the step that computes them.
        named: Name of each measure, in order of first use.
    """

    clock: Clock
    relation: str
    named: dict[Measure, str] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, str]:
        """Name by SQL."""
        return {measure.sql(self.clock): name for measure, name in self.named.items()}

    def expression(self, feature: Feature) -> str:
        """Return the SQL of one feature over this pass' measures, before the final cast; register what it needs."""
        return _EXPRESSIONS[feature.aggregate](self, feature)

    def measure(self, name: str, measure: Measure) -> str:
        """Register a measure and return how to name it; an equal one is reused."""
        return f'{self.relation}."{self.named.setdefault(measure, name)}"'

    def over_window(self, name: str, feature: Feature, operation: Operation, column: str | None = None) -> str:
        """Register a measure over the rows of a feature: its filter and its window."""
        return self.measure(name, Measure(operation, column, feature.filter, *_days_of(feature)))


def window_of(feature: Feature, clock: Clock) -> str | None:
    """SQL of a feature's half-open window; the upper end is a condition only when it is not ``as_of``."""
    return _between(*_days_of(feature), clock)


def _days_of(feature: Feature) -> tuple[int | None, int | None]:
    """Days before ``as_of`` at which a feature's window begins and ends; None for no limit."""
    if feature.window_days is None:
        return None, None
    reach = feature.window_days * (1 + TREND_TIMES) if feature.aggregate == "trend" else feature.window_days
    return reach + feature.ends_days_ago, feature.ends_days_ago or None


def _between(since_days: int | None, until_days: int | None, clock: Clock) -> str | None:
    since = [f"event_at >= {clock.days_ago(since_days)}"] if since_days is not None else []
    until = [f"event_at < {clock.days_ago(until_days)}"] if until_days is not None else []
    return " and ".join([*since, *until]) or None


def condition_of(feature: Feature, clock: Clock) -> str:
    """SQL that is true for the prepared rows a feature is computed from."""
    held = [part for part in (feature.filter, window_of(feature, clock)) if part]
    if feature.aggregate in ("last", "texts"):
        held.insert(0, f"{feature.column} is not null")
    return " and ".join(held) or "true"


def _count(m: Measures, f: Feature) -> str:
    return m.over_window(f.name, f, "rows")


def _sum(m: Measures, f: Feature) -> str:
    return _scaled(m.over_window(f.name, f, "sum", f.column), f)


def _mean(m: Measures, f: Feature) -> str:
    total = m.over_window(f"{f.name}__sum", f, "sum", f.column)
    known = m.over_window(f"{f.name}__count", f, "known", f.column)
    return _scaled(f"{_double(total)} / nullif({_double(known)}, 0e0)", f)


def _extreme(m: Measures, f: Feature) -> str:
    return _scaled(m.over_window(f.name, f, "max" if f.aggregate == "max" else "min", f.column), f)


def _last(m: Measures, f: Feature) -> str:
    last = m.over_window(f.name, f, "newest", f.column)
    return _scaled(last, f) if f.kind == "number" else last


def _last_of(m: Measures, f: Feature) -> str:
    newest = Measure("newest_of", f.column, f.filter, *_days_of(f), f.vocabulary)
    place = f"{m.measure(f.name, newest)} % {PLACES}"
    values = " ".join(f"when {place} then {literal(value)}" for place, value in enumerate(f.vocabulary))
    return f"case {place} {values} end"


def _distinct(m: Measures, f: Feature) -> str:
    return f"bit_count({m.over_window(f.name, f, 'bits', f.column)})"


def _share(m: Measures, f: Feature) -> str:
    if f.column is None:
        part = m.over_window(f"{f.name}__part", f, "rows")
        whole = m.measure(f"{f.name}__whole", Measure("rows", None, None, *_days_of(f)))
    else:
        part = m.over_window(f"{f.name}__part", f, "sum", f.column)
        whole = m.over_window(f"{f.name}__whole", f, "sum", f.over or f.column)
    return f"{_double(part)} / nullif({_double(whole)}, 0e0)"


def _days_since(m: Measures, f: Feature) -> str:
    extreme: Operation = "max" if f.aggregate == "days_since_last" else "min"
    return m.clock.full_days_since(m.over_window(f.name, f, extreme, "event_at"))


def _gap_mean(m: Measures, f: Feature) -> str:
    total, count, _ = _gap_measures(m, f)
    return f"{_double(total)} / nullif({_double(count)}, 0e0) / 86400e0"


def _gap_sd(m: Measures, f: Feature) -> str:
    total, count, squares = (_double(name) for name in _gap_measures(m, f))
    variance = f"greatest({count} * {squares} - {total} * {total}, 0e0) / ({count} * ({count} - 1e0))"
    return f"case when {count} >= 2e0 then sqrt({variance}) / 86400e0 end"


def _gap_measures(m: Measures, f: Feature) -> tuple[str, str, str]:
    return (
        m.over_window(f"{f.name}__sum", f, "sum", f.column),
        m.over_window(f"{f.name}__count", f, "known", f.column),
        m.over_window(f"{f.name}__squares", f, "squares", f.column),
    )


def _trend(m: Measures, f: Feature) -> str:
    assert f.window_days is not None
    operation: Operation = "rows" if f.column is None else "sum"
    since, _ = _days_of(f)
    recent = m.measure(f"{f.name}__recent", Measure(operation, f.column, f.filter, f.window_days))
    earlier = m.measure(f"{f.name}__before", Measure(operation, f.column, f.filter, since, f.window_days))
    return f"{TREND_TIMES}e0 * coalesce({_double(recent)}, 0e0) / nullif({_double(earlier)}, 0e0)"


def _texts(m: Measures, f: Feature) -> str:
    return f"left({m.over_window(f.name, f, 'texts', f.column)}, {MOST_CHARACTERS})"


def _value(m: Measures, f: Feature) -> str:
    return m.measure(f.name, Measure("value", f.column))


def _double(expression: str) -> str:
    return f"cast({expression} as double)"


def _scaled(expression: str, f: Feature) -> str:
    return f"{_double(expression)} / {f.divided_by:g}e0" if f.divided_by != 1 else expression


_EXPRESSIONS: Mapping[str, Callable[[Measures, Feature], str]] = {
    "count": _count,
    "sum": _sum,
    "mean": _mean,
    "min": _extreme,
    "max": _extreme,
    "last": _last,
    "last_of": _last_of,
    "distinct": _distinct,
    "share": _share,
    "days_since_last": _days_since,
    "days_since_first": _days_since,
    "gap_mean_days": _gap_mean,
    "gap_sd_days": _gap_sd,
    "trend": _trend,
    "texts": _texts,
    "value": _value,
}
