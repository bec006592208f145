"""What a company might have logged, with the truth of what each action earns."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tests.monitoring.measurement.experiment import STARTS_ON, business
from training.uplift.experience import Aim, Logged

Floats = npt.NDArray[np.float64]
ACTIONS = ("call", "mail")
COSTS = np.array([4.0, 1.0])


def gains(risk: Floats) -> Floats:
    """What each action adds to the chance to stay: a call helps those at risk, a mail everybody a little, (n, 2)."""
    return np.column_stack([0.35 * risk, np.full(len(risk), 0.05)])


def logged(seed: int, n: int = 1_500, **changes: Any) -> Logged:
    """Return n customers, half of whom could have been called or mailed, the others mailed only."""
    rng = np.random.default_rng(seed)
    risk, value = rng.uniform(0.05, 0.6, n), rng.gamma(2.0, 60.0, n)
    can_call = rng.random(n) < 0.5
    p = np.column_stack([np.full(n, 0.3), np.where(can_call, 0.2 + 0.5 * risk, 0.0), np.zeros(n)])
    p[:, 2] = 1.0 - p.sum(axis=1)
    chosen = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    stays = 1.0 - risk + np.column_stack([np.zeros(n), gains(risk)])[np.arange(n), chosen]
    ids = np.array([f"c{i:05d}" for i in range(n)], dtype=object)
    told: dict[str, Any] = {
        "aim": Aim(business().churn[0], 60, "churned"),
        "actions": ACTIONS,
        "frame": pd.DataFrame({"usage": risk + rng.normal(0, 0.05, n), "region": rng.choice(["n", "s"], n)}),
        "customer_ids": ids,
        "unit_ids": ids,
        "as_ofs": np.full(n, np.datetime64(STARTS_ON)),
        "probability": p,
        "chosen": chosen.astype(np.int64),
        "intended": np.where(can_call, 1, 2).astype(np.int64),
        "good": (rng.random(n) < stays).astype(np.float64),
        "value_amounts": value,
        "costs": COSTS,
        "risk": risk,
        "is_of_today": np.ones((n, 2), dtype=bool),
        "campaigns": np.full(n, "spring/1", dtype=object),
        "policy_versions": ("rules",),
        "is_valued": True,
    }
    return Logged(**{**told, **changes})


def truth(log: Logged, target: Floats) -> float:
    """What a rule earns on average from these customers."""
    chances = (1.0 - log.risk)[:, None] + np.column_stack([np.zeros(len(log)), gains(log.risk)])
    earned = log.value_amounts[:, None] * chances - np.concatenate([[0.0], log.costs])
    return float((target * earned).sum(axis=1).mean())
