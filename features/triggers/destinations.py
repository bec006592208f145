"""Where the money went: the outgoing transactions of those whose level fell, by destination."""

from __future__ import annotations

from collections.abc import Sequence

from features.steps import Step, select
from features.triggers.asking import HELD, Asked
from holdback.business import DropTrigger

#: What stands for a destination that the feed does not tell.
UNKNOWN = "unknown"


def went_feed(asked: Asked, trigger: object) -> str | None:
    """Return the feed that tells where the money went; None when nothing does."""
    if not isinstance(trigger, DropTrigger):
        return None
    if trigger.went is not None or trigger.feed is None:
        return trigger.went
    return trigger.feed if asked.business.feeds[trigger.feed].role == "transactions" else None


def went_columns(asked: Asked, trigger: DropTrigger, feed: str) -> dict[str, str]:
    """Return the columns by which it is asked where the money went: the destination, and those that branches name.

    Returns:
        Stored name by the name in the business file.
    """
    told = {column.key: column.name for column in asked.business.feeds[feed].mapped_columns if column.type == "text"}
    named = [key for branch in trigger.then for key in branch.when]
    return {key: told[key] for key in dict.fromkeys(("destination", *named)) if key in told}


def went(column: str) -> str:
    """Return the relation with ``customer_id, value`` (the largest), ``shares`` (a map) of one column."""
    return f"_went_by_{column}"


def went_steps(asked: Asked, trigger: DropTrigger, feed: str, columns: Sequence[str]) -> list[Step]:
    """Return the steps that end in :func:`went` of each column; customers from whom nothing went are absent.

    What came back with the same amount and the same value, or as a negative outgoing amount, did not go. Of two equally
    large destinations, the first in the alphabet is named.
    """
    among = f"customer_id in (select customer_id from {HELD})"
    steps = asked.told_once(feed, asked.within(trigger.over_days), among, name="_moved")
    out, negative = "cents < 0", "false"
    if asked.business.feeds[feed].has("direction"):
        negative = "direction = 'out' and amount_cents < 0"
    moved = ["customer_id", *(f'"{c}"' for c in columns), f"{asked.signed(feed)} as cents", "copies"]
    steps.append(
        Step("_signed", "what came and what left", select([*moved, f"{negative} as is_reversal"], "from _moved"))
    )
    for column in columns:
        value = f"coalesce(\"{column}\", '{UNKNOWN}')"
        left = f"coalesce(sum(copies) filter (where {out}), 0)"
        came = "coalesce(sum(copies) filter (where cents > 0 and not is_reversal), 0)"
        back = "coalesce(sum(copies) filter (where is_reversal), 0)"
        amounts = ["customer_id", f"{value} as value", f"(greatest({left} - {came}, 0) - {back}) * abs(cents) as net"]
        totals = ["customer_id", "value", "sum(net) as net"]
        shares = "map(list(value order by value), list(round(net / total, 4) order by value))"
        step = f"{went(column)}_amounts"
        steps += [
            Step(
                step,
                "of each amount, what left and did not come back",
                select(amounts, f"from _signed\n    where cents <> 0\n    group by customer_id, {value}, abs(cents)"),
            ),
            Step(
                f"{went(column)}_values",
                "how much went where",
                select(totals, f"from {step}\n    group by customer_id, value\n    having sum(net) > 0"),
            ),
            Step(
                f"{went(column)}_shares",
                "of how much altogether",
                select(
                    [
                        *("customer_id", "value", "cast(net as double) as net"),
                        "cast(sum(net) over (partition by customer_id) as double) as total",
                    ],
                    f"from {went(column)}_values",
                ),
            ),
            Step(
                went(column),
                "where most went, and the shares",
                select(
                    ["customer_id", "first(value order by net desc, value) as value", f"{shares} as shares"],
                    f"from {went(column)}_shares\n    group by customer_id",
                ),
            ),
        ]
    return steps
