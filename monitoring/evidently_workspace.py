"""Evidently's snapshots of each day, kept where the stock Evidently UI finds them.

``evidently ui --workspace <workspace>/evidently`` lists one project per churn definition, with a snapshot per day and
panels over time. A snapshot stands under a name made of the project and the day, so a day is never there twice: when
its report is written again, because more is known, the new one takes its place. Set ``DO_NOT_TRACK`` where the server
runs: without it, Evidently tells its makers what is looked at.
"""

from __future__ import annotations

import json
import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from holdback.errors import OperatorError
from holdback.workspace import Workspace
from monitoring.evidently_figures import ASIDE, AUC, DRIFTED, METRIC, MISSING, RATIO
from monitoring.evidently_page import plain
from monitoring.pages import sweep_parts

KEPT_DAYS = 90
"""Newest days of each churn definition that are kept."""
_METRICS = "evidently:metric_v2:"
_PANELS = (
    ("Features that drifted", (DRIFTED,)),
    ("AUC on matured labels", (AUC,)),
    ("Missing values, and rows kept aside", (MISSING, ASIDE)),
    ("Predicted over actual (1 is right)", (RATIO,)),
)


@dataclass(frozen=True)
class KeptSnapshot:
    """Where a day's snapshot is.

    Attributes:
        path: The file.
        project: Evidently's name for the churn definition.
        size_bytes: Its size.
        pruned_count: Older snapshots that were taken away for it.
    """

    path: Path
    project: UUID
    size_bytes: int
    pruned_count: int


def evidently_folder(workspace: Workspace) -> Path:
    """Return the folder that ``evidently ui --workspace`` is given."""
    return workspace.folder / "evidently"


def keep_snapshot(
    workspace: Workspace, as_of: date, snapshot: Any, *, churn_name: str, model_version: str | None = None
) -> KeptSnapshot:
    """Keep a day's snapshot, and of all days the newest :data:`KEPT_DAYS`.

    Args:
        workspace: The business.
        as_of: The day; it is the snapshot's time, so that panels show days.
        snapshot: Evidently's, as a report run returns it.
        churn_name: The churn definition that it is about.
        model_version: The model that scored the day; None when nobody was scored.

    Raises:
        OperatorError: the folder cannot be written; what stood there still stands.
    """
    project = uuid5(NAMESPACE_URL, f"holdback/{workspace.business.slug}/{churn_name}")
    folder = evidently_folder(workspace) / str(project)
    name = f"{workspace.business.slug}/{churn_name}"
    model = _dressed(snapshot, name, as_of, churn_name, model_version)
    path = folder / "snapshots" / f"{_snapshot_id(project, as_of)}.json"
    for file, content in _project(workspace, project, name, churn_name).items():
        if not (folder / file).exists():
            _write(folder / file, content)
    _write(path, model)
    return KeptSnapshot(path, project, path.stat().st_size, _prune(folder / "snapshots"))


def kept_days(workspace: Workspace, churn_name: str) -> tuple[date, ...]:
    """Return the days of which a snapshot is kept, oldest first."""
    project = uuid5(NAMESPACE_URL, f"holdback/{workspace.business.slug}/{churn_name}")
    return tuple(_days(evidently_folder(workspace) / str(project) / "snapshots"))


def _snapshot_id(project: UUID, as_of: date) -> UUID:
    """Name a project's snapshot of a day: the last eight digits are the day, so that old ones are known by name."""
    return UUID(hex=f"{project.hex[:24]}{as_of:%Y%m%d}")


def _day_in(path: Path) -> date:
    return datetime.strptime(path.stem[-8:], "%Y%m%d").date()


def _days(folder: Path) -> list[date]:
    return sorted(_day_in(path) for path in folder.glob("*.json"))


def _prune(folder: Path) -> int:
    """Take away the oldest; a server that shows one of them this moment has read it already."""
    paths = sorted(folder.glob("*.json"), key=_day_in)
    for path in paths[:-KEPT_DAYS]:
        path.unlink(missing_ok=True)
    return max(len(paths) - KEPT_DAYS, 0)


def _dressed(snapshot: Any, name: str, as_of: date, churn_name: str, model_version: str | None) -> Any:
    """Return a snapshot's content with the day's name, time and tags, as the JSON that Evidently stores."""
    version = "none" if model_version is None else plain(model_version)
    model = snapshot.to_snapshot_model()
    model.name = plain(f"{name} {as_of}")
    model.timestamp = datetime.combine(as_of, time())
    model.tags = [plain(churn_name), f"model {version}"]
    model.metadata = {"churn": plain(churn_name), "as_of": as_of.isoformat(), "model_version": version}
    return _without_settings(model.dict())


def _without_settings(content: Any) -> Any:
    """Take a metric's settings out of its every mention, of which each test and each value has one.

    The names of 137 columns, repeated for each of them, are nine tenths of a snapshot. And panels draw one line per
    setting: a title that names the day would begin a new line every day.
    """
    if isinstance(content, dict):
        return {
            key: {"type": value["type"]}
            if key == "params" and isinstance(value, dict) and str(value.get("type", "")).startswith(_METRICS)
            else _without_settings(value)
            for key, value in content.items()
        }
    return [_without_settings(value) for value in content] if isinstance(content, list) else content


def _project(workspace: Workspace, project: UUID, name: str, churn_name: str) -> dict[str, Any]:
    """Return the files that make a project: what it is called, and its panels over time."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Evidently's remarks on its own insides
        from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric, ProjectModel
        from evidently.sdk.panels import line_plot_panel

        panels = [
            line_plot_panel(
                title=title,
                values=[PanelMetric(metric=METRIC, metric_labels={"label": label}, legend=label) for label in labels],
                size="half",
            )
            for title, labels in _PANELS
        ]
        for position, panel in enumerate(panels):
            panel.id = uuid5(project, f"panel {position}")
        tab = DashboardTabModel(id=uuid5(project, "tab"), title="Days", panels=[panel.id for panel in panels])
        described = ProjectModel(
            id=project,
            name=plain(name),
            description=f"{plain(workspace.business.name)}: drift, data and performance of each day, by {churn_name}",
        )
        return {"metadata.json": described.dict(), "dashboard.json": DashboardModel(tabs=[tab], panels=panels).dict()}


def _write(path: Path, content: Any) -> None:
    """Write a file whole or not at all: a server may read it this moment."""
    from evidently.legacy.utils import NumpyEncoder

    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_parts(path)
        part.write_text(json.dumps(content, cls=NumpyEncoder, allow_nan=False), encoding="utf-8")
        part.replace(path)
        with path.open("a", encoding="utf-8") as file:
            file.write("\n")  # a running server watches for what is written under a name, and does not see a rename
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise OperatorError(
            f"Evidently's snapshot {path}: cannot be written ({error.strerror}). Nothing was changed. "
            "Check permissions and free space."
        ) from error
