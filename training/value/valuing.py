"""Value every customer of a day with the model in office, once and for ever.

Values move slowly: they stand until the newest ones are ``value.refresh_days`` old or another model has taken office. A
day's values are one commit and are never rewritten; a rerun answers with what stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from holdback.errors import DataError, OperatorError
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from training.registry import VALUE, model_name
from training.value.contracts import contract_holders
from training.value.described import described
from training.value.feeds import value_feed
from training.value.histories import CENTS, purchase_histories
from training.value.model import Expected, ValueModel
from training.value.training import model_in_office

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DECILES: Final = 10
TOP_SHARE: Final = 0.1


@dataclass(frozen=True)
class ValuedDay:
    """The values that stand on a day, in numbers.

    Attributes:
        as_of: The day that was asked for.
        valued_on: The day whose values stand: ``as_of``, or the newest day before it.
        was_valued_already: True when nothing was written, as fresh values stood.
        model_version: The model that made them.
        method: How.
        customer_count: Customers valued.
        unknown_count: Customers of ``as_of`` whose margin the records do not tell (a paused contract, or one without a
            price): the bookkeeping speaks for them. None when nothing was computed.
        total_margin_amount: Sum of all values in currency units.
        currency: Of that sum.
        top_share: Share of it that the most valuable tenth is expected to bring; None when the total is not above 0.
        mean_months: Mean of the expected discounted months; None for purchases.
        extrapolated_share: Share of the value that lies beyond what was ever seen; None for purchases, or when nothing
            was computed.
        next_on: First day on which customers are valued anew, if no other model takes office before.
    """

    as_of: date
    valued_on: date
    was_valued_already: bool
    model_version: str
    method: str
    customer_count: int
    unknown_count: int | None
    total_margin_amount: float
    currency: str
    top_share: float | None
    mean_months: float | None
    extrapolated_share: float | None
    next_on: date


def value_day(workspace: Workspace, as_of: date, *, progress: Progress = silent) -> ValuedDay:
    """Value the customers of a day, or answer with the values that stand.

    Args:
        workspace: The business.
        as_of: The day; nothing later is visible.
        progress: Told about each step.

    Raises:
        BusinessFileError: no feed carries revenue, or only balances do (bookkeeping values those).
        OperatorError: no value model is in office, or its file cannot be read.
        DataError: the model knows a later day than ``as_of``, learned from another feed, needs a feature that is gone,
            or nobody is a customer whose margin is known.
    """
    warehouse, business = workspace.warehouse, workspace.business
    feed, kind = value_feed(business)
    standing = newest_values_on(warehouse, as_of)
    if standing is not None:
        stood = stored_values(warehouse, standing)
        if standing == as_of or _still_stand(workspace, as_of, standing, str(stood["model_version"][0].as_py())):
            return _told(workspace, as_of, standing, stood, was_valued_already=True)
    version, model = _model_for(workspace, as_of)
    if model.kind != kind or model.information.get("feed") != feed:
        raise DataError(
            f"{business.slug}: values of {as_of}: version {version} learned from {model.kind} in the feed "
            f"{model.information.get('feed')!r}; the file now names {kind} in {feed!r}. Train a new one with "
            "`holdback value train`."
        )
    progress(f"values of {as_of}", 0, 2)
    ids, expected, unknown_count = _VALUED[kind](workspace, model, feed, as_of)
    progress(f"writing {ids.size:,} values", 1, 2)
    rows = _rows(as_of, version, model.method, ids, expected)
    written = warehouse.append("customer_values", rows, batch=f"values/{as_of}")
    # Whether this process wrote the rows or another was faster: what stands is what counts.
    stood = stored_values(warehouse, as_of)
    return _told(
        workspace, as_of, as_of, stood, was_valued_already=not written,
        unknown_count=unknown_count, extrapolated_share=expected.extrapolated_share,
    )  # fmt: skip


def stored_values(warehouse: Warehouse, valued_on: date) -> pa.Table:
    """Return a day's rows as they were written, ordered by customer; empty when nobody was valued on it."""
    return warehouse.query(
        "select as_of, customer_id, model_version, method, margin_cents, months, value_decile from customer_values\n"
        f"where as_of = date '{valued_on}' order by customer_id"
    )


def newest_values_on(warehouse: Warehouse, as_of: date) -> date | None:
    """Return the newest day up to ``as_of`` on which customers were valued; None when there is none."""
    found = warehouse.query(f"select max(as_of) as newest from customer_values where as_of <= date '{as_of}'")
    newest: date | None = found["newest"][0].as_py()
    return newest


def value_deciles(margins: Floats, customer_ids: npt.NDArray[Any]) -> Integers:
    """Return each customer's tenth by value, 10 the most valuable; ties go by key, the smaller one first.

    With fewer than ten customers the places are spread over the tenths: the most valuable one is always in tenth 10.

    Examples:
        >>> value_deciles(np.array([5.0, 9.0]), np.array(["a", "b"])).tolist()
        [5, 10]
    """
    order = np.lexsort((customer_ids.astype(str), margins))
    place = np.empty(margins.size, dtype=np.int64)
    place[order] = np.arange(1, margins.size + 1)
    return -(-place * DECILES // margins.size)


def _still_stand(workspace: Workspace, as_of: date, valued_on: date, version: str) -> bool:
    """True when values are fresh and of the model in office, as far as that one was known on the day."""
    champion = workspace.journal.champion(model_name(workspace.business, VALUE))
    is_ours = champion is None or champion.version == version or champion.as_of > as_of
    return is_ours and (as_of - valued_on).days < workspace.business.value.refresh_days


def _model_for(workspace: Workspace, as_of: date) -> tuple[str, ValueModel]:
    found = model_in_office(workspace)
    if found is None:
        raise OperatorError(
            f"{workspace.business.slug}: no value model is in office. Its matured forecasts may have missed too much: "
            "look with `holdback models list --value`; train with `holdback value train`. Until then the bookkeeping's "
            "values stand."
        )
    version, model = found
    known_on = date.fromisoformat(str(model.information["as_of"]))
    if known_on > as_of:
        raise DataError(
            f"values of {as_of}: version {version} was trained with what was known on {known_on}. A value must not "
            f"know the future. Value {known_on} or a later day, or train for {as_of}."
        )
    return version, model


def _of_buyers(
    workspace: Workspace, model: ValueModel, feed: str, as_of: date
) -> tuple[npt.NDArray[Any], Expected, int]:
    warehouse, business = workspace.warehouse, workspace.business
    everybody = purchase_histories(warehouse, business, feed, as_of)
    current = everybody.where(everybody.is_current)
    if not len(current):
        raise DataError(
            f"{business.slug}: values of {as_of}: nobody bought in the year before. There is nobody to value. Check "
            "that the data of these days are loaded."
        )
    frames = described(warehouse, business, as_of, current.customer_ids) if model.needs_features else None
    value = business.value
    expected = model.of_buyers(
        current.purchases,
        frames,
        margin_rate=value.margin_rate,
        discount_rate=value.discount_rate,
        horizon_days=value.horizon_days,
        threads=workspace.threads,
    )
    return current.customer_ids, expected, 0


def _of_holders(
    workspace: Workspace, model: ValueModel, feed: str, as_of: date
) -> tuple[npt.NDArray[Any], Expected, int]:
    warehouse, business = workspace.warehouse, workspace.business
    holders = contract_holders(warehouse, business, feed, as_of)
    is_known = ~np.isnan(holders.monthly_amounts)
    if not is_known.any():
        raise DataError(
            f"{business.slug}: values of {as_of}: of {len(holders):,} customers with an open contract none has a price "
            f"that is known. A value is price x margin rate x months. Map columns.price of the feed {feed}, or check "
            "that its data are loaded."
        )
    ids, value = holders.customer_ids[is_known], business.value
    expected = model.of_holders(
        described(warehouse, business, as_of, ids),
        holders.monthly_amounts[is_known] * value.margin_rate,
        discount_rate=value.discount_rate,
        horizon_days=value.horizon_days,
        threads=workspace.threads,
    )
    return ids, expected, int((~is_known).sum())


_VALUED = {"purchases": _of_buyers, "contracts": _of_holders}


def _rows(as_of: date, version: str, method: str, ids: npt.NDArray[Any], expected: Expected) -> pa.Table:
    n = ids.size
    months = [None] * n if expected.months is None else expected.months.tolist()
    return pa.table(
        {
            "as_of": pa.array([as_of] * n, pa.date32()),
            "customer_id": pa.array(ids.tolist(), pa.string()),
            "model_version": pa.array([version] * n, pa.string()),
            "method": pa.array([method] * n, pa.string()),
            "margin_cents": pa.array(np.rint(expected.margin_amounts * CENTS).astype(np.int64), pa.int64()),
            "months": pa.array(months, pa.float64()),
            "value_decile": pa.array(value_deciles(expected.margin_amounts, ids), pa.int64()),
        }
    )


def _told(
    workspace: Workspace,
    as_of: date,
    valued_on: date,
    rows: pa.Table,
    *,
    was_valued_already: bool,
    unknown_count: int | None = None,
    extrapolated_share: float | None = None,
) -> ValuedDay:
    cents = np.asarray(rows["margin_cents"].to_numpy(), dtype=np.float64)
    months = np.asarray(rows["months"].drop_null().to_numpy(), dtype=np.float64)
    top = np.sort(cents)[::-1][: max(1, round(cents.size * TOP_SHARE))]
    return ValuedDay(
        as_of=as_of,
        valued_on=valued_on,
        was_valued_already=was_valued_already,
        model_version=str(rows["model_version"][0].as_py()),
        method=str(rows["method"][0].as_py()),
        customer_count=rows.num_rows,
        unknown_count=unknown_count,
        total_margin_amount=float(cents.sum() / CENTS),
        currency=workspace.business.currency,
        top_share=float(top.sum() / cents.sum()) if cents.sum() > 0 else None,
        mean_months=float(months.mean()) if months.size else None,
        extrapolated_share=extrapolated_share,
        next_on=valued_on + timedelta(days=workspace.business.value.refresh_days),
    )
