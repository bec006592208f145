"""The commands, and what is common to them: errors in one sentence, documented exit codes."""

from __future__ import annotations

import atexit
import json
import os
import sys

import typer

from flows.cli import (
    alerts,
    audit,
    audited,
    business,
    campaigns,
    causes,
    customers,
    data,
    decisions,
    earnings,
    feedback,
    fit,
    journey,
    learning,
    loop,
    measurement,
    metrics,
    models,
    policies,
    portal,
    prometheus,
    retention,
    runs,
    servers,
    triggers,
    warehouse,
)
from holdback.errors import HoldbackError

_EXIT_CODES = """\b
Exit codes: 0 done (also: nothing was left to do) | 1 unexpected failure | 2 fix the business file or the command
3 fix the data | 4 not knowable yet: wait | 5 another run is busy: wait | 6 call an operator | 7 compare again
"""

app = typer.Typer(
    name="holdback",
    help="Who is about to leave, why, and what keeping them really earned.\n\n"
    "Every command answers machines with --json (`business schema` always does) and reads the business file from "
    "--business or HOLDBACK_BUSINESS.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

business.add_to(app)
data.add_to(app)
models.add_to(app)
learning.add_to(app)
policies.add_to(app)
journey.add_to(app)
causes.add_to(app)
feedback.add_to(app)
triggers.add_to(app)
portal.add_to(app)
servers.add_to(app)
alerts.add_to(app)
metrics.add_to(app)
prometheus.add_to(metrics.metrics)
warehouse.add_to(app)
campaigns.add_to(app)
measurement.add_to(campaigns.campaigns)
earnings.add_to(campaigns.campaigns)
decisions.add_to(app)
fit.add_to(app)
loop.add_to(app)
runs.add_to(app)
customers.add_to(app)
audit.add_to(app)
retention.add_to(app)
audited.record_acts(app)


def main() -> None:
    """Run the command line and leave with a documented exit code."""
    atexit.register(_hush)  # registered first, so it runs after every other exit handler
    try:
        app()
    except HoldbackError as error:
        as_json = "--json" in sys.argv
        said = {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
        print(json.dumps(said) if as_json else f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _hush() -> None:
    """Say nothing more: DuckDB's binding prints forty lines about leaked types while the interpreter is taken down."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
