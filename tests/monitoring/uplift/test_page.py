"""The page about campaigns, written from what was measured."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring.measurement import measure
from monitoring.uplift import page
from monitoring.uplift.page import campaign_figures, write_uplift_page
from tests.monitoring.measurement.experiment import STARTS_ON, World, run
from tests.monitoring.measurement.test_measuring import READS_ON

pytestmark = pytest.mark.slow


def test_the_page_shows_what_was_measured_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    workspace = run(tmp_path, World(customers=1500), until=READS_ON)
    measure(workspace, READS_ON)
    [figures] = campaign_figures(workspace, READS_ON)
    assert figures.name == "spring/1"
    assert [shown.label for shown in figures.effects if shown.is_tested] == [
        "churned (avoided), daily, confidence sequence",
        "churned (avoided), official, newcombe",
    ]
    assert figures.qini is not None
    assert figures.qini.treatment_count + figures.qini.holdout_count == 1500
    assert figures.qini.low < 0 < figures.qini.high, "the risk is the same lottery for everybody: it ranks nobody"
    path = write_uplift_page(workspace, READS_ON)
    assert path is not None
    html = path.read_text(encoding="utf-8")
    assert "spring/1" in html
    assert not re.search(r'<(?:script|link|img)[^>]+(?:src|href)="https?:', html)


def test_a_day_on_which_nothing_can_be_read_has_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = STARTS_ON + timedelta(days=20)
    workspace = run(tmp_path, World(customers=600), until=day)
    measure(workspace, day)
    [figures] = campaign_figures(workspace, day)
    assert figures.effects == ()
    monkeypatch.setattr(page, "read_outcomes", None)  # nobody is followed for a page that will not be there
    assert write_uplift_page(workspace, day) is None
