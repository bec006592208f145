"""What an action is believed to save is never shown as measured, and an old belief is called stale."""

from __future__ import annotations

from datetime import date

import pytest

from campaigns.lifts import Lift, lifts
from tests.campaigns.company import company

EXPIRES = date(2027, 3, 31)


def with_lift(value: float) -> dict[str, Lift]:
    belief = {"value": value, "source": "pilot of 2025", "expires_on": EXPIRES}
    actions = [
        {"name": "mail", "channel": "email", "cost": 0.1},
        {"name": "call", "channel": "phone", "cost": 5.0, "assumed_lift": belief},
    ]
    return dict(lifts(company(actions=actions), date(2027, 3, 30)))


def test_an_action_without_a_belief_has_no_lift() -> None:
    assert list(with_lift(0.2)) == ["call"]
    assert lifts(company(), date(2026, 3, 2)) == {}


@pytest.mark.parametrize(
    ("day", "status"),
    [(date(2027, 3, 30), "assumed"), (EXPIRES, "stale"), (date(2030, 1, 1), "stale")],
)
def test_a_belief_is_stale_from_the_day_on_which_it_expires(day: date, status: str) -> None:
    belief = {"value": 0.2, "source": "pilot of 2025", "expires_on": EXPIRES}
    business = company(
        actions=[{"name": "mail", "channel": "email", "cost": 0.1},
                 {"name": "call", "channel": "phone", "cost": 5.0, "assumed_lift": belief}]
    )  # fmt: skip
    found = lifts(business, day)["call"]
    assert found == Lift("call", 0.2, status, "pilot of 2025", EXPIRES)  # type: ignore[arg-type]


def test_a_lift_says_what_it_rests_on_whenever_it_is_told() -> None:
    assert str(with_lift(0.2)["call"]) == "20.0% of the leavers (assumed: pilot of 2025, until 2027-03-31)"


def test_an_action_can_be_believed_to_drive_customers_away() -> None:
    assert with_lift(-0.3)["call"].save_rate == -0.3
