"""A company that holds marked people everywhere: in tables, landed files, quarantine, outbox, receipts and ledger.

`python -m tests.flows.forgetting.company FOLDER STEP N` forgets them and dies at the N-th time that STEP is told.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from campaigns.delivery.deliveries import deliver
from campaigns.delivery.receipts import Receipt, Receipts
from campaigns.ledger import record
from flows.forgetting import forget
from holdback.commits import rows_of
from holdback.ingest import ingest
from holdback.tables import TABLES
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import AS_OF, NOON, make_business

NOW = datetime(2026, 3, 3, 9, 0)
NEXT = AS_OF + timedelta(days=1)
#: Who must go: every value that is theirs carries a mark.
GONE = ("c-MARK1", "c-MARK2")
STAYS = tuple(f"c-{number:03d}" for number in range(20))
MARKS = ("MARK1", "MARK2")


def customers() -> str:
    """The file of customers: the first marked one shares a household with one who stays."""
    lines = ["id,home,mail,ok,city,age,vip,no_mail,has_phone,vulnerable,reason,gender"]
    for number, name in enumerate((*GONE, *STAYS)):
        mark = name[2:] if name in GONE else "Lugo"
        home = "h-shared" if name in (GONE[0], STAYS[0]) else f"h-{mark}-{number}"
        lines.append(f"{name},{home},key-{mark}-{number},yes,City {mark},40,no,no,yes,no,,f")
    return "\n".join(lines) + "\n"


def build(folder: Path) -> Workspace:
    """Fill the company's folder, by its own doors."""
    workspace = opened(folder)
    (folder / "customers.csv").write_text(customers(), encoding="utf-8")
    plans = [f"{name},2025-01-0{1 + i % 9} 10:00:00,start" for i, name in enumerate((*GONE, *STAYS))]
    plans += ["c-MARK1,not a day,start", "c-MARK2;torn", "c-003,2025-02-02 10:00:00,unheard"]
    (folder / "plans.csv").write_text("\n".join(["id,at,kind", *plans]) + "\n", encoding="utf-8")
    sendings = ["id,at,campaign,channel,outcome,action,decision,cost"]
    sendings += [f"{name},2026-02-20 10:00:00,winter,phone,sent,call,,2.5" for name in (*GONE, *STAYS)]
    (folder / "sendings.csv").write_text("\n".join(sendings) + "\n", encoding="utf-8")
    ingest(workspace, AS_OF)
    (folder / "customers.csv").write_text(
        customers().replace(",40,", ",41,"), encoding="utf-8"
    )  # an older version stays
    ingest(workspace, AS_OF)
    _score(workspace)
    _decide(workspace)
    deliver(workspace, AS_OF, now=NOON, wait=lambda _seconds: None)
    receipts = Receipts.read(workspace.outbox / AS_OF.isoformat())
    for row in _decisions(workspace):
        receipts.add(Receipt(row["entry_id"], "delivered", 1, 200, None, NOON))
    _leave(workspace)
    return workspace


def opened(folder: Path) -> Workspace:
    """Open a company that was built."""
    return Workspace(folder / "work", make_business(folder), threads=1)


def _score(workspace: Workspace) -> None:
    rows = [
        {"as_of": AS_OF, "customer_id": name, "churn": "left", "model_version": "1", "probability": 0.5,
         "risk_tier": "low", "is_above_capacity_line": False}
        for name in (*GONE, *STAYS)
    ]  # fmt: skip
    workspace.warehouse.append("scores", rows_of(TABLES["scores"], rows), batch="scores")
    names = [*GONE, *STAYS]
    features = pa.table(
        {"customer_id": names, "as_of": pa.array([AS_OF] * len(names), pa.date32()), "x": [1.0] * len(names)}
    )
    workspace.warehouse.replace_day("features", AS_OF, features)
    workspace.warehouse.replace_day("features", AS_OF, features)  # an older version of the day


def _leave(workspace: Workspace) -> None:
    """What a fault and a killed scoring leave behind."""
    failures, parts = workspace.folder / "failures", workspace.folder / "parts" / f"left-{AS_OF}-0123"
    for folder in (failures, parts):
        folder.mkdir(parents=True)
    (failures / "0123.txt").write_text("ValueError: could not convert 'City MARK1' to float\n", encoding="utf-8")
    spine = pa.table({"customer_id": [*GONE, *STAYS]})
    with pa.OSFile(str(parts / "spine.arrow"), "wb") as file, pa.ipc.new_file(file, spine.schema) as writer:
        writer.write_table(spine)


def _decide(workspace: Workspace) -> None:
    names = (*GONE, *STAYS)
    units = [GONE[0] if name == STAYS[0] else name for name in names]
    for kind in ("assigned", "decided"):
        rows = pa.table(
            {
                "kind": [kind] * len(names), "customer_id": names, "unit_id": units,
                "campaign": ["spring"] * len(names), "version": [1] * len(names), "cost_cents": [650] * len(names),
                "group": ["treatment"] * len(names), "propensity": [0.8] * len(names),
                "action": ["call" if kind == "decided" else None] * len(names),
                "channel": ["phone" if kind == "decided" else None] * len(names),
                "reason": [f"words about {name}" for name in names],
            }
        )  # fmt: skip
        record(workspace, AS_OF, rows, batch=f"{kind}/{AS_OF}")


def _decisions(workspace: Workspace) -> list[dict[str, Any]]:
    return list(workspace.warehouse.query("select * from ledger where kind = 'decided'").to_pylist())


def traces(folder: Path, words: tuple[str, ...]) -> Iterator[str]:
    """Name every file under a folder that holds one of the words, in whatever way it is written."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        data = path.read_bytes()
        told = data.decode("latin-1")
        if path.suffix == ".parquet":
            told += str(pq.ParquetFile(path).read().to_pylist())
        if path.suffix == ".arrow":
            told += str(pa.ipc.open_file(pa.py_buffer(data)).read_all().to_pylist())
        for word in words:
            if word in told or word.encode("utf-16-le").decode("latin-1") in told:
                yield f"{word} in {path.relative_to(folder)}"


def _die_at(step: str, count: int) -> Any:
    told = 0

    def checkpoint(name: str) -> None:
        nonlocal told
        told += name == step
        if name == step and told == count:
            os.kill(os.getpid(), signal.SIGKILL)

    return checkpoint


if __name__ == "__main__":
    forget(opened(Path(sys.argv[1])), GONE, as_of=NEXT, now=NOW, checkpoint=_die_at(sys.argv[2], int(sys.argv[3])))
