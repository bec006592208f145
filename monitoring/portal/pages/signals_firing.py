"""Say where the triggers stand, how often they fire, and how often they were right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from monitoring.cells import MINIMUM_CELL, hidden
from monitoring.portal.pages.figures import limits
from monitoring.portal.pages.signals_conditions import condition
from monitoring.portal.pages.signals_triggers import WEEKS, Watched, Week
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, State, Table
from monitoring.proportions import Share
from monitoring.triggers import TriggerRecord
from monitoring.words import Words

_STATES: Final[Mapping[str, State]] = {"flooded": "bad", "more than expected": "look", "as expected": "good"}
#: More triggers than this are a table alone.
_DRAWN: Final = 12


def firing_section(watched: Sequence[Watched], currency: str, words: Words) -> Section:
    """Say what each trigger waits for, whether it acts, and how often it fired."""
    w = words
    if not watched:
        return Section("triggers", w("signals_triggers"), (Notice(w("signals_no_triggers")),))
    parts: list[Part] = [
        Table(
            "triggers",
            w("signals_triggers_table"),
            (
                Column(w("signals_trigger")),
                Column(w("signals_waits_for"), w("signals_waits_for_definition")),
                Column(w("signals_state"), w("signals_state_definition")),
                Column(w("signals_today"), w("signals_today_definition", least=MINIMUM_CELL), is_number=True),
                Column(w("signals_expected"), w("signals_expected_definition"), is_number=True),
                Column(w("signals_volume"), w("signals_volume_definition")),
                Column(w("signals_worth"), w("signals_worth_definition"), is_number=True),
            ),
            tuple(_row(one, currency, w) for one in watched),
        ),
        *(Notice(w("signals_halted", trigger=one.trigger.name), state="look") for one in watched if _is_halted(one)),
    ]
    parts += [_weeks(one, w) for one in watched[:_DRAWN] if any(week.fired is not None for week in one.weeks)]
    silent = [one.trigger.name for one in watched if not any(week.was_asked for week in one.weeks)]
    if silent:
        parts.append(Notice(w("signals_never_asked", triggers=", ".join(silent), weeks=WEEKS), state="look"))
    parts += [Notice(text) for text in _gaps(watched, w)]
    return Section("triggers", w("signals_triggers"), tuple(parts), w("signals_triggers_lead"))


def _row(one: Watched, currency: str, words: Words) -> tuple[Cell, ...]:
    w, standing = words, one.standing
    expected = standing.expected_per_day
    return (
        Cell(one.trigger.name),
        Cell(condition(one.trigger, currency, w)),
        Cell(state_of(one, w), "" if standing.campaign is None else w("signals_campaign", campaign=standing.campaign)),
        Cell(w("signals_not_shown") if one.today is None else w.count(one.today)),
        Cell(w("nothing")) if expected is None else Cell(w.number(expected, 0 if expected == int(expected) else 1)),
        _volume(one, w),
        _worth(one, currency, w),
    )


def state_of(one: Watched, words: Words) -> str:
    """Say whether anybody acts on a trigger."""
    w, standing = words, one.standing
    if standing.campaign is None:
        return w("signals_state_watched")
    if standing.is_retired:
        return w("signals_state_retired")
    return w.known("signals_state_", (standing.campaign_state or "not launched").replace(" ", "_"))


def _is_halted(one: Watched) -> bool:
    return one.standing.campaign_state == "halted"


def _volume(one: Watched, words: Words) -> Cell:
    w, standing = words, one.standing
    if standing.last_evaluated_at is None:
        return Cell(w("signals_volume_not_asked"))
    said = w.known("signals_volume_", standing.volume.replace(" ", "_"))
    return Cell(said, state=_STATES.get(standing.volume, "none"))


def _worth(one: Watched, currency: str, words: Words) -> Cell:
    w, value = words, one.standing.value
    if one.standing.campaign is None:
        return Cell(w("nothing"))
    if value is None:
        return Cell(w("signals_not_measured"))
    state: State = "good" if value.low > 0 else "bad" if value.high < 0 else "none"
    between = w("interval", low=w.money(value.low, currency), high=w.money(value.high, currency))
    small = between if state != "none" else f"{between}; {w('signals_worth_no_evidence')}"
    return Cell(w.money(value.estimate, currency), small, state)


def _weeks(one: Watched, words: Words) -> Chart:
    w, expected = words, one.standing.expected_per_day
    first = next(at for at, week in enumerate(one.weeks) if week.was_asked)
    points = tuple(Point(_until(week, w), week.fired) for week in one.weeks[first:])
    floods = sum(week.is_flooded for week in one.weeks)
    said = []
    if first:
        said.append(w("signals_young", shown=len(one.weeks) - first, all=WEEKS))
    if floods:
        said.append(w("signals_flooded_weeks", count=floods))
    if any(week.fired is None and week.was_asked for week in one.weeks):
        said.append(w("signals_hidden_weeks", least=MINIMUM_CELL))
    return Chart(
        f"firings-{one.trigger.name.replace('_', '-')}",
        w("signals_firings", trigger=one.trigger.name),
        w("signals_firings_definition", least=MINIMUM_CELL),
        "bars",
        (Series(w("signals_fired"), points, True),),
        "count",
        w("signals_week"),
        w("signals_fired"),
        reference=None if expected is None else 7 * expected,
        reference_label="" if expected is None else w("signals_expected_week"),
        sentence=" ".join(said),
    )


def _until(week: Week, words: Words) -> str:
    """Name a week by its last day; eight of them need no year."""
    day, month, _ = words.brief_day(week.begins_on + timedelta(days=6)).split("\u00a0")
    return words("signals_week_until", day=f"{day}\u00a0{month}")


def _gaps(watched: Sequence[Watched], words: Words) -> Iterator[str]:
    """Say of which triggers days are missing: who was not asked cannot have fired."""
    w = words
    whole = WEEKS * 7
    for one in watched:
        if one.asked_days is not None and one.asked_days < whole:
            days = w.count(whole - one.asked_days)
            yield w("signals_gap", trigger=one.trigger.name, days=days, all=whole)


def trial_section(watched: Sequence[Watched], words: Words) -> tuple[Section, ...]:
    """Say how often each trigger was right on past days; no section without triggers."""
    w = words
    if not watched:
        return ()
    told = [one for one in watched if one.record is not None]
    parts: list[Part] = []
    if told:
        parts.append(
            Table(
                "trials",
                w("signals_trials_table"),
                (
                    Column(w("signals_trigger")),
                    Column(w("signals_precision"), w("signals_precision_definition"), is_number=True),
                    Column(w("signals_base"), w("signals_base_definition"), is_number=True),
                    Column(w("signals_lift"), w("signals_lift_definition"), is_number=True),
                    Column(w("signals_recall"), w("signals_recall_definition"), is_number=True),
                    Column(w("signals_lead_time"), w("signals_lead_time_definition"), is_number=True),
                ),
                tuple(_trial(one.record, w) for one in told if one.record is not None),
            )
        )
        records = [one.record for one in told if one.record is not None]
        parts += [Notice(_verdict(one, w), _found_state(one), tuple(_details(one, w))) for one in records]
        parts += [Notice(text) for text in dict.fromkeys(_replayed(record, w) for record in records)]
    parts += [Notice(text) for one in watched if one.record is None for text in [_why_not(one, w)]]
    return (Section("trials", w("signals_trials"), tuple(parts), w("signals_trials_lead")),)


def _trial(record: TriggerRecord, words: Words) -> tuple[Cell, ...]:
    w = words
    lift = record.lift if _enough(record.precision) else None
    between = ""
    if lift is not None and lift.low is not None and lift.high is not None:
        between = w("interval", low=w.number(lift.low, 1), high=w.number(lift.high, 1))
    lead = record.lead if record.lead is not None and record.lead.count >= MINIMUM_CELL else None
    halves = ""
    if lead is not None:
        halves = w("signals_half", low=w.count(lead.lower_quartile), high=w.count(lead.upper_quartile))
    return (
        Cell(record.trigger),
        _share(record.precision, w),
        _share(record.base, w),
        Cell(w("nothing") if lift is None else w("signals_times", times=w.number(lift.lift, 1)), between),
        _share(record.recall, w),
        Cell(w("nothing") if lead is None else w("signals_days", days=w.count(lead.median)), halves),
    )


def _share(share: Share | None, words: Words) -> Cell:
    w = words
    if share is None:
        return Cell(w("nothing"))
    if not _enough(share):
        return Cell(w("signals_not_shown"))
    return Cell(w.share(share.share), limits(w, share))


def _enough(share: Share | None) -> bool:
    return share is not None and share.n >= MINIMUM_CELL


def _verdict(record: TriggerRecord, words: Words) -> str:
    """Say whether those for whom it fired left more often than the others."""
    w, lift = words, record.lift
    if not _enough(record.precision):
        return w("signals_trial_few", trigger=record.trigger, least=MINIMUM_CELL)
    if lift is None or lift.low is None or lift.high is None:
        return w("signals_trial_unclear", trigger=record.trigger)
    if lift.low > 1:
        return w("signals_trial_more", trigger=record.trigger, times=w.number(lift.lift, 1))
    if lift.high < 1:
        return w("signals_trial_less", trigger=record.trigger, times=w.number(lift.lift, 1))
    return w("signals_trial_no_evidence", trigger=record.trigger)


def _found_state(record: TriggerRecord) -> State:
    lift = record.lift if _enough(record.precision) else None
    if lift is None or lift.low is None or lift.high is None:
        return "none"
    return "good" if lift.low > 1 else "bad" if lift.high < 1 else "none"


def _replayed(record: TriggerRecord, words: Words) -> str:
    """Say on which days it was replayed."""
    w = words
    if record.day_count == 1:
        return w("signals_replayed_once", day=w.day(record.first_on))
    return w(
        "signals_replayed", days=record.day_count, first=w.day(record.first_on), last=w.day(record.last_on),
        every=record.every_days, judged=record.judged_days,
    )  # fmt: skip


def _details(record: TriggerRecord, words: Words) -> Iterator[str]:
    """Say what does not count, and how each branch fared."""
    w = words
    if record.undescribed_count >= MINIMUM_CELL:
        yield w("signals_undescribed", count=w.count(record.undescribed_count))
    branches = [one for one in record.branches if one.precision is not None]
    if len(branches) > 1:
        marks = hidden([one.fired_count for one in branches])
        for branch, is_hidden in zip(branches, marks, strict=True):
            if is_hidden or branch.precision is None or not _enough(branch.precision):
                continue
            action = branch.action or w("signals_any_action")
            yield w(
                "signals_branch", action=action, count=w.count(branch.fired_count),
                precision=w.share(branch.precision.share), between=limits(w, branch.precision),
            )  # fmt: skip


def _why_not(one: Watched, words: Words) -> str:
    w = words
    if one.is_too_much:
        return w("signals_trial_too_much", trigger=one.trigger.name)
    if one.known_on is not None:
        return w("signals_trial_later", trigger=one.trigger.name, day=w.day(one.known_on))
    return w("signals_trial_nothing", trigger=one.trigger.name)
