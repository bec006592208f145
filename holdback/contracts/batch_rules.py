"""Rules on a whole batch: its size, its age, what is missing, and whether it looks like what is known of the data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdback.business import ReferenceFacts
from holdback.contracts.rules import Bound, Expectation, Parameter, Rule, Severity, words_of
from holdback.contracts.scales import SMALLEST_CHANCE, chance_of_no_higher_score, changed_scales, watched_scales
from holdback.errors import BusinessFileError
from holdback.profiles import profiled_columns
from holdback.sql import literal
from holdback.tables import Column

if TYPE_CHECKING:
    from holdback.mapping import Shape
    from holdback.scales import ScaleSpan

#: Bounds that are computed for each batch, from the batches before it.
FEWEST_ROWS = Parameter("fewest_rows")
MOST_ROWS = Parameter("most_rows")
FRESH_AFTER = Parameter("fresh_after")

DRIFT_RELATION = "_drift"


def batch_rules(shape: Shape) -> tuple[Rule, ...]:
    """Return the rules on each batch of a feed."""
    return (
        *_size(shape),
        *_freshness(shape),
        _quarantined_share(shape),
        *_null_shares(shape),
        *_references(shape),
        *_drifts(shape),
        *(_scale_is_used(shape, span) for span in watched_scales(shape)),
    )


def _size(shape: Shape) -> Iterator[Rule]:
    rows = shape.source.expects.rows
    if rows is not None:
        low, high = round(rows[0]), round(rows[1])
        yield Rule(
            "row_count_is_in_range",
            None,
            "critical",
            "batch",
            f"a batch must have {words_of(low, high)} rows",
            "count(*)",
            Expectation("ExpectTableRowCountToBeBetween", (("min_value", low), ("max_value", high))),
            low,
            high,
        )
    yield Rule(
        "row_count_is_as_usual",
        None,
        "warning",
        "batch",
        f"rows may differ by a factor of {shape.source.expects.volume_ratio:g} from the median of the batches before"
        " (of those of the same weekday, when they come daily)",
        "count(*)",
        Expectation("ExpectTableRowCountToBeBetween", (("min_value", FEWEST_ROWS), ("max_value", MOST_ROWS))),
        FEWEST_ROWS,
        MOST_ROWS,
    )


def _freshness(shape: Shape) -> Iterator[Rule]:
    days = shape.source.expects.fresh_within_days
    if days is None or shape.event_column is None:
        return
    yield Rule(
        "newest_event_is_fresh",
        shape.event_column,
        "critical",
        "batch",
        f"the newest event must not be older than {days} days",
        f'max("{shape.event_column}")',
        Expectation("ExpectColumnMaxToBeBetween", (("column", shape.event_column), ("min_value", FRESH_AFTER))),
        low=FRESH_AFTER,
    )


def _quarantined_share(shape: Shape) -> Rule:
    share = shape.source.expects.quarantined_share
    return Rule(
        "quarantined_share_is_small",
        None,
        "critical",
        "batch",
        f"at most {share:g} of the rows may be bad; more is a fault of the batch",
        "avg(cast(not is_clean as integer))",
        _unexpected_aggregate("avg(cast(not is_clean as integer))", None, share),
        high=share,
    )


def _null_shares(shape: Shape) -> Iterator[Rule]:
    for key, share in shape.source.expects.null_share.items():
        column = _column(shape, key, "null_share")
        yield _share_rule(f"{key}_is_rarely_missing", column, _is_missing(column), (None, share), "missing")


def _references(shape: Shape) -> Iterator[Rule]:
    for key, facts in shape.source.expects.reference.items():
        yield from _reference(_column(shape, key, "reference"), facts)


def _reference(column: Column, facts: ReferenceFacts) -> Iterator[Rule]:
    name = f'"{column.name}"'
    if facts.null_share:
        rule = f"{column.key}_null_share_is_as_known"
        yield _share_rule(rule, column, _is_missing(column), facts.null_share, "missing")
    if facts.distinct_share:
        sql = f"count(distinct {name}) / cast(count(*) as double)"
        what = f"distinct values of {column.key} per row must be"
        yield _figure(f"{column.key}_distinct_share_is_as_known", column, sql, facts.distinct_share, what)
    if facts.negative_share:
        yield _share_rule(
            f"{column.key}_negative_share_is_as_known", column, f"{name} < 0", facts.negative_share, "negative", True
        )
    if facts.whole_share:
        unit = 100 if column.type == "money" else 1
        whole = f"{name} % {unit} = 0"
        yield _share_rule(
            f"{column.key}_whole_share_is_as_known", column, whole, facts.whole_share, "whole numbers", True
        )
    for statistic, sql in (("mean", "avg"), ("median", "median"), ("minimum", "min"), ("maximum", "max")):
        known = getattr(facts, statistic)
        if known:
            bounds = (stored_figure(column, known[0]), stored_figure(column, known[1]))
            kind = f"ExpectColumn{ {'minimum': 'Min', 'maximum': 'Max'}.get(statistic, statistic.title()) }ToBeBetween"
            yield Rule(
                f"{column.key}_{statistic}_is_as_known",
                column.name,
                "critical",
                "batch",
                f"the {statistic} of {column.key} must be {words_of(*known)}",
                f"{sql}({name})",
                Expectation(kind, (("column", column.name), ("min_value", bounds[0]), ("max_value", bounds[1]))),
                *bounds,
            )
    for value, share in facts.shares.items():
        is_value = f"cast({name} as varchar) = {literal(value)}"
        word = re.sub(r"\W+", "_", value.lower()).strip("_")
        yield _share_rule(f"{column.key}_share_of_{word}_is_as_known", column, is_value, share, repr(value), True)


def _drifts(shape: Shape) -> Iterator[Rule]:
    expects = shape.source.expects
    is_rescaled = bool(changed_scales(shape))
    for column in profiled_columns(shape):
        # A change of the scale that was announced must not refuse the first batches after it.
        severity: Severity = "warning" if is_rescaled and column.name == "score" else expects.on_drift
        sql = f"(select coalesce(max(excess), 0) from {DRIFT_RELATION} where column_name = {literal(column.name)})"
        yield _figure(
            f"{column.key}_has_not_drifted",
            column,
            sql,
            (None, expects.drift_limit),
            f"the drift of {column.key} against earlier batches (PSI beyond chance) must be",
            severity=severity,
        )


def _scale_is_used(shape: Shape, span: ScaleSpan) -> Rule:
    """Notice that a survey moved to a shorter scale and nobody said so: its answers would all be read as low ones."""
    since = f"_since_{span.since:%Y_%m_%d}" if span.since else ""
    sql = chance_of_no_higher_score(shape, span)
    return Rule(
        f"score_reaches_up_scale_{span.scale}{since}",
        "score",
        "critical",
        "batch",
        f"going by the answers before, the chance that none of so many lies above the top of a shorter scale must be at"
        f" least {SMALLEST_CHANCE:g} ({span.words}). If the scale changed, say so: `scale: [{{scale: {span.scale}}},"
        f" {{scale: five, since: DAY}}]`; if it did not, `{{scale: {span.scale}, since: DAY}}` compares with answers"
        " since that day only",
        sql,
        _unexpected_aggregate(sql, SMALLEST_CHANCE, None),
        low=SMALLEST_CHANCE,
    )


def _is_missing(column: Column) -> str:
    """SQL of a value that was not given; one that cannot be read was given, and is a fault of its row."""
    readable = "" if column.type == "text" else f' and "{column.name}_unreadable" is null'
    return f'"{column.name}" is null and is_parsed{readable}'


def _share_rule(
    name: str,
    column: Column,
    condition: str,
    bounds: tuple[float | None, float | None],
    what: str,
    of_given: bool = False,
) -> Rule:
    """Bound the share of rows (of rows with a value when ``of_given``) that fulfil a condition."""
    given = f'count("{column.name}")' if of_given else "count(*)"
    sql = f"count(*) filter ({condition}) / cast({given} as double)"
    return _figure(name, column, sql, bounds, f"the share of {column.key} that is {what} must be")


def _figure(
    name: str,
    column: Column,
    sql: str,
    bounds: tuple[float | None, float | None],
    what: str,
    severity: Severity = "critical",
) -> Rule:
    return Rule(
        name,
        column.name,
        severity,
        "batch",
        f"{what} {words_of(*bounds)}",
        sql,
        _unexpected_aggregate(sql, *bounds),
        *bounds,
    )


def _unexpected_aggregate(sql: str, low: float | None, high: float | None) -> Expectation:
    """Express a bound on a figure that Great Expectations has no expectation for: a query that must return nothing."""
    outside = ["observed is null", "isnan(observed)"]
    outside += [f"observed < {low!r}"] if low is not None else []
    outside += [f"observed > {high!r}"] if high is not None else []
    query = f"select * from (select cast({sql} as double) as observed from {{batch}}) where {' or '.join(outside)}"
    return Expectation("UnexpectedRowsExpectation", (("unexpected_rows_query", query),))


def stored_figure(column: Column, value: float) -> float:
    """Turn a mean or a limit into the column's stored unit, without rounding."""
    return value * 100 if column.type == "money" else value


def _column(shape: Shape, key: str, where: str) -> Column:
    column = shape.column(key)
    if column is None:
        raise BusinessFileError(f"{shape.feed}: expects.{where}: {key!r} is not mapped. Map it, or remove the line.")
    return column


def is_inside(value: Bound | None, low: Bound | None, high: Bound | None) -> bool:
    """True when a figure is there and within its bounds."""
    if value is None or value != value:
        return False
    return not ((low is not None and value < low) or (high is not None and value > high))  # type: ignore[operator]
