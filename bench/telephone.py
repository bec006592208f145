"""A simulated telephone company of any size with a workspace of its own, lived by commands as a company lives."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from bench.measuring import ROOT, say
from simulator import Company, open_company
from simulator.files import write_csv
from simulator.rows import Rows, as_table

STARTS_ON, FIRST_DAY = date(2024, 8, 1), date(2025, 7, 1)
CAMPAIGNS = ("save_calls", "loyalty_offers")
OF_THE_DEMO = 2_500  # customers: what the business file's capacities and budget are made for
_COMMAND = (sys.executable, "-c", "from flows.cli import main; main()")


@dataclass(frozen=True)
class Telephone:
    """A company and its workspace.

    Args:
        company: Who lives: eleven months of history, 95 events a customer.
        folder: Where its files, its business file and its workspace lie.
        environment: What the commands are told of it.
        first: The first day that is lived after the history: a Monday, the customers' file came on Sunday.
    """

    company: Company
    folder: Path
    environment: Mapping[str, str]
    first: date

    @property
    def files(self) -> Path:
        """What the company delivers: a folder per feed, a file per day."""
        return self.folder / "files"

    @property
    def outbox(self) -> Path:
        """The contact lists of the workspace."""
        return self.folder / "home" / "telecom" / "outbox"

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of ``holdback ARGUMENTS --json``, for :attr:`environment`."""
        return [*_COMMAND, *arguments, "--json"]

    def prepared_by(self) -> list[tuple[str, list[str]]]:
        """Return what is done once, in words and as commands: the past, a first model, two campaigns."""
        day = ("--as-of", self.first.isoformat())
        return [
            ("the past is ingested", self.command("ingest", "--history", *day)),
            ("a first model is trained", self.command("retrain", "--churn", "cancelled", *day)),
            *(
                (
                    f"{campaign} is launched",
                    self.command("campaign", "launch", campaign, *day, "--force", "measured for its cost alone"),
                )
                for campaign in CAMPAIGNS
            ),
        ]

    def write_past(self) -> int:
        """Play the history and write a file per feed and month, the last days one by one; return the rows' number."""
        rows, gathered, company = 0, dict[str, list[Rows]](), self.company
        day = STARTS_ON
        while day < FIRST_DAY:
            company.play(day)
            for feed, parts in company.rows(day).items():
                if feed != "customers":
                    gathered.setdefault(feed, []).extend(parts)
            following = day + timedelta(days=1)
            if following.month != day.month:
                say(f"playing the past: {day}")
                for feed, parts in gathered.items():
                    table = as_table(company.files[feed], parts, company.people)
                    rows += table.num_rows
                    write_csv(table, self.files / feed / f"{day}.csv")
                gathered.clear()
            day = following
        company.crm.newsletter_until = company.played_until.toordinal()
        while company.played_until < self.first - timedelta(days=1):
            self.live_a_day(is_heard=False)
        return rows

    def live_a_day(self, *, is_heard: bool = True) -> None:
        """Live the next day and deliver its files; ``is_heard``: the contact lists of the day are carried out."""
        day = self.company.played_until + timedelta(days=1)
        self.company.play(day, self.company.take_contacts(self.outbox, day) if is_heard else ())
        self.company.write_day(self.files, day)


def found(folder: Path, customers: int, *, threads: int) -> Telephone:
    """Found a company without a past; its files and its workspace will lie in the folder, which must exist."""
    business = folder / "business.yaml"
    business.write_text(yaml.safe_dump(_grown(customers / OF_THE_DEMO), allow_unicode=True), encoding="utf-8")
    environment = {
        **os.environ, "HOLDBACK_BUSINESS": str(business), "HOLDBACK_HOME": str(folder / "home"),
        "TELECOM_DAYS": str(folder / "files"), "HOLDBACK_THREADS": str(threads), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    company = open_company("telecom", seed=20, customer_count=customers, starts_on=STARTS_ON)
    return Telephone(company, folder, environment, FIRST_DAY + timedelta(days=8 - FIRST_DAY.isoweekday()))


def _grown(factor: float) -> Mapping[str, Any]:
    """The demo's business file with capacities, budget and expectations for a company ``factor`` times as large."""
    business = yaml.safe_load((ROOT / "businesses" / "telecom.yaml").read_text(encoding="utf-8"))
    for action in business["actions"]:
        if "capacity_per_day" in action:
            action["capacity_per_day"] = max(1, round(action["capacity_per_day"] * factor))
    for trigger in business["triggers"]:
        trigger["expected_per_day"] = trigger["expected_per_day"] * factor
    business["budget"]["per_day"] = business["budget"]["per_day"] * factor
    return dict(business)
