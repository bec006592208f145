"""Which features can be found from runs of rows, and what has to be read for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from features.clocks import Clock
from features.compiler import DERIVED, only, typed
from features.declarations import Feature, FeatureSet, FeedShape
from features.measures import Measure, Measures, Operation
from features.preparation import BALANCES_DAYS_AGO, FOLLOWED_ROLES, said_and_silent
from features.snapshots.history import EVENT

#: Name of the column that says when the day of a row begins.
NOW = "_now"

_OPERATIONS: frozenset[Operation] = frozenset(
    {"rows", "known", "sum", "squares", "min", "max", "newest", "newest_of", "bits"}
)
_COMBINED: frozenset[Operation] = frozenset({"sum", "min", "max"})


@dataclass(frozen=True)
class NewestOf:
    """Only the newest row but ``rank - 1`` of those that meet ``condition``; of one instant, the later prepared one."""

    condition: str
    rank: int


@dataclass(frozen=True)
class After:
    """Only rows that meet ``condition`` and come after the newest one that meets ``newest``."""

    condition: str
    newest: str


Limit = NewestOf | After


@dataclass(frozen=True, eq=False)
class Spoken:
    """The features of one feed that are found from runs of its rows.

    Args:
        shape: The feed.
        features: Its features.
        measures: What has to be found, each with its name.
        finals: SQL of each feature but the derived ones, over a relation of the measures.
        limits: Conditions of the features that hang on a row's place among the others.
        accounts: For a feed of balances: what is found of an account, by the name under which features add it up.
    """

    shape: FeedShape
    features: tuple[Feature, ...]
    measures: Mapping[Measure, str]
    finals: Mapping[str, str]
    limits: Mapping[str, Limit]
    accounts: Mapping[str, Measure]

    @property
    def relation(self) -> str:
        """Name of the relation of the measures."""
        return relation_of(self.shape)

    @property
    def over_rows(self) -> tuple[Measure, ...]:
        """The measures that are found from rows."""
        return tuple(self.accounts.values()) or tuple(self.measures)

    @property
    def columns(self) -> tuple[str, ...]:
        """Expressions that have to be read as whole numbers."""
        return tuple(dict.fromkeys(c for m in self.over_rows if (c := column_of(m)) not in (None, EVENT) and c))

    @property
    def conditions(self) -> tuple[str, ...]:
        """Conditions that have to be read as flags."""
        told: dict[str, None] = {}
        for condition in (m.filter for m in self.measures if m.filter):
            limit = self.limits.get(condition)
            told[condition if limit is None else limit.condition] = None
            if isinstance(limit, After):
                told[limit.newest] = None
        return tuple(told)


def column_of(measure: Measure) -> str | None:
    """SQL of the whole number that a measure takes from each row; None when rows are counted."""
    return measure.place if measure.operation == "newest_of" else measure.column


def relation_of(shape: FeedShape) -> str:
    """Name of the relation of a feed's measures."""
    return f"_{shape.feed}_measures"


def divided(features: FeatureSet, clock: Clock) -> tuple[tuple[Spoken, ...], FeatureSet, frozenset[str]]:
    """Divide a feature set into what is found from runs of rows and the rest.

    Args:
        features: The feature set, or a part of it.
        clock: Any day.

    Returns:
        The spoken features by feed; a set that computes all others; the names of these others.
    """
    spoken = tuple(
        found
        for shape in features.shapes
        if shape.role in FOLLOWED_ROLES
        if (found := _spoken(shape, [f for f in features if (f.feed, f.role) == (shape.feed, shape.role)], clock))
    )
    said = {feature.name for part in spoken for feature in part.features}
    others = frozenset(features.names) - said
    return spoken, only(features, others), others


def _spoken(shape: FeedShape, declared: list[Feature], clock: Clock) -> Spoken | None:
    limits, accounts = _limits(shape), _accounts(shape)
    plain = [f for f in declared if f.aggregate != DERIVED and _is_spoken(_measures(shape, [f], clock)[0], accounts)]
    names = {feature.name for feature in plain}
    unspoken = {feature.name for feature in declared if feature.aggregate != DERIVED} - names
    kept = [f for f in declared if f in plain or (f.aggregate == DERIVED and not _named(f) & unspoken)]
    if not plain:
        return None
    measures, finals = _measures(shape, plain, clock)
    return Spoken(shape, tuple(kept), measures, finals, limits, accounts)


def _named(feature: Feature) -> set[str]:
    return set(re.findall(r"\w+", feature.column or ""))


def _measures(
    shape: FeedShape, features: list[Feature], clock: Clock
) -> tuple[Mapping[Measure, str], Mapping[str, str]]:
    relation = relation_of(shape)
    found = Measures(_AnyDay(clock.as_of, clock.instant, f'{relation}."{NOW}"'), relation)
    return found.named, {f.name: typed(f, found.expression(f)) for f in features}


def _is_spoken(measures: Mapping[Measure, str], accounts: Mapping[str, Measure]) -> bool:
    if not accounts:
        return all(measure.operation in _OPERATIONS for measure in measures)
    return all(
        m.operation in _COMBINED and m.column in accounts and (m.since_days, m.until_days) == (None, None)
        for m in measures
    )


@dataclass(frozen=True)
class _AnyDay(Clock):
    """The clock of many days: each row says when its day begins."""

    now_column: str

    @property
    def now(self) -> str:
        """See :attr:`features.clocks.Clock.now`."""
        return self.now_column


def _limits(shape: FeedShape) -> Mapping[str, Limit]:
    if shape.role != "feedback" or not shape.has("score"):
        return {}
    said, silent = said_and_silent(shape)
    scored = "score_thousandths is not null"
    ranks = {f"answer_rank = {rank}": NewestOf(scored, rank) for rank in (1, 2)}
    return {**ranks, "is_silent": After(silent, said), "is_after_last_answer": After(silent, said)}


def _accounts(shape: FeedShape) -> Mapping[str, Measure]:
    if shape.role != "balances":
        return {}
    cents = "balance_cents"
    return {
        EVENT: Measure("max", EVENT),
        cents: Measure("newest", cents),
        **{f"balance_{days}d_ago_cents": Measure("newest", cents, until_days=days) for days in BALANCES_DAYS_AGO},
        "peak_90d_cents": Measure("max", cents, since_days=90),
    }
