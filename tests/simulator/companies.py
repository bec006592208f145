"""Simulated companies that the tests play with, and what happened in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from simulator import Company, Contact, open_company
from simulator.company import CompanyKind

STARTS_ON = date(2025, 6, 1)
KINDS: tuple[CompanyKind, ...] = ("telecom", "bank", "resort", "dealer")


def company_after(
    days: int, kind: CompanyKind = "telecom", *, customers: int = 400, scenario: str = "ordinary", seed: int = 3
) -> Company:
    """A company that has been played for some days."""
    company = open_company(kind, seed=seed, customer_count=customers, starts_on=STARTS_ON, scenario=scenario)
    play_on(company, days)
    return company


def play_on(company: Company, days: int, first_contacts: Sequence[Contact] = ()) -> Company:
    """Play some days more; the contacts are sent on the first of them."""
    for number in range(days):
        day = company.played_until + timedelta(days=1)
        company.play(day, first_contacts if number == 0 else ())
    return company


def contacts_for(company: Company, customers: Iterable[int], action: str | None = None) -> list[Contact]:
    """Put customers, named by their positions, on the list of an action (the company's first by default)."""
    chosen = next(one for one in company.actions if action in (None, one.name))
    ids = company.people.ids
    return [Contact(f"d{i}", ids[int(i)].as_py(), "spring", chosen.name, chosen.channel) for i in customers]


def active(company: Company) -> npt.NDArray[np.int64]:
    """Positions of the customers of today."""
    known = company.people.known_on(company.played_until.toordinal())
    return np.flatnonzero(company.lives.is_active[:known])


def left(company: Company, customers: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Who of some customers has left by now."""
    return ~company.lives.is_active[customers]


def digest(tables: Iterable[pa.Table]) -> str:
    """A hash of the tables' values."""
    found = hashlib.sha256()
    for table in tables:
        for column in table.columns:
            found.update(repr(column.to_pylist()).encode())
    return found.hexdigest()[:16]


def feeds_of(company: Company, days: int) -> list[pa.Table]:
    """Play some days and return all their feeds, in order."""
    tables = []
    for _ in range(days):
        play_on(company, 1)
        feeds = company.feeds(company.played_until)
        tables += [feeds[name] for name in sorted(feeds)]
    return tables
