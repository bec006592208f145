"""The day's messages on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from flows.cli.decisions import add_to
from holdback.errors import BusinessFileError
from holdback.workspace import Workspace
from tests.campaigns.delivery.company import AS_OF, FILE, NOON, make_business
from tests.campaigns.messages.company import choose, person, words


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two calls of the day, one without a name."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "business.yaml").write_text(yaml.safe_dump({**FILE, **words()}, sort_keys=False))
    workspace = Workspace(folder, make_business(folder / "elsewhere", **words()), {})
    choose(workspace, person("customer-1", called="Zoë 🙂"), person("customer-2", called=None))
    return folder


def told(home: Path, *arguments: str, code: int = 0) -> Any:
    """Run a command about decisions; return what it printed."""
    app = typer.Typer()
    add_to(app)
    environment = {"HOLDBACK_HOME": str(home), "HOLDBACK_BUSINESS": str(home / "business.yaml"), "COLUMNS": "160"}
    done = CliRunner(env=environment).invoke(app, ["decisions", *arguments])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.exception if code == 1 else done.output


def test_a_person_sees_messages_and_what_is_withheld(home: Path) -> None:
    seen = told(home, "preview", "--as-of", str(AS_OF))
    assert "…r-1  spring, call by phone" in seen
    assert "Hola Zoë 🙂. Le habla Lucía." in seen
    assert f"1 of 1 messages ({AS_OF})." in seen
    assert "Withheld: decided, and not contacted" in seen
    [line] = [line for line in seen.splitlines() if "is not known" in line]
    assert line.split() == ["call", "first_name", "is", "not", "known", "1", "…r-2"]


def test_a_machine_gets_the_same(home: Path) -> None:
    found = json.loads(told(home, "preview", "--as-of", str(AS_OF), "--language", "en", "--json"))
    assert found["messages"][0]["message"] == "Hello Zoë 🙂."
    assert found["withheld"][0]["missing_field"] == "first_name"


def test_samples_need_no_decision(home: Path) -> None:
    seen = told(home, "preview", "--sample", "--action", "mail", "--limit", "1")
    assert "sample, es  spring, mail by email" in seen
    assert "Subject: un mes gratis, María" in seen
    assert "1 of 2 messages (sample values)." in seen


def test_a_day_without_decisions_says_how_to_see_something(home: Path) -> None:
    assert told(home, "preview", "--as-of", "2026-03-01").strip() == (
        "No message to show (2026-03-01). Add --sample to see the messages with made-up customers."
    )


def test_a_language_that_nobody_wrote_is_refused(home: Path) -> None:
    refused = told(home, "preview", "--sample", "--language", "fr", code=1)
    assert isinstance(refused, BusinessFileError)
    assert "Choose one of: en, es" in str(refused)


def test_the_list_says_that_some_are_withheld(home: Path) -> None:
    seen = told(home, "list", "--as-of", str(AS_OF))
    assert "1 withheld, their message lacks something: holdback decisions preview" in seen
    assert NOON.date() == AS_OF
    assert "Zoë" not in seen
