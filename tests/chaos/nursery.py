"""Processes that are born warm and die on time: `python -m tests.chaos.nursery HOUSE`.

Loading our libraries costs seconds of work. So one process loads them all, touches nothing, and forks a child for each
life that it is told of, one line of JSON each on stdin; one line on stdout tells how it ended. A child dies at the n-th
moment that :mod:`tests.chaos.deaths` counts, by its own hand; or after so many seconds of work, measured by the clock
of its own processor time, by SIGKILL from here; or lives to the end.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

PROJECT: Final = Path(__file__).resolve().parents[2]
_GLANCE_SECONDS = 0.001
#: What a day loads, besides what our own modules load when they are imported.
_LOADED: Final = (
    "catboost", "deltalake", "duckdb", "evidently", "evidently.presets", "great_expectations",
    "great_expectations.expectations", "jinja2", "mlflow", "plotly.graph_objects", "psycopg", "scipy.optimize",
    "sklearn.isotonic", "sqlalchemy.dialects.sqlite", "sqlglot", "campaigns.decisions", "campaigns.delivery",
    "campaigns.reconciliation", "campaigns.designs", "features.families", "features.triggers", "features.segments",
    "monitoring.alerts", "monitoring.history", "monitoring.measurement", "monitoring.portal.publishing",
    "monitoring.portal.site", "monitoring.report", "monitoring.validation_page", "training.registry",
    "training.retraining", "training.scoring", "training.value.training", "training.value.valuing",
)  # fmt: skip


@dataclass(frozen=True)
class End:
    """How a life ended.

    Attributes:
        how: ``finished``, ``killed``, or the error that ended it.
        cpu_seconds: Work that it did.
        moments: What :class:`tests.chaos.deaths.Moments` counted; empty when it was killed.
    """

    how: str
    cpu_seconds: float
    moments: Sequence[str] = ()
    words: str = ""


@dataclass
class Nursery:
    """The process that forks; used from the test.

    Args:
        house: Folder of :class:`tests.chaos.company.House`.
        root: Of the workspace that all of them live in.
        receiver: Address that calls go to.
    """

    house: Path
    root: Path
    receiver: str
    kills: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Nursery:
        environment = {
            **os.environ, "PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
            "PREFECT_LOGGING_LEVEL": "CRITICAL", "HOLDBACK_THREADS": "1",
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.chaos.nursery", str(self.house)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment,
            start_new_session=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def lives(self, *orders: Mapping[str, Any]) -> list[End]:
        """Let children live at the same time, and tell how each ended."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the nursery died ({self._process.poll()})"
        return [End(**one) for one in json.loads(answer)]

    def order(
        self, day: date, names: Sequence[str], *, who: str, cpu_seconds: float = 0, moment: int = 0, **more: Any
    ) -> dict[str, Any]:
        """A life: steps of a day in the workspace, and when it is to end."""
        return {
            "root": str(self.root), "who": who, "day": day.isoformat(), "names": list(names),
            "cpu_seconds": cpu_seconds, "moment": moment, "receiver": self.receiver, **more,
        }  # fmt: skip

    def live(
        self, day: date, names: Sequence[str], *, who: str, cpu_seconds: float = 0, moment: int = 0, **more: Any
    ) -> End:
        """Let one child live, until its end or the one that is given."""
        [end] = self.lives(self.order(day, names, who=who, cpu_seconds=cpu_seconds, moment=moment, **more))
        if end.how == "killed":
            told = names[0] if len(names) == 1 else "day"
            self.kills[told] = self.kills.get(told, 0) + 1
        return end

    def live_to_the_end(self, day: date, names: Sequence[str], *, who: str, **more: Any) -> End:
        """Let one child live that must come through."""
        end = self.live(day, names, who=who, **more)
        assert end.how == "finished", f"{names} of {day}: {end.how}\n{end.words}"
        return end


def _live(house: Path, order: Mapping[str, Any], told: Path) -> None:
    """Be the child: live, and write down how it was."""
    from tests.chaos.company import House, workspace_in
    from tests.chaos.deaths import Moments
    from tests.chaos.lives import live, others

    moments = Moments(order["moment"])
    moments.watch()
    how, words = "finished", ""
    try:
        workspace = workspace_in(House(house), Path(order["root"]), receiver=order["receiver"], who=order["who"])
        day = date.fromisoformat(order["day"])
        for name, value in order.get("by_hand", ()):
            others()[name](workspace, day, value)
        live(workspace, day, order["names"], clock=order.get("clock", (0.0,)))
    except BaseException as error:  # noqa: BLE001 - whatever it was, the test wants to know
        how, words = f"{type(error).__name__}: {error}", traceback.format_exc()
    answer = {"how": how, "words": words, "moments": moments.seen}
    told.write_text(json.dumps(answer), encoding="utf-8")


def _cpu_of(child: int) -> float:
    """Seconds of work that a process has done: its own CPU-time clock (Linux: clock_getcpuclockid)."""
    return time.clock_gettime((~child << 3) | 2)


def _watch_over(children: Mapping[int, Mapping[str, Any]]) -> dict[int, tuple[int, float]]:
    """Wait for every child, and kill those whose time has come."""
    ended: dict[int, tuple[int, float]] = {}
    while len(ended) < len(children):
        for child, order in children.items():
            if child in ended:
                continue
            waited, status, usage = os.wait4(child, os.WNOHANG)
            if waited == child:
                ended[child] = (status, usage.ru_utime + usage.ru_stime)
                continue
            limit = order["cpu_seconds"]
            with suppress(OSError):
                if limit and _cpu_of(child) >= limit:
                    os.kill(child, signal.SIGKILL)
        time.sleep(_GLANCE_SECONDS)
    return ended


def main() -> None:
    """Load, then fork for each line."""
    warnings.simplefilter("ignore")
    from flows import settings

    house = Path(sys.argv[1])
    settings.prepare_vendors()
    for name in _LOADED:
        importlib.import_module(name)
    from flows.running import hush_vendors

    hush_vendors()
    for line in sys.stdin:
        children: dict[int, Mapping[str, Any]] = {}
        for number, order in enumerate(json.loads(line)):
            told = house / f".told-{number}"
            told.unlink(missing_ok=True)
            child = os.fork()
            if child == 0:
                null = os.open(os.devnull, os.O_RDWR)
                for stream in (0, 1):
                    os.dup2(null, stream)
                _live(house, order, told)
                os._exit(0)
            children[child] = {**order, "told": told}
        answers = []
        ended = _watch_over(children)
        for child, order in children.items():
            status, cpu_seconds = ended[child]
            found = {"how": "killed" if os.WIFSIGNALED(status) else f"exit {status}"}
            path = order["told"]
            if not os.WIFSIGNALED(status) and path.exists():
                found = json.loads(path.read_text(encoding="utf-8"))
            answers.append({**found, "cpu_seconds": cpu_seconds})
        sys.stdout.write(json.dumps(answers) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
