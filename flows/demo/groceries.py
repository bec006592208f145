"""``holdback demo groceries``: a real grocery retailer's year through the whole loop, and what was found on one screen.

The loop runs as a company would have run it: data arrive month by month; on 1 November 2017 the first model is trained
and every household is scored; on 1 January 2018 the outcomes of that day are known, a challenger is trained and judged,
and everybody is scored again.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import typer

from flows import settings
from flows.cli.answers import print_outcomes
from flows.cli.options import bold, print_json, show
from flows.demo.groceries_sources import write_sources
from flows.demo.kept import again, plain
from flows.running import run
from flows.runs import Outcome, once
from flows.watching import watched
from holdback.workspace import Workspace

BUSINESS_FILE = Path(__file__).resolve().parents[2] / "businesses" / "groceries.yaml"
FIRST_LOAD, FIRST_DAY, LAST_DAY = date(2017, 2, 1), date(2017, 11, 1), date(2018, 1, 1)


def run_groceries(*, as_json: bool) -> None:
    """Run the demo, or say that everything was done already; print the same screen either way."""
    root = settings.home() / "demo"
    folder = root / "sources"
    os.environ.update(HOLDBACK_HOME=str(root), GROCERIES_DAYS=str(folder))
    settings.prepare_vendors()
    with watched("demo: preparing the data", quiet=as_json):
        write_sources(folder)
    workspace = settings.open_workspace(BUSINESS_FILE)
    outcome = once("demo", workspace, LAST_DAY, lambda: {"outcomes": _whole_year(as_json)}, key=lambda: "2017")
    outcomes = [again(step) for step in outcome.receipt["outcomes"]]
    if as_json:
        print_json({"was_done_already": outcome.was_done_already, "outcomes": outcomes})
        return
    print_outcomes(outcomes, as_json=False)
    _where_to_go_on(workspace, was_done_already=outcome.was_done_already)


def _whole_year(quiet: bool) -> list[dict[str, object]]:
    business = str(BUSINESS_FILE)
    loads = run("backfill", quiet=quiet, business=business, since=FIRST_LOAD, until=FIRST_DAY, every="month",
                only_ingest=True)  # fmt: skip
    run("daily", quiet=quiet, business=business, as_of=FIRST_DAY)
    loads += run("backfill", quiet=quiet, business=business, since=date(2017, 12, 1), until=LAST_DAY, every="month",
                 only_ingest=True)  # fmt: skip
    trained, *_ = run("retrain", quiet=quiet, business=business, as_of=LAST_DAY)
    today = run("daily", quiet=quiet, business=business, as_of=LAST_DAY)
    rest = [step for step in today if step.flow in ("score_daily", "report", "portal")]
    return [plain(step) for step in (_all_loads(loads), trained, *rest)]


def _all_loads(loads: list[Outcome]) -> Outcome:
    """Sum up the year's loads as one."""
    # A demo that was interrupted finds what it loaded before: each batch counts once, whichever run loaded it.
    known = {batch["batch_id"]: batch for load in loads for batch in load.receipt["batches"]}
    known |= {b["batch_id"]: b for load in loads for b in load.receipt["batches"] if not b["was_known_already"]}
    batches = [{**batch, "was_known_already": False} for batch in known.values()]
    pages = [page for load in loads for page in load.receipt["pages"]]
    return Outcome("ingest_daily", loads[-1].business, LAST_DAY, {"batches": batches, "pages": pages}, False)


def _where_to_go_on(workspace: Workspace, *, was_done_already: bool) -> None:
    if was_done_already:
        show(bold("All of this was done already: nothing was changed."), "`make clean` starts afresh.\n")
    business, root = os.path.relpath(BUSINESS_FILE), os.path.relpath(workspace.root)
    typer.echo(
        "Go on with:\n"
        f"  export HOLDBACK_BUSINESS={business} HOLDBACK_HOME={root} GROCERIES_DAYS={root}/sources\n"
        f"  .venv/bin/holdback report --as-of {LAST_DAY} --open   the site in your browser\n"
        "  .venv/bin/holdback models show                       the champion's card\n"
        "  .venv/bin/holdback quarantine list                   what was not let in, and why\n"
        "  .venv/bin/holdback init                              a business file of your own"
    )
