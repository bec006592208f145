"""Which group a unit has in a layer: what the ledger remembers, else what is drawn; and who is in a campaign now.

The ledger wins, so a group lasts as long as its layer's version:

- *growing the share* moves nobody out of the holdout: who is held out under the smaller share is also under the larger
  one (the same hash), and stays so by the ledger. Nor does it move anybody in who was assigned to treatment: he may
  have been contacted already, and who changes sides belongs to neither. A grown share concerns new units only.
- *shrinking the share* moves nobody out either: units held out before stay so, new ones are drawn with the new share.
- *units that merge* (two households move together): held out if any member ever was. Each customer is still analysed
  as the ledger assigned him.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.holdout.layers import Group, Layer, draw
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse

#: How long who was in a campaign counts as in it when neither its launch nor the business file says: the longest that a
#: campaign may state.
LONGEST_HORIZON_DAYS: Final = 730

#: The shape of what :func:`earlier_groups` returns.
EARLIER: Final = pa.schema(
    {"customer_id": pa.string(), "unit_id": pa.string(), "group": pa.string(), "propensity": pa.float64()}
)


def earlier_groups(warehouse: Warehouse, layer: Layer) -> pa.Table:
    """Return what the ledger says of a layer and version, whatever the day that recorded it: a backfill obeys it too.

    A correction that names an assignment and carries a group counts beside it, not in its place: it can put somebody
    into the holdout, never take him out.

    Returns:
        ``customer_id, unit_id, group, propensity``; a customer may stand in several rows.
    """
    campaign = "is null" if layer.campaign is None else f"= {literal(layer.campaign)}"
    stored = warehouse.query(
        f"""
        -- groups: one row per assignment in one layer and version, and per correction of it that states a group.
        with assigned as (
            select entry_id, customer_id, unit_id, "group", propensity
            from ledger
            where kind = 'assigned' and campaign {campaign} and version = {layer.version}
        )
        select customer_id, unit_id, "group", propensity from assigned
        union all
        select assigned.customer_id, assigned.unit_id, ledger."group", assigned.propensity
        from ledger inner join assigned on ledger.corrects = assigned.entry_id
        where ledger.kind = 'corrected' and ledger."group" is not null
        order by customer_id, unit_id, "group", propensity
        """
    )
    return stored.cast(EARLIER)


def assign(units: pa.Table, layer: Layer, earlier: pa.Table) -> pa.Table:
    """Return the group of every customer in one layer: what the ledger says of his unit, else what is drawn.

    A pure function; the order of rows does not matter, nor whether the units come in one table or in several (each
    unit whole). Everybody in a unit has the same group:

    - ``holdout`` if any member was held out earlier in this layer and version;
    - else ``treatment`` if any member was assigned earlier;
    - else as drawn by the hash of ``unit_id``.

    A row of the ledger speaks for its customer, and for the customer whose id named the unit then: both belonged to it.

    Args:
        units: ``customer_id, unit_id``, each customer once.
        layer: Salt and share.
        earlier: Result of :func:`earlier_groups`.

    Returns:
        ``customer_id, unit_id, group, is_new, propensity`` in the order of ``units``. ``is_new``: the ledger has no row
        of this customer yet, also when he inherits the group of his unit. ``propensity``: probability of the group,
        ``holdout_share`` or the rest to 1; who inherits has that of the drawing that decided (of several drawings,
        which only merged units have, the one nearest to the exact value, which is not known).
    """
    unit_ids = units["unit_id"].cast(pa.string())
    names = pc.unique(unit_ids)
    unit = np.asarray(pc.index_in(unit_ids, value_set=names), dtype=np.int64)
    customer_ids = units["customer_id"].cast(pa.string())
    is_held, is_treated, held_propensity, treated_propensity = _remembered(customer_ids, unit, len(names), earlier)

    is_drawn = ~(is_held | is_treated)
    drawn = draw(names.filter(pa.array(is_drawn)), salt=layer.salt) < layer.holdout_share
    is_held[is_drawn] = drawn
    share = layer.holdout_share
    propensity = np.where(
        is_held, np.where(is_drawn, share, held_propensity), np.where(is_drawn, 1.0 - share, treated_propensity)
    )
    propensity = np.where(np.isfinite(propensity), propensity, np.where(is_held, share, 1.0 - share))
    return pa.table(
        {
            "customer_id": customer_ids,
            "unit_id": unit_ids,
            "group": pa.array([Group.TREATMENT.value, Group.HOLDOUT.value]).take(pa.array(is_held[unit].astype(int))),
            "is_new": pc.invert(pc.is_in(customer_ids, value_set=pc.unique(earlier["customer_id"]))),
            "propensity": propensity[unit],
        }
    )


def _remembered(
    customer_ids: pa.ChunkedArray, unit: npt.NDArray[np.int64], unit_count: int, earlier: pa.Table
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Which units were held out and which treated, and with what probability (NaN: not recorded)."""
    groups = np.asarray(pc.equal(earlier["group"], Group.HOLDOUT.value), dtype=bool)
    propensities = np.asarray(earlier["propensity"].cast(pa.float64()).to_numpy(), dtype=np.float64)
    held, treated = np.zeros(unit_count, dtype=bool), np.zeros(unit_count, dtype=bool)
    held_propensity, treated_propensity = np.full(unit_count, np.nan), np.full(unit_count, np.nan)
    for named_by in ("customer_id", "unit_id"):
        found = pc.fill_null(pc.index_in(earlier[named_by].cast(pa.string()), value_set=customer_ids), -1)
        position = np.asarray(found, dtype=np.int64)
        is_held, is_treated = (position >= 0) & groups, (position >= 0) & ~groups
        held[unit[position[is_held]]] = True
        treated[unit[position[is_treated]]] = True
        np.fmax.at(held_propensity, unit[position[is_held]], propensities[is_held])
        np.fmin.at(treated_propensity, unit[position[is_treated]], propensities[is_treated])
    return held, treated, held_propensity, treated_propensity


def open_holdouts(warehouse: Warehouse, business: Business, as_of: date) -> pa.Table:
    """Return who is in a campaign, in either group, whose horizon has not ended: nothing else may reach them.

    The horizon is the one that the campaign was launched with (``design.horizon_days`` in the detail of its row of kind
    ``launched``), else the business file's; for a campaign that the file no longer has, the longest of all. So taking a
    campaign out of the file sets nobody free.

    What ``as_of`` itself recorded is left out, so that a rerun of the day computes the same; what later days recorded
    counts, so that a backfill contacts nobody who has been held out meanwhile.

    Returns:
        ``customer_id, unit_id`` (as assigned; the unit may have changed since, see :func:`taken_units`), ``campaign,
        version, group, assigned_on, until_on`` (first day on which the customer is free again); one row per customer,
        campaign and version.
    """
    horizons = {campaign.name: business.horizon_days(campaign) for campaign in business.campaigns}
    in_file = pa.table(
        {"campaign": pa.array(list(horizons), pa.string()), "horizon_days": pa.array(horizons.values(), pa.int64())}
    )
    return warehouse.query(
        f"""
        -- open holdouts: one row per customer, campaign and version whose horizon has not ended at {as_of}.
        with horizons as (
            select
                campaign,
                version,
                max(try_cast(
                    coalesce(detail ->> '$.design.horizon_days', detail ->> '$.horizon_days') as bigint
                )) as horizon_days
            from ledger
            where kind = 'launched'
            group by campaign, version
        ),

        corrections as (
            select corrects as entry_id, "group"
            from ledger
            where kind = 'corrected' and "group" is not null
        ),

        assigned as (
            select
                assigned.customer_id,
                min(assigned.unit_id) as unit_id,
                assigned.campaign,
                assigned.version,
                min(case when assigned."group" = 'holdout' or corrections."group" = 'holdout' then 'holdout'
                    else 'treatment' end) as "group",
                max(assigned.as_of) as assigned_on
            from ledger as assigned left join corrections using (entry_id)
            where assigned.kind = 'assigned' and assigned.campaign is not null and assigned.as_of <> date '{as_of}'
            group by assigned.customer_id, assigned.campaign, assigned.version
        )

        select
            customer_id,
            unit_id,
            assigned.campaign,
            assigned.version,
            assigned."group",
            assigned_on,
            assigned_on + cast(
                coalesce(horizons.horizon_days, in_file.horizon_days, {LONGEST_HORIZON_DAYS}) as integer
            ) as until_on
        from assigned
            left join horizons on assigned.campaign = horizons.campaign and assigned.version = horizons.version
            left join in_file on assigned.campaign = in_file.campaign
        where until_on > date '{as_of}'
        order by customer_id, assigned.campaign, assigned.version
        """,
        frames={"in_file": in_file},
    )


def taken_units(units: pa.Table, taken: pa.Table) -> pa.Table:
    """Return today's customers whose unit is in a campaign, because any member of it is.

    Args:
        units: ``customer_id, unit_id`` of today, whole units.
        taken: Result of :func:`open_holdouts`.

    Returns:
        ``customer_id, unit_id`` (today's), ``campaign, version, group, until_on, is_in_several``: one row per customer
        of such a unit. A unit that grew out of several is described by one of theirs: held out before treated, then the
        one that ends last; ``is_in_several`` when they were in different campaigns or versions, so that what one of
        them does would reach who is measured by the other.
    """
    order = [(column, "ascending") for column in ("unit", "group")] + [("until_on", "descending")]
    order += [(column, "ascending") for column in ("campaign", "version")]
    ids, unit_ids = units["customer_id"].cast(pa.string()), units["unit_id"].cast(pa.string())
    facts = ["campaign", "version", "group", "until_on"]
    by_unit = []
    for named_by in ("customer_id", "unit_id"):
        position = pc.index_in(taken[named_by].cast(pa.string()), value_set=ids)
        by_unit.append(taken.select(facts).append_column("unit", unit_ids.take(position)))
    found = pa.concat_tables(by_unit).filter(pc.field("unit").is_valid()).sort_by(order)
    first = pc.unique(found["unit"])
    described = found.take(pc.index_in(first, value_set=found["unit"]))
    campaigns = (
        found.group_by(["unit", "campaign", "version"]).aggregate([]).group_by("unit").aggregate([([], "count_all")])
    )
    several = campaigns.filter(pc.field("count_all") > 1)["unit"]
    described = described.append_column("is_in_several", pc.is_in(described["unit"], value_set=several))
    position = pc.index_in(unit_ids, value_set=first)
    everything = pa.table(
        {
            "customer_id": ids,
            "unit_id": unit_ids,
            **{name: described[name].take(position) for name in (*facts, "is_in_several")},
        }
    )
    return everything.filter(pc.is_valid(position))
