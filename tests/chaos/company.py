"""A small telephone company with everything that can be lost: feeds, two campaigns, holdouts, calls, alerts, a site.

Its files are the simulator's, written once while an undisturbed twin lives its days: what the twin's CRM sent comes
back to every other workspace too, as long as that decides the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from holdback.business import Business, load_business
from holdback.workspace import Workspace

BUSINESS_FILE: Final = Path(__file__).resolve().parents[2] / "businesses" / "telecom.yaml"
STARTS_ON, FIRST_DAY = date(2024, 9, 1), date(2025, 7, 4)  # a Friday: the second day is followed by a Sunday's files
DAYS: Final = tuple(FIRST_DAY + timedelta(days=number) for number in range(4))
CUSTOMERS, SEED = 400, 20
CAMPAIGNS: Final = ("loyalty_offers", "save_calls")


def write_business(folder: Path) -> Path:
    """The telecom's file with two campaigns, a receiver of calls, channels for alerts, and a place for its site."""
    content: dict[str, Any] = yaml.safe_load(BUSINESS_FILE.read_text(encoding="utf-8"))
    content["campaigns"] = [one for one in content["campaigns"] if one["name"] in CAMPAIGNS]
    content["delivery"]["webhook"] = {"url": "$HOOK", "secret": "$KEY"}
    content["channels"] = [
        {"name": "on_duty", "kind": "webhook", "url": "$ALERTS", "secret": "$KEY"},
        {"name": "kept", "kind": "file", "path": "alerts.jsonl"},
    ]
    # A step that was killed is told of, as it must be; the undisturbed twin has nothing of the kind to tell.
    content["alerts"] = {
        "off": ["step_failed"],
        "rules": [{"name": "anybody_scored", "metric": "customers_scored", "above": 1.0}],
    }
    content["portal"] = {"publish_to": "$SITE", "keep_days": 2}
    path = folder / "telecom.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


@dataclass(frozen=True)
class House:
    """Where a company's things lie that are not in a workspace: its files and its business file."""

    folder: Path

    @property
    def files(self) -> Path:
        """The files that the feeds are read from."""
        return self.folder / "files"

    @property
    def business(self) -> Path:
        """The business file."""
        return self.folder / "telecom.yaml"


def workspace_in(house: House, root: Path, *, receiver: str = "http://127.0.0.1:9", who: str = "nobody") -> Workspace:
    """Open a workspace of the company; the receiver knows by ``who`` which of several lives calls."""
    environment = {
        "TELECOM_DAYS": str(house.files), "KEY": "k", "HOOK": f"{receiver}/contacts/{who}",
        "ALERTS": f"{receiver}/alerts/{who}", "SITE": str(root / "site"),
    }  # fmt: skip
    return Workspace(root, load_business(house.business), environment=environment, threads=1)


def morning(business: Business, day: date) -> datetime:
    """When the flow of a day runs: contacts may go out."""
    return business.instant(day) + timedelta(hours=10)
