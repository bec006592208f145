"""Rules that decide row by row: built from the declared tables and the business file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from holdback.contracts.rules import Expectation, Parameter, Rule, words_of
from holdback.contracts.scales import SCORE, changed_scales, only_scale
from holdback.errors import BusinessFileError
from holdback.sql import literal
from holdback.tables import Column

if TYPE_CHECKING:
    from holdback.mapping import Shape

#: The first instant at which an event counts as lying in the future.
LOADED_BEFORE = Parameter("loaded_before")

#: The one-column relation (``customer_id``) that the rule on known customers reads.
KNOWN_CUSTOMERS = "_known_customers"

_TYPE_WORDS = {
    "integer": "a whole number",
    "money": "an amount of money",
    "number": "a number",
    "flag": "yes or no",
    "date": "a date",
    "instant": "an instant",
}
_IN_THE_PAST = ("event_at", "resolved_at", "signed_up_at")


def row_rules(shape: Shape) -> tuple[Rule, ...]:
    """Return the rules on each row of a feed, in the order in which reasons are listed."""
    return (
        _can_be_split(),
        *(_is_readable(f.column) for f in shape.fields if f.column.type != "text"),
        *(_is_given(f.column) for f in shape.fields if f.column.required or f.column.name in shape.key),
        *_unique_key(shape),
        *_ranges(shape),
        *_scales(shape),
        *_vocabularies(shape),
        *(_is_not_in_the_future(f.column) for f in shape.fields if _is_of_the_past(shape, f.column)),
        *_orders(shape),
        *_references(shape),
    )


def _rule(name: str, column: str | None, asks: str, sql: str, expectation: Expectation) -> Rule:
    return Rule(name, column, "warning", "row", asks, sql, expectation)


def _can_be_split() -> Rule:
    return _rule(
        "line_can_be_split",
        None,
        "the line must have as many columns as the header, closed quotes and decodable characters",
        "not is_parsed",
        Expectation("ExpectColumnValuesToBeInSet", (("column", "is_parsed"), ("value_set", (True,)))),
    )


def _is_readable(column: Column) -> Rule:
    return _rule(
        f"{column.key}_is_{column.type}",
        column.name,
        f"{column.key} must be {_TYPE_WORDS[column.type]}, written as the business file says",
        f'"{column.name}_unreadable" is not null',
        Expectation("ExpectColumnValuesToBeNull", (("column", f"{column.name}_unreadable"),)),
    )


def _is_given(column: Column) -> Rule:
    unreadable = () if column.type == "text" else (f"{column.name}_unreadable",)
    conditions = [f'"{column.name}" is null', "is_parsed", *(f'"{name}" is null' for name in unreadable)]
    return _rule(
        f"{column.key}_is_given",
        column.name,
        f"{column.key} must not be empty",
        " and ".join(conditions),
        Expectation(
            "ExpectColumnValuesToNotBeNull",
            (("column", column.name),),
            where_true=("is_parsed",),
            where_null=unreadable,
        ),
    )


def _unique_key(shape: Shape) -> Iterator[Rule]:
    if not shape.key:
        return
    listed = ", ".join(f'"{name}"' for name in shape.key)
    given = " and ".join(f'"{name}" is not null' for name in shape.key)
    keys = [column.key for name in shape.key if (column := shape.column(name))]
    if len(shape.key) == 1:
        expectation = Expectation("ExpectColumnValuesToBeUnique", (("column", shape.key[0]),))
    else:
        arguments = (("column_list", shape.key), ("ignore_row_if", "any_value_is_missing"))
        expectation = Expectation("ExpectCompoundColumnsToBeUnique", arguments)
    yield _rule(
        f"{'_and_'.join(keys)}_is_unique",
        shape.key[0] if len(shape.key) == 1 else None,
        f"{' and '.join(keys)} must not stand twice in one batch; none of the rows is taken when it does",
        f"{given} and count(*) over (partition by {listed}) > 1",
        expectation,
    )


def _ranges(shape: Shape) -> Iterator[Rule]:
    for field in shape.fields:
        column = field.column
        between = shape.source.expects.between.get(column.key, (None, None))
        scale = only_scale(shape) if column.name == "score" else None
        lows = (column.minimum, between[0], scale.lowest if scale else None)
        highs = (column.maximum, between[1], scale.highest if scale else None)
        low = max((x for x in lows if x is not None), default=None)
        high = min((x for x in highs if x is not None), default=None)
        if low is None and high is None:
            continue
        if column.type not in ("integer", "money", "number"):
            raise BusinessFileError(
                f"{shape.feed}: expects.between: {column.key!r} is not a number. Give limits only to numbers."
            )
        low_stored, high_stored = stored(column, low), stored(column, high)
        bad = [f'"{column.name}" < {low_stored!r}'] if low_stored is not None else []
        bad += [f'"{column.name}" > {high_stored!r}'] if high_stored is not None else []
        arguments = [("column", column.name), ("min_value", low_stored), ("max_value", high_stored)]
        yield _rule(
            f"{column.key}_is_in_range",
            column.name,
            f"{column.key} must be {words_of(low, high)}{f' ({scale.words})' if scale else ''}",
            " or ".join(bad),
            Expectation("ExpectColumnValuesToBeBetween", tuple((k, v) for k, v in arguments if v is not None)),
        )


def _scales(shape: Shape) -> Iterator[Rule]:
    """Judge a score by the scale of its day, where there were several."""
    for span in changed_scales(shape):
        bad = f"{span.condition(shape.instant)} and ({SCORE} < {span.lowest!r} or {SCORE} > {span.highest!r})"
        since = f"_since_{span.since:%Y_%m_%d}" if span.since else ""
        yield _rule(
            f"score_is_on_scale_{span.scale}{since}",
            "score",
            f"score must be {words_of(span.lowest, span.highest)} ({span.words})",
            bad,
            Expectation(
                "UnexpectedRowsExpectation", (("unexpected_rows_query", f"select * from {{batch}} where {bad}"),)
            ),
        )


def _vocabularies(shape: Shape) -> Iterator[Rule]:
    for field in shape.fields:
        column = field.column
        declared, ours = column.allowed, shape.source.accepts.get(column.key)
        allowed = ours if declared is None else declared if ours is None else tuple(w for w in ours if w in declared)
        if allowed is None:
            continue
        if column.type != "text":
            raise BusinessFileError(
                f"{shape.feed}: accepts: {column.key!r} is not text. Give numbers limits under expects.between."
            )
        words = ", ".join(literal(word) for word in allowed)
        yield _rule(
            f"{column.key}_is_in_vocabulary",
            column.name,
            f"{column.key} must be one of: {', '.join(allowed)}",
            f'"{column.name}" not in ({words})' if allowed else f'"{column.name}" is not null',
            Expectation("ExpectColumnValuesToBeInSet", (("column", column.name), ("value_set", allowed))),
        )


def _is_of_the_past(shape: Shape, column: Column) -> bool:
    return column.name in _IN_THE_PAST and not (column.name == "event_at" and shape.is_announcing)


def _is_not_in_the_future(column: Column) -> Rule:
    return _rule(
        f"{column.key}_is_not_in_the_future",
        column.name,
        f"{column.key} must lie before the end of the day for which the batch is loaded",
        f'"{column.name}" >= {{{LOADED_BEFORE.name}}}',
        Expectation(
            "ExpectColumnValuesToBeBetween",
            (("column", column.name), ("max_value", LOADED_BEFORE), ("strict_max", True)),
        ),
    )


def _orders(shape: Shape) -> Iterator[Rule]:
    names = shape.column_names
    if "resolved_at" in names:
        yield _order("resolved_at", "event_at", "resolved_at", "event_at")
    if "ends_on" in names:
        yield _order("ends_on", "event_at", "ends_on", "event_on")


def _order(later: str, earlier: str, later_column: str, earlier_column: str) -> Rule:
    return _rule(
        f"{later}_is_not_before_{earlier}",
        later,
        f"{later} must not lie before {earlier}",
        f'"{later_column}" < "{earlier_column}"',
        Expectation(
            "ExpectColumnPairValuesAToBeGreaterThanB",
            (
                ("column_A", later_column),
                ("column_B", earlier_column),
                ("or_equal", True),
                ("ignore_row_if", "either_value_is_missing"),
            ),
        ),
    )


def _references(shape: Shape) -> Iterator[Rule]:
    if not shape.source.expects.known_customers or shape.is_customers:
        return
    unknown = f"customer_id is not null and customer_id not in (select k.customer_id from {KNOWN_CUSTOMERS} k)"
    yield _rule(
        "customer_id_is_known",
        "customer_id",
        "the customer must be in the table of customers",
        unknown,
        Expectation(
            "UnexpectedRowsExpectation", (("unexpected_rows_query", f"select * from {{batch}} where {unknown}"),)
        ),
    )


def stored(column: Column, value: float | None) -> int | float | None:
    """Turn a figure of the business file into the column's stored unit: money is whole cents.

    Examples:
        >>> from holdback.tables import ROLES
        >>> stored(ROLES["transactions"].column("amount_cents"), 12.5)
        1250
    """
    if value is None or column.type == "number":
        return value
    return round(value * 100) if column.type == "money" else round(value)
