"""The contact list as a PostgreSQL table, for the systems that read one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from campaigns.delivery.signing import value_of
from holdback.business import Business
from holdback.errors import OperatorError

_CONNECT_SECONDS = 30


@dataclass(frozen=True)
class Target:
    """The table that receives the contacts.

    Args:
        table: Its name, with its schema if the business file states one.
        connection: Connection string; shown nowhere.
    """

    table: str
    connection: str = field(repr=False)


def target_of(business: Business, environment: Mapping[str, str]) -> Target | None:
    """Return the table that the business wants its contacts in; None when it wants none.

    Raises:
        BusinessFileError: the variable with the connection string is not set.
    """
    section = business.delivery.postgres
    if section is None:
        return None
    variable = section.url.removeprefix("postgresql://")
    return Target(section.table, value_of(variable, "delivery.postgres.url", environment))


def upsert(target: Target, business: Business, as_of: date, contacts: pa.Table) -> int:
    """Put a day's contacts into the table, all or none; the same contacts again change nothing.

    The table is made when it is absent (primary key ``decision_id``), and gets the columns that it lacks: those of the
    lists of all channels, ``business`` and ``as_of``. A contact of the day that is refused by now is taken out. Rows of
    other days and businesses, and columns of others, are not touched.

    Args:
        target: The table.
        business: The company.
        as_of: The day.
        contacts: As :func:`campaigns.delivery.contacts.check_contacts` lets them through.

    Returns:
        Rows of the day in the table.

    Raises:
        OperatorError: the database cannot be reached or refuses. Nothing was changed.
    """
    import psycopg
    from psycopg import sql

    table = sql.SQL(".").join(sql.Identifier(part) for part in target.table.split("."))
    rows = contacts.append_column("business", pa.array([business.slug] * contacts.num_rows, pa.string()))
    rows = rows.append_column("as_of", pa.array([as_of] * contacts.num_rows, pa.date32()))
    names = rows.column_names
    others = [name for name in names if name != "decision_id"]
    columns = [(name, sql.SQL(_column_type(rows.schema.field(name).type))) for name in others]
    create = sql.SQL("create table if not exists {} (decision_id text primary key)").format(table)
    widen = sql.SQL("alter table {} {}").format(
        table,
        sql.SQL(", ").join(
            sql.SQL("add column if not exists {} {}").format(sql.Identifier(name), kind) for name, kind in columns
        ),
    )
    insert = sql.SQL(
        "insert into {table} ({names}) values ({values}) on conflict (decision_id) do update set {changes}"
        " where ({old}) is distinct from ({new})"
    ).format(
        table=table,
        names=sql.SQL(", ").join(map(sql.Identifier, names)),
        values=sql.SQL(", ").join(sql.Placeholder() * len(names)),
        changes=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others),
        old=sql.SQL(", ").join(sql.SQL("{}.{}").format(table, sql.Identifier(name)) for name in others),
        new=sql.SQL(", ").join(sql.SQL("excluded.{}").format(sql.Identifier(name)) for name in others),
    )
    day = sql.SQL("from {} where business = %s and as_of = %s").format(table)
    withdraw = sql.SQL("delete {} and decision_id <> all(%s)").format(day)
    count = sql.SQL("select count(*) {}").format(day)
    try:
        with (
            psycopg.connect(target.connection, connect_timeout=_CONNECT_SECONDS) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("select pg_advisory_xact_lock(hashtext(%s))", [target.table])  # makers, one by one
            cursor.execute("set local client_min_messages = warning")
            cursor.execute(create)
            cursor.execute(widen)
            cursor.execute(
                withdraw, [business.slug, as_of, [_storable(key) for key in contacts["decision_id"].to_pylist()]]
            )
            cursor.executemany(insert, [tuple(map(_storable, row.values())) for row in rows.to_pylist()])
            found = cursor.execute(count, [business.slug, as_of]).fetchone()
    except psycopg.Error as error:
        raise OperatorError(
            f"delivery.postgres: table {target.table}: the database refused ({_kind(error)}). Nothing was changed"
            " there. Check the server, the connection string and the permissions, then run this again."
        ) from None
    return int(found[0]) if found else 0


def erase(target: Target, business: Business, customer_ids: Collection[str], decisions: Collection[str]) -> int:
    """Take people out of the table, whatever day put them there; return how many rows went.

    Args:
        target: The table; it need not be there.
        business: The company.
        customer_ids: Who is forgotten.
        decisions: Ids of the decisions about them.

    Raises:
        OperatorError: the database cannot be reached or refuses. Nothing was changed there.
    """
    import psycopg
    from psycopg import sql

    table = sql.SQL(".").join(sql.Identifier(part) for part in target.table.split("."))
    gone = sql.SQL("delete from {} where business = %s and (customer_id = any(%s) or decision_id = any(%s))")
    try:
        with psycopg.connect(target.connection, connect_timeout=_CONNECT_SECONDS) as connection:
            found = connection.execute("select to_regclass(%s)", [table.as_string(connection)]).fetchone()
            if found is None or found[0] is None:
                return 0
            listed = [business.slug, sorted(customer_ids), sorted(decisions)]
            return connection.execute(gone.format(table), listed).rowcount
    except psycopg.Error as error:
        raise OperatorError(
            f"delivery.postgres: table {target.table}: the database refused ({_kind(error)}). Nothing was changed"
            " there. Check the server, the connection string and the permissions, then run this again."
        ) from None


def _storable(value: object) -> object:
    """PostgreSQL has no place for the character 0 in a text; it means nothing there."""
    return value.replace("\0", "") if isinstance(value, str) else value


def _kind(error: Exception) -> str:
    """Return what kind of failure it was: a driver's message can repeat a password or a row."""
    state = getattr(error, "sqlstate", None)
    return f"{type(error).__name__}, SQLSTATE {state}" if state else type(error).__name__


def _column_type(kind: pa.DataType) -> str:
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamptz"
    named = {"date32[day]": "date", "bool": "boolean", "double": "double precision", "int64": "bigint"}
    return named.get(str(kind), "text")
