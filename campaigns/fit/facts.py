"""What is known of each customer on the day of the classification: one row each, from both clocks.

Only an allow-list enters: the day's scores, the margin, contacts by channel, the segment, the flags that protect, and
the attributes by which actions and campaigns choose. The business file refuses protected attributes in all of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from campaigns.margins import DAYS_PER_MONTH, MonthlyMargins, current_customers, monthly_margins
from features.clocks import Clock, known_rows, newest_versions
from features.corrections import corrected_tables
from features.families.declaring import literal
from features.steps import Step, select, with_steps
from holdback.business import Business, Churn, ColumnChurn
from holdback.business.deciding import Action, Audience
from holdback.errors import DataError
from holdback.warehouse import Warehouse

Floats = npt.NDArray[np.float64]

#: Older contacts no longer tell what a customer costs.
CONTACT_DAYS = 730
#: Length of the outcome window that a label without one (churn kind ``column``) is taken to describe.
COLUMN_OUTCOME_DAYS = 30

_MONEY = ("revenue_cents", "discount_cents", "margin_cents", "margin_sd_cents")


@dataclass(frozen=True)
class Facts:
    """One row per customer, ordered by customer.

    Attributes:
        table: ``customer_id, segment, probability, has_score, risk_tier, margin_cents, revenue_cents, discount_cents,
            margin_sd_cents, is_known, since, months_known, contact_months, fault_count, has_open_complaint``;
            ``contacts_<i>`` per channel, ``protected_<i>`` per flag of ``fit.never_classed_out``, ``open_to_<i>`` per
            action.
        channels: The channels that cost something, in the order of ``contacts_<i>``.
        churn: The definition whose probabilities were used.
        outcome_days: Length of its outcome window.
        margins: Where the margins came from.
        mean_probability: Mean of the day's scores; what a customer without one gets.
        unscored_count: Customers without one.
    """

    table: pa.Table
    channels: tuple[str, ...]
    churn: Churn
    outcome_days: int
    margins: MonthlyMargins
    mean_probability: float
    unscored_count: int

    def numbers(self, name: str) -> Floats:
        """One column as floats."""
        return np.asarray(self.table[name].to_numpy(), dtype=np.float64)

    def flags(self, name: str) -> npt.NDArray[np.bool_]:
        """One column as booleans."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False), dtype=bool)


def gather(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    *,
    churn: Churn,
    margins: MonthlyMargins | None = None,
) -> Facts | None:
    """Read what is known of everybody who is a customer or was scored on the day; None when nobody is.

    Args:
        warehouse: Where the records are.
        business: The company.
        as_of: The day.
        churn: Whose scores.
        margins: What customers bring a month, from another source than the records
            (:func:`campaigns.margins.monthly_margins`); customers that it lacks have no known margin.

    Raises:
        BusinessFileError: no feed says what customers bring.
        DataError: there are customers, but none was scored on the day.
    """
    current = (
        current_customers(warehouse, business, as_of) if margins is None else margins.table.select(["customer_id"])
    )
    spine = warehouse.query(
        f"select customer_id from current_customers union select customer_id from ({_scores(churn, as_of)}) as s "
        "order by customer_id",
        frames={"current_customers": current},
    )
    if spine.num_rows == 0:
        return None
    mean = warehouse.query(f"select avg(scored_probability) as mean from ({_scores(churn, as_of)}) as s")["mean"][
        0
    ].as_py()
    if mean is None:
        raise DataError(
            f"{business.slug}: fit of {as_of}: {spine.num_rows:,} customers, none scored for {churn.name!r} on that "
            "day. What a customer is still expected to bring follows from the probability of leaving. Score the day "
            "first."
        )
    known = margins if margins is not None else monthly_margins(warehouse, business, as_of, customers=spine)
    channels = tuple(business.fit.cost_to_serve) if business.feeds_with_role("interactions") else ()
    sql = _facts_sql(business, Clock.of(business, as_of), churn, channels, float(mean), corrected_tables(warehouse))
    table = warehouse.query(sql, frames={"spine": spine, "monthly_margins": known.table})
    unscored = table.num_rows - int(np.count_nonzero(table["has_score"].to_numpy(zero_copy_only=False)))
    outcome_days = COLUMN_OUTCOME_DAYS if isinstance(churn, ColumnChurn) else churn.outcome_days
    return Facts(table, channels, churn, outcome_days, known, float(mean), unscored)


def is_fault(business: Business, feed: str) -> str:
    """SQL: did we cause this contact? Marked so (outage, billing error), or a complaint that was upheld."""
    has, parts = business.feeds[feed].has, []
    if has("is_caused_by_us"):
        parts.append("coalesce(is_caused_by_us, false)")
    if has("topic") and has("outcome"):
        topics = ", ".join(literal(topic) for topic in business.fit.complaint_topics)
        parts.append(f"coalesce(topic in ({topics}) and outcome = 'upheld', false)")
    return f"({' or '.join(parts)})" if parts else "false"


def channel_of(business: Business, feed: str) -> str:
    """SQL of a contact's channel; a feed that maps none is a channel itself."""
    return "channel" if business.feeds[feed].has("channel") else literal(feed)


def seen_channels(warehouse: Warehouse, business: Business, as_of: date) -> frozenset[str]:
    """Return the channels by which anybody ever contacted the company, as known at ``as_of``."""
    feeds, clock = business.feeds_with_role("interactions"), Clock.of(business, as_of)
    if not feeds:
        return frozenset()
    corrected = corrected_tables(warehouse)
    parts = [
        known_rows(name, (f"{channel_of(business, name)} as channel",), clock, corrected=name in corrected, spine=False)
        for name in feeds
    ]
    sql = " union all ".join(f"select channel from ({part}) as rows_{i}" for i, part in enumerate(parts))
    return frozenset(warehouse.query(f"select distinct channel from ({sql}) as s")["channel"].drop_null().to_pylist())


def _facts_sql(
    business: Business, clock: Clock, churn: Churn, channels: tuple[str, ...], mean: float, corrected: Collection[str]
) -> str:
    steps = [
        Step("_scores", "probabilities of the day", _scores(churn, clock.as_of)),
        *_contact_steps(business, clock, channels, corrected),
    ]
    if business.customers is not None:
        steps += newest_versions(clock, _attributes(business), corrected, spine=True)
    else:
        nobody = "select customer_id, cast(null as timestamp) as signed_up_at\n    from spine\n    where false"
        steps.append(Step("_customers_rows", "the company has no table of customers", nobody))
    segment = f'_customers_rows."{business.fit.segment}"' if business.fit.segment else "cast(null as varchar)"
    tiers = churn.risk_tiers
    tier = (
        f"when probability >= {tiers.high!r} then 'high' when probability >= {tiers.medium!r} then 'medium' else 'low'"
    )
    flags = business.fit.never_classed_out
    extra = [
        *(f"cast(coalesce(contacts_{i}, 0) as bigint) as contacts_{i}" for i in range(len(channels))),
        *(f'coalesce(_customers_rows."{flag}", false) as protected_{i}' for i, flag in enumerate(flags)),
        *(f"coalesce({_open_to(business, a)}, false) as open_to_{i}" for i, a in enumerate(business.actions)),
    ]
    columns = [
        "spine.customer_id",
        f"{segment} as segment",
        f"coalesce(scored_probability, {mean!r}) as probability",
        "scored_probability is not null as has_score",
        f"coalesce(scored_tier, case {tier} end) as risk_tier",
        *(f"coalesce(monthly_margins.{name}, 0) as {name}" for name in _MONEY),
        "coalesce(monthly_margins.is_known, false) as is_known",
        f"coalesce(signed_up_at, monthly_margins.started_at, _contacts.first_at, {clock.now}) as since",
        f"greatest(0, epoch({clock.now}) - epoch(greatest(since, _reach.first_at))) / {86400 * DAYS_PER_MONTH!r} "
        "as months_known",
        f"least({CONTACT_DAYS / DAYS_PER_MONTH!r}, months_known) as contact_months",
        *extra,
        "cast(coalesce(fault_count, 0) as bigint) as fault_count",
        "coalesce(has_open_complaint, false) as has_open_complaint",
    ]
    joined = "\n    ".join(
        f"left join {table} on {table}.customer_id = spine.customer_id"
        for table in ("_scores", "monthly_margins", "_contacts", "_customers_rows")
    )
    rest = f"from spine\n    {joined}\n    cross join _reach\n    order by spine.customer_id"
    return f"{with_steps(steps)}\n{select(columns, rest)}"


def _contact_steps(
    business: Business, clock: Clock, channels: tuple[str, ...], corrected: Collection[str]
) -> list[Step]:
    """Contacts per customer, and since when the records reach."""
    feeds = business.feeds_with_role("interactions")
    if not feeds:
        nothing = (
            "select customer_id, cast(null as timestamp) as first_at, 0 as fault_count, false as has_open_complaint\n"
            "    from spine\n    where false"
        )
        reach = "select min(started_at) as first_at from monthly_margins"
        return [Step("_contacts", "no feed of contacts", nothing), Step("_reach", "first record of all", reach)]
    since = clock.days_ago(CONTACT_DAYS)
    parts = []
    for name in feeds:
        columns = (
            "event_at",
            f"{channel_of(business, name)} as channel",
            f"{is_fault(business, name)} as is_fault",
            f"{_is_open_complaint(business, name, clock)} as is_open_complaint",
        )
        parts.append(known_rows(name, columns, clock, corrected=name in corrected))
    all_rows = "\n    union all\n    ".join(f"select * from ({part})" for part in parts)
    own = f"not is_fault and event_at >= {since}"
    sums = [
        "customer_id",
        "min(event_at) as first_at",
        *(f"count(*) filter (where channel = {literal(c)} and {own}) as contacts_{i}" for i, c in enumerate(channels)),
        f"count(*) filter (where is_fault and event_at >= {since}) as fault_count",
        "bool_or(is_open_complaint) as has_open_complaint",
    ]
    contacts, margins = "select min(first_at) from _contacts", "select min(started_at) from monthly_margins"
    return [
        Step("_contact_rows", "contacts that were visible at as_of", all_rows),
        Step("_contacts", "one row per customer", select(sums, "from _contact_rows\n    group by customer_id")),
        Step("_reach", "since when both records are kept", f"select greatest(({contacts}), ({margins})) as first_at"),
    ]


def _is_open_complaint(business: Business, feed: str, clock: Clock) -> str:
    """SQL: a recent complaint that was not known to be solved; without such a column, any recent complaint."""
    if not business.feeds[feed].has("topic"):
        return "false"
    topics = ", ".join(literal(topic) for topic in business.fit.complaint_topics)
    condition = f"topic in ({topics}) and event_at >= {clock.days_ago(business.contact.open_complaint_days)}"
    if business.feeds[feed].has("resolved_at"):
        condition += f" and (resolved_at is null or resolved_at >= {clock.now})"
    return f"coalesce({condition}, false)"


def _attributes(business: Business) -> tuple[str, ...]:
    """The attributes that may enter, each once."""
    audiences = [a.eligible for a in business.actions] + [c.audience for c in business.campaigns]
    names = [name for audience in audiences for name in (*audience.where, *audience.between)]
    names += [*business.fit.never_classed_out, *([business.fit.segment] if business.fit.segment else [])]
    return ("signed_up_at", *(f'"{name}"' for name in dict.fromkeys(names)))


def _open_to(business: Business, action: Action) -> str:
    """SQL: may the action be planned? It is for such customers, and they are in the audience of a campaign with it."""
    audiences = [c.audience for c in business.campaigns if action.name in c.actions]
    if not business.campaigns:
        audiences = [Audience(risk_tiers=("high", "medium"))]
    if not audiences:
        return "false"
    return f"({_holds(action.eligible)}) and ({' or '.join(f'({_holds(audience)})' for audience in audiences)})"


def _holds(audience: Audience) -> str:
    parts = []
    if audience.risk_tiers:
        parts.append(f"risk_tier in ({', '.join(literal(tier) for tier in audience.risk_tiers)})")
    for name, allowed in audience.where.items():
        parts.append(f'cast(_customers_rows."{name}" as varchar) in ({", ".join(literal(a) for a in allowed)})')
    for name, (low, high) in audience.between.items():
        parts.append(f'_customers_rows."{name}" between {low!r} and {high!r}')
    return " and ".join(parts) or "true"


def _scores(churn: Churn, as_of: date) -> str:
    return (
        "select customer_id, probability as scored_probability, risk_tier as scored_tier from scores "
        f"where as_of = date '{as_of.isoformat()}' and churn = {literal(churn.name)}"
    )


def expires_on(business: Business, as_of: date) -> date:
    """Return the first day on which a class of this day no longer holds."""
    return as_of + timedelta(days=business.fit.expires_days)
