"""The figures of what was decided, and of what it changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from campaigns.decisions import decide_batch
from campaigns.designs import launched_versions
from features.following import CHURNED
from monitoring.history.figures import Asked, Day, Figure, counted, unknown
from monitoring.measurement import metrics_of, stored_checks, stored_effects, unit_of
from monitoring.outcomes import PROGRAMME

_CENTS = 100
Row = Mapping[str, Any]


def asked_of_campaigns(day: Day) -> Iterator[Asked]:
    """Yield what is asked of the day's decision and measurement; nothing without campaigns and a global holdout."""
    business = day.workspace.business
    names = [campaign.name for campaign in business.campaigns]
    if business.holdout.global_share > 0 and names:
        names.append(PROGRAMME)
    if not names:
        return
    yield Asked((("decided_contacts", ""), ("spent_amount", "")), partial(_decided, day))
    yield Asked((("held_out_customers", ""),), partial(_held_out, day))
    yield Asked(tuple(("effect", name) for name in names), partial(_effects, day, names))
    yield Asked(
        (("integrity_failures", ""), *(("integrity_failures", name) for name in names)), partial(_checks, day, names)
    )


def _decided(day: Day) -> Iterator[Figure]:
    if not day.warehouse.has_batch("ledger", decide_batch(day.as_of)):
        yield unknown("decided_contacts", "", "the day was not decided")
        yield unknown("spent_amount", "", "the day was not decided")
        return
    found = day.warehouse.query(
        "select count(*) filter (where action <> 'none') as contacts, coalesce(sum(cost_cents), 0)::bigint as cents "
        f"from ledger where kind = 'decided' and as_of = date '{day.as_of}'"
    ).to_pylist()[0]
    yield counted("decided_contacts", "", found["contacts"])
    yield counted("spent_amount", "", found["cents"] / _CENTS, n=found["contacts"])


def _held_out(day: Day) -> Iterator[Figure]:
    found = day.warehouse.query(
        "select count(distinct customer_id) as assigned, "
        "count(distinct customer_id) filter (where \"group\" = 'holdout') as held_out "
        f"from ledger where kind = 'assigned' and as_of <= date '{day.as_of}'"
    ).to_pylist()[0]
    yield counted("held_out_customers", "", found["held_out"], n=found["assigned"])


def _effects(day: Day, names: Sequence[str]) -> Iterator[Figure]:
    rows = [row for row in stored_effects(day.warehouse, day.as_of) if row["segment"] == "all"]
    primary = {design.campaign: design.primary_outcome for design in launched_versions(day.warehouse, day.as_of)}
    for name in names:
        own = _newest_version(rows, name)
        metric = primary.get(name) or _primary_in_file(day, name)
        yield _effect(day, name, metric, [row for row in own if row["metric"] == metric])


def _effect(day: Day, name: str, metric: str, rows: Sequence[Row]) -> Figure:
    """The planned reading when it was taken that day, else what may be read on any day, else why neither is there."""
    readable = [row for row in rows if row["reading"] in ("official", "daily")]
    found = [row for row in readable if row["estimate"] is not None]
    if not found:
        return unknown("effect", name, _why_not(readable))
    row = next((row for row in found if row["reading"] == "official"), found[0])
    business = day.workspace.business
    factor = 1 / _CENTS if unit_of(metric, business) == "money" else 1.0
    n = row["treatment_count"] + row["holdout_count"]
    low, value, high = (row[part] * factor for part in ("low", "estimate", "high"))
    if any(known.name == metric and known.is_good_when_lower for known in metrics_of(business)):
        low, value, high = -high, -value, -low
    return Figure("effect", name, value, low, high, n)


def _why_not(rows: Sequence[Row]) -> str:
    if not rows:
        return "not measured on the day: it is not launched, or nobody was assigned yet"
    withheld = next((row["withheld"] for row in rows if row["withheld"]), None)
    knowable_on = min((row["knowable_on"] for row in rows if row["knowable_on"]), default=None)
    return withheld or (f"not knowable before {knowable_on}" if knowable_on else "nobody's horizon is over yet")


def _checks(day: Day, names: Sequence[str]) -> Iterator[Figure]:
    rows = stored_checks(day.warehouse, day.as_of)
    for name in names:
        own = _newest_version(rows, name)
        yield _failures(name, own, "not measured on the day: it is not launched, or nobody was assigned yet")
    yield _failures("", rows, "nothing was measured on the day")


def _failures(name: str, rows: Sequence[Row], why_not: str) -> Figure:
    if not rows:
        return unknown("integrity_failures", name, why_not)
    return counted("integrity_failures", name, sum(row["verdict"] == "failed" for row in rows), n=len(rows))


def _newest_version(rows: Sequence[Row], name: str) -> list[Row]:
    own = [row for row in rows if (row["campaign"] or PROGRAMME) == name]
    newest = max((row["version"] for row in own), default=None)
    return [row for row in own if row["version"] == newest]


def _primary_in_file(day: Day, name: str) -> str:
    return next((c.primary_outcome for c in day.workspace.business.campaigns if c.name == name), CHURNED)
