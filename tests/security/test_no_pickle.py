"""No pickle on any way: neither in our code, nor while a model is trained, registered, loaded and asked."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.settings import prepare_vendors
from tests.house.tree import PACKAGES, ROOT, modules, syntax

#: What reads or writes Python objects as code.
FORBIDDEN = {"pickle", "_pickle", "cPickle", "joblib", "cloudpickle", "dill", "shelve", "marshal", "torch", "skops"}
CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "to_pickle", "system", "popen", "os.system"}
#: Code that is run from a file: our own, stored beside a model, by MLflow alone (docs/security.md, trust boundaries).
RUNS_CODE = {Path("training/churn_model.py"), Path("training/uplift/uplift_model.py")}


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def faults(module: Path) -> Iterator[str]:
    for node in ast.walk(syntax(module)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"{module}: imports {name}" for name in names if name.split(".")[0] in FORBIDDEN)
        if isinstance(node, ast.Call):
            name = called(node)
            is_pattern = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "re"
            if name in CALLS and not is_pattern and not (name == "system" and "platform" in ast.unparse(node.func)):
                yield f"{module}:{node.lineno}: calls {name}"
            if name == "exec_module" and module not in RUNS_CODE:
                yield f"{module}:{node.lineno}: runs a file as code"
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False":
                    yield f"{module}:{node.lineno}: allows pickle"
                if keyword.arg == "shell" and ast.unparse(keyword.value) != "False":
                    yield f"{module}:{node.lineno}: runs a shell"
            if name == "load" and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if owner == "yaml" and "_StrictLoader" not in ast.unparse(node):
                    yield f"{module}:{node.lineno}: loads YAML by a loader that is not safe"
                if owner == "np":
                    yield f"{module}:{node.lineno}: loads arrays, which may be pickles"


def test_no_module_of_ours_reads_objects_runs_texts_or_starts_a_shell() -> None:
    assert [fault for package in PACKAGES for module in modules(package) for fault in faults(module)] == []


@pytest.mark.parametrize("text", ["import joblib", "from pickle import loads", "np.load(f)", "eval(x)", "yaml.load(t)",
                                  "run(c, shell=True)", "np.savez(f, allow_pickle=True)"])  # fmt: skip
def test_the_look_at_the_code_finds_what_it_is_for(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "syntax", lambda _: ast.parse(text))
    assert len(list(faults(Path("a.py")))) == 1


def test_mlflow_is_told_to_unpickle_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", raising=False)
    before = os.umask(0o077)
    try:
        prepare_vendors()
    finally:
        os.umask(before)
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"


TRAINED = """
import os, sys, pickle, _pickle
from datetime import date
from pathlib import Path
from flows import settings
settings.prepare_vendors()
from tests.training.companies import open_shop
from holdback.errors import HoldbackError
from training.registry import champion_model, promote_by_hand
from training.registry.store import mlflow_at
from training.retraining import retrain
from training.scoring import score

def refuse(*_, **__):
    raise AssertionError("something was pickled")

class Refusing:
    def __init__(self, *_, **__): refuse()

workspace = open_shop(Path(sys.argv[1]), customers=400, days=260)
day = date(2025, 9, 1)
for module in (pickle, _pickle):
    module.loads = module.load = refuse
    module.Unpickler = Refusing
retrain(workspace, "lapsed", day, threads=1)
if champion_model(workspace, "lapsed") is None:
    promote_by_hand(workspace, "lapsed", "1", day)
score(workspace, "lapsed", day)
with mlflow_at(workspace) as mlflow:
    asked = mlflow.pyfunc.load_model("models:/shop-lapsed@champion")
    example = asked.input_example
    print("asked:", asked.predict(example)["p_churn"].between(0, 1).all())
names = [path.name for path in Path(sys.argv[1]).rglob("*") if path.suffix in (".pkl", ".pickle", ".joblib", ".npy")]
print("pickles:", names)
"""


@pytest.mark.slow
def test_a_model_is_trained_registered_loaded_and_asked_where_nothing_can_be_unpickled(tmp_path: Path) -> None:
    environment = {**os.environ, "HOLDBACK_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TRAINED, str(tmp_path / "home")],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "asked: True" in done.stdout
    assert "pickles: []" in done.stdout
