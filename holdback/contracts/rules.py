"""A rule: declared once, judged twice.

Every rule becomes one Great Expectations expectation, which gives the verdict, and one SQL expression of our own,
which finds the rows (row rules) or repeats the figure (batch rules). The two must agree on every batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Severity = Literal["critical", "warning", "info"]
Scope = Literal["batch", "row"]


@dataclass(frozen=True)
class Parameter:
    """A bound that is known only when the batch is there."""

    name: str


Bound = int | float | datetime | Parameter


@dataclass(frozen=True)
class Expectation:
    """The Great Expectations side of a rule, free of the vendor's types.

    Args:
        kind: Name of a class of ``great_expectations.expectations``.
        arguments: Its arguments; tuples stand for lists.
        where_true: Columns that must be true for a row to be judged.
        where_null: Columns that must be null for a row to be judged.
    """

    kind: str
    arguments: tuple[tuple[str, object], ...]
    where_true: tuple[str, ...] = ()
    where_null: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """One thing that a batch or a row must be.

    Args:
        name: A sentence in snake case that is true when all is well: ``amount_is_money``.
        column: Stored name of the column it is about; None when it is about the whole batch or row.
        severity: ``critical`` refuses the batch; ``warning`` on a row rule sends the row to quarantine, on a batch rule
            is reported; ``info`` is only noted.
        scope: Whether it judges each row or the batch.
        asks: What it asks, in words.
        sql: Row rule: SQL that is true for a bad row (null counts as good). Batch rule: SQL of the figure it bounds.
        expectation: The same for Great Expectations.
        low: Batch rule: smallest figure allowed.
        high: Batch rule: largest figure allowed.
    """

    name: str
    column: str | None
    severity: Severity
    scope: Scope
    asks: str
    sql: str
    expectation: Expectation
    low: Bound | None = None
    high: Bound | None = None


@dataclass(frozen=True)
class Judgement:
    """What a rule found in one batch."""

    rule: Rule
    is_passed: bool
    unexpected_count: int | None = None
    observed: str | None = None

    @property
    def sentence(self) -> str:
        """The finding in one line, for messages."""
        if self.rule.scope == "row":
            rows = "1 row" if self.unexpected_count == 1 else f"{self.unexpected_count} rows"
            return f"{self.rule.name}: {rows} ({self.rule.asks})"
        return f"{self.rule.name}: {self.observed or 'nothing'} ({self.rule.asks})"


@dataclass(frozen=True)
class Contract:
    """Everything that a feed's batches must be."""

    feed: str
    rules: tuple[Rule, ...] = field(default=())

    @property
    def row_rules(self) -> tuple[Rule, ...]:
        """Rules that decide where a row goes."""
        return tuple(rule for rule in self.rules if rule.scope == "row")

    @property
    def batch_rules(self) -> tuple[Rule, ...]:
        """Rules on the whole batch."""
        return tuple(rule for rule in self.rules if rule.scope == "batch")


def sql_of(bound: Bound, parameters: Mapping[str, Bound]) -> str:
    """Write a bound as an SQL literal."""
    value = parameters[bound.name] if isinstance(bound, Parameter) else bound
    if isinstance(value, datetime):
        return f"timestamp '{value.isoformat(sep=' ')}'"
    return repr(value)


def words_of(low: object, high: object, unit: str = "") -> str:
    """Say an interval in words.

    Examples:
        >>> words_of(0, None)
        'at least 0'
    """
    suffix = f" {unit}" if unit else ""
    lowest, highest = _short(low), _short(high)
    if low is None:
        return f"at most {highest}{suffix}"
    if high is None:
        return f"at least {lowest}{suffix}"
    return f"between {lowest} and {highest}{suffix}" if low != high else f"{lowest}{suffix}"


def _short(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
