"""Who left within the judged days after a firing, and on which day.

It is what the labels of :mod:`features.labels` say, asked from the day of the firing on:

- ``cancellation``: no contract is open when the judged days are over; left on the day on which the last one ended;
- ``inactivity``: a silence as long as the definition's begins within the judged days, or had begun before and goes on
  for that long; left on the day of the last purchase. So it is known only when the silence is over;
- ``overdue`` triggers on inactivity, unless the business file gives judged days: the silence that they saw goes on for
  the whole outcome window, which is the label itself;
- every other kind: the label, with the judged days as its window. It has no day of leaving.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from features.clocks import Clock, known_rows
from features.corrections import corrected_tables
from features.labels import build_labels
from features.steps import Step, select, with_steps
from holdback.business import Business, CancellationChurn, Churn, ColumnChurn, InactivityChurn
from holdback.business.triggers import Trigger
from holdback.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Judgement:
    """How a trigger is judged.

    Args:
        churn: The churn definition that says who left.
        judged_days: Days after the firing in which leaving counts.
        is_label: True where the definition's own label is asked, and judged days only name its window.
        known_after_days: Days after the firing when the outcome is known.
    """

    churn: Churn
    judged_days: int
    is_label: bool
    known_after_days: int


def judgement_of(business: Business, trigger: Trigger) -> Judgement:
    """Return how a trigger is judged: by the churn definition of its campaign, of its score, or the first one."""
    name = getattr(trigger, "churn", None)
    for campaign in business.campaigns:
        if campaign.trigger == trigger.name and name is None:
            name = campaign.churn
    churn = business.churn_named(name)
    if isinstance(churn, ColumnChurn):
        return Judgement(churn, 0, True, 0)
    window = churn.lead_days + churn.outcome_days
    days = trigger.judged_days or window
    if isinstance(churn, InactivityChurn):
        if trigger.kind == "overdue" and trigger.judged_days is None:
            return Judgement(churn, window, True, window)
        return Judgement(churn, days, False, days + churn.outcome_days)
    asked = churn if trigger.judged_days is None else churn.model_copy(update={"lead_days": 0, "outcome_days": days})
    if isinstance(churn, CancellationChurn):  # a customer who is gone before the lead is over has left all the same
        asked = churn.model_copy(update={"lead_days": 0, "outcome_days": days})
    return Judgement(asked, days, True, days)


def left_after(
    warehouse: Warehouse, business: Business, judgement: Judgement, day: date, *, known_on: date, spine: pa.Table
) -> pa.Table:
    """Return who of the described customers of a day left within the judged days.

    Args:
        warehouse: Where the feeds are.
        business: The company.
        judgement: How the trigger is judged.
        day: The day of the firings.
        known_on: The day of knowledge; ``day`` and the days after which leaving is known must be over, and the feed
            must reach that far.
        spine: ``customer_id, as_of`` of the described customers.

    Returns:
        ``customer_id`` (text), ``has_left`` (bool, null where it cannot be known), ``left_on`` (date, null for those
        who stay and where leaving has no day), ordered by customer.
    """
    churn = judgement.churn
    if judgement.is_label:
        labels = build_labels(warehouse, business, churn, day, known_on=known_on, spine=spine)
        steps = [Step("_labelled", "what the labels say", "select customer_id, churned as has_left from labels")]
    else:
        labels = spine
        steps = []
    reading = {"labels": labels, "spine": spine}
    now, known = Clock.of(business, day), Clock.of(business, known_on)
    corrected = corrected_tables(warehouse)
    left_at = "cast(null as timestamp)"
    if isinstance(churn, InactivityChurn):
        steps += _silences(churn, judgement, now, known, corrected)
        left_at = "_silences.began_at"
        if not judgement.is_label:
            steps.append(_begun_in_time(churn, judgement, now))
    elif isinstance(churn, CancellationChurn):
        steps.append(_ends(churn, judgement, now, known, corrected))
        left_at = "_ends.ended_at"
    dated = {InactivityChurn: "_silences", CancellationChurn: "_ends"}.get(type(churn))
    join = f"left join {dated} on {dated}.customer_id = _labelled.customer_id" if dated else ""
    sql = (
        f"-- left: one row per customer of the spine of {day}, as known on {known_on}.\n{with_steps(steps)}\n\n"
        f"select\n    _labelled.customer_id,\n    _labelled.has_left,\n"
        f"    case when _labelled.has_left then {left_at} end as left_at\n"
        f"from _labelled\n{join}\norder by _labelled.customer_id\n"
    )
    found = warehouse.query(sql, frames=reading)
    return found.drop_columns("left_at").append_column("left_on", _days(business, found["left_at"]))


def _silences(
    churn: InactivityChurn, judgement: Judgement, now: Clock, known: Clock, corrected: frozenset[str]
) -> list[Step]:
    """The steps that end in ``_silences``: each customer's first silence that is long enough, and when it began."""
    until = 0 if judgement.is_label else judgement.judged_days
    lead = churn.lead_days if judgement.is_label else 0
    since, ends = now.days_ago(churn.population_days), now.days_ago(-judgement.known_after_days)
    bought = known_rows(
        churn.feed, ("event_at",), known, corrected=churn.feed in corrected, event_clock=False,
        also=f"amount_cents >= 0 and event_at >= {since} and event_at < {ends}",
    )  # fmt: skip
    following = "lead(event_at) over (partition by customer_id order by event_at)"
    lasts = (
        f"greatest(event_at, {now.days_ago(-lead)}) + interval {churn.outcome_days} day"
        if not judgement.is_label
        else ends
    )
    begun = now.days_ago(-lead - until)
    return [
        Step("_bought", "purchases before and after the day", bought),
        Step("_gaps", "the next purchase after each", f"select *, {following} as next_at from _bought"),
        Step(
            "_silences",
            "silences that are long enough",
            select(
                ["customer_id", "min(event_at) as began_at"],
                f"from _gaps\n    where event_at < {begun} and (next_at is null or next_at >= {lasts})\n"
                "    group by customer_id",
            ),
        ),
    ]


def _begun_in_time(churn: InactivityChurn, judgement: Judgement, now: Clock) -> Step:
    return Step(
        "_labelled",
        f"who fell silent for {churn.outcome_days} days within {judgement.judged_days} days of {now.as_of}",
        "select spine.customer_id, _silences.customer_id is not null as has_left\n"
        "    from spine left join _silences on _silences.customer_id = spine.customer_id",
    )


def _ends(churn: CancellationChurn, judgement: Judgement, now: Clock, known: Clock, corrected: frozenset[str]) -> Step:
    within = f"kind = 'cancel' and event_at >= {now.now} and event_at < {now.days_ago(-judgement.judged_days)}"
    rows = known_rows(
        churn.feed, ("event_at",), known, corrected=churn.feed in corrected, event_clock=False, also=within
    )
    last = select(["customer_id", "max(event_at) as ended_at"], f"from ({rows})\n    group by customer_id")
    return Step("_ends", "when the last contract ended", last)


def _days(business: Business, instants: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    days = [None if at is None else business.day_of(at) for at in instants.to_pylist()]
    return pa.array(days, pa.date32())
