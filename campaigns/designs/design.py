"""The design of a campaign, fixed at its launch: what will be read, when, and what may not change until then.

A launch is a row of the ledger (kind ``launched``) that carries the whole design as JSON; so are a halt and a
resumption. What was fixed can only be changed by a new version, which draws its groups anew and begins its reading
from nothing. The size of the holdout may change within a version: the salt stays, so nobody who was held out moves.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from pydantic import TypeAdapter

from campaigns.feasibility.plans import Plan, percent
from campaigns.holdout import campaign_layer
from campaigns.power import reading_alpha
from holdback.business import Audience, Business, Campaign, Churn, Trigger
from holdback.errors import BusinessFileError

#: What only a new version may change, by the name of the key in the business file.
FIXED = (
    "primary_outcome", "decision_metric", "horizon_days", "alpha", "actions", "audience", "churn", "trigger",
    "trigger_days",
)  # fmt: skip
#: What may change within a version; the change is shown.
MOVABLE = ("holdout_share", "explore_share", "power", "ends_on")

_DATES = ("launched_on", "starts_on", "ends_on", "last_entry_on", "reads_on")


@dataclass(frozen=True, slots=True)
class Design:
    """What was decided about a campaign before its first assignment.

    Attributes:
        campaign: Its name.
        version: Its version.
        salt: Salt of its layer: who is held out follows from it.
        launched_on: Day of the launch.
        primary_outcome: The one outcome that the effect is judged by.
        decision_metric: What the decision for or against the campaign rests on.
        churn: The churn definition, as it stands in the business file.
        horizon_days: Days from a customer's entry to the outcome.
        alpha: Two-sided error of the whole campaign.
        reading_alpha: The part of it that the planned reading spends; the daily page spends the rest.
        power: Wanted probability to find the expected effect.
        actions: Names of its actions.
        audience: Whom it is for.
        holdout_share: Share held out at the launch.
        explore_share: Share of the treated that gets a random action, at the launch.
        starts_on: First day of entry.
        ends_on: First day without entry; None when open.
        last_entry_on: Day on which enough customers are expected to have entered; None when not within five years.
        reads_on: The planned reading; for a design that cannot be read, None.
        base_rate: Expected churn of the holdout.
        lift: Expected save rate.
        effect: Expected fall of the churn rate.
        holdout_count: Customers needed in the holdout; None when no number is enough.
        treatment_count: Customers needed in treatment.
        forced_reason: Why it was launched although it cannot be read; None when it can.
        trigger: What it acts on, as it stands in the business file; None for a campaign without a trigger.
        trigger_days: Days for which a firing counts; None without a trigger, and in designs that did not fix it yet.
    """

    campaign: str
    version: int
    salt: str
    launched_on: date
    primary_outcome: str
    decision_metric: str
    churn: dict[str, Any]
    horizon_days: int
    alpha: float
    reading_alpha: float
    power: float
    actions: tuple[str, ...]
    audience: Audience
    holdout_share: float
    explore_share: float
    starts_on: date
    ends_on: date | None
    last_entry_on: date | None
    reads_on: date | None
    base_rate: float
    lift: float
    effect: float
    holdout_count: int | None
    treatment_count: int | None
    forced_reason: str | None = None
    trigger: dict[str, Any] | None = None
    trigger_days: int | None = None

    @property
    def daily_alpha(self) -> float:
        """The part of alpha that the page spends that is looked at daily."""
        return round(self.alpha - self.reading_alpha, 12)

    @property
    def hash(self) -> str:
        """SHA-256 of :meth:`to_json`: two designs are the same when their hashes are."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Write the design as JSON: keys in order, no blanks, the same text for the same design."""
        content = {**_plain_fields(self), "audience": self.audience.model_dump(mode="json")}
        for name in ("trigger", "trigger_days"):  # a design without them is written as it always was
            if content[name] is None:
                del content[name]
        return json.dumps(content, sort_keys=True, separators=(",", ":"), default=date.isoformat, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Design:
        """Read a design as :meth:`to_json` wrote it."""
        content = json.loads(text)
        days = {name: date.fromisoformat(content[name]) for name in _DATES if content[name] is not None}
        audience = Audience.model_validate(content["audience"])
        return cls(**{**content, **days, "actions": tuple(content["actions"]), "audience": audience})


def design_of(business: Business, campaign: Campaign, plan: Plan, *, forced_reason: str | None) -> Design:
    """Return the design that a launch on the plan's day fixes."""
    own = plan.as_written
    stated = campaign_shares(business, campaign)
    return Design(
        campaign=campaign.name,
        version=campaign.version,
        salt=campaign_layer(business, campaign).salt,
        launched_on=plan.as_of,
        primary_outcome=campaign.primary_outcome,
        decision_metric=campaign.decision_metric,
        churn=business.churn_named(campaign.churn).model_dump(mode="json"),
        horizon_days=plan.horizon_days,
        alpha=campaign.alpha,
        reading_alpha=reading_alpha(campaign.alpha),
        power=campaign.power,
        actions=campaign.actions,
        audience=campaign.audience,
        holdout_share=stated["holdout_share"],
        explore_share=stated["explore_share"],
        starts_on=plan.starts_on,
        ends_on=plan.ends_on,
        last_entry_on=own.last_entry_on,
        reads_on=own.reads_on,
        base_rate=own.base_rate,
        lift=own.lift,
        effect=own.effect,
        holdout_count=own.sample.holdout if own.sample else None,
        treatment_count=own.sample.treatment if own.sample else None,
        forced_reason=forced_reason,
        trigger=trigger_rule(business, campaign),
        trigger_days=_trigger_days(campaign),
    )


def campaign_shares(business: Business, campaign: Campaign) -> dict[str, float]:
    """Return the holdout and exploration shares of a campaign, its own or the company's."""
    own, common = campaign, business.holdout
    return {
        "holdout_share": common.campaign_share if own.holdout_share is None else own.holdout_share,
        "explore_share": common.explore_share if own.explore_share is None else own.explore_share,
    }


def check_unchanged(business: Business, design: Design) -> tuple[str, ...]:
    """Refuse a business file that changed what a launch fixed; tell what it changed that may change.

    Args:
        business: The company, as its file stands now.
        design: A launched design of one of its campaigns.

    Returns:
        One sentence per permitted change since the launch, empty when there is none.

    Raises:
        BusinessFileError: the file has another version of the campaign, none, or other fixed fields under the same
            version. All changed fields are named at once.
    """
    campaign = business.campaign_named(design.campaign)
    where = f"{business.slug}: campaign {campaign.name}"
    if campaign.version != design.version:
        raise BusinessFileError(
            f"{where}: version: {campaign.version} is not the launched version {design.version}. Launch it with "
            f"`holdback campaign launch {campaign.name}`, or go back to version {design.version}."
        )
    now = {
        "primary_outcome": campaign.primary_outcome,
        "decision_metric": campaign.decision_metric,
        "horizon_days": business.horizon_days(campaign),
        "alpha": campaign.alpha,
        "actions": campaign.actions,
        "audience": campaign.audience.model_dump(mode="json"),
        "churn": business.churn_named(campaign.churn).model_dump(mode="json"),
        "trigger": trigger_rule(business, campaign),
        "trigger_days": _trigger_days(campaign),
    }
    then = {name: getattr(design, name) for name in FIXED}
    # Read again by today's rules: a key that a later release adds, with a default, is no change of the company's.
    then["audience"] = design.audience.model_dump(mode="json")
    then["churn"] = TypeAdapter(Churn).validate_python(design.churn).model_dump(mode="json")
    then["trigger"] = None if design.trigger is None else _rule(TypeAdapter(Trigger).validate_python(design.trigger))
    if design.trigger is not None and design.trigger_days is None:
        then["trigger_days"] = now["trigger_days"]  # launched before it was fixed: nothing tells what it was
    changed = [name for name in FIXED if now[name] != then[name]]
    if changed:
        listed = "; ".join(f"{name} {_shown(then[name])} became {_shown(now[name])}" for name in changed)
        raise BusinessFileError(
            f"{where}: version {design.version} was fixed at its launch on {design.launched_on}: {listed}. A launched "
            f"design is not changed: raise its version to {design.version + 1} and launch that, or undo the change."
        )
    return tuple(_moves(design, campaign, campaign_shares(business, campaign)))


def trigger_rule(business: Business, campaign: Campaign) -> dict[str, Any] | None:
    """Return what a launch fixes of a campaign's trigger; None for a campaign without one."""
    return None if campaign.trigger is None else _rule(business.trigger_named(campaign.trigger))


def _trigger_days(campaign: Campaign) -> int | None:
    """For how many days a firing counts, which decides who is chosen as the trigger itself does."""
    return None if campaign.trigger is None else campaign.trigger_days


def _rule(trigger: Trigger) -> dict[str, Any]:
    """What decides for whom a trigger fires and what is done then; what is only watched may change."""
    return trigger.model_dump(mode="json", exclude={"expected_per_day", "judged_days"})


def _moves(design: Design, campaign: Campaign, shares: dict[str, float]) -> list[str]:
    moves = []
    for name, now in shares.items():
        then = float(getattr(design, name))
        if now != then:
            kept = "; nobody changes groups, only those who enter from now on are drawn with it" * (
                name == "holdout_share"
            )
            moves.append(f"{name}: {percent(then)} at the launch, {percent(now)} now{kept}")
    if campaign.power != design.power:
        moves.append(f"power: {design.power:g} at the launch, {campaign.power:g} now; the planned reading stays")
    if campaign.ends_on != design.ends_on:
        moves.append(f"ends_on: {design.ends_on or 'open'} at the launch, {campaign.ends_on or 'open'} now")
    return moves


def _plain_fields(design: Design) -> dict[str, Any]:
    return {field.name: getattr(design, field.name) for field in fields(design)}


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)
