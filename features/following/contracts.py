"""The lives of the followed customers' contracts, event by event: who has one open, and at which price."""

from __future__ import annotations

from features.clocks import ORDER
from features.following.question import Following
from features.revenue import contract_key
from features.steps import Step, select


def contracts_of(feed: str) -> str:
    """Return the relation in which a feed's contracts are found."""
    return f"_contracts_of_{feed}"


def contract_steps(asked: Following) -> list[Step]:
    """Return the steps that end in :func:`contracts_of` for each feed of contracts that churn or revenue needs.

    One row per event: ``who, event_at``; ``turn`` (for churn: 1 when a contract opens, -1 when it ends, else 0);
    ``kind, price_cents, until_at`` (for revenue: the state that the event begins, until the next one of the contract).
    """
    leaving = asked.churn_feed if asked.churn.kind == "cancellation" else None
    paying = asked.revenue_feed
    if paying is not None and asked.business.feeds[paying].role != "subscriptions":
        paying = None
    feeds = dict.fromkeys(feed for feed in (leaving, paying) if feed is not None)
    return [step for feed in feeds for step in _steps(asked, feed, turns=feed == leaving, prices=feed == paying)]


def _steps(asked: Following, feed: str, *, turns: bool, prices: bool) -> list[Step]:
    order = ", ".join(ORDER)
    rows = asked.rows(feed, (f"{contract_key(asked.business, feed)} as contract_id", "kind", "price_cents", *ORDER))
    events = select(
        ["who", "contract_id", "kind", "price_cents", *ORDER],
        f"from _entered inner join ({rows}) as told using (customer_id)",
    )
    # One window for all: its rows are sorted once.
    columns = ["who", "event_at"]
    if turns:
        columns.append(
            "(kind <> 'cancel')::tinyint - coalesce(lag(kind <> 'cancel') over life, false)::tinyint as turn"
        )
    if prices:
        columns += [
            "kind",
            "last_value(price_cents ignore nulls) over life as price_cents",
            "lead(event_at) over life as until_at",
        ]
    return [
        Step(f"_events_of_{feed}", "events of their contracts, as known", events),
        Step(
            contracts_of(feed),
            "from each event of a contract to the next",
            select(
                columns, f"from _events_of_{feed}\n    window life as (partition by who, contract_id order by {order})"
            ),
        ),
    ]
