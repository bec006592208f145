"""What every test may count on: a clean environment, the shared data sets, and one Prefect server for all flow tests.

The environment is set when this file is imported, before any test module is: Prefect and MLflow read
theirs at import. No test reaches the network, the home folder or a server of the person who runs it.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from flows import settings

PROJECT_ROOT = Path(__file__).resolve().parents[1]

_scratch = Path(tempfile.mkdtemp(prefix="holdback-tests-"))

ENVIRONMENT = {
    # Nobody is told that the tests ran. `true` is the one word that Prefect, MLflow and Evidently all understand.
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
    # Vendors write where they are told, never into the current folder or the home folder.
    "PREFECT_HOME": str(_scratch / "prefect"),
    "MLFLOW_TRACKING_URI": f"sqlite:///{_scratch / 'mlflow.db'}",
    "MPLCONFIGDIR": str(_scratch / "matplotlib"),
    "MPLBACKEND": "Agg",
    # MLflow asks for git and for a job runner that no test needs.
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    # Command line output is compared as text: one width, no colours, whatever terminal the tests run in.
    "COLUMNS": "120",
    "NO_COLOR": "1",
    "TERM": "dumb",
}
FOREIGN = (
    "PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE", "PREFECT_LOGGING_LEVEL",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID",
    "HOLDBACK_BUSINESS", "HOLDBACK_HOME", "HOLDBACK_THREADS",
    "HOLDBACK_LOG_FORMAT", "HOLDBACK_PROMETHEUS_FILE", "HOLDBACK_TASK_RUNNER", "DASK_ADDRESS", "RAY_ADDRESS",
    "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS",  # these three make Typer paint its help
)  # fmt: skip

os.environ.update(ENVIRONMENT)
for _name in FOREIGN:
    os.environ.pop(_name, None)
hypothesis.settings.register_profile("holdback", deadline=None)  # how long one example took is the machine's affair
hypothesis.settings.load_profile("holdback")
settings.prepare_vendors()  # and what Holdback itself asks of its vendors


def _leave_the_last_word_to_pytest() -> None:
    """Close the error stream when the process is as good as over.

    Once Great Expectations and duckdb-engine have both been imported, DuckDB's binding prints forty lines about leaked
    types while the interpreter is taken down, below pytest's own result. Nobody can mend or read them there.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


atexit.register(_leave_the_last_word_to_pytest)  # registered first, so it runs after all other exit handlers


def pytest_unconfigure() -> None:
    """Leave nothing behind in the temporary folder."""
    shutil.rmtree(_scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def project_root() -> Path:
    """The folder of `pyproject.toml`."""
    return PROJECT_ROOT


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Find a data set that is too large, or not ours, to be committed: `shared_data("telco") -> Path`.

    Looks in the folder that `HOLDBACK_DATA` names, by default `../shared/data` beside the project.
    The test that asks is skipped, with the reason, when the data set is not there.
    """
    root = Path(os.environ.get("HOLDBACK_DATA") or PROJECT_ROOT.parent / "shared" / "data")

    def find(name: str) -> Path:
        path = root / name
        if not path.exists():
            pytest.skip(f"data set '{name}' is not in {root}; set HOLDBACK_DATA to the folder that has it")
        return path

    return find


@pytest.fixture(scope="session")
def prefect_harness() -> Iterator[None]:
    """One Prefect server with a database of its own for all flow tests of the session.

    Each synchronous flow joins a heartbeat thread that sleeps in steps of one second; the heartbeat cannot
    be switched off by the environment, so it is switched off here: a flow costs 0.4 s instead of 1.3 s.
    """
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Put `tmp_path/work` on a disk of its own in memory; the function that is given changes its options."""
    place = tmp_path / "work"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"cannot mount a small disk here ({made.stderr.strip()}); needs root")

    def remount(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)

    try:
        yield remount
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
