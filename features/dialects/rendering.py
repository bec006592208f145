"""Apply the rules of a dialect to a statement, and refuse what no rule knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from features.dialects import on_postgres, on_spark, shared
from holdback.errors import OperatorError

if TYPE_CHECKING:
    from sqlglot import exp

Dialect = Literal["duckdb", "postgres", "spark"]
Rule = Callable[["exp.Expr"], "exp.Expr"]

#: What each engine needs, by name; the order counts where one rule prepares another's work.
RULES: Mapping[str, Mapping[str, Rule]] = {
    "postgres": {**shared.RULES, **on_postgres.RULES},
    "spark": {**shared.RULES, **on_spark.RULES},
}

_EVERYWHERE = (r"\bARG_(?:MAX|MIN)\b", r"\bEPOCH_US\b", r"\bDATE_DIFF\b", r"\b\d+\.\d+\b", r"\bASOF\b",
               r"\bLIST_EXTRACT\b", r"\bTO_DAYS\b", r"\bINT128\b", r"\bQUALIFY\b")  # fmt: skip
_TRAPS: Mapping[str, tuple[str, ...]] = {
    "postgres": (*_EVERYWHERE, r"\bGROUP BY\s+ALL\b", r"\bIGNORE NULLS\b"),
    "spark": (*_EVERYWHERE, r"\bROW\(", r"\bUNIX_TIMESTAMP\b", r"\bAT TIME ZONE\b"),
}


def render(sql: str, dialect: Dialect) -> str:
    """Return a compiled statement in another engine's SQL.

    Args:
        sql: What :func:`features.compiler.compile_features` returns for a feed, or the SQL of spine, labels, triggers,
            segments or outcomes.
        dialect: The engine; ``duckdb`` returns the text as it is.

    Raises:
        OperatorError: the statement still holds a construct that means something else on that engine.
    """
    if dialect == "duckdb":
        return sql
    import sqlglot

    tree = sqlglot.parse_one(sql, read="duckdb")
    # From the leaves to the root: what a rule moves about has been through all rules itself.
    for node in list(tree.walk())[::-1]:
        found = node
        for rule in RULES[dialect].values():
            found = rule(found)
        if found is not node and node is not tree:
            node.replace(found)
        tree = found if node is tree else tree
    rendered = tree.sql(dialect=dialect, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
    for trap in _TRAPS[dialect]:
        seen = re.search(trap, _without_texts(rendered), re.IGNORECASE)
        if seen:
            raise OperatorError(
                f"SQL for {dialect}: {seen[0]!r} is left in the SQL. It fails or means something else there. "
                "In a file of your own write it otherwise (30.0 as 30e0); else report it with the statement."
            )
    return rendered + "\n"


def taken_apart(sql: str) -> tuple[dict[str, str], str]:
    """Return the steps of a statement in Spark's SQL, by name and in order, and the SELECT that is left."""
    import sqlglot

    tree = sqlglot.parse_one(sql, read="spark")
    found = tree.args.pop("with_", None)
    steps = {step.alias: step.this.sql(dialect="spark") for step in (found.expressions if found else ())}
    return steps, tree.sql(dialect="spark")


def tables_in(sql: str) -> list[str]:
    """Return the name of each relation that a statement in Spark's SQL reads, as often as it is read."""
    import sqlglot
    from sqlglot import exp

    return [table.name for table in sqlglot.parse_one(sql, read="spark").find_all(exp.Table)]


def _without_texts(sql: str) -> str:
    """The statement without its literals and comments: what they say is nobody's syntax."""
    return re.sub(r"'(?:[^'\\]|''|\\.)*'|/\*.*?\*/|--[^\n]*", "", sql, flags=re.DOTALL)
