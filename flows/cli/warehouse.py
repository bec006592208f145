"""Commands about where the tables lie: ``warehouse setup``, ``copy``, ``check`` and ``take-over``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import AsJson, BusinessFile, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from holdback.warehouse import PostgresWarehouse
    from holdback.workspace import Workspace

warehouse = typer.Typer(
    help="Where the tables lie: files on this machine, or the company's PostgreSQL (HOLDBACK_DATABASE_URL).",
    no_args_is_help=True,
)

_SETUP_EXAMPLES = """\b
Examples:
  psql "$HOLDBACK_DATABASE_URL" -f infra/postgres/roles.sql   once per server: the groups
  holdback warehouse setup                                    again after each new feed or release
  holdback warehouse setup --print > setup.sql                to read it first, or to let somebody else run it
"""
_COPY_EXAMPLES = """\b
Examples:
  holdback warehouse copy --from-lake           everything of this machine into the empty database
  holdback warehouse copy --from-lake --json
Stop the schedules first. Stopped on the way, run it again: it goes on.
"""
_CHECK_EXAMPLES = """\b
Examples:
  holdback warehouse check                      after a restore, or when a mirror is in doubt
  holdback warehouse check --json
"""
_TAKE_OVER_EXAMPLES = """\b
Examples:
  rsync -a old:/var/lib/holdback/demo/{landing,commits,outbox} /var/lib/holdback/demo/
  holdback warehouse take-over --why "the old worker is replaced"
Stop the schedules on the other machine first. A folder that is moved or restored as a whole needs no hand-over.
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(warehouse, name="warehouse")


@warehouse.command("setup", epilog=_SETUP_EXAMPLES)
def warehouse_setup(
    business: BusinessFile = None,
    print_sql: Annotated[bool, typer.Option("--print", help="Print the SQL and run nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make schemas, tables and grants of a business in the company's PostgreSQL. What is there stays."""
    from holdback.warehouse.postgres import journal_schema_of, schema_of, set_up, setup_sql
    from holdback.warehouse.postgres.roles import ROLES

    workspace = workspace_of(business)
    slug, tables = workspace.business.slug, workspace.business.tables
    schema, journal = schema_of(slug), journal_schema_of(slug)
    if print_sql:
        statements = setup_sql(schema, journal, tables)
        if as_json:
            print_json({"schema": schema, "journal": journal, "statements": statements})
            return
        typer.echo("begin;\nset local role holdback_admin;\n" + ";\n".join(statements) + ";\ncommit;")
        return
    found = set_up(_database_of(workspace).url, schema, journal, tables)
    missing = [name for name in ROLES if name not in found]
    if as_json:
        print_json({"schema": schema, "journal": journal, "table_count": len(tables) + 1, "missing_roles": missing})
        return
    show(f"{schema}: {len(tables) + 1} tables are there, and {journal} for the journal")
    if missing:
        show(f"note: no grants were made: the groups {', '.join(missing)} do not exist. See infra/postgres/roles.sql.")


@warehouse.command("copy", epilog=_COPY_EXAMPLES)
def warehouse_copy(
    from_lake: Annotated[
        bool, typer.Option("--from-lake", help="From the files on this machine; the only way there is.")
    ],
    business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:
    """Move a business from this machine's files into the company's PostgreSQL, and prove that all is there."""
    from flows.forgetting.forgetting import writers_held
    from flows.watching import tell, watched
    from holdback.warehouse.postgres.moving import move

    workspace = workspace_of(business)
    if not from_lake:
        raise typer.BadParameter("say --from-lake: there is no other way to copy.")
    target = _database_of(workspace)
    # Whatever writes, here or there, waits until both are over: what it wrote in between would be in one place only.
    here = replace(workspace, database_url=None)
    with watched("copy", quiet=as_json), writers_held(here, 0), writers_held(workspace, 0):
        moved = move(workspace.lake, target, progress=tell)
        journal_rows = workspace.journal.take_over(workspace.journal_file)
    if as_json:
        print_json({"tables": moved, "journal_rows": journal_rows})
        return
    table = table_of("", "table", "#rows", "#batches", "fingerprint", "")
    for one in moved:
        said = "was there already" if one.was_there else ""
        table.add_row(one.table, f"{one.row_count:,}", f"{one.batch_count:,}", one.fingerprint[:16], said)
    show(table, f"{len(moved)} tables are in both places, and equal; {journal_rows} rows of the journal came along")


@warehouse.command("check", epilog=_CHECK_EXAMPLES)
def warehouse_check(business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Count the tables in the database, and tell what this machine's mirror has of them."""
    from holdback.warehouse.postgres.checking import check

    found = check(_database_of(workspace_of(business)))
    unsound = [one.table for one in found if not one.is_sound]
    if as_json:
        print_json({"tables": found, "unsound": unsound})
    else:
        table = table_of("", "table", "#version", "#rows", "#counted", "#mirrored version", "#files", "#MB")
        for one in found:
            mirrored = "" if one.mirror_version is None else str(one.mirror_version)
            table.add_row(
                one.table, str(one.version), f"{one.registered_count:,}", f"{one.counted:,}", mirrored,
                str(one.mirror_files), f"{one.mirror_bytes / 1e6:.1f}",
            )  # fmt: skip
        show(table)
    if unsound:
        from holdback.errors import OperatorError

        raise OperatorError(
            f"warehouse: the table {unsound[0]} has other rows than its register of commits says. Somebody changed it"
            " by hand, or a restore is incomplete. Restore the whole database; nothing is computed from it until then."
        )


@warehouse.command("take-over", epilog=_TAKE_OVER_EXAMPLES)
def warehouse_take_over(
    why: Annotated[str, typer.Option("--why", help="Why the night is moved; kept in the record.")],
    without_files: Annotated[
        bool, typer.Option("--without-files", help="Although the other machine's files are lost: calls are made again.")
    ] = False,
    business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:
    """Let this machine run the night: land, decide and send for a business whose tables are in PostgreSQL."""
    from holdback.nights import take_over

    if not why.strip():
        raise typer.BadParameter("say why: it is kept in the record.", param_hint="--why")
    handed = take_over(workspace_of(business), without_files=without_files)
    if as_json:
        print_json(handed)
        return
    before = "nobody did before" if handed.before is None else f"before: {handed.before.place}"
    show(f"{handed.night.place} runs the night since {handed.night.since} UTC; {before}")
    if handed.missing:
        show(f"note: without {' and '.join(handed.missing)}: calls of these days are made again if they are delivered")


def _database_of(workspace: Workspace) -> PostgresWarehouse:
    from holdback.errors import OperatorError
    from holdback.warehouse import PostgresWarehouse

    found = workspace.warehouse
    if not isinstance(found, PostgresWarehouse):
        raise OperatorError(
            "HOLDBACK_DATABASE_URL: is not set, so the tables are files on this machine. Set it to the company's "
            "PostgreSQL, such as postgresql://user@host/holdback."
        )
    return found
