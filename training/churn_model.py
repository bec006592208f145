"""The file that travels inside every registered model: MLflow runs it to load and to ask the model.

Models-from-code: what is stored is this text, the calibrated ``.cbm``, ``encoding.py`` and ``texts.py``; nothing is
pickled. It needs catboost, mlflow, numpy and pandas, and nothing of Holdback, so that a model can be served or run
inside Spark alone.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from typing import Any

import pandas as pd
from catboost import CatBoostClassifier
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel


class ChurnPyfunc(PythonModel):
    """Answers features with calibrated probabilities; accepts columns in any order, and empty categories."""

    def load_context(self, context: Any) -> None:
        """Read the booster and the encoding that was frozen with it, with what reads its texts."""
        encoding, texts = (_frozen(name, context.artifacts[name]) for name in ("encoding", "texts"))
        self.booster = CatBoostClassifier().load_model(context.artifacts["cbm"])
        metadata = dict(self.booster.get_metadata().items())
        facts = json.loads(metadata["holdback"])
        self.encoding = replace(encoding.encoding_from(facts["encoding"]), texts=texts.from_metadata(metadata))

    def predict(
        self,
        context: Any,  # noqa: ARG002 - MLflow's signature
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """One column ``p_churn`` with the calibrated probability, under the input's index."""
        encoded = self.encoding.apply(model_input)
        return pd.DataFrame({"p_churn": self.booster.predict_proba(encoded)[:, 1]}, index=model_input.index)


def _frozen(name: str, path: str) -> Any:
    """Import a file that lies beside the model."""
    spec = importlib.util.spec_from_file_location(f"holdback_frozen_{name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}.py is missing from the model: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up while it is being executed
    spec.loader.exec_module(module)
    return module


set_model(ChurnPyfunc())
