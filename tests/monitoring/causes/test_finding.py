"""Why the customers of a company leave whose truth is planted: the price above all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from holdback.commits import rows_of
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.causes import Causes, find_causes
from monitoring.causes.measured import measured_effects
from tests.monitoring.causes.company import (
    BEFORE_THE_RISE,
    CHURN,
    FILE,
    TODAY,
    TRAINED_ON,
    company,
    effect,
    train,
    write,
)


def test_the_planted_driver_comes_first_with_the_right_direction(found: Causes) -> None:
    price = found.themes[0]
    assert price.name == "price"
    assert price.driver is not None
    assert price.driver.features[0].feature == "contract_price_amount"
    assert price.driver.features[0].course == "higher"
    assert (price.driver.features[0].rank_correlation or 0) > 0.7  # most pay the same by now: ties
    low, high = price.driver.points.low, price.driver.points.high
    assert low is not None
    assert high is not None
    assert low < price.driver.points.estimate < high
    second = found.themes[1].driver
    assert second is not None
    assert second.points.high is not None
    assert second.points.high < low


def test_a_driver_that_grows_is_seen(found: Causes) -> None:
    assert found.themes[0].driver is not None
    trend = found.themes[0].driver.trend
    assert trend is not None
    assert trend.since == BEFORE_THE_RISE
    assert trend.verdict == "growing"
    assert trend.is_one_model
    [colour] = [theme.driver for theme in found.themes if theme.name == "colour"]
    assert colour is not None
    assert colour.trend is not None
    assert colour.trend.verdict in ("steady", "no_evidence")


def test_what_customers_state_stands_beside_what_the_model_sees(found: Causes) -> None:
    [expensive] = [s for s in found.themes[0].sayings if s.kind == "reason"]
    assert expensive.value == "too_expensive"
    assert expensive.left.low < 0.6 < expensive.left.high  # as planted
    assert found.cancelled is not None
    assert found.cancelled.low < 0.7 < found.cancelled.high  # as planted
    [competitor] = [theme for theme in found.themes if theme.name == "competitor"]
    assert competitor.driver is None
    assert competitor.is_controllable is None


def test_topics_before_leaving_are_compared_with_those_of_customers_who_stayed(found: Causes) -> None:
    topics = {s.value: s for theme in found.themes for s in theme.sayings if s.kind == "topic"}
    outage, moving = topics["outage"].difference, topics["moving"].difference
    assert outage is not None
    assert moving is not None
    assert outage.excludes_zero
    assert outage.difference > 0.1
    assert not moving.excludes_zero
    assert topics["outage"].family == "service"  # the family that counts contacts about outages
    assert found.compared_on is not None
    assert found.compared_on < TODAY
    assert outage.second.n == found.left_count
    assert outage.first.n == found.stayed_count


def test_a_score_that_says_nothing_is_not_taken_for_risk(found: Causes) -> None:
    kinds = {s.kind: s for theme in found.themes for s in theme.sayings}
    for kind in ("low_score", "silence"):
        difference = kinds[kind].difference
        assert difference is not None
        assert not difference.excludes_zero


def test_what_is_protected_is_never_shown(found: Causes) -> None:
    assert "gender" not in json.dumps(asdict(found), default=str)


def test_what_the_company_can_change_is_told_apart(found: Causes, with_file: Callable[..., Workspace]) -> None:
    held = {theme.name: theme.is_controllable for theme in found.themes}
    assert held["price"] is True
    assert held["colour"] is False
    journey = {"controllable": ["colour"], "not_controllable": ["price"]}
    other = find_causes(with_file(journey=journey), CHURN, TODAY)
    held = {theme.name: theme.is_controllable for theme in other.themes}
    assert held["price"] is False
    assert held["colour"] is True


@pytest.mark.parametrize(
    ("journey", "says"),
    [
        ({"controllable": ["prise"]}, "'prise' is neither a family of features nor a feature. Did you mean 'price'?"),
        ({"not_controllable": ["contract_price_amont"]}, "Did you mean 'contract_price_amount'?"),
        ({"controllable": ["gender"]}, "'gender' is a protected attribute"),
        ({"controllable": ["price"], "not_controllable": ["price"]}, "'price' stands under controllable and"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_with_the_nearest(
    with_file: Callable[..., Workspace], journey: dict[str, list[str]], says: str
) -> None:
    with pytest.raises(BusinessFileError, match=says.replace("(", r"\(").replace("?", r"\?")):
        find_causes(with_file(journey=journey), CHURN, TODAY)


def test_segments_are_told_and_small_ones_hidden(phones: Workspace, found: Causes) -> None:
    assert [(s.name, s.value) for s in found.segments] in (
        [("segment", "home"), ("segment", "business")],
        [("segment", "business"), ("segment", "home")],
    )
    assert all(segment.themes[0].name == "price" for segment in found.segments)
    assert sum(segment.sample_count for segment in found.segments) == found.days[-1].sample_count
    reasons = [s for segment in found.segments for theme in segment.themes for s in theme.sayings if s.kind == "reason"]
    [everybody] = [s for s in found.themes[0].sayings if s.kind == "reason"]
    assert sum(s.left.count for s in reasons if s.value == "too_expensive") == everybody.left.count
    by_colour = find_causes(phones, CHURN, TODAY, segments=["colour", "segment", "colour"])
    assert [s.name for s in by_colour.segments] == ["colour"] * 3 + ["segment"] * 2


@pytest.mark.parametrize(
    ("name", "says"), [("gender", "protected"), ("segmnt", "Did you mean 'segment'"), ("x", "Choose one of: segment")]
)
def test_a_segment_that_cannot_be_used_is_refused(phones: Workspace, name: str, says: str) -> None:
    with pytest.raises(BusinessFileError, match=says):
        find_causes(phones, CHURN, TODAY, segments=[name])


def test_only_a_campaign_named_after_a_theme_stands_beside_it(found: Causes) -> None:
    assert [effect.campaign for effect in found.measured] == ["calls", "promise"]
    assert [effect.campaign for effect in found.themes[0].measured] == ["promise"]  # its action is price_promise
    assert all(not theme.measured for theme in found.themes[1:])
    assert "causes fewer to leave" in found.themes[0].text


def test_the_planned_reading_counts_before_the_daily_one_and_later_ones_do_not_exist_yet(tmp_path: Path) -> None:
    workspace = company(tmp_path, customers=400)
    train(workspace)
    effect(workspace, "promise", -0.03, -0.05, -0.01, as_of=date(2025, 12, 10))
    effect(workspace, "promise", -0.9, -0.95, -0.85, reading="daily", as_of=date(2025, 12, 20))
    effect(workspace, "calls", 0.02, 0.01, 0.03, as_of=date(2026, 2, 1))
    effect(workspace, "calls", None, None, None, as_of=date(2025, 12, 1))  # type: ignore[arg-type]
    [promise] = find_causes(workspace, CHURN, TODAY).measured
    assert promise.reading == "official"
    assert promise.change.estimate == pytest.approx(-3)


def test_the_model_of_each_day_is_asked_where_it_is_known(tmp_path: Path) -> None:
    workspace = company(tmp_path, customers=700)
    train(workspace)
    train(workspace, date(2025, 12, 1), version="2")
    told = find_causes(workspace, CHURN, TODAY, months=5)
    asked = [(day.as_of.month, day.model_version, day.was_in_office) for day in told.days]
    assert asked == [(9, "2", False), (10, "1", True), (11, "1", True), (12, "2", True), (1, "2", True)]
    assert told.days[1].trained_on == TRAINED_ON
    assert any("2025-09-01: the model of then is not known" in note for note in told.notes)
    assert told.themes[0].driver is not None
    assert told.themes[0].driver.trend is not None


def test_a_model_that_left_no_file_is_replaced_by_the_one_of_today(tmp_path: Path) -> None:
    workspace = company(tmp_path, customers=700)
    train(workspace)
    train(workspace, date(2025, 12, 1), version="2")
    (workspace.models / f"phones-{CHURN}-1.cbm").write_bytes(b"damaged")
    days = find_causes(workspace, CHURN, TODAY, months=3).days
    assert [(day.model_version, day.was_in_office) for day in days] == [("2", False), ("2", True), ("2", True)]


def test_days_before_the_data_are_left_out_and_said(phones: Workspace) -> None:
    found = find_causes(phones, CHURN, date(2025, 3, 1), months=12)
    assert [day.as_of.month for day in found.days] == [2, 3]
    assert any("reach back to" in note for note in found.notes)


def test_nothing_that_happens_later_changes_an_answer(tmp_path: Path) -> None:
    workspace = company(tmp_path, customers=700)
    train(workspace)
    before = find_causes(workspace, CHURN, date(2025, 11, 20), months=2)
    late = [(f"c{i:05d}", 330.0, "cancel", 9_900, "a_new_reason") for i in range(400)]
    kinds = {"kind": pa.string(), "price_cents": pa.int64(), "reason": pa.string()}
    write(workspace, "contracts", late, kinds, batch="late")
    write(
        workspace, "tickets", [(f"c{i:05d}", 330.0, "outage") for i in range(400)], {"topic": pa.string()}, batch="late"
    )
    assert find_causes(workspace, CHURN, date(2025, 11, 20), months=2) == before


def test_the_same_question_has_the_same_answer(phones: Workspace, found: Causes) -> None:
    assert find_causes(phones, CHURN, TODAY, months=3) == found


def test_without_a_model_nothing_is_known_yet(tmp_path: Path) -> None:
    with pytest.raises(NotKnowableYet, match="no model is in office yet"):
        find_causes(company(tmp_path, customers=20), CHURN, TODAY)


def test_before_the_first_customer_there_is_nobody_to_ask_about(phones: Workspace) -> None:
    with pytest.raises(DataError, match="nobody is described on 2024-06-01"):
        find_causes(phones, CHURN, date(2024, 6, 1))


def test_a_company_whose_customers_state_nothing(with_file: Callable[..., Workspace], found: Causes) -> None:
    contracts = FILE["feeds"]["contracts"]
    columns = {ours: theirs for ours, theirs in contracts["columns"].items() if ours != "reason"}
    feeds = {
        "contracts": {**contracts, "columns": columns},
        "tickets": {**FILE["feeds"]["tickets"], "columns": {"customer_id": "c", "event_at": "at", "topic": "t"}},
        "nps": FILE["feeds"]["nps"],
    }
    silent = find_causes(with_file(feeds=feeds), CHURN, TODAY)
    assert silent.cancelled is None
    assert not [s for theme in silent.themes for s in theme.sayings if s.kind == "reason"]
    assert any(note.startswith("Nobody stated why") for note in silent.notes)
    assert silent.themes[0].name == found.themes[0].name


def test_one_customer_is_nobody_to_point_at(phones: Workspace, tmp_path: Path) -> None:
    workspace = company(tmp_path, customers=1, seed=7)
    workspace.models.mkdir(parents=True)
    model = f"phones-{CHURN}-1.cbm"
    (workspace.models / model).write_bytes((phones.models / model).read_bytes())
    workspace.journal.crown(f"phones-{CHURN}", "1", seen=None, as_of=TRAINED_ON)
    found = find_causes(workspace, CHURN, date(2025, 10, 1), months=2)
    assert found.days[-1].sample_count == 1
    assert found.days[-1].points == {}
    assert found.themes == ()
    assert found.segments == ()
    assert any("fewer than 5 customers are described" in note for note in found.notes)


def test_what_is_withheld_today_is_not_replaced_by_yesterdays_figure(tmp_path: Path) -> None:
    workspace = company(tmp_path, customers=10)
    churn = workspace.business.churn_named(CHURN)

    def measured() -> list[float | None]:
        found = measured_effects(workspace.warehouse, workspace.business, churn, TODAY, ())
        return [one.change.estimate for one in found]

    def day(number: int, estimate: float | None, **changes: Any) -> None:
        ends = (None, None) if estimate is None else (estimate - 0.01, estimate + 0.01)
        when = {"as_of": date(2025, 12, number), "reading": "daily"}
        effect(workspace, "promise", estimate, *ends, **when, **changes)  # type: ignore[arg-type]

    day(10, -0.03)
    assert measured() == [pytest.approx(-3)]
    day(11, None, withheld="sample_ratio: too few are held out")
    assert measured() == []
    day(12, -0.04, holdout_count=4)
    assert measured() == []
    day(13, -0.05)
    assert measured() == [pytest.approx(-5)]
    check = {"as_of": date(2025, 12, 13), "campaign": "promise", "version": 1, "check": "contamination",
             "verdict": "failed", "finding": "the holdout was called"}  # fmt: skip
    workspace.warehouse.append("integrity_checks", rows_of(TABLES["integrity_checks"], [check]), batch="checks")
    assert measured() == []
