"""The commands do what the flows of their name do, on a temporary Prefect server of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.flows.shop import LAST_DAY_OF_HISTORY, write_shop

TODAY = LAST_DAY_OF_HISTORY + timedelta(days=1)


class Company:
    """A shop and a command line that works for it."""

    def __init__(self, folder: Path) -> None:
        self.business = write_shop(folder, customers=400, days_after=1)
        self.environment = {**os.environ, "HOLDBACK_HOME": str(folder / "home"),
                            "HOLDBACK_BUSINESS": str(self.business), "PYTHONPATH": str(Path.cwd())}  # fmt: skip
        del self.environment["PREFECT_HOME"]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        code = "from flows.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, env=self.environment
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)


@pytest.fixture
def company(tmp_path: Path) -> Company:
    return Company(tmp_path)


@pytest.mark.slow
def test_the_loop_by_hand(company: Company) -> None:
    day = ("--as-of", TODAY.isoformat())
    [loaded] = company.json("ingest", "--history", *day)
    assert loaded["flow"] == "ingest_daily"
    assert loaded["receipt"]["batches"][0]["clean"] == loaded["receipt"]["batches"][0]["offered"]

    trained, valued = company.json("retrain", *day)
    assert trained["receipt"]["decision"] == "promote"
    assert valued["flow"] == "train_value"
    [scored] = company.json("score", *day)
    assert scored["receipt"]["customer_count"] > 100
    reported, shown = company.json("report", *day)
    assert Path(reported["receipt"]["path"]).exists()
    assert Path(shown["receipt"]["first_page"]).exists()

    new = [step["flow"] for step in company.json("daily", *day) if not step["was_done_already"]]
    # All else was done by hand; nobody is valued while no value model may speak.
    assert [name for name in new if name != "value_daily"] == ["segments", "record_daily", "portal", "retention"]
    assert all(step["was_done_already"] for step in company.json("daily", *day))

    assert [model["version"] for model in company.json("models", "list")] == ["1"]
    assert {run["state"] for run in company.json("runs")} == {"done"}
    card = company.run("models", "show")
    assert card.returncode == 0
    assert "AUC" in card.stdout
    explained = company.json("features", "explain", "c-00001", *day)
    assert explained["values"]["days_since_first_order"] > 0


@pytest.mark.slow
def test_errors_of_flows_are_told_once_and_leave_with_their_code(company: Company) -> None:
    too_early = company.run("retrain", "--as-of", "2025-01-10")
    assert too_early.returncode in (3, 4)
    assert "Traceback" not in too_early.stderr
    assert company.run("models", "rollback").returncode == 3
    future = company.run("score", "--as-of", "2999-01-01")
    assert future.returncode == 2
    assert "lies in the future" in future.stderr
