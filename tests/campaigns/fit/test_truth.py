"""Companies whose truth is known (churn-model.md G2): are the right customers classed out?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from campaigns.fit import classify, stored_fit
from tests.campaigns.fit.company import AS_OF, lift
from tests.campaigns.fit.worlds import World, known_truth

SEEDS = range(4)
Bools = npt.NDArray[np.bool_]


def classed_out(world: World) -> Bools:
    classify(world.workspace.warehouse, world.business, AS_OF, lifts=lift())
    rows = stored_fit(world.workspace.warehouse, AS_OF)
    assert rows["customer_id"].to_pylist() == world.ids.tolist()
    return np.asarray(rows["fit_class"].to_numpy(zero_copy_only=False) == "do_not_spend")


def test_at_most_5_percent_are_wrongly_classed_out_and_our_own_faults_are_not_held_against_anybody(
    tmp_path: Path,
) -> None:
    labels = wrong = found = negative = 0
    out_of_wronged, out_of_others = [], []
    for seed in SEEDS:
        world = known_truth(tmp_path / str(seed), seed)
        out = classed_out(world)
        labels, wrong = labels + int(out.sum()), wrong + int((out & (world.net >= 0)).sum())
        found, negative = found + int((out & (world.net < 0)).sum()), negative + int((world.net < 0).sum())
        assert not (out & (world.months < world.business.fit.least_months)).any()
        out_of_wronged.append(out[world.is_wronged])
        out_of_others.append(out[~world.is_wronged])
    # 80,000 customers, about 1,500 labels, 2.0 % wrong and 38 % of the truly negative found (the design measured
    # 2.9 % and 40 %). The one-sided 99.9 % limit of the wrong share lies below 5 %.
    assert stats.binomtest(wrong, labels).proportion_ci(0.998, method="exact").high < 0.05
    # Power: with nobody classed out the share would be 0 too.
    assert stats.binomtest(found, negative).proportion_ci(0.998, method="exact").low > 0.3
    assert rate_of(out_of_wronged) / rate_of(out_of_others) <= 1.2


def test_our_faults_would_class_out_those_we_wronged_if_they_counted(tmp_path: Path) -> None:
    world = known_truth(tmp_path, 0, faults_are_marked=False, fit={"largest_share": 1.0})
    out = classed_out(world)
    assert out[world.is_wronged].mean() / out[~world.is_wronged].mean() > 3


def rate_of(parts: list[Bools]) -> float:
    return float(np.concatenate(parts).mean())
