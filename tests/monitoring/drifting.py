"""A company in which nothing changes: the same customers day after day, whose values move around their own level."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from scipy import stats

from monitoring.drift import bin_counts, day_drift, largest_unknown, reference_bins

FIRST_DAY = date(2025, 1, 1)
SNAPSHOTS = 6
KINDS = {
    "balance": "number",
    "order_count": "number",
    "spend_amount": "number",
    "refund_amount": "number",
    "third_missing": "number",
    "rarely_missing": "number",
    "plan": "category",
    "shop": "category",
    "postcode": "category",
}
_NUMBERS = 6
_OWN, _DAILY = 0.6, 0.97  # share of the variance that is the customer's own; how much of the rest one day keeps
_LEAVES, _MOVES = 0.002, 0.01  # a day: customers replaced by new ones, customers whose shop changes


class Unchanging:
    """Customers who are all drawn from one distribution, for ever; each keeps his own level, plan and postcode."""

    def __init__(self, seed, customers):
        self.rng = np.random.default_rng(seed)
        self.size = customers
        self.ids = np.arange(customers)
        self.shops = _zipf(300)
        self.postcodes = _zipf(3_000, 0.7)
        self.own = np.empty((customers, _NUMBERS))
        self.now = np.empty((customers, _NUMBERS))
        self.plan, self.shop, self.postcode = (np.empty(customers, int) for _ in range(3))
        self.third = np.empty(customers, bool)
        self._come(np.ones(customers, bool))

    def _come(self, new):
        n = int(new.sum())
        self.own[new], self.now[new] = self.rng.normal(size=(2, n, _NUMBERS))
        self.plan[new] = self.rng.integers(4, size=n)
        self.shop[new] = self.rng.choice(300, p=self.shops, size=n)
        self.postcode[new] = self.rng.choice(3_000, p=self.postcodes, size=n)
        self.third[new] = self.rng.random(n) < 0.3

    def pass_days(self, days=1):
        keep = _DAILY**days
        self.now = keep * self.now + np.sqrt(1 - keep**2) * self.rng.normal(size=self.now.shape)
        gone = self.rng.random(self.size) < 1 - (1 - _LEAVES) ** days
        self.ids[gone] = self.ids.max() + 1 + np.arange(int(gone.sum()))
        self._come(gone)
        moved = self.rng.random(self.size) < 1 - (1 - _MOVES) ** days
        self.shop[moved] = self.rng.choice(300, p=self.shops, size=int(moved.sum()))

    def described(self, day=FIRST_DAY):
        """The customers as one day describes them: column -> values."""
        z = (np.sqrt(_OWN) * self.own + np.sqrt(1 - _OWN) * self.now).T
        return {
            "customer_id": [f"c{i}" for i in self.ids],
            "as_of": pa.array([day] * self.size, pa.date32()),
            "balance": z[0],
            "order_count": stats.poisson.ppf(stats.norm.cdf(z[1]), 0.5),  # six in ten are 0
            "spend_amount": np.exp(7 + 1.2 * z[2]),
            "refund_amount": np.where(z[3] < 1.28, 0.0, np.exp(2 * z[3])),  # nine in ten are 0
            "third_missing": pa.array(z[4], mask=self.third),
            "rarely_missing": pa.array(z[5], mask=self.rng.random(self.size) < 0.002),
            "plan": np.array([f"plan {i}" for i in self.plan]),
            "shop": np.array([f"shop {i}" for i in self.shop]),
            "postcode": np.array([f"{i:05}" for i in self.postcode]),
        }

    def learned(self, kinds, lake, *, outlier=False):
        """The reference of a model that learned from six monthly snapshots; two more months pass."""
        snapshots = []
        for number in range(SNAPSHOTS):
            columns = self.described(FIRST_DAY + timedelta(days=30 * number))
            if outlier:
                columns["spend_amount"][0] = 1e12
            snapshots.append(pa.table(columns))
            self.pass_days(30)
        reference = reference_bins(lake, "before", kinds, frames={"before": pa.concat_tables(snapshots)})
        self.pass_days(60)
        return reference


def drift(lake, reference, columns):
    """The verdict about one day."""
    frames = {"today": pa.table(columns)}
    counts = bin_counts(lake, "today", reference.columns, frames=frames)
    unknown = largest_unknown(lake, "today", reference.columns, frames=frames)
    return day_drift(reference, counts, row_count=frames["today"].num_rows, unknown=unknown)


def planted(world, rng):
    """Tomorrow's customers with every planted change, one per column."""
    columns = world.described()
    new = rng.random(world.size) < 0.05
    columns["balance"] = columns["balance"] + 0.3  # its standard deviation is 1
    columns["order_count"] = columns["order_count"] + (rng.random(world.size) < 0.3 * np.sqrt(0.5))
    columns["spend_amount"] = columns["spend_amount"] * 3
    columns["rarely_missing"] = pa.array(
        columns["rarely_missing"].to_numpy(zero_copy_only=False), mask=rng.random(world.size) < 0.1
    )
    for name in ("plan", "shop", "postcode"):
        columns[name] = np.where(new, "brand new", columns[name])
    return columns


PLANTED = {
    "a mean moved by 0.3 standard deviations": ("balance", "distribution"),
    "a mean count moved by 0.3 standard deviations, most of it at 0": ("order_count", "distribution"),
    "one value in ten missing where hardly any was": ("rarely_missing", "missing"),
    "amounts times three, with an outlier in the reference": ("spend_amount", "distribution"),
    "a new category of 5 % among 4": ("plan", "new values"),
    "a new category of 5 % among 300": ("shop", "new values"),
    "a new category of 5 % among 3,000": ("postcode", "new values"),
}


def _zipf(values, power=1.0):
    weights = np.arange(1.0, values + 1) ** -power
    return weights / weights.sum()
