"""What must be equal in a workspace that was disturbed and in its undisturbed twin, and what must hold in any.

Left out, because it says when or by whom something was done and not what:

- of the journal: ids, owners and times of runs, and runs that failed; kept: which flows are done for which days;
- of ``webhook.jsonl``: ``settled_at`` and ``attempts`` (a call whose answer was lost is made again);
- of ``alerts.jsonl``: a line that was written twice with the same key (told at least once);
- the order of rows, the number of commits and files of a table: sorting may happen earlier or later;
- pictures of Evidently and MLflow's database: what they hold is in the tables, and a training that was killed leaves a
  run that nobody uses.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from campaigns.ledger import verify
from holdback.workspace import Workspace

State = dict[str, Any]

_EDITION: Final = re.compile(r"\d{4}-\d\d-\d\d\.[0-9a-f]{12}")

#: Columns that carry when or in which run something was computed.
_NOT_WHAT: Final[Mapping[str, frozenset[str]]] = {
    "evaluations": frozenset({"run_id"}),
    "ledger": frozenset({"nonce", "identity", "previous_hash", "hash"}),  # drawn at random, and what follows from it
}


def state_of(workspace: Workspace, calls: Mapping[str, list[bytes]]) -> State:
    """Everything that must be equal.

    Args:
        workspace: The workspace.
        calls: What the receiver was asked, by path and idempotency key: the bodies.
    """
    return {
        **{f"table {name}": rows for name, rows in tables_of(workspace).items()},
        "ledger is whole": verify(workspace).is_whole,
        "outbox": outbox_of(workspace),
        "receipts": receipts_of(workspace),
        "calls": {key: sorted({_digest(body) for body in bodies}) for key, bodies in sorted(calls.items())},
        "alerts": _alert_lines(workspace),
        "site": site_of(workspace.root / "site"),
        "portal": site_of(workspace.portal),
        "landing": _files_of(workspace.landing, "*/*"),
        "pages of batches": sorted(path.name for path in (workspace.reports / "validation").glob("[!.]*")),
        "champions": _champions(workspace),
        "done": sorted({(r.flow, r.subject, str(r.as_of)) for r in _runs(workspace) if r.state == "done"}),
        "still running": [r.flow for r in _runs(workspace) if r.state == "running"],
        "left over": leftovers(workspace),
    }


def differences(seen: State, wanted: State) -> list[str]:
    """Name what differs, with a little of it."""
    found = []
    for name in sorted({*seen, *wanted}):
        ours, theirs = seen.get(name), wanted.get(name)
        if ours == theirs:
            continue
        if isinstance(ours, Counter) and isinstance(theirs, Counter):
            found.append(f"{name}: more {_some(ours - theirs)}; fewer {_some(theirs - ours)}")
        elif isinstance(ours, dict) and isinstance(theirs, dict):
            keys = [key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key)]
            found.append(f"{name}: {[(key, str(ours.get(key))[:200], str(theirs.get(key))[:200]) for key in keys[:3]]}")
        else:
            found.append(f"{name}: {str(ours)[:600]} instead of {str(theirs)[:600]}")
    return found


def _some(rows: Counter[str]) -> str:
    return f"{rows.total()} {[row[:700] for row in list(rows)[:2]]}"


def tables_of(workspace: Workspace) -> dict[str, Counter[str]]:
    """Every table's rows, in any order."""
    root = workspace.folder / "warehouse"
    names = sorted(path.parent.name for path in root.glob("*/_delta_log"))
    found = {}
    for name in names:
        left_out = _NOT_WHAT.get(name, frozenset())
        rows = workspace.warehouse.query(f'select * from "{name}"').to_pylist()
        kept = ({key: value for key, value in row.items() if key not in left_out} for row in rows)
        found[name] = Counter(json.dumps(row, default=str, sort_keys=True) for row in kept)
    return found


def outbox_of(workspace: Workspace) -> dict[str, str]:
    """The contact lists, byte by byte."""
    return {
        name: digest for name, digest in _files_of(workspace.outbox, "*/*").items() if not name.endswith((".jsonl",))
    }


def receipts_of(workspace: Workspace) -> dict[str, dict[str, str]]:
    """What became of each contact that was called for, by day."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(workspace.outbox.glob("*/webhook.jsonl")):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
        found[path.parent.name] = {row["decision_id"]: row["verdict"] for row in rows}
    return found


def site_of(root: Path) -> dict[str, str]:
    """What a reader of the site sees: each day's edition by the digest in its name, and what leads to it."""
    if not root.is_dir():
        return {}
    found = {path.name: "edition" for path in root.iterdir() if _EDITION.fullmatch(path.name)}
    for path in (root / "index.html", *root.glob("????-??-??/index.html")):
        if path.exists():
            found[str(path.relative_to(root))] = _digest(path.read_bytes())
    return dict(sorted(found.items()))


def leftovers(workspace: Workspace) -> list[str]:
    """What a finished run must not leave behind."""
    patterns = (
        "staging-*", "landing/.incoming-*", "commits/*", "commits/.*", "outbox/*/.draft-*", "portal/.part-*",
        "reports/**/.*", "parts/*", "parts/.*", "landing/.seen*", "failures/*",
    )  # fmt: skip
    found = [str(path.relative_to(workspace.folder)) for pattern in patterns for path in workspace.folder.glob(pattern)]
    return sorted(name for name in found if Path(name).name not in (".", ".."))


def broken_invariants(workspace: Workspace, calls: Mapping[str, list[bytes]]) -> list[str]:
    """What must hold whatever happened; empty when it does."""
    query = workspace.warehouse.query
    found = []
    called = {json.loads(bodies[0])["decision_id"] for key, bodies in calls.items() if key.startswith("/contacts/")}
    decided = query(
        "select entry_id, customer_id, unit_id, campaign, as_of from ledger where kind = 'decided' and action <> 'none'"
    ).to_pylist()
    by_id = {row["entry_id"]: row for row in decided}
    if called - by_id.keys():
        found.append(f"{len(called - by_id.keys())} calls that nobody decided")
    held = query(
        "select unit_id, campaign, as_of from ledger where kind = 'assigned' and \"group\" = 'holdout'"
    ).to_pylist()
    everywhere = {row["unit_id"] for row in held if row["campaign"] is None}
    of_campaign = {(row["unit_id"], row["campaign"]) for row in held if row["campaign"] is not None}
    for row in decided:
        if row["unit_id"] in everywhere or (row["unit_id"], row["campaign"]) in of_campaign:
            found.append(f"a unit that is held out was decided for on {row['as_of']}")
    unwilling = {
        row["customer_id"]
        for row in query("select customer_id, has_consent from customers qualify row_number() over (partition by"
                         " customer_id order by loaded_at desc) = 1").to_pylist()
        if not row["has_consent"]
    }  # fmt: skip
    if unwilling & {by_id[one]["customer_id"] for one in called & by_id.keys()}:
        found.append("somebody without consent was called for")
    for key, bodies in calls.items():
        if len({_digest(body) for body in bodies}) > 1 and key.startswith("/contacts/"):
            found.append(f"{key}: two different calls have one key")
    days = Counter((row["unit_id"], row["as_of"]) for row in decided)
    if any(count > 1 for count in days.values()):
        found.append("a unit is contacted twice on a day")
    found += _unaccounted(workspace)
    return found


def _unaccounted(workspace: Workspace) -> list[str]:
    """Every row that was offered is in its feed, was known, or is in quarantine."""
    query, found = workspace.warehouse.query, []
    kept = Counter({row["batch_id"]: row["n"] for row in query(
        "select batch_id, count(*) as n from quarantine group by batch_id").to_pylist()})  # fmt: skip
    for batch in query("select * from batches").to_pylist():
        stored = query(
            f'select count(*) as n, count(distinct row_number) as different from "{batch["feed"]}"'
            f" where batch_id = '{batch['batch_id']}'"
        ).to_pylist()[0]
        if stored["n"] != stored["different"]:
            found.append(f"{batch['source']}: rows stand twice")
        if stored["n"] + (batch["rows_unchanged"] or 0) != batch["rows_clean"]:
            found.append(f"{batch['source']}: {stored['n']} of {batch['rows_clean']} clean rows are there")
        if kept[batch["batch_id"]] != batch["rows_quarantined"]:
            found.append(f"{batch['source']}: {kept[batch['batch_id']]} of {batch['rows_quarantined']} rows kept aside")
        if batch["rows_clean"] + batch["rows_quarantined"] != batch["rows_offered"]:
            found.append(f"{batch['source']}: the counts do not add up")
    return found


def _alert_lines(workspace: Workspace) -> list[str]:
    path = workspace.folder / "alerts.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return sorted(set(lines))


def _champions(workspace: Workspace) -> list[tuple[Any, ...]]:
    rows = workspace.journal._rows("select model, version, previous, revision, as_of from champions order by model")
    return [tuple(row.values()) for row in rows]


def _runs(workspace: Workspace) -> list[Any]:
    return workspace.journal.runs(limit=100_000)


def _files_of(folder: Path, pattern: str) -> dict[str, str]:
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    return {str(path.relative_to(folder)): _digest(path.read_bytes()) for path in paths}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
