"""Whether low scores and silence go with leaving is learned, in either direction, and not claimed without evidence."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from holdback.business import Business
from holdback.errors import BusinessFileError, NotKnowableYet
from monitoring.causes.stated import LOW_SCORES
from monitoring.effects.shares import independent
from monitoring.feedback import learn_risk
from monitoring.feedback.risk import LOW_AND_HIGH, FeedbackRisk, _totals
from tests.monitoring.feedback.company import AS_OF, Row, company, warehouse

DAY = timedelta(days=1)
#: The newest day whose outcome of 30 days is known: the data reach the last instant before AS_OF.
ASKED_AT = datetime(2026, 1, 20, 10)


def world(
    *,
    low: float = 0.2,
    high: float = 0.2,
    silent: float = 0.2,
    count: int = 1200,
    answers: float = 0.5,
    seed: int = 0,
) -> dict[str, list[Row]]:
    """Customers who were asked once; how many of the low, the high and the silent leave within a month after."""
    rng = np.random.default_rng(seed)
    survey: list[Row] = []
    contracts: list[Row] = []
    for i in range(count):
        is_silent, is_low = rng.random() >= answers, rng.random() < 0.5
        rate = silent if is_silent else low if is_low else high
        score = None if is_silent else float(rng.integers(0, 7) if is_low else rng.integers(9, 11))
        survey.append({"customer_id": f"c{i}", "event_at": ASKED_AT, "score": score})
        contracts.append({"customer_id": f"c{i}", "event_at": datetime(2026, 1, 2), "kind": "start"})
        if rng.random() < rate:
            gone = datetime(2026, 2, 4) + timedelta(days=float(rng.uniform(0, 25)))
            contracts.append({"customer_id": f"c{i}", "event_at": gone, "kind": "cancel"})
    # Somebody signs every day, the last one included: the data are fresh on each, and reach so far.
    signed = (datetime(2026, 3, 1, 22) - timedelta(days=n) for n in range(59))
    contracts += [{"customer_id": f"new{n}", "event_at": at, "kind": "start"} for n, at in enumerate(signed)]
    return {"survey": survey, "contracts": contracts}


def learned(rows: dict[str, list[Row]], business: Business | None = None) -> FeedbackRisk:
    lake = warehouse(business, **rows)
    return learn_risk(lake, lake.business, lake.business.churn[0], AS_OF, days=60)


def test_low_scores_that_go_with_leaving_are_found() -> None:
    found = learned(world(low=0.35, high=0.08))
    assert found.sign_of("low_score") == "more"
    [sentence] = [one.sentence for one in found.associations if one.name == "low_score"]
    assert sentence.startswith("Associated with more churn: of customers who scored low, ")
    assert "95% interval" in sentence


def test_low_scores_that_go_with_staying_are_found_too() -> None:
    """Who complains may still care: the sign is learned, not assumed."""
    assert learned(world(low=0.08, high=0.35)).sign_of("low_score") == "less"


def test_silence_has_a_sign_of_its_own() -> None:
    found = learned(world(low=0.1, high=0.1, silent=0.3))
    assert (found.sign_of("silence"), found.sign_of("low_score")) == ("more", "not clear")
    assert learned(world(low=0.3, high=0.3, silent=0.1)).sign_of("silence") == "less"


def test_without_a_difference_nothing_is_claimed() -> None:
    """Fifteen worlds without a difference: each of the two signs is claimed in one of twenty."""
    claims = 0
    for seed in range(15):
        found = learned(world(count=200, seed=seed))
        claims += sum(one.sign != "not clear" for one in found.associations)
    assert claims <= 7  # of 30 at a rate of 0.05: P(more than 7) = 8.5e-5


def test_the_difference_is_the_one_that_was_planted() -> None:
    found = learned(world(low=0.35, high=0.08, count=3000))
    [low] = [one for one in found.associations if one.name == "low_score"]
    assert low.gap.low < 0.27 < low.gap.high
    assert sum(low.customers) == pytest.approx(1500, abs=120)


def test_the_newest_answer_counts_and_who_answered_once_is_not_silent() -> None:
    rows = world(low=0.35, high=0.08)
    earlier = [
        {**row, "event_at": ASKED_AT - 5 * DAY, "score": 0.0} for row in rows["survey"] if row["score"] is not None
    ]
    later = [{**row, "event_at": ASKED_AT + 5 * DAY, "score": None} for row in rows["survey"]]
    assert learned({**rows, "survey": [*earlier, *rows["survey"], *later]}).associations == learned(rows).associations


def test_who_was_there_on_several_days_makes_the_interval_no_narrower() -> None:
    """The same customers with the same end on a second day bring no new information."""
    rng = np.random.default_rng(3)
    part = pd.DataFrame({"customer_id": [f"c{i}" for i in range(500)], "churned": rng.random(500) < 0.2})
    part = part.assign(churned=part["churned"].astype(float), low=True, high=None, answered=True, silent=False)
    once, twice = (independent(_totals(parts)["low"], group="low") for parts in ([part], [part, part]))
    assert twice == pytest.approx(once, rel=0.01)


def test_several_days_of_the_past_are_looked_at() -> None:
    rows = world(low=0.35, high=0.08, count=300)
    signed = [{**row, "event_at": row["event_at"] - 120 * DAY} if row["kind"] == "start" else row
              for row in rows["contracts"]]  # fmt: skip
    found = learned({**rows, "contracts": [*rows["contracts"][-59:], *signed]})
    assert len(found.looked_at) > 1
    assert any("days of the past" in note for note in found.notes)


def test_too_few_of_a_group_are_not_compared() -> None:
    found = learned(world(answers=1.0))
    assert [one.name for one in found.associations] == ["low_score"]
    assert any(note.startswith("silence: not told") for note in found.notes)
    assert found.sign_of("silence") == "not clear"


def test_all_silent_and_nobody_asked_is_not_knowable() -> None:
    with pytest.raises(NotKnowableYet, match="each group needs 5"):
        learned(world(answers=0.0))
    with pytest.raises(NotKnowableYet, match="each group needs 5"):
        learned({**world(count=50), "survey": []})


def test_without_a_known_outcome_it_says_when() -> None:
    rows = world(count=20)
    young = {**rows, "contracts": [{**row, "event_at": datetime(2026, 2, 20)} for row in rows["contracts"]]}
    with pytest.raises(NotKnowableYet, match="Come back on 2026-03-2"):
        learned(young)


def test_a_business_that_asks_nobody_is_told_to_map_a_feed() -> None:
    with pytest.raises(BusinessFileError, match="none has the role feedback"):
        learned({}, company(survey=None, shops=None))


def test_a_score_is_low_by_its_own_scale() -> None:
    rows = world(low=0.35, high=0.08)
    on_five = [{**row, "score": None if row["score"] is None else 1.0 if row["score"] <= 6 else 5.0}
               for row in rows["survey"]]  # fmt: skip
    same = learned({**rows, "survey": on_five}, company(survey={"scale": "five"}))
    assert same.associations == learned(rows).associations
    assert {scale: low for scale, (low, _) in LOW_AND_HIGH.items()} == dict(LOW_SCORES)
