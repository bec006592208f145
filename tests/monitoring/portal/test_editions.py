"""The site's folder: what in it is a day of ours, what is somebody else's, and what was lost."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from holdback.errors import OperatorError
from holdback.workspace import Workspace
from monitoring.portal import editions
from tests.monitoring.company import workspace_in
from tests.monitoring.portal.test_site import DAY, build, files_of


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path)


def test_what_is_not_ours_is_neither_removed_nor_in_the_way(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, portal={"keep_days": 2})
    build(workspace, DAY - timedelta(days=1))
    for path in ("2020-01-01/payroll.html", "2020-01-02/index.html", "2021-05-05.backup/a", "assets/logos/a.svg"):
        (workspace.portal / path).parent.mkdir(parents=True)
        (workspace.portal / path).write_text("somebody else's")
    (workspace.portal / "2020-01-01.csv").write_text("1")
    before = files_of(workspace.portal)
    build(workspace)
    after = files_of(workspace.portal)
    assert {name for name in before if before[name] != after.get(name)} == {"index.html"}
    assert editions.days_in(workspace.portal) == (DAY - timedelta(days=1), DAY)


@pytest.mark.parametrize("name", ["2025-10-01", "latest"])
@pytest.mark.parametrize("file", ["index.html", "payroll.html"])
def test_a_folder_of_somebody_else_where_the_day_goes_is_refused_and_stays(
    workspace: Workspace, name: str, file: str
) -> None:
    (workspace.portal / name).mkdir(parents=True)
    (workspace.portal / name / file).write_text("somebody else's")
    with pytest.raises(OperatorError, match=rf"portal/{name}: something stands there .* Move it away, then build"):
        build(workspace)
    assert (workspace.portal / name / file).read_text() == "somebody else's"
    (workspace.portal / name).rename(workspace.root / "elsewhere")
    assert build(workspace).is_newest


def test_a_site_that_was_copied_along_its_links_is_built_on(workspace: Workspace, tmp_path: Path) -> None:
    build(workspace, DAY - timedelta(days=1))
    shutil.copytree(workspace.portal, tmp_path / "copy")
    shutil.rmtree(workspace.portal)
    (tmp_path / "copy").rename(workspace.portal)
    build(workspace)
    site = build(workspace, DAY - timedelta(days=1), text="more is known")
    assert editions.days_in(workspace.portal) == (DAY - timedelta(days=1), DAY)
    assert "more is known" in site.first_page.with_name("churn.html").read_text()


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("lost", ["", "edition.json", "index.html"])
def test_a_day_whose_edition_was_lost_stops_no_other_day_and_is_built_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, has_links: bool, lost: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(Path, "symlink_to", refused)
    yesterday = build(workspace, DAY - timedelta(days=1))
    edition = yesterday.root / yesterday.edition
    if lost:
        (edition / lost).unlink()
    else:
        shutil.rmtree(edition)
    assert build(workspace).is_newest
    again = build(workspace, DAY - timedelta(days=1))
    assert (again.edition, again.is_newest) == (yesterday.edition, False)
    assert again.first_page.is_file()
    assert editions.days_in(workspace.portal) == (DAY - timedelta(days=1), DAY)
