"""What was really sent, compared with what was decided.

:func:`~campaigns.reconciliation.reconciling.reconcile` writes what the feeds reported into the ledger;
:func:`~campaigns.reconciliation.findings.findings` says what does not fit, at any time.
"""

from campaigns.reconciliation.findings import Finding, findings, found_rows
from campaigns.reconciliation.questions import FindingKind
from campaigns.reconciliation.reconciling import Reconciliation, reconcile

__all__ = ["Finding", "FindingKind", "Reconciliation", "findings", "found_rows", "reconcile"]
