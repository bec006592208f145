"""Campaigns in Evidently: what passes and fails, what is stored, and where it opens. Evidently is loaded once here."""

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from holdback.tables import TABLES
from holdback.warehouse import Lake
from monitoring.drift import bin_counts, day_drift, reference_bins
from monitoring.drift.verdicts import DayDrift
from monitoring.effects.results import Arm, Effect
from monitoring.effects.sample_ratio import sample_ratio
from monitoring.evidently_page import document
from monitoring.proportions import newcombe, wilson
from monitoring.uplift import CampaignFigures, Contamination, ShownEffect, metrics, uplift_report
from training.uplift.qini import qini

AT = datetime(2026, 6, 1, tzinfo=UTC)


def churn_effect(treated: int, held: int) -> ShownEffect:
    """Churned of 9,000 treated and 1,000 held out."""
    found = newcombe((held, 1_000), (treated, 9_000))
    effect = Effect(
        "churned", found.difference, found.low, found.high, 0.95,
        Arm(9_000, 8_500, treated / 9_000), Arm(1_000, 950, held / 1_000), "newcombe", is_good_when_lower=True,
    )  # fmt: skip
    return ShownEffect(effect, "customers kept", unit="points", factor=100)


def ranked(slope: float) -> Any:
    rng = np.random.default_rng(71)
    s, n = rng.random(20_000), 20_000
    t = rng.random(n) < 0.5
    return qini(s, t, rng.random(n) < 0.6 + t * (0.05 + slope * (s - 0.5)), np.full(n, 0.5))


def sizes(treated: int, held: int) -> Any:
    return sample_ratio(
        pa.table(
            {
                "entered_on": [date(2026, 3, 2)],
                "propensity": [0.9],
                "treatment_units": [treated],
                "holdout_units": [held],
            }
        ),
        is_final=True,
    )


def campaign(*, works: bool, name: str = "spring/1", previous: CampaignFigures | None = None) -> CampaignFigures:
    return CampaignFigures(
        name,
        (churn_effect(540 if works else 720, 80),),
        ranked(0.3 if works else 0.0),
        sizes(9_010, 990) if works else sizes(9_300, 700),
        Contamination(wilson(10 if works else 90, 1_000), wilson(400, 9_000)),
        previous,
    )


@pytest.fixture(scope="module")
def drift(tmp_path_factory: pytest.TempPathFactory) -> DayDrift:
    rng = np.random.default_rng(72)
    lake = Lake(tmp_path_factory.mktemp("lake"), TABLES, threads=1)

    def rows(shift: float) -> pa.Table:
        ids = [f"c{i}" for i in range(3_000)]
        on = pa.array([date(2026, 6, 1)] * 3_000, pa.date32())
        return pa.table({"customer_id": ids, "as_of": on, "visits": rng.normal(shift, 1, 3_000)})

    frames = {"before": rows(0.0), "today": rows(1.0)}
    reference = reference_bins(lake, "before", {"visits": "number"}, frames=frames)
    return day_drift(reference, bin_counts(lake, "today", reference.columns, frames=frames), row_count=3_000)


@pytest.fixture(scope="module")
def working(drift: DayDrift) -> Any:
    before = campaign(works=False, name="winter/1")
    return uplift_report([campaign(works=True, previous=before)], at=AT, drift=drift, metadata={"business": "shop"})


@pytest.fixture(scope="module")
def idle() -> Any:
    return uplift_report([campaign(works=False)], at=AT)


def passes(snapshot: Any) -> dict[str, bool]:
    """Whether each test passed, by metric and label."""
    found = {}
    for test in snapshot.dict()["tests"]:
        params = test["metric_config"]["params"]
        kind = params["type"].rsplit(":", 1)[-1]
        found[f"{kind}: {test['bound_test']['label']}"] = test["status"].value == "SUCCESS"
    return found


def values_of(snapshot: Any, kind: str) -> dict[str, float]:
    return next(m["value"] for m in snapshot.dict()["metrics"] if m["config"]["type"].endswith(f":{kind}"))


def test_a_campaign_that_works_passes_beside_drift_that_fails(working: Any) -> None:
    assert passes(working) == {
        "Effect: customers kept, lower end": True,
        "Qini: lower end": True,
        "SampleRatio: passed (1 is yes)": True,
        "Contamination: held out and contacted": True,
        "BinnedDrift: visits": False,
    }


def test_a_campaign_without_effect_and_with_a_broken_holdout_fails_every_test(idle: Any) -> None:
    assert passes(idle) == {
        "Effect: customers kept, lower end": False,
        "Qini: lower end": False,
        "SampleRatio: passed (1 is yes)": False,
        "Contamination: held out and contacted": False,
    }


def test_the_values_are_our_results_turned_into_benefits(working: Any) -> None:
    effect, score = churn_effect(540, 80).effect, ranked(0.3)
    assert values_of(working, "Effect") == pytest.approx(
        {
            "customers kept": 100 * effect.benefit,
            "customers kept, lower end": 100 * effect.benefit_low,
            "customers kept, upper end": 100 * effect.benefit_high,
        }
    )
    assert values_of(working, "Qini")["lower end"] == pytest.approx(10_000 * score.low)
    assert values_of(working, "SampleRatio")["units held out"] == 990
    assert values_of(working, "Contamination")["held out and contacted"] == pytest.approx(0.01)


def test_the_campaign_before_is_the_reference(working: Any) -> None:
    """Both are in the pictures, and a test may compare them: this one gains more than the one before."""
    from evidently import Report
    from evidently.tests import Reference, gt

    from monitoring.drift.evidently_metrics import dataset
    from monitoring.uplift.report import tables_of

    before = campaign(works=False, name="winter/1")
    now = campaign(works=True)
    tables = tables_of(now, "") | tables_of(before, " before", name=now.name)
    data = {name: dataset(frame) for name, frame in tables.items()}
    compared = {
        "customers kept": [gt(Reference(relative=0.2))],
        "customers kept, upper end": [gt(Reference(relative=2))],
    }
    metric = metrics.effect()(campaign=now.name, tests=compared)
    some = next(iter(data.values()))
    found = Report([metric]).run(some, some, additional_data=data)
    assert passes(found) == {"Effect: customers kept": True, "Effect: customers kept, upper end": False}
    assert "the campaign before" in working.get_html_str(as_iframe=False)


def test_the_page_needs_no_internet(working: Any, tmp_path: Path) -> None:
    working.save_html(str(tmp_path / "uplift.html"))
    html = (tmp_path / "uplift.html").read_text(encoding="utf-8")
    assert not re.findall(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)\s*=\s*[\"']?(?:https?:)?//", html)
    assert not re.search(r"@import\s+url|url\(\s*[\"']?https?:", html)
    for words in ("spring/1: benefit against the holdout", "Qini coefficient", "contamination", "Drift of today"):
        assert words in html
    assert document(working) == document(working)


def test_no_value_is_missing_and_the_snapshot_is_strict_json(working: Any, idle: Any) -> None:
    for snapshot in (working, idle):
        for metric in snapshot.dict()["metrics"]:
            assert all(math.isfinite(value) for value in metric["value"].values())
        json.loads(snapshot.json(), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.slow
def test_the_stock_workspace_opens_the_snapshot_where_our_classes_are_not_installed(
    working: Any, tmp_path: Path
) -> None:
    """What `evidently ui` reads: the run is added here and read back by a process that cannot import our code."""
    from evidently.ui.workspace import Workspace

    workspace = Workspace.create(str(tmp_path / "evidently"))
    project = workspace.create_project("campaigns")
    workspace.add_run(project.id, working)
    (tmp_path / "snapshot.json").write_text(working.dumps(), encoding="utf-8")
    program = f"""
import warnings
warnings.simplefilter("ignore")
import sys
sys.modules["monitoring"] = None  # from here on `import monitoring` fails
from evidently.core.report import Snapshot
from evidently.ui.workspace import Workspace
workspace = Workspace({str(tmp_path / "evidently")!r})
project = workspace.list_projects()[0]
[run] = workspace.list_runs(project.id)
stored = Snapshot.load_model(workspace.get_run(project.id, run))
alone = Snapshot.load({str(tmp_path / "snapshot.json")!r})
for found in (stored, alone):
    print(len(found.dict()["metrics"]), len(found.dict()["tests"]), "spring/1" in found.get_html_str(as_iframe=False))
"""
    found = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
        env={"DO_NOT_TRACK": "1", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["5", "5", "True"] * 2


def test_what_is_left_out_is_neither_shown_nor_tested() -> None:
    small = CampaignFigures("small/1", (), None, sample_ratio(sizes_of_nobody()), Contamination(wilson(0, 50)))
    found = uplift_report([small], at=AT)
    assert passes(found) == {"Contamination: held out and contacted": True}
    shown = replace(churn_effect(540, 80), is_tested=False)
    assert passes(uplift_report([CampaignFigures("shown/1", (shown,))], at=AT)) == {}
    with pytest.raises(ValueError, match="nothing to show"):
        uplift_report([CampaignFigures("empty/1")], at=AT)


def sizes_of_nobody() -> pa.Table:
    return pa.table({"entered_on": [], "propensity": [], "treatment_units": [], "holdout_units": []})


def test_several_campaigns_stand_in_one_report_under_their_own_names() -> None:
    both = [CampaignFigures(name, (churn_effect(count, 80),)) for name, count in (("a/1", 540), ("b/1", 720))]
    found = uplift_report(both, at=AT)
    assert [test["status"].value for test in found.dict()["tests"]] == ["SUCCESS", "FAIL"]
    with pytest.raises(ValueError, match="one name"):
        uplift_report([both[0], both[0]], at=AT)


def test_the_series_over_time_keeps_its_name(working: Any) -> None:
    """Parameters carry no figures, so tomorrow's point belongs to the same series."""
    again = uplift_report([replace(campaign(works=True), effects=(churn_effect(600, 90),))], at=AT)
    ids = {metric["config"]["type"]: metric["id"] for metric in working.dict()["metrics"]}
    assert all(ids[metric["config"]["type"]] == metric["id"] for metric in again.dict()["metrics"])


def test_hostile_names_do_not_leave_evidentlys_script() -> None:
    hostile = "</script><script>alert(1)</script>"
    shown = replace(churn_effect(540, 80), label=hostile, unit=hostile)
    html = document(uplift_report([CampaignFigures(hostile, (shown,))], at=AT))
    assert "<script>alert(1)" not in html


def test_no_class_of_evidently_has_one_of_our_names() -> None:
    """The name is the alias under which Evidently stores values: two of one name would be mixed up."""
    from evidently.core.metric_types import Metric

    ours = {
        factory().__name__ for factory in (metrics.effect, metrics.qini, metrics.sample_ratio, metrics.contamination)
    }
    names: list[str] = []
    waiting = [Metric]
    while waiting:
        kind = waiting.pop()
        names.append(kind.__name__)
        waiting += kind.__subclasses__()
    assert ours == {"Effect", "Qini", "SampleRatio", "Contamination"}
    assert all(names.count(name) == 1 for name in ours)


@pytest.mark.parametrize("field", ["estimate", "low", "high"])
def test_a_missing_figure_is_refused(field: str) -> None:
    shown = churn_effect(540, 80)
    change: dict[str, Any] = {field: float("nan")}
    broken = replace(shown, effect=replace(shown.effect, **change))
    with pytest.raises(ValueError, match="missing or infinite"):
        uplift_report([CampaignFigures("a/1", (broken,))], at=AT)
    with pytest.raises(ValueError, match="one label"):
        uplift_report([CampaignFigures("a/1", (shown, shown))], at=AT)
