"""Deliver a day: lists, table, calls. Each part can be repeated; together they can be stopped at any point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from campaigns.delivery.contact_list import MANIFEST, channels_of, counts_of, kept_paths, list_of, write_lists
from campaigns.delivery.contacts import Listed, check_contacts
from campaigns.delivery.outbox import open_folder
from campaigns.delivery.postgres import target_of, upsert
from campaigns.delivery.receipts import Receipts
from campaigns.delivery.signing import Endpoint, endpoint_of
from campaigns.delivery.webhook import PATIENCE, Clock, Patience, Wait, WebhookResult, Window, send
from campaigns.messages import refuse_faulty_messages
from campaigns.suppression import contact_window
from holdback.business import Business
from holdback.errors import BusinessFileError, DataError
from holdback.workspace import Workspace


@dataclass(frozen=True)
class Delivered:
    """What left the house for a day; no personal data.

    Args:
        business: The business' slug.
        as_of: The day of the decisions.
        contacts: Contacts by channel.
        paths: The files that were written, the manifest last.
        refused: Contacts that the last check refused, by reason.
        table_rows: Rows of the day in the PostgreSQL table; None when the business has none.
        webhook: What the webhook did; None when the business has none.
        withheld: Decisions that are not contacted because their message lacks something, by the field it lacks.
    """

    business: str
    as_of: date
    contacts: Mapping[str, int]
    paths: tuple[Path, ...]
    refused: Mapping[str, int]
    table_rows: int | None = None
    webhook: WebhookResult | None = None
    withheld: Mapping[str, int] = field(default_factory=dict)

    @property
    def contact_count(self) -> int:
        """Contacts of all channels."""
        return sum(self.contacts.values())

    @property
    def refused_count(self) -> int:
        """Contacts that were refused."""
        return sum(self.refused.values())

    @property
    def withheld_count(self) -> int:
        """Decisions that were withheld."""
        return sum(self.withheld.values())

    def __str__(self) -> str:
        lines = [f"{self.business} as of {self.as_of}: {self.contact_count:,} contacts, {self.refused_count:,} refused"]
        lines += [f"  {channel}: {count:,}" for channel, count in self.contacts.items()]
        lines += [f"  refused, {reason}: {count:,}" for reason, count in self.refused.items()]
        lines += [f"  withheld, the message lacks {name}: {count:,}" for name, count in self.withheld.items()]
        lines += [f"  table: {self.table_rows:,} rows"] if self.table_rows is not None else []
        lines += [f"  webhook: {self.webhook}"] if self.webhook is not None else []
        return "\n".join(lines)


def deliver(
    workspace: Workspace,
    as_of: date,
    *,
    now: datetime,
    wait: Wait,
    patience: Patience = PATIENCE,
    wait_seconds: float = 0,
) -> Delivered:
    """Write the contact lists of a day, fill the table, and call the webhook within the hours of the day.

    Rerun it as often as you like: files with the same contacts have the same bytes, the table does not change, and no
    call is made again that was answered. Stopped at any point, the next run goes on where this one ended; the one call
    whose answer it did not live to write down is made again with the same idempotency key.

    Args:
        workspace: The company.
        as_of: The day whose decisions are delivered.
        now: The present, UTC (naive or aware); who opted out by now is not contacted.
        wait: Lets seconds pass (``time.sleep``).
        patience: How long the webhook keeps trying.
        wait_seconds: How long to wait for another delivery to finish.

    Raises:
        BusinessFileError: an environment variable is not set, the webhook's address is not one, or a message has
            faults. Nothing was written.
        Busy: another process delivers, or had the lock while this one had lost it.
        OperatorError: a disk or the database refuses, or another machine runs the night. What was written before it
            stands; run it again.
    """
    business = workspace.business
    refuse_faulty_messages(business)
    endpoint, target = endpoint_of(business, workspace.environment), target_of(business, workspace.environment)
    with workspace.lock("delivery", wait_seconds=wait_seconds):
        listed = check_contacts(workspace, as_of, today=max(as_of, business.day_of(_naive(now))))
        folder = workspace.outbox / as_of.isoformat()
        open_folder(folder)
        workspace.check_locks()  # what leaves the house from here on cannot be taken back
        has_left = business.day_of(_naive(now)) > as_of and (folder / MANIFEST).exists()
        paths = (
            kept_paths(folder)
            if has_left
            else write_lists(business, as_of, listed.contacts, listed.refused, folder, withheld=listed.withheld)
        )
        rows = upsert(target, business, as_of, listed.contacts) if target is not None else None
        result = None
        if endpoint is not None:
            window = Window(*contact_window(business, as_of))
            result = _call(
                workspace, as_of, listed, endpoint, folder, Clock(_naive(now), wait), window, patience, again=False
            )
    return Delivered(
        business.slug,
        as_of,
        _counts(business, listed.contacts),
        tuple(paths),
        counts_of(listed.refused, "refused_because"),
        rows,
        result,
        counts_of(listed.withheld, "missing_field") if listed.withheld is not None else {},
    )


def resend(
    workspace: Workspace,
    as_of: date,
    *,
    now: datetime,
    wait: Wait,
    patience: Patience = PATIENCE,
    wait_seconds: float = 0,
) -> WebhookResult:
    """Call the webhook once more for everything of a day that it has not taken, given up or not; on a later day too.

    The last check is made again, and the hours of today count.

    Args:
        workspace: The company.
        as_of: The day of the decisions.
        now: The present, UTC (naive or aware).
        wait: Lets seconds pass (``time.sleep``).
        patience: How long to keep trying.
        wait_seconds: How long to wait for another delivery to finish.

    Raises:
        BusinessFileError: the business has no webhook, or an environment variable is not set.
        DataError: the day was not delivered yet.
        Busy: another process delivers.
        OperatorError: the disk refuses.
    """
    business = workspace.business
    refuse_faulty_messages(business)
    endpoint = endpoint_of(business, workspace.environment)
    folder = workspace.outbox / as_of.isoformat()
    if endpoint is None:
        raise BusinessFileError(f"{business.slug}: delivery.webhook: is not there, so nothing can be sent. Add it.")
    if not folder.is_dir():
        raise DataError(f"{business.slug}: {as_of}: was not delivered yet. Deliver it first; nothing was sent.")
    with workspace.lock("delivery", wait_seconds=wait_seconds):
        today = max(as_of, business.day_of(_naive(now)))
        listed = check_contacts(workspace, as_of, today=today)
        window = Window(*contact_window(business, today))
        return _call(workspace, as_of, listed, endpoint, folder, Clock(_naive(now), wait), window, patience, again=True)


def _call(
    workspace: Workspace,
    as_of: date,
    listed: Listed,
    endpoint: Endpoint,
    folder: Path,
    clock: Clock,
    window: Window,
    patience: Patience,
    *,
    again: bool,
) -> WebhookResult:
    business = workspace.business
    frame = {"business": business.slug, "as_of": as_of.isoformat()}
    bodies = [
        {**frame, **row}
        for channel in channels_of(business, listed.contacts)
        for row in list_of(business, listed.contacts, channel).to_pylist()
    ]
    receipts = Receipts.read(folder)
    return send(
        bodies, endpoint, receipts, clock=clock, window=window, patience=patience, again=again,
        check=workspace.check_locks,
    )  # fmt: skip


def _counts(business: Business, contacts: pa.Table) -> dict[str, int]:
    listed = contacts["channel"].to_pylist()
    return {channel: listed.count(channel) for channel in channels_of(business, contacts)}


def _naive(instant: datetime) -> datetime:
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)
