"""What a campaign earned on what it cost, and how much of its incentives went to those who would have stayed."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from monitoring.effects.moments import Moments
from monitoring.effects.ratios import check_level
from monitoring.effects.refusals import NotMeasurable
from monitoring.effects.results import Effect
from monitoring.effects.shares import independent
from monitoring.proportions import Share, ratio_of, wilson


def return_on_cost(margin: Effect, *, cost: float, metric: str = "roi") -> Effect:
    """Return ``(incremental margin - cost) / cost``, with the interval of the margin carried over.

    Args:
        margin: Effect on the margin per treated customer *before* the campaign's own cost.
        cost: Campaign cost per treated customer, contacts and incentives, in the same unit. It is taken from the books,
            so as known: only the margin varies.
        metric: Name of the result.

    Returns:
        An effect without unit: 0.5 means that each unit of money brought itself back and half of it more; below 0 it
        cost more than it brought. The arms are those of the margin.

    Raises:
        NotMeasurable: The campaign cost nothing, so there is no return *on* it.
        ValueError: ``cost`` is negative or not finite.

    Examples:
        >>> from monitoring.effects.results import Arm, Effect
        >>> margin = Effect("margin", 300.0, 100.0, 500.0, 0.95, Arm(9, 9, 900.0), Arm(1, 1, 600.0), "cuped")
        >>> found = return_on_cost(margin, cost=200.0)
        >>> found.estimate, found.low, found.high
        (0.5, -0.5, 1.5)
    """
    if not (isfinite(cost) and cost >= 0):
        raise ValueError(f"money: a cost per customer is a number of at least 0 (got {cost!r}).")
    if cost == 0:
        raise NotMeasurable("money: the campaign cost nothing. A return needs a cost; read the incremental margin.")
    low, high = margin.low / cost - 1, margin.high / cost - 1
    return replace(
        margin,
        metric=metric,
        estimate=margin.estimate / cost - 1,
        low=low,
        high=high,
        is_good_when_lower=False,
        notes=(*margin.notes, "the cost is taken as known"),
    )


def paid_to_stayers(
    treatment: Moments,
    holdout: Moments,
    *,
    level: float,
    is_paid_to_leavers: bool = False,
    numerator: str = "churned",
    denominator: str = "known",
) -> Share:
    """Return the share of the incentives that went to customers who would have stayed without them.

    The holdout shows what share q0 would have stayed. Where only those who stay are paid, q1 of the treated, the
    share is ``q0 / q1``: nobody is assumed to leave *because* of the campaign, and those who take the incentive to be
    like all who stay. Where everybody contacted is paid, it is ``q0``. This is the dead weight of a discount: at 8 %
    churn brought down to 6.5 %, 98 of 100 discounts change nothing.

    Args:
        treatment: Moments of the treated units, as assigned.
        holdout: Moments of the units held out.
        level: Coverage of the interval, in (0, 1).
        is_paid_to_leavers: True when the incentive is paid at contact, to whoever leaves afterwards too.
        numerator: Total of the customers who left.
        denominator: Total of those whose outcome is known.

    Returns:
        A share with its interval (for a ratio: Donner and Zou's, from Wilson's limits of both stay rates), its ends cut
        at 1; count and n are those held out who stayed, and those held out, as independent customers.

    Raises:
        NotMeasurable: In one group nobody's outcome is known, or no treated customer stayed.

    Source: Donner, Zou, Statistical Methods in Medical Research 21 (2012) 347, equation 9 (limits of a ratio).

    Examples:
        >>> import numpy as np
        >>> from monitoring.effects.moments import moments_of
        >>> def arm(churned, n):
        ...     return moments_of({"known": np.ones(n), "churned": np.arange(n) < churned})
        >>> found = paid_to_stayers(arm(650, 10_000), arm(80, 1_000), level=0.95)
        >>> round(found.share, 3), round(found.low, 3), round(found.high, 3)
        (0.984, 0.964, 1.0)
    """
    check_level(level, "money")
    stays = []
    for group, moments in (("treatment", treatment), ("holdout", holdout)):
        left, n = independent(moments, numerator, denominator, group=group)
        stays.append(wilson(n - left, n, level=level))
    treated, kept_out = stays
    if is_paid_to_leavers:
        return kept_out
    if treated.share == 0 or treated.low == 0:
        raise NotMeasurable("money: no treated customer stayed, so nobody was paid an incentive for staying.")
    share, low, high = (min(value, 1.0) for value in ratio_of(kept_out, treated))
    return Share(kept_out.count, kept_out.n, share, low, high)
