"""Whether a trial can be learned from at all, and how its customers are dealt into folds."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError, NotKnowableYet
from training.rows import hash_share
from training.uplift.trial import Booleans, Trial

FEWEST_OF_A_CELL: Final = 30
"""Customers of each arm with each outcome: fewer cannot fill three folds within three folds."""


def require_learnable(trial: Trial) -> None:
    """Raise unless effects can be learned from a trial.

    Raises:
        DataError: columns of different lengths, values that are missing, propensities that were not drawn, or no
            feature that varies.
        NotKnowableYet: one arm is empty, or too few customers of an arm have one of the outcomes; the message says how
            many are needed and when that may be.
    """
    where, n = f"uplift of {trial.action!r}", len(trial)
    columns = (
        trial.customer_ids,
        trial.as_ofs,
        trial.treated,
        trial.propensity,
        trial.value_amounts,
        trial.cost_amounts,
    )
    if any(len(column) != n for column in (trial.frame, *columns)):
        raise DataError(f"{where}: columns have different lengths ({n:,} outcomes). One value per row. Build it again.")
    treated_count = int(trial.treated.sum())
    if treated_count in (0, n):
        lacking = "was given the action" if treated_count == 0 else "was left without it"
        raise NotKnowableYet(
            f"{where}: nobody of {n:,} {lacking}. An effect is the difference between the two, drawn at random. Let "
            "exploration or a holdout give both, and wait until the outcomes are known."
        )
    undrawn = ~((trial.propensity > 0) & (trial.propensity < 1))
    if undrawn.any():
        seen = ", ".join(f"{value:g}" for value in np.unique(trial.propensity[undrawn])[:5])
        raise DataError(
            f"{where}: {int(undrawn.sum()):,} of {n:,} propensities are not strictly between 0 and 1 (got {seen}). "
            "Only a drawing tells an effect from a choice. Leave those rows out, or log each drawing's probability."
        )
    if not np.isfinite(trial.good).all():
        count = int((~np.isfinite(trial.good)).sum())
        raise DataError(f"{where}: {count:,} of {n:,} outcomes are not known. Leave them out until they are.")
    if not len(trial.frame.columns) or trial.frame.isna().all(axis=None):
        raise DataError(f"{where}: every feature is null in every row. Nothing can be learned. Check the feeds.")
    if all(trial.frame[name].nunique(dropna=False) < 2 for name in trial.frame.columns):
        raise DataError(f"{where}: every feature is the same in every row. Nothing can be learned. Check the feeds.")
    _require_outcomes(trial, where)


def usual(trial: Trial) -> Booleans:
    """True where the outcome is 1 (of an amount: where it is the commonest one, such as nothing spent), shape (n,)."""
    if trial.is_binary:
        return np.asarray(trial.good == 1)
    values, counts = np.unique(trial.good, return_counts=True)
    return np.asarray(trial.good == values[counts.argmax()])


def folds_of(trial: Trial, *, fold_count: int, salt: str) -> npt.NDArray[np.intp]:
    """Assign each row a fold so that no customer stands in two, and each has its share of every arm and outcome.

    Customers are dealt out in the order of a keyed hash, those of each arm and outcome by themselves; who has several
    rows counts as treated, and as one with the rarer outcome, if one of them is.

    Returns:
        Fold of each row in 0..fold_count-1, shape (n,); it does not depend on the order of the rows.
    """
    unique, codes = np.unique(trial.customer_ids.astype(str), return_inverse=True)
    common = usual(trial)
    rare = common if common.mean() < 0.5 else ~common
    treated_once, rare_once = (np.bincount(codes, weights=flag) > 0 for flag in (trial.treated, rare))
    shares = hash_share(unique, salt=salt)
    fold = np.empty(unique.size, dtype=np.intp)
    for arm in (treated_once, ~treated_once):
        for outcome in (rare_once, ~rare_once):
            members = np.flatnonzero(arm & outcome)
            fold[members[np.argsort(shares[members], kind="stable")]] = np.arange(members.size) % fold_count
    return np.asarray(fold[codes])


def order_of(trial: Trial) -> npt.NDArray[np.intp]:
    """Return the order by day and customer in which rows are learned, shape (n,).

    Rows of one customer and day (a household's members) go by what they hold, so that the order in which rows were
    offered never matters: it would change a booster about as much as another seed.
    """
    content = pd.util.hash_pandas_object(trial.frame, index=False).to_numpy()
    keys = (content, trial.propensity, trial.good, trial.treated, trial.customer_ids.astype(str), trial.as_ofs)
    return np.lexsort(keys)


def _require_outcomes(trial: Trial, where: str) -> None:
    common = usual(trial)
    names = ("with outcome 1", "with outcome 0") if trial.is_binary else ("with the commonest outcome", "with another")
    counts: dict[str, int] = {}
    for arm, name in ((trial.treated, "treated"), (~trial.treated, "untreated")):
        for has, outcome in ((common, names[0]), (~common, names[1])):
            counts[f"{name} {outcome}"] = int(np.unique(trial.customer_ids[arm & has]).size)
    if not trial.is_binary:  # an amount may well be different for everybody
        counts = {name: count for name, count in counts.items() if name.endswith(names[1])}
    short = {name: count for name, count in counts.items() if count < FEWEST_OF_A_CELL}
    if not short:
        return
    found = ", ".join(f"{count:,} {name}" for name, count in short.items())
    raise NotKnowableYet(
        f"{where}: too few customers ({found}). A model needs at least {FEWEST_OF_A_CELL} customers of each arm with "
        f"each outcome. {_when(trial, min(short.values()))}"
    )


def _when(trial: Trial, fewest: int) -> str:
    """Say when the rarest cell will be full, if it goes on filling as it did."""
    first, last = trial.as_ofs.min(), trial.as_ofs.max()
    days = int((last - first) / np.timedelta64(1, "D")) + 1
    if fewest == 0:
        return "There were none so far, so no day can be named: check the outcome's definition, or explore more."
    further = math.ceil((FEWEST_OF_A_CELL - fewest) * days / fewest)
    return (
        f"At the pace of the {days:,} days from {first} to {last} that takes entries until about "
        f"{last + np.timedelta64(further, 'D')}, and the time until their outcomes are known."
    )
