"""Whom a campaign drives away: segments in which it was measured to raise churn, which it then leaves in peace.

A rule of the day, before any drawing: the held-out of such a segment are refused as the treated are, so both groups of
those who enter the campaign stay alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from holdback.warehouse import Warehouse

_INTENDED: Final = "intended_action"


@dataclass(frozen=True, slots=True)
class Disturbed:
    """A segment in which a campaign raised churn.

    Attributes:
        campaign: Name of the campaign.
        segment: ``name=value``, as it was measured.
        estimate: Churn of the treated minus that of the held-out, above 0.
        low: Lower end of its interval, above 0.
        high: Upper end.
        measured_on: Day of the measurement.
    """

    campaign: str
    segment: str
    estimate: float
    low: float
    high: float
    measured_on: date

    @property
    def name(self) -> str:
        """What makes it: ``fit_class``, ``risk_tier``, ``value_decile``, an attribute, or ``intended_action``."""
        return self.segment.partition("=")[0]

    @property
    def value(self) -> str:
        """The value that makes the segment."""
        return self.segment.partition("=")[2]

    @property
    def action(self) -> str | None:
        """The action that drives customers away; None when it is the campaign with all its actions."""
        return self.value if self.name == _INTENDED else None

    def __str__(self) -> str:
        return (
            f"{self.campaign}: {self.segment}: being contacted raises churn by {100 * self.estimate:.1f} points "
            f"({100 * self.low:.1f} to {100 * self.high:.1f}, measured on {self.measured_on})"
        )


def intended_segment(action: str) -> str:
    """Return the segment of those for whom the policy chose an action.

    Examples:
        >>> intended_segment("call")
        'intended_action=call'
    """
    return f"{_INTENDED}={action}"


def disturbed(warehouse: Warehouse, as_of: date) -> tuple[Disturbed, ...]:
    """Return the segments that campaigns drive away, as measured up to a day.

    The rows of table ``effects`` of the metric ``churned`` for a segment, official or daily (what is exploratory bans
    nobody), whose whole interval lies above 0. Of one version the official reading counts, else the newest daily one:
    a daily interval is wider because it holds on every day, and that it reaches 0 takes nothing back. Where several
    methods were computed that day, all must say so. A ban holds for all versions of the campaign, until a newer
    measurement of the same segment, of whatever version, says otherwise; one that is withheld says nothing. To try
    again what was banned, give the campaign another name.

    Harm of the programme as a whole names no campaign and bans nobody.

    Args:
        warehouse: Where the effects are.
        as_of: The day; nothing measured later is visible.
    """
    rows = warehouse.query(
        f"""
        with readable as (
            select * from effects
            where metric = 'churned' and reading in ('official', 'daily') and campaign is not null
                and contains(segment, '=') and withheld is null and as_of <= date '{as_of}'
                and isfinite(estimate) and isfinite(low) and isfinite(high)
        ),
        -- one row per method: the official reading of each version, else its newest day.
        standing as (
            select * from readable
            qualify rank() over (
                partition by campaign, version, segment order by reading = 'official' desc, as_of desc
            ) = 1
        ),
        -- one row per campaign and segment: the newest version that says anything; the most cautious method.
        newest as (
            select * from standing
            qualify rank() over (partition by campaign, segment order by as_of desc, version desc) = 1
        )
        select campaign, segment, arg_min(estimate, low) as estimate, min(low) as low, arg_min(high, low) as high,
            max(as_of) as measured_on
        from newest
        group by campaign, segment
        having min(low) > 0
        order by campaign, segment
        """
    ).to_pylist()
    return tuple(Disturbed(**row) for row in rows)
