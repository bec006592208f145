"""Moments, computed where the rows are, by sums that do not cancel; nothing else leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monitoring.effects.moments import Floats, Moments
from monitoring.outcomes.found import TOTALS

#: What is summed by unit in the warehouse; the other totals are linear in these.
BASE = (
    "customers", "present", "known", "churned", "risk", "revenue_cents", "revenue_capped_cents", "cost_cents",
    "kept_cents", "before_cents", "reached", "asked", "answered", "nps", "score",
)  # fmt: skip


def centred(names: Sequence[str], rest: str) -> str:
    """SQL of totals less the rounded mean of all units (relation ``_centre``), and of what ``rest`` names besides.

    Sums of products do not cancel when both factors are about zero, and cost a quarter of what ``covar_samp`` does.
    What is whole stays whole: a group in which everybody is alike has a variance of exactly 0.
    """
    return ", ".join([*filter(None, [rest]), *(f"units.{name} - _centre.{name} as {name}" for name in names)])


def moment_columns(names: Sequence[str]) -> str:
    """SQL of ``unit_count, sums, products`` (upper triangle by rows) of centred columns."""
    sums = ", ".join(f"sum({name})" for name in names)
    pairs = ", ".join(f"sum({a} * {b})" for i, a in enumerate(names) for b in names[i:])
    return f"count(*) as unit_count, [{sums}] as sums, [{pairs}] as products"


def linear_map(margin_rate: float, outcome_count: int) -> Floats:
    """Return the matrix that makes all totals of the base ones, shape (k, b): margin, net and kept value are sums."""
    base = [*BASE, *(f"outcome_{n}" for n in range(outcome_count))]
    names = [*TOTALS, *base[len(BASE) :]]
    made = np.zeros((len(names), len(base)))
    terms: Mapping[str, Mapping[str, float]] = {
        "margin_cents": {"revenue_capped_cents": margin_rate},
        "net_cents": {"revenue_capped_cents": margin_rate, "cost_cents": -1.0},
        "value_kept_cents": {"kept_cents": 1.0, "cost_cents": -1.0},
    }
    for row, name in enumerate(names):
        for part, weight in terms.get(name, {name: 1.0}).items():
            made[row, base.index(part)] = weight
    return made


def moments_from(row: Mapping[str, Any] | None, names: tuple[str, ...], made: Floats, centre: Floats) -> Moments:
    """Return the moments that a row of :func:`moment_columns` tells; of nobody when there is none.

    Args:
        row: ``unit_count, sums, products`` of centred base totals.
        names: Of all totals.
        made: What makes them of the base totals, shape (k, b).
        centre: What was subtracted of each base total, shape (b,).
    """
    total_count, base_count = made.shape
    if row is None or row["unit_count"] == 0:
        return Moments(names, 0, np.zeros(total_count), np.zeros((total_count, total_count)))
    count = int(row["unit_count"])
    off = np.array(row["sums"], dtype=np.float64) / count
    covariance = np.zeros((base_count, base_count))
    if count > 1:
        covariance[np.triu_indices(base_count)] = np.array(row["products"], dtype=np.float64)
        covariance = (covariance + covariance.T - np.diag(np.diag(covariance)) - count * np.outer(off, off)) / (
            count - 1
        )
    return Moments(names, count, made @ (centre + off), made @ covariance @ made.T)
