"""A disk that is full, read-only or forbidden at any step: an operator is told, nothing is lost, the next run is whole.

The disk is a tmpfs whose size is changed while it is in use; that needs root, and is skipped elsewhere.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.chaos.lives import DAY
from tests.chaos.world import LAST, World

pytestmark = pytest.mark.slow

ROOMS_KILOBYTES = (0, 48)
Remount = Callable[[str], None]


@pytest.fixture
def disk(world: World) -> Iterator[Remount]:
    """Put the workspace on a disk of its own; the function that is given changes its options."""
    shutil.rmtree(world.root, ignore_errors=True)
    world.root.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(world.root)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"cannot mount a small disk here ({made.stderr.strip()}); needs root")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(world.root)], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "--lazy", str(world.root)], check=True)


def used_kilobytes(world: World) -> int:
    return -(-shutil.disk_usage(world.root).used // 1024)


@pytest.mark.parametrize("name", DAY)
def test_a_full_disk_stops_a_step_with_a_word_for_the_operator_and_the_next_run_is_whole(
    world: World, disk: Remount, name: str
) -> None:
    refusals = []
    for room in ROOMS_KILOBYTES:
        who = f"full-{name}-{room}"
        disk("size=512m")
        world.bring_back(name)
        disk(f"size={used_kilobytes(world) + room}k")
        end = world.nursery.live(LAST, [name], who=who)
        if end.how != "finished":
            refusals.append(end.how)
            assert end.how.startswith("OperatorError"), f"{room} kB: {end.how}\n{end.words}"
        disk("size=512m")
        world.nursery.live_to_the_end(LAST, [name], who=who)
        assert world.complaints(who, since=name, until=name) == [], f"{room} kB: {end.how}"
    assert refusals
    assert all("space" in said or "full" in said for said in refusals), refusals


@pytest.mark.parametrize("name", DAY)
def test_a_read_only_disk_stops_a_step_with_a_word_for_the_operator_and_the_next_run_is_whole(
    world: World, disk: Remount, name: str
) -> None:
    world.bring_back(name)
    disk("ro")
    end = world.nursery.live(LAST, [name], who=f"readonly-{name}")
    assert end.how.startswith("OperatorError"), f"{end.how}\n{end.words}"
    disk("rw")
    world.nursery.live_to_the_end(LAST, [name], who=f"readonly-{name}")
    assert world.complaints(f"readonly-{name}", since=name, until=name) == []
