"""The step that builds the day's site and publishes it, once per state of what it says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

from flows.runs import Outcome, Receipt, inputs_key, once, receipt_of
from flows.watching import tell
from holdback.workspace import Workspace

FLOW = "portal"


def portal_step(workspace: Workspace, as_of: date, *, with_publishing: bool = True, wait_seconds: float = 0) -> Outcome:
    """Build the site of the day, and publish it where the business file says.

    A page that fails stands there and says why, is listed in the receipt, and is tried again by the next run. What
    cannot be published is an error; the site in the workspace stands all the same. Where another version of Holdback
    would draw or say it differently, it is built again.
    """
    from monitoring.portal.publishing import publish, target_of
    from monitoring.portal.site import build_portal, looks

    business = workspace.business
    target = target_of(business, workspace.environment) if with_publishing else None

    def work() -> Receipt:
        site = build_portal(workspace, as_of, progress=tell)
        if target is None:
            return {**receipt_of(site), "published": None}
        tell("publishing", 0, 1)
        published = publish(site, target, keep_days=business.portal.keep_days, wait_seconds=wait_seconds)
        if not published.is_there:
            return {**receipt_of(site), "published": None, "notes": [*site.notes, *published.notes]}
        return {**receipt_of(site), "published": receipt_of(published)}

    return once(
        FLOW,
        workspace,
        as_of,
        work,
        key=lambda: inputs_key(
            workspace, target, looks(), *_facts(workspace, as_of), tables=(*business.tables, "features")
        ),
        stands=lambda receipt: not receipt["failed"] and Path(receipt["first_page"]).exists(),
        wait_seconds=wait_seconds,
    )


def _facts(workspace: Workspace, as_of: date) -> Iterator[object]:
    """What the pages say and no table holds: who is in office, what was judged, what failed, what was delivered."""
    from training.registry import VALUE, model_name, uplift_subject

    business, journal = workspace.business, workspace.journal
    subjects = [*(churn.name for churn in business.churn), VALUE]
    subjects += [uplift_subject(action.name) for action in business.actions]
    for subject in subjects:
        name = model_name(business, subject)
        yield subject, journal.champion(name), len(journal.verdicts(name))
    runs = [run for run in reversed(journal.runs(business=business.slug)) if run.as_of == as_of]
    newest = {(run.flow, run.subject): run for run in runs}
    yield sorted(flow for (flow, _), run in newest.items() if run.state == "failed" and flow != FLOW)
    delivered = journal.find_done(flow="deliver", business=business.slug, as_of=as_of, inputs_key="")
    yield sorted((delivered.receipt or {}).items()) if delivered else None
