"""Where persons are: which tables name them, and which files."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdback.batches import History
from holdback.errors import BusinessFileError
from holdback.forgotten import tokens
from holdback.mapping import Shape, shape_of
from holdback.tables import CUSTOMERS, FEATURES_TABLE
from holdback.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

#: The ledger is never cut, only redacted; these tables hold no person, or are treated by their own rules.
_APART = ("ledger",)


def gone_frame(customer_ids: Collection[str]) -> pa.Table:
    """Return the frame ``_gone`` with the ids of persons."""
    import pyarrow as pa

    return pa.table({"customer_id": pa.array(sorted(set(customer_ids)), pa.string())})


def tables_of_persons(workspace: Workspace) -> list[str]:
    """Return the tables that exist and have a column ``customer_id``, the ledger aside, in order."""
    warehouse = workspace.warehouse
    named = [
        name
        for name, table in workspace.business.tables.items()
        if "customer_id" in table.column_names and name not in _APART
    ]
    return [name for name in sorted({*named, FEATURES_TABLE}) if warehouse.version(name) is not None]


def shapes(workspace: Workspace) -> dict[str, Shape]:
    """Return how each feed, and the customers, are mapped."""
    business = workspace.business
    names = [*([CUSTOMERS.name] if business.customers is not None else []), *business.feeds]
    return {name: shape_of(business, name) for name in names}


def landed_files(workspace: Workspace) -> Iterator[tuple[str, Path, Shape]]:
    """Yield every landed original with its feed and how that is mapped.

    A file whose feed is not in the business file any more, or whose batch was never accepted, is read as any other
    feed's: an id is then looked for in all of its columns.
    """
    known = shapes(workspace)
    feeds = {record.batch_id: record.feed for record in History.read(workspace.warehouse).records}
    for folder in sorted(workspace.landing.iterdir()) if workspace.landing.is_dir() else ():
        if folder.is_dir() and not folder.name.startswith("."):
            feed = feeds.get(folder.name, "")
            shape = known.get(feed) or next(iter(known.values()), None)
            if shape is None:
                raise BusinessFileError(f"{workspace.business.slug}: feeds: none is declared. Nothing can be found.")
            for path in sorted(folder.iterdir()):
                if path.is_file():
                    yield feed or "unknown", path, shape


def quarantined_of(workspace: Workspace, customer_ids: Collection[str]) -> list[dict[str, Any]]:
    """Return the quarantined rows of persons: by their key, or, where that cannot be read, because an id is in them."""
    wanted, known = set(customer_ids), shapes(workspace)
    rows = workspace.warehouse.query(
        "select * from quarantine q where exists (select 1 from _gone where contains(q.raw, _gone.customer_id))"
        " order by feed, batch_id, row_number",
        frames={"_gone": gone_frame(wanted)},
    ).to_pylist()
    return [row for row in rows if _is_of(row, known.get(row["feed"]), wanted)]


def _is_of(row: dict[str, Any], shape: Shape | None, wanted: set[str]) -> bool:
    if row["is_parsed"] is not False and shape is not None:
        content = json.loads(row["raw"])
        origin = next((field.origin for field in shape.fields if field.column.name == "customer_id"), None)
        told = content.get(origin) if isinstance(origin, str) else None
        if told is not None and str(told).strip() and told not in shape.source.csv.nulls:
            return str(told) in wanted or str(told).strip() in wanted
        return any(token in wanted for value in content.values() if value is not None for token in _parts(str(value)))
    return any(token in wanted for token in tokens(row["raw"]))


def _parts(value: str) -> list[str]:
    return [value.strip(), *tokens(value)]
