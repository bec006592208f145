"""Show where a feature comes from: its SQL, and one customer's values with the events behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from features.clocks import Clock
from features.compiler import DERIVED, compile_features, only
from features.computation import build_features
from features.corrections import corrected_tables
from features.declarations import Feature, FeatureSet, FeedShape
from features.families import feature_set
from features.measures import condition_of
from features.preparation import key_of, prepared
from features.spine import numbered
from features.steps import with_steps
from holdback.business import Business, Churn
from holdback.errors import DataError
from holdback.warehouse import Warehouse

#: Newest events of a feed that an explanation lists.
MOST_EVENTS = 20


@dataclass(frozen=True)
class Behind:
    """The prepared rows (orders, contacts, answers, ...) inside a feature's window that pass its filter.

    Args:
        event_count: How many.
        first_event_at: When the oldest happened, naive UTC; None when there is none.
        last_event_at: When the newest happened.
    """

    event_count: int
    first_event_at: datetime | None
    last_event_at: datetime | None


@dataclass(frozen=True)
class Explanation:
    """One customer on one day.

    Args:
        customer_id: Who.
        as_of: The day of knowledge.
        values: The feature table's row; None is "not known", and of a text only its length is told.
        behind: What each value was computed from; attributes, own files and derived features have none.
        events: The newest prepared rows of each feed, newest first, without what was written.
    """

    customer_id: str
    as_of: date
    values: Mapping[str, float | str | None]
    behind: Mapping[str, Behind]
    events: Mapping[str, list[dict[str, Any]]]


def feature_sql(business: Business, name: str, as_of: date) -> str:
    """Return the SQL that computes one feature (with those it is derived from) on one day.

    Raises:
        BusinessFileError: the business has no such feature.
    """
    statements = compile_features(only(feature_set(business), [name]), Clock.of(business, as_of))
    return "\n".join(statements.values())


def explain_customer(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    customer_id: str,
    *,
    names: tuple[str, ...] = (),
) -> Explanation:
    """Return one customer's values on one day, with the events behind them.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day of knowledge.
        customer_id: The customer, whether or not the definition describes them on that day.
        names: Features to explain; all of them by default.

    Raises:
        BusinessFileError: a name is not a feature.
        DataError: nothing at all was known of this customer.
    """
    import pyarrow as pa

    declared = only(feature_set(business), names) if names else feature_set(business)
    spine = pa.table({"customer_id": [customer_id], "as_of": pa.array([as_of], pa.date32())})
    row = build_features(warehouse, business, churn, as_of, spine=spine, features=declared).to_pylist()[0]
    clock, corrected, frames = Clock.of(business, as_of), corrected_tables(warehouse), {"spine": numbered(spine)}
    events: dict[str, list[dict[str, Any]]] = {}
    behind: dict[str, Behind] = {}
    for shape in declared.shapes:
        steps = with_steps(prepared(shape, clock, corrected=shape.feed in corrected))
        source = f"from _{shape.feed}_rows"
        newest = "" if shape.role == "customers" else f" order by event_at desc limit {MOST_EVENTS}"
        shown = f"* exclude ({key_of(shape)})"
        if shape.has("remark"):
            shown = f"* exclude ({key_of(shape)}, remark_text), length(remark_text) as remark_characters"
        found = warehouse.query(f"{steps}\nselect {shown} {source}{newest}", frames=frames)
        events[shape.feed] = found.to_pylist()
        counted = _counted(declared, shape)
        if counted:
            columns = ", ".join(_behind(position, feature, clock) for position, feature in enumerate(counted))
            totals = warehouse.query(f"{steps}\nselect {columns} {source}", frames=frames).to_pylist()[0]
            for position, feature in enumerate(counted):
                count, first, last = (totals[f"{what}_{position}"] for what in ("count", "first", "last"))
                behind[feature.name] = Behind(count, first, last)
    if not names and not any(events.values()):
        raise DataError(
            f"customer {customer_id}: nothing was known on {as_of}, in {', '.join(events) or 'no feed'}. "
            "Check the key, or choose a later day."
        )
    values = {feature.name: _shown(row[feature.name], feature) for feature in declared}
    return Explanation(customer_id, as_of, values, behind, events)


def _shown(value: float | str | None, feature: Feature) -> float | str | None:
    """The value; of what somebody wrote only how much it is, because an explanation is printed."""
    return f"{len(str(value))} characters" if feature.kind == "text" and value is not None else value


def _counted(declared: FeatureSet, shape: FeedShape) -> list[Feature]:
    return [f for f in declared if f.feed == shape.feed and f.aggregate not in (DERIVED, "value")]


def _behind(position: int, feature: Feature, clock: Clock) -> str:
    inside = f"filter (where {condition_of(feature, clock)})"
    return (
        f"count(*) {inside} as count_{position}, min(event_at) {inside} as first_{position}, "
        f"max(event_at) {inside} as last_{position}"
    )
