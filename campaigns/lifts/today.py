"""The lift of every action as it stands on a day: from the business file, and from what has been measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from campaigns.lifts.learning import Measurement, learn
from campaigns.lifts.lift import Lift
from holdback.business import Action, Business
from holdback.sql import literal
from holdback.warehouse import Warehouse

#: Days from the newest official reading until a measured lift is called stale. A year: every season has come once, and
#: prices, offers and competitors of the year before are no longer those that it was measured with.
MEASURED_DAYS: Final = 365

_SEGMENT: Final = "intended_action="


def lifts(warehouse: Warehouse, business: Business, as_of: date) -> Mapping[str, Lift]:
    """Return the lift of each action that has one, as it stands on a day.

    A lift is ``assumed`` until a campaign's official reading has measured it: a row of table ``effects`` of the metric
    ``save_rate`` and the segment ``intended_action=<action>`` with an interval, not withheld. Then it is ``measured``:
    the readings of all campaigns and versions together, drawn towards the assumption
    (:mod:`campaigns.lifts.learning`). What was measured longest ago counts as well; a truth that moved shows as
    variation between campaigns.

    A stale lift is still used, and shown as stale wherever it is used: an old belief is worth more than none, but
    nobody shall take it for a fresh one. An action without a lift is only explored.

    Args:
        warehouse: Where the effects are.
        business: The company.
        as_of: The day; nothing measured later is visible.

    Examples:
        An assumption that expires on 2027-03-31 is ``assumed`` on the 30th and ``stale`` on the 31st.
    """
    measured = measurements(warehouse, as_of)
    found = {action.name: _lift(action, measured.get(action.name, ()), as_of) for action in business.actions}
    return {name: lift for name, lift in found.items() if lift is not None}


def measurements(warehouse: Warehouse, as_of: date) -> Mapping[str, Sequence[Measurement]]:
    """Return the official readings of save rates up to a day, by action; the newest of each campaign and version.

    A row without an interval, or with an empty one, says nothing and is left out. Of several methods on one day the
    one with the widest interval counts: the others promise more than they agree on.
    """
    rows = warehouse.query(
        f"""
        -- one row per action, campaign and version: its newest official reading that says anything.
        select
            substr(segment, {len(_SEGMENT) + 1}) as action,
            campaign || '/' || cast(version as varchar) as campaign,
            as_of as measured_on, estimate, low, high, level
        from effects
        where metric = 'save_rate' and reading = 'official' and starts_with(segment, {literal(_SEGMENT)})
            and campaign is not null and withheld is null and as_of <= date '{as_of}'
            and isfinite(estimate) and isfinite(low) and isfinite(high) and low < high and level > 0 and level < 1
        qualify row_number() over (
            partition by effects.segment, effects.campaign, effects.version order by as_of desc, high - low desc, method
        ) = 1
        order by action, measured_on, effects.campaign, effects.version
        """
    ).to_pylist()
    found: dict[str, list[Measurement]] = {}
    for row in rows:
        found.setdefault(row["action"], []).append(Measurement(**row))
    return found


def _lift(action: Action, measured: Sequence[Measurement], as_of: date) -> Lift | None:
    assumed = action.assumed_lift
    if not measured:
        if assumed is None:
            return None
        status = "assumed" if as_of < assumed.expires_on else "stale"
        return Lift(action.name, assumed.value, status, assumed.source, assumed.expires_on)  # type: ignore[arg-type]
    learned = learn(None if assumed is None else assumed.value, measured)
    newest = max(one.measured_on for one in measured)
    expires_on = newest + timedelta(days=MEASURED_DAYS)
    where = (
        f"in {measured[-1].campaign} on {newest}"
        if len(measured) == 1
        else f"in {len(measured)} campaigns, last in {measured[-1].campaign} on {newest}"
    )
    prior = "0, since nothing was assumed" if assumed is None else f"the assumed {assumed.value:.2f}"
    return Lift(
        action=action.name,
        save_rate=learned.save_rate,
        status="measured" if as_of < expires_on else "stale",
        source=f"measured {where}: {learned.save_rate:.2f} ({learned.low:.2f} to {learned.high:.2f}), shrunk from "
        f"{learned.measured:.2f} towards {prior}, which counts {learned.prior_share:.0%}",
        expires_on=expires_on,
        low=learned.low,
        high=learned.high,
        measured_on=newest,
        campaign_count=len(measured),
        prior_share=learned.prior_share,
    )
