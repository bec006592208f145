"""Trials and out-of-fold scores made of given numbers: what the league, the diagnosis and the quintiles are fed."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.uplift.trial import OutOfFold, Trial

EFFECTS = frozenset({"value", "t_learner", "s_learner", "dr_stack"})


def league_of(
    scores: Mapping[str, npt.ArrayLike],
    gains: npt.ArrayLike,
    *,
    value: npt.ArrayLike = 1.0,
    cost: npt.ArrayLike = 0.0,
    fold: npt.ArrayLike = 0,
    customer: npt.ArrayLike | None = None,
    treated: npt.ArrayLike | None = None,
    good: npt.ArrayLike | None = None,
    untreated: npt.ArrayLike = 0.5,
    effects: frozenset[str] = EFFECTS,
) -> tuple[Trial, OutOfFold]:
    """Return a 50/50 trial of n rows and what competitors say of them; one number stands for all rows."""
    g = np.asarray(gains, dtype=np.float64)
    n = len(g)

    def filled(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), (n,)).copy()

    t = np.arange(n) % 2 == 0 if treated is None else np.asarray(treated, dtype=bool)
    trial = Trial(
        action="call",
        frame=pd.DataFrame(index=range(n)),
        customer_ids=np.arange(n) if customer is None else np.asarray(customer),
        as_ofs=np.full(n, np.datetime64("2026-01-01")),
        treated=t,
        propensity=np.full(n, 0.5),
        good=(np.arange(n) % 4 < 2).astype(np.float64) if good is None else np.asarray(good, dtype=np.float64),
        value_amounts=filled(value),
        cost_amounts=filled(cost),
        risk=np.full(n, np.nan),
    )
    folds = np.broadcast_to(np.asarray(fold, dtype=np.intp), (n,)).copy()
    said = {name: filled(score) for name, score in scores.items()}
    return trial, OutOfFold(said, effects & frozenset(scores), g, filled(untreated), folds)


def taught_by_each_other(
    rng: np.random.Generator, n: int, *, features: int, folds: int = 3, slope: float = 0.0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Gains of noise around an effect that is linear in the first feature, and a linear score learned out of fold.

    Returns:
        Scores, gains and folds, shape (n,) each.
    """
    x = rng.normal(size=(n, features))
    gains = slope * x[:, 0] + rng.normal(size=n)
    fold = np.arange(n) % folds
    score = np.empty(n)
    for each in range(folds):
        learn = fold != each
        score[~learn] = x[~learn] @ (x[learn].T @ gains[learn]) / learn.sum()
    return score, gains, fold
