"""A journal moves from this machine's file into the company's database, table by table, all or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdback.errors import OperatorError

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Each table that moves, and the order of its rows. Who runs the night is not among them: a database asks anew.
_ORDERS = {"runs": "started_at", "champions": "model", "verdicts": "verdict_id", "ledger_heads": "as_of",
           "acts": "sequence"}  # fmt: skip
_NUMBERED = ("verdict_id", "run_number")  # by the database itself


def copied(theirs: Connection, ours: Connection, place: str) -> int:
    """Copy the rows of one journal into another; return how many came.

    A table that is empty there gets all rows. Runs that are not known there are added. Every other table must have the
    rows already: two models in office, or two ends of the same day of the ledger, cannot both be true.

    Args:
        theirs: The journal to copy, in a transaction.
        ours: Where to, in a transaction that the error ends.
        place: Its name, for the error.

    Raises:
        OperatorError: a table says something else. Nothing was written.
    """
    from sqlalchemy import text

    count = 0
    for table, order in _ORDERS.items():
        rows = list(theirs.execute(text(f"select * from {table} order by {order}")).mappings())
        names = [name for name in (rows[0] if rows else ()) if name not in _NUMBERED]
        if not names:
            continue
        listed = ", ".join(names)
        here = {tuple(row) for row in ours.execute(text(f"select {listed} from {table}"))}
        if table == "runs":
            known = {row[names.index("run_id")] for row in here}
            missing = [row for row in rows if row["run_id"] not in known]
        else:
            missing = [row for row in rows if tuple(row[name] for name in names) not in here]
            if here and missing:
                about = ", ".join(str(missing[0][name]) for name in names[:2])
                raise OperatorError(
                    f"journal {place}: its table {table} is not empty and lacks a row of the other journal ({about}). "
                    "Somebody worked in the database before the copy was whole, or the other journal went on since. "
                    "Nothing of the journal was copied. Drop the schema if nothing in it is needed, and copy again."
                )
        insert = text(f"insert into {table} ({listed}) values ({', '.join(f':{name}' for name in names)})")
        for row in missing:
            ours.execute(insert, {name: row[name] for name in names})
        count += len(missing)
    return count
