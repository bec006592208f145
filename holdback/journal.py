"""The journal: small facts that must be settled by exactly one of several processes.

Who runs what (``runs``), which model is champion (``champions``) and why (``verdicts``), and where the ledger ended
each day (``ledger_heads``). One SQLite file per business, or a schema of the company's PostgreSQL. Rows of ``verdicts``
and ended ``runs`` are never changed; ``champions`` changes only by compare-and-set; a head of the ledger only moves
forward.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from holdback.errors import Busy, OperatorError, PromotionConflict
from holdback.journal_moving import copied
from holdback.journal_tables import connected, make_in_sqlite, postgres_engine, sqlite_engine

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, RowMapping, TextClause

RunState = Literal["running", "done", "failed", "waits"]
"""``waits``: it cannot be known yet; nothing failed."""


@dataclass(frozen=True)
class Run:
    """One run of one flow for one business and day; ``subject``: which churn definition it was about, or empty."""

    run_id: str
    flow: str
    business: str
    as_of: date
    inputs_key: str
    state: RunState
    started_at: datetime
    ended_at: datetime | None
    owner: str
    receipt: Mapping[str, Any] | None
    error: str | None
    subject: str = ""


@dataclass(frozen=True)
class Champion:
    """The model in office. ``revision`` counts changes of office and guards the next one."""

    model: str
    version: str
    previous: str | None
    revision: int
    as_of: date


@dataclass(frozen=True)
class StoredVerdict:
    """What the gate decided about one version, with its figures."""

    model: str
    version: str
    as_of: date
    decision: str
    champion: str | None
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class LedgerHead:
    """Where one day of the ledger ended when it was last written: how many rows it had, and the hash of the last."""

    as_of: date
    row_count: int
    hash: str


@dataclass(frozen=True)
class Night:
    """Which machine's folder runs the night: its id, where it lies in words, and since when (UTC)."""

    machine: str
    place: str
    since: str


@dataclass(frozen=True)
class Journal:
    """Access to the journal's database.

    Args:
        url: ``sqlite:////path/journal.db``, or the connection string of a PostgreSQL; shown nowhere.
        schema: Where in a PostgreSQL it lies.
    """

    url: str = field(repr=False)
    schema: str | None = None

    def start_run(
        self, run_id: str, *, flow: str, business: str, as_of: date, inputs_key: str, owner: str, now: datetime,
        subject: str = "",
    ) -> None:  # fmt: skip
        """Record that a run began."""
        self._execute(
            "insert into runs (run_id, flow, business, as_of, inputs_key, state, started_at, owner, subject)"
            " values (:run_id, :flow, :business, :as_of, :inputs_key, 'running', :now, :owner, :subject)",
            run_id=run_id, flow=flow, business=business, as_of=as_of.isoformat(), inputs_key=inputs_key,
            now=now.isoformat(), owner=owner, subject=subject,
        )  # fmt: skip

    def end_run(
        self, run_id: str, *, now: datetime, receipt: Mapping[str, Any] | None, error: str | None, waits: bool = False
    ) -> None:
        """Record how a run ended: with its receipt, or with its error; ``waits``: with what it waits for."""
        self._execute(
            "update runs set state = :state, ended_at = :now, receipt = :receipt, error = :error"
            " where run_id = :run_id and state = 'running'",
            run_id=run_id, state="waits" if waits else "failed" if error else "done", now=now.isoformat(), error=error,
            receipt=None if receipt is None else json.dumps(receipt, default=str),
        )  # fmt: skip

    def reap_runs(self, *, flow: str, business: str, now: datetime) -> int:
        """Mark runs that a dead process left 'running' as failed. Call it while holding the flow's lock."""
        return self._execute(
            "update runs set state = 'failed', ended_at = :now, error = 'the process ended without a word'"
            " where flow = :flow and business = :business and state = 'running'",
            flow=flow, business=business, now=now.isoformat(),
        )  # fmt: skip

    def running_flows(self, *, business: str) -> list[str]:
        """Return the flows that have a run which did not end."""
        rows = self._rows(
            "select distinct flow from runs where business = :business and state = 'running' order by flow",
            business=business,
        )  # fmt: skip
        return [row["flow"] for row in rows]

    def find_done(self, *, flow: str, business: str, as_of: date, inputs_key: str) -> Run | None:
        """Return the run that did exactly this already, or None."""
        rows = self._rows(
            "select * from runs where flow = :flow and business = :business and as_of = :as_of"
            " and inputs_key = :inputs_key and state = 'done' order by ended_at desc limit 1",
            flow=flow, business=business, as_of=as_of.isoformat(), inputs_key=inputs_key,
        )  # fmt: skip
        return _run(rows[0]) if rows else None

    def runs(self, *, business: str | None = None, limit: int = 50) -> list[Run]:
        """Return the newest runs first."""
        where = "" if business is None else " where business = :business"
        sql = f"select * from runs{where} order by started_at desc, {self._run_number} desc limit :limit"
        given = {"limit": limit} if business is None else {"limit": limit, "business": business}
        return [_run(row) for row in self._rows(sql, **given)]

    def newest_runs(self, *, business: str, since: date, until: date) -> list[Run]:
        """Return the newest run of each flow and subject whose day lies in a range, the newest day first."""
        rows = self._rows(
            "select * from (select *, row_number() over (partition by flow, coalesce(subject, '')"
            f" order by as_of desc, started_at desc, {self._run_number} desc) as place from runs"
            " where business = :business and as_of between :since and :until) as placed where place = 1"
            " order by as_of desc, started_at desc",
            business=business, since=since.isoformat(), until=until.isoformat(),
        )  # fmt: skip
        return [_run(row) for row in rows]

    def newest_by_state(self, *, business: str) -> list[Run]:
        """Return the run of each flow, subject and state that began last, however long ago, the newest first."""
        rows = self._rows(
            "select * from runs where run_id in (select run_id from (select run_id, row_number() over"
            f" (partition by flow, coalesce(subject, ''), state order by started_at desc, {self._run_number} desc)"
            " as place from runs where business = :business) as placed where place = 1)"
            f" order by started_at desc, {self._run_number} desc",
            business=business,
        )  # fmt: skip
        return [_run(row) for row in rows]

    def run_counts(self, *, business: str) -> dict[tuple[str, str, str], int]:
        """Return how many runs there ever were, by flow, subject and state."""
        rows = self._rows(
            "select flow, coalesce(subject, '') as about, state, count(*) as n from runs where business = :business"
            " group by flow, coalesce(subject, ''), state",
            business=business,
        )  # fmt: skip
        return {(row["flow"], row["about"], row["state"]): int(row["n"]) for row in rows}

    def runs_of_days(self, *, business: str, since: date, until: date) -> list[Run]:
        """Return every run whose day lies in a range, the newest first."""
        rows = self._rows(
            "select * from runs where business = :business and as_of between :since and :until"
            f" order by started_at desc, {self._run_number} desc",
            business=business, since=since.isoformat(), until=until.isoformat(),
        )  # fmt: skip
        return [_run(row) for row in rows]

    def champion(self, model: str) -> Champion | None:
        """Return the champion of a registered model, or None when none was ever promoted."""
        rows = self._rows("select * from champions where model = :model", model=model)
        return _champion(rows[0]) if rows else None

    def crown(self, model: str, version: str, *, seen: Champion | None, as_of: date) -> Champion:
        """Make ``version`` champion if the champion is still the one that was ``seen``.

        Raises:
            PromotionConflict: another process changed the champion in between; compare again with the new one.
        """
        if seen is None:
            changed = self._execute(
                "insert into champions (model, version, previous, revision, as_of)"
                " values (:model, :version, null, 1, :as_of) on conflict (model) do nothing",
                model=model, version=version, as_of=as_of.isoformat(),
            )  # fmt: skip
        else:
            changed = self._execute(
                "update champions set previous = version, version = :version, revision = revision + 1, as_of = :as_of"
                " where model = :model and revision = :revision",
                model=model, version=version, as_of=as_of.isoformat(), revision=seen.revision,
            )  # fmt: skip
        if changed != 1:
            raise PromotionConflict(
                f"model {model}: the champion changed while version {version} was being compared. Compare again."
            )
        crowned = self.champion(model)
        assert crowned is not None
        return crowned

    def vacate(self, seen: Champion) -> None:
        """Leave an office empty if the champion is still the one that was ``seen``.

        Raises:
            PromotionConflict: another process changed the champion in between.
        """
        changed = self._execute(
            "delete from champions where model = :model and revision = :revision",
            model=seen.model, revision=seen.revision,
        )  # fmt: skip
        if changed != 1:
            raise PromotionConflict(
                f"model {seen.model}: the champion changed meanwhile. Look again, and say it again."
            )

    def record_verdict(
        self, model: str, version: str, *, as_of: date, decision: str, champion: str | None, figures: Mapping[str, Any]
    ) -> None:
        """Store what the gate decided; verdicts are only ever added."""
        self._execute(
            "insert into verdicts (model, version, as_of, decision, champion, figures)"
            " values (:model, :version, :as_of, :decision, :champion, :figures)",
            model=model, version=version, as_of=as_of.isoformat(), decision=decision, champion=champion,
            figures=json.dumps(figures, default=str),
        )  # fmt: skip

    def verdicts(self, model: str) -> list[StoredVerdict]:
        """Return every verdict on a model, oldest first."""
        rows = self._rows("select * from verdicts where model = :model order by verdict_id", model=model)
        return [
            StoredVerdict(
                model=row["model"],
                version=row["version"],
                as_of=date.fromisoformat(row["as_of"]),
                decision=row["decision"],
                champion=row["champion"],
                figures=json.loads(row["figures"]),
            )
            for row in rows
        ]

    def ledger_heads(self) -> list[LedgerHead]:
        """Return where each day of the ledger ended, oldest first."""
        rows = self._rows("select * from ledger_heads order by as_of")
        return [LedgerHead(date.fromisoformat(row["as_of"]), row["row_count"], row["hash"]) for row in rows]

    def move_ledger_head(self, head: LedgerHead) -> None:
        """Store where a day of the ledger ends now; a head never goes back. Call it while holding the ledger's lock."""
        self._execute(
            "insert into ledger_heads (as_of, row_count, hash) values (:as_of, :row_count, :hash)"
            " on conflict (as_of) do update set row_count = excluded.row_count, hash = excluded.hash"
            " where excluded.row_count > ledger_heads.row_count",
            as_of=head.as_of.isoformat(), row_count=head.row_count, hash=head.hash,
        )  # fmt: skip

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Lend a connection in a transaction of its own, which ends with the block: for :mod:`holdback.audit`.

        Raises:
            Busy: another process kept the journal.
            OperatorError: the disk or the database refuses. Nothing was written.
        """
        with self._begin(self._engine) as connection:
            yield connection

    def night(self) -> Night | None:
        """Return which folder runs the night, or None when none did yet."""
        rows = self._rows("select * from nights")
        return Night(rows[0]["machine"], rows[0]["machine_place"], rows[0]["since"][:19]) if rows else None

    def claim_night(self, machine: str, place: str) -> Night:
        """Let a folder run the night if none does; return which one does."""
        self._execute(
            "insert into nights (place, machine, machine_place, since)"
            " values (1, :machine, :place, cast(current_timestamp as text)) on conflict (place) do nothing",
            machine=machine, place=place,
        )  # fmt: skip
        found = self.night()
        assert found is not None
        return found

    def hand_over_night(self, seen: Night | None, machine: str, place: str) -> Night:
        """Let a folder run the night in the place of the one that was ``seen``.

        Raises:
            Busy: another one took it meanwhile.
        """
        if seen is not None:
            self._execute(
                "update nights set machine = :machine, machine_place = :place,"
                " since = cast(current_timestamp as text) where machine = :seen and machine <> :machine",
                machine=machine, place=place, seen=seen.machine,
            )  # fmt: skip
        found = self.claim_night(machine, place)
        if found.machine != machine:
            raise Busy(f"journal {self._place}: {found.place} took the night over just now. Look there first.")
        return found

    def take_over(self, other: Journal) -> int:
        """Copy what another journal holds into this one; see :func:`holdback.journal_moving.copied`."""
        with other.transaction() as theirs, self.transaction() as ours:
            return copied(theirs, ours, self._place)

    @property
    def _run_number(self) -> str:
        """What tells which of two runs of the same second began later."""
        return "rowid" if self.schema is None else "run_number"

    @property
    def _place(self) -> str:
        """Where it is, for errors: a connection string holds a password."""
        return self.url.removeprefix("sqlite:///") if self.schema is None else f"schema {self.schema}"

    @cached_property
    def _engine(self) -> Engine:
        if self.schema is not None:
            return postgres_engine(self.url, self.schema)
        engine = sqlite_engine(self.url)
        with self._begin(engine) as connection:
            make_in_sqlite(connection)
        return engine

    @contextmanager
    def _begin(self, engine: Engine) -> Iterator[Connection]:
        from sqlalchemy.exc import DBAPIError

        try:
            with connected(engine) as connection, connection.begin():
                yield connection
        except DBAPIError as error:
            if "locked" in str(error.orig):
                raise Busy(f"journal {self._place}: another process is writing. Run the command again.") from error
            if self.schema is not None:
                state = getattr(error.orig, "sqlstate", None)
                kind = f"{type(error.orig).__name__}, SQLSTATE {state}" if state else type(error.orig).__name__
                raise OperatorError(
                    f"journal {self._place}: the database cannot be used ({kind}). Check that the server runs and that "
                    "this role may use the schema (`holdback warehouse setup`), then run this again."
                ) from None
            raise OperatorError(
                f"journal {self._place}: {error.orig}. Check that the folder can be written and the disk is not full."
            ) from error

    def _execute(self, sql: str, **values: Any) -> int:
        with self._begin(self._engine) as connection:
            return int(connection.execute(_text(sql), values).rowcount)

    def _rows(self, sql: str, **values: Any) -> list[RowMapping]:
        with self._begin(self._engine) as connection:
            return list(connection.execute(_text(sql), values).mappings())


def _text(sql: str) -> TextClause:
    from sqlalchemy import text

    return text(sql)


def _run(row: RowMapping) -> Run:
    ended = row["ended_at"]
    return Run(
        run_id=row["run_id"], flow=row["flow"], business=row["business"], as_of=date.fromisoformat(row["as_of"]),
        inputs_key=row["inputs_key"], state=row["state"], started_at=datetime.fromisoformat(row["started_at"]),
        ended_at=datetime.fromisoformat(ended) if ended else None, owner=row["owner"], subject=row["subject"] or "",
        receipt=json.loads(row["receipt"]) if row["receipt"] else None, error=row["error"],
    )  # fmt: skip


def _champion(row: RowMapping) -> Champion:
    return Champion(
        model=row["model"], version=row["version"], previous=row["previous"], revision=row["revision"],
        as_of=date.fromisoformat(row["as_of"]),
    )  # fmt: skip
