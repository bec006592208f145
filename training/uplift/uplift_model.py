"""The file that travels inside every registered uplift model: MLflow runs it to load and to ask the model.

Models-from-code: what is stored is this text, the model's one file, ``encoding.py`` and ``frozen.py``; nothing is
pickled. It needs catboost, mlflow, numpy and pandas, and nothing of Holdback.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class UpliftPyfunc(PythonModel):
    """Answers features with expected gains; accepts columns in any order, and empty categories."""

    def load_context(self, context: Any) -> None:
        """Read the model with the code that was frozen with it."""
        encoding, frozen = (_code(name, context.artifacts[name]) for name in ("encoding", "frozen"))
        self.model, _ = frozen.read(Path(context.artifacts["file"]), encoding.encoding_from)

    def predict(
        self,
        context: Any,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """One column ``uplift`` with the rise of the outcome by the action, under the input's index."""
        return pd.DataFrame({"uplift": self.model.uplift(model_input)}, index=model_input.index)


def _code(name: str, path: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"holdback_frozen_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}.py is missing from the model: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up while it is being executed
    spec.loader.exec_module(module)
    return module


set_model(UpliftPyfunc())
