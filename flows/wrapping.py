"""How our flows and tasks are wrapped for Prefect: their names, what is tried again, what is left when they end."""

from __future__ import annotations

from typing import Any

from prefect import flow, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State, TaskRun
from prefect.flows import Flow
from prefect.tasks import Task, exponential_backoff

from flows import settings
from flows.servers import zombies
from holdback.errors import OperatorError


def _can_pass(_task: Task[Any, Any], _run: TaskRun, state: State[Any]) -> bool:
    """Retry what can pass by itself (a source or server that is away), never what cannot (a broken contract)."""
    return isinstance(state.result(raise_on_failure=False), OperatorError | ConnectionError | TimeoutError)


def _run_name() -> str:
    given = runtime.flow_run.parameters
    return (
        f"{runtime.flow_run.flow_name} {given.get('business') or settings.business_path()} {given.get('as_of') or ''}"
    )


def _left(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:  # noqa: ARG001 - so Prefect calls it
    """However a run ends, its process no longer stands in for it."""
    zombies.leave(flow_run.id)


our_task = task(
    retries=2, retry_delay_seconds=exponential_backoff(backoff_factor=2), retry_condition_fn=_can_pass,
    cache_policy=NO_CACHE,
)  # fmt: skip
our_flow = flow(
    flow_run_name=_run_name, on_completion=[_left], on_failure=[_left], on_crashed=[_left], on_cancellation=[_left]
)
