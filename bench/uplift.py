"""What learning uplift costs beside the cheapest learner: ``python -m bench.uplift stack|t_learner CUSTOMERS``."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench.measuring import THREADS, Size, taking_turns, task
from bench.reporting import Line, Theme, memory

if TYPE_CHECKING:
    from training.uplift.trial import Trial

FEATURES = 60
LIMIT = 3.0


def trial_of(customers: int, *, rng: np.random.Generator) -> tuple[Trial, np.ndarray]:
    """A trial on customers with 60 features, of which ten matter, and the true effect of each."""
    from training.uplift.trial import Trial

    x = rng.normal(size=(customers, FEATURES - 3))
    frame = pd.DataFrame(x, columns=[f"number_{i}" for i in range(FEATURES - 3)])
    frame["plan"] = pd.Series(rng.choice(["basic", "family", "pro"], customers)).astype(object)
    frame["region"] = pd.Series(rng.choice([f"r{i}" for i in range(12)], customers)).astype(object)
    frame["channel"] = pd.Series(rng.choice(["shop", "web"], customers)).astype(object)
    frame.loc[rng.random(customers) < 0.1, "number_7"] = np.nan
    stay = 1 / (1 + np.exp(-1.5 - x[:, :5].sum(axis=1) / 3 + (frame["plan"] == "basic")))
    gain = np.clip(0.03 + 0.03 * x[:, 5:8].sum(axis=1) / np.sqrt(3), -stay, 1 - stay).to_numpy()
    treated = rng.random(customers) < 0.5
    return Trial(
        action="call",
        frame=frame,
        customer_ids=np.array([f"c-{i:07d}" for i in range(customers)]),
        as_ofs=np.full(customers, np.datetime64("2026-01-01")),
        treated=treated,
        propensity=np.full(customers, 0.5),
        good=(rng.random(customers) < stay + treated * gain).to_numpy().astype(np.float64),
        value_amounts=np.ones(customers),
        cost_amounts=np.full(customers, 0.01),
        risk=(1 - stay).to_numpy(),
    ), gain


def theme(size: Size) -> Theme:
    """Measure the DR-stack against a T-learner on the same rows."""
    customers = size.of(100_000, 20_000)
    measured = taking_turns(
        {name: task("uplift", name, customers) for name in ("t_learner", "stack")}, runs=1 if size.is_quick else 3
    )
    cheap, dear = measured["t_learner"], measured["stack"]
    plain, stacked = json.loads(cheap.output), json.loads(dear.output)
    ratio = stacked["cpu_seconds"] / plain["cpu_seconds"]
    told = f"the stack's uplift correlates {stacked['correlation']:.2f} with the truth"
    wrong = (told,) if stacked["correlation"] < (0.5 if size.is_quick else 0.7) else ()
    what = f"DR-stack on {customers:,} customers x {FEATURES} features, against a T-learner (imports left out)"
    both = f"{ratio:.2f} x ({stacked['cpu_seconds']:.1f} s / {plain['cpu_seconds']:.1f} s of CPU)"
    line = Line(what, both, f"at most {LIMIT:g} x", ratio / LIMIT)
    return Theme((line, memory("peak memory of the same (T-learner)", dear, 2000, beside=cheap)), wrong)


def stack(trial: Trial) -> np.ndarray:
    from training.uplift.fitting import fit

    return fit(trial, threads=THREADS).model.uplift(trial.frame, threads=THREADS)


def t_learner(trial: Trial) -> np.ndarray:
    """Two outcome boosters of the same size, one per arm, as anybody would write it."""
    from catboost import CatBoostClassifier

    from training.encoding import learn_encoding
    from training.uplift.learners import Recipe

    recipe = Recipe()
    encoding, _ = learn_encoding(trial.frame)
    encoded = encoding.apply(trial.frame)
    said = []
    for arm in (trial.treated, ~trial.treated):
        booster = CatBoostClassifier(
            iterations=recipe.outcome_trees,
            depth=recipe.outcome_depth,
            learning_rate=recipe.learning_rate,
            border_count=recipe.border_count,
            one_hot_max_size=recipe.one_hot_max_size,
            cat_features=encoding.categories,
            random_seed=0,
            thread_count=THREADS,
            allow_writing_files=False,
            verbose=False,
        ).fit(encoded[arm], trial.good[arm])
        said.append(booster.predict_proba(encoded, thread_count=THREADS)[:, 1])
    return np.asarray(said[0] - said[1])


if __name__ == "__main__":
    import catboost  # noqa: F401 - what is imported here is not measured
    import sklearn.linear_model  # noqa: F401

    import training.uplift.fitting  # noqa: F401

    which, count = sys.argv[1], int(sys.argv[2])
    offered, truth = trial_of(count, rng=np.random.default_rng(13))
    before = time.process_time()
    uplift = {"stack": stack, "t_learner": t_learner}[which](offered)
    spent = time.process_time() - before
    print(json.dumps({"cpu_seconds": spent, "correlation": float(np.corrcoef(uplift, truth)[0, 1])}))
