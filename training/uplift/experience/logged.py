"""Everybody who entered and whose outcome is known: what was drawn, with which probability, and what it brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.following import CHURNED
from holdback.business import Business
from holdback.errors import DataError, NotKnowableYet
from holdback.progress import Progress, silent
from holdback.warehouse import Warehouse
from training.uplift.experience.aims import Aim, aim_of, launched_aims
from training.uplift.experience.became import Became, what_became
from training.uplift.experience.described import described
from training.uplift.experience.entries import NONE, Entries, Positions, read_entries
from training.uplift.trial import Booleans, Floats

NOT_LAUNCHED = "no launch and no campaign of the file says to which outcome they are followed"
NOT_FOLLOWED = "followed to an outcome that the business file does not have any more"
UNKNOWN_OUTCOME = "their outcome is not known: gone before their entry, or within the lead"
NO_VALUE = "no value was frozen with the decision"
OTHER_PRICE = "from before the price of the action changed"


@dataclass(frozen=True, eq=False)
class Logged:
    """Entries with one aim whose outcome is known, ordered by day and customer: n rows, k actions.

    Attributes:
        aim: The outcome that all were followed to.
        actions: The actions; column 0 of the matrices is none (being held out), then these.
        frame: Features as known at the entry.
        customer_ids: Whose rows, shape (n,).
        unit_ids: Who was drawn together, shape (n,).
        as_ofs: Day of each entry, shape (n,).
        probability: Logged probability of each column, given that it was one of them; shape (n, 1 + k).
        chosen: Column that was drawn, shape (n,).
        intended: Column that the rules of the day chose, 0 for none; -1 where nobody wrote it down; shape (n,).
        good: Outcome of which more is better, shape (n,).
        value_amounts: What one more unit of ``good`` is worth, at least 0, shape (n,).
        costs: Expected cost of each action in the same unit, shape (k,).
        risk: Frozen churn probability, NaN where there was none, shape (n,).
        is_of_today: False where the action had another price then, shape (n, k).
        campaigns: ``name/version`` of each row, shape (n,).
        policy_versions: Names of the rules that chose, in order.
        is_valued: True when ``good`` is weighed with money; else a unit is counted, and an action costs nothing.
        left_out: Entries that cannot be compared, counted by reason.
        waiting: Days on which the others can be read, one per entry, in order.
        first_on: First day of entry of all, those who wait too.
    """

    aim: Aim
    actions: tuple[str, ...]
    frame: pd.DataFrame
    customer_ids: npt.NDArray[Any]
    unit_ids: npt.NDArray[Any]
    as_ofs: npt.NDArray[np.datetime64]
    probability: Floats
    chosen: Positions
    intended: Positions
    good: Floats
    value_amounts: Floats
    costs: Floats
    risk: Floats
    is_of_today: Booleans
    campaigns: npt.NDArray[Any]
    policy_versions: tuple[str, ...]
    is_valued: bool
    left_out: dict[str, int] = field(default_factory=dict)
    waiting: tuple[date, ...] = ()
    first_on: date | None = None

    def __len__(self) -> int:
        return int(self.good.size)

    def where(self, mask: Booleans) -> Logged:
        """Return the rows of a mask, in the same order."""
        return replace(
            self,
            frame=self.frame.loc[mask].reset_index(drop=True),
            customer_ids=self.customer_ids[mask],
            unit_ids=self.unit_ids[mask],
            as_ofs=self.as_ofs[mask],
            probability=self.probability[mask],
            chosen=self.chosen[mask],
            intended=self.intended[mask],
            good=self.good[mask],
            value_amounts=self.value_amounts[mask],
            risk=self.risk[mask],
            is_of_today=self.is_of_today[mask],
            campaigns=self.campaigns[mask],
        )


def read_logged(
    warehouse: Warehouse, business: Business, campaign: str | None, as_of: date, *, progress: Progress = silent
) -> tuple[Logged, ...]:
    """Return what was tried and what came of it, the aim with most known outcomes first.

    Versions and campaigns are pooled when they follow their customers to the same outcome, as their launches fixed it.

    Args:
        warehouse: Where ledger and feeds are.
        business: The company.
        campaign: One campaign, all its versions; None for all.
        as_of: The day of knowledge.
        progress: Told about each day that has to be described.

    Raises:
        BusinessFileError: the campaign is not in the file.
        NotKnowableYet: nobody entered yet, or nobody's outcome is known; the message says when it will be.
        DataError: nobody who entered can be compared with anybody: what was drawn was not logged.
    """
    if campaign is not None:
        business.campaign_named(campaign)
    entries = read_entries(warehouse, business, campaign, as_of)
    where = f"{business.slug}: {f'campaign {campaign}' if campaign else 'campaigns'}"
    if not len(entries):
        _refuse_nobody(where, entries.left_out)
    changed = _changed_prices(warehouse, business, as_of)
    found, ripe_on = [], []
    left_out = dict(entries.left_out)
    for aim, own in _by_aim(warehouse, business, entries, as_of, left_out):
        became = what_became(warehouse, business, aim, own, as_of)
        waiting = sorted(became.ripens_on(day) for day in own.table.loc[~became.is_mature, "entered_on"])
        if not became.is_mature.any():
            ripe_on.append(waiting[0])
            continue
        read = _logged(warehouse, business, aim, own, became, changed, left_out, waiting, progress)
        if read is not None:
            found.append(read)
    if not found:
        if ripe_on:
            raise NotKnowableYet(
                f"{where}: {len(entries):,} customers entered, and nobody's outcome is known by {as_of}. The first can "
                f"be read on {max(min(ripe_on), _next(as_of))}. Nothing was computed."
            )
        _refuse_nobody(where, left_out)
    return tuple(sorted(found, key=len, reverse=True))


def _refuse_nobody(where: str, left_out: Mapping[str, int]) -> None:
    if not left_out:
        raise NotKnowableYet(
            f"{where}: nobody entered yet. What an action changes is learned from customers who were drawn to get it "
            "or nothing. Launch a campaign with a holdout, or name a feed of role assignments; then wait for its "
            "horizon."
        )
    told = "; ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    raise DataError(
        f"{where}: nobody who entered can be learned from ({told}). What an action changes needs customers who were "
        "drawn with a probability that was written down, some of them held out. Keep a holdout, and decide with "
        "`holdback decide`, which logs it."
    )


def _by_aim(
    warehouse: Warehouse, business: Business, entries: Entries, as_of: date, left_out: dict[str, int]
) -> list[tuple[Aim, Entries]]:
    """Part the entries by what they are followed to."""
    ours = launched_aims(warehouse, business, as_of)
    elsewhere = {
        (one.name, one.version): aim_of(business, one) for one in business.campaigns if one.assigned_by is not None
    }
    keys = list(zip(entries.table["campaign"], entries.table["version"], entries.table["is_ours"], strict=True))
    # With assignments from elsewhere no value was frozen: what cannot be weighed alike is not pooled.
    aims = {key: ((ours if key[2] else elsewhere).get(key[:2]), key[2]) for key in set(keys)}
    parted: list[tuple[Aim, Entries]] = []
    for aim, is_ours in dict.fromkeys(aims[key] for key in sorted(aims)):
        own = entries.where(np.array([aims[key] == (aim, is_ours) for key in keys], dtype=bool))
        if aim is None or not aim.is_known_to(business):
            reason = NOT_LAUNCHED if aim is None else NOT_FOLLOWED
            left_out[reason] = left_out.get(reason, 0) + len(own)
        else:
            parted.append((aim, own))
    return parted


def _logged(
    warehouse: Warehouse,
    business: Business,
    aim: Aim,
    entries: Entries,
    became: Became,
    changed: Mapping[str, frozenset[str]],
    common: Mapping[str, int],
    waiting: list[date],
    progress: Progress,
) -> Logged | None:
    left_out = dict(common)
    kept = became.is_mature & np.isfinite(became.good)
    unknown = int((became.is_mature & ~kept).sum())
    if unknown:
        left_out[UNKNOWN_OUTCOME] = unknown
    is_valued = aim.is_money(business) or (
        aim.primary_outcome == CHURNED and bool(entries.table.loc[kept, "is_ours"].all())
    )
    worth = _worth(business, aim, entries, is_valued=is_valued)
    without = kept & np.isnan(worth)
    if without.any():
        left_out[NO_VALUE] = int(without.sum())
    kept &= ~without
    if not kept.any():
        return None
    own, good, worth = entries.where(kept), became.good[kept], worth[kept]
    table = own.table
    frame, _ = described(warehouse, business, table["customer_id"], table["entered_on"], progress=progress)
    columns = {name: position for position, name in enumerate((NONE, *own.actions))}
    versions = table["policy_version"]
    return Logged(
        aim=aim,
        actions=own.actions,
        frame=frame,
        customer_ids=table["customer_id"].to_numpy(dtype=object),
        unit_ids=table["unit_id"].to_numpy(dtype=object),
        as_ofs=table["entered_on"].to_numpy().astype("datetime64[D]"),
        probability=own.probability,
        chosen=own.chosen,
        intended=np.array([columns.get(name, -1) for name in table["intended_action"]], dtype=np.int64),
        good=good,
        value_amounts=worth,
        costs=np.array(
            [business.action_named(name).expected_cost if is_valued else 0.0 for name in own.actions], dtype=np.float64
        ),
        risk=table["risk"].to_numpy(dtype=np.float64),
        is_of_today=np.column_stack(
            [~versions.isin(changed.get(name, frozenset())).to_numpy(bool) for name in own.actions]
        ),
        campaigns=(table["campaign"] + "/" + table["version"].astype(str)).to_numpy(dtype=object),
        policy_versions=tuple(sorted(set(versions.dropna()))),
        is_valued=is_valued,
        left_out=left_out,
        waiting=tuple(waiting),
        first_on=entries.table["entered_on"].min(),
    )


def _worth(business: Business, aim: Aim, entries: Entries, *, is_valued: bool) -> Floats:
    """What one more unit of good is worth: of staying, what the decision saw; of an amount, its margin; else 1."""
    if not is_valued:
        return np.ones(len(entries))
    if aim.is_money(business):
        return np.full(len(entries), float(business.value.margin_rate))
    kept_cents = entries.table["kept_cents"].to_numpy(dtype=np.float64)
    worth: Floats = np.maximum(kept_cents, 0.0) / 100
    return worth


def _changed_prices(warehouse: Warehouse, business: Business, as_of: date) -> dict[str, frozenset[str]]:
    """By action, the rules under which it was given at another price than today's: another offer, then.

    A row of the held-out has no price, but names the rules that it was decided by: the treated of the same rules do.
    """
    rows = warehouse.query(
        "select action, policy_version, min(cost_cents) as low, max(cost_cents) as high from ledger "
        f"where kind = 'decided' and action <> '{NONE}' and as_of <= date '{as_of}' and policy_version is not null "
        "and cost_cents is not null group by action, policy_version"
    ).to_pylist()
    cents = {action.name: round(action.expected_cost * 100) for action in business.actions}
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["action"] in cents and {row["low"], row["high"]} != {cents[row["action"]]}:
            found.setdefault(row["action"], set()).add(row["policy_version"])
    return {action: frozenset(versions) for action, versions in found.items()}


def _next(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)
