"""Has a column changed since the model learned? A verdict that needs both a large change and one beyond chance.

Three questions per column: did the distribution move (PSI over the reference's bins), did the share of nulls move, did
values come that the reference never saw. Each is answered ``drifted`` only when the change is large enough to matter
**and** too large for chance, where "chance" is shared among all questions of a day (Bonferroni): on a day without drift
the chance of *any* alarm is at most :data:`DAY_ALPHA`. Evidently's default tests are no alarm: without any drift its
chi-square fires for 21 % (4 categories) to 100 % (300 categories) of columns, and it does not see nulls at all.

A column has its own limit beside: at most :data:`WEEK_ALPHA` in a week, whatever its days have in common. The limit of
the day alone would let one column that stands by itself (a score) cry on one day in a hundred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite, nextafter
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from monitoring.drift.bins import KNOWN_VALUES, ColumnBins, Kind, Reference
from monitoring.proportions import ShareDifference, newcombe

Floats = npt.NDArray[np.float64]
Status = Literal["stable", "drifted", "not measured"]
Finding = Literal["distribution", "missing", "new values"]
NotMeasured = Literal["absent", "no reference", "no rows", "all null", "small reference", "few rows"]

DAY_ALPHA = 0.01
"""Chance of any false alarm among all columns of one day."""
WEEK_ALPHA = 0.005
"""Chance of any false alarm of one column on any of the seven days of a week: half of what is promised (one in a
hundred), for the tail of the chi-square is only nearly right (measured: up to 1.2 times its nominal size)."""
PSI_MATTERS = 0.05
"""Excess PSI from which a change matters; a mean moved by 0.3 standard deviations gives 0.08, the usual cut is 0.1."""
PSI_LARGE = 0.2
"""Excess PSI from which a change is called large."""
SHARE_MATTERS = 0.02
"""Change of a share (nulls, new values) from which it matters."""
MINIMUM_ROWS = 50
"""Fewer rows than this, in the reference or today, say nothing."""
_EXPECTED = 5.0  # Cochran's rule: bins that expect fewer are pooled before the chi-square


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """What happened to one column.

    Attributes:
        name: The column.
        kind: ``number`` or ``category``.
        status: ``drifted`` when any finding stands; ``not measured`` has a reason.
        reason: Why it was not measured.
        findings: Which questions were answered with yes.
        psi: Population stability index as observed.
        chance: PSI that no change at all would give on average: ``(k - 1)(1/n_reference + 1/n_current)``.
        p_value: Of "same distribution" (two-sample chi-square on the same bins).
        missing: Nulls, today minus reference.
        new_values: Rows with values that the reference never saw, minus those expected (Good-Turing); categories only.
            Where the reference has more values than are remembered: rows of the commonest value beyond those, minus
            what such a value had at most.
        importance: Share of the model's importance, in [0, 1], when the model states it.
        bins: The bins, as the reference has them.
        reference_shares: Share of the reference per bin.
        current_shares: Share of today's rows per bin.
        reference_n: Customers behind the reference.
        current_n: Customers today.
    """

    name: str
    kind: Kind
    status: Status
    reason: NotMeasured | None = None
    findings: tuple[Finding, ...] = ()
    psi: float = 0.0
    chance: float = 0.0
    p_value: float = 1.0
    missing: ShareDifference | None = None
    new_values: ShareDifference | None = None
    importance: float | None = None
    bins: ColumnBins | None = None
    reference_shares: tuple[float, ...] = ()
    current_shares: tuple[float, ...] = ()
    reference_n: int = 0
    current_n: int = 0

    @property
    def alarm(self) -> float:
        """How near the column is to its alarm: 0 is as before, 1 and more is ``drifted``, below 1 is not."""
        sizes = {"distribution": self.excess / PSI_MATTERS}
        if self.missing is not None:
            sizes["missing"] = abs(self.missing.difference) / SHARE_MATTERS
        if self.new_values is not None:
            sizes["new values"] = self.new_values.difference / SHARE_MATTERS
        # What is large but within chance stays below the alarm.
        return max(
            max(size, 1.0) if name in self.findings else min(max(size, 0.0), 0.99) for name, size in sizes.items()
        )

    @property
    def excess(self) -> float:
        """PSI beyond chance; below zero means steadier than chance alone would be."""
        return self.psi - self.chance


@dataclass(frozen=True, slots=True)
class DayDrift:
    """Every column of one day against one reference, the ones to look at first.

    Attributes:
        columns: Drifted before stable before not measured; by importance, then by excess PSI.
        reference_from: First day of the reference, ISO; empty when there is no reference.
        reference_to: Last day of the reference, ISO.
        reference_n: Customers behind the reference.
        current_n: Rows today.
    """

    columns: tuple[ColumnDrift, ...]
    reference_from: str = ""
    reference_to: str = ""
    reference_n: int = 0
    current_n: int = 0

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """Columns with a finding."""
        return tuple(column for column in self.columns if column.status == "drifted")

    @property
    def not_measured(self) -> tuple[ColumnDrift, ...]:
        """Columns without a verdict."""
        return tuple(column for column in self.columns if column.status == "not measured")

    @property
    def measured(self) -> tuple[ColumnDrift, ...]:
        """Columns with a verdict."""
        return tuple(column for column in self.columns if column.status != "not measured")

    @property
    def drifted_importance(self) -> float | None:
        """Share of the model's importance that stands on drifted columns; None when the model states none."""
        known = [column.importance for column in self.columns if column.importance is not None]
        total = sum(known)
        return sum(c.importance or 0.0 for c in self.drifted) / total if total > 0 else None


def psi(reference: Sequence[float] | Floats, current: Sequence[float] | Floats) -> float:
    """Return the population stability index of two sets of counts over the same bins, in nats.

    Half a row is added to each bin, so that an empty one costs what it should and not infinity. Bins that are empty on
    both sides do not count.

    Examples:
        >>> round(psi([500_000, 500_000], [400_000, 600_000]), 4)   # 0.1 ln(5/4) + 0.1 ln(6/5)
        0.0405
    """
    kept = (np.asarray(reference, float) > 0) | (np.asarray(current, float) > 0)
    r, c = np.asarray(reference, float)[kept] + 0.5, np.asarray(current, float)[kept] + 0.5
    p, q = r / r.sum(), c / c.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def chance_psi(bin_count: int, reference_n: float, current_n: float) -> float:
    """Return the PSI that two samples of one distribution show on average: ``(k - 1)(1/n_reference + 1/n_current)``."""
    return max(bin_count - 1, 0) * (1 / reference_n + 1 / current_n)


def same_distribution(reference: Floats, current: Floats) -> float:
    """Return the p-value of the two-sample chi-square test on counts over the same bins.

    Bins in which the smaller sample expects fewer than five rows are pooled first. With one bin left nothing can
    differ: 1.0.
    """
    n_reference, n_current = float(reference.sum()), float(current.sum())
    pooled = (reference + current) / (n_reference + n_current)
    rare = pooled * min(n_reference, n_current) < _EXPECTED
    if rare.any():
        reference = np.append(reference[~rare], reference[rare].sum())
        current = np.append(current[~rare], current[rare].sum())
        pooled = (reference + current) / (n_reference + n_current)
    kept = pooled > 0
    if kept.sum() < 2:
        return 1.0
    gap = reference[kept] / n_reference - current[kept] / n_current
    statistic = float(np.sum(gap**2 / pooled[kept]) / (1 / n_reference + 1 / n_current))
    return float(special.chdtrc(int(kept.sum()) - 1, statistic))


def day_drift(
    reference: Reference | None,
    counts: Mapping[str, Sequence[int]],
    *,
    row_count: int,
    absent: Sequence[str] = (),
    importances: Mapping[str, float] | None = None,
    unknown: Mapping[str, int] | None = None,
) -> DayDrift:
    """Compare one day's counts with the reference, column by column.

    Args:
        reference: From :func:`monitoring.drift.bins.reference_bins`; None when the model has none.
        counts: Column -> today's rows per bin, from :func:`monitoring.drift.bins.bin_counts`.
        row_count: Customers today.
        absent: Columns of the reference that today's table does not have.
        importances: Column -> the model's importance, on any scale.
        unknown: Column -> rows of its commonest value beyond those remembered, for columns with more values than that
            (:func:`monitoring.drift.bins.largest_unknown`); without it they have no test for new values.

    Returns:
        One verdict per reference column. No reference and no rows are results with a reason, not errors.
    """
    if reference is None:
        return DayDrift((), current_n=row_count)
    total = sum((importances or {}).values())
    shares = {name: value / total for name, value in (importances or {}).items()} if total > 0 else {}
    questions = sum(_questions(column) for column in reference.columns)
    found = [
        _column_drift(
            column,
            None if column.name in absent else counts.get(column.name),
            reference=reference,
            row_count=row_count,
            alpha=min(DAY_ALPHA / questions, WEEK_ALPHA / (7 * _questions(column))),
            importance=shares.get(column.name, 0.0) if shares else None,
            unknown=(unknown or {}).get(column.name),
        )
        for column in reference.columns
    ]
    order = {"drifted": 0, "stable": 1, "not measured": 2}
    found.sort(key=lambda c: (order[c.status], -(c.importance or 0.0), -c.excess, c.name))
    return DayDrift(tuple(found), reference.as_of_from, reference.as_of_to, reference.customer_count, row_count)


def _questions(column: ColumnBins) -> int:
    return 2 if column.kind == "number" else 3


def _column_drift(
    column: ColumnBins,
    counts: Sequence[int] | None,
    *,
    reference: Reference,
    row_count: int,
    alpha: float,
    importance: float | None,
    unknown: int | None,
) -> ColumnDrift:
    # Shares come from all rows; the size that counts in a test is the customers, whose monthly rows repeat each other.
    r_size = reference.customer_count * column.row_count / max(reference.row_count, 1)
    reason = _not_measured(column, counts, r_size, row_count)
    if reason is not None or counts is None:
        return ColumnDrift(column.name, column.kind, "not measured", reason, importance=importance, current_n=row_count)
    c_size = float(sum(counts))
    p = np.asarray(column.counts, float) / column.row_count
    q = np.asarray(counts, float) / c_size
    # The reference's own share of new values is zero by construction: in the distribution they count as other ones.
    r_rows, c_rows = _comparable(column, p) * r_size, _comparable(column, q) * c_size
    observed = psi(r_rows, c_rows)
    chance = chance_psi(int(((r_rows > 0) | (c_rows > 0)).sum()), r_size, c_size)
    p_value = same_distribution(r_rows, c_rows)
    missing = newcombe((p[-1] * r_size, r_size), (q[-1] * c_size, c_size), level=1 - alpha)
    if column.is_tail_complete:
        fresh = _new_values(column, float(q[-2]), reference.customer_count, c_size, alpha)
    else:
        fresh = _grown_value(unknown, r_size, c_size, alpha)
    findings: list[Finding] = []
    if observed - chance >= PSI_MATTERS and p_value < alpha:
        findings.append("distribution")
    if missing.excludes_zero and abs(missing.difference) >= SHARE_MATTERS:
        findings.append("missing")
    if fresh is not None and fresh.low > 0 and fresh.difference >= SHARE_MATTERS:
        findings.append("new values")
    return ColumnDrift(
        name=column.name,
        kind=column.kind,
        status="drifted" if findings else "stable",
        findings=tuple(findings),
        psi=observed,
        chance=chance,
        p_value=p_value,
        missing=missing,
        new_values=fresh,
        importance=importance,
        bins=column,
        reference_shares=tuple(float(x) for x in p),
        current_shares=tuple(float(x) for x in q),
        reference_n=int(r_size),
        current_n=int(c_size),
    )


def _not_measured(
    column: ColumnBins, counts: Sequence[int] | None, r_size: float, row_count: int
) -> NotMeasured | None:
    """Return why a column has no verdict; nulls on one side only are a finding, not a reason."""
    if counts is None:
        return "absent"
    if row_count == 0 or sum(counts) == 0:
        return "no rows"
    if column.row_count == 0:
        return "no reference"
    if column.null_count == column.row_count and counts[-1] == sum(counts):
        return "all null"
    if r_size < MINIMUM_ROWS:
        return "small reference"
    if sum(counts) < MINIMUM_ROWS:
        return "few rows"
    return None


def _comparable(column: ColumnBins, shares: Floats) -> Floats:
    """Return the shares per bin with ``new`` counted under ``other``."""
    if column.kind == "number":
        return shares
    return np.concatenate([shares[:-3], [shares[-3] + shares[-2]], shares[-1:]])


def _new_values(
    column: ColumnBins, share: float, customers: int, c_size: float, alpha: float
) -> ShareDifference | None:
    if column.kind == "number" or column.null_count == column.row_count:
        return None
    expected = min(column.singleton_count, customers)
    return newcombe((expected, customers), (share * c_size, c_size), level=1 - alpha)


def _grown_value(unknown: int | None, r_size: float, c_size: float, alpha: float) -> ShareDifference | None:
    """The commonest value beyond those remembered: in the reference it had at most the share of the rarest of them.

    It is the largest of many, so chance is shared among as many values as are remembered.
    """
    if unknown is None:
        return None
    return newcombe((r_size / KNOWN_VALUES, r_size), (float(unknown), c_size), level=1 - alpha / KNOWN_VALUES)


def bin_labels(column: ColumnBins, show: Callable[[float], str] | None = None) -> tuple[str, ...]:
    """Return the bins' names in order; ``other``, ``new`` and ``null`` in angle brackets.

    Args:
        column: The bins.
        show: How an edge is written; :func:`format_edge` by default.
    """
    show = show or format_edge
    if column.kind == "category":
        return (*column.values, "<other>", "<new>", "<null>")
    if not column.edges:
        return ("<any>", "<null>")
    shown = [show(edge) for edge in column.edges]
    between = (
        low if edge in column.atoms else f"{low} – {high}"
        for edge, (low, high) in zip(column.edges, pairwise(shown), strict=False)
    )
    # The edge after an atom that nothing exceeded is the next number that there is: it means "more than the atom".
    is_beyond = len(shown) > 1 and column.edges[-1] == nextafter(column.edges[-2], inf)
    last = f"> {shown[-2]}" if is_beyond else f"≥ {shown[-1]}"
    return (f"< {shown[0]}", *between, last, "<null>")


def format_edge(edge: float) -> str:
    """Return a bin edge in at most four significant digits, thousands in full."""
    if not isfinite(edge):
        return "∞" if edge > 0 else "-∞"
    return f"{edge:,.0f}" if abs(edge) >= 1000 or edge == int(edge) else f"{edge:.4g}"
