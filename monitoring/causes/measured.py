"""What campaigns were measured to change: the only evidence of a cause that there is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from holdback.business import Business, Churn
from holdback.warehouse import Warehouse
from monitoring.causes.results import Figure, Measured
from monitoring.causes.vocabulary import is_named_after
from monitoring.measurement.readable import readable_effects
from monitoring.outcomes import CHURNED


def measured_effects(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, subjects: Collection[str]
) -> tuple[Measured, ...]:
    """Return what each campaign against this churn changed, as it may be quoted on a day.

    Which reading that is says :mod:`monitoring.measurement.readable`; exploratory ones never are. An effect is
    tied to a family or feature only when the campaign or one of its actions bears its name (``price_promise`` to
    ``price``): what an action is about is never guessed.

    Args:
        warehouse: Where tables ``effects`` and ``integrity_checks`` are.
        business: The company.
        churn: The churn definition.
        as_of: The day of knowledge.
        subjects: Families and features.
    """
    own = {c.name: c for c in business.campaigns if business.churn_named(c.churn).name == churn.name}
    if not own:
        return ()
    rows = readable_effects(warehouse, own, CHURNED, as_of)
    found = []
    for _, row in sorted(rows.items()):
        actions = own[row["campaign"]].actions
        names = (row["campaign"], *actions)
        found.append(
            Measured(
                campaign=row["campaign"],
                version=row["version"],
                actions=actions,
                change=Figure(100 * row["estimate"], _points(row["low"]), _points(row["high"])),
                level=row["level"] if row["level"] is not None else 0.95,
                reading=row["reading"],
                read_on=row["as_of"],
                families=tuple(s for s in subjects if any(is_named_after(name, s) for name in names)),
            )
        )
    return tuple(found)


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share
