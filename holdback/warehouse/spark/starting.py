"""The Spark of a process: how it is started, what it is told, and what its errors mean."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdback.errors import OperatorError

#: The Java that Spark 4 needs at least.
LEAST_JAVA = 17

#: Rows that go to and from a Python worker at once.
ROWS_PER_BATCH = 20_000

_LOCAL = re.compile(r"local(-cluster)?\b")

_gate = threading.RLock()
_running: dict[str, Any] = {}


@contextmanager
def without_pandas_warning() -> Iterator[None]:
    """PySpark 4.3 warns of pandas 3 wherever it looks for it; what we send and receive is Arrow."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
        yield


@contextmanager
def spark_errors(master: str) -> Iterator[None]:
    """Turn what Spark raises into :class:`OperatorError`, with the kind of error that it was."""
    with without_pandas_warning():
        from py4j.protocol import Py4JError  # type: ignore[import-untyped]
        from pyspark.errors import PySparkException

    try:
        with without_pandas_warning():
            yield
    except (PySparkException, Py4JError) as error:
        # Only what kind of error it is: what Spark says of it may quote the data.
        condition = error.getCondition() if isinstance(error, PySparkException) else None
        thrown = re.search(r"[\w.]*(?:Exception|Error)\b", str(error))
        told = condition or (thrown[0] if thrown else type(error).__name__)
        raise OperatorError(
            f"Spark ({master}): a statement could not be computed ({told}). Nothing "
            "was written. If workers or memory were lost, run the command again; else look into the log of Spark, "
            "spark.log in the warehouse's folder .spill/spark."
        ) from error


def stop() -> None:
    """End the Spark of this process, if there is one; the Java process stays for the next."""
    with _gate:
        session = _running.pop("session", None)
        if session is not None:
            session.stop()


def started(master: str, scratch: Path) -> Any:
    """Return the session of this process, started when there is none, it is another master's, or its folder is gone."""
    with _gate:
        session = _running.get("session")
        is_up = session is not None and session.sparkContext._jsc is not None
        if is_up and _running["master"] == master and _running["scratch"].is_dir():
            return session
        stop()
        _running["session"] = _start(master, scratch)
        _running["master"], _running["scratch"] = master, scratch
        return _running["session"]


def _start(master: str, scratch: Path) -> Any:
    try:
        with without_pandas_warning():
            from pyspark import SparkConf, SparkContext, java_gateway
            from pyspark.logger import PySparkLogger
            from pyspark.sql import SparkSession
    except ImportError as error:
        raise OperatorError(
            "Spark: pyspark is not installed. HOLDBACK_SPARK_MASTER asks for it. Install `holdback[spark]`, or unset "
            "the variable: DuckDB then computes the same."
        ) from error
    # It would repeat whole statements on the error stream; what matters of them is in the error that we raise.
    PySparkLogger.getLogger("SQLQueryContextLogger").disabled = True
    refuse_old_java(os.environ)
    scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
    conf = SparkConf(loadDefaults=False)
    for name, value in settings_for(master, scratch).items():
        conf.set(name, value)
    try:
        with _environment(master), (scratch / "spark.log").open("ab") as log, warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            if "gateway" not in _running:
                # The Java process ends with this one: it reads from a pipe that breaks then.
                launch: Any = java_gateway.launch_gateway  # has no types
                _running["gateway"] = launch(conf, popen_kwargs={"stdout": log, "stderr": log})
            context = SparkContext(conf=conf, gateway=_running["gateway"])
    except Exception as error:
        said = str(error).strip().splitlines()
        raise OperatorError(
            f"Spark ({master}): could not be started ({said[0] if said else type(error).__name__}). The master must "
            f"be reachable and Java {LEAST_JAVA} or newer installed. Look into {scratch / 'spark.log'}."
        ) from error
    return SparkSession(context)


def settings_for(master: str, scratch: Path) -> dict[str, str]:
    """What is fixed whatever the cluster says, and what a single machine needs."""
    # fmt: off
    meaning = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_LTZ",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.ansi.doubleQuotedIdentifiers": "false",
        "spark.sql.storeAssignmentPolicy": "ANSI",
        "spark.sql.decimalOperations.allowPrecisionLoss": "true",
        "spark.sql.legacy.timeParserPolicy": "EXCEPTION",
        "spark.sql.caseSensitive": "false",
        "spark.sql.parser.escapedStringLiterals": "false",
        "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",
        "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
        "spark.sql.catalogImplementation": "in-memory",
    }
    running = {
        "spark.app.name": "holdback",
        "spark.master": master,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS_PER_BATCH),
        "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "true",
        "spark.sql.adaptive.enabled": "true",
        # Files are listed by the driver: a job for it would cost more.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
        "spark.sql.warehouse.dir": f"file:{scratch / 'unused'}",
        "spark.sql.shuffle.partitions": "200",
        "spark.driver.maxResultSize": "1g",
    }
    # fmt: on
    if _LOCAL.match(master):
        cores = [int(number) for number in re.findall(r"\d+", master)[:2]] or [os.cpu_count() or 1]
        count = cores[0] * (cores[1] if master.startswith("local-cluster") else 1)
        running |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "2g",
            "spark.local.dir": str(scratch),
            "spark.sql.shuffle.partitions": str(max(2, 2 * count)),
        }
    return {**running, **meaning}


@contextmanager
def _environment(master: str) -> Iterator[None]:
    """What the Java process and the Python workers are told; a company's own settings come first."""
    wanted = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    if _LOCAL.match(master):
        wanted |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def refuse_old_java(environment: Mapping[str, str]) -> None:
    """Refuse to go on without a Java that Spark runs on.

    Args:
        environment: ``JAVA_HOME`` and ``PATH`` say where Java is.

    Raises:
        OperatorError: there is none, or it is too old.
    """
    home = environment.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home) / "bin") if home else environment.get("PATH", ""))
    what_to_do = (
        f"Spark needs Java {LEAST_JAVA} or newer. Install one (Debian: apt-get install openjdk-17-jre-headless) and "
        "point JAVA_HOME at it, or unset HOLDBACK_SPARK_MASTER: DuckDB then computes the same."
    )
    if program is None:
        raise OperatorError(f"Spark: no Java was found ({f'JAVA_HOME is {home}' if home else 'PATH'}). {what_to_do}")
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < LEAST_JAVA:
        seen = told.splitlines()[0] if told else "it does not tell its version"
        raise OperatorError(f"Spark: {program} is too old ({seen}). {what_to_do}")
