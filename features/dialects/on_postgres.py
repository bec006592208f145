"""What PostgreSQL (15 and newer) needs: each rule by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from features.dialects.shared import argument, call, is_call, keys_of, ordered_map, pairs_of

if TYPE_CHECKING:
    from sqlglot import exp


def _largest_of_a_row(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.Filter) and isinstance(node.this, exp.ArgMax):
        return _first_of_array(node.this, node.expression)
    if isinstance(node, exp.ArgMax) and not isinstance(node.parent, exp.Filter):
        return _first_of_array(node, None)
    return node


def _first_of_array(arg_max: exp.Expr, where: exp.Expr | None) -> exp.Expr:
    """``(ARRAY_AGG(x ORDER BY keys DESC) FILTER (WHERE ...))[1]``: the value at the largest key."""
    from sqlglot import exp

    keys = [exp.Ordered(this=key.copy(), desc=True, nulls_first=False) for key in keys_of(arg_max.expression)]
    array: exp.Expr = exp.ArrayAgg(this=exp.Order(this=arg_max.this.copy(), expressions=keys))
    if where is not None:
        array = exp.Filter(this=array, expression=where.copy())
    return _first(array)


def _first(array: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    return exp.Bracket(this=exp.Paren(this=array), expressions=[exp.Literal.number(1)], offset=1)


def _first_in_order(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.First) and isinstance(node.this, exp.Order):
        return _first(exp.ArrayAgg(this=node.this.copy()))
    return node


def _microseconds(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not is_call(node, "EPOCH_US"):
        return node
    seconds = exp.Extract(this=exp.var("EPOCH"), expression=argument(node).copy())
    return exp.cast(exp.Mul(this=seconds, expression=exp.Literal.number(1_000_000)), "bigint")


def _bits(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if is_call(node, "BIT_COUNT") and not isinstance(argument(node), exp.Cast):
        return call("BIT_COUNT", exp.Cast(this=argument(node), to=exp.DataType.build("bit(64)", dialect="postgres")))
    return node


def _json(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.JSONObject):
        return call("JSON_BUILD_OBJECT", *(part for pair in pairs_of(node) for part in pair))
    pair = ordered_map(node)
    if pair is None:
        return node
    return call("JSON_OBJECT_AGG", *pair)


def _hugeint(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.Cast) and node.to.is_type("int128"):
        return exp.Cast(this=node.this.copy(), to=exp.DataType.build("numeric", dialect="postgres"))
    return node


def _days(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.ToDays):
        nothing = exp.Literal.number(0)
        return call("MAKE_INTERVAL", nothing, nothing, nothing, node.this)
    return node


def _middle(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not isinstance(node, exp.Median):
        return node
    order = exp.Order(expressions=[exp.Ordered(this=node.this.copy())])
    return exp.WithinGroup(this=call("PERCENTILE_CONT", exp.Literal.number("5e-1")), expression=order)


def _halves(node: exp.Expr) -> exp.Expr:
    """A half goes away from zero; PostgreSQL rounds a DOUBLE to the even neighbour, and to no decimals at all."""
    from sqlglot import exp

    if not isinstance(node, exp.Round):
        return node
    value, places = node.this, node.args.get("decimals")
    scale = exp.Literal.number(f"1e{places.name}") if places is not None else None
    scaled = exp.Mul(this=exp.Paren(this=value.copy()), expression=scale) if scale is not None else value.copy()
    size = exp.Floor(this=exp.Add(this=exp.Abs(this=exp.cast(scaled, "double")), expression=exp.Literal.number("5e-1")))
    rounded: exp.Expr = exp.Mul(this=call("SIGN", exp.cast(value.copy(), "double")), expression=size)
    return exp.Paren(this=exp.Div(this=rounded, expression=scale.copy()) if scale is not None else rounded)


def _any_value(node: exp.Expr) -> exp.Expr:
    """PostgreSQL has ANY_VALUE from 16 on; the largest is one of them."""
    from sqlglot import exp

    if isinstance(node, exp.IgnoreNulls) and isinstance(node.this, exp.AnyValue):
        return exp.Max(this=node.this.this.copy())
    return node


def _group_by_all(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not isinstance(node, exp.Select):
        return node
    group = node.args.get("group")
    if group is None or not group.args.get("all"):
        return node
    plain = [one.unalias() for one in node.expressions if one.find(exp.AggFunc, exp.ArrayAgg) is None]
    node.set("group", exp.Group(expressions=[one.copy() for one in plain]))
    return node


def _element(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not is_call(node, "LIST_EXTRACT"):
        return node
    array, position = node.expressions
    return exp.Bracket(this=exp.Paren(this=array.copy()), expressions=[position.copy()], offset=1)


def _number_or_null(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not isinstance(node, exp.TryCast):
        return node
    is_number = exp.RegexpLike(
        this=exp.cast(node.this.copy(), "text"), expression=exp.Literal.string("^-?[0-9]{1,18}$")
    )
    return exp.Case(ifs=[exp.If(this=is_number, true=exp.Cast(this=node.this.copy(), to=node.to.copy()))])


def _names(node: exp.Expr) -> exp.Expr:
    """What stands in FROM has a name (PostgreSQL asks for it until 16)."""
    from sqlglot import exp

    if isinstance(node, exp.Subquery) and isinstance(node.parent, exp.From | exp.Join) and not node.alias:
        return exp.alias_(node.copy(), f"_unnamed_{len(node.sql())}", table=True)
    return node


def _semi_join(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if not isinstance(node, exp.Select):
        return node
    kept = []
    for join in node.args.get("joins") or []:
        if str(join.args.get("kind") or "").upper() != "SEMI":
            kept.append(join)
            continue
        (key,) = join.args["using"]
        inner = exp.select(exp.column(key.name)).from_(join.this.copy())
        node = node.where(exp.In(this=exp.column(key.name), query=inner.subquery()), copy=False)
    node.set("joins", kept)
    return node


def _lower_case(node: exp.Expr) -> exp.Expr:
    """Each character by itself, whatever the database's locale."""
    from sqlglot import exp

    if isinstance(node, exp.Lower):
        collated = exp.Collate(
            this=exp.Paren(this=node.this.copy()), expression=exp.to_identifier("C.utf8", quoted=True)
        )
        return exp.Lower(this=collated)
    return node


RULES: Mapping[str, Callable[[exp.Expr], exp.Expr]] = {
    "largest of a row": _largest_of_a_row,
    "first in order": _first_in_order,
    "microseconds": _microseconds,
    "bits": _bits,
    "json": _json,
    "hugeint": _hugeint,
    "days": _days,
    "middle": _middle,
    "halves": _halves,
    "any value": _any_value,
    "group by all": _group_by_all,
    "element": _element,
    "number or null": _number_or_null,
    "names": _names,
    "semi join": _semi_join,
    "lower case": _lower_case,
}
