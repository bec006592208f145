"""Ranges of customers: a query's frame ``spine`` names them, and its SQL reads only what lies between the ends.

A set of customers alone makes DuckDB read every row group; the ends let it skip those of others. It joins with a scalar
subquery as with a table, though, one row at a time, and cannot leave out what it has not read yet. So the ends of a
frame in hand are written into the statement before it runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdback.sql import literal

if TYPE_CHECKING:
    import pyarrow as pa

#: The frame that names the customers of a range.
RANGE = "spine"

#: SQL of the first and of the last customer of a range, on every engine.
FIRST, LAST = (f"(select {end}(customer_id) from {RANGE})" for end in ("min", "max"))

_ENDS = re.compile(f"{re.escape(FIRST)}|{re.escape(LAST)}")


def within(key: str) -> list[str]:
    """Conditions by which a statement reads what is stored of a range of customers, and little of others.

    They say what a join with the spine, or a look into it, says already: for those who lie between its ends.
    """
    return [f"{key} >= {FIRST}", f"{key} <= {LAST}"]


def with_ends(sql: str, spine: pa.Table) -> str:
    """Return a statement with the ends of its range written out; one that means another ``spine`` stays.

    Args:
        sql: One SELECT.
        spine: The frame of this name.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if FIRST not in sql or f"{RANGE} as (" in sql or spine.schema.field("customer_id").type != pa.string():
        return sql
    ends = pc.min_max(spine["customer_id"]).as_py()
    if ends["min"] is None:
        return sql
    written = {FIRST: literal(ends["min"]), LAST: literal(ends["max"])}
    # In one pass: a key may be such a text itself, and must not be taken for one.
    return _ENDS.sub(lambda found: written[found[0]], sql)
