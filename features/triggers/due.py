"""Triggers of kind ``due``: something owned nears the age at which its like is usually replaced."""

from __future__ import annotations

from collections.abc import Sequence

from features.steps import Step, select
from features.triggers.ages import LearnedAge, owned_steps, plan_of
from features.triggers.asking import HELD, Asked, Held
from holdback.business import DueTrigger
from holdback.sql import literal


def due(asked: Asked, trigger: DueTrigger, learned: Sequence[LearnedAge]) -> Held:
    """Return who owns something of about the usual age; ``size`` is the days until it (negative: since).

    Of several, the one that is due first counts. Nobody is returned for plans without a learned age.
    """
    rows = ", ".join(
        f"({literal(age.plan) if age.plan is not None else 'cast(null as varchar)'}, {age.age_days})"
        for age in learned
        if age.age_days is not None
    )
    ages = f"select * from (values {rows}) as learned(plan, usual_age_days)" if rows else _NOTHING
    steps = owned_steps(asked, trigger, where=asked.allowed(trigger.feed, trigger.where))
    age = asked.clock.full_days_since("started_at")
    owned = ["customer_id", "contract_id", f"{plan_of(trigger)} as plan", "started_at", f"{age} as age_days"]
    rank = "row_number() over (partition by customer_id order by usual_age_days - age_days, contract_id)"
    near = f"age_days between usual_age_days - {trigger.ahead_days} and usual_age_days + {trigger.ahead_days}"
    steps += [
        Step("_ages", "the usual ages, as learned", ages),
        Step(
            "_still_owned", "what is owned, and how old it is", select(owned, "from _owned\n    where ended_at is null")
        ),
        Step(
            "_near",
            "what is about the usual age, the first that is due in front",
            select(
                ["_still_owned.*", "usual_age_days", f"{rank} as place"],
                "from _still_owned\n    inner join _ages on _ages.plan is not distinct from _still_owned.plan\n"
                f"    where {near}",
            ),
        ),
        Step(
            HELD,
            "one for each customer",
            select(["*", "cast(usual_age_days - age_days as double) as size"], "from _near\n    where place = 1"),
        ),
    ]
    detail = {
        "contract": "contract_id",
        "plan": "plan",
        "age_days": "age_days",
        "usual_age_days": "usual_age_days",
        "started_on": asked.day(asked.days_ago("started_at")),
    }
    return Held(steps, detail)


_NOTHING = "select cast(null as varchar) as plan, cast(null as bigint) as usual_age_days where false"


def what_is_not_known(trigger: DueTrigger, learned: Sequence[LearnedAge]) -> str | None:
    """Say for which plans no age is known yet, and why; None when all are."""
    unknown = [age for age in learned if age.age_days is None]
    if learned and not unknown:
        return None
    few = [age for age in unknown if age.replaced_count < trigger.least_replaced]
    words = [
        f"{age.plan or trigger.feed}: {age.replaced_count} of {trigger.least_replaced} replacements" for age in few
    ]
    words += [
        f"{age.plan or trigger.feed}: fewer than {trigger.quantile:.0%} are ever seen replaced"
        for age in unknown
        if age not in few
    ]
    return f"no usual age is known yet ({'; '.join(words) or 'nothing was ever owned'})"
