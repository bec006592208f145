"""Commands about models: ``retrain``, ``models``, ``score``."""

from __future__ import annotations

from typing import Annotated

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

registered = typer.Typer(help="Registered models: which is champion, and why.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.command(epilog="\b\nExamples:\n  holdback retrain\n  holdback retrain --as-of 2026-11-01 --json")(retrain)
    app.add_typer(registered, name="models")
    app.command(epilog="\b\nExamples:\n  holdback score\n  holdback score --as-of 2026-11-01")(score)


def retrain(
    business: BusinessFile = None, as_of: AsOf = None, churn: ChurnName = None, as_json: AsJson = False
) -> None:
    """Train a challenger, compare it with the champion and the baselines; the gate decides on its promotion."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcomes = run("retrain", quiet=as_json, business=text_of(business), as_of=as_of, churn=churn)
    print_outcomes(outcomes, as_json=as_json)


def score(business: BusinessFile = None, as_of: AsOf = None, churn: ChurnNames = None, as_json: AsJson = False) -> None:
    """Score every described customer for the day, once; reasons for those above the capacity line."""
    from flows.cli.answers import print_outcomes
    from flows.running import run

    outcomes = run("score_daily", quiet=as_json, business=text_of(business), as_of=as_of, churn=churn)
    print_outcomes(outcomes, as_json=as_json)


@registered.command("list", epilog="\b\nExamples:\n  holdback models list\n  holdback models list --json")
def models_list(business: BusinessFile = None, churn: ChurnName = None, as_json: AsJson = False) -> None:
    """List the versions of the churn model, newest first."""
    from training.registry import list_models

    workspace = workspace_of(business)
    models = list_models(workspace, workspace.business.churn_named(churn).name)
    if as_json:
        print_json(models)
        return
    table = table_of("Versions", "version", "office", "trained as of", "#AUC", "verdict")
    for model in models:
        figure = model.figure
        told = f"{figure.estimate:.3f} ({figure.low:.3f} to {figure.high:.3f})" if figure else ""
        table.add_row(model.version, ", ".join(model.aliases), str(model.as_of), told, model.decision or "")
    show(table if models else "No model has been trained yet. Train one with `holdback retrain`.")


@registered.command("show", epilog="\b\nExamples:\n  holdback models show 3\n  holdback models show champion")
def models_show(
    version: Annotated[str, typer.Argument(help="A version's number, champion or challenger.")] = "champion",
    business: BusinessFile = None,
    churn: ChurnName = None,
    as_json: AsJson = False,
) -> None:
    """Print a version's model card: data, period, figures with intervals, baselines, guards, limits."""
    from training.registry import show_model

    workspace = workspace_of(business)
    model = show_model(workspace, workspace.business.churn_named(churn).name, version)
    if as_json:
        print_json(model)
    else:
        from rich.markdown import Markdown

        show(Markdown(model.card))


@registered.command("promote", epilog="\b\nExamples:\n  holdback models promote 4")
def models_promote(
    version: Annotated[str, typer.Argument(help="The version to put in office.")],
    business: BusinessFile = None,
    as_of: AsOf = None,
    churn: ChurnName = None,
    as_json: AsJson = False,
) -> None:
    """Put a version in office by hand; the verdict of the gate and your decision are both kept."""
    from flows import settings
    from training.registry import promote_by_hand

    workspace = workspace_of(business)
    name = workspace.business.churn_named(churn).name
    champion = promote_by_hand(workspace, name, version, settings.chosen_day(workspace, as_of))
    print_json(champion) if as_json else typer.echo(f"Version {champion.version} is champion.")


@registered.command("rollback", epilog="\b\nExamples:\n  holdback models rollback")
def models_rollback(
    business: BusinessFile = None, as_of: AsOf = None, churn: ChurnName = None, as_json: AsJson = False
) -> None:
    """Put the champion before this one back in office."""
    from flows import settings
    from training.registry import rollback

    workspace = workspace_of(business)
    champion = rollback(workspace, workspace.business.churn_named(churn).name, settings.chosen_day(workspace, as_of))
    print_json(champion) if as_json else typer.echo(f"Version {champion.version} is champion again.")
