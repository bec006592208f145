"""The account as a CSV file for finance: each figure beside the columns that it is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from campaigns.delivery.contact_list import csv_bytes
from campaigns.delivery.outbox import write_file
from monitoring.outcomes import PROGRAMME
from monitoring.pnl.lines import Amount, Earned, Line, ProfitAndLoss

OUTSIDE = "outside the analysis"

#: How finance recomputes the figures from the columns. Amounts are in the business' currency. Costs add up over the
#: lines that are no total; effects, and what follows from them, do not add up.
ARITHMETIC = (
    "cost = contact_cost + incentive_cost",
    "margin_per_customer = treated_margin / treated - held_out_margin / held_out"
    " - theta * (treated_before / treated - held_out_before / held_out)",
    "incremental_margin = margin_per_customer * treated (likewise low and high)",
    "net = incremental_margin - cost (likewise low and high)",
    "roi = net / cost (likewise low and high)",
    "incentives_to_stayers = stayer_share * incentive_cost (likewise low and high)",
    "expected_net = (treated_value_kept / treated - held_out_value_kept / held_out) * treated",
)

_TEXTS = ("campaign", "fit_class", "entry_month", "status", "method", "notes")
_NUMBERS = ("version", "treated", "held_out", "decisions")


def write_pnl(account: ProfitAndLoss, path: Path) -> Path:
    """Write the account; only the owner can read the file. No customer is in it.

    Args:
        account: Result of :func:`monitoring.pnl.pnl`.
        path: The CSV file; its folder exists.

    Raises:
        OperatorError: the disk is full or refuses.
    """
    write_file(path, csv_bytes(pnl_table(account)))
    return path


def pnl_table(account: ProfitAndLoss) -> pa.Table:
    """Return one row per line, in the order of the account, with all columns that :data:`ARITHMETIC` names."""
    rows = [_row(line) for line in account.lines]
    names = list(rows[0])
    columns = {name: pa.array([row[name] for row in rows], _type_of(name)) for name in names}
    fixed = {
        "as_of": pa.array([account.as_of.isoformat()] * len(rows), pa.string()),
        "currency": pa.array([account.currency] * len(rows), pa.string()),
        "level": pa.array([account.level] * len(rows), pa.float64()),
    }
    return pa.table({**fixed, **columns})


def _type_of(name: str) -> pa.DataType:
    if name in _TEXTS:
        return pa.string()
    if name == "is_total":
        return pa.bool_()
    return pa.int64() if name in _NUMBERS else pa.float64()


def _row(line: Line) -> dict[str, Any]:
    spent, found = line.spent, line.earned
    return {
        "campaign": line.campaign or PROGRAMME,
        "version": line.version,
        "fit_class": line.fit_class or OUTSIDE,
        "entry_month": line.entry_month or OUTSIDE,
        "is_total": line.is_total,
        "status": line.reason or "measured",
        "treated": line.treatment_count,
        "held_out": line.holdout_count,
        "decisions": spent.decision_count,
        "contact_cost": _money(spent.contact_cents),
        "incentive_cost": _money(spent.incentive_cents),
        "cost": _money(spent.cents),
        **_basis(found),
        **_amount("incremental_margin", found.incremental_margin if found else None),
        **_amount("net", found.net if found else None),
        **_interval("roi", found.roi if found else None),
        **_interval("stayer_share", found.stayer_share if found else None),
        **_amount("incentives_to_stayers", found.stayer_incentives if found else None),
        **_amount("expected_net", found.expected_net if found else None),
        "method": found.margin.method if found else None,
        "notes": "; ".join(found.margin.notes) if found else None,
    }


def _basis(found: Earned | None) -> dict[str, float | None]:
    """What the effect is computed from. Sums and theta are not rounded to cents: what follows from them is."""
    names = ("revenue", "margin", "before", "value_kept")
    sums: dict[str, float | None] = {f"{group}_{name}": None for group in ("treated", "held_out") for name in names}
    if found is None:
        return {**sums, "theta": None, **_interval("margin_per_customer", None)}
    for group, own in (("treated", found.treatment), ("held_out", found.holdout)):
        values = (own.revenue_cents, own.margin_cents, own.before_cents, own.value_kept_cents)
        sums |= {f"{group}_{name}": value / 100 for name, value in zip(names, values, strict=True)}
    effect = found.margin
    per_one = (effect.estimate / 100, effect.low / 100, effect.high / 100)
    return {**sums, "theta": found.theta, **_interval("margin_per_customer", per_one)}


def _interval(name: str, ends: Sequence[float] | None) -> dict[str, float | None]:
    low_to_high = (None, None, None) if ends is None else tuple(ends)
    return dict(zip((name, f"{name}_low", f"{name}_high"), low_to_high, strict=True))


def _amount(name: str, amount: Amount | None) -> dict[str, float | None]:
    if amount is None:
        return _interval(name, None)
    return _interval(name, tuple(map(_money, (amount.cents, amount.low_cents, amount.high_cents))))


def _money(cents: float) -> float:
    """Cents in the currency's unit, rounded to the cent."""
    return round(cents) / 100
