"""The worker: offers the business' flows to Prefect and runs them: ``python -m flows.servers.worker HOST PORT``.

It serves them without a work pool: nothing has to be created by hand, and when it is ended its schedules stay on
(``pause_on_shutdown=False``; Prefect's default would pause every deployment for good).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from flows import settings

if TYPE_CHECKING:
    from prefect.runner import Runner

_MOST_RUNS = 4
_POLL_SECONDS = 5
_SILENT_SECONDS = 90

logger = logging.getLogger("holdback.worker")


def main() -> None:
    """Clear what dead runs left, offer the flows, and run them until the process is ended."""
    host, port = sys.argv[1], int(sys.argv[2])
    settings.prepare_vendors()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for chatty in ("httpx", "prefect.events", "websockets"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the runner has a way of its own

    from prefect.runner import Runner

    from flows.servers.deployments import daily_time, deployments, time_of_every_day
    from flows.servers.due import start_what_is_due
    from flows.servers.zombies import reap_deployed_runs

    workspace = settings.open_workspace()
    business = workspace.business
    wanted = daily_time(os.environ.get("HOLDBACK_DAILY_AT"))
    at = time_of_every_day(wanted, business.time_zone, datetime.now(UTC))
    if at != wanted:
        logger.warning("daily: %s does not come once a day in %s; it starts at %s", wanted, business.time_zone, at)

    runner = Runner(
        name=f"holdback-{business.slug}", query_seconds=_POLL_SECONDS, limit=_MOST_RUNS, pause_on_shutdown=False
    )
    offered = [
        runner.add_deployment(one)
        for one in deployments(business.slug, str(settings.business_path().resolve()), business.time_zone, at)
    ]
    logger.info("%s flows of %s are offered, daily at %s %s", len(offered), business.slug, at, business.time_zone)
    for said in reap_deployed_runs(workspace):
        logger.warning("%s", said)
    said_due = start_what_is_due(workspace, at, datetime.now(UTC))
    if said_due:
        logger.info("%s", said_due)
    threading.Thread(target=_Health(runner, host, port).serve_forever, daemon=True).start()
    asyncio.run(runner.start())


class _Health(ThreadingHTTPServer):
    """Says whether the worker still asks Prefect for work, and nothing else: Prefect's own offers to end it as well."""

    daemon_threads = True

    def __init__(self, runner: Runner, host: str, port: int) -> None:
        self.runner = runner
        super().__init__((host, port), _HealthReader)


class _HealthReader(BaseHTTPRequestHandler):
    server: _Health

    def do_GET(self) -> None:
        polled = self.server.runner.last_polled
        silent = None if polled is None else (datetime.now(UTC) - polled).total_seconds()
        is_well = silent is not None and silent < _SILENT_SECONDS
        said = json.dumps({"is_well": is_well, "seconds_since_prefect_was_asked": silent}).encode()
        self.send_response(200 if is_well and self.path == "/health" else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        """Keep no record of who asks."""


if __name__ == "__main__":
    main()
