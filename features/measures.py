"""From a declared aggregate to SQL: the measures that the pass over a feed computes, and the expression over them.

Measures are whole numbers, instants or texts; only the final expression turns them into DOUBLE. So a value depends
on the set of rows alone, not on their order or on how threads divided them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

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


@dataclass
class Measures:
    """The measures of one feed's pass, each computed once however many features ask for it.

    Args:
        clock: The day of knowledge.
        relation: Name of the step that computes them.
        columns: Measure name by SQL, in order of first use.
    """

    clock: Clock
    relation: str
    columns: dict[str, str] = field(default_factory=dict)

    def expression(self, feature: Feature) -> str:
        """Return the SQL of one feature over this pass' measures, before the final cast; register what it needs."""
        return _EXPRESSIONS[feature.aggregate](self, feature)

    def measure(self, name: str, aggregate: str, *conditions: str | None) -> str:
        """Register an aggregate under conditions and return how to name it; an equal one is reused."""
        held = [condition for condition in conditions if condition]
        sql = f"{aggregate} filter (where {' and '.join(held)})" if held else aggregate
        return f'{self.relation}."{self.columns.setdefault(sql, name)}"'

    def window(self, feature: Feature) -> str | None:
        """See :func:`window_of`."""
        return window_of(feature, self.clock)


def window_of(feature: Feature, clock: Clock) -> str | None:
    """SQL of a feature's half-open window; the upper end is a condition only when it is not ``as_of``."""
    if feature.window_days is None:
        return None
    reach = feature.window_days * (1 + TREND_TIMES) if feature.aggregate == "trend" else feature.window_days
    since = f"event_at >= {clock.days_ago(reach + feature.ends_days_ago)}"
    until = f" and event_at < {clock.days_ago(feature.ends_days_ago)}" if feature.ends_days_ago else ""
    return since + until


def condition_of(feature: Feature, clock: Clock) -> str:
    """SQL that is true for the prepared rows a feature is computed from."""
    held = [part for part in (feature.filter, window_of(feature, clock)) if part]
    if feature.aggregate in ("last", "texts"):
        held.insert(0, f"{feature.column} is not null")
    return " and ".join(held) or "true"


def _count(m: Measures, f: Feature) -> str:
    return m.measure(f.name, "count(*)", f.filter, m.window(f))


def _sum(m: Measures, f: Feature) -> str:
    return _scaled(m.measure(f.name, f"sum({f.column})", f.filter, m.window(f)), f)


def _mean(m: Measures, f: Feature) -> str:
    total = m.measure(f"{f.name}__sum", f"sum({f.column})", f.filter, m.window(f))
    known = m.measure(f"{f.name}__count", f"count({f.column})", f.filter, m.window(f))
    return _scaled(f"{_double(total)} / nullif({_double(known)}, 0e0)", f)


def _extreme(m: Measures, f: Feature) -> str:
    return _scaled(m.measure(f.name, f"{f.aggregate}({f.column})", f.filter, m.window(f)), f)


def _last(m: Measures, f: Feature) -> str:
    newest = f"arg_max({f.column}, row(event_at, {f.column}))"
    last = m.measure(f.name, newest, f"{f.column} is not null", f.filter, m.window(f))
    return _scaled(last, f) if f.kind == "number" else last


def _last_of(m: Measures, f: Feature) -> str:
    """Time and position in one whole number: its maximum costs a fifth of an ``arg_max`` over texts."""
    positions = " ".join(f"when {literal(value)} then {place}" for place, value in enumerate(f.vocabulary))
    newest = f"max((epoch_us(event_at) + {YEAR_ONE}) * {PLACES} + case {f.column} {positions} end)"
    place = f"{m.measure(f.name, newest, f.filter, m.window(f))} % {PLACES}"
    values = " ".join(f"when {place} then {literal(value)}" for place, value in enumerate(f.vocabulary))
    return f"case {place} {values} end"


def _distinct(m: Measures, f: Feature) -> str:
    return f"bit_count({m.measure(f.name, f'bit_or({f.column})', f.filter, m.window(f))})"


def _share(m: Measures, f: Feature) -> str:
    if f.column is None:
        part = m.measure(f"{f.name}__part", "count(*)", f.filter, m.window(f))
        whole = m.measure(f"{f.name}__whole", "count(*)", m.window(f))
    else:
        part = m.measure(f"{f.name}__part", f"sum({f.column})", f.filter, m.window(f))
        whole = m.measure(f"{f.name}__whole", f"sum({f.over or f.column})", m.window(f))
    return f"{_double(part)} / nullif({_double(whole)}, 0e0)"


def _days_since(m: Measures, f: Feature) -> str:
    extreme = "max" if f.aggregate == "days_since_last" else "min"
    return m.clock.full_days_since(m.measure(f.name, f"{extreme}(event_at)", f.filter, m.window(f)))


def _gap_mean(m: Measures, f: Feature) -> str:
    total, count, _ = _gap_measures(m, f)
    return f"{_double(total)} / nullif({_double(count)}, 0e0) / 86400e0"


def _gap_sd(m: Measures, f: Feature) -> str:
    total, count, squares = (_double(name) for name in _gap_measures(m, f))
    variance = f"greatest({count} * {squares} - {total} * {total}, 0e0) / ({count} * ({count} - 1e0))"
    return f"case when {count} >= 2e0 then sqrt({variance}) / 86400e0 end"


def _gap_measures(m: Measures, f: Feature) -> tuple[str, str, str]:
    column, window = f.column, m.window(f)
    return (
        m.measure(f"{f.name}__sum", f"sum({column})", f.filter, window),
        m.measure(f"{f.name}__count", f"count({column})", f.filter, window),
        # Squares of lifetimes fit into 64 bits, their sum does not: Spark does not widen it by itself.
        m.measure(f"{f.name}__squares", f"sum(cast({column} * {column} as hugeint))", f.filter, window),
    )


def _trend(m: Measures, f: Feature) -> str:
    assert f.window_days is not None
    aggregate = "count(*)" if f.column is None else f"sum({f.column})"
    start = m.clock.days_ago(f.window_days)
    recent = m.measure(f"{f.name}__recent", aggregate, f.filter, f"event_at >= {start}")
    earlier = m.measure(f"{f.name}__before", aggregate, f.filter, f"{m.window(f)} and event_at < {start}")
    return f"{TREND_TIMES}e0 * coalesce({_double(recent)}, 0e0) / nullif({_double(earlier)}, 0e0)"


def _texts(m: Measures, f: Feature) -> str:
    joined = f"string_agg({f.column}, ' ' order by event_at desc, {f.column} desc)"
    return f"left({m.measure(f.name, joined, f'{f.column} is not null', f.filter, m.window(f))}, {MOST_CHARACTERS})"


def _value(m: Measures, f: Feature) -> str:
    assert f.column is not None
    return m.measure(f.name, f.column)


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
