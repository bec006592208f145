"""What a run that was killed or refused had not done yet, and what nobody else would do, is done by the next one."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.steps import ingest_step
from holdback.errors import ContractBroken
from holdback.ingest import ingest
from holdback.workspace import Workspace
from tests.holdback.shop import AS_OF, make_workspace, orders, write_csv


def pages(workspace: Workspace) -> int:
    return len(list((workspace.reports / "validation").glob("*.html")))


def test_a_batch_whose_run_was_killed_before_its_page_was_written_gets_its_page(tmp_path: Path) -> None:
    """Seen before the mend: the batch was known already to the next run, and its page was never written."""
    write_csv(tmp_path / "orders" / "a.csv", orders(3))
    workspace = make_workspace(tmp_path)
    ingest(workspace, AS_OF)  # this is how far a run came that was killed here
    assert pages(workspace) == 0
    assert ingest_step(workspace, AS_OF).was_done_already
    assert pages(workspace) == 1
    assert ingest_step(workspace, AS_OF).receipt["pages"] == []


def test_batches_before_a_broken_one_get_their_pages_with_the_next_run(tmp_path: Path) -> None:
    write_csv(tmp_path / "orders" / "a.csv", orders(3))
    (tmp_path / "orders" / "b.csv").write_bytes(b"")
    workspace = make_workspace(tmp_path)
    with pytest.raises(ContractBroken):
        ingest_step(workspace, AS_OF)
    (tmp_path / "orders" / "b.csv").unlink()
    ingest_step(workspace, AS_OF)
    assert pages(workspace) == 1
