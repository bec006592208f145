"""Commands about what customers say: ``feedback nps``, ``feedback themes`` and ``feedback risk``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, ChurnName, opened, print_json, show, table_of

if TYPE_CHECKING:
    from monitoring.feedback import FeedbackRisk, Rating, Ratings, Themes

feedback = typer.Typer(
    help="What customers say: NPS with intervals and response rates, themes, and what goes with leaving.",
    no_args_is_help=True,
)

Days = Annotated[int, typer.Option("--days", min=1, max=3650, help="How many days to look back.")]
By = Annotated[
    str | None,
    typer.Option(
        "--by", help="step, month, channel, or an attribute of the customers.", show_default="everybody together"
    ),
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--kind", help="nps, csat, ces, rating, review, remark or ticket.", show_default="all that customers wrote"
    ),
]  # fmt: skip
Count = Annotated[
    int | None,
    typer.Option("--count", min=1, max=50, help="How many themes.", show_default="one for 25 customers who wrote"),
]

_NPS_EXAMPLES = """\b
Examples:
  holdback feedback nps                        everybody, the last 90 days
  holdback feedback nps --by step
  holdback feedback nps --by month --days 365 --json
"""
_THEMES_EXAMPLES = """\b
Examples:
  holdback feedback themes
  holdback feedback themes --kind ticket --days 30 --count 8
"""
_RISK_EXAMPLES = """\b
Examples:
  holdback feedback risk                       do low scores and silence go with leaving?
  holdback feedback risk --churn cancelled --as-of 2026-11-01 --json
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(feedback, name="feedback")


@feedback.command("nps", epilog=_NPS_EXAMPLES)
def feedback_nps(
    by: By = None,
    days: Days = 90,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell the NPS, satisfaction and mean scores, and how many answered."""
    from monitoring.feedback import nps

    workspace, day = opened(business, as_of)
    found = nps(workspace.warehouse, workspace.business, day, days=days, by=by)
    if as_json:
        print_json(found)
        return
    show(*_told_ratings(found))


@feedback.command("themes", epilog=_THEMES_EXAMPLES)
def feedback_themes(
    kind: Kind = None,
    days: Days = 90,
    count: Count = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Find what customers write about, in any language.

    No remark is shown; words used by fewer than five customers and rare words written like names are left out.
    """
    from monitoring.feedback import themes

    workspace, day = opened(business, as_of)
    found = themes(workspace.warehouse, workspace.business, day, days=days, kind=kind, count=count)
    if as_json:
        print_json(found)
        return
    show(*_told_themes(found))


@feedback.command("risk", epilog=_RISK_EXAMPLES)
def feedback_risk(
    churn: ChurnName = None,
    days: Days = 90,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Learn whether low scores and silence go with more churn or with less."""
    from dataclasses import asdict

    from monitoring.feedback import learn_risk

    workspace, day = opened(business, as_of)
    found = learn_risk(workspace.warehouse, workspace.business, workspace.business.churn_named(churn), day, days=days)
    if as_json:
        signs = [{**asdict(one), "sign": one.sign, "sentence": one.sentence} for one in found.associations]
        print_json({**asdict(found), "associations": signs})
        return
    show(*_told_risk(found))


def _told_ratings(found: Ratings) -> Iterator[Any]:
    """Write the ratings for people: one line per group, each figure with its interval."""
    yield f"Feedback of the {found.days} days before {found.as_of}; intervals hold {found.level:.0%} of the time"
    if found.ratings:
        headings = ["#asked", "#answered", "#response", "#NPS", "#satisfied", "#mean score"]
        rows = [_cells(rating) for rating in found.ratings]
        told = [position for position in range(len(headings)) if any(figures[position] for _, figures in rows)]
        table = table_of("", found.by or "group", "question", *(headings[position] for position in told))
        for names, figures in rows:
            table.add_row(*names, *(figures[position] for position in told))
        yield table
    yield from (f"note: {note}" for note in found.notes)


def _cells(rating: Rating) -> tuple[list[str], list[str]]:
    """Return the names of a line and its figures; a hidden group has none."""
    names = [rating.group, rating.kind if rating.kind == rating.scale else f"{rating.kind}, scale {rating.scale}"]
    if rating.is_hidden:
        return names, ["hidden", *[""] * 5]
    response, score, satisfied, mean = rating.response, rating.nps, rating.satisfied, rating.mean
    return names, [
        f"{rating.asked:,}",
        f"{rating.answered:,}",
        "" if response is None else f"{response.share:.1%} ({response.low:.1%} to {response.high:.1%})",
        "" if score is None else f"{score.estimate:+.0f} ({score.low:+.0f} to {score.high:+.0f})",
        "" if satisfied is None else f"{satisfied.share:.1%} ({satisfied.low:.1%} to {satisfied.high:.1%})",
        "" if mean is None else f"{mean.estimate:.2f} ({mean.low:.2f} to {mean.high:.2f})",
    ]


def _told_themes(found: Themes) -> Iterator[Any]:
    """Write the themes for people: their words and figures, never a text."""
    yield (
        f"{len(found.themes)} themes in {found.remarks:,} remarks of {found.customers:,} customers, in the "
        f"{found.days} days before {found.as_of}; {found.other:,} remarks belong to none"
    )
    table = table_of("", "words", "#remarks", "#share", "#score", "#last 30 days")
    for theme in found.themes:
        score, trend = theme.score, theme.trend
        table.add_row(
            ", ".join(theme.words),
            f"{theme.remarks:,}",
            f"{theme.share:.1%}",
            "" if score is None else f"{score.estimate:.0%} ({score.low:.0%} to {score.high:.0%})",
            "" if trend is None
            else f"{100 * trend.difference:+.1f} ({100 * trend.low:+.1f} to {100 * trend.high:+.1f}) points",
        )  # fmt: skip
    yield table
    yield "score: mean, as a share of the scale; last 30 days: share of those who wrote, less the share before"
    for theme in found.themes:
        rows = ", ".join(f"{one.feed} {one.batch_id} row {one.row_number}" for one in theme.examples)
        yield f"{theme.words[0]}: to read on: {rows}"
    yield from (f"note: {note}" for note in found.notes)


def _told_risk(found: FeedbackRisk) -> Iterator[Any]:
    """Write what was learned for people: one sentence each, with figures."""
    days = f"{found.looked_at[-1]} to {found.looked_at[0]}" if len(found.looked_at) > 1 else str(found.looked_at[0])
    yield f"Customers asked in the {found.days} days before {days}; churn {found.churn}, as known on {found.as_of}"
    for one in found.associations:
        yield f"{one.sentence} ({one.customers[0]:,} and {one.customers[1]:,} customers)"
    yield from (f"note: {note}" for note in found.notes)
