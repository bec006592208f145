"""Commands about causes: ``causes show``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, ChurnName, bold, opened, print_json, show, table_of

if TYPE_CHECKING:
    from rich.table import Table

    from monitoring.causes import Causes, Driver, Figure, Saying, Theme

causes = typer.Typer(
    help="Causes: what is associated with leaving, what customers state, and what was measured to change it.",
    no_args_is_help=True,
)

Segment = Annotated[
    list[str] | None,
    typer.Option(
        "--segment", help="Tell it by this attribute too; repeat for several.",
        show_default="journey.segments of the file, else fit.segment",
    ),
]  # fmt: skip
Months = Annotated[
    int, typer.Option("--months", min=1, max=12, help="Days asked about, a month apart: 2 or more show what grows.")
]

_EXAMPLES = """\b
Examples:
  holdback causes show
  holdback causes show --months 6              what grows, what shrinks
  holdback causes show --segment contract --as-of 2026-11-01
  holdback causes show --churn cancelled --json
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(causes, name="causes")


@causes.callback()
def _causes() -> None:
    """Keep ``show`` a command of its own, however few there are."""


@causes.command("show", epilog=_EXAMPLES)
def causes_show(
    churn: ChurnName = None,
    segment: Segment = None,
    months: Months = 1,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is associated with leaving, what customers say, and what campaigns really changed."""
    from monitoring.causes import find_causes

    workspace, day = opened(business, as_of)
    found = find_causes(workspace, churn, day, months=months, segments=segment)
    if as_json:
        print_json(found)
        return
    show(*_told(found, workspace.business.language))


def _told(found: Causes, language: Literal["en", "es"]) -> Iterator[Any]:
    """Write the causes for people: the table, the sentences, the groups, the notes."""
    newest = found.days[-1]
    yield (
        f"churn {found.churn}, {found.as_of}: {newest.customer_count:,} customers described; model version "
        f"{newest.model_version}, trained on {newest.trained_on}"
    )
    yield _drivers_of(found)
    stated = _sayings_of(found)
    if stated.row_count:
        yield stated
    for theme in found.themes:
        yield bold(theme.title)
        yield f"  {theme.text}"
    if found.measured:
        from monitoring.causes import measured_sentence

        yield bold("measured effects of campaigns")
        yield from (f"  {measured_sentence(language, effect)}" for effect in found.measured)
    if found.segments:
        yield _segments_of(found)
    if len(found.days) > 1:
        yield _history_of(found)
    yield from (f"note: {note}" for note in found.notes)


def _drivers_of(found: Causes) -> Table:
    table = table_of(
        "Associated with leaving", "family", "#points", "#interval", "#share", "#raised by 2+", "goes with more",
        "trend", "can be changed",
    )  # fmt: skip
    for driver in _drivers(found.themes):
        table.add_row(
            driver.family, f"{driver.points.estimate:.1f}", _interval(driver.points), f"{driver.share.estimate:.0%}",
            f"{driver.pushed_up.share:.0%}" if driver.pushed_up else "", _direction(driver), _trend(driver),
            "yes" if driver.is_controllable else "no",
        )  # fmt: skip
    return table


def _sayings_of(found: Causes) -> Table:
    table = table_of("Stated by customers", "what", "where", "about", "#left", "#stayed", "#difference in points", "#n")
    for theme in found.themes:
        for saying in theme.sayings:
            table.add_row(*_saying(saying))
    return table


def _saying(saying: Saying) -> list[str]:
    gap, n = saying.difference, f"{saying.left.n:,.0f}"
    if saying.stayed is not None:
        n = f"{saying.left.n:,.0f} + {saying.stayed.n:,.0f}"
    difference = f"{100 * gap.difference:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})" if gap else ""
    left = f"{saying.left.share:.1%}"
    if gap is None:
        difference = f"share {left}: {saying.left.low:.1%} to {saying.left.high:.1%}"
    stayed = f"{saying.stayed.share:.1%}" if saying.stayed is not None else ""
    what = f"{saying.kind.replace('_', ' ')} {saying.value}"
    return [what, saying.feed, saying.family or "stated only", left, stayed, difference, n]


def _segments_of(found: Causes) -> Table:
    table = table_of("By segment", "segment", "#customers", "strongest, in points", "stated most")
    for segment in found.segments:
        strongest = "; ".join(
            f"{driver.family} {driver.points.estimate:.1f}" for driver in _drivers(segment.themes)[:3]
        )
        sayings = [saying for theme in segment.themes for saying in theme.sayings if saying.kind == "reason"]
        first = max(sayings, key=lambda saying: saying.left.share, default=None)
        stated = f"{first.value} {first.left.share:.0%} of {first.left.n:,.0f}" if first is not None else ""
        table.add_row(f"{segment.name}={segment.value}", f"{segment.sample_count:,}", strongest, stated)
    return table


def _history_of(found: Causes) -> Table:
    families = [driver.family for driver in _drivers(found.themes)[:5]]
    table = table_of("Points by day", "day", "model", "#customers", *(f"#{family}" for family in families))
    for day in found.days:
        sizes = [f"{day.points[family].estimate:.1f}" if family in day.points else "" for family in families]
        model = day.model_version if day.was_in_office else f"{day.model_version} (not then in office)"
        table.add_row(day.as_of.isoformat(), model, f"{day.sample_count:,}", *sizes)
    return table


def _drivers(themes: Sequence[Theme]) -> list[Driver]:
    return [theme.driver for theme in themes if theme.driver is not None]


def _direction(driver: Driver) -> str:
    feature = driver.features[0]
    if feature.course is not None:
        return {"higher": "higher", "lower": "lower", "mixed": "neither"}[feature.course]
    return feature.riskiest.value if feature.riskiest is not None else ""


def _trend(driver: Driver) -> str:
    if driver.trend is None:
        return ""
    return f"{driver.trend.verdict.replace('_', ' ')} {driver.trend.change.estimate:+.1f}"


def _interval(figure: Figure) -> str:
    return "" if figure.low is None or figure.high is None else f"{figure.low:.1f} to {figure.high:.1f}"
