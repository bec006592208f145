"""Whom the model is asked about, and where their features come from: what the day kept is what it would compute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from features.build import build_features
from features.families import feature_set
from holdback.workspace import Workspace
from monitoring.causes import days, find_causes
from monitoring.causes.days import Day, read_day
from monitoring.portal.pages import churn_causes
from monitoring.portal.pages.churn_causes import reasons_section
from monitoring.words import Words
from tests.monitoring.causes.company import CHURN, TODAY, company, train
from training.scoring import keep_features

OTHER_DAY = date(2025, 12, 1)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A company that kept its features of today."""
    workspace = company(tmp_path_factory.mktemp("kept"), customers=400)
    keep(workspace, TODAY)
    return workspace


def keep(workspace: Workspace, day: date) -> None:
    churn = workspace.business.churn_named(CHURN)
    described = build_features(workspace.warehouse, workspace.business, churn, day)
    names = ["customer_id", "as_of", *feature_set(workspace.business).without_texts.names]
    keep_features(workspace.warehouse, day, described.select(names))


def read(workspace: Workspace, day: date = TODAY, **given: int) -> Day:
    churn, declared = workspace.business.churn_named(CHURN), feature_set(workspace.business)
    found = read_day(workspace.warehouse, workspace.business, churn, day, declared, **given)
    assert found is not None
    return found


def test_what_the_day_kept_is_what_would_be_computed(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = read(kept)
    monkeypatch.setattr(days, "kept_features", lambda *_: None)
    computed = read(kept)
    pd.testing.assert_frame_equal(stored.frame, computed.frame, check_exact=True)
    assert list(stored.customer_ids) == list(computed.customer_ids)
    assert any(feature.kind == "text" for feature in feature_set(kept.business)), "what they wrote is read all the same"


def test_of_what_was_kept_nothing_but_texts_is_computed(kept: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[set[str]] = []
    build: Callable[..., object] = build_features

    def watched(*given: object, **more: object) -> object:
        asked.append({feature.kind for feature in more["features"]})  # type: ignore[attr-defined]
        return build(*given, **more)

    monkeypatch.setattr(days, "build_features", watched)
    read(kept)
    assert asked == [{"text"}]
    read(kept, OTHER_DAY)
    assert "number" in asked[1], "nothing was kept of that day"


def test_a_day_of_which_somebody_is_missing_is_computed(tmp_path: Path) -> None:
    workspace = company(tmp_path, customers=60)
    keep(workspace, TODAY)
    described = workspace.warehouse.query(f"select * from features where as_of = date '{TODAY}' order by customer_id")
    workspace.warehouse.replace_day("features", TODAY, described.slice(1))
    assert len(read(workspace).customer_ids) == described.num_rows


def test_a_sample_is_the_same_people_every_day(kept: Workspace) -> None:
    everybody, some, fewer = (read(kept, **given) for given in ({}, {"most_customers": 90}, {"most_customers": 30}))
    assert some.customer_count == everybody.customer_count == len(everybody.customer_ids) > 90
    assert len(some.customer_ids) == 90
    assert set(fewer.customer_ids) < set(some.customer_ids) < set(everybody.customer_ids)
    assert list(some.customer_ids) == sorted(some.customer_ids)
    assert set(read(kept, OTHER_DAY, most_customers=90).customer_ids) & set(some.customer_ids)


def test_a_page_of_a_sample_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = company(tmp_path, customers=700)
    train(workspace)
    found = find_causes(workspace, CHURN, TODAY, segments=(), most_customers=100)
    asked = found.days[-1]
    assert (asked.sample_count, asked.customer_count > 100) == (100, True)
    reasons = churn_causes.Reasons(
        drivers=tuple(theme.driver for theme in found.themes if theme.driver is not None), asked=asked, meanings={
            "en": {f.name: f.meaning.en for f in feature_set(workspace.business)}, "es": {},
        },
    )  # fmt: skip
    section = reasons_section(reasons, Words("en"))
    assert f"100 of {asked.customer_count} customers were asked about" in str(section)
