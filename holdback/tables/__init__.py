"""Every table, declared once: grain, columns, types, units, meaning, allowed values.

Contracts, table creation, the data dictionary (``docs/data-dictionary.md``) and the empty views that queries see
before the first load are all built from these declarations.

A business' feeds become one table each, named as the feed and shaped by its role (:data:`ROLES`); the other tables
(:data:`TABLES`) have fixed names.
"""

from __future__ import annotations

from collections.abc import Mapping

from holdback.tables.columns import CUSTOMER_ID, EVENT_AT, LOAD_COLUMNS, SQL_TYPES, Column, ColumnType, Table
from holdback.tables.loading import LOADING
from holdback.tables.results import LEDGER_KINDS, RESULTS
from holdback.tables.roles import CUSTOMERS, ROLES

#: Every table whose columns do not follow from the business' feeds.
TABLES: Mapping[str, Table] = {table.name: table for table in (CUSTOMERS, *LOADING, *RESULTS)}

#: Stored one folder per day although their columns are not declared here: they follow the business' feature set.
FEATURES_TABLE = "features"

RESERVED_NAMES: frozenset[str] = frozenset(TABLES) | {FEATURES_TABLE, "labels", "spine"}

__all__ = [
    "CUSTOMERS",
    "CUSTOMER_ID",
    "EVENT_AT",
    "FEATURES_TABLE",
    "LEDGER_KINDS",
    "LOAD_COLUMNS",
    "RESERVED_NAMES",
    "ROLES",
    "SQL_TYPES",
    "TABLES",
    "Column",
    "ColumnType",
    "Table",
]
