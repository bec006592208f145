"""Who is in office: list, show, promote, roll back. The journal decides, MLflow's aliases follow."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from holdback.errors import BusinessFileError, Busy, DataError, OperatorError
from holdback.journal import Champion
from holdback.workspace import Workspace
from training.churn import ChurnModel, load
from training.metrics import Estimate
from training.registry.files import CARD, FILE_STEM, suffix_of
from training.registry.server import HURRIED, USUAL, Patience
from training.registry.store import exists, mlflow_at, model_name

_LOG = logging.getLogger("holdback.registry")

M = TypeVar("M")

#: By which figure a version is told, and how its interval is made.
_FIGURES = {"auc": "DeLong", "gain": "AIPW, bootstrap over customers", "value_gini": "bootstrap over customers"}


@dataclass(frozen=True)
class ModelSummary:
    """One registered version.

    Attributes:
        version: Its number.
        aliases: Its offices: ``champion``, ``challenger``, or none.
        as_of: Day of its training run.
        run_id: The MLflow run.
        metric: What ``figure`` is: ``auc``, ``gain`` or ``value_gini``.
        figure: How good it is on rows that it had not seen, with interval; None when that is not known.
        decision: What the gate decided about it; None when its retrain did not finish.
        reason: Why, in one sentence.
    """

    version: str
    aliases: tuple[str, ...]
    as_of: date
    run_id: str
    metric: str
    figure: Estimate | None
    decision: str | None
    reason: str | None


@dataclass(frozen=True)
class ModelDetails:
    """A version and its card (Markdown)."""

    summary: ModelSummary
    card: str


def list_models(workspace: Workspace, subject: str) -> tuple[ModelSummary, ...]:
    """Return every version of a subject's model, newest first; empty before the first training."""
    name = model_name(workspace.business, subject)
    if not exists(workspace):
        return ()
    reconcile(workspace, subject)
    with mlflow_at(workspace) as mlflow:
        client = mlflow.MlflowClient()
        found = client.search_model_versions(f"name = '{name}'")
        summaries = [_summary(client, name, version) for version in found]
    return tuple(sorted(summaries, key=lambda summary: -int(summary.version)))


def show_model(workspace: Workspace, subject: str, version: str = "champion") -> ModelDetails:
    """Return a version (by number, or ``champion`` or ``challenger``) with its card.

    Raises:
        BusinessFileError: there is no such version; the message lists those that exist.
    """
    known = list_models(workspace, subject)
    for summary in known:
        if version == summary.version or version in summary.aliases:
            with mlflow_at(workspace) as mlflow:
                return ModelDetails(summary, _card(mlflow, summary))
    name = model_name(workspace.business, subject)
    versions = ", ".join(summary.version for summary in known) or "none yet: train one with `holdback retrain`"
    raise BusinessFileError(f"model {name}: version {version!r} does not exist. Known versions: {versions}.")


def promote(workspace: Workspace, subject: str, version: str, *, seen: Champion | None, as_of: date) -> Champion:
    """Put a version in office if the champion is still the one that was ``seen``.

    The file is copied to this machine first, so that a champion can always be scored with. The journal decides: from
    then on the version is in office, and MLflow's alias follows now, or at the next look when its server is away.

    Raises:
        PromotionConflict: another process changed the champion in between; nothing was changed.
        OperatorError: the version's file cannot be read; nothing was changed.
    """
    name = model_name(workspace.business, subject)
    _local_file(workspace, name, version)
    champion = workspace.journal.crown(name, version, seen=seen, as_of=as_of)
    follow(workspace, subject, HURRIED)
    return champion


def promote_by_hand(workspace: Workspace, subject: str, version: str, as_of: date) -> Champion:
    """Put a version in office because a person says so; the journal keeps that decision beside the gate's.

    Raises:
        BusinessFileError: there is no such version.
        PromotionConflict: another process changed the champion in between.
    """
    name = model_name(workspace.business, subject)
    summary = show_model(workspace, subject, version).summary
    seen = workspace.journal.champion(name)
    if seen is not None and seen.version == summary.version:
        return seen
    champion = promote(workspace, subject, summary.version, seen=seen, as_of=as_of)
    _record(workspace, name, champion.version, as_of, seen, "promoted by hand")
    return champion


def rollback(workspace: Workspace, subject: str, as_of: date) -> Champion | None:
    """Put the champion before this one back in office: one step, in one command.

    The first model of value or uplift leaves its office empty: the books, or the rule of the day, speak again. Without
    a churn model nobody could be scored, so the first of those stays.

    Returns:
        Who is in office now; None when nobody is.

    Raises:
        DataError: there is no earlier champion.
        PromotionConflict: another process changed the champion in between.
    """
    name = model_name(workspace.business, subject)
    seen = workspace.journal.champion(name)
    if seen is not None and seen.previous is None and suffix_of(workspace.business, name) != ".cbm":
        workspace.journal.vacate(seen)
        follow(workspace, subject, HURRIED)
        _record(workspace, name, seen.version, as_of, seen, "rolled back: the office is empty", decision="keep")
        return None
    if seen is None or seen.previous is None:
        raise DataError(
            f"model {name}: there is no champion before {'this one' if seen else 'the first one'}. Nothing can be "
            "rolled back. Promote a version by hand with `holdback models promote VERSION`."
        )
    champion = promote(workspace, subject, seen.previous, seen=seen, as_of=as_of)
    _record(workspace, name, champion.version, as_of, seen, f"rolled back from version {seen.version}")
    return champion


def champion_model(workspace: Workspace, subject: str) -> tuple[Champion, ChurnModel] | None:
    """Return the champion and its frozen model, read from this machine's copy; None when there is no champion.

    Raises:
        OperatorError: the champion's file is neither here nor in the registry.
    """
    return in_office(workspace, subject, load)


def in_office(workspace: Workspace, subject: str, read: Callable[[Path], M]) -> tuple[Champion, M] | None:
    """Return who is in office for a subject, read from this machine's copy; None when nobody is.

    Args:
        workspace: The business.
        subject: Whose office.
        read: Reads a model's file, and raises ``OperatorError`` when it is damaged.

    Raises:
        OperatorError: the file is neither here nor in the registry, or damaged in both.
    """
    name = model_name(workspace.business, subject)
    champion = workspace.journal.champion(name)
    if champion is None:
        return None
    path = _local_file(workspace, name, champion.version)
    try:
        return champion, read(path)
    except OperatorError:
        path.unlink(missing_ok=True)  # a damaged copy: the registry has the original
        return champion, read(_local_file(workspace, name, champion.version))


def reconcile(workspace: Workspace, subject: str, patience: Patience = USUAL) -> None:
    """Make MLflow's aliases say what the journal says; a champion is nobody's challenger.

    Raises:
        OperatorError: MLflow cannot be asked or told.
    """
    name = model_name(workspace.business, subject)
    champion = workspace.journal.champion(name)
    if not exists(workspace):
        return
    with mlflow_at(workspace, patience) as mlflow:
        client = mlflow.MlflowClient()
        aliases = _aliases(client, name, is_expected=champion is not None)
        if champion is None:
            if "champion" in aliases:
                client.delete_registered_model_alias(name, "champion")
            return
        if str(aliases.get("champion")) != champion.version:
            client.set_registered_model_alias(name, "champion", champion.version)
        if str(aliases.get("challenger")) == champion.version:
            client.delete_registered_model_alias(name, "challenger")


def follow(workspace: Workspace, subject: str, patience: Patience) -> str | None:
    """Reconcile, and where MLflow is away say so instead of failing: what the journal says holds without it.

    Returns:
        Why MLflow could not be asked or told, in a sentence; None when its aliases are right now.
    """
    try:
        reconcile(workspace, subject, patience)
    except (OperatorError, Busy) as error:
        _LOG.warning("registry_not_told: %s", error)
        return str(error)
    return None


def ask_registry(workspace: Workspace, subject: str) -> str | None:
    """Ask the company's MLflow server, for at most some seconds, before a champion is used; its aliases follow.

    Returns:
        Why it could not be asked, in a sentence: whoever goes on uses the champion that the journal names, from this
        machine's copy, and marks what he makes with it. None when it answered, and where there is no server to ask.
    """
    if workspace.registry_url is None:
        return None
    return follow(workspace, subject, HURRIED)


def _aliases(client: Any, name: str, *, is_expected: bool) -> dict[str, str]:
    from mlflow.exceptions import MlflowException

    try:
        return dict(client.get_registered_model(name).aliases)
    except MlflowException as error:
        if is_expected or error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return {}


def _local_file(workspace: Workspace, name: str, version: str) -> Path:
    """This machine's copy of a version's file, fetched from the registry when it is not here.

    Raises:
        OperatorError: it is not here, and the registry does not give it, or gives another one than was registered.
    """
    path = _path_here(workspace, name, version)
    if path.exists():
        return path
    try:
        _fetch(workspace, name, version, path)
    except OperatorError as error:
        raise OperatorError(
            f"model {name}: version {version} is not on this machine ({path}), and cannot be fetched: {error}"
        ) from error
    return path


def _fetch(workspace: Workspace, name: str, version: str, path: Path) -> None:
    with mlflow_at(workspace) as mlflow, tempfile.TemporaryDirectory(prefix="holdback-fetch-") as folder:
        wanted = mlflow.MlflowClient().get_model_version(name, version).tags.get("file_sha256")
        uri = f"models:/{name}/{version}/artifacts/{FILE_STEM}{path.suffix}"
        fetched = Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder))
        found = hashlib.sha256(fetched.read_bytes()).hexdigest()
        if wanted is not None and found != wanted:
            raise OperatorError(
                f"model registry {workspace.mlflow_uri}: the file of version {version} is not the one that was "
                f"registered (SHA-256 {found[:12]}, registered {wanted[:12]}). Restore the registry's files from the "
                "backup, or put another version in office."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        shutil.copyfile(fetched, part)
        part.replace(path)  # a reader sees the whole file or none


def _path_here(workspace: Workspace, name: str, version: str) -> Path:
    return workspace.models / f"{name}-{version}{suffix_of(workspace.business, name)}"


def _summary(client: Any, name: str, version: Any) -> ModelSummary:
    run = client.get_run(version.run_id).data
    metric, method = next(((m, how) for m, how in _FIGURES.items() if m in run.metrics), ("auc", ""))
    figure = None
    if {metric, f"{metric}_low", f"{metric}_high"} <= set(run.metrics):
        low, high = float(run.metrics[f"{metric}_low"]), float(run.metrics[f"{metric}_high"])
        figure = Estimate(float(run.metrics[metric]), low, high, int(run.params["holdout_rows"]), method)
    aliases = client.get_model_version(name, version.version).aliases
    return ModelSummary(
        version=str(version.version),
        aliases=tuple(aliases),
        as_of=date.fromisoformat(version.tags["as_of"]),
        run_id=str(version.run_id),
        metric=metric,
        figure=figure,
        decision=version.tags.get("decision"),
        reason=version.description or None,
    )


def _card(mlflow: Any, summary: ModelSummary) -> str:
    if summary.decision is None:
        return f"# Version {summary.version}\n\nIts training run did not finish: there is no card.\n"
    return str(mlflow.artifacts.load_text(f"runs:/{summary.run_id}/{CARD}"))


def _record(
    workspace: Workspace,
    name: str,
    version: str,
    as_of: date,
    seen: Champion | None,
    why: str,
    *,
    decision: str = "promote",
) -> None:
    workspace.journal.record_verdict(
        name,
        version,
        as_of=as_of,
        decision=decision,
        champion=seen.version if seen else None,
        figures={"by": "hand", "reasons": [why]},
    )
