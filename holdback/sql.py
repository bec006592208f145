"""How a value stands in SQL: the one place that quotes."""

from __future__ import annotations


def literal(text: str) -> str:
    """Write a text as an SQL literal.

    Examples:
        >>> literal("children's")
        "'children''s'"
    """
    return "'" + text.replace("'", "''") + "'"
