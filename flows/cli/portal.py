"""Commands about the site that people read: ``portal build`` and ``portal serve``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, workspace_of

portal = typer.Typer(
    help="The site that people read: how things stand, in sentences and numbers, in English and Spanish.",
    no_args_is_help=True,
)

Open = Annotated[bool, typer.Option("--open", help="Open its first page in the browser.")]

_BUILD_EXAMPLES = """\b
Examples:
  holdback portal build --open
  holdback portal build --as-of 2026-11-01 --no-publish
  holdback portal build --json
"""
_SERVE_EXAMPLES = """\b
Examples:
  holdback portal serve --open
  holdback portal serve --port 8080
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(portal, name="portal")


@portal.command("build", epilog=_BUILD_EXAMPLES)
def portal_build(
    business: BusinessFile = None,
    as_of: AsOf = None,
    publish: Annotated[
        bool, typer.Option("--publish/--no-publish", help="Publish it where the business file says.")
    ] = True,
    open_it: Open = False,
    as_json: AsJson = False,
) -> None:
    """Build the site of a day, and publish it. It opens without a server and asks nobody for anything."""
    from flows.cli.answers import print_outcomes
    from flows.publication import portal_step
    from flows.watching import watched

    workspace, day = opened(business, as_of)
    with watched("portal", quiet=as_json):
        outcome = portal_step(workspace, day, with_publishing=publish)
    print_outcomes([outcome], as_json=as_json)
    if open_it:
        typer.launch(str(outcome.receipt["first_page"]))


@portal.command("serve", epilog=_SERVE_EXAMPLES)
def portal_serve(
    business: BusinessFile = None,
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8642,
    host: Annotated[
        str, typer.Option(help="The address to listen on; any other than this machine's own lets others read.")
    ] = "127.0.0.1",
    open_it: Open = False,
    as_json: AsJson = False,
) -> None:
    """Serve the site that was built last, to this machine alone. Ctrl-C ends it.

    Before the first one there is a page that says so; the site takes its place once it was built.
    """
    from monitoring.portal.serving import serve

    def tell(said: str) -> None:
        is_warning = said.startswith("warning")
        typer.echo(json.dumps({"address": said}) if as_json and not is_warning else said, err=is_warning)
        if open_it and not is_warning:
            typer.launch(said)

    workspace = workspace_of(business)
    serve(workspace.portal, host=host, port=port, name=workspace.business.name, tell=tell)
