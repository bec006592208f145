"""``holdback demo telecom``: a simulated telephone company whose next 90 days are lived, decided and measured.

A year of its history is loaded and a first model trained. Then a campaign is launched, later one for contracts that
end and one more, and every day goes as in a real company: the files of the day before come in, everybody is scored, the
day is decided, the contact lists leave, the (simulated) CRM works them off, and customers answer, stay or go. The
platform sees only the files; what would have happened otherwise is the simulator's secret.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import typer

from flows import settings, steps
from flows.cli.answers import print_outcomes
from flows.cli.decisions import contact_table
from flows.cli.options import bold, print_json, show, table_of
from flows.demo.kept import again, plain
from flows.running import hush_vendors, run
from flows.runs import once
from flows.watching import tell, watched
from holdback.workspace import Workspace
from simulator import Company, open_company

BUSINESS_FILE = Path(__file__).resolve().parents[2] / "businesses" / "telecom.yaml"
STARTS_ON, FIRST_DAY, DAYS = date(2024, 7, 1), date(2025, 7, 2), 90
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)  # a Monday: the week's use came in the day before
#: Contracts that end are watched from the middle of September on; who calls was hired a week later.
_WATCHED_FROM = date(2025, 9, 15)
_LAUNCHES = {"loyalty_offers": FIRST_DAY, "before_contract_end": _WATCHED_FROM, "save_calls": date(2025, 9, 24)}
_CUSTOMERS, _SEED = 2_500, 20
_REASON = "a demo of 90 days: the programme runs on, and is read when enough customers have entered"
_SHOWN_FLOWS = (
    "retrain", "score_daily", "value_daily", "triggers", "reconcile", "measure", "decide_daily", "deliver", "report",
    "portal",
)  # fmt: skip
_SHOWN_CONTACTS = 8
_OPENS = timedelta(hours=8)  # when the lists of a day leave


def open_telecom() -> Company:
    """Open the demo's company: the same on every machine."""
    return open_company("telecom", seed=_SEED, customer_count=_CUSTOMERS, starts_on=STARTS_ON)


def run_telecom(*, as_json: bool) -> None:
    """Run the demo, or say that everything was done already; print the same screen either way."""
    root = settings.home() / "demo"
    os.environ.update(HOLDBACK_HOME=str(root), TELECOM_DAYS=str(root / "telecom-days"))
    settings.prepare_vendors()
    workspace = settings.open_workspace(BUSINESS_FILE)
    outcome = once(
        "demo", workspace, LAST_DAY, lambda: {"outcomes": _ninety_days(as_json)}, key=lambda: f"{_CUSTOMERS}/{DAYS}"
    )
    outcomes = [again(step) for step in outcome.receipt["outcomes"]]
    if as_json:
        print_json({"was_done_already": outcome.was_done_already, "outcomes": outcomes})
        return
    print_outcomes(outcomes, as_json=False)
    _show_today(workspace)
    _show_season(workspace)
    _show_measured(workspace)
    _where_to_go_on(workspace, was_done_already=outcome.was_done_already)


def _ninety_days(quiet: bool) -> list[dict[str, object]]:
    """Load the year before, launch the campaigns, and play the daily loop forward; return what the last day did.

    Only the last day is run on Prefect: the steps are the same functions, and its bookkeeping of 90 days would take as
    long as the days themselves.
    """
    workspace = settings.open_workspace(BUSINESS_FILE)
    files, company = Path(os.environ["TELECOM_DAYS"]), open_telecom()
    hush_vendors()
    with watched("demo", quiet=quiet):
        tell("simulating the year before", 0, DAYS)
        company.write_history(files, FIRST_DAY - timedelta(days=1))
        tell("loading the year before", 0, DAYS)
        steps.ingest_step(workspace, FIRST_DAY, history=True)
        tell("training the first model", 0, DAYS)
        trained = steps.retrain_step(workspace, FIRST_DAY)
        for number in range(DAYS - 1):
            day = FIRST_DAY + timedelta(days=number)
            tell(f"living {day}", number, DAYS)
            _live(workspace, day)
            _launch(workspace, day)
            company.play(day, company.take_contacts(workspace.outbox, day))
            company.write_day(files, day)
    today = run("daily", quiet=quiet, business=str(BUSINESS_FILE), as_of=LAST_DAY, past=True)
    return [plain(outcome) for outcome in (trained, *today) if outcome.flow in _SHOWN_FLOWS]


def _live(workspace: Workspace, day: date) -> None:
    """Do what a day needs, as ``holdback daily`` does, but for values, which the last day brings.

    What was sent and what it changed need no scores of today, and is found out beside them.
    """
    steps.ingest_step(workspace, day)
    with ThreadPoolExecutor(1) as beside:
        scored = beside.submit(copy_context().run, steps.score_step, workspace, day)
        steps.reconcile_step(workspace, day)
        steps.measure_step(workspace, day)
        scored.result()
    if day >= _WATCHED_FROM:
        steps.fire_step(workspace, day)
    steps.decide_step(workspace, day)
    steps.deliver_step(workspace, day, now=workspace.business.instant(day) + _OPENS)
    if day.weekday() == 0 or day >= _WATCHED_FROM:  # a figure a week is enough of what is long past
        steps.record_step(workspace, day)


def _launch(workspace: Workspace, day: date) -> None:
    from campaigns.designs import launch

    for campaign, launched_on in _LAUNCHES.items():
        if launched_on == day:
            launch(workspace, campaign, day, force_reason=_REASON)


def _show_today(workspace: Workspace) -> None:
    """Today's contact list, masked, and who is held back."""
    from campaigns.delivery import contacts, masked

    found = masked(contacts(workspace, LAST_DAY)).to_pylist()
    show(bold(f"today's contact list, masked ({len(found):,} contacts)"))
    show(contact_table(found[:_SHOWN_CONTACTS]) if found else "nobody today")
    if len(found) > _SHOWN_CONTACTS:
        show(f"and {len(found) - _SHOWN_CONTACTS:,} more in {os.path.relpath(workspace.outbox / str(LAST_DAY))}")
    show("")


def _show_season(workspace: Workspace) -> None:
    """Contacts, held-back customers and money of the 90 days, by campaign."""
    from campaigns.designs import standings

    table = table_of("", "campaign", "#entered", "#held back", "#contacts", "#reported sent", "#spent", "first reading")
    designs = {s.campaign: s.design for s in standings(workspace.warehouse, workspace.business, LAST_DAY)}
    total = 0
    for row in _season(workspace):
        design = designs.get(row["campaign"])
        reading = str(design.reads_on) if design is not None and design.reads_on else "not knowable yet"
        total += row["spent_cents"]
        table.add_row(
            row["campaign"],
            *(f"{row[name]:,}" for name in ("entered", "held_back", "contacts", "sent")),
            f"{row['spent_cents'] / 100:,.2f}",
            reading,
        )
    show(bold(f"{DAYS} days, {FIRST_DAY} to {LAST_DAY}"), table)
    budget = workspace.business.budget
    if budget is not None:
        show(f"spent {total / 100:,.2f} {workspace.business.currency} of {budget.per_day * DAYS:,.2f}", "")


def _show_measured(workspace: Workspace) -> None:
    """What the campaigns changed so far, as far as it may be said on any day."""
    from flows.cli.measurement import tell_measured
    from monitoring.measurement import stored_checks, stored_effects

    rows = stored_effects(workspace.warehouse, LAST_DAY)
    found = [row for row in rows if row["reading"] == "daily" and (row["metric"] == "churned" or row["estimate"])]
    show(bold("what it changed so far, against those held back"), "")
    show(*tell_measured(found, stored_checks(workspace.warehouse, LAST_DAY), workspace.business))


def _season(workspace: Workspace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = workspace.warehouse.query(
        "select campaign,\n"
        "    count(distinct unit_id) filter (where kind = 'assigned') as entered,\n"
        "    count(distinct unit_id) filter (where kind = 'assigned' and \"group\" = 'holdout') as held_back,\n"
        "    count(*) filter (where kind = 'decided' and action <> 'none') as contacts,\n"
        "    count(distinct decision_id) filter (where kind in ('sent', 'delivered', 'opened', 'answered', 'redeemed'))"
        " as sent,\n"
        "    cast(coalesce(sum(cost_cents) filter (where kind = 'decided'), 0) as bigint) as spent_cents\n"
        "from ledger where campaign is not null group by campaign order by campaign"
    ).to_pylist()
    return rows


def _where_to_go_on(workspace: Workspace, *, was_done_already: bool) -> None:
    if was_done_already:
        show(bold("All of this was done already: nothing was changed."), "`make clean` starts afresh.\n")
    business, root = os.path.relpath(BUSINESS_FILE), os.path.relpath(workspace.root)
    typer.echo(
        "Go on with:\n"
        f"  export HOLDBACK_BUSINESS={business} HOLDBACK_HOME={root} TELECOM_DAYS={root}/telecom-days\n"
        f"  .venv/bin/holdback report --as-of {LAST_DAY} --open            the site in your browser\n"
        f"  .venv/bin/holdback campaign plan save_calls --as-of {LAST_DAY}   when its effect can be read\n"
        f"  .venv/bin/holdback campaign measure --as-of {LAST_DAY}         every figure, with its interval\n"
        f"  .venv/bin/holdback campaign pnl --as-of {LAST_DAY}             what it cost and brought, for finance\n"
        f"  .venv/bin/holdback decisions list --as-of {LAST_DAY}           whom today contacts, masked\n"
        "  .venv/bin/holdback ledger verify                            that nobody changed what was decided\n"
        "  .venv/bin/holdback demo groceries                           a real retailer's year, without campaigns"
    )
