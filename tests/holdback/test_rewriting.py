"""What is taken out of a table of the lake is gone, and whoever writes or reads it meanwhile loses nothing by that."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import UserDict
from collections.abc import Callable, ItemsView, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from holdback.errors import Busy
from holdback.warehouse import Lake
from holdback.warehouse.rewriting import purge
from holdback.warehouse.turns import turn

STAY = "select * from facts where name <> 'gone'"
MANY = 60


class Meanwhile(UserDict[str, pa.Table]):
    """Frames that let something happen between the opening of the tables and the reading of their rows, once."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__({"_nothing": pa.table({"x": [1]})})
        self.happens: Callable[[], object] | None = happens

    def items(self) -> ItemsView[str, pa.Table]:
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return super().items()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.append("facts", facts("x", "gone"), batch="a")
    return lake


def facts(*names: str) -> pa.Table:
    return pa.table({"name": list(names)})


def names(lake: Lake) -> list[str]:
    return [str(name) for name in lake.query("select name from facts order by name")["name"].to_pylist()]


def stored(lake: Lake) -> int:
    return len(list((lake.root / "facts").glob("*.parquet")))


@contextmanager
def program(work: str, lake: Lake) -> Iterator[subprocess.Popen[bytes]]:
    """Run work on the lake in another process until it is done or we are."""
    code = "import sys; from pathlib import Path; from holdback.warehouse import Lake; lake = Lake(Path(sys.argv[1]))\n"
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code + work, str(lake.root)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_rows_that_another_program_adds_in_between_are_neither_kept_nor_doubled(lake: Lake) -> None:
    """To Delta an append that comes while a table is overwritten is no conflict."""
    path = lake.root / "facts"
    frames = Meanwhile(lambda: write_deltalake(path, facts("gone", "z"), mode="append"))
    lake.rewrite("facts", STAY, frames=frames)
    assert names(lake) == ["x", "z"]
    assert stored(lake) == 1
    assert lake.has_batch("facts", "a")


def test_who_adds_rows_meanwhile_waits_and_adds_them_then(lake: Lake) -> None:
    writer = threading.Thread(target=lake.append, args=("facts", facts("y")), kwargs={"batch": "b"})
    lake.rewrite("facts", STAY, frames=Meanwhile(writer.start))
    writer.join()
    assert names(lake) == ["x", "y"]


def test_a_file_that_a_writer_has_not_committed_yet_is_left_to_him(lake: Lake) -> None:
    with program("while True: lake.purge('facts')", lake) as purging:
        for number in range(MANY):
            lake.append("facts", facts(f"n{number:03d}"), batch=f"n{number}")
        assert purging.poll() is None
    assert names(lake) == ["gone", *(f"n{number:03d}" for number in range(MANY)), "x"]


def test_what_a_killed_writer_left_is_removed_at_once(lake: Lake) -> None:
    (lake.root / "facts" / "part-of-nothing.parquet").write_bytes(b"gone")
    lake.purge("facts")
    assert stored(lake) == 1


def test_who_waits_too_long_is_told_so(lake: Lake) -> None:
    with (
        turn(lake.root, "facts", alone=False),
        pytest.raises(Busy, match="facts: another process"),
        turn(lake.root, "facts", alone=True, wait_seconds=0.05),
    ):
        pass
    with turn(lake.root, "facts", alone=False), turn(lake.root, "facts", alone=False, wait_seconds=0):
        purge(lake, "nothing")  # a table that is not there has no turn to wait for


def files_of_days(lake: Lake) -> set[Path]:
    return {path for path in (lake.root / "days").rglob("*.parquet") if "_delta_log" not in path.parts}


def days_of(lake: Lake) -> list[date]:
    return [row["as_of"] for row in lake.query("select as_of from days order by as_of").to_pylist()]


@pytest.mark.parametrize("is_by_day", [True, False])
def test_the_days_before_one_go_with_their_files_and_others_stay(tmp_path: Path, is_by_day: bool) -> None:
    lake = Lake(tmp_path / "lake")
    days = [date(2026, 3, day) for day in (1, 2, 3, 4)]
    for day in days:
        rows = pa.table({"as_of": [day], "name": [f"marked-{day}"]})
        if is_by_day:
            lake.replace_day("days", day, rows)
        else:
            lake.append("days", rows, batch=f"{day}")
    before = files_of_days(lake)
    lake.drop_days("days", date(2026, 3, 3))
    assert days_of(lake) == days[2:]
    after = files_of_days(lake)
    assert (after < before) == is_by_day  # stored by day, the others' files are those that they were
    assert len(after) == (2 if is_by_day else 1)
    left = b"".join(path.read_bytes() for path in (lake.root / "days").rglob("*") if path.is_file())
    assert b"marked-2026-03-02" not in left
    lake.drop_days("days", date(2026, 3, 3))
    lake.drop_days("nothing", date(2026, 3, 3))
    assert days_of(lake) == days[2:]
    lake.append("days", pa.table({"as_of": [days[0]], "name": ["late"]}), batch="late")
    assert days_of(lake) == [days[0], *days[2:]]


def test_a_day_that_is_written_while_others_go_stays(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    for number in range(1, 29):
        day = date(2026, 2, number)
        lake.replace_day("days", day, pa.table({"as_of": [day], "x": [1]}))
    work = "from datetime import date\nfor n in range(1, 29): lake.drop_days('days', date(2026, 2, n))"
    with program(work, lake) as process:
        for number in range(1, 29):
            day = date(2026, 3, number)
            lake.replace_day("days", day, pa.table({"as_of": [day], "x": [1]}))
            assert days_of(lake)[-number:] == [date(2026, 3, n) for n in range(1, number + 1)]
        process.wait()
    assert process.returncode == 0
    assert days_of(lake) == [date(2026, 2, 28), *(date(2026, 3, n) for n in range(1, 29))]


def test_a_query_that_finds_its_files_removed_looks_again(lake: Lake) -> None:
    frames = Meanwhile(lambda: lake.rewrite("facts", STAY))
    assert lake.query("select name from facts", frames=frames)["name"].to_pylist() == ["x"]


def test_readers_of_a_table_that_is_written_anew_all_the_time_get_all_of_it(lake: Lake) -> None:
    with program("for _ in range(40): lake.rewrite('facts', 'select * from facts where true')", lake) as process:
        while process.poll() is None:
            assert names(lake) == ["gone", "x"]
    assert process.returncode == 0
