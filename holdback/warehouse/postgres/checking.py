"""Whether the database has the rows that its register of commits says, and what this machine has of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdback.warehouse.postgres import commits
from holdback.warehouse.postgres.connections import one_moment
from holdback.warehouse.postgres.warehouse import PostgresWarehouse

if TYPE_CHECKING:
    from holdback.warehouse.postgres.connections import Connection


@dataclass(frozen=True)
class CheckedTable:
    """A table in the database, and its copy on this machine.

    Args:
        table: Its name.
        version: The number of its newest commit.
        registered_count: Its rows, as the register of commits says.
        counted: Its rows, counted one by one.
        mirror_version: The newest version that this machine has; None when it has none.
        mirror_files: How many files that is.
        mirror_bytes: How large they are together.
    """

    table: str
    version: int
    registered_count: int
    counted: int
    mirror_version: int | None
    mirror_files: int
    mirror_bytes: int

    @property
    def is_sound(self) -> bool:
        """True when the database has the rows that its register says."""
        return self.registered_count == self.counted


def check(warehouse: PostgresWarehouse) -> tuple[CheckedTable, ...]:
    """Compare each table with the register of commits and with this machine's mirror, all as they are now.

    Raises:
        OperatorError: the database cannot be reached.
    """
    schema = warehouse.schema

    def work(connection: Connection) -> tuple[CheckedTable, ...]:
        if not commits.is_there(connection, schema):
            return ()
        with one_moment(connection):
            names = commits.written_tables(connection, schema)
            found = commits.newest(connection, schema, names)
            counts = {name: commits.counted(connection, schema, name) for name in names}
        return tuple(
            CheckedTable(name, one.version, one.total_count, counts[name], *warehouse.mirror.state(one))
            for name, one in found.items()
        )

    return warehouse.database.run("the warehouse", work)
