"""What each customer said when he was asked."""

from __future__ import annotations

from features.clocks import ORDER
from features.steps import Step, select
from holdback.business import Feed
from holdback.scales import scale_spans
from monitoring.outcomes.asking import Asked

_PROMOTER, _DETRACTOR = 9, 6


def feedback_feed(asked: Asked) -> str | None:
    """Return the feed that is measured: the first on the NPS scale now, else the first of all; None without any."""
    feeds = asked.business.feeds_with_role("feedback")
    return next((name for name, feed in feeds.items() if _is_nps(feed)), next(iter(feeds), None))


def _is_nps(feed: Feed) -> bool:
    spans = scale_spans(feed)
    return bool(spans) and spans[-1].scale == "nps"


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
    is_nps, spans = _is_nps(shape), scale_spans(shape)
    if len(spans) > 1:  # scores of two scales have no mean: those on the newest one count
        near += f" and {spans[-1].condition(asked.business.instant)}"
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
