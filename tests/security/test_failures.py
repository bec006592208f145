"""A fault that nobody foresaw is kept whole for its owner, and told without a word of the data everywhere else."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from flows.failures import KEPT_DAYS
from flows.forgetting.retention import retention_step
from flows.runs import once
from holdback.errors import ContractBroken, DataError, HoldbackError, Unforeseen
from holdback.workspace import Workspace
from tests.training.companies import shop

DAY = date(2025, 10, 2)
MARK = "CANARYID1"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return shop(tmp_path)


def convert() -> dict[str, int]:
    duckdb.execute(f"select cast('{MARK}' as integer)")
    return {}


def wrapped() -> dict[str, int]:
    try:
        try:
            return convert()
        except duckdb.Error as error:
            raise DataError("tills: a value cannot be read.") from error
    except DataError as error:
        raise ContractBroken("tills: the batch breaks its contract.") from error


def within() -> dict[str, int]:
    try:
        return convert()
    except duckdb.Error:
        raise DataError("tills: a value cannot be read.")  # noqa: B904 - what a hurried hand writes


def told(workspace: Workspace, work: Callable[[], dict[str, int]]) -> tuple[HoldbackError, str]:
    with pytest.raises(HoldbackError) as raised:
        once("ingest_daily", workspace, DAY, work)
    return raised.value, "".join(traceback.format_exception(raised.value))


@pytest.fixture
def careless() -> Iterator[None]:
    """A process that leaves what it writes open to everybody, unless somebody closes it."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("careless")
def test_a_vendors_words_are_kept_in_a_closed_file_and_told_nowhere(workspace: Workspace) -> None:
    error, said = told(workspace, convert)
    [run] = workspace.journal.runs()
    [kept] = (workspace.folder / "failures").iterdir()
    assert isinstance(error, Unforeseen)
    assert error.exit_code == 1
    assert "ingest_daily of 2025-10-02: stopped by a ConversionException in test_failures.py" in str(error)
    assert str(kept) in str(error)
    assert run.error == str(error)
    assert MARK not in said
    assert MARK in kept.read_text(encoding="utf-8")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert MARK not in (workspace.folder / "journal.db").read_bytes().decode("latin-1")


@pytest.mark.parametrize("work", [wrapped, within])
def test_an_error_of_ours_does_not_carry_a_vendors_words_into_a_traceback(
    workspace: Workspace, work: Callable[[], dict[str, int]]
) -> None:
    error, said = told(workspace, work)
    assert isinstance(error, DataError)
    assert MARK not in said
    assert "a value cannot be read" in said


def test_what_was_kept_goes_after_a_month(workspace: Workspace) -> None:
    told(workspace, convert)
    [old] = (workspace.folder / "failures").iterdir()
    os.utime(old, (0, old.stat().st_mtime - (KEPT_DAYS + 1) * 86_400))
    told(workspace, convert)
    left = list((workspace.folder / "failures").iterdir())
    assert len(left) == 1
    assert left != [old]


def test_the_days_end_lets_go_of_what_is_a_month_old_without_another_fault(workspace: Workspace) -> None:
    told(workspace, convert)
    [old] = (workspace.folder / "failures").iterdir()
    retention_step(workspace, DAY)
    assert old.exists()
    os.utime(old, (0, old.stat().st_mtime - (KEPT_DAYS + 1) * 86_400))
    assert retention_step(workspace, DAY).was_done_already
    assert not old.exists()


def test_a_network_that_is_away_stays_what_it_is_and_is_tried_again(workspace: Workspace) -> None:
    def away() -> dict[str, int]:
        raise ConnectionResetError("by peer")

    with pytest.raises(ConnectionResetError):
        once("ingest_daily", workspace, DAY, away)
