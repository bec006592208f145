"""What rows that were redacted hold, as one hash for each redaction: found in the rows, and stated by a declaration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from campaigns.ledger.chain import whole_contents


@dataclass
class Digests:
    """What the redacted rows hold, by redaction; fed with all rows in their order."""

    counts: dict[str, int] = field(default_factory=dict)
    _running: dict[str, Any] = field(default_factory=dict)

    def add(self, rows: pa.Table) -> None:
        """Take in rows in the order of day and position; those that were not redacted do not matter."""
        redacted = rows["redacted_by"].to_pylist() if "redacted_by" in rows.column_names else []
        if not any(redacted):
            return
        kept = rows.filter(pa.array([name is not None for name in redacted]))
        places = zip(*(kept[name].to_pylist() for name in ("redacted_by", "as_of", "sequence", "hash")), strict=True)
        for (name, day, sequence, own), content in zip(places, whole_contents(kept), strict=True):
            running = self._running.setdefault(name, hashlib.sha256())
            running.update(f"{day}|{sequence}|{own}|{len(content)}|".encode() + content)
            self.counts[name] = self.counts.get(name, 0) + 1

    def stated(self) -> dict[str, dict[str, Any]]:
        """Return what a declaration states of each redaction."""
        return {name: _statement(self.counts[name], running) for name, running in self._running.items()}


def _statement(count: int, running: Any) -> dict[str, Any]:
    return {"rows": count, "digest": running.hexdigest()}


#: What is stated of a redaction all of whose rows a later one redacted anew.
OF_NO_ROW = _statement(0, hashlib.sha256())


def stated_in(detail: str | None) -> Mapping[str, Mapping[str, Any]]:
    """Return what a row ``forgotten`` states of each redaction; of nothing when it cannot be read."""
    try:
        found = json.loads(detail or "{}").get("redactions", {})
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}
