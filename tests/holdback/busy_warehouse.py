"""Write to a warehouse until killed: `python -m tests.holdback.busy_warehouse FOLDER append|replace`.

Appends are batches of 1,000 rows named by a number; a replaced day holds 1,000 rows of one number. Prints `ready`.
"""

from __future__ import annotations

import sys
from datetime import date
from itertools import count
from pathlib import Path

import pyarrow as pa

from holdback.tables import TABLES
from holdback.warehouse import Lake

DAY = date(2026, 3, 2)
ROWS = 1000


def rows(number: int) -> pa.Table:
    return pa.table({"as_of": [DAY] * ROWS, "customer_id": [str(i) for i in range(ROWS)], "value": [number] * ROWS})


def main() -> None:
    lake, what = Lake(Path(sys.argv[1]), TABLES, threads=1), sys.argv[2]
    for number in count():
        if what == "append":
            lake.append("facts", rows(number), batch=str(number))
        else:
            lake.replace_day("features", DAY, rows(number))
        if number == 1:
            sys.stdout.write("ready\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
