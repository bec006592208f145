"""The reasons that customers give when they cancel, for everybody and by group."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from features.clocks import ORDER, Clock, known_rows
from features.corrections import corrected_tables
from features.revenue import contract_key
from holdback.business import Business
from holdback.warehouse import Warehouse
from monitoring.causes.days import groups_of
from monitoring.causes.results import Group, Saying
from monitoring.cells import hidden, hidden_grid
from monitoring.proportions import Share, wilson

CANCELLED_DAYS = 365
MOST_REASONS = 12


def reasons_given(
    warehouse: Warehouse,
    business: Business,
    feed: str,
    as_of: date,
    about: Callable[[str, str], str | None],
    names: tuple[str, ...],
) -> dict[Group, tuple[Share, list[Saying]]]:
    """Return the share of those who cancelled who gave a reason, and the reasons, the commonest first.

    A customer counts once, with the reason of his last cancellation, when none of his contracts is open any more.
    Reasons of one to four customers are not told, nor the one more that could be worked out from the rest.

    Args:
        warehouse: Where the feed is.
        business: The company.
        feed: A feed of role subscriptions with reasons.
        as_of: The day of knowledge; cancellations of the 365 days before it count.
        about: Says which family of features a reason is about.
        names: Attributes by which it is told too.
    """
    clock = Clock.of(business, as_of)
    columns = (f"{contract_key(business, feed)} as contract_id", "kind", "nullif(trim(reason), '') as reason", *ORDER)
    events = known_rows(feed, columns, clock, corrected=feed in corrected_tables(warehouse), spine=False)
    gone = warehouse.query(
        f"with events as ({events}), contracts as (\n"
        "    select customer_id, contract_id,\n"
        f"        arg_max({{kind: kind, reason: reason, happened: event_at}}, row({', '.join(ORDER)})) as last\n"
        "    from events group by customer_id, contract_id\n)\n"
        f"select customer_id, {clock.today} as as_of,\n"
        "    arg_max({reason: last.reason}, row(last.happened, contract_id)).reason as reason\n"
        "from contracts group by customer_id\n"
        f"having bool_and(last.kind = 'cancel') and max(last.happened) >= {clock.days_ago(CANCELLED_DAYS)}\n"
        "order by customer_id"
    )
    if not gone.num_rows:
        return {}
    groups = groups_of(warehouse, business, as_of, gone.select(["customer_id", "as_of"]), names)
    found: dict[Group, tuple[Share, list[Saying]]] = {}
    for name in ("", *names):
        grouped = f'"{name}"' if name else "''"
        counted = warehouse.query(
            f"select {grouped} as part, reason, count(*) as n from gone inner join groups using (customer_id)\n"
            "group by all order by part, n desc, reason",
            frames={"gone": gone, "groups": groups},
        ).to_pylist()
        found.update({(name, value): told for value, told in _by_value(feed, counted, about).items()})
    return found


def _by_value(
    feed: str, counted: list[dict[str, Any]], about: Callable[[str, str], str | None]
) -> dict[str, tuple[Share, list[Saying]]]:
    """What those of each value gave as reasons; no cell is shown that could be worked out to be small."""
    counts = {(row["part"], row["reason"]): int(row["n"]) for row in counted}
    values = list(dict.fromkeys(part for part, _ in counts))
    reasons = list(dict.fromkeys(reason for _, reason in counts if reason is not None))
    grid = [[counts.get((value, reason), 0) for reason in reasons] for value in values]
    hides = hidden_grid(grid)
    totals = [sum(line) + counts.get((value, None), 0) for line, value in zip(grid, values, strict=True)]
    found = {}
    for row, (value, is_hidden) in enumerate(zip(values, hidden(totals), strict=True)):
        given = sum(grid[row])
        if is_hidden or not given:
            continue
        shown = [at for at in range(len(reasons)) if grid[row][at] and not hides[row][at]]
        shown.sort(key=lambda at: (-grid[row][at], reasons[at]))
        found[value] = (
            wilson(given, totals[row]),
            [
                Saying("reason", feed, reasons[at], about(feed, reasons[at]), wilson(grid[row][at], given))
                for at in shown[:MOST_REASONS]
            ],
        )
    return found
