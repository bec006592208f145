"""The tables of a range of customers: every feed is read once, then each day is computed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from features.clocks import Clock
from features.compiler import compile_features, final_columns
from features.computation import described
from features.declarations import FeatureSet
from features.snapshots.accounts import Accounts
from features.snapshots.days import Days
from features.snapshots.exceptions import Statement
from features.snapshots.history import EVENT
from features.snapshots.reading import DayOf, Read, read
from features.snapshots.runs import Found, Runs
from features.snapshots.spoken import NOW, Spoken, divided
from features.spine import numbered
from features.steps import Step, select, with_steps
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

#: Odd pairs of a range and a feed that one statement describes, whatever their days; of more, a few days at a time.
MOST_EXCEPTIONS = 10_000


@dataclass(frozen=True, eq=False)
class Plan:
    """What is computed, whoever the customers are.

    Args:
        features: The features.
        days: The days.
        corrected: Feeds with rows that were replaced by corrections.
    """

    features: FeatureSet
    days: Days
    corrected: Collection[str]
    _statements: dict[str, Statement] = field(default_factory=dict)

    @cached_property
    def divided(self) -> tuple[tuple[Spoken, ...], FeatureSet, frozenset[str]]:
        """See :func:`features.snapshots.spoken.divided`."""
        return divided(self.features, self.clock(0))

    def clock(self, day: int) -> Clock:
        """Return the clock of a day."""
        return Clock(self.days.days[day], self.days.instant)

    def is_corrected(self, spoken: Spoken) -> bool:
        """True for a feed with replaced rows."""
        return spoken.shape.feed in self.corrected

    def statement(self, spoken: Spoken) -> Statement:
        """Return the statement of a feed on any day, which is compiled once."""
        made = Statement(self.features, spoken, self.days, self.is_corrected(spoken))
        return self._statements.setdefault(spoken.shape.feed, made)


@dataclass(frozen=True, eq=False)
class Range:
    """Some customers, whose features of any of the days can be computed.

    Args:
        warehouse: Where the feeds are.
        plan: What is computed.
        customer_ids: The customers, ordered.
        described: Whom each day describes of them.
    """

    warehouse: Warehouse
    plan: Plan
    customer_ids: pa.Array
    described: Sequence[DayOf]
    _few: dict[str, pa.Table] = field(default_factory=dict)

    def tables(self, wanted: Sequence[DayOf]) -> list[pa.Table]:
        """Compute the feature tables of some days, in their order."""
        columns: dict[str, Any] = {}
        for spoken, found in self._reads:
            table = self._found(spoken, found, wanted)
            columns |= {name: table[name] for name in table.column_names}
        tables, start = [], 0
        for day in wanted:
            named = {name: column.slice(start, len(day.customers)) for name, column in columns.items()}
            start += len(day.customers)
            table = self._spine(day)
            _, others, other_names = self.plan.divided
            if other_names:
                rest = self._by_statement(others, day.number, table)
                named |= {name: rest[name] for name in other_names}
            for name in self.plan.features.names:
                table = table.append_column(name, named[name])
            tables.append(table)
        return tables

    @cached_property
    def _reads(self) -> list[tuple[Spoken, Read]]:
        import pyarrow as pa

        customers = numbered(pa.table({"customer_id": self.customer_ids}))
        return [
            (spoken, read(self.warehouse, spoken, self.plan.days, customers, corrected=self.plan.is_corrected(spoken)))
            for spoken in self.plan.divided[0]
        ]

    def _found(self, spoken: Spoken, rows: Read, wanted: Sequence[DayOf]) -> pa.Table:
        """One feed's features of some days: from runs of rows, and by statement where these do not say it."""
        measured = _measured(spoken, rows, wanted)
        table = self.warehouse.query(
            final_sql(spoken), frames={spoken.relation: self._relation(measured, spoken, wanted)}
        )
        return self._excepted(table, spoken, rows, wanted)

    def _relation(self, measured: dict[str, Found], spoken: Spoken, wanted: Sequence[DayOf]) -> pa.Table:
        import pyarrow as pa

        instants = np.repeat(
            self.plan.days.begin()[[day.number for day in wanted]], [len(day.customers) for day in wanted]
        )
        columns = {NOW: pa.array(instants.view("datetime64[us]"))}
        for measure, name in spoken.measures.items():
            found = measured[name]
            values = found.values.view("datetime64[us]") if measure.column == EVENT else found.values
            columns[name] = pa.array(values, mask=None if found.known.all() else ~found.known)
        return pa.table(columns)

    def _excepted(self, table: pa.Table, spoken: Spoken, rows: Read, wanted: Sequence[DayOf]) -> pa.Table:
        """Put what the statement of a day says in the place of what runs of rows cannot."""
        import pyarrow as pa
        import pyarrow.compute as pc

        is_odd = pa.array(np.concatenate([rows.is_odd(day) for day in wanted]))
        if not pc.any(is_odd).as_py():
            return table
        found = self._exceptions(spoken, rows, wanted)
        columns = [
            pc.replace_with_mask(table[name].combine_chunks(), is_odd, found[name].combine_chunks())
            for name in table.column_names
        ]
        return pa.table(columns, names=table.column_names)

    def _exceptions(self, spoken: Spoken, rows: Read, wanted: Sequence[DayOf]) -> pa.Table:
        """What the statement says of odd pairs, one day after the other; of few ones it is asked once for all days."""
        counts = [int(rows.is_odd(day).sum()) for day in self.described]
        if sum(counts) > MOST_EXCEPTIONS:
            return self._by_key(spoken, rows, wanted)
        feed, first = spoken.shape.feed, wanted[0].number
        if feed not in self._few:
            self._few[feed] = self._by_key(spoken, rows, self.described)
        return self._few[feed].slice(sum(counts[:first]), sum(counts[first : first + len(wanted)]))

    def _by_key(self, spoken: Spoken, rows: Read, wanted: Sequence[DayOf]) -> pa.Table:
        import pyarrow as pa

        ids: list[pa.Array] = [self.customer_ids.slice(0, 0)] * len(self.plan.days)
        for day in wanted:
            ids[day.number] = self.customer_ids.take(pa.array(day.customers[rows.is_odd(day)]))
        return self.plan.statement(spoken).described(self.warehouse, ids)

    def _spine(self, day: DayOf) -> pa.Table:
        import pyarrow as pa

        as_of = pa.array([self.plan.days.days[day.number]] * len(day.customers), pa.date32())
        return pa.table({"customer_id": self.customer_ids.take(pa.array(day.customers)), "as_of": as_of})

    def _by_statement(self, features: FeatureSet, day: int, spine: pa.Table) -> pa.Table:
        statements = compile_features(features, self.plan.clock(day), corrected=self.plan.corrected)
        return described(self.warehouse, features, statements, spine)


def _measured(spoken: Spoken, rows: Read, wanted: Sequence[DayOf]) -> dict[str, Found]:
    """The measures of one feed, by name, of the days' customers one day after the other."""
    count = rows.odd.shape[1]
    if not spoken.accounts:
        pairs = np.concatenate([day.number * count + day.customers for day in wanted])
        runs = Runs(rows.history, pairs, spoken.limits)
        return {name: runs.found(measure) for measure, name in spoken.measures.items()}
    first = wanted[0].number
    days = range(first, wanted[-1].number + 1)
    whole = Accounts(rows.customer, count).combined(rows.history, spoken.measures, spoken.accounts, days)
    pairs = np.concatenate([(day.number - first) * count + day.customers for day in wanted])
    return {name: Found(found.values[pairs], found.known[pairs]) for name, found in whole.items()}


def final_sql(spoken: Spoken) -> str:
    """SQL of the features of one feed over its measures, row by row."""
    selected = [f'{sql} as "{name}"' for name, sql in spoken.finals.items()]
    step = Step("_described", "what does not hang on another feature", select(selected, f"from {spoken.relation}"))
    listed = ",\n    ".join(final_columns(spoken.features))
    return f"{with_steps([step])}\n\nselect\n    {listed}\nfrom _described\n"
