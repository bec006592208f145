"""Who is in office: list, show, promote, roll back. The journal decides, MLflow's aliases follow."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from holdback.errors import BusinessFileError, DataError, OperatorError
from holdback.journal import Champion
from holdback.workspace import Workspace
from training.churn import ChurnModel, load
from training.metrics import Estimate
from training.registry.recording import CARD, FILE
from training.registry.store import exists, mlflow_at, model_name


@dataclass(frozen=True)
class ModelSummary:
    """One registered version.

    Attributes:
        version: Its number.
        aliases: Its offices: ``champion``, ``challenger``, or none.
        as_of: Day of its training run.
        run_id: The MLflow run.
        auc: On its holdout, with interval.
        decision: What the gate decided about it; None when its retrain did not finish.
        reason: Why, in one sentence.
    """

    version: str
    aliases: tuple[str, ...]
    as_of: date
    run_id: str
    auc: Estimate | None
    decision: str | None
    reason: str | None


@dataclass(frozen=True)
class ModelDetails:
    """A version and its card (Markdown)."""

    summary: ModelSummary
    card: str


def list_models(workspace: Workspace, churn_name: str) -> tuple[ModelSummary, ...]:
    """Return every version of a churn definition's model, newest first; empty before the first training."""
    name = model_name(workspace.business, churn_name)
    if not exists(workspace):
        return ()
    reconcile(workspace, churn_name)
    with mlflow_at(workspace) as mlflow:
        client = mlflow.MlflowClient()
        found = client.search_model_versions(f"name = '{name}'")
        summaries = [_summary(client, name, version) for version in found]
    return tuple(sorted(summaries, key=lambda summary: -int(summary.version)))


def show_model(workspace: Workspace, churn_name: str, version: str = "champion") -> ModelDetails:
    """Return a version (by number, or ``champion`` or ``challenger``) with its card.

    Raises:
        BusinessFileError: there is no such version; the message lists those that exist.
    """
    known = list_models(workspace, churn_name)
    for summary in known:
        if version == summary.version or version in summary.aliases:
            with mlflow_at(workspace) as mlflow:
                return ModelDetails(summary, _card(mlflow, summary))
    name = model_name(workspace.business, churn_name)
    versions = ", ".join(summary.version for summary in known) or "none yet: train one with `holdback retrain`"
    raise BusinessFileError(f"model {name}: version {version!r} does not exist. Known versions: {versions}.")


def promote(workspace: Workspace, churn_name: str, version: str, *, seen: Champion | None, as_of: date) -> Champion:
    """Put a version in office if the champion is still the one that was ``seen``.

    The file is copied to this machine first, so that a champion can always be scored with.

    Raises:
        PromotionConflict: another process changed the champion in between; nothing was changed.
        OperatorError: the version's file cannot be read.
    """
    name = model_name(workspace.business, churn_name)
    _local_file(workspace, name, version)
    champion = workspace.journal.crown(name, version, seen=seen, as_of=as_of)
    reconcile(workspace, churn_name)
    return champion


def promote_by_hand(workspace: Workspace, churn_name: str, version: str, as_of: date) -> Champion:
    """Put a version in office because a person says so; the journal keeps that decision beside the gate's.

    Raises:
        BusinessFileError: there is no such version.
        PromotionConflict: another process changed the champion in between.
    """
    name = model_name(workspace.business, churn_name)
    summary = show_model(workspace, churn_name, version).summary
    seen = workspace.journal.champion(name)
    if seen is not None and seen.version == summary.version:
        return seen
    champion = promote(workspace, churn_name, summary.version, seen=seen, as_of=as_of)
    _record(workspace, name, champion.version, as_of, seen, "promoted by hand")
    return champion


def rollback(workspace: Workspace, churn_name: str, as_of: date) -> Champion:
    """Put the champion before this one back in office: one step, in one command.

    Raises:
        DataError: there is no earlier champion.
        PromotionConflict: another process changed the champion in between.
    """
    name = model_name(workspace.business, churn_name)
    seen = workspace.journal.champion(name)
    if seen is None or seen.previous is None:
        raise DataError(
            f"model {name}: there is no champion before {'this one' if seen else 'the first one'}. Nothing can be "
            "rolled back. Promote a version by hand with `holdback models promote VERSION`."
        )
    champion = promote(workspace, churn_name, seen.previous, seen=seen, as_of=as_of)
    _record(workspace, name, champion.version, as_of, seen, f"rolled back from version {seen.version}")
    return champion


def champion_model(workspace: Workspace, churn_name: str) -> tuple[Champion, ChurnModel] | None:
    """Return the champion and its frozen model, read from this machine's copy; None when there is no champion.

    Raises:
        OperatorError: the champion's file is neither here nor in the registry.
    """
    name = model_name(workspace.business, churn_name)
    champion = workspace.journal.champion(name)
    if champion is None:
        return None
    path = _local_file(workspace, name, champion.version)
    try:
        return champion, load(path)
    except OperatorError:
        path.unlink(missing_ok=True)  # a damaged copy: the registry has the original
        return champion, load(_local_file(workspace, name, champion.version))


def reconcile(workspace: Workspace, churn_name: str) -> None:
    """Make MLflow's aliases say what the journal says; a champion is nobody's challenger."""
    name = model_name(workspace.business, churn_name)
    champion = workspace.journal.champion(name)
    if champion is None:
        return
    with mlflow_at(workspace) as mlflow:
        client = mlflow.MlflowClient()
        aliases = client.get_registered_model(name).aliases
        if str(aliases.get("champion")) != champion.version:
            client.set_registered_model_alias(name, "champion", champion.version)
        if str(aliases.get("challenger")) == champion.version:
            client.delete_registered_model_alias(name, "challenger")


def _local_file(workspace: Workspace, name: str, version: str) -> Path:
    """This machine's copy of a version's file, fetched from the registry when it is not here."""
    path = workspace.models / f"{name}-{version}.cbm"
    if path.exists():
        return path
    with mlflow_at(workspace) as mlflow, tempfile.TemporaryDirectory(prefix="holdback-fetch-") as folder:
        uri = f"models:/{name}/{version}/artifacts/{FILE}"
        fetched = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        shutil.copyfile(fetched, part)
        part.replace(path)  # a reader sees the whole file or none
    return path


def _summary(client: Any, name: str, version: Any) -> ModelSummary:
    run = client.get_run(version.run_id).data
    auc = None
    if {"auc", "auc_low", "auc_high"} <= set(run.metrics):
        low, high = float(run.metrics["auc_low"]), float(run.metrics["auc_high"])
        auc = Estimate(float(run.metrics["auc"]), low, high, int(run.params["holdout_rows"]), "DeLong")
    aliases = client.get_model_version(name, version.version).aliases
    return ModelSummary(
        version=str(version.version),
        aliases=tuple(aliases),
        as_of=date.fromisoformat(version.tags["as_of"]),
        run_id=str(version.run_id),
        auc=auc,
        decision=version.tags.get("decision"),
        reason=version.description or None,
    )


def _card(mlflow: Any, summary: ModelSummary) -> str:
    if summary.decision is None:
        return f"# Version {summary.version}\n\nIts training run did not finish: there is no card.\n"
    return str(mlflow.artifacts.load_text(f"runs:/{summary.run_id}/{CARD}"))


def _record(workspace: Workspace, name: str, version: str, as_of: date, seen: Champion | None, why: str) -> None:
    workspace.journal.record_verdict(
        name,
        version,
        as_of=as_of,
        decision="promote",
        champion=seen.version if seen else None,
        figures={"by": "hand", "reasons": [why]},
    )
