"""A trigger on trial: replayed on past days as it would have fired then, held against who left."""

from __future__ import annotations

from collections import Counter
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.spine import build_spine
from features.triggers import evaluate
from holdback.business import Business, ColumnChurn
from holdback.business.triggers import ScoreTrigger, Trigger
from holdback.errors import NotKnowableYet
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse
from monitoring.proportions import Share, wilson
from monitoring.triggers.leaving import Judgement, judgement_of, left_after
from monitoring.triggers.record import BranchRecord, LeadTime, TriggerRecord, lift_of, rate_of, volume_of
from monitoring.triggers.replaying import Edges, Pace, firings_of, pace_of, replayed_days

#: A leaver: who, and on which day; the day is None where leaving has none.
_Leaver = tuple[str, date | None]
#: Who left after a day, by churn definition, judged days, whether its label says so, and the day.
Outcomes = MutableMapping[tuple[str, int, bool, date], pa.Table]


def judge(
    warehouse: Warehouse,
    business: Business,
    trigger: Trigger,
    as_of: date,
    *,
    since: date | None = None,
    every_days: int = 7,
    outcomes: Outcomes | None = None,
    progress: Progress = silent,
) -> TriggerRecord:
    """Replay a trigger on past days and return how often it fires and how often it is right.

    On each day it sees what was known then, by both clocks; a customer counts once per cooldown. Only days whose
    outcomes are known on ``as_of`` are replayed, at most a year of them. Where a column says who left, one day is
    judged: ``as_of``, from the customers' attributes.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        trigger: One of its triggers, or one that it thinks of.
        as_of: The day of knowledge.
        since: First day to replay.
        every_days: Days between two replayed days. What holds for less than that can be missed.
        outcomes: Who left, kept by whoever judges several triggers of one warehouse and day: they share most of it.
        progress: Told which day is replayed.

    Raises:
        NotKnowableYet: no day can be judged yet; says when.
    """
    judgement = judgement_of(business, trigger)
    is_snapshot = isinstance(judgement.churn, ColumnChurn)
    days = replayed_days(
        warehouse, business, trigger, judgement, as_of, since=since, every_days=every_days
    )  # fmt: skip
    edges, tally = Edges(trigger.cooldown_days), _Tally()
    pace = None if is_snapshot else pace_of(warehouse, trigger, days, every_days)
    if pace is not None and pace.before is not None:
        # Whoever meets the condition on the first day may have met it for long: such a stock is no day's volume.
        edges.fire(pace.before, evaluate(warehouse, business, trigger, pace.before)["customer_id"].to_pylist())
    for number, day in enumerate(days):
        progress(f"{trigger.name} {day}", number, len(days))
        held = evaluate(warehouse, business, trigger, day)
        fired = firings_of(held, edges.fire(day, held["customer_id"].to_pylist()))
        asked = (judgement.churn.name, judgement.judged_days, judgement.is_label, day)
        left = None if outcomes is None else outcomes.get(asked)
        if left is None:
            spine = build_spine(warehouse, business, judgement.churn, day)
            left = left_after(warehouse, business, judgement, day, known_on=as_of, spine=spine)
        if outcomes is not None:
            outcomes[asked] = left
        tally.add(day, fired, left)
        if number == 0 and pace is not None and pace.before is None:
            tally.stock_count = len(fired)
    progress(trigger.name, len(days), len(days))
    if not tally.described_count:
        raise NotKnowableYet(
            f"{business.slug}: trigger {trigger.name}: nobody whom churn {judgement.churn.name} describes between "
            f"{days[0]} and {days[-1]} has a known outcome on {as_of}. A trigger is judged by who left. Ask again when "
            f"the feed of {judgement.churn.name} reaches further."
        )
    return _record(business, trigger, judgement, as_of, days, pace, tally)


@dataclass
class _Tally:
    """Counts over the replayed days; customers with an unknown outcome count for nothing but the volume."""

    described_count: int = 0
    left_count: int = 0
    fired_count: int = 0
    stock_count: int = 0  # of them, those of a first day before which nothing could be asked
    judged_count: int = 0
    right_count: int = 0
    undescribed_count: int = 0
    unknown_count: int = 0
    lead_days: list[int] = field(default_factory=list)
    leavers: dict[_Leaver, bool] = field(default_factory=dict)
    fired_by_branch: Counter[tuple[int | None, str | None]] = field(default_factory=Counter)
    judged_by_branch: Counter[int | None] = field(default_factory=Counter)
    right_by_branch: Counter[int | None] = field(default_factory=Counter)

    def add(self, day: date, fired: dict[str, tuple[int | None, str | None]], left: pa.Table) -> None:
        known = left.filter(pc.is_valid(left["has_left"]))
        gone = known.filter(known["has_left"])
        self.described_count += known.num_rows
        self.left_count += gone.num_rows
        self.fired_count += len(fired)
        self.fired_by_branch.update(fired.values())
        left_on = dict(zip(gone["customer_id"].to_pylist(), gone["left_on"].to_pylist(), strict=True))
        for who, on in left_on.items():
            self.leavers[who, on] = self.leavers.get((who, on), False) or who in fired
        described = _those_in(left, fired)
        judged = _those_in(known, fired)
        self.undescribed_count += len(fired) - len(described)
        self.unknown_count += len(described) - len(judged)
        for who in judged:
            branch, _ = fired[who]
            self.judged_count += 1
            self.judged_by_branch[branch] += 1
            if who in left_on:
                self.right_count += 1
                self.right_by_branch[branch] += 1
                on = left_on[who]
                if on is not None:
                    self.lead_days.append((on - day).days)


def _those_in(customers: pa.Table, fired: dict[str, tuple[int | None, str | None]]) -> list[str]:
    asked = pa.array(list(fired), pa.string())
    found: list[str] = asked.filter(pc.is_in(asked, value_set=customers["customer_id"].combine_chunks())).to_pylist()
    return found


def _record(
    business: Business,
    trigger: Trigger,
    judgement: Judgement,
    as_of: date,
    days: tuple[date, ...],
    pace: Pace | None,
    tally: _Tally,
) -> TriggerRecord:
    step_days = 1.0 if pace is None else pace.step_days
    # The same customers are described day after day and their windows overlap: only so many of them are news.
    news = max(1 / len(days), min(1.0, step_days / max(judgement.judged_days, 1)))
    rest_count = tally.described_count - tally.judged_count
    precision = wilson(tally.right_count, tally.judged_count) if tally.judged_count else None
    rest_left = tally.left_count - tally.right_count
    rest = wilson(rest_left * news, rest_count * news) if rest_count else None
    fired = rate_of(tally.fired_count - tally.stock_count, pace.span_days) if pace and pace.span_days else None
    recall, recall_notes = _recall(judgement, days, tally)
    return TriggerRecord(
        trigger=trigger.name,
        kind=trigger.kind,
        churn=judgement.churn.name,
        as_of=as_of,
        first_on=days[0],
        last_on=days[-1],
        day_count=len(days),
        every_days=round(step_days),
        judged_days=judgement.judged_days,
        known_after_days=judgement.known_after_days,
        described_count=tally.described_count,
        fired=fired,
        fired_count=tally.fired_count,
        undescribed_count=tally.undescribed_count,
        expected_per_day=trigger.expected_per_day,
        volume=volume_of(trigger, fired),
        precision=precision,
        base=wilson(tally.left_count * news, tally.described_count * news),
        rest=rest,
        recall=recall,
        lift=lift_of(precision, rest, tally.judged_count / tally.described_count) if precision and rest else None,
        lead=_lead(tally.lead_days),
        branches=_branches(tally),
        notes=(*_notes(business, trigger, judgement, round(step_days), tally), *recall_notes, *_news_notes(news)),
    )


def _recall(judgement: Judgement, days: tuple[date, ...], tally: _Tally) -> tuple[Share | None, tuple[str, ...]]:
    """Count the leavers whose whole judged window was replayed; all of them when there are none."""
    before = timedelta(days=0 if _is_label_of_silence(judgement) else judgement.judged_days)
    whole = [
        caught
        for (_, on), caught in tally.leavers.items()
        if on is not None and days[0] + before <= on <= days[-1]
    ]  # fmt: skip
    if whole:
        return wilson(sum(whole), len(whole)), ()
    caught = list(tally.leavers.values())
    if not caught:
        return None, ("nobody left: there is no recall",)
    dated = any(on is not None for _, on in tally.leavers)
    note = ("the replay is shorter than the judged days: the recall is that of the replayed days alone",)
    return wilson(sum(caught), len(caught)), note if dated else ()


def _is_label_of_silence(judgement: Judgement) -> bool:
    return judgement.churn.kind == "inactivity" and judgement.is_label


def _news_notes(news: float) -> tuple[str, ...]:
    if news >= 1:
        return ()
    return (
        f"the same customers are described day after day: n of the base rate counts {news:.0%} of customers and days",
    )


def _lead(days: list[int]) -> LeadTime | None:
    if not days:
        return None
    lower, median, upper = (float(value) for value in np.quantile(days, (0.25, 0.5, 0.75)))
    return LeadTime(len(days), lower, median, upper)


def _branches(tally: _Tally) -> tuple[BranchRecord, ...]:
    order = sorted(tally.fired_by_branch, key=lambda found: (found[0] is None, found[0] or 0, found[1] or ""))
    return tuple(
        BranchRecord(
            branch,
            action,
            tally.fired_by_branch[branch, action],
            wilson(tally.right_by_branch[branch], tally.judged_by_branch[branch])
            if tally.judged_by_branch[branch]
            else None,
        )
        for branch, action in order
    )


def _notes(
    business: Business, trigger: Trigger, judgement: Judgement, every_days: int, tally: _Tally
) -> tuple[str, ...]:
    notes = []
    over = getattr(trigger, "over_days", None)
    if isinstance(trigger, ScoreTrigger) and trigger.churn is not None and trigger.by is None:
        over = None  # it asks for the day's own score alone
    if not isinstance(judgement.churn, ColumnChurn) and over is not None and over < every_days:
        notes.append(
            f"it looks back {over} days and was replayed every {every_days}: what happened between was missed, and "
            "the volume is higher in truth"
        )
    if tally.stock_count:
        notes.append(
            f"{tally.stock_count:,} firings are of the first scored day: the condition may have held for long, so they "
            "are no day's volume"
        )
    if tally.undescribed_count:
        notes.append(
            f"{tally.undescribed_count:,} firings were for customers whom churn {judgement.churn.name} does not "
            "describe (gone already, or never there): they count for the volume alone"
        )
    if tally.unknown_count:
        notes.append(f"{tally.unknown_count:,} firings have no known outcome")
    if tally.right_count and not tally.lead_days:
        notes.append(f"churn of kind {judgement.churn.kind} has no day of leaving: there is no lead time")
    if isinstance(judgement.churn, ColumnChurn):
        notes.append("one snapshot: what the attributes hold may have been observed together with who left")
    if business.holdout.campaign_share == 0 and any(one.trigger == trigger.name for one in business.campaigns):
        notes.append("its campaign holds nobody out: what acting on it earns can never be known")
    return tuple(notes)
