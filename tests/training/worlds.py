"""Small worlds whose truth is known, for the tests of this package."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from training.rows import Rows, rows_sorted

Floats = npt.NDArray[np.float64]


def binormal_pair(
    rng: np.random.Generator, *, churners: int, stayers: int, auc_first: float, auc_second: float, correlation: float
) -> tuple[npt.NDArray[np.bool_], Floats, Floats]:
    """Outcomes and two correlated normal scores with the given true AUCs (Bamber 1975: AUC = Phi(shift / sqrt 2))."""
    churned = np.r_[np.ones(churners, bool), np.zeros(stayers, bool)]
    common = rng.normal(size=churned.size)
    own = rng.normal(size=(2, churned.size))
    first, second = (np.sqrt(correlation) * common + np.sqrt(1 - correlation) * part for part in own)
    for scores, auc in ((first, auc_first), (second, auc_second)):
        scores[churned] += np.sqrt(2) * stats.norm.ppf(auc)
    return churned, first, second


def logit_world(
    rng: np.random.Generator, *, n: int, noise_count: int = 4, intercept: float = -1.2, days: int = 1
) -> tuple[Rows, Floats]:
    """Rows whose true churn probability is known: a linear logit of two numbers and one category, plus noise columns.

    Returns:
        The rows (``n`` customers on each of ``days`` month starts) and the true probability of each.
    """
    frames, truths, ids, as_ofs = [], [], [], []
    for day in range(days):
        frame = pd.DataFrame({f"noise_{i}": rng.normal(size=n) for i in range(noise_count)})
        frame.insert(0, "tenure_days", rng.exponential(400, n))
        frame.insert(1, "spend_amount_365d", rng.gamma(2, 50, n))
        frame.insert(2, "plan", rng.choice(["basic", "family", "pro"], n))
        logit = intercept + 1.2 * (frame["tenure_days"] < 200) - 0.012 * (frame["spend_amount_365d"] - 100)
        logit += frame["plan"].map({"basic": 0.9, "family": 0.0, "pro": -0.6}).astype(float)
        frames.append(frame)
        truths.append(special.expit(logit.to_numpy()))
        ids.append([f"c-{i:06d}" for i in range(n)])
        as_ofs.append(np.full(n, np.datetime64("2025-01-01") + np.timedelta64(30 * day, "D")))
    truth = np.concatenate(truths)
    churned = rng.uniform(size=truth.size) < truth
    rows = rows_sorted(
        pd.concat(frames, ignore_index=True),
        customer_ids=np.concatenate(ids),
        as_ofs=np.concatenate(as_ofs),
        churned=churned,
    )
    return rows, truth
