"""The site on the command line: built once, published where the file says, served to this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from flows.cli.portal import add_to
from flows.publication import portal_step
from flows.runs import Outcome
from holdback.errors import BusinessFileError, OperatorError
from holdback.workspace import Workspace
from monitoring.portal import site
from tests.monitoring.company import BUSINESS, LAST_DAY, workspace_in
from tests.monitoring.portal.pages_of_a_test import TWO, page_module
from tests.monitoring.portal.test_serving import free_port

DAY = LAST_DAY.isoformat()


@pytest.fixture(autouse=True)
def two_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the pages say is tested with them; here it is enough that there are two."""
    monkeypatch.setattr(site, "PAGES", TWO)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOLDBACK_HOME", str(tmp_path / ".holdback"))
    monkeypatch.setenv("HOLDBACK_BUSINESS", str(tmp_path / "business.yaml"))
    write(tmp_path)
    return tmp_path


def write(home: Path, **portal: Any) -> Workspace:
    (home / "business.yaml").write_text(yaml.safe_dump({**BUSINESS, "portal": portal}), encoding="utf-8")
    return workspace_in(home, portal=portal)


def called(*arguments: str) -> Result:
    app = typer.Typer()
    add_to(app)
    return CliRunner().invoke(app, ["portal", *arguments])


def test_build_says_where_the_site_is_and_that_a_second_build_changes_nothing(home: Path) -> None:
    seen = called("build", "--as-of", DAY)
    assert seen.exit_code == 0, seen.output + str(seen.exception)
    page = home / ".holdback" / "shop" / "portal" / DAY / "en" / "today.html"
    assert str(page) in seen.output.replace("\n", "")
    assert page.is_file()
    assert "published" not in seen.output
    assert "was done already; nothing changed" in called("build", "--as-of", DAY).output


def test_a_machine_gets_the_receipt(home: Path) -> None:
    [outcome] = json.loads(called("build", "--as-of", DAY, "--json").stdout)
    receipt = outcome["receipt"]
    assert (outcome["flow"], receipt["pages"], receipt["failed"], receipt["published"]) == (
        "portal", ["today", "churn"], [], None
    )  # fmt: skip
    assert receipt["size_bytes"] < site.MOST_BYTES


def test_it_is_published_where_the_file_says_unless_told_not_to(home: Path) -> None:
    write(home, publish_to="public")
    called("build", "--as-of", DAY, "--no-publish")
    assert not (home / "public").exists()
    seen = called("build", "--as-of", DAY)
    assert f"published: {home}/public/index.html" in seen.output.replace("\n", "")
    assert (home / "public" / "index.html").is_file()
    assert "was done already" in called("build", "--as-of", DAY).output


def test_a_site_that_was_lost_is_built_again(home: Path) -> None:
    workspace = write(home)
    first = portal_step(workspace, LAST_DAY)
    Path(first.receipt["first_page"]).unlink()
    again = portal_step(workspace, LAST_DAY)
    assert not again.was_done_already
    assert Path(again.receipt["first_page"]).is_file()


def test_new_knowledge_builds_the_site_anew(home: Path) -> None:
    from tests.monitoring.company import receive

    workspace = write(home)
    portal_step(workspace, LAST_DAY)
    receive(workspace, LAST_DAY)
    assert not portal_step(workspace, LAST_DAY).was_done_already


def test_a_version_that_draws_or_says_it_differently_builds_the_site_anew(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = write(home)
    portal_step(workspace, LAST_DAY)
    assert portal_step(workspace, LAST_DAY).was_done_already
    monkeypatch.setattr(site, "assets", lambda: {"portal.css": b"new"})
    site.looks.cache_clear()
    try:
        assert not portal_step(workspace, LAST_DAY).was_done_already
    finally:
        site.looks.cache_clear()


def test_a_day_that_is_older_than_the_site_keeps_is_built_and_not_published(home: Path) -> None:
    write(home, publish_to="public", keep_days=2)
    assert called("build", "--as-of", DAY).exit_code == 0
    old = (LAST_DAY - timedelta(days=10)).isoformat()
    seen = called("build", "--as-of", old)
    told = " ".join(seen.output.split())
    assert f"worth a look: {old} is older than portal.keep_days" in told
    assert f"worth a look: {old} was not published" in told
    assert "index.html" not in told
    assert (home / ".holdback" / "shop" / "portal" / old / "en" / "today.html").is_file()
    assert not list((home / "public").glob(f"{old}*"))


def test_a_page_that_failed_is_told_and_tried_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: object) -> str:
        raise OperatorError("warehouse: away. Call somebody.")

    with monkeypatch.context() as patch:
        patch.setattr(site, "PAGES", (page_module("today"), page_module("churn", read=read)))
        seen = called("build", "--as-of", DAY)
    assert seen.exit_code == 0
    told = " ".join(seen.output.split())
    assert "worth a look: page churn could not be built: warehouse: away. Call somebody." in told
    mended = portal_step(write(home), LAST_DAY)
    assert (mended.was_done_already, mended.receipt["failed"]) == (False, [])


def test_what_cannot_be_published_is_an_error_and_the_site_stands(home: Path) -> None:
    (home / "public").write_text("a file")
    seen = called("build", "--as-of", DAY)
    workspace = write(home, publish_to="public")
    seen = called("build", "--as-of", DAY)
    assert isinstance(seen.exception, OperatorError)
    assert (workspace.portal / DAY / "en" / "today.html").is_file()
    [run] = workspace.journal.runs(business="shop", limit=1)
    assert (run.flow, run.state) == ("portal", "failed")
    assert "publish_to" in (run.error or "")


def test_a_day_to_come_is_refused(home: Path) -> None:
    assert isinstance(called("build", "--as-of", "2999-01-01").exception, BusinessFileError)


@pytest.mark.parametrize("as_json", [False, True])
def test_the_site_is_served_from_before_its_first_day_until_it_is_asked_to_stop(home: Path, as_json: bool) -> None:
    port = free_port()
    command = [sys.executable, "-c", "from flows.cli import main; main()", "portal", "serve", "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--json"] if as_json else command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).resolve().parents[2], env=dict(os.environ),
    )  # fmt: skip
    assert server.stdout is not None
    line = server.stdout.readline()
    address = json.loads(line)["address"] if as_json else line.strip()
    assert address == f"http://127.0.0.1:{port}/"
    with urlopen(address) as answer:
        assert "There is no site yet" in answer.read().decode()
    called("build", "--as-of", DAY)
    with urlopen(f"{address}latest/es/churn.html") as answer:
        assert "En español" in answer.read().decode()
    server.send_signal(signal.SIGTERM)
    _, err = server.communicate(timeout=20)
    assert server.returncode == 0
    assert err.startswith("warning: ")
    assert err.count("\n") == 1, "nothing else is told"


def test_the_help_shows_examples() -> None:
    assert "holdback portal build --open" in called("build", "--help").output
    assert "holdback portal serve --port 8080" in called("serve", "--help").output


def test_the_flow_report_builds_the_site_once_and_last(home: Path, prefect_harness: None) -> None:
    from flows import pipelines

    write(home, publish_to="public")
    outcomes: list[Outcome] = pipelines.report(business=str(home / "business.yaml"), as_of=date.fromisoformat(DAY))
    assert [outcome.flow for outcome in outcomes] == ["report", "portal"]
    assert Path(outcomes[1].receipt["first_page"]).is_file()
    assert (home / "public" / "index.html").is_file()
    again = pipelines.report(business=str(home / "business.yaml"), as_of=date.fromisoformat(DAY))
    assert all(outcome.was_done_already for outcome in again)
