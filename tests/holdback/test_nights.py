"""Two machines, one database: only the folder that holds what was landed and sent runs the night."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from holdback.errors import Busy, OperatorError
from holdback.nights import FILE, LOCKS, machine_id, take_over
from holdback.workspace import Workspace
from tests.holdback.shop import make_workspace

pytestmark = pytest.mark.postgres


@pytest.fixture
def first(company_database: str, tmp_path: Path) -> Workspace:
    workspace = make_workspace(tmp_path)
    business = workspace.business.model_copy(update={"slug": f"shop_{uuid.uuid4().hex[:8]}"})
    return replace(workspace, business=business, database_url=company_database)


@pytest.fixture
def second(first: Workspace, tmp_path: Path) -> Workspace:
    return replace(first, root=tmp_path / "elsewhere")


@pytest.mark.parametrize("name", LOCKS)
def test_a_second_machine_is_refused_what_needs_the_files_of_the_first(
    first: Workspace, second: Workspace, name: str
) -> None:
    with first.lock(name):
        pass
    with pytest.raises(OperatorError, match=r"does not run the night: .*/work/.* does.*warehouse take-over"):
        second.lock(name).__enter__()
    with second.lock("score"), second.lock("report"):
        pass  # whatever stands in the tables alone, any machine may do
    with first.lock(name):
        pass


def test_to_look_claims_nothing(first: Workspace, second: Workspace) -> None:
    with second.lock("score"):
        assert second.journal.night() is None
    with first.lock("ingest"):
        night = first.journal.night()
    assert night is not None
    assert night.machine == machine_id(first.folder)


def test_a_folder_that_is_moved_or_restored_takes_the_night_along(first: Workspace, second: Workspace) -> None:
    with first.lock("ingest"):
        pass
    second.folder.parent.mkdir(parents=True)
    first.folder.rename(second.folder)
    with second.lock("delivery"):
        pass


def test_on_files_there_is_no_other_machine(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    with workspace.lock("ingest"):
        assert not (workspace.folder / FILE).exists()
    with pytest.raises(OperatorError, match="HOLDBACK_DATABASE_URL: is not set"):
        take_over(workspace)


def test_the_night_is_handed_over_and_the_old_machine_is_refused_then(first: Workspace, second: Workspace) -> None:
    with first.lock("decide"), pytest.raises(Busy):
        take_over(second)
    handed = take_over(second)
    assert handed.before is not None
    assert handed.before.machine == machine_id(first.folder)
    assert handed.missing == ()
    with second.lock("decide"):
        pass
    with pytest.raises(OperatorError, match="does not run the night"):
        first.lock("decide").__enter__()
    again = take_over(second)
    assert again.night == handed.night


def test_the_night_is_not_handed_over_without_the_files_unless_they_are_said_to_be_lost(
    first: Workspace, second: Workspace
) -> None:
    import pyarrow as pa

    from holdback.commits import rows_of

    with first.lock("ingest"):
        row = {"sequence": 1, "batch_id": "abc", "feed": "tills", "as_of": "2026-03-02", "rows_offered": 0,
               "rows_clean": 0, "rows_quarantined": 0, "loaded_at": "2026-03-02"}  # fmt: skip
        shape = rows_of(first.business.tables["batches"], [])
        given = pa.table({
            field.name: pa.array([row.get(field.name)]).cast(field.type) for field in shape.schema
        })  # fmt: skip
        first.warehouse.append("batches", given, batch="abc")
    with pytest.raises(OperatorError, match=r"landing/abc is not in .*--without-files"):
        take_over(second)
    with first.lock("ingest"):
        (first.landing / "abc").mkdir(parents=True)
    shutil.copytree(first.landing, second.landing)
    assert take_over(second).missing == ()
    shutil.rmtree(first.landing)
    assert take_over(first, without_files=True).missing == ("landing/abc",)
