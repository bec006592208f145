"""Our own page of a batch's validation: the verdict, every rule, and the values that broke them, without personal data.

Great Expectations' own pages are unstyled without internet, leave their status column empty there, and load a picture
that reports every view when there is one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from holdback.business import Business
from holdback.business.sections import Constant, Product
from holdback.errors import DataError
from holdback.mapping import Shape, shape_of
from holdback.workspace import Workspace
from monitoring.cells import MINIMUM_CELL
from monitoring.pages import render, write_page
from monitoring.words import Words

Verdict = Literal["refused", "warned", "accepted"]

EXAMPLES = 5
"""Values shown per rule."""
ROWS_READ = 200
"""Quarantined rows per rule that examples are taken from."""
_LOOKS_LIKE_A_NUMBER_OR_DAY = re.compile(r"[\d\s.,:;+\-/TZ%€$£eE]*")
_NEVER_SHOWN = frozenset(
    {"customer_id", "order_id", "subscription_id", "household_id", "contact_key", "remark", "reason", "has_consent"}
)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule's verdict on the batch. ``unexpected_count`` is None for rules on the whole batch."""

    rule: str
    column: str | None
    severity: str
    scope: str
    is_passed: bool
    unexpected_count: int | None
    observed: str | None
    expected: str
    expectation: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """Values that broke a rule; None stands for those that are not shown, with how many rows they are."""

    rule: str
    values: tuple[tuple[str | None, int], ...]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Everything that the page of one batch says.

    Attributes:
        batch_id: The batch.
        feed: The feed it was offered to.
        as_of: The day it was loaded for.
        source: Name of its file; None for a refused batch, of which only the verdict is kept.
        verdict: ``refused``, ``warned`` or ``accepted``.
        rows_offered: Rows in the file; None for a refused batch.
        rows_clean: Rows let in.
        rows_quarantined: Rows kept aside.
        first_event_at: Earliest event let in.
        last_event_at: Latest event let in.
        is_load_time_assumed: True for history.
        rules: Failed ones first, by severity.
        examples: Of the failed row rules.
    """

    batch_id: str
    feed: str
    as_of: date
    source: str | None
    verdict: Verdict
    rows_offered: int | None
    rows_clean: int | None
    rows_quarantined: int | None
    first_event_at: datetime | None
    last_event_at: datetime | None
    is_load_time_assumed: bool
    rules: tuple[RuleResult, ...]
    examples: tuple[Example, ...]


def write_validation_page(workspace: Workspace, batch_id: str | None = None) -> Path:
    """Write the page of one batch: the one named, or the one that was validated last (accepted or refused).

    Returns:
        ``reports/validation/<batch>.html``; ``none.html`` when no batch was named and none was ever validated.

    Raises:
        DataError: no batch of this name was ever validated.
        OperatorError: the page cannot be written.
    """
    wanted = batch_id if batch_id is not None else _last_validated(workspace)
    if wanted is None:
        words = Words(workspace.business.language)
        html = render("validation.html.j2", words, r=None, business_name=workspace.business.name)
        return write_page(workspace.reports / "validation" / "none.html", html)
    return write_validation_pages(workspace, [wanted])[0]


def write_validation_pages(workspace: Workspace, batch_ids: Sequence[str]) -> list[Path]:
    """Write the pages of several batches, reading the warehouse once; see :func:`write_validation_page`."""
    business, words = workspace.business, Words(workspace.business.language)
    found = batch_results(workspace, batch_ids)
    missing = [batch_id for batch_id in batch_ids if batch_id not in found]
    if missing:
        raise DataError(
            f"{business.slug}: validation page: batch {missing[0]!r} was never validated. Name one of those that "
            "`holdback quarantine list` or `holdback runs` show."
        )
    folder = workspace.reports / "validation"
    return [
        write_page(folder / f"{batch_id}.html", draw(found[batch_id], business.name, words)) for batch_id in batch_ids
    ]


def batch_results(workspace: Workspace, batch_ids: Sequence[str]) -> dict[str, BatchResult]:
    """Read what is known of several batches; those that were never validated are left out."""
    warehouse = workspace.warehouse
    listed = ", ".join(_literal(batch_id) for batch_id in dict.fromkeys(batch_ids)) or "''"
    rules = _grouped(
        warehouse.query(
            f"select * from validations where batch_id in ({listed}) "
            "qualify row_number() over (partition by batch_id, rule order by is_accepted desc, as_of desc) = 1"
        ).to_pylist()
    )
    batches = _grouped(warehouse.query(f"select * from batches where batch_id in ({listed})").to_pylist())
    broken = _grouped(
        warehouse.query(
            "select batch_id, rule, raw, is_parsed from (select batch_id, row_number, raw, is_parsed, "
            "unnest(from_json(failed_rules, '[\"varchar\"]')) as rule from quarantine "
            f"where batch_id in ({listed})) qualify row_number() over "
            f"(partition by batch_id, rule order by row_number) <= {ROWS_READ} order by batch_id, rule, row_number"
        ).to_pylist()
    )
    return {
        batch_id: _result(workspace.business, batch_id, found, batches.get(batch_id, []), broken.get(batch_id, []))
        for batch_id, found in rules.items()
    }


def draw(result: BatchResult, business_name: str, words: Words) -> str:
    """Draw the page of one batch."""
    return render("validation.html.j2", words, r=result, business_name=business_name, examples_shown=EXAMPLES)


def _result(
    business: Business,
    batch_id: str,
    validations: list[dict[str, Any]],
    batches: list[dict[str, Any]],
    broken: list[dict[str, Any]],
) -> BatchResult:
    batch = batches[0] if batches else {}
    weight = {"critical": 0, "warning": 1, "info": 2}
    rules = [
        RuleResult(
            row["rule"], row["column_name"], row["severity"], row["scope"], row["is_passed"], row["unexpected_count"],
            row["observed"], row["expected"], row["expectation"],
        )
        for row in validations
    ]  # fmt: skip
    rules.sort(key=lambda rule: (rule.is_passed, weight.get(rule.severity, 3), rule.scope, rule.rule))
    warned = any(not rule.is_passed and rule.severity != "info" for rule in rules)
    feed = validations[0]["feed"]
    return BatchResult(
        batch_id=batch_id,
        feed=feed,
        as_of=validations[0]["as_of"],
        source=batch.get("source"),
        verdict="refused" if not batch else "warned" if warned else "accepted",
        rows_offered=batch.get("rows_offered"),
        rows_clean=batch.get("rows_clean"),
        rows_quarantined=batch.get("rows_quarantined"),
        first_event_at=batch.get("first_event_at"),
        last_event_at=batch.get("last_event_at"),
        is_load_time_assumed=bool(batch.get("is_load_time_assumed")),
        rules=tuple(rules),
        examples=_examples(business, feed, rules, broken),
    )


def _examples(
    business: Business, feed: str, rules: Sequence[RuleResult], broken: Sequence[Mapping[str, Any]]
) -> tuple[Example, ...]:
    is_ours = feed in business.feeds or (feed == "customers" and business.customers is not None)
    shape = shape_of(business, feed) if is_ours else None
    found = []
    for rule in rules:
        rows = [row for row in broken if row["rule"] == rule.rule]
        if rule.is_passed or rule.column is None or not rows or shape is None:
            continue
        values = Counter(_value(row, shape, rule.column) for row in rows)
        is_open = rule.column not in _NEVER_SHOWN and rule.column not in _protected(business)
        shown: Counter[str | None] = Counter()
        for value, count in values.items():
            is_shown = value is not None and (is_open or not value.strip())
            shown[may_be_shown(value or "", count) if is_shown else None] += count
        ranked = sorted(shown.items(), key=lambda item: (item[0] is None, -item[1], item[0] or ""))
        found.append(Example(rule.rule, tuple(ranked[:EXAMPLES])))
    return tuple(found)


def may_be_shown(value: str, row_count: int) -> str | None:
    """Return a value as a page may show it, or None.

    Numbers and days are shown, except runs of ten digits and more, which may be somebody's number; other words only
    when at least five rows share them: then they are a vocabulary and nobody's own.

    Examples:
        >>> may_be_shown("12,50", 1), may_be_shown("eva@example.org", 1), may_be_shown("GOLD", 40)
        ('12,50', None, 'GOLD')
        >>> may_be_shown("9223372036854775808", 1)
        '922…'
    """
    if not value.strip():
        return ""  # that nothing was given is nobody's secret
    if len(value) > 60 or (_LOOKS_LIKE_A_NUMBER_OR_DAY.fullmatch(value) is None and row_count < MINIMUM_CELL):
        return None
    return re.sub(r"\d{10,}", lambda found: f"{found[0][:3]}…", value)


def _value(row: Mapping[str, Any], shape: Shape, column: str) -> str | None:
    """The source's own text for one of our columns; None when the line could not be split."""
    if not row["is_parsed"]:
        return None
    content: Mapping[str, Any] = json.loads(row["raw"])
    for field in shape.fields:
        if field.column.name == column:
            if isinstance(field.origin, Constant):
                return str(field.origin.constant)
            names = field.origin.multiply if isinstance(field.origin, Product) else (field.origin,)
            return " × ".join(str(content.get(name, "")) for name in names)
    return None


def _protected(business: Business) -> frozenset[str]:
    return frozenset(business.customers.protected) if business.customers is not None else frozenset()


def _last_validated(workspace: Workspace) -> str | None:
    found = workspace.warehouse.query(
        "select v.batch_id from validations v left join batches b on b.batch_id = v.batch_id "
        "order by v.as_of desc, b.batch_id is not null, b.last_event_at desc nulls last, v.batch_id limit 1"
    ).to_pylist()
    return str(found[0]["batch_id"]) if found else None


def _grouped(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["batch_id"], []).append(row)
    return groups


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
