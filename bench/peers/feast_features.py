"""The newest value of each feed by feast's point-in-time join, in one of its stores of files.

``python feast_features.py DATA NOW FILE QUARTER YEAR dask|duckdb``; the files hold only visible rows.
"""

import json
import sys
import tempfile
import warnings
from datetime import timedelta
from pathlib import Path

warnings.filterwarnings("ignore")

import pandas as pd  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig  # noqa: E402
from feast.infra.offline_stores.dask import DaskOfflineStoreConfig  # noqa: E402
from feast.infra.offline_stores.duckdb import DuckDBOfflineStoreConfig  # noqa: E402
from feast.types import Int64, String, UnixTimestamp  # noqa: E402

data, now, target = Path(sys.argv[1]), pd.Timestamp(sys.argv[2], tz="UTC"), sys.argv[3]
offline_store = {"dask": DaskOfflineStoreConfig, "duckdb": DuckDBOfflineStoreConfig}[sys.argv[6]]()
columns = {
    "calls": {"channel": String, "outcome": String, "happened_at": UnixTimestamp},
    "surveys": {"happened_at": UnixTimestamp},
    "mails": {"happened_at": UnixTimestamp},
    "levels": {"happened_at": UnixTimestamp},
    "levels_savings": {"balance_cents": Int64},
    "levels_checking": {"balance_cents": Int64},
}
customer = Entity(name="customer", join_keys=["customer_id"])
views = [
    FeatureView(
        name=name,
        entities=[customer],
        ttl=timedelta(0),  # however old
        schema=[Field(name="customer_id", dtype=String), *(Field(name=c, dtype=kind) for c, kind in fields.items())],
        source=FileSource(path=str(data / f"{name}_visible.parquet"), timestamp_field="event_at"),
    )
    for name, fields in columns.items()
]
with tempfile.TemporaryDirectory() as folder:
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=f"{folder}/registry.db",
            offline_store=offline_store,
            online_store={"type": "sqlite", "path": f"{folder}/online.db"},
            entity_key_serialization_version=3,
        )
    )
    store.apply([customer, *views])
    spine = pd.read_parquet(data / "spine.parquet", columns=["customer_id"])
    spine["event_timestamp"] = now
    found = store.get_historical_features(
        entity_df=spine,
        features=[f"{view}:{column}" for view, fields in columns.items() for column in fields],
        full_feature_names=True,
    ).to_df()


def days_since(feed):
    return (now - pd.to_datetime(found[f"{feed}__happened_at"], utc=True)) // pd.Timedelta(days=1)


table = pd.DataFrame(
    {
        "customer_id": found["customer_id"],
        "days_since_last_interaction": days_since("calls"),
        "last_interaction_channel": found["calls__channel"],
        "last_interaction_outcome": found["calls__outcome"],
        "days_since_last_feedback_request": days_since("surveys"),
        "days_since_last_contact": days_since("mails"),
        "days_since_last_balance": days_since("levels"),
        "balance_savings_amount": found["levels_savings__balance_cents"] / 100,
        "balance_checking_amount": found["levels_checking__balance_cents"] / 100,
    }
)
table.to_parquet(target, index=False)
print(json.dumps({"rows": len(table)}))
