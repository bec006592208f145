"""Commands about what was run: ``runs`` lists it, ``runs show`` explains a day and says what to do."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, BusinessFile, parse_day, print_json, show, table_of, workspace_of

if TYPE_CHECKING:
    from flows.observing.days import Contacts, DayStory, Step
    from holdback.journal import Run
    from holdback.workspace import Workspace

runs = typer.Typer(help="What was run, how it ended, and what to do about it.", invoke_without_command=True)

_WIDTH = 100
_MOST_ROWS, _FEW_ROWS = 16, 7
"""Of the table of steps; few where a fault must be told on the same screen."""
_LIST_EXAMPLES = """\b
Examples:
  holdback runs
  holdback runs --failed --limit 5
  holdback runs --day 2026-11-01 --json
"""
_SHOW_EXAMPLES = """\b
Examples:
  holdback runs show
  holdback runs show 2026-11-01
  holdback runs show 3f9a1c --json
"""
_HEADS = {
    "done": "done",
    "failed": "FAILED",
    "waits": "done as far as it can be known",
    "busy": "NOT STARTED: another run is busy",
    "running": "running",
    "died": "DIED without a word",
    "stopped": "STOPPED before its end",
    "missed": "MISSED: it never ran",
    "not yet": "not run yet",
}


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(runs, name="runs", epilog=_LIST_EXAMPLES)


@runs.callback()
def list_runs(
    context: typer.Context,
    business: BusinessFile = None,
    limit: Annotated[int, typer.Option(min=1, help="Runs at most.")] = 20,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed.")] = False,
    day: Annotated[
        date | None, typer.Option("--day", parser=parse_day, metavar="DAY", help="Only those of one day.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what was run, newest first: when, for which day, how it ended. `runs show` explains a day."""
    if context.invoked_subcommand is not None:
        return
    workspace = workspace_of(business)
    found = _found(workspace, limit=limit, failed=failed, day=day)
    if as_json:
        print_json(found)
        return
    table = table_of("Runs", "run", "started (UTC)", "step", "as of", "state", "#seconds", "error")
    for run in found:
        seconds = f"{(run.ended_at - run.started_at).total_seconds():,.0f}" if run.ended_at else ""
        first_line = (run.error or "").split("\n")[0]
        table.add_row(
            run.run_id[:6], f"{run.started_at:%Y-%m-%d %H:%M:%S}", _named(run), str(run.as_of), run.state, seconds,
            first_line,
        )  # fmt: skip
    nothing = "Nothing was run yet." if not failed and day is None else "No run is like that."
    show(table if found else nothing)


@runs.command("show", epilog=_SHOW_EXAMPLES)
def show_run(
    which: Annotated[
        str, typer.Argument(metavar="[RUN_ID|DAY|last]", help="A run, a day, or the day of the newest run.")
    ] = "last",
    business: BusinessFile = None,
    as_json: AsJson = False,
) -> None:
    """Explain a day on one screen: its steps, what went wrong, what was done all the same, what to do now."""
    from flows import settings
    from flows.observing.days import tell_day

    workspace = workspace_of(business)
    day, run_id = _asked(workspace, which)
    story = tell_day(workspace, day, now=settings.now(), run_id=run_id)
    if as_json:
        print_json(story)
    else:
        show("\n".join(lines_of(story)))


def lines_of(story: DayStory) -> list[str]:
    """Write a day's story in lines of at most 100 characters, one screen of them."""
    lines = [f"{story.business} {story.as_of}: {_head(story)}{_when(story)}"]
    if story.steps:
        lines += ["", *_table(story.steps, _FEW_ROWS if story.fault is not None else _MOST_ROWS)]
    if story.not_done:
        lines += _wrapped("not done: ", ", ".join(story.not_done))
    if story.fault is not None:
        fault = story.fault
        code = "" if fault.exit_code is None else f", exit code {fault.exit_code}"
        what = "waits for" if fault.error_class == "NotKnowableYet" else f"{fault.error_class}{code}:"
        lines += ["", *_wrapped(f"{fault.step}: {what} ", _first_sentences(fault.sentence), most=5)]
        if fault.page:
            lines.append(f"validation results: {fault.page}")
        lines += _wrapped("what to do: ", f"{fault.do} More: {fault.runbook}", most=4)
    lines += ["", *_wrapped("contacts: ", _contacts(story), most=2), *_wrapped("rerun: ", _rerun(story), most=3)]
    if story.log:
        lines += ["", *(_log_line(line) for line in story.log)]
    return lines


def _found(workspace: Workspace, *, limit: int, failed: bool, day: date | None) -> list[Run]:
    journal, slug = workspace.journal, workspace.business.slug
    if day is not None:
        found = journal.runs_of_days(business=slug, since=day, until=day)
    else:
        found = journal.runs(business=slug, limit=5_000 if failed else limit)
    return [run for run in found if not failed or run.state == "failed"][:limit]


def _asked(workspace: Workspace, which: str) -> tuple[date, str | None]:
    """Say which day is meant, and which run of it."""
    from flows.observing.days import newest_day, run_named

    if which == "last":
        found = newest_day(workspace)
        if found is None:
            raise typer.BadParameter("nothing was run yet. Run `holdback daily`.")
        return found
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", which):
        return parse_day(which), None
    runs_named = run_named(workspace, which) if re.fullmatch(r"[0-9a-f]{4,32}", which) else []
    if len(runs_named) != 1:
        why = "several runs are called so" if runs_named else "no run is called so"
        raise typer.BadParameter(f"{which!r}: {why}. Name a day, `last`, or an id as `holdback runs` lists them.")
    return runs_named[0].as_of, runs_named[0].run_id


def _head(story: DayStory) -> str:
    if story.steps and story.state in ("missed", "not yet"):
        head = "MISSED" if story.state == "missed" else "not run yet"
        return f"{head}: only the hourly flow ran"
    return _HEADS[story.state]


def _when(story: DayStory) -> str:
    if not story.steps:
        newest = story.newest_done_day
        return f". The newest day before that was done: {newest}" if newest else ". No day before it was done"
    began = min(step.started_at for step in story.steps)
    text = f" (began {began:%Y-%m-%d %H:%M:%S} UTC"
    if story.state == "running":
        text += f"; about {_length(story.remaining_seconds)} left" if story.remaining_seconds is not None else ""
    return f"{text})"


def _table(steps: Sequence[Step], most: int) -> Iterator[str]:
    """One row per step in order; where they are many, those that went as usual share a row."""
    rows: list[list[Step]] = [[step] for step in steps]
    if len(rows) > most:
        rows = []
        for step in steps:
            if rows and _is_usual(step) and _is_usual(rows[-1][-1]):
                rows[-1].append(step)
            else:
                rows.append([step])
    yield f"{'step':<34}{'state':<10}{'took':>8}{'usually':>9}  counts"
    for row in rows:
        yield _row(row)[:_WIDTH].rstrip()


def _row(row: Sequence[Step]) -> str:
    first, last = row[0], row[-1]
    name = first.name if len(row) == 1 else f"{first.step} .. {last.step} ({len(row)})"
    took = sum(step.duration_seconds or 0.0 for step in row)
    usual = [step.usual_seconds for step in row if step.usual_seconds is not None]
    counts = ", ".join(f"{word} {value:,}" for word, value in _telling(first)) if len(row) == 1 else ""
    state = f"{first.state}{' SLOW' if first.is_slow else ''}{f' x{first.tries}' if first.tries > 1 else ''}"
    has_length = any(step.duration_seconds is not None for step in row)
    return (
        f"{name[:33]:<34}{state if len(row) == 1 else 'done':<10}{_length(took) if has_length else '':>8}"
        f"{_length(sum(usual)) if usual else '':>9}  {counts}"
    )


def _is_usual(step: Step) -> bool:
    return step.state == "done" and not step.is_slow


_TELLING = {
    "rows_offered": "rows",
    "rows_quarantined": "in quarantine",
    "contact_count": "to contact",
    "contacts": "on lists",
    "customer_count": "customers",
    "known_count": "figures",
    "raised": "raised",
}


def _telling(step: Step) -> list[tuple[str, int | float]]:
    return [(word, step.counts[name]) for name, word in _TELLING.items() if name in step.counts][:2]


def _contacts(story: DayStory) -> str:
    known = story.contacts
    if not known.has_campaigns:
        return "no campaign in the business file: nobody is ever contacted."
    if not known.was_decided:
        return "the day was not decided: nobody was chosen, no list was written, nobody was contacted."
    return f"decided, {known.decided_count:,} to contact; {_lists(known)}."


def _lists(known: Contacts) -> str:
    if known.lists:
        return f"lists: {', '.join(Path(path).name for path in known.lists)} in {Path(known.lists[0]).parent}"
    if known.removed:
        return f"lists were written ({', '.join(known.removed)}), and removed since: receipts and the manifest stay"
    return "no list was written yet, so nobody was contacted; the next run writes it"


def _rerun(story: DayStory) -> str:
    safe = "safe at any time: what is done stands, nothing is done or sent twice."
    is_past = story.contacts.is_past
    again = f"`holdback daily --as-of {story.as_of}`" if is_past else "`holdback daily`"
    if story.state in ("running", "busy"):
        return "not needed; another one would wait in line. It is safe: nothing is done or sent twice."
    if story.state in ("done", "waits"):
        return f"not needed. It is {safe}"
    if is_past and not story.was_lived:
        return (
            f"{safe} The next `holdback daily` makes the day good before its own, unless it lies more than "
            f"HOLDBACK_CATCH_UP_DAYS back; {again} does it alone. Nobody is contacted for {story.as_of} any more."
        )
    if is_past and story.contacts.has_campaigns and not story.contacts.was_decided:
        return (
            f"{safe} {again} does what is missing, which no other run does by itself; nobody can be contacted for "
            f"{story.as_of} any more."
        )
    by_itself = ", which no other run does by itself" if is_past else ""
    return f"{safe} {again} takes up where it stopped{by_itself}."


def _log_line(line: Mapping[str, Any]) -> str:
    at = datetime.fromisoformat(str(line["at"]))
    parts = [f"{at:%H:%M:%S}", str(line.get("event", "")), str(line.get("step", ""))]
    if line.get("error_class"):
        parts.append(str(line["error_class"]))
    if line.get("duration_seconds") is not None:
        parts.append(f"after {_length(float(line['duration_seconds']))}")
    if line.get("attempt"):
        parts.append(f"attempt {line['attempt']}")
    return f"log: {' '.join(parts)}"[:_WIDTH]


def _length(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 60 else f"{minutes / 60:.1f} h"


def _first_sentences(text: str) -> str:
    """An error's words in one paragraph; lists of faults keep their order."""
    return " ".join(line.strip() for line in text.splitlines() if line.strip())


def _wrapped(label: str, text: str, *, most: int = 3) -> list[str]:
    """Break a text into lines under one another; what is too long for a screen ends with where the whole stands."""
    lines = textwrap.wrap(text, _WIDTH, initial_indent=label, subsequent_indent="  ", break_long_words=False)
    if len(lines) > most:
        lines = [*lines[: most - 1], "  ... (the whole of it: --json)"]
    return lines or [label.rstrip()]


def _named(run: Run) -> str:
    return f"{run.flow} {run.subject}".rstrip()
