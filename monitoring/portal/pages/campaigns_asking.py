"""What the page about campaigns asks the warehouse: aggregates, and what the ledger says of campaigns themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from features.clocks import Clock, known_rows
from features.corrections import corrected_tables
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.measurement.readings import EVERYBODY
from monitoring.outcomes.contacts import REACHED

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entered:
    """Who is in a campaign, as first assigned, up to and including a day."""

    treated: int = 0
    held: int = 0
    contacted: int = 0

    @property
    def all(self) -> int:
        """Treated and held out."""
        return self.treated + self.held


@dataclass(frozen=True, slots=True)
class Happening:
    """A launch, a halt or a resumption, as the ledger keeps it."""

    on: date
    kind: str
    by: str | None
    reason: str | None


def figures(warehouse: Warehouse, as_of: date, newest: date | None) -> list[Row]:
    """Return everybody's figures: all daily ones, all planned readings, and everything of the newest day."""
    if newest is None:
        return []
    return _rows(
        warehouse,
        f"""select * from effects
        where as_of <= date '{as_of}' and segment = {literal(EVERYBODY)}
            and (reading = 'daily' or as_of = date '{newest}' or (reading = 'official' and estimate is not null))
        order by effects.as_of""",
    )


def segments(warehouse: Warehouse, as_of: date) -> list[Row]:
    """Return figures of segments: of each campaign, voice and figure those of the newest day that has any."""
    return _rows(
        warehouse,
        f"""select * from effects
        where as_of <= date '{as_of}' and segment <> {literal(EVERYBODY)} and estimate is not null and withheld is null
        qualify rank() over (partition by campaign, version, reading, metric order by as_of desc) = 1
        order by reading, metric, segment""",
    )


def _reported(warehouse: Warehouse, business: Business, as_of: date) -> str:
    """SQL of ``campaign, customer_id, event_at``: contacts that feeds report as having reached somebody."""
    clock, replaced = Clock.of(business, as_of), corrected_tables(warehouse)
    kinds = ", ".join(literal(kind) for kind in REACHED)
    rows = []
    for feed in business.feeds_with_role("campaign_contacts"):
        shape = business.feeds[feed]
        if shape.has("campaign"):
            outcome = "coalesce(nullif(lower(trim(outcome)), ''), 'sent')" if shape.has("outcome") else "'sent'"
            columns = ("campaign", f"{outcome} as outcome", "event_at")
            known = known_rows(feed, columns, clock, corrected=feed in replaced, spine=False)
            rows.append(f"select campaign, customer_id, event_at from ({known}) where outcome in ({kinds})")
    nobody = "select null::varchar as campaign, null::varchar as customer_id, null::timestamp as event_at where false"
    return " union all ".join(rows or [nobody])


def entered(warehouse: Warehouse, business: Business, as_of: date) -> Mapping[tuple[str | None, int], Entered]:
    """Return by campaign (None: the programme) and version who was assigned to what, and whom a contact reached."""
    kinds = ", ".join(literal(kind) for kind in REACHED)
    rows = _rows(
        warehouse,
        f"""
        -- one row per customer, campaign and version, as first assigned; campaign is null in the global layer.
        with known as (select * from ledger where as_of <= date '{as_of}'),
        entered as (
            select campaign, version, customer_id, "group", as_of as entered_on from known where kind = 'assigned'
            qualify row_number() over (partition by campaign, version, customer_id order by as_of, sequence) = 1
        ),
        -- reached: one row per contact that reached a customer; the ledger knows the version, a feed does not.
        reached as (
            select campaign, version, customer_id, as_of as reached_on from known
            where kind in ({kinds}) and campaign is not null
                and entry_id not in (select corrects from known where kind = 'corrected' and corrects is not null)
            union all
            select campaign, null, customer_id, cast(event_at as date) + 1
            from ({_reported(warehouse, business, as_of)})
            where campaign in (select campaign from known where kind = 'launched')
        ),
        contacted as (
            select distinct entered.campaign, entered.version, entered.customer_id
            from entered inner join reached on reached.customer_id = entered.customer_id
                and (entered.campaign is null or reached.campaign = entered.campaign)
                and (entered.campaign is null or reached.version is null or reached.version = entered.version)
                and reached.reached_on >= entered.entered_on
        )
        select entered.campaign, entered.version,
            count(*) filter (where "group" = 'treatment') as treated,
            count(*) filter (where "group" = 'holdout') as held,
            count(*) filter (where "group" = 'treatment' and contacted.customer_id is not null) as contacted
        from entered left join contacted on contacted.customer_id = entered.customer_id
            and contacted.campaign is not distinct from entered.campaign and contacted.version = entered.version
        group by entered.campaign, entered.version""",
    )
    return {(r["campaign"], r["version"]): Entered(r["treated"], r["held"], r["contacted"]) for r in rows}


def happenings(warehouse: Warehouse, as_of: date) -> list[tuple[tuple[str, int], Happening]]:
    """Return launches, halts and resumptions, oldest first, each with its campaign and version."""
    rows = _rows(
        warehouse,
        f"""select as_of, kind, campaign, version, detail, reason from ledger
        where kind in ('launched', 'halted', 'resumed') and as_of <= date '{as_of}' order by ledger.as_of, sequence""",
    )
    return [
        ((row["campaign"], row["version"]), Happening(row["as_of"], row["kind"], _by(row), row["reason"]))
        for row in rows
    ]


def _by(row: Row) -> str | None:
    found = json.loads(row["detail"] or "{}").get("by")
    return None if found is None else str(found)


def _rows(warehouse: Warehouse, sql: str) -> list[Row]:
    found: list[Row] = warehouse.query(sql).to_pylist()
    return found
