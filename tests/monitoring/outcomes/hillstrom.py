"""Hillstrom's experiment as the files of a company: who was mailed, who came back, who bought."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

FILES = {
    "customers": ("customer", "recency", "history_segment", "zip_code", "newbie", "channel"),
    "assignments": ("customer", "sent_at", "campaign", "segment", "action"),
    "visits": ("customer", "at", "visits"),
    "orders": ("customer", "at", "spend"),
}
SENT_AT = "2008-03-06 09:00:00"
#: The file tells what happened within two weeks, not when.
SEEN_AT = "2008-03-12 12:00:00"
#: Somebody who is in no campaign comes and buys after the two weeks: so it is known that they are all there.
AFTER_AT = "2008-03-21 12:00:00"
_CAMPAIGNS = {"Mens E-Mail": ("mens",), "Womens E-Mail": ("womens",), "No E-Mail": ("mens", "womens")}


def read_hillstrom(path: Path) -> pd.DataFrame:
    """Read the publisher's file; the customers have no name there, so each gets that of his line."""
    frame = pd.read_csv(path)
    return frame.assign(customer=[f"h{number:05d}" for number in range(1, len(frame) + 1)])


def write_company(frame: pd.DataFrame, folder: Path) -> None:
    """Write the four files that ``businesses/hillstrom.yaml`` reads."""
    people = frame.to_dict("records")
    _write(folder, "customers", ([row[name] for name in FILES["customers"]] for row in people))
    assigned = [
        [
            row["customer"],
            SENT_AT,
            campaign,
            row["segment"],
            f"{campaign}_mail" if row["segment"] != "No E-Mail" else "",
        ]
        for row in people
        for campaign in _CAMPAIGNS[row["segment"]]
    ]
    _write(folder, "assignments", assigned)
    visits = [[row["customer"], SEEN_AT, 1] for row in people if row["visit"]]
    orders = [[row["customer"], SEEN_AT, f"{row['spend']:.2f}"] for row in people if row["spend"] > 0]
    _write(folder, "visits", [*visits, ["later", AFTER_AT, 1]])
    _write(folder, "orders", [*orders, ["later", AFTER_AT, "9.99"]])


def _write(folder: Path, name: str, rows: Iterable[Sequence[Any]]) -> None:
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([FILES[name], *rows])
