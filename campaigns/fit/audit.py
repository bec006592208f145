"""Does the classification fall on a protected group? Looked at from outside: the classes are given, and stay as given.

For each group of each protected attribute: the rate of ``do_not_spend`` in the group over that of everybody else, with
its interval (Katz 1978, log scale). The intervals of all groups hold together with 95 % (Bonferroni): one by one,
chance alone would stop one company in twenty (simulated: 7 groups, 40 of 1,200 classed out: 5.5 %; together, 0.6 %). An
interval wholly below 0.8 or above 1.25 stops. And the proxy AUC: how well the inputs of the fit tell the group from the
rest, by a logistic regression on held-out customers; far from 0.5, an input stands for the attribute although the
attribute never entered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import special

from campaigns.fit.bases import value_bases
from campaigns.fit.classes import DO_NOT_SPEND
from features.clocks import Clock, newest_versions
from features.corrections import corrected_tables
from features.steps import with_steps
from holdback.business import Business
from holdback.warehouse import Warehouse

Floats = npt.NDArray[np.float64]

#: The four-fifths rule and its inverse.
STOPS_BELOW = 0.8
STOPS_ABOVE = 1.25
#: A proxy this good deserves a look, though it stops nothing.
PROXY_WARNS_ABOVE = 0.7
#: Smaller groups are not shown: their rate would tell about persons.
LEAST_IN_GROUP = 30
_LARGEST_SAMPLE = 20_000
_INPUTS = ("months_known", "margin_cents", "cost_to_serve_cents", "retention_cents", "net_cents", "fit")


@dataclass(frozen=True)
class GroupAudit:
    """One group of one protected attribute.

    Attributes:
        attribute: The attribute.
        group: A value, or a range of values.
        customer_count: Customers in the group.
        do_not_spend_count: Of them classed out.
        ratio: Rate of the group over the rate of everybody else.
        ratio_low: Lower end of its interval; those of all groups hold together with 95 %.
        ratio_high: Upper end.
        proxy_auc: How well the inputs tell the group; None when it was not asked for, or the group is nearly everybody.
    """

    attribute: str
    group: str
    customer_count: int
    do_not_spend_count: int
    ratio: float
    ratio_low: float
    ratio_high: float
    proxy_auc: float | None

    @property
    def must_stop(self) -> bool:
        """True when chance does not explain the difference, and it is larger than four fifths allow."""
        return self.ratio_high < STOPS_BELOW or self.ratio_low > STOPS_ABOVE

    def __str__(self) -> str:
        proxy = "" if self.proxy_auc is None else f", proxy AUC {self.proxy_auc:.2f}"
        return (
            f"{self.attribute} = {self.group}: {self.do_not_spend_count} of {self.customer_count:,} classed out, "
            f"{self.ratio:.2f} times the others' rate (interval {self.ratio_low:.2f} to "
            f"{self.ratio_high:.2f}){proxy}"
        )


@dataclass(frozen=True)
class FitAudit:
    """All groups of all protected attributes.

    Attributes:
        as_of: The day.
        customer_count: Customers compared.
        groups: Groups with at least 30 customers.
        value_bases: Customers by what their V rests on, a value model or the records; empty when the rows do not say.
    """

    as_of: date
    customer_count: int
    groups: tuple[GroupAudit, ...]
    value_bases: Mapping[str, int] = field(default_factory=dict)

    @property
    def stops(self) -> tuple[GroupAudit, ...]:
        """The groups on which the classification falls."""
        return tuple(group for group in self.groups if group.must_stop)

    @property
    def must_stop(self) -> bool:
        """True when nobody may be classed out until a person has looked at it."""
        return bool(self.stops)


def audit_fit(
    warehouse: Warehouse, business: Business, as_of: date, rows: pa.Table, *, with_proxies: bool = True
) -> FitAudit:
    """Compare the classes over every protected attribute.

    Args:
        warehouse: Where the customers are.
        business: The company; ``customers.protected`` names the attributes.
        as_of: The day of the classes.
        rows: The classes (:func:`campaigns.fit.stored_fit`).
        with_proxies: Measure how well the inputs tell each group, which takes seconds.
    """
    names = business.customers.protected if business.customers is not None else ()
    if not names or rows.num_rows == 0:
        return FitAudit(as_of, rows.num_rows, (), value_bases(rows))
    spine = rows.select(["customer_id"])
    clock, corrected = Clock.of(business, as_of), corrected_tables(warehouse)
    steps = newest_versions(clock, tuple(f'"{name}"' for name in names), corrected, spine=True)
    listed = ", ".join(f'_customers_rows."{name}" as attribute_{i}' for i, name in enumerate(names))
    attributes = warehouse.query(
        f"{with_steps(steps)}\nselect {listed} from spine "
        "left join _customers_rows on _customers_rows.customer_id = spine.customer_id order by spine.customer_id",
        frames={"spine": spine},
    )
    rows = rows.sort_by("customer_id")
    out = np.asarray(rows["fit_class"].to_numpy(zero_copy_only=False) == DO_NOT_SPEND)
    groups = [
        (name, group, members)
        for position, name in enumerate(names)
        for group, members in _groups(attributes[f"attribute_{position}"])
        if LEAST_IN_GROUP <= members.sum() <= members.size - LEAST_IN_GROUP
    ]
    confidence = 1 - 0.05 / max(len(groups), 1)
    keep = _sample(rows["customer_id"]) if with_proxies and groups else None
    sampled = rows.take(pa.array(keep)) if keep is not None else None
    found = []
    for name, group, members in groups:
        proxy = proxy_auc(sampled, members[keep]) if sampled is not None else None
        found.append(_compared(name, group, members, out, confidence, proxy))
    return FitAudit(as_of, rows.num_rows, tuple(found), value_bases(rows))


def rate_ratio(
    events: int, size: int, other_events: int, other_size: int, *, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the ratio of two rates and its interval (Katz 1978); half an event is added where there is none.

    Examples:
        >>> [round(x, 3) for x in rate_ratio(30, 100, 20, 100)]  # log-scale SE sqrt(1/30 + 1/20 - 2/100)
        [1.5, 0.916, 2.456]
    """
    extra = 0.5 if events == 0 or other_events == 0 else 0.0
    a, b = events + extra, other_events + extra
    n, m = size + 2 * extra, other_size + 2 * extra
    ratio = (a / n) / (b / m)
    z = special.ndtri((1 + confidence) / 2)
    spread = np.exp(z * np.sqrt(max(1 / a - 1 / n + 1 / b - 1 / m, 0.0)))
    return float(ratio), float(ratio / spread), float(ratio * spread)


def proxy_auc(rows: pa.Table, members: npt.NDArray[np.bool_]) -> float:
    """Return how well the inputs of the fit tell a group from the rest: 0.5 not at all, 1 perfectly.

    Logistic regression on splines of the inputs, out of fold.

    Args:
        rows: The classes of some customers (:func:`audit_fit` takes 20,000, chosen by a hash of the key).
        members: Who of them is in the group, shape (n,).
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import QuantileTransformer, SplineTransformer

    inputs = np.column_stack([rows[name].to_numpy().astype(np.float64) for name in _INPUTS])
    segments = rows["segment"].fill_null("").to_numpy(zero_copy_only=False).astype(str)
    levels, counts = np.unique(segments, return_counts=True)
    dummies = [segments == level for level in levels[np.argsort(-counts, kind="stable")[:20]]]
    if min(int(members.sum()), int((~members).sum())) < 5:
        return 0.5
    quantiles = min(1000, inputs.shape[0])
    columns = QuantileTransformer(n_quantiles=quantiles, subsample=None, random_state=0).fit_transform(inputs)
    columns = SplineTransformer(n_knots=5).fit_transform(columns)
    columns = np.column_stack([columns, *dummies]).astype(np.float64)
    model = make_pipeline(LogisticRegression(C=1.0, max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    scores = cross_val_predict(model, columns, members, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(members, scores))


def _sample(customer_ids: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    if len(customer_ids) <= _LARGEST_SAMPLE:
        return np.arange(len(customer_ids))
    names = customer_ids.to_pylist()
    digests = np.array([int.from_bytes(hashlib.blake2b(n.encode(), digest_size=7).digest(), "big") for n in names])
    return np.sort(np.argsort(digests, kind="stable")[:_LARGEST_SAMPLE])


def _compared(
    attribute: str,
    group: str,
    members: npt.NDArray[np.bool_],
    out: npt.NDArray[np.bool_],
    confidence: float,
    proxy: float | None,
) -> GroupAudit:
    size, events, everybody = int(members.sum()), int(out[members].sum()), int(out.sum())
    others = everybody - events, members.size - size
    ratio, low, high = rate_ratio(events, size, *others, confidence=confidence)
    return GroupAudit(attribute, group, size, events, ratio, low, high, proxy)


def _groups(values: pa.ChunkedArray) -> list[tuple[str, npt.NDArray[np.bool_]]]:
    """The values of a category or flag; the quarters of a number. Customers whose value is unknown are a group too."""
    unknown = values.is_null().to_numpy(zero_copy_only=False)
    groups: list[tuple[str, Any]] = []
    if pa.types.is_floating(values.type):
        numbers = values.to_numpy()
        edges = np.unique(np.quantile(numbers[~unknown], [0, 0.25, 0.5, 0.75, 1])) if (~unknown).any() else np.array([])
        for i, (low, high) in enumerate(pairwise(edges)):
            is_last = i == edges.size - 2
            inside = (numbers >= low) & ((numbers <= high) if is_last else (numbers < high))
            groups.append((f"{low:g} to {high:g}", inside))
    else:
        texts = values.cast(pa.string()).fill_null("").to_numpy(zero_copy_only=False).astype(str)
        groups += [(str(level), (texts == level) & ~unknown) for level in np.unique(texts[~unknown])]
    return [*groups, ("unknown", unknown)]
