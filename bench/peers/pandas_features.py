"""The shared features with pandas, vectorised: ``python pandas_features.py DATA NOW FILE``."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

data, now, target = Path(sys.argv[1]), pd.Timestamp(sys.argv[2]), sys.argv[3]
quarter, year = (pd.Timestamp(instant) for instant in sys.argv[4:6])


def known(feed, columns):
    """Rows that had happened and were loaded; customers as categories: a group is then a number, not a text."""
    frame = pd.read_parquet(
        data / f"{feed}.parquet",
        columns=["customer_id", "event_at", *columns],
        filters=[("event_at", "<", now), ("loaded_at", "<=", now)],
    )
    frame = frame[frame["customer_id"].isin(customers)]
    return frame.assign(customer_id=pd.Categorical(frame["customer_id"], categories=customers))


def by_customer(frame):
    return frame.groupby("customer_id", observed=False, sort=False)


def days_since(instants):
    return np.floor((now - instants) / pd.Timedelta(days=1))


def counts_and_sums(rows, names, columns):
    """Counts and sums of everything, of a year and of a quarter: each a part of the one before."""
    for suffix, since in (("all", None), ("365d", year), ("90d", quarter)):
        rows = rows if since is None else rows[rows["event_at"] >= since]
        grouped = by_customer(rows)
        if suffix != "all" or names[1]:
            found[f"{names[0]}_{suffix}"] = grouped.size().astype(float)
        if columns:
            sums = grouped[list(columns)].sum()
            for column, (name, divided_by, has_all) in columns.items():
                if suffix != "all" or has_all:
                    found[f"{name}_{suffix}"] = sums[column] / divided_by
        if suffix == "365d":
            of_year = rows
    return of_year


spine = pd.read_parquet(data / "spine.parquet")
customers = pd.Index(spine["customer_id"])
found = pd.DataFrame(index=pd.CategoricalIndex(customers, categories=customers, name="customer_id"))

lines = known("tills", ["order_id", "amount_cents", "discount_cents"])
lines["paid_cents"] = lines["amount_cents"].clip(lower=0)
lines["refund_cents"] = (-lines["amount_cents"]).clip(lower=0)
orders = (
    lines.groupby(["customer_id", "order_id"], observed=True, sort=False)
    .agg(
        event_at=("event_at", "min"),
        largest=("amount_cents", "max"),
        paid_cents=("paid_cents", "sum"),
        refund_cents=("refund_cents", "sum"),
        discount_cents=("discount_cents", "sum"),
    )
    .reset_index()
)
del lines
bought = orders[orders["largest"] >= 0]
found["days_since_last_order"] = days_since(by_customer(bought)["event_at"].max())
found["days_since_first_order"] = days_since(by_customer(bought)["event_at"].min())
of_year = counts_and_sums(bought, ("order_count", True), {})
found["order_amount_max_365d"] = by_customer(of_year)["paid_cents"].max() / 100
sums = {
    "paid_cents": ("spend_amount", 100, True),
    "refund_cents": ("refund_amount", 100, False),
    "discount_cents": ("discount_amount", 100, False),
}
counts_and_sums(orders, ("order", False), sums)

calls = known("calls", ["channel", "duration_seconds"])
found["days_since_last_interaction"] = days_since(by_customer(calls)["event_at"].max())
of_year = counts_and_sums(calls, ("interaction_count", True), {"duration_seconds": ("interaction_minutes", 60, False)})
found["interaction_minutes_mean_365d"] = by_customer(of_year)["duration_seconds"].mean() / 60
found["interaction_phone_count_365d"] = by_customer(of_year[of_year["channel"] == "phone"]).size().astype(float)

surveys = known("surveys", ["score"])
found["days_since_last_feedback_request"] = days_since(by_customer(surveys)["event_at"].max())
of_year = counts_and_sums(surveys, ("feedback_request_count", False), {})
found["feedback_score_mean_365d"] = by_customer(of_year)["score"].mean()
found["feedback_score_min_365d"] = by_customer(of_year)["score"].min()

mails = known("mails", ["channel"])
found["days_since_last_contact"] = days_since(by_customer(mails)["event_at"].max())
counts_and_sums(mails, ("contact_count", False), {})
of_quarter = mails[(mails["channel"] == "email") & (mails["event_at"] >= quarter)]
found["contact_email_count_90d"] = by_customer(of_quarter).size().astype(float)

table = found.reset_index()
table["customer_id"] = table["customer_id"].astype(str)
table.to_parquet(target, index=False)
print(json.dumps({"rows": len(table)}))
