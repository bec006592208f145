"""Who left, counted from each customer's own day of entry, as the labels of :mod:`features.labels` say it.

The outcome window of a customer is ``[entry + lead, entry + horizon)``. For a cancellation the day of leaving is known
as well: the day on which the last open contract ended, when none is open at the end of what is known (at most at the
horizon). Who swaps one contract for another, or comes back before the horizon ends, stays.

For a rhythm the window is the customer's own, at most as long as the horizon allows, and so is the day on which he is
seen to have left; gaps and levels are those of the time before the entry, as they are known now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from features.clocks import newest_versions
from features.following.contracts import contracts_of
from features.following.question import Following
from features.levels import account_key, counts, has_left, is_held, level, level_columns
from features.rhythms import RHYTHMS, days_before, rhythm_steps
from features.steps import Step, select
from holdback.business import BalanceDropChurn, CancellationChurn, ColumnChurn, InactivityChurn, RhythmChurn

#: What every kind ends in: ``_left`` with one row per customer of whom something is known.
#: ``churned``: at the horizon, null when it is not known; ``is_followed``: belongs to the curve of survival;
#: ``was_gone``: was seen to have left before the entry;
#: ``left_on``: the day of leaving, null for those who stay.
LEFT = "_left"


def leaving_steps(asked: Following, near: str) -> list[Step]:
    """Return the steps that end in ``_left``: ``who, churned, is_followed, was_gone, left_on``.

    Args:
        asked: Whom to follow, and the day.
        near: SQL that bounds events to somebody's horizon (:meth:`Following.within`).
    """
    return KINDS[asked.churn.kind](asked, near)


def _cancellation(asked: Following, _near: str) -> list[Step]:
    churn = asked.churn
    assert isinstance(churn, CancellationChurn)
    counts = [
        "_entered.who",
        "bool_and(is_mature) as is_mature",
        "sum(turn) filter (where event_at < entered_at) as open_at_entry",
        "sum(turn) filter (where event_at < lead_at) as open_after_lead",
        "sum(turn) as open_at_end",
        "max(event_at) filter (where turn < 0) as closed_at",
    ]
    join = f"""from _entered inner join {contracts_of(churn.feed)} as life
        on life.who = _entered.who and life.event_at < _entered.follow_at
    where turn <> 0
    group by _entered.who"""
    left = """select who, case when is_mature and open_after_lead > 0 then open_at_end = 0 end as churned,
        coalesce(open_after_lead > 0, false) as is_followed,
        coalesce(open_at_entry = 0, false) and coalesce(open_after_lead, 0) = 0 as was_gone,
        case when open_at_end = 0 and (open_at_entry > 0 or open_after_lead > 0) then day end as left_on
    from _open asof left join _calendar on _open.closed_at >= _calendar.starts_at"""
    comment = "open contracts at the entry, at the end of the lead, and at the end of what is known"
    return [Step("_open", comment, select(counts, join)), Step(LEFT, "who has none left, and since when", left)]


def _inactivity(asked: Following, near: str) -> list[Step]:
    churn = asked.churn
    assert isinstance(churn, InactivityChurn)
    purchases = asked.rows(churn.feed, ("event_at",), f"amount_cents >= 0 and {near}")
    bought = """select distinct who from _entered inner join _purchases using (customer_id)
    where is_mature and event_at >= lead_at and event_at < ends_at"""
    left = """select _entered.who, case when is_mature then _bought.who is null end as churned,
        false as is_followed, false as was_gone, case when churned then ends_on end as left_on
    from _entered left join _bought on _bought.who = _entered.who"""
    return [
        Step("_purchases", "what was bought in somebody's outcome window", purchases),
        Step("_bought", "who bought in his own", bought),
        Step(LEFT, "who bought nothing; seen on the day on which the horizon is over", left),
    ]


def _rhythm(asked: Following, near: str) -> list[Step]:
    churn = asked.churn
    assert isinstance(churn, RhythmChurn)
    rows = asked.rows(churn.feed, ("event_at",), "amount_cents >= 0")
    days = select(
        ["who", f"{days_before('entered_on', asked.business.time_zone)} as days_ago"],
        "from _entered inner join _purchases using (customer_id)\n    where event_at < entered_at",
    )
    windows = [
        "_entered.*",
        f"entered_on + ({asked.lead_days} + cast(window_days as integer)) as own_end_on",
    ]
    came = """select _windows.who, any_value(own_end_on) as own_end_on,
        any_value(starts_at) <= any_value(follow_at) as is_over, count(_bought.event_at) = 0 as is_silent
    from _windows left join _calendar on _calendar.day = _windows.own_end_on
        left join _bought on _bought.customer_id = _windows.customer_id and _bought.event_at >= _windows.lead_at
            and _bought.event_at < _calendar.starts_at
    group by _windows.who"""
    left = """select _entered.who, case when is_mature then is_silent end as churned,
        false as is_followed, false as was_gone, case when is_over and is_silent then own_end_on end as left_on
    from _entered inner join _came on _came.who = _entered.who"""
    longest = max(1, min(churn.outcome_days, asked.horizon_days - asked.lead_days))
    return [
        Step("_purchases", "all that they ever bought", rows),
        *rhythm_steps(churn, days, key="who", most_days=longest),
        Step("_windows", "when each one's own window ends", select(windows, f"from _entered inner join {RHYTHMS} "
                                                                            "using (who)")),
        Step("_bought", "what was bought in somebody's outcome window", f"select * from _purchases where {near}"),
        Step("_came", "who bought in his own window", came),
        Step(LEFT, "who bought nothing in it; seen on the day on which it is over", left),
    ]  # fmt: skip


def _balance_drop(asked: Following, _near: str) -> list[Step]:
    churn = asked.churn
    assert isinstance(churn, BalanceDropChurn)
    account = ("who", *account_key(asked.business, churn))
    rows = asked.rows(churn.feed, level_columns(asked.business, churn), counts(churn))
    accounts = select(
        [*account, f"{level('entered_at')} as before_cents", f"{level('ends_at')} as after_cents"],
        f"from _entered inner join _levels using (customer_id)\n    group by {', '.join(account)}",
    )
    held = ["who", "sum(before_cents) as before_cents", "sum(after_cents) as after_cents"]
    gone = f"case when {is_held(churn, 'before_cents')} then {has_left(churn, 'before_cents', 'after_cents')} end"
    left = f"""select _entered.who, case when is_mature then {gone} end as churned,
        false as is_followed, false as was_gone, case when churned then ends_on end as left_on
    from _entered inner join _held on _held.who = _entered.who"""
    return [
        Step("_levels", "balances, as known", rows),
        Step("_accounts", "of each account, the balance at the entry and the one at the horizon", accounts),
        Step("_held", "over all accounts", select(held, "from _accounts\n    group by who")),
        Step(LEFT, "of whom a share of the balance is gone; seen on the day on which the horizon is over", left),
    ]


def _column(asked: Following, _near: str) -> list[Step]:
    churn = asked.churn
    assert isinstance(churn, ColumnChurn)
    steps = newest_versions(asked.clock, (f'"{churn.attribute}" as said',), asked.corrected, spine=True)
    left = """select who, case when is_mature then said end as churned, false as is_followed,
        false as was_gone, case when churned then ends_on end as left_on
    from _entered left join _customers_rows on _customers_rows.customer_id = _entered.customer_id"""
    return [*steps, Step(LEFT, "who left, as the company says now", left)]


#: How each churn kind is followed.
KINDS: Mapping[str, Callable[[Following, str], list[Step]]] = {
    "cancellation": _cancellation,
    "inactivity": _inactivity,
    "rhythm": _rhythm,
    "balance_drop": _balance_drop,
    "column": _column,
}
