"""The triggers of a company on a day: how often each fires, and what acting on it has earned."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from campaigns.designs import standings
from holdback.business import Business, Trigger
from holdback.warehouse import Warehouse
from monitoring.measurement.metrics import DECISION
from monitoring.measurement.readable import readable_effects
from monitoring.measurement.retiring import RETIRER
from monitoring.triggers.record import Volume, rate_of, volume_of
from monitoring.triggers.words import told

#: Firings of so many days are counted.
COUNTED_DAYS = 30


@dataclass(frozen=True)
class MeasuredValue:
    """What a campaign earned per customer, treated or held out, in currency units, as measured on a day."""

    campaign: str
    version: int
    as_of: date
    reading: str
    estimate: float
    low: float
    high: float
    customer_count: int


@dataclass(frozen=True)
class TriggerStanding:
    """One trigger on one day.

    Attributes:
        trigger: Its name.
        kind: Its kind.
        condition: What it waits for, in words.
        campaign: The campaign that acts on it; None when nothing does.
        campaign_state: Where that stands: in force, halted, waits, over, not launched.
        is_retired: True when its campaign was halted because it earned nothing.
        why_halted: The reason in the ledger.
        last_fired_at: Instant (UTC) of knowledge of its newest firing; None when it never fired.
        last_evaluated_at: Instant (UTC) at which it was asked last; None when it never was.
        fired_today: Firings of the day.
        fired_lately: Firings of the last :data:`COUNTED_DAYS` days.
        expected_per_day: What the business file expects.
        volume: What the day's firings say of it.
        value: What acting on it earned; None when it is not measured yet.
    """

    trigger: str
    kind: str
    condition: str
    campaign: str | None
    campaign_state: str | None
    is_retired: bool
    why_halted: str | None
    last_fired_at: datetime | None
    last_evaluated_at: datetime | None
    fired_today: int
    fired_lately: int
    expected_per_day: float | None
    volume: Volume
    value: MeasuredValue | None


def trigger_standings(warehouse: Warehouse, business: Business, as_of: date) -> tuple[TriggerStanding, ...]:
    """Return where each declared trigger stands on a day, in the file's order.

    Args:
        warehouse: Where firings, ledger and effects are.
        business: The company.
        as_of: The day.
    """
    since = as_of - timedelta(days=COUNTED_DAYS - 1)
    counted = warehouse.query(
        f"select trigger, max(seen_at) as last_at, count(*) filter (where as_of = date '{as_of}') as today, "
        f"count(*) filter (where as_of >= date '{since}') as lately, "
        f"max(as_of) filter (where as_of < date '{as_of}') as before "
        f"from firings where as_of <= date '{as_of}' group by trigger"
    ).to_pylist()
    firings = {row["trigger"]: row for row in counted}
    runs = _runs(warehouse, as_of)
    states = {one.campaign: one for one in standings(warehouse, business, as_of)}
    acting = {one.trigger: one.name for one in business.campaigns if one.trigger is not None}
    found = []
    for trigger in business.triggers:
        row = firings.get(trigger.name, {"last_at": None, "today": 0, "lately": 0, "before": None})
        run = runs.get(trigger.name, _NEVER)
        campaign = acting.get(trigger.name)
        state = states.get(campaign) if campaign is not None else None
        halted = state is not None and state.state == "halted"
        found.append(
            TriggerStanding(
                trigger=trigger.name,
                kind=trigger.kind,
                condition=told(trigger, business),
                campaign=campaign,
                campaign_state=state.state if state is not None else None,
                is_retired=halted and state is not None and state.by == RETIRER,
                why_halted=state.reason if halted and state is not None else None,
                last_fired_at=row["last_at"],
                last_evaluated_at=run.at,
                fired_today=row["today"],
                fired_lately=row["lately"],
                expected_per_day=trigger.expected_per_day,
                volume=_volume(
                    trigger, row["today"], _days(trigger, run, row["before"], as_of), is_flooded=run.is_flooded
                ),
                value=_value(warehouse, campaign, as_of) if campaign is not None else None,
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class _Runs:
    """When a trigger was asked last, and what its evaluations of the day say: too often; expected until then."""

    at: datetime | None
    is_flooded: bool
    expected: float | None


_NEVER = _Runs(None, False, None)


def _runs(warehouse: Warehouse, as_of: date) -> dict[str, _Runs]:
    """Return what is on record of each trigger's evaluations."""
    of_day = f"filter (where as_of = date '{as_of}')"
    rows = warehouse.query(
        f"select trigger, max(seen_at) as at, coalesce(bool_or(is_flooded) {of_day}, false) as is_flooded, "
        f"max(expected) {of_day} as expected from trigger_runs where as_of <= date '{as_of}' group by trigger"
    ).to_pylist()
    return {row["trigger"]: _Runs(row["at"], row["is_flooded"], row["expected"]) for row in rows}


def _days(trigger: Trigger, run: _Runs, fired_before: date | None, as_of: date) -> int:
    """Return the days that the day's firings are held against: those since the trigger last fired for anybody.

    They are the days of the rule for floods: what comes in weekly files fires on one day for the whole week.
    """
    if run.expected is not None and trigger.expected_per_day:
        return max(1, round(run.expected / trigger.expected_per_day))
    return 1 if fired_before is None else max(1, (as_of - fired_before).days)


def _volume(trigger: Trigger, count: int, days: int, *, is_flooded: bool) -> Volume:
    """Say what the day's firings say: a flood is what the evaluation called one; its stock is no day's volume."""
    if is_flooded:
        return "flooded"
    found = volume_of(trigger, rate_of(count, days))
    return "more than expected" if found == "flooded" else found


def _value(warehouse: Warehouse, campaign: str, as_of: date) -> MeasuredValue | None:
    """Return what a campaign earned, as it may be quoted on the day; None while nothing may."""
    row = readable_effects(warehouse, (campaign,), DECISION, as_of).get(campaign)
    if row is None:
        return None
    return MeasuredValue(
        campaign, row["version"], row["as_of"], row["reading"],
        row["estimate"] / 100, row["low"] / 100, row["high"] / 100,
        row["treatment_count"] + row["holdout_count"],
    )  # fmt: skip
