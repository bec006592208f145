"""What a plan of a campaign says: its designs side by side, the recommended one, and when the effect will be known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from campaigns.feasibility.entries import ActionLimit, BaseRate, Flow
from campaigns.power import Sample
from holdback.errors import NotKnowableYet

#: Designs are played forward for five years; beyond, a date is no plan.
PLAN_DAYS = 5 * 365

AS_WRITTEN, EVEN, LATER_TRIGGER = "as written", "50/50", "later trigger"
POOLED, POOLED_EVEN = "pooled", "pooled 50/50"


@dataclass(frozen=True, slots=True)
class DesignOption:
    """One way to run the campaign, and when its effect would be known.

    Attributes:
        name: ``as written``, ``10 % held out``, ``20 % held out``, ``50/50``, ``pooled``, ``pooled 50/50`` or
            ``later trigger``. Pooled: the same campaign runs on over its end, as one.
        holdout_share: Share of the entering customers that is held out.
        risk_tiers: Whom it is for; all when empty.
        base_rate: Churn within the horizon when nothing is done.
        lift: Expected save rate, mean over those treated.
        effect: Expected fall of the churn rate, ``base_rate * lift``.
        sample: Customers needed by arm; None when no number is enough (nobody held out or treated, no effect expected).
        entry_days: Days until they have entered; None when not within five years.
        last_entry_on: Day on which the last of them enters.
        reads_on: First valid reading.
        is_readable: True when that is soon enough.
        detectable_effect: Smallest fall that the customers show who enter until the campaign ends (or for a year).
        detectable_on: First valid reading of those.
        detectable_count: How many they are.
        forgone_amount: Margin given up in the holdout until the reading, at most; None when values are not known.
    """

    name: str
    holdout_share: float
    risk_tiers: tuple[str, ...]
    base_rate: float
    lift: float
    effect: float
    sample: Sample | None
    entry_days: int | None
    last_entry_on: date | None
    reads_on: date | None
    is_readable: bool
    detectable_effect: float | None
    detectable_on: date
    detectable_count: int
    forgone_amount: float | None


@dataclass(frozen=True, slots=True)
class GlobalReading:
    """When the programme can be read against the global holdout, counting this campaign alone.

    Attributes:
        holdout_share: Share of all customers that is never contacted.
        customer_count: Customers described today.
        reads_on: First valid reading, of all horizons since the start together; None when not within five years.
        effect: Expected fall of the churn of all customers within one horizon.
        base_rate: Their churn within one horizon when nothing is done.
    """

    holdout_share: float
    customer_count: int
    reads_on: date | None
    effect: float
    base_rate: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be known about a campaign before its launch.

    Attributes:
        business: The company's slug.
        campaign: Name of the campaign.
        version: Its version.
        as_of: The day of knowledge.
        starts_on: First day of entry.
        ends_on: First day without entry; None when open.
        horizon_days: Days from entry to outcome.
        maturity_days: Days from there until the data prove it.
        alpha: Two-sided error of the whole campaign.
        reading_alpha: The part of it that the planned reading spends; the daily page spends the rest.
        power: Wanted probability to find the expected effect.
        base_rate: Churn of the audience when nothing is done.
        flow: Who can enter.
        actions: The campaign's actions, the best first, with what a day allows.
        budget_per_day: What a day may cost; None without a limit.
        design_effect: By how much households enlarge the variance.
        correlation: Of score and outcome within the audience; the reading gains ``1 - correlation^2`` by it.
        kept_amount: Mean value of a kept customer of the audience; None while the table ``fit`` is empty.
        options: The designs; the first is the campaign as it is written.
        recommended: Name of the recommended design; None when none can be read.
        reason: Why, in words.
        verdict: When the campaign can be read, in one sentence.
        global_holdout: The programme's reading; None without a global holdout.
        notes: What to know about the numbers.
    """

    business: str
    campaign: str
    version: int
    as_of: date
    starts_on: date
    ends_on: date | None
    horizon_days: int
    maturity_days: int
    alpha: float
    reading_alpha: float
    power: float
    base_rate: BaseRate
    flow: Flow
    actions: tuple[ActionLimit, ...]
    budget_per_day: float | None
    design_effect: float
    correlation: float
    kept_amount: float | None
    options: tuple[DesignOption, ...]
    recommended: str | None
    reason: str
    verdict: str
    global_holdout: GlobalReading | None
    notes: tuple[str, ...]

    @property
    def as_written(self) -> DesignOption:
        """The campaign as the business file has it."""
        return self.options[0]

    def require_readable(self) -> None:
        """Refuse a campaign that cannot be read as it is written.

        Raises:
            NotKnowableYet: with the dates and the recommended way out.
        """
        if not self.as_written.is_readable:
            raise NotKnowableYet(
                f"{self.business}: campaign {self.campaign}/{self.version}: {self.verdict} {self.reason} Nothing was "
                "launched. Change the design, or launch it as it is with a written reason (--force)."
            )


def percent(share: float) -> str:
    """Write a share for people.

    Examples:
        >>> percent(0.05), percent(0.125), percent(0.0833)
        ('5 %', '12.5 %', '8.3 %')
    """
    return f"{round(100 * share, 1):g} %"


def points(effect: float) -> str:
    """Write a difference of shares for people.

    Examples:
        >>> points(0.0153), points(0.0004)
        ('1.5 points', '0.04 points')
    """
    return f"{100 * effect:.1f} points" if effect >= 0.001 else f"{100 * effect:.2f} points"


def verdict_on(options: tuple[DesignOption, ...]) -> str:
    """Say in one sentence when the first option can be read, and when even halves could."""
    own, even = options[0], {option.name: option for option in options}.get(EVEN, options[0])
    if own.is_readable:
        return f"readable on {own.reads_on} at a {percent(own.holdout_share)} holdout."
    years = PLAN_DAYS // 365
    when = f"not knowable before {own.reads_on}" if own.reads_on else f"not knowable within {years} years"
    other = ""
    if even is not own:
        other = f"; {even.reads_on} at 50/50" if even.reads_on else f", nor at 50/50 within {years} years"
    return f"{when} at a {percent(own.holdout_share)} holdout{other}."


def recommend(
    options: tuple[DesignOption, ...], *, ends_on: date | None, currency: str, global_reads_on: date | None
) -> tuple[str | None, str]:
    """Choose a design, and say why: as written if it can be read, else the smallest holdout, else pooled, else none.

    Returns:
        The name of an option, or None when none can be read; and the reason, in words.
    """
    own = options[0]
    if own.is_readable:
        sooner = min((o for o in options if o.is_readable), key=_reading_day)
        also = ""
        if _reading_day(sooner) < _reading_day(own):
            also = f" Sooner: {sooner.reads_on} with {_called(sooner)}."
        return own.name, f"It can be read as it is written: {_needs(own)}{_costs(own, currency)}{also}"
    for chosen in (lambda option: not _is_pooled(option), _is_pooled):
        found = [option for option in options if option.is_readable and chosen(option)]
        if found:
            best = min(found, key=lambda option: (_cost(option), _reading_day(option)))
            return best.name, f"{_step_to(best, ends_on)}: {_needs(best)}{_costs(best, currency)}"
    return None, _what_can_be_seen(options, ends_on, global_reads_on)


def _what_can_be_seen(options: tuple[DesignOption, ...], ends_on: date | None, global_reads_on: date | None) -> str:
    even = next(option for option in options if option.holdout_share == 0.5)
    until = f"until {ends_on}" if ends_on else "in a year"
    in_time = f"when it ends on {ends_on}, nor within two years if it went on" if ends_on else "within two years"
    if even.detectable_effect is None:
        seen = (
            f"not even keeping everybody could be seen with the {even.detectable_count:,} customers who enter {until}"
        )
    else:
        seen = (
            f"with the {even.detectable_count:,} customers who enter {until}, 50/50 shows a fall of "
            f"{points(even.detectable_effect)} or more (churn {percent(even.base_rate)} to "
            f"{percent(even.base_rate - even.detectable_effect)}, a save rate of "
            f"{percent(even.detectable_effect / even.base_rate)}) on {even.detectable_on}"
        )
    programme = f", on {global_reads_on}" if global_reads_on else ", as far as that can be read"
    return (
        f"No design can be read {in_time}: {points(even.effect)} (a save rate of {percent(even.lift)}) are expected, "
        f"and {seen}. Pool: run successive campaigns as one, without ends_on and without raising the version, and "
        f"judge the whole programme against the global holdout{programme}; or act on fewer customers, with a stronger "
        "action."
    )


def _needs(option: DesignOption) -> str:
    sample = option.sample
    assert sample is not None
    return (
        f"{sample.total:,} customers are needed, {sample.holdout:,} of them held out; they have entered by "
        f"{option.last_entry_on}, and are read on {option.reads_on}."
    )


def _costs(option: DesignOption, currency: str) -> str:
    if option.forgone_amount is None or option.sample is None:
        return ""
    return f" Holding them back costs at most {option.forgone_amount:,.0f} {currency} of margin."


def _cost(option: DesignOption) -> float:
    held_out = option.sample.holdout if option.sample else 0
    return option.forgone_amount if option.forgone_amount is not None else float(held_out)


def _reading_day(option: DesignOption) -> date:
    return option.reads_on or date.max


def _called(option: DesignOption) -> str:
    return "the tier high only" if option.name == LATER_TRIGGER else option.name


def _is_pooled(option: DesignOption) -> bool:
    return option.name in (POOLED, POOLED_EVEN)


def _step_to(option: DesignOption, ends_on: date | None) -> str:
    if option.name == LATER_TRIGGER:
        return f"Act later, on the risk tier high only (churn {percent(option.base_rate)})"
    if option.name == POOLED:
        return f"Pool: let this campaign and its holdout run on, over {ends_on}, as one version"
    share = f"old out {percent(option.holdout_share)} (holdout_share: {option.holdout_share:g})"
    if option.name == POOLED_EVEN:
        return f"Pool: h{share}, and let this campaign run on, over {ends_on}, as one version"
    return f"H{share}"
