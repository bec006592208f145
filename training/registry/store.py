"""The connection to MLflow: one database and one artifact folder under the workspace's root."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdback.business import Business
from holdback.errors import Busy, HoldbackError, OperatorError
from holdback.workspace import Workspace

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
def mlflow_at(workspace: Workspace) -> Iterator[Any]:
    """Lend the MLflow module, connected to the workspace's store, and put the process' own settings back.

    Raises:
        OperatorError: the store cannot be reached or written.
        Busy: another process is making the store and does not finish.
    """
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
    bar: Any = environment_variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR  # its methods have no types
    is_bar_wanted = bar.is_set()
    if not is_bar_wanted:
        bar.set(False)  # a bar per copied file, on one machine, is noise
    mlflow.set_tracking_uri(workspace.mlflow_uri)
    mlflow.set_registry_uri(workspace.mlflow_uri)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MLflow's remarks on pip, uv and type hints concern its own defaults
            yield mlflow
    except HoldbackError:
        raise
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise OperatorError(
            f"model registry {workspace.mlflow_uri}: {_first_line(error)}. Check that it can be reached and written."
        ) from error
    finally:
        if not is_bar_wanted:
            bar.unset()
        mlflow.set_tracking_uri(tracking)
        module: Any = mlflow  # its annotation forbids the None that makes the registry follow the tracking store again
        module.set_registry_uri(registry)
        if registry is None:
            own_registry.unset()
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


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
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
