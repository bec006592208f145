"""The connection to MLflow: a database and a folder under the workspace's root, or the company's server."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdback.business import Business
from holdback.errors import Busy, HoldbackError, OperatorError
from holdback.workspace import Workspace
from training.registry.server import HURRIED, NOT_PERMITTED, USUAL, Patience, fault_of, refuse_unusable

_LONGEST = 300  # a proxy between us and the server may answer with a whole page
_SILENT = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # a bar per copied file is noise
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # our answers are read by machines
}
_NOISY = ("mlflow", "alembic", "mlflow.store.db.utils", "mlflow.utils.environment")


#: Subject of the models that say what customers are worth. No churn definition can have a name with a hyphen.
VALUE = "customer-value"


def uplift_subject(action: str) -> str:
    """Subject of the models that say whom an action changes.

    Examples:
        >>> uplift_subject("retention_call")
        'uplift-retention_call'
    """
    return f"uplift-{action}"


def model_name(business: Business, subject: str) -> str:
    """Name under which the models of one subject are registered.

    Args:
        business: The company.
        subject: Name of a churn definition, :data:`VALUE`, or :func:`uplift_subject` of an action.

    Examples:
        >>> model_name(business, "lapsed")  # doctest: +SKIP
        'groceries-lapsed'
    """
    return f"{business.slug}-{subject}"


def exists(workspace: Workspace) -> bool:
    """True when MLflow's database has been made (always, when it is not a file of ours)."""
    path = _database_file(workspace)
    return path is None or path.exists()


@contextmanager
def mlflow_at(workspace: Workspace, patience: Patience = USUAL) -> Iterator[Any]:
    """Lend the MLflow module, connected to the workspace's store or server, and put the process' own settings back.

    Args:
        workspace: The business.
        patience: How long a server may take; without a server it means nothing.

    Raises:
        OperatorError: the store cannot be reached or written, or the server does not let us in.
        Busy: another process is making the store and does not finish.
    """
    if workspace.registry_url is not None:
        refuse_unusable(workspace.registry_url)
    _make_store(workspace)
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    import mlflow
    from mlflow import environment_variables
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    own_registry: Any = environment_variables.MLFLOW_REGISTRY_URI
    tracking, registry = mlflow.get_tracking_uri(), mlflow.get_registry_uri() if own_registry.is_set() else None
    put_back = _set(_SILENT, is_firm=False) + _set(patience.settings(), is_firm=patience.is_firm)
    mlflow.set_tracking_uri(workspace.mlflow_uri)
    mlflow.set_registry_uri(workspace.mlflow_uri)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's remarks on pip, uv and type hints concern its own defaults
            yield mlflow
    except HoldbackError:
        raise
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise OperatorError(_told(workspace, error)) from error
    finally:
        for setting, value in put_back:
            setting.unset() if value is None else setting.set(value)
        mlflow.set_tracking_uri(tracking)
        module: Any = mlflow  # its annotation forbids the None that makes the registry follow the tracking store again
        module.set_registry_uri(registry)
        if registry is None:
            own_registry.unset()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _set(wanted: Mapping[str, str], *, is_firm: bool) -> list[tuple[Any, str | None]]:
    """Set settings of MLflow by its own door; those that are set already win, unless it is firm. Return what was."""
    from mlflow import environment_variables

    settings: list[Any] = [getattr(environment_variables, name) for name in wanted]  # they have no types
    before = [(setting, setting.get_raw()) for setting in settings if is_firm or not setting.is_set()]
    for setting, _ in before:
        setting.set(wanted[setting.name])
    return before


def require(workspace: Workspace) -> None:
    """Ask a server whether it is there and lets us in, before work is done that could not be kept.

    Raises:
        OperatorError: it does not answer, or does not let us in.
    """
    if workspace.registry_url is not None:
        with mlflow_at(workspace, HURRIED) as mlflow:
            mlflow.MlflowClient().search_experiments(max_results=1)


def _told(workspace: Workspace, error: BaseException) -> str:
    url = workspace.registry_url
    if url is None:
        return f"model registry {workspace.mlflow_uri}: {_first_line(error)}. Check that it can be reached and written."
    fault = fault_of(url)
    if fault is None and getattr(error, "error_code", "") == "PERMISSION_DENIED":
        fault = NOT_PERMITTED
    return f"model registry {url}: {fault or f'{_first_line(error)}. Look at its log, and run this again.'}"


def _make_store(workspace: Workspace) -> None:
    """Let exactly one process create the database: two sets of migrations at once would break it."""
    path = _database_file(workspace)
    if path is None or (path.exists() and path.with_suffix(".ready").exists()):
        return
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock"), timeout=300):
            if not path.with_suffix(".ready").exists():
                for name in _NOISY:
                    logging.getLogger(name).setLevel(logging.ERROR)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    from mlflow import MlflowClient

                    MlflowClient(workspace.mlflow_uri, workspace.mlflow_uri).search_experiments(max_results=1)
                path.with_suffix(".ready").touch()
    except Timeout as error:
        raise Busy(f"model registry {path}: another process is making it. Run the command again.") from error
    except OSError as error:
        raise OperatorError(f"model registry {path}: cannot be written ({error.strerror}). Check the disk.") from error


def _database_file(workspace: Workspace) -> Path | None:
    prefix = "sqlite:///"
    uri = workspace.mlflow_uri
    return Path(uri.removeprefix(prefix)) if uri.startswith(prefix) else None


def _first_line(error: BaseException) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
