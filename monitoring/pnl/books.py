"""What the ledger says was spent, twice: by class and month for the account, and in sum to prove it.

Costs as :mod:`monitoring.outcomes.contacts` counts them, in whole cents per decision: what a reported cost is the cost
of, and what counts where none was reported, says :mod:`campaigns.reconciliation.costs`; a decision that was missed,
though its action is reported, costs nothing. What was reported for a decision that was taken back was spent
all the same. How the expected cost of a decision divides into contact and incentive follows the business file as it is
now; the sum of both is what was decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from campaigns.reconciliation.costs import IS_OF_A_REDEMPTION, contact_price, incentive_price, told_of
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.outcomes import UNKNOWN, Cohort
from monitoring.outcomes.contacts import REPORTED_SQL, missed_step
from monitoring.pnl.lines import Spent

#: Of a class and a month; both None: outside the analysis.
Cell = tuple[str | None, str | None]


def entries(warehouse: Warehouse, cohort: Cohort, as_of: date) -> Mapping[Cell, tuple[int, int, date]]:
    """Return by class and month of entry: customers treated and held out, as first assigned, and the last entry."""
    rows = warehouse.query(
        f"""{with_steps([entered_step(cohort, as_of)])}
        select fit_class, entry_month, count(*) filter (where "group" = 'treatment') as treated,
            count(*) filter (where "group" = 'holdout') as held_out, max(entered_on) as last_on
        from _entered group by fit_class, entry_month order by fit_class, entry_month"""
    ).to_pylist()
    return {(r["fit_class"], r["entry_month"]): (r["treated"], r["held_out"], r["last_on"]) for r in rows}


def spent(warehouse: Warehouse, business: Business, cohort: Cohort, as_of: date) -> Mapping[Cell, Spent]:
    """Return what was spent on the cohort's customers within their horizons, by class and month of entry.

    What the same campaign (any of ours, for the programme) spent on others, or outside of the horizons, stands under
    ``(None, None)``: together it is all that the ledger says.
    """
    in_cells = f"""select _known.entry_id, _known.action, _known.cost_cents, _entered.fit_class, _entered.entry_month
    from _known left join _entered on _entered.customer_id = _known.customer_id
        and _known.as_of >= _entered.entered_on and _known.as_of < _entered.entered_on + {cohort.horizon_days}
    where kind = 'decided' and action <> 'none'"""
    steps = [
        entered_step(cohort, as_of),
        _known(cohort, as_of),
        Step(
            "_decided", "decisions to contact somebody, with his class and month; null outside the analysis", in_cells
        ),
        Step("_told", "what was reported for a decision", _TOLD),
        missed_step(_DECIDED, _REPORTS),
        Step("_redeeming", "actions whose redemptions are reported", _REDEEMING),
        Step("_priced", "what each decision cost", _PRICED),
    ]
    rows = warehouse.query(
        f"""{with_steps(steps)}
        select fit_class, entry_month, cast(sum(contact_cents) as bigint) as contact_cents,
            cast(sum(incentive_cents) as bigint) as incentive_cents, cast(sum(decisions) as bigint) as decision_count
        from (
            select fit_class, entry_month, contact_cents, incentive_cents, 1 as decisions from _priced
            union all
            select null, null, coalesce(contact_told_cents, 0), coalesce(incentive_told_cents, 0), 0 from _told
            where (contact_told_cents is not null or incentive_told_cents is not null)
                and decision_id not in (select entry_id from _decided)
        )
        group by fit_class, entry_month order by fit_class, entry_month""",
        frames={"_actions": _actions(business)},
    ).to_pylist()
    return {
        (r["fit_class"], r["entry_month"]): Spent(r["contact_cents"], r["incentive_cents"], r["decision_count"])
        for r in rows
    }


def ledger_sums(warehouse: Warehouse, business: Business, cohort: Cohort, as_of: date) -> Spent:
    """Return all that the ledger says was spent by the campaign, without looking at who was assigned to what.

    Another way to the same totals: kinds of rows are summed one by one, and no customer is joined with anything.
    """
    told = "select distinct decision_id from _known where decision_id is not null and kind ="
    wanted = "select * from _known where kind = 'decided' and action <> 'none'"
    steps = [
        _known(cohort, as_of),
        Step("_wanted", "decisions to contact somebody", wanted),
        Step("_redeemed", "decisions that were redeemed", f"{told} 'redeemed'"),
        Step("_paid_for", "decisions whose contact's cost was reported", f"{told} 'cost' and not {IS_OF_A_REDEMPTION}"),
        Step("_given", "decisions whose incentive's cost was reported", f"{told} 'cost' and {IS_OF_A_REDEMPTION}"),
        missed_step(_DECIDED, _REPORTS),
        Step("_left", "decisions that were not missed", f"select * from _wanted where {_NOT_MISSED}"),
    ]
    row = warehouse.query(
        f"""{with_steps(steps)}
        select
            (select coalesce(sum(cost_cents), 0) from _known where kind = 'cost' and not {IS_OF_A_REDEMPTION})
                as reported_cents,
            (select coalesce(sum(cost_cents), 0) from _known where kind = 'cost' and {IS_OF_A_REDEMPTION})
                as given_cents,
            coalesce(sum(greatest(cost_cents - coalesce(expected_cents, 0), 0))
                filter (where entry_id not in (select decision_id from _paid_for)), 0) as decided_cents,
            coalesce(sum(offered_cents) filter (where entry_id in (select decision_id from _redeemed)
                and entry_id not in (select decision_id from _given)), 0) as redeemed_cents,
            coalesce(sum(expected_cents) filter (where action not in (
                select action from _wanted where entry_id in (select decision_id from _redeemed)
            ) and entry_id not in (select decision_id from _given)), 0) as expected_cents,
            (select count(*) from _wanted) as decision_count
        from _left left join _actions using (action)""",
        frames={"_actions": _actions(business)},
    ).to_pylist()[0]
    return Spent(
        contact_cents=int(row["reported_cents"] + row["decided_cents"]),
        incentive_cents=int(row["given_cents"] + row["redeemed_cents"] + row["expected_cents"]),
        decision_count=int(row["decision_count"]),
    )


def _layer(cohort: Cohort) -> str:
    if cohort.campaign is None:
        return "campaign is not null"
    return f"campaign = {literal(cohort.campaign)} and version = {cohort.version}"


def entered_step(cohort: Cohort, as_of: date) -> Step:
    """Return the step ``_entered``: ``customer_id, group, entered_on, entry_month, fit_class`` as first assigned."""
    layer = f"campaign is null and version = {cohort.version}" if cohort.campaign is None else _layer(cohort)
    return Step(
        "_entered",
        "everybody as first assigned",
        f"""select customer_id, "group", as_of as entered_on, strftime(as_of, '%Y-%m') as entry_month,
        coalesce(fit_class, {literal(UNKNOWN)}) as fit_class
    from ledger
    where kind = 'assigned' and {layer} and as_of <= date '{as_of}'
    qualify row_number() over (partition by customer_id order by as_of, sequence) = 1""",
    )


def _known(cohort: Cohort, as_of: date) -> Step:
    day = f"as_of <= date '{as_of}'"
    return Step(
        "_known",
        "what the campaign decided and what came back, as known and not taken back",
        f"""select * from ledger
    where kind in ('decided', {REPORTED_SQL}) and {_layer(cohort)} and {day} and entry_id not in (
        select corrects from ledger where kind = 'corrected' and corrects is not null and {day}
    )""",
    )


_TOLD = told_of("select * from _known where kind <> 'decided'")

_REDEEMING = """select distinct action
    from _decided inner join _told on _told.decision_id = _decided.entry_id where is_redeemed"""

_DECIDED = "select entry_id as decision_id, action, as_of as decided_on from _known where kind = 'decided'"
_REPORTS = "select decision_id, action, as_of as reported_on from _known where kind <> 'decided'"
_NOT_MISSED = "entry_id not in (select decision_id from _missed)"

_PRICED = f"""select fit_class, entry_month,
        case when {_NOT_MISSED} then {contact_price("greatest(cost_cents - coalesce(expected_cents, 0), 0)")}
            else 0 end as contact_cents,
        case when {_NOT_MISSED} then {incentive_price("offered_cents", "expected_cents", "select * from _redeeming")}
            else 0 end as incentive_cents
    from _decided left join _told on _told.decision_id = _decided.entry_id left join _actions using (action)"""


def _actions(business: Business) -> pa.Table:
    """What the file says of the incentive of each action: ``action, offered_cents, expected_cents``."""
    offered = [round(100 * action.incentive_amount) for action in business.actions]
    expected = [round(100 * action.incentive_amount * action.incentive_taken_share) for action in business.actions]
    return pa.table(
        {
            "action": pa.array([action.name for action in business.actions], pa.string()),
            "offered_cents": pa.array(offered, pa.int64()),
            "expected_cents": pa.array(expected, pa.int64()),
        }
    )
