"""What is known of each customer on the day of the classification: one row each, from both clocks.

Only an allow-list enters: the day's scores, the margin, contacts by channel, the segment, the flags that protect, and
the attributes by which actions and campaigns choose. The business file refuses protected attributes in all of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.fit.bases import VALUE_MODEL_SQL
from campaigns.margins import DAYS_PER_MONTH, MonthlyMargins, current_customers, monthly_margins
from campaigns.members import audience_condition
from campaigns.uplifts import Uplifts, read_uplifts
from campaigns.values import decile_condition, values_in_force
from features.clocks import Clock, known_rows, newest_versions, timestamp
from features.corrections import corrected_tables
from features.steps import Step, select, with_steps
from holdback.business import Business, Churn, ColumnChurn
from holdback.business.deciding import Action, Audience
from holdback.errors import DataError
from holdback.sql import literal
from holdback.warehouse import Warehouse
from holdback.warehouse.ranges import within

Floats = npt.NDArray[np.float64]

#: Older contacts no longer tell what a customer costs.
CONTACT_DAYS = 730
#: Length of the outcome window that a label without one (churn kind ``column``) is taken to describe.
COLUMN_OUTCOME_DAYS = 30

#: Customers whose facts one statement puts together: those of a million at once held 1.5 GB.
CUSTOMERS_AT_ONCE = 200_000

_MONEY = ("revenue_cents", "discount_cents", "margin_cents", "margin_sd_cents")


@dataclass(frozen=True)
class Facts:
    """One row per customer, ordered by customer.

    Attributes:
        table: ``customer_id, segment, probability, has_score, risk_tier, margin_cents, revenue_cents, discount_cents,
            margin_sd_cents, is_known, since, months_known, contact_months, fault_count, has_open_complaint,
            value_cents, value_months, value_decile, value_model`` (what a value model said, all null when none did);
            ``contacts_<i>`` per channel, ``protected_<i>`` per flag of ``fit.never_classed_out``, ``open_to_<i>`` per
            action.
        channels: The channels that cost something, in the order of ``contacts_<i>``.
        churn: The definition whose probabilities were used.
        outcome_days: Length of its outcome window.
        margins: Where the margins came from.
        mean_probability: Mean of the day's scores; what a customer without one gets.
        unscored_count: Customers without one.
        uplifts: What the uplift models in office expect of each action.
    """

    table: pa.Table
    channels: tuple[str, ...]
    churn: Churn
    outcome_days: int
    margins: MonthlyMargins
    mean_probability: float
    unscored_count: int
    uplifts: Uplifts

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
            (:func:`campaigns.margins.monthly_margins`); customers that it lacks have no known margin, and value models
            are not asked.

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
    clock, corrected = Clock.of(business, as_of), corrected_tables(warehouse)
    frames = {"spine": spine, "monthly_margins": known.table}
    reach = warehouse.query(_reach_sql(business, clock, corrected), frames=frames)["first_at"][0].as_py()
    sql = _facts_sql(business, clock, churn, channels, float(mean), corrected, reach=reach, with_values=margins is None)
    table = pa.concat_tables(
        warehouse.query(sql, frames=_slice(frames, start)) for start in range(0, spine.num_rows, CUSTOMERS_AT_ONCE)
    )
    unscored = table.num_rows - int(np.count_nonzero(table["has_score"].to_numpy(zero_copy_only=False)))
    outcome_days = COLUMN_OUTCOME_DAYS if isinstance(churn, ColumnChurn) else churn.outcome_days
    uplifts = read_uplifts(warehouse, business, as_of)
    return Facts(table, channels, churn, outcome_days, known, float(mean), unscored, uplifts)


def _slice(frames: Mapping[str, pa.Table], start: int) -> dict[str, pa.Table]:
    """What is known of some customers of the spine, who are ordered."""
    some = frames["spine"].slice(start, CUSTOMERS_AT_ONCE)
    first, last = some["customer_id"][0], some["customer_id"][-1]
    margins = frames["monthly_margins"]
    own = pc.and_(pc.greater_equal(margins["customer_id"], first), pc.less_equal(margins["customer_id"], last))
    return {"spine": some, "monthly_margins": margins.filter(own)}


def scored_definition(warehouse: Warehouse, business: Business, as_of: date) -> Churn:
    """Return the first churn definition of the file that was scored on the day; the first of all when none was."""
    day = f"select distinct churn from scores where as_of = date '{as_of.isoformat()}'"
    scored = set(warehouse.query(day)["churn"].to_pylist())
    return next((definition for definition in business.churn if definition.name in scored), business.churn[0])


def is_fault(business: Business) -> str:
    """SQL: did we cause this contact? Marked so (outage, billing error), or a complaint that was upheld."""
    topics = ", ".join(literal(topic) for topic in business.fit.complaint_topics)
    upheld = f" or coalesce(topic in ({topics}) and outcome = 'upheld', false)" if topics else ""
    return f"(coalesce(is_caused_by_us, false){upheld})"


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
    business: Business,
    clock: Clock,
    churn: Churn,
    channels: tuple[str, ...],
    mean: float,
    corrected: Collection[str],
    *,
    reach: datetime | None,
    with_values: bool,
) -> str:
    since = f"select cast({'null' if reach is None else timestamp(reach)} as timestamp) as first_at"
    own_scores = f"{_scores(churn, clock.as_of)} and {' and '.join(within('customer_id'))}"
    steps = [
        Step("_reach", "since when both records are kept", since),
        Step("_scores", "probabilities of the day", own_scores),
        Step("_values", "what value models said lately", values_in_force(clock.as_of, spine=True)),
        *_contact_steps(business, clock, channels, corrected),
    ]
    steps += _customer_steps(business, clock, corrected)
    tiers = churn.risk_tiers
    tier = (
        f"when probability >= {tiers.high!r} then 'high' when probability >= {tiers.medium!r} then 'medium' else 'low'"
    )
    protected = range(len(business.fit.never_classed_out))
    extra = [
        *(f"cast(coalesce(contacts_{i}, 0) as bigint) as contacts_{i}" for i in range(len(channels))),
        *(f"coalesce(_suits.protected_{i}, false) as protected_{i}" for i in protected),
        *(f"{_open_to(business, action, i)} as open_to_{i}" for i, action in enumerate(business.actions)),
    ]
    columns = [
        "spine.customer_id",
        "_suits.segment",
        f"coalesce(scored_probability, {mean!r}) as probability",
        "scored_probability is not null as has_score",
        f"coalesce(scored_tier, case {tier} end) as risk_tier",
        *(f"coalesce(monthly_margins.{name}, 0) as {name}" for name in _MONEY),
        "coalesce(monthly_margins.is_known, false) as is_known",
        *_value_columns(with_values=with_values),
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
        for table in ("_scores", "monthly_margins", "_contacts", "_suits", "_values")
    )
    rest = f"from spine\n    {joined}\n    cross join _reach\n    order by spine.customer_id"
    return f"{with_steps(steps)}\n{select(columns, rest)}"


def _value_columns(*, with_values: bool) -> list[str]:
    """What a value model said; without values only the tenth, by which audiences choose."""
    amounts = [
        "cast(_values.margin_cents as double) as value_cents", "_values.months as value_months",
        f"{VALUE_MODEL_SQL} as value_model",
    ]  # fmt: skip
    nothing = [
        "cast(null as double) as value_cents", "cast(null as double) as value_months",
        "cast(null as varchar) as value_model",
    ]  # fmt: skip
    return ["_values.value_decile", *(amounts if with_values else nothing)]


def _reach_sql(business: Business, clock: Clock, corrected: Collection[str]) -> str:
    """SQL of the instant since when both records are kept, of contacts (where a feed has them) and of margins."""
    rows = _contact_rows(business, clock, corrected)
    contacts = f"(select min(event_at) from ({rows}) as _contact_rows)" if rows else "null"
    return f"select greatest({contacts}, (select min(started_at) from monthly_margins)) as first_at"


def _contact_rows(business: Business, clock: Clock, corrected: Collection[str]) -> str:
    """SQL of the contacts of the spine's customers; empty when no feed has any."""
    parts = []
    for name in business.feeds_with_role("interactions"):
        columns = (
            "event_at",
            f"{channel_of(business, name)} as channel",
            f"{is_fault(business)} as is_fault",
            f"{_is_open_complaint(business, clock)} as is_open_complaint",
        )
        parts.append(known_rows(name, columns, clock, corrected=name in corrected))
    return "\n    union all\n    ".join(f"select * from ({part})" for part in parts)


def _contact_steps(
    business: Business, clock: Clock, channels: tuple[str, ...], corrected: Collection[str]
) -> list[Step]:
    """Contacts per customer."""
    all_rows = _contact_rows(business, clock, corrected)
    if not all_rows:
        nothing = (
            "select customer_id, cast(null as timestamp) as first_at, 0 as fault_count, false as has_open_complaint\n"
            "    from spine\n    where false"
        )
        return [Step("_contacts", "no feed of contacts", nothing)]
    since = clock.days_ago(CONTACT_DAYS)
    own = f"not is_fault and event_at >= {since}"
    sums = [
        "customer_id",
        "min(event_at) as first_at",
        *(f"count(*) filter (where channel = {literal(c)} and {own}) as contacts_{i}" for i, c in enumerate(channels)),
        f"count(*) filter (where is_fault and event_at >= {since}) as fault_count",
        "bool_or(is_open_complaint) as has_open_complaint",
    ]
    return [
        Step("_contact_rows", "contacts that were visible at as_of", all_rows),
        Step("_contacts", "one row per customer", select(sums, "from _contact_rows\n    group by customer_id")),
    ]


def _is_open_complaint(business: Business, clock: Clock) -> str:
    """SQL: a recent complaint that was not known to be solved."""
    topics = ", ".join(literal(topic) for topic in business.fit.complaint_topics)
    since = clock.days_ago(business.contact.open_complaint_days)
    unsolved = f"(resolved_at is null or resolved_at >= {clock.now})"
    return f"coalesce(topic in ({topics}) and event_at >= {since} and {unsolved}, false)" if topics else "false"


def _customer_steps(business: Business, clock: Clock, corrected: Collection[str]) -> list[Step]:
    """Steps that end in ``_suits``: of the customers' attributes, what the classification may know."""
    protecting, segment = business.fit.never_classed_out, business.fit.segment
    if business.customers is None:
        nobody = "select customer_id, null::timestamp as signed_up_at, null::varchar as segment"
        rows = [*(f"false as action_{i}" for i in range(len(business.actions)))]
        rows += [f"false as campaign_{i}" for i in range(len(business.own_campaigns))]
        sql = f"{', '.join([nobody, *rows])}\n    from spine\n    where false"
        return [Step("_suits", "the company has no table of customers", sql)]
    columns = [
        "customer_id",
        "signed_up_at",
        f'"{segment}" as segment' if segment else "null::varchar as segment",
        *(f'"{flag}" as protected_{i}' for i, flag in enumerate(protecting)),
        *(f"{audience_condition(a.eligible)} as action_{i}" for i, a in enumerate(business.actions)),
        *(f"{audience_condition(c.audience)} as campaign_{i}" for i, c in enumerate(business.own_campaigns)),
    ]
    suits = select(columns, "from _customers_rows")
    return [
        *newest_versions(clock, _attributes(business), corrected, spine=True),
        Step("_suits", "whom flags protect, and for whom actions and campaigns are", suits),
    ]


def _attributes(business: Business) -> tuple[str, ...]:
    """The attributes that may enter, each once."""
    audiences = [a.eligible for a in business.actions] + [c.audience for c in business.own_campaigns]
    names = [name for audience in audiences for name in (*audience.where, *audience.between)]
    names += [*business.fit.never_classed_out, *([business.fit.segment] if business.fit.segment else [])]
    return ("signed_up_at", *(f'"{name}"' for name in dict.fromkeys(names)))


def _open_to(business: Business, action: Action, position: int) -> str:
    """SQL: may the action be planned? It is for such customers, and they are in the audience of a campaign with it."""
    audiences = [
        _is_for(campaign.audience, f"campaign_{index}")
        for index, campaign in enumerate(business.own_campaigns)
        if action.name in campaign.actions
    ]
    if not business.own_campaigns:
        audiences = ["risk_tier in ('high', 'medium')"]  # whom a campaign is for unless it says otherwise
    return f"({_is_for(action.eligible, f'action_{position}')} and ({' or '.join(audiences) or 'false'}))"


def _is_for(audience: Audience, suits: str) -> str:
    """SQL: in the audience? One that asks for no attribute is also for those of whom none is known."""
    attributes = f"coalesce(_suits.{suits}, false)" if audience.where or audience.between else "true"
    tiers = ", ".join(literal(tier) for tier in audience.risk_tiers)
    conditions = [attributes, *([f"risk_tier in ({tiers})"] if tiers else [])]
    if audience.value_deciles:
        conditions.append(decile_condition(audience, column="_values.value_decile"))
    return f"({' and '.join(conditions)})"


def _scores(churn: Churn, as_of: date) -> str:
    return (
        "select customer_id, probability as scored_probability, risk_tier as scored_tier from scores "
        f"where as_of = date '{as_of.isoformat()}' and churn = {literal(churn.name)}"
    )


def expires_on(business: Business, as_of: date) -> date:
    """Return the first day on which a class of this day no longer holds."""
    return as_of + timedelta(days=business.fit.expires_days)
