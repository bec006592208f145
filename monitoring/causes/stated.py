"""What customers state: why they cancelled, what they contacted the company about before, how they scored it.

Leavers are compared with stayers of the same day: the newest one whose outcomes are known. What either said counts
when it was said in the 90 days before that day, so that both had the same time to say it. No text is read: reasons,
topics and scores are columns. A low score is not taken for risk; the difference says which sign it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from features.asking import is_answered, is_asked
from features.clocks import Clock, known_rows, timestamp
from features.corrections import corrected_tables
from features.labels import build_labels
from features.remarks import has_words
from features.spine import build_spine
from holdback.business import Business, Churn, ColumnChurn, Feed
from holdback.errors import DataError, NotKnowableYet
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.causes.cancellations import reasons_given
from monitoring.causes.days import groups_of
from monitoring.causes.results import Group, Saying, SayingKind
from monitoring.cells import MINIMUM_CELL, hidden
from monitoring.proportions import Share, newcombe, wilson
from training.snapshot_days import matured_days

if TYPE_CHECKING:
    import pyarrow as pa

BEFORE_DAYS = 90
MOST_VALUES = 12

#: Scores up to this one are low, by scale: the detractors of the NPS, and the like of the others.
LOW_SCORES: Mapping[str, float] = {"nps": 6, "five": 2, "ten": 4, "hundred": 40}


@dataclass(frozen=True)
class Stated:
    """What customers state, for everybody and by group.

    Attributes:
        sayings: By group; groups without any are absent.
        cancelled: By group, the share of those who cancelled in the last year who gave a reason.
        compared_on: The day whose leavers and stayers are compared; None when no outcome is known yet.
        left_count: Leavers of that day.
        stayed_count: Stayers of that day.
        why_not: Why they cannot be compared yet; empty when they are.
    """

    sayings: Mapping[Group, tuple[Saying, ...]]
    cancelled: Mapping[Group, Share]
    compared_on: date | None
    left_count: int
    stayed_count: int
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """How often something was said.

    Attributes:
        kind: What.
        feed: Where.
        value: The topic, or the feed's name.
        counts: ``left``, ``left_of``, ``stayed``, ``stayed_of``: who said it, of how many who could have.
    """

    kind: SayingKind
    feed: str
    value: str
    counts: tuple[int, int, int, int]


def read_stated(
    warehouse: Warehouse,
    business: Business,
    churn: Churn,
    as_of: date,
    about: Callable[[str, str], str | None],
    names: tuple[str, ...] = (),
) -> Stated:
    """Return what customers state, as it was known on a day.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: The churn definition; says who left.
        as_of: The day of knowledge.
        about: Says which family of features a reason or topic of a feed is about: ``about(feed, text)``.
        names: Attributes by which it is told too.
    """
    told = _Reader(warehouse, business, churn, as_of, about, names)
    sayings: dict[Group, list[Saying]] = {}
    cancelled: dict[Group, Share] = {}
    for feed in _with(business, "subscriptions", "reason"):
        for group, (share, reasons) in reasons_given(warehouse, business, feed, as_of, about, names).items():
            cancelled.setdefault(group, share)
            sayings.setdefault(group, []).extend(reasons)
    for name in ("", *names) if told.compared is not None else ():
        for group, heard in told.heard(name).items():
            sayings.setdefault(group, []).extend(told.compared_sayings(heard))
    left, stayed = told.sides
    return Stated(
        {group: tuple(found) for group, found in sayings.items() if found},
        cancelled, told.compared_on, left, stayed, told.why_not,
    )  # fmt: skip


class _Reader:
    """Reads the feeds in which customers say something; keeps whose day they are compared on."""

    def __init__(
        self,
        warehouse: Warehouse,
        business: Business,
        churn: Churn,
        as_of: date,
        about: Callable[[str, str], str | None],
        names: tuple[str, ...],
    ) -> None:
        self.warehouse, self.business, self.churn, self.as_of = warehouse, business, churn, as_of
        self.about, self.names = about, names
        self.corrected = corrected_tables(warehouse)
        self.why_not = ""

    @cached_property
    def compared_on(self) -> date | None:
        try:
            return matured_days(self.warehouse, self.business, self.churn, self.as_of)[0]
        except (NotKnowableYet, DataError) as error:
            self.why_not = str(error)
            return None

    @cached_property
    def compared(self) -> pa.Table | None:
        """``customer_id, churned`` and the groups of those whose outcome is known; None when no outcome is."""
        day = self.compared_on
        if day is None:
            return None
        spine = build_spine(self.warehouse, self.business, self.churn, day)
        labels = build_labels(self.warehouse, self.business, self.churn, day, known_on=self.as_of, spine=spine)
        groups = groups_of(self.warehouse, self.business, day, spine, self.names)
        return self.warehouse.query(
            "select * exclude (as_of, outcome_ends_on) from labels inner join groups using (customer_id) "
            "where churned is not null",
            frames={"labels": labels, "groups": groups},
        )

    @cached_property
    def sides(self) -> tuple[int, int]:
        """Leavers and stayers."""
        if self.compared is None:
            return 0, 0
        left = int(self.compared.filter(self.compared["churned"]).num_rows)
        return left, self.compared.num_rows - left

    def heard(self, name: str) -> dict[Group, list[Heard]]:
        """What was said before leaving or staying, by the values of one attribute (empty: everybody)."""
        found: dict[Group, list[Heard]] = {}
        for kind, feed, said in self._questions():
            for group, heard in self._counted(kind, feed, said, name):
                found.setdefault(group, []).append(heard)
        return found

    def compared_sayings(self, heard: Sequence[Heard]) -> list[Saying]:
        """Differences between leavers and stayers; the intervals of one group hold together."""
        level = 1 - 0.05 / max(len(heard), 1)
        sayings = []
        for one in heard:
            left, left_of, stayed, stayed_of = one.counts
            family = self.about(one.feed, one.value) if one.kind == "topic" else "feedback"
            sayings.append(
                Saying(
                    one.kind, one.feed, one.value, family,
                    wilson(left, left_of), wilson(stayed, stayed_of),
                    newcombe((stayed, stayed_of), (left, left_of), level=level),
                )
            )  # fmt: skip
        return sorted(sayings, key=lambda s: (-abs(s.difference.difference if s.difference else 0), s.feed, s.value))

    def _questions(self) -> Iterator[tuple[SayingKind, str, str]]:
        """What is counted: SQL of ``customer_id, value, could, did``, one row per customer and value."""
        for feed in _with(self.business, "interactions", "topic"):
            rows = self._before(feed, "nullif(trim(topic), '') as value")
            yield (
                "topic",
                feed,
                f"select distinct customer_id, value, true as did from ({rows}) where value is not null",
            )
        for feed, shape in self.business.feeds_with_role("feedback").items():
            low = self._low(shape)
            if shape.has("score"):
                rows = self._before(
                    feed, "score", "event_at", f"{is_asked(shape)} as is_asked", f"{is_answered(shape)} as is_answered"
                )
                each = "select customer_id, {} as value, {} as did from ({}) {} group by customer_id"
                name = literal(feed)
                if low is not None:
                    yield "low_score", feed, each.format(name, f"bool_or({low})", rows, "where score is not null")
                yield "silence", feed, each.format(name, "not bool_or(is_answered)", rows, "where is_asked")
            if shape.has("remark"):
                rows = self._before(feed, f"{has_words()} as has_words")
                yield (
                    "remark", feed,
                    f"select customer_id, {literal(feed)} as value, bool_or(has_words) as did from ({rows}) "
                    "group by customer_id",
                )  # fmt: skip

    def _low(self, shape: Feed) -> str | None:
        """SQL that says whether a score was low on the scale then in force; None without a scale."""
        scales = shape.scales
        if not scales:
            return None
        cases = [
            f"when event_at >= {timestamp(self.business.instant(scale.since))} then score <= {LOW_SCORES[scale.scale]}"
            for scale in reversed(scales)
            if scale.since is not None
        ]
        first = f"score <= {LOW_SCORES[scales[0].scale]}"
        return f"case {' '.join(cases)} else {first} end" if cases else first

    def _before(self, feed: str, *columns: str) -> str:
        """SQL of a feed's rows in the days before the day of comparison, as they were known on it."""
        assert self.compared_on is not None
        until = self.compared_on
        if isinstance(self.churn, ColumnChurn) and self.churn.outcome_starts_on is not None:
            until = min(until, self.churn.outcome_starts_on)
        since = self.business.instant(until - timedelta(days=BEFORE_DAYS))
        also = f"event_at >= {timestamp(since)} and event_at < {timestamp(self.business.instant(until))}"
        clock = Clock.of(self.business, self.compared_on)
        return known_rows(feed, columns, clock, corrected=feed in self.corrected, also=also, spine=False)

    def _counted(self, kind: SayingKind, feed: str, said: str, name: str) -> Iterator[tuple[Group, Heard]]:
        assert self.compared is not None
        grouped = f'"{name}"' if name else "''"
        counted = self.warehouse.query(
            f"with said as ({said}), sides as (\n"
            f"    select {grouped} as part, count(*) filter (where churned) as left_of,\n"
            "        count(*) filter (where not churned) as stayed_of from compared group by all\n)\n"
            f"select {grouped} as part, value, any_value(left_of) as left_of, any_value(stayed_of) as stayed_of,\n"
            "    count(*) filter (where churned) as left_asked, count(*) filter (where not churned) as stayed_asked,\n"
            "    count(*) filter (where churned and did) as left_did,\n"
            "    count(*) filter (where not churned and did) as stayed_did\n"
            f"from said inner join compared using (customer_id) inner join sides on sides.part = {grouped}\n"
            "group by all order by part, left_did + stayed_did desc, value",
            frames={"compared": self.compared},
        ).to_pylist()
        kept: dict[str, int] = {}
        for row, is_hidden in zip(counted, _hidden(counted), strict=True):
            # Anybody can contact the company; only who was asked can score, write a remark or stay silent.
            of = ("left_of", "stayed_of") if kind == "topic" else ("left_asked", "stayed_asked")
            counts = (row["left_did"], row[of[0]], row["stayed_did"], row[of[1]])
            if is_hidden or min(counts[1], counts[3]) < MINIMUM_CELL:
                continue
            kept[row["part"]] = kept.get(row["part"], 0) + 1
            if kept[row["part"]] <= MOST_VALUES:
                yield (name, row["part"]), Heard(kind, feed, row["value"], counts)


def _hidden(counted: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Say which rows must not be shown: small cells, and those by which one could be worked out from the total."""
    marks = [False] * len(counted)
    for value in {row["value"] for row in counted}:
        own = [at for at, row in enumerate(counted) if row["value"] == value]
        for side in ("left_did", "stayed_did"):
            for at, is_hidden in zip(own, hidden([counted[at][side] for at in own]), strict=True):
                marks[at] |= is_hidden
    return marks


def _with(business: Business, role: str, column: str) -> tuple[str, ...]:
    return tuple(name for name, feed in business.feeds_with_role(role).items() if feed.has(column))
