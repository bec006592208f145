"""Linear learners that are cheap on many rows: logistic, and ridge regression that finds its own penalty.

Own code because scikit-learn's take four to ten times as long on 33,000 rows x 79 columns (CPU seconds, 2026-11:
``RidgeCV`` 1.3, ``LogisticRegression`` with Newton's method 1.3), which was half the cost of the whole model; the tests
hold both against scikit-learn's.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt

from training.uplift.frozen import sigmoid

Floats = npt.NDArray[np.float64]

PENALTIES = np.logspace(-1, 6, 15)
"""Penalties that the ridge regression chooses from: from almost none to almost nothing but the average."""
_MOST_STEPS = 100
_BENDING_ROWS = 8000


def one_blas_thread() -> AbstractContextManager[object]:
    """Keep linear algebra on one thread: with more, sums differ in the last bit, and on a busy machine cost thrice."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn brings it

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="blas")
    return limits


def ridge_line(
    matrix: Floats, target: Floats, *, weights: Floats | None = None, penalties: Floats = PENALTIES
) -> Floats:
    """Fit a ridge regression with the penalty of the least squared error when each row is left out.

    Args:
        matrix: Columns, shape (n, width).
        target: What is explained, shape (n,).
        weights: How much each row counts, with a mean of 1, shape (n,). None: all alike.
        penalties: To choose from, each above 0.

    Returns:
        Coefficients, the constant (which is not penalised) first, shape (1 + width,).

    Source: Golub, Heath and Wahba, Technometrics 21 (1979): leaving one out costs no refitting.
    """
    each = np.ones(len(target)) if weights is None else weights
    means, level = np.average(matrix, axis=0, weights=each), float(np.average(target, weights=each))
    root = np.sqrt(each)
    x, y = (matrix - means) * root[:, None], (target - level) * root
    sizes, axes = np.linalg.eigh(x.T @ x)
    turned = x @ axes
    shrunk = 1.0 / (np.clip(sizes, 0.0, None)[:, None] + penalties[None, :])
    fits = (turned.T @ y)[:, None] * shrunk
    leverage = (each / len(y))[:, None] + turned**2 @ shrunk
    errors = (((y[:, None] - turned @ fits) / (1.0 - leverage)) ** 2).sum(axis=0)
    slopes = axes @ fits[:, int(errors.argmin())]
    return np.asarray(np.r_[level - means @ slopes, slopes])


def logistic_line(matrix: Floats, outcome: Floats) -> Floats:
    """Fit a logistic regression with a penalty of half the squared length of the slopes, by Newton's method.

    Args:
        matrix: Columns, shape (n, width).
        outcome: 1 or 0, both present, shape (n,).

    Returns:
        Coefficients in logits, the constant (which is not penalised) first, shape (1 + width,).
    """
    x = np.column_stack([np.ones(len(outcome)), matrix])
    every = -(-len(outcome) // _BENDING_ROWS)  # a part of the rows says how the loss bends; all say where it falls
    part = np.ascontiguousarray(x[::every])
    penalty = np.r_[0.0, np.ones(matrix.shape[1])]
    share = float(outcome.mean())
    line = np.zeros(x.shape[1])
    line[0] = np.log(share / (1.0 - share))
    loss = _loss(x @ line, outcome, line * penalty)
    for _ in range(_MOST_STEPS):
        chance = sigmoid(x @ line)
        slope = x.T @ (chance - outcome) + penalty * line
        if float(np.abs(slope).max()) < 1e-8 * len(outcome):
            break
        bend = (part.T * (chance * (1.0 - chance))[::every]) @ part * every + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        found, size = loss, 1.0
        while size > 1e-6:  # a full step may overshoot where the outcomes are almost separated
            found = _loss(x @ (line - size * step), outcome, (line - size * step) * penalty)
            if found <= loss:
                break
            size /= 2
        else:
            break
        line, loss = line - size * step, found
    return line


def _loss(logits: Floats, outcome: Floats, slopes: Floats) -> float:
    return float((np.logaddexp(0.0, logits) - outcome * logits).sum() + 0.5 * (slopes**2).sum())
