"""The age at which things are replaced is learned, and who owns something of that age is found."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from statsmodels.duration.survfunc import SurvfuncRight  # type: ignore[import-untyped]

from features.triggers import Asked, examine, learned_ages
from features.triggers.ages import age_at
from holdback.business import DueTrigger
from tests.features.triggers.world import AS_OF, company, held, instant, row, trigger
from tests.features.world import Memory, Row

DUE = trigger(kind="due", feed="cars", ahead_days=30, least_replaced=5)


def car(
    name: str, start: float, end: float | None = None, *, plan: str = "city", customer: str | None = None
) -> list[Row]:
    """A car that was bought so many days ago, and replaced so many days ago."""
    who = customer or name
    rows = [row(who, -start, kind="start", subscription_id=name, plan=plan)]
    return rows if end is None else [*rows, row(who, -end, kind="cancel", subscription_id=name, plan=plan)]


def learned(rows: list[Row], declared: dict[str, Any] = DUE, **other: list[Row]) -> dict[str | None, int | None]:
    business = company([declared])
    rule = business.triggers[0]
    assert isinstance(rule, DueTrigger)
    ages = learned_ages(Memory(business, {"cars": rows, **other}), Asked.at(business, AS_OF, None, ()), rule)
    return {age.plan: age.age_days for age in ages}


def test_known_answer_of_the_product_limit_by_hand() -> None:
    # At risk 5, 4, 2 at ages 3, 5, 9: S = 4/5, 4/5 * 3/4 = 3/5, 3/5 * 1/2 = 3/10.
    ages, entering, leaving = [-1, 3, 5, 7, 9, 12], [5, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1]
    replaced = [0, 1, 1, 0, 1, 0]
    for quantile, expected in ((0.2, 3), (0.4, 5), (0.5, 9), (0.7, 9), (0.71, None)):
        assert age_at(ages, entering, leaving, replaced, quantile=quantile, least_at_risk=1) == expected


@pytest.mark.parametrize("seed", range(5))
def test_the_product_limit_with_delayed_entry_is_that_of_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    entry = rng.integers(0, 60, 400)
    exit_ = entry + rng.integers(1, 90, 400)
    status = rng.integers(0, 2, 400)
    ages = sorted({*entry.tolist(), *exit_.tolist()})
    counts = [[int((values == age).sum()) for age in ages] for values in (entry, exit_, exit_[status == 1])]
    theirs = SurvfuncRight(exit_.astype(float), status, entry=entry.astype(float))
    for quantile in (0.25, 0.5, 0.75):
        expected = theirs.quantile(quantile)
        ours = age_at(ages, *counts, quantile=quantile, least_at_risk=1)
        assert ours == (None if np.isnan(expected) else int(expected))


def test_an_age_with_too_few_at_risk_does_not_end_the_curve() -> None:
    ages, entering, leaving, replaced = [0, 10, 20, 30, 40], [1, 0, 40, 0, 0], [0, 1, 0, 20, 20], [0, 1, 0, 20, 20]
    assert age_at(ages, entering, leaving, replaced, quantile=0.4, least_at_risk=1) == 10
    assert age_at(ages, entering, leaving, replaced, quantile=0.4) == 30


def fleet(rng: np.random.Generator, *, watched_days: int, count: int = 6_000) -> list[Row]:
    """Cars bought over twenty years and replaced at 1,000 to 2,000 days; who was replaced before is not told."""
    rows: list[Row] = []
    for number in range(count):
        bought = float(rng.uniform(0, 7_300))
        replaced = bought - float(rng.uniform(1_000, 2_000))
        if replaced >= watched_days:
            continue
        rows += car(f"c{number}", bought, replaced if replaced > 0 else None)
    return rows


@pytest.mark.parametrize("watched_days", [365, 730])
def test_the_true_age_is_learned_from_a_short_time_with_cars_bought_long_before(watched_days: int) -> None:
    # About 300 (600) replacements: the median of uniform ages has a standard error of about 1000 / (2 sqrt(n)), that
    # is 29 (20) days; with delayed entry not all of them are at risk at all ages. Three of them:
    rows = fleet(np.random.default_rng(7), watched_days=watched_days)
    replaced = sum(one["kind"] == "cancel" for one in rows)
    (age,) = learned(rows).values()
    assert age is not None
    assert abs(age - 1_500) < 3 * 1_000 / (2 * replaced**0.5)


def test_counting_what_was_bought_before_from_its_first_day_would_be_wrong() -> None:
    # The same cars, taken as if all of their like had been watched from the start: the answer is far too high.
    rows = fleet(np.random.default_rng(7), watched_days=365)
    starts = {one["customer_id"]: one["event_at"] for one in rows if one["kind"] == "start"}
    ends = {one["customer_id"]: one["event_at"] for one in rows if one["kind"] == "cancel"}
    lives = [((ends.get(who, instant()) - at).days, who in ends) for who, at in starts.items()]
    naive = SurvfuncRight(np.array([days for days, _ in lives], float), np.array([ended for _, ended in lives], int))
    (age,) = learned(rows).values()
    assert age is not None
    assert naive.quantile(0.5) > age + 150


def test_a_full_history_is_watched_from_its_first_replacement_on() -> None:
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    for number in range(800):
        bought = float(rng.uniform(0, 6_000))
        replaced = bought - float(rng.uniform(1_000, 2_000))
        rows += car(f"c{number}", bought, replaced if replaced > 0 else None)
    (age,) = learned(rows).values()
    assert age is not None
    assert abs(age - 1_500) < 3 * 1_000 / (2 * 600**0.5)
    # A wrong date in the past does not pretend to decades of watching.
    wrong = car("typo", 20_000, 19_000)
    assert learned([*rows, *wrong]) == learned(rows)


def many(count: int = 60, *, age: float = 1_000, plan: str = "city", first: float = 900) -> list[Row]:
    """Cars that are replaced one after the other, each at about the same age."""
    return [
        one
        for number in range(count)
        for one in car(f"{plan}{number}", age + first - 10 * number, first - 10 * number, plan=plan)
    ]


def test_who_owns_something_of_about_the_usual_age_is_found() -> None:
    cars = [*car("young", 969), *car("nearly", 970), *car("due", 1_000.5), *car("old", 1_030), *car("older", 1_031)]
    found = held(DUE, {"cars": [*many(), *cars]})
    assert {name: one["size"] for name, one in found.items()} == {"nearly": 30, "due": 0, "old": -30}
    started = str(AS_OF - timedelta(days=970))
    assert found["nearly"]["detail"] == {
        "contract": "nearly", "plan": None, "age_days": 970, "usual_age_days": 1_000, "started_on": started,
    }  # fmt: skip


def test_of_several_cars_the_one_that_is_due_first_counts() -> None:
    cars = [*car("a", 980, customer="ann"), *car("b", 1_010, customer="ann"), *car("c", 1_025, 3, customer="ann")]
    assert held(DUE, {"cars": [*many(), *cars]})["ann"]["detail"]["contract"] == "b"


def test_each_plan_has_its_own_age_and_one_without_enough_replacements_has_none() -> None:
    by_plan = {**DUE, "by": "plan"}
    rows = [*many(), *many(age=500, plan="van"), *many(4, age=700, plan="rare")]
    assert learned(rows, by_plan) == {"city": 1_000, "rare": None, "van": 500}
    owned = [*car("x", 505), *car("y", 505, plan="van"), *car("z", 700, plan="rare")]
    assert list(held(by_plan, {"cars": [*rows, *owned]})) == ["y"]


def test_where_says_which_cars_are_meant() -> None:
    rows = [*many(), *many(age=500, plan="van")]
    owned = [*car("x", 1_000), *car("y", 1_000, plan="van")]
    assert list(held({**DUE, "where": {"plan": "city"}}, {"cars": [*rows, *owned]})) == ["x"]


def test_what_is_not_known_yet_is_said() -> None:
    business = company([DUE])
    rule = business.triggers[0]
    # From the first replacement on they are told: the first itself is not watched.
    notes = [
        examine(Memory(business, {"cars": rows}), business, rule, AS_OF).note
        for rows in (
            [],
            many(4),
            [*many(20), *(one for number in range(30) for one in car(f"kept{number}", 1_400))],
            many(),
        )
    ]
    assert notes == [
        "no usual age is known yet (nothing was ever owned)",
        "no usual age is known yet (cars: 3 of 5 replacements)",
        "no usual age is known yet (cars: fewer than 50% are ever seen replaced)",
        None,
    ]


def test_a_start_that_is_told_again_and_an_end_without_a_start_change_nothing() -> None:
    again = [*many(), row("due", -500, kind="start", subscription_id="due", plan="city"),
             row("gone", -30, kind="cancel", subscription_id="gone", plan="city")]  # fmt: skip
    assert held(DUE, {"cars": [*again, *car("due", 1_000)]})["due"]["detail"]["age_days"] == 1_000


def test_who_has_left_replaces_nothing_and_does_not_make_things_look_long_lived() -> None:
    # Half of the owners have not bought anything since they got the car: they are watched for 400 days from then.
    gone = [one for number in range(60) for one in car(f"gone{number}", 1_400 + number)]
    rows = [*many(), *gone]
    bought = [row(f"gone{number}", -1_400.0 - number, amount_cents=1) for number in range(60)]
    still_there = [row(f"gone{number}", -5.0, amount_cents=1) for number in range(60)]
    assert learned(rows, visits=bought) == {None: 1_000}
    assert learned(rows, visits=still_there) == {None: None}


def test_what_is_learned_on_a_day_was_known_on_that_day() -> None:
    # Replacements of which the company heard later, or that were yet to come, are not in the age.
    rows = many()
    later = [{**one, "loaded_at": instant(1)} for one in many(200, age=300, plan="city2")]
    to_come = [row(f"f{n}", 5, kind=kind, subscription_id=f"f{n}") for n in range(80) for kind in ("start", "cancel")]
    assert learned([*rows, *later, *to_come]) == learned(rows) == {None: 1_000}


def test_without_a_contract_column_the_customer_is_the_contract() -> None:
    feeds = {"cars": {"role": "subscriptions", "columns": {"customer_id": "w", "event_at": "t", "kind": "k"}}}
    twice = car("ann", 2_000, 1_010) + [{**one} for one in car("ann", 1_000)]
    found = held(DUE, {"cars": [*many(), *twice]}, feeds=feeds)
    assert found["ann"]["detail"]["age_days"] == 1_000
    assert found["ann"]["detail"]["started_on"] == str(AS_OF - timedelta(days=1_000))
