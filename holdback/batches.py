"""What was accepted so far: the batches of a business, and what the next batch of a feed is compared with."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Any

from holdback.profiles import REFERENCE_BATCHES, ColumnProfile, profiles_from_rows
from holdback.warehouse import Warehouse

_SAME_WEEKDAYS = 8
_FEWEST_FOR_A_MEDIAN = 4
_NO_LIMIT = 10**15


@dataclass(frozen=True)
class BatchRecord:
    """One row of the table ``batches``."""

    sequence: int
    batch_id: str
    feed: str
    source: str
    as_of: date
    rows_offered: int
    rows_clean: int
    rows_quarantined: int
    loaded_at: datetime
    rows_unchanged: int = 0
    rows_corrected: int = 0
    content: str = ""
    covers_on: date | None = None
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None
    is_load_time_assumed: bool = False
    released_from: str | None = None
    replaces: str | None = None

    @property
    def day(self) -> date:
        """The day whose rows it brought."""
        return self.covers_on or self.as_of - timedelta(days=1)


@dataclass
class History:
    """Every accepted batch of a business, read once and kept up to date while a run accepts more.

    Args:
        records: All batches, in the order of their acceptance.
    """

    records: list[BatchRecord]
    _by_id: dict[str, BatchRecord] = field(default_factory=dict)
    _latest: dict[tuple[str, str], BatchRecord] = field(default_factory=dict)
    _profiles: dict[str, list[tuple[ColumnProfile, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for record in self.records:
            self._index(record)

    @classmethod
    def read(cls, warehouse: Warehouse) -> History:
        """Read what the warehouse holds."""
        rows = warehouse.query("select * from batches order by sequence").to_pylist()
        return cls([BatchRecord(**row) for row in rows])

    @property
    def newest_load(self) -> datetime | None:
        """The latest instant for which anything was loaded."""
        return max((record.loaded_at for record in self.records), default=None)

    def add(self, record: BatchRecord, profile: tuple[ColumnProfile, ...]) -> None:
        """Remember a batch that was just accepted."""
        self.records.append(record)
        self._index(record)
        if profile and record.released_from is None:
            self._profiles.setdefault(record.feed, []).append(profile)

    def find(self, batch_id: str) -> BatchRecord | None:
        """Return an accepted batch by its id."""
        return self._by_id.get(batch_id)

    def of_feed(self, feed: str) -> list[BatchRecord]:
        """Return the batches that came from files of a feed (no releases), oldest first."""
        return [record for record in self.records if record.feed == feed and record.released_from is None]

    def latest_of_source(self, feed: str, source: str) -> BatchRecord | None:
        """Return the batch that was last accepted from a file of this name."""
        return self._latest.get((feed, source))

    def _index(self, record: BatchRecord) -> None:
        self._by_id[record.batch_id] = record
        if record.released_from is None:
            self._latest[record.feed, record.source] = record

    def replaced(self) -> frozenset[str]:
        """Return the batches that a later one accounts for."""
        return frozenset(record.replaces for record in self.records if record.replaces)

    def family(self, batch_id: str) -> tuple[str, ...]:
        """Return a batch, what was released from it, and everything that it replaced: whose rows may still live."""
        found: list[str] = []
        waiting = [batch_id]
        while waiting:
            current = waiting.pop()
            found.append(current)
            record = self.find(current)
            if record is not None and record.replaces:
                waiting.append(record.replaces)
            waiting += [record.batch_id for record in self.records if record.released_from == current]
        return tuple(found)

    def usual_rows(self, feed: str, day: date, ratio: float) -> tuple[int, int]:
        """Return the fewest and the most rows that are no surprise on a day.

        The median of the last eight batches of the same weekday, divided and multiplied by ``ratio``; of any weekday
        for a feed that does not come daily; no limits while fewer than four are known.
        """
        replaced = self.replaced()
        earlier = sorted(
            (record.day, record.rows_offered)
            for record in self.of_feed(feed)
            if record.day < day and record.batch_id not in replaced
        )
        gaps = [(later[0] - former[0]).days for former, later in pairwise(earlier)]
        is_daily = not gaps or median(gaps) <= 4
        similar = [rows for known, rows in earlier if not is_daily or known.weekday() == day.weekday()]
        if len(similar) < _FEWEST_FOR_A_MEDIAN:
            return 0, _NO_LIMIT
        usual = median(similar[-_SAME_WEEKDAYS:])
        return int(usual / ratio), int(usual * ratio) + 1

    def profiles(self, feed: str, warehouse: Warehouse) -> Sequence[tuple[ColumnProfile, ...]]:
        """Return the profiles of the last accepted batches of a feed, oldest first."""
        if feed not in self._profiles:
            self._profiles[feed] = _read_profiles(warehouse, self.of_feed(feed)[-REFERENCE_BATCHES:])
        return self._profiles[feed]


def _read_profiles(warehouse: Warehouse, records: Iterable[BatchRecord]) -> list[tuple[ColumnProfile, ...]]:
    days = {record.batch_id: record.as_of for record in records}
    wanted = list(days)
    if not wanted:
        return []
    listed = ", ".join(f"'{batch_id}'" for batch_id in wanted)
    on = ", ".join(
        f"date '{day}'" for day in sorted(set(days.values()))
    )  # the table is stored by day: others stay shut
    rows = warehouse.query(
        "select batch_id, column_name, statistic, key, value, row_count from profiles "
        f"where as_of in ({on}) and batch_id in ({listed})"
    ).to_pylist()
    by_batch: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_batch[row["batch_id"]].append(row)
    return [profiles_from_rows(by_batch[batch_id]) for batch_id in wanted if batch_id in by_batch]


def batch_id_of(fingerprint: str, content: str, *, after: str = "") -> str:
    """Return the id of a batch: the same bytes under the same mapping are the same batch.

    Args:
        fingerprint: Of the feed's mapping.
        content: SHA-256 of the bytes.
        after: Id of the batch that was loaded in between, when a file went back to what it had been before.
    """
    return hashlib.sha256("\n".join((fingerprint, content, after)).encode()).hexdigest()[:16]
