"""The first screen of the report: how many are at risk, what they have in common, and whether the model is any good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Any

from features.families import feature_set
from holdback.business import Business, Churn
from holdback.warehouse import Warehouse
from monitoring.cells import shown_count
from monitoring.proportions import Share, wilson
from monitoring.risk import tier_counts
from training.reasons import from_json

TOP_REASONS = 8


@dataclass(frozen=True, slots=True)
class Tier:
    """Customers of one risk tier.

    Attributes:
        name: ``high``, ``medium`` or ``low``.
        lowest: Probability from which a customer belongs to it.
        count: Its customers; None when they are not shown.
        share: Of all those scored; None when they are not shown.
        mean_probability: None when they are not shown, or nobody is in it.
        is_small: True when they are not shown because they are too few; a tier that is not shown although it is large
            would give a small one away.
    """

    name: str
    lowest: float
    count: int | None
    share: float | None
    mean_probability: float | None
    is_small: bool = False


@dataclass(frozen=True, slots=True)
class CommonReason:
    """A main reason and how many customers above the capacity line have it; None when too few to show."""

    meaning: str
    count: int | None
    share: float | None


@dataclass(frozen=True, slots=True)
class Scored:
    """One day's scores in numbers.

    Attributes:
        model_version: The model that scored.
        customer_count: Customers scored.
        at_risk: Those in the tiers high and medium. Its interval is that of the share, were the customers a sample.
        is_at_risk_shown: False when that count, or the rest, is too small to be shown.
        tiers: High, medium, low.
        expected: Sum of the probabilities.
        expected_low: Lower end of what chance does to that sum, if the probabilities are right.
        expected_high: Upper end.
        line_count: Customers above the capacity line.
        line_expected: Sum of their probabilities.
        line_probability: The lowest probability above the line; None when nobody is.
        reasons: Main reasons above the line, commonest first.
    """

    model_version: str
    customer_count: int
    at_risk: Share
    is_at_risk_shown: bool
    tiers: tuple[Tier, ...]
    expected: float
    expected_low: float
    expected_high: float
    line_count: int
    line_expected: float
    line_probability: float | None
    reasons: tuple[CommonReason, ...]


def scored_day(warehouse: Warehouse, business: Business, churn: Churn, as_of: date) -> Scored | None:
    """Return the day's scores in numbers; None when the day was not scored."""
    where = f"churn = '{churn.name}' and as_of = date '{as_of}'"
    total = _one(
        warehouse,
        "select count(*) as n, max(model_version) as version, sum(probability) as expected, "
        "sum(probability * (1 - probability)) as variance, count(*) filter (where is_above_capacity_line) as line, "
        "sum(probability) filter (where is_above_capacity_line) as line_expected, "
        f"min(probability) filter (where is_above_capacity_line) as line_lowest from scores where {where}",
    )
    if total["n"] == 0:
        return None
    by_tier = {
        row["risk_tier"]: row
        for row in warehouse.query(
            f"select risk_tier, count(*) as n, avg(probability) as mean from scores where {where} group by all"
        ).to_pylist()
    }
    counts = [by_tier[name]["n"] if name in by_tier else 0 for name in ("high", "medium", "low")]
    cuts = (churn.risk_tiers.high, churn.risk_tiers.medium, 0.0)
    shown = tier_counts(as_of, *counts)
    tiers = tuple(
        Tier(name, cut, None, None, None, is_small=shown_count(count) is None)
        if kept is None
        else Tier(name, cut, count, count / total["n"], by_tier[name]["mean"] if name in by_tier else None)
        for name, cut, count, kept in zip(
            ("high", "medium", "low"), cuts, counts, (shown.high, shown.medium, shown.low), strict=True
        )
    )
    spread = 1.96 * sqrt(total["variance"])
    return Scored(
        model_version=str(total["version"]),
        customer_count=total["n"],
        at_risk=wilson(counts[0] + counts[1], total["n"]),
        is_at_risk_shown=shown.at_risk is not None,
        tiers=tiers,
        expected=total["expected"],
        expected_low=max(total["expected"] - spread, 0.0),
        expected_high=min(total["expected"] + spread, float(total["n"])),
        line_count=total["line"],
        line_expected=total["line_expected"] or 0.0,
        line_probability=total["line_lowest"],
        reasons=_common_reasons(warehouse, business, where),
    )


def _common_reasons(warehouse: Warehouse, business: Business, where: str) -> tuple[CommonReason, ...]:
    meanings = {feature.name: getattr(feature.meaning, business.language) for feature in feature_set(business)}
    texts = warehouse.query(f"select reasons from scores where {where} and is_above_capacity_line")[
        "reasons"
    ].to_pylist()
    first: Counter[str] = Counter()
    for reasons in (from_json(text) for text in texts if text):
        if reasons:
            first[meanings.get(reasons[0].feature, reasons[0].feature)] += 1
    ranked = sorted(first.items(), key=lambda item: (-item[1], item[0]))[:TOP_REASONS]
    # No cell beside is hidden with a small one: customers without a reason worth telling are not counted here, so that
    # it cannot be worked out.
    shown = [(meaning, shown_count(count)) for meaning, count in ranked]
    return tuple(CommonReason(meaning, n, None if n is None else n / len(texts)) for meaning, n in shown)


def _one(warehouse: Warehouse, sql: str) -> Mapping[str, Any]:
    row: Mapping[str, Any] = warehouse.query(sql).to_pylist()[0]
    return row
