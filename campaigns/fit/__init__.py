"""Fit: is keeping this customer worth what it costs? Expected margin minus cost to serve minus cost of retention.

The front door: :func:`classify` computes a day's table ``fit`` once, :func:`stored_fit` reads it back,
:func:`explain_fit` tells one customer's arithmetic, :func:`audit_fit` compares the classes over protected attributes.
"""

from campaigns.fit.audit import FitAudit, GroupAudit, audit_fit
from campaigns.fit.classification import FitResult, classify
from campaigns.fit.explanations import FitExplanation, FitLine, explain_fit
from campaigns.fit.records import fit_in_force, stored_fit

__all__ = [
    "FitAudit",
    "FitExplanation",
    "FitLine",
    "FitResult",
    "GroupAudit",
    "audit_fit",
    "classify",
    "explain_fit",
    "fit_in_force",
    "stored_fit",
]
