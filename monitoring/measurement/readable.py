"""The newest readable effect of a campaign: the one rule for which figure may be quoted on a day, on every page.

It is the planned reading once that was taken, else the daily one of the newest measured day; it is not withheld, no
check of its campaign failed when that was measured last, and neither of its groups is a handful of people. What was
seen on an earlier day never stands in for what is withheld today.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.cells import MINIMUM_CELL
from monitoring.measurement.readings import EVERYBODY
from monitoring.measurement.storing import measured_on

Row = Mapping[str, Any]

#: What customers answered; the check of response rates withholds that, and nothing else.
FEEDBACK: Final = ("nps", "score")
ABOUT_ANSWERS: Final = "response_rate"
_VOICES: Final = ("official", "daily")


def is_large_enough(row: Row) -> bool:
    """True when a figure rests on groups that may be shown."""
    return min(row["treatment_count"] or 0, row["holdout_count"] or 0) >= MINIMUM_CELL


def withholding(checks: Iterable[Row], metric: str | None = None) -> tuple[Row, ...]:
    """Return the failed checks that withhold a figure; without a metric, those that withhold every figure."""
    failed = (check for check in checks if check["verdict"] == "failed")
    return tuple(check for check in failed if check["check"] != ABOUT_ANSWERS or metric in FEEDBACK)


def quotable(rows: Sequence[Row], checks: Iterable[Row]) -> Row | None:
    """Return which of a campaign's figures may be quoted; None when there is none.

    Args:
        rows: Rows of table ``effects`` of one outcome of one version, for everybody: planned readings, and what the
            newest measured day found; the first that may be quoted is, planned readings before daily ones.
        checks: Rows of table ``integrity_checks`` of that version, of the day on which it was checked last.
    """
    failed = tuple(checks)
    for row in sorted(
        (row for row in rows if row["reading"] in _VOICES),
        key=lambda row: (_VOICES.index(row["reading"]), -row["as_of"].toordinal()),
    ):
        if withholding(failed, row["metric"]):
            return None
        if row["estimate"] is not None and row["withheld"] is None and is_large_enough(row):
            return row
    return None


def newest_checks(warehouse: Warehouse, as_of: date) -> list[Row]:
    """Return the checks of each version of a campaign, and of the programme, of the day that it was measured last."""
    found: list[Row] = warehouse.query(
        f"""
        -- _last: one row per version: its newest measured day.
        with _last as (
            select campaign, version, max(as_of) as last_on
            from (select campaign, version, as_of from effects
                union all select campaign, version, as_of from integrity_checks)
            where as_of <= date '{as_of}' group by campaign, version
        )
        select integrity_checks.*
        from integrity_checks inner join _last on integrity_checks.campaign is not distinct from _last.campaign
            and integrity_checks.version = _last.version and integrity_checks.as_of = _last.last_on"""
    ).to_pylist()
    return found


def readable_effects(warehouse: Warehouse, campaigns: Collection[str], metric: str, as_of: date) -> dict[str, Row]:
    """Return the newest readable effect of each campaign that has one, for everybody, as known on a day.

    Of several versions the newest counts; an older one while the newest has no figure, unless that is withheld.

    Args:
        warehouse: Where tables ``effects`` and ``integrity_checks`` are.
        campaigns: Their names.
        metric: The outcome.
        as_of: The day of knowledge.

    Returns:
        Rows of table ``effects`` by campaign.
    """
    newest = measured_on(warehouse, as_of)
    if newest is None or not campaigns:
        return {}
    listed = ", ".join(literal(name) for name in sorted(campaigns))
    rows = warehouse.query(
        f"""select * from effects
        where campaign in ({listed}) and metric = {literal(metric)} and segment = {literal(EVERYBODY)}
            and as_of <= date '{as_of}'
            and ((reading = 'official' and estimate is not null) or (reading = 'daily' and as_of = date '{newest}'))
        order by version desc, method"""
    ).to_pylist()
    checks = newest_checks(warehouse, as_of)
    found: dict[str, Row] = {}
    silent: set[str] = set()
    for name, version in dict.fromkeys((row["campaign"], row["version"]) for row in rows):
        key = (name, version)
        if name in found or name in silent:
            continue
        own = [check for check in checks if (check["campaign"], check["version"]) == key]
        row = quotable([row for row in rows if (row["campaign"], row["version"]) == key], own)
        if row is not None:
            found[name] = row
        elif withholding(own, metric):
            silent.add(name)
    return found
