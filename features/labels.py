"""Who left: true, false, or null for "not yet known".

The outcome window of a day is ``[as_of + lead_days, as_of + lead_days + outcome_days)``: the lead is the time a team
needs to act. A label is known once the window is over *and* the feed holds an event at or after its end, which proves
that the data reach that far; before, it is null. What a label says is judged with the rows loaded by ``known_on``, so
that a training run that is repeated for a past day finds the same labels.

- ``inactivity``: true when nothing was bought in the window (a purchase inside the lead does not count as staying);
- ``cancellation``: true when no contract is open at the window's end, null when none was open any more at the end of
  the lead (too late to act). Whoever swaps one contract for another stays;
- ``rhythm``: true when nothing was bought in the customer's own part of the window: as many of his usual gaps as the
  definition says, from the window's start; null for those without a rhythm at ``as_of``. Whoever has a short window is
  not told before the others: who was told early would be those who left;
- ``balance_drop``: true when at the window's end a share of the balance of ``as_of`` is gone, null for those who held
  less than the least amount then;
- ``column``: what the customers' table says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING

from features.clocks import ORDER, Clock, known_rows, newest_versions
from features.corrections import corrected_tables
from features.levels import account_key, counts, has_left, is_held, level, level_columns
from features.rhythms import RHYTHMS, rhythm_steps
from features.spine import build_spine, contract_expression, purchase_days
from features.steps import Step, select, with_steps
from holdback.business import (
    BalanceDropChurn,
    Business,
    CancellationChurn,
    Churn,
    ColumnChurn,
    InactivityChurn,
    RhythmChurn,
)
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


def build_labels(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    known_on: date,
    spine: pa.Table | None = None,
) -> pa.Table:
    """Return what became of the customers that a day describes.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day that the customers are described on.
        known_on: The day on which the question is asked; rows loaded later do not count.
        spine: ``customer_id, as_of`` of the customers; :func:`features.spine.build_spine` by default.

    Returns:
        ``customer_id`` (text), ``as_of`` (date), ``churned`` (bool; null while not yet known, or too late to act),
        ``outcome_ends_on`` (date; first day after the outcome window), ordered by customer.
    """
    sql = label_sql(business, churn, as_of, known_on=known_on, corrected=corrected_tables(warehouse))
    rows = spine if spine is not None else build_spine(warehouse, business, churn, as_of)
    return warehouse.query(sql, frames={"spine": rows.select(["customer_id", "as_of"])})


def outcome_ends_on(churn: Churn, as_of: date) -> date:
    """Return the first day after the outcome window; for kind ``column``, which has no window, ``as_of`` itself."""
    return as_of if isinstance(churn, ColumnChurn) else as_of + timedelta(days=churn.lead_days + churn.outcome_days)


def knowable_on(churn: Churn, as_of: date) -> date:
    """Return the first day on which what became of a day's customers can be known.

    That is the day after :func:`outcome_ends_on`: only an event of that day proves that the data reach so far, and it
    is visible the morning after. Kind ``column`` has no window: what its table says can be known at once.
    """
    ends_on = outcome_ends_on(churn, as_of)
    return ends_on if isinstance(churn, ColumnChurn) else ends_on + timedelta(days=1)


def label_sql(business: Business, churn: Churn, as_of: date, *, known_on: date, corrected: Collection[str] = ()) -> str:
    """Return the SQL of :func:`build_labels` over a frame ``spine``."""
    question = Question(business, churn, Clock.of(business, as_of), Clock.of(business, known_on), corrected)
    steps, churned = KINDS[churn.kind](question)
    return (
        f"-- labels: one row per (customer_id, as_of) of the spine, by churn definition {churn.name}, "
        f"as known on {known_on}.\n"
        f"{with_steps(steps)}\n\n"
        "select\n    spine.customer_id,\n    spine.as_of,\n"
        f"    cast({churned} as boolean) as churned,\n"
        f"    date '{outcome_ends_on(churn, as_of)}' as outcome_ends_on\n"
        "from spine\nleft join _outcome on _outcome.customer_id = spine.customer_id\ncross join _reach\n"
        "order by spine.customer_id\n"
    )


@dataclass(frozen=True)
class Question:
    """One churn definition asked about one day, with what was known on another."""

    business: Business
    churn: Churn
    as_of: Clock
    known: Clock
    corrected: Collection[str] = field(default=())

    def rows(self, feed: str, columns: tuple[str, ...], condition: str) -> str:
        """SQL of the spine's rows of a feed that meet a condition, as they were known.

        The condition bounds the event clock: no window ends after ``known_on`` without :meth:`reach` saying no.
        """
        return known_rows(
            feed, columns, self.known, corrected=feed in self.corrected, also=condition, event_clock=False
        )

    def reach(self, feed: str, ends: str) -> Step:
        """One row: does the feed, as it was known, hold an event at or after the end of the window?"""
        known = f"event_at >= {ends} and event_at < {self.known.now} and loaded_at <= {self.known.now}"
        sql = select(["count(*) > 0 as is_reached"], f'from "{feed}"\n    where {known}')
        return Step("_reach", "the window is over and the data reach its end", sql)


def _inactivity(question: Question) -> tuple[list[Step], str]:
    churn = question.churn
    assert isinstance(churn, InactivityChurn)
    starts, ends = _window(question.as_of, churn)
    in_window = f"event_at >= {starts} and event_at < {ends} and amount_cents >= 0"
    steps = [
        Step("_bought", "purchases in the outcome window", question.rows(churn.feed, (), in_window)),
        Step("_outcome", "who bought anything", select(["customer_id"], "from _bought\n    group by customer_id")),
        question.reach(churn.feed, ends),
    ]
    return steps, "case when _reach.is_reached then _outcome.customer_id is null end"


def _cancellation(question: Question) -> tuple[list[Step], str]:
    churn = question.churn
    assert isinstance(churn, CancellationChurn)
    starts, ends = _window(question.as_of, churn)
    columns = (f"{contract_expression(question.business, churn)} as contract_id", "kind", *ORDER)
    last = f"arg_max(kind, row({', '.join(ORDER)}))"
    states = [
        "customer_id",
        f"{last} filter (where event_at < {starts}) as kind_at_start",
        f"{last} as kind_at_end",
    ]
    counts = [
        "customer_id",
        "count(*) filter (where kind_at_start <> 'cancel') as open_at_start",
        "count(*) filter (where kind_at_end <> 'cancel') as open_at_end",
    ]
    steps = [
        Step(
            "_contract_events",
            "what happened before the end of the outcome window",
            question.rows(churn.feed, columns, f"event_at < {ends}"),
        ),
        Step(
            "_contracts",
            "the state of each contract when the window starts and when it ends",
            select(states, "from _contract_events\n    group by customer_id, contract_id"),
        ),
        Step("_outcome", "each customer's open contracts", select(counts, "from _contracts\n    group by customer_id")),
        question.reach(churn.feed, ends),
    ]
    return steps, "case when _reach.is_reached and _outcome.open_at_start > 0 then _outcome.open_at_end = 0 end"


def _rhythm(question: Question) -> tuple[list[Step], str]:
    churn = question.churn
    assert isinstance(churn, RhythmChurn)
    starts, ends = _window(question.as_of, churn)
    days = purchase_days(question.business, churn, question.as_of, question.corrected, spine=True)
    longest = churn.lead_days + churn.outcome_days
    own_end = question.as_of.microseconds_later(f"({churn.lead_days} + window_days)", at_most=longest)
    in_window = f"event_at >= {starts} and event_at < {ends} and amount_cents >= 0"
    came = select(
        ["_windows.customer_id", "count(_bought.event_at) = 0 as is_silent"],
        "from _windows left join _bought\n        on _bought.customer_id = _windows.customer_id and "
        "epoch_us(_bought.event_at) < _windows.ends_us\n    group by _windows.customer_id",
    )
    steps = [
        *rhythm_steps(churn, days, key="customer_id", most_days=churn.outcome_days),
        Step("_windows", "when each one's own window ends", select(["customer_id", f"{own_end} as ends_us"],
                                                                    f"from {RHYTHMS}")),
        Step("_bought", "purchases in the longest window", question.rows(churn.feed, ("event_at",), in_window)),
        Step("_outcome", "who bought nothing in his own", came),
        question.reach(churn.feed, ends),
    ]  # fmt: skip
    return steps, "case when _reach.is_reached then _outcome.is_silent end"


def _balance_drop(question: Question) -> tuple[list[Step], str]:
    churn, business = question.churn, question.business
    assert isinstance(churn, BalanceDropChurn)
    _, ends = _window(question.as_of, churn)
    columns, account = level_columns(business, churn), ("customer_id", *account_key(business, churn))
    counted = counts(churn)
    before = known_rows(churn.feed, columns, question.as_of, corrected=churn.feed in question.corrected, also=counted)
    after = question.rows(churn.feed, columns, f"event_at < {ends}" + (f" and {counted}" if counted else ""))

    def held(name: str) -> str:
        accounts = select([*account, f"{level()} as cents"], f"from {name}\n        group by {', '.join(account)}")
        return f"select customer_id, sum(cents) as cents from ({accounts})\n    group by customer_id"

    both = "from _held_before inner join _held_after using (customer_id)"
    outcome = ["customer_id", "_held_before.cents as before_cents", "_held_after.cents as after_cents"]
    steps = [
        Step("_levels_before", "balances that were visible at as_of", before),
        Step("_held_before", "what each one held then", held("_levels_before")),
        Step("_levels_after", "balances until the end of the outcome window", after),
        Step("_held_after", "what each one holds at its end", held("_levels_after")),
        Step("_outcome", "who held something, then and at the end", select(outcome, both)),
        question.reach(churn.feed, ends),
    ]
    enough = is_held(churn, "_outcome.before_cents")
    gone = has_left(churn, "_outcome.before_cents", "_outcome.after_cents")
    return steps, f"case when _reach.is_reached and {enough} then {gone} end"


def _column(question: Question) -> tuple[list[Step], str]:
    churn = question.churn
    assert isinstance(churn, ColumnChurn)
    steps = newest_versions(question.known, (f'"{churn.attribute}" as said',), question.corrected, spine=True)
    steps += [
        Step("_outcome", "what the company says", select(["customer_id", "said"], "from _customers_rows")),
        Step("_reach", "a statement about a customer needs no waiting", "select true as is_reached"),
    ]
    return steps, "case when _reach.is_reached then _outcome.said end"


def _window(
    as_of: Clock, churn: InactivityChurn | CancellationChurn | RhythmChurn | BalanceDropChurn
) -> tuple[str, str]:
    return as_of.days_ago(-churn.lead_days), as_of.days_ago(-churn.lead_days - churn.outcome_days)


#: How each churn kind of the business file becomes a label.
KINDS: Mapping[str, Callable[[Question], tuple[list[Step], str]]] = {
    "inactivity": _inactivity,
    "cancellation": _cancellation,
    "rhythm": _rhythm,
    "balance_drop": _balance_drop,
    "column": _column,
}
