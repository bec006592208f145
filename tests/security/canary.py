"""A day of a company whose personal values are marked: ``python -m tests.security.canary FOLDER``.

The simulated telephone company gets names, addresses and telephone numbers that nobody else has, each with a mark
(``CANARY`` and what it is). A year is loaded, models are trained, campaigns launched; then a day is lived on Prefect,
with a file without a header and a file with a broken record; the last day's work crashes inside a vendor with a message
that repeats a customer. Everything is written below FOLDER/home, said on stdout and stderr, or was not written.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdback.workspace import Workspace

STARTS_ON, TODAY = date(2024, 7, 1), date(2025, 7, 7)
YESTERDAY, TOMORROW = TODAY - timedelta(days=1), TODAY + timedelta(days=1)
CUSTOMERS = 600
#: Columns of the customers' file that the company adds, each with its mark.
PERSONAL = {
    "first_name": "CANARYNAME", "mail": "CANARYMAIL", "telephone": "CANARYTEL", "street": "CANARYSTREET",
    "born": "CANARYBORN",
}  # fmt: skip
#: And marks of what the simulator writes already.
OTHERS = {"customer": "CANARYID", "contact": "CANARYKEY", "household": "CANARYHOME", "remark": "CANARYREMARK",
          "reason": "CANARYREASON"}  # fmt: skip
MARKS = tuple({**PERSONAL, **OTHERS}.values())
SECRET = "CANARYSECRET"


def business_file(folder: Path, root: Path) -> Path:
    """The telephone company's file with what a contact list needs to know of a person, and channels for alerts."""
    import yaml

    content: dict[str, Any] = yaml.safe_load((root / "businesses" / "telecom.yaml").read_text(encoding="utf-8"))
    content["customers"]["attributes"] |= dict.fromkeys(PERSONAL, "category")
    content["customers"]["protected"] += ["born"]
    content["delivery"]["fields"] = {"phone": ["telephone", "first_name"], "email": ["mail", "first_name", "street"]}
    content["delivery"]["first_name"] = "first_name"
    for action in content["actions"]:
        action["message"]["text"]["es"] = "Hola {{ first_name | default('') }}:\n" + action["message"]["text"]["es"]
    content["channels"] = [
        {"name": "here", "kind": "file"}, {"name": "log", "kind": "log"},
        {"name": "away", "kind": "webhook", "url": "$ALERTS_URL", "secret": "$ALERTS_SECRET"},
    ]  # fmt: skip
    path = folder / "telecom.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def mark(files: Path) -> None:
    """Put marks into every file of the company; what was marked before stays."""
    for path in sorted(files.glob("*/*.csv")):
        text = path.read_text(encoding="utf-8")
        if "CANARY" not in text:
            path.write_text(_marked(text, path.parent.name), encoding="utf-8")


def _marked(text: str, feed: str) -> str:
    rows = list(csv.reader(io.StringIO(text)))
    head, target = rows[0], io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([*head, *PERSONAL] if feed == "customers" else head)
    for row in rows[1:]:
        number = row[0]
        for name, prefix in OTHERS.items():
            column = {"contact": "contact_key"}.get(name, name)
            if column in head and head.index(column) < len(row) and row[head.index(column)]:
                at = head.index(column)
                row[at] = f"{row[at]} {prefix}{number}" if name in ("remark", "reason") else f"{prefix}{row[at]}"
        writer.writerow([*row, *(f"{prefix}{number}" for prefix in PERSONAL.values())] if feed == "customers" else row)
    return target.getvalue()


def live(folder: Path, root: Path) -> None:
    """Live the days; see the module."""
    home, files = folder / "home", folder / "days"
    os.environ.update(
        HOLDBACK_HOME=str(home), TELECOM_DAYS=str(files), HOLDBACK_THREADS="2", PREFECT_LOGGING_LEVEL="DEBUG",
        ALERTS_URL=f"https://127.0.0.1:9/{SECRET}", ALERTS_SECRET=SECRET,
        PREFECT_LOGGING_TO_API_ENABLED="true", HOLDBACK_BUSINESS=str(business_file(folder, root)),
    )  # fmt: skip
    from campaigns.designs import launch
    from flows import settings, steps
    from flows.running import run
    from holdback.errors import HoldbackError
    from simulator import open_company
    from training.registry import promote_by_hand

    settings.prepare_vendors()
    path = Path(os.environ["HOLDBACK_BUSINESS"])
    workspace = settings.open_workspace(path)
    company = open_company("telecom", seed=20, customer_count=CUSTOMERS, starts_on=STARTS_ON)
    company.write_history(files, YESTERDAY - timedelta(days=1))
    mark(files)
    steps.ingest_step(workspace, YESTERDAY, history=True)
    steps.retrain_step(workspace, YESTERDAY)
    if workspace.journal.champion("telecom-cancelled") is None:
        promote_by_hand(workspace, "cancelled", "1", YESTERDAY)
    for campaign in ("save_calls", "loyalty_offers", "after_bad_answers"):
        launch(workspace, campaign, YESTERDAY, force_reason="a trial of the marks")
    whole: dict[Path, str] = {}
    for day in (YESTERDAY, TODAY):
        _wake_up_on(workspace, day)
        try:
            run("daily", quiet=False, business=str(path), as_of=day, past=True)
        except HoldbackError as error:
            print("told:", type(error).__name__, error)
        company.play(day, company.take_contacts(workspace.outbox, day))
        company.write_day(files, day)
        mark(files)
        if day == YESTERDAY:
            whole = _spoil(files)
    for file, content in whole.items():
        file.write_text(content, encoding="utf-8")
    _wake_up_on(workspace, TOMORROW)
    _crash(path)


def _wake_up_on(workspace: Workspace, day: date) -> None:
    """Let the clock say that it is the morning of a day: alerts of days that have long passed are told to nobody."""
    from flows import settings

    morning = workspace.business.instant(day) + timedelta(hours=6)
    settings.now = lambda: morning


def _spoil(files: Path) -> dict[Path, str]:
    """A file whose header was forgotten, and one that begins with a broken quote; return both as they were."""
    tickets, answers = (files / feed / f"{YESTERDAY}.csv" for feed in ("tickets", "nps"))
    whole = {path: path.read_text(encoding="utf-8") for path in (tickets, answers)}
    tickets.write_text(whole[tickets].partition("\n")[2], encoding="utf-8")
    answers.write_text(f'"CANARYID1,"CANARYREMARK1" told me\n{whole[answers]}', encoding="utf-8")
    return whole


def _crash(path: Path) -> None:
    import duckdb

    import features.triggers
    from flows.cli import main

    def break_down(*_: object, **__: object) -> None:
        raise duckdb.ConversionException("Could not convert string 'CANARYID1 CANARYNAME1' to INT64")

    for name in ("fire", "evaluate"):
        setattr(features.triggers, name, break_down)
    sys.argv = ["holdback", "daily", "--business", str(path), "--as-of", str(TOMORROW), "--past"]
    main()


if __name__ == "__main__":
    live(Path(sys.argv[1]), Path(__file__).resolve().parents[2])
