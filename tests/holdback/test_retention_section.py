"""The section ``retention``: periods that the business can live with, and no others."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from holdback.business import Business
from holdback.business.retention import needs_of_feed
from tests.campaigns.company import company


def refused(**section: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        company(retention=section)
    return str(caught.value)


def test_nothing_stated_is_kept_for_ever() -> None:
    section = company().retention
    assert section.of_feed("mails", "campaign_contacts") is None
    assert section.landing is None


def test_a_feed_s_own_period_wins_over_its_role_s() -> None:
    business: Business = company(retention={"roles": {"campaign_contacts": 900}, "feeds": {"mails": 1000}})
    assert business.retention.of_feed("mails", "campaign_contacts") == 1000
    assert business.retention.of_feed("letters", "campaign_contacts") == 900


def test_a_period_shorter_than_what_needs_it_is_refused_with_the_reason() -> None:
    told = refused(feeds={"calls": 300})
    assert "retention, feed calls: 300 days are too short: features look back 365 days" in told
    assert "Set at least 460" in told  # 365 for features, 60 for spring's horizon and 35 to read it
    assert "the horizon of campaign spring needs 95" in refused(scores=30)
    assert "the horizon of campaign spring needs 95" in refused(features=30)
    company(retention={"feeds": {"calls": 460}, "scores": 95, "features": 95})


def test_originals_stay_as_long_as_rows_wait_to_be_released_from_them() -> None:
    assert "quarantined rows are kept for ever" in refused(landing=90)
    assert "quarantined rows are kept 120 days" in refused(landing=90, quarantine=120)
    company(retention={"landing": 90, "quarantine": 90})


def test_what_is_not_there_is_refused() -> None:
    assert "there is no such feed" in refused(feeds={"nothing": 900})
    assert "Extra inputs are not permitted" in refused(ledger=900)
    assert "greater than or equal to 1" in refused(outbox=0)


def test_every_need_of_a_feed_has_a_name() -> None:
    needs = dict(needs_of_feed(company(), "calls"))
    assert needs["contact.open_complaint_days"] == 90
    assert needs["campaign spring: its horizon, and as long before"] == 120
