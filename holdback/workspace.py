"""Where a business' data, models, reports and journal live on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from holdback.business import Business
from holdback.errors import Busy, OperatorError
from holdback.journal import Journal
from holdback.machine import query_memory_limit
from holdback.nights import LOCKS, refuse_elsewhere
from holdback.warehouse import Lake, PostgresWarehouse, WholeWarehouse
from holdback.warehouse.postgres import held, journal_schema_of, schema_of
from holdback.warehouse.postgres.connections import database
from holdback.warehouse.postgres.locks import check_held


@dataclass(frozen=True)
class Workspace:
    """The places of one business under one root (``.holdback`` by default).

    Args:
        root: Folder that holds everything Holdback writes.
        business: The company.
        environment: Values that ``$NAME`` in sources stands for; only the packages above read the real environment.
        threads: Threads that queries and training may use.
        database_url: The company's PostgreSQL, where warehouse, journal and locks live; None: all lies under ``root``.
        registry_url: The company's MLflow server; None: a database under ``root``.
        spark_master: Where Spark computes what one machine cannot carry, such as ``local[2]``; None: DuckDB does.
    """

    root: Path
    business: Business
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    threads: int = 2
    database_url: str | None = field(default=None, repr=False)
    registry_url: str | None = field(default=None, repr=False)
    spark_master: str | None = None

    @property
    def folder(self) -> Path:
        """Folder of this business; everything below belongs to it."""
        return self.root.resolve() / self.business.slug

    @property
    def warehouse(self) -> WholeWarehouse:
        """The tables of this business: in the company's PostgreSQL if there is one, else on this machine."""
        if self.database_url is None:
            return self.lake
        return PostgresWarehouse(
            self.database_url,
            schema_of(self.business.slug),
            self.folder / "mirror",
            self.business.tables,
            threads=self.threads,
            memory_limit=query_memory_limit(),
        )

    @property
    def lake(self) -> Lake:
        """The tables on this machine: the warehouse of a business without a PostgreSQL."""
        tables, folder = self.business.tables, self.folder / "warehouse"
        return Lake(folder, tables, threads=self.threads, memory_limit=query_memory_limit())

    @property
    def journal(self) -> Journal:
        """The journal of this business."""
        if self.database_url is not None:
            return Journal(self.database_url, journal_schema_of(self.business.slug))
        return self.journal_file

    @property
    def journal_file(self) -> Journal:
        """The journal on this machine: that of a business without a PostgreSQL."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return Journal(f"sqlite:///{self.folder / 'journal.db'}")

    @property
    def landing(self) -> Path:
        """Originals of every accepted or quarantined file, by content; never deleted."""
        return self.folder / "landing"

    @property
    def outbox(self) -> Path:
        """Contact lists, one folder per day; they hold personal data and are readable by their owner only."""
        return self.folder / "outbox"

    @property
    def reports(self) -> Path:
        """Folder of the reports that people open."""
        return self.folder / "reports"

    @property
    def portal(self) -> Path:
        """Folder of the site that people read: one state of each day's pages, in all languages."""
        return self.folder / "portal"

    @property
    def models(self) -> Path:
        """Local copies of the champions' files, so that scoring does not depend on a server."""
        return self.folder / "models"

    @property
    def mlflow_uri(self) -> str:
        """Where MLflow keeps runs and the model registry."""
        return self.registry_url or f"sqlite:///{self.root.resolve() / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps the files of models."""
        return self.root.resolve() / "mlflow" / "artifacts"

    def check_locks(self) -> None:
        """Make sure that this process still has the locks that it took; call it before what cannot be taken back.

        Raises:
            Busy: the connection to the database was lost, and somebody else had a lock meanwhile.
            OperatorError: the database cannot be reached.
        """
        if self.database_url is not None:
            url, schema = self.database_url, schema_of(self.business.slug)
            database(url).run("locks", lambda _: check_held(url, schema))

    @contextmanager
    def lock(self, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
        """Hold the business' lock ``name``; the system releases it when the process dies.

        With a PostgreSQL it holds for all machines, and the server releases it (see
        :mod:`holdback.warehouse.postgres.locks` for what happens when the connection is lost).

        Raises:
            Busy: another process holds it after ``wait_seconds``.
            OperatorError: the disk or the database refuses; or another machine runs the night (:mod:`holdback.nights`).
        """
        if self.database_url is not None:
            if name in LOCKS:
                refuse_elsewhere(self.journal, self.folder, self.business.slug)
            with held(self.database_url, schema_of(self.business.slug), name, wait_seconds=wait_seconds):
                yield
            return
        from filelock import FileLock, Timeout

        folder = self.folder / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{name}.lock", timeout=wait_seconds)
            lock.acquire()
        except Timeout as error:
            raise Busy(
                f"{self.business.slug}: another process is busy with {name!r}. Wait for it, then run this again."
            ) from error
        except OSError as error:
            raise OperatorError(
                f"{folder}: cannot be written ({error.strerror}). Check permissions and free space."
            ) from error
        try:
            yield
        finally:
            lock.release()
