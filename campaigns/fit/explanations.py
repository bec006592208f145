"""One customer's class, with every line behind it and what would change it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from campaigns.fit.arithmetic import CONFIDENCE
from campaigns.fit.bases import FROM_RECORDS
from campaigns.lifts import model_source
from holdback.business import Business
from holdback.errors import DataError
from holdback.sql import literal
from holdback.warehouse import Warehouse


@dataclass(frozen=True)
class FitLine:
    """One line of the arithmetic.

    Attributes:
        name: ``margin``, ``contacts by <channel>``, ``retention``.
        amount_cents: Over the horizon; costs are negative.
        how: How it was found, recomputable by hand.
    """

    name: str
    amount_cents: int
    how: str


@dataclass(frozen=True)
class FitExplanation:
    """What was decided about a customer on a day, as it was stored then.

    Attributes:
        customer_id: The customer.
        as_of: The day.
        currency: Of the amounts.
        fit: 0 to 100; 50 is break-even.
        fit_class: The class.
        guardrail: What protected the customer, or None.
        net_cents: V - C - R; the lines add up to it.
        net_low_cents: Lower end of its 80 % interval.
        net_high_cents: Upper end.
        lines: The lines.
        changes: What would change it, in words.
        expires_on: First day on which the class no longer holds.
    """

    customer_id: str
    as_of: date
    currency: str
    fit: float
    fit_class: str
    guardrail: str | None
    net_cents: int
    net_low_cents: int
    net_high_cents: int
    lines: tuple[FitLine, ...]
    changes: tuple[str, ...]
    expires_on: date

    def __str__(self) -> str:
        width = max(len(line.name) for line in self.lines)
        protected = f", protected by {self.guardrail}" if self.guardrail else ""
        rows = [f"  {line.name:<{width}} {line.amount_cents / 100:>12,.2f}  {line.how}" for line in self.lines]
        rows.append(
            f"  {'net':<{width}} {self.net_cents / 100:>12,.2f}  {CONFIDENCE:.0%} interval "
            f"{self.net_low_cents / 100:,.2f} to {self.net_high_cents / 100:,.2f} {self.currency}"
        )
        head = f"{self.customer_id} on {self.as_of}: {self.fit_class}, fit {self.fit:.0f}{protected}"
        return "\n".join([head, *rows, *(f"  {change}" for change in self.changes)])


def explain_fit(warehouse: Warehouse, business: Business, as_of: date, customer_id: str) -> FitExplanation:
    """Return the stored class of one customer with its arithmetic; nothing is computed anew.

    Raises:
        DataError: the customer has no class on that day.
    """
    rows = warehouse.query(
        f"select * from fit where as_of = date '{as_of.isoformat()}' and customer_id = {literal(customer_id)}"
    ).to_pylist()
    if not rows:
        raise DataError(
            f"{business.slug}: fit of {as_of}: customer {customer_id!r} has no class. Only those who were customers or "
            "were scored on that day have one. Check the key and the day."
        )
    row = rows[0]
    facts: dict[str, Any] = json.loads(row["arithmetic"])
    return FitExplanation(
        customer_id=customer_id,
        as_of=as_of,
        currency=business.currency,
        fit=row["fit"],
        fit_class=row["fit_class"],
        guardrail=row["guardrail"],
        net_cents=row["net_cents"],
        net_low_cents=row["net_low_cents"],
        net_high_cents=row["net_high_cents"],
        lines=_lines(row, facts),
        changes=_changes(row, facts, business),
        expires_on=row["expires_on"],
    )


def shared_out(total: int, parts: list[float]) -> list[int]:
    """Round parts to cents so that they add up to a total (largest remainders first).

    Examples:
        >>> shared_out(10, [3.4, 3.3, 3.3])
        [4, 3, 3]
    """
    rounded = [int(part // 1) for part in parts]
    order = sorted(range(len(parts)), key=lambda i: (-(parts[i] % 1), i))
    difference = total - sum(rounded)
    for position in range(abs(difference)):
        rounded[order[position % len(order)]] += 1 if difference > 0 else -1
    return rounded


def _lines(row: dict[str, Any], facts: dict[str, Any]) -> tuple[FitLine, ...]:
    months, margin = facts["months"], facts["margin"] / 100
    chance = f"{facts['p']:.1%} leave in {facts['days']} days"
    chance += "" if facts["scored"] else " (the mean of the scored: this customer has no score)"
    how = f"{margin:,.2f} a month x {months:.2f} months; {_rests_on(facts.get('value'), chance)}"
    lines = [FitLine("margin", row["margin_cents"], how)]
    contacts = facts["contacts"]
    costs = [_monthly_rate(c) * c["cost"] * months for c in contacts.values()]
    shares = shared_out(row["cost_to_serve_cents"], costs) if costs else []
    for (channel, contact), cents in zip(contacts.items(), shares, strict=True):
        rate = f"({contact['a']:.3g} + {contact['n']}) / ({contact['b']:.3g} + {contact['months']:.1f}) a month"
        how = f"{rate} x {contact['cost'] / 100:,.2f} x {months:.2f} months"
        lines.append(FitLine(f"contacts by {channel}", -cents, how))
    action = facts["action"]
    return (*lines, FitLine("retention", -row["retention_cents"], _planned(action)))


def _rests_on(value: dict[str, str] | None, chance: str) -> str:
    """Whether the months, or the whole margin, are a value model's or follow from the records."""
    if value is None:
        return f"{chance}; {FROM_RECORDS}"
    whose = "the months are" if value["gives"] == "months" else f"{chance}; the margin of the horizon is"
    return f"{whose} by {value['model']}"


def _planned(action: dict[str, Any] | None) -> str:
    if not action:
        return "nothing is planned"
    if action["lift_status"] == "modelled":
        source = model_source(action["model_version"])
        return f"one {action['name']}; {100 * action['uplift']:+.2f} points of staying by {source}"
    return f"one {action['name']}; its lift is {action['lift_status']}"


def _monthly_rate(contact: dict[str, Any]) -> float:
    return float((contact["a"] + contact["n"]) / (contact["b"] + contact["months"]))


def _changes(row: dict[str, Any], facts: dict[str, Any], business: Business) -> tuple[str, ...]:
    changes = []
    short, months = -row["net_cents"], facts["months"]
    if short > 0 and months > 0:
        margin = (row["cost_to_serve_cents"] + row["retention_cents"]) / months / 100
        changes.append(f"breaks even at a margin of {margin:,.2f} {business.currency} a month")
        costs = {channel: _monthly_rate(c) * c["cost"] for channel, c in facts["contacts"].items()}
        dearest = max(costs, key=costs.__getitem__, default=None)
        if dearest is not None and short / months <= costs[dearest]:
            fewer = short / months / facts["contacts"][dearest]["cost"]
            changes.append(f"or with {fewer:.2g} fewer contacts a month by {dearest}")
    if facts["faults"]:
        changes.append(f"{facts['faults']} contacts that we caused are not counted")
    return tuple(changes)
