"""What only this package may know: the environment, the clock, the machine.

| variable | means | default |
|---|---|---|
| ``HOLDBACK_BUSINESS`` | the business file | ``business.yaml`` |
| ``HOLDBACK_HOME`` | folder for everything that Holdback writes | ``.holdback`` |
| ``HOLDBACK_THREADS`` | threads for queries and training | the cores this process may use |
| ``HOLDBACK_DATABASE_URL`` | a PostgreSQL for warehouse, journal and locks | none: files under ``HOLDBACK_HOME`` |
| ``HOLDBACK_MLFLOW_URL`` | the company's MLflow server | none: a database under ``HOLDBACK_HOME`` |
| ``HOLDBACK_SPARK_MASTER`` | where Spark computes, such as ``spark://host:7077`` | none: DuckDB computes here |
| ``HOLDBACK_TASK_RUNNER`` | who scores a day's parts: ``threads``, ``dask`` or ``ray`` | none: this process, in turn |
| ``DASK_ADDRESS``, ``RAY_ADDRESS`` | the workers of that runner | none: they are started here |
| ``HOLDBACK_LOG_FORMAT`` | ``json``: the log's lines go to the output as well | none: to their file alone |
| ``HOLDBACK_PROMETHEUS_FILE`` | a file or folder for Prometheus' figures, written after each step | none |
| ``PREFECT_API_URL`` | a Prefect server to report to | none: the one of ``holdback up``, or a temporary one |
| ``HOLDBACK_PREFECT_PORT``, ``HOLDBACK_MLFLOW_PORT`` | where ``holdback up`` lets them listen | 4200, 5000 |
| ``HOLDBACK_PORTAL_PORT``, ``HOLDBACK_WORKER_PORT`` | the same | 8080, 4210 |
| ``HOLDBACK_HOST`` | the address of Prefect and the site | 127.0.0.1: this machine alone |
| ``HOLDBACK_DAILY_AT`` | local time of the daily run of ``holdback up`` | 05:15 |
| ``HOLDBACK_MACHINE`` | whose flow runs those are that this machine runs | its own name |
| ``HOLDBACK_CATCH_UP_DAYS`` | missed days that a daily run makes good | 14 |
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from holdback.business import load_business
from holdback.errors import BusinessFileError, OperatorError
from holdback.workspace import Workspace

#: Vendors' settings for a machine that keeps its files under one folder; that nobody is told is settled where the
#: package begins. A value that is already set wins.
_QUIET_VENDORS = {
    "MLFLOW_UV_AUTO_DETECT": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",  # no model of ours is one; somebody else's is not opened
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # 20 seconds are too few on a busy machine
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",  # the default of 1 loses task runs at exit
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}


#: Whatever this process and its children write, vendors' files and leftovers of a crash among it, is its owner's alone:
#: customers' data stand in most of it. What is published gets the modes of the place it is published to.
_FOR_NOBODY_ELSE = 0o077


def home() -> Path:
    """Return the folder that holds everything Holdback writes.

    Raises:
        OperatorError: its path has a character that the tables' format takes for something else.
    """
    folder = Path(os.environ.get("HOLDBACK_HOME", ".holdback")).resolve()
    strange = sorted(set("%[]^|") & set(str(folder)))
    if strange:
        raise OperatorError(
            f"{folder}: the path has {' and '.join(map(repr, strange))} in it, which the tables' format cannot keep. "
            "Set HOLDBACK_HOME to a folder without. Nothing was written."
        )
    return folder


def business_path() -> Path:
    """Return the business file that is meant when none is named."""
    return Path(os.environ.get("HOLDBACK_BUSINESS", "business.yaml"))


def prepare_vendors() -> None:
    """Set the vendors' environment and close new files to others; call it before Prefect or MLflow is imported.

    Raises:
        OperatorError: Holdback's folder cannot be created.
    """
    for name, value in _QUIET_VENDORS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(home() / "prefect"))
    os.umask(_FOR_NOBODY_ELSE)
    try:
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperatorError(
            f"{home()}: cannot be created ({error.strerror}). Set HOLDBACK_HOME to a folder you can write."
        ) from error


def threads() -> int:
    """Return how many threads this process may use: the cores given to it, unless ``HOLDBACK_THREADS`` says less.

    Raises:
        OperatorError: the variable is not a whole number of at least 1.
    """
    stated = os.environ.get("HOLDBACK_THREADS")
    if stated is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not stated.isdigit() or int(stated) < 1:
        raise OperatorError(f"HOLDBACK_THREADS: must be a whole number of at least 1 (got {stated!r}).")
    return int(stated)


def now() -> datetime:
    """Return the current instant as naive UTC with whole seconds."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def open_workspace(business: Path | str | None = None) -> Workspace:
    """Open the workspace of a business file.

    Raises:
        BusinessFileError: the file is missing or breaks a rule.
    """
    workspace = Workspace(
        root=home(),
        business=load_business(business or business_path()),
        environment=dict(os.environ),
        threads=threads(),
        database_url=os.environ.get("HOLDBACK_DATABASE_URL"),
        registry_url=os.environ.get("HOLDBACK_MLFLOW_URL"),
        spark_master=os.environ.get("HOLDBACK_SPARK_MASTER"),
    )
    _close(workspace.folder, workspace.root / "mlflow", workspace.root / "prefect")
    return workspace


def _close(*folders: Path) -> None:
    """Close folders of ours to others: an earlier version, or a copy, may have left them open."""
    for folder in folders:
        with suppress(OSError):  # not there yet, or somebody else's: `holdback doctor` says what is not as it should be
            if folder.stat().st_mode & 0o077:
                folder.chmod(0o700)


def chosen_day(workspace: Workspace, as_of: date | None) -> date:
    """Return the day to work for: the one asked for, or today in the business' time zone.

    Raises:
        BusinessFileError: the day lies in the future.
    """
    today = workspace.business.day_of(now())
    if as_of is None:
        return today
    if as_of > today:
        raise BusinessFileError(
            f"--as-of: {as_of} lies in the future (today is {today} in {workspace.business.time_zone}). "
            "Choose today or an earlier day."
        )
    return as_of
