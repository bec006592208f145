"""Run a flow from the command line: on the configured Prefect server, or on a temporary one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from flows import settings
from flows.watching import watched
from holdback.errors import OperatorError

R = TypeVar("R")


def run(flow_name: str, *, quiet: bool, **parameters: Any) -> Any:
    """Run the flow ``flow_name`` of :mod:`flows.pipelines` here and now, and return its result.

    Prefect's own log is kept off the terminal: errors are told once, by the command line.

    Args:
        flow_name: Name of the flow.
        quiet: True when nobody watches: no progress is shown.
        parameters: The flow's parameters.

    Raises:
        HoldbackError: what the flow raised.
        OperatorError: the configured server does not answer.
    """
    settings.prepare_vendors()
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    with watched(flow_name.replace("_", " "), quiet=quiet), ExitStack() as stack:
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        from flows import pipelines
        from flows.watching import tell

        tell("starting Prefect", 0, 1)
        # The heartbeat's thread is joined in steps of a second at the end of each flow; nobody listens to it here.
        stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        hush_vendors()
        flow: Callable[..., Any] = getattr(pipelines, flow_name)
        try:
            return flow(**parameters)
        except RuntimeError as error:
            if "Failed to reach API" not in str(error):
                raise
            raise OperatorError(f"Prefect: {error}. Start the server, or unset PREFECT_API_URL.") from error


def hush_vendors() -> None:
    """Let vendors speak up only when something is wrong."""
    for chatty in ("httpx", "great_expectations", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
