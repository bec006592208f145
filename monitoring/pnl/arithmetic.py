"""From the moments of two groups and what was spent to what it earned: every figure can be recomputed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from monitoring.effects import Effect, Moments, NotMeasurable, mean_effect, paid_to_stayers, return_on_cost
from monitoring.pnl.lines import Amount, Earned, Spent, Sums

#: Coverage of every interval of the account.
LEVEL: Final = 0.95

#: Below so many held out, intervals of what customers paid are called approximate: it is skewed, and with 500 held out
#: the 95 % interval of capped revenue covered the truth in 93 % of the worlds (statistics.md 3b).
ENOUGH_HELD_OUT: Final = 1_000

_DIGITS: Final = 6  # of a cent: what lies below is the rounding of sums that were handed on as means


def earned(treatment: Moments, holdout: Moments, spent: Spent, *, notes: tuple[str, ...] = ()) -> Earned:
    """Return what the money brought.

    The margin's effect is the one that campaigns are measured by (difference of means, adjusted for the same time
    before the entry). What was spent is taken from the books and counts as known: only the margin varies.

    Args:
        treatment: Moments of the treated units, as assigned, all of them mature.
        holdout: Moments of the units held out.
        spent: On both groups; the held-out cost nothing, unless somebody was assigned anew.
        notes: Handed on with the effect.

    Raises:
        NotMeasurable: these groups carry no effect on the margin.
    """
    treated, kept_out = sums_of(treatment), sums_of(holdout)
    margin = mean_effect(
        treatment, holdout, "margin_cents", metric="margin", level=LEVEL, covariate="before_cents", notes=notes
    )
    if kept_out.customer_count < ENOUGH_HELD_OUT:
        margin = replace(margin, notes=(*margin.notes, f"approximate: fewer than {ENOUGH_HELD_OUT:,} held out"))
    count = treated.customer_count
    incremental = _times(margin, count)
    net = Amount(*(end - spent.cents for end in (incremental.cents, incremental.low_cents, incremental.high_cents)))
    share = _stayer_share(treatment, holdout) if spent.incentive_cents else None
    return Earned(
        treatment=treated,
        holdout=kept_out,
        theta=_theta(treated, kept_out, margin),
        margin=margin,
        incremental_margin=incremental,
        net=net,
        roi=_roi(margin, spent, count),
        stayer_share=share,
        stayer_incentives=None if share is None else Amount(*(spent.incentive_cents * part for part in share)),
        expected_net=_expected(treatment, holdout, count),
    )


def sums_of(moments: Moments) -> Sums:
    """Return the totals of a group: counts and cents paid are whole, as they were before means were taken."""
    return Sums(
        customer_count=round(moments.total("customers")),
        revenue_cents=float(round(moments.total("revenue_cents"))),
        margin_cents=round(moments.total("margin_cents"), _DIGITS),
        before_cents=round(moments.total("before_cents"), _DIGITS),
        value_kept_cents=round(moments.total("value_kept_cents"), _DIGITS),
    )


def per_customer(total: float, count: int) -> float:
    """Return a total per customer; 0 for nobody."""
    return total / count if count else 0.0


def _times(effect: Effect, count: int) -> Amount:
    return Amount(effect.estimate * count, effect.low * count, effect.high * count)


def _expected(treatment: Moments, holdout: Moments, count: int) -> Amount | None:
    try:
        return _times(mean_effect(treatment, holdout, "value_kept_cents", metric="value_kept", level=LEVEL), count)
    except NotMeasurable:
        return None


def _theta(treated: Sums, kept_out: Sums, margin: Effect) -> float:
    """The weight of the adjustment, from the effect itself: so that the line's own columns give it to the cent."""
    raw = per_customer(treated.margin_cents, treated.customer_count)
    raw -= per_customer(kept_out.margin_cents, kept_out.customer_count)
    before = per_customer(treated.before_cents, treated.customer_count)
    before -= per_customer(kept_out.before_cents, kept_out.customer_count)
    return (raw - margin.estimate) / before if before else 0.0


def _roi(margin: Effect, spent: Spent, count: int) -> tuple[float, float, float] | None:
    if spent.cents <= 0:
        return None
    found = return_on_cost(margin, cost=spent.cents / count)
    return found.estimate, found.low, found.high


def _stayer_share(treatment: Moments, holdout: Moments) -> tuple[float, float, float] | None:
    """Those who take an incentive are those who stay; what the holdout keeps as well was given for nothing."""
    try:
        found = paid_to_stayers(treatment, holdout, level=LEVEL)
    except NotMeasurable:
        return None
    return found.share, found.low, found.high
