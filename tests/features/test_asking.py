"""Who was asked and who answered: words without a score are an answer, and a review that nobody asked for is none."""

from __future__ import annotations

from typing import Any

import pytest

from features.asking import ASKED_KINDS, is_answered, is_asked
from features.build import build_features
from features.compiler import only
from features.families import feature_set
from tests.features.world import AS_OF, Memory, company, instant, spine_of

NAMES = (
    "days_since_last_feedback_request", "feedback_request_count_90d", "feedback_answer_share_365d",
    "feedback_unanswered_count", "feedback_silence_days", "feedback_score_last",
)  # fmt: skip
Told = tuple[float, str | None, float | None, str | None]


def described(*rows: Told, without: tuple[str, ...] = ()) -> list[Any]:
    """The features of a customer with these rows: days ago, kind, score, remark."""
    business = company(without=without)
    warehouse = Memory(business, {"surveys": [
        {"customer_id": "ann", "event_at": instant(days=-days), "kind": kind, "score": score, "remark": remark}
        for days, kind, score, remark in rows
    ]})  # fmt: skip
    features = only(feature_set(business), NAMES)
    table = build_features(warehouse, business, business.churn[-1], AS_OF, spine=spine_of(["ann"]), features=features)
    return [table[name][0].as_py() for name in NAMES]


def test_who_writes_words_without_a_score_is_not_silent() -> None:
    assert described((5, "nps", None, "Too dear"), (9, "nps", None, None)) == [5, 2, 0.5, 0, None, None]
    assert described((5, "nps", None, "<p>&nbsp;</p> "), (9, "nps", None, None)) == [5, 2, 0, 2, 9, None]
    assert described((5, "nps", None, "10")) == [5, 1, 1, 0, None, None]


def test_a_review_of_ones_own_accord_was_not_asked_for() -> None:
    assert described((5, "review", None, "Lovely"), (6, "remark", None, None)) == [None, 0, None, 0, None, None]
    # It ends a silence all the same: the customer speaks.
    assert described((5, "review", 4.0, None), (9, "nps", None, None)) == [9, 1, 0, 0, None, 4]
    assert described((9, "review", 4.0, None), (5, "nps", None, None)) == [5, 1, 0, 1, 5, 4]


def test_a_row_that_does_not_say_its_kind_is_a_request_where_there_are_scores() -> None:
    assert described((5, None, None, None), (7, None, 9.0, None)) == [5, 2, 0.5, 1, 5, 9]
    assert is_asked(company(without=("surveys.score", "surveys.kind")).feeds["surveys"]) == "false"


def test_without_kind_and_remark_nothing_is_declared_anew() -> None:
    """Stored features of such feeds stay valid: their declarations do not name the new columns."""
    scores_only = feature_set(company(without=("surveys.kind", "surveys.remark")))
    said = repr([feature for feature in scores_only if feature.feed == "surveys"])
    assert not any(new in said for new in ("is_asked", "is_answered", "is_silent"))
    rows: tuple[Told, ...] = ((5, None, None, None), (7, None, 9.0, None), (9, None, None, None))
    assert described(*rows, without=("surveys.kind", "surveys.remark")) == [5, 3, 1 / 3, 1, 5, 9]


@pytest.mark.parametrize("kind", [*ASKED_KINDS, "review", "remark", None])
@pytest.mark.parametrize("score", [3.0, None])
@pytest.mark.parametrize("remark", ["Too dear", "<br>", "7", " &nbsp;", "a < b", "😡", "", None])
def test_reports_say_of_each_row_what_the_features_say(
    kind: str | None, score: float | None, remark: str | None
) -> None:
    from monitoring.feedback import read_voices

    business = company()
    feed = business.feeds["surveys"]
    row = {"customer_id": "ann", "event_at": instant(days=-1), "kind": kind, "score": score, "remark": remark}
    warehouse = Memory(business, {"surveys": [row]})
    sql = f"select {is_asked(feed)} as asked, {is_answered(feed)} as answered from surveys"
    (ours,) = warehouse.query(sql).to_pylist()
    (voice,) = read_voices(warehouse, business, AS_OF, days=30).to_pylist()
    assert ours["asked"] == (voice["kind"] in ASKED_KINDS)
    assert (ours["asked"] and not ours["answered"]) == (not voice["is_answered"])
