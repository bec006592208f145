"""A survey whose scale changed: older answers are told on the newest scale; a feed with one scale is left as it is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from features.clocks import Clock
from features.compiler import compile_features
from features.declarations import FeedShape
from features.dialects import Dialect, render
from features.families import feature_set, feed_shape
from holdback.business import Business, Feed
from tests.features.world import AS_OF, Memory, company, spine_of

SURVEY: dict[str, Any] = {
    "role": "feedback", "source": "s.csv", "columns": {"customer_id": "who", "event_at": "at", "score": "s"},
}  # fmt: skip
CHANGED = [{"scale": "nps"}, {"scale": "five", "since": "2025-03-01"}]
NAMES = ("feedback_score_last", "feedback_score_previous", "feedback_score_change", "feedback_score_mean_365d")


def acme(scale: Any) -> Business:
    """The company, whose survey is on these scales."""
    survey = Feed.model_validate({**SURVEY, "scale": scale})
    return company().model_copy(update={"feeds": {**company().feeds, "surveys": survey}})


def described(business: Business, rows: list[dict[str, Any]], as_of: date = AS_OF) -> dict[str, list[Any]]:
    sql = compile_features(feature_set(business), Clock.of(business, as_of))["surveys"]
    found = Memory(business, {"surveys": rows}).query(sql, frames={"spine": spine_of(["a"], as_of)})
    return {name: found[name].to_pylist() for name in NAMES}


def answered(day: str, score: float | None) -> dict[str, Any]:
    return {"customer_id": "a", "event_at": datetime.fromisoformat(day), "score": score}


def test_an_older_answer_is_told_on_the_newest_scale() -> None:
    rows = [answered("2025-02-01 10:00:00", 10.0), answered("2025-02-20 10:00:00", 5.0), answered("2025-04-01", 3.0)]
    found = described(acme(CHANGED), rows)
    assert found["feedback_score_last"] == [3.0]
    assert found["feedback_score_previous"] == [3.0]  # 5 of 0 to 10 is 3 of 1 to 5
    assert found["feedback_score_change"] == [0.0]
    assert found["feedback_score_mean_365d"] == pytest.approx([(5.0 + 3.0 + 3.0) / 3])


def test_days_before_the_change_are_told_on_the_newest_scale_too() -> None:
    """Training looks back on many days: what is learned on one must hold on the others."""
    rows = [answered("2025-01-10 10:00:00", 9.0)]
    assert described(acme(CHANGED), rows, date(2025, 2, 1))["feedback_score_last"] == [4.6]


def test_the_day_of_the_change_begins_at_the_business_own_midnight() -> None:
    rows = [answered("2025-02-28 22:59:59", 5.0), answered("2025-02-28 23:00:00", 5.0)]  # UTC; Madrid is an hour ahead
    found = described(acme(CHANGED), rows)
    assert (found["feedback_score_previous"], found["feedback_score_last"]) == ([3.0], [5.0])


@pytest.mark.parametrize("scale", ["nps", "five", None, [{"scale": "nps"}]])
def test_a_feed_with_one_scale_is_computed_as_ever(scale: Any) -> None:
    ours, plain = acme(scale), acme(None)
    assert type(feed_shape("surveys", ours.feeds["surveys"])) is FeedShape
    assert feature_set(ours).hash == feature_set(plain).hash
    clock = Clock.of(ours, AS_OF)
    assert compile_features(feature_set(ours), clock) == compile_features(feature_set(plain), clock)


def test_a_change_of_the_scale_is_another_feature_set() -> None:
    later = [{"scale": "nps"}, {"scale": "five", "since": "2025-04-01"}]
    assert len({feature_set(acme(scale)).hash for scale in ("nps", CHANGED, later)}) == 3


@pytest.mark.parametrize("dialect", ["postgres", "spark"])
def test_other_engines_get_the_same_arithmetic(dialect: Dialect) -> None:
    business = acme(CHANGED)
    sql = render(compile_features(feature_set(business), Clock.of(business, AS_OF))["surveys"], dialect)
    assert "4e0" in sql.lower() or "4E0" in sql


def test_the_same_scale_declared_anew_changes_no_value() -> None:
    rows = [answered("2025-02-01", 10.0), answered("2025-04-01", 3.0)]
    same = described(acme([{"scale": "nps"}, {"scale": "nps", "since": "2025-03-01"}]), rows)
    assert same == described(acme("nps"), rows)
