"""The figures of what came in and of what people did: feeds, triggers, feedback."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from features.asking import ASKED_KINDS
from holdback.business import Feed
from holdback.scales import scale_spans
from monitoring.cells import MINIMUM_CELL
from monitoring.feedback.ratings import RATED, rate
from monitoring.feedback.voices import read_voices
from monitoring.history.figures import Asked, Day, Figure, counted, shared, unknown
from monitoring.proportions import wilson
from monitoring.quality import data_quality

FEEDBACK_DAYS = 90
"""Days back over which answers count."""
_INCOMING = ("offered_rows", "quarantined_share", "critical_rules_broken")


def asked_of_data(day: Day) -> Iterator[Asked]:
    """Yield what is asked of the day's batches, triggers and answers; what a company does not have is not asked."""
    business = day.workspace.business
    yield Asked(
        (*((metric, "") for metric in _INCOMING), *(("feed_age_days", feed) for feed in business.feeds)),
        partial(_incoming, day),
    )
    for trigger in business.triggers:
        yield Asked((("trigger_firings", trigger.name),), partial(_firings, day, trigger.name))
    asking = business.feeds_with_role("feedback")
    if asking:
        yield Asked(
            (
                *(("response_rate", name) for name in asking),
                *(("nps", name) for name, feed in asking.items() if _asks_nps(feed)),
            ),
            partial(_answers, day),
        )


def _incoming(day: Day) -> Iterator[Figure]:
    found = data_quality(day.warehouse, day.workspace.business, day.as_of)
    broken = [rule.feed for rule in found.broken if rule.severity == "critical"]
    aside = 0
    for feed in found.feeds:
        yield counted("offered_rows", feed.feed, feed.rows_today)
        yield counted("critical_rules_broken", feed.feed, broken.count(feed.feed))
        if feed.quarantined_today is None:
            yield unknown("quarantined_share", feed.feed, "nothing came in on the day")
        else:
            aside += int(feed.quarantined_today.count)
            yield shared("quarantined_share", feed.feed, feed.quarantined_today)
        if feed.feed not in day.workspace.business.feeds:
            continue
        if feed.days_since_last_event is None:
            yield unknown("feed_age_days", feed.feed, "no event is known")
        else:
            yield counted("feed_age_days", feed.feed, feed.days_since_last_event)
    yield counted("offered_rows", "", found.rows_today)
    yield counted("critical_rules_broken", "", len(broken))
    if found.rows_today:
        yield shared("quarantined_share", "", wilson(aside, found.rows_today))
    else:
        yield unknown("quarantined_share", "", "nothing came in on the day")


def _firings(day: Day, name: str) -> Iterator[Figure]:
    found = day.warehouse.query(
        f"select count(*) as runs, sum(fired)::bigint as fired, max(holding) as holding from trigger_runs "
        f"where trigger = '{name}' and as_of = date '{day.as_of}'"
    ).to_pylist()[0]
    if not found["runs"]:
        yield unknown("trigger_firings", name, "the trigger was not asked on the day")
    else:
        yield counted("trigger_firings", name, found["fired"], n=found["holding"])


def _answers(day: Day) -> Iterator[Figure]:
    """Every feed's own figures, whichever kinds of questions it carries."""
    business = day.workspace.business
    voices = read_voices(
        day.warehouse, business, day.as_of, days=FEEDBACK_DAYS, roles=("feedback",), columns=("feed", *RATED)
    )
    kinds = ", ".join(f"'{kind}'" for kind in ASKED_KINDS)
    asked = {
        row["feed"]: row
        for row in day.warehouse.query(
            "select feed, count(distinct customer_id) as asked, count(distinct customer_id) filter (where is_answered) "
            f"as answered from _voices where kind in ({kinds}) group by feed",
            frames={"_voices": voices},
        ).to_pylist()
    }
    for name, feed in business.feeds_with_role("feedback").items():
        counts = asked.get(name, {"asked": 0, "answered": 0})
        if counts["asked"] < MINIMUM_CELL:
            why = f"fewer than {MINIMUM_CELL} customers were asked in {FEEDBACK_DAYS} days"
            yield unknown("response_rate", name, why)
        else:
            yield shared("response_rate", name, wilson(counts["answered"], counts["asked"]))
        if _asks_nps(feed):
            own = day.warehouse.query(f"select * from _voices where feed = '{name}'", frames={"_voices": voices})
            ratings = rate(own, None, business=business.slug, as_of=day.as_of, days=FEEDBACK_DAYS).ratings
            score = next((r.nps for r in ratings if r.kind == "nps" and r.nps is not None), None)
            if score is None:
                yield unknown("nps", name, f"fewer than {MINIMUM_CELL} customers answered in {FEEDBACK_DAYS} days")
            else:
                yield Figure("nps", name, score.estimate, score.low, score.high, score.n)


def _asks_nps(feed: Feed) -> bool:
    return any(span.scale == "nps" for span in scale_spans(feed))
