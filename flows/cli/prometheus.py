"""``metrics prometheus``: the state of the runs and the newest day's figures for the company's monitoring."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.options import AsJson, BusinessFile, print_json, show, workspace_of

_EXAMPLES = """\b
Examples:
  holdback metrics prometheus
  holdback metrics prometheus --out /var/lib/node_exporter/textfile/
  holdback metrics prometheus --serve 9309
"""


def add_to(metrics: typer.Typer) -> None:
    """Add this module's command to ``holdback metrics``."""
    metrics.command("prometheus", epilog=_EXAMPLES)(prometheus)


def prometheus(
    out: Annotated[
        Path | None, typer.Option("--out", help="A file, or a folder with one file per business.", show_default="print")
    ] = None,
    serve: Annotated[
        int | None,
        typer.Option("--serve", min=1, max=65_535, help="Answer at this port of this machine."),
    ] = None,
    business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell Prometheus how the runs went and what the newest day's figures are: totals only, no customer.

    HOLDBACK_PROMETHEUS_FILE writes the same after each step, for node_exporter's textfile collector.
    """
    from flows import settings
    from flows.observing.prometheus import exposition, write_exposition
    from flows.observing.scraping import server_of

    if out is not None and serve is not None:
        raise typer.BadParameter("--out and --serve exclude each other. Name one.")
    workspace = workspace_of(business)
    if serve is not None:
        with server_of(workspace, serve) as server:
            port = server.server_address[1]
            show(f"http://127.0.0.1:{port}/metrics answers until this is stopped (Ctrl+C)")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                return
    elif out is not None:
        path = write_exposition(workspace, out, now=settings.now())
        if as_json:
            print_json({"path": str(path)})
        else:
            show(f"written: {path}")
    elif as_json:
        print_json({"exposition": exposition(workspace, now=settings.now())})
    else:
        typer.echo(exposition(workspace, now=settings.now()), nl=False)
