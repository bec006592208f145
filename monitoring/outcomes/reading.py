"""Read what became of a cohort, in one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from features.following import calendar_frame, days_frame, reaches
from holdback.business import Business
from holdback.warehouse import Warehouse
from monitoring.effects.moments import Floats, Moments
from monitoring.effects.results import Maturity
from monitoring.outcomes.aggregates import BASE, linear_map, moments_from
from monitoring.outcomes.asking import Asked
from monitoring.outcomes.assigned import Assigned, find_assigned
from monitoring.outcomes.cohorts import Cohort
from monitoring.outcomes.contacts import action_frame, is_reach_known
from monitoring.outcomes.found import GROUPS, TOTALS, Exposure, Outcomes, SegmentName, SegmentValue
from monitoring.outcomes.leaving import without_survival
from monitoring.outcomes.notes import notes_on
from monitoring.outcomes.segments import Division, divide
from monitoring.outcomes.statement import statement

Rows = list[dict[str, Any]]

_SURVIVAL = pa.schema({"group": pa.string(), "day": pa.int64(), "at_risk": pa.int64(), "churned": pa.int64()})
_CHURNERS = pa.schema(
    {"churned_on": pa.date32(), "group": pa.string(), "propensity": pa.float64(), "unit_count": pa.int64()}
)
_RANKS = pa.schema(
    {
        "group": pa.string(),
        "propensity": pa.float64(),
        "risk": pa.float64(),
        "customer_count": pa.int64(),
        "churned_count": pa.int64(),
    }
)
_ENTRIES = pa.schema(
    {"entered_on": pa.date32(), "propensity": pa.float64(), "treatment_units": pa.int64(), "holdout_units": pa.int64()}
)


def read_outcomes(
    warehouse: Warehouse,
    business: Business,
    cohort: Cohort,
    as_of: date,
    *,
    segments: Sequence[SegmentName] = (),
) -> Outcomes:
    """Return what became of a cohort, as known on a day by both clocks: aggregates only.

    A customer is mature when his horizon is over and the feeds of churn, revenue and the primary outcome hold an event
    at or after its end, which proves that the data reach that far.

    Args:
        warehouse: Where ledger, feeds and customers are.
        business: The company.
        cohort: Whom to follow.
        as_of: The day of knowledge.
        segments: Names of :func:`monitoring.outcomes.segment_names`, each alone or several together as a tuple.

    Raises:
        DataError: somebody was assigned to both groups, or an assignment is in words that the file does not translate.
        BusinessFileError: a segment that does not exist or is protected; a feed of the cohort is gone from the file;
            the churn kind cannot be measured in this release.
    """
    asked = Asked.of(warehouse, business, cohort, as_of)
    assigned = find_assigned(warehouse, asked)
    division = divide(asked, segments, is_single=assigned.is_single)
    feeds = [*asked.proving_feeds, *(outcome.feed for outcome in business.outcomes)]
    reached = reaches(warehouse, asked, list(dict.fromkeys(feeds)))
    proven = [reached[feed] for feed in asked.proving_feeds]
    known = [day for day in proven if day is not None]
    data_reach = min(known) if proven and len(known) == len(proven) else None
    if assigned.first_on is None or assigned.last_on is None:
        return _nobody(asked, data_reach, reached, assigned, division)
    frames = {
        **assigned.frames,
        "_days": days_frame(
            asked,
            assigned.first_on,
            assigned.last_on,
            churn_reach=_churn_reach(asked, reached, assigned.first_on),
            reach=_least(as_of, data_reach) if proven else as_of,
        ),
        "_calendar": calendar_frame(business, assigned.first_on, max(as_of, assigned.last_on)),
        "_actions": action_frame(asked),
    }
    near = asked.within(assigned.first_on, assigned.last_on)
    near_before = asked.within(assigned.first_on, assigned.last_on, before=True)
    sql = statement(asked, assigned, division, near=near, near_before=near_before)
    answer = warehouse.query(sql, frames=frames).to_pylist()[0]
    return _outcomes(asked, answer, assigned, division, reached, data_reach)


def _least(as_of: date, reach: date | None) -> date | None:
    return None if reach is None else min(as_of, reach)


def _churn_reach(asked: Asked, reached: Mapping[str, date | None], first_on: date) -> date:
    """Until when leaving is known; an empty feed tells of nobody."""
    feed = asked.churn_feed
    return asked.as_of if feed is None else _least(asked.as_of, reached[feed]) or first_on


def _outcomes(
    asked: Asked,
    answer: Mapping[str, Any],
    assigned: Assigned,
    division: Division,
    reached: Mapping[str, date | None],
    data_reach: date | None,
) -> Outcomes:
    facts = answer["facts"][0]
    maturity = _maturity(asked, assigned, facts["matured_count"], facts["known_count"], data_reach)
    names = (*TOTALS, *(outcome.name for outcome in asked.business.outcomes))
    made = linear_map(float(asked.business.value.margin_rate), len(asked.business.outcomes))
    centre = np.array([value or 0.0 for value in answer["centre"][0].values()], dtype=np.float64)
    groups = _by_group(answer["groups"] or [], names, made, centre)
    segments = {
        name: _by_value(name, division, answer[f"segment_{position}"] or [], names, made, centre)
        for position, name in enumerate(division.names)
    }
    return Outcomes(
        maturity=maturity,
        groups=groups,
        segments=segments,
        survival=None if without_survival(asked) else _survival(answer["lives"] or []),
        churners=_table(answer["churners"], _CHURNERS, "churned_on", "group", "propensity"),
        entries=_table(answer["entries"], _ENTRIES, "entered_on", "propensity"),
        ranks=_table(answer["ranks"], _RANKS, "risk", "group", "propensity"),
        exposure=_exposure(answer["exposure"] or []),
        is_reach_known=is_reach_known(asked),
        cap_cents=facts["cap_cents"],
        duplicate_count=assigned.duplicate_count,
        changed_count=assigned.changed_count,
        notes=notes_on(asked, assigned, maturity, facts, reached, groups),
    )


def _nobody(
    asked: Asked,
    data_reach: date | None,
    reached: Mapping[str, date | None],
    assigned: Assigned,
    division: Division,
) -> Outcomes:
    """Return the outcomes of a cohort into which nobody was assigned yet."""
    nothing: dict[str, Any] = dict.fromkeys(("groups", "lives", "churners", "entries", "exposure", "ranks"))
    nothing |= dict.fromkeys(f"segment_{position}" for position in range(len(division.names)))
    counts = ("matured_count", "known_count", "riskless_count", "valueless_count", "lead_treatment_count")
    more = ("lead_holdout_count", "forgotten_treatment_count", "forgotten_holdout_count")
    facts = {**dict.fromkeys((*counts, *more), 0), "cap_cents": None}
    centre = dict.fromkeys([*BASE, *(outcome.name for outcome in asked.business.outcomes)])
    return _outcomes(asked, {**nothing, "facts": [facts], "centre": [centre]}, assigned, division, reached, data_reach)


def _maturity(
    asked: Asked, assigned: Assigned, matured_count: int, known_count: int, data_reach: date | None
) -> Maturity:
    first_reading: date | None = None
    if assigned.first_on is not None:
        # An event at or after the end of the horizon proves it, and is visible on the day after it at the earliest.
        wait = asked.cohort.horizon_days + (1 if asked.proving_feeds else 0)
        first_reading = assigned.first_on + timedelta(days=wait)
        if matured_count == 0:
            first_reading = max(first_reading, asked.as_of + timedelta(days=1))
    return Maturity(
        as_of=asked.as_of,
        assigned_count=assigned.count,
        matured_count=matured_count,
        known_count=known_count,
        first_entry_on=assigned.first_on,
        last_entry_on=assigned.last_on,
        first_reading_on=first_reading,
        data_reach_on=data_reach if asked.proving_feeds else asked.as_of,
    )


def _by_group(
    rows: Iterable[dict[str, Any]], names: tuple[str, ...], made: Floats, centre: Floats
) -> dict[str, Moments]:
    found = {row["group"]: row for row in rows}
    return {group: moments_from(found.get(group), names, made, centre) for group in GROUPS}


def _by_value(
    name: SegmentName, division: Division, rows: Rows, names: tuple[str, ...], made: Floats, centre: Floats
) -> dict[SegmentValue, dict[str, Moments]]:
    count = len(division.parts_of(name))
    found: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        found.setdefault(tuple(row[f"value_{i}"] for i in range(count)), []).append(row)
    return {
        (value[0] if isinstance(name, str) else value): _by_group(found[value], names, made, centre)
        for value in sorted(found)
    }


def _survival(rows: Rows) -> pa.Table:
    """Turn lives, counted by their last day, into customers at risk and leavers by day."""
    parts = []
    for group in GROUPS:
        own = [row for row in rows if row["group"] == group]
        if not own:
            continue
        length = 1 + max(row["last_day"] for row in own)
        last, left = np.zeros(length, dtype=np.int64), np.zeros(length, dtype=np.int64)
        for row in own:
            last[row["last_day"]] += row["customer_count"]
            left[row["last_day"]] += row["customer_count"] * row["is_event"]
        at_risk = last[::-1].cumsum()[::-1]
        columns = [pa.array([group] * length, pa.string()), np.arange(length), at_risk, left]
        parts.append(pa.table(columns, schema=_SURVIVAL))
    return pa.concat_tables(parts) if parts else _SURVIVAL.empty_table()


def _table(rows: Rows | None, schema: pa.Schema, *order: str) -> pa.Table:
    table = pa.Table.from_pylist(rows or [], schema=schema)
    return table.sort_by([(name, "ascending") for name in order])


def _exposure(rows: Rows) -> dict[str, Exposure]:
    found = {row.pop("group"): row for row in rows}
    return {group: Exposure(**found[group]) if group in found else Exposure(0, 0, 0, 0, 0.0) for group in GROUPS}
