"""One trained shop for all tests of this package: training it takes ten seconds."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from holdback.workspace import Workspace
from tests.training.companies import open_shop
from training.churn import Recipe
from training.retraining import RetrainResult, retrain

TODAY = date(2025, 10, 1)
QUICK = Recipe(learning_rate=0.2, most_trees=200, patience=20, seed_count=2)
"""A tenth of the real recipe's cost: these tests are about what happens to a model, not about how good it is."""


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, RetrainResult]:
    """A shop with a champion, and the result of the retrain that made it. Read only: copy it to change it."""
    workspace = open_shop(tmp_path_factory.mktemp("trained"))
    return workspace, retrain(workspace, "lapsed", TODAY, threads=1, recipe=QUICK)


@pytest.fixture
def copied(trained: tuple[Workspace, RetrainResult], tmp_path: Path) -> Workspace:
    """A copy of the trained shop that a test may change; files of models stay where they were made."""
    return copy_of(trained[0], tmp_path)


def copy_of(workspace: Workspace, place: Path) -> Workspace:
    """Copy everything under a workspace's root."""
    shutil.copytree(workspace.root, place / "copy")
    return Workspace(place / "copy", workspace.business, threads=1)
