"""What was known of the past, in numbers: the same as long as nothing of it was loaded, replaced or removed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from features.clocks import Clock, timestamp
from holdback.business import Business
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.kept import key_of

#: Tables with a row per customer and day, of which the past is never changed, but removed when it is too old.
_OF_DAYS = ("customer_values", "scores", "segments")


def past_of(
    warehouse: Warehouse, business: Business, feeds: Iterable[str], *, known_on: date, before: date | None = None
) -> list[dict[str, Any]]:
    """Return of each feed how many of its rows were known on a day, of when they are, and how many were replaced.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        feeds: Their names.
        known_on: The day of knowledge.
        before: Only events before this day count; of the others, that there are some.
    """
    now = Clock.of(business, known_on).now
    until = "timestamp '9999-01-01'" if before is None else timestamp(business.instant(before))
    counted = [
        f"select {literal(feed)} as feed, count(*) filter (where event_at < {until}) as known,\n"
        f"    min(event_at) as first_at, least(max(event_at), {until}) as reach,\n"
        f"    max(loaded_at) filter (where event_at < {until}) as loaded_at,\n"
        f"    (select count(*) from superseded where feed = {literal(feed)} and replaced_at <= {now}) as replaced\n"
        f'from "{feed}" where loaded_at <= {now}'
        for feed in sorted(set(feeds))
    ]
    if not counted:
        return []
    found: list[dict[str, Any]] = warehouse.query("\nunion all\n".join(counted) + "\norder by feed").to_pylist()
    return found


def customers_of(warehouse: Warehouse, business: Business, known_on: date) -> list[dict[str, Any]]:
    """Return how many rows were known on a day of who the customers are, and of what was computed of them by then."""
    now = Clock.of(business, known_on).now
    counted = [
        f"select '{table}' as written, count(*) as known, max(as_of)::timestamp as newest from {table} "
        f"where as_of <= date '{known_on}'"
        for table in _OF_DAYS
    ]
    if business.customers is not None:
        counted.append(f"select 'customers', count(*), max(loaded_at) from customers where loaded_at <= {now}")
        counted.append(
            f"select 'replaced', count(*), max(replaced_at) from superseded where feed = 'customers' "
            f"and replaced_at <= {now}"
        )
    found: list[dict[str, Any]] = warehouse.query("\nunion all\n".join(counted) + "\norder by written").to_pylist()
    return found


def key_as_known(
    warehouse: Warehouse, business: Business, feeds: Iterable[str], known_on: date, about: object = None
) -> str:
    """Return the key of an answer that is read from feeds and from who the customers are, as both were known on a day.

    Args:
        warehouse: Where they are.
        business: The company; the answer may depend on all that it declares.
        feeds: Their names.
        known_on: The day.
        about: Whatever else the answer depends on.
    """
    past = past_of(warehouse, business, feeds, known_on=known_on)
    return key_of(business.model_dump_json(), known_on, about, past, customers_of(warehouse, business, known_on))
