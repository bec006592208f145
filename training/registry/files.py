"""How models lie in MLflow: one experiment and one registered model per subject, one file per version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from holdback.business import Business
from holdback.workspace import Workspace
from training.registry.store import VALUE, mlflow_at, model_name, uplift_subject

CARD = "model_card.md"
FILE_STEM = "model"


@dataclass(frozen=True)
class Registration:
    """A registered version.

    Attributes:
        model: Name of the registered model.
        version: Its version.
        run_id: The MLflow run that trained it.
        file_hash: SHA-256 of the model's file.
    """

    model: str
    version: str
    run_id: str
    file_hash: str


@dataclass(frozen=True)
class Served:
    """What MLflow needs to answer requests with a file, by models-from-code.

    Attributes:
        code: The file that MLflow runs.
        beside: Files that it reads besides the model's own, by artifact name.
        signature: Of its answers (``mlflow.models.ModelSignature``).
        example: One invented row.
        packages: What it imports.
    """

    code: Path
    beside: Mapping[str, Path]
    signature: Any
    example: Any
    packages: tuple[str, ...] = ("catboost", "mlflow", "numpy", "pandas")


def suffix_of(business: Business, name: str) -> str:
    """Return the suffix of the files of a registered model.

    Examples:
        ``.cbm`` for a churn model, ``.value`` and ``.uplift`` for the others.
    """
    if name == model_name(business, VALUE):
        return ".value"
    return ".uplift" if name.startswith(model_name(business, uplift_subject(""))) else ".cbm"


def register_file(
    workspace: Workspace,
    subject: str,
    as_of: date,
    *,
    file: Path,
    params: Mapping[str, Any],
    metrics: Mapping[str, float],
    texts: Mapping[str, str],
    served: Served | None = None,
) -> Registration:
    """Log a model's file as a new version with the alias ``challenger``; it is in no office yet.

    :func:`training.registry.promote` puts it there; :func:`training.registry.in_office` reads it back.

    Args:
        workspace: The business; says where MLflow is.
        subject: :data:`VALUE`, or :func:`uplift_subject` of an action.
        as_of: Day of the training run.
        file: The model's one file; no pickle.
        params: How it was trained; ``holdout_rows`` among them says on how many rows it was judged.
        metrics: Figures, each with ``_low`` and ``_high``; ``value_gini`` or ``gain`` is the one it is listed with.
        texts: Pages to keep beside it, by file name; ``model_card.md`` is its card.
        served: How MLflow can serve it; None when it is only kept.

    Raises:
        OperatorError: MLflow cannot be reached or written.
    """
    name = model_name(workspace.business, subject)
    file_hash = hashlib.sha256(file.read_bytes()).hexdigest()
    tags = {"subject": subject, "as_of": as_of.isoformat(), "file_sha256": file_hash}
    with mlflow_at(workspace) as mlflow:
        client = mlflow.MlflowClient()
        with mlflow.start_run(experiment_id=experiment_of(client, workspace, name), run_name=f"{name} {as_of}") as run:
            mlflow.set_tags(tags)
            mlflow.log_params(dict(params))
            mlflow.log_metrics(dict(metrics))
            for title, text in texts.items():
                mlflow.log_text(text, title)
            source, model_id = _logged(mlflow, file, served, tags)
        name_known(client, name)
        registered = client.create_model_version(name, source, run_id=run.info.run_id, model_id=model_id, tags=tags)
        client.set_registered_model_alias(name, "challenger", registered.version)
    return Registration(name, str(registered.version), run.info.run_id, file_hash)


def describe_version(workspace: Workspace, registration: Registration, *, decision: str, reason: str) -> None:
    """Write down beside a registered version what was decided about it, and why in one sentence."""
    with mlflow_at(workspace) as mlflow:
        client = mlflow.MlflowClient()
        client.set_model_version_tag(registration.model, registration.version, "decision", decision)
        client.update_model_version(registration.model, registration.version, description=reason)


def _logged(mlflow: Any, file: Path, served: Served | None, tags: Mapping[str, str]) -> tuple[str, str | None]:
    """Store the file, as a servable model or as it is; return where it lies, and MLflow's id of the model."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory(prefix="holdback-register-") as folder:
        named = Path(folder) / f"{FILE_STEM}{file.suffix}"
        shutil.copyfile(file, named)
        if served is None:
            mlflow.log_artifact(str(named), "kept/artifacts")
            return f"{mlflow.active_run().info.artifact_uri}/kept", None
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(served.code),
            artifacts={"file": str(named), **{key: str(path) for key, path in served.beside.items()}},
            signature=served.signature,
            input_example=served.example,
            pip_requirements=[f"{package}=={installed(package)}" for package in served.packages],
            tags=dict(tags),
        )
        return f"models:/{logged.model_id}", str(logged.model_id)


def experiment_of(client: Any, workspace: Workspace, name: str) -> str:
    """Return the id of a model's experiment; it is made on first use, in the workspace's own folder or on a server."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        place = None
        if workspace.registry_url is None:
            # Without an explicit place MLflow freezes the current folder into the experiment, as an absolute path.
            # A server has a place of its own: files go through it, and nobody else needs to reach its store.
            folder = workspace.mlflow_artifacts / name
            folder.mkdir(parents=True, exist_ok=True)
            place = folder.as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=place))
        except MlflowException:
            found = client.get_experiment_by_name(name)  # another process created it first
            if found is None:
                raise
    return str(found.experiment_id)


def name_known(client: Any, name: str) -> None:
    """Make the registered model unless it is there."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
