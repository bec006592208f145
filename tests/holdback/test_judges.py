from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdback.contracts import lent_judge


def test_a_judge_is_kept_for_the_next_run_and_its_folder_is_not(tmp_path: Path) -> None:
    with lent_judge(tmp_path, threads=1) as first:
        assert first.folder.stat().st_mode & 0o777 == 0o700
        (first.folder / "batch").touch()
    assert list(tmp_path.iterdir()) == []
    with lent_judge(tmp_path, threads=1) as second:
        assert second is first
        assert list(second.folder.iterdir()) == []


def test_a_judge_serves_one_run_at_a_time_and_one_business(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with lent_judge(tmp_path / "a", threads=1) as first, lent_judge(tmp_path / "a", threads=1) as second:
        assert first is not second
        assert first.folder != second.folder
    with lent_judge(tmp_path / "b", threads=1) as other:
        assert other not in (first, second)
        assert other.folder.parent == tmp_path / "b"


def test_the_judge_of_a_run_that_failed_is_not_used_again(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lent_judge(tmp_path, threads=1) as first:
        raise KeyError
    assert list(tmp_path.iterdir()) == []
    with lent_judge(tmp_path, threads=1) as second:
        assert second is not first


def test_a_process_without_a_main_file_judges_too(tmp_path: Path) -> None:
    # With Spark installed, Great Expectations imports its client, which takes such a process for a run of its own
    # doctests and ends it: with exit code 0, as if the work were done.
    code = "from holdback.contracts.judging import _great_expectations; print(_great_expectations().__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "great_expectations"
