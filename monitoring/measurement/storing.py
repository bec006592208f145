"""Figures and checks as rows of the warehouse, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from holdback.commits import rows_of
from holdback.sql import literal
from holdback.tables import TABLES
from holdback.warehouse import Warehouse
from monitoring.effects.checks import Check
from monitoring.measurement.readings import Figure, Reading

if TYPE_CHECKING:
    import pyarrow as pa


def effect_rows(readings: Iterable[Reading]) -> pa.Table:
    """Return the rows of table ``effects`` that readings leave."""
    return rows_of(
        TABLES["effects"], [_effect_row(reading, figure) for reading in readings for figure in reading.figures]
    )


def check_rows(readings: Iterable[Reading]) -> pa.Table:
    """Return the rows of table ``integrity_checks`` that readings leave."""
    return rows_of(
        TABLES["integrity_checks"], [_check_row(reading, check) for reading in readings for check in reading.checks]
    )


def measured_on(warehouse: Warehouse, as_of: date) -> date | None:
    """Return the newest day up to ``as_of`` that was measured, or None when none was."""
    found: date | None = warehouse.query(f"select max(as_of) as newest from effects where as_of <= date '{as_of}'")[
        "newest"
    ][0].as_py()
    return found


def stored_effects(warehouse: Warehouse, as_of: date, *, campaign: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of table ``effects`` of one day, in the order in which they were found.

    Args:
        warehouse: Where it is.
        as_of: The day.
        campaign: One campaign; all of them and the programme when None.
    """
    return _stored(warehouse, "effects", as_of, campaign)


def stored_checks(warehouse: Warehouse, as_of: date, *, campaign: str | None = None) -> list[dict[str, Any]]:
    """Return the rows of table ``integrity_checks`` of one day; see :func:`stored_effects`."""
    return _stored(warehouse, "integrity_checks", as_of, campaign)


def official_effects(warehouse: Warehouse, as_of: date) -> list[dict[str, Any]]:
    """Return the official readings up to a day, oldest first."""
    found: list[dict[str, Any]] = warehouse.query(
        f"select * from effects where reading = 'official' and as_of <= date '{as_of}' and estimate is not null "
        "order by as_of, campaign, version, segment, metric"
    ).to_pylist()
    return found


def _stored(warehouse: Warehouse, table: str, as_of: date, campaign: str | None) -> list[dict[str, Any]]:
    own = f" and campaign = {literal(campaign)}" if campaign is not None else ""
    found: list[dict[str, Any]] = warehouse.query(
        f"select * from {table} where as_of = date '{as_of}'{own}"
    ).to_pylist()
    return found


def _effect_row(reading: Reading, figure: Figure) -> dict[str, Any]:
    effect, maturity = figure.effect, reading.maturity
    return {
        "as_of": reading.as_of,
        "campaign": reading.campaign,
        "version": reading.version,
        "segment": figure.segment,
        "metric": figure.metric,
        "method": figure.method,
        "reading": figure.reading,
        "estimate": effect.estimate if effect else None,
        "low": effect.low if effect else None,
        "high": effect.high if effect else None,
        "level": effect.level if effect else None,
        "treatment_rate": effect.treatment.rate if effect else None,
        "holdout_rate": effect.holdout.rate if effect else None,
        "treatment_count": effect.treatment.customer_count if effect else None,
        "holdout_count": effect.holdout.customer_count if effect else None,
        "unit_count": effect.treatment.unit_count + effect.holdout.unit_count if effect else None,
        "assigned_count": maturity.assigned_count,
        "matured_count": maturity.matured_count,
        "planned": figure.planned,
        "knowable_on": figure.knowable_on,
        "withheld": figure.withheld,
        "notes": json.dumps(effect.notes, ensure_ascii=False) if effect and effect.notes else None,
    }


def _check_row(reading: Reading, check: Check) -> dict[str, Any]:
    return {
        "as_of": reading.as_of,
        "campaign": reading.campaign,
        "version": reading.version,
        "check": check.name,
        "verdict": check.verdict,
        "value": check.value,
        "limit": check.limit,
        "finding": check.finding,
    }
