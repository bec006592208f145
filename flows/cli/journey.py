"""Commands about the customers as a whole: ``churn rate|revenue|retention`` and ``segments show|transitions``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import (
    AsJson,
    AsOf,
    BusinessFile,
    ChurnName,
    bold,
    opened,
    parse_day,
    print_json,
    show,
    table_of,
)

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from holdback.business import Business, Churn
    from holdback.warehouse import Warehouse
    from monitoring.kpis import ChurnRates, GroupSizes, Ratio, Retention, RevenueChurn, Transitions
    from monitoring.proportions import Share

churn = typer.Typer(
    help="The churn rate, the revenue that leaves with it, and who is still there.", no_args_is_help=True
)
segments = typer.Typer(help="Groups of customers, and how they move between them.", no_args_is_help=True)

By = Annotated[
    str,
    typer.Option("--by", help="stage, rfm, value, cohort, plan, or a category or flag of the customers."),
]
RateBy = Annotated[
    str,
    typer.Option("--by", help="month, cohort, stage, rfm, value, plan, or a category or flag of the customers."),
]
CurveBy = Annotated[str, typer.Option("--by", help="all, or cohort (month of the start).")]
On = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="DAY", help="The day whose customers are counted.",
        show_default="the newest first day of a month whose outcomes are known",
    ),
]  # fmt: skip
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="DAY", help="The day they came from.", show_default="a month before"),
]

_RATE_EXAMPLES = """\b
Examples:
  holdback churn rate                          by month
  holdback churn rate --by cohort
  holdback churn rate --by stage --on 2026-06-01
  holdback churn rate --by stage --as-of 2026-11-01 --json
"""
_REVENUE_EXAMPLES = """\b
Examples:
  holdback churn revenue
  holdback churn revenue --on 2026-06-01 --churn cancelled
"""
_RETENTION_EXAMPLES = """\b
Examples:
  holdback churn retention                     everybody, by months since the start
  holdback churn retention --by cohort
"""
_SHOW_EXAMPLES = """\b
Examples:
  holdback segments show                       by stage
  holdback segments show --by rfm
"""
_TRANSITIONS_EXAMPLES = """\b
Examples:
  holdback segments transitions
  holdback segments transitions --since 2026-08-01 --as-of 2026-11-01
"""
_WITHHELD = "withheld"
_BAR = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(churn, name="churn")
    app.add_typer(segments, name="segments")


@churn.command("rate", epilog=_RATE_EXAMPLES)
def churn_rate(
    by: RateBy = "month",
    on: On = None,
    churn_name: ChurnName = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell how many left, by month or by group, with intervals; groups of fewer than five are withheld."""
    from monitoring.kpis import MONTH, churn_rates

    if by == MONTH and on is not None:
        raise typer.BadParameter("--on goes with --by stage, cohort, ...: every month has its own day. Add --by.")
    warehouse, company, definition, day = _asked(business, churn_name, as_of)
    found = churn_rates(warehouse, company, definition, day, by=by, on=_day(on))
    print_json(found) if as_json else show(*_told_rates(found))


@churn.command("revenue", epilog=_REVENUE_EXAMPLES)
def churn_revenue(
    on: On = None,
    churn_name: ChurnName = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell how much revenue was lost with those who left, and how much is retained, with intervals."""
    from monitoring.kpis import revenue_churn

    warehouse, company, definition, day = _asked(business, churn_name, as_of)
    found = revenue_churn(warehouse, company, definition, day, on=_day(on))
    print_json(found) if as_json else show(*_told_revenue(found))


@churn.command("retention", epilog=_RETENTION_EXAMPLES)
def churn_retention(
    by: CurveBy = "all",
    churn_name: ChurnName = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell how many are still there, month by month since their start, with intervals."""
    from monitoring.kpis import retention_curve

    if by not in ("all", "cohort"):
        raise typer.BadParameter(f"{by!r} is no way to draw retention. Choose all or cohort.")
    warehouse, company, definition, day = _asked(business, churn_name, as_of)
    found = retention_curve(warehouse, company, definition, day, by="cohort" if by == "cohort" else "all")
    print_json(found) if as_json else show(*_told_retention(found))


@segments.command("show", epilog=_SHOW_EXAMPLES)
def segments_show(
    by: By = "stage",
    churn_name: ChurnName = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell how large the groups of a day are, and what their customers bring."""
    from monitoring.kpis import group_sizes

    warehouse, company, definition, day = _asked(business, churn_name, as_of)
    found = group_sizes(warehouse, company, definition, day, by=by)
    print_json(found) if as_json else show(*_told_sizes(found))


@segments.command("transitions", epilog=_TRANSITIONS_EXAMPLES)
def segments_transitions(
    since: Since = None,
    by: By = "stage",
    churn_name: ChurnName = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell from which group to which customers went between two days, and who has gone."""
    from monitoring.kpis import transitions

    warehouse, company, definition, day = _asked(business, churn_name, as_of)
    found = transitions(warehouse, company, definition, day, since=_day(since), by=by)
    print_json(found) if as_json else show(*_told_transitions(found))


def _asked(
    business: Path | None, churn_name: str | None, as_of: date | None
) -> tuple[Warehouse, Business, Churn, date]:
    workspace, day = opened(business, as_of)
    return workspace.warehouse, workspace.business, workspace.business.churn_named(churn_name), day


def _day(text: str | None) -> date | None:
    return None if text is None else parse_day(text)


def _told_rates(found: ChurnRates) -> Iterator[Any]:
    if found.described_on is not None:
        yield f"Customers of {found.described_on}, outcomes as known on {found.as_of}"
    table = table_of(f"Churn: {found.churn}", found.by, "#customers", "#left", "#interval", "", "#n", "known from")
    rows = [*found.groups, *([found.total] if found.total is not None else [])]
    largest = max((row.left.high for row in rows if row.left is not None), default=1.0)
    for row in rows:
        if row.is_withheld:
            table.add_row(row.value, _WITHHELD)
        elif row.left is None:
            when = f"from {row.known_from}" if row.known_from is not None else "when newer data are loaded"
            table.add_row(row.value, f"{row.customer_count:,}", "", "", "not known yet", "", when)
        else:
            known_from = str(row.known_from) if row.known_from is not None else ""
            bar = _bar(row.left.share / largest if largest else 0.0)
            table.add_row(
                row.value, f"{row.customer_count:,}", *_cells(row.left), bar, f"{row.left.n:,.0f}", known_from
            )
    yield table
    yield from (f"note: {note}" for note in found.notes)


def _told_revenue(found: RevenueChurn) -> Iterator[Any]:
    yield (
        f"{found.customer_count:,} customers of {found.described_on} brought {found.start_amount:,.2f} "
        f"{found.currency} a month; looked at again on {found.ends_on}"
    )
    table = table_of(
        f"Revenue: {found.churn}", "of the revenue at the start", "#share", "#interval", "", "#n", "method"
    )
    told: tuple[tuple[str, Ratio | None], ...] = (
        ("lost with those who left", found.lost),
        ("less from those who stayed", found.reduced),
        ("gross revenue churn", found.gross_churn),
        ("more from those who stayed", found.grown),
        ("net revenue retention", found.net_retention),
    )
    largest = max(ratio.high for _, ratio in told if ratio is not None) or 1.0
    for name, ratio in told:
        if ratio is not None:
            between = f"{ratio.low:.1%} to {ratio.high:.1%}"
            bar = _bar(ratio.estimate / largest)
            table.add_row(name, f"{ratio.estimate:.1%}", between, bar, f"{ratio.n:,}", ratio.method)
    yield table
    if found.end_amount is not None:
        yield bold(f"{found.end_amount:,.2f} {found.currency} a month remain of {found.start_amount:,.2f}")
    yield from (f"note: {note}" for note in found.notes)


def _told_retention(found: Retention) -> Iterator[Any]:
    for curve in found.curves:
        title = f"Retention: {found.churn}, {curve.cohort} ({curve.customer_count:,} customers)"
        table = table_of(title, "#month", "#still there", "#interval", "", "#watched", "#left", "known from")
        for point in curve.points:
            between = f"{point.low:.1%} to {point.high:.1%}"
            table.add_row(
                str(point.month), f"{point.retained:.1%}", between, _bar(point.retained), f"{point.at_risk:,}",
                f"{point.left:,}", str(point.known_from),
            )  # fmt: skip
        yield table if curve.points else f"{title}: nobody was watched for a month yet"
    if found.withheld_count:
        yield f"{found.withheld_count} cohorts are withheld: fewer than five customers"
    yield from (f"note: {note}" for note in found.notes)


def _told_sizes(found: GroupSizes) -> Iterator[Any]:
    total = _WITHHELD if found.customer_count is None else f"{found.customer_count:,}"
    yield f"{total} customers of {found.as_of}" + ("" if found.is_stored else " (not written on that day: computed)")
    money = f"#{found.currency} a month each"
    table = table_of(f"Groups: {found.churn}", found.by, "#customers", "#share", "", money)
    for group in found.groups:
        if group.customer_count is None or group.share is None:
            table.add_row(group.value, _WITHHELD)
            continue
        brings = "" if group.revenue_amount is None else f"{group.revenue_amount:,.2f}"
        table.add_row(group.value, f"{group.customer_count:,}", f"{group.share:.1%}", _bar(group.share), brings)
    yield table


def _told_transitions(found: Transitions) -> Iterator[Any]:
    from monitoring.kpis import ARRIVED, GONE

    yield f"From {found.since} (rows) to {found.as_of} (columns): {found.churn}, customers and share of the row"
    table = table_of("", found.by, *(f"#{name}" for name in (*found.groups, GONE)))
    for row in (*found.groups, ARRIVED):
        cells = []
        for column in (*found.groups, GONE):
            if (row, column) == (ARRIVED, GONE):
                cells.append("")
                continue
            move = found.move(row, column)
            if move.customer_count is None:
                cells.append("·")
            elif move.share is None or row == ARRIVED or move.customer_count == 0:
                cells.append(f"{move.customer_count:,}")
            else:
                cells.append(f"{move.customer_count:,} {move.share.share:.0%}")
        table.add_row(row, *cells)
    yield table
    if any(move.customer_count is None for move in found.moves):
        yield "·: withheld, too few customers or a neighbour of such; intervals: --json"
    yield from (f"note: {note}" for note in found.notes)


def _cells(share: Share) -> tuple[str, str]:
    return f"{share.share:.1%}", f"{share.low:.1%} to {share.high:.1%}"


def _bar(share: float) -> str:
    """Draw a share of one as a bar of eighths of a character.

    Examples:
        >>> _bar(0.5), _bar(0.0)
        ('██████████', '')
    """
    eighths = round(min(max(share, 0.0), 1.0) * _BAR * 8)
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
