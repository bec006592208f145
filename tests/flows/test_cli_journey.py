"""Churn rates, revenue, retention and segments on the command line."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from features.segments import write_segments
from flows.cli.journey import add_to
from holdback.business import load_business
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.workspace import Workspace
from tests.features.world import Row, arrow
from tests.monitoring.kpis.company import REACH, at, cancel, company, names, start

TODAY = "2025-06-15"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty contracts of four months' starts; every eighth was cancelled in May. Segments of one day are written."""
    folder = tmp_path_factory.mktemp("home")
    path = folder / "business.yaml"
    file = company().model_dump(mode="json", exclude_unset=True)
    path.write_text(yaml.safe_dump(file), encoding="utf-8")
    business = load_business(path)
    workspace = Workspace(folder, business, threads=1)
    deals: list[Row] = [REACH]
    customers: list[Row] = []
    for position, who in enumerate(names("c", 40)):
        begun = at(2025, 1 + position % 4, 10)
        deals.append(start(who, begun, price=10.0 + position % 3))
        deals += [cancel(who, at(2025, 5, 9))] if position % 8 == 0 else []
        customers.append({"customer_id": who, "signed_up_at": begun, "region": ["north", "south"][position % 2],
                          "vip": position < 3, "gender": "f", "left": False, "loaded_at": begun})  # fmt: skip
    for name, rows in (("deals", deals), ("customers", customers)):
        workspace.warehouse.append(name, arrow(business.tables[name], rows), batch="b")
    write_segments(workspace.warehouse, business, date.fromisoformat(TODAY))
    return folder


def told(home: Path, *arguments: str, code: int = 0, on: str = TODAY) -> Any:
    """Run a command; return what it printed, or what it raised."""
    app = typer.Typer()
    add_to(app)
    environment = {"HOLDBACK_HOME": str(home), "HOLDBACK_BUSINESS": str(home / "business.yaml"), "COLUMNS": "160"}
    done = CliRunner(env=environment).invoke(app, [*arguments, "--as-of", on])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.exception if code == 1 else done.output


def line_of(output: str, first: str) -> str:
    [line] = [line for line in output.splitlines() if line.strip().startswith(first)]
    return line


def test_the_rate_by_month_has_interval_n_bar_and_the_day_from_which_it_is_known(home: Path) -> None:
    seen = told(home, "churn", "rate")
    may = line_of(seen, "2025-05")
    assert "12.5%" in may
    assert "5.5% to 26.1%" in may
    assert "█" in may
    assert "2025-06-01" in may
    assert "not known yet" in line_of(seen, "2025-06")
    assert "from 2025-07-02" in line_of(seen, "2025-06")


def test_the_rate_by_group(home: Path) -> None:
    seen = told(home, "churn", "rate", "--by", "region")
    assert "25.0%" in line_of(seen, "north")
    assert "0.0%" in line_of(seen, "south")
    assert "Customers of 2025-05-01, outcomes as known on 2025-06-15" in seen
    small = told(home, "churn", "rate", "--by", "vip")
    assert "withheld" in line_of(small, "yes")
    assert "withheld" in line_of(small, "no ")
    cohorts = json.loads(told(home, "churn", "rate", "--by", "cohort", "--json"))
    assert [group["left"]["count"] for group in cohorts["groups"]] == [5, 0, 0, 0]
    assert cohorts["groups"][0]["known_from"] == "2025-06-01"


def test_revenue_and_what_is_retained(home: Path) -> None:
    seen = told(home, "churn", "revenue")
    assert "40 customers of 2025-05-01 brought 439.00 EUR a month; looked at again on 2025-05-31" in seen
    assert "delta, Wilson" in line_of(seen, "gross revenue churn")
    found = json.loads(told(home, "churn", "revenue", "--json"))
    assert found["lost"]["estimate"] == pytest.approx(1 - found["net_retention"]["estimate"])
    assert found["lost"]["low"] < found["lost"]["estimate"] < found["lost"]["high"]


def test_retention_of_everybody_and_by_cohort(home: Path) -> None:
    assert "50.0%" in told(home, "churn", "retention", "--by", "cohort")
    seen = told(home, "churn", "retention")
    assert "Retention: cancelled, all (40 customers)" in seen
    assert "customers started before 2025-05" in seen
    found = json.loads(told(home, "churn", "retention", "--by", "cohort", "--json"))
    assert [curve["cohort"] for curve in found["curves"]] == ["2025-01", "2025-02", "2025-03", "2025-04"]
    assert "is no way to draw retention" in told(home, "churn", "retention", "--by", "week", code=2)


def test_groups_of_a_day_that_was_written_and_of_one_that_was_not(home: Path) -> None:
    seen = told(home, "segments", "show")
    assert "36 customers of 2025-06-15" in seen
    assert "computed" not in seen
    assert "EUR a month each" in seen
    assert "computed" in told(home, "segments", "show", "--by", "cohort", on="2025-06-01")


def test_transitions_between_two_days(home: Path) -> None:
    seen = told(home, "segments", "transitions", "--since", "2025-05-01")
    assert "From 2025-05-01 (rows) to 2025-06-15 (columns)" in seen
    assert "gone" in seen
    assert "the segments of 2025-05-01 were not written on it" in seen
    moves = json.loads(told(home, "segments", "transitions", "--since", "2025-05-01", "--json"))["moves"]
    assert {"came_from", "went_to", "customer_count", "share"} == set(moves[0])


def test_what_cannot_be_told_says_why(home: Path) -> None:
    assert isinstance(told(home, "churn", "rate", "--by", "gender", code=1), BusinessFileError)
    assert isinstance(told(home, "churn", "rate", "--by", "plan", "--on", "2025-06-01", code=1), NotKnowableYet)
    assert isinstance(told(home, "churn", "retention", "--churn", "said", code=1), BusinessFileError)
    assert isinstance(told(home, "churn", "rate", "--churn", "silent", code=1), DataError)
    refused = told(home, "churn", "rate", "--on", "2025-05-01", code=2)
    assert "every month has its own day" in refused
    assert isinstance(told(home, "segments", "transitions", "--churn", "said", code=1), BusinessFileError)
    assert "is not a day" in told(home, "segments", "transitions", "--since", "May", code=2)


@pytest.mark.parametrize("command", [("churn", "rate"), ("churn", "rate", "--by", "plan"), ("churn", "revenue"),
                                     ("churn", "retention"), ("segments", "show"),
                                     ("segments", "transitions")])  # fmt: skip
def test_days_before_the_data_have_one_answer(home: Path, command: tuple[str, ...]) -> None:
    assert isinstance(told(home, *command, code=1, on="2024-01-01"), DataError)


@pytest.mark.parametrize("command", [("churn", "rate"), ("churn", "revenue"), ("churn", "retention"),
                                     ("segments", "show"), ("segments", "transitions")])  # fmt: skip
def test_the_help_shows_examples(home: Path, command: tuple[str, str]) -> None:
    assert f"holdback {' '.join(command)}" in told(home, *command, "--help")
