"""Which lift was used when: read from the ledger, which keeps it with every decision."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from holdback.business import Business
from holdback.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class LiftUsed:
    """One lift of one action, and the decisions that rest on it.

    Attributes:
        action: Name of the action.
        save_rate: What was expected of it. Of an uplift model, which expects something else of each customer: all that
            it expected to keep, of all who were expected to leave.
        status: ``assumed``, ``measured`` or ``stale``, as it was then; ``modelled`` where an uplift model spoke.
        source: Who said so; None in decisions that were written before sources were kept.
        first_on: First day in the period on which it was used.
        last_on: Last day.
        decision_count: Decisions whose action (what was given, or what the policy intended) was weighed with it.
    """

    action: str
    save_rate: float
    status: str
    source: str | None
    first_on: date
    last_on: date
    decision_count: int

    def __str__(self) -> str:
        days = str(self.first_on) if self.first_on == self.last_on else f"{self.first_on} to {self.last_on}"
        source = f": {self.source}" if self.source else ""
        return f"{days}: {self.action} {self.save_rate:.1%} ({self.status}{source}), {self.decision_count:,} decisions"


def lifts_used(warehouse: Warehouse, business: Business, since: date, until: date) -> tuple[LiftUsed, ...]:
    """Return every lift that decisions of a period rest on, by action (in the file's order) and by time.

    Args:
        warehouse: Where the ledger is.
        business: The company.
        since: First day.
        until: Last day.
    """
    rows = warehouse.query(
        f"""
        -- one row per action and lift: what was weighed in the decisions of the period.
        select
            case when action <> 'none' then action else intended_action end as action,
            case when lift_status = 'modelled'
                then coalesce(sum(uplift) / nullif(sum(probability), 0), 0)
                else any_value(lift) end as save_rate,
            lift_status as status,
            json_extract_string(detail, '$.lift.source') as source,
            min(as_of) as first_on,
            max(as_of) as last_on,
            count(*) as decision_count
        from (select *, cast(json_extract(detail, '$.uplift.value') as double) as uplift from ledger)
        where kind = 'decided' and lift_status is not null and as_of between date '{since}' and date '{until}'
        group by case when action <> 'none' then action else intended_action end, lift_status, source,
            case when lift_status <> 'modelled' then lift end
        order by first_on, last_on, save_rate, status, source
        """
    ).to_pylist()
    order = {action.name: position for position, action in enumerate(business.actions)}
    found = [LiftUsed(**row) for row in rows]
    return tuple(sorted(found, key=lambda one: (order.get(one.action, len(order)), one.action)))
