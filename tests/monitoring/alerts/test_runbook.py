"""The runbook has an entry for each rule, with everything that an entry needs, and names only commands that exist."""

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from flows.cli.main import app
from holdback.business import check_business
from holdback.business.alerts import DEFAULT_RULES, METRICS
from monitoring.alerts.states import Alert, Event
from monitoring.alerts.wording import runbook_entry, told_metric, told_rule
from monitoring.words import LANGUAGES, Words
from tests.house.tree import ROOT
from tests.monitoring.company import BUSINESS

PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"^## ([a-z-]+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))
PARTS = ("Meaning", "Likely causes", "Look", "Mend", "Escalate")
COMMANDS = sorted(set(re.findall(r"(?:^|`)(holdback [a-z][^`\n]*)", PAGE, flags=re.MULTILINE)))


def _alert(rule: str, *, is_default: bool, metric: str = "auc") -> Alert:
    detail = {"is_default": is_default, "metric": metric}
    event = Event(date(2026, 3, 1), 1, "raised", "warning", datetime(2026, 3, 1), "seen", None, None, (), detail)
    return Alert("a1", rule, "", (event,))


def _entry(alert: Alert) -> str:
    page, _, anchor = runbook_entry(alert).partition("#")
    assert page == "docs/runbook.md"
    return anchor


@pytest.mark.parametrize("rule", DEFAULT_RULES)
def test_every_rule_that_holds_anyway_has_its_entry(rule: str) -> None:
    entry = ENTRIES[_entry(_alert(rule, is_default=True))]
    assert [part for part in PARTS if f"**{part}" not in entry] == []


@pytest.mark.parametrize("metric", METRICS)
def test_an_own_rule_on_any_figure_leads_to_an_entry(metric: str) -> None:
    assert _entry(_alert("own", is_default=False, metric=metric)) in ENTRIES


def test_every_entry_belongs_to_a_rule() -> None:
    rules = {_entry(_alert(rule, is_default=True)) for rule in DEFAULT_RULES}
    assert set(ENTRIES) == {*rules, "own-rule"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_runbook_exists(command: str) -> None:
    found: Any = typer.main.get_command(app)
    said = command.split()[1:]
    while hasattr(found, "commands") and (said or not found.invoke_without_command):
        assert said, f"{command}: needs a subcommand"
        name = said.pop(0)
        assert name in found.commands, f"{command}: {name}"
        found = found.commands[name]
    options = {option for parameter in found.params for option in parameter.opts}
    asked = {word for word in re.split(r"\s{2,}", command)[0].split() if word.startswith("--")}
    assert asked <= options, command


def test_the_printed_sections_are_right(tmp_path: Path) -> None:
    [printed] = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump(BUSINESS) + printed, encoding="utf-8")
    assert check_business(path) == []


def test_the_page_names_commands() -> None:
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_and_figure_has_a_name_in_each_language(language: str) -> None:
    w = Words(language)  # type: ignore[arg-type]
    assert [rule for rule in DEFAULT_RULES if told_rule(rule, w) == rule.replace("_", " ")] == []
    assert all(told_metric(metric, w) for metric in METRICS)
