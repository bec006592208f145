"""Run a flow from the command line: on the configured Prefect server, or on a temporary one."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from flows import settings
from flows.watching import watched
from holdback.business import load_business
from holdback.errors import BusinessFileError, OperatorError

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
        OperatorError: the configured server does not answer, or does not let us in.
    """
    settings.prepare_vendors()
    _use_the_server_that_is_up()
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_LOGGING_LEVEL", "CRITICAL")
    with watched(flow_name.replace("_", " "), quiet=quiet), ExitStack() as stack:
        from prefect import tags
        from prefect.exceptions import PrefectHTTPStatusError
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        from flows import pipelines
        from flows.watching import tell

        tell("starting Prefect", 0, 1)
        # The heartbeat's thread is joined in steps of a second at the end of each flow; nobody listens to it here.
        stack.enter_context(temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        hush_vendors()
        flow: Callable[..., Any] = getattr(pipelines, flow_name)
        stack.enter_context(tags(*_tags_of(parameters.get("business"))))
        try:
            return flow(**parameters)
        except PrefectHTTPStatusError as error:
            raise OperatorError(_refusal(error.response.status_code)) from None  # it repeats the address
        except RuntimeError as error:
            if "Failed to reach API" not in str(error):
                raise
            said = without_password(str(error)).rstrip(".")
            raise OperatorError(f"Prefect: {said}. Start the server, or unset PREFECT_API_URL.") from None


def _tags_of(business: str | None) -> list[str]:
    """Return the tag of the business, as its deployments have it: ``holdback status`` asks for it."""
    from flows.servers.deployments import tag_of

    try:
        return [tag_of(load_business(business or settings.business_path()).slug)]
    except BusinessFileError:
        return []  # the flow tells it, and keeps it in its log


def _refusal(status: int) -> str:
    if status in (401, 403):
        return (
            f"Prefect: the server that PREFECT_API_URL names does not let us in ({status}). Set "
            "PREFECT_API_AUTH_STRING=NAME:PASSWORD, the one that the server was started with. Nothing was run."
        )
    return (
        f"Prefect: the server that PREFECT_API_URL names answered {status}. Look at its log; unset PREFECT_API_URL to "
        "run without it. What was done is kept; the next run goes on from there."
    )


def without_password(said: str) -> str:
    """Return a text without the names and passwords of the addresses in it.

    Examples:
        >>> without_password("Failed to reach API at http://ann:s3cret@host:4200/api/")
        'Failed to reach API at http://host:4200/api/'
    """
    return re.sub(r"//[^/\s]*@", "//", said)


def _use_the_server_that_is_up() -> None:
    """Report to the server of ``holdback up`` when it runs: a temporary one takes ten seconds, and shows no runs.

    A server that is named (``PREFECT_API_URL``) is used all the same.
    """
    from flows.servers.processes import is_alive
    from flows.servers.states import read_state

    if os.environ.get("PREFECT_API_URL"):
        return
    state = read_state(settings.home())
    if state is None or not is_alive(state.supervisor):
        return
    if any(server.name == "prefect" and server.condition == "up" for server in state.servers):
        os.environ["PREFECT_API_URL"] = state.prefect_api
        if os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
            os.environ.setdefault("PREFECT_API_AUTH_STRING", os.environ["PREFECT_SERVER_API_AUTH_STRING"])


def hush_vendors() -> None:
    """Let vendors speak up only when something is wrong."""
    for chatty in ("httpx", "great_expectations", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
