"""Commands about one person: ``customer show``, ``customer forget`` and ``customer return``."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from flows.forgetting import Forgotten

customers = typer.Typer(
    help="What is held about one person, and how it is removed (docs/people.md).", no_args_is_help=True
)

CustomerId = Annotated[str, typer.Argument(help="The customer, as the company's files name him.", show_default=False)]
CustomerIds = Annotated[
    list[str] | None, typer.Argument(help="The customers, as the company's files name them.", show_default=False)
]
FromFile = Annotated[
    Path | None,
    typer.Option("--file", help="A file with one id a line: keeps ids out of the shell's history.", show_default=False),
]
Why = Annotated[str, typer.Option("--why", help="The reason, without saying who: it is kept.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be removed.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write the answer into a file that its owner alone can read.", show_default="screen"),
]

_SHOW_EXAMPLES = """\b
Examples:
  holdback customer show 1042
  holdback customer show 1042 --out /secure/request-17.json
"""
_FORGET_EXAMPLES = """\b
Examples:
  holdback customer forget 1042 --why "request 17 of 2026" --dry-run
  holdback customer forget --file /secure/ids.txt --why "requests of November"
"""

_ON_RETURN = (
    "Not remembered: the group they were drawn into, what they were offered, how often. Who was held out only through"
    " them, or they through a household, is drawn anew.",
    "Remembered, as a keyed hash: that they opted out, if they did. They are left alone, whatever the next file says.",
    "Consent that was given before holds no more: ask for it anew, and send `consent` as it is answered.",
)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(customers, name="customer")


@customers.command("show", epilog=_SHOW_EXAMPLES)
def customer_show(
    customer_id: CustomerId, out: Out = None, business: BusinessFile = None, as_json: AsJson = False
) -> None:
    """Show everything that is held about a person: tables, landed files, quarantine, outbox, ledger."""
    from flows.forgetting import held_about

    held = held_about(workspace_of(business), customer_id)
    if out is not None:
        _write_private(out, held)
        show(f"Written to {out}, for its owner's eyes only: {sum(held.counts.values()):,} rows.")
        return
    if as_json:
        print_json(held)
        return
    table = table_of(f"What is held about {customer_id}", "where", "#rows")
    for place, count in held.counts.items():
        table.add_row(place, f"{count:,}")
    show(table if held.counts else "Nothing is held about this customer.")
    if held.is_forgotten:
        show("This customer was forgotten: rows that come are refused.")
    show(*held.notes, "All rows: --json, or --out FILE.")


@customers.command("forget", epilog=_FORGET_EXAMPLES)
def customer_forget(
    why: Why,
    customer_ids: CustomerIds = None,
    file: FromFile = None,
    dry_run: DryRun = False,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Remove people everywhere, for good, and refuse them from now on. Run again it finishes what was stopped."""
    from flows import settings
    from flows.forgetting import count_held, forget

    workspace, day = opened(business, as_of)
    refuse_names(why, customer_ids, file)
    ids = _ids(customer_ids, file)
    if dry_run:
        counted = count_held(workspace, ids)
        if as_json:
            print_json(counted)
            return
        table = table_of(f"Would be removed, of {len(ids):,} customers", "where", "#rows")
        for place, count in _counts(counted).items():
            table.add_row(place, f"{count:,}")
        show(table, "Nothing was changed.")
        return
    done = forget(workspace, ids, as_of=day, now=settings.now().replace(tzinfo=None))
    print_json(done) if as_json else _tell(done)


@customers.command("return", epilog='\b\nExamples:\n  holdback customer return 1042 --why "signed up again"')
def customer_return(
    why: Why,
    customer_ids: CustomerIds = None,
    file: FromFile = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Let people who were forgotten come in again, because they came back. What was erased stays erased."""
    from flows import settings
    from flows.forgetting import welcome_back

    workspace, day = opened(business, as_of)
    refuse_names(why, customer_ids, file)
    ids = _ids(customer_ids, file)
    count = welcome_back(workspace, ids, as_of=day, now=settings.now().replace(tzinfo=None))
    if as_json:
        print_json({"returned": count, "notes": _ON_RETURN})
        return
    show(f"{count:,} may come in again, with the next file.", *(f"  - {note}" for note in _ON_RETURN))


def _ids(given: list[str] | None, file: Path | None) -> list[str]:
    from holdback.errors import DataError

    ids = list(given or ())
    if file is not None:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{file}: cannot be read ({type(error).__name__}). Write one id a line, in UTF-8."
            ) from None
        ids += [line.strip() for line in lines if line.strip()]
    if not ids:
        raise typer.BadParameter("name at least one customer, or a file of them with --file.")
    return ids


def refuse_names(why: str, customer_ids: list[str] | None, file: Path | None, **_others: Any) -> None:
    """Refuse a reason that is empty or names a customer: it is written into the record, which forgets nothing."""
    ids = _ids(customer_ids, file)
    if not why.strip():
        raise typer.BadParameter("write the reason: it is kept in the record.", param_hint="--why")
    if names_one_of(why, ids):
        raise typer.BadParameter("must not name the customer: the reason is kept.", param_hint="--why")


def names_one_of(text: str, ids: Collection[str]) -> bool:
    """True when a text names one of the ids: an id is found between separators, one with separators anywhere."""
    from holdback.forgotten import tokens

    words = set(tokens(text)) | {word.strip(".:!#*-_/") for word in tokens(text)}
    return any(one in words if list(tokens(one)) == [one] else one in text for one in ids)


def _tell(done: Forgotten) -> None:
    if done.was_done_already:
        show("Was done already; nothing was left to remove.")
    table = table_of(f"Removed, of {done.persons:,} customers", "where", "#rows")
    for place, count in _counts(done.removed).items():
        table.add_row(place, f"{count:,}")
    if done.table_rows:
        table.add_row("PostgreSQL table of contacts", f"{done.table_rows:,}")
    show(table)
    if done.declared_by:
        show(f"The ledger's rows stay and name nobody; its row {done.declared_by[:12]} declares it.")
    days = ", ".join(map(str, done.delivered_on[-5:]))
    if days:
        show(f"Contacts were decided for them on {len(done.delivered_on)} days (newest: {days}): whoever received the")
        show("lists, calls or table rows of these days must erase them too.")
    show("Out of reach of this program:", *(f"  - {one}" for one in done.out_of_reach))


def _counts(counted: Any) -> dict[str, int]:
    places = {
        **{f"table {name}": count for name, count in counted.tables.items()},
        "ledger (rows stay, and name nobody)": counted.ledger,
        "quarantine (rows stay, blank)": counted.quarantine,
        f"landed files ({counted.landed_files:,}; rows stay, blank)": counted.landing,
        "outbox": counted.outbox,
    }
    return {place: count for place, count in places.items() if count}


def _write_private(path: Path, held: Any) -> None:
    import dataclasses

    from holdback.errors import OperatorError

    content = json.dumps(dataclasses.asdict(held), default=str, indent=2, ensure_ascii=False)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content + "\n")
    except FileExistsError as error:
        raise OperatorError(f"{path}: is there already. Name a file that is not; nothing was written.") from error
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}).") from error
