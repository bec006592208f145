"""The churn rate of the newest month, of the months before it, and of groups: read once for all languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from features.declarations import Meaning
from features.labels import knowable_on, outcome_ends_on
from holdback.business import CancellationChurn, ColumnChurn
from holdback.errors import BusinessFileError, DataError, HoldbackError, NotKnowableYet
from monitoring.churn_history import first_event_on
from monitoring.churn_past import kept_of_months
from monitoring.churn_records import first_cancellation_on
from monitoring.kpis import ChurnRates, GroupRate, RevenueChurn, churn_rates, group_names, known_outcomes, revenue_churn
from monitoring.kpis.groups import segments_of
from monitoring.portal.source import Source
from monitoring.proportions import ShareDifference, newcombe

if TYPE_CHECKING:
    import pyarrow as pa

#: Groups that a table shows, of however many.
MOST_GROUPS: Final = 50
#: Cancellations that should have been there before the first one, from which on nobody believes that there were none:
#: the chance of seeing none when three are expected is below 5 %.
_EXPECTED_BEFORE: Final = 3.0


@dataclass(frozen=True)
class Months:
    """The churn rate by month.

    Attributes:
        known: Months with a rate, oldest first; too small ones are withheld.
        unknown: Months whose window is over, but whose outcomes the data do not reach.
        open: Months whose window is still open.
        half_recorded: The first month, where leaving was not on record from its start on.
        records_since: The day of the first cancellation on record; None where churn is no cancellation.
        has_no_cancellation: True when contracts are on record and no cancellation is.
        begins_on: The day of the first event of the feed that churn is defined on.
        next_known_on: The day on which the next rate will be known; None when that is no matter of time.
        change: The newest rate less that of :attr:`compared`; None without such a month.
        compared: The newest month whose window was over when the newest one began.
    """

    known: tuple[GroupRate, ...] = ()
    unknown: tuple[str, ...] = ()
    open: tuple[GroupRate, ...] = ()
    half_recorded: GroupRate | None = None
    records_since: date | None = None
    has_no_cancellation: bool = False
    begins_on: date | None = None
    next_known_on: date | None = None
    change: ShareDifference | None = None
    compared: GroupRate | None = None

    @property
    def newest(self) -> GroupRate | None:
        """The newest month that has a rate."""
        return self.known[-1] if self.known else None


@dataclass(frozen=True)
class Groups:
    """The churn rate by one thing that divides customers.

    Attributes:
        by: What it is.
        meaning: What the business file says of it; None when it says nothing.
        is_flag: True for an attribute that says yes or no.
        rows: The largest groups that may be shown, at most :data:`MOST_GROUPS`, in their own order.
        shown_count: How many may be shown.
        withheld_count: Groups that are too small, or would give one away.
        apart: Groups whose rate differs from that of everybody else, all intervals taken together; the furthest first.
    """

    by: str
    meaning: Meaning | None
    is_flag: bool
    rows: tuple[GroupRate, ...]
    shown_count: int
    withheld_count: int
    apart: tuple[tuple[str, ShareDifference], ...] = ()


@dataclass(frozen=True)
class Divided:
    """A day's customers whose outcome is known, by everything that divides them.

    Attributes:
        described_on: The day.
        total: All of them.
        groups: By stage, value, attributes, ...
        cohorts: By month of the first contact.
        revenue: What became of what they brought; None when that cannot be told.
    """

    described_on: date
    total: GroupRate | None
    groups: tuple[Groups, ...]
    cohorts: Groups | None
    revenue: RevenueChurn | None


def read_months(source: Source) -> Months:
    """Read the churn rate of each month, and tell apart why some have none."""
    warehouse, business, churn, as_of = source.warehouse, source.business, source.churn, source.as_of
    begins_on = first_event_on(warehouse, business, churn)
    if begins_on is not None and begins_on >= as_of:
        begins_on = None
    try:
        records_since = first_cancellation_on(warehouse, business, churn, as_of)
        groups = kept_of_months(
            source.workspace, warehouse, churn, as_of, "rates", ChurnRates,
            lambda: churn_rates(warehouse, business, churn, as_of),
        ).groups  # fmt: skip
    except NotKnowableYet:
        return Months(has_no_cancellation=True, begins_on=begins_on)
    except DataError:
        return Months(begins_on=begins_on, next_known_on=_next_known_on(source, begins_on))
    closed = [one for one in groups if one.is_withheld or one.left is not None]
    half = closed[0] if closed and _is_half_recorded(source, closed[0], records_since) else None
    known = tuple(one for one in closed if one is not half)
    later = [one for one in groups if one.left is None and not one.is_withheld]
    still_open = tuple(one for one in later if one.known_from is not None and one.known_from > as_of)
    change, compared = _change(source, known)
    known_on = [one.known_from for one in still_open if one.known_from is not None]
    return Months(
        known=known,
        unknown=tuple(one.value for one in later if one not in still_open),
        open=still_open,
        half_recorded=half,
        records_since=records_since,
        begins_on=begins_on,
        next_known_on=min(known_on, default=_next_known_on(source, begins_on)),
        change=change,
        compared=compared,
    )


def _next_known_on(source: Source, begins_on: date | None) -> date | None:
    """Return when the first day of the next month will have a rate; None where that is no matter of time."""
    if begins_on is None or isinstance(source.churn, ColumnChurn):
        return None
    next_month = (source.as_of.replace(day=1) + timedelta(days=32)).replace(day=1)
    return knowable_on(source.churn, next_month)


def _is_half_recorded(source: Source, first: GroupRate, records_since: date | None) -> bool:
    """Say whether cancellations began to be recorded within the first month's window: too few before the first one."""
    if not isinstance(source.churn, CancellationChurn) or records_since is None or first.left is None:
        return False
    begins = date.fromisoformat(f"{first.value}-01") + timedelta(days=source.churn.lead_days)
    before = (records_since - begins).days
    seen = max(source.churn.outcome_days - before, 1)
    return before > 0 and first.left.count / seen * before >= _EXPECTED_BEFORE


def _change(source: Source, known: Sequence[GroupRate]) -> tuple[ShareDifference | None, GroupRate | None]:
    """Compare the newest month with the newest one whose window was over when it began: no leaving counts in both."""
    newest = known[-1] if known else None
    if newest is None or newest.left is None or isinstance(source.churn, ColumnChurn):
        return None, None
    begins = date.fromisoformat(f"{newest.value}-01")
    for one in reversed(known[:-1]):
        if one.left is not None and outcome_ends_on(source.churn, date.fromisoformat(f"{one.value}-01")) <= begins:
            before, now = one.left, newest.left
            return newcombe((before.count, before.n), (now.count, now.n)), one
    return None, None


def read_divided(source: Source) -> Divided | None:
    """Read the churn of groups on the newest day whose outcomes are known; None when there is none."""
    found = kept_of_months(
        source.workspace, source.warehouse, source.churn, source.as_of, "divided", Divided | None,
        partial(_divided, source), by_group=True,
    )  # fmt: skip
    if found is None or found.revenue is None:
        return found
    return replace(found, revenue=replace(found.revenue, as_of=source.as_of))


def _divided(source: Source) -> Divided | None:
    warehouse, business, churn, as_of = source.warehouse, source.business, source.churn, source.as_of
    try:
        outcomes = known_outcomes(warehouse, business, churn, as_of)
    except HoldbackError:
        return None  # why is told by the months
    spine = outcomes[1].select(["customer_id", "as_of"])
    segments, _ = segments_of(warehouse, business, churn, outcomes[0], spine=spine)
    by_name = {
        name: churn_rates(warehouse, business, churn, as_of, by=name, outcomes=outcomes, segments=segments)
        for name in group_names(business)
    }
    compared = sum(min(_shown(found), MOST_GROUPS) for found in by_name.values())
    groups = {name: _groups(source, found, compared) for name, found in by_name.items()}
    cohorts = groups.pop("cohort", None)
    total = next((found.total for found in by_name.values()), None)
    return Divided(outcomes[0], total, tuple(groups.values()), cohorts, _revenue(source, outcomes))


def _revenue(source: Source, outcomes: tuple[date, pa.Table]) -> RevenueChurn | None:
    try:
        return revenue_churn(source.warehouse, source.business, source.churn, source.as_of, outcomes=outcomes)
    except (BusinessFileError, DataError):
        return None


def _shown(found: ChurnRates) -> int:
    return sum(not one.is_withheld for one in found.groups)


def _groups(source: Source, found: ChurnRates, compared: int) -> Groups:
    shown = [one for one in found.groups if not one.is_withheld]
    largest = sorted(range(len(shown)), key=lambda at: -(shown[at].customer_count or 0))[:MOST_GROUPS]
    rows = tuple(shown[at] for at in sorted(largest))
    customers = source.business.customers
    attribute = customers.attributes.get(found.by) if customers is not None else None
    told = (None, None) if attribute is None else (attribute.meaning_in("en"), attribute.meaning_in("es"))
    return Groups(
        found.by,
        Meaning(told[0], told[1]) if told[0] and told[1] else None,
        attribute is not None and attribute.kind == "flag",
        rows,
        len(shown),
        len(found.groups) - len(shown),
        tuple(_apart(rows, found.total, compared)),
    )


def _apart(rows: Sequence[GroupRate], total: GroupRate | None, compared: int) -> list[tuple[str, ShareDifference]]:
    """Compare each group with everybody else; so many comparisons share the 5 % of error (Bonferroni)."""
    if total is None or total.left is None:
        return []
    found = []
    for one in rows:
        if one.left is None or one.left.n >= total.left.n:
            continue
        others = (total.left.count - one.left.count, total.left.n - one.left.n)
        gap = newcombe(others, (one.left.count, one.left.n), level=1 - 0.05 / max(compared, 1))
        if gap.excludes_zero:
            found.append((one.value, gap))
    return sorted(found, key=lambda pair: -abs(pair[1].difference))
