"""The command line answers at once, explains itself, and keeps its documented exit codes."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

HEAVY = ("pandas", "numpy", "pyarrow", "duckdb", "deltalake", "prefect", "mlflow", "catboost", "sklearn", "scipy",
         "evidently", "great_expectations", "sqlalchemy", "pydantic", "plotly", "jinja2", "sqlglot")  # fmt: skip
CPU_SECONDS_ALLOWED = 0.4
COMMANDS = {
    "init", "doctor", "business check", "business schema", "ingest", "quarantine list", "quarantine show",
    "quarantine release", "features list", "features sql", "features explain", "retrain", "models list", "models show",
    "models promote", "models rollback", "score", "report", "daily", "backfill", "runs show", "demo",
    "campaign plan", "campaign launch", "campaign stop", "campaign resume", "campaign list", "campaign show",
    "campaign measure", "campaign portfolio", "campaign pnl",
    "decide", "decisions list", "decisions explain", "ledger verify", "ledger show",
    "value train", "value show", "uplift learn", "uplift show", "policy value", "policy compare",
    "triggers test", "triggers list", "triggers show", "feedback nps", "feedback themes", "feedback risk",
    "causes show", "churn rate", "churn revenue", "churn retention", "segments show", "segments transitions",
    "decisions preview", "portal build", "portal serve", "up", "down", "status", "metrics prometheus",
    "customer show", "customer forget", "customer return", "retention show", "retention apply", "audit verify",
    "warehouse setup", "warehouse copy", "warehouse check", "warehouse take-over",
    "fit show", "fit explain", "fit audit", "fit backtest", "fit sensitivity", "fit export",
}  # fmt: skip
PRINTS_ONE_TEXT = {"business schema"}  # JSON by nature


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from flows.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def _commands_of(group: Any) -> dict[str, Any]:
    return getattr(group, "commands", {})  # Typer carries its own copy of Click


def every_command() -> Iterator[tuple[str, Any]]:
    from flows.cli.main import app

    group = typer.main.get_command(app)
    for name, command in _commands_of(group).items():
        if _commands_of(command):
            yield from ((f"{name} {inner}", part) for inner, part in _commands_of(command).items())
        else:
            yield name, command


def test_help_needs_little_cpu() -> None:
    run_cli("--help")  # compiles the byte code once
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert run_cli("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    assert min(seconds) < CPU_SECONDS_ALLOWED


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom flows.cli.main import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_every_promised_command_exists() -> None:
    assert {name for name, _ in every_command()} >= COMMANDS


@pytest.mark.parametrize(("name", "command"), list(every_command()), ids=[name for name, _ in every_command()])
def test_each_command_has_help_examples_and_json(name: str, command: Any) -> None:
    assert command.help
    assert f"holdback {name.split()[0]}" in (command.epilog or "")
    takes_json = any("--json" in parameter.opts for parameter in command.params)
    assert takes_json or name in PRINTS_ONE_TEXT


def test_the_exit_codes_are_documented_where_people_look() -> None:
    from holdback import errors

    text = run_cli("--help").stdout
    foreseen = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.HoldbackError)]
    for code in {c.exit_code for c in foreseen}:
        assert f"{code} " in text


def test_a_missing_business_file_is_told_in_one_sentence_with_exit_code_2() -> None:
    done = run_cli("runs", "-b", "/nowhere/business.yaml")
    assert done.returncode == 2
    assert done.stderr.startswith("BusinessFileError: /nowhere/business.yaml: there is no such file.")
    assert "Traceback" not in done.stderr


def test_with_json_an_error_is_json_too() -> None:
    done = run_cli("runs", "-b", "/nowhere/business.yaml", "--json")
    said = json.loads(done.stderr)
    assert (said["error"], said["exit_code"], done.stdout) == ("BusinessFileError", 2, "")


def test_a_day_that_is_no_day_is_refused() -> None:
    done = run_cli("score", "--as-of", "21.11.2026")
    assert done.returncode == 2
    assert "is not a day" in done.stderr
