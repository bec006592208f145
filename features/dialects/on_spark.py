"""What Spark (4) needs: each rule by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from features.dialects.shared import argument, call, is_call, keys_of, ordered_map, pairs_of
from holdback.errors import OperatorError

if TYPE_CHECKING:
    from sqlglot import exp

#: Characters whose lower case Java makes by their neighbours or as two characters, and what the others make of them.
_CAPITALS, _SMALL = "Σİ", "σi"


def _largest_of_a_row(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.ArgMax | exp.ArgMin):
        node.set("expression", call("STRUCT", *keys_of(node.expression)))
    return node


def _rows(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    is_plain = isinstance(node, exp.Struct) and not any(isinstance(one, exp.PropertyEQ) for one in node.expressions)
    return call("STRUCT", *node.expressions) if is_plain or is_call(node, "ROW") else node


def _local_time(node: exp.Expr) -> exp.Expr:
    """``x AT TIME ZONE 'UTC' AT TIME ZONE zone`` is local time, the other way round it is UTC again."""
    from sqlglot import exp

    if not isinstance(node, exp.AtTimeZone) or isinstance(node.parent, exp.AtTimeZone):
        return node
    inner = node.this
    if isinstance(inner, exp.AtTimeZone) and inner.args["zone"].name == "UTC":
        return call("FROM_UTC_TIMESTAMP", inner.this, node.args["zone"])
    if isinstance(inner, exp.AtTimeZone) and node.args["zone"].name == "UTC":
        utc = call("TO_UTC_TIMESTAMP", inner.this, inner.args["zone"])
        return exp.Cast(this=utc, to=exp.DataType.build("timestamp_ntz", dialect="spark"))
    raise OperatorError(
        "SQL for spark: AT TIME ZONE is left in the SQL other than from UTC to local time and back. It means "
        "something else there. Report it with the statement."
    )


def _named_groups(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.RegexpReplace):
        instead = re.sub(r"\\(\d)", r"$\1", node.args["replacement"].name)
        node.set("replacement", exp.Literal.string(instead))
    return node


def _microseconds(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    return call("UNIX_MICROS", exp.cast(argument(node).copy(), "timestamptz")) if is_call(node, "EPOCH_US") else node


def _parts_of_seconds(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not isinstance(node, exp.TimeToUnix):
        return node
    microseconds = call("UNIX_MICROS", exp.cast(node.this.copy(), "timestamptz"))
    return exp.Paren(this=exp.Div(this=exp.cast(microseconds, "double"), expression=exp.Literal.number("1e6")))


def _json(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.JSONObject):
        told = call("NAMED_STRUCT", *(part for pair in pairs_of(node) for part in pair))
        if isinstance(node.parent, exp.JSONKeyValue):  # text inside of text would be quoted
            return told
        options = call("MAP", exp.Literal.string("ignoreNullFields"), exp.Literal.string("false"))
        return call("TO_JSON", told, options)
    return node


def _ordered_lists(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    pair = ordered_map(node)
    if pair is not None:
        return call("MAP_FROM_ENTRIES", call("ARRAY_SORT", exp.ArrayAgg(this=call("STRUCT", *pair))))
    if isinstance(node, exp.First) and isinstance(node.this, exp.Order):
        keys = [exp.Neg(this=exp.Paren(this=key.this.copy())) if key.args.get("desc") else key.this.copy()
                for key in node.this.expressions]  # fmt: skip
        return call("MIN_BY", node.this.this, call("STRUCT", *keys))
    if isinstance(node, exp.ArrayAgg) and isinstance(node.this, exp.Column) and not node.this.table:
        select = node.find_ancestor(exp.Select)
        source = select.args.get("from_") if select is not None else None
        if source is not None and source.this.alias_or_name == node.this.name:  # list(t) from t: whole rows
            return exp.ArrayAgg(this=call("STRUCT", exp.Star()))
    return node


def _hugeint(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.Cast) and node.to.is_type("int128"):
        return exp.Cast(this=node.this.copy(), to=exp.DataType.build("decimal(20,0)"))
    return node


def _days(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    return call("MAKE_DT_INTERVAL", node.this) if isinstance(node, exp.ToDays) else node


def _filtered_windows(node: exp.Expr) -> exp.Expr:
    """``count(*) filter (where c) over w``: Spark's windows take no filter."""
    from sqlglot import exp

    if not (isinstance(node, exp.Window) and isinstance(node.this, exp.Filter)):
        return node
    aggregate, condition = node.this.this, node.this.expression.this
    counted = exp.Literal.number(1) if isinstance(aggregate.this, exp.Star) else aggregate.this
    chosen = exp.Case(ifs=[exp.If(this=condition.copy(), true=counted.copy())])
    node.set("this", type(aggregate)(this=chosen))
    return node


def _numbered(node: exp.Expr) -> exp.Expr:
    """``row_number() over ()`` numbers in the order of the column that follows: always the same one."""
    from sqlglot import exp

    if not (isinstance(node, exp.Window) and isinstance(node.this, exp.RowNumber)):
        return node
    select = node.find_ancestor(exp.Select)
    if node.args.get("order") is None and not node.args.get("partition_by") and select is not None:
        following = select.expressions[1].unalias()
        node.set("order", exp.Order(expressions=[exp.Ordered(this=following.copy())]))
    return node


def _quantile(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.PercentileCont) and not isinstance(node.parent, exp.WithinGroup):
        return call("PERCENTILE", node.this, exp.Literal.number(f"{node.expression.name}e0"))
    return node


def _element(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not is_call(node, "LIST_EXTRACT"):
        return node
    array, position = node.expressions
    return call("ELEMENT_AT", array, exp.cast(position.copy(), "int"))


def _lower_case(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.Lower):
        texts = (exp.Literal.string(text) for text in (_CAPITALS, _SMALL))
        return exp.Lower(this=call("TRANSLATE", node.this, *texts))
    return node


RULES: Mapping[str, Callable[[exp.Expr], exp.Expr]] = {
    "largest of a row": _largest_of_a_row,
    "rows": _rows,
    "local time": _local_time,
    "named groups": _named_groups,
    "microseconds": _microseconds,
    "parts of seconds": _parts_of_seconds,
    "json": _json,
    "ordered lists": _ordered_lists,
    "hugeint": _hugeint,
    "days": _days,
    "filtered windows": _filtered_windows,
    "numbered": _numbered,
    "quantile": _quantile,
    "element": _element,
    "lower case": _lower_case,
}
