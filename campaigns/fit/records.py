"""The table ``fit``: written once a day, with the arithmetic of each customer as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.fit.assessment import Assessment
from campaigns.fit.facts import Facts, expires_on
from campaigns.fit.rates import ChannelRates
from campaigns.lifts import Lift
from holdback.business import Business
from holdback.warehouse import Warehouse

_COLUMNS = (
    "as_of", "customer_id", "segment", "months_known", "margin_cents", "cost_to_serve_cents", "retention_cents",
    "net_cents", "net_low_cents", "net_high_cents", "kept_cents", "fit", "fit_class", "guardrail", "value_model",
    "value_decile", "expires_on",
)  # fmt: skip

_ROWS_PER_CHUNK = 100_000  # what is put together at once: the parts of a text need more memory than the text


def batch_of(as_of: date) -> str:
    """Name of the one batch that holds a day's classes."""
    return f"fit/{as_of.isoformat()}"


def stored_fit(warehouse: Warehouse, as_of: date) -> pa.Table:
    """Return the day's classes as they were written, ordered by customer; empty when the day was not classified.

    Returns:
        The columns of the table ``fit`` but ``arithmetic``, which :func:`explain_fit` reads for one customer.
    """
    return warehouse.query(
        f"select {', '.join(_COLUMNS)} from fit where as_of = date '{as_of.isoformat()}' order by customer_id"
    )


def fit_in_force(warehouse: Warehouse, as_of: date) -> pa.Table:
    """Return each customer's newest class that still holds on a day: not expired, and not from a later day.

    Returns:
        As :func:`stored_fit`; ``as_of`` is the day on which the class was given.
    """
    day = f"date '{as_of.isoformat()}'"
    return warehouse.query(
        f"select {', '.join(_COLUMNS)} from fit where as_of <= {day} and expires_on > {day} "
        "qualify row_number() over (partition by customer_id order by as_of desc) = 1 order by customer_id"
    )


def fit_rows(
    found: Assessment,
    facts: Facts,
    rates: tuple[ChannelRates, ...],
    business: Business,
    lifts: Mapping[str, Lift],
    as_of: date,
) -> pa.Table:
    """Return the rows of the table ``fit``, ordered by customer."""
    n = facts.table.num_rows
    return pa.table(
        {
            "as_of": pa.repeat(pa.scalar(as_of, pa.date32()), n),
            "customer_id": facts.table["customer_id"],
            "segment": facts.table["segment"],
            "months_known": facts.table["months_known"],
            "margin_cents": found.value,
            "cost_to_serve_cents": found.cost,
            "retention_cents": found.retention,
            "net_cents": found.net,
            "net_low_cents": np.floor(found.net_interval.low).astype(np.int64),
            "net_high_cents": np.ceil(found.net_interval.high).astype(np.int64),
            "kept_cents": found.kept,
            "fit": found.fit,
            "fit_class": pa.array(found.classes.names, pa.string()),
            "guardrail": pa.array(found.classes.guardrails, pa.string()),
            "arithmetic": _arithmetic(found, facts, rates, business, lifts),
            "value_model": value_model(found, facts),
            "value_decile": facts.table["value_decile"],
            "expires_on": pa.repeat(pa.scalar(expires_on(business, as_of), pa.date32()), n),
        }
    )


def value_model(found: Assessment, facts: Facts) -> pa.ChunkedArray:
    """What V rests on: the value model that spoke, null for the records."""
    return pc.if_else(pa.array(found.by_model), facts.table["value_model"], pa.scalar(None, pa.string()))


def _arithmetic(
    found: Assessment,
    facts: Facts,
    rates: tuple[ChannelRates, ...],
    business: Business,
    lifts: Mapping[str, Lift],
) -> pa.ChunkedArray:
    """One JSON object per customer, put together column by column: a million take seconds, not minutes.

    ``p`` and the ``days`` of its outcome window, ``scored`` or the mean; discounted ``months`` expected; ``revenue``,
    ``discount`` and ``margin`` of a month in cents; by channel of ``contacts`` the ``cost`` of one in cents, ``n`` of
    them in ``months``, and the prior ``a, b`` of the monthly rate ``(a + n) / (b + months)``; ``faults`` are contacts
    that we caused; the planned ``action``, with the ``uplift`` where a model says one. ``value`` is the value model
    that V rests on (null: the records), ``gives`` what it says: the ``months`` or the ``margin`` of the horizon.
    """
    is_months = np.isnan(facts.numbers("value_months"))
    model = facts.table["value_model"].combine_chunks()
    gives = pa.array(['"months"', '"margin"']).take(pa.array(is_months.astype(np.int64)))
    told = pc.binary_join_element_wise('{"model":"', pc.fill_null(_escaped(model), ""), '","gives":', gives, "}", "")
    parts: list[Any] = [
        '{"p":', (facts.numbers("probability"), 6),
        ',"scored":', facts.table["has_score"].combine_chunks().cast(pa.string()),
        f',"days":{facts.outcome_days},"months":', (found.months, 6),
        ',"value":', pc.if_else(pa.array(found.by_model), told, "null"),
        ',"revenue":', (found.monthly_revenue, 2),
        ',"discount":', (facts.numbers("discount_cents"), 2),
        ',"margin":', (found.monthly_margin, 2),
        ',"contacts":{',
    ]  # fmt: skip
    for position, rate in enumerate(rates):
        unit = found.unit_costs[rate.channel]
        parts += [
            ("," if position else "") + f'{json.dumps(rate.channel)}:{{"cost":{unit:g},"n":', rate.counts,
            ',"months":', (rate.months, 4),
            ',"a":', (rate.prior_shapes, 5),
            ',"b":', (rate.prior_rates, 5),
            "}",
        ]  # fmt: skip
    planned = _actions(found, facts, business, lifts)
    parts += [
        '},"faults":', facts.table["fault_count"].to_numpy(),
        ',"action":', planned,
        "}",
    ]  # fmt: skip
    n = facts.table.num_rows
    ranges = [(start, min(start + _ROWS_PER_CHUNK, n)) for start in range(0, n, _ROWS_PER_CHUNK)]
    return pa.chunked_array([_joined(parts, start, stop) for start, stop in ranges], pa.string())


def _joined(parts: list[Any], start: int, stop: int) -> pa.Array:
    """The text of some customers: literals as they are, numbers of these customers only."""
    columns = [part if isinstance(part, str) else _as_text(part, start, stop) for part in parts]
    return pc.binary_join_element_wise(*columns, "")


def _as_text(part: Any, start: int, stop: int) -> Any:
    if isinstance(part, tuple):
        numbers, digits = part
        # Adding zero turns -0.0 into 0.0.
        return pa.array(np.round(numbers[start:stop], digits) + 0.0).cast(pa.string())
    return pa.array(part[start:stop]).cast(pa.string()) if isinstance(part, np.ndarray) else part[start:stop]


def _actions(found: Assessment, facts: Facts, business: Business, lifts: Mapping[str, Lift]) -> pa.Array:
    """The planned action of each customer as JSON, null without one."""
    by_rule = pa.array([*(_planned(action.name, lifts) for action in business.actions), "null"])
    at = pa.array(found.action.position % len(by_rule))
    is_modelled = ~np.isnan(found.action.uplift)
    if not is_modelled.any():
        return by_rule.take(at)
    versions = facts.uplifts.versions
    heads = [
        json.dumps({"name": action.name, "lift_status": "modelled", "model_version": versions.get(action.name)})[:-1]
        for action in business.actions
    ]
    numbers = (np.where(is_modelled, values, 0.0) for values in (found.action.uplift, found.action.save_rate))
    uplift, rate = (pa.array(np.round(values, 6) + 0.0).cast(pa.string()) for values in numbers)
    modelled = pc.binary_join_element_wise(
        pa.array([*heads, ""]).take(at), ', "uplift": ', uplift, ', "save_rate": ', rate, "}", ""
    )
    return pc.if_else(pa.array(is_modelled), modelled, by_rule.take(at))


def _escaped(texts: pa.Array) -> pa.Array:
    """Text as it may stand between the quotes of JSON; versions and methods have no control characters."""
    return pc.replace_substring(pc.replace_substring(texts, "\\", "\\\\"), '"', '\\"')


def _planned(name: str, lifts: Mapping[str, Lift]) -> str:
    lift = lifts.get(name)
    if lift is None:
        return "null"
    return json.dumps({"name": name, "save_rate": lift.save_rate, "lift_status": lift.status})
