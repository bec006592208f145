from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import poisson

from monitoring.proportions import wilson
from monitoring.triggers import lift_of, rate_of
from monitoring.triggers.record import volume_of
from monitoring.triggers.replaying import Edges
from tests.monitoring.triggers.company import business_of

DAY = date(2026, 1, 1)


def on(number: int) -> date:
    return DAY + timedelta(days=number)


def test_a_rate_has_the_limits_at_which_its_count_is_just_believed() -> None:
    found = rate_of(12, 30)
    assert found.per_day == pytest.approx(0.4)
    assert poisson.sf(11, 30 * found.low) == pytest.approx(0.025)
    assert poisson.cdf(12, 30 * found.high) == pytest.approx(0.025)
    assert rate_of(0, 10).low == 0
    assert rate_of(0, 10).high == pytest.approx(-np.log(0.025) / 10)


def test_the_lift_is_precision_over_the_rate_of_all() -> None:
    precision, rest, share = wilson(396, 634), wilson(4864, 27748), 634 / 28382
    found = lift_of(precision, rest, share)
    assert found is not None
    assert found.lift == pytest.approx((396 / 634) / (5260 / 28382))
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.lift < found.high
    assert found.high < 1 / share


def test_a_lift_without_a_base_has_no_limits() -> None:
    assert lift_of(wilson(0, 10), wilson(0, 50), 0.1) is None
    found = lift_of(wilson(5, 10), wilson(0, 50), 10 / 60)
    assert found is not None
    assert (found.lift, found.low, found.high) == (6.0, None, None)


def test_the_interval_of_a_lift_covers_the_truth_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    fired, others, worlds = 80, 2000, 600
    truth = 0.4 / ((80 * 0.4 + 2000 * 0.1) / 2080)
    covered = 0
    for _ in range(worlds):
        found = lift_of(wilson(rng.binomial(fired, 0.4), fired), wilson(rng.binomial(others, 0.1), others), 80 / 2080)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    # 0.95 within four binomial standard errors of 600 worlds.
    assert abs(covered / worlds - 0.95) < 4 * np.sqrt(0.95 * 0.05 / worlds)


def test_a_customer_fires_once_per_cooldown() -> None:
    edges = Edges(10)
    assert edges.fire(on(0), ["a", "b"]) == {"a", "b"}
    assert edges.fire(on(7), ["a", "c"]) == {"c"}
    assert edges.fire(on(10), ["a"]) == {"a"}
    assert edges.fire(on(14), ["b"]) == {"b"}


def test_without_a_cooldown_what_goes_on_does_not_fire_again() -> None:
    edges = Edges(0)
    assert edges.fire(on(0), ["a"]) == {"a"}
    assert edges.fire(on(1), ["a", "b"]) == {"b"}
    assert edges.fire(on(2), []) == frozenset()
    assert edges.fire(on(3), ["a"]) == {"a"}


@pytest.mark.parametrize(
    ("expected", "volume"),
    [(None, "nothing is expected"), (0.4, "as expected"), (0.25, "as expected"), (0.15, "more than expected"),
     (0.05, "flooded")],
)  # fmt: skip
def test_more_firings_than_chance_explains_are_called_so(expected: float | None, volume: str) -> None:
    [trigger] = business_of(expected_per_day=expected).triggers
    assert volume_of(trigger, rate_of(36, 120)) == volume
    assert volume_of(trigger, None) == "one day only"
