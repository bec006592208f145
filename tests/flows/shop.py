"""A small shop that delivers files, as a company would: a history in one file, then a file a day."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

OPENS = date(2025, 1, 1)
LAST_DAY_OF_HISTORY = date(2025, 10, 1)
BUSINESS = """
slug: shop
name: A shop
currency: EUR
time_zone: Europe/Madrid
feeds:
  tills:
    role: transactions
    source: "{folder}/{{date}}.csv"
    is_required: false
    columns: {{customer_id: customer, event_at: at, amount: paid}}
    expects: {{between: {{amount: [0, 100000]}}}}
churn:
  - {{name: lapsed, kind: inactivity, feed: tills, outcome_days: 30, active_days: 60}}
value: {{margin_rate: 0.3}}
actions:
  - {{name: call, channel: phone, cost: 5.0, capacity_per_day: 25}}
training: {{snapshots: 4, min_history_days: 60}}
"""


def write_shop(folder: Path, *, customers: int = 600, days_after: int = 3, seed: int = 7) -> Path:
    """Write the shop's files and its business file; return the business file.

    Each customer buys at an own pace and stops for good at a random day, so that there is something to learn. One row
    of the last file has no amount.
    """
    rng = np.random.default_rng(seed)
    last = LAST_DAY_OF_HISTORY + timedelta(days=days_after)
    length = (last - OPENS).days + 1
    pace = rng.gamma(2.0, 6.0, customers) + 1.5
    life = rng.exponential(260, customers)
    starts = rng.uniform(-100, length * 0.7, customers)
    parts = []
    for number in range(customers):
        gaps = rng.gamma(2.0, pace[number] / 2.0, int(life[number] / pace[number]) + 1)
        at = starts[number] + np.cumsum(gaps)
        at = at[(at >= 0) & (at < min(length, starts[number] + life[number]))]
        parts.append(pd.DataFrame({"customer": f"c-{number:05d}", "day": at}))
    sold = pd.concat(parts).sort_values(["day", "customer"], kind="stable")
    sold["at"] = pd.Timestamp(OPENS) + pd.to_timedelta((sold["day"] * 86_400).astype(int), unit="s")
    sold["paid"] = [f"{value:.2f}" for value in rng.gamma(2.0, 15.0, len(sold))]
    files = folder / "landing"
    files.mkdir(parents=True)
    on = sold["at"].dt.date
    _write(sold[on <= LAST_DAY_OF_HISTORY], files / f"{LAST_DAY_OF_HISTORY}.csv")
    for back in range(days_after):
        day = last - timedelta(days=back)
        rows = sold[on == day]
        if back == 0:
            rows = pd.concat([rows, rows.iloc[:1].assign(paid="a gift")])
        _write(rows, files / f"{day}.csv")
    path = folder / "shop.yaml"
    path.write_text(BUSINESS.format(folder=files))
    return path


def _write(rows: pd.DataFrame, path: Path) -> None:
    rows[["customer", "at", "paid"]].to_csv(path, index=False)
