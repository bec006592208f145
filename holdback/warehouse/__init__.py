"""The warehouse: where validated rows live, and the one door to DuckDB and Delta.

:class:`Warehouse` is the protocol that the rest of the platform relies on; :class:`Lake` is the embedded default:
Delta tables on a disk, written with ``deltalake``, queried by DuckDB in memory over each table's file list. One
process may write while others read; a reader sees a table as it was when its query began. No ``.duckdb`` file is
ever shared: a process that writes one locks every reader out.
"""

from holdback.warehouse.lake import Lake
from holdback.warehouse.postgres import PostgresWarehouse
from holdback.warehouse.protocol import Warehouse, WholeWarehouse

__all__ = ["Lake", "PostgresWarehouse", "Warehouse", "WholeWarehouse"]
