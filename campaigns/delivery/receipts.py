"""What the webhook's receiver took and what it refused, remembered so that no restart sends a contact twice.

``webhook.jsonl`` in the outbox of the day grows by one line per settled contact, on the disk before the next one is
sent. It holds decisions and verdicts, no personal data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from campaigns.delivery.outbox import append_line, outbox_errors, write_file

RECEIPTS = "webhook.jsonl"
DEAD_LETTERS = "dead_letters.jsonl"

Verdict = Literal["delivered", "dead"]


@dataclass(frozen=True)
class Receipt:
    """How the sending of one contact ended.

    Args:
        decision_id: The contact.
        verdict: ``delivered``, or ``dead`` when it was given up.
        attempts: Calls that were made for it in this run.
        status: HTTP status of the last answer; None when none came.
        reason: Why it was given up, in words; None when it was delivered.
        settled_at: When, as naive UTC.
    """

    decision_id: str
    verdict: Verdict
    attempts: int
    status: int | None
    reason: str | None
    settled_at: datetime


@dataclass
class Receipts:
    """The receipts of one day, newest verdict per contact.

    Args:
        folder: Folder of the day in the outbox.
    """

    folder: Path
    _latest: dict[str, Receipt] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Receipts:
        """Read what is remembered of a day; a line torn by a crash was never acted upon and is left out."""
        receipts = cls(folder)
        path = folder / RECEIPTS
        with outbox_errors(path):
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
        for line in lines:
            receipt = _parsed(line)
            if receipt is not None:
                receipts._latest[receipt.decision_id] = receipt
        return receipts

    @property
    def delivered(self) -> frozenset[str]:
        """Decisions that the receiver took."""
        return frozenset(d for d, receipt in self._latest.items() if receipt.verdict == "delivered")

    @property
    def dead(self) -> Mapping[str, Receipt]:
        """Decisions that were given up, by id, in the order in which they were."""
        return {d: receipt for d, receipt in self._latest.items() if receipt.verdict == "dead"}

    def add(self, receipt: Receipt) -> None:
        """Remember one verdict for good.

        Raises:
            OperatorError: the disk is full or refuses.
        """
        row = {**asdict(receipt), "settled_at": receipt.settled_at.isoformat()}
        append_line(self.folder / RECEIPTS, json.dumps(row))
        self._latest.pop(receipt.decision_id, None)  # the newest verdict goes last
        self._latest[receipt.decision_id] = receipt

    def write_dead_letters(self) -> Path | None:
        """Write the list of what was given up, for people; None when there is nothing and never was."""
        path = self.folder / DEAD_LETTERS
        rows = [{**asdict(r), "settled_at": r.settled_at.isoformat()} for r in self.dead.values()]
        if not rows and not path.exists():
            return None
        write_file(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
        return path


def _parsed(line: str) -> Receipt | None:
    try:
        row: dict[str, Any] = json.loads(line)
        return Receipt(**{**row, "settled_at": datetime.fromisoformat(row["settled_at"])})
    except (ValueError, TypeError, KeyError):
        return None
