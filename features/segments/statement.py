"""One statement says in which groups every described customer of a day is."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

import pyarrow as pa

from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.segments.activity import (
    Asked,
    activity_steps,
    beginning_steps,
    purchase_day_steps,
)
from features.segments.months import month_frame
from features.segments.revenue import revenue_steps
from features.segments.rfm import rfm_steps
from features.spine import build_spine
from features.steps import Step, select, with_steps
from holdback.business import Business, Churn
from holdback.sql import literal
from holdback.warehouse import Warehouse

#: Scores that are older than this say nothing of a customer's risk today.
SCORE_DAYS: Final = 7
#: A value that is older than this is not used any more (a month and a day, as everywhere).
VALUE_DAYS: Final = 31


def build_segments(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, *, spine: pa.Table | None = None
) -> pa.Table:
    """Return in which groups the customers are whom a churn definition describes on a day.

    A pure function of what the warehouse knew at ``as_of``. The stage is the first that holds of:

    - ``at_risk``: the newest scores of the last seven days put them into the tier ``high``;
    - ``returned``: back after a silence, or after a time without a contract (:mod:`features.segments.activity`);
    - ``new``: with the company for less than ``journey.new_days``. Where no sign-up is known, the first event counts,
      if the records had been kept for as long before it: who stands in the first file may have been there for years;
    - ``growing``, ``cooling``: more active than before, or less;
    - ``steady``: none of these;
    - null: neither a sign-up nor any event of theirs is known, so there is nothing to read a stage from.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        churn: One of its churn definitions.
        as_of: The day of knowledge.
        spine: ``customer_id, as_of`` of the customers; :func:`features.spine.build_spine` by default.

    Returns:
        The columns of the table ``segments``, ordered by customer.
    """
    rows = spine if spine is not None else build_spine(warehouse, business, churn, as_of)
    asked = Asked(business, churn, Clock.of(business, as_of), corrected_tables(warehouse))
    frames = {"spine": rows.select(["customer_id", "as_of"]), "_months": month_frame(business, as_of)}
    return warehouse.query(segments_sql(asked), frames=frames)


def segments_sql(asked: Asked) -> str:
    """Return the SQL of :func:`build_segments` over the frames ``spine`` and ``_months``."""
    steps = [
        *_customer_steps(asked),
        *purchase_day_steps(asked),
        *activity_steps(asked),
        *beginning_steps(asked),
        *(rfm_steps() if asked.purchase_feed is not None else []),
        *revenue_steps(asked.business, asked.clock, asked.corrected),
        Step("_risk", "the newest scores, if they are fresh", _scores(asked)),
        Step("_valued", "the newest tenth by value, if it is fresh", _values(asked.clock.as_of)),
    ]
    known = {step.name for step in steps}
    has_rfm, has_revenue = "_rfm" in known, "_revenue" in known
    facts = [
        "spine.customer_id",
        "spine.as_of",
        "_customers.signed_up_at",
        "_begun.first_at",
        "coalesce(_begun.is_back, false) as is_back",
        "coalesce(_activity.trend, 0) as trend",
        "_activity.first_at as active_since",
        "_risk.risk_tier = 'high' as is_at_risk",
        "_rfm.rfm" if has_rfm else "cast(null as varchar) as rfm",
        "_rfm.rfm_group" if has_rfm else "cast(null as varchar) as rfm_group",
        "_valued.value_decile",
        "coalesce(revenue_cents, 0) as revenue_cents" if has_revenue else "cast(null as bigint) as revenue_cents",
    ]
    joined = ["_customers", "_begun", "_activity", "_risk", "_valued"]
    joined += [name for name, is_there in (("_rfm", has_rfm), ("_revenue", has_revenue)) if is_there]
    rest = "from spine" + "".join(
        f"\n    left join {table} on {table}.customer_id = spine.customer_id" for table in joined
    )
    steps.append(Step("_facts", "everything that is known of each", select(facts, rest)))
    columns = [
        "_facts.as_of",
        "customer_id",
        f"{literal(asked.churn.name)} as churn",
        f"{_stage(asked)} as stage",
        "rfm",
        "rfm_group",
        "_months.month as cohort",
        "cast(value_decile as bigint) as value_decile",
        "cast(revenue_cents as bigint) as revenue_cents",
    ]
    last = """from _facts cross join _reach
    asof left join _months on coalesce(signed_up_at, _facts.first_at) >= _months.starts_at
    order by customer_id"""
    return (
        f"-- segments: one row per customer that churn definition {asked.churn.name} describes at {asked.clock.now} "
        f"UTC.\n{with_steps(steps)}\n\n{select(columns, last)}\n"
    )


def _stage(asked: Asked) -> str:
    clock, new_days, window = asked.clock, asked.business.journey.new_days, asked.window_days
    signed_up = f"signed_up_at >= {clock.days_ago(new_days)}"
    recorded = f"_facts.first_at >= {clock.days_ago(new_days)}"
    long_kept = f"_facts.first_at >= _reach.first_at + interval {new_days} days"
    is_new = f"case when signed_up_at is not null then {signed_up} else {recorded} and {long_kept} end"
    both = clock.days_ago(2 * window)
    was_there = f"_reach.first_at < {both} and _facts.first_at < {both}"
    return (
        "case\n            when is_at_risk then 'at_risk'\n            when is_back then 'returned'\n"
        f"            when {is_new} then 'new'\n"
        f"            when trend > 0 and {was_there} then 'growing'\n"
        f"            when trend < 0 and {was_there} then 'cooling'\n"
        "            when coalesce(signed_up_at, _facts.first_at, active_since) is not null then 'steady'\n        end"
    )


def _customer_steps(asked: Asked) -> list[Step]:
    customers = asked.business.customers
    if customers is None or "signed_up_at" not in customers.columns:
        nothing = "select customer_id, cast(null as timestamp) as signed_up_at from spine where false"
        return [Step("_customers", "no table says when they signed up", nothing)]
    return [
        *newest_versions(asked.clock, ("signed_up_at",), asked.corrected, spine=True),
        Step("_customers", "when they signed up", "select customer_id, signed_up_at from _customers_rows"),
    ]


def _scores(asked: Asked) -> str:
    as_of = asked.clock.as_of
    recent = f"as_of <= date '{as_of}' and as_of > date '{as_of - timedelta(days=SCORE_DAYS)}'"
    own = f"churn = {literal(asked.churn.name)} and {recent}"
    return (
        f"select customer_id, any_value(risk_tier) as risk_tier from scores\n    where {own}\n"
        f"        and as_of = (select max(as_of) from scores where {own})\n    group by customer_id"
    )


def _values(as_of: date) -> str:
    recent = f"as_of <= date '{as_of}' and as_of >= date '{as_of - timedelta(days=VALUE_DAYS)}'"
    newest = "row(as_of, coalesce(try_cast(model_version as bigint), -1), model_version)"
    return (
        f"select customer_id, arg_max(value_decile, {newest}) as value_decile from customer_values\n"
        f"    where {recent} and value_decile between 1 and 10\n    group by customer_id"
    )
