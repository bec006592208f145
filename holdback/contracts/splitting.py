"""Our own side of a contract: one pass that splits clean rows from bad ones, and the agreement of both sides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdback.contracts.batch_rules import batch_rules, is_inside
from holdback.contracts.judging import Verdict
from holdback.contracts.row_rules import row_rules
from holdback.contracts.rules import Bound, Contract, Judgement, Parameter, Rule, sql_of
from holdback.errors import OperatorError
from holdback.mapping import OFFERED
from holdback.sql import literal

if TYPE_CHECKING:
    import duckdb

    from holdback.mapping import Shape

JUDGED = "_judged"


def contract_of(shape: Shape) -> Contract:
    """Build a feed's contract from the declared tables and the business file.

    Raises:
        BusinessFileError: the business file asks for something that the column's type cannot have.
    """
    return Contract(shape.feed, (*row_rules(shape), *batch_rules(shape)))


def split_rows(
    connection: duckdb.DuckDBPyConnection, contract: Contract, parameters: Mapping[str, Bound]
) -> dict[str, int]:
    """Fill ``_judged`` with the offered rows, ``failed_rules`` and ``is_clean``; return the bad rows of each row rule.

    One pass over the rows. A predicate that is null is not a fault, so an unknown value is never bad by accident.
    """
    flags = ", ".join(
        f"case when coalesce({_predicate(rule, parameters)}, false) then {literal(rule.name)} end"
        for rule in contract.row_rules
    )
    connection.execute(
        f"create temp table {JUDGED} as select *, len(failed_rules) = 0 as is_clean from"
        f" (select *, list_filter([{flags}], lambda rule: rule is not null) as failed_rules from {OFFERED})"
    )
    found = connection.sql(
        f"select rule, count(*) from (select unnest(failed_rules) as rule from {JUDGED} where not is_clean)"
        " group by rule"
    ).fetchall()
    counts = dict.fromkeys((rule.name for rule in contract.row_rules), 0)
    counts.update({str(rule): int(count) for rule, count in found})
    return counts


def measure_batch(connection: duckdb.DuckDBPyConnection, contract: Contract) -> dict[str, Any]:
    """Return the figure that each batch rule bounds, by the rule's name, in one pass."""
    rules = contract.batch_rules
    if not rules:
        return {}
    selected = ", ".join(f"{rule.sql} as f{i}" for i, rule in enumerate(rules))
    row = connection.sql(f"select {selected} from {JUDGED}").fetchall()[0]
    return {rule.name: value for rule, value in zip(rules, row, strict=True)}


def reconcile(
    contract: Contract,
    counts: Mapping[str, int],
    figures: Mapping[str, Any],
    verdict: Verdict,
    parameters: Mapping[str, Bound],
) -> tuple[Judgement, ...]:
    """Return what every rule found, once both sides agree on it.

    Raises:
        OperatorError: Great Expectations and our SQL count differently.
    """
    judgements = []
    for rule in contract.rules:
        ours: Any
        theirs: Any
        if rule.scope == "row":
            ours, theirs = counts[rule.name], verdict.unexpected_counts[rule.name]
            judgement = Judgement(rule, ours == 0, unexpected_count=ours)
            agree = ours == theirs and judgement.is_passed == verdict.is_passed[rule.name]
        else:
            ours, theirs = figures[rule.name], verdict.observed[rule.name]
            passed = is_inside(ours, _known(rule.low, parameters), _known(rule.high, parameters))
            judgement = Judgement(rule, passed, observed=_written(ours))
            agree = passed == verdict.is_passed[rule.name]
        if not agree:
            raise OperatorError(
                f"contract of {contract.feed}: {rule.name}: our SQL found {ours}, Great Expectations {theirs}."
                " One of the two checks is broken; nothing was written. Report this with the batch."
            )
        judgements.append(judgement)
    return tuple(judgements)


def _predicate(rule: Rule, parameters: Mapping[str, Bound]) -> str:
    sql = rule.sql
    for name, value in parameters.items():
        sql = sql.replace("{" + name + "}", sql_of(value, parameters))
    return sql


def _known(bound: Bound | None, parameters: Mapping[str, Bound]) -> Bound | None:
    return parameters[bound.name] if isinstance(bound, Parameter) else bound


def _written(figure: Any) -> str | None:
    if figure is None:
        return None
    if isinstance(figure, float) and math.isfinite(figure):
        return f"{figure:.6g}"
    return figure.isoformat(sep=" ") if isinstance(figure, datetime) else str(figure)
