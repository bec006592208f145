"""Compile a feature set for one day into one SQL statement: one pass of ``FILTER`` aggregates over each feed.

The statement is DuckDB SQL over the warehouse's tables and a frame ``spine(customer_id, as_of)``; what it reads of
other customers or later days changes nothing. :mod:`features.dialects` renders it for PostgreSQL and Spark.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from features.clocks import Clock
from features.declarations import Feature, FeatureSet, FeedShape
from features.measures import Measures
from features.own import own_step
from features.preparation import prepared
from features.steps import Step, select, with_steps

DERIVED = "derived"


def compile_features(features: FeatureSet, clock: Clock, *, corrected: Collection[str] = ()) -> str:
    """Return the SQL of all features on one day.

    Args:
        features: The feature set, or a part of it (:func:`only`).
        clock: The day of knowledge.
        corrected: Feeds with rows that were replaced by corrections; the others are read without that check.

    Returns:
        A SELECT of ``customer_id, as_of`` and one column per feature, ordered by ``customer_id``.
    """
    steps: list[Step] = []
    columns: dict[str, str] = {}
    joins: list[str] = []
    for shape in features.shapes:
        declared = [f for f in features if f.feed == shape.feed and f.role == shape.role and f.aggregate != DERIVED]
        if declared:
            expressions, feed_steps = _feed_pass(shape, declared, clock, corrected=shape.feed in corrected)
            steps += feed_steps
            columns |= expressions
            joins.append(feed_steps[-1].name)
    for family in features.own_families:
        if any(f in family.features for f in features):
            step = own_step(family, clock)
            steps.append(step)
            columns |= {f.name: _typed(f, f'{step.name}."{f.name}"') for f in family.features if f in features.features}
            joins.append(step.name)
    steps.append(_described(columns, joins))
    return _header(features, clock) + _statement(steps, features)


def only(features: FeatureSet, names: Iterable[str]) -> FeatureSet:
    """Return the part of a feature set that computes ``names``, with the features that derived ones are made of.

    Raises:
        BusinessFileError: a name is not a feature.
    """
    import re

    wanted = {features.named(name).name for name in names}
    for feature in features:
        if feature.name in wanted and feature.aggregate == DERIVED:
            assert feature.column is not None
            wanted |= set(re.findall(r"\w+", feature.column)) & set(features.names)
    return replace(features, features=tuple(f for f in features if f.name in wanted))


def _feed_pass(
    shape: FeedShape, declared: list[Feature], clock: Clock, *, corrected: bool
) -> tuple[dict[str, str], list[Step]]:
    """Return the final expression of each feature of a feed, and the steps that compute what they are made of."""
    steps = prepared(shape, clock, corrected=corrected)
    name = f"_{shape.feed}_measures"
    measures = Measures(clock, name)
    raw = {f.name: measures.expression(f) for f in declared}
    grouped = all(f.aggregate != "value" for f in declared)
    selected = ["customer_id", *(f'{sql} as "{alias}"' for sql, alias in measures.columns.items())]
    comment = "one pass: every aggregate of the feed" if grouped else "one row per customer already"
    by_customer = "\n    group by customer_id" if grouped else ""
    steps.append(Step(name, comment, select(selected, f"from {steps[-1].name}{by_customer}")))
    return {f.name: _typed(f, raw[f.name]) for f in declared}, steps


def _typed(feature: Feature, expression: str) -> str:
    """Cast to the output type, with the declared value where there is no row."""
    cast = f"cast({expression} as {feature.output_type})"
    if feature.absent is None:
        return cast
    absent = f"'{feature.absent}'" if isinstance(feature.absent, str) else f"{float(feature.absent):g}e0"
    return f"coalesce({cast}, {absent})"


def _described(columns: dict[str, str], joins: list[str]) -> Step:
    selected = ["spine.customer_id", "spine.as_of", *(f'{sql} as "{name}"' for name, sql in columns.items())]
    joined = "".join(f"\n    left join {name} on {name}.customer_id = spine.customer_id" for name in joins)
    comment = "one row per customer of the spine; absent customers get the declared value"
    return Step("_described", comment, select(selected, f"from spine{joined}"))


def _statement(steps: list[Step], features: FeatureSet) -> str:
    final = ["customer_id", "as_of"]
    for feature in features:
        derived = feature.aggregate == DERIVED
        final.append(f'{_typed(feature, feature.column or "")} as "{feature.name}"' if derived else f'"{feature.name}"')
    return f"{with_steps(steps)}\n\nselect\n    " + ",\n    ".join(final) + "\nfrom _described\norder by customer_id\n"


def _header(features: FeatureSet, clock: Clock) -> str:
    read = [shape.feed for shape in features.shapes if any(f.feed == shape.feed for f in features)]
    absent = "; ".join(f"{f.name} = {'null' if f.absent is None else f.absent}" for f in features.features[:3])
    return (
        f"-- features: one row per (customer_id, as_of), as_of {clock.as_of}, which begins at {clock.now} UTC.\n"
        "-- Windows are half-open, [as_of - days, as_of); only rows that both clocks let through.\n"
        f"-- Reads spine, {', '.join(read)}. Absent customers: {absent}, ...\n"
    )
