"""A company's marked customers live a day; then everything that was written is searched for their marks.

Where a mark may stand: in the warehouse (the tables named below), in the landed originals, in the contact lists of the
outbox, and in the closed file of a fault that nobody foresaw. Nowhere else: not in the journal, logs, output, models,
MLflow, Prefect's database, Evidently's files, reports, data docs, alerts or the site.
"""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.tree import ROOT
from tests.security.canary import MARKS, SECRET, TODAY, YESTERDAY
from tests.security.marks import contents, found
from tests.security.test_file_modes import open_to_others

pytestmark = pytest.mark.slow

ID, KEY, HOME = "CANARYID", "CANARYKEY", "CANARYHOME"
OF_A_PERSON = {"CANARYNAME", "CANARYMAIL", "CANARYTEL", "CANARYSTREET", "CANARYBORN"}
#: What may stand in which table: a customer's id in all that is about one, and the rest where it came in or is used.
TABLES: dict[str, set[str]] = {
    "customers": {ID, KEY, HOME, *OF_A_PERSON}, "quarantine": set(MARKS), "features": {ID, *OF_A_PERSON},
    "nps": {ID, "CANARYREMARK"}, "contracts": {ID, "CANARYREASON"}, "profiles": {*OF_A_PERSON, "CANARYREASON"},
    "tickets": {ID}, "usage": {ID}, "contacts": {ID}, "customer_values": {ID}, "fit": {ID}, "firings": {ID},
    "ledger": {ID}, "scores": {ID}, "segments": {ID}, "uplifts": {ID}, "superseded": {ID},
}  # fmt: skip
#: The contact lists carry what the business file asks for, and messages the first name.
LISTED = {ID, KEY, "CANARYNAME", "CANARYMAIL", "CANARYTEL", "CANARYSTREET"}


@dataclass(frozen=True)
class Lived:
    """What the day left."""

    folder: Path
    said: str

    @property
    def home(self) -> Path:
        return self.folder / "home"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    folder = tmp_path_factory.mktemp("lived")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    environment |= {
        "DO_NOT_TRACK": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.security.canary", str(folder)],
        cwd=ROOT, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
        timeout=1500,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == 1, said[-3000:]  # the last day stops at what nobody foresaw
    assert "Unforeseen: triggers of 2025-07-08" in said, said[-3000:]
    return Lived(folder, said)


def test_the_day_was_lived_whole(lived: Lived) -> None:
    """Or the search would prove nothing: each place that is searched was written to, and the marks are in the data."""
    business = lived.home / "telecom"
    written = {
        "a site": business / "portal" / "index.html",
        "a report": business / "reports" / str(YESTERDAY) / "cancelled.html", "a journal": business / "journal.db",
        "the lists of a day": business / "outbox" / str(YESTERDAY) / "manifest.json",
        "a registry": lived.home / "mlflow" / "mlflow.db", "Prefect's database": lived.home / "prefect" / "prefect.db",
        "alerts": business / "alerts.jsonl",
    }  # fmt: skip
    assert {what for what, path in written.items() if not path.is_file()} == set()
    for pattern in ("mlflow/artifacts/*/models/*/artifacts/artifacts/*.cbm", "telecom/models/*.value",
                    "telecom/evidently/*/snapshots/*.json", "telecom/reports/validation/*.html"):  # fmt: skip
        assert list(lived.home.glob(pattern)), pattern
    marked = set().union(*found(lived.home / "telecom" / "landing", MARKS).values())
    assert marked == set(MARKS)
    with sqlite3.connect(lived.home / "prefect" / "prefect.db") as database:
        [[logs]] = database.execute("select count(*) from log")
        [[runs]] = database.execute("select count(*) from flow_run")
    assert logs > 20
    assert runs >= 3


def test_a_mark_stands_where_it_may_and_nowhere_else(lived: Lived) -> None:
    wrong = {}
    for name, hits in found(lived.home, MARKS).items():
        table = re.match(r"telecom/warehouse/(\w+)/", name)
        allowed: set[str] = set()
        if table:
            allowed = TABLES.get(table[1], set())
        elif name.startswith("telecom/landing/") and name != "telecom/landing/seen.json":
            allowed = set(MARKS)
        elif name.startswith(f"telecom/outbox/{TODAY.year}") and name.endswith((".csv", ".parquet")):
            allowed = LISTED
        elif name.startswith("telecom/failures/"):
            allowed = {ID, "CANARYNAME"}
        if hits - allowed:
            wrong[name] = hits - allowed
    assert wrong == {}


def test_nothing_of_a_customer_was_said(lived: Lived) -> None:
    assert [mark for mark in MARKS if mark.lower() in lived.said.lower()] == []


def test_a_remark_that_one_customer_made_is_in_no_model(lived: Lived) -> None:
    """Words that enough customers use are; a model's file is searched with what it holds in base64."""
    for path in [*lived.home.rglob("*.cbm"), *lived.home.rglob("*.value"), *lived.home.rglob("*.uplift")]:
        assert not any(b"canary" in content.lower() for content in contents(path.read_bytes())), path


def test_no_secret_was_written_or_said(lived: Lived) -> None:
    assert found(lived.home, (SECRET,)) == {}
    assert SECRET not in lived.said


def test_everything_that_was_written_is_its_owners_alone(lived: Lived) -> None:
    # Code of ours, which is no secret, keeps its mode where MLflow copies it to; the folders around it are closed.
    assert [line for line in open_to_others(lived.home) if ".py " not in line] == []


def test_nothing_half_written_is_left(lived: Lived) -> None:
    left = [path.name for path in lived.home.rglob("*") if re.match(r"\.(incoming|draft|part)|staging-", path.name)]
    assert left == []
    assert list((lived.home / "telecom" / "commits").iterdir()) == []
