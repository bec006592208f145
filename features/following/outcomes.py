"""The outcomes that a company declares, of each customer from his own day of entry to his horizon."""

from __future__ import annotations

from collections.abc import Sequence

from features.following.question import Following
from features.steps import Step, select
from holdback.business import Business, Outcome
from holdback.tables import Column


def outcome_steps(asked: Following, near: str) -> list[Step]:
    """Return the steps that end in ``_outcome_<i>``: those of the i-th feed that declares any.

    Columns: ``who`` and ``outcome_<n>``, the n-th outcome of the business file; of mature customers.
    """
    steps = []
    for position, (feed, outcomes) in enumerate(outcomes_by_feed(asked.business.outcomes).items()):
        columns = {outcome.of: _stored(asked, outcome) for outcome in outcomes if outcome.of is not None}
        sums = [f"{_measured(o, columns)} as outcome_{asked.business.outcomes.index(o)}" for o in outcomes]
        rows = asked.rows(feed, ("event_at", *(f'"{name}"' for name in columns.values())), near)
        found = select(
            ["who", *sums],
            f"from _entered inner join _outcome_rows_{position} using (customer_id)\n"
            "    where is_mature and event_at >= entered_at and event_at < ends_at\n    group by who",
        )
        steps += [
            Step(f"_outcome_rows_{position}", f"rows of {feed} in somebody's horizon", rows),
            Step(f"_outcome_{position}", "the company's own outcomes", found),
        ]
    return steps


def outcomes_by_feed(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Return the declared outcomes by their feed, in the file's order."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.feed, []).append(outcome)
    return found


def stored_column(business: Business, outcome: Outcome) -> Column:
    """Return the stored column that an outcome is made of."""
    columns = business.feeds[outcome.feed].mapped_columns
    return next(column for column in columns if outcome.of in (column.key, column.name))


def _stored(asked: Following, outcome: Outcome) -> str:
    return stored_column(asked.business, outcome).name


def _measured(outcome: Outcome, columns: dict[str, str]) -> str:
    column = columns.get(outcome.of) if outcome.of is not None else None
    if outcome.kind == "total":
        return f'sum("{column}")'
    return "1" if column is None else f'coalesce(bool_or("{column}" > 0), false)::integer'
