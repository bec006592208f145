"""One company for all tests of faults: lived once, undisturbed, with a receiver that outlives every process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.nursery import Nursery
from tests.chaos.receivers import receiver
from tests.chaos.world import World, live_undisturbed


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The company, with what it was before and after each step of its last day."""
    base = tmp_path_factory.mktemp("chaos")
    with receiver() as calls, Nursery(base / "house", base / "root", calls.url) as nursery:
        lived = World(base, calls, nursery)
        live_undisturbed(lived)
        yield lived
