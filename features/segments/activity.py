"""Is a customer doing more than before, less, or back after a silence? Read from one feed, by its role.

The window is the churn definition's own outcome window, in whole weeks (at least four, at most 52): what counts as a
long time differs between a grocer and a resort. Activity in the last window is compared with the one before it:

- ``transactions``: days with a purchase; a difference that two Poisson counts show by chance
  (``|a - b| <= sqrt(a + b)``, one standard error) is none;
- ``usage``: the quantity of each metric against the customer's own, averaged over metrics;
- ``balances``: what the accounts hold now against what they held a window ago.

From 1.25 times upwards it grows, from 1 / 1.25 downwards it cools. Where the customer or the records are younger than
both windows, nothing is said. *Back* is who did something in the last days, after a silence of at least an outcome
window; who comes back counts as back for ``new_days``, at most an outcome window. Accounts may stand still for a year
without anybody having left: there, back is who held nothing a window ago, something before that, and something now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from features.clocks import ORDER, Clock, known_rows
from features.revenue import contract_key
from features.steps import Step, select
from holdback.business import Business, Churn

#: One row per customer and day of 24 hours before as_of on which he bought or gave back something.
DAYS: Final = "_purchase_days"
#: Activity this many times as high as before grows; one divided by it cools.
TREND_RATIO: Final = 1.25
#: Roles in which activity can be seen, the first that a company has counts.
ACTIVITY_ROLES: Final = ("transactions", "usage", "balances")

_USUAL_DAYS: Final = 90  # of a churn definition without a window
_WEEKS: Final = (4, 52)
_GAP_DAYS: Final = 30  # without a contract: shorter is a change of contract


@dataclass(frozen=True)
class Asked:
    """One churn definition on one day.

    Attributes:
        business: The company.
        churn: The definition.
        clock: The day of knowledge.
        corrected: Tables with replaced rows.
    """

    business: Business
    churn: Churn
    clock: Clock
    corrected: Collection[str]

    @cached_property
    def churn_feed(self) -> str | None:
        """The feed that churn is defined on; None when a column tells."""
        return getattr(self.churn, "feed", None)

    @cached_property
    def activity_feed(self) -> str | None:
        """The feed in which activity is seen: that of the churn definition, else the first that a company has."""
        own = self.churn_feed
        if own is not None and self.business.feeds[own].role in ACTIVITY_ROLES:
            return own
        return next((name for role in ACTIVITY_ROLES for name in self.business.feeds_with_role(role)), None)

    @cached_property
    def purchase_feed(self) -> str | None:
        """The feed of purchases: that of the churn definition or of activity, else the company's first."""
        feeds = list(self.business.feeds_with_role("transactions"))
        return next((feed for feed in (self.churn_feed, self.activity_feed) if feed in feeds), next(iter(feeds), None))

    @cached_property
    def starting_feed(self) -> str | None:
        """The feed whose first event is the beginning of a relationship."""
        contracts = next(iter(self.business.feeds_with_role("subscriptions")), None)
        return self.churn_feed or self.activity_feed or contracts

    @property
    def silence_days(self) -> int:
        """Days without activity after which somebody counts as having been away."""
        return int(getattr(self.churn, "outcome_days", _USUAL_DAYS))

    @property
    def window_days(self) -> int:
        """Days of activity that are compared with as many before them."""
        least, most = _WEEKS
        return 7 * min(max(round(self.silence_days / 7), least), most)

    @property
    def back_days(self) -> int:
        """How long somebody who came back counts as back."""
        return min(self.business.journey.new_days, self.silence_days)

    def rows(self, feed: str, columns: tuple[str, ...]) -> str:
        """SQL of the described customers' rows of a feed, visible by both clocks."""
        return known_rows(feed, columns, self.clock, corrected=feed in self.corrected)


def purchase_day_steps(asked: Asked) -> list[Step]:
    """Return the step :data:`DAYS`, none without purchases.

    Its columns: ``customer_id, days_ago, is_purchase, net_cents, first_at``.
    """
    feed = asked.purchase_feed
    if feed is None:
        return []
    rows = asked.rows(feed, ("event_at", "amount_cents"))
    days = [
        "customer_id",
        f"{asked.clock.full_days_since('event_at')} as days_ago",
        "bool_or(amount_cents >= 0) as is_purchase",
        "sum(amount_cents) as net_cents",
        "min(event_at) filter (where amount_cents >= 0) as first_at",
    ]
    return [
        Step(DAYS, "one row per customer and day of purchases", select(days, f"from ({rows})\n    group by all")),
    ]


def activity_steps(asked: Asked) -> list[Step]:
    """Return the steps that end in ``_activity``: ``customer_id, first_at, trend, is_back``.

    ``trend``: 1 growing, -1 cooling, 0 neither; ``is_back``: active after a silence.
    """
    feed = asked.activity_feed
    if feed is None:
        nothing = "cast(null as timestamp) as first_at, 0 as trend, false as is_back"
        return [Step("_activity", "no feed tells", f"select customer_id, {nothing}\n    from spine\n    where false")]
    return _BY_ROLE[asked.business.feeds[feed].role](asked, feed)


def beginning_steps(asked: Asked) -> list[Step]:
    """Return the steps that end in ``_begun`` (``customer_id, first_at, is_back``) and ``_reach`` (``first_at``).

    ``_begun`` is by the feed that churn is defined on; ``_reach`` says since when its records are kept.
    """
    feed = asked.starting_feed
    if feed is None:
        nothing = "select customer_id, cast(null as timestamp) as first_at, false as is_back from spine where false"
        no_reach = "select cast(null as timestamp) as first_at"
        return [Step("_begun", "no feed tells", nothing), Step("_reach", "no feed tells", no_reach)]
    steps = []
    if asked.business.feeds[feed].role == "subscriptions":
        steps += _contracts(asked, feed)
    else:
        steps.append(Step("_begun", "as activity tells", "select customer_id, first_at, is_back\n    from _activity"))
    known = known_rows(feed, ("event_at",), asked.clock, corrected=False, spine=False)
    steps.append(Step("_reach", "since when records are kept", f"select min(event_at) as first_at from ({known})"))
    return steps


def _transactions(asked: Asked, _feed: str) -> list[Step]:
    window = asked.window_days
    counts = [
        "customer_id",
        "min(first_at) as first_at",
        f"count(*) filter (where days_ago < {window}) as recent_count",
        f"count(*) filter (where days_ago >= {window} and days_ago < {2 * window}) as before_count",
        f"{_is_back('days_ago', asked)} as is_back",
    ]
    is_seen = "abs(recent_count - before_count) > sqrt(recent_count + before_count)"
    told = [
        "customer_id",
        "first_at",
        f"case when {is_seen} then {_trend('recent_count', 'before_count')} else 0 end as trend",
        "is_back",
    ]
    each = select(counts, f"from {DAYS}\n    where is_purchase\n    group by customer_id")
    return [
        Step("_counted", f"days with a purchase in two windows of {window} days", each),
        Step("_activity", "more than before, less, or back", select(told, "from _counted")),
    ]


def _usage(asked: Asked, feed: str) -> list[Step]:
    window, clock = asked.window_days, asked.clock
    metric = "metric" if asked.business.feeds[feed].has("metric") else "'one' as metric"
    recent = f"event_at >= {clock.days_ago(window)}"
    before = f"event_at >= {clock.days_ago(2 * window)} and event_at < {clock.days_ago(window)}"
    days_ago = clock.full_days_since("event_at")
    sums = [
        "customer_id",
        "metric",
        "min(event_at) as first_at",
        f"sum(quantity) filter (where {recent}) as recent_quantity",
        f"sum(quantity) filter (where {before}) as before_quantity",
        f"max({days_ago}) filter (where {days_ago} < {asked.back_days}) as back_days",
        f"min({days_ago}) filter (where {days_ago} >= {asked.back_days}) as away_days",
    ]
    ratio = "avg(coalesce(recent_quantity, 0) / before_quantity) filter (where before_quantity > 0)"
    told = [
        "customer_id",
        "min(first_at) as first_at",
        f"coalesce({_trend(ratio, '1')}, 0) as trend",
        f"coalesce(min(away_days) - max(back_days) >= {asked.silence_days}, false) as is_back",
    ]
    rows = asked.rows(feed, ("event_at", metric, "quantity"))
    by_metric = select(sums, f"from ({rows})\n    group by customer_id, metric")
    return [
        Step("_measured", f"each metric in two windows of {window} days", by_metric),
        Step("_activity", "more than before, less, or back", select(told, "from _measured\n    group by customer_id")),
    ]


def _balances(asked: Asked, feed: str) -> list[Step]:
    window, clock = asked.window_days, asked.clock
    account = "account_kind" if asked.business.feeds[feed].has("account_kind") else "'one' as account_kind"
    newest, then = f"arg_max(balance_cents, row({', '.join(ORDER)}))", f"event_at < {clock.days_ago(window)}"
    states = [
        "customer_id",
        "account_kind",
        "min(event_at) as first_at",
        f"{newest} as now_cents",
        f"{newest} filter (where {then}) as before_cents",
        f"max(balance_cents) filter (where {then}) as most_cents",
    ]
    was_empty = "sum(before_cents) <= 0 and max(most_cents) > 0 and sum(now_cents) > 0"
    told = [
        "customer_id",
        "min(first_at) as first_at",
        f"case when sum(before_cents) > 0 then {_trend('sum(now_cents)', 'sum(before_cents)')} else 0 end as trend",
        f"coalesce({was_empty}, false) as is_back",
    ]
    rows = asked.rows(feed, (account, "balance_cents", *ORDER))
    by_account = select(states, f"from ({rows})\n    group by customer_id, account_kind")
    return [
        Step("_held", f"what each account holds, and held {window} days before", by_account),
        Step("_activity", "more than before, less, or back", select(told, "from _held\n    group by customer_id")),
    ]


def _contracts(asked: Asked, feed: str) -> list[Step]:
    """Who has a contract again, after a time without one."""
    events = asked.rows(feed, (f"{contract_key(asked.business, feed)} as contract_id", "kind", *ORDER))
    contracts = [
        "customer_id",
        "contract_id",
        "min(event_at) as first_at",
        "max(event_at) filter (where kind = 'cancel') as closed_at",
        f"arg_max(kind, row({', '.join(ORDER)})) <> 'cancel' as is_open",
    ]
    opened = """select told.customer_id, min(told.event_at) as opened_at
    from _contract_events told inner join _contracts using (customer_id, contract_id)
    where is_open and (closed_at is null or told.event_at > closed_at)
    group by told.customer_id"""
    back = (
        f"opened_at >= {asked.clock.days_ago(asked.back_days)} and opened_at - closed_at >= interval {_GAP_DAYS} days"
    )
    begun = f"""select customer_id, first_at, coalesce({back}, false) as is_back
    from (
        select customer_id, min(first_at) as first_at, max(closed_at) as closed_at from _contracts group by customer_id
    ) left join _opened using (customer_id)"""
    by_contract = select(contracts, "from _contract_events\n    group by customer_id, contract_id")
    return [
        Step("_contract_events", "events of their contracts", events),
        Step("_contracts", "first event, last cancellation and state of each", by_contract),
        Step("_opened", "since when they have the contracts of today", opened),
        Step("_begun", "first contract; back after a time without one", begun),
    ]


def _is_back(days_ago: str, asked: Asked) -> str:
    """SQL: did something in the last days, after a silence?"""
    first_recent = f"max({days_ago}) filter (where {days_ago} < {asked.back_days})"
    last_before = f"min({days_ago}) filter (where {days_ago} >= {asked.back_days})"
    return f"coalesce({last_before} - {first_recent} >= {asked.silence_days}, false)"


def _trend(recent: str, before: str) -> str:
    """SQL: 1 when it grew, -1 when it cooled, else 0."""
    return (
        f"case when {recent} >= {TREND_RATIO!r}::double * ({before}) then 1 "
        f"when {recent} * {TREND_RATIO!r}::double <= ({before}) then -1 else 0 end"
    )


_BY_ROLE: Mapping[str, Callable[[Asked, str], list[Step]]] = {
    "transactions": _transactions,
    "usage": _usage,
    "balances": _balances,
}
