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
its features would know the future.
"""

from __future__ import annotations

import re
from pathlib import Path

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
        tree = sqlglot.parse_one(sql.replace(":as_of_day", "cast('2000-01-01' as date)"), read="duckdb")
    except SqlglotError as error:
        raise BusinessFileError(f"{path}: is not a SELECT that can be read ({error}).") from error
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
