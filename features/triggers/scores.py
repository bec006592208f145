"""Triggers of kind ``score_below`` and ``score_above``: an answer, or a churn probability, is beyond a line.

- ``feed`` (role ``feedback``): the newest answer, given in the last ``over_days``, lies beyond the line. The line is on
  the scale that the feed has now; older answers are told on it (:mod:`features.scales`). With ``by``: the answer
  before, at most ``over_days`` older, was not beyond the line, and the two are at least ``by`` apart.
- ``churn``: the probability of the newest day that was scored, not later than today and not older than
  :data:`STALE_DAYS`. With ``by``: on the newest scored day at least ``over_days`` before that one (and at most
  :data:`STALE_DAYS` more), the probability was not beyond the line, and the two are at least ``by`` apart.

Beyond is strict: a 7 is not below 7.
"""

from __future__ import annotations

from features.clocks import Clock
from features.declarations import FeedShape
from features.scales import RescaledFeed, score_expression
from features.steps import Step, select
from features.triggers.asking import HELD, Asked, Held
from holdback.business import Feed, ScoreTrigger
from holdback.scales import scale_spans
from holdback.sql import literal

#: Scores older than this many days are nobody's risk of today.
STALE_DAYS = 31


def beyond(asked: Asked, trigger: ScoreTrigger) -> Held:
    """Return whose score is beyond the line; ``size`` is the score."""
    steps = _answers(asked, trigger, trigger.feed) if trigger.feed is not None else _probabilities(asked, trigger)
    sign = "<" if trigger.kind == "score_below" else ">"
    line = f"{trigger.at!r}::double"
    conditions = [f"score {sign} {line}"]
    if trigger.by is not None:
        moved = "before - score" if sign == "<" else "score - before"
        # Scores of 0.3 and 0.1 are 0.2 apart, whatever the last bit says.
        conditions += [f"not before {sign} {line}", f"round({moved}, 9) >= {trigger.by!r}::double"]
    held = ["customer_id", "cast(score as double) as size", "score", "before", "scored_on"]
    steps.append(
        Step(
            HELD, "whose score is beyond the line", select(held, "from _scored\n    where " + " and ".join(conditions))
        )
    )
    detail = {"score": "score", "scored_on": "scored_on"}
    return Held(steps, {**detail, "before": "before"} if trigger.by is not None else detail)


def _answers(asked: Asked, trigger: ScoreTrigger, feed: str) -> list[Step]:
    # A scale is in force from the start of a day, whatever the instant that is asked about.
    days = Clock.of(asked.business, asked.as_of)
    score = score_expression(_shape(feed, asked.business.feeds[feed]), days)
    told = asked.told_once(
        feed, asked.within(2 * trigger.over_days), "abs(score) < 9e12", asked.allowed(feed, trigger.where)
    )
    order = "order by event_at desc, score"
    newest = "row_number() over (partition by customer_id " + order + ") as place"
    ranked = ["customer_id", "event_at", f"{score} as score", newest]
    scored = [
        "newest.customer_id",
        "newest.score",
        f"case when {_seconds('newest')} - {_seconds('earlier')} <= {trigger.over_days * 86_400}\n"
        "            then earlier.score end as before",
        f"{asked.day(asked.days_ago('newest.event_at'))} as scored_on",
    ]
    return [
        *told,
        Step("_ranked", "answers from the newest (1) backwards", select(ranked, "from _told")),
        Step(
            "_scored",
            "the newest answer, and the one before it",
            select(
                scored,
                "from _ranked as newest\n    left join _ranked as earlier\n"
                "        on earlier.customer_id = newest.customer_id and earlier.place = 2\n"
                f"    where newest.place = 1 and newest.{asked.within(trigger.over_days)}",
            ),
        ),
    ]


def _seconds(row: str) -> str:
    return f"epoch_us({row}.event_at) // 1000000"


def _shape(name: str, feed: Feed) -> FeedShape:
    columns = tuple(column.name for column in feed.mapped_columns)
    spans = scale_spans(feed)
    if len(spans) < 2:
        return FeedShape(name, "feedback", columns)
    return RescaledFeed(name, "feedback", columns, spans=spans)


def _probabilities(asked: Asked, trigger: ScoreTrigger) -> list[Step]:
    assert trigger.churn is not None
    of = f"churn = {literal(trigger.churn)}"
    today = asked.clock.today
    first = f"as_of > {today} - {STALE_DAYS}"
    earliest = f"as_of >= newest_day - {trigger.over_days + STALE_DAYS} and as_of <= newest_day - {trigger.over_days}"
    scored = [
        "newest.customer_id",
        "newest.probability as score",
        "earlier.probability as before",
        "cast(newest.as_of as varchar) as scored_on",
    ]
    of_day = f"select customer_id, as_of, max(probability) as probability\n    from scores\n    where {of} and as_of ="
    each = "group by customer_id, as_of"
    return [
        Step(
            "_newest_day",
            "the newest day that was scored",
            select(["max(as_of) as newest_day"], f"from scores\n    where {of} and as_of <= {today} and {first}"),
        ),
        Step(
            "_earlier_day",
            "the newest day to compare with",
            select(["max(as_of) as earlier_day"], f"from scores cross join _newest_day\n    where {of} and {earliest}"),
        ),
        Step(
            "_newest",
            "probabilities of the newest day",
            f"{of_day} (select newest_day from _newest_day)\n    {each}",
        ),
        Step(
            "_earlier",
            "probabilities of the day to compare with",
            f"{of_day} (select earlier_day from _earlier_day)\n    {each}",
        ),
        Step(
            "_scored",
            "each customer's probability, and the one before",
            select(scored, "from _newest as newest\n    left join _earlier as earlier using (customer_id)"),
        ),
    ]
