"""From sums to figures by hand: incremental margin, net, return, and what went to those who would have stayed."""

from __future__ import annotations

import numpy as np
import pytest

from monitoring.effects import Moments, NotMeasurable, moments_of
from monitoring.pnl import Spent
from monitoring.pnl.arithmetic import earned, per_customer


def arm(margins: list[float], *, churned: list[int] | None = None, before: list[float] | None = None) -> Moments:
    n = len(margins)
    return moments_of(
        {
            "customers": np.ones(n), "known": np.ones(n), "churned": churned or [0] * n,
            "revenue_cents": [2 * m for m in margins], "margin_cents": margins, "before_cents": before or [0.0] * n,
            "value_kept_cents": [0 if gone else 5_000 for gone in churned or [0] * n],
        }
    )  # fmt: skip


TREATED = arm([900, 1100, 1000, 1200], churned=[0, 0, 0, 1])
HELD_OUT = arm([800, 1000, 900, 1100], churned=[0, 0, 1, 1])


def test_a_difference_of_means_by_hand() -> None:
    """1,050 against 950: 100 cents each of four treated; Welch by hand gives +-223.3 (t 2.4469, se 91.29)."""
    found = earned(TREATED, HELD_OUT, Spent(120, 80, 4))
    assert found.margin.estimate == pytest.approx(100)
    half = 2.446911851144969 * np.sqrt(2 * (50_000 / 3) / 4)
    assert found.incremental_margin.cents == pytest.approx(400)
    assert found.incremental_margin.low_cents == pytest.approx(4 * (100 - half))
    assert (found.net.cents, found.net.high_cents) == pytest.approx((200, 4 * (100 + half) - 200))
    assert found.roi == pytest.approx((200 / 200, (4 * (100 - half) - 200) / 200, (4 * (100 + half) - 200) / 200))
    assert (found.treatment.revenue_cents, found.holdout.revenue_cents) == (8_400, 7_600)
    assert found.theta == 0.0


def test_the_incentives_that_changed_nothing() -> None:
    """Half stays without, three quarters with it: two of three who take it would have stayed anyway."""
    found = earned(TREATED, HELD_OUT, Spent(0, 300, 3))
    assert found.stayer_share is not None
    assert found.stayer_share[0] == pytest.approx(2 / 3)
    assert found.stayer_incentives is not None
    assert found.stayer_incentives.cents == pytest.approx(200)
    assert found.stayer_incentives.low_cents < 200 < found.stayer_incentives.high_cents <= 300


def test_what_differed_before_the_entry_is_taken_off_as_the_line_itself_says() -> None:
    rng = np.random.default_rng(1)
    before = [rng.gamma(2, 500, 200), rng.gamma(2, 500, 150)]
    margins = [0.4 * b + rng.normal(0, 50, b.size) + bonus for b, bonus in zip(before, (30, 0), strict=True)]
    found = earned(
        arm(list(margins[0]), before=list(before[0])), arm(list(margins[1]), before=list(before[1])), Spent(1, 0, 1)
    )
    adjusted = margins[0].mean() - margins[1].mean() - found.theta * (before[0].mean() - before[1].mean())
    assert found.margin.estimate == pytest.approx(adjusted)
    assert found.theta == pytest.approx(0.4, abs=0.02)
    assert found.margin.estimate == pytest.approx(30, abs=20)


def test_who_spent_nothing_has_no_return_and_gave_nothing_for_nothing() -> None:
    found = earned(TREATED, HELD_OUT, Spent())
    assert (found.roi, found.stayer_share, found.stayer_incentives) == (None, None, None)
    assert found.net == found.incremental_margin


def test_where_no_treated_customer_stayed_it_cannot_be_told_who_would_have() -> None:
    everybody_left = arm([900, 1100, 1000, 1200], churned=[1, 1, 1, 1])
    found = earned(everybody_left, HELD_OUT, Spent(0, 300, 3))
    assert (found.stayer_share, found.stayer_incentives) == (None, None)
    assert found.net.cents == pytest.approx(100)


def test_what_is_expected_of_those_who_stayed_stands_beside_what_was_booked() -> None:
    """Three of four stay against two of four, each worth 50.00: 12.50 for each of four treated."""
    found = earned(TREATED, HELD_OUT, Spent(120, 80, 4))
    assert found.expected_net is not None
    assert found.expected_net.cents == pytest.approx(4 * 1_250)
    assert found.expected_net.low_cents < 5_000 < found.expected_net.high_cents
    assert earned(arm([1, 2, 3]), arm([2, 3, 5]), Spent()).expected_net is None  # nobody left: nothing was at stake


def test_a_small_holdout_is_told() -> None:
    assert earned(TREATED, HELD_OUT, Spent()).margin.notes == ("approximate: fewer than 1,000 held out",)
    rng = np.random.default_rng(2)
    many = earned(arm(list(rng.gamma(2, 500, 1_000))), arm(list(rng.gamma(2, 500, 1_000))), Spent())
    assert many.margin.notes == ()


def test_groups_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(NotMeasurable):
        earned(TREATED, arm([800]), Spent())
    with pytest.raises(NotMeasurable):
        earned(arm([800, 800]), arm([800, 800]), Spent())


def test_nobody_paid_nothing() -> None:
    assert per_customer(0.0, 0) == 0.0
