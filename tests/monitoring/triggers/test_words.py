from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from holdback.business import Trigger
from monitoring.triggers import told
from tests.monitoring.triggers.company import business_of


@pytest.mark.parametrize(
    ("trigger", "sentence"),
    [
        (
            {"kind": "drop", "feed": "balances", "where": {"account_kind": ["savings"]}, "at_least": 10000,
             "at_least_share": 0.5, "over_days": 7, "went": "transfers"},
            "balances (account_kind: savings) fell by at least 10,000.00 EUR and 50% of it within 7 days; transfers "
            "tells where it went",
        ),
        (
            {"kind": "drop", "before": "was", "after": "now", "at_least": 5},
            "from was to now the level fell by at least 5.00 EUR",
        ),
        (
            {"kind": "overdue", "feed": "tills", "times": 2.5, "least_events": 4},
            "nothing came in tills for more than 2.5 of the customer's usual gaps (known from 4 events on)",
        ),
        (
            {"kind": "overdue", "feed": "stays", "by": "calendar", "least_events": 3, "grace_days": 14},
            "nothing came in stays although something did at this time in 3 years before, 14 days after the usual date",
        ),
        (
            {"kind": "due", "feed": "cars", "by": "plan", "ahead_days": 180},
            "what cars says is owned comes within 180 days of the age at which 50% of its plan were replaced",
        ),
        ({"kind": "score_below", "feed": "nps", "at": 7}, "an answer in nps is below 7"),
        (
            {"kind": "score_above", "churn": "lapsed", "at": 0.4, "by": 0.2, "over_days": 1},
            "the probability of lapsed moved to above 0.4, by at least 0.2 within 1 day",
        ),
        (
            {"kind": "count_over", "feed": "tickets", "where": {"topic": ["fees", "app"]}, "at_least": 3},
            "tickets (topic: fees or app) came at least 3 times within 30 days",
        ),
        ({"kind": "announced", "feed": "contracts"}, "an end told by contracts comes within 30 days"),
    ],
)  # fmt: skip
def test_every_kind_says_what_it_waits_for(trigger: dict[str, Any], sentence: str) -> None:
    read: Trigger = TypeAdapter(Trigger).validate_python({"name": "one", **trigger})
    assert told(read, business_of()) == sentence
