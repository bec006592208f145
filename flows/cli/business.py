"""Commands about the business file and the installation: ``init``, ``business``, ``doctor``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.business_examples import EXAMPLES
from flows.cli.options import AsJson, BusinessFile, print_json, show, table_of

commands = typer.Typer(help="Check the business file and describe what may stand in it.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(commands, name="business")
    app.command(epilog=_INIT_EXAMPLES)(init)
    app.command(epilog="\b\nExamples:\n  holdback doctor\n  holdback doctor --json")(doctor)


_INIT_EXAMPLES = """\b
Examples:
  holdback init                                    asks what it needs to know
  holdback init --kind shop --slug acme --name "Acme" --currency EUR --time-zone Europe/Madrid --language es
  holdback init --like bank --slug acme --name "Acme"     a whole file to change: triggers, actions, campaigns, messages

\b
Examples that --like knows:
""" + "\n".join(f"  {name:<14} {meaning}" for name, meaning in EXAMPLES.items())


@commands.command(epilog="\b\nExamples:\n  holdback business check\n  holdback business check -b businesses/telco.yaml")
def check(business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Say everything that is wrong with the business file, one line each (exit code 2 when anything is)."""
    from campaigns.messages import check_messages
    from flows import settings
    from holdback.business import check_business, load_business

    path = business or settings.business_path()
    faults = check_business(path)
    if not faults:  # what a message may name is known once the rest of the file is sound
        faults = [f"{path}: {fault}" for fault in check_messages(load_business(path))]
    if as_json:
        print_json({"file": str(path), "faults": faults})
    elif faults:
        typer.echo("\n".join(faults), err=True)
    else:
        typer.echo(f"{path}: no fault found.")
    if faults:
        raise typer.Exit(2)


@commands.command(epilog="\b\nExamples:\n  holdback business schema > business.schema.json")
def schema() -> None:
    """Print the JSON schema of a business file; editors complete and check with it."""
    from holdback.business import business_schema

    print_json(business_schema())


@commands.command(
    "show",
    epilog="\b\nExamples:\n  export HOLDBACK_TIME_ZONE=$(holdback business show time_zone)\n  holdback business show",
)
def show_business(
    key: Annotated[str | None, typer.Argument(help="One key of the file, such as time_zone.")] = None,
    business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:
    """Print the business file with every default filled in, or one key of it."""
    from flows import settings
    from holdback.business import load_business
    from holdback.errors import BusinessFileError

    path = business or settings.business_path()
    content = load_business(path).model_dump(mode="json")
    if key is None:
        print_json(content)
    elif key not in content:
        raise BusinessFileError(f"{path}: there is no key {key!r}. Known keys: {', '.join(content)}.")
    else:
        value = content[key]
        typer.echo(value) if isinstance(value, str) and not as_json else print_json(value)


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("business.yaml"),
    kind: Annotated[
        str | None,
        typer.Option(help="shop (purchases), subscription (contracts) or snapshot (one table with a churn column)."),
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="Write it like an example that ships with Holdback, with its comments.")
    ] = None,
    slug: Annotated[str | None, typer.Option(help="Short name: lower case, digits, underscores.")] = None,
    name: Annotated[str | None, typer.Option(help="The company's name.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO code, such as EUR.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Such as Europe/Madrid.")] = None,
    language: Annotated[str | None, typer.Option(help="Of the reports: en or es.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a business file from a template or like an example. Asks a person for what is not given."""
    from flows.business_examples import write_like
    from flows.business_templates import TEMPLATES, write_business
    from holdback.errors import BusinessFileError

    def answer(value: str | None, question: str, default: str) -> str:
        if value is not None:
            return value
        can_ask = sys.stdin.isatty() and not as_json
        return str(typer.prompt(question, default=default)) if can_ask else default

    if like is not None:
        if kind is not None:
            raise BusinessFileError("--like: an example is a whole file already. Leave --kind out, or --like.")
        answers = {"slug": answer(slug, "Short name", "my_company"), "name": answer(name, "Name", "My company")}
        given = {"currency": currency, "time_zone": time_zone, "language": language}
        answers |= {key: value for key, value in given.items() if value is not None}
        sources = write_like(path, like, answers)
        if as_json:
            print_json({"file": str(path), "like": like, **answers, "sources": sources})
        else:
            typer.echo(f"Wrote {path} like {like}. It reads, beside itself:")
            typer.echo("\n".join(f"  {source}" for source in sources))
            typer.echo(f"Put your own columns in it, then run: holdback business check -b {path}")
        return
    kind = answer(kind, f"Kind of business ({', '.join(TEMPLATES)})", "shop")
    if kind not in TEMPLATES:
        raise BusinessFileError(f"--kind: must be one of {', '.join(TEMPLATES)} (got {kind!r}).")
    company = answer(name, "Name of the company", "My company")
    answers = {
        "slug": answer(slug, "Short name", "my_company"),
        "name": company,
        "currency": answer(currency, "Currency (ISO code)", "EUR"),
        "time_zone": answer(time_zone, "Time zone", "Europe/Madrid"),
        "language": answer(language, "Language of the reports (en, es)", "en"),
    }
    write_business(path, kind, answers)
    if as_json:
        print_json({"file": str(path), "kind": kind, **answers})
    else:
        typer.echo(f"Wrote {path}. Put your own columns in it, then run: holdback business check -b {path}")


def doctor(business: BusinessFile = None, as_json: AsJson = False) -> None:
    """Look for what would make a run fail: versions, name clashes, disk, business file, sources, servers."""
    from flows.diagnosis import examine

    findings = examine(business)
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        table = table_of("", "", "what", "found", "do")
        for finding in findings:
            table.add_row(
                "ok" if finding.is_ok else "FIX",
                finding.what,
                finding.found,
                "" if finding.is_ok else finding.remedy,
            )
        show(table)
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(6)
