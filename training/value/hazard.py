"""How long a contract lasts: a landmark discrete-time hazard, month by month ahead.

A *landmark* is a day of the past with its customers, as they were then described, and the months since that were seen
to pass. Each of these months is one row: the customer's features on the landmark, how many months ahead the row lies
(``lead_month``), how old the contract is by then and how long its commitment still binds, and whether the customer
left in that very month. A boosted classifier of these rows is the hazard h(k | x); the chance to be still there after
k months is ``S(k) = (1 - h(1)) ... (1 - h(k))``, and what the margin of one month is worth over the horizon is

    months = sum over k = 1..K of S(k) / (1 + d)^(k / 12)

which is :func:`campaigns.margins.survived_months` when the hazard is the same in every month. Against a constant hazard
the landmark hazard halved the error of the extreme deciles (1.01 against 2.12 months of 24); it does not rank better,
which is why the daily score stays a classifier. CatBoost's own survival losses are not used: ``Cox`` is broken in
1.2.10 (C-index .58 where the truth has .73), ``SurvivalAft`` is not calibrated.

Months that no landmark has seen are told by the last month seen, with age and commitment moving on; how much of a value
rests on them is :attr:`ExpectedMonths.extrapolated_share`. Stayers are never thinned out: that would raise the hazard.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError
from training.encoding import MOST_LEVELS, Encoding, learn_encoding
from training.rows import hash_share

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DAYS_PER_MONTH = 30.4375
MONTHS_PER_YEAR = 12
LEAD, AGE, COMMITMENT = "lead_month", "age_months_at_lead", "commitment_months_at_lead"
FEWEST_LEAVERS = 20
"""With fewer customers seen leaving, months ahead cannot be told apart; the model is refused."""
_CELLS_AT_ONCE = 10_000_000  # customers x months x features that are laid out in memory at a time


@dataclass(frozen=True)
class HazardRecipe:
    """How the hazard is learned: small trees, as one customer stands in many rows.

    ``most_rows`` customer-months are learned from at most; above, whole customers of a landmark are left out by the
    hash of their key, leavers and stayers alike, so that the hazard stays what it is.
    """

    depth: int = 4
    learning_rate: float = 0.08
    trees: int = 100
    l2_leaf_reg: float = 5.0
    rsm: float = 0.4
    border_count: int = 32
    subsample: float = 0.5
    most_rows: int = 40_000


@dataclass(frozen=True, eq=False)
class Landmark:
    """Customers as a day described them, and how long each was seen to stay.

    Attributes:
        on: The day.
        frame: Features of the day, n rows: numbers and categories.
        customer_ids: Their keys, shape (n,).
        left_in: Month ahead (from 1) at whose end the customer had left; 0 when still there after ``seen_months``,
            shape (n,).
        seen_months: Months after the day that the data reach to the end.
    """

    on: date
    frame: pd.DataFrame
    customer_ids: npt.NDArray[Any]
    left_in: Integers
    seen_months: int

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def leaver_count(self) -> int:
        """Customers who were seen to leave."""
        return int((self.left_in > 0).sum())

    @property
    def row_count(self) -> int:
        """Customer-months that were seen."""
        return int(np.where(self.left_in > 0, self.left_in, self.seen_months).sum())

    def seen_for(self, months: int) -> Landmark:
        """The landmark as it was known when fewer months had passed: who left later was still there."""
        left_in = np.where(self.left_in <= months, self.left_in, 0)
        return replace(self, left_in=left_in, seen_months=min(months, self.seen_months))

    def sampled(self, share: float) -> Landmark:
        """The landmark with a share of its customers, chosen by the hash of their key and the day."""
        if share >= 1:
            return self
        kept = hash_share(self.customer_ids, salt=f"value/{self.on}") < share
        frame = self.frame.loc[kept].reset_index(drop=True)
        return Landmark(self.on, frame, self.customer_ids[kept], self.left_in[kept], self.seen_months)


@dataclass(frozen=True, eq=False)
class ExpectedMonths:
    """What a horizon holds.

    Attributes:
        months: Expected discounted months that each customer stays, shape (n,).
        extrapolated_share: Share of all these months that lies beyond what any landmark has seen, in [0, 1].
    """

    months: Floats
    extrapolated_share: float


@dataclass(frozen=True, eq=False)
class HazardModel:
    """A fitted hazard.

    Attributes:
        booster: The CatBoost classifier of customer-months.
        encoding: The columns of the landmark's frame, and its categories.
        last_lead: The furthest month ahead that was seen.
        age_column: Feature that says for how many days the customer has had a contract; None without one.
        commitment_column: Feature that says in how many days the contract can end; None without one.
    """

    booster: Any  # catboost.CatBoostClassifier, which has no types
    encoding: Encoding
    last_lead: int
    age_column: str | None
    commitment_column: str | None

    def hazards(self, frame: pd.DataFrame, months: int, *, threads: int = 1) -> Floats:
        """Chance to leave in each month ahead for those who were there at its beginning, shape (n, months).

        Args:
            frame: Features of one day, n rows; extra columns are ignored.
            months: How many months ahead.
            threads: CPU threads; the result does not depend on them.

        Raises:
            DataError: a column of the model is missing.
        """
        try:
            encoded = self.encoding.apply(frame)
        except KeyError as error:
            raise DataError(
                f"value model: {error.args[0]}. A model values only customers described as those it learned from. "
                "Build the features of the model's feature set, or train a new one with `holdback value train`."
            ) from error
        found = np.empty((len(frame), months))
        size = max(1, _CELLS_AT_ONCE // max(1, months * len(self.encoding.names)))
        for start in range(0, len(frame), size):
            part = encoded.iloc[start : start + size]
            rows = np.repeat(np.arange(len(part)), months)
            leads = np.tile(np.arange(1, months + 1), len(part))
            laid_out = _laid_out(part, rows, leads, self.last_lead, self.age_column, self.commitment_column)
            chance = self.booster.predict_proba(laid_out, thread_count=threads)[:, 1]
            found[start : start + size] = np.asarray(chance).reshape(len(part), months)
        return found

    def expected(self, frame: pd.DataFrame, months: float, *, discount_rate: float, threads: int = 1) -> ExpectedMonths:
        """Expected discounted months of each customer over a horizon of ``months``; of the last one its part counts.

        Raises:
            DataError: a column of the model is missing.
        """
        whole = math.ceil(months)
        worth = discounted_survival(self.hazards(frame, whole, threads=threads), discount_rate=discount_rate)
        worth[:, -1] *= months - (whole - 1)
        total, beyond = float(worth.sum()), float(worth[:, self.last_lead :].sum())
        return ExpectedMonths(worth.sum(axis=1), beyond / total if total > 0 else 0.0)


def discounted_survival(hazards: Floats, *, discount_rate: float) -> Floats:
    """Return ``S(k) / (1 + d)^(k / 12)`` for each month ahead; its sum over a row are the expected months.

    Args:
        hazards: Of each customer and month, in [0, 1], shape (n, months).
        discount_rate: Yearly.

    Examples:
        >>> discounted_survival(np.array([[0.5, 0.5]]), discount_rate=0.0).tolist()
        [[0.5, 0.25]]
    """
    months = np.arange(1, hazards.shape[1] + 1)
    worth = np.cumprod(1.0 - hazards, axis=1) * (1.0 + discount_rate) ** (-months / MONTHS_PER_YEAR)
    return np.asarray(worth)


def fit_hazard(
    landmarks: Sequence[Landmark],
    *,
    threads: int,
    seed: int = 0,
    recipe: HazardRecipe | None = None,
    age_column: str | None = None,
    commitment_column: str | None = None,
) -> HazardModel:
    """Learn the hazard from landmarks; the same landmarks and seed give the same model with one thread or two.

    Args:
        landmarks: Days of the past with the same features; those that saw no month pass add nothing.
        threads: CPU threads.
        seed: Of the booster.
        recipe: How to learn; the default is the measured one.
        age_column: Feature of the frames: days since the first contract began.
        commitment_column: Feature of the frames: days until the contract can end.

    Raises:
        DataError: too few customers left, nobody stayed, or every feature is null.
    """
    from catboost import CatBoostClassifier

    recipe = recipe or HazardRecipe()
    seen = [landmark for landmark in landmarks if landmark.seen_months > 0 and len(landmark)]
    leavers = len({who for mark in seen for who in mark.customer_ids[mark.left_in > 0].tolist()})
    total = sum(landmark.row_count for landmark in seen)
    if leavers < FEWEST_LEAVERS or leavers == total:
        raise DataError(
            f"value: {leavers:,} customers were seen to leave in {total:,} customer-months. A hazard needs at least "
            f"{FEWEST_LEAVERS} who left, and some who stayed. Wait for more history, or keep the bookkeeping's value."
        )
    seen = [landmark.sampled(recipe.most_rows / total) for landmark in seen]
    base = pd.concat([landmark.frame for landmark in seen], ignore_index=True)
    encoding, _ = learn_encoding(base, np.concatenate([landmark.customer_ids for landmark in seen]))
    if not encoding.names:
        raise DataError("value: every feature is null in every row. Nothing can be learned. Check the feeds.")
    rows, leads, left = _customer_months(seen)
    last_lead = int(leads.max())
    age = age_column if age_column in encoding.names else None
    commitment = commitment_column if commitment_column in encoding.names else None
    booster = CatBoostClassifier(
        loss_function="Logloss",
        iterations=recipe.trees,
        depth=recipe.depth,
        learning_rate=recipe.learning_rate,
        l2_leaf_reg=recipe.l2_leaf_reg,
        rsm=recipe.rsm,
        border_count=recipe.border_count,
        bootstrap_type="Bernoulli",
        subsample=recipe.subsample,
        one_hot_max_size=MOST_LEVELS + 1,
        max_ctr_complexity=1,
        boosting_type="Plain",
        random_seed=seed,
        thread_count=threads,
        cat_features=encoding.categories,
        allow_writing_files=False,
        verbose=False,
    )
    booster.fit(_laid_out(encoding.apply(base), rows, leads, last_lead, age, commitment), left)
    return HazardModel(booster, encoding, last_lead, age, commitment)


def constant_hazards(first_month: Floats, months: int) -> Floats:
    """Return the first month's hazard in every month: what a classifier of the next month lets expect.

    Args:
        first_month: Hazard of the first month ahead, shape (n,).
        months: How many months ahead.
    """
    return np.repeat(np.asarray(first_month, dtype=np.float64)[:, None], months, axis=1)


def _customer_months(landmarks: Sequence[Landmark]) -> tuple[Integers, Integers, Integers]:
    """Number of the customer's row, month ahead and whether the customer left in it, of each customer-month."""
    parts = list(_by_landmark(landmarks))
    rows, leads, left = (np.concatenate([part[i] for part in parts]) for i in range(3))
    return rows, leads, left


def _by_landmark(landmarks: Sequence[Landmark]) -> Iterator[tuple[Integers, Integers, Integers]]:
    offset = 0
    for landmark in landmarks:
        lasted = np.where(landmark.left_in > 0, landmark.left_in, landmark.seen_months)
        rows = np.repeat(np.arange(len(landmark)), lasted)
        first = np.cumsum(lasted) - lasted
        leads = np.arange(rows.size) - first[rows] + 1
        yield rows + offset, leads, (leads == landmark.left_in[rows]).astype(np.int64)
        offset += len(landmark)


def _laid_out(
    encoded: pd.DataFrame,
    rows: Integers,
    leads: Integers,
    last_lead: int,
    age_column: str | None,
    commitment_column: str | None,
) -> pd.DataFrame:
    """One row per customer-month: the landmark's features and what time does to them."""
    frame = encoded.take(rows)
    moved: dict[str, Floats] = {LEAD: np.minimum(leads, last_lead).astype(np.float64)}
    if age_column is not None:
        moved[AGE] = frame[age_column].to_numpy(dtype=np.float64) / DAYS_PER_MONTH + leads
    if commitment_column is not None:
        moved[COMMITMENT] = frame[commitment_column].to_numpy(dtype=np.float64) / DAYS_PER_MONTH - leads
    return pd.concat([frame.reset_index(drop=True), pd.DataFrame(moved)], axis=1)
