"""The steps as Prefect tasks: what a flow asks for, and how long each waits in line."""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact

from flows import steps
from flows.alerting import alert_step
from flows.forgetting.retention import retention_step
from flows.publication import portal_step
from flows.runs import Outcome
from flows.wrapping import our_task

WAIT_SECONDS = 600
"""How long a step waits for another run of the same flow: a schedule that overlaps waits in line."""

ingest_task = our_task(steps.ingest_step)
retrain_task = our_task(steps.retrain_step)
retrain_if_needed_task = our_task(steps.retrain_if_needed_step)
first_model_task = our_task(steps.first_model_step)
train_value_task = our_task(steps.train_value_step)
first_value_task = our_task(steps.first_value_step)
value_task = our_task(steps.value_step)
learn_task = our_task(steps.learn_step)
uplift_task = our_task(steps.uplift_step)
score_task = our_task(steps.score_step)
fire_task = our_task(steps.fire_step)
segment_task = our_task(steps.segment_step)
reconcile_task = our_task(steps.reconcile_step)
measure_task = our_task(steps.measure_step)
decide_task = our_task(steps.decide_step)
deliver_task = our_task(steps.deliver_step)
record_task = our_task(steps.record_step)
alert_task = our_task(alert_step)
report_task = our_task(steps.report_step)
portal_task = our_task(portal_step)
retention_task = our_task(retention_step)


def published(outcome: Outcome) -> Outcome:
    """Leave the run's counts in Prefect, where its operators look."""
    counts = {name: value for name, value in outcome.receipt.items() if isinstance(value, int | float | str | bool)}
    rows = "\n".join(f"| {name} | {value} |" for name, value in counts.items())
    done = " (was done already)" if outcome.was_done_already else ""
    create_markdown_artifact(
        key=f"{outcome.flow}-{outcome.business}".replace("_", "-"),
        markdown=f"# {outcome.flow} {outcome.business} {outcome.as_of}{done}\n\n| what | value |\n|---|---|\n{rows}\n",
    )
    return outcome
