"""What became of a cohort: counts, means and covariances, never a customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from monitoring.effects.moments import Moments
from monitoring.effects.results import Maturity

if TYPE_CHECKING:
    import pyarrow as pa

TREATMENT = "treatment"
HOLDOUT = "holdout"
GROUPS = (TREATMENT, HOLDOUT)

#: One attribute, or several together.
SegmentName = str | tuple[str, ...]
#: The value of a segment of that name: a text, or as many texts as the name has parts.
SegmentValue = str | tuple[str, ...]

#: What a value is called that nobody knows.
UNKNOWN = "not known"

#: The totals of a unit, in order; one per outcome that the business file declares follows them. ``present`` is all but
#: those who were seen to have left before they entered: the ledger assigns everybody, and they have nothing to lose.
TOTALS = (
    "customers", "present", "known", "churned", "risk", "revenue_cents", "revenue_capped_cents", "margin_cents",
    "cost_cents", "net_cents", "value_kept_cents", "before_cents", "reached", "asked", "answered", "nps", "score",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exposure:
    """How far one group was really treated; everybody assigned so far counts, mature or not.

    Attributes:
        customer_count: Customers assigned.
        decided_count: Of them, those for whom the campaign decided a contact within their horizon.
        reached_count: Of them, those whom a contact of the campaign reached within their horizon: reported as sent,
            delivered, opened, answered or redeemed.
        other_count: Of them, those whom a contact of anything else reached within their horizon.
        incentive_cents: Incentives given to them, as reported or as expected (in cents); part of the cost.
    """

    customer_count: int
    decided_count: int
    reached_count: int
    other_count: int
    incentive_cents: float


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of a cohort, as known on one day.

    Attributes:
        maturity: How much of what was assigned can be read.
        groups: By group (both are always there), the moments of the units with a matured customer; a unit's totals
            are sums over its matured customers. Names: :data:`TOTALS`, then the declared outcomes.
        segments: By name as it was asked for and by value, the same.
        survival: ``group, day`` (since entry, from 0 without a gap), ``at_risk, churned``: customers at risk when that
            day of theirs begins, and how many of them left on it; all assigned, censored where knowledge ends. The
            share that stays to the end of day ``d`` is the product of ``1 - churned / at_risk`` over the days up to
            ``d``. Who left within the lead time is not in it, as at the fixed horizon. None when the churn definition
            tells no day of leaving.
        churners: ``churned_on, group, propensity, unit_count``: units whose first member left that day, in order of
            day; ``propensity`` is that of treatment. Who left within the lead time is in it.
        entries: ``entered_on, propensity`` (of treatment; null when nobody says), ``treatment_units, holdout_units``.
        ranks: ``group, propensity`` (of treatment), ``risk`` (frozen at entry, to half a point), ``customer_count,
            churned_count``: mature customers whose outcome is known.
        exposure: By group, how far it was really treated.
        is_reach_known: False when no feed reports contacts: then ``reached`` is 0 for everybody.
        cap_cents: Revenue above it is cut, per customer: the 99.5 % point of the time before entry, both groups
            together. None when it is not cut.
        duplicate_count: Customers who were assigned more than once to the same group; the first time counts.
        changed_count: Assignments that were corrected afterwards; our own are analysed as first assigned.
        notes: What a reader must know, in sentences.
    """

    maturity: Maturity
    groups: Mapping[str, Moments]
    segments: Mapping[SegmentName, Mapping[SegmentValue, Mapping[str, Moments]]]
    survival: pa.Table | None
    churners: pa.Table
    entries: pa.Table
    ranks: pa.Table
    exposure: Mapping[str, Exposure]
    is_reach_known: bool
    cap_cents: float | None
    duplicate_count: int
    changed_count: int
    notes: tuple[str, ...]
