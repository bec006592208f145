"""How a day went, from the journal, the ledger and the log: what is needed to say on one screen what to do."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from flows.observing.logs import counts_of, read_lines
from flows.observing.reactions import DIED, REAPED, Reaction, reaction_to
from holdback.errors import Busy
from holdback.journal import Run
from holdback.workspace import Workspace

USUAL_DAYS = 14
DayState = Literal["done", "failed", "waits", "busy", "running", "died", "stopped", "missed", "not yet"]
StepState = Literal["done", "failed", "waits", "running", "died"]

_SLOW_FACTOR, _SLOW_SECONDS = 2.0, 10.0
_LOG_LINES = 3
_PAGE = re.compile(r"^Every rule's result: (.+)$", re.MULTILINE)
_WRAPPERS = frozenset({"demo"})  # many days in one run
_OWN_HOUR = frozenset({"triggers", "ingest_daily"})  # run by the hour as well: alone they are no day
_BETWEEN = "daily"  # what stopped a day outside of its steps; see flows.runs.kept
_AFTERWARDS = _OWN_HOUR | {"alerts", "retention", "catch_up"}  # go on when the day is stopped
_TODAY_ONLY = frozenset(
    ("reconcile", "measure", "uplift_daily", "decide_daily", "deliver", "alerts", "report", "portal", "retention")
)  # fmt: skip
"""What a day lacks that was missed and made good: nobody can be contacted on it any more."""
_ENDS = "record_daily"
"""A day was lived when this step recorded its figures: what `flows.missed` and the rules of Prometheus ask as well."""


@dataclass(frozen=True)
class Step:
    """The newest run of one step of a day.

    Attributes:
        step: As the journal calls it.
        subject: Which churn definition or campaign, or empty.
        run_id: Of the newest run.
        state: How it stands; ``died`` where the journal says running and nobody holds its lock.
        started_at: Naive UTC.
        duration_seconds: Of the newest run, up to now where it runs.
        usual_seconds: Median of the 14 days before; None when it was not done on them.
        is_slow: More than twice as long as usual, and ten seconds more.
        tries: Runs of the step for the day.
        counts: Its numbers.
    """

    step: str
    subject: str
    run_id: str
    state: StepState
    started_at: datetime
    duration_seconds: float | None
    usual_seconds: float | None
    is_slow: bool
    tries: int
    counts: Mapping[str, int | float]

    @property
    def name(self) -> str:
        """The step, with its subject if it has one."""
        return f"{self.step} {self.subject}".rstrip()


@dataclass(frozen=True)
class Fault:
    """The first thing that went wrong, or that a step waits for.

    Attributes:
        step: Where; empty where no step was reached.
        error_class: Its class; ``Died`` for a process that ended without a word.
        exit_code: What the command line returned; None when nobody returned anything.
        sentence: What was said.
        do: What to do.
        runbook: Where more of it stands.
        page: The page of the validation's results, where a contract broke.
    """

    step: str
    error_class: str
    exit_code: int | None
    sentence: str
    do: str
    runbook: str
    page: str | None = None


@dataclass(frozen=True)
class Contacts:
    """Whether anybody was, or can still be, contacted for the day.

    Attributes:
        has_campaigns: False where the business file has none.
        was_decided: True when the ledger has the day's decision.
        decided_count: Customers that it contacts.
        lists: Contact lists that lie in the outbox.
        removed: Contact lists that were written, and lie there no more: a retention period, or somebody, removed them.
        is_past: True when nobody can be contacted for the day any more.
    """

    has_campaigns: bool
    was_decided: bool
    decided_count: int
    lists: tuple[str, ...]
    removed: tuple[str, ...]
    is_past: bool


@dataclass(frozen=True)
class DayStory:
    """How a day went.

    Attributes:
        business: The company's slug.
        as_of: The day.
        state: How it stands as a whole.
        steps: In the order in which they began.
        not_done: Steps of the last whole day that this one does not have yet.
        fault: The first fault; None when there is none.
        contacts: Who was contacted.
        was_lived: True when its figures are recorded: no later run makes it good by itself.
        newest_done_day: The newest day before that was done to its end; None when there is none.
        remaining_seconds: Usual time until a running day is over; None otherwise, or where nothing is usual yet.
        log: The last lines of the log about the day.
    """

    business: str
    as_of: date
    state: DayState
    steps: tuple[Step, ...]
    not_done: tuple[str, ...]
    fault: Fault | None
    contacts: Contacts
    was_lived: bool
    newest_done_day: date | None
    remaining_seconds: float | None
    log: tuple[Mapping[str, Any], ...]


def tell_day(workspace: Workspace, as_of: date, *, now: datetime, run_id: str | None = None) -> DayStory:
    """Return how a day went, is going, or why nothing is known of it.

    Args:
        workspace: The business; nothing is written.
        as_of: The day.
        now: The instant, naive UTC.
        run_id: The run that is asked about: its error is the fault that is told, also when a later run mended it.
    """
    slug, today = workspace.business.slug, workspace.business.day_of(now)
    runs = workspace.journal.runs_of_days(business=slug, since=as_of - timedelta(days=USUAL_DAYS), until=as_of)
    before = [run for run in runs if run.as_of < as_of]
    own = _standing([run for run in reversed(runs) if run.as_of == as_of and run.flow not in _WRAPPERS])
    alive = _alive(workspace, {run.flow for run in own if run.state == "running"})
    steps = _steps(own, _usual(before), alive, now)
    whole = _whole_days(before)
    contacts = _contacts(workspace, as_of, own, is_past=as_of < today)
    was_lived = any(run.flow == _ENDS and run.state == "done" for run in own)
    not_done = _not_done(before, whole, steps)
    if was_lived and contacts.is_past and not contacts.was_decided:
        not_done = [name for name in not_done if name.partition(" ")[0] not in _TODAY_ONLY]
    log = _log(workspace, as_of, own)
    fault = _fault(own, steps, log, run_id)
    state = _state(steps, not_done, fault, is_today=as_of >= today)
    remaining = None
    if state == "running" and whole:
        usual = _usual(before)
        left = [usual.get(name, 0.0) for name in not_done]
        left += [
            max((step.usual_seconds or 0.0) - (step.duration_seconds or 0.0), 0.0)
            for step in steps
            if step.state == "running"
        ]
        remaining = sum(left)
    newest = whole[0] if whole else None
    return DayStory(
        slug, as_of, state, steps, tuple(not_done), fault, contacts, was_lived, newest, remaining, log
    )  # fmt: skip


def _standing(own: Sequence[Run]) -> list[Run]:
    """The runs of a day without those between its steps that it was taken up again after, oldest first."""
    last = max((n for n, run in enumerate(own) if run.flow not in (_BETWEEN, *_AFTERWARDS)), default=-1)
    return [run for n, run in enumerate(own) if run.flow != _BETWEEN or (run.state == "failed" and n > last)]


def _alive(workspace: Workspace, flows: Iterable[str]) -> set[str]:
    """The flows whose lock somebody holds: the system lets go of it when the process dies."""
    alive = set()
    for flow in flows:
        try:
            with workspace.lock(flow):
                pass
        except Busy:
            alive.add(flow)
    return alive


def _usual(runs: Iterable[Run]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {}
    for run in runs:
        if run.state == "done" and run.ended_at is not None:
            seconds.setdefault(_name(run), []).append((run.ended_at - run.started_at).total_seconds())
    return {name: statistics.median(values) for name, values in seconds.items()}


def _steps(
    own: Sequence[Run], usual: Mapping[str, float], alive: set[str], now: datetime
) -> tuple[Step, ...]:  # fmt: skip
    newest = {_name(run): run for run in own}  # the last of each name stands
    steps = []
    for name, run in newest.items():
        state: StepState = run.state
        if (run.state == "running" and run.flow not in alive) or (run.state == "failed" and run.error == REAPED):
            state = "died"
        over = run.ended_at or (now if state == "running" else None)
        seconds = None if over is None or state == "died" else max((over - run.started_at).total_seconds(), 0.0)
        expected = usual.get(name)
        is_slow = (
            seconds is not None
            and expected is not None
            and seconds > _SLOW_FACTOR * expected
            and seconds > expected + _SLOW_SECONDS
        )
        tries = sum(_name(other) == name for other in own)
        counts = counts_of(run.receipt or {}) if run.state == "done" else {}
        steps.append(
            Step(run.flow, run.subject, run.run_id, state, run.started_at, seconds, expected, is_slow, tries, counts)
        )
    return tuple(sorted(steps, key=lambda step: step.started_at))


def _whole_days(before: Iterable[Run]) -> list[date]:
    """The days that were lived, the newest first."""
    return sorted({run.as_of for run in before if run.flow == _ENDS and run.state == "done"})[::-1]


def _not_done(before: Sequence[Run], whole: Sequence[date], steps: Sequence[Step]) -> list[str]:
    """What the last whole day had and this one has not, in that day's order; what comes now and then is not missed.

    Days that were decided are asked where there are any: a missed day that was made good is no measure of another.
    """
    for step in ("decide_daily", "report"):
        fuller = {run.as_of for run in before if run.flow == step and run.state == "done"} & set(whole)
        if fuller:
            whole = sorted(fuller, reverse=True)
            break
    if not whole:
        return []
    had = {step.name for step in steps if step.state in ("done", "waits")}
    counts: dict[str, int] = {}
    for name in {(_name(run), run.as_of) for run in before if run.as_of in whole and run.state == "done"}:
        counts[name[0]] = counts.get(name[0], 0) + 1
    last = [run for run in reversed(before) if run.as_of == whole[0]]
    often = {name for name, count in counts.items() if 2 * count > len(whole)}
    ordered = dict.fromkeys(_name(run) for run in last)
    return [name for name in ordered if name in often and name not in had]


def _fault(
    own: Sequence[Run], steps: Sequence[Step], log: Sequence[Mapping[str, Any]], run_id: str | None
) -> Fault | None:
    asked = next((run for run in own if run.run_id == run_id), None)
    if asked is not None and asked.state in ("failed", "waits"):
        return _of_run(asked)
    by_id = {run.run_id: run for run in own}
    for state in ("failed", "died", "waits"):
        for step in sorted(steps, key=lambda step: step.step == "catch_up"):  # days before matter less than this one
            if step.state == state:
                run = by_id[step.run_id]
                return _of_run(run) if run.state != "running" else _named(step.name, DIED, REAPED)
    if log and log[-1].get("event") == "step_busy":
        said = f"another process holds {log[-1].get('step')}; nothing was changed"
        return _named(str(log[-1].get("step")), "Busy", said)
    return None


def _of_run(run: Run) -> Fault:
    said = run.error or ""
    if said == REAPED:
        return _named(_name(run), DIED, said)
    page = _PAGE.search(said)
    known = (run.receipt or {}).get("error_class")
    error_class = str(known or ("NotKnowableYet" if run.state == "waits" else "Unforeseen"))
    return _named(_name(run), error_class, _PAGE.sub("", said).strip(), page[1] if page else None)


def _named(step: str, error_class: str, sentence: str, page: str | None = None) -> Fault:
    reaction: Reaction = reaction_to(error_class)
    return Fault(step, error_class, reaction.exit_code, sentence, reaction.do, reaction.runbook, page)


def _state(steps: Sequence[Step], not_done: Sequence[str], fault: Fault | None, *, is_today: bool) -> DayState:
    found = {step.state for step in steps if step.step != "catch_up"}  # it tells of other days
    if "running" in found:
        return "running"
    if fault is not None and fault.error_class == "Busy":
        return "busy"
    for state in ("failed", "died"):
        if state in found:
            return state
    if not {step.step for step in steps} - _OWN_HOUR:
        return "not yet" if is_today else "missed"
    if "waits" in found:
        return "waits"
    return "stopped" if not_done or _ENDS not in {step.step for step in steps} else "done"


def _contacts(workspace: Workspace, as_of: date, own: Sequence[Run], *, is_past: bool) -> Contacts:
    from campaigns.decisions import decide_batch

    if not workspace.business.campaigns:
        return Contacts(False, False, 0, (), (), is_past)
    warehouse = workspace.warehouse
    was_decided = warehouse.has_batch("ledger", decide_batch(as_of))
    count = 0
    if was_decided:
        count = warehouse.query(
            f"select count(*) as n from ledger where kind = 'decided' and action <> 'none' and as_of = date '{as_of}'"
        )["n"][0].as_py()
    folder = workspace.outbox / as_of.isoformat()
    lists = sorted(str(path) for path in folder.glob("[!_]*.csv")) if folder.is_dir() else []
    removed = sorted(set(_written(folder, own)) - {Path(path).name for path in lists})
    return Contacts(True, was_decided, count, tuple(lists), tuple(removed), is_past)


def _written(folder: Path, own: Sequence[Run]) -> list[str]:
    """Names of the lists that a day's delivery wrote: its manifest stays, and so does its run's receipt."""
    names: list[str] = []
    with suppress(OSError, ValueError):
        names += json.loads((folder / "manifest.json").read_text(encoding="utf-8")).get("files", {})
    delivered = next((run.receipt for run in reversed(own) if run.flow == "deliver" and run.state == "done"), None)
    names += [Path(str(name)).name for name in (delivered or {}).get("paths", ())]
    return [name for name in names if name.endswith(".csv") and not name.startswith("_")]


def _log(workspace: Workspace, as_of: date, own: Sequence[Run]) -> tuple[Mapping[str, Any], ...]:
    since = min((run.started_at for run in own), default=workspace.business.instant(as_of))
    with suppress(OSError):
        lines = [line for line in read_lines(workspace, since=since) if line.get("as_of") == as_of.isoformat()]
        return tuple(lines[-_LOG_LINES:])
    return ()


def _name(run: Run) -> str:
    return f"{run.flow} {run.subject}".rstrip()


def newest_day(workspace: Workspace) -> tuple[date, str | None] | None:
    """Return the day of the newest run, with the run's id; None when nothing was ever run."""
    found = workspace.journal.runs(business=workspace.business.slug, limit=1)
    return (found[0].as_of, None) if found else None


def run_named(workspace: Workspace, name: str) -> list[Run]:
    """Return the runs whose id begins so: one, unless the name is too short."""
    runs = workspace.journal.runs(business=workspace.business.slug, limit=5_000)
    return [run for run in runs if run.run_id.startswith(name)]
