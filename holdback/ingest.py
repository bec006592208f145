"""Ingest: land what the sources offer, judge it, and load what is clean.

>>> result = ingest(workspace, date(2026, 11, 21))          # doctest: +SKIP
>>> print(result)                                            # doctest: +SKIP
bank as of 2026-11-21: 2 batches, 10,214 rows offered: 10,198 clean, 16 quarantined
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from holdback.accounts import Batch, Run
from holdback.batches import BatchRecord, History, batch_id_of
from holdback.blanking import read_admitted
from holdback.commits import Checkpoint, finish_interrupted
from holdback.contracts import Contract, contract_of, lent_judge
from holdback.contracts.forgetting import refusing_forgotten
from holdback.errors import BusinessFileError, ContractBroken
from holdback.forgotten import Tombstones
from holdback.loading import BatchResult, load_batch, load_time, result_of
from holdback.mapping import Shape, shape_of
from holdback.progress import Progress, silent
from holdback.sources import Landed, Offer, SeenFiles, disk_errors, find_offers, incoming, keep, sweep
from holdback.tables import CUSTOMERS
from holdback.workspace import Workspace


@dataclass(frozen=True)
class IngestResult:
    """What one run of ingest did.

    Args:
        business: The business' slug.
        as_of: The day.
        loaded_at: From when on the rows are known (naive UTC).
        batches: One entry per file or query that was offered, known ones included.
        notes: What is worth knowing and is no failure.
    """

    business: str
    as_of: date
    loaded_at: datetime
    batches: tuple[BatchResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def new_batches(self) -> tuple[BatchResult, ...]:
        """The batches that were loaded now."""
        return tuple(batch for batch in self.batches if not batch.was_known_already)

    @property
    def is_unchanged(self) -> bool:
        """True when nothing was loaded: everything offered was known already."""
        return not self.new_batches

    @property
    def offered(self) -> int:
        """Rows offered in the new batches."""
        return sum(batch.offered for batch in self.new_batches)

    @property
    def clean(self) -> int:
        """Rows of the new batches that passed."""
        return sum(batch.clean for batch in self.new_batches)

    @property
    def quarantined(self) -> int:
        """Rows of the new batches that were kept aside."""
        return sum(batch.quarantined for batch in self.new_batches)

    @property
    def reasons(self) -> Mapping[str, int]:
        """Quarantined rows of the new batches by the rule that they broke, most frequent first."""
        total: Counter[str] = Counter()
        for batch in self.new_batches:
            total.update(batch.reasons)
        return dict(total.most_common())

    def __str__(self) -> str:
        where = f"{self.business} as of {self.as_of}"
        if self.is_unchanged:
            return f"{where}: nothing new; {len(self.batches)} batches were known already"
        return (
            f"{where}: {len(self.new_batches)} batches, {self.offered:,} rows offered:"
            f" {self.clean:,} clean, {self.quarantined:,} quarantined"
        )


def ingest(
    workspace: Workspace,
    as_of: date,
    *,
    feeds: Sequence[str] | None = None,
    history: bool = False,
    known_from: datetime | None = None,
    is_patient: bool = False,
    is_made_good: bool = False,
    progress: Progress = silent,
    wait_seconds: float = 0,
    checkpoint: Checkpoint = lambda _step: None,
) -> IngestResult:
    """Load everything that the sources offer for a day and that was not loaded yet.

    Batches are known by their content: loading one twice changes nothing. Each is loaded as a whole or not at all, also
    when the process is killed; the next run finishes or forgets what was begun.

    Args:
        workspace: The business and its places.
        as_of: The day of knowledge: rows are known from its start on.
        feeds: Feeds to load (``customers`` is one); all by default, customers first.
        known_from: An instant inside the day from which on the rows are known, as naive UTC; the day's start by
            default. For those who load again after the day was computed.
        is_patient: A required file that is missing, or stale, is noted: it may still come today.
        is_made_good: The day was missed, and is lived afterwards: what names no day (a file without ``{date}``, a
            query) holds later rows by now, and is left to today.
        history: The files are a history: take each row as known on the morning after it; ``batches`` says so.
        progress: Told of each offer.
        wait_seconds: How long to wait for another loader to finish.
        checkpoint: Told of each step; tests stop the process there.

    Raises:
        BusinessFileError: an unknown feed, or an environment variable that is not set.
        ContractBroken: a file is missing, is not of the agreed form or breaks a critical rule. Nothing of it was
            loaded; batches before it were.
        Busy: another loader is at work.
        OperatorError: a disk, a database or a check does not work.
    """
    names = _chosen(workspace, feeds)
    with workspace.lock("ingest", wait_seconds=wait_seconds):
        begun = (workspace.landing.glob(pattern) for pattern in (".incoming-*", ".seen.json.*"))
        sweep(*begun, workspace.folder.glob("staging-*"))
        finished = finish_interrupted(workspace.warehouse, workspace.folder / "commits", checkpoint)
        history_so_far = History.read(workspace.warehouse)
        loaded_at, notes = load_time(workspace, as_of, history_so_far, known_from)
        notes += [f"{batch_id}: was interrupted earlier and is now loaded" for batch_id in finished]
        if is_made_good:
            names = [name for name in names if shape_of(workspace.business, name).source.is_daily]
        plans = [_plan(workspace, name, as_of, history_so_far, notes, is_patient=is_patient) for name in names]
        with disk_errors(workspace.folder):
            workspace.folder.mkdir(parents=True, exist_ok=True)
        with lent_judge(workspace.folder, threads=workspace.threads) as judge:
            tombstones = Tombstones.read(workspace)
            run = Run(workspace, as_of, loaded_at, history, judge, history_so_far, checkpoint, tombstones)
            results = _load_all(run, plans, progress)
        for plan in () if is_patient else plans:
            _refuse_stale(run, plan)
    return IngestResult(workspace.business.slug, as_of, loaded_at, tuple(results), tuple(notes))


@dataclass(frozen=True)
class _Plan:
    shape: Shape
    contract: Contract
    offers: tuple[Offer, ...]


def _chosen(workspace: Workspace, feeds: Sequence[str] | None) -> list[str]:
    business = workspace.business
    known = [*([CUSTOMERS.name] if business.customers else []), *business.feeds]
    if feeds is None:
        return known
    for name in feeds:
        shape_of(business, name)
    return [name for name in known if name in feeds]


def _plan(
    workspace: Workspace, feed: str, as_of: date, history: History, notes: list[str], *, is_patient: bool
) -> _Plan:
    """Find what a feed offers, and refuse a required file that is missing before anything is loaded."""
    shape = shape_of(workspace.business, feed)
    if shape.source.expects.known_customers and workspace.business.customers is None:
        raise BusinessFileError(
            f"feeds.{feed}.expects.known_customers: the business file has no customers section. Add it, or remove this."
        )
    offers, place = find_offers(shape, folder=workspace.business.folder, environment=workspace.environment, as_of=as_of)
    yesterday = as_of - timedelta(days=1)
    is_daily = shape.source.is_daily
    has_yesterday = any(offer.covers_on == yesterday for offer in offers) or any(
        record.covers_on == yesterday for record in history.of_feed(feed)
    )
    if not offers or (is_daily and not has_yesterday):
        missing = f"{feed}: no file for {yesterday}" if is_daily else f"{feed}: no file"
        if shape.source.is_required and not is_patient:
            raise ContractBroken(
                f"{missing} (looked for {place}). Put it there and run this again; if days without a file are normal,"
                " set is_required: false. Nothing was written."
            )
        notes.append(f"{missing} ({'not there yet' if shape.source.is_required else 'not required'})")
    return _Plan(shape, contract_of(shape), offers)


def _load_all(run: Run, plans: Sequence[_Plan], progress: Progress) -> list[BatchResult]:
    results: list[BatchResult] = []
    seen = SeenFiles.load(run.workspace.landing)
    total = sum(len(plan.offers) for plan in plans)
    for plan in plans:
        for offer in plan.offers:
            progress(f"{offer.feed}: {offer.name}", len(results), total)
            results.append(_load_offer(run, plan, offer, seen))
    progress("done", total, total)
    if any(not result.was_known_already for result in results):
        seen.save()
    return results


def _load_offer(run: Run, plan: _Plan, offer: Offer, seen: SeenFiles) -> BatchResult:
    content = seen.content_of(offer.path) if offer.path else None
    if content is not None:
        known = _known(run, plan.shape, offer, content)
        if known is not None:
            return result_of(known, {}, "passed", was_known_already=True)
    landing = run.workspace.landing
    with incoming(offer, landing, seen) as landed:
        known = _known(run, plan.shape, offer, landed.content)
        if known is not None:
            return result_of(known, {}, "passed", was_known_already=True)
        batch = _batch(run, plan.shape, offer, landed)
        tombstones = run.tombstones
        return load_batch(
            run,
            plan.shape,
            refusing_forgotten(plan.contract) if tombstones.refused else plan.contract,
            batch,
            lambda connection: read_admitted(
                connection, landed.path, plan.shape, name=offer.name, tombstones=tombstones
            ),
            before_commit=lambda: keep(landed, landing, batch.batch_id),
        )


def _known(run: Run, shape: Shape, offer: Offer, content: str) -> BatchRecord | None:
    """Return the batch with this content, unless the file was another one in between: then going back is news."""
    record = run.history.find(batch_id_of(shape.fingerprint, content))
    latest = run.history.latest_of_source(shape.feed, offer.name)
    if record is None or latest is None or latest.content == content or record.source != offer.name:
        return record
    return None


def _batch(run: Run, shape: Shape, offer: Offer, landed: Landed) -> Batch:
    """Name the batch, and find the earlier one that it accounts for.

    Raises:
        ContractBroken: the file was loaded before with other rows, and nothing says which rows are the same.
    """
    batch_id = batch_id_of(shape.fingerprint, landed.content)
    latest = run.history.latest_of_source(shape.feed, offer.name)
    if run.history.find(batch_id) is not None:
        assert latest is not None
        batch_id = batch_id_of(shape.fingerprint, landed.content, after=latest.batch_id)
    replaced = run.history.replaced()
    same_content = next(
        (
            record
            for record in reversed(run.history.of_feed(shape.feed))
            if record.content == landed.content and record.batch_id not in replaced
        ),
        None,
    )
    replaces = same_content
    if replaces is None and latest is not None and not shape.key:
        if offer.covers_on is None:
            raise ContractBroken(
                f"{offer.name}: was loaded as of {latest.as_of} with other content. Without a key nothing says which"
                f" of its rows are new: declare feeds.{shape.feed}.key, or give each delivery a file of its own."
                " Nothing was written."
            )
        replaces = latest
    return Batch(
        batch_id, offer.name, landed.content, offer.covers_on, replaces=replaces.batch_id if replaces else None
    )


def _refuse_stale(run: Run, plan: _Plan) -> None:
    """Raise when the newest event of a feed is too old, although no batch is to blame: nothing came."""
    days = plan.shape.source.expects.fresh_within_days
    if days is None or plan.shape.event_column is None or run.is_history:
        return
    newest = max(
        (r.last_event_at for r in run.history.of_feed(plan.shape.feed) if r.last_event_at is not None), default=None
    )
    limit = run.workspace.business.instant(run.as_of) - timedelta(days=days)
    if newest is None or newest < limit:
        seen = f"{newest:%Y-%m-%d %H:%M} UTC" if newest else "nothing"
        raise ContractBroken(
            f"{plan.shape.feed}: the newest event is {seen}, more than {days} days before {run.as_of}."
            " No newer file came: ask the source. What came was loaded."
        )
