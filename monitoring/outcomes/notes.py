"""What a reader must know of a cohort before he believes a number: told in sentences, never in identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from monitoring.effects.moments import Moments
from monitoring.effects.results import Maturity
from monitoring.outcomes.asking import Asked
from monitoring.outcomes.assigned import Assigned
from monitoring.outcomes.contacts import is_reach_known
from monitoring.outcomes.found import GROUPS
from monitoring.outcomes.leaving import without_survival


def notes_on(
    asked: Asked,
    assigned: Assigned,
    maturity: Maturity,
    facts: Mapping[str, Any],
    reached: Mapping[str, date | None],
    groups: Mapping[str, Moments],
) -> tuple[str, ...]:
    """Return the notes of a cohort, the gravest first."""
    return (
        *_on_groups(assigned, maturity, groups),
        *_on_time(asked, maturity, reached),
        *_on_forgotten(facts),
        *_on_leaving(asked, maturity, facts),
        *_on_money(asked, maturity, facts),
        *_on_assignments(asked, assigned),
    )


def _on_groups(assigned: Assigned, maturity: Maturity, groups: Mapping[str, Moments]) -> list[str]:
    if not assigned.count:
        return ["nobody was assigned yet"]
    if not maturity.matured_count:
        return []
    empty = [group for group in GROUPS if not groups[group].count]
    words = {"holdout": "nobody was held out", "treatment": "nobody was treated"}
    return [f"{words[group]} among the mature: there is nothing to compare with" for group in empty]


def _on_time(asked: Asked, maturity: Maturity, reached: Mapping[str, date | None]) -> list[str]:
    if not maturity.assigned_count:
        return []
    notes = []
    for feed in asked.proving_feeds:
        reach = reached[feed]
        if reach is None:
            notes.append(f"the feed {feed} holds nothing yet: no outcome can be known before it does")
        elif _holds_back(asked, maturity, reach):
            notes.append(f"the feed {feed} is known until {reach} only: horizons that end later are not read yet")
    if not maturity.matured_count:
        until = f"; the data reach until {maturity.data_reach_on}" if maturity.data_reach_on else ""
        notes.append(
            f"none of {maturity.assigned_count:,} customers is mature{until}. The first valid reading is "
            f"{maturity.first_reading_on}"
        )
    for outcome in asked.business.outcomes:
        reach = reached[outcome.feed]
        if outcome.feed not in asked.proving_feeds and (
            reach is None or (maturity.data_reach_on is not None and reach < maturity.data_reach_on)
        ):
            told = f"is known until {reach} only" if reach else "holds nothing"
            notes.append(f"{outcome.name}: the feed {outcome.feed} {told}; what happened later is missing")
    return notes


def _holds_back(asked: Asked, maturity: Maturity, reach: date) -> bool:
    """True when a horizon is over, and the feed does not reach its end."""
    assert maturity.first_entry_on is not None
    assert maturity.last_entry_on is not None
    horizon, yesterday = timedelta(days=asked.cohort.horizon_days), asked.as_of - timedelta(days=1)
    is_over = maturity.first_entry_on + horizon <= yesterday
    return is_over and reach < min(maturity.last_entry_on + horizon, yesterday)


def _on_forgotten(facts: Mapping[str, Any]) -> list[str]:
    treated, held = facts["forgotten_treatment_count"], facts["forgotten_holdout_count"]
    if not treated and not held:
        return []
    return [
        f"{treated:,} treated and {held:,} held-out customers were forgotten since they were assigned: they count in "
        "the groups as drawn, and their outcome as missing"
    ]


def _on_leaving(asked: Asked, maturity: Maturity, facts: Mapping[str, Any]) -> list[str]:
    notes = []
    missing = maturity.matured_count - maturity.known_count
    if missing:
        all_of = "all" if missing == maturity.matured_count else f"{missing:,} of"
        notes.append(f"the outcome of {all_of} {maturity.matured_count:,} mature customers is not known")
    treated, held = facts["lead_treatment_count"], facts["lead_holdout_count"]
    if asked.cohort.lead_days and (treated or held):
        notes.append(
            f"{treated:,} treated and {held:,} held-out customers left within the lead time of "
            f"{asked.cohort.lead_days} days: by the churn definition their outcome is not known"
        )
    why = without_survival(asked)
    return [*notes, why] if why else notes


def _on_money(asked: Asked, maturity: Maturity, facts: Mapping[str, Any]) -> list[str]:
    if not maturity.matured_count:
        return []
    notes = []
    currency = asked.business.currency
    if asked.revenue_feed is None:
        notes.append("no feed says what customers bring: revenue and margin are 0 for everybody")
    elif facts["cap_cents"] is None:
        notes.append("revenue is not capped: fewer than 1 in 200 customers brought anything in the time before entry")
    else:
        notes.append(
            f"revenue is capped at {facts['cap_cents'] / 100:,.2f} {currency} per customer (99.5 % point of the time "
            "before entry)"
        )
    if facts["riskless_count"]:
        is_all = facts["riskless_count"] == maturity.matured_count
        taken = "there is no covariate" if is_all else "they are taken at the mean"
        notes.append(f"{facts['riskless_count']:,} customers were assigned without a score: {taken}")
    if facts["valueless_count"]:
        notes.append(f"what {facts['valueless_count']:,} customers would bring was not recorded: it counts as 0")
    if not is_reach_known(asked):
        notes.append("no feed reports contacts: who was really reached is not known, and costs are as expected")
    return notes


def _on_assignments(asked: Asked, assigned: Assigned) -> list[str]:
    notes = []
    if assigned.duplicate_count:
        notes.append(f"{assigned.duplicate_count:,} customers were assigned more than once: the first time counts")
    if assigned.changed_count:
        how = "as they were first assigned" if asked.cohort.assigned_by is None else "as corrected"
        notes.append(f"{assigned.changed_count:,} assignments were corrected afterwards: they are analysed {how}")
    return notes
