"""The whole site: read at one moment, seen as one, whatever fails or is killed on the way."""

from __future__ import annotations

import os
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from holdback.errors import BusinessFileError, Busy, NotKnowableYet, OperatorError
from holdback.workspace import Workspace
from monitoring.portal import editions
from monitoring.portal import site as site_module
from monitoring.portal.site import MOST_BYTES, BuiltSite, build_portal
from monitoring.portal.source import Source
from tests.monitoring.company import workspace_in
from tests.monitoring.portal.pages_of_a_test import TWO, page_module, said

DAY = date(2025, 10, 1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path)


def build(workspace: Workspace, as_of: date = DAY, *, text: str | None = None, fails: bool = False) -> BuiltSite:
    """Build a site of two pages; its text makes it a state of its own."""

    def read(source: Source) -> str:
        if fails:
            raise NotKnowableYet("churn: nothing is known before 2025-11-01. Wait.")
        return text or "nothing"

    return build_portal(workspace, as_of, pages=(page_module("today"), page_module("churn", read=read)))


def files_of(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def links_of(page: Path) -> list[Path]:
    """Where the links, scripts and styles of a page lead on this disk."""
    found = re.findall(r'(?:href|src)="([^"#]+)"', page.read_text())
    leads = re.findall(r'content="0; url=([^"]+)"', page.read_text())
    return [Path(os.path.normpath(page.parent / link)) for link in found + leads if not link.startswith("data:")]


def test_a_day_has_every_page_in_both_languages_and_a_page_that_leads_to_it(workspace: Workspace) -> None:
    site = build_portal(workspace, DAY, pages=TWO)
    day = workspace.portal / "2025-10-01"
    assert {path.relative_to(day).as_posix() for path in day.rglob("*.html")} == {
        "index.html", "en/today.html", "en/churn.html", "es/today.html", "es/churn.html",
    }  # fmt: skip
    assert "In English: 0 rows as of 2025-10-01" in (day / "en" / "today.html").read_text()
    assert "En español: 0 rows" in (day / "es" / "churn.html").read_text()
    assert site.first_page == day / "en" / "today.html"
    assert site.index == workspace.portal / "index.html"
    assert (site.pages, site.failed, site.notes, site.is_newest) == (("today", "churn"), (), (), True)


def test_every_link_of_every_page_leads_to_a_file_of_the_site(workspace: Workspace) -> None:
    build_portal(workspace, DAY, pages=TWO)
    pages = [workspace.portal / "index.html", *(workspace.portal / "2025-10-01").rglob("*.html")]
    for page in pages:
        for link in links_of(page):
            assert link.is_file(), (page, link)
            assert link.is_relative_to(workspace.portal)


@pytest.mark.parametrize(("language", "first"), [("en", "en/today.html"), ("es", "es/today.html")])
def test_the_index_leads_to_the_language_of_the_business(tmp_path: Path, language: str, first: str) -> None:
    site = build_portal(workspace_in(tmp_path, language=language), DAY, pages=TWO)
    assert f'content="0; url={first}"' in (site.root / "2025-10-01" / "index.html").read_text()
    assert f'content="0; url={site.edition}/index.html"' in site.index.read_text()


def test_a_name_of_a_business_that_looks_like_markup_is_text(tmp_path: Path) -> None:
    site = build_portal(workspace_in(tmp_path, name="<script>alert(1)</script>"), DAY, pages=TWO)
    assert all("<script>alert" not in page.read_text() for page in site.root.rglob("*.html"))


def test_a_page_is_read_once_for_both_languages_and_all_pages_at_one_moment(workspace: Workspace) -> None:
    seen: list[object] = []

    def read(source: Source) -> str:
        seen.append(source.warehouse)
        return "x"

    build_portal(workspace, DAY, pages=[page_module(name, read=read) for name in ("today", "churn")])
    assert len(seen) == 2
    assert seen[0] is seen[1]


def test_the_same_knowledge_gives_the_same_bytes_and_changes_nothing(workspace: Workspace, tmp_path: Path) -> None:
    first = build(workspace)
    before = {path: path.stat().st_mtime_ns for path in workspace.portal.rglob("*") if "index" not in path.name}
    again = build(workspace)
    assert (first.was_there_already, again.was_there_already) == (False, True)
    assert again.edition == first.edition
    assert {path: path.stat().st_mtime_ns for path in before} == before
    elsewhere = build(workspace_in(tmp_path / "elsewhere"))
    assert files_of(elsewhere.root) == files_of(workspace.portal)


def test_what_changed_on_the_day_replaces_it_and_leaves_nothing_behind(workspace: Workspace) -> None:
    old, new = build(workspace), build(workspace, text="more is known")
    assert old.edition != new.edition
    assert "more is known" in (workspace.portal / "2025-10-01" / "en" / "churn.html").read_text()
    assert sorted(path.name for path in workspace.portal.iterdir()) == [
        "2025-10-01", new.edition, "assets", "index.html", "latest"
    ]  # fmt: skip


def test_yesterday_stays_readable_and_the_site_opens_with_today(workspace: Workspace) -> None:
    yesterday = build(workspace, DAY - timedelta(days=1))
    today = build(workspace)
    assert yesterday.first_page.is_file()
    assert f"{today.edition}/index.html" in (workspace.portal / "index.html").read_text()
    assert (workspace.portal / "latest" / "en" / "today.html").read_text().count("2025-10-01")


def test_a_day_of_the_past_does_not_become_the_first(workspace: Workspace) -> None:
    today = build(workspace)
    past = build(workspace, DAY - timedelta(days=3))
    assert (past.is_newest, past.newest) == (False, DAY)
    assert f"{today.edition}/index.html" in (workspace.portal / "index.html").read_text()
    assert (workspace.portal / "latest").resolve() == (workspace.portal / "2025-10-01").resolve()


def test_old_days_go_and_the_newest_never_does(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, portal={"keep_days": 2})
    days = [DAY - timedelta(days=back) for back in (400, 3, 2, 1, 0)]
    removed = [build(workspace, day).removed_days for day in days]
    assert removed == [(), (days[0],), (), (days[1],), (days[2],)]
    assert editions.days_in(workspace.portal) == (days[3], days[4])
    assert len(list(workspace.portal.glob("????-??-??.*"))) == 2


def test_a_day_that_is_older_than_the_site_keeps_is_built_and_stays_until_another_day_is(tmp_path: Path) -> None:
    workspace = workspace_in(tmp_path, portal={"keep_days": 2})
    build(workspace)
    past = build(workspace, DAY - timedelta(days=400), text="long ago")
    assert "long ago" in past.first_page.with_name("churn.html").read_text()
    assert (past.is_newest, past.removed_days) == (False, ())
    [note] = past.notes
    assert note == (
        "2024-08-27 is older than portal.keep_days (2 days before 2025-10-01): "
        "it stays readable until another day is built."
    )
    after = build(workspace, text="more is known")
    assert (after.removed_days, after.notes) == ((past.as_of,), ())
    assert editions.days_in(workspace.portal) == (DAY,)


def copied(root: Path, to: Path) -> Path:
    """A copy as an archive or a network share makes it: without symbolic links."""
    shutil.copytree(root, to, ignore=lambda folder, names: [name for name in names if Path(folder, name).is_symlink()])
    return to


def test_a_copy_without_symbolic_links_opens_from_its_first_page(workspace: Workspace, tmp_path: Path) -> None:
    build(workspace)
    copy = copied(workspace.portal, tmp_path / "copy")
    pages = list(copy.rglob("*.html"))
    assert len(pages) == 1 + 5
    assert all(link.is_file() for page in pages for link in links_of(page))


def test_an_old_day_keeps_the_assets_it_was_drawn_for(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    yesterday = build(workspace, DAY - timedelta(days=1))
    monkeypatch.setattr("monitoring.portal.site.assets", lambda: {"portal.css": b"new", "plotly.min.js": b"newer"})
    today = build(workspace)
    assert today.assets != yesterday.assets
    assert all(link.is_file() for link in links_of(yesterday.first_page))
    assert {path.name for path in (workspace.portal / "assets").iterdir()} == {today.assets, yesterday.assets}


def test_assets_that_no_day_needs_any_more_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = workspace_in(tmp_path, portal={"keep_days": 1})
    build(workspace, DAY - timedelta(days=1))
    monkeypatch.setattr("monitoring.portal.site.assets", lambda: {"portal.css": b"new"})
    today = build(workspace)
    assert [path.name for path in (workspace.portal / "assets").iterdir()] == [today.assets]


def test_a_page_that_cannot_be_read_says_why_and_the_others_stand(workspace: Workspace) -> None:
    site = build(workspace, fails=True)
    [failed] = site.failed
    assert (failed.name, failed.language) == ("churn", None)
    assert failed.error == "churn: nothing is known before 2025-11-01. Wait."
    for language, title in (("en", "What failed"), ("es", "Qué ha fallado")):
        page = (workspace.portal / "2025-10-01" / language / "churn.html").read_text()
        assert title in page
        assert "nothing is known before 2025-11-01" in page
        assert "Traceback" not in page
    assert "0 rows" in (workspace.portal / "2025-10-01" / "en" / "today.html").read_text()


def test_an_unforeseen_error_is_told_by_kind_and_place_and_never_by_its_text(workspace: Workspace) -> None:
    def read(source: Source) -> str:
        raise ValueError("could not convert eva@example.org")

    site = build_portal(workspace, DAY, pages=(page_module("today"), page_module("churn", read=read)))
    [failed] = site.failed
    assert re.fullmatch(r"ValueError \(test_site\.py:\d+\)", failed.error)
    assert all(b"eva@example.org" not in content for content in files_of(site.root).values())


def test_a_page_that_cannot_be_said_in_one_language_stands_in_the_other(workspace: Workspace) -> None:
    def page(content: str, words: object) -> object:
        if words.language == "es":  # type: ignore[attr-defined]
            raise KeyError("churn_page_lead")
        return said(content, words, name="churn")  # type: ignore[arg-type]

    site = build_portal(workspace, DAY, pages=(page_module("today"), page_module("churn", page=page)))  # type: ignore[arg-type]
    [failed] = site.failed
    assert (failed.name, failed.language) == ("churn", "es")
    assert "In English" in (site.root / "2025-10-01" / "en" / "churn.html").read_text()
    assert "Qué ha fallado" in (site.root / "2025-10-01" / "es" / "churn.html").read_text()


def test_a_page_that_cannot_be_drawn_says_so(workspace: Workspace) -> None:
    def twice(content: str, words: object) -> object:
        page = said(content, words, name="churn")  # type: ignore[arg-type]
        return type(page)(page.name, page.title, page.lead, page.sections * 2)

    site = build_portal(workspace, DAY, pages=(page_module("today"), page_module("churn", page=twice)))  # type: ignore[arg-type]
    assert [(one.name, one.language) for one in site.failed] == [("churn", "en"), ("churn", "es")]
    assert "What failed" in (site.root / "2025-10-01" / "en" / "churn.html").read_text()


def test_a_day_that_weighs_too_much_says_so(workspace: Workspace) -> None:
    light, heavy = build(workspace), build(workspace, text="x" * (MOST_BYTES // 2))
    assert light.size_bytes < MOST_BYTES
    assert light.notes == ()
    assert heavy.size_bytes > MOST_BYTES
    [note] = heavy.notes
    assert re.match(r"the day weighs \d\.\d MB without Plotly; more than 3 MB opens slowly \(largest: \w\w/churn", note)


def test_a_build_that_was_killed_leaves_the_site_as_it_was_and_nothing_for_ever(workspace: Workspace) -> None:
    build(workspace)
    before = files_of(workspace.portal)
    (workspace.portal / ".part-77-2025-10-01.abc" / "en").mkdir(parents=True)
    (workspace.portal / ".part-77-index.html").write_text("half")
    (workspace.portal / "assets" / ".part-77-9f").mkdir()
    build(workspace)
    assert files_of(workspace.portal) == before
    assert list(workspace.portal.rglob(".part-*")) == []


@pytest.mark.parametrize("step", ["write_edition", "lead_to", "lead_to_newest", "keep"])
def test_a_build_killed_before_any_step_shows_a_whole_day(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    build(workspace, DAY - timedelta(days=1))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(editions, step, killed)
        with pytest.raises(KeyboardInterrupt):
            build(workspace)
    for page in [workspace.portal / "index.html", *workspace.portal.glob("????-??-??/**/*.html")]:
        assert all(link.is_file() for link in links_of(page))
    site = build(workspace)
    assert site.is_newest
    assert f"{site.edition}/index.html" in site.index.read_text()


def test_a_day_killed_before_the_site_opens_with_it_does_not_break_the_site_for_another_day(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(workspace)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(editions, "lead_to_newest", killed)
        with pytest.raises(KeyboardInterrupt):
            build(workspace, text="more is known")
    site = build(workspace, DAY - timedelta(days=1))
    assert not site.is_newest
    assert all(link.is_file() for link in links_of(site.index))


def test_an_edition_that_somebody_changed_is_written_again(workspace: Workspace) -> None:
    site = build(workspace)
    before = files_of(workspace.portal)
    (site.root / site.edition / "en" / "today.html").unlink()
    (site.root / site.edition / "es" / "today.html").write_text("hello")
    again = build(workspace)
    assert not again.was_there_already
    assert files_of(workspace.portal) == before


def test_where_there_are_no_symbolic_links_a_day_is_a_page_that_leads_to_its_edition(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # what FAT answers

    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refused)
        build(workspace, DAY - timedelta(days=1))
        build(workspace)
        site = build(workspace, text="more is known")
        assert site.first_page == site.root / site.edition / "en" / "today.html"
        assert not (site.root / "latest").exists()
        pages = [site.index, *site.root.glob("????-??-??*/**/*.html")]
        assert len(pages) == 1 + 2 + 2 * 5
        assert all(link.is_file() for page in pages for link in links_of(page))
    assert build(workspace).first_page == workspace.portal / "2025-10-01" / "en" / "today.html"


def test_what_pages_look_like_has_a_name_that_changes_with_templates_and_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = {site_module.looks()}
    folders = tuple(Path(shutil.copytree(folder, tmp_path / folder.name)) for folder in site_module._LOOKS_IN)
    monkeypatch.setattr(site_module, "_LOOKS_IN", folders)
    for changed in (None, folders[0] / "page.html.j2", folders[1] / "es" / "today.po"):
        if changed is not None:
            changed.write_text(changed.read_text() + "\n")
        seen.add(site_module.looks.__wrapped__())
    assert len(seen) == 3


def test_a_full_disk_leaves_the_day_before_as_it_was(tmp_path: Path, small_disk: object) -> None:
    workspace = workspace_in(tmp_path / "work")
    build(workspace, DAY - timedelta(days=1))
    before = files_of(workspace.portal)
    used = sum(f.stat().st_blocks // 2 for f in (tmp_path / "work").rglob("*"))
    small_disk(f"size={used + 60}k")  # type: ignore[operator]
    with pytest.raises(OperatorError, match=r"No space left on device.*The site that stood there still stands"):
        build(workspace, text="x" * 200_000)
    assert files_of(workspace.portal) == before
    small_disk("size=64m")  # type: ignore[operator]
    assert build(workspace).is_newest


def test_a_folder_that_may_not_be_written_says_so(tmp_path: Path, small_disk: object) -> None:
    workspace = workspace_in(tmp_path / "work")
    build(workspace, DAY - timedelta(days=1))
    small_disk("ro")  # type: ignore[operator]
    with pytest.raises(OperatorError, match=r"Read-only file system"):
        build(workspace)


def test_two_builds_at_once_wait_for_each_other(workspace: Workspace) -> None:
    with workspace.lock("site"), pytest.raises(Busy):
        build(workspace)


def test_a_churn_definition_that_does_not_exist_is_refused_before_anything_is_written(workspace: Workspace) -> None:
    with pytest.raises(BusinessFileError, match="lapsd"):
        build_portal(workspace, DAY, churn_name="lapsd", pages=TWO)
    assert not workspace.portal.exists()
