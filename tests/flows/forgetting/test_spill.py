"""What queries put down on the disk and a killed process left there is removed when somebody is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.forgetting.forgetting import _clear_spill
from holdback.business import load_business
from holdback.workspace import Workspace
from tests.flows.shop import write_shop


@pytest.mark.parametrize("place", [".spill", "warehouse/.spill", "mirror/.spill"])
def test_leftovers_of_queries_are_removed_wherever_they_lie(tmp_path: Path, place: str) -> None:
    workspace = Workspace(tmp_path / "home", load_business(write_shop(tmp_path / "shop", customers=5)))
    folder = workspace.folder / place
    folder.mkdir(parents=True)
    left = folder / "duckdb_temp_storage_S32K-0.tmp"
    left.write_text("ana@example.com")
    _clear_spill(workspace)
    assert not left.exists()
