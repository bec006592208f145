"""Where the triggers stand, how often they fire, and what they were worth in the past: read once for all languages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from holdback.business import ColumnChurn, Trigger
from holdback.errors import NotKnowableYet
from monitoring.cells import hidden
from monitoring.churn_records import known_events
from monitoring.portal.source import Source
from monitoring.portal.weekly import asked_weekly
from monitoring.triggers import TriggerRecord, TriggerStanding, judge, trigger_standings
from monitoring.triggers.judging import Outcomes
from monitoring.triggers.leaving import judgement_of

#: Weeks of firings that are told; the last one ends with the page's day.
WEEKS: Final = 8
_WEEK: Final = 7
#: A page replays a trigger on at most so many past days, and on so many of all triggers together.
_MOST_DAYS: Final = 12
_MOST_REPLAYS: Final = 36
#: Fewer replayed days prove nothing.
_FEWEST_DAYS: Final = 4
#: Customers times replayed days times triggers that a page may look at.
_MOST_LOOKS: Final = 2_000_000


@dataclass(frozen=True)
class Week:
    """One week of a trigger.

    Attributes:
        begins_on: Its first day.
        fired: How often it fired; None when that may not be shown, or when it was not asked.
        was_asked: False when no evaluation is on record in it.
        is_flooded: True when it fired far too often on one of the days.
    """

    begins_on: date
    fired: int | None
    was_asked: bool
    is_flooded: bool


@dataclass(frozen=True)
class Watched:
    """One trigger.

    Attributes:
        trigger: As the business file declares it.
        standing: Where it stands today.
        today: Firings of the day; None when that may not be shown.
        weeks: The last :data:`WEEKS` weeks, oldest first.
        asked_days: Days of these weeks on which it was asked; None where no evaluation is on record at all.
        record: What it was worth on past days; None when that is not known.
        known_on: When a first firing can be judged; None when that is no matter of time.
        is_too_much: True when there are too many customers or triggers to replay it for a page.
    """

    trigger: Trigger
    standing: TriggerStanding
    today: int | None
    weeks: tuple[Week, ...]
    asked_days: int | None
    record: TriggerRecord | None
    known_on: date | None = None
    is_too_much: bool = False


def read_triggers(source: Source) -> tuple[Watched, ...]:
    """Read every declared trigger, in the file's order."""
    declared = source.business.triggers
    if not declared:
        return ()
    standings = trigger_standings(source.warehouse, source.business, source.as_of)
    fired, asked = _counts(source), _asked(source)
    most_days = _most_days(source)
    outcomes: dict[date, Outcomes] = {}
    found = []
    for trigger, standing in zip(declared, standings, strict=True):
        today, weeks = _weeks(source, fired.get(trigger.name, {}), asked.get(trigger.name, {}))
        record, known_on = _judged(source, trigger, most_days, outcomes)
        days = asked.get(trigger.name)
        found.append(
            Watched(
                trigger,
                standing,
                today,
                weeks,
                None if days is None else sum(count for count, _ in days.values()),
                record,
                known_on,
                most_days < _FEWEST_DAYS,
            )
        )
    return tuple(found)


def _counts(source: Source) -> dict[str, dict[int, int]]:
    """Return firings by trigger and week, counted back from the page's day; week -1 is the day itself."""
    day = f"date '{source.as_of}'"
    rows = source.warehouse.query(
        f"select trigger, case when as_of = {day} then -1 else ({day} - as_of) // {_WEEK} end as week, "
        f"count(*) as fired from firings where as_of between {day} - {WEEKS * _WEEK - 1} and {day} group by all"
    ).to_pylist()
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for row in rows:
        found[row["trigger"]][row["week"]] = row["fired"]
    return found


def _asked(source: Source) -> dict[str, dict[int, tuple[int, bool]]]:
    """Return days with an evaluation, and whether one was flooded, by trigger and week."""
    day = f"date '{source.as_of}'"
    rows = source.warehouse.query(
        f"select trigger, ({day} - as_of) // {_WEEK} as week, count(distinct as_of) as days, "
        f"bool_or(is_flooded) as is_flooded from trigger_runs "
        f"where as_of between {day} - {WEEKS * _WEEK - 1} and {day} group by all"
    ).to_pylist()
    found: dict[str, dict[int, tuple[int, bool]]] = defaultdict(dict)
    for row in rows:
        found[row["trigger"]][row["week"]] = (row["days"], row["is_flooded"])
    return found


def _weeks(
    source: Source, fired: dict[int, int], asked: dict[int, tuple[int, bool]]
) -> tuple[int | None, tuple[Week, ...]]:
    """Return the day's firings and those of each week; a day and the rest of its week give nobody away."""
    today, rest = fired.get(-1, 0), fired.get(0, 0)
    is_small = [hidden([one])[0] for one in (today, rest)]
    newest = None if hidden([today + rest])[0] else today + rest
    shown_today = None if is_small[0] or (is_small[1] and newest is not None) else today
    oldest_fired = max((week for week in fired if week >= 0), default=0)
    weeks = []
    for week in reversed(range(WEEKS)):
        count: int | None = newest if week == 0 else fired.get(week, 0)
        if count is not None and hidden([count])[0]:
            count = None
        was_asked = week in asked or bool(fired.get(week, 0)) or (not asked and week <= oldest_fired and bool(fired))
        if week == 0 and today:
            was_asked = True
        begins_on = source.as_of - timedelta(days=week * _WEEK + _WEEK - 1)
        is_flooded = asked.get(week, (0, False))[1]
        weeks.append(Week(begins_on, count if was_asked else None, was_asked, is_flooded))
    return shown_today, tuple(weeks)


def _most_days(source: Source) -> int:
    """Return on how many past days each trigger may be replayed for a page."""
    triggers = len(source.business.triggers)
    [row] = source.warehouse.query("select count(distinct customer_id) as n from customers").to_pylist()
    looks = _MOST_LOOKS // max(int(row["n"]) * triggers, 1)
    return max(min(_MOST_DAYS, _MOST_REPLAYS // triggers, looks), 0)


def _judged(
    source: Source, trigger: Trigger, most_days: int, outcomes: dict[date, Outcomes]
) -> tuple[TriggerRecord | None, date | None]:
    """Replay a trigger on some weekly days before the last one that could be judged when the week began."""
    if most_days < _FEWEST_DAYS:
        return None, None
    judgement = judgement_of(source.business, trigger)
    churn_feed = None if isinstance(judgement.churn, ColumnChurn) else judgement.churn.feed
    wait = timedelta(days=judgement.known_after_days)

    def replayed(known_on: date) -> TriggerRecord:
        since = None if churn_feed is None else known_on - wait - timedelta(days=_WEEK * most_days - 1)
        return judge(
            source.warehouse, source.business, trigger, known_on, since=since, every_days=_WEEK,
            outcomes=outcomes.setdefault(known_on, {}),
        )  # fmt: skip

    try:
        if churn_feed is None:  # one snapshot of the customers: there is no past to look back on
            return replayed(source.as_of), None
        read = {churn_feed, getattr(trigger, "feed", None), getattr(trigger, "went", None)}
        feeds = [feed for feed in read if feed is not None]
        return asked_weekly(
            source, f"trial-{trigger.name}", TriggerRecord, replayed, feeds=feeds, about=most_days
        ), None  # fmt: skip
    except NotKnowableYet:
        begins = _begins_on(source, trigger, churn_feed)
        later = (
            None if begins is None else begins + timedelta(days=2) + wait
        )  # an event after the wait is seen a day on
        return None, later if later is not None and later > source.as_of else None


def _begins_on(source: Source, trigger: Trigger, churn_feed: str | None) -> date | None:
    """Return the day on which the youngest of the feeds that a trial needs begins."""
    feeds: Sequence[str] = [name for name in {churn_feed, getattr(trigger, "feed", None)} if name is not None]
    begins = []
    for feed in feeds:
        known = known_events(source.warehouse, source.business, feed, source.as_of)
        first = source.warehouse.query(f'select min(event_at) as first from "{feed}" where {known}')["first"][0].as_py()
        if first is None:
            return None
        begins.append(source.business.day_of(first))
    return max(begins, default=None)
