"""Who does the parts of a day's scoring: this process, or the workers of a task runner.

``HOLDBACK_TASK_RUNNER`` chooses: ``threads`` (of this process), ``dask`` (the cluster at ``DASK_ADDRESS``, else one on
this machine) or ``ray`` (``RAY_ADDRESS``, else on this machine); unset, the parts are done here one after the other.
A worker is told where the workspace lies, the business file's content and the plan, nothing else: it must see the
workspace under the same path, and reads its own environment for the company's database. What is done is known by the
parts' files, not by Prefect's cache: they hold the data, are put in place as a whole, and are named after all that the
result depends on. So a part that a dead worker finished is not done again, and one that it did not finish is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flows import settings
from holdback.business import Business
from holdback.errors import HoldbackError, OperatorError
from holdback.progress import Progress
from holdback.workspace import Workspace

if TYPE_CHECKING:
    from prefect.task_runners import TaskRunner

    from training.scoring import ScorePlan
    from training.scoring.parts import RunParts

R = TypeVar("R")

KINDS = ("threads", "dask", "ray")
_TRIES = 3  # a worker that dies takes its part with it


def chosen_runner() -> str | None:
    """Return which task runner the environment asks for; None: the parts are done here, one after the other.

    Raises:
        OperatorError: it asks for one that there is not.
    """
    kind = os.environ.get("HOLDBACK_TASK_RUNNER", "").strip().lower()
    if kind in ("", "none"):
        return None
    if kind not in KINDS:
        raise OperatorError(
            f"HOLDBACK_TASK_RUNNER: must be one of {', '.join(KINDS)} (got {kind!r}). Unset it to score in one process."
        )
    return kind


@contextmanager
def part_runner(workspace: Workspace) -> Iterator[RunParts]:
    """Lend who does the parts; a cluster that was started for it is ended.

    Raises:
        OperatorError: the runner that was asked for is not installed or does not answer.
    """
    from training.scoring import one_after_another

    kind = chosen_runner()
    if kind is None:
        yield one_after_another
        return
    with ExitStack() as stack:
        try:
            runner = _RUNNERS[kind](workspace.threads, stack)
        except ImportError as error:
            raise OperatorError(
                f"HOLDBACK_TASK_RUNNER={kind}: it is not installed ({error.name}). Install `holdback[{kind}]`."
            ) from error
        except (OSError, TimeoutError, ConnectionError, RuntimeError) as error:
            raise OperatorError(
                f"HOLDBACK_TASK_RUNNER={kind}: its workers cannot be reached ({type(error).__name__}). Check the "
                "address and that they run; unset it to score in one process."
            ) from error
        # Threads share this process' cores; workers elsewhere each have their own.
        yield _over(runner, threads=1)


def _over(runner: TaskRunner[Any], *, threads: int) -> RunParts:
    def run_parts(
        work: Callable[[Workspace, ScorePlan, int], R], workspace: Workspace, plan: ScorePlan, progress: Progress
    ) -> list[R]:
        told = _told(workspace, plan, threads)
        done: dict[int, R] = {}
        fault: Exception | None = None
        for _ in range(_TRIES):
            missing = [number for number in range(plan.part_count) if number not in done]
            if not missing:
                break
            progress(f"{work.__name__.replace('_', ' ')}s at the workers", len(done), plan.part_count)
            for number, found in _submitted(runner, work.__name__, told, missing):
                if not isinstance(found, Exception):
                    done[number] = found
                elif isinstance(found, HoldbackError) and not isinstance(found, OperatorError):
                    raise found  # another worker would find the same
                else:
                    fault = found
        if fault is not None and len(done) < plan.part_count:
            raise OperatorError(
                f"scores of {plan.as_of}: {plan.part_count - len(done)} of {plan.part_count} parts were not done in "
                f"{_TRIES} tries ({_words_of(fault)}). Look at the workers; the next run does only these parts. No "
                "score was written."
            ) from fault
        return [done[number] for number in range(plan.part_count)]

    return run_parts


def _told(workspace: Workspace, plan: ScorePlan, threads: int) -> dict[str, Any]:
    """What a worker is told: no secret, and nothing of a customer."""
    return {
        "root": str(workspace.root.resolve()),
        "business": workspace.business.model_dump_json(),
        "plan": plan,
        "threads": threads,
    }


def work_on_part(name: str, told: dict[str, Any], number: int) -> Any:
    """Do a part, wherever this runs: ``score_part`` or ``explain_part`` of :mod:`training.scoring`."""
    from training import scoring

    work = {"score_part": scoring.score_part, "explain_part": scoring.explain_part}[name]
    workspace = Workspace(
        root=Path(told["root"]),
        business=Business.model_validate_json(told["business"]),
        threads=told["threads"],
        database_url=os.environ.get("HOLDBACK_DATABASE_URL"),
    )
    return work(workspace, told["plan"], number)


def _submitted(
    runner: TaskRunner[Any], name: str, told: dict[str, Any], numbers: Sequence[int]
) -> list[tuple[int, Any]]:
    """Let the runner do parts, as tasks of a Prefect flow of their own; an exception stands for what was not done."""
    settings.prepare_vendors()
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE

    part = task(name=name.replace("_", "-"), cache_policy=NO_CACHE, persist_result=False)(work_on_part)

    @flow(name=f"{name.replace('_', '-')}s", task_runner=runner, persist_result=False, validate_parameters=False)
    def parts() -> list[tuple[int, Any]]:
        futures = [(number, part.submit(name, told, number)) for number in numbers]
        return [(number, _result(future)) for number, future in futures]

    return parts()


def _result(future: Any) -> Any:
    try:
        return future.result(raise_on_failure=True)
    except Exception as error:  # noqa: BLE001 - a worker dies in many ways; who submitted decides what becomes of it
        return error


def _words_of(fault: Exception) -> str:
    """Ours are told; a vendor's message may repeat a cell."""
    return str(fault) if isinstance(fault, HoldbackError) else type(fault).__name__


def _threads(threads: int, _: ExitStack) -> TaskRunner[Any]:
    from prefect.task_runners import ThreadPoolTaskRunner

    return ThreadPoolTaskRunner(max_workers=threads)


def _dask(threads: int, stack: ExitStack) -> TaskRunner[Any]:
    from prefect_dask.task_runners import DaskTaskRunner

    address = os.environ.get("DASK_ADDRESS")
    if address:
        return DaskTaskRunner(address=address)
    from distributed import LocalCluster

    local: Any = LocalCluster  # it has no types
    cluster = stack.enter_context(
        local(n_workers=threads, threads_per_worker=1, dashboard_address=None, host="127.0.0.1")
    )
    return DaskTaskRunner(address=cluster.scheduler_address)


def _ray(threads: int, stack: ExitStack) -> TaskRunner[Any]:
    import ray
    from prefect_ray.task_runners import RayTaskRunner

    address = os.environ.get("RAY_ADDRESS")
    if not ray.is_initialized():
        cores = None if address else threads
        ray.init(address=address, num_cpus=cores, include_dashboard=False, log_to_driver=False, configure_logging=False)
        stack.callback(ray.shutdown)
    runner: TaskRunner[Any] = RayTaskRunner()
    return runner


_RUNNERS: dict[str, Callable[[int, ExitStack], TaskRunner[Any]]] = {"threads": _threads, "dask": _dask, "ray": _ray}
