"""A company that every kind of churn definition describes."""

from __future__ import annotations

import numpy as np

from tests.features.world import Row, instant


def lively_rows() -> dict[str, list[Row]]:
    """Sixty customers who buy, hold accounts and contracts over two years; a third of them stops on some day."""
    rng = np.random.default_rng(4)
    rows: dict[str, list[Row]] = {"tills": [], "levels": [], "deals": [], "customers": []}
    for number in range(60):
        who, stops = f"c{number:02d}", -700 + int(rng.integers(300, 900)) if number % 3 == 0 else 30
        rows["customers"].append({"customer_id": who, "signed_up_at": instant(days=-700), "segment": "ab"[number % 2],
                                  "left": stops < 0, "loaded_at": instant(days=-690)})  # fmt: skip
        rows["deals"].append({"customer_id": who, "event_at": instant(days=-700), "kind": "start", "price_cents": 900})
        if stops < 0:
            rows["deals"].append({"customer_id": who, "event_at": instant(days=stops), "kind": "cancel"})
        for day in range(-700 + number % 7, 0, 9):
            if day < stops:
                at = instant(days=day)
                rows["tills"].append({"customer_id": who, "event_at": at, "amount_cents": 700, "order_id": f"{day}"})
            held = 100_000 if day < stops else 0
            rows["levels"].append({"customer_id": who, "event_at": instant(days=day), "account_kind": "savings",
                                   "balance_cents": held})  # fmt: skip
    return rows
