"""What each customer paid in the horizon, and in the same time before the entry, by the role of the revenue's feed.

Counted as :mod:`campaigns.fit.booked` books it: purchases as they were paid, contracts by the seconds that they ran at
their price, balances by the mean of each account (a year's interest is the margin rate of them).
"""

from __future__ import annotations

from campaigns.margins import DAYS_PER_MONTH
from features.following import contracts_of
from features.steps import Step
from monitoring.outcomes.asking import Asked

_SECONDS_PER_MONTH = 86_400 * DAYS_PER_MONTH
_DAYS_PER_YEAR = 365


def money_steps(asked: Asked, near: str) -> list[Step]:
    """Return the steps that end in ``_paid``: ``who, revenue_cents, before_cents`` of mature customers.

    ``near`` bounds the events to somebody's horizon, or to as long before it (:meth:`Asked.within`).
    """
    feed = asked.revenue_feed
    if feed is None:
        return [Step("_paid", "no feed carries revenue", "select null::bigint as who, 0 as revenue_cents, "
                     "0 as before_cents where false")]  # fmt: skip
    role = asked.business.feeds[feed].role
    if role == "subscriptions":
        return _subscriptions(feed)
    return _balances(asked, feed, near) if role == "balances" else _transactions(asked, feed, near)


def _transactions(asked: Asked, feed: str, near: str) -> list[Step]:
    paid = """select who,
        sum(amount_cents) filter (where event_at >= entered_at) as revenue_cents,
        sum(amount_cents) filter (where event_at < entered_at) as before_cents
    from _entered inner join _paid_rows using (customer_id)
    where is_mature and event_at >= before_at and event_at < ends_at
    group by who"""
    return [
        Step(
            "_paid_rows", "lines that may lie in somebody's time", asked.rows(feed, ("event_at", "amount_cents"), near)
        ),
        Step("_paid", "what each paid in his horizon, and before it", paid),
    ]


def _subscriptions(feed: str) -> list[Step]:
    paid = f"""select _entered.who,
        round(sum(price_cents * {_seconds("entered_at", "ends_at")}) / {_SECONDS_PER_MONTH!r}::double) as revenue_cents,
        round(sum(price_cents * {_seconds("before_at", "entered_at")}) / {_SECONDS_PER_MONTH!r}::double) as before_cents
    from _entered inner join {contracts_of(feed)} as life on life.who = _entered.who
    where is_mature and kind not in ('cancel', 'pause') and price_cents is not null
        and event_at < ends_at and (until_at is null or until_at > before_at)
    group by _entered.who"""
    return [Step("_paid", "while a contract runs, its price is due", paid)]


def _balances(asked: Asked, feed: str, near: str) -> list[Step]:
    account = "account_kind" if asked.business.feeds[feed].has("account_kind") else "'one'"
    rows = asked.rows(feed, (f"{account} as account", "event_at", "balance_cents"), near)
    accounts = """select who, avg(balance_cents) filter (where event_at >= entered_at) as mean_cents,
        avg(balance_cents) filter (where event_at < entered_at) as before_mean_cents
    from _entered inner join _balance_rows using (customer_id)
    where is_mature and event_at >= before_at and event_at < ends_at
    group by who, account"""
    years = f"{asked.cohort.horizon_days} / {_DAYS_PER_YEAR}"
    paid = f"""select who, round(sum(mean_cents) * {years}) as revenue_cents,
        round(sum(before_mean_cents) * {years}) as before_cents
    from _accounts group by who"""
    return [
        Step("_balance_rows", "balances that may lie in somebody's time", rows),
        Step("_accounts", "each account's mean", accounts),
        Step("_paid", "the balance that a customer had, as if for a year", paid),
    ]


def _seconds(starts: str, ends: str) -> str:
    """SQL of the seconds that a state covers of a window; an instant is told to the microsecond."""
    until = f"least(coalesce(until_at, {ends}), {ends})"
    return f"greatest(0, epoch({until}) - epoch(greatest(event_at, {starts})))"
