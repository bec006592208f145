"""How often each customer makes contact by each channel: gamma-Poisson, learned within the segment.

A segment that is too small to learn from, or in which a channel was never seen, borrows the prior of all customers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from campaigns.fit.facts import Facts
from campaigns.margins import DAYS_PER_MONTH, segment_rows
from campaigns.shrinkage import GammaPrior, gamma_poisson

Floats = npt.NDArray[np.float64]

#: A segment with fewer customers or fewer contacts of a channel than this says nothing of its own.
LEAST_CUSTOMERS = 200
LEAST_CONTACTS = 30


@dataclass(frozen=True)
class ChannelRates:
    """The posterior of one channel's monthly contact rate, one gamma distribution per customer.

    Attributes:
        channel: The channel.
        counts: Contacts that the customer caused, shape (n,).
        months: Months in which they were counted, shape (n,).
        prior_shapes: ``a`` of the customer's segment, shape (n,).
        prior_rates: ``b`` of the customer's segment, in months, shape (n,).
        priors: The priors, one per segment.
    """

    channel: str
    counts: npt.NDArray[np.int64]
    months: Floats
    prior_shapes: Floats
    prior_rates: Floats
    priors: tuple[GammaPrior, ...]

    @property
    def mean(self) -> Floats:
        """Expected contacts a month, ``(a + n) / (b + months)``, shape (n,)."""
        return np.asarray((self.prior_shapes + self.counts) / (self.prior_rates + self.months))

    @property
    def variance(self) -> Floats:
        """Variance of the posterior, shape (n,)."""
        return np.asarray(self.mean / (self.prior_rates + self.months))


def contact_rates(facts: Facts) -> tuple[ChannelRates, ...]:
    """Return the posterior of each channel that costs something, in the order of ``facts.channels``."""
    months = np.maximum(facts.numbers("contact_months"), 1 / DAYS_PER_MONTH)
    segments = segment_rows(facts.table["segment"])
    found = []
    for position, channel in enumerate(facts.channels):
        counts = facts.table[f"contacts_{position}"].to_numpy().astype(np.int64)
        found.append(channel_rates(channel, counts, months, segments))
    return tuple(found)


def channel_rates(
    channel: str, counts: npt.NDArray[np.int64], months: Floats, segments: list[npt.NDArray[np.int64]]
) -> ChannelRates:
    """Return the posterior of one channel.

    Args:
        channel: Its name.
        counts: Contacts of each customer, shape (n,).
        months: Months in which they were counted, above 0, shape (n,).
        segments: Row numbers of each segment; together all rows.
    """
    everybody = gamma_poisson(counts, months)
    shapes, rates, priors = np.empty(counts.size), np.empty(counts.size), []
    for rows in segments:
        prior = everybody
        if len(segments) > 1:
            enough = rows.size >= LEAST_CUSTOMERS and int(counts[rows].sum()) >= LEAST_CONTACTS
            pooled = everybody if everybody.method == "never seen" else replace(everybody, method="pooled")
            prior = gamma_poisson(counts[rows], months[rows]) if enough else pooled
        shapes[rows], rates[rows] = prior.shape, prior.rate
        priors.append(prior)
    return ChannelRates(channel, counts, months, shapes, rates, tuple(priors))
