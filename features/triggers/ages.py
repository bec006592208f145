"""At which age what customers own is usually replaced, learned from what is known of it.

Cars are bought long before the first day of data, and most are still owned: both must be counted right. The estimate is
Kaplan and Meier's product limit with delayed entry (Lynden-Bell; Klein & Moeschberger, *Survival Analysis*, 2003,
section 4.6): at each age at which something was replaced, S is multiplied by 1 - replaced / at risk, where only those
are at risk who were watched at that age.

- *Watched from*: what started before replacements were told is in the data only because it was still owned then; it is
  at risk from the age that it had. Replacements are told from the first one in the feed on (the hundredth part of them
  is left out, so that a wrong date in the past does not pretend to years of watching). Whether a row was loaded as
  history or from day to day does not matter: a full history has early replacements, a list of what is owned has none.
- *Watched until*: the day of knowledge; for a customer who has left by the business' first definition of kind
  ``inactivity``, until its ``active_days`` after the last purchase: who drives another make replaces nothing here. Who
  never bought anything in that definition's feed is watched to the end.
- Ages at which fewer than :data:`LEAST_AT_RISK` are at risk say nothing (Lai & Ying, 1991): one early replacement among
  three old things would else end the curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.clocks import MICROSECONDS_PER_DAY, ORDER
from features.steps import Step, select, with_steps
from features.triggers.asking import Asked
from holdback.business import DueTrigger, InactivityChurn

if TYPE_CHECKING:
    from holdback.warehouse import Warehouse
#: Ages with fewer at risk leave the curve as it is.
LEAST_AT_RISK = 10

#: What started while replacements were told is at risk from the day itself on.
_FROM_THE_FIRST_DAY = -1


@dataclass(frozen=True)
class LearnedAge:
    """The age at which one plan (model) is usually replaced.

    Args:
        plan: The plan; None when all are learned together, or the feed does not say.
        age_days: Age by which the asked share is replaced; None when it is not known yet.
        replaced_count: Replacements that were watched.
        watched_count: All that were watched, replaced or not.
    """

    plan: str | None
    age_days: int | None
    replaced_count: int
    watched_count: int


def learned_ages(warehouse: Warehouse, asked: Asked, trigger: DueTrigger) -> tuple[LearnedAge, ...]:
    """Return the ages that were known at the instant of the question, ordered by plan.

    Args:
        warehouse: Where the feed is.
        asked: The business and the instant.
        trigger: Says which feed, by what, which share must be replaced, and how many replacements are believed.
    """
    rows = warehouse.query(_counts_sql(asked, trigger)).to_pydict()
    found = []
    for plan in sorted(set(rows["plan"]), key=lambda plan: (plan is not None, plan)):
        here = [position for position, name in enumerate(rows["plan"]) if name == plan]
        ages, entering, leaving, replaced = ([rows[name][p] for p in here] for name in _COUNTS)
        is_enough = sum(replaced) >= trigger.least_replaced
        age = age_at(ages, entering, leaving, replaced, quantile=trigger.quantile) if is_enough else None
        found.append(LearnedAge(plan, age, sum(replaced), sum(entering)))
    return tuple(found)


def age_at(
    ages: list[int],
    entering: list[int],
    leaving: list[int],
    replaced: list[int],
    *,
    quantile: float,
    least_at_risk: int = LEAST_AT_RISK,
) -> int | None:
    """Return the first age at which the share replaced reaches ``quantile``; None when it never does.

    Args:
        ages: Ages in days, each once, ascending; shape (n,).
        entering: How many are watched from after this age on; shape (n,).
        leaving: How many are watched until this age, replaced or not; shape (n,).
        replaced: How many of those are replaced; shape (n,).
        quantile: The share, in (0, 1).
        least_at_risk: Ages with fewer at risk leave the curve as it is.

    Examples:
        Ten are watched from their first day on; one is replaced each year.

        >>> age_at([-1, 1, 2, 3], [4, 0, 0, 0], [0, 1, 1, 2], [0, 1, 1, 1], quantile=0.5, least_at_risk=1)
        2
        >>> age_at([-1, 1, 2], [4, 0, 0], [0, 1, 3], [0, 1, 0], quantile=0.5, least_at_risk=1) is None
        True
    """
    owned, at_risk = 1.0, 0
    for age, enter, leave, count in zip(ages, entering, leaving, replaced, strict=True):
        if count and at_risk >= least_at_risk:
            owned *= 1 - count / at_risk
            # A share that is reached exactly must not be missed by the last bit.
            if owned <= 1 - quantile + 1e-12:
                return age
        at_risk += enter - leave
    return None


def owned_steps(asked: Asked, trigger: DueTrigger, *, where: str | None) -> list[Step]:
    """Return the steps that end in ``_owned``: one row per start, with when it ended (null while owned).

    A start that is told again changes nothing, and neither does an end without a start.
    """
    feed = asked.business.feeds[trigger.feed]
    contract = "coalesce(subscription_id, customer_id)" if feed.has("subscription_id") else "customer_id"
    plan = "plan" if feed.has("plan") else "cast(null as varchar)"
    allowed = f"({where})" if where else "true"
    columns = (f"{contract} as contract_id", f"{plan} as plan", "kind", f"{allowed} as is_allowed", *ORDER)
    order = ", ".join(ORDER)
    life = f"window life as (partition by customer_id, contract_id order by {order})"
    turns = ["customer_id", "contract_id", "plan", "kind", "is_allowed", *ORDER, "lag(kind) over life as previous_kind"]
    lives = [
        *("customer_id", "contract_id", "plan", "kind", "is_allowed", "event_at as started_at"),
        "lead(event_at) over life as ended_at",
    ]
    turning = "previous_kind is distinct from kind and (kind = 'start' or previous_kind is not null)"
    return [
        Step("_events", "what began and what ended", asked.rows(trigger.feed, columns, "kind in ('start', 'cancel')")),
        Step("_turns", "each after the one before", select(turns, f"from _events\n    {life}")),
        Step("_lives", "from each start to its end", select(lives, f"from _turns\n    where {turning}\n    {life}")),
        Step(
            "_owned",
            "what is owned, and what was",
            select(
                ["customer_id", "contract_id", "plan", "started_at", "ended_at"],
                "from _lives\n    where kind = 'start' and is_allowed",
            ),
        ),
    ]


def plan_of(trigger: DueTrigger) -> str:
    """SQL of what an age is learned for: the plan, or everything together."""
    return "plan" if trigger.by == "plan" else "cast(null as varchar)"


_COUNTS = ("age", "entering", "leaving", "replaced")


def _counts_sql(asked: Asked, trigger: DueTrigger) -> str:
    """SQL of ``plan, age`` and how many enter, leave and are replaced at that age."""
    steps = owned_steps(asked, trigger, where=asked.allowed(trigger.feed, trigger.where))
    active = next((churn for churn in asked.business.churn if isinstance(churn, InactivityChurn)), None)
    last_seen, joined = f"{asked.clock.now}", ""
    if active is not None:
        seen = asked.rows(active.feed, ("event_at",), "amount_cents >= 0")
        newest = select(
            ["customer_id", "max(event_at) as bought_at"], f"from ({seen}) as bought\n    group by customer_id"
        )
        steps.append(Step("_last_bought", "when each customer last bought anything", newest))
        # Null for who never bought anything there: least() passes over it.
        since = f"greatest(started_at, bought_at) + to_days({active.population_days})"
        last_seen = f"least({asked.clock.now}, case when bought_at is not null then {since} end)"
        joined = "\n    left join _last_bought using (customer_id)"
    rank = "row_number() over (order by ended_at)"
    told = "count(*) filter (where ended_at is not null) over ()"
    days = f"// {MICROSECONDS_PER_DAY}"
    watched = [
        f"{plan_of(trigger)} as plan",
        f"case when started_at >= told_from then {_FROM_THE_FIRST_DAY}\n"
        f"            else (epoch_us(told_from) - epoch_us(started_at)) {days} end as entry_age",
        f"(epoch_us(coalesce(ended_at, {last_seen})) - epoch_us(started_at)) {days} as exit_age",
        "ended_at is not null as is_replaced",
    ]
    steps += [
        Step(
            "_ends",
            "replacements in order of time",
            select(["ended_at", f"{rank} as rank", f"{told} as told"], "from _owned\n    where ended_at is not null"),
        ),
        Step(
            "_told",
            "since when replacements are told",
            select(["min(ended_at) as told_from"], "from _ends\n    where rank * 100 >= told"),
        ),
        Step("_watched", "from which age until which", select(watched, f"from _owned{joined}\n    cross join _told")),
        Step(
            "_moves",
            "who comes under watch at an age, and who goes",
            "select plan, entry_age as age, 1 as entering, 0 as leaving, 0 as replaced\n"
            "    from _watched\n    where exit_age > entry_age\n    union all\n"
            "    select plan, exit_age, 0, 1, cast(is_replaced as integer)\n"
            "    from _watched\n    where exit_age > entry_age",
        ),
    ]
    sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in _COUNTS[1:])
    return f"{with_steps(steps)}\n\nselect plan, age, {sums}\nfrom _moves\ngroup by plan, age\norder by plan, age\n"
