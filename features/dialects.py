r"""Render the compiled SQL for PostgreSQL and Spark.

``sqlglot`` transpiles without complaint what then means something else, so each known trap has a rule here, and
:func:`render` refuses to return a text in which one is left:

1. ``ARG_MAX`` over a row with tie-breakers: the first of an ordered array (PostgreSQL), ``MAX_BY`` a struct (Spark);
2. ``DATE_DIFF('day', ...)``: both sides become dates, because Spark counts full days between timestamps;
3. decimals: the compiler writes ``1e2`` and casts to DOUBLE; a literal such as ``30.0`` would be DECIMAL on Spark;
4. ``x AT TIME ZONE 'UTC' AT TIME ZONE zone``, the local time of an instant: ``FROM_UTC_TIMESTAMP`` (Spark), which any
   other ``AT TIME ZONE`` is not, whatever ``sqlglot`` says;
5. ``\1`` in what stands instead of a pattern: ``$1`` (Spark).

Besides, ``EPOCH_US`` and ``BIT_COUNT`` get each engine's own form.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from holdback.errors import OperatorError

if TYPE_CHECKING:
    from sqlglot import exp

Dialect = Literal["duckdb", "postgres", "spark"]

_TRAPS = (r"\bARG_MAX\b", r"\bEPOCH_US\b", r"\bROW\(", r"\bDATE_DIFF\b", r"\b\d+\.\d+\b")


def render(sql: str, dialect: Dialect) -> str:
    """Return a compiled statement in another engine's SQL.

    Args:
        sql: What :func:`features.compiler.compile_features` returns for a feed, or spine or label SQL.
        dialect: The engine; ``duckdb`` returns the text as it is.

    Raises:
        OperatorError: the statement still holds a construct that means something else on that engine.
    """
    if dialect == "duckdb":
        return sql
    import sqlglot

    tree = sqlglot.parse_one(sql, read="duckdb").transform(_dates_only).transform(_RULES[dialect])
    rendered = tree.sql(dialect=dialect, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
    for trap in _TRAPS:
        found = re.search(trap, _without_texts(rendered), re.IGNORECASE)
        if found:
            raise OperatorError(
                f"features for {dialect}: {found[0]!r} is left in the SQL. It fails or means something else there. "
                "Report it with the statement."
            )
    return rendered + "\n"


def _without_texts(sql: str) -> str:
    """The statement without its literals and comments: what they say is nobody's syntax."""
    return re.sub(r"'(?:[^']|'')*'|/\*.*?\*/|--[^\n]*", "", sql, flags=re.DOTALL)


def _dates_only(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.DateDiff):
        for side in ("this", "expression"):
            inner = node.args[side]
            if not (isinstance(inner, exp.Cast) and inner.to.is_type("date")):
                node.set(side, exp.cast(inner, "date"))
    return node


def _postgres(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.Filter) and isinstance(node.this, exp.ArgMax):
        return _first_of_array(node.this, node.expression)
    if isinstance(node, exp.ArgMax) and not isinstance(node.parent, exp.Filter):
        return _first_of_array(node, None)
    if _is_call(node, "EPOCH_US"):
        seconds = exp.Extract(this=exp.var("EPOCH"), expression=_argument(node).copy())
        return exp.cast(exp.Mul(this=seconds, expression=exp.Literal.number(1_000_000)), "bigint")
    if _is_call(node, "BIT_COUNT") and not isinstance(_argument(node), exp.Cast):
        bits = exp.Cast(this=_argument(node).copy(), to=exp.DataType.build("bit(64)", dialect="postgres"))
        return exp.Anonymous(this="BIT_COUNT", expressions=[bits])
    return node


def _first_of_array(arg_max: exp.Expr, where: exp.Expr | None) -> exp.Expr:
    """``(ARRAY_AGG(x ORDER BY keys DESC) FILTER (WHERE ...))[1]``: the value at the largest key."""
    from sqlglot import exp

    keys = [exp.Ordered(this=key.copy(), desc=True, nulls_first=False) for key in _keys(arg_max.expression)]
    array: exp.Expr = exp.ArrayAgg(this=exp.Order(this=arg_max.this.copy(), expressions=keys))
    if where is not None:
        array = exp.Filter(this=array, expression=where.copy())
    return exp.Bracket(this=exp.Paren(this=array), expressions=[exp.Literal.number(1)], offset=1)


def _spark(node: exp.Expr) -> exp.Expr:
    from sqlglot import exp

    if isinstance(node, exp.ArgMax):
        node.set("expression", exp.Anonymous(this="STRUCT", expressions=[k.copy() for k in _keys(node.expression)]))
    if isinstance(node, exp.AtTimeZone):
        inner = node.this
        if not (isinstance(inner, exp.AtTimeZone) and inner.args["zone"].name == "UTC"):
            raise OperatorError(
                "features for spark: AT TIME ZONE is left in the SQL other than from UTC to local time. It means "
                "something else there. Report it with the statement."
            )
        return exp.Anonymous(this="FROM_UTC_TIMESTAMP", expressions=[inner.this.copy(), node.args["zone"].copy()])
    if isinstance(node, exp.RegexpReplace):
        instead = re.sub(r"\\(\d)", r"$\1", node.args["replacement"].name)
        node.set("replacement", exp.Literal.string(instead))
    if _is_call(node, "EPOCH_US"):
        return exp.Anonymous(this="UNIX_MICROS", expressions=[exp.cast(_argument(node).copy(), "timestamptz")])
    return node


def _keys(row: exp.Expr) -> list[exp.Expr]:
    from sqlglot import exp

    return list(row.expressions) if isinstance(row, exp.Struct | exp.Anonymous) else [row]


def _is_call(node: exp.Expr, name: str) -> bool:
    from sqlglot import exp

    return isinstance(node, exp.Anonymous) and node.name.upper() == name


def _argument(node: exp.Expr) -> exp.Expr:
    argument: exp.Expr = node.expressions[0]
    return argument


_RULES = {"postgres": _postgres, "spark": _spark}
