"""Triggers of kinds ``count_over`` and ``announced``: something happens too often, or is known to come."""

from __future__ import annotations

from features.clocks import ORDER
from features.steps import Step, select
from features.triggers.asking import HELD, Asked, Held
from holdback.business import AnnouncedTrigger, CountTrigger


def counted(asked: Asked, trigger: CountTrigger) -> Held:
    """Return to whom it happened at least so often in the last ``over_days``; ``size`` is how often.

    An event that was told twice happened once. Of transactions, what was paid counts; a refund is no event.
    """
    feed = asked.business.feeds[trigger.feed]
    paid = "amount_cents >= 0" if feed.role == "transactions" else None
    counts = asked.allowed(trigger.feed, trigger.where)
    count = "cast(sum(copies) as bigint)"
    held = [
        "customer_id",
        f"{count} as count",
        f"cast({count} as double) as size",
        f"min({asked.days_ago()}) as last_days",
    ]
    steps = [
        *asked.told_once(trigger.feed, asked.within(trigger.over_days), paid, counts),
        Step(
            HELD,
            "to whom it happened often enough",
            select(held, f"from _told\n    group by customer_id\n    having sum(copies) >= {trigger.at_least}"),
        ),
    ]
    return Held(steps, {"count": "count", "last_on": asked.day("last_days")})


def announced(asked: Asked, trigger: AnnouncedTrigger) -> Held:
    """Return for whom something comes within ``ahead_days``; ``size`` is the days until then, the first of several.

    ``on: ends_on``: an open contract can end from today on; the newest date that was told counts, and ``where`` asks
    for the contract's newest state. What was told before the contract's last start is over: a commitment does not
    outlive a cancellation and a new start. ``on: event_at``: an event of the future that was loaded by now.
    """
    steps = _events_to_come(asked, trigger) if trigger.on == "event_at" else _ends(asked, trigger)
    soon = f"from _coming\n    where days_left between 0 and {trigger.ahead_days}\n    group by customer_id"
    held = ["customer_id", "min(days_left) as days_left", "cast(min(days_left) as double) as size"]
    steps.append(Step(HELD, "for whom it comes soon", select(held, soon)))
    return Held(steps, {"days_left": "days_left", "on": asked.day("-days_left")})


def _events_to_come(asked: Asked, trigger: AnnouncedTrigger) -> list[Step]:
    days = f"-{asked.days_ago()} as days_left"
    to_come = f"event_at >= {asked.clock.now}"
    rows = asked.rows(trigger.feed, (days,), to_come, asked.allowed(trigger.feed, trigger.where), event_clock=False)
    return [Step("_coming", "events of the future that were known", rows)]


def _ends(asked: Asked, trigger: AnnouncedTrigger) -> list[Step]:
    feed = asked.business.feeds[trigger.feed]
    contract = "coalesce(subscription_id, customer_id)" if feed.has("subscription_id") else "customer_id"
    names = {column.key: column.name for column in feed.mapped_columns}
    # "kind" tells whether the contract is open; who asks for one kind means the newest event's.
    told = list(dict.fromkeys(["kind", *(names[key] for key in trigger.where if names[key] != "subscription_id")]))
    ends_on = "ends_on" if feed.has("ends_on") else "cast(null as date) as ends_on"
    columns = dict.fromkeys((f"{contract} as contract_id", ends_on, *(f'"{name}"' for name in told), *ORDER))
    order = ", ".join(ORDER)
    newest = [f'arg_max("{name}", row({order})) filter (where "{name}" is not null) as "{name}"' for name in told]
    allowed = asked.allowed(trigger.feed, trigger.where)
    backwards = ", ".join(f"{column} desc" for column in ORDER)
    place = f"row_number() over (partition by customer_id, contract_id order by {backwards}) as place"
    started = "min(case when kind = 'start' then place end) over (partition by customer_id, contract_id) as started"
    return [
        Step("_told_events", "events of contracts that were visible", asked.rows(trigger.feed, list(columns))),
        Step(
            "_placed_events",
            "of each contract, from the newest (1) backwards",
            select(["*", place], "from _told_events"),
        ),
        Step("_started_events", "and where its last start is", select(["*", started], "from _placed_events")),
        Step(
            "_events",
            "those since each contract's last start; all of them where none was told",
            select(["*"], "from _started_events\n    where started is null or place <= started"),
        ),
        Step(
            "_contracts",
            "what was last told of each contract",
            select(
                [
                    *("customer_id", "contract_id", "contract_id as subscription_id", *newest),
                    f"arg_max(ends_on, row({order})) filter (where ends_on is not null) as ends_on",
                ],
                "from _events\n    group by customer_id, contract_id",
            ),
        ),
        Step(
            "_coming",
            "when those that are open can end",
            select(
                ["customer_id", f"date_diff('day', {asked.clock.today}, cast(ends_on as date)) as days_left"],
                "from _contracts\n    where kind <> 'cancel' and ends_on is not null"
                + (f" and {allowed}" if allowed else ""),
            ),
        ),
    ]
