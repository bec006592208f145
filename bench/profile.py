"""A flame graph of each step of a day: ``python -m bench.profile [--customers N]``, which is ``make profile``.

A simulated telephone company is loaded and its model trained; then one day is lived, and py-spy looks a hundred times a
second at what each step's process is doing. One thread per query and model: what DuckDB and CatBoost do is then seen
under the line of ours that asked for it. ``build/profiles/STEP.svg`` opens in a browser; a click goes into a frame.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from bench.measuring import ROOT, say
from bench.telephone import OF_THE_DEMO, Telephone, found

STEPS = ("ingest", "retrain", "score", "triggers", "decide", "measure", "portal", "report")
_TRIGGERS = "import datetime; from flows.running import run; print(run('triggers', quiet=True, as_of={}))"
"""The hourly flow has no command of its own: a schedule runs it."""


def main() -> int:
    """Profile the steps, and say where the graphs are."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument(
        "--customers", type=int, default=OF_THE_DEMO, help=f"of the company (default: {OF_THE_DEMO:,}, as in the demo)"
    )
    parser.add_argument("--rate", type=int, default=100, help="looks per second (default: 100)")
    parser.add_argument(
        "--to", type=Path, default=ROOT / "build" / "profiles", help="where to (default: build/profiles)"
    )
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="holdback-profile-") as folder:
        lived = found(Path(folder), given.customers, threads=1)
        lived.write_past()
        for step, command in commands(lived):
            graph = given.to / f"{step}.svg" if step in STEPS else None
            say(f"{step} ...")
            spent = run(command, graph, given.rate, lived.environment)
            if graph is not None:
                print(f"{step:<9} {spent:6.1f} s   {graph}")
    return 0


def commands(lived: Telephone) -> Iterator[tuple[str, list[str]]]:
    """Yield what is done, in words and as command lines, in order; a step that is profiled bears its name.

    The company lives its first day between the models and the day's own steps. The command ``report`` builds the site
    after the report; before it, the site is built alone.
    """
    past, _, *launches = lived.prepared_by()
    yield past
    yield "retrain", lived.command("retrain", "--as-of", lived.first.isoformat())
    yield from launches
    lived.live_a_day()
    day = lived.first + timedelta(days=1)
    at = ("--as-of", day.isoformat())
    yield "ingest", lived.command("ingest", *at)
    yield "score", lived.command("score", *at)
    yield "triggers", [sys.executable, "-c", _TRIGGERS.format(repr(day))]
    yield "decide", lived.command("decide", "--past", *at)
    yield "measure", lived.command("campaign", "measure", *at)
    yield "portal", lived.command("portal", "build", *at)
    yield "report", lived.command("report", *at)


def run(command: Sequence[str], graph: Path | None, rate: int, environment: Mapping[str, str]) -> float:
    """Run a command to its end, under py-spy when a graph is wanted; return the seconds that it took."""
    spy = Path(sys.executable).with_name("py-spy")
    watched = [str(spy), "record", "--rate", str(rate), "--function", "--output", str(graph), "--", *command]
    began = time.monotonic()
    done = subprocess.run(
        command if graph is None else watched, env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode or not done.stdout.strip() or (graph is not None and not graph.exists()):
        raise SystemExit(f"bench: {' '.join(command)} failed: {(done.stderr or done.stdout)[-2000:]}")
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(main())
