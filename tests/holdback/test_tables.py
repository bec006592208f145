from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from holdback.business.sections import Role
from holdback.tables import CUSTOMERS, LOAD_COLUMNS, RESERVED_NAMES, ROLES, SQL_TYPES, TABLES, Column, Table
from holdback.warehouse import Lake

DECLARED = [*TABLES.values(), *ROLES.values()]
UNITS = {
    "_at": {"instant"}, "_on": {"date"}, "_days": {"integer"}, "_cents": {"money"}, "_count": {"integer"},
    "_share": {"number"}, "_rate": {"number"}, "_probability": {"number"},
}  # fmt: skip


@pytest.mark.parametrize("table", DECLARED, ids=lambda table: table.name)
def test_a_table_declares_what_a_row_is_and_what_each_column_means(table: Table) -> None:
    assert table.grain
    assert len(set(table.column_names)) == len(table.columns)
    for column in table.columns:
        assert column.type in SQL_TYPES
        assert column.meaning, column.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)


@pytest.mark.parametrize("table", DECLARED, ids=lambda table: table.name)
def test_a_name_carries_its_unit(table: Table) -> None:
    for column in table.columns:
        for suffix, types in UNITS.items():
            if column.name.endswith(suffix):
                assert column.type in types, column.name
        assert column.type != "money" or column.name.endswith("_cents")
        assert column.type != "instant" or column.name.endswith("_at")
        assert column.type != "flag" or re.match(r"(is|has)_", column.name), column.name


@pytest.mark.parametrize("role", ROLES.values(), ids=lambda role: role.name)
def test_every_role_has_both_clocks_and_says_where_a_row_came_from(role: Table) -> None:
    assert role.column_names[:2] == ("customer_id", "event_at")
    assert role.columns[-3:] == LOAD_COLUMNS


def test_the_roles_of_the_business_file_are_those_declared() -> None:
    assert set(Role.__args__) == set(ROLES)  # type: ignore[attr-defined]


def test_an_undeclared_column_is_refused_by_name() -> None:
    with pytest.raises(KeyError, match="batches has no column 'bach_id'"):
        TABLES["batches"].column("bach_id")


def test_extra_columns_stand_before_the_load_columns() -> None:
    table = CUSTOMERS.named("customers", (Column("city", "text", "Where"),))
    assert table.column_names[-4:] == ("city", "batch_id", "row_number", "loaded_at")


@pytest.mark.parametrize("table", DECLARED, ids=lambda table: table.name)
def test_an_empty_table_has_the_declared_shape(table: Table) -> None:
    with duckdb.connect() as connection:
        relation = connection.sql(table.empty_select())
        assert tuple(relation.columns) == table.column_names
        assert [str(t).lower() for t in relation.types] == [column.sql_type for column in table.columns]


def test_a_table_that_was_never_written_reads_as_empty(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", TABLES)
    for name, table in TABLES.items():
        rows = lake.query(f'select * from "{name}"')
        assert (rows.num_rows, tuple(rows.column_names)) == (0, table.column_names)


def test_our_own_tables_names_are_reserved() -> None:
    assert set(TABLES) | {"features", "labels", "spine"} <= RESERVED_NAMES
