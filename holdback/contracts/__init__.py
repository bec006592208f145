"""Contracts: what the batches of a feed must be, declared once and judged twice.

:func:`contract_of` builds a feed's rules from the declared tables and the business file; :class:`Judge` has Great
Expectations judge a batch by them; :func:`split_rows` finds the rows that broke one with SQL of our own, and
:func:`reconcile` refuses to go on when the two disagree.
"""

from holdback.contracts.judges import lent_judge
from holdback.contracts.judging import Judge, Verdict
from holdback.contracts.rules import Contract, Expectation, Judgement, Parameter, Rule, Severity
from holdback.contracts.splitting import contract_of, reconcile, split_rows

__all__ = [
    "Contract",
    "Expectation",
    "Judge",
    "Judgement",
    "Parameter",
    "Rule",
    "Severity",
    "Verdict",
    "contract_of",
    "lent_judge",
    "reconcile",
    "split_rows",
]
