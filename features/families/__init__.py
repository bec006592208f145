"""Which features a business has: families by role, from what its feeds really map.

One feed of a role gets plain names (``order_count_90d``); several feeds of one role get their own name before them
(``tills_order_count_90d``, ``web_order_count_90d``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from features.declarations import Feature, FeatureSet, FeedShape
from features.families.contacts import campaign_contact_features, feedback_features, interaction_features
from features.families.customers import TABLE as CUSTOMERS_TABLE
from features.families.customers import customer_features
from features.families.states import balance_features, subscription_features, usage_features
from features.families.transactions import transaction_features
from features.own import own_families
from features.scales import RescaledFeed
from holdback.business import Business, Feed
from holdback.errors import BusinessFileError
from holdback.scales import scale_spans
from holdback.tables import CUSTOMERS

#: What declares the features of a feed, by its role.
FAMILIES: Mapping[str, Callable[[FeedShape, str], list[Feature]]] = {
    "transactions": transaction_features,
    "subscriptions": subscription_features,
    "interactions": interaction_features,
    "feedback": feedback_features,
    "balances": balance_features,
    "usage": usage_features,
    "campaign_contacts": campaign_contact_features,
}


def feature_set(business: Business) -> FeatureSet:
    """Return every feature of a business: its feeds' families, its customers' attributes, its own SQL files.

    Args:
        business: The company; only columns that its file maps are used.

    Raises:
        BusinessFileError: two features have the same name, or an own SQL file is wrong.

    Examples:
        >>> feature_set(business).named("order_count_90d").meaning.es  # doctest: +SKIP
        'Pedidos en los últimos 90 días'
    """
    feeds_per_role = Counter(feed.role for feed in business.feeds.values())
    features: list[Feature] = []
    shapes: list[FeedShape] = []
    for name, feed in business.feeds.items():
        if feed.role not in FAMILIES:
            continue  # who was in a campaign elsewhere says nothing of what a customer does
        shape = feed_shape(name, feed)
        shapes.append(shape)
        features += FAMILIES[feed.role](shape, f"{name}_" if feeds_per_role[feed.role] > 1 else "")
    if business.customers is not None:
        shape = customers_shape(business)
        shapes.append(shape)
        features += customer_features(shape, business.customers)
    own = own_families(business)
    features += [feature for family in own for feature in family.features]
    _refuse_equal_names(business, features)
    return FeatureSet(tuple(features), tuple(shapes), own)


def feed_shape(name: str, feed: Feed) -> FeedShape:
    """Return what the compiler must know of a feed."""
    columns = feed.mapped_columns
    vocabularies = tuple(
        (column.name, feed.accepts.get(column.key) or column.allowed or ())
        for column in columns
        if column.type == "text" and (column.key in feed.accepts or column.allowed)
    )
    names = tuple(column.name for column in columns)
    if len(feed.scales) > 1:
        return RescaledFeed(name, feed.role, names, vocabularies, scale_spans(feed))
    return FeedShape(name, feed.role, names, vocabularies)


def customers_shape(business: Business) -> FeedShape:
    """Return what the compiler must know of the customers' table.

    Raises:
        BusinessFileError: the business has no customers section.
    """
    if business.customers is None:
        raise BusinessFileError(f"{business.slug}: customers: is missing. Add the section.")
    mapped = {column.name for column in CUSTOMERS.columns if column.key in business.customers.columns}
    attributes = [name for name, a in business.customers.attributes.items() if a.kind != "label"]
    own = [column.name for column in CUSTOMERS.columns if column.name in mapped]
    return FeedShape(CUSTOMERS_TABLE, CUSTOMERS_TABLE, ("customer_id", *own, *attributes))


def _refuse_equal_names(business: Business, features: list[Feature]) -> None:
    counts = Counter([*(feature.name for feature in features), "customer_id", "as_of"])
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        places = ", ".join(f"{f.role} {f.feed}" for f in features if f.name == twice[0])
        raise BusinessFileError(
            f"{business.slug}: features: {twice[0]!r} is declared twice ({places}). Names must differ. "
            "Rename the attribute, or the feature in your own SQL file."
        )
