"""The planted drift is found, and nothing else, whether the reference was kept or is computed anew."""

from __future__ import annotations

from pathlib import Path

from bench.drift import DRIFTED, day, keep_reference, write
from holdback.warehouse import Lake
from monitoring.drift import reference_bins


def test_what_was_moved_is_found_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, 5_000)
    keep_reference(tmp_path)
    kept, anew = (day(tmp_path, is_kept=is_kept) for is_kept in (True, False))
    assert kept == anew == {"drifted": sorted(DRIFTED), "rows": 5_000}


def test_values_of_one_customer_are_counted_as_plain_sql_counts_them(tmp_path: Path) -> None:
    write(tmp_path, 3_000)
    lake = Lake(tmp_path, {})
    # A category of which many values are borne by one customer, some of them in several rows.
    kind = "select customer_id, as_of, substr(md5(customer_id), 1, 3) as kind from described"
    rows = f"({kind} union all {kind} where customer_id < 'c-00001000')"
    expected = lake.query(
        f"select count(*) as n from (select kind from {rows} group by kind having count(distinct customer_id) = 1)"
    )
    [found] = reference_bins(lake, rows, {"kind": "category"}).columns
    assert found.singleton_count == expected["n"][0].as_py() > 100
