"""What is held about a person: the answer to an access request, and what a forgetting would remove."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from flows.forgetting.outbox import decisions_of, listed_rows
from flows.forgetting.places import gone_frame, landed_files, quarantined_of, tables_of_persons
from flows.forgetting.tables import count_rows
from holdback.blanking import count_rows_of, rows_of_person
from holdback.forgotten import Tombstones
from holdback.workspace import Workspace

#: Columns of the ledger that tell of how it is kept, not of the person.
_OF_THE_LEDGER = ("nonce", "identity", "redacted_by", "previous_hash", "hash")

#: What holds no row of a person, said in every answer.
NOT_ROWS = (
    "Models, reports, the site (with `kept/`) and recorded figures hold no row of a person: models were trained on"
    " many, and pages are aggregates of at least a minimum number of customers.",
    "Not searched: what faults that nobody foresaw said (`failures/`, for 30 days) and the parts of a scoring that was"
    " stopped (`parts/`). They may repeat rows; whoever is forgotten, all of them are removed.",
    "Not searched: the company's own source files and systems, backups, what receivers were given.",
)


@dataclass(frozen=True)
class Held:
    """Everything that is held about one person.

    Args:
        customer_id: Who.
        is_forgotten: True when the person was forgotten: rows that come are refused.
        tables: Rows by table, as stored.
        ledger: Rows of the ledger that name the person.
        quarantine: Rows that were not let in.
        landing: Rows of landed files, by file (below the landing folder).
        outbox: Rows of contact lists and receipts, by file (below the outbox).
        notes: What was not searched, and why.
    """

    customer_id: str
    is_forgotten: bool
    tables: Mapping[str, list[dict[str, Any]]]
    ledger: list[dict[str, Any]]
    quarantine: list[dict[str, Any]]
    landing: Mapping[str, list[Any]]
    outbox: Mapping[str, list[Any]]
    notes: tuple[str, ...] = NOT_ROWS

    @property
    def counts(self) -> dict[str, int]:
        """Rows by place; places without any are left out."""
        places = {
            **{f"table {name}": len(rows) for name, rows in self.tables.items()},
            "ledger": len(self.ledger),
            "quarantine": len(self.quarantine),
            "landed files": sum(map(len, self.landing.values())),
            "outbox": sum(map(len, self.outbox.values())),
        }
        return {name: count for name, count in places.items() if count}


@dataclass(frozen=True)
class Counted:
    """How many rows about persons lie where.

    Args:
        tables: Rows by table.
        ledger: Rows of the ledger that name them, or their household by their id.
        quarantine: Rows that were not let in.
        landing: Rows of landed files.
        landed_files: Files with such rows.
        outbox: Rows of contact lists and receipts.
    """

    tables: Mapping[str, int] = field(default_factory=dict)
    ledger: int = 0
    quarantine: int = 0
    landing: int = 0
    landed_files: int = 0
    outbox: int = 0


def held_about(workspace: Workspace, customer_id: str) -> Held:
    """Return everything that is held about one person. Personal data: for those who may see it.

    Args:
        workspace: The company.
        customer_id: Who, as the company's files name the person.
    """
    warehouse, frames = workspace.warehouse, {"_gone": gone_frame([customer_id])}
    found = {
        table: warehouse.query(
            f'select * from "{table}" where customer_id in (select customer_id from _gone)', frames=frames
        ).to_pylist()
        for table in tables_of_persons(workspace)
    }
    landing = {
        str(path.relative_to(workspace.landing)): list(rows_of_person(path, shape, customer_id))
        for _, path, shape in landed_files(workspace)
    }
    outbox: dict[str, list[Any]] = {}
    for name, row in listed_rows(workspace, [customer_id], decisions_of(workspace, [customer_id])):
        outbox.setdefault(name, []).append(row)
    hidden = ", ".join(_OF_THE_LEDGER)
    return Held(
        customer_id,
        Tombstones.read(workspace).covers(customer_id),
        {table: rows for table, rows in found.items() if rows},
        warehouse.query(
            f"select * exclude ({hidden}) from ledger where customer_id in (select customer_id from _gone)"
            " or unit_id in (select customer_id from _gone) order by as_of, sequence",
            frames=frames,
        ).to_pylist(),
        quarantined_of(workspace, [customer_id]),
        {name: rows for name, rows in landing.items() if rows},
        outbox,
    )


def count_held(workspace: Workspace, customer_ids: Collection[str]) -> Counted:
    """Return how many rows about persons lie where: what :func:`flows.forgetting.forget` would remove."""
    wanted = set(customer_ids)
    frames = {"_gone": gone_frame(wanted)}
    landed = [count_rows_of(path, shape, wanted.__contains__) for _, path, shape in landed_files(workspace)]
    named = workspace.warehouse.query(
        "select count(*) as n from ledger where customer_id in (select customer_id from _gone)"
        " or unit_id in (select customer_id from _gone)",
        frames=frames,
    )
    return Counted(
        count_rows(workspace, wanted),
        int(named["n"][0].as_py()),
        len(quarantined_of(workspace, wanted)),
        sum(landed),
        sum(count > 0 for count in landed),
        sum(1 for _ in listed_rows(workspace, wanted, decisions_of(workspace, wanted))),
    )
