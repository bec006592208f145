"""Compile a feature set for one day into SQL: one statement per feed, one pass of ``FILTER`` aggregates in each.

A statement is DuckDB SQL over one feed's table and a frame ``spine(customer_id, as_of, customer_number)``
(:func:`features.spine.numbered`); rows of other customers, of later days and of later loads change nothing.
:mod:`features.dialects` renders it for PostgreSQL and Spark.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from features.clocks import Clock
from features.declarations import Feature, FeatureSet, FeedShape, OwnFamily
from features.measures import Measures
from features.own import own_step
from features.preparation import key_of, prepared
from features.steps import Step, select, with_steps

DERIVED = "derived"


def compile_features(features: FeatureSet, clock: Clock, *, corrected: Collection[str] = ()) -> Mapping[str, str]:
    """Return the SQL of all features on one day, by feed (and by own family).

    Args:
        features: The feature set, or a part of it (:func:`only`).
        clock: The day of knowledge.
        corrected: Feeds with rows that were replaced by corrections; the others are read without that check.

    Returns:
        For each feed that has features, a SELECT of ``customer_id, as_of`` and one column per feature, with one row
        per row of the spine, ordered by ``customer_id``.
    """
    statements: dict[str, str] = {}
    for shape in features.shapes:
        declared = [f for f in features if f.feed == shape.feed and f.role == shape.role]
        if declared:
            statements[shape.feed] = _feed_statement(shape, declared, clock, corrected=shape.feed in corrected)
    for family in features.own_families:
        declared = [f for f in family.features if f in features.features]
        if declared:
            statements[f"own/{family.name}"] = _own_statement(family, declared, clock)
    return statements


def only(features: FeatureSet, names: Iterable[str]) -> FeatureSet:
    """Return the part of a feature set that computes ``names``, with the features that derived ones are made of.

    Raises:
        BusinessFileError: a name is not a feature.
    """
    wanted = {features.named(name).name for name in names}
    for feature in features:
        if feature.name in wanted and feature.aggregate == DERIVED:
            assert feature.column is not None
            wanted |= set(re.findall(r"\w+", feature.column)) & set(features.names)
    return replace(features, features=tuple(f for f in features if f.name in wanted))


def _feed_statement(shape: FeedShape, declared: list[Feature], clock: Clock, *, corrected: bool) -> str:
    """SQL of one feed's features."""
    name = f"_{shape.feed}_measures"
    measures = Measures(clock, name)
    columns = {f.name: typed(f, measures.expression(f)) for f in declared if f.aggregate != DERIVED}
    steps = prepared(shape, clock, corrected=corrected)
    is_grouped = any(f.aggregate not in ("value", DERIVED) for f in declared)
    comment = "one pass: every aggregate of the feed" if is_grouped else "one row per customer already"
    by_customer = f"\n    group by {key_of(shape)}" if is_grouped else ""
    selected = [key_of(shape), *(f'{sql} as "{alias}"' for sql, alias in measures.columns.items())]
    steps.append(Step(name, comment, select(selected, f"from {steps[-1].name}{by_customer}")))
    return _header(shape.feed, declared, clock) + _described(steps, columns, declared, key=key_of(shape))


def _own_statement(family: OwnFamily, declared: list[Feature], clock: Clock) -> str:
    """SQL of a company's own family."""
    step = own_step(family, clock)
    columns = {f.name: typed(f, f'{step.name}."{f.name}"') for f in declared}
    return _header(family.name, declared, clock) + _described([step], columns, declared, key="customer_id")


def typed(feature: Feature, expression: str) -> str:
    """Cast an expression to the feature's output type, with the declared value where there is no row."""
    cast = f"cast({expression} as {feature.output_type})"
    if feature.absent is None:
        return cast
    absent = f"'{feature.absent}'" if isinstance(feature.absent, str) else f"{float(feature.absent):g}e0"
    return f"coalesce({cast}, {absent})"


def _described(steps: list[Step], columns: dict[str, str], declared: list[Feature], *, key: str) -> str:
    """Join the last step to the spine, then compute what is derived from other features."""
    last = steps[-1].name
    selected = ["spine.customer_id", "spine.as_of", *(f'{sql} as "{name}"' for name, sql in columns.items())]
    joined = select(selected, f"from spine\n    left join {last} on {last}.{key} = spine.{key}")
    comment = "one row per customer of the spine; absent customers get the declared value"
    listed = ",\n    ".join(["customer_id", "as_of", *final_columns(declared)])
    return (
        f"{with_steps([*steps, Step('_described', comment, joined)])}\n\n"
        f"select\n    {listed}\nfrom _described\norder by customer_id\n"
    )


def final_columns(declared: Iterable[Feature]) -> list[str]:
    """SQL of each feature over a relation of all that are not derived."""
    return [
        f'{typed(feature, feature.column or "")} as "{feature.name}"'
        if feature.aggregate == DERIVED
        else f'"{feature.name}"'
        for feature in declared
    ]


def _header(feed: str, declared: list[Feature], clock: Clock) -> str:
    absent = "; ".join(f"{f.name} = {'null' if f.absent is None else f.absent}" for f in declared[:3])
    return (
        f"-- {feed}: one row per row of the spine, as_of {clock.as_of}, begins at {clock.now} UTC.\n"
        "-- The spine has a customer_id, an as_of and a customer_number of its own in each row.\n"
        "-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.\n"
        f"-- Absent customers: {absent}{', ...' if len(declared) > 3 else ''}.\n"
    )
