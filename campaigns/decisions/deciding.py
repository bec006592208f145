"""The way of one decision day, from the scores to one commit of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.decisions.candidates import Candidates, Known, read_candidates
from campaigns.decisions.choices import Choices, choose_actions
from campaigns.decisions.days import DecisionDay, decided_day
from campaigns.decisions.rows import assigned_rows, decided_rows, policy_version
from campaigns.designs import check_unchanged, launched
from campaigns.do_not_disturb import disturbed
from campaigns.fit import classify, stored_fit
from campaigns.holdout import Group, assign, campaign_layer, earlier_groups, global_layer, open_holdouts, taken_units
from campaigns.ledger import newest_day, record
from campaigns.lifts import lifts
from campaigns.suppression import Remembered, cooling_off, suppressed
from campaigns.triggered import triggered
from campaigns.units import contact_units
from campaigns.uplifts import Uplifts, read_uplifts
from campaigns.values import value_version
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.steps import with_steps
from holdback.business import Business, Campaign
from holdback.errors import BusinessFileError, DataError
from holdback.progress import Progress, silent
from holdback.sql import literal
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace

_STEPS = 5


def decide_batch(as_of: date) -> str:
    """Return the name under which a day's decision is committed."""
    return f"decide/{as_of}"


def decide(workspace: Workspace, as_of: date, *, progress: Progress = silent) -> DecisionDay:
    """Decide the day, or answer with what the ledger says was decided.

    Args:
        workspace: The business.
        as_of: The day; nothing later is visible.
        progress: Told about each step.

    Raises:
        DataError: the day was not scored, or a later day was decided before: a contact list of the past helps nobody.
        BusinessFileError: a campaign was changed since its launch without a new version.
        Busy: another process is deciding.
    """
    with workspace.lock("decide"):
        warehouse, business = workspace.warehouse, workspace.business
        if warehouse.has_batch("ledger", decide_batch(as_of)):
            return decided_day(warehouse, business, as_of, was_decided_already=True)
        _refuse_the_past(business, warehouse, as_of)
        _refuse_an_older_drawing(business, warehouse, as_of)
        campaigns = _in_force(warehouse, business, as_of)
        known_lifts, uplifts = lifts(warehouse, business, as_of), read_uplifts(warehouse, business, as_of)
        policy = policy_version(business, known_lifts, _models(warehouse, uplifts, as_of))
        progress("fit", 0, _STEPS)
        classify(warehouse, business, as_of, lifts=known_lifts, progress=silent)
        progress("units, holdouts and suppression", 1, _STEPS)
        layer = global_layer(business, as_of)
        units = contact_units(linked_customers(warehouse, business, as_of))
        everybody = assign(units, layer, earlier_groups(warehouse, layer))
        known = _known(workspace, as_of, everybody, uplifts, campaigns)
        rows = [assigned_rows(layer, everybody, _frozen(warehouse, business, as_of, policy))]
        if campaigns:
            progress("candidates", 2, _STEPS)
            candidates = read_candidates(warehouse, business, campaigns, as_of, known, known_lifts)
            groups = _campaign_groups(warehouse, business, campaigns, units, candidates)
            is_held_out = _is_held_out(candidates, campaigns, groups)
            progress(f"choosing for {candidates.rows.num_rows:,} candidates", 3, _STEPS)
            choices = choose_actions(business, campaigns, as_of, candidates, is_held_out)
            rows += _entries(business, campaigns, candidates, choices, groups, known, policy)
            group = _group_names(is_held_out)
            rows.append(decided_rows(business, campaigns, as_of, candidates, choices, group, policy))
        progress("writing the ledger", 4, _STEPS)
        written = record(workspace, as_of, pa.concat_tables(rows, promote_options="default"), batch=decide_batch(as_of))
        return decided_day(warehouse, business, as_of, was_decided_already=not written)


def _models(warehouse: Warehouse, uplifts: Uplifts, as_of: date) -> dict[str, str]:
    """The models whose word counts today, by name."""
    found = {f"uplift/{action}": version for action, version in uplifts.versions.items()}
    valued = value_version(warehouse, as_of)
    return found if valued is None else {**found, "value": valued}


def _in_force(warehouse: Warehouse, business: Business, as_of: date) -> list[Campaign]:
    """The launched campaigns, as the file has them; what the launch fixed must not have changed."""
    designs = launched(warehouse, business, as_of)
    for design in designs:
        check_unchanged(business, design)
    return [business.campaign_named(design.campaign) for design in designs]


def _refuse_the_past(business: Business, warehouse: Warehouse, as_of: date) -> None:
    newest = newest_day(warehouse)
    if newest is not None and newest > as_of:
        raise DataError(
            f"{business.slug}: decisions of {as_of}: the ledger has rows of {newest} already. Nobody can be contacted "
            f"in the past, so nothing was decided. Decide {newest} or a later day."
        )


def _refuse_an_older_drawing(business: Business, warehouse: Warehouse, as_of: date) -> None:
    """A date taken out of ``holdout.rotates_on`` would bring an older drawing back and set today's holdout free."""
    drawn = warehouse.query("select max(version) as newest from ledger where kind = 'assigned' and campaign is null")
    newest, now = drawn["newest"][0].as_py(), global_layer(business, as_of).version
    if newest is not None and newest > now:
        raise BusinessFileError(
            f"{business.slug}: holdout.rotates_on: the global holdout was drawn {newest} times, and the file's dates "
            f"say {now} by {as_of}. A date that has passed stays in the file: those who are held out now depend on it. "
            "Put it back."
        )


def linked_customers(warehouse: Warehouse, business: Business, as_of: date) -> pa.Table:
    """Return everybody known or scored at ``as_of``, with what tells who is contacted together."""
    steps = newest_versions(Clock.of(business, as_of), ("household_id", "contact_key"), corrected_tables(warehouse))
    return warehouse.query(
        f"{with_steps(steps)}\n\n"
        "select customer_id, any_value(household_id) as household_id, any_value(contact_key) as contact_key\n"
        "from (\n    select customer_id, household_id, contact_key from _customers_rows\n    union all by name\n"
        f"    select customer_id from scores where as_of = date '{as_of}'\n)\n"
        "group by customer_id\norder by customer_id"
    )


def _frozen(warehouse: Warehouse, business: Business, as_of: date, policy: str) -> pa.Table:
    """Everybody's score and value of the day, to be kept with the assignment."""
    name = business.churn_named(None).name
    return warehouse.query(
        "select customer_id, probability, kept_cents, fit_class, value_decile, model_version, "
        f"{literal(policy)} as policy_version\nfrom fit\n"
        f"left join (select * from scores where as_of = date '{as_of}' and churn = {literal(name)}) as scored "
        f"using (customer_id)\nwhere fit.as_of = date '{as_of}'"
    )


def _known(
    workspace: Workspace, as_of: date, everybody: pa.Table, uplifts: Uplifts, campaigns: Sequence[Campaign]
) -> Known:
    warehouse, business = workspace.warehouse, workspace.business
    units = everybody.select(["customer_id", "unit_id"])
    return Known(
        units=everybody.select(["customer_id", "unit_id", "group"]),
        taken=taken_units(units, open_holdouts(warehouse, business, as_of)),
        suppressed=suppressed(warehouse, business, as_of, units, remembered=Remembered.read(workspace)),
        cooling=cooling_off(warehouse, business, as_of, units),
        fit=stored_fit(warehouse, as_of).select(["customer_id", "kept_cents", "fit_class", "value_decile"]),
        been=_been(warehouse, as_of, units),
        disturbed=disturbed(warehouse, as_of),
        uplifts=uplifts,
        fired=triggered(warehouse, business, campaigns, as_of),
    )


def _been(warehouse: Warehouse, as_of: date, units: pa.Table) -> pa.Table:
    """Today's customers whose unit, as it is today, has a member who was assigned to a campaign on another day."""
    return warehouse.query(
        "select distinct everybody.customer_id, entered.campaign, entered.version\n"
        "from ledger as entered\n"
        "inner join members on members.customer_id = entered.customer_id\n"
        "inner join members as everybody on everybody.unit_id = members.unit_id\n"
        "where entered.kind = 'assigned' and entered.campaign is not null\n"
        f"    and entered.as_of <> date '{as_of}'\n"
        "order by everybody.customer_id, entered.campaign, entered.version",
        frames={"members": units},
    )


def _campaign_groups(
    warehouse: Warehouse, business: Business, campaigns: Sequence[Campaign], units: pa.Table, candidates: Candidates
) -> list[pa.Table]:
    """The group of every member of every candidate's unit in the candidate's campaign, one table per campaign."""
    own = candidates.rows["campaign_index"]
    found = []
    for index, campaign in enumerate(campaigns):
        theirs = pc.unique(candidates.rows.filter(pc.equal(own, index))["unit_id"])
        layer = campaign_layer(business, campaign)
        members = units.filter(pc.is_in(units["unit_id"], value_set=theirs))
        found.append(assign(members, layer, earlier_groups(warehouse, layer)))
    return found


def _is_held_out(
    candidates: Candidates, campaigns: Sequence[Campaign], groups: Sequence[pa.Table]
) -> npt.NDArray[np.bool_]:
    own = np.asarray(candidates.rows["campaign_index"].to_numpy(), dtype=np.int64)
    held = np.zeros(own.size, dtype=bool)
    for index in range(len(campaigns)):
        mine = np.flatnonzero(own == index)
        position = pc.index_in(candidates.rows["customer_id"].take(mine), value_set=groups[index]["customer_id"])
        group = groups[index]["group"].take(position)
        held[mine] = np.asarray(pc.equal(group, Group.HOLDOUT.value).to_numpy(zero_copy_only=False), dtype=bool)
    return held


def _group_names(is_held_out: npt.NDArray[np.bool_]) -> npt.NDArray[np.object_]:
    return np.where(is_held_out, Group.HOLDOUT.value, Group.TREATMENT.value).astype(object)


def _entries(
    business: Business,
    campaigns: Sequence[Campaign],
    candidates: Candidates,
    choices: Choices,
    groups: Sequence[pa.Table],
    known: Known,
    policy: str,
) -> list[pa.Table]:
    """The rows of kind ``assigned`` of those units that enter a campaign today, all their members.

    A unit enters a version of a campaign once. Who joins it later was not chosen by the rule alone: when the unit is
    chosen again depends on what it was given before, so he is in the campaign, but not in what is measured.
    """
    own = np.asarray(candidates.rows["campaign_index"].to_numpy(), dtype=np.int64)
    names = ["customer_id", "probability", "kept_cents", "fit_class", "value_decile", "model_version"]
    seen = candidates.rows.select(names)
    seen = seen.append_column("policy_version", pa.array([policy] * seen.num_rows, pa.string()))
    taken = pc.unique(known.taken["customer_id"])
    is_free = np.asarray(pc.invert(pc.is_in(candidates.rows["customer_id"], value_set=taken)), dtype=bool)
    found = []
    for index, campaign in enumerate(campaigns):
        entering = candidates.rows["unit_id"].filter(pa.array(choices.enters & is_free & (own == index)))
        members = groups[index].filter(pc.is_in(groups[index]["unit_id"], value_set=pc.unique(entering)))
        were_in = pc.unique(members.filter(pc.invert(members["is_new"]))["unit_id"])
        members = members.filter(pc.invert(pc.is_in(members["unit_id"], value_set=were_in)))
        found.append(assigned_rows(campaign_layer(business, campaign), members, seen))
    return found
