"""Profit and loss of retention, for finance: what was spent, what it brought, and what was given for nothing.

:func:`pnl` makes the account of a day and proves it against ledger and transactions; :func:`write_pnl` exports it with
its arithmetic (:data:`ARITHMETIC`).
"""

from monitoring.pnl.account import pnl
from monitoring.pnl.export import ARITHMETIC, pnl_table, write_pnl
from monitoring.pnl.lines import ALL, Amount, Earned, Line, ProfitAndLoss, Proof, Spent, Sums

__all__ = [
    "ALL",
    "ARITHMETIC",
    "Amount",
    "Earned",
    "Line",
    "ProfitAndLoss",
    "Proof",
    "Spent",
    "Sums",
    "pnl",
    "pnl_table",
    "write_pnl",
]
