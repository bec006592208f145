"""What a table and a column are, and the columns that every loaded row carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

ColumnType = Literal["text", "integer", "money", "number", "flag", "date", "instant"]

#: How each column type is stored (DuckDB names). Money is integer cents, an instant is naive UTC with microseconds.
SQL_TYPES: Mapping[ColumnType, str] = {
    "text": "varchar",
    "integer": "bigint",
    "money": "bigint",
    "number": "double",
    "flag": "boolean",
    "date": "date",
    "instant": "timestamp",
}


@dataclass(frozen=True)
class Column:
    """One column: its name carries unit and time, its type says how it is stored.

    ``mapped_as`` is the name a business file uses when it differs from the stored one (``amount`` is mapped,
    ``amount_cents`` is stored).
    """

    name: str
    type: ColumnType
    meaning: str
    unit: str | None = None
    required: bool = False
    allowed: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    mapped_as: str | None = None

    @property
    def key(self) -> str:
        """The name by which a business file maps this column."""
        return self.mapped_as or self.name

    @property
    def sql_type(self) -> str:
        """How DuckDB stores it."""
        return SQL_TYPES[self.type]


@dataclass(frozen=True)
class Table:
    """One table: what a row is (``grain``), its columns in order; in one piece, or a folder per ``as_of`` if large."""

    name: str
    grain: str
    columns: tuple[Column, ...]
    is_in_one_piece: bool = False

    def column(self, name: str) -> Column:
        """Return the column stored under ``name``; raise ``KeyError`` when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}")

    @property
    def column_names(self) -> tuple[str, ...]:
        """The stored names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def is_keyed_by_day(self) -> bool:
        """True when the table holds one set of rows per ``as_of``: where these are large, each has a folder."""
        return "as_of" in self.column_names and not self.is_in_one_piece

    def named(self, name: str, extra: Iterable[Column] = ()) -> Table:
        """Return this shape under another name, with ``extra`` columns before the load columns."""
        own = tuple(column for column in self.columns if column not in LOAD_COLUMNS)
        loads = tuple(column for column in self.columns if column in LOAD_COLUMNS)
        return replace(self, name=name, columns=own + tuple(extra) + loads)

    def empty_select(self) -> str:
        """SQL of a relation with this table's columns and types and no row."""
        columns = ", ".join(f'cast(null as {column.sql_type}) as "{column.name}"' for column in self.columns)
        return f"select {columns} where false"


CUSTOMER_ID = Column("customer_id", "text", "Who can leave: the company's own key, as text", required=True)
EVENT_AT = Column("event_at", "instant", "When it happened", unit="UTC", required=True)

LOAD_COLUMNS: tuple[Column, ...] = (
    Column("batch_id", "text", "The batch that brought this row (SHA-256 of the file, shortened)", required=True),
    Column("row_number", "integer", "Position of the row in its batch, from 1", required=True, minimum=1),
    Column("loaded_at", "instant", "From when on this row was known (the second clock)", unit="UTC", required=True),
)
