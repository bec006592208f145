"""Which feed carries the revenue, and so which kind of value model a business can have."""

from __future__ import annotations

from typing import Final, Literal

from holdback.business import Business
from holdback.errors import BusinessFileError

Kind = Literal["purchases", "contracts"]

_KINDS: Final[dict[str, Kind]] = {"subscriptions": "contracts", "transactions": "purchases"}
_AMOUNTS: Final = {"subscriptions": "price_cents", "transactions": "amount_cents", "balances": "balance_cents"}


def value_feed(business: Business) -> tuple[str, Kind]:
    """Return the feed that carries the revenue, and the kind of value model that learns from it.

    The feed is the one that the file names, else the first that can: contracts, then purchases.

    Raises:
        BusinessFileError: no feed carries revenue, or only balances do.
    """
    feed = _carrying(business)
    if feed is None:
        named = business.value.feed
        where = f"value.feed: {named!r} maps no price" if named else "no feed says what a customer brings"
        raise BusinessFileError(
            f"{business.slug}: {where}. A value model learns from purchases with amounts or from contracts with "
            "prices. Add a feed of role subscriptions (with columns.price) or transactions, and name it under "
            "value.feed."
        )
    kind = _KINDS.get(business.feeds[feed].role)
    if kind is None:
        raise BusinessFileError(
            f"{business.slug}: value.feed: {feed!r} holds balances. Nothing is bought and no contract ends there, so "
            "that no value model is trained: the margin of the balances is carried on by the bookkeeping "
            "(`holdback fit explain`). Name a feed of purchases or contracts under value.feed to have a model."
        )
    return feed, kind


def _carrying(business: Business) -> str | None:
    named = business.value.feed
    if named is not None:
        return named if business.feeds[named].has(_AMOUNTS[business.feeds[named].role]) else None
    for role, amount in _AMOUNTS.items():
        for name, feed in business.feeds_with_role(role).items():
            if feed.has(amount):
                return name
    return None
