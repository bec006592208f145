"""How long a customer is expected to stay, and what he brings a month: by the value model where it spoke, else booked.

- Contracts (the model gives months): ``A`` are its months, the monthly margin is the booked one.
- Purchases (it gives no months, since leaving is silence): ``V`` is its margin over the horizon. ``A`` stays what the
  day's probability of leaving says, for the costs are spread over it; the monthly margin is ``V / A``, and its
  uncertainty grows or shrinks with it. Who leaves for certain (``A = 0``) has no months over which a value could be
  spread: there the records count.
- Nobody valued the customer lately: the booked margin, for as long as the day's probability lets expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from campaigns.fit.arithmetic import likely_range
from campaigns.margins import survived_months

if TYPE_CHECKING:
    from campaigns.fit.facts import Facts
    from holdback.business import Business

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lifetimes:
    """What the margin over the horizon is made of; all arrays have shape (n,), money is cents a month.

    Attributes:
        months: A, discounted months that the customer is expected to stay.
        months_range: Fewest and most of A, ends of the 80 % interval.
        margin: m.
        margin_sd: Its standard deviation.
        revenue: What is paid a month, of which the margin is a part.
        by_model: True where the value model spoke.
        is_known: False where neither the records nor a model tell the margin.
    """

    months: Floats
    months_range: tuple[Floats, Floats]
    margin: Floats
    margin_sd: Floats
    revenue: Floats
    by_model: Booleans
    is_known: Booleans


def lifetimes(facts: Facts, business: Business) -> Lifetimes:
    """Return months and monthly margins, with what each rests on.

    Args:
        facts: What is known, values included (:func:`campaigns.fit.facts.gather`).
        business: The company; section ``value``.
    """
    rules, probability = business.value, facts.numbers("probability")

    def stays(p: Floats) -> Floats:
        return survived_months(
            p, outcome_days=facts.outcome_days, discount_rate=rules.discount_rate, horizon_days=rules.horizon_days
        )

    survived = stays(probability)
    least, most = (stays(p) for p in reversed(likely_range(probability)))
    value, model_months = facts.numbers("value_cents"), facts.numbers("value_months")
    gives_months = ~np.isnan(model_months)
    gives_margin = ~np.isnan(value) & ~gives_months & (survived > 0)
    months = np.where(gives_months, model_months, survived)
    lasts = survived > 0
    scale = np.where(gives_months & lasts, months / np.where(lasts, survived, 1.0), 1.0)
    longest = np.maximum(stays(np.zeros(1))[0], months)
    fewest = np.where(gives_months & ~lasts, months, least * scale)
    furthest = np.where(gives_months & ~lasts, months, np.minimum(most * scale, longest))

    booked, booked_sd = facts.numbers("margin_cents"), facts.numbers("margin_sd_cents")
    margin = np.where(gives_margin, value / np.where(lasts, survived, 1.0), booked)
    is_booked = booked != 0
    ratio = np.abs(margin) / np.where(is_booked, np.abs(booked), 1.0)
    sd = np.where(gives_margin & is_booked, booked_sd * ratio, booked_sd)
    return Lifetimes(
        months=months,
        months_range=(np.asarray(fewest), np.asarray(furthest)),
        margin=np.asarray(margin),
        margin_sd=np.asarray(sd),
        revenue=np.asarray(np.where(gives_margin, _revenue(margin, facts, business), facts.numbers("revenue_cents"))),
        by_model=np.asarray(gives_months | gives_margin),
        is_known=np.asarray(facts.flags("is_known") | gives_margin),
    )


def _revenue(margin: Floats, facts: Facts, business: Business) -> Floats:
    """What is paid a month when the margin is this; a balance's revenue is its margin already."""
    rate = float(business.value.margin_rate)
    return margin / rate if facts.margins.role != "balances" and rate > 0 else margin
