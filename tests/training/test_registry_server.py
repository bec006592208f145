"""The company's MLflow server: a real one, behind a front that asks for a password and fails when it is told to."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from holdback.errors import HoldbackError, OperatorError, PromotionConflict
from holdback.workspace import Workspace
from tests.infra.front import Front, front_of
from tests.infra.running import MlflowServer, answers
from tests.training.companies import open_shop
from tests.training.conftest import QUICK, TODAY
from training.registry import (
    ask_registry,
    champion_model,
    list_models,
    promote,
    promote_by_hand,
    reconcile,
    registry_fault,
    require,
    rollback,
    show_model,
)
from training.registry.store import mlflow_at
from training.retraining import retrain
from training.scoring import score

pytestmark = pytest.mark.slow

NAME = "shop-lapsed"
PASSWORD = "correct-horse-battery"


class Company:
    """A shop whose models lie on a server: version 1 in office, version 2 its challenger."""

    def __init__(self, server: MlflowServer, front: Front, workspace: Workspace) -> None:
        self.server, self.front, self.workspace = server, front, workspace

    def machine(self, place: Path, *, with_models: bool = True) -> Workspace:
        """Another machine with the same data and journal, and the models' files or not."""
        shutil.copytree(self.workspace.root, place / "machine")
        workspace = replace(self.workspace, root=place / "machine")
        if not with_models:
            shutil.rmtree(workspace.models)
        return workspace

    def alias(self, workspace: Workspace, alias: str = "champion") -> str | None:
        with mlflow_at(workspace) as mlflow:
            found = mlflow.MlflowClient().get_registered_model(NAME).aliases.get(alias)
        return None if found is None else str(found)


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    place = tmp_path_factory.mktemp("company")
    server = MlflowServer(place / "server")
    with front_of(server.port) as front:
        try:
            server.start()
            made = open_shop(place / "workspace")
            workspace = replace(made, registry_url=front.url)
            retrain(workspace, "lapsed", TODAY, threads=1, recipe=QUICK)
            retrain(workspace, "lapsed", TODAY, threads=1, recipe=replace(QUICK, depth=3))
            yield Company(server, front, workspace)
        finally:
            server.end()


@pytest.fixture
def company(founded: Company) -> Iterator[Company]:
    """The company as it was founded, also after a test that killed its server."""
    founded.front.as_it_was()
    running = founded.server.running
    assert running is not None
    running.go_on()
    if running.process.poll() is not None:
        founded.server.start()
    reconcile(founded.workspace, "lapsed")
    yield founded
    founded.front.as_it_was()
    if founded.server.running is not None:
        founded.server.running.go_on()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator who waits for a second: his settings of MLflow win over ours."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def test_models_are_registered_listed_shown_and_read_through_the_server(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path, with_models=False)
    found = [model for model in list_models(workspace, "lapsed") if model.version in ("1", "2")]  # another test's is 3
    assert [(model.version, model.decision) for model in found] == [("2", "keep"), ("1", "promote")]
    assert found[1].aliases == ("champion",)
    assert "# A shop: lapsed, version 2" in show_model(workspace, "lapsed", "2").card
    office = champion_model(workspace, "lapsed")
    assert office is not None
    assert office[0].version == "1"
    assert (workspace.models / f"{NAME}-1.cbm").exists()


def test_files_go_through_the_server_and_lie_nowhere_else(company: Company) -> None:
    with mlflow_at(company.workspace) as mlflow:
        experiment = mlflow.MlflowClient().get_experiment_by_name(NAME)
        answer = mlflow.pyfunc.get_model_dependencies(f"models:/{NAME}@champion")
    assert experiment.artifact_location.startswith("mlflow-artifacts:/")
    assert Path(answer).read_text()
    assert not (company.workspace.root / "mlflow").exists()
    assert list(company.server.artifacts.rglob("model.cbm"))


def test_promoted_and_rolled_back_by_hand_the_alias_follows(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path)
    assert promote_by_hand(workspace, "lapsed", "2", TODAY).version == "2"
    assert company.alias(workspace) == "2"
    champion = rollback(workspace, "lapsed", TODAY)
    assert champion is not None
    assert champion.version == "1"
    assert company.alias(workspace) == "1"


def test_a_file_that_was_exchanged_in_the_store_is_refused(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path, with_models=False)
    kept = {path: path.read_bytes() for path in company.server.artifacts.rglob("model.cbm")}
    try:
        for path in kept:
            path.write_bytes(b"another model")
        with pytest.raises(OperatorError, match="not the one that was registered"):
            champion_model(workspace, "lapsed")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
    assert not workspace.models.exists() or not list(workspace.models.iterdir())


def test_a_day_is_scored_from_the_copy_while_the_server_is_away_and_it_is_known(
    company: Company, tmp_path: Path
) -> None:
    workspace = company.machine(tmp_path)
    company.server.kill()
    why = ask_registry(workspace, "lapsed")
    assert why is not None
    assert "nobody answers there" in why
    scored = score(workspace, "lapsed", TODAY)
    assert scored.model_version == "1"
    assert scored.registry_note == why


def test_a_server_that_hangs_is_waited_for_some_seconds_only(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path)
    assert company.server.running is not None
    company.server.running.stop()
    began = time.monotonic()
    why = ask_registry(workspace, "lapsed")
    assert time.monotonic() - began < 30
    assert why is not None
    assert "no answer within 5 seconds" in why


def test_a_machine_without_the_copy_says_so_and_writes_nothing(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path, with_models=False)
    before = sorted(path for path in workspace.folder.rglob("*") if path.is_file())
    company.server.kill()
    with pytest.raises(OperatorError, match=r"version 1 is not on this machine .* nobody answers there"):
        score(workspace, "lapsed", TODAY)
    assert not workspace.warehouse.has_batch("scores", f"scores/lapsed/{TODAY}")
    assert sorted(path for path in workspace.folder.rglob("*") if path.is_file()) == before


def test_while_the_server_is_away_nobody_is_promoted_by_hand(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path)
    company.server.kill()
    with pytest.raises(OperatorError, match="nobody answers there"):
        promote_by_hand(workspace, "lapsed", "2", TODAY)
    office = workspace.journal.champion(NAME)
    assert office is not None
    assert office.version == "1"


def test_a_training_that_could_not_be_kept_is_not_begun(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path)
    company.server.kill()
    told: list[str] = []
    with pytest.raises(OperatorError, match="nobody answers there"):
        retrain(workspace, "lapsed", TODAY, threads=1, recipe=QUICK, progress=lambda step, *_: told.append(step))
    assert told == []


def _killed_when_told(company: Company) -> None:
    def kill(method: str, path: str) -> None:
        if method in ("POST", "PATCH", "DELETE") and path.endswith("/registered-models/alias"):
            company.server.kill()

    company.front.before = kill


def test_killed_between_the_office_and_the_alias_the_office_stands_and_the_alias_follows(
    company: Company, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    workspace = company.machine(tmp_path)
    _killed_when_told(company)
    with caplog.at_level(logging.WARNING, logger="holdback.registry"):
        assert promote_by_hand(workspace, "lapsed", "2", TODAY).version == "2"
    assert "registry_not_told" in caplog.text
    company.front.before = None
    company.server.start()
    assert company.alias(workspace) == "1"
    assert ask_registry(workspace, "lapsed") is None
    assert company.alias(workspace) == "2"


def test_a_bad_model_is_rolled_back_while_the_server_is_away(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path)
    promote_by_hand(workspace, "lapsed", "2", TODAY)
    company.server.kill()
    champion = rollback(workspace, "lapsed", TODAY)
    assert champion is not None
    assert champion.version == "1"
    assert score(workspace, "lapsed", TODAY).model_version == "1"


def test_killed_while_the_card_is_written_the_office_does_not_change(company: Company, tmp_path: Path) -> None:
    workspace = company.machine(tmp_path)
    before = workspace.journal.champion(NAME)

    def kill(method: str, path: str) -> None:
        if method == "PUT" and path.endswith("/model_card.md"):
            company.server.kill()

    company.front.before = kill
    with pytest.raises(OperatorError, match="nobody answers there"):
        retrain(workspace, "lapsed", TODAY, threads=1, recipe=replace(QUICK, depth=2))
    assert workspace.journal.champion(NAME) == before


def _try_to_promote(workspace: Workspace, start: object, results: object) -> None:
    seen = workspace.journal.champion(NAME)
    start.wait()  # type: ignore[attr-defined]
    try:
        promote(workspace, "lapsed", "2", seen=seen, as_of=TODAY)
        results.put("won")  # type: ignore[attr-defined]
    except PromotionConflict:
        results.put("lost")  # type: ignore[attr-defined]


def test_of_machines_that_promote_at_once_exactly_one_wins(company: Company, tmp_path: Path) -> None:
    first = company.machine(tmp_path)
    context = multiprocessing.get_context("spawn")
    line, results = context.Barrier(3), context.Queue()
    machines = [first]
    for number in (2, 3):  # their own folders, one journal
        other = replace(first, root=tmp_path / f"machine-{number}")
        other.models.mkdir(parents=True)
        (other.folder / "journal.db").symlink_to(first.folder / "journal.db")
        machines.append(other)
    racers = [context.Process(target=_try_to_promote, args=(machine, line, results)) for machine in machines]
    for racer in racers:
        racer.start()
    ends = sorted(results.get(timeout=120) for _ in racers)
    for racer in racers:
        racer.join(timeout=60)
    assert ends == ["lost", "lost", "won"]
    assert company.alias(first) == "2"
    assert (machines[1].models / f"{NAME}-2.cbm").exists()


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ({"credentials": f"ana:{PASSWORD}"}, "asks who we are"),
        ({"host": "mlflow.example.com"}, "does not answer to the name"),
        ({"answer": (500, {}, b"oops")}, "answers 500"),
        ({"answer": (403, {"Content-Type": "text/plain"}, b"Permission denied")}, "may not do this"),
        ({"answer": (301, {"Location": "https://elsewhere.example.com/x"}, b"")}, "sends us https://elsewhere.example"),
        ({"answer": (200, {"Content-Type": "text/html"}, b"<html>hello</html>")}, "no MLflow server answers there"),
        ({"answer": (404, {"Content-Type": "text/html"}, b"<html>what?</html>")}, "no MLflow server answers there"),
        ({"is_deaf": True}, "no answer within 5 seconds"),
    ],
)
def test_what_keeps_the_server_from_answering_is_said_in_time(
    company: Company, impatient: None, behaviour: dict[str, object], told: str
) -> None:
    for name, value in behaviour.items():
        setattr(company.front, name, value)
    began = time.monotonic()
    with pytest.raises(OperatorError, match=told) as error:
        list_models(company.workspace, "lapsed")
    assert time.monotonic() - began < 30
    assert PASSWORD not in str(error.value)


def test_credentials_come_from_the_environment_and_are_never_shown(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    company.front.credentials = f"ana:{PASSWORD}"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ana")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    workspace = company.machine(tmp_path, with_models=False)
    with caplog.at_level(logging.DEBUG):
        assert ask_registry(workspace, "lapsed") is None
        assert champion_model(workspace, "lapsed") is not None
        company.front.credentials = "ana:renewed"
        with pytest.raises(OperatorError, match="does not take our credentials") as error:
            require(workspace)
    assert PASSWORD not in caplog.text + str(error.value) + repr(error.value.__cause__) + repr(workspace)
    processes = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert PASSWORD not in processes


@pytest.mark.parametrize(
    "url",
    [f"https://ana:{PASSWORD}@mlflow.example.com", "mlflow.example.com", "postgresql://mlflow", "https://h:port/"],
)
def test_an_address_that_cannot_be_used_is_refused_without_repeating_it(url: str, tmp_path: Path) -> None:
    workspace = replace(open_shop(tmp_path, customers=3, days=5), registry_url=url)
    with pytest.raises(HoldbackError, match="HOLDBACK_MLFLOW_URL") as error:
        require(workspace)
    assert PASSWORD not in str(error.value)
    assert registry_fault(url) == str(error.value)


def test_a_server_that_is_back_is_used_again(company: Company) -> None:
    company.server.kill()
    assert ask_registry(company.workspace, "lapsed") is not None
    company.server.start()
    assert company.server.running is not None
    answers(f"{company.front.url}/health", company.server.running)
    assert ask_registry(company.workspace, "lapsed") is None
