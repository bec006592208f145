"""What does not fit between what was decided and what was reported; derived from the warehouse whenever it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from campaigns.delivery.contact_list import masked_id
from campaigns.reconciliation.questions import MISSED_AFTER_DAYS, FindingKind, answers
from holdback.business import Business
from holdback.warehouse import Warehouse

#: How far back findings look.
LOOK_BACK_DAYS: Final = 30
EXAMPLES: Final = 5

MEANINGS: Mapping[FindingKind, str] = {
    "leak": "held out, and contacted by one of our campaigns",
    "foreign_leak": "held out, and contacted by a campaign that is not ours",
    "suppressed_contacted": "must not be contacted, and was contacted by one of our campaigns",
    "undecided": "contacted by one of our campaigns without a decision",
    "duplicate": "one decision, sent more than once",
    "missed": f"decided, and not reported as sent within {MISSED_AFTER_DAYS} days",
    "unknown_decision": "reported for a decision that does not exist, or that is another customer's",
    "unknown_customer": "reported for a customer whom nobody knows",
    "unknown_outcome": "reported with an outcome that Holdback does not understand",
}


@dataclass(frozen=True)
class Finding:
    """One kind of thing that does not fit.

    Args:
        kind: Which.
        count: How many customers (with their campaign) or decisions it concerns, in the time that was looked at.
        examples: At most five, with shortened ids.
    """

    kind: FindingKind
    count: int
    examples: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """What it says, in words."""
        return MEANINGS[self.kind]

    def __str__(self) -> str:
        shown = f" (such as {', '.join(self.examples)})" if self.examples else ""
        return f"{self.kind}: {self.count:,} {self.meaning}{shown}"


def findings(
    warehouse: Warehouse, business: Business, as_of: date, *, days: int = LOOK_BACK_DAYS
) -> tuple[Finding, ...]:
    """Return what does not fit as known at ``as_of``, over the contacts and decisions of the last ``days`` days.

    One finding of every kind, with a count of 0 when all is well; empty when the business has no feed of role
    ``campaign_contacts``: then nobody knows. A pure reading of the warehouse: asked again, it says the same.

    Args:
        warehouse: Where ledger, feeds and customers are.
        business: The company.
        as_of: The day of knowledge.
        days: How far to look back.
    """
    if not business.feeds_with_role("campaign_contacts"):
        return ()
    found = answers(warehouse, business, as_of, days)
    by_kind = {kind: found.filter(pc.equal(found["finding"], kind)) for kind in MEANINGS}
    return tuple(
        Finding(kind, rows.num_rows, tuple(_shown(row) for row in rows.slice(0, EXAMPLES).to_pylist()))
        for kind, rows in by_kind.items()
    )


def found_rows(
    warehouse: Warehouse, business: Business, as_of: date, kind: FindingKind, *, days: int = LOOK_BACK_DAYS
) -> pa.Table:
    """Return everything behind one finding: ``customer_id, campaign, happened_at``; personal data, not for reports.

    ``happened_at`` is the contact's instant (naive UTC); of a missed decision, the start of its day.
    """
    if not business.feeds_with_role("campaign_contacts"):
        return _NOTHING
    found = answers(warehouse, business, as_of, days)
    return found.filter(pc.equal(found["finding"], kind)).drop_columns("finding")


_NOTHING: Final = pa.schema(
    {"customer_id": pa.string(), "campaign": pa.string(), "happened_at": pa.timestamp("us")}
).empty_table()


def _shown(row: Mapping[str, Any]) -> str:
    """Describe one row without naming anybody."""
    return f"{masked_id(row['customer_id'])} in {row['campaign']} on {row['happened_at']:%Y-%m-%d}"
