"""Who may do what: grants by which the database itself refuses what must never happen.

Four groups (``infra/postgres/roles.sql``). A score, an assignment or a decision is never rewritten, so those who write
them can only add rows; personal data are read by the processes that need them, not by people with a database client.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from holdback.journal_tables import postgres_sql
from holdback.tables import CUSTOMERS, FEATURES_TABLE, LOAD_COLUMNS, Table
from holdback.warehouse.postgres.connections import database
from holdback.warehouse.postgres.definitions import COMMIT, lock_key, quoted, schema_sql, tables_sql

if TYPE_CHECKING:
    from holdback.warehouse.postgres.connections import Connection

READER, SCORER, TRAINER, ADMIN = ROLES = ("holdback_reader", "holdback_scorer", "holdback_trainer", "holdback_admin")

#: What people with a database client do not see: rows as they were offered, and what is known of a person by name.
_CLOSED_TABLES = ("quarantine",)
#: With ``nonce`` and ``identity`` whoever has the ids could tell a row of the ledger that names nobody any more.
_CLOSED_COLUMNS = ("remark", "nonce", "identity")
_OPEN_OF_CUSTOMERS = ("customer_id", "signed_up_at", *(column.name for column in LOAD_COLUMNS))
_OF_TRAINING = ("evaluations",)


def setup_sql(schema: str, journal: str, tables: Mapping[str, Table], *, roles: bool = True) -> list[str]:
    """Statements that make a business' schemas, tables and grants; harmless when they were done before.

    Args:
        schema: Of the tables.
        journal: Of the journal.
        tables: The declared tables.
        roles: False where the groups of ``roles.sql`` do not exist: everything belongs to who runs it.
    """
    made = [*schema_sql(schema), *tables_sql(schema, tables), *postgres_sql(journal)]
    return [*made, *(_grants(schema, journal, tables) if roles else ())]


def set_up(url: str, schema: str, journal: str, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Make a business' schemas, tables and grants, all or none; return the groups that exist.

    Who runs it is a member of the administrators, where they exist: what is made belongs to the group.

    Raises:
        OperatorError: the database refuses.
    """
    return database(url).run("setup", lambda connection: _set_up(connection, schema, journal, tables))


def may_rewrite(url: str, schema: str) -> bool:
    """True when this login may put other rows in the place of a table's: for forgetting and retention periods.

    Raises:
        OperatorError: the database cannot be reached.
    """
    sql = (
        "select coalesce(bool_and(has_table_privilege(c.oid, 'truncate')), true) from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relkind = 'r' and not starts_with(c.relname, '_')"
    )
    found = database(url).run("setup", lambda connection: connection.execute(sql, [schema]).fetchone())
    return bool(found and found[0])


def _set_up(connection: Connection, schema: str, journal: str, tables: Mapping[str, Table]) -> tuple[str, ...]:
    found = connection.execute("select rolname from pg_roles where rolname = any(%s)", [list(ROLES)]).fetchall()
    existing = tuple(name for name in ROLES if (name,) in found)
    is_complete = len(existing) == len(ROLES)
    with connection.transaction():
        connection.execute("select pg_advisory_xact_lock(%s)", [lock_key(schema)])
        if is_complete:
            connection.execute(f"set local role {ADMIN}")
        for statement in setup_sql(schema, journal, tables, roles=is_complete):
            connection.execute(statement)
    return existing


def _grants(schema: str, journal: str, tables: Mapping[str, Table]) -> list[str]:
    s, j = quoted(schema), quoted(journal)
    writers, everybody = f"{SCORER}, {TRAINER}", f"{READER}, {SCORER}, {TRAINER}"
    made = [
        f"revoke all on all tables in schema {s} from {everybody}",
        f"revoke all on all tables in schema {j} from {everybody}",
        f"grant usage on schema {s} to {everybody}",
        f"grant usage on schema {j} to {writers}",
        f"grant select on all tables in schema {s} to {writers}",
        f"grant insert on {s}._commits to {writers}",
        f"grant insert, update on {s}._locks to {writers}",
        f"grant execute on function {s}._widen(text, text, text) to {writers}",
        f"grant select on {s}._identity, {s}._commits to {READER}",
    ]
    for name in sorted({*tables, FEATURES_TABLE}):
        made.append(f"grant insert on {s}.{quoted(name)} to {SCORER}")
        made += _readable(s, name, tables.get(name))
    made += [f"grant insert on {s}.{quoted(name)} to {TRAINER}" for name in _OF_TRAINING]
    made += [
        f"grant delete on {s}.{quoted(FEATURES_TABLE)} to {SCORER}",
        f"grant select on all tables in schema {j} to {writers}",
        f"grant insert, update on {j}.runs to {writers}",
        f"grant insert on {j}.acts to {writers}",
        f"grant insert, update on {j}.ledger_heads to {SCORER}",
        f"grant insert on {j}.nights to {writers}",
        f"grant update on {j}.nights to {SCORER}",
        f"grant insert, update, delete on {j}.champions to {TRAINER}",
        f"grant insert on {j}.verdicts to {TRAINER}",
    ]
    return made


def _readable(schema: str, name: str, table: Table | None) -> list[str]:
    """What of a table people with a database client may read."""
    if name in _CLOSED_TABLES:
        return []
    stored = f"{schema}.{quoted(name)}"
    names = table.column_names if table is not None else ()
    if name == CUSTOMERS.name:
        columns = [column for column in names if column in _OPEN_OF_CUSTOMERS]
    elif set(names) & set(_CLOSED_COLUMNS):
        columns = [column for column in names if column not in _CLOSED_COLUMNS]
    else:
        return [f"grant select on {stored} to {READER}"]
    return [f"grant select ({', '.join(map(quoted, [*columns, COMMIT]))}) on {stored} to {READER}"]
