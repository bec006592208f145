"""An answer or a churn probability is beyond a line."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from tests.features.triggers.world import AS_OF, held, instant, row, trigger
from tests.features.world import Row

BELOW = trigger(kind="score_below", feed="answers", at=7)
ABOVE = trigger(kind="score_above", feed="answers", at=8)


def answer(customer: str, days: float, score: float | None, **more: Any) -> Row:
    return row(customer, days, score=score, **more)


def test_beyond_the_line_is_strict() -> None:
    rows = {"answers": [answer("six", -1, 6), answer("seven", -1, 7), answer("eight", -1, 8), answer("nine", -1, 9)]}
    assert {name: one["size"] for name, one in held(BELOW, rows).items()} == {"six": 6.0}
    assert held(BELOW, rows)["six"]["detail"] == {"score": 6.0, "scored_on": "2025-05-31"}
    assert list(held(ABOVE, rows)) == ["nine"]


def test_the_newest_answer_counts_and_silence_is_none() -> None:
    rows = [answer("ann", -3, 2), answer("ann", -2, 9), answer("bob", -3, 2), answer("bob", -2, None)]
    assert list(held(BELOW, {"answers": rows})) == ["bob"]


def test_an_answer_of_long_ago_is_no_signal_of_today() -> None:
    assert list(held(BELOW, {"answers": [answer("ann", -7, 2), answer("bob", -7.001, 2)]})) == ["ann"]


def test_what_is_no_number_is_no_answer() -> None:
    rows = {"answers": [answer("ann", -1, float("nan")), answer("bob", -1, float("inf"))]}
    assert held(ABOVE, rows) == {}
    assert held(BELOW, {}) == {}


JUMP = trigger(kind="score_below", feed="answers", at=7, by=3, over_days=60)


def test_a_jump_is_across_the_line_and_far_enough() -> None:
    pairs = {"jump": (9, 6), "small": (8, 6), "stays": (6, 2), "up": (2, 9), "line": (7, 4)}
    rows = [
        answer(name, days, score) for name, pair in pairs.items() for days, score in zip((-40, -1), pair, strict=True)
    ]
    found = held(JUMP, {"answers": [*rows, answer("first", -1, 0)]})
    assert sorted(found) == ["jump", "line"]
    assert found["jump"]["detail"] == {"score": 6.0, "scored_on": "2025-05-31", "before": 9.0}


def test_the_answer_before_must_not_be_too_long_ago() -> None:
    for days, is_found in ((-61, True), (-61.1, False)):
        assert bool(held(JUMP, {"answers": [answer("ann", days, 9), answer("ann", -1, 3)]})) == is_found


def test_an_answer_that_was_told_twice_is_not_the_one_before() -> None:
    rows = [answer("ann", -9, 9), answer("ann", -1.01, 3), answer("ann", -1.01, 3, batch_id="again")]
    assert list(held(JUMP, {"answers": rows})) == ["ann"]


def test_the_line_is_on_the_newest_scale_and_older_answers_are_told_on_it() -> None:
    # Until March answers go from 0 to 10, then from 1 to 5; a 6 of ten is a 3.4 of five, a 4 is a 2.6.
    asked = trigger(kind="score_below", feed="surveys", at=3)
    march, before = date(2025, 3, 4), datetime(2025, 2, 27, 12)
    rows = {"surveys": [
        {"customer_id": "six of ten", "event_at": before, "score": 6.0},
        {"customer_id": "four of ten", "event_at": before, "score": 4.0},
        {"customer_id": "four of five", "event_at": datetime(2025, 3, 2, 12), "score": 4.0},
        {"customer_id": "two of five", "event_at": datetime(2025, 3, 2, 12), "score": 2.0},
    ]}  # fmt: skip
    assert sorted(held(asked, rows, march)) == ["four of ten", "two of five"]
    jump = {**asked, "by": 1, "over_days": 30}
    moved = [
        {"customer_id": "ann", "event_at": before, "score": 8.0},  # 4.2 of five
        {"customer_id": "ann", "event_at": datetime(2025, 3, 2, 12), "score": 2.0},
        {"customer_id": "bob", "event_at": before, "score": 5.0},  # 3.0 of five: not below, but 1.0 is less than 1
        {"customer_id": "bob", "event_at": datetime(2025, 3, 2, 12), "score": 2.5},
    ]
    assert list(held(jump, {"surveys": moved}, march)) == ["ann"]


def scored(customer: str, days: int, probability: float, churn: str = "lapse") -> Row:
    return {"customer_id": customer, "as_of": AS_OF + timedelta(days=days), "churn": churn, "probability": probability}


RISK = trigger(kind="score_above", churn="lapse", at=0.5)


def test_the_newest_scores_of_the_definition_count() -> None:
    rows = [scored("ann", 0, 0.6), scored("ann", -1, 0.2), scored("bob", 0, 0.5), scored("cy", -1, 0.9)]
    rows += [scored("dee", 0, 0.9, "other"), scored("eve", 1, 0.9)]
    assert {name: one["size"] for name, one in held(RISK, {"scores": rows}).items()} == {"ann": 0.6}
    assert list(held(RISK, {"scores": rows}, AS_OF - timedelta(days=1))) == ["cy"]


def test_stale_scores_are_nobodys_risk() -> None:
    rows = {"scores": [scored("ann", 0, 0.9)]}
    assert list(held(RISK, rows, AS_OF + timedelta(days=30))) == ["ann"]
    assert held(RISK, rows, AS_OF + timedelta(days=31)) == {}
    assert held(RISK, {}) == {}


def test_a_probability_jumps_against_the_day_so_many_days_before() -> None:
    jump = trigger(kind="score_above", churn="lapse", at=0.5, by=0.2, over_days=7)
    rows = [scored("ann", 0, 0.6), scored("bob", 0, 0.6), scored("cy", 0, 0.9), scored("new", 0, 0.9)]
    rows += [scored("ann", -3, 0.6), scored("ann", -8, 0.4), scored("bob", -8, 0.41), scored("cy", -8, 0.51)]
    assert list(held(jump, {"scores": rows})) == ["ann"]
    assert held(jump, {"scores": rows[:4]}) == {}


def test_scores_do_not_depend_on_the_instant_of_the_day() -> None:
    rows = {"scores": [scored("ann", 0, 0.6)]}
    assert held(RISK, rows) == held(RISK, rows, seen_at=instant(0.7))
