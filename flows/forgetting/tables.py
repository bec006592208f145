"""Take persons out of the warehouse: rows that are theirs go, values that only they had go, places of rows stay."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from flows.forgetting.places import gone_frame, quarantined_of, shapes, tables_of_persons
from holdback.forgotten import PLACEHOLDER, is_pseudonym, new_pseudonym
from holdback.profiles import profiled_columns
from holdback.progress import Progress
from holdback.sql import literal
from holdback.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of assignments, whoever is gone under another name.
_RENAMED = """select a.* replace (
        coalesce(c.name, a.customer_id) as customer_id, coalesce(u.name, a.unit_id) as unit_id
    )
    from "{table}" a
    left join _names c on c.customer_id = a.customer_id left join _names u on u.customer_id = a.unit_id"""
_GONE = "customer_id in (select customer_id from _gone)"


def count_rows(workspace: Workspace, customer_ids: Collection[str]) -> dict[str, int]:
    """Return how many rows of each table are about persons; tables without any are left out."""
    frames, counts = {"_gone": gone_frame(customer_ids)}, {}
    for table in tables_of_persons(workspace):
        found = workspace.warehouse.query(f'select count(*) as n from "{table}" where {_GONE}', frames=frames)
        if found["n"][0].as_py():
            counts[table] = int(found["n"][0].as_py())
    return counts


def clear_tables(workspace: Workspace, customer_ids: Collection[str], progress: Progress) -> dict[str, int]:
    """Remove the rows of persons from every table, and whatever older versions of the tables kept.

    Of a campaign that was run elsewhere (a feed of role ``assignments``) the rows stay, under a name that says nothing:
    how large its groups were, and who was drawn together, is as it was.

    Returns:
        Rows by table that named them.
    """
    warehouse, frame = workspace.warehouse, gone_frame(customer_ids)
    removed = count_rows(workspace, customer_ids)
    tables = tables_of_persons(workspace)
    names = _new_names(customer_ids)
    for position, table in enumerate(tables):
        progress(f"table {table}", position, len(tables))
        if table in workspace.business.feeds_with_role("assignments"):
            if table in removed or _names_units(workspace, table, frame):
                warehouse.rewrite(table, _RENAMED.format(table=table), frames={"_names": names})
            else:
                warehouse.purge(table)
        elif table in removed:
            stays = "customer_id is null or customer_id not in (select customer_id from _gone)"
            warehouse.rewrite(table, f'select * from "{table}" where {stays}', frames={"_gone": frame})
        else:
            warehouse.purge(table)
    return removed


def clear_profiles(workspace: Workspace, customer_ids: Collection[str]) -> int:
    """Remove from the profiles of batches every value that only these persons had; do it before their rows go.

    A category that others have too stays: it tells of nobody. So do shares and quantiles.
    """
    warehouse, frames = workspace.warehouse, {"_gone": gone_frame(customer_ids)}
    if warehouse.version("profiles") is None:
        return 0
    own = []
    for feed, shape in shapes(workspace).items():
        if warehouse.version(feed) is None:
            continue
        for column in profiled_columns(shape):
            if column.type == "text":
                name = f'"{column.name}"'
                own.append(
                    f"select {literal(feed)} as feed, {literal(column.name)} as column_name, {name} as key"
                    f' from "{feed}" where {name} is not null group by {name} having bool_and({_GONE})'
                )
    if not own:
        return 0
    kept = f"""select * from profiles where statistic <> 'share' or key is null
        or (feed, column_name, key) not in ({" union all ".join(own)})"""
    before, left = (
        warehouse.query(f"select count(*) as n from ({sql})", frames=frames)["n"][0].as_py()
        for sql in ("select * from profiles", kept)
    )
    if left < before:
        warehouse.rewrite("profiles", kept, frames=frames)
    else:
        warehouse.purge("profiles")
    return int(before - left)


def clear_quarantine(workspace: Workspace, customer_ids: Collection[str]) -> int:
    """Blank the quarantined rows of persons: that a row was refused stays counted, what it said does not stay."""
    import pyarrow as pa

    if workspace.warehouse.version("quarantine") is None:
        return 0
    rows = quarantined_of(workspace, customer_ids)
    if not rows:
        workspace.warehouse.purge("quarantine")
        return 0
    found = pa.table(
        {
            "feed": pa.array([row["feed"] for row in rows], pa.string()),
            "batch_id": pa.array([row["batch_id"] for row in rows], pa.string()),
            "row_number": pa.array([row["row_number"] for row in rows], pa.int64()),
            "blank": pa.array([_blanked(row["is_parsed"] is not False) for row in rows], pa.string()),
        }
    )
    reason = literal(json.dumps(["customer_is_not_forgotten"]))
    workspace.warehouse.rewrite(
        "quarantine",
        f"""select q.* replace (coalesce(b.blank, q.raw) as raw,
            case when b.blank is null then q.failed_rules else {reason} end as failed_rules)
        from quarantine q left join _blanked b
            on b.feed = q.feed and b.batch_id = q.batch_id and b.row_number = q.row_number""",
        frames={"_blanked": found},
    )
    return len(rows)


def _blanked(is_parsed: bool) -> str:
    return json.dumps({"customer": PLACEHOLDER}) if is_parsed else PLACEHOLDER


def _new_names(customer_ids: Collection[str]) -> pa.Table:
    import pyarrow as pa

    ids = sorted(set(customer_ids))
    return pa.table({"customer_id": pa.array(ids, pa.string()), "name": pa.array([new_pseudonym() for _ in ids])})


def _names_units(workspace: Workspace, table: str, frame: pa.Table) -> bool:
    declared = workspace.business.tables.get(table)
    if declared is None or "unit_id" not in declared.column_names:
        return False
    found = workspace.warehouse.query(
        f'select count(*) as n from "{table}" where unit_id in (select customer_id from _gone)'
        f" and not {is_pseudonym('unit_id')}",
        frames={"_gone": frame},
    )
    return bool(found["n"][0].as_py())
