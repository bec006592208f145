"""What a company's own past tells about the audience of a campaign: who is in it, who enters, who leaves the company.

Everything is read as it was known on the day of the plan. Where the past was scored, the audience of a past day is who
was in it then; where it was not, risk tiers cannot be told and everybody described stands for them (and the plan says
so).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np

from campaigns.members import Floats, Members, read_members, read_spent
from features.labels import build_labels
from features.spine import build_spine
from holdback.business import Business, Campaign, Churn, ColumnChurn, RhythmChurn
from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from holdback.sql import literal
from holdback.warehouse import Warehouse

_FLOW_DAYS = 98
_FLOW_STEP_DAYS = 14
_TRIGGER_STEP_DAYS = 7
_MOST_TRIGGER_STEPS = 28
_MONTH_DAYS = 30
_LABELLED_DAYS = 3
_SCORES_STAY_FRESH_DAYS = 31
_ARRIVALS_DAYS = 180


@dataclass(frozen=True, eq=False)
class Labelled:
    """A past day whose outcomes are known.

    Attributes:
        members: Who could be in the audience then.
        churned: 1, 0, or nan when it is not known, shape (n,).
    """

    members: Members
    churned: Floats


@dataclass(frozen=True, eq=False)
class History:
    """Everything that a plan needs to know about the past.

    Attributes:
        as_of: The day of knowledge.
        today: The newest day that can be described: the newest scored one, if that is not too long ago. Of a trigger's
            campaign, those are not free for whom it cannot fire on the day of knowledge.
        earlier: Days before it that tell who enters and leaves the audience, oldest first.
        labelled: Past days whose outcomes are known, newest first.
        described_count: Customers that the churn definition describes today, contactable or not.
        maturity_days: Days after the end of an outcome until the data that prove it are loaded.
    """

    as_of: date
    today: Members
    earlier: tuple[Members, ...]
    labelled: tuple[Labelled, ...]
    described_count: int
    maturity_days: int


def read_history(warehouse: Warehouse, business: Business, campaign: Campaign, as_of: date) -> History:
    """Read what the plan of one campaign needs.

    Args:
        warehouse: Where feeds, customers, scores and the ledger are.
        business: The company.
        campaign: One of its campaigns.
        as_of: The day of knowledge.

    Raises:
        BusinessFileError: the campaign's horizon ends before the lead time of its churn definition does.
        NotKnowableYet: no outcome of the past is known yet, nor was a day scored; the message says when one will be.
        DataError: the feed that defines churn holds nothing yet.
    """
    reader = _Reader(warehouse, business, campaign, churn_at_horizon(business, campaign), as_of)
    reach = reader.reach()
    scored = reader.scored_days()
    recent = [day for day in scored if (as_of - day).days < _SCORES_STAY_FRESH_DAYS]
    today = reader.members(recent[0] if recent else as_of)
    labelled = reader.labelled(reach, scored)
    if not labelled and not today.is_scored:
        raise reader.too_early(reach)
    return History(
        as_of=as_of,
        today=reader.without_spent(today),
        earlier=reader.earlier(today, reach, scored),
        labelled=labelled,
        described_count=build_spine(warehouse, business, reader.churn, as_of).num_rows,
        maturity_days=reader.maturity_days(),
    )


def churn_at_horizon(business: Business, campaign: Campaign) -> Churn:
    """Return the churn definition with its outcome window cut, or stretched, to the campaign's horizon.

    Raises:
        BusinessFileError: the horizon ends before the definition's lead time does.
    """
    churn = business.churn_named(campaign.churn)
    if isinstance(churn, ColumnChurn):
        return churn
    outcome_days = business.horizon_days(campaign) - churn.lead_days
    if outcome_days < 1:
        raise BusinessFileError(
            f"{business.slug}: campaign {campaign.name}: horizon_days: {campaign.horizon_days} days end before the "
            f"outcome window of churn {churn.name!r} begins (lead_days: {churn.lead_days}). Choose at least "
            f"{churn.lead_days + 1}, or leave it out."
        )
    if isinstance(churn, RhythmChurn):
        outcome_days = min(outcome_days, churn.outcome_days)  # nobody's patience grows with the horizon
    # An active customer stays one who bought in the definition's own window, whatever the horizon is.
    active = {"active_days": churn.population_days} if churn.kind == "inactivity" else {}
    return churn.model_copy(update={"outcome_days": outcome_days, **active})


@dataclass(frozen=True)
class _Reader:
    """The questions to one warehouse about one campaign."""

    warehouse: Warehouse
    business: Business
    campaign: Campaign
    churn: Churn
    as_of: date

    @property
    def _now(self) -> str:
        return f"timestamp '{self.business.instant(self.as_of).isoformat(sep=' ')}'"

    def members(self, day: date, *, by_scores: bool = True, needs_values: bool = True) -> Members:
        return read_members(
            self.warehouse, self.business, self.campaign, self.churn, day, by_scores=by_scores,
            needs_values=needs_values,
        )  # fmt: skip

    def reach(self) -> tuple[date, date] | None:
        """Return the days of the first and the last event of the feed that churn is defined on; None without feed."""
        if isinstance(self.churn, ColumnChurn):
            return None
        row = self.warehouse.query(
            f'select min(event_at) as first, max(event_at) as last from "{self.churn.feed}" '
            f"where event_at < {self._now} and loaded_at <= {self._now}"
        ).to_pylist()[0]
        if row["first"] is None:
            raise DataError(
                f"{self.business.slug}: feed {self.churn.feed}: no event is known on {self.as_of}. A campaign is "
                "planned from the company's own past. Ingest its data first (`holdback ingest --history`)."
            )
        return self.business.day_of(row["first"]), self.business.day_of(row["last"])

    def scored_days(self) -> list[date]:
        """Return the days that were scored for the campaign's churn definition, newest first."""
        found = self.warehouse.query(
            f"select distinct as_of from scores where churn = {literal(self.churn.name)} "
            f"and as_of <= date '{self.as_of}' order by as_of desc"
        )
        days: list[date] = found["as_of"].to_pylist()
        return days

    def earlier(self, today: Members, reach: tuple[date, date] | None, scored: list[date]) -> tuple[Members, ...]:
        """Read the days before today that tell who enters the audience: scored ones, else about a month apart."""
        if self.campaign.trigger is not None:
            return self._triggered(today, reach)
        lately = [day for day in scored if 0 < (today.day - day).days <= _FLOW_DAYS]
        days = _spaced(lately, _FLOW_STEP_DAYS, before=today.day)
        if today.is_scored and days:
            return self._by_value(tuple(self.members(day) for day in reversed(days)))
        back = [today.day - timedelta(days=days) for days in range(_MONTH_DAYS, _FLOW_DAYS, _MONTH_DAYS)]
        known = [day for day in back if reach is None or day >= self._earliest(reach)]
        return self._by_value(tuple(self.members(day, by_scores=False) for day in reversed(known)))

    def _triggered(self, today: Members, reach: tuple[date, date] | None) -> tuple[Members, ...]:
        """Read for whom the trigger's condition held, week by week or oftener: it is over sooner than a month."""
        trigger = self.business.trigger_named(str(self.campaign.trigger))
        # What looks back on fewer days than a week would miss what happened in between.
        step = min(_TRIGGER_STEP_DAYS, getattr(trigger, "over_days", _TRIGGER_STEP_DAYS))
        steps = list(range(step, _FLOW_DAYS, step))[:_MOST_TRIGGER_STEPS]
        back = [today.day - timedelta(days=days) for days in steps]
        known = [day for day in back if reach is None or day >= self._earliest(reach)]
        return self._by_value(tuple(self.members(day, by_scores=False) for day in reversed(known)))

    def without_spent(self, today: Members) -> Members:
        """Mark those for whom the campaign's trigger cannot fire on the day of knowledge: they wait for nothing."""
        spent = read_spent(self.warehouse, self.business, self.campaign, self.as_of)
        return replace(today, is_free=today.is_free & ~np.isin(today.customer_ids, spent))

    def _by_value(self, past: tuple[Members, ...]) -> tuple[Members, ...]:
        """Leave out days on which nobody's value was known, when the audience asks for it: they tell of no flow."""
        return tuple(members for members in past if not members.lacks_values)

    def labelled(self, reach: tuple[date, date] | None, scored: list[date]) -> tuple[Labelled, ...]:
        """Read past days whose outcomes are known: scored ones if there are any, else about a month apart."""
        if reach is None:
            days = [self.as_of]
        else:
            newest = min(self.as_of, reach[1]) - timedelta(days=self.business.horizon_days(self.campaign))
            days = _spaced([day for day in scored if day <= newest], _MONTH_DAYS)[:_LABELLED_DAYS]
            if not days:
                back = [newest - timedelta(days=_MONTH_DAYS * count) for count in range(_LABELLED_DAYS)]
                days = [day for day in back if day >= self._earliest(reach)]
        found = [self._labels(self.members(day, needs_values=False)) for day in days]
        return tuple(past for past in found if np.isfinite(past.churned).any())

    def maturity_days(self) -> int:
        """Days after the end of an outcome until an event that proves it is loaded: the longest wait lately."""
        if isinstance(self.churn, ColumnChurn):
            return 1
        since = self.business.instant(self.as_of - timedelta(days=_ARRIVALS_DAYS)).isoformat(sep=" ")
        loads = self.warehouse.query(
            f'select loaded_at, max(event_at) as last_at from "{self.churn.feed}" where event_at < {self._now} '
            f"and loaded_at <= {self._now} and loaded_at > timestamp '{since}' group by loaded_at order by loaded_at"
        ).to_pylist()
        waits, reach = [1], None
        for load in loads:
            if reach is not None:
                waits.append((_first_day_at(self.business, load["loaded_at"]) - reach).days - 1)
            last = self.business.day_of(load["last_at"])
            reach = last if reach is None else max(reach, last)
        if reach is not None:
            waits.append((self.as_of - reach).days)
        return max(waits)

    def too_early(self, reach: tuple[date, date] | None) -> NotKnowableYet | DataError:
        """Say when the first plan can be made."""
        where = f"{self.business.slug}: campaign {self.campaign.name}"
        if reach is None:
            return DataError(
                f"{where}: churn {self.churn.name}: nobody's outcome is known on {self.as_of}. Load customers whose "
                "churn column is filled."
            )
        horizon, least = self.business.horizon_days(self.campaign), self.business.training.min_history_days
        # One day more: a label also needs an event at or after the end of its window, to prove the data reach it.
        ready = max(self._earliest(reach) + timedelta(days=horizon + 1), self.as_of + timedelta(days=1))
        return NotKnowableYet(
            f"{where}: no outcome of the past is known on {self.as_of}. The data reach from {reach[0]} to {reach[1]}; "
            f"a plan needs {least} days of history and then {horizon} days of outcomes. The first plan can be made on "
            f"{ready} (data until the day before loaded). Nothing was planned."
        )

    def _earliest(self, reach: tuple[date, date]) -> date:
        return reach[0] + timedelta(days=self.business.training.min_history_days)

    def _labels(self, members: Members) -> Labelled:
        import pyarrow as pa

        spine = pa.table(
            {
                "customer_id": pa.array(members.customer_ids.tolist(), pa.string()),
                "as_of": pa.array([members.day] * len(members), pa.date32()),
            }
        )
        # Ordered by customer, as the members are.
        labels = build_labels(self.warehouse, self.business, self.churn, members.day, known_on=self.as_of, spine=spine)
        known: list[bool | None] = labels["churned"].to_pylist()
        return Labelled(members, np.array([np.nan if left is None else float(left) for left in known], dtype=float))


def _spaced(days: list[date], step: int, *, before: date | None = None) -> list[date]:
    """Return days, newest first, that lie at least ``step`` days apart (and before ``before``)."""
    kept: list[date] = []
    last = before
    for day in days:
        if last is None or (last - day).days >= step:
            kept.append(day)
            last = day
    return kept


def _first_day_at(business: Business, instant: datetime) -> date:
    """Return the first day whose start is not before ``instant``."""
    day = business.day_of(instant)
    return day if business.instant(day) >= instant else day + timedelta(days=1)
