"""Write a trained model down: file, signature, data versions, figures bound to the holdout, and its card."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

import training.encoding
import training.texts
from holdback.workspace import Workspace
from training.churn import Fit, Recipe
from training.datasets import Dataset
from training.encoding import OTHER, Encoding
from training.gate import Verdict
from training.metrics import Evaluation
from training.registry.files import CARD, FILE_STEM, Registration, experiment_of, name_known
from training.registry.store import mlflow_at, model_name
from training.rows import Rows

_NEEDED = ("catboost", "mlflow", "numpy", "pandas")


def register(
    workspace: Workspace,
    churn_name: str,
    as_of: date,
    *,
    fit: Fit,
    recipe: Recipe,
    dataset: Dataset,
    evaluations: Mapping[str, Evaluation],
) -> Registration:
    """Log the model as a new version and give it the alias ``challenger``.

    Args:
        workspace: The business; says where MLflow is.
        churn_name: The churn definition.
        as_of: Day of the training run.
        fit: The trained model.
        recipe: How it was trained.
        dataset: What it was trained and judged on; only schema, digests and versions are logged, never rows.
        evaluations: Figures on the holdout by model: ``catboost`` and the baselines.

    Raises:
        OperatorError: MLflow cannot be reached or written.
    """
    name = model_name(workspace.business, churn_name)
    with mlflow_at(workspace) as mlflow, tempfile.TemporaryDirectory(prefix="holdback-register-") as folder:
        client = mlflow.MlflowClient()
        file = Path(folder) / f"{FILE_STEM}.cbm"
        fit.model.save(file)
        file_hash = hashlib.sha256(file.read_bytes()).hexdigest()
        lineage = {f"delta.{table}": str(number) for table, number in dataset.versions.items()}
        tags = {"churn": churn_name, "as_of": as_of.isoformat(), "file_sha256": file_hash, **lineage}
        source = (workspace.folder / "warehouse").as_uri()
        with mlflow.start_run(experiment_id=experiment_of(client, workspace, name), run_name=f"{name} {as_of}") as run:
            mlflow.set_tags(tags)
            mlflow.log_params({**_params(fit, recipe, dataset), **lineage})
            learned = _described(mlflow, dataset.training, source, f"learned on {dataset.plan.learn_on[-1]}")
            judged = _described(mlflow, dataset.holdout, source, f"judged on {dataset.plan.judge_on[-1]}")
            mlflow.log_input(learned, "training")
            mlflow.log_input(judged, "holdout")
            logged = mlflow.pyfunc.log_model(
                name="churn",
                python_model=str(Path(__file__).parents[1] / "churn_model.py"),
                artifacts={
                    "cbm": str(file),
                    "encoding": str(Path(training.encoding.__file__)),
                    "texts": str(Path(training.texts.__file__)),
                },
                signature=signature_of(fit.model.encoding, "p_churn"),
                input_example=invented_example(dataset.training.frame, fit.model.encoding),
                pip_requirements=[f"{package}=={version(package)}" for package in _NEEDED],
                tags=tags,
                metadata={"recipe": fit.model.information["recipe"], "as_of": as_of.isoformat()},
            )
            mlflow.log_metrics(_metrics(evaluations), model_id=logged.model_id, dataset=judged)
        name_known(client, name)
        registered = client.create_model_version(
            name, f"models:/{logged.model_id}", run_id=run.info.run_id, model_id=logged.model_id, tags=tags
        )
        client.set_registered_model_alias(name, "challenger", registered.version)
        return Registration(name, str(registered.version), run.info.run_id, file_hash)


def close_registration(workspace: Workspace, registration: Registration, *, card: str, verdict: Verdict) -> None:
    """Add the card and the gate's verdict to a registered version."""
    with mlflow_at(workspace) as mlflow:
        client = mlflow.MlflowClient()
        client.log_text(registration.run_id, card, CARD)
        client.set_model_version_tag(registration.model, registration.version, "decision", verdict.decision)
        client.update_model_version(registration.model, registration.version, description=verdict.reasons[0])


def invented_example(frame: pd.DataFrame, encoding: Encoding) -> pd.DataFrame:
    """One row that is nobody: the median of each number, the commonest level of each category.

    A stored example made of a customer's row would put personal data into the artefact.
    """
    values: dict[str, list[Any]] = {}
    for name in encoding.names:
        if name in encoding.texts:
            values[name] = [""]  # whatever anybody wrote is personal
            continue
        column = frame[name].dropna()
        values[name] = [_level(column, encoding) if name in encoding.categories else float(column.median())]
    return pd.DataFrame(values)


def _level(column: pd.Series[Any], encoding: Encoding) -> str:
    """The commonest level; of a category with many levels one that is kept, for it may be a column of names."""
    kept = encoding.kept.get(str(column.name))
    return str(column.mode().iloc[0]) if kept is None else (*kept, OTHER)[0]


def signature_of(encoding: Encoding, answer: str) -> Any:
    """Return MLflow's signature of a model: what it asks for, and the one column that it answers with."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    # Every number is a double: an integer column of a signature refuses a missing value.
    written = {*encoding.categories, *encoding.texts}
    inputs: list[Any] = [
        ColSpec(DataType.string if name in written else DataType.double, name) for name in encoding.names
    ]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec(DataType.double, answer)]))


def _described(mlflow: Any, rows: Rows, source: str, name: str) -> Any:
    """An MLflow dataset of the rows: it keeps their schema, number and digest, and none of the rows."""
    return mlflow.data.from_pandas(rows.frame.assign(churned=rows.churned), source=source, name=name, targets="churned")


def _params(fit: Fit, recipe: Recipe, dataset: Dataset) -> dict[str, Any]:
    plan = dataset.plan
    return {
        **{f"recipe.{key}": value for key, value in asdict(recipe).items()},
        "recipe.digest": fit.model.information["recipe"],
        "tree_count": fit.tree_count,
        "validation": fit.validation,
        "learned_on": f"{plan.learn_on[0]} to {plan.learn_on[-1]} ({len(plan.learn_on)} snapshots)",
        "judged_on": ", ".join(map(str, plan.judge_on)),
        "split_by_customer": plan.is_split_by_customer,
        "training_rows": len(dataset.training),
        "training_churners": dataset.training.churner_count,
        "holdout_rows": len(dataset.holdout),
        "holdout_churners": dataset.holdout.churner_count,
        "feature_count": len(fit.model.encoding.names),
    }


def _metrics(evaluations: Mapping[str, Evaluation]) -> dict[str, float]:
    values: dict[str, float] = {}
    for model, evaluation in evaluations.items():
        prefix = "" if model == "catboost" else f"{model}."
        for metric, figure in evaluation.figures():
            values[f"{prefix}{metric}"] = figure.estimate
            values[f"{prefix}{metric}_low"] = figure.low
            values[f"{prefix}{metric}_high"] = figure.high
    return values
