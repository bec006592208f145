"""One JSON object per line for each step that starts, ends, waits, fails or is tried again.

Lines go to ``<home>/logs/<slug>/<UTC day>.jsonl`` and, with ``HOLDBACK_LOG_FORMAT=json``, to the process' output as
well: to stdout in a worker, to stderr at the command line, whose stdout is the answer. What a line may hold is listed
in :data:`FIELDS`; messages are not among them: a sentence about the data may repeat a cell, and stands in the journal,
which `holdback runs show` reads. Of vendors' warnings the logger and the place are kept, and Prefect's own words.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from holdback.errors import Busy, HoldbackError, NotKnowableYet
from holdback.workspace import Workspace

FIELDS: Mapping[str, str] = {
    "at": "instant, UTC, ISO 8601 with milliseconds",
    "level": "`info`, `warning` or `error`",
    "event": "what happened; see the events",
    "business": "slug of the business file",
    "as_of": "the day that the work is about",
    "flow": "Prefect's flow where there is one (`daily`), else the step",
    "step": "the step, as the journal calls it (`score_daily`)",
    "subject": "which churn definition or campaign, where a step does several",
    "run_id": "the journal's id of this try of the step: `holdback runs show RUN_ID`",
    "flow_run_id": "Prefect's id of the flow run",
    "task_run_id": "Prefect's id of the task run",
    "attempt": "which try of Prefect's task, from 2 on",
    "duration_seconds": "of the step",
    "counts": "the step's numbers, by name",
    "error_class": "class of the error",
    "exit_code": "what the command line returns for it",
    "place": "file and line of ours where an error that nobody foresaw was raised",
    "logger": "of a vendor's warning: who said it",
    "message": "of a vendor's warning: only Prefect's own words about its runs",
    "pid": "the process",
}
"""Every key a line may have, and its meaning."""

EVENTS: Mapping[str, str] = {
    "step_started": "a step begins",
    "step_retried": "a step begins again, because what failed can pass by itself",
    "step_finished": "it is done",
    "step_stands": "it was done before; nothing was changed",
    "step_waits": "it cannot be known yet; nothing failed",
    "step_busy": "another process holds the step; nothing was changed",
    "step_failed": "it ended in an error; the next run takes it up",
    "vendor_warning": "a vendor's library warned of something",
}
"""Every event, and its meaning."""

KEPT_DAYS = 90
_LOGGER = "holdback.runs"
_VENDORS = ("prefect", "mlflow", "great_expectations", "distributed", "ray")
_RECORD = "holdback_line"  # the attribute of a log record that holds the line

_folder: ContextVar[Path | None] = ContextVar("log_folder", default=None)


@dataclass
class Seen:
    """What a step tells its observer while it runs."""

    run_id: str = ""
    counts: dict[str, int | float] = field(default_factory=dict)
    stands: bool = False
    _begins: Any = None

    def began(self, run_id: str) -> None:
        """The journal knows the run under this id."""
        self.run_id = run_id
        self._begins()

    def done(self, receipt: Mapping[str, Any]) -> None:
        """The step did what it should; its receipt says what."""
        self.counts = counts_of(receipt)


@contextmanager
def observed(workspace: Workspace, step: str, as_of: date, subject: str = "") -> Iterator[Seen]:
    """Log what becomes of a step, and refresh the figures for Prometheus when it is over.

    Args:
        workspace: The business.
        step: The step, as the journal calls it.
        as_of: The day.
        subject: Which churn definition or campaign, or empty.
    """
    from flows.observing.prometheus import write_if_asked

    started = time.monotonic()
    place = log_folder(workspace)
    token = _folder.set(place)
    _listen()
    common = {
        "business": workspace.business.slug, "as_of": as_of.isoformat(), "step": step, "subject": subject or None,
        **_prefect_ids(step),
    }  # fmt: skip
    seen = Seen()
    seen._begins = lambda: _say("step_retried" if common.get("attempt") else "step_started", common, seen)
    try:
        yield seen
    except BaseException as error:
        _say(_event_of(error, seen), common, seen, since=started, error=error)
        raise
    else:
        _say("step_stands" if seen.stands else "step_finished", common, seen, since=started)
    finally:
        _folder.reset(token)
        if seen.run_id:
            write_if_asked(workspace, step)


def log_folder(workspace: Workspace) -> Path:
    """Where the lines of a business lie, one file per UTC day."""
    return workspace.root.resolve() / "logs" / workspace.business.slug


def counts_of(receipt: Mapping[str, Any]) -> dict[str, int | float]:
    """Return the numbers of a receipt that mean something without the rest of it: no list, no text, no key of data."""
    counts = {
        name: value for name, value in receipt.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    batches = receipt.get("batches")
    if isinstance(batches, list):
        for name in ("offered", "clean", "quarantined"):
            counts[f"rows_{name}"] = sum(
                batch.get(name, 0) for batch in batches if not batch.get("was_known_already")
            )  # fmt: skip
    campaigns = receipt.get("campaigns")
    if isinstance(campaigns, list):
        counts["contact_count"] = sum(one.get("contact_count", 0) for one in campaigns if isinstance(one, dict))
    contacts = receipt.get("contacts")
    if isinstance(contacts, dict):
        counts["contacts"] = sum(value for value in contacts.values() if isinstance(value, int))
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in counts.items()}


def error_facts(error: BaseException) -> dict[str, Any]:
    """Return what may be told of an error anywhere: its class and exit code, and the place of one nobody foresaw."""
    if isinstance(error, HoldbackError):
        return {"error_class": type(error).__name__, "exit_code": error.exit_code}
    ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else None
    return {"error_class": type(error).__name__, "exit_code": 1, "place": place}


def read_lines(workspace: Workspace, *, since: datetime, limit: int = 100_000) -> list[dict[str, Any]]:
    """Return the lines written from an instant on (naive UTC), oldest first; a line that was cut off is left out."""
    lines: list[dict[str, Any]] = []
    for path in sorted(log_folder(workspace).glob("????-??-??.jsonl")):
        if path.stem < since.date().isoformat():
            continue
        for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if isinstance(line, dict) and str(line.get("at", "")) >= since.isoformat():
                lines.append(line)
    return lines[-limit:]


class JsonLines(logging.Formatter):
    """Writes a record as one JSON object with the keys of :data:`FIELDS`, whoever logged it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        own = getattr(record, _RECORD, None)
        line = {"at": _instant(record.created), "level": record.levelname.lower(), **(own or _of_vendor(record))}
        return json.dumps({key: value for key, value in line.items() if value is not None}, ensure_ascii=False)


class DayFiles(logging.Handler):
    """Adds lines to the file of the day, readable by its owner only; old files are removed when a new one begins.

    Each line is one write to the end of the file: processes that write at once do not mix theirs, and a kill cuts off
    at most the line that is being written. A disk that is full stops no run.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record of a step that runs here; others have no file."""
        folder = _folder.get()
        if folder is None:
            return
        try:
            path = folder / f"{_instant(record.created)[:10]}.jsonl"
            if not path.exists():
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                _let_go(folder)
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, f"{self.format(record)}\n".encode())
            finally:
                os.close(descriptor)
        except OSError as error:
            _tell_once(folder, error)


class Output(logging.Handler):
    """Writes lines to the process' output where ``HOLDBACK_LOG_FORMAT`` asks for it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record to stdout in a Prefect worker, to stderr elsewhere."""
        if log_format() == "json":
            stream = sys.stdout if "PREFECT__FLOW_RUN_ID" in os.environ else sys.stderr
            stream.write(f"{self.format(record)}\n")
            stream.flush()


def log_format() -> Literal["json", "text"]:
    """Return how the log is told on the process' output: ``json`` where ``HOLDBACK_LOG_FORMAT`` says so."""
    return "json" if os.environ.get("HOLDBACK_LOG_FORMAT", "").strip().lower() == "json" else "text"


_file, _output = DayFiles(), Output()
_setting_up = threading.Lock()
_told: set[tuple[Path, int | None]] = set()


def _listen() -> None:
    """Attach the handlers where they are not (Prefect takes foreign ones away when it sets up its own)."""
    with _setting_up:
        for handler in (_file, _output):
            handler.setFormatter(JsonLines())
        own = logging.getLogger(_LOGGER)
        own.setLevel(logging.INFO)
        own.propagate = False  # the terminal is for people
        for handler in (_file, _output):
            if handler not in own.handlers:
                own.addHandler(handler)
        for name in _VENDORS:
            logger = logging.getLogger(name)
            for listener in _listeners:
                if listener not in logger.handlers:
                    logger.addHandler(listener)
        if log_format() == "json":
            for name in ("prefect", *(n for n in logging.root.manager.loggerDict if n.startswith("prefect."))):
                for console in logging.getLogger(name).handlers:
                    if isinstance(console, logging.StreamHandler):
                        console.setFormatter(JsonLines())


class _Warnings(DayFiles):
    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.setFormatter(JsonLines())


class _WarningsTold(Output):
    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("prefect"):  # Prefect's console tells its own
            super().emit(record)


_listeners = (_Warnings(), _WarningsTold())


def _say(
    event: str, common: Mapping[str, Any], seen: Seen, *, since: float | None = None, error: BaseException | None = None
) -> None:
    level = {"step_failed": logging.ERROR, "step_busy": logging.WARNING, "step_retried": logging.WARNING}
    line = {"event": event, **common, "run_id": seen.run_id or None, "pid": os.getpid()}
    if since is not None:
        line["duration_seconds"] = round(time.monotonic() - since, 3)
    if seen.counts:
        line["counts"] = seen.counts
    if error is not None:
        line |= error_facts(error)
    logging.getLogger(_LOGGER).log(level.get(event, logging.INFO), event, extra={_RECORD: line})


def _event_of(error: BaseException, seen: Seen) -> str:
    if isinstance(error, NotKnowableYet):
        return "step_waits"
    return "step_busy" if isinstance(error, Busy) and not seen.run_id else "step_failed"


def _of_vendor(record: logging.LogRecord) -> dict[str, Any]:
    """What is kept of a vendor's record: never a sentence that may repeat a cell."""
    speaks_of_runs = record.name.startswith("prefect") and record.levelno < logging.ERROR and not record.exc_info
    return {
        "event": "vendor_warning" if record.levelno >= logging.WARNING else "vendor",
        "logger": record.name,
        "place": f"{record.filename}:{record.lineno}",
        "message": record.getMessage() if speaks_of_runs else None,
        "error_class": record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None,
        "flow_run_id": getattr(record, "flow_run_id", None),
        "task_run_id": getattr(record, "task_run_id", None),
        "pid": record.process,
    }


def _prefect_ids(step: str) -> dict[str, Any]:
    """The ids of Prefect's run that the step belongs to, if there is one; Prefect is not imported for it."""
    found: dict[str, Any] = {"flow": step, "flow_run_id": None, "task_run_id": None, "attempt": None}
    if "prefect.context" not in sys.modules:
        return found
    from prefect.context import FlowRunContext, TaskRunContext

    task, flow = TaskRunContext.get(), FlowRunContext.get()
    if task is not None:
        found["task_run_id"] = str(task.task_run.id)
        found["flow_run_id"] = str(task.task_run.flow_run_id) if task.task_run.flow_run_id else None
        found["attempt"] = task.task_run.run_count if task.task_run.run_count > 1 else None
    if flow is not None and flow.flow_run is not None:
        found["flow_run_id"] = str(flow.flow_run.id)
        found["flow"] = (flow.flow.name if flow.flow is not None else step).replace("-", "_")
    return found


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _let_go(folder: Path) -> None:
    oldest = (datetime.now(UTC).date() - timedelta(days=KEPT_DAYS)).isoformat()
    for path in folder.glob("????-??-??.jsonl"):
        if path.stem < oldest:
            path.unlink(missing_ok=True)


def _tell_once(folder: Path, error: OSError) -> None:
    """Say on the terminal that the log cannot be written; once is enough."""
    if (folder, error.errno) not in _told:
        _told.add((folder, error.errno))
        sys.stderr.write(f"{folder}: the log cannot be written ({error.strerror}). The work goes on.\n")
