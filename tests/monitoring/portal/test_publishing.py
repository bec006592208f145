"""Published to folders and to object storage: everything first, then the page that leads to it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from filelock import FileLock
from pyarrow import fs

from holdback.errors import BusinessFileError, Busy, OperatorError
from holdback.workspace import Workspace
from monitoring.portal import publishing
from monitoring.portal.published import Place
from monitoring.portal.publishing import publish, target_of
from monitoring.portal.site import BuiltSite, build_portal
from tests.monitoring.company import workspace_in
from tests.monitoring.portal.pages_of_a_test import page_module
from tests.monitoring.portal.small_s3 import SmallS3, small_s3
from tests.monitoring.portal.test_serving import free_port

DAY = date(2025, 10, 1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_in(tmp_path / "company")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "published"


def build(workspace: Workspace, as_of: date = DAY, *, text: str = "nothing new") -> BuiltSite:
    return build_portal(workspace, as_of, pages=[page_module(name, read=lambda _: text) for name in ("today", "churn")])


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != ".publishing.lock"
    }


def first_page(target: Path) -> str:
    """What a reader sees who opens the site, following the pages that lead on."""
    page, seen = target / "index.html", 0
    while found := re.search(r'content="0; url=([^"]+)"', page.read_text()):
        page = Path(os.path.normpath(page.parent / found[1]))
        seen += 1
        assert seen < 5
    return page.read_text()


@pytest.mark.parametrize("written", ["{}", "file://{}"])
def test_a_day_is_published_whole_and_opens_from_its_first_page(
    workspace: Workspace, target: Path, written: str
) -> None:
    site = build(workspace)
    published = publish(site, written.format(target))
    assert "nothing new" in first_page(target)
    assert (target / site.edition / "es" / "churn.html").is_file()
    assert (target / "assets" / site.assets / "portal.css").is_file()
    assert published.index == f"{written.format(target)}/index.html"
    assert published.uploaded_count == len(files_of(target))
    assert published.uploaded_bytes == sum(map(len, files_of(target).values()))
    assert not any(path.is_symlink() for path in target.rglob("*"))
    for page in target.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"#:]+)"', page.read_text()):
            assert (page.parent / link).is_file(), (page, link)


def test_published_again_nothing_is_written(workspace: Workspace, target: Path) -> None:
    site = build(workspace)
    publish(site, str(target))
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file() and "lock" not in path.name}
    assert publish(site, str(target)).uploaded_count == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_yesterday_stays_readable_and_its_address_too(workspace: Workspace, target: Path) -> None:
    yesterday, today = build(workspace, DAY - timedelta(days=1), text="old"), build(workspace, text="new")
    publish(yesterday, str(target))
    before = files_of(target)
    publish(today, str(target), keep_days=30)
    after = files_of(target)
    assert {name for name in before if before[name] != after.get(name)} == {"index.html"}
    assert "new" in first_page(target)


def test_a_day_published_anew_replaces_itself_at_its_own_address(workspace: Workspace, target: Path) -> None:
    old = build(workspace, text="before noon")
    publish(old, str(target))
    new = build(workspace, text="after noon")
    publish(new, str(target), keep_days=30)
    assert "after noon" in first_page(target)
    assert new.edition in (target / "2025-10-01" / "index.html").read_text()
    assert (target / old.edition / "en" / "churn.html").is_file()  # somebody may be reading it
    publish(build(workspace, DAY + timedelta(days=1)), str(target), keep_days=30)
    assert not (target / old.edition).exists()
    assert (target / new.edition / "en" / "churn.html").is_file()


def test_a_day_of_the_past_does_not_become_the_first(workspace: Workspace, target: Path) -> None:
    publish(build(workspace, text="today"), str(target))
    published = publish(build(workspace, DAY - timedelta(days=5), text="then"), str(target))
    assert not published.is_newest
    assert "today" in first_page(target)
    assert (target / "2025-09-26" / "index.html").is_file()


def test_old_days_go_once_the_new_one_is_read(workspace: Workspace, target: Path) -> None:
    sites = [build(workspace, DAY - timedelta(days=back)) for back in (3, 2, 1, 0)]
    removed = [publish(site, str(target), keep_days=2).removed_days for site in sites]
    assert removed == [(), (), (DAY - timedelta(days=3),), (DAY - timedelta(days=2),)]
    assert sorted(path.name for path in target.iterdir() if path.name[0] == "2") == [
        "2025-09-30", sites[2].edition, "2025-10-01", sites[3].edition
    ]  # fmt: skip
    assert publish(sites[3], str(target)).removed_days == ()


def test_somebody_elses_pages_are_not_overwritten(workspace: Workspace, target: Path, tmp_path: Path) -> None:
    target.mkdir()
    (target / "index.html").write_text("<h1>Our company</h1>")
    with pytest.raises(BusinessFileError, match=r"an index\.html stands there that Holdback did not write"):
        publish(build(workspace), str(target))
    assert list(files_of(target)) == ["index.html"]
    (target / "index.html").unlink()
    publish(build(workspace), str(target))
    other = workspace_in(tmp_path / "other", slug="bank")
    with pytest.raises(BusinessFileError, match=r"the site of 'shop' stands there already"):
        publish(build(other), str(target))


@pytest.mark.parametrize("where", [".", "inside", ".."])
@pytest.mark.parametrize("written", ["{}", "file://{}"])
def test_a_site_is_not_published_where_it_is_built(workspace: Workspace, where: str, written: str) -> None:
    site = build(workspace)
    before = sorted(workspace.root.rglob("*"))
    target = (site.root / where).resolve()
    with pytest.raises(
        BusinessFileError, match=r"the site is built in .*/portal, and cannot be published there, inside"
    ):
        publish(site, written.format(target))
    assert sorted(workspace.root.rglob("*")) == before


def test_a_day_that_is_older_than_the_site_keeps_is_not_published(workspace: Workspace, target: Path) -> None:
    publish(build(workspace), str(target), keep_days=2)
    before = files_of(target)
    published = publish(build(workspace, DAY - timedelta(days=2)), str(target), keep_days=2)
    assert (published.is_there, published.uploaded_count, published.removed_days) == (False, 0, ())
    [note] = published.notes
    assert note == "2025-09-29 was not published: portal.keep_days keeps 2 days, and 2025-10-01 stands already."
    assert files_of(target) == before


def test_killed_between_upload_and_pointer_the_day_before_stands_and_the_next_run_goes_on(
    workspace: Workspace, target: Path
) -> None:
    publish(build(workspace, DAY - timedelta(days=1), text="yesterday"), str(target))
    site = build(workspace, text="today")
    program = (
        "import os, pickle, sys\n"
        "from monitoring.portal import publishing\n"
        "publishing._lead = lambda *_: os._exit(9)\n"  # as kill -9 would, at the one moment that matters
        "publishing.publish(pickle.load(sys.stdin.buffer), sys.argv[1])"
    )
    import pickle

    killed = subprocess.run(
        [sys.executable, "-c", program, str(target)], input=pickle.dumps(site), cwd=Path(__file__).parents[3]
    )
    assert killed.returncode == 9
    assert (target / site.edition / "en" / "today.html").is_file()
    assert "yesterday" in first_page(target)
    published = publish(site, str(target))
    assert published.uploaded_count == 2  # only what leads to it
    assert "today" in first_page(target)


def test_an_upload_that_broke_off_is_taken_up_again(workspace: Workspace, target: Path) -> None:
    site = build(workspace)
    publish(site, str(target))
    page = target / site.edition / "en" / "today.html"
    whole = page.read_bytes()
    page.write_bytes(whole[:100])
    assert publish(site, str(target)).uploaded_count == 1
    assert page.read_bytes() == whole


def test_two_publishers_at_once_wait_for_each_other(workspace: Workspace, target: Path, tmp_path: Path) -> None:
    site = build(workspace)
    publish(site, str(target))
    for lock in (target / ".publishing.lock", site.root / ".publishing.lock"):  # of any machine; of this workspace
        with FileLock(lock), pytest.raises(Busy, match="another publication is under way"):
            publish(site, str(target))
    assert publish(site, str(target)).uploaded_count == 0


def test_a_full_disk_leaves_the_earlier_publication(
    workspace: Workspace, tmp_path: Path, small_disk: Callable[[str], None]
) -> None:
    target = tmp_path / "work" / "site"
    publish(build(workspace, DAY - timedelta(days=1), text="yesterday"), str(target))
    before = files_of(target)
    small_disk(f"size={sum(path.stat().st_blocks // 2 for path in target.rglob('*')) + 40}k")
    site = build(workspace, text="x" * 300_000)
    with pytest.raises(
        OperatorError, match=r"the disk is full\. Free some space\. The earlier publication still stands"
    ):
        publish(site, str(target))
    assert {name: content for name, content in files_of(target).items() if name in before} == before
    assert "yesterday" in first_page(target)
    assert list(target.rglob(".part-*")) == []
    small_disk("size=64m")
    publish(site, str(target))
    assert "yesterday" not in first_page(target)


def test_a_target_that_may_not_be_written_says_so(
    workspace: Workspace, tmp_path: Path, small_disk: Callable[[str], None]
) -> None:
    small_disk("ro")
    with pytest.raises(OperatorError, match=r"may not be written .*Give this account the right"):
        publish(build(workspace), str(tmp_path / "work" / "site"))


def test_a_target_that_is_a_file_says_so(workspace: Workspace, target: Path) -> None:
    target.write_text("a file")
    with pytest.raises(OperatorError, match=r"cannot be written .*Check the address"):
        publish(build(workspace), str(target))


def test_an_address_of_an_unknown_kind_is_refused(workspace: Workspace) -> None:
    with pytest.raises(BusinessFileError, match=r"ftp://acme/site: is no address to publish to"):
        publish(build(workspace), "ftp://acme/site")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallS3]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with small_s3() as server:
        yield server


def test_a_bucket_gets_every_object_with_its_kind_and_the_pointer_last(workspace: Workspace, bucket: SmallS3) -> None:
    site = build(workspace)
    published = publish(site, bucket.address("reports/shop"), keep_days=30)
    assert bucket.order[-2:] == ["reports/shop/2025-10-01/index.html", "reports/shop/index.html"]
    assert published.uploaded_count == len(bucket.order) == len(set(bucket.order)) == len(bucket.objects)
    assert published.index == "s3://acme/reports/shop/index.html"
    kinds = {key.rpartition(".")[2]: about["Content-Type"] for key, (_, about) in bucket.objects.items()}
    assert kinds == {
        "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
        "json": "application/json",
    }  # fmt: skip
    assert bucket.objects["reports/shop/index.html"][1]["Cache-Control"] == "no-cache"
    page, about = bucket.objects[f"reports/shop/{site.edition}/en/today.html"]
    assert page == (site.root / site.edition / "en" / "today.html").read_bytes()
    assert "immutable" in about["Cache-Control"]
    assert publish(site, bucket.address("reports/shop")).uploaded_count == 0


def test_old_days_leave_a_bucket_once_the_new_one_is_read(workspace: Workspace, bucket: SmallS3) -> None:
    sites = [build(workspace, DAY - timedelta(days=back)) for back in (2, 1, 0)]
    removed = [publish(site, bucket.address("site"), keep_days=2).removed_days for site in sites]
    assert removed == [(), (), (DAY - timedelta(days=2),)]
    days = {key.split("/")[1] for key in bucket.objects if key.startswith("site/2")}
    assert days == {"2025-09-30", sites[1].edition, "2025-10-01", sites[2].edition}


def test_a_bucket_that_may_not_be_written_says_so_and_what_stands_there_stays(
    workspace: Workspace, bucket: SmallS3
) -> None:
    publish(build(workspace, DAY - timedelta(days=1)), bucket.address("site"))
    before = dict(bucket.objects)
    bucket.is_read_only = True
    with pytest.raises(
        OperatorError, match=r"may not be written .*Give this account the right to read, list and write"
    ):
        publish(build(workspace, text="new"), bucket.address("site"))
    assert bucket.objects == before


def test_a_bucket_that_does_not_exist_says_so(workspace: Workspace, bucket: SmallS3) -> None:
    with pytest.raises(OperatorError, match=r"the bucket does not exist .*Create it, or correct its name"):
        publish(build(workspace), bucket.address("site", bucket="amce"))


@pytest.mark.slow
def test_a_bucket_out_of_reach_says_so(workspace: Workspace, bucket: SmallS3) -> None:
    target = f"s3://acme/site?endpoint_override=127.0.0.1:{free_port()}&scheme=http&region=eu-west-1"
    with pytest.raises(OperatorError, match=r"cannot be reached .*Check the network and the address"):
        publish(build(workspace), target)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("AWS Error ACCESS_DENIED during PutObject operation: no", "may not be written"),
        ("AWS Error NO_SUCH_BUCKET during ListObjectsV2 operation: gone", "the bucket does not exist"),
        ("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 6", "cannot be reached"),
        ("google::cloud::Status(PERMISSION_DENIED: no)", "may not be written"),
        ("Could not load credentials", "no credentials were found"),
        ("AWS Error SLOW_DOWN", "cannot be written (AWS Error SLOW_DOWN)"),
    ],
)
def test_what_a_store_refuses_is_told_with_what_to_do(said: str, told: str) -> None:
    assert told in publishing._what_to_do(OSError(said))


def test_a_store_of_objects_gets_every_object_whole_and_the_pointer_last(workspace: Workspace) -> None:
    order: list[str] = []

    class Recorder(fs.FSSpecHandler):
        """What Arrow hands to any store: it notes the order of what is written."""

        def open_output_stream(self, path: str, metadata: dict[bytes, bytes]) -> object:
            order.append(path)
            return super().open_output_stream(path, metadata)

    from fsspec.implementations.memory import MemoryFileSystem

    store = MemoryFileSystem()
    store.store.clear()
    site = build(workspace)
    place = Place(fs.PyFileSystem(Recorder(store)), "/acme/site", "memory")
    publishing._publish(site, place, 30)
    assert order[-2:] == ["/acme/site/2025-10-01/index.html", "/acme/site/index.html"]
    assert len(order) == len(set(order))
    assert sorted(store.find("/acme/site")) == sorted(order)


@pytest.mark.parametrize(
    ("written", "means"),
    [("site", "{folder}/site"), ("/srv/site", "/srv/site"), ("s3://acme/site", "s3://acme/site"), ("$SITE", "gs://acme/x")],
)  # fmt: skip
def test_a_relative_folder_starts_at_the_business_file_and_a_variable_holds_the_rest(
    tmp_path: Path, written: str, means: str
) -> None:
    business = workspace_in(tmp_path, portal={"publish_to": written}).business
    assert target_of(business, {"SITE": "gs://acme/x"}) == means.format(folder=tmp_path)


def test_a_variable_that_is_not_set_or_names_no_place_is_refused(tmp_path: Path) -> None:
    business = workspace_in(tmp_path, portal={"publish_to": "$SITE"}).business
    with pytest.raises(BusinessFileError, match=r"portal\.publish_to: the environment variable SITE is not set"):
        target_of(business, {})
    with pytest.raises(BusinessFileError, match=r"variable SITE: must be a folder, or start with file://"):
        target_of(business, {"SITE": "https://acme.example"})


def test_without_a_target_nothing_is_published(workspace: Workspace) -> None:
    assert target_of(workspace.business, {}) is None
