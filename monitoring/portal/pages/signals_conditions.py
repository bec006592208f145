"""What a trigger waits for, in both languages: the page's counterpart of :mod:`monitoring.triggers.words`."""

from __future__ import annotations

from collections.abc import Mapping

from holdback.business.triggers import (
    AnnouncedTrigger,
    CountTrigger,
    DropTrigger,
    DueTrigger,
    OverdueTrigger,
    ScoreTrigger,
    Trigger,
)
from monitoring.words import Words


def condition(trigger: Trigger, currency: str, words: Words) -> str:
    """Say what must happen to a customer for the trigger to fire.

    Args:
        trigger: The trigger.
        currency: Of its amounts.
        words: The language.
    """
    w = words
    match trigger:
        case DropTrigger():
            return _drop(trigger, currency, w)
        case OverdueTrigger():
            if trigger.by == "rhythm":
                return w(
                    "signals_told_rhythm", what=_rows(trigger.feed, trigger.where, w), times=_short(w, trigger.times)
                )
            return w("signals_told_calendar", what=_rows(trigger.feed, trigger.where, w), days=trigger.grace_days)
        case DueTrigger():
            key = "signals_told_due_plan" if trigger.by == "plan" else "signals_told_due"
            share = w.share(trigger.quantile, 0)
            return w(key, what=_rows(trigger.feed, trigger.where, w), days=trigger.ahead_days, share=share)
        case ScoreTrigger():
            return _score(trigger, w)
        case CountTrigger():
            what = _rows(trigger.feed, trigger.where, w)
            return w("signals_told_count", what=what, times=w.count(trigger.at_least), days=trigger.over_days)
        case AnnouncedTrigger():
            key = "signals_told_end" if trigger.on == "ends_on" else "signals_told_event"
            return w(key, what=_rows(trigger.feed, trigger.where, w), days=trigger.ahead_days)


def _drop(trigger: DropTrigger, currency: str, words: Words) -> str:
    w = words
    least = []
    if trigger.at_least is not None:
        least.append(w.money(trigger.at_least, currency))
    if trigger.at_least_share is not None:
        least.append(w.share(trigger.at_least_share, 0))
    fall = w("signals_told_and").join(least)
    if trigger.feed is None:
        return w("signals_told_drop_between", before=trigger.before, after=trigger.after, fall=fall)
    return w("signals_told_drop", what=_rows(trigger.feed, trigger.where, w), fall=fall, days=trigger.over_days)


def _score(trigger: ScoreTrigger, words: Words) -> str:
    w = words
    is_below = trigger.kind == "score_below"
    if trigger.churn is not None:
        line = w.share(trigger.at)
        key = "signals_told_risk_below" if is_below else "signals_told_risk_above"
        said = w(key, churn=trigger.churn, line=line)
        by = "" if trigger.by is None else w("signals_told_points", points=_short(w, 100 * trigger.by))
    else:
        key = "signals_told_answer_below" if is_below else "signals_told_answer_above"
        said = w(key, what=_rows(trigger.feed, trigger.where, w), line=_short(w, trigger.at))
        by = "" if trigger.by is None else _short(w, trigger.by)
    return said if not by else w("signals_told_moved", said=said, by=by, days=trigger.over_days)


def _rows(feed: str | None, where: Mapping[str, tuple[str, ...]], words: Words) -> str:
    if not where:
        return f"“{feed}”" if words.language == "en" else f"«{feed}»"
    told = ", ".join(f"{column}: {words('signals_told_or').join(values)}" for column, values in where.items())
    return f"“{feed}” ({told})" if words.language == "en" else f"«{feed}» ({told})"


def _short(words: Words, value: float) -> str:
    return words.number(value, 0 if value == int(value) else 1)
