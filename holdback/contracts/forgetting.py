"""The rule on people who are forgotten: their rows come no further than the placeholder that stands for them."""

from __future__ import annotations

from dataclasses import replace

from holdback.contracts.rules import Contract, Expectation, Rule
from holdback.forgotten import PLACEHOLDER
from holdback.sql import literal

NOT_FORGOTTEN = Rule(
    "customer_is_not_forgotten",
    "customer_id",
    "warning",
    "row",
    "who was forgotten does not come in again, unless the company says that the person came back",
    f'"customer_id" = {literal(PLACEHOLDER)}',
    Expectation("ExpectColumnValuesToNotBeInSet", (("column", "customer_id"), ("value_set", (PLACEHOLDER,)))),
)


def refusing_forgotten(contract: Contract) -> Contract:
    """Return a contract that also refuses who is forgotten."""
    return replace(contract, rules=(NOT_FORGOTTEN, *contract.rules))
