"""Ledgers as the real choosing writes them, of companies in which it is known what each action changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.decisions.candidates import Candidates, columns_of
from campaigns.decisions.choices import NONE, Choices, choose_actions
from campaigns.decisions.refusals import Refusal
from campaigns.decisions.rows import assigned_rows, decided_rows
from campaigns.holdout import assign, campaign_layer
from campaigns.holdout.assignments import EARLIER
from campaigns.lifts import lifts
from holdback.business import Business
from tests.campaigns.decisions.world import AS_OF, actions, company
from tests.features.world import Memory

Floats = npt.NDArray[np.float64]
DAYS, CUSTOMERS = 4, 500
ACTIONS = ("call", "mail", "gift")


def before(world: int) -> Business:
    """The company's rules of the first two days: scarce contacts, a large holdout, much exploration."""
    return company(
        slug=f"w{world}",
        actions=actions(call={"capacity_per_day": 45}, mail={"capacity_per_day": 60}, gift={"capacity_per_day": 25}),
        holdout={"campaign_share": 0.4, "explore_share": 0.3},
        campaigns=[{"name": "spring", "actions": list(ACTIONS), "horizon_days": 30}],
    )


def after(world: int) -> Business:
    """The rules of the last two days: other limits, a smaller holdout, less exploration."""
    return company(
        slug=f"w{world}",
        actions=actions(call={"capacity_per_day": 80}, mail={"capacity_per_day": 30}),
        holdout={"campaign_share": 0.25, "explore_share": 0.5},
        campaigns=[{"name": "spring", "actions": list(ACTIONS), "horizon_days": 30}],
    )


@dataclass(frozen=True, eq=False)
class Lived:
    """Some days of a company.

    Attributes:
        business: By its last rules.
        warehouse: With the ledger, as the real code writes its rows.
        base: Chance of each customer to stay when left alone, by customer.
        effects: What each action adds to it, by action and customer.
        stays: Whether each customer stays, by customer: drawn with what he entered with.
    """

    business: Business
    warehouse: Memory
    base: Mapping[str, float]
    effects: Mapping[str, Mapping[str, float]]
    stays: Mapping[str, bool]


def lived(world: int, *, effect: float) -> Lived:
    """Live four days: rules change after two, a fifth of the customers live in pairs, gifts go to half of them.

    Args:
        world: Seed.
        effect: How many points a call adds for those who are worst off; mail a third of it, gifts take it away.
    """
    rng = np.random.default_rng(world)
    ids = [f"c{number:04d}" for number in range(CUSTOMERS)]
    homes = [ids[n - n % 2] if n < CUSTOMERS // 5 else ids[n] for n in range(CUSTOMERS)]
    base = rng.uniform(0.2, 0.75, CUSTOMERS)
    likes_gifts = rng.random(CUSTOMERS) < 0.5
    kept = rng.gamma(2.0, 8_000, CUSTOMERS)
    strength = 1.5 - base  # who is worse off gains more
    effects = {"call": effect * strength, "mail": effect * strength / 3, "gift": -effect * strength}
    units = pa.table({"customer_id": ids, "unit_id": homes})
    entered: dict[str, str] = {}
    tables: list[pa.Table] = []
    for day in range(DAYS):
        business = (before if day < DAYS // 2 else after)(world)
        first = assign(units, campaign_layer(business, business.campaigns[0]), _earlier(tables))
        held = np.array(first["group"].to_pylist()) == "holdout"
        is_in = np.array([home in entered for home in homes])
        candidates = _candidates(business, units, (1 - base) * rng.uniform(0.8, 1.2, CUSTOMERS), kept, likes_gifts,
                                 is_in & held)  # fmt: skip
        as_of = AS_OF + timedelta(days=day)
        choices = choose_actions(business, business.campaigns, as_of, candidates, held)
        tables += _rows(business, as_of, day, units, first, candidates, choices, held, set(entered))
        for position in np.flatnonzero(choices.enters & ~is_in).tolist():
            drawn = choices.action[position]
            entered[homes[position]] = "none" if drawn == NONE else ACTIONS[drawn]
    chance = base + sum(
        effects[action] * np.array([entered.get(home) == action for home in homes]) for action in ACTIONS
    )
    stays = rng.random(CUSTOMERS) < chance
    ledger = pa.concat_tables(tables, promote_options="default")
    warehouse = Memory(after(world), {"ledger": [_named(row, n) for n, row in enumerate(ledger.to_pylist())]})
    return Lived(
        after(world),
        warehouse,
        dict(zip(ids, base.tolist(), strict=True)),
        {action: dict(zip(ids, added.tolist(), strict=True)) for action, added in effects.items()},
        dict(zip(ids, stays.tolist(), strict=True)),
    )


def _candidates(
    business: Business, units: pa.Table, risk: Floats, kept: Floats, likes_gifts: Any, is_over: Any
) -> Candidates:
    columns = columns_of(business, business.campaigns, lifts(Memory(business, {}), business, AS_OF))
    gain = np.column_stack(
        [risk * kept * column.lift.save_rate - column.cost_cents if column.lift else np.zeros(len(risk))
         for column in columns]
    )  # fmt: skip
    refusal = np.full(gain.shape, Refusal.OPEN, dtype=np.int8)
    refusal[~likes_gifts, 2] = Refusal.NOT_ELIGIBLE
    refusal[is_over] = Refusal.HELD_OUT
    homes = np.array(units["unit_id"].to_pylist())
    refusal[homes != np.array(units["customer_id"].to_pylist())] = Refusal.OTHER_MEMBER
    n = len(risk)
    rows = pa.table(
        {
            **{name: units[name] for name in ("customer_id", "unit_id")},
            "campaign_index": np.zeros(n, dtype=np.int64),
            "probability": risk.clip(0, 1),
            "kept_cents": kept.astype(np.int64),
            "model_version": pa.array(["1"] * n, pa.string()),
            "fit_class": pa.array(["invest"] * n, pa.string()),
            **{name: pa.array([None] * n, pa.string()) for name in ("reasons", "suppressed_by", "disturbed_by")},
            "value_decile": pa.array([5] * n, pa.int64()),
        }
    )  # fmt: skip
    return Candidates(rows, columns, refusal, gain, np.full(gain.shape, np.nan))


def _rows(
    business: Business, as_of: Any, day: int, units: pa.Table, groups: pa.Table, candidates: Candidates,
    choices: Choices, held: Any, entered: set[str],
) -> list[pa.Table]:  # fmt: skip
    """The day's rows of the ledger: whole units that enter, and everybody's decision."""
    homes = np.array(units["unit_id"].to_pylist())
    entering = set(homes[choices.enters].tolist()) - entered
    members = groups.filter(pa.array([home in entering for home in homes]))
    seen = candidates.rows.select(["customer_id", "probability", "kept_cents"])
    assigned = assigned_rows(campaign_layer(business, business.campaigns[0]), members, seen)
    group = np.where(held, "holdout", "treatment").astype(object)
    decided = decided_rows(business, business.campaigns, as_of, candidates, choices, group, f"rules-{day}")
    return [table.append_column("as_of", pa.array([as_of] * table.num_rows)) for table in (assigned, decided)]


def _earlier(tables: list[pa.Table]) -> pa.Table:
    """What the ledger says of earlier assignments."""
    found = [table.filter(pc.equal(table["kind"], "assigned")) for table in tables]
    return pa.concat_tables([EARLIER.empty_table(), *(table.select(EARLIER.names).cast(EARLIER) for table in found)])


def _named(row: dict[str, Any], number: int) -> dict[str, Any]:
    return {**row, "entry_id": f"e{number}", "sequence": number}
