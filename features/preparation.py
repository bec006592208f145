"""How the rows of a feed are prepared before they are aggregated: one small chain of SQL steps per role.

Every chain begins with the rows that both clocks let through, and turns money and measurements into integers, so
that sums are equal to the last bit whatever the order of rows and the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from features.asking import is_answered, is_asked
from features.clocks import MICROSECONDS_PER_SECOND, ORDER, Clock, newest_versions, numbered_rows
from features.declarations import FeedShape
from features.remarks import remark_text
from features.scales import score_expression
from features.steps import Step, select
from holdback.sql import literal

#: Gaps longer than this many seconds (63 years) count as this, so that their squares fit into 64 bits everywhere.
LONGEST_GAP_SECONDS = 2_000_000_000

#: Days before ``as_of`` with which a balance is compared.
BALANCES_DAYS_AGO = (7, 30, 90)

#: Roles whose rows :func:`prepared_history` can prepare once for many days.
FOLLOWED_ROLES = frozenset({"transactions", "interactions", "feedback", "campaign_contacts", "balances", "usage"})


#: When a stored row can be seen: from the first day that begins at or after this (as ``epoch_us`` counts).
_KNOWN = "greatest(epoch_us(event_at) + 1, epoch_us(loaded_at))"

#: Columns of a row that says since when it is known, and since when in this form.
KNOWN_SINCE = ("first_known_us", "last_known_us")


def key_of(shape: FeedShape) -> str:
    """Return the column by which a feed's prepared rows say whose they are; it is one of the spine, too."""
    return "customer_id" if shape.role == "customers" else "customer_number"


def prepared(shape: FeedShape, clock: Clock, *, corrected: bool) -> list[Step]:
    """Return the steps of one feed; the last one's rows, of the spine's customers, are what features are declared over.

    Args:
        shape: The feed and its mapped columns.
        clock: The day of knowledge.
        corrected: True when rows of this feed were replaced by corrections.
    """
    return _PREPARATIONS[shape.role](shape, clock, corrected)


def prepared_history(shape: FeedShape, clock: Clock, *, corrected: bool) -> list[Step]:
    """Return the steps of one feed for a day and days before it: rows say since when they are known.

    The same rows as :func:`prepared`'s with the columns KNOWN_SINCE; but answers are not ranked and balances not
    reduced to the newest ones, as these differ from day to day.

    Args:
        shape: A feed whose role is one of FOLLOWED_ROLES.
        clock: The newest day of knowledge.
        corrected: True when rows of this feed were replaced by corrections.
    """
    match shape.role:
        case "transactions":
            return _transactions(shape, clock, corrected, is_history=True)
        case "interactions":
            return _interactions(shape, clock, corrected, is_history=True)
        case "feedback":
            columns = tuple(_feedback_columns(shape, clock))
        case "campaign_contacts":
            columns = tuple(_campaign_contact_columns(shape))
        case "balances":
            columns = _balance_columns(shape)
        case _:
            columns = _usage_columns(shape)
    known = numbered_rows(shape.feed, (*columns, *_since()), clock, corrected=corrected)
    return [Step(f"_{shape.feed}_rows", "rows that were visible at as_of, and since when", known)]


def _since(last: str = _KNOWN) -> list[str]:
    return [f"{_KNOWN} as {KNOWN_SINCE[0]}", f"{last} as {KNOWN_SINCE[1]}"]


def _transactions(shape: FeedShape, clock: Clock, corrected: bool, *, is_history: bool = False) -> list[Step]:
    lines = ["event_at", *(["order_id"] if shape.has("order_id") else [])]
    lines += [
        "case when amount_cents >= 0 then 1 else 0 end as bought_count",
        "case when amount_cents < 0 then 1 else 0 end as refunded_count",
        "case when amount_cents >= 0 then amount_cents else 0 end as paid_cents",
        "case when amount_cents < 0 then -amount_cents else 0 end as refund_cents",
    ]
    sums = ["bought_count", "refunded_count", "paid_cents", "refund_cents"]
    if shape.has("discount_cents"):
        lines.append("coalesce(discount_cents, 0) as discount_cents")
        sums.append("discount_cents")
    if shape.has("quantity"):
        lines.append(_thousandths("quantity"))
        sums.append("quantity_thousandths")
    labels = [c for c in ("channel", "direction", "destination") if shape.vocabulary(c)]
    lines += labels
    bits = bool(shape.vocabulary("category"))
    if bits:
        lines.append(f"{_bits('category', shape.vocabulary('category'))} as category_bits")
    lines += _since() if is_history else []
    known = numbered_rows(shape.feed, tuple(lines), clock, corrected=corrected)
    steps = [Step(f"_{shape.feed}_known", "lines that were visible at as_of", known)]
    if shape.has("order_id"):
        selected = [
            "customer_number",
            "min(event_at) as event_at",
            *(f"cast(sum({name}) as bigint) as {name}" for name in sums),
            *(f"min({name}) as {name}" for name in labels),
            *(["bit_or(category_bits) as category_bits"] if bits else []),
            *([f"min({KNOWN_SINCE[0]}) as {KNOWN_SINCE[0]}"] if is_history else []),
            *([f"max({KNOWN_SINCE[1]}) as {KNOWN_SINCE[1]}"] if is_history else []),
        ]
        steps.append(
            Step(
                f"_{shape.feed}_orders",
                "lines of one order become one row: counting orders is counting rows",
                select(
                    selected,
                    f"from {steps[-1].name}\n"
                    "    group by customer_number, coalesce(order_id, cast(event_at as varchar))",
                ),
            )
        )
    carried = ["customer_number", "event_at", *sums, *labels, *(["category_bits"] if bits else [])]
    carried += KNOWN_SINCE if is_history else ()
    before = "lag(event_at) over (partition by customer_number, bought_count > 0 order by event_at)"
    gap = f"(epoch_us(event_at) - epoch_us({before})) // {MICROSECONDS_PER_SECOND}"
    capped = f"case when gap_seconds > {LONGEST_GAP_SECONDS} then {LONGEST_GAP_SECONDS} else gap_seconds end"
    return [
        *steps,
        Step(
            f"_{shape.feed}_gaps",
            "seconds between one purchase and the next",
            select([*carried, f"case when bought_count > 0 then {gap} end as gap_seconds"], f"from {steps[-1].name}"),
        ),
        Step(
            f"_{shape.feed}_rows",
            "gaps of lifetimes are cut, so that their squares fit into 64 bits",
            select([*carried, f"{capped} as gap_seconds"], f"from _{shape.feed}_gaps"),
        ),
    ]


def _interactions(shape: FeedShape, clock: Clock, corrected: bool, *, is_history: bool = False) -> list[Step]:
    columns = ["event_at", *(c for c in ("channel", "outcome", "topic") if shape.vocabulary(c))]
    columns += [c for c in ("duration_seconds", "is_caused_by_us") if shape.has(c)]
    columns += [remark_text(clock)] if shape.has("remark") else []
    if shape.has("resolved_at"):
        waited = f"(epoch_us(resolved_at) - epoch_us(event_at)) // {MICROSECONDS_PER_SECOND}"
        columns.append(f"case when resolved_at < {clock.now} then {waited} end as resolution_seconds")
        solved = f"greatest({_KNOWN}, case when resolved_at < {clock.now} then epoch_us(resolved_at) + 1 end)"
        columns += _since(solved) if is_history else []
    elif is_history:
        columns += _since()
    known = numbered_rows(shape.feed, tuple(columns), clock, corrected=corrected)
    return [Step(f"_{shape.feed}_rows", "contacts visible at as_of; what was solved later is still open", known)]


def _feedback(shape: FeedShape, clock: Clock, corrected: bool) -> list[Step]:
    known = numbered_rows(shape.feed, tuple(_feedback_columns(shape, clock)), clock, corrected=corrected)
    if not shape.has("score"):
        return [Step(f"_{shape.feed}_rows", "requests that were visible at as_of", known)]
    tells_asking = shape.has("kind") or shape.has("remark")
    said, silent = said_and_silent(shape)
    said_at = f"max(case when {said} then event_at end) over (partition by customer_number)"
    newest = "order by event_at desc, score_thousandths desc"
    rank = f"row_number() over (partition by customer_number, score_thousandths is null {newest})"
    selected = [
        "customer_number",
        "event_at",
        "score_thousandths",
        f"case when score_thousandths is not null then {rank} end as answer_rank",
        f"{silent}\n            and event_at > coalesce({said_at}, timestamp '0001-01-01 00:00:00')"
        f" as {'is_silent' if tells_asking else 'is_after_last_answer'}",
        *(["is_asked", "is_answered"] if tells_asking else []),
        *(["remark_text"] if shape.has("remark") else []),
    ]
    return [
        Step(f"_{shape.feed}_known", "requests that were visible at as_of", known),
        Step(
            f"_{shape.feed}_rows",
            "answers from the newest (1) backwards; requests that came after the newest answer",
            select(selected, f"from _{shape.feed}_known"),
        ),
    ]


def _feedback_columns(shape: FeedShape, clock: Clock) -> list[str]:
    score = score_expression(shape, clock)
    columns = ["event_at", *([_thousandths(score, "score")] if shape.has("score") else [])]
    columns += [remark_text(clock)] if shape.has("remark") else []
    # A feed of nothing but scores has only requests, answered by scores: it needs no more columns.
    tells_asking = shape.has("kind") or shape.has("remark")
    return (
        [*columns, f"{is_asked(shape)} as is_asked", f"{is_answered(shape)} as is_answered"]
        if tells_asking
        else columns
    )


def said_and_silent(shape: FeedShape) -> tuple[str, str]:
    """SQL conditions on a feedback feed's prepared rows: the customer said something; was asked and said nothing."""
    if shape.has("kind") or shape.has("remark"):
        return "is_answered", "is_asked and not is_answered"
    return "score_thousandths is not null", "score_thousandths is null"


def _campaign_contacts(shape: FeedShape, clock: Clock, corrected: bool) -> list[Step]:
    known = numbered_rows(shape.feed, tuple(_campaign_contact_columns(shape)), clock, corrected=corrected)
    return [Step(f"_{shape.feed}_rows", "messages that were visible at as_of", known)]


def _campaign_contact_columns(shape: FeedShape) -> list[str]:
    columns = ["event_at", *(["channel"] if shape.vocabulary("channel") else [])]
    return [*columns, *(["outcome"] if shape.has("outcome") else [])]


def _balances(shape: FeedShape, clock: Clock, corrected: bool) -> list[Step]:
    kind = ("account_kind",) if shape.has("account_kind") else ()
    known = numbered_rows(shape.feed, _balance_columns(shape), clock, corrected=corrected)
    newest = "arg_max(balance_cents, row(event_at, balance_cents))"
    selected = ["customer_number", *kind, "max(event_at) as event_at", f"{newest} as balance_cents"]
    for days in BALANCES_DAYS_AGO:
        selected.append(f"{newest} filter (where event_at < {clock.days_ago(days)}) as balance_{days}d_ago_cents")
    selected.append(f"max(balance_cents) filter (where event_at >= {clock.days_ago(90)}) as peak_90d_cents")
    return [
        Step(f"_{shape.feed}_known", "balances that were visible at as_of", known),
        Step(
            f"_{shape.feed}_rows",
            "one row per account: its newest balance, and the newest before each day of comparison",
            select(selected, f"from _{shape.feed}_known\n    group by {', '.join(('customer_number', *kind))}"),
        ),
    ]


def _balance_columns(shape: FeedShape) -> tuple[str, ...]:
    return ("event_at", "balance_cents", *(("account_kind",) if shape.has("account_kind") else ()))


def _subscriptions(shape: FeedShape, clock: Clock, corrected: bool) -> list[Step]:
    own = f'coalesce(subscription_id, "{shape.feed}".customer_id)'
    contract = own if shape.has("subscription_id") else "customer_number"
    columns = [*ORDER, f"{contract} as contract_id", "kind"]
    carried = ["customer_number", "event_at", "kind"]
    if shape.has("plan"):
        columns.append("plan")
        carried.append("plan")
    if shape.has("price_cents"):
        columns.append("price_cents")
        lag = f"lag(price_cents) over (partition by customer_number, contract_id order by {_by('asc')})"
        carried += ["price_cents", f"{lag} as previous_price_cents"]
    if shape.has("ends_on"):
        columns.append(f"date_diff('day', {clock.today}, cast(ends_on as date)) as days_left")
        carried.append("days_left")
    rank = f"row_number() over (partition by customer_number, contract_id order by {_by('desc')})"
    known = numbered_rows(shape.feed, tuple(columns), clock, corrected=corrected)
    return [
        Step(f"_{shape.feed}_known", "events of contracts that were visible at as_of", known),
        Step(
            f"_{shape.feed}_rows",
            "events of each contract from the newest (1) backwards",
            select([*carried, f"{rank} as event_rank"], f"from _{shape.feed}_known"),
        ),
    ]


def _usage(shape: FeedShape, clock: Clock, corrected: bool) -> list[Step]:
    known = numbered_rows(shape.feed, _usage_columns(shape), clock, corrected=corrected)
    return [Step(f"_{shape.feed}_rows", "measurements that were visible at as_of", known)]


def _usage_columns(shape: FeedShape) -> tuple[str, ...]:
    return ("event_at", _thousandths("quantity"), *(("metric",) if shape.vocabulary("metric") else ()))


def _customers(shape: FeedShape, clock: Clock, corrected: bool) -> list[Step]:
    attributes = [f'"{name}"' for name in shape.columns if name not in {"customer_id", "signed_up_at"}]
    tenure = [f"{clock.full_days_since('signed_up_at')} as tenure_days"] if shape.has("signed_up_at") else []
    return newest_versions(clock, (*tenure, *attributes), ["customers"] if corrected else [], spine=True)


def _by(direction: str) -> str:
    return ", ".join(f"{column} {direction}" for column in ORDER)


def _thousandths(column: str, name: str = "") -> str:
    """A measured number as integer thousandths; what is not a number, or absurdly large, is not known."""
    rounded = f"cast(floor({column} * 1e3 + 0.5e0) as bigint)"
    return f"case when abs({column}) < 9e12 then {rounded} end as {name or column}_thousandths"


def _bits(column: str, vocabulary: tuple[str, ...]) -> str:
    cases = " ".join(f"when {literal(value)} then {1 << position}" for position, value in enumerate(vocabulary))
    return f"case {column} {cases} else 0 end"


_PREPARATIONS: Mapping[str, Callable[[FeedShape, Clock, bool], list[Step]]] = {
    "transactions": _transactions,
    "interactions": _interactions,
    "feedback": _feedback,
    "campaign_contacts": _campaign_contacts,
    "balances": _balances,
    "subscriptions": _subscriptions,
    "usage": _usage,
    "customers": _customers,
}
