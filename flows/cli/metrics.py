"""Commands about the figures of each day: ``metrics list`` and ``metrics show``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, print_json, show, table_of

if TYPE_CHECKING:
    from monitoring.history import DayValue, Metric

metrics = typer.Typer(
    help="The figures of each day, as they were known then: who was at risk, what drifted, what came in.",
    no_args_is_help=True,
)

MetricName = Annotated[
    str, typer.Argument(help="Which figure; `holdback metrics list` names them.", show_default=False)
]
Every = Annotated[bool, typer.Option("--all", help="Of every feed and campaign too, not only of all together.")]
About = Annotated[
    str | None,
    typer.Option(
        "--about", help="Which feed, trigger, campaign or churn definition.",
        show_default="all together, or the only one",
    ),
]  # fmt: skip
Days = Annotated[int, typer.Option("--days", min=1, help="How many days back.")]

_BLOCKS = "▁▂▃▄▅▆▇█"
_LINE_DAYS = 60
_LIST_EXAMPLES = """\b
Examples:
  holdback metrics list
  holdback metrics list --as-of 2026-11-01 --json
"""
_SHOW_EXAMPLES = """\b
Examples:
  holdback metrics show customers_at_risk
  holdback metrics show feed_age_days --about tickets --days 14
  holdback metrics show auc --json
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(metrics, name="metrics")


@metrics.command("list", epilog=_LIST_EXAMPLES)
def list_metrics(
    days: Days = 24,
    every: Every = False,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """List the figures with their newest value, its change, and a line of the days before."""
    from monitoring.history import METRICS, histories

    workspace, day = opened(business, as_of)
    found = histories(workspace.warehouse, day, days=days)
    ordered = sorted(found, key=lambda name: (list(METRICS).index(name[0]), name[1]))
    if as_json:
        print_json([_plain(METRICS[metric], about, found[metric, about]) for metric, about in ordered])
        return
    if not ordered:
        show(_nothing(day, days))
        return
    currency, last = workspace.business.currency, max(values[-1].as_of for values in found.values())
    table = table_of(f"as known on {last}", "figure", "about", "#value", "#change", "the days before")
    for metric, about in ordered:
        if about and (metric, "") in found and METRICS[metric].about.endswith("or all") and not every:
            continue
        values = found[metric, about]
        value = _written(METRICS[metric], values[-1].value, currency)
        if values[-1].as_of != last:
            value = f"{value} ({values[-1].as_of})"
        table.add_row(metric, about, value, _change(METRICS[metric], values, currency), _line(values, last))
    show(table, "· it was not knowable, and `holdback metrics show` says why; _ the day was not recorded")


@metrics.command("show", epilog=_SHOW_EXAMPLES)
def show_metric(
    name: MetricName,
    about: About = None,
    days: Days = 90,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Show one figure day by day, with its meaning, its interval, and why it was not knowable."""
    from monitoring.history import metric_history

    metric = _named(name)
    workspace, day = opened(business, as_of)
    subject = _subject(workspace.warehouse, metric, day, about)
    values = metric_history(workspace.warehouse, name, day, about=subject, days=days)
    if as_json:
        print_json(_plain(metric, subject, values))
        return
    show(*_told(metric, subject, values, day, days, workspace.business.currency))


def _named(name: str) -> Metric:
    from difflib import get_close_matches

    from monitoring.history import METRICS

    if name in METRICS:
        return METRICS[name]
    near = get_close_matches(name, METRICS, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(METRICS)}."
    raise typer.BadParameter(f"{name!r} is no figure that is kept. {hint}")


def _subject(warehouse: Any, metric: Metric, day: date, about: str | None) -> str:
    """Return what is asked about: what was named, else the company, else the only one that there is."""
    from monitoring.history import subjects

    known = subjects(warehouse, metric.name, day)
    if about is None:
        if "" in known or not known:
            return ""
        if len(known) == 1:
            return known[0]
        raise typer.BadParameter(f"{metric.name} is kept of several. Name one with --about: {', '.join(known)}.")
    if known and about not in known:
        named = ", ".join(repr(one) if one else "'' (the company)" for one in known)
        raise typer.BadParameter(f"{metric.name} was never recorded about {about!r}, only about {named}.")
    return about


def _told(metric: Metric, about: str, values: Sequence[DayValue], day: date, days: int, currency: str) -> Iterator[Any]:
    yield f"{metric.title.en}{f' of {about}' if about else ''} ({metric.name}): {metric.meaning.en}"
    if not values:
        yield _nothing(day, days)
        return
    yield _line(values, values[-1].as_of)
    table = table_of("", "day", "#value", "#interval", "#n", "why it was not knowable")
    for value in values:
        interval = (
            ""
            if value.low is None or value.high is None
            else f"{_written(metric, value.low, currency)} to {_written(metric, value.high, currency)}"
        )
        n = "" if value.n is None else f"{value.n:,}"
        table.add_row(str(value.as_of), _written(metric, value.value, currency), interval, n, value.reason or "")
    yield table
    yield f"change since the day before: {_change(metric, values, currency) or 'not known'}"


def _nothing(day: date, days: int) -> str:
    return f"nothing was recorded in the {days} days up to {day}. `holdback daily` records a day once its work is done."


def _plain(metric: Metric, about: str, values: Sequence[DayValue]) -> Mapping[str, Any]:
    """Return a figure and its days for machines."""
    return {
        "metric": metric.name,
        "about": about,
        "unit": metric.unit,
        "is_good_when_higher": metric.is_good_when_higher,
        "meaning": {"en": metric.meaning.en, "es": metric.meaning.es},
        "values": list(values),
    }


def _change(metric: Metric, values: Sequence[DayValue], currency: str) -> str:
    """Write the newest value less the known one before it."""
    known = [value.value for value in values if value.value is not None]
    if len(known) < 2 or values[-1].value is None:
        return ""
    change = known[-1] - known[-2]
    written = _written(metric, change, currency)
    if metric.unit == "share":
        written = f"{change * 100:.1f} points"
    return written if written.startswith("-") else f"+{written}"


def _written(metric: Metric, value: float | None, currency: str) -> str:
    if value is None:
        return "·"
    if metric.unit == "share":
        return f"{value:.1%}"
    if metric.unit == "money":
        return f"{value:,.2f} {currency}"
    if metric.unit in ("count", "days"):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if metric.unit == "points" else f"{value:.4f}"


def _line(values: Sequence[DayValue], last: date) -> str:
    """Draw one block per day from the first that was recorded, from the lowest value to the highest."""
    by_day = {value.as_of: value.value for value in values}
    known = [value for value in by_day.values() if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    length = min((last - values[0].as_of).days + 1, _LINE_DAYS)
    shown = [last - timedelta(days=back) for back in reversed(range(length))]
    return "".join(_block(by_day[one], low, high) if one in by_day else "_" for one in shown)


def _block(value: float | None, low: float, high: float) -> str:
    if value is None:
        return "·"
    if high == low:
        return _BLOCKS[3]
    return _BLOCKS[min(int((value - low) / (high - low) * len(_BLOCKS)), len(_BLOCKS) - 1)]
