"""Evidently's snapshot of each day: once, whole, the newest ones; and the stock server shows them and tells nobody."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from holdback.errors import OperatorError
from holdback.workspace import Workspace
from monitoring.drift.verdicts import DayDrift
from monitoring.evidently_figures import ASIDE, AUC, DRIFTED, MISSING, RATIO, figures_of
from monitoring.evidently_page import EvidentlyPage, evidently_page
from monitoring.evidently_workspace import KEPT_DAYS, evidently_folder, keep_snapshot, kept_days
from monitoring.performance import Performance
from monitoring.report_content import ReportContent
from tests.monitoring.company import CHURN, HOSTILE, LAST_DAY, workspace_in
from tests.servers import free_port

DAY = date(2025, 3, 1)
TRACER = """
import os, socket
_connect, _lookup = socket.socket.connect, socket.getaddrinfo
def _note(address):
    with open(os.environ["CONNECTIONS"], "a") as file:
        file.write(f"{address!r}\\n")
def connect(self, address):
    _note(address)
    return _connect(self, address)
def lookup(*given, **named):
    _note(given[:2])
    return _lookup(*given, **named)
socket.socket.connect, socket.getaddrinfo = connect, lookup
"""


@pytest.fixture(scope="module")
def shown(content: ReportContent) -> EvidentlyPage:
    return evidently_page(content.drift, content.quality, content.performance)


def keep(workspace: Workspace, day: date, page: EvidentlyPage, churn: str = CHURN) -> Path:
    return keep_snapshot(workspace, day, page.snapshot, churn_name=churn, model_version="1").path


# --- What is kept ----------------------------------------------------------------------------------------------------


def test_a_day_is_kept_once_however_often_its_report_is_written(tmp_path, shown):
    workspace = workspace_in(tmp_path)
    first = keep(workspace, DAY, shown)
    assert keep(workspace, DAY, shown) == first
    assert kept_days(workspace, CHURN) == (DAY,)
    assert sorted(path.name for path in first.parent.iterdir()) == [first.name]


def test_each_churn_definition_is_a_project_of_its_own(tmp_path, shown):
    workspace = workspace_in(tmp_path)
    for churn in (CHURN, HOSTILE):
        keep(workspace, DAY, shown, churn)
    projects = [path for path in evidently_folder(workspace).iterdir() if path.is_dir()]
    names = [json.loads((project / "metadata.json").read_text())["name"] for project in projects]
    assert len(names) == 2
    assert f"shop/{CHURN}" in names
    assert not any("<" in name for name in names)


def test_a_snapshot_says_which_day_model_and_churn_it_is_of(tmp_path, shown):
    kept = json.loads(keep(workspace_in(tmp_path), DAY, shown).read_text())
    assert kept["timestamp"].startswith("2025-03-01T00:00")
    assert kept["name"] == f"shop/{CHURN} 2025-03-01"
    assert kept["tags"] == [CHURN, "model 1"]
    assert kept["metadata"] == {"churn": CHURN, "as_of": "2025-03-01", "model_version": "1"}


def test_only_the_newest_days_are_kept(tmp_path, shown):
    workspace = workspace_in(tmp_path)
    days = [DAY + timedelta(days=number) for number in range(KEPT_DAYS + 3)]
    first = keep(workspace, days[0], shown)
    for day in days[1:-1]:  # the same content under the names of other days
        (first.parent / f"{first.stem[:-8]}{day:%Y%m%d}.json").write_bytes(first.read_bytes())
    assert keep_snapshot(workspace, days[-1], shown.snapshot, churn_name=CHURN).pruned_count == 3
    assert kept_days(workspace, CHURN) == tuple(days[3:])


def test_a_snapshot_is_small_and_repeats_no_settings(tmp_path, shown):
    path = keep(workspace_in(tmp_path), DAY, shown)
    assert path.stat().st_size < 300_000  # with the settings of 40 columns at each of them it would be three times that
    settings = {json.dumps(one["params"]) for one in mentions(json.loads(path.read_text()))}
    assert settings <= {json.dumps({"type": f"evidently:metric_v2:{name}"}) for name in METRIC_NAMES}


METRIC_NAMES = ("DayFigures", "BinnedDrift", "BatchQuality", "MaturedPerformance")


def mentions(content: Any) -> Iterator[dict[str, Any]]:
    """Every place of a snapshot that names a metric with its settings."""
    if isinstance(content, dict):
        params = content.get("params")
        if isinstance(params, dict) and str(params.get("type", "")).startswith("evidently:metric_v2:"):
            yield content
    for value in content.values() if isinstance(content, dict) else content if isinstance(content, list) else ():
        yield from mentions(value)


def test_a_folder_that_cannot_be_written_says_so_and_leaves_what_was_there(tmp_path, shown):
    workspace = workspace_in(tmp_path)
    path = keep(workspace, DAY, shown)
    before = path.read_bytes()
    path.unlink()
    path.mkdir()
    with pytest.raises(OperatorError, match="cannot be written"):
        keep(workspace, DAY, shown)
    path.rmdir()
    path.write_bytes(before)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_the_report_keeps_its_snapshot_beside_itself(company, report_of_last_day):
    assert LAST_DAY in kept_days(company, CHURN)
    assert report_of_last_day.path.exists()


# --- What the panels over time are drawn from ------------------------------------------------------------------------


def test_the_main_figures_are_those_of_the_report(content):
    figures = figures_of(content.drift, content.quality, content.performance)
    found = dict(zip(figures["figure"], figures["value"], strict=True))
    assert found[DRIFTED] == len(content.drift.drifted) / len(content.drift.measured)
    assert found[AUC] == content.performance.newest.auc.estimate
    assert found[RATIO] == content.performance.newest.predicted_over_actual.estimate
    assert found[ASIDE] == 0.05
    assert 0 <= found[MISSING] <= 1


def test_what_is_not_known_is_left_out_and_never_no_number(content):
    nothing = replace(content.quality, feeds=())
    assert len(figures_of(DayDrift(()), nothing, Performance((), "never scored"))) == 0


# --- The stock server ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Server:
    """A running `evidently ui`, and where it notes whom it calls."""

    address: str
    connections: Path

    def ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def stock_server(folder: Path, scratch: Path) -> Iterator[Server]:
    """Run Evidently's own server as an operator would, with every connection that it opens written down."""
    scratch.mkdir()
    (scratch / "sitecustomize.py").write_text(TRACER)
    port, connections = free_port(), scratch / "connections"
    connections.touch()
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(scratch), "PYTHONPATH": str(scratch),
        "CONNECTIONS": str(connections), "DO_NOT_TRACK": os.environ["DO_NOT_TRACK"],
    }  # fmt: skip
    command = [
        str(Path(sys.executable).with_name("evidently")), "ui", "--workspace", str(folder), "--host", "127.0.0.1",
        "--port", str(port),
    ]  # fmt: skip
    with (scratch / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=scratch)
        try:
            server = Server(f"http://127.0.0.1:{port}", connections)
            until(lambda: server.ask("/api/version"), process)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def until(ask: Any, process: "subprocess.Popen[bytes]", seconds: float = 180) -> Any:
    """Ask until there is an answer."""
    ends = time.monotonic() + seconds
    while True:
        try:
            if answer := ask():
                return answer
        except OSError:
            pass
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < ends, "no answer"
        time.sleep(0.2)


@pytest.mark.slow
def test_the_stock_server_lists_projects_days_and_panels_and_calls_nobody(company, report_of_last_day, shown, tmp_path):
    root = tmp_path / "copy"
    copytree(company.root, root)
    workspace = replace(company, root=root)
    keep(workspace, LAST_DAY - timedelta(days=1), shown)
    with stock_server(evidently_folder(workspace), tmp_path / "server") as server:
        [project] = server.ask("/api/projects")
        assert project["name"] == f"shop/{CHURN}"
        listed = server.ask(f"/api/projects/{project['id']}/snapshots")
        days = {one["metadata"]["as_of"] for one in listed}
        assert {LAST_DAY.isoformat(), (LAST_DAY - timedelta(days=1)).isoformat()} <= days
        assert len(listed) == len(days) == len(kept_days(workspace, CHURN))

        board = server.ask(f"/api/v2/dashboards/{project['id']}")
        assert [panel["title"] for panel in board["panels"]][:2] == ["Features that drifted", "AUC on matured labels"]
        wanted = [
            {key: value[key] for key in ("tags", "metadata", "metric", "metric_labels")}
            for panel in board["panels"]
            for value in panel["values"]
        ]
        drawn = server.ask(f"/api/v2/snapshots/{project['id']}/data_series_batch", {"series_filter": wanted})
        assert len(drawn["series"]) == len(wanted)  # one line each: no setting splits them by day
        assert all(any(value is not None for value in one["values"]) for one in drawn["series"])

        page = server.ask(f"/api/projects/{project['id']}/{listed[0]['id']}/data")
        assert "The day in figures" in json.dumps(page)

        # A day that is kept while the server runs is shown without starting it again.
        later = LAST_DAY + timedelta(days=1)
        keep(workspace, later, shown)
        ends = time.monotonic() + 30
        while later.isoformat() not in json.dumps(server.ask(f"/api/projects/{project['id']}/snapshots")):
            assert time.monotonic() < ends, "the new day is not shown"
            time.sleep(0.2)
        called = server.connections.read_text().splitlines()
    assert [one for one in called if "127.0.0.1" not in one and "localhost" not in one] == []


@pytest.mark.slow
def test_a_whole_report_calls_nobody(company, tmp_path):
    root = tmp_path / "copy"
    copytree(company.root, root)
    (tmp_path / "sitecustomize.py").write_text(TRACER)
    calls = tmp_path / "calls"
    calls.touch()
    code = (
        "import datetime, pathlib, flows\n"
        "from holdback.business import load_business\nfrom holdback.workspace import Workspace\n"
        "from monitoring.report import write_report\n"
        f"business = load_business({str(company.root.parent / 'business.yaml')!r})\n"
        f"workspace = Workspace(pathlib.Path({str(root)!r}), business)\n"
        f"write_report(workspace, datetime.date.fromisoformat('{LAST_DAY}'), churn_name='{CHURN}')\n"
    )
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "CONNECTIONS": str(calls),
        "PYTHONPATH": f"{tmp_path}:{Path(__file__).resolve().parents[2]}",
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, cwd=tmp_path, timeout=300)
    assert calls.read_text() == ""
