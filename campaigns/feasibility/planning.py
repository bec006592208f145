"""Can this campaign be read, when, and which design reads it sooner: told from the company's own past, before launch.

A plan compares designs (shares of the holdout, a longer entry, a later trigger). For each it plays the entry forward
with the expected numbers, until enough customers have entered to find the expected effect with the wanted power; the
first valid reading is one horizon after the last of them entered, and the days that the data need to prove it.

A design can be read when its last customer enters before the campaign ends, or, without an end, when its reading lies
within two years. A small company gets a design, not a threshold: if nothing can be read, the plan says which effect
could be seen, and what to pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from math import ceil
from typing import Any

import pyarrow as pa

from campaigns.feasibility.entries import (
    ActionLimit,
    BaseRate,
    Entries,
    Flow,
    base_rate,
    flow,
    household_effect,
    score_correlation,
    simulate_entries,
)
from campaigns.feasibility.history import History, read_history
from campaigns.feasibility.plans import (
    AS_WRITTEN,
    EVEN,
    LATER_TRIGGER,
    PLAN_DAYS,
    POOLED,
    POOLED_EVEN,
    DesignOption,
    GlobalReading,
    Plan,
    percent,
    recommend,
    verdict_on,
)
from campaigns.feasibility.remarks import missing_values, model_remarks
from campaigns.lifts import Lift, lifts
from campaigns.power import Sample, detectable_effect, holdout_needed, reading_alpha, sample_needed
from holdback.business import Action, Business, Campaign
from holdback.errors import BusinessFileError
from holdback.warehouse import Warehouse

READABLE_DAYS = 730
_YEAR_DAYS = 365
_EVEN_SHARE = 0.5
_SHARES = ((0.1, "10 % held out"), (0.2, "20 % held out"), (_EVEN_SHARE, EVEN))


def plan(warehouse: Warehouse, business: Business, campaign_name: str, as_of: date) -> Plan:
    """Tell when a campaign can be read, by design, from the company's own past.

    Args:
        warehouse: Where feeds, customers, scores, fit and the ledger are.
        business: The company.
        campaign_name: One of its campaigns.
        as_of: The day of knowledge.

    Raises:
        BusinessFileError: no campaign has this name, it was run elsewhere, it is over, none of its actions is expected
            to save anybody, nobody is in its audience, or its horizon is shorter than the lead time.
        NotKnowableYet: the company has no past to plan from; the message says from when on it has.
        DataError: the feed that defines churn is empty.
    """
    campaign = business.own_campaign_named(campaign_name)
    where = f"{business.slug}: campaign {campaign.name}"
    starts_on = max(campaign.starts_on or as_of, as_of)
    if campaign.ends_on is not None and campaign.ends_on <= starts_on:
        raise BusinessFileError(
            f"{where}: ends_on: {campaign.ends_on} leaves no day of entry (it would start on {starts_on}). "
            "Choose a later day, or leave it out."
        )
    known = lifts(warehouse, business, as_of)
    if not any(known[name].save_rate > 0 for name in campaign.actions if name in known):
        named = ", ".join(campaign.actions)
        raise BusinessFileError(
            f"{where}: actions: none of them ({named}) is expected to keep anybody, so there is no effect to plan for. "
            f"Write what you believe under the action {campaign.actions[0]!r}, such as assumed_lift: "
            '{value: 0.1, source: "the team, by experience", '
            f"expires_on: {as_of + timedelta(days=_YEAR_DAYS)}}}: the share of those who would leave that it keeps."
        )
    return _Planner(warehouse, business, campaign, as_of, starts_on, known).plan()


@dataclass(frozen=True)
class _Planner:
    """One plan in the making: what it was asked for, and what was read once for all designs."""

    warehouse: Warehouse
    business: Business
    campaign: Campaign
    as_of: date
    starts_on: date
    lifts: Mapping[str, Lift]

    def plan(self) -> Plan:
        history, flowing = self.history, self._flow(self.tiers)
        if flowing.stock + flowing.entering_per_day == 0:
            raise BusinessFileError(
                f"{self.business.slug}: campaign {self.campaign.name}: audience: nobody is in it on {self.as_of}, nor "
                f"entered it lately ({history.described_count:,} customers are described). Every condition must hold "
                f"at once, and the customers must be contactable. {self._missing_values or 'Widen it.'}"
            )
        options = self._options(flowing)
        programme = self._programme(options[0], flowing)
        recommended, reason = recommend(
            options,
            ends_on=self.campaign.ends_on,
            currency=self.business.currency,
            global_reads_on=programme.reads_on if programme else None,
        )
        return Plan(
            business=self.business.slug,
            campaign=self.campaign.name,
            version=self.campaign.version,
            as_of=self.as_of,
            starts_on=self.starts_on,
            ends_on=self.campaign.ends_on,
            horizon_days=self.horizon_days,
            maturity_days=history.maturity_days,
            alpha=self.campaign.alpha,
            reading_alpha=reading_alpha(self.campaign.alpha),
            power=self.campaign.power,
            base_rate=self.base_rate,
            flow=flowing,
            actions=self.actions,
            budget_per_day=self.budget,
            design_effect=self.household_effect,
            correlation=self.correlation,
            kept_amount=self.kept_amount,
            options=options,
            recommended=recommended,
            reason=reason,
            verdict=verdict_on(options),
            global_holdout=programme,
            notes=self._notes(),
        )

    @cached_property
    def history(self) -> History:
        return read_history(self.warehouse, self.business, self.campaign, self.as_of)

    @property
    def tiers(self) -> tuple[str, ...]:
        return self.campaign.audience.risk_tiers

    @property
    def horizon_days(self) -> int:
        return self.business.horizon_days(self.campaign)

    @property
    def _missing_values(self) -> str | None:
        return missing_values(self.business, self.campaign, self.history, self.as_of)

    @cached_property
    def base_rate(self) -> BaseRate:
        return base_rate(self.history, self.tiers)

    @cached_property
    def correlation(self) -> float:
        return score_correlation(self.history, self.tiers)

    @cached_property
    def household_effect(self) -> float:
        return household_effect(self.history, self.tiers)

    @cached_property
    def kept_amount(self) -> float | None:
        """Mean value of a kept customer of the audience, without those on whom nothing is spent."""
        members = self.history.today
        audience = pa.table({"customer_id": pa.array(members.customer_ids[members.chosen(self.tiers)].tolist())})
        newest = f"select max(as_of) from fit where as_of <= date '{self.as_of}'"
        kept = self.warehouse.query(
            "select avg(kept_cents) / 100.0 as kept from fit join audience using (customer_id) "
            f"where fit_class <> 'do_not_spend' and as_of = ({newest})",
            frames={"audience": audience.cast(pa.schema({"customer_id": pa.string()}))},
        )["kept"][0].as_py()
        return None if kept is None else float(kept)

    @cached_property
    def actions(self) -> tuple[ActionLimit, ...]:
        """The campaign's actions with a lift, the best first; campaigns beside it have their part of a capacity."""
        found = []
        for name in self.campaign.actions:
            action, lift = self.business.action_named(name), self.lifts.get(name)
            if lift is not None and lift.save_rate > 0:
                contacts = self._contacts(action)
                sharers = sum(name in campaign.actions for campaign in self.beside)
                capacity = action.capacity_per_day
                per_day = None if capacity is None else capacity / sharers / contacts
                cost = action.expected_cost * contacts
                found.append(ActionLimit(name, lift.save_rate, lift.status, cost, per_day, contacts))
        return tuple(sorted(found, key=lambda action: (-self._gain(action), action.cost_amount, action.name)))

    @cached_property
    def budget(self) -> float | None:
        own, common = self.campaign.budget_per_day, self.business.budget
        if common is None:
            return own
        return common.per_day / len(self.beside) if own is None else min(own, common.per_day)

    @cached_property
    def beside(self) -> tuple[Campaign, ...]:
        """The campaigns of the file that run at some time while this one does, itself among them."""
        ends_on = self.campaign.ends_on
        return tuple(
            other
            for other in self.business.own_campaigns
            if (other.ends_on is None or other.ends_on > self.starts_on)
            and (other.starts_on is None or ends_on is None or other.starts_on < ends_on)
        )

    def _contacts(self, action: Action) -> float:
        """How often a customer may be given an action before the horizon ends; once, if it must cool off so long."""
        contact, horizon = self.business.contact, self.horizon_days
        allowed = contact.at_most * horizon / contact.per_days
        return max(1.0, min(allowed, horizon / max(action.cooling_off_days, 1)))

    def _gain(self, action: ActionLimit) -> float:
        if self.kept_amount is None:
            return action.lift
        return self.base_rate.rate * action.lift * self.kept_amount - action.cost_amount

    def _flow(self, tiers: tuple[str, ...]) -> Flow:
        return flow(self.history, tiers, global_share=self.business.holdout.global_share)

    def _options(self, flowing: Flow) -> tuple[DesignOption, ...]:
        own, ends_on = self.campaign.holdout_share, self.campaign.ends_on
        share = self.business.holdout.campaign_share if own is None else own
        rate = self.base_rate.rate
        options = [self._option(AS_WRITTEN, share, self.tiers, rate, flowing, ends_on)]
        options += [self._option(n, s, self.tiers, rate, flowing, ends_on) for s, n in _SHARES if s != share]
        if ends_on is not None:
            options.append(self._option(POOLED, share, self.tiers, rate, flowing, None))
            if share != _EVEN_SHARE:
                options.append(self._option(POOLED_EVEN, _EVEN_SHARE, self.tiers, rate, flowing, None))
        if self.history.today.is_scored and set(self.tiers) != {"high"}:
            high = base_rate(self.history, ("high",))
            if high.rate > rate:
                options.append(self._option(LATER_TRIGGER, share, ("high",), high.rate, self._flow(("high",)), ends_on))
        return tuple(options)

    def _option(
        self, name: str, share: float, tiers: tuple[str, ...], rate: float, flowing: Flow, ends_on: date | None
    ) -> DesignOption:
        entries = self._entries(share, flowing)
        days = self._days_needed(entries, share, rate)
        shown = (days or PLAN_DAYS) - 1
        lift, cost = round(float(entries.lift[shown]), 9), float(entries.cost_amount[shown])
        last_entry_on = None if days is None else self.starts_on + timedelta(days=shown)
        reads_on = None if last_entry_on is None else self._read_on(last_entry_on)
        if ends_on is None:
            is_readable = reads_on is not None and reads_on <= self.as_of + timedelta(days=READABLE_DAYS)
        else:
            is_readable = last_entry_on is not None and last_entry_on < ends_on
        sample = self._sample(rate, lift, share)
        period = _YEAR_DAYS if ends_on is None else min((ends_on - self.starts_on).days, PLAN_DAYS)
        entered = float(entries.entered[period - 1])
        gain = None if self.kept_amount is None else max(0.0, rate * lift * self.kept_amount - cost)
        return DesignOption(
            name=name,
            holdout_share=share,
            risk_tiers=tiers,
            base_rate=rate,
            lift=lift,
            effect=rate * lift,
            sample=sample,
            entry_days=days,
            last_entry_on=last_entry_on,
            reads_on=reads_on,
            is_readable=is_readable,
            detectable_effect=detectable_effect(rate, customer_count=entered, holdout_share=share, **self._test),
            detectable_on=self._read_on(self.starts_on + timedelta(days=period - 1)),
            detectable_count=int(entered),
            forgone_amount=None if gain is None or sample is None else gain * sample.holdout,
        )

    @property
    def _test(self) -> dict[str, Any]:
        """What all computations of power have in common."""
        return {
            "alpha": reading_alpha(self.campaign.alpha),
            "power": self.campaign.power,
            "design_effect": self.household_effect,
            "correlation": self.correlation,
        }

    def _entries(self, share: float, flowing: Flow) -> Entries:
        explore = self.campaign.explore_share
        return simulate_entries(
            flowing,
            self.actions,
            holdout_share=share,
            explore_share=self.business.holdout.explore_share if explore is None else explore,
            budget_per_day=self.budget,
            days=PLAN_DAYS,
        )

    def _days_needed(self, entries: Entries, share: float, rate: float) -> int | None:
        """Days of entry until both arms are large enough for the effect that the entries so far should have."""
        if not 0 < share < 1 or rate <= 0:
            return None
        for day, (entered, lift) in enumerate(zip(entries.entered, entries.lift, strict=True), start=1):
            if lift > 0:
                ratio = (1 - share) / share
                if entered * share >= ceil(holdout_needed(rate, rate * (1 - lift), ratio=ratio, **self._test)):
                    return day
        return None

    def _sample(self, rate: float, lift: float, share: float) -> Sample | None:
        if lift <= 0:
            return None
        return sample_needed(rate, rate * (1 - lift), holdout_share=share, **self._test)

    def _read_on(self, last_entry_on: date) -> date:
        return last_entry_on + timedelta(days=self.horizon_days + self.history.maturity_days)

    def _programme(self, own: DesignOption, flowing: Flow) -> GlobalReading | None:
        """Play the campaign against the global holdout, one horizon after the other.

        Each horizon describes all customers anew; those whom the campaign keeps in it are spread over everybody who is
        not held out globally. The horizons are read together, until they are enough.
        """
        share, count = self.business.holdout.global_share, self.history.described_count
        everybody, horizon = base_rate(self.history, ()).rate, self.horizon_days
        if not 0 < share < 1 or everybody <= 0 or count == 0:
            return None
        entries, effect = self._entries(own.holdout_share, flowing), 0.0
        for horizons in range(1, PLAN_DAYS // horizon + 1):
            days = horizons * horizon
            treated = float(entries.entered[days - 1]) * (1 - own.holdout_share)
            kept = treated * own.base_rate * float(entries.lift[days - 1])
            effect = min(kept / (horizons * count * (1 - share)), everybody)
            if effect <= 0:
                break
            sample = sample_needed(
                everybody, everybody - effect, holdout_share=share, **(self._test | {"correlation": 0.0})
            )
            if sample is not None and sample.total <= horizons * count:
                reads_on = self._read_on(self.starts_on + timedelta(days=days - 1))
                return GlobalReading(share, count, reads_on, effect, everybody)
        return GlobalReading(share, count, None, effect, everybody)

    def _notes(self) -> tuple[str, ...]:
        notes = [note] if (note := self._missing_values) else []
        notes += model_remarks(self.warehouse, self.business, self.campaign, self.history)
        if self.tiers and not self.history.today.is_scored:
            notes.append(
                f"No scores yet: the tiers {' and '.join(self.tiers)} cannot be told, so everybody described stands "
                "for them; their churn will be higher, and they are fewer."
            )
        notes += [
            f"{action.name}: its save rate of {percent(action.lift)} is {action.lift_status}, not measured."
            for action in self.actions
            if action.lift_status != "measured"
        ]
        notes += [
            f"{action.name}: may be given {action.contacts_per_customer:.2g} times within the horizon, so its capacity "
            f"takes in {action.per_day:.3g} new customers a day. With cooling_off_days: {self.horizon_days} more enter."
            for action in self.actions
            if action.contacts_per_customer > 1 and action.per_day is not None
        ]
        unknown = [name for name in self.campaign.actions if name not in self.lifts]
        notes += [f"{name}: has no lift; it is only explored, and not planned with." for name in unknown]
        if len(self.beside) > 1:
            others = ", ".join(other.name for other in self.beside if other.name != self.campaign.name)
            notes.append(f"Capacities and the common budget are shared equally with {others}.")
        if not self.history.earlier:
            notes.append("The past is too short to see who enters the audience: only today's members are counted.")
        if self.kept_amount is None:
            notes.append("What a kept customer is worth is not known yet (no fit), so nothing is said about cost.")
        elif all(self._gain(action) <= 0 for action in self.actions):
            notes.append(
                f"A kept customer brings {self.kept_amount:,.2f} {self.business.currency} on average: no action earns "
                "its cost on the average member, so fewer may be chosen than planned."
            )
        return tuple(notes)
