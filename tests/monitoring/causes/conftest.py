"""The company, built and trained once for all tests that only read it."""

from collections.abc import Callable

import pytest

from holdback.workspace import Workspace
from monitoring.causes import Causes, find_causes
from tests.monitoring.causes.company import CHURN, TODAY, company, effect, train


@pytest.fixture(scope="package")
def phones(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A year of the company, one model, two measured campaigns. Tests must not change it."""
    workspace = company(tmp_path_factory.mktemp("phones"))
    train(workspace)
    effect(workspace, "promise", -0.03, -0.05, -0.01)
    effect(workspace, "calls", -0.01, -0.03, 0.01)
    return workspace


@pytest.fixture(scope="package")
def found(phones: Workspace) -> Causes:
    return find_causes(phones, CHURN, TODAY, months=3)


@pytest.fixture(scope="package")
def with_file(phones: Workspace) -> Callable[..., Workspace]:
    """The same warehouse and model under a changed business file."""
    from tests.monitoring.causes.company import FILE

    def changed(**changes: object) -> Workspace:
        return Workspace(phones.root, type(phones.business).model_validate({**FILE, **changes}), threads=1)

    return changed
