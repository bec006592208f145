"""What value models said of each customer: the table ``customer_values``, as it counts on a day.

Each customer's newest row at or before the day counts, if it is no older than 31 days: who was not valued for longer
is taken for not valued at all. A row that cannot be used (no amount, months that are no number or below 0, a decile
outside 1 to 10) counts as none. Of several rows of the same customer and day the newest model's counts; where that one
contradicts itself, the smallest amount: nobody is believed to be worth more than the least that was said.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from holdback.business import Audience, Business, Campaign
from holdback.warehouse import Warehouse
from holdback.warehouse.ranges import within

if TYPE_CHECKING:
    import pyarrow as pa

#: A value that is older than this is not used any more: a month and a day, so that a monthly run leaves no gap.
VALUE_DAYS: Final = 31

#: The groups in which effects are measured by value: tenths one by one would be too small to tell anything.
DECILE_GROUPS: Final[Mapping[str, tuple[int, ...]]] = {
    "10": (10,), "8-9": (8, 9), "5-7": (5, 6, 7), "1-4": (1, 2, 3, 4),
}  # fmt: skip


def newest_version(column: str = "model_version") -> str:
    """SQL order that puts the newest version of a model first: by number, what is no number last.

    Examples:
        >>> newest_version("v")
        'try_cast(v as bigint) desc nulls last, v desc'
    """
    return f"try_cast({column} as bigint) desc nulls last, {column} desc"


def values_in_force(as_of: date, *, spine: bool = False) -> str:
    """SQL of the values that count on a day, one row per customer; of those around the spine's where there is one.

    Its columns: ``customer_id, valued_on, model_version, method, margin_cents, months, value_decile``.
    """
    own = "".join(f"        and {condition}\n" for condition in within("customer_id")) if spine else ""
    return (
        "select customer_id, as_of as valued_on, model_version, method, margin_cents, months, value_decile\n"
        "    from customer_values\n"
        f"    where as_of <= date '{as_of}' and as_of >= date '{as_of - timedelta(days=VALUE_DAYS)}'\n"
        "        and margin_cents is not null and (months is null or (isfinite(months) and months >= 0))\n"
        f"        and value_decile between 1 and 10\n{own}"
        "    qualify row_number() over (\n        partition by customer_id\n"
        f"        order by as_of desc, {newest_version()}, margin_cents, months, value_decile\n"
        "    ) = 1"
    )


def read_values(warehouse: Warehouse, as_of: date) -> pa.Table:
    """Return the values that count on a day, ordered by customer; columns as :func:`values_in_force`."""
    return warehouse.query(f"select * from ({values_in_force(as_of)}) as valued order by customer_id")


def value_version(warehouse: Warehouse, as_of: date) -> str | None:
    """Return the version of the value model behind the newest values that count on a day; None when there are none."""
    found = warehouse.query(
        f"select model_version from ({values_in_force(as_of)}) as valued "
        f"order by valued_on desc, {newest_version()} limit 1"
    )["model_version"].to_pylist()
    return str(found[0]) if found else None


def decile_condition(audience: Audience, *, column: str) -> str:
    """SQL condition: the customer's tenth by value is one that an audience asks for.

    A customer whom nobody valued lately is in no audience that asks.

    Examples:
        >>> decile_condition(Audience(value_deciles=(9, 10)), column="value_decile")
        'coalesce(value_decile in (9, 10), false)'
        >>> decile_condition(Audience(), column="value_decile")
        'true'
    """
    asked = ", ".join(str(decile) for decile in audience.value_deciles)
    return f"coalesce({column} in ({asked}), false)" if asked else "true"


def asks_for_deciles(business: Business, campaign: Campaign) -> tuple[str, ...]:
    """Return what of a campaign asks for tenths by value: ``audience``, or the names of actions; empty when nothing."""
    own = ("audience",) if campaign.audience.value_deciles else ()
    return own + tuple(name for name in campaign.actions if business.action_named(name).eligible.value_deciles)


def without_values(business: Business, campaign: Campaign, as_of: date) -> str:
    """Say that a campaign asks for tenths by value on a day on which nobody's value is known, and what to do."""
    asking = ", ".join(
        "the audience" if name == "audience" else f"actions.{name}.eligible"
        for name in asks_for_deciles(business, campaign)
    )
    return (
        f"{campaign.name}: {asking} asks for value_deciles, and nobody's value is known on {as_of} (no row of "
        f"customer_values in the {VALUE_DAYS} days before): nobody is in it. Train a value model and value the "
        "customers, or leave value_deciles out."
    )


def decile_group(column: str) -> str:
    """SQL of the group of tenths that a customer is in, by the names of :data:`DECILE_GROUPS`; null when not valued."""
    cases = " ".join(
        f"when {column} in ({', '.join(map(str, deciles))}) then '{name}'" for name, deciles in DECILE_GROUPS.items()
    )
    return f"case {cases} end"
