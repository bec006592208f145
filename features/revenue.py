"""Which feed says what a customer brings, and what a contract is in it."""

from __future__ import annotations

from typing import Final

from holdback.business import Business
from holdback.errors import BusinessFileError

REVENUE_ROLES: Final = ("subscriptions", "transactions", "balances")

_AMOUNTS = {"subscriptions": "price_cents", "transactions": "amount_cents", "balances": "balance_cents"}


def revenue_feed(business: Business) -> str:
    """Return the feed that carries the revenue: the one the file names, else the first that can.

    Raises:
        BusinessFileError: no feed can, or the one named lacks the amount.
    """
    named = business.value.feed
    if named is not None:
        role = business.feeds[named].role
        if not business.feeds[named].has(_AMOUNTS[role]):
            raise BusinessFileError(
                f"{business.slug}: value.feed: {named!r} maps no price. What a customer brings is counted with it. "
                f"Add feeds.{named}.columns.price, or name another feed."
            )
        return named
    for carrying in REVENUE_ROLES:
        for name, feed in business.feeds_with_role(carrying).items():
            if feed.has(_AMOUNTS[carrying]):
                return name
    raise BusinessFileError(
        f"{business.slug}: no feed says what a customer brings. Fit and decisions weigh it against the cost. Add a "
        "feed of role subscriptions (with columns.price), transactions or balances, and name it under value.feed."
    )


def contract_key(business: Business, feed: str) -> str:
    """SQL of the key of a contract: the customer itself, when the feed has no contract column."""
    has_key = business.feeds[feed].has("subscription_id")
    return "coalesce(subscription_id, customer_id)" if has_key else "customer_id"
