"""Commands about models: ``retrain``, ``models``, ``score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import (
    AsJson,
    AsOf,
    BusinessFile,
    ChurnName,
    ChurnNames,
    print_json,
    show,
    table_of,
    text_of,
    workspace_of,
)

if TYPE_CHECKING:
    from holdback.workspace import Workspace

registered = typer.Typer(help="Registered models: which is champion, and why.", no_args_is_help=True)

OfAction = Annotated[str | None, typer.Option("--action", help="The uplift models of an action, not a churn model.")]
OfValue = Annotated[bool, typer.Option("--value", help="The models of what customers are worth, not a churn model.")]

IfNeeded = Annotated[
    bool,
    typer.Option(
        "--if-needed", help="Only churn models that matured outcomes speak against; says why or why not. Drift of the "
        "features alone is no reason.",
    ),
]  # fmt: skip
_RETRAIN_EXAMPLES = """\b
Examples:
  holdback retrain
  holdback retrain --if-needed                     only where evidence speaks for it
  holdback retrain --as-of 2026-11-01 --json
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog=_RETRAIN_EXAMPLES)(retrain)
    app.add_typer(registered, name="models")
    app.command(epilog="\b\nExamples:\n  holdback score\n  holdback score --as-of 2026-11-01")(score)


def retrain(
    if_needed: IfNeeded = False,
    business: BusinessFile = None,
    as_of: AsOf = None,
    churn: ChurnNames = None,
    as_json: AsJson = False,
) -> None:
    """Learn anew who leaves, what customers are worth and whom each action changes; or one churn model, with --churn.

    Each challenger is compared with what is in office; its own gate decides on its promotion.
    """
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcomes = run("retrain", quiet=as_json, business=text_of(business), as_of=as_of, churn=churn, if_needed=if_needed)
    print_outcomes(outcomes, as_json=as_json)


def score(business: BusinessFile = None, as_of: AsOf = None, churn: ChurnNames = None, as_json: AsJson = False) -> None:
    """Score every described customer for the day, once; reasons for those above the capacity line."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcomes = run("score_daily", quiet=as_json, business=text_of(business), as_of=as_of, churn=churn)
    print_outcomes(outcomes, as_json=as_json)


@registered.command(
    "list", epilog="\b\nExamples:\n  holdback models list\n  holdback models list --action retention_call --json"
)
def models_list(
    business: BusinessFile = None,
    churn: ChurnName = None,
    action: OfAction = None,
    value: OfValue = False,
    as_json: AsJson = False,
) -> None:
    """List the versions of a model, newest first: the churn model, or another with --action or --value."""
    from training.registry import list_models

    workspace, subject = _asked(business, churn, action, value)
    models = list_models(workspace, subject)
    if as_json:
        print_json(models)
        return
    if not models:
        show(f"No such model has been trained yet. Train one with `{_trained_by(action, value)}`.")
        return
    table = table_of("Versions", "version", "office", "trained as of", f"#{models[0].metric}", "verdict")
    for model in models:
        figure = model.figure
        told = f"{figure.estimate:.3f} ({figure.low:.3f} to {figure.high:.3f})" if figure else ""
        table.add_row(model.version, ", ".join(model.aliases), str(model.as_of), told, model.decision or "")
    show(table)


@registered.command(
    "show", epilog="\b\nExamples:\n  holdback models show 3\n  holdback models show champion --action retention_call"
)
def models_show(
    version: Annotated[str, typer.Argument(help="A version's number, champion or challenger.")] = "champion",
    business: BusinessFile = None,
    churn: ChurnName = None,
    action: OfAction = None,
    value: OfValue = False,
    as_json: AsJson = False,
) -> None:
    """Print a version's model card: data, period, figures with intervals, what it was compared with, limits."""
    from training.registry import show_model

    model = show_model(*_asked(business, churn, action, value), version)
    if as_json:
        print_json(model)
    else:
        from rich.markdown import Markdown

        show(Markdown(model.card))


@registered.command(
    "promote", epilog="\b\nExamples:\n  holdback models promote 4\n  holdback models promote 2 --action retention_call"
)
def models_promote(
    version: Annotated[str, typer.Argument(help="The version to put in office.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    churn: ChurnName = None,
    action: OfAction = None,
    value: OfValue = False,
    as_json: AsJson = False,
) -> None:
    """Put a version in office by hand; the verdict of the gate and your decision are both kept."""
    from flows import settings
    from training.registry import promote_by_hand

    workspace, subject = _asked(business, churn, action, value)
    champion = promote_by_hand(workspace, subject, version, settings.chosen_day(workspace, as_of))
    print_json(champion) if as_json else typer.echo(f"Version {champion.version} is champion.")


@registered.command("rollback", epilog="\b\nExamples:\n  holdback models rollback\n  holdback models rollback --value")
def models_rollback(
    business: BusinessFile = None,
    as_of: AsOf = None,
    churn: ChurnName = None,
    action: OfAction = None,
    value: OfValue = False,
    as_json: AsJson = False,
) -> None:
    """Put the champion before this one back in office."""
    from flows import settings
    from training.registry import rollback

    workspace, subject = _asked(business, churn, action, value)
    champion = rollback(workspace, subject, settings.chosen_day(workspace, as_of))
    if as_json:
        print_json(champion)
        return
    empty = "Nobody is in office now: the books, or the rule of the day, decide again."
    typer.echo(empty if champion is None else f"Version {champion.version} is champion again.")


def _asked(business: Path | None, churn: str | None, action: str | None, value: bool) -> tuple[Workspace, str]:
    """Open the workspace and name the model that is meant: of a churn definition, of an action, or of value."""
    from training.registry import VALUE, uplift_subject

    if sum((churn is not None, action is not None, value)) > 1:
        raise typer.BadParameter("name one of --churn, --action and --value: each is another model.")
    workspace = workspace_of(business)
    if value:
        return workspace, VALUE
    if action is None:
        return workspace, workspace.business.churn_named(churn).name
    known = [one.name for one in workspace.business.actions]
    if action not in known:
        raise typer.BadParameter(
            f"no action is called {action!r}. Choose one of: {', '.join(known) or 'none is there'}."
        )
    return workspace, uplift_subject(action)


def _trained_by(action: str | None, value: bool) -> str:
    if value:
        return "holdback value train"
    return "holdback retrain" if action is None else "holdback uplift learn"
