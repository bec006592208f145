"""NPS, satisfaction and response: who is counted, on which scale, and who is too few to be shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from holdback.business import Business
from holdback.errors import BusinessFileError
from monitoring.feedback import Rating, Ratings, nps
from tests.monitoring.feedback.company import AS_OF, Row, answers, asked, company, warehouse

SCORES = [10.0] * 8 + [9.0] * 4 + [8.0] * 3 + [7.0] * 3 + [6.0] * 2 + [0.0] * 4 + [None] * 16


def rated(business: Business | None = None, *, by: str | None = None, days: int = 90, **rows: list[Row]) -> Ratings:
    lake = warehouse(business, **rows)
    return nps(lake, lake.business, AS_OF, days=days, by=by)


def by_group(found: Ratings) -> dict[str, Rating]:
    return {rating.group: rating for rating in found.ratings}


def test_the_nps_is_promoters_less_detractors_of_those_who_answered() -> None:
    [rating] = rated(survey=answers(SCORES)).ratings
    assert (rating.kind, rating.scale, rating.asked, rating.answered, rating.silent) == ("nps", "nps", 40, 24, 16)
    assert rating.nps is not None
    assert rating.response is not None
    assert rating.mean is not None
    assert rating.nps.estimate == pytest.approx(100 * (12 - 6) / 24)
    assert rating.nps.n == 24
    assert (rating.response.share, rating.response.n) == (0.6, 40)
    assert rating.mean.estimate == pytest.approx((80 + 36 + 24 + 21 + 12) / 24)
    assert rating.satisfied is None


def test_another_scale_has_no_nps_but_satisfaction() -> None:
    scores = [5.0] * 6 + [4.0] * 3 + [3.0] * 2 + [1.0]
    [rating] = rated(shops=answers(scores)).ratings
    assert rating.nps is None
    assert rating.satisfied is not None
    assert rating.mean is not None
    assert rating.satisfied.share == 9 / 12
    assert rating.mean.estimate == pytest.approx(sum(scores) / 12)


def test_an_nps_question_on_a_scale_of_five_is_told_so() -> None:
    found = rated(company(survey={"scale": "five"}), survey=answers([5.0] * 9, kind="nps"))
    assert found.ratings[0].nps is None
    assert found.ratings[0].satisfied is not None
    assert any("has no NPS" in note for note in found.notes)


def test_a_scale_that_changed_is_told_once_for_each() -> None:
    changed = company(survey={"scale": [{"scale": "nps"}, {"scale": "five", "since": "2026-02-01"}]})
    old = answers([10.0] * 6 + [0.0] * 2, days_ago=50, kind="nps")
    new = answers([5.0] * 4 + [2.0] * 4, days_ago=5, kind="nps")
    found = rated(changed, survey=[*old, *new])
    told = {rating.scale: rating for rating in found.ratings}
    assert told["nps"].nps is not None
    assert told["five"].satisfied is not None
    assert told["nps"].nps.estimate == 50.0
    assert (told["five"].nps, told["five"].satisfied.share) == (None, 0.5)
    assert "the scale changed: each scale has its own figures" in found.notes


def test_a_customer_counts_once_with_the_newest_answer() -> None:
    often = [asked("loud", 0.0, days_ago=n + 2) for n in range(50)] + [asked("loud", 10.0, days_ago=1.5), asked("loud")]
    [rating] = rated(survey=[*often, *answers([10.0] * 5)]).ratings
    assert rating.nps is not None
    assert (rating.asked, rating.answered, rating.nps.estimate) == (6, 6, 100.0)


def test_by_month_a_customer_counts_once_a_month_of_the_business_own_calendar() -> None:
    rows: list[Row] = []
    for i in range(6):
        rows += [
            {"customer_id": f"c{i}", "event_at": datetime(2026, 1, 31, 22, 59, 59), "score": 10.0},
            {"customer_id": f"c{i}", "event_at": datetime(2026, 1, 31, 23), "score": 0.0},  # February in Madrid
            {"customer_id": f"c{i}", "event_at": datetime(2026, 1, 12), "score": 3.0},
        ]
    found = by_group(rated(by="month", survey=rows))
    assert list(found) == ["all", "2026-01", "2026-02"]
    assert [found[m].nps.estimate for m in list(found)[1:]] == [100.0, -100.0]  # type: ignore[union-attr]
    assert found["all"].asked == 6


def test_by_step_channel_and_attribute() -> None:
    rows = [asked(f"c{i}", 9.0 if i < 10 else 2.0, step="a" if i < 10 else "b", channel="web") for i in range(20)]
    people = [{"customer_id": f"c{i}", "region": "north" if i % 2 else "south", "vip": i < 10} for i in range(18)]
    steps = by_group(rated(by="step", survey=rows))
    assert [steps[s].nps.estimate for s in ("a", "b")] == [100.0, -100.0]  # type: ignore[union-attr]
    assert by_group(rated(by="channel", survey=rows))["web"].asked == 20
    regions = by_group(rated(by="region", survey=rows, customers=people))
    assert list(regions) == ["all", "north", "south", "not known"]
    assert regions["not known"].is_hidden  # two customers, and a second group so that nobody can work them out
    assert sum(rating.is_hidden for rating in regions.values()) == 2
    assert set(by_group(rated(by="vip", survey=rows, customers=people))) == {"all", "true", "false", "not known"}


def test_small_groups_are_hidden_also_when_many_were_asked() -> None:
    rows = [asked(f"a{i}", 9.0 if i < 3 else None, step="few answer") for i in range(50)]
    rows += [asked(f"b{i}", 9.0, step="many") for i in range(30)]
    rows += [asked(f"d{i}", 9.0, step="some") for i in range(20)]
    found = by_group(rated(by="step", survey=rows))
    assert found["few answer"].is_hidden
    assert (found["few answer"].nps, found["few answer"].asked) == (None, None)
    assert [found[g].is_hidden for g in ("all", "many", "some")] == [False, False, True]


def test_a_group_that_is_called_all_is_a_group() -> None:
    rows = [asked(f"c{i}", 9.0, channel="all" if i < 8 else "web") for i in range(20)]
    assert [(r.group, r.asked) for r in rated(by="channel", survey=rows).ratings] == [
        ("all", 20),
        ("all", 8),
        ("web", 12),
    ]


def test_one_customer_is_hidden() -> None:
    found = rated(survey=[asked("alone", 3.0)])
    assert [rating.is_hidden for rating in found.ratings] == [True]
    assert any("hidden" in note for note in found.notes)


def test_all_silent_is_a_response_rate_of_zero_and_nothing_else() -> None:
    [rating] = rated(survey=answers([None] * 30)).ratings
    assert rating.response is not None
    assert (rating.response.share, rating.response.low, rating.silent) == (0.0, 0.0, 30)
    assert rating.response.high == pytest.approx(0.1135, abs=1e-4)  # Wilson, 0 of 30
    assert (rating.nps, rating.satisfied, rating.mean) == (None, None, None)


def test_nobody_asked_is_no_fault() -> None:
    found = rated()
    assert (found.ratings, found.notes) == ((), ("nobody was asked in these days",))


def test_reviews_have_no_response_rate_and_tickets_no_rating() -> None:
    reviews = answers([5.0, 4.0, 5.0, 1.0, 2.0, 5.0], kind="review")
    found = rated(company(survey={"scale": "five"}), survey=reviews, calls=[asked("z", remark="help")])
    [rating] = found.ratings
    assert rating.satisfied is not None
    assert (rating.kind, rating.asked, rating.response, rating.satisfied.share) == ("review", 6, None, 4 / 6)


def test_effort_has_a_mean_only() -> None:
    [rating] = rated(company(survey={"scale": "five"}), survey=answers([5.0] * 8, kind="ces")).ratings
    assert (rating.satisfied, rating.nps) == (None, None)
    assert rating.mean is not None


def test_without_a_scale_only_the_response_is_told() -> None:
    found = rated(company(shops={"scale": None}), shops=answers([3.0] * 8))
    assert (found.ratings[0].mean, found.ratings[0].answered) == (None, 8)
    assert any("declared scale" in note for note in found.notes)


def test_an_answer_outside_its_scale_is_none() -> None:
    rows = answers([99.0] * 6 + [9.0] * 6)
    [rating] = rated(survey=rows).ratings
    assert rating.nps is not None
    assert rating.nps.n == 6


@pytest.mark.parametrize(
    ("by", "says"),
    [("gender", "is protected"), ("age", "is a number"), ("shoe", r"is nothing .*step, channel, region, vip")],
)
def test_what_nothing_may_be_told_by_says_what_may(by: str, says: str) -> None:
    with pytest.raises(BusinessFileError, match=says):
        rated(by=by, survey=answers(SCORES))


def test_a_business_that_asks_nobody_is_told_to_map_a_feed() -> None:
    with pytest.raises(BusinessFileError, match="none has the role feedback"):
        rated(company(survey=None, shops=None))


def test_the_same_rows_give_the_same_ratings_in_any_order() -> None:
    rows: list[dict[str, Any]] = [{**r, "batch_id": "b", "row_number": i} for i, r in enumerate(answers(SCORES), 1)]
    assert rated(survey=rows) == rated(survey=rows[::-1])
