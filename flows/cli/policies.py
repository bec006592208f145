"""Commands about rules for choosing: ``policy value`` and ``policy compare``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.options import AsJson, AsOf, BusinessFile, opened, print_json, show, table_of

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from monitoring.policies import Comparison, PolicyResult

policies = typer.Typer(
    help="Rules for choosing: what each would have earned, told from the logged probabilities of what was done.",
    no_args_is_help=True,
)

CampaignOption = Annotated[
    str | None,
    typer.Option("--campaign", help="One campaign.", show_default="all with the same outcome and horizon"),
]
Share = Annotated[
    float | None,
    typer.Option(
        "--share", min=0.0, max=1.0, help="Share of those who entered that can be treated.",
        show_default="what the capacities have room for",
    ),
]  # fmt: skip
PolicyName = Annotated[
    str, typer.Argument(help="nobody, everybody, current, random, risk, value or model.", show_default=False)
]

_VALUE_EXAMPLES = """\b
Examples:
  holdback policy value                        every rule, on all campaigns
  holdback policy value --campaign spring --share 0.5
  holdback policy value --as-of 2026-11-01 --json
"""
_COMPARE_EXAMPLES = """\b
Examples:
  holdback policy compare current risk
  holdback policy compare model risk --share 0.3
"""


def add_to(app: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    app.add_typer(policies, name="policy")


@policies.command("value", epilog=_VALUE_EXAMPLES)
def policy_value(
    campaign: CampaignOption = None,
    share: Share = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell what each rule for choosing would have earned, with its interval."""
    from monitoring.policies import MEANINGS

    found = _compared(business, as_of, campaign, share, tuple(MEANINGS))
    if as_json:
        print_json(_plain(found))
        return
    show(*_told(found))


@policies.command("compare", epilog=_COMPARE_EXAMPLES)
def policy_compare(
    first: PolicyName,
    second: PolicyName,
    campaign: CampaignOption = None,
    share: Share = None,
    business: BusinessFile = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
) -> None:
    """Tell what one rule would have earned more than another, on the same customers."""
    from monitoring.policies import METHODS, told_difference

    if first == second:
        raise typer.BadParameter(f"{first!r} is both of them. Name two different rules.")
    found = _compared(business, as_of, campaign, share, (first, second))
    if as_json:
        print_json(_plain(found))
        return
    show(*_told(found))
    if found.differences:
        show(told_difference(found.differences[METHODS[0]], first, second, found.currency))
    else:
        show(f"Nothing can be said of {first} against {second}: see above why.")


def _compared(
    business: Path | None, as_of: date | None, campaign: str | None, share: float | None, names: Sequence[str]
) -> Comparison:
    from monitoring.policies import policy_values
    from monitoring.policies.office import models_in_office

    workspace, day = opened(business, as_of)
    models = models_in_office(workspace) if "model" in names else {}
    return policy_values(workspace, day, campaign=campaign, names=names, models=models, share=share)


def _told(found: Comparison) -> Iterator[Any]:
    """Write the rules for people: what they would have earned per customer, and over contacting nobody."""
    from monitoring.policies import METHODS

    method, unit = METHODS[0], found.currency or found.aim
    yield (
        f"{found.n:,} customers who entered {', '.join(found.campaigns)}, followed to {found.aim}, as known on "
        f"{found.as_of}; {unit} per customer"
    )
    table = table_of("", "rule", "#treated", "#would have earned", "#over nobody", "#interval", "#n", "#effective n",
                     "method")  # fmt: skip
    for result in found.results:
        if result.why_not is None:
            table.add_row(*_cells(result, method))
    if table.row_count:
        yield table
    yield from (f"{result.name}: {result.meaning}" for result in found.results)
    yield from (f"{result.name}: not told: {result.why_not}" for result in found.results if result.why_not is not None)
    yield from (f"note: {note}" for note in found.notes)


def _cells(result: PolicyResult, method: str) -> list[str]:
    value, over = result.values[method], result.over_nobody[method]
    interval = "" if over.low == over.high else f"{over.low:+,.2f} to {over.high:+,.2f}"
    return [
        result.name, f"{result.treated_share or 0.0:.1%}", f"{value.estimate:,.2f}", f"{over.estimate:+,.2f}", interval,
        f"{value.n:,}", f"{value.effective_count:,.0f}", method,
    ]  # fmt: skip


def _plain(found: Comparison) -> dict[str, Any]:
    """The same for machines: every method, without what each customer adds to the error."""
    from dataclasses import asdict

    hidden = ("influence",)
    return {
        **{name: value for name, value in vars(found).items() if name not in ("results", "differences")},
        "results": [
            {
                **{name: value for name, value in vars(result).items() if name not in ("values", "over_nobody")},
                "values": {
                    method: {name: figure for name, figure in vars(value).items() if name not in hidden}
                    for method, value in result.values.items()
                },
                "over_nobody": {method: asdict(over) for method, over in result.over_nobody.items()},
            }
            for result in found.results
        ],
        "differences": {method: asdict(one) for method, one in found.differences.items()},
    }
