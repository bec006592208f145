"""What of a place that a site is published to is ours, what may go, and what stays whatever its name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from holdback.errors import BusinessFileError
from holdback.workspace import Workspace
from monitoring.portal.published import Place
from monitoring.portal.publishing import publish
from tests.monitoring.company import workspace_in
from tests.monitoring.portal.small_s3 import SmallS3, small_s3
from tests.monitoring.portal.test_publishing import DAY, build, first_page

NOT_OURS = (
    "2020-01-01/payroll.html", "2020-01-02/index.html", "2021-05-05.backup/a.html", "2021-05-06.0123456789ab/a.html",
    "2020-01-01-photos/a.jpg", "2020-01-01.csv", "assets/logos/a.svg", "about.html",
)  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path / "company")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "published"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallS3]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with small_s3() as server:
        yield server


def put(target: Path, path: str, text: str = "somebody else's") -> Path:
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    (target / path).write_text(text)
    return target / path


def test_what_is_not_ours_is_never_removed_and_keeps_nothing_from_being_removed(
    workspace: Workspace, target: Path
) -> None:
    publish(build(workspace, DAY - timedelta(days=1)), str(target), keep_days=1)
    for path in NOT_OURS:
        put(target, path)
    published = publish(build(workspace), str(target), keep_days=1)
    assert {path for path in NOT_OURS if not (target / path).is_file()} == set()
    assert (published.removed_days, published.notes) == ((DAY - timedelta(days=1),), ())
    assert not list(target.glob("2025-09-30*"))


@pytest.mark.parametrize("path", NOT_OURS)
def test_a_site_does_not_begin_among_other_files(workspace: Workspace, target: Path, path: str) -> None:
    put(target, path)
    name = path.partition("/")[0]
    with pytest.raises(BusinessFileError, match=rf"holds other files already \('{name}'\)\. .*Choose an empty folder"):
        publish(build(workspace), str(target), keep_days=1)
    assert [file.relative_to(target).as_posix() for file in target.rglob("*") if file.is_file()] == [path]


def test_hidden_files_keep_no_site_from_beginning(workspace: Workspace, target: Path) -> None:
    put(target, ".nojekyll")
    put(target, ".git/config")
    publish(build(workspace), str(target), keep_days=1)
    assert (target / ".git" / "config").is_file()


def test_a_page_of_somebody_else_at_the_days_address_is_not_overwritten(workspace: Workspace, target: Path) -> None:
    publish(build(workspace, DAY - timedelta(days=1)), str(target))
    page = put(target, "2025-10-01/index.html")
    with pytest.raises(BusinessFileError, match=r"2025-10-01/index\.html stands there, and Holdback did not write it"):
        publish(build(workspace), str(target))
    assert page.read_text() == "somebody else's"


def test_a_folder_that_cannot_be_removed_is_told_and_the_others_go(
    workspace: Workspace, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [build(workspace, DAY - timedelta(days=back)) for back in (3, 2, 0)]
    for site in sites[:2]:
        publish(site, str(target), keep_days=30)
    remove = Place.remove

    def refused(place: Place, name: str) -> None:
        if name == sites[0].edition:
            raise PermissionError(13, "Permission denied")
        remove(place, name)

    monkeypatch.setattr(Place, "remove", refused)
    published = publish(sites[2], str(target), keep_days=1)
    assert published.removed_days == (DAY - timedelta(days=3), DAY - timedelta(days=2))
    [note] = published.notes
    assert f"{sites[0].edition} is too old and could not be removed" in note
    assert sorted(path.name for path in target.glob("2025-*")) == [sites[0].edition, "2025-10-01", sites[2].edition]


def test_what_a_killed_publication_left_is_removed_by_the_next_and_nothing_else(
    workspace: Workspace, target: Path
) -> None:
    site = build(workspace, DAY - timedelta(days=1))
    publish(site, str(target), keep_days=30)
    left = [
        put(target, path)
        for path in (
            ".part-77-index.html", ".part-77-2025-09-01/index.html", f"{site.edition}/en/.part-77-churn.html",
            "2025-09-30/.part-77-index.html", f"assets/{site.assets}/.part-77-portal.css",
        )
    ]  # fmt: skip
    others = [put(target, path) for path in (".part-of-a-book/a.txt", "photos/.part-77-a.jpg")]
    publish(build(workspace), str(target), keep_days=30)
    assert [path for path in left if path.exists()] == []
    assert all(path.is_file() for path in others)


def test_a_first_publication_that_was_killed_is_taken_up_again(workspace: Workspace, target: Path) -> None:
    site = build(workspace)
    put(target, f"assets/{site.assets}/.part-77-plotly.min.js", "half")
    (target / site.edition).mkdir()
    put(target, f"{site.edition}/.part-77-edition.json", "half")
    (target / "2025-10-01").mkdir()
    publish(site, str(target), keep_days=30)
    assert "nothing new" in first_page(target)
    assert list(target.rglob(".part-*")) == []


def drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.portal.site.assets", lambda: {"portal.css": b"new"})


def test_assets_that_no_published_edition_needs_go_with_the_days(
    workspace: Workspace, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build(workspace, DAY - timedelta(days=1))
    publish(before, str(target), keep_days=1)
    logos = put(target, "assets/logos/a.svg")
    drawn_anew(monkeypatch)
    after = build(workspace)
    publish(after, str(target), keep_days=2)
    assert {path.name for path in (target / "assets").iterdir()} == {before.assets, after.assets, "logos"}
    publish(after, str(target), keep_days=1)
    assert {path.name for path in (target / "assets").iterdir()} == {after.assets, "logos"}
    assert logos.is_file()


def test_assets_stay_while_an_edition_does_not_say_what_it_needs(
    workspace: Workspace, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build(workspace, DAY - timedelta(days=1))
    publish(before, str(target), keep_days=1)
    put(target, "2025-09-30.0123456789ab/edition.json", "{half")
    drawn_anew(monkeypatch)
    publish(build(workspace), str(target), keep_days=1)
    assert (target / "assets" / before.assets).is_dir()


def test_assets_leave_a_bucket_with_the_last_edition_that_needs_them(
    workspace: Workspace, bucket: SmallS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.objects["site/assets/0123456789ab/portal.css"] = (b"uploaded by another machine just now", {})
    publish(before := build(workspace, DAY - timedelta(days=1)), bucket.address("site"), keep_days=1)
    drawn_anew(monkeypatch)
    publish(after := build(workspace), bucket.address("site"), keep_days=1)
    assets = {key.split("/")[2] for key in bucket.objects if key.startswith("site/assets/")} - {""}
    assert assets == {after.assets, "0123456789ab"}
    assert before.assets not in assets


def test_what_is_not_ours_stays_in_a_bucket_and_keeps_a_site_from_beginning_there(
    workspace: Workspace, bucket: SmallS3
) -> None:
    bucket.objects["site/2020-01-01/payroll.html"] = (b"theirs", {})
    with pytest.raises(BusinessFileError, match=r"holds other files already \('2020-01-01'\)"):
        publish(build(workspace), bucket.address("site"), keep_days=1)
    publish(build(workspace), bucket.address("other"), keep_days=1)
    bucket.objects["other/2020-01-01/payroll.html"] = (b"theirs", {})
    publish(build(workspace, DAY + timedelta(days=1)), bucket.address("other"), keep_days=1)
    assert bucket.objects["other/2020-01-01/payroll.html"] == (b"theirs", {})
