"""What holds customers' data is its owner's alone, whatever the umask; what is published is read by readers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow import fs

from flows import settings
from monitoring.portal.published import Place
from tests.house.tree import ROOT


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A machine on which everybody may read what anybody writes."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """Everything below a folder that somebody but its owner may read, write or enter."""
    return [
        f"{path.relative_to(folder)} {stat.filemode(path.lstat().st_mode)}"
        for path in [folder, *sorted(folder.rglob("*"))]
        if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]


WORK = """
import os, sys
os.umask(0)
from datetime import date
from pathlib import Path
from flows import settings, steps
settings.prepare_vendors()
workspace = settings.open_workspace(Path(sys.argv[1]))
steps.ingest_step(workspace, date(2025, 10, 2))
"""


def test_whatever_a_process_of_ours_writes_is_its_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(
        "slug: shop\nname: A shop\ncurrency: EUR\ntime_zone: Europe/Madrid\nfeeds:\n  tills:\n    role: transactions\n"
        "    source: tills.csv\n    columns: {customer_id: customer, event_at: at, amount: paid}\n"
        "churn:\n  - {name: lapsed, kind: inactivity, feed: tills, outcome_days: 30, active_days: 60}\n"
    )
    (tmp_path / "tills.csv").write_text(
        "customer,at,paid\n" + "c1,2025-10-01 10:00:00,1.00\n" * 9 + "c2,2025-10-01,a gift\n"
    )
    home = tmp_path / "home"
    environment = {**os.environ, "HOLDBACK_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(tmp_path / "shop.yaml")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert {"shop", "prefect"} <= {path.name for path in home.iterdir()}
    assert list((home / "shop" / "landing").glob("*/tills.csv"))
    assert open_to_others(home) == []


def test_a_workspace_that_was_left_open_is_closed_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_umask: None
) -> None:
    (tmp_path / "shop.yaml").write_text("slug: shop\nname: S\ncurrency: EUR\ntime_zone: UTC\nfeeds:\n  tills:\n"
        "    {role: transactions, source: t.csv, columns: {customer_id: c, event_at: a, amount: p}}\n"
        "churn:\n  - {name: lapsed, kind: inactivity, feed: tills, outcome_days: 30, active_days: 60}\n")  # fmt: skip
    for name in ("shop", "mlflow", "prefect"):
        (tmp_path / "home" / name).mkdir(parents=True)
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / "home"))
    settings.open_workspace(tmp_path / "shop.yaml")
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()}
    assert modes == dict.fromkeys(("shop", "mlflow", "prefect"), 0o700)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o777, "a folder that somebody chose is not ours to close"


@pytest.mark.parametrize(("around", "folders", "files"), [(0o755, 0o755, 0o644), (0o750, 0o750, 0o640),
                                                          (0o700, 0o700, 0o600), (0o777, 0o755, 0o644)])  # fmt: skip
def test_a_published_page_is_read_by_who_may_read_the_place(
    tmp_path: Path, around: int, folders: int, files: int
) -> None:
    (tmp_path / "www").mkdir()
    (tmp_path / "www").chmod(around)
    before = os.umask(0o077)
    try:
        place = Place(fs.LocalFileSystem(), str(tmp_path / "www" / "site"), "www/site")
        place.put("2025-10-01/es/today.html", b"<!doctype html>", caching="no-cache")
    finally:
        os.umask(before)
    site = tmp_path / "www" / "site"
    modes = {path.relative_to(tmp_path).as_posix(): path.stat().st_mode & 0o777 for path in [site, *site.rglob("*")]}
    assert modes.pop("www/site/2025-10-01/es/today.html") == files
    assert set(modes.values()) == {folders}
