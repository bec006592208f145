"""By what a cohort can be divided: only what was known when a customer entered, and never a protected attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from campaigns.values import decile_group
from features.steps import Step, select
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.sql import literal
from monitoring.outcomes.asking import Asked
from monitoring.outcomes.assigned import layer_condition
from monitoring.outcomes.found import UNKNOWN, SegmentName

#: Names that every campaign has, besides the category attributes of the customers.
FIXED_NAMES = ("fit_class", "risk_tier", "value_decile", "intended_action", "entry_month")


@dataclass(frozen=True)
class Division:
    """The segments that were asked for.

    Attributes:
        names: As asked for.
        parts: SQL of the value of each name's parts, over ``_entered`` joined with what the steps end in.
        steps: SQL that ends in the relations of :attr:`joins`.
        joins: SQL that adds those relations.
    """

    names: tuple[SegmentName, ...]
    parts: Mapping[str, str]
    steps: tuple[Step, ...]
    joins: str

    def parts_of(self, name: SegmentName) -> tuple[str, ...]:
        """Return the names of which a segment's name is made."""
        return (name,) if isinstance(name, str) else name


def segment_names(business: Business) -> tuple[str, ...]:
    """Return every name by which a cohort of this business can be divided."""
    customers = business.customers
    attributes = () if customers is None else tuple(
        name for name, a in customers.attributes.items() if a.kind == "category" and name not in customers.protected
    )  # fmt: skip
    return (*FIXED_NAMES, *attributes)


def divide(asked: Asked, names: Sequence[SegmentName], *, is_single: bool) -> Division:
    """Return how each customer's segments are found.

    Args:
        asked: The cohort and the day.
        names: One name, or several together as a tuple.
        is_single: True when every unit is one customer.

    Raises:
        BusinessFileError: a name that does not exist or is protected.
    """
    wanted = list(dict.fromkeys(part for name in names for part in ((name,) if isinstance(name, str) else name)))
    for part in wanted:
        _refuse(asked.business, part)
    parts: dict[str, str] = {}
    steps: list[Step] = []
    joins = ""
    attributes = [part for part in wanted if part not in FIXED_NAMES]
    if attributes:
        steps += _versions_at_entry(asked, attributes)
        joins += "\n    left join _at_entry on _at_entry.who = _entered.who"
    if "intended_action" in wanted and asked.cohort.assigned_by is None:
        steps += _intended(asked, is_single=is_single)
        joins += "\n    left join _intended on _intended.who = _entered.who"
    if "value_decile" in wanted and asked.cohort.assigned_by is None:
        steps.append(_valued(asked))
        joins += "\n    left join _valued on _valued.who = _entered.who"
    for part in wanted:
        parts[part] = f"coalesce({_value(asked, part)}, {literal(UNKNOWN)})"
    return Division(tuple(names), parts, tuple(steps), joins)


def _refuse(business: Business, part: str) -> None:
    known = segment_names(business)
    if part in known:
        return
    protected = business.customers.protected if business.customers is not None else ()
    if part in protected:
        raise BusinessFileError(
            f"{business.slug}: segment {part!r}: is a protected attribute. What is protected is audited, never shown. "
            f"Choose one of: {', '.join(known)}."
        )
    near = get_close_matches(part, known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Choose one of: {', '.join(known)}."
    raise BusinessFileError(f"{business.slug}: segment {part!r}: is no category that was known at the entry. {hint}")


def _value(asked: Asked, part: str) -> str:
    if part == "fit_class":
        return "_entered.fit_class"
    if part == "value_decile":  # as it was frozen at the entry; what was assigned elsewhere froze none
        return decile_group("_valued.value_decile") if asked.cohort.assigned_by is None else "cast(null as varchar)"
    if part == "entry_month":
        return "strftime(_entered.entered_on, '%Y-%m')"
    if part == "risk_tier":
        tiers, p = asked.cohort.churn.risk_tiers, "_entered.probability"
        high, medium = (
            f"when {p} >= {tiers.high!r}::double then 'high'",
            f"when {p} >= {tiers.medium!r}::double then 'medium'",
        )
        return f"case {high} {medium} when {p} is not null then 'low' end"
    if part == "intended_action":
        if asked.cohort.assigned_by is None:
            return "_intended.intended_action"
        only = asked.campaign.actions[0] if asked.campaign is not None and len(asked.campaign.actions) == 1 else None
        return f"coalesce(_entered.action, {literal(only)})" if only is not None else "_entered.action"
    return f'_at_entry."{part}"'


def _valued(asked: Asked) -> Step:
    """The tenth by value that was frozen with the assignment; null in rows that are older than the column."""
    sql = f"""select who, max(value_decile) as value_decile
    from _entered inner join (
        select customer_id, as_of, value_decile from ledger where kind = 'assigned' and {layer_condition(asked)}
    ) as frozen on frozen.customer_id = _entered.customer_id and frozen.as_of = _entered.entered_on
    group by who"""
    return Step("_valued", "each customer's tenth by value, as frozen at his entry", sql)


def _intended(asked: Asked, *, is_single: bool) -> list[Step]:
    """What the policy chose on the day of the entry: of the customer, else of another member of his unit."""
    named = "campaign is not null" if asked.cohort.campaign is None else f"campaign = {literal(asked.cohort.campaign)}"
    version = "" if asked.cohort.campaign is None else f" and version = {asked.cohort.version}"
    own = f"""select who, _entered.unit_id, max(ledger.intended_action) as intended_action
    from _entered inner join ledger
        on ledger.customer_id = _entered.customer_id and ledger.as_of = _entered.entered_on
    where ledger.kind = 'decided' and {named}{version}
    group by who, _entered.unit_id"""
    if is_single:
        return [Step("_intended", "what the policy chose on the day of the entry", own)]
    shared = """select _entered.who, coalesce(own.intended_action, any.intended_action) as intended_action
    from _entered left join _chosen own on own.who = _entered.who
        left join (
            select unit_id, min(intended_action) as intended_action
            from _chosen where intended_action <> 'none' group by unit_id
        ) "any" on "any".unit_id = _entered.unit_id"""
    shared = shared.replace("any.intended", '"any".intended')
    return [
        Step("_chosen", "what the policy chose on the day of the entry", own),
        Step("_intended", "who was not looked at himself shares the choice of his unit", shared),
    ]


def _versions_at_entry(asked: Asked, attributes: Sequence[str]) -> list[Step]:
    """The newest version of each customer that was known when he entered; else the first that became known."""
    quoted = [f'"{name}"' for name in attributes]
    replaced = "null::timestamp as replaced_at"
    source = "from customers"
    if "customers" in asked.corrected:
        replaced = "superseded.replaced_at"
        source = """from customers left join superseded on superseded.feed = 'customers'
        and superseded.batch_id = customers.batch_id and superseded.row_number = customers.row_number"""
    versions = select(
        ["customers.customer_id", *quoted, "loaded_at", "customers.batch_id", "customers.row_number", replaced],
        f"{source}\n    where loaded_at <= {asked.clock.now} and customer_id in (select customer_id from spine)",
    )
    order = "row(loaded_at, batch_id, row_number)"
    picked = f"{{{', '.join(f'{name}: {name}' for name in quoted)}}}"
    known = "loaded_at <= entered_at and (replaced_at is null or replaced_at > entered_at)"
    chosen = f"""select who,
        coalesce(arg_max({picked}, {order}) filter (where {known}), arg_min({picked}, {order})) as version
    from _entered inner join _versions using (customer_id)
    group by who"""
    columns = ["who", *(f"version.{name} as {name}" for name in quoted)]
    return [
        Step("_versions", "versions of the cohort's customers", versions),
        Step("_chosen_versions", "the one that was known at the entry", chosen),
        Step("_at_entry", "what was known of each customer at his entry", select(columns, "from _chosen_versions")),
    ]
