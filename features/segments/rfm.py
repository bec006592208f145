"""Recency, frequency and money: each described customer's fifth, and what the combination is called.

Over the 365 days before ``as_of``: recency is the days since the last day with a purchase, frequency the days with a
purchase, money what was paid less what went back. Each becomes 1 (worst) to 5 (best) among the day's described
customers who bought; who bought nothing has none. Customers with the same value have the same fifth: that of the middle
one of them, so no order of rows and no key decides (twenty who all bought once are twenty times 3, not four of each).

The groups are the usual grid of recency against frequency (Hughes, Strategic Database Marketing, 1994; the names as
marketing tools have settled on them), with the mean of frequency and money, halves upwards, in the place of frequency:

    R by FM  1                2                    3                    4               5
    5        new              potential_loyalist   potential_loyalist   champions       champions
    4        promising        potential_loyalist   potential_loyalist   loyal           loyal
    3        about_to_sleep   about_to_sleep       needs_attention      loyal           loyal
    2        hibernating      hibernating          slipping_away        slipping_away   cannot_lose
    1        hibernating      hibernating          slipping_away        slipping_away   cannot_lose

``slipping_away`` is what the tools call "at risk": here that word belongs to the stage, which a model decides.
"""

from __future__ import annotations

from typing import Final

from features.segments.activity import DAYS
from features.steps import Step, select

#: Time over which purchases are looked at.
RFM_DAYS: Final = 365
FIFTHS: Final = 5

_HIBERNATING = ("hibernating", "hibernating", "slipping_away", "slipping_away", "cannot_lose")
#: Group by recency (1 to 5), then by the mean of frequency and money (1 to 5).
RFM_GRID: Final = (
    _HIBERNATING,
    _HIBERNATING,
    ("about_to_sleep", "about_to_sleep", "needs_attention", "loyal", "loyal"),
    ("promising", "potential_loyalist", "potential_loyalist", "loyal", "loyal"),
    ("new", "potential_loyalist", "potential_loyalist", "champions", "champions"),
)
#: Every group once, from the best to the worst.
RFM_GROUPS: Final = (
    "champions", "loyal", "potential_loyalist", "new", "promising", "needs_attention", "about_to_sleep",
    "cannot_lose", "slipping_away", "hibernating",
)  # fmt: skip


def rfm_group(recency: int, frequency: int, money: int) -> str:
    """Return the name of one combination of fifths.

    Examples:
        >>> rfm_group(5, 5, 4), rfm_group(1, 1, 2), rfm_group(5, 1, 1)
        ('champions', 'hibernating', 'new')
    """
    return RFM_GRID[recency - 1][(frequency + money + 1) // 2 - 1]


def rfm_steps() -> list[Step]:
    """Return the steps that end in ``_rfm``: ``customer_id, rfm, rfm_group``; they read the days with a purchase."""
    bought = [
        "customer_id",
        "min(days_ago) filter (where is_purchase) as recency_days",
        "count(*) filter (where is_purchase) as purchase_days",
        "sum(net_cents) as money_cents",
    ]
    fifths = [
        "customer_id",
        f"{_fifth('recency_days desc', 'recency_days')} as r",
        f"{_fifth('purchase_days', 'purchase_days')} as f",
        f"{_fifth('money_cents', 'money_cents')} as m",
    ]
    names = ", ".join(f"'{name}'" for row in RFM_GRID for name in row)
    named = [
        "customer_id",
        "concat(r, f, m) as rfm",
        f"list_extract([{names}], {FIFTHS} * (r - 1) + (f + m + 1) // 2) as rfm_group",
    ]
    recent = f"from {DAYS}\n    where days_ago < {RFM_DAYS}\n    group by customer_id\n    having bool_or(is_purchase)"
    return [
        Step("_bought", f"purchases of the {RFM_DAYS} days before as_of", select(bought, recent)),
        Step("_fifths", "each one's place among all, of equals the middle", select(fifths, "from _bought")),
        Step("_rfm", "the combination and its name", select(named, "from _fifths")),
    ]


def _fifth(order: str, value: str) -> str:
    """SQL of the fifth of a customer's middle place among equals: whole numbers on every engine."""
    before, equal = f"rank() over (order by {order}) - 1", f"count(*) over (partition by {value})"
    return f"1 + ({FIFTHS} * (2 * ({before}) + {equal})) // (2 * count(*) over ())"
