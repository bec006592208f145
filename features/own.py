"""A company's own feature family: one SQL file beside its business file, no Python.

``<folder of the business file>/<slug>/features/loyalty.sql``::

    -- loyalty: one row per customer_id.
    -- feature loyalty_points_90d (number, points, absent 0): Points earned in 90 days | Puntos en 90 días
    -- feature card_colour (category, colour): Colour of the card | Color de la tarjeta
    select
        customer_id,
        sum(quantity) filter (where event_at >= :as_of - interval 90 day) as loyalty_points_90d,
        max(metric) as card_colour
    from points
    where event_at < :as_of and loaded_at <= :as_of
    group by customer_id

``:as_of`` is the instant of the day, ``:as_of_day`` the day itself. Every table that is read must be bounded by both
clocks (tables without ``event_at``, such as ``customers``: by ``loaded_at``); a file that is not is refused, because
its features would know the future. It is one SELECT over the business' tables: it reads no file, asks neither the
machine nor its clock, and leaves nothing to chance.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from features.clocks import Clock
from features.declarations import Feature, Kind, Meaning, OwnFamily
from features.steps import Step
from holdback.business import Business
from holdback.errors import BusinessFileError

_FEATURE = re.compile(
    r"^--\s*feature\s+(?P<name>[a-z][a-z0-9_]*)\s*\((?P<facts>[^)]*)\)\s*:\s*(?P<en>[^|]+?)\s*(?:\|\s*(?P<es>.+?)\s*)?$",
    re.MULTILINE,
)
_CLOCKS = {"event_at": "<", "loaded_at": "<="}
#: Functions in the place of a table that make their rows of what they are given.
_ROWS_MADE = {"unnest", "generate_series", "range", "values", "exploding_generate_series"}
#: Functions that ask the machine, its clock, its files or chance: another run would give another answer.
_ASKS_ELSEWHERE = re.compile(
    r"read_.*|glob|sniff_.*|parquet_.*|duckdb_.*|pragma_.*|query|query_table|getenv|getvariable|current_setting|"
    r"current_.*|now|today|get_current_.*|localtime.*|transaction_timestamp|rand|random|setseed|uuid.*|gen_random_uuid|"
    r"nextval|currval|version|sqlite_.*|postgres_.*|mysql_.*|iceberg_.*|delta_.*|write_log|parse_duckdb_log.*"
)
_WORD = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
_FORM = "-- feature NAME (number|category, UNIT, absent VALUE): English meaning | significado en español"


def own_families(business: Business) -> tuple[OwnFamily, ...]:
    """Read the SQL files of a company's own features, in the order of their names.

    Raises:
        BusinessFileError: a file declares no feature, or is not bounded by both clocks.
    """
    folder = business.folder / business.slug / "features"
    return tuple(read_own_family(path, business) for path in sorted(folder.glob("*.sql")))


def read_own_family(path: Path, business: Business) -> OwnFamily:
    """Read and check one file; see the module's description for its form.

    Raises:
        BusinessFileError: as :func:`own_families`.
    """
    text = path.read_text(encoding="utf-8")
    features = tuple(_declared(path, match) for match in _FEATURE.finditer(text))
    if not features:
        raise BusinessFileError(f"{path}: declares no feature. Each file needs at least one. Write: {_FORM}")
    sql = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--")).strip().rstrip(";")
    _check_clocks(path, sql, business)
    return OwnFamily(path.stem, sql, features)


def own_step(family: OwnFamily, clock: Clock) -> Step:
    """Return the family's SQL for one day."""
    sql = re.sub(r":as_of_day\b", clock.today, family.sql)
    sql = re.sub(r":as_of\b", clock.now, sql)
    return Step(f"_own_{family.name}", "the company's own file", sql.replace("\n", "\n    "))


def _declared(path: Path, match: re.Match[str]) -> Feature:
    facts = [fact.strip() for fact in match["facts"].split(",") if fact.strip()]
    kind: Kind = "category" if facts[:1] == ["category"] else "number"
    if not facts or facts[0] not in ("number", "category"):
        raise BusinessFileError(f"{path}: feature {match['name']}: says neither number nor category. Write: {_FORM}")
    absent = next((fact.removeprefix("absent ") for fact in facts if fact.startswith("absent ")), None)
    try:
        value = absent if kind == "category" or absent is None else float(absent)
    except ValueError as error:
        raise BusinessFileError(
            f"{path}: feature {match['name']}: absent must be a number (got {absent!r}). Write: {_FORM}"
        ) from error
    units = [fact for fact in facts[1:] if not fact.startswith("absent ")]
    return Feature(
        name=match["name"],
        feed=path.stem,
        role="own",
        family=path.stem,
        aggregate="value",
        unit=units[0] if units else kind,
        meaning=Meaning(match["en"], match["es"] or match["en"]),
        kind=kind,
        absent=value,
    )


def _check_clocks(path: Path, sql: str, business: Business) -> None:
    """Refuse a query in which a table is read without the bounds that keep the future out."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        parsed = sqlglot.parse(sql.replace(":as_of_day", "cast('2000-01-01' as date)"), read="duckdb")
    except (SqlglotError, RecursionError) as error:
        raise BusinessFileError(f"{path}: is not a SELECT that can be read ({error}).") from error
    tree = parsed[0] if len(parsed) == 1 else None
    if not isinstance(tree, exp.Query) or any(tree.find_all(exp.Command, exp.DML, exp.DDL, exp.Into)):
        raise BusinessFileError(f"{path}: is not one SELECT and nothing else. Split it, or write it as one.")
    _refuse_other_sources(path, tree, business)
    tables = business.tables
    for table in tree.find_all(exp.Table):
        declared = tables.get(table.name)
        if declared is None:
            continue  # a step of the file itself
        select = table.find_ancestor(exp.Select)
        where = select.args.get("where") if select else None
        bounds = {_bound(condition) for condition in _conjunction(where.this if where else None)}
        needed = {f"{column} {sign}" for column, sign in _CLOCKS.items() if column in declared.column_names}
        for missing in sorted(needed - bounds):
            raise BusinessFileError(
                f"{path}: table {table.name} is read without '{missing} :as_of' in the WHERE of its own SELECT. "
                "Both clocks keep the future out. Add the condition."
            )


def _refuse_other_sources(path: Path, tree: Any, business: Business) -> None:
    """Refuse whatever a SELECT reads besides the tables of the business and its own steps."""
    from sqlglot import exp

    for step in tree.find_all(exp.CTE):
        if not _WORD.fullmatch(step.alias):
            raise BusinessFileError(
                f"{path}: step {step.alias!r} is no plain word. A step's name is letters, digits and underscores: what "
                "looks like a file would be one, wherever the step is not known. Give it such a name."
            )
    for function in tree.find_all(exp.Func):
        name = (function.name if isinstance(function, exp.Anonymous) else function.sql_name()).lower()
        if _ASKS_ELSEWHERE.fullmatch(name):
            raise BusinessFileError(
                f"{path}: function {name} asks for more than the tables hold (a file, the machine, its clock, chance). "
                "A day computed again must be the same. Take it out; :as_of is the instant of the day."
            )
    for table in tree.find_all(exp.Table):
        made = table.this
        name = made.name if isinstance(made, exp.Identifier) else made.sql_name().lower()
        if isinstance(made, exp.Anonymous):
            name = made.name.lower()
        is_made = not isinstance(made, exp.Identifier) and name in _ROWS_MADE
        is_known = (
            isinstance(made, exp.Identifier)
            and not table.db
            and (name in business.tables or name.lower() in _steps_known_at(table))
        )
        if not is_made and not is_known:
            raise BusinessFileError(
                f"{path}: {name!r} is no table of the business. Known: {', '.join(sorted(business.tables))}."
            )


def _steps_known_at(table: Any) -> set[str]:
    """Names of the steps (``with``) that a table's place may read: those of the queries around it, made before it."""
    from sqlglot import exp

    found, node = set(), table
    while node.parent is not None:
        parent = node.parent
        if isinstance(parent, exp.With):
            made = parent.expressions
            position = next(index for index, step in enumerate(made) if step is node)
            found |= {step.alias.lower() for step in made[: position + bool(parent.args.get("recursive"))]}
        else:
            steps = parent.args.get("with_")
            if steps is not None and steps is not node:
                found |= {step.alias.lower() for step in steps.expressions}
        node = parent
    return found


def _conjunction(condition: object) -> list[object]:
    from sqlglot import exp

    if isinstance(condition, exp.And):
        return [*_conjunction(condition.left), *_conjunction(condition.right)]
    return [condition.this] if isinstance(condition, exp.Paren) else [condition]


def _bound(condition: object) -> str:
    from sqlglot import exp

    if isinstance(condition, exp.LT | exp.LTE) and isinstance(condition.left, exp.Column):
        sign = "<" if isinstance(condition, exp.LT) else "<="
        is_as_of = isinstance(condition.right, exp.Placeholder) and condition.right.name == "as_of"
        return f"{condition.left.name} {sign}" if is_as_of else ""
    return ""
