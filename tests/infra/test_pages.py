"""The pages for operators: an entry for each class of error, and only commands, files and settings that exist."""

import re
from typing import Any

import pytest
import typer.main

import flows.settings
import holdback.errors
from flows.cli.main import app
from holdback.errors import HoldbackError
from tests.house.tree import ROOT
from tests.infra.files import INFRA, compose, secret_names, settings_of

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
INSTALLATION = (ROOT / "docs" / "in-a-company.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## (Exit code [^\n]*)\n(.*?)(?=^#{1,2} |\Z)", RUNBOOK, flags=re.MULTILINE | re.DOTALL))
PARTS = ("Meaning", "Look", "Likely causes", "Mend", "Escalate")
CLASSES = [
    found for found in vars(holdback.errors).values()
    if isinstance(found, type) and issubclass(found, HoldbackError) and found is not HoldbackError
]  # fmt: skip
COMMANDS = sorted(
    set(re.findall(r"(?:^|`|&& |as\.sh [a-z-]+ |-worker )(holdback [a-z][^`\n#&|]*)", INSTALLATION, flags=re.MULTILINE))
)
SECTIONS = dict(re.findall(r"^##+ ([^\n]*)\n(.*?)(?=^##+ |\Z)", INSTALLATION, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_class_of_error_has_its_entry(error: type[HoldbackError]) -> None:
    [entry] = [text for title, text in ENTRIES.items() if error.__name__ in title]
    [title] = [title for title in ENTRIES if error.__name__ in title]
    assert title.startswith(f"Exit code {error.exit_code}:")
    assert [part for part in PARTS if f"**{part}" not in entry] == []
    assert f"`{error.__name__}`" in RUNBOOK or f"`{error.__name__}," in RUNBOOK or f", {error.__name__}`" in RUNBOOK


def test_an_entry_says_what_to_look_at_first() -> None:
    assert len(ENTRIES) == 7
    for title, text in ENTRIES.items():
        look = text.partition("**Look.**")[2].partition("**")[0]
        assert "`" in look or "date" in look, title


def test_links_of_the_runbook_lead_somewhere() -> None:
    anchors = {_anchor(title) for title in re.findall(r"^#+ (.*)$", RUNBOOK, flags=re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK)) <= anchors


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_installation_exists(command: str) -> None:
    found: Any = typer.main.get_command(app)
    said = command.split()[1:]
    while hasattr(found, "commands") and not (found.invoke_without_command and (not said or said[0].startswith("--"))):
        assert said, f"{command}: needs a subcommand"
        name = said.pop(0)
        assert name in found.commands, f"{command}: {name}"
        found = found.commands[name]
    known = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in command.split() if word.startswith("--")} <= known, command


def test_commands_by_hand_are_of_services_that_there_are() -> None:
    named = set(re.findall(r"infra/as\.sh ([a-z-]+) ", INSTALLATION))
    assert "prefect-worker" in named
    assert all((INFRA / "environment" / f"{name}.env").is_file() for name in named)
    for words in re.findall(r"^podman compose -f infra/compose.yaml (.*)$", INSTALLATION, flags=re.MULTILINE):
        said = words.partition("#")[0].split()
        assert set(said) & {*compose()["services"], "ps", "up"}, words


def test_an_upgrade_copies_what_no_run_changes_any_more() -> None:
    for recipe in re.findall(r"```sh\n(.*?)```", SECTIONS["8. Upgrades"], flags=re.DOTALL):
        stopped = re.search(r"stop \S*prefect-worker", recipe)
        copied = re.search(r"infra/backup\.sh|run --rm backup", recipe)
        migrated = re.search(r"database upgrade|db upgrade", recipe)
        assert stopped
        assert copied
        assert migrated
        assert stopped.start() < copied.start() < migrated.start()


def test_who_was_forgotten_is_forgotten_again_before_anything_else() -> None:
    [first] = re.findall(r"^1\. (.*)$", SECTIONS["After a restore"], flags=re.MULTILINE)
    assert "forgotten since the copy" in first
    assert "holdback customer forget" in first


def test_every_address_of_the_database_is_named_where_tls_is_spoken_of() -> None:
    told = SECTIONS["2. The databases"]
    services = ("prefect-server", "mlflow", "prefect-worker", "setup")
    names = {name for one in services for name, value in settings_of(one).items() if "@postgres" in value}
    assert len(names) == 3
    assert [name for name in names if f"`{name}`" not in told] == []
    assert "@postgres" in (INFRA / "mlflow" / "basic-auth.ini").read_text()
    assert "`database_uri`" in told
    assert "`PGSSLMODE=verify-full`" in told
    assert "PGSSLMODE" in (INFRA / "environment" / "common.env").read_text()


def test_files_and_variables_that_the_installation_names_exist() -> None:
    for name in re.findall(r"infra/([a-z./-]+\.(?:sh|sql|py|yaml))", INSTALLATION):
        assert (INFRA / name).exists() or name == "business.yaml", name  # theirs
    services = ("prefect-server", "mlflow", "prefect-worker", "setup", "portal")
    known = {name for service in services for name in {*settings_of(service), *secret_names(service)}}
    known |= {"POSTGRES_PASSWORD", "MLFLOW_ARTIFACTS", "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"}
    known |= set(re.findall(r"\$\{(HOLDBACK_[A-Z]+)", (INFRA / "compose.yaml").read_text()))
    known |= set(re.findall(r"``(HOLDBACK_[A-Z_]+)``", flows.settings.__doc__ or ""))
    said = set(re.findall(r"\b((?:HOLDBACK|PREFECT|MLFLOW|POSTGRES)_[A-Z_]+[A-Z])\b", INSTALLATION))
    assert said <= known


def test_pages_that_the_installation_links_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", INSTALLATION):
        assert (ROOT / "docs" / target).resolve().exists(), target
