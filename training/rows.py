"""Customers on days, with their features and known outcomes: what every fit, guard and evaluation here works on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """One row per customer and day, sorted by ``(as_of, customer_id)``; build with :func:`rows_sorted`.

    The order is part of the promise: the order of rows changes a boosted model about as much as another seed.

    Attributes:
        frame: Features only, in the feature set's frozen order: numbers as float64, categories as text (None = absent).
        customer_ids: Key of each row's customer, shape (n,).
        as_ofs: Day of each row, ``datetime64[D]``, shape (n,).
        churned: Known outcome of each row, shape (n,).
        value_amounts: Margin of the customer's last 365 days in currency units, shape (n,); None without amounts.
        texts: What customers wrote, one column per text feature (None = nothing), n rows; None without such features.
            It stands apart from ``frame``, so that nothing takes a remark for a category.
    """

    frame: pd.DataFrame
    customer_ids: npt.NDArray[Any]
    as_ofs: npt.NDArray[np.datetime64]
    churned: Booleans
    value_amounts: Floats | None = None
    texts: pd.DataFrame | None = None

    def __len__(self) -> int:
        return int(self.churned.size)

    @property
    def churner_count(self) -> int:
        """Rows whose customer left."""
        return int(self.churned.sum())

    @property
    def stayer_count(self) -> int:
        """Rows whose customer stayed."""
        return len(self) - self.churner_count

    @property
    def day_count(self) -> int:
        """Different days among the rows."""
        return int(np.unique(self.as_ofs).size)

    @property
    def described(self) -> pd.DataFrame:
        """All that a churn model asks for: the features, and the texts beside them."""
        return self.frame if self.texts is None else pd.concat([self.frame, self.texts], axis=1)

    @property
    def text_names(self) -> tuple[str, ...]:
        """Names of the text features."""
        return () if self.texts is None else tuple(map(str, self.texts.columns))

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the features that are categories."""
        return tuple(str(name) for name in self.frame.columns if not is_number(self.frame[name]))

    def where(self, mask: npt.NDArray[np.bool_]) -> Rows:
        """Return the rows of a boolean mask, in the same order."""
        return Rows(
            self.frame.loc[mask].reset_index(drop=True),
            self.customer_ids[mask],
            self.as_ofs[mask],
            self.churned[mask],
            None if self.value_amounts is None else self.value_amounts[mask],
            None if self.texts is None else self.texts.loc[mask].reset_index(drop=True),
        )

    def with_numbers(self, columns: pd.DataFrame | None) -> Rows:
        """Return the same rows with more features, n rows in the same order; the texts stay apart."""
        return self if columns is None else replace(self, frame=pd.concat([self.frame, columns], axis=1))

    def without(self, names: tuple[str, ...] | list[str]) -> Rows:
        """Return the same rows with fewer features."""
        return replace(self, frame=self.frame.drop(columns=list(names)))

    def require_both_classes(self, where: str, *, at_least: int = 1) -> None:
        """Raise unless both outcomes are present often enough.

        Raises:
            DataError: fewer than ``at_least`` rows left, or fewer than that stayed.
        """
        if self.churner_count < at_least or self.stayer_count < at_least:
            raise DataError(
                f"{where}: {self.churner_count:,} rows left and {self.stayer_count:,} stayed. A model needs at least "
                f"{at_least:,} of each. Check the churn definition, or wait for more outcomes."
            )


def rows_sorted(
    frame: pd.DataFrame,
    *,
    customer_ids: npt.ArrayLike,
    as_ofs: npt.ArrayLike,
    churned: npt.ArrayLike,
    value_amounts: npt.ArrayLike | None = None,
    texts: pd.DataFrame | None = None,
) -> Rows:
    """Build :class:`Rows` from columns in any order, sorted by ``(as_of, customer_id)``.

    Raises:
        DataError: a customer stands twice on one day.
    """
    ids = np.asarray(customer_ids, dtype=object).astype(str)
    days = np.asarray(as_ofs, dtype="datetime64[D]")
    order = np.lexsort((ids, days))
    ids, days = ids[order], days[order]
    twice = (ids[1:] == ids[:-1]) & (days[1:] == days[:-1])
    if twice.any():
        raise DataError(
            f"training rows: customer on {days[1:][twice][0]} stands {int(twice.sum()) + 1} times or more. "
            "One row per customer and day. Look for duplicate keys in the spine."
        )
    values = None if value_amounts is None else np.asarray(value_amounts, dtype=np.float64)[order]
    outcome = np.asarray(churned, dtype=bool)[order]
    said = None if texts is None else texts.iloc[order].reset_index(drop=True)
    return Rows(frame.iloc[order].reset_index(drop=True), ids, days, outcome, values, said)


def is_number(column: pd.Series[Any]) -> bool:
    """True for a feature that is a number (everything else is a category)."""
    return bool(pd.api.types.is_numeric_dtype(column.dtype))


def hash_share(customer_ids: npt.NDArray[Any], *, salt: str) -> Floats:
    """A number in [0, 1) per customer that depends on nothing but the key and the salt, shape (n,).

    Used where a split must be the same in every run and on every machine (folds, snapshot holdouts).

    Examples:
        >>> hash_share(np.array(["c-001"]), salt="folds").round(3)
        array([0.949])
    """
    unique, codes = np.unique(customer_ids, return_inverse=True)
    digests = (hashlib.blake2b(f"{salt}/{key}".encode(), digest_size=8).digest() for key in unique)
    shares = np.array([int.from_bytes(digest, "big") / 2**64 for digest in digests])
    return np.asarray(shares[codes])


def folds_by_customer(rows: Rows, *, fold_count: int, salt: str = "folds") -> npt.NDArray[np.intp]:
    """Assign each row a fold in 0..fold_count-1 so that no customer stands in two folds.

    Customers are dealt out in hash order, those who ever left separately from those who never did: every fold then
    has its share of churners, also when they are few.

    Returns:
        Fold of each row, shape (n,).
    """
    unique, codes = np.unique(rows.customer_ids, return_inverse=True)
    ever_left = np.bincount(codes, weights=rows.churned) > 0
    shares = hash_share(unique, salt=salt)
    fold = np.empty(unique.size, dtype=np.intp)
    for stratum in (ever_left, ~ever_left):
        members = np.flatnonzero(stratum)
        fold[members[np.argsort(shares[members])]] = np.arange(members.size) % fold_count
    return fold[codes]
