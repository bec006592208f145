"""Opt-outs that outlive the person's rows: who is forgotten, or comes back afterwards, is still left alone.

Forgetting takes away the report that said no. So before it does, keyed hashes are kept in the table ``do_not_contact``:
of the customer's id, for when he comes back, and of his contact key, for everybody who is the same recipient. The key
is that of the tombstones (:mod:`holdback.forgotten`); without it the hashes say nothing about anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from features.steps import Step
from holdback.forgotten import Tombstones
from holdback.tables import TABLES

if TYPE_CHECKING:
    from holdback.workspace import Workspace

_TABLE: Final = "do_not_contact"
_NO_HASHES: Final = pa.table({"hash": pa.array([], pa.string())})


@dataclass(frozen=True)
class Remembered:
    """The opt-outs of those who were forgotten.

    Args:
        key: Key of the hashes; shown nowhere.
        hashes: ``hash``, each once.
    """

    key: str = field(default="", repr=False)
    hashes: pa.Table = field(default_factory=lambda: _NO_HASHES, repr=False)

    @classmethod
    def read(cls, workspace: Workspace) -> Remembered:
        """Read them.

        Raises:
            OperatorError: there are some, and the key that made them is not here: nobody can tell who said no.
        """
        hashes = workspace.warehouse.query(f"select distinct hash from {_TABLE} order by hash")
        return cls(Tombstones.read(workspace).key, hashes) if hashes.num_rows else cls()

    @property
    def frames(self) -> Mapping[str, pa.Table]:
        """What :attr:`step` reads besides; the key is a value of a row, so that no message repeats it with the SQL."""
        return {"_said_no": self.hashes, "_secret": pa.table({"secret": pa.array([self.key], pa.string())})}

    @property
    def step(self) -> Step:
        """SQL of who is remembered, of ``_asked(customer_id)`` as ``_customers_rows`` knows them; whatever the day."""
        known = "from _asked left join _customers_rows using (customer_id) cross join _secret"
        if not self.hashes.num_rows:
            return Step("_remembered", "nobody who said no was forgotten", "select customer_id from _asked where false")
        return Step(
            "_remembered",
            "who said no before being forgotten: keyed hashes tell",
            f"select customer_id {known}\n    where {hash_of('customer', 'customer_id')} in (select hash from _said_no)"
            f"\n        or (recipient <> '' and {hash_of('recipient', 'recipient')} in (select hash from _said_no))",
        )


def hash_of(about: str, column: str) -> str:
    """SQL of the keyed hash of a column; the key is ``secret``.

    Args:
        about: ``customer`` or ``recipient``: the same text gives a hash for each, which is no tombstone.
        column: Expression of the text.
    """
    return f"sha256(secret || '/{about}:' || {column})"


def keep(workspace: Workspace, found: pa.Table, *, as_of: date) -> int:
    """Add hashes to those that are kept; return how many were new.

    Args:
        workspace: The company.
        found: ``hash, about``.
        as_of: The day.

    Raises:
        OperatorError: the disk or the database refuses.
    """
    new = workspace.warehouse.query(
        f"select distinct hash, about from _found where hash not in (select hash from {_TABLE}) order by hash",
        frames={"_found": found},
    )
    if not new.num_rows:
        return 0
    batch = hashlib.sha256("".join(new["hash"].to_pylist()).encode()).hexdigest()
    rows = new.append_column("as_of", pa.array([as_of] * new.num_rows, pa.date32()))
    workspace.warehouse.append(_TABLE, rows.select(list(TABLES[_TABLE].column_names)), batch=f"{_TABLE}/{batch}")
    return int(new.num_rows)
