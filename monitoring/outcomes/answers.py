"""What each customer said when he was asked, and the outcomes that the company declared."""

from __future__ import annotations

from collections.abc import Sequence

from features.clocks import ORDER
from features.steps import Step, select
from holdback.business import Outcome
from monitoring.outcomes.asking import Asked

_PROMOTER, _DETRACTOR = 9, 6


def feedback_feed(asked: Asked) -> str | None:
    """Return the feed that is measured: the first on the NPS scale, else the first of all; None without any."""
    feeds = asked.business.feeds_with_role("feedback")
    return next((name for name, feed in feeds.items() if feed.scale == "nps"), next(iter(feeds), None))


def answer_steps(asked: Asked, near: str) -> list[Step]:
    """Return the steps that end in ``_answers``: ``who, answered, nps, score`` of mature customers asked.

    Who answered more than once counts with his last answer. ``nps`` is 100 from 9 up, -100 to 6, else 0; 0 for feeds
    on another scale. ``near`` bounds the events (:meth:`Asked.within`).
    """
    feed = feedback_feed(asked)
    if feed is None:
        nothing = "select null::bigint as who, 0 as answered, 0 as nps, 0e0 as score where false"
        return [Step("_answers", "nobody is asked", nothing)]
    shape = asked.business.feeds[feed]
    is_nps = shape.scale == "nps"
    also = near + (" and coalesce(kind, 'nps') = 'nps'" if is_nps and shape.has("kind") else "")
    order = ", ".join(ORDER)
    points = f"case when last_score >= {_PROMOTER} then 100 when last_score <= {_DETRACTOR} then -100 else 0 end"
    said = f"""select who, arg_max(score, row({order})) filter (where score is not null) as last_score
    from _entered inner join _asked_rows using (customer_id)
    where is_mature and event_at >= entered_at and event_at < ends_at
    group by who"""
    answers = select(
        [
            "who",
            "(last_score is not null)::integer as answered",
            f"{points if is_nps else 0} as nps",
            "coalesce(last_score, 0) as score",
        ],
        "from _said",
    )
    return [
        Step("_asked_rows", "requests for feedback", asked.rows(feed, ("score", *ORDER), also)),
        Step("_said", "the last answer of each who was asked", said),
        Step("_answers", "answers as points", answers),
    ]


def outcome_steps(asked: Asked, near: str) -> list[Step]:
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


def _stored(asked: Asked, outcome: Outcome) -> str:
    """Return the stored name of the column that an outcome is made of."""
    columns = asked.business.feeds[outcome.feed].mapped_columns
    return next(column.name for column in columns if outcome.of in (column.key, column.name))


def _measured(outcome: Outcome, columns: dict[str, str]) -> str:
    column = columns.get(outcome.of) if outcome.of is not None else None
    if outcome.kind == "total":
        return f'sum("{column}")'
    return "1" if column is None else f'coalesce(bool_or("{column}" > 0), false)::integer'
