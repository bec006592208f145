"""The one statement that answers everything about a cohort: each part of the answer is a list in its only row."""

from __future__ import annotations

from collections.abc import Sequence

from features.following import contract_steps, leaving_steps, outcome_steps, outcomes_by_feed
from features.steps import Step, select, with_steps
from holdback.forgotten import is_pseudonym
from monitoring.outcomes.aggregates import BASE, centred, moment_columns
from monitoring.outcomes.answers import answer_steps
from monitoring.outcomes.asking import Asked
from monitoring.outcomes.assigned import COLUMNS, Assigned
from monitoring.outcomes.contacts import contact_steps
from monitoring.outcomes.money import money_steps
from monitoring.outcomes.segments import Division

#: Point of the time before the entry above which revenue is cut.
CAP_AT = 0.995


def statement(asked: Asked, assigned: Assigned, division: Division, *, near: str, near_before: str) -> str:
    """Return the SQL; it reads the frames ``_days``, ``_calendar`` and ``_actions``.

    Args:
        asked: The cohort and the day.
        assigned: How its assignments are read.
        division: Its segments.
        near: SQL that bounds events to somebody's horizon.
        near_before: The same, or as long before it.

    Its one row has the columns ``groups``, ``centre``, ``lives``, ``churners``, ``entries``, ``exposure``, ``facts``,
    ``ranks`` and ``segment_<i>``, each a list of structs.
    """
    steps = [
        *assigned.steps,
        Step("_entered", "everybody, numbered, with the days of his own", _entered(is_single=assigned.is_single)),
        Step("spine", "whose rows are read", "select customer_id from _entered"),
        *contract_steps(asked),
        *leaving_steps(asked, near),
        *money_steps(asked, near_before),
        *contact_steps(asked, near),
        *answer_steps(asked, near),
        *outcome_steps(asked, near),
        *division.steps,
        Step("_followed", "everybody, with what became of him", _followed(asked, division)),
        Step("_limits", "where revenue is cut; what a missing risk is taken for", _LIMITS),
        Step("_mature", "who can be read, with his totals", _mature(asked, division)),
    ]
    names = [*BASE, *(f"outcome_{n}" for n in range(len(asked.business.outcomes)))]
    steps += _unit_steps("_units", names, "", is_single=assigned.is_single)
    steps.append(_unit_days(is_single=assigned.is_single))
    centre = select([f"round(avg({name})) as {name}" for name in names], "from _units")
    steps.append(Step("_centre", "about what the totals lie; whole, so that counts and cents stay exact", centre))
    answers = {
        "groups": _moments("_units", names, '"group"'),
        "centre": "select * from _centre",
        "lives": _LIVES,
        "churners": _CHURNERS,
        "entries": _ENTRIES,
        "exposure": _EXPOSURE,
        "facts": _FACTS,
        "ranks": _RANKS,
    }
    for position, name in enumerate(division.names):
        parts = [f"part_{list(division.parts).index(part)}" for part in division.parts_of(name)]
        value = ", ".join(f"{part} as value_{i}" for i, part in enumerate(parts))
        steps += _unit_steps(f"_units_{position}", names, value, is_single=assigned.is_single)
        keys = ", ".join(f"value_{i}" for i in range(len(parts)))
        answers[f"segment_{position}"] = _moments(f"_units_{position}", names, f'"group", {keys}')
    told = [f"(select list(told) from ({sql}) as told) as {name}" for name, sql in answers.items()]
    return f"-- outcomes of {asked.cohort.name} as known on {asked.as_of}.\n{with_steps(steps)}\nselect\n" + ",\n".join(
        told
    )


def _moments(units: str, names: Sequence[str], keys: str) -> str:
    """SQL of the moments of units by group, and by the values of a segment."""
    rows = f"select {centred(names, keys)} from {units} as units cross join _centre"
    return f"select {keys}, {moment_columns(names)} from ({rows}) group by {keys}"


def _entered(*, is_single: bool) -> str:
    days = ["entered_at", "before_at", "lead_at", "ends_on", "ends_at", "follow_at", "follow_days", "is_mature"]
    # Units are told apart by a number: their names would be carried along to the end, a copy for each customer.
    numbered = {} if is_single else {"unit_id": "dense_rank() over (order by unit_id) as unit_id"}
    columns = ["row_number() over () as who", *(numbered.get(name, name) for name in COLUMNS), *days]
    return select(columns, "from _assigned inner join _days using (entered_on)")


def _followed(asked: Asked, division: Division) -> str:
    outcomes = asked.business.outcomes
    by_feed = list(outcomes_by_feed(outcomes).values())
    gone = is_pseudonym("_entered.customer_id")
    columns = [
        *(f"_entered.{name}" for name in ("unit_id", '"group"', "entered_on", "propensity")),
        *("is_mature", "follow_days", "probability", "kept_cents"),
        f"{gone} as is_forgotten",
        # Of who was forgotten nothing is held any more: not that he bought nothing, not that he stayed.
        *(f"case when not {gone} then {name} end as {name}" for name in ("churned", "left_on")),
        f"is_followed and not {gone} as is_followed",
        "coalesce(was_gone, false) as was_gone",
        "coalesce(revenue_cents, 0)::double as revenue_cents",
        "coalesce(before_cents, 0)::double as before_cents",
        "coalesce(cost_cents, 0)::double as cost_cents",
        "coalesce(incentive_cents, 0)::double as incentive_cents",
        "coalesce(is_decided, false) as is_decided",
        "coalesce(is_reached, false) as is_reached",
        "coalesce(is_reached_by_other, false) as is_reached_by_other",
        "(_answers.who is not null)::integer::double as asked",
        *(f"coalesce(_answers.{name}, 0)::double as {name}" for name in ("answered", "nps", "score")),
        *(f"coalesce(outcome_{n}, 0)::double as outcome_{n}" for n in range(len(outcomes))),
        *(f"{sql} as part_{n}" for n, sql in enumerate(division.parts.values())),
    ]
    others = ["_left", "_paid", "_contacts", "_costs", "_answers", *(f"_outcome_{i}" for i in range(len(by_feed)))]
    joins = "".join(f"\n    left join {name} on {name}.who = _entered.who" for name in others)
    return select(columns, f"from _entered{joins}{division.joins}")


_LIMITS = f"""select case when cap > 0 then cap end as cap_cents, coalesce(risk, 0) as mean_risk
    from (
        select quantile_cont(before_cents, {CAP_AT}) as cap, avg(probability) as risk from _followed
        where is_mature and not is_forgotten
    )"""


def _mature(asked: Asked, division: Division) -> str:
    """Everybody mature with his totals; who was forgotten is present, and has none: no other customer is he."""
    capped = "least({0}, coalesce(cap_cents, {0}))".format
    totals = {
        "customers": "1e0",
        "known": "(churned is not null)::integer::double",
        "churned": "coalesce(churned, false)::integer::double",
        "risk": "coalesce(probability, mean_risk)",
        "revenue_cents": "revenue_cents",
        "revenue_capped_cents": capped("revenue_cents"),
        "cost_cents": "cost_cents",
        "kept_cents": "case when not churned then coalesce(kept_cents, 0) else 0 end::double",
        "before_cents": capped("before_cents"),
        "reached": "is_reached::integer::double",
        **{name: name for name in ("asked", "answered", "nps", "score")},
        **{f"outcome_{n}": f"outcome_{n}" for n in range(len(asked.business.outcomes))},
    }
    columns = [
        *("unit_id", '"group"', "(not was_gone)::integer::double as present"),
        *(f"case when is_forgotten then 0e0 else {sql} end as {name}" for name, sql in totals.items()),
        *(f"part_{n}" for n in range(len(division.parts))),
    ]
    return select(columns, "from _followed cross join _limits\n    where is_mature")


def _unit_steps(name: str, totals: Sequence[str], value: str, *, is_single: bool) -> list[Step]:
    """A unit's totals over its mature customers (over those of one segment)."""
    keys = ['"group"', *([value] if value else [])]
    if is_single:
        return [Step(name, "every unit is one customer", select([*keys, *totals], "from _mature"))]
    by = ["unit_id", '"group"', *(part.split(" as ")[0] for part in value.split(", ") if part)]
    sums = [f"sum({total}) as {total}" for total in totals]
    return [
        Step(name, "one row per unit and group", select([*keys, *sums], f"from _mature\n    group by {', '.join(by)}"))
    ]


#: Lives by their last day: a day of leaving counts as a day at risk, so does each whole day that is known.
_LIVES = """select "group", is_event, last_day, count(*) as customer_count
    from (
        select "group", left_on is not null as is_event,
            coalesce(date_diff('day', entered_on, left_on), follow_days - 1)::bigint as last_day
        from _followed where is_followed and follow_days > 0
    )
    group by "group", is_event, last_day"""

_EXPOSURE = """select "group", count(*) as customer_count, count(*) filter (where is_decided) as decided_count,
        count(*) filter (where is_reached) as reached_count, count(*) filter (where is_reached_by_other) as other_count,
        sum(incentive_cents) as incentive_cents
    from _followed group by "group\""""

#: Customers by the risk that was frozen at their entry, to half a point: enough to rank by, and no customer in it.
_RANKS = """select "group", propensity, round(probability * 200) / 200 as risk, count(*) as customer_count,
        count(*) filter (where churned) as churned_count
    from _followed
    where is_mature and churned is not null and probability is not null and propensity is not null
    group by "group", propensity, risk"""

_FACTS = """select count(*) filter (where is_mature) as matured_count,
        count(*) filter (where is_mature and churned is not null) as known_count,
        count(*) filter (where is_mature and not is_forgotten and probability is null) as riskless_count,
        count(*) filter (where is_mature and not is_forgotten and kept_cents is null) as valueless_count,
        count(*) filter (where is_mature and left_on is not null and not is_followed and "group" = 'treatment')
            as lead_treatment_count,
        count(*) filter (where is_mature and left_on is not null and not is_followed and "group" = 'holdout')
            as lead_holdout_count,
        count(*) filter (where is_forgotten and "group" = 'treatment') as forgotten_treatment_count,
        count(*) filter (where is_forgotten and "group" = 'holdout') as forgotten_holdout_count,
        (select cap_cents from _limits) as cap_cents
    from _followed"""


def _unit_days(*, is_single: bool) -> Step:
    """When each unit entered, and when its first member left: looked at once for whoever asks."""
    columns = ["left_on", "entered_on", "propensity"]
    if is_single:
        return Step("_unit_days", "every unit is one customer", select(['"group"', *columns], "from _followed"))
    first = [f"min({name}) as {name}" for name in columns]
    grouped = select(['"group"', *first], 'from _followed\n    group by unit_id, "group"')
    return Step("_unit_days", "when each unit entered, and when its first member left", grouped)


_CHURNERS = """select left_on as churned_on, "group", propensity, count(*) as unit_count
    from _unit_days where left_on is not null
    group by left_on, "group", propensity"""

_ENTRIES = """select entered_on, propensity, count(*) filter (where "group" = 'treatment') as treatment_units,
        count(*) filter (where "group" = 'holdout') as holdout_units
    from _unit_days
    group by entered_on, propensity"""
