"""The figures of each day on the command line: listed with their change, shown day by day, told to machines."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from flows.cli.metrics import add_to
from holdback.commits import rows_of
from holdback.tables import TABLES
from tests.monitoring.history.shop import DAY, shop

LAST = DAY + timedelta(days=4)

#: Of day 0, 1, 2 and 4: day 3 was not recorded.
RECORDED: dict[tuple[str, str], list[float | None]] = {
    ("customers_scored", ""): [100.0, 110.0, 120.0, 180.0],
    ("quarantined_share", ""): [0.05, 0.05, 0.05, 0.05],
    ("quarantined_share", "tills"): [0.05, 0.05, 0.05, 0.05],
    ("margin_at_risk_amount", ""): [1000.0, 1000.0, 1250.5, 1000.25],
    ("feed_age_days", "tills"): [1.0, 1.0, 1.0, 1.0],
    ("feed_age_days", "survey"): [2.0, 3.0, 4.0, 6.0],
    ("auc", ""): [None, None, 0.7, None],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    lake = shop(folder).warehouse
    for position, offset in enumerate((0, 1, 2, 4)):
        day = DAY + timedelta(days=offset)
        rows: list[dict[str, Any]] = [
            {
                "as_of": day, "metric": metric, "about": about, "value": values[position],
                "reason": "not knowable before 2025-07-01" if values[position] is None else None,
                **({"low": 0.6, "high": 0.8, "n": 1234} if metric == "auc" and values[position] else {}),
            }
            for (metric, about), values in RECORDED.items()
        ]  # fmt: skip
        lake.append("daily_metrics", rows_of(TABLES["daily_metrics"], rows), batch=f"daily_metrics/{day}")
    return folder


def told(home: Path, *arguments: str, code: int = 0, on: date = LAST) -> str:
    app = typer.Typer()
    add_to(app)
    environment = {
        "HOLDBACK_HOME": str(home / ".holdback"), "HOLDBACK_BUSINESS": str(home / "business.yaml"), "COLUMNS": "120",
    }  # fmt: skip
    done = CliRunner(env=environment).invoke(app, ["metrics", *arguments, "--as-of", str(on)])
    assert done.exit_code == code, done.output + str(done.exception)
    return done.output


def row(output: str, figure: str, about: str = "") -> str:
    """The line of the table that tells a figure."""
    [line] = [line for line in output.splitlines() if line.split()[:2] == [figure, about] or (
        not about and line.split()[:1] == [figure]
    )]  # fmt: skip
    return line


def test_each_figure_is_listed_with_its_newest_value_its_change_and_a_line_of_the_days(home: Path) -> None:
    seen = told(home, "list")
    assert seen.startswith(f"as known on {LAST}")
    assert row(seen, "customers_scored").split() == ["customers_scored", "180", "+60", "▁▂▃_█"]
    assert row(seen, "margin_at_risk_amount").split() == [
        "margin_at_risk_amount", "1,000.25", "EUR", "-250.25", "EUR", "▁▁█_▁"
    ]  # fmt: skip
    assert row(seen, "quarantined_share").split() == ["quarantined_share", "5.0%", "+0.0", "points", "▄▄▄_▄"]
    assert row(seen, "feed_age_days", "survey").split() == ["feed_age_days", "survey", "6", "+2", "▁▃▅_█"]
    assert row(seen, "auc").split() == ["auc", "·", "··▄_·"]


def test_the_parts_of_a_whole_are_listed_when_all_is_asked_for(home: Path) -> None:
    assert "tills" not in "".join(line for line in told(home, "list").splitlines() if "quarantined_share" in line)
    assert "tills" in "".join(line for line in told(home, "list", "--all").splitlines() if "quarantined_share" in line)


def test_machines_are_told_every_value(home: Path) -> None:
    found = {(one["metric"], one["about"]): one for one in json.loads(told(home, "list", "--json"))}
    assert set(found) == set(RECORDED)
    assert [value["value"] for value in found["customers_scored", ""]["values"]] == RECORDED["customers_scored", ""]
    assert found["auc", ""]["is_good_when_higher"] is True
    assert found["auc", ""]["unit"] == "number"
    [shown] = [one for one in found.values() if one["metric"] == "auc"]
    assert shown == json.loads(told(home, "show", "auc", "--json"))


def test_a_figure_is_shown_day_by_day_with_its_interval_and_why_it_is_missing(home: Path) -> None:
    seen = told(home, "show", "auc")
    assert "the chance that one who left had the higher probability" in " ".join(seen.split())
    assert "0.7000   0.6000 to 0.8000   1,234" in seen
    assert seen.count("not knowable before 2025-07-01") == 3
    assert "change since the day before: not known" in seen


def test_only_the_days_that_are_asked_for_are_shown(home: Path) -> None:
    seen = told(home, "show", "customers_scored", "--days", "3")
    assert [str(DAY + timedelta(days=offset)) in seen for offset in range(5)] == [False, False, True, False, True]
    assert "120" in told(home, "show", "customers_scored", on=DAY + timedelta(days=2))


def test_of_several_subjects_one_must_be_named(home: Path) -> None:
    assert "--about: survey, tills" in told(home, "show", "feed_age_days", code=2)
    assert "Days since the newest event of survey" in told(home, "show", "feed_age_days", "--about", "survey")
    assert "never recorded about 'calls'" in told(home, "show", "feed_age_days", "--about", "calls", code=2)


def test_a_figure_that_nobody_knows_is_refused_with_the_nearest_name(home: Path) -> None:
    assert "Did you mean 'customers_scored'?" in told(home, "show", "customer_scored", code=2)
    assert "There are: customers_scored" in " ".join(told(home, "show", "zzz", code=2).replace("│", "").split())


def test_before_anything_was_recorded_it_says_what_records(tmp_path: Path, home: Path) -> None:
    shop(tmp_path)
    for command in (["list"], ["show", "auc"]):
        assert "nothing was recorded" in told(tmp_path, *command)
        assert "holdback daily" in told(tmp_path, *command)
    assert json.loads(told(tmp_path, "list", "--json")) == []
    assert "nothing was recorded" in told(home, "show", "auc", on=DAY - timedelta(days=1))
