"""CDNOW's 69,659 orders (Fader & Hardie) as of a day, with nothing but pandas: how often, how lately, for how much."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from training.value.btyd import Floats, Purchases


@dataclass(frozen=True)
class Snapshot:
    """Everybody who had bought before a day; what he had bought, and what he spent in the window that follows."""

    purchases: Purchases
    features: pd.DataFrame
    spent_amounts: Floats


def read_sample(folder: Path) -> pd.DataFrame:
    """The 1/10 sample of the published figures: 2,357 customers; one row per customer and day of purchase."""
    names = ["master_id", "customer", "date", "count", "amount"]
    return _days(pd.read_csv(folder / "CDNOW_sample.txt", sep=r"\s+", header=None, names=names, dtype={"date": str}))


def read_all(folder: Path) -> pd.DataFrame:
    """All 23,570 customers; one row per customer and day of purchase. Days are counted from 1997-01-01."""
    names = ["customer", "date", "count", "amount"]
    orders = pd.read_csv(folder / "CDNOW_master.txt", sep=r"\s+", header=None, names=names, skiprows=1, dtype=str)
    return _days(orders.astype({"customer": int, "count": int, "amount": float}))


def purchases_before(
    orders: pd.DataFrame, day: int, *, is_first_in_mean: bool = True, seen_on: int | None = None
) -> Purchases:
    """What the buying models need, from orders before the day; ages are counted to ``seen_on``, by default the day."""
    seen_on = day if seen_on is None else seen_on
    before = orders[orders["day"] < day]
    customers = before.groupby("customer")
    first, last = customers["day"].min(), customers["day"].max()
    amount = customers["amount"].mean()
    if not is_first_in_mean:
        again = before[before["day"] != before["customer"].map(first)]
        amount = again.groupby("customer")["amount"].mean().reindex(first.index).fillna(0.0)
    return Purchases(
        np.asarray(customers.size() - 1, dtype=np.float64),
        ((last - first) / 7).to_numpy(float),
        ((seen_on - first) / 7).to_numpy(float),
        amount.to_numpy(float),
        is_first_in_mean,
    )


def snapshot(orders: pd.DataFrame, day: int, *, days: int) -> Snapshot:
    """Purchases and features from what lies before the day, spend from ``[day, day + days)``; one row per customer."""
    before = orders[orders["day"] < day]
    customers = before.groupby("customer")
    first, last = customers["day"].min(), customers["day"].max()
    again = before[before["day"] != before["customer"].map(first)]
    frame = pd.DataFrame(
        {
            "repeat_count": customers.size() - 1.0,
            "days_between": (last - first).astype(float),
            "tenure_days": (day - first).astype(float),
            "days_since_last": (day - last).astype(float),
            "mean_amount": customers["amount"].mean(),
            "total_amount": customers["amount"].sum(),
            "largest_amount": customers["amount"].max(),
            "repeat_mean_amount": again.groupby("customer")["amount"].mean().reindex(first.index),
            "last_amount": before.drop_duplicates("customer", keep="last").set_index("customer")["amount"],
            "first_amount": before.drop_duplicates("customer", keep="first").set_index("customer")["amount"],
            "disc_count": customers["count"].sum().astype(float),
        }
    )
    for window in (30, 90, 180):
        recent = before[before["day"] >= day - window].groupby("customer")
        frame[f"order_count_{window}d"] = recent.size().reindex(first.index).fillna(0.0)
        frame[f"spend_amount_{window}d"] = recent["amount"].sum().reindex(first.index).fillna(0.0)
    frame["mean_gap_days"] = frame["days_between"] / frame["repeat_count"].where(frame["repeat_count"] > 0)
    frame["overdue"] = frame["days_since_last"] / frame["mean_gap_days"]
    after = orders[(orders["day"] >= day) & (orders["day"] < day + days)].groupby("customer")["amount"].sum()
    return Snapshot(purchases_before(orders, day), frame, after.reindex(first.index).fillna(0.0).to_numpy(float))


def _days(orders: pd.DataFrame) -> pd.DataFrame:
    date = pd.to_datetime(orders["date"], format="%Y%m%d")
    orders = orders.assign(day=(date - pd.Timestamp("1997-01-01")).dt.days.astype(np.int64))
    return orders.groupby(["customer", "day"], as_index=False)[["count", "amount"]].sum()
