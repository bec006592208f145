from __future__ import annotations

from pathlib import Path

import pytest

from holdback import machine

INSTALLED = 24 * 2**30


def own(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "own"
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def group(tmp_path: Path, path: str, file: str, limit: str) -> None:
    folder = tmp_path / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(f"{limit}\n")


def test_without_control_groups_it_is_what_is_installed(tmp_path: Path) -> None:
    assert machine.memory_bytes(tmp_path, tmp_path / "none", INSTALLED) == INSTALLED
    assert machine.memory_bytes(tmp_path, own(tmp_path, "0::/"), INSTALLED) == INSTALLED


def test_the_tightest_of_the_groups_around_the_process_counts(tmp_path: Path) -> None:
    group(tmp_path, "", "memory.max", "max")
    group(tmp_path, "company", "memory.max", str(4 * 2**30))
    group(tmp_path, "company/worker", "memory.max", str(8 * 2**30))
    assert machine.memory_bytes(tmp_path, own(tmp_path, "0::/company/worker"), INSTALLED) == 4 * 2**30


def test_the_groups_of_older_systems_are_read_and_a_limit_above_what_is_installed_is_none(tmp_path: Path) -> None:
    group(tmp_path, "memory", "memory.limit_in_bytes", str(2**63 - 4096))
    lines = own(tmp_path, "5:devices:/", "4:memory:/a/b", "0::/")
    assert machine.memory_bytes(tmp_path, lines, INSTALLED) == INSTALLED
    group(tmp_path, "memory/a", "memory.limit_in_bytes", str(2**31))
    assert machine.memory_bytes(tmp_path, lines, INSTALLED) == 2**31


def test_a_container_that_sees_its_own_group_as_the_root_finds_its_limit(tmp_path: Path) -> None:
    group(tmp_path, "", "memory.max", str(2**30))
    assert machine.memory_bytes(tmp_path, own(tmp_path, "0::/kubepods/pod7/c1"), INSTALLED) == 2**30


@pytest.mark.parametrize(("gibibytes", "limit"), [(24, "2048MiB"), (8, "2048MiB"), (4, "1024MiB"), (1, "256MiB")])
def test_queries_get_a_quarter_and_at_most_two(monkeypatch: pytest.MonkeyPatch, gibibytes: int, limit: str) -> None:
    monkeypatch.setattr(machine, "memory_bytes", lambda: gibibytes * 2**30)
    assert machine.query_memory_limit.__wrapped__() == limit
