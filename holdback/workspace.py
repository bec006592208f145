"""Where a business' data, models, reports and journal live on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from holdback.business import Business
from holdback.errors import Busy, OperatorError
from holdback.journal import Journal
from holdback.warehouse import Lake


@dataclass(frozen=True)
class Workspace:
    """The places of one business under one root (``.holdback`` by default).

    Args:
        root: Folder that holds everything Holdback writes.
        business: The company.
        environment: Values that ``$NAME`` in sources stands for; only the packages above read the real environment.
        threads: Threads that queries and training may use.
    """

    root: Path
    business: Business
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    threads: int = 2

    @property
    def folder(self) -> Path:
        """Folder of this business; everything below belongs to it."""
        return self.root.resolve() / self.business.slug

    @property
    def warehouse(self) -> Lake:
        """The tables of this business."""
        return Lake(self.folder / "warehouse", self.business.tables, threads=self.threads)

    @property
    def journal(self) -> Journal:
        """The journal of this business."""
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
        return f"sqlite:///{self.root.resolve() / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps the files of models."""
        return self.root.resolve() / "mlflow" / "artifacts"

    @contextmanager
    def lock(self, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
        """Hold the business' lock ``name``; the system releases it when the process dies.

        Raises:
            Busy: another process holds it after ``wait_seconds``.
        """
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
