"""Rules that PostgreSQL and Spark both need, and how a statement's tree is looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from holdback.errors import OperatorError

if TYPE_CHECKING:
    from sqlglot import exp

_DECIMAL = re.compile(r"\d+\.\d+")


def is_call(node: exp.Expr, name: str) -> bool:
    """True for a function that ``sqlglot`` does not know by a type of its own."""
    from sqlglot import exp

    return isinstance(node, exp.Anonymous) and node.name.upper() == name


def argument(node: exp.Expr) -> exp.Expr:
    """The first argument of a call."""
    found: exp.Expr = node.expressions[0]
    return found


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A function's call with copies of some expressions."""
    from sqlglot import exp

    return exp.Anonymous(this=name, expressions=[one.copy() for one in arguments])


def keys_of(row: exp.Expr) -> list[exp.Expr]:
    """What a row consists of; an expression that is none stands for itself."""
    from sqlglot import exp

    is_row = isinstance(row, exp.Struct) or is_call(row, "ROW") or is_call(row, "STRUCT")
    return list(row.expressions) if is_row else [row]


def pairs_of(node: exp.Expr) -> list[tuple[exp.Expr, exp.Expr]]:
    """Keys and values of a JSON object."""
    return [(pair.this, pair.expression) for pair in node.expressions]


def ordered_map(node: exp.Expr) -> tuple[exp.Expr, exp.Expr] | None:
    """Key and value of ``map(list(key order by key), list(value order by key))``; None for any other node."""
    from sqlglot import exp

    if not isinstance(node, exp.Map):
        return None
    keys, values = node.args["keys"], node.args["values"]
    if not all(isinstance(side, exp.ArrayAgg) and isinstance(side.this, exp.Order) for side in (keys, values)):
        raise OperatorError("SQL: a map is built of lists without an order. Each engine orders them otherwise.")
    return keys.this.this, values.this.this


def _calendar_days(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.DateDiff):
        for side in ("this", "expression"):
            inner = node.args[side]
            if not (isinstance(inner, exp.Cast) and inner.to.is_type("date")):
                node.set(side, exp.cast(inner, "date"))
    return node


def _doubles(node: exp.Expr) -> exp.Expr:
    """``0.5::double`` is the DOUBLE 0.5e0, which needs no decimal."""
    from sqlglot import exp

    is_double = isinstance(node, exp.Cast) and node.to.is_type("double")
    if is_double and isinstance(node.this, exp.Literal) and _DECIMAL.fullmatch(str(node.this.this)):
        return exp.Literal.number(f"{node.this.this}e0")
    return node


def _as_of(node: exp.Expr) -> exp.Expr:
    """``a ASOF JOIN t ON a.x >= t.k``: the row of ``t`` with the newest key, up to the next one's."""
    from sqlglot import exp

    if not (isinstance(node, exp.Join) and str(node.args.get("method") or "").upper() == "ASOF"):
        return node
    on, table = node.args.get("on"), node.this
    if not (isinstance(on, exp.GTE) and isinstance(on.right, exp.Column) and isinstance(table, exp.Table)):
        raise OperatorError("SQL: an ASOF join is not of the form `x >= table.key`. Only that form has a translation.")
    key, name = on.right, table.alias_or_name
    following = exp.Window(
        this=exp.Lead(this=exp.column(key.name)), order=exp.Order(expressions=[exp.Ordered(this=exp.column(key.name))])
    )
    spans = exp.select("*", exp.alias_(following, "_next_key")).from_(exp.to_table(table.name)).subquery(name)
    until = exp.column("_next_key", table=name)
    before = exp.Paren(this=exp.Or(this=exp.Is(this=until.copy(), expression=exp.Null()),
                                   expression=exp.LT(this=on.left.copy(), expression=until)))  # fmt: skip
    return exp.Join(this=spans, on=exp.And(this=on.copy(), expression=before), side=node.args.get("side"),
                    kind=node.args.get("kind"))  # fmt: skip


RULES: Mapping[str, Callable[[exp.Expr], exp.Expr]] = {
    "calendar days": _calendar_days,
    "doubles": _doubles,
    "as of": _as_of,
}
