"""Triggers of kind ``drop``: a level fell, by an amount, by a share of what it was, or by both.

- feed of role ``balances``: the level of an account is its newest balance (:func:`features.levels.level`), whatever the
  order of rows inside a day; the level before is the newest balance of ``over_days`` earlier. A customer's level is the
  sum over the accounts that ``where`` lets through; an account opened since adds to the level now. Who had no balance
  at all before has no level: nothing fell. Who was not reported since has the level of before: nothing fell either;
- feed of role ``transactions``: the fall is what left minus what came in the ``over_days``; the level before, of which
  a share may be asked, is the sum of all that was known to come and leave until then. A reversal (a negative amount,
  or the same in the opposite direction) takes back what it reverses; a transfer that was told twice counts once;
- two attributes of customers, ``before`` and ``after``, as known.
"""

from __future__ import annotations

from decimal import Decimal

from features.clocks import newest_versions
from features.levels import level
from features.steps import Step, select
from features.triggers.asking import HELD, Asked, Held, cents
from holdback.business import DropTrigger

#: So many days before the window nearly every account has been reported; the others are looked for further back.
_LOOK_BACK_DAYS = 62


def dropped(asked: Asked, trigger: DropTrigger) -> Held:
    """Return whose level fell; ``size`` is the fall in the business' currency."""
    if trigger.feed is None:
        return _attributes(asked, trigger)
    by_sums = asked.business.feeds[trigger.feed].role == "transactions"
    steps = (_sums if by_sums else _balances)(asked, trigger, trigger.feed)
    fallen = ["customer_id", "before_cents", "after_cents", "(before_cents - after_cents) / 100e0 as size"]
    steps.append(
        Step(HELD, "those for whom it is enough", select(fallen, f"from _levels\n    where {_is_enough(trigger)}"))
    )
    return Held(steps, {"before": "before_cents / 100e0", "after": "after_cents / 100e0"})


def _balances(asked: Asked, trigger: DropTrigger, feed: str) -> list[Step]:
    key = ("account_kind",) if asked.business.feeds[feed].has("account_kind") else ()
    columns, by_account = ("event_at", "balance_cents", *key), ", ".join(("customer_id", *key))
    since, counts = asked.clock.days_ago(trigger.over_days), asked.allowed(feed, trigger.where)
    # No true fall is lost here: the newest level is at least the lowest, the one before at most the highest.
    extremes = [
        "customer_id",
        f"min(balance_cents) filter (where event_at >= {since}) as lowest_cents",
        f"max(balance_cents) filter (where event_at < {since}) as highest_cents",
    ]
    least = max(1, cents(trigger.at_least)) if trigger.at_least is not None else 1
    may_have_fallen = (
        "from _extremes\n    where lowest_cents is not null\n    group by customer_id\n"
        f"    having bool_or(highest_cents is null) or sum(highest_cents - lowest_cents) >= {least}"
    )
    accounts = [
        "customer_id",
        f"{level(since)} as before_cents",
        f"{level()} as after_cents",
    ]
    sums = [
        "customer_id",
        "cast(sum(before_cents) as bigint) as before_cents",
        "cast(sum(after_cents) as bigint) as after_cents",
    ]
    recent = asked.rows(feed, columns, asked.within(trigger.over_days + _LOOK_BACK_DAYS), counts)
    among = "customer_id in (select customer_id from _may_have_fallen)"
    return [
        Step("_recent", "balances that were visible, of the last months", recent),
        Step(
            "_extremes",
            "how low each account was since, and how high before",
            select(extremes, f"from _recent\n    group by {by_account}"),
        ),
        Step("_may_have_fallen", "whose balances are worth a look", select(["customer_id"], may_have_fallen)),
        Step("_known", "all their balances that were visible", asked.rows(feed, columns, counts, among)),
        Step(
            "_accounts",
            "the level of each account, now and before",
            select(accounts, f"from _known\n    group by {by_account}"),
        ),
        Step(
            "_levels",
            "each customer's level; null before when no account had one",
            select(sums, "from _accounts\n    group by customer_id"),
        ),
    ]


def _sums(asked: Asked, trigger: DropTrigger, feed: str) -> list[Step]:
    counts, over = asked.allowed(feed, trigger.where), asked.within(trigger.over_days)
    signed = f"{asked.signed(feed)} * copies"
    least = max(1, cents(trigger.at_least)) if trigger.at_least is not None else 1
    fell = f"from _lately\n    group by customer_id\n    having -sum({signed}) >= {least}"
    before = f"coalesce(sum({signed}) filter (where not {over}), 0)"
    levels = [
        "customer_id",
        f"cast({before} as bigint) as before_cents",
        f"cast(sum({signed}) as bigint) as after_cents",
    ]
    return [
        *asked.told_once(feed, over, counts, name="_lately"),
        Step("_fell", "from whom more left than came", select(["customer_id"], fell)),
        *asked.told_once(feed, counts, "customer_id in (select customer_id from _fell)", name="_ever"),
        Step("_levels", "sums of all that came and left, before and now", select(levels, "from _ever\n    group by 1")),
    ]


def _attributes(asked: Asked, trigger: DropTrigger) -> Held:
    before, after = f'"{trigger.before}"', f'"{trigger.after}"'
    # The attributes that branches ask for come along: the customers are read once.
    asked_for = dict.fromkeys(f'"{name}"' for branch in trigger.then for name in branch.when)
    columns = (f"{before} as before_level", f"{after} as after_level", *asked_for)
    steps = newest_versions(asked.clock, columns, asked.corrected)
    levels = ["customer_id", *(f"cast(round({name}_level * 1e2) as bigint) as {name}_cents" for name in _SIDES)]
    known = " and ".join(f"abs({name}_level) < 9e14" for name in _SIDES)
    fallen = ["customer_id", "before_cents", "after_cents", "(before_cents - after_cents) / 100e0 as size"]
    steps += [
        Step("_levels", "levels in cents", select(levels, f"from _customers_rows\n    where {known}")),
        Step(HELD, "those for whom it is enough", select(fallen, f"from _levels\n    where {_is_enough(trigger)}")),
    ]
    return Held(steps, {"before": "before_cents / 100e0", "after": "after_cents / 100e0"})


_SIDES = ("before", "after")


def _is_enough(trigger: DropTrigger) -> str:
    """SQL condition on the levels; null before is no level. A share is asked exactly, as a fraction."""
    fell, conditions = "before_cents - after_cents", []
    if trigger.at_least is not None:
        conditions.append(f"{fell} >= {max(1, cents(trigger.at_least))}")
    if trigger.at_least_share is not None:
        part, whole = Decimal(str(trigger.at_least_share)).as_integer_ratio()
        share = f"cast({fell} as hugeint) * {whole} >= cast(before_cents as hugeint) * {part}"
        conditions += ["before_cents > 0", share]
    return "\n        and ".join(conditions)
