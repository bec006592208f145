"""``holdback demo telecom``: a simulated company whose year is loaded, whose next 90 days are lived, decided and sent.

The platform sees only the files of :mod:`simulator`; what would really have happened is the simulator's secret.
"""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path

from prefect import flow

from campaigns.designs import launch
from flows import pipelines, settings
from flows.runs import Outcome
from flows.watching import tell
from simulator import Company, open_company

STARTS_ON, FIRST_DAY, DAYS = date(2024, 7, 1), date(2025, 7, 1), 90
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
_CUSTOMERS, _SEED = 3_000, 20
_REASON = "the demo shows 90 days of a company too small to be read within them"


def open_telecom() -> Company:
    """Open the demo's company: the same on every machine."""
    return open_company("telecom", seed=_SEED, customer_count=_CUSTOMERS, starts_on=STARTS_ON)


@flow
def play_telecom(business: str, days: int = DAYS) -> list[Outcome]:
    """Load the year before, launch the campaigns, and play the daily loop forward."""
    settings.prepare_vendors()
    workspace = settings.open_workspace(business)
    files = Path(os.environ["TELECOM_DAYS"])
    company = open_telecom()
    tell("simulating a year", 0, days + 1)
    company.write_history(files, FIRST_DAY - timedelta(days=1))
    tell("loading the year, training the first model", 0, days + 1)
    first = pipelines.ingest_task(workspace, FIRST_DAY, history=True)
    outcomes = [first]
    for number in range(days):
        day = FIRST_DAY + timedelta(days=number)
        tell(f"day {day}", number, days)
        last = number == days - 1
        outcomes = pipelines.one_day(workspace, day, with_report=last)
        if number == 0:
            for campaign in workspace.business.campaigns:
                launch(workspace, campaign.name, day, force_reason=_REASON)
        contacts = company.take_contacts(workspace.outbox, day)
        company.play(day, contacts)
        company.write_day(files, day)
    return [first, *outcomes]
