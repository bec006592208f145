"""What Prometheus reads: its own parser agrees, and no label grows without bound."""

from __future__ import annotations

import re
import threading
import urllib.error
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from flows.observing.prometheus import METRICS, exposition, write_exposition
from flows.observing.scraping import server_of
from flows.runs import once
from holdback.errors import DataError, OperatorError
from holdback.workspace import Workspace
from tests.training.companies import shop

DAY = date(2025, 11, 1)
NOW = datetime(2025, 11, 1, 6, 0)
LABELS = {"business", "step", "subject", "feed", "churn", "campaign", "severity", "currency"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A shop with a day that was scored and recorded, and whose report failed."""
    workspace = shop(tmp_path / "home")
    once("score_daily", workspace, DAY, lambda: {"n": 3}, subject="lapsed")

    def broken() -> dict[str, int]:
        raise DataError('tills: "a" is no amount.')

    for _ in range(2):
        with pytest.raises(DataError):
            once("report", workspace, DAY, broken, subject="lapsed")
    rows = [
        ("offered_rows", "", 120.0), ("offered_rows", "tills", 120.0), ("feed_age_days", "tills", 2.0),
        ("customers_scored", "", 90.0), ("quarantined_share", "tills", 0.25), ("auc", "", 0.7),
        ("drifted_features", "", None),
    ]  # fmt: skip
    table = pa.table(
        {
            "as_of": pa.array([DAY] * len(rows), pa.date32()),
            "metric": [metric for metric, _, _ in rows],
            "about": [about for _, about, _ in rows],
            "value": pa.array([value for _, _, value in rows], pa.float64()),
        }
    )
    workspace.warehouse.append("daily_metrics", table, batch="b")
    return workspace


def samples_of(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_runs_and_the_days_figures_are_told(workspace: Workspace) -> None:
    found = samples_of(exposition(workspace, now=NOW))
    shop_ = ("business", "shop")
    report = (shop_, ("step", "report"), ("subject", "lapsed"))
    scored = (shop_, ("step", "score_daily"), ("subject", "lapsed"))
    assert found["holdback_run_failures_total", report] == 2
    assert found["holdback_run_is_failed", report] == 1
    assert ("holdback_run_last_success_timestamp_seconds", report) not in found
    assert found["holdback_run_successes_total", scored] == 1
    [run] = [run for run in workspace.journal.runs() if run.flow == "score_daily"]
    assert run.ended_at is not None
    ended = run.ended_at.replace(tzinfo=UTC).timestamp()
    assert found["holdback_run_last_success_timestamp_seconds", scored] == ended
    assert found["holdback_data_age_seconds", (shop_, ("feed", "tills"))] == 2 * 86_400
    assert found["holdback_rows_offered", (shop_, ("feed", "tills"))] == 120
    assert found["holdback_rows_quarantined_ratio", (shop_, ("feed", "tills"))] == 0.25
    assert found["holdback_customers_scored", (shop_, ("churn", "lapsed"))] == 90
    assert found["holdback_ledger_is_whole", (shop_,)] == 1
    assert found["holdback_written_timestamp_seconds", (shop_,)] == NOW.replace(tzinfo=UTC).timestamp()
    assert not [name for name, _ in found if name == "holdback_drifted_features"]  # not known is not zero


def test_the_last_success_stays_however_long_ago_and_a_step_that_was_given_up_has_not_failed(
    workspace: Workspace,
) -> None:
    day = (("business", "shop"), ("step", "score_daily"), ("subject", "lapsed"))
    report = (("business", "shop"), ("step", "report"), ("subject", "lapsed"))
    later = max(run.started_at for run in workspace.journal.runs()) + timedelta(days=41)
    workspace.journal.start_run(
        "t", flow="triggers", business="shop", as_of=later.date(), inputs_key="k", owner="me", now=later
    )  # the hour goes on: rules ask when a day was last done, and must be answered
    found = samples_of(exposition(workspace, now=later))
    assert found["holdback_run_last_success_timestamp_seconds", day] < later.timestamp()
    assert found["holdback_run_failures_total", report] == 2
    assert ("holdback_run_is_failed", report) not in found
    triggers = (("business", "shop"), ("step", "triggers"), ("subject", ""))
    assert found["holdback_run_is_running", triggers] == 1


def test_every_family_is_declared_once_with_help_type_and_bounded_labels(workspace: Workspace) -> None:
    declared = {metric.name: metric for metric in METRICS}
    for family in text_string_to_metric_families(exposition(workspace, now=NOW)):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        metric = declared[name]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        for sample in family.samples:
            assert set(sample.labels) == {"business", *metric.labels} <= LABELS


def test_names_have_their_unit_and_the_page_lists_each(project_root: Path) -> None:
    page = (project_root / "docs" / "observing.md").read_text()
    for metric in METRICS:
        assert metric.name.startswith("holdback_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        assert f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |" in page


def test_the_rules_ask_for_metrics_that_there_are(project_root: Path) -> None:
    [group] = yaml.safe_load((project_root / "infra" / "prometheus-rules.yaml").read_text())["groups"]
    assert len(group["rules"]) == 4
    runbook = (project_root / "docs" / "runbook.md").read_text()
    for rule in group["rules"]:
        asked = {word for word in rule["expr"].replace("{", " ").replace(")", " ").replace("(", " ").split()
                 if word.startswith("holdback_")}  # fmt: skip
        assert asked <= {metric.name for metric in METRICS}
        assert asked
        entry = rule["annotations"]["runbook_url"].split("#")[1]
        titles = re.findall(r"^#+ (.*)$", runbook, flags=re.MULTILINE)
        assert entry in {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_file_is_written_after_each_step_where_it_is_asked_for(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "textfile"
    place.mkdir()
    monkeypatch.setenv("HOLDBACK_PROMETHEUS_FILE", str(place))
    once("portal", workspace, DAY, dict)
    [path] = place.iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("holdback_shop.prom", 0o644)
    assert any(labels[1] == ("step", "portal") for name, labels in samples_of(path.read_text()) if len(labels) > 1)
    monkeypatch.setenv("HOLDBACK_PROMETHEUS_FILE", "/proc/nowhere/holdback.prom")
    assert not once("segments", workspace, DAY, dict).was_done_already  # what cannot be written stops no run
    with pytest.raises(OperatorError, match="Name a file that you can write"):
        write_exposition(workspace, Path("/proc/nowhere/holdback.prom"), now=NOW)


def test_the_page_answers_on_this_machine_alone(workspace: Workspace) -> None:
    with server_of(workspace, 0) as server:
        host, port = server.server_address[:2]
        assert host == "127.0.0.1"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert samples_of(answer.read().decode())
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20)
        server.shutdown()
    with server_of(workspace, 0) as server, pytest.raises(OperatorError, match="Name another with --serve"):
        server_of(workspace, int(server.server_address[1]))
