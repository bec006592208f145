"""How several opinions about the effect become one: a non-negative combination that evidence has to pay for.

Weights are those that explain the gains best, none negative. Where customers do not differ they explain noise, so the
combination is trusted only as far as it predicts customers whose gains its weights were not learned from: with
``t`` standard errors of evidence it keeps ``1 - 1/t^2`` of its spread, and the rest is the average effect (the rule of
James and Stein). Measured in a world where everybody has the same effect (2026-11, six worlds of 20,000): plain weights
lost 14 % of the profit by declining customers on noise, these 3 % (see ``test_simulation``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import optimize

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

STACKED = ("t_difference", "shift_difference", "logistic_difference", "ridge", "boosted")
EITHER_WAY = "risk"
"""Says nothing of the effect by itself, but orders customers by it in some companies, in one direction or the other."""
_DOUBT = 1.0
_DOUBT_OF_RISK = 4.0


def stack(
    bases: Mapping[str, Floats],
    gains: Floats,
    *,
    folds: Sequence[tuple[Integers, Integers]],
    customers: npt.NDArray[Any],
    overlap: Floats,
) -> dict[str, float]:
    """Return the weight of each basis; those that weigh nothing are not named.

    The risk enters with either sign, and only as far as it predicts what the others leave over: below two standard
    errors of evidence not at all.

    Args:
        bases: What each part says out of fold, by basis, each of shape (n,).
        gains: AIPW scores, shape (n,).
        folds: Rows to learn weights from and rows to try them on, grouped by customer.
        customers: Whose rows: those of one customer are not independent evidence; shape (n,).
        overlap: How much each row tells (``Trial.overlap``), shape (n,).

    Source: Breiman, Machine Learning 24 (1996) for non-negative stacking; Nie and Wager, Biometrika 108 (2021) for
        stacking effects, and for the overlap weights; James and Stein (1961) for the share that is kept.
    """
    plain = _centred(np.column_stack([bases[name] for name in STACKED]), overlap)
    risk = _centred(bases[EITHER_WAY], overlap)
    full = np.column_stack([plain, risk, -risk])
    target = _centred(gains, overlap)
    codes = np.unique(customers.astype(str), return_inverse=True)[1]

    tried_plain, tried_full = (_tried(columns, target, folds, overlap) for columns in (plain, full))
    kept = _trust(tried_plain, target, codes, overlap, doubt=_DOUBT)
    added = _trust(tried_full - kept * tried_plain, target - kept * tried_plain, codes, overlap, doubt=_DOUBT_OF_RISK)
    with_risk = _weights(full, target, overlap)
    found = np.zeros(len(STACKED) + 1)
    found[:-1] = (1 - added) * kept * _weights(plain, target, overlap) + added * with_risk[:-2]
    found[-1] = added * (with_risk[-2] - with_risk[-1])
    return {name: float(weight) for name, weight in zip((*STACKED, EITHER_WAY), found, strict=True) if weight != 0}


def _centred(values: Floats, overlap: Floats) -> Floats:
    return np.asarray(values - np.average(values, axis=0, weights=overlap))


def _weights(columns: Floats, target: Floats, overlap: Floats) -> Floats:
    root = np.sqrt(overlap)
    q, r = np.linalg.qr(columns * root[:, None])
    found, _ = optimize.nnls(r, q.T @ (target * root))
    return np.asarray(found, dtype=np.float64)


def _tried(columns: Floats, target: Floats, folds: Sequence[tuple[Integers, Integers]], overlap: Floats) -> Floats:
    """Combine the columns of each fold with weights learned on the others, shape (n,)."""
    found = np.empty(len(target))
    for learn, judge in folds:
        told = overlap[learn]
        weights = _weights(_centred(columns[learn], told), _centred(target[learn], told), told)
        found[judge] = _centred(columns[judge], overlap[judge]) @ weights
    return found


def _trust(said: Floats, target: Floats, codes: Integers, overlap: Floats, *, doubt: float) -> float:
    """Return the share of an opinion that is kept, in [0, 1]; its evidence is a slope with an error by customer."""
    weighted = overlap * said
    size = float(weighted @ said)
    if size <= 0:
        return 0.0
    slope = float(weighted @ target) / size
    parts = np.bincount(codes, weights=weighted * (target - slope * said))
    error = float(np.sqrt((parts**2).sum())) / size
    if slope <= 0 or error <= 0:
        return 0.0
    return max(0.0, 1.0 - doubt * (error / slope) ** 2)
