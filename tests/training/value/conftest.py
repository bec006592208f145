"""A gym and a shop whose value models are trained once for all tests of this package; copy them to change them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from holdback.workspace import Workspace
from tests.training.companies import open_shop
from tests.training.value.gym import TODAY, Gym, open_gym
from training.value.training import ValueResult, train_value

SHOP_TODAY = date(2025, 10, 20)


@dataclass(frozen=True, eq=False)
class Trained:
    """A workspace with a value model, and the result of the training that made it."""

    workspace: Workspace
    result: ValueResult

    def copied(self, place: Path) -> Workspace:
        """A copy that a test may change."""
        shutil.copytree(self.workspace.root, place / "copy")
        return Workspace(place / "copy", self.workspace.business, threads=1)

    def lend_registry(self, root: Path) -> None:
        """Copy the registry to another root: to make one anew takes seconds."""
        shutil.copytree(self.workspace.root / "mlflow", root / "mlflow")


@pytest.fixture(scope="session")
def gym(tmp_path_factory: pytest.TempPathFactory) -> Gym:
    return open_gym(tmp_path_factory.mktemp("gym"))


@pytest.fixture(scope="session")
def trained_gym(gym: Gym) -> Trained:
    return Trained(gym.workspace, train_value(gym.workspace, TODAY, threads=1))


@pytest.fixture(scope="session")
def trained_shop(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    workspace = open_shop(tmp_path_factory.mktemp("shop"))
    return Trained(workspace, train_value(workspace, SHOP_TODAY, threads=1))
