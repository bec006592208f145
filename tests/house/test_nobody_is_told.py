"""No vendor tells its makers that it is used: asked of every place from which a process of ours starts."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows import UNTRACKED
from holdback.warehouse import Lake
from tests.conftest import ENVIRONMENT
from tests.house.tree import ROOT, syntax

#: What each start must leave in the environment; `tests/monitoring/test_evidently_workspace` asks a vendor itself.
WANTED = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "GX_ANALYTICS_ENABLED": "false",
}
STARTS = {
    "the command line": "import sys; sys.argv = ['holdback', '--help']\nfrom flows.cli import main\n"
    "try: main()\nexcept SystemExit: pass",
    "a Prefect worker": "import importlib.util; importlib.util.find_spec('flows.pipelines')",
    "a script of one's own": "import flows.settings",
    "a benchmark": "import bench",
}


def environment_left_by(code: str, folder: Path) -> dict[str, str]:
    """Run code in a process that was told nothing, and return what its environment says afterwards."""
    clean = {"HOME": str(folder), "PATH": os.environ["PATH"], "HOLDBACK_HOME": str(folder), "COLUMNS": "120"}
    asked = f"import os\n{code}\nprint('left:', *(f'{{n}}={{os.environ.get(n)}}' for n in {list(WANTED)}))"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, env=clean, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    left = next(line for line in done.stdout.splitlines() if line.startswith("left: "))
    return dict(pair.split("=", 1) for pair in left.removeprefix("left: ").split())


@pytest.mark.parametrize("start", STARTS)
def test_a_process_of_ours_tells_nobody(start: str, tmp_path: Path) -> None:
    assert environment_left_by(STARTS[start], tmp_path) == WANTED


def test_the_package_that_starts_vendors_settles_it_before_any_of_them_can_be_imported() -> None:
    assert UNTRACKED == WANTED
    imports = [node for node in ast.walk(syntax(Path("flows/__init__.py"))) if isinstance(node, ast.Import)]
    others = [node for node in ast.walk(syntax(Path("flows/__init__.py"))) if isinstance(node, ast.ImportFrom)]
    assert ([name.name for node in imports for name in node.names], others) == (["os"], [])


def test_who_said_something_else_is_not_overruled(tmp_path: Path) -> None:
    left = environment_left_by("os.environ['DO_NOT_TRACK'] = '1'\nimport flows", tmp_path)
    assert left == {**WANTED, "DO_NOT_TRACK": "1"}


def test_make_and_the_continuous_integration_tell_nobody() -> None:
    made, run = ((ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", ".ci/run"))
    assert {name for name, value in WANTED.items() if f"\nexport {name} := {value}\n" not in made} == set()
    exported = " ".join(line for line in run.splitlines() if line.startswith("export "))
    assert {name for name, value in WANTED.items() if f" {name}={value}" not in exported} == set()


def test_every_deployment_tells_nobody() -> None:
    declared = yaml.safe_load((ROOT / "infra" / "prefect.yaml").read_text(encoding="utf-8"))
    for deployment in declared["deployments"]:
        environment = deployment["work_pool"]["job_variables"]["env"]
        assert {name: environment.get(name) for name in WANTED} == WANTED, deployment["name"]


def test_the_tests_tell_nobody() -> None:
    assert {name: ENVIRONMENT.get(name) for name in WANTED} == WANTED


def test_the_warehouse_fetches_no_extension(tmp_path: Path) -> None:
    names = ("autoinstall_known_extensions", "autoload_known_extensions")
    with Lake(tmp_path / "warehouse").connection() as connection:
        asked = ", ".join(f"current_setting('{name}')" for name in names)
        assert connection.sql(f"select {asked}").fetchall() == [(False, False)]
