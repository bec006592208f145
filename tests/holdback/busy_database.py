"""Write to a warehouse in PostgreSQL until killed: `python -m tests.holdback.busy_database URL SCHEMA FOLDER`.

Batches of 2,000 rows, named by a number and taken up where the database ends. Prints the number of each when it is
written, and `ready` before the first.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import pyarrow as pa

from holdback.tables import TABLES
from holdback.warehouse import PostgresWarehouse

ROWS = 2_000


def rows(number: int) -> pa.Table:
    return pa.table({"value": [number] * ROWS, "text": [f"row {i}" for i in range(ROWS)]})


def main() -> None:
    url, schema, folder = sys.argv[1:]
    warehouse = PostgresWarehouse(url, schema, Path(folder), TABLES, threads=1)
    newest = warehouse.version("facts")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for number in count(0 if newest is None else newest + 1):
        warehouse.append("facts", rows(number), batch=str(number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
