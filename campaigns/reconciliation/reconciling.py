"""Write what was really sent into the ledger, each event once, and tell what does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from campaigns.ledger import record
from campaigns.reconciliation.costs import cost_entry
from campaigns.reconciliation.findings import Finding, findings
from campaigns.reconciliation.reports import OUTCOMES, days_frame, matched_steps, replaced_steps, reported_steps
from features.steps import Step, with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace


@dataclass(frozen=True)
class Reconciliation:
    """What a day's reconciliation recorded and found.

    Args:
        business: The business' slug.
        as_of: The day.
        recorded: Rows that went into the ledger now, by kind (``cost`` counts beside the event that cost it).
        is_reported: False when the business has no feed of role ``campaign_contacts``: what was sent is not known.
        findings: What does not fit, one entry of each kind; see :func:`campaigns.reconciliation.findings.findings`.
    """

    business: str
    as_of: date
    recorded: Mapping[str, int]
    is_reported: bool
    findings: tuple[Finding, ...]

    @property
    def leak_count(self) -> int:
        """Held-out customers whom our own campaigns contacted; anything but 0 is an alarm."""
        return sum(finding.count for finding in self.findings if finding.kind == "leak")

    def __str__(self) -> str:
        where = f"{self.business} as of {self.as_of}"
        if not self.is_reported:
            return f"{where}: no feed of role campaign_contacts, so nobody knows what was sent"
        recorded = ", ".join(f"{count:,} {kind}" for kind, count in self.recorded.items()) or "nothing new"
        lines = [f"{where}: {recorded}"]
        return "\n".join([*lines, *(f"  {finding}" for finding in self.findings if finding.count)])


def reconcile(workspace: Workspace, as_of: date) -> Reconciliation:
    """Match what the feeds reported with the decisions, record each event once, and say what does not fit.

    Everything known at ``as_of`` by both clocks and not yet in the ledger is recorded, in one piece (batch
    ``reconcile/<as_of>``): late rows too, whenever they come. A row that its feed corrected becomes a row of kind
    ``corrected`` that names the old one, and a new event. A second run of a day records nothing; what came in between
    is recorded by the next day's.

    Args:
        workspace: The company.
        as_of: The day of knowledge.

    Raises:
        DataError: there is something to record, and the ledger has a later day already.
        OperatorError: the warehouse cannot be written, or the ledger is not what it was.
        Busy: another process kept the ledger.
    """
    warehouse, business = workspace.warehouse, workspace.business
    is_reported = bool(business.feeds_with_role("campaign_contacts"))
    recorded: dict[str, int] = {}
    if is_reported:
        rows = _new_rows(warehouse, business, as_of)
        if rows.num_rows and record(workspace, as_of, rows, batch=f"reconcile/{as_of.isoformat()}"):
            kinds = rows["kind"].to_pylist()
            recorded = {kind: kinds.count(kind) for kind in sorted(set(kinds))}
    return Reconciliation(business.slug, as_of, recorded, is_reported, findings(warehouse, business, as_of))


def _new_rows(warehouse: Warehouse, business: Business, as_of: date) -> pa.Table:
    """Return the ledger's rows of what is known now and not recorded yet, ordered."""
    understood = ", ".join(f"'{outcome}'" for outcome in OUTCOMES)
    events = f"""select outcome as kind, event_id as entry_id, *, cast(null as bigint) as paid_cents
    from _matched where outcome in ({understood})
    union all
    select 'cost' as kind, {cost_entry("event_id")} as entry_id, *, cost_cents as paid_cents
    from _matched where cost_cents is not null"""
    gone = f"""select l.*, sha256('corrected' || l.entry_id) as correction_id
    from ledger l
    where l.entry_id in (select event_id from _replaced union all select {cost_entry("event_id")} from _replaced)"""
    steps = [
        *reported_steps(warehouse, business, as_of),
        *matched_steps(business, as_of),
        *replaced_steps(warehouse, business, as_of),
        Step("_recorded", "rows that the matched events make", events),
        Step("_gone", "rows of events that no line tells any more", gone),
        Step("_known", "rows that the ledger has", "select entry_id from ledger"),
    ]
    return warehouse.query(
        f"""{with_steps(steps)}
        select cast(date '{as_of}' as date) as as_of, kind, entry_id, customer_id, unit_id, campaign, version, "group",
            action, channel, decided_id as decision_id, event_at as happened_at, paid_cents as cost_cents,
            cast(null as varchar) as corrects
        from _recorded where entry_id not in (select entry_id from _known)
        union all
        select date '{as_of}', 'corrected', correction_id, customer_id, unit_id, campaign, version, "group",
            action, channel, decision_id, happened_at, null, entry_id
        from _gone where correction_id not in (select entry_id from _known)
        order by happened_at, entry_id""",
        frames={"_days": days_frame(warehouse, business)},
    )
