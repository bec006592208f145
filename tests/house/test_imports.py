"""Who may import whom, who may read the clock and the environment, and where each vendor comes in."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.house.tree import ROOT, imports, modules, syntax

BELOW_FLOWS = ("holdback", "features", "training", "campaigns", "monitoring", "simulator")

#: Where each vendor may be imported, and only inside the function that needs it.
DOORS: Final = {
    "great_expectations": ("holdback/contracts",),
    # Opened by the warehouse alone; the others read with its connection and name its errors.
    "duckdb": ("holdback/warehouse", "holdback/originals", "holdback/mapping", "holdback/contracts"),
    "deltalake": ("holdback/warehouse",),
    "psycopg": ("holdback/", "campaigns/delivery"),
    # One kind of model each: who leaves, whom an action changes, what customers are worth.
    "catboost": ("training/churn", "training/text", "training/uplift/", "training/value/"),
    "mlflow": ("training/registry", "training/churn_model.py", "training/uplift/uplift_model.py"),
    "evidently": ("monitoring/",),
    "plotly": ("monitoring/",),
    "jinja2": ("monitoring/", "campaigns/messages/templates.py"),
    "prefect": ("flows/",),
}
#: MLflow executes these files to load a model, so what they need stands at their top.
LOADED_BY_MLFLOW = {Path("training/churn_model.py"), Path("training/uplift/uplift_model.py")}
#: A Prefect flow is made by a decorator; the command line stays free of Prefect by importing these modules late.
#: Spark is a process of Java's: it is told where its Python is, and where its Java lies, by the environment alone.
STARTS_A_PROCESS = {Path("holdback/warehouse/spark/starting.py")}
MAY_IMPORT_AT_THE_TOP = {"prefect": "flows/"}

CLOCKS: Final = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.localtime",
    "time.gmtime", "Timestamp.now", "Timestamp.today", "Timestamp.utcnow",
}  # fmt: skip
ENVIRONMENT: Final = {"os.environ", "os.getenv", "os.environb", "os.putenv"}


def test_the_import_contracts_hold() -> None:
    contracts = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert contracts.returncode == 0, contracts.stdout + contracts.stderr


@pytest.mark.parametrize("vendor", DOORS)
def test_a_vendor_comes_in_by_its_own_door(vendor: str) -> None:
    elsewhere = [
        f"{path}:{found.line}"
        for path in modules()
        for found in imports(syntax(path))
        if found.name == vendor and not path.as_posix().startswith(DOORS[vendor])
    ]
    assert elsewhere == []


@pytest.mark.parametrize("vendor", DOORS)
def test_a_vendor_is_loaded_only_by_the_function_that_needs_it(vendor: str) -> None:
    at_the_top = [
        f"{path}:{found.line}"
        for path in modules()
        for found in imports(syntax(path))
        if found.name == vendor
        and not found.is_inside_function
        and path not in LOADED_BY_MLFLOW
        and not path.as_posix().startswith(MAY_IMPORT_AT_THE_TOP.get(vendor, "nowhere"))
    ]
    assert at_the_top == []


def test_only_the_warehouse_opens_duckdb() -> None:
    # Everybody else works on a connection that it lends: with its limits of memory and threads, and no extensions.
    opened = [f"{path}:{line}" for path in modules() for line in _uses(syntax(path), {"duckdb.connect"})]
    assert [where for where in opened if not where.startswith("holdback/warehouse")] == []


def _uses(tree: ast.Module, names: set[str]) -> list[int]:
    """Lines that use one of the dotted names, by its last two parts (`dt.datetime.now` counts as `datetime.now`)."""
    dotted = ((node.lineno, ast.unparse(node)) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    from_modules = (
        (node.lineno, f"{node.module}.{alias.name}")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    )
    return [line for line, name in (*dotted, *from_modules) if ".".join(name.split(".")[-2:]) in names]


def test_the_simulated_truth_is_known_to_the_demo_alone() -> None:
    knows = [
        f"{path}:{found.line}"
        for path in modules()
        for found in imports(syntax(path))
        if found.name == "simulator" and not path.as_posix().startswith(("simulator/", "flows/demo"))
    ]
    assert knows == []


def test_only_flows_reads_the_clock() -> None:
    assert [f"{path}:{line}" for path in modules(*BELOW_FLOWS) for line in _uses(syntax(path), CLOCKS)] == []


def test_only_flows_reads_the_environment() -> None:
    readers = [path for path in modules(*BELOW_FLOWS) if path not in STARTS_A_PROCESS]
    assert [f"{path}:{line}" for path in readers for line in _uses(syntax(path), ENVIRONMENT)] == []


def test_nobody_seeds_the_whole_process() -> None:
    seeds = {"random.seed", "random.set_state"}
    assert [f"{path}:{line}" for path in modules() for line in _uses(syntax(path), seeds)] == []


@pytest.mark.parametrize("module", ["holdback.business", "holdback.tables", "holdback.errors"])
def test_the_ground_floor_loads_nothing_heavy(module: str) -> None:
    heavy = {"numpy", "pandas", "pyarrow", "scipy", "sklearn", "duckdb", "deltalake", "sqlalchemy", *DOORS}
    loaded = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert heavy & set(loaded.stdout.split()) == set()
