"""How often the league's gate errs: ``python -m bench.gate_error --worlds 200 --seed 0``; prints a JSON line per study.

End to end on simulated customers: draw a trial, learn every competitor out of fold, run the league. In the worlds
without effect nobody earns anything, so every promotion is an error; in the others customers differ in how much the
action changes them, and a promotion is right when the winner's list truly earns more than the incumbent's. Costs are 0,
for whoever declines to pay for nothing would rightly win; values are lognormal (deviation of the logarithm .8), and
where customers differ also once the same for everybody.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from tests.training.uplift.worlds import Effect, world
from training.uplift.fitting import out_of_fold
from training.uplift.gain import LIST_OF_NOISE
from training.uplift.league import TAUGHT, League, run_league
from training.uplift.learners import Recipe
from training.uplift.lists import treated

CAPACITY_SHARE = 0.2
INCUMBENTS = ("rule", "value")
VALUE_SPREAD = 0.8
SMALL = Recipe(outcome_trees=30, outcome_depth=3, effect_trees=20, effect_depth=2, learning_rate=0.1, border_count=32)


@dataclass(frozen=True)
class Gate:
    """What happened in one world against one incumbent.

    Attributes:
        winner: Who was promoted.
        winner_without_care: Who would have been, if a learned order could not follow the noise of its judges and no
            trial were too small.
        is_blind: No good ranking could have been seen.
        is_heterogeneous: Customers were found to differ.
        truly_more: What the winner's list truly earns more per customer; None without a winner.
    """

    winner: str | None
    winner_without_care: str | None
    is_blind: bool
    is_heterogeneous: bool
    truly_more: float | None


def one_world(effect: Effect, n: int, seed: int, *, value_spread: float, resamples: int = 300) -> dict[str, Gate]:
    """Draw one world and run the league against each incumbent."""
    rng = np.random.default_rng([seed, n, len(effect)])
    drawn = world(rng, n, effect=effect)
    values = np.exp(value_spread * rng.normal(size=n) - value_spread**2 / 2)  # 1 on average
    trial = replace(drawn.trial, value_amounts=values, cost_amounts=np.zeros(n))
    competed = out_of_fold(trial, threads=1, seed=seed, recipe=SMALL, given={"rule": trial.risk})
    found = {}
    for incumbent in INCUMBENTS:
        league = run_league(
            trial, competed, incumbent=incumbent, capacity_share=CAPACITY_SHARE, resamples=resamples, seed=seed
        )
        earned = {
            name: float((treated(trial, competed, name, capacity_share=CAPACITY_SHARE) * values * drawn.gain).mean())
            for name in {incumbent, league.winner or incumbent}
        }
        found[incumbent] = Gate(
            league.winner,
            _without_care(league),
            league.visibility.is_blind,
            league.diagnosis.is_heterogeneous,
            None if league.winner is None else earned[league.winner] - earned[incumbent],
        )
    return found


def _without_care(league: League) -> str | None:
    """Return who earns most among those with a lower bound above zero by the bootstrap alone."""
    for each in league.standings:
        if each.against_incumbent is None or each.name == "random" or each.gain.estimate <= 0:
            continue
        widened = each.name in TAUGHT and not league.diagnosis.is_heterogeneous
        half = (each.against_incumbent.estimate - each.against_incumbent.low) / (LIST_OF_NOISE if widened else 1)
        if each.against_incumbent.estimate > half:
            return each.name
    return None


def clopper_pearson(count: int, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a share."""
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, count, n - count + 1)) if count else 0.0
    return low, float(stats.beta.isf(tail, count + 1, n - count)) if count < n else 1.0


def study(effect: Effect, worlds: int, n: int, seed: int, *, value_spread: float = VALUE_SPREAD) -> dict[str, Any]:
    """Return how often the gate promoted in so many worlds, against each incumbent."""
    started = time.process_time()
    all_found: list[dict[str, Gate]] = []
    for each in range(worlds):
        all_found.append(one_world(effect, n, seed * 100_003 + each, value_spread=value_spread))
        so_far = {name: sum(found[name].winner is not None for found in all_found) for name in INCUMBENTS}
        if not len(all_found) % 10:
            print(f"{effect}: {len(all_found)} of {worlds} worlds, promoted {so_far}", file=sys.stderr, flush=True)
    cpu = time.process_time() - started
    told: dict[str, Any] = {"effect": effect, "worlds": worlds, "customers": n, "value_spread": value_spread}
    told["cpu_seconds"] = round(cpu, 1)
    for incumbent in INCUMBENTS:
        gates = [found[incumbent] for found in all_found]
        promoted = [gate for gate in gates if gate.winner is not None]
        low, high = clopper_pearson(len(promoted), worlds)
        told[f"against {incumbent}"] = {
            "promoted": len(promoted),
            "promoted_share": len(promoted) / worlds,
            "promoted_share_low": round(low, 4),
            "promoted_share_high": round(high, 4),
            "winners": {
                name: sum(g.winner == name for g in promoted) for name in sorted({str(g.winner) for g in promoted})
            },
            "winner_earns_more": sum((gate.truly_more or 0) > 0 for gate in promoted),
            "promoted_without_care": sum(gate.winner_without_care is not None for gate in gates),
            "heterogeneity_shown": sum(gate.is_heterogeneous for gate in gates),
            "too_small_to_see": sum(gate.is_blind for gate in gates),
        }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=200, help="worlds without effect")
    parser.add_argument("--power-worlds", type=int, default=50, help="worlds whose customers differ")
    parser.add_argument("--customers", type=int, default=4000, help="in each world without effect")
    parser.add_argument("--power-customers", type=int, default=10_000, help="in each world whose customers differ")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    plans: list[tuple[Effect, int, int, float]] = [
        ("zero", asked.worlds, asked.customers, VALUE_SPREAD),
        ("varied", asked.power_worlds, asked.power_customers, VALUE_SPREAD),
        ("varied", asked.power_worlds, asked.power_customers, 0.0),
    ]
    print(json.dumps({"recipe": asdict(SMALL), "capacity_share": CAPACITY_SHARE}), flush=True)
    for effect, worlds, customers, spread in plans:
        if worlds:
            print(json.dumps(study(effect, worlds, customers, asked.seed, value_spread=spread)), flush=True)


if __name__ == "__main__":
    main()
