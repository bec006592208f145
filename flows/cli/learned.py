"""What was learned of value and uplift, told on a screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flows.cli.options import bold, interval, table_of

Receipt = Any  # a receipt is JSON: each teller below knows the keys of its own flow


def tell_learn(receipt: Receipt) -> Iterator[Any]:
    """Each action's league and verdict."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    yield from (f"note: {note}" for note in receipt["notes"])
    for action in receipt["actions"]:
        yield from tell_action(action, receipt["currency"])
    if not receipt["actions"]:
        yield "no action was tried by chance yet: nothing can be learned"


def tell_action(action: Receipt, currency: str) -> Iterator[Any]:
    """One action's league: who would earn what, who decides, and whether customers differ at all."""
    yield bold(action["action"])
    if action["row_count"]:
        yield (
            f"{action['row_count']:,} customers for whom chance decided: {action['treated_count']:,} were to get it, "
            f"{action['row_count'] - action['treated_count']:,} nothing"
        )
    if action["standings"]:
        yield league_table(action["standings"], currency)
    yield from action["diagnosis"]
    yield bold(f"verdict: {action['decision']}")
    yield action["reason"]
    if action["champion_version"] is not None:
        yield f"version {action['champion_version']} decides, by {action['decided_by']}"
    else:
        yield "the rule of the day decides: risk x lift x value - cost"
    yield ""


def league_table(standings: list[Receipt], currency: str) -> Any:
    """Gain per customer by competitor, best first, beside its difference to whoever decides now."""
    gain = f"#{currency} per customer"
    table = table_of("", "competitor", gain, "#more than the incumbent", "#AIPW-Qini x 1e4", "#treated")
    for row in standings:
        name = row["competitor"] + (" (incumbent)" if row["is_incumbent"] else " (wins)" if row["is_winner"] else "")
        table.add_row(
            name,
            _interval(row, "gain"),
            _interval(row, "gain_against_incumbent", signed=True),
            _interval(row, "qini", times=1e4, digits=0),
            f"{row['treated_share']:.0%}",
        )
    return table


def tell_train_value(receipt: Receipt) -> Iterator[Any]:
    """The value model, how its matured forecasts did, and whether it may speak."""
    if "waits" in receipt:
        yield receipt["waits"]
        return
    yield (
        f"{receipt['method']} from {receipt['row_count']:,} rows of {len(receipt['learned_on'])} days; values the next "
        f"{receipt['horizon_days']} days"
    )
    if receipt["figures"]:
        table = table_of("", "method", "#gini", "#decile error", "#predicted / actual", "#top tenth brings")
        for name, figures in {receipt["judged_method"]: receipt["figures"], **receipt["rivals"]}.items():
            told = (figures[metric] for metric in ("gini", "decile_error", "total_ratio", "top_share"))
            table.add_row(name, *(interval(figure, digits=2) for figure in told))
        yield table
        yield (
            f"judged on {receipt['judged_on'][-1]}: what {receipt['customer_count']:,} customers brought in the "
            f"{receipt['judged_days']} days after it"
        )
    yield bold(f"verdict: {'in office' if receipt['is_in_office'] else 'not in office'}")
    yield receipt["reason"]
    yield from (f"note: {note}" for note in receipt["notes"])
    yield f"version {receipt['version']} of {receipt['model']}"


def tell_value(receipt: Receipt) -> Iterator[Any]:
    """What the customers are worth together."""
    if "waits" in receipt:
        yield f"{receipt['waits']} The books say what customers are worth."
        return
    if receipt["was_valued_already"]:
        yield f"values of {receipt['valued_on']} stand; they are renewed on {receipt['next_on']}"
        return
    top = receipt["top_share"]
    yield (
        f"{receipt['customer_count']:,} customers are expected to bring {receipt['total_margin_amount']:,.2f} "
        f"{receipt['currency']}"
        + (f", {top:.0%} of it from the most valuable tenth" if top is not None else "")
        + f" ({receipt['method']}, version {receipt['model_version']})"
    )
    if receipt["unknown_count"]:
        yield f"{receipt['unknown_count']:,} have no price on record: what they bring is booked"


def tell_uplift(receipt: Receipt) -> Iterator[Any]:
    """What the models in office expect of today's customers."""
    if "waits" in receipt:
        yield f"{receipt['waits']} Lift x risk x value decides."
        return
    if not receipt["actions"]:
        yield "no model decides about an action yet: the rule of the day does"
    for one in receipt["actions"]:
        yield (
            f"{one['action']}: version {one['model_version']} ({one['decided_by']}) expects {one['mean_uplift']:+.2%} "
            f"to stay, on average over {one['customer_count']:,} customers; {one['harmed_count']:,} it would drive away"
        )


def _interval(row: Receipt, name: str, *, times: float = 1.0, digits: int = 3, signed: bool = False) -> str:
    if row[name] is None:
        return ""
    figure = {part: times * row[name + end] for part, end in (("estimate", ""), ("low", "_low"), ("high", "_high"))}
    return interval(figure, digits=digits, signed=signed)
