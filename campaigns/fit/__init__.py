"""Fit: is keeping this customer worth what it costs? Expected margin minus cost to serve minus cost of retention.

The front door: :func:`classify` computes a day's table ``fit`` once, :func:`stored_fit` reads it back,
:func:`explain_fit` tells one customer's arithmetic, :func:`audit_fit` compares the classes over protected attributes,
:func:`finance_export` and :func:`sensitivity` speak to finance, :func:`backtest` compares classes with what happened.
"""

from campaigns.fit.audit import FitAudit, GroupAudit, audit_fit
from campaigns.fit.backtest import Backtest, ClassOutcome, backtest
from campaigns.fit.bases import FROM_RECORDS, told
from campaigns.fit.classification import FitResult, classify
from campaigns.fit.explanations import FitExplanation, FitLine, explain_fit
from campaigns.fit.finance import FinanceExport, Reconciliation, WhatIf, finance_export, sensitivity
from campaigns.fit.records import fit_in_force, stored_fit

__all__ = [
    "FROM_RECORDS",
    "Backtest",
    "ClassOutcome",
    "FinanceExport",
    "FitAudit",
    "FitExplanation",
    "FitLine",
    "FitResult",
    "GroupAudit",
    "Reconciliation",
    "WhatIf",
    "audit_fit",
    "backtest",
    "classify",
    "explain_fit",
    "finance_export",
    "fit_in_force",
    "sensitivity",
    "stored_fit",
    "told",
]
