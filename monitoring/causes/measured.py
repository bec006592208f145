"""What campaigns were measured to change: the only evidence of a cause that there is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from holdback.business import Business, Churn
from holdback.sql import literal
from holdback.warehouse import Warehouse
from monitoring.causes.results import Figure, Measured
from monitoring.causes.vocabulary import is_named_after


def measured_effects(
    warehouse: Warehouse, business: Business, churn: Churn, as_of: date, subjects: Collection[str]
) -> tuple[Measured, ...]:
    """Return what each campaign against this churn changed, by its newest reading up to a day.

    The planned reading counts before the daily ones; exploratory readings and withheld ones do not count. An effect is
    tied to a family or feature only when the campaign or one of its actions bears its name (``price_promise`` to
    ``price``): what an action is about is never guessed.

    Args:
        warehouse: Where table ``effects`` is.
        business: The company.
        churn: The churn definition.
        as_of: The day of knowledge.
        subjects: Families and features.
    """
    own = {c.name: c for c in business.campaigns if business.churn_named(c.churn).name == churn.name}
    if not own:
        return ()
    listed = ", ".join(literal(name) for name in own)
    rows = warehouse.query(
        "select campaign, version, estimate, low, high, level, reading, as_of from effects\n"
        f"where campaign in ({listed}) and as_of <= date '{as_of}' and metric = 'churned' and segment = 'all'\n"
        "    and reading in ('official', 'daily') and estimate is not null\n"
        "qualify row_number() over (partition by campaign order by version desc, reading = 'official' desc, "
        "as_of desc, method) = 1\norder by campaign"
    ).to_pylist()
    found = []
    for row in rows:
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
