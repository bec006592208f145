"""The shared features with featuretools: cutoff time and training windows, and only the primitives that are needed.

``python featuretools_features.py DATA NOW FILE QUARTER YEAR``
"""

import json
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")  # of woodwork, about how it guesses the format of instants

import featuretools as ft  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from featuretools.primitives import Count, Max, Mean, Min, Sum, TimeSinceFirst, TimeSinceLast  # noqa: E402
from woodwork.logical_types import Boolean, Categorical, Datetime, Double, Integer, Unknown  # noqa: E402

data, now, target, quarter, year = (Path(sys.argv[1]), pd.Timestamp(sys.argv[2]), sys.argv[3], *sys.argv[4:6])


def known(feed, columns):
    """Rows that had happened and were loaded, of the customers described, numbered."""
    frame = pd.read_parquet(
        data / f"{feed}.parquet",
        columns=["customer_id", "event_at", *columns],
        filters=[("event_at", "<", now), ("loaded_at", "<=", now)],
    )
    frame = frame[frame["customer_id"].isin(spine["customer_id"])].reset_index(drop=True)
    return frame.rename_axis("number").reset_index()


spine = pd.read_parquet(data / "spine.parquet", columns=["customer_id"])
lines = known("tills", ["order_id", "amount_cents", "discount_cents"])
lines["paid_cents"] = lines["amount_cents"].clip(lower=0)
lines["refund_cents"] = (-lines["amount_cents"]).clip(lower=0)
orders = (
    lines.groupby(["customer_id", "order_id"], sort=False)
    .agg(
        event_at=("event_at", "min"),
        largest=("amount_cents", "max"),
        paid_cents=("paid_cents", "sum"),
        refund_cents=("refund_cents", "sum"),
        discount_cents=("discount_cents", "sum"),
    )
    .reset_index()
    .drop(columns="order_id")
)
orders["is_bought"] = orders.pop("largest") >= 0
frames = {
    "orders": orders.rename_axis("number").reset_index(),
    "calls": known("calls", ["channel", "duration_seconds"]),
    "surveys": known("surveys", ["score"]),
    "mails": known("mails", ["channel"]),
}
types = {
    "number": Integer, "customer_id": Unknown, "event_at": Datetime, "is_bought": Boolean, "channel": Categorical,
    "paid_cents": Integer, "refund_cents": Integer, "discount_cents": Integer, "duration_seconds": Integer,
    "score": Double,
}  # fmt: skip
store = ft.EntitySet("bench")
store.add_dataframe(spine, "customers", index="customer_id", logical_types={"customer_id": Unknown})
for name, frame in frames.items():
    own = {column: types[column] for column in frame}
    store.add_dataframe(frame, name, index="number", time_index="event_at", logical_types=own)
    store.add_relationship("customers", "customer_id", name, "customer_id")


def of(feed, column, primitive, name, where=None):
    base = ft.Feature(store[feed].ww[column])
    feature = ft.Feature(base, parent_dataframe_name="customers", primitive=primitive, where=where)
    return feature.rename(name)


def column(feed, name):
    return ft.Feature(store[feed].ww[name])


bought, by_phone = column("orders", "is_bought") == True, column("calls", "channel") == "phone"  # noqa: E712
by_email = column("mails", "channel") == "email"
always = [
    of("orders", "event_at", TimeSinceLast(unit="seconds"), "days_since_last_order", bought),
    of("orders", "event_at", TimeSinceFirst(unit="seconds"), "days_since_first_order", bought),
    of("orders", "number", Count, "order_count_all", bought),
    of("orders", "paid_cents", Sum, "spend_amount_all"),
    of("calls", "event_at", TimeSinceLast(unit="seconds"), "days_since_last_interaction"),
    of("calls", "number", Count, "interaction_count_all"),
    of("surveys", "event_at", TimeSinceLast(unit="seconds"), "days_since_last_feedback_request"),
    of("mails", "event_at", TimeSinceLast(unit="seconds"), "days_since_last_contact"),
]
windows = {"": (None, always)}
for days, since in (("90d", quarter), ("365d", year)):
    features = [
        of("orders", "number", Count, f"order_count_{days}", bought),
        of("orders", "paid_cents", Sum, f"spend_amount_{days}"),
        of("orders", "refund_cents", Sum, f"refund_amount_{days}"),
        of("orders", "discount_cents", Sum, f"discount_amount_{days}"),
        of("calls", "number", Count, f"interaction_count_{days}"),
        of("calls", "duration_seconds", Sum, f"interaction_minutes_{days}"),
        of("surveys", "number", Count, f"feedback_request_count_{days}"),
        of("mails", "number", Count, f"contact_count_{days}"),
    ]
    if days == "90d":
        features.append(of("mails", "number", Count, "contact_email_count_90d", by_email))
    else:
        features += [
            of("orders", "paid_cents", Max, "order_amount_max_365d", bought),
            of("calls", "number", Count, "interaction_phone_count_365d", by_phone),
            of("calls", "duration_seconds", Mean, "interaction_minutes_mean_365d"),
            of("surveys", "score", Mean, "feedback_score_mean_365d"),
            of("surveys", "score", Min, "feedback_score_min_365d"),
        ]
    hours = (now - pd.Timestamp(since)) / pd.Timedelta(hours=1)  # days of the business: one has 25 hours
    windows[days] = (ft.Timedelta(hours, "h"), features)

found = pd.concat(
    [
        ft.calculate_feature_matrix(features, store, cutoff_time=now, training_window=window)
        for window, features in windows.values()
    ],
    axis=1,
).astype(float)
for name in found.columns:
    if name.startswith("days_since"):
        found[name] = np.floor(found[name] / 86_400)
    elif "_amount_" in name:
        found[name] /= 100
    elif "_minutes_" in name:
        found[name] /= 60
found.rename_axis("customer_id").reset_index().to_parquet(target, index=False)
print(json.dumps({"rows": len(found)}))
