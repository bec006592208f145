"""Which commands change something by hand, and what of them is written into the record (:mod:`holdback.audit`).

Every command of the command line stands in exactly one of :data:`ACTS`, :data:`ROUTINE` and :data:`READS`; a test fails
when one does not. So nobody adds a command that acts and forgets the record.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import typer

from flows.cli.customers import refuse_names


@dataclass(frozen=True)
class Act:
    """What is recorded of a command.

    Args:
        what: In the past tense.
        about: Options that say to what, with their values; never one that can name a customer or hold a secret.
        why: Option that says why.
        only_if: Recorded only when one of these flags is given; always when empty.
        check: Refuses what must not be recorded, before anything is.
    """

    what: str
    about: tuple[str, ...] = ()
    why: str | None = None
    only_if: tuple[str, ...] = ()
    check: Callable[..., None] | None = None


#: By hand, with a consequence for models, campaigns, people or the record itself; or a look at rows of persons.
ACTS: dict[str, Act] = {
    "models promote": Act("promoted a model", ("version", "churn", "action", "value")),
    "models rollback": Act("rolled a model back", ("churn", "action", "value")),
    "retrain": Act("retrained by hand", ("churn", "if_needed")),
    "uplift learn": Act("learned uplift by hand", ("campaign",)),
    "value train": Act("trained the value model by hand"),
    "campaign launch": Act("launched a campaign", ("name", "force")),
    "campaign stop": Act("halted a campaign", ("name", "by"), why="reason"),
    "campaign resume": Act("released a campaign's halt", ("name", "by"), why="reason"),
    "alerts ack": Act("acknowledged an alert", ("alert_id", "by", "undo"), why="note"),
    "quarantine release": Act("released from quarantine", ("batch_id", "rule")),
    "decide": Act("decided a past day", ("as_of",), only_if=("past",)),
    "daily": Act("ran a past day", ("as_of",), only_if=("past",)),
    "backfill": Act("ran past days", ("since", "until", "every", "only_ingest")),
    "ingest": Act("loaded a history", ("as_of",), only_if=("history",)),
    "customer show": Act("looked at what is held about a customer"),
    "decisions explain": Act("looked at what was decided about a customer"),
    "features explain": Act("looked at a customer's features"),
    "fit explain": Act("looked at what a customer is worth"),
    "fit export": Act("exported the lines behind the classes, by customer", ("since", "as_of")),
    "quarantine show": Act("looked at quarantined rows", ("batch_id", "rule")),
    "customer forget": Act("forgot customers", ("dry_run",), why="why", check=refuse_names),
    "customer return": Act("let forgotten customers in again", why="why", check=refuse_names),
    "warehouse take-over": Act("took the night over", ("without_files",), why="why"),
    "retention apply": Act("applied retention periods", ("as_of", "dry_run")),
}

#: What a scheduler does every day; the journal of runs tells of each (`holdback runs`).
ROUTINE = frozenset(
    {"score", "report", "campaign measure", "portal build", "up", "down", "init", "demo", "alerts test",
     "warehouse setup", "warehouse copy", "metrics prometheus",
     "campaign pnl"}
)  # fmt: skip

#: What only looks. ``portal serve`` shows what was built.
READS = frozenset(
    {"alerts list", "alerts show", "audit verify", "business check", "business schema", "business show",
     "campaign list", "campaign plan", "campaign portfolio", "campaign show", "causes show", "churn rate",
     "churn retention", "churn revenue", "decisions list", "decisions preview", "doctor",
     "features list", "features sql", "feedback nps", "feedback risk", "feedback themes",
     "fit audit", "fit backtest", "fit sensitivity", "fit show", "ledger show", "ledger verify",
     "metrics list", "metrics show", "models list", "models show", "policy compare", "policy value", "portal serve",
     "quarantine list", "retention show", "runs show", "segments show", "segments transitions",
     "status", "triggers list", "triggers show", "triggers test", "uplift show", "value show", "warehouse check"}
)  # fmt: skip


def record_acts(app: typer.Typer) -> None:
    """Have every command of :data:`ACTS` written into the record; call it when all commands are added."""
    for name, command in commands_of(app):
        act = ACTS.get(name)
        if act is not None and command.callback is not None and not hasattr(command.callback, "__act__"):
            command.callback = _recording(command.callback, name, act)


def commands_of(app: typer.Typer, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each command with its full name, such as ``models promote``."""
    for command in app.registered_commands:
        own = command.name or (command.callback.__name__ if command.callback else "")
        yield f"{before}{own}".replace("_", "-") if not command.name else f"{before}{own}", command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands_of(group.typer_instance, f"{before}{group.name} ")


def _recording(callback: Callable[..., Any], name: str, act: Act) -> Callable[..., Any]:
    @functools.wraps(callback)
    def run(*args: Any, **given: Any) -> Any:
        if act.only_if and not any(given.get(flag) for flag in act.only_if):
            return callback(*args, **given)
        if act.check is not None:
            act.check(**given)
        from flows.acting import acting
        from flows.cli.options import workspace_of

        about = ", ".join(f"{key} {given[key]}" for key in act.about if given.get(key) not in (None, False, ""))
        why = str(given.get(act.why) or "") if act.why else ""
        options = " ".join(f"--{key.replace('_', '-')}" for key, value in given.items() if value not in (None, False))
        with acting(workspace_of(given.get("business")), act.what, f"{name} {options}", about=about, why=why):
            return callback(*args, **given)

    run.__act__ = act  # type: ignore[attr-defined]
    return run
