from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from tests.training.worlds import binormal_pair
from training.gate import Incumbent, Verdict, decide
from training.guards import Guard
from training.rows import Rows


def holdout_of(churned: np.ndarray) -> Rows:
    n = churned.size
    ids = np.array([f"c-{i:05d}" for i in range(n)])
    return Rows(pd.DataFrame(index=range(n)), ids, np.full(n, np.datetime64("2025-06-01")), churned)


def judged(
    rng: np.random.Generator, *, churners: int, gain: float, champion_recipe: str = "same", shadow_cycles: int = 0
) -> Verdict:
    churned, challenger, champion = binormal_pair(
        rng, churners=churners, stayers=4 * churners, auc_first=0.8 + gain, auc_second=0.8, correlation=0.95
    )
    incumbent = Incumbent("7", special.expit(champion - 2), champion_recipe)
    return decide(
        holdout_of(churned),
        special.expit(challenger - 2),
        recipe="same",
        guards=(),
        champion=incumbent,
        shadow_cycles=shadow_cycles,
    )


def promoted_share(rng: np.random.Generator, *, churners: int, gain: float, worlds: int) -> tuple[int, float]:
    """Promotions among ``worlds``, and the paired standard error of the gain (mean over the worlds)."""
    verdicts = [judged(rng, churners=churners, gain=gain) for _ in range(worlds)]
    error = np.mean([v.auc_gain.standard_error for v in verdicts if v.auc_gain])
    return sum(v.decision == "promote" for v in verdicts), float(error)


def within(count: int, worlds: int, probability: float) -> bool:
    low, high = stats.binom.ppf([0.0005, 0.9995], worlds, probability)
    return bool(low <= count <= high)


@pytest.mark.slow
@pytest.mark.parametrize("gain", [-0.03, -0.01, -0.005, 0.0, 0.005, 0.01])
def test_a_refresh_at_450_churners_is_promoted_as_often_as_its_margin_says(gain: float) -> None:
    worlds = 300
    count, error = promoted_share(np.random.default_rng(20), churners=450, gain=gain, worlds=worlds)
    # P(gain - 1.645 se > -.005) for a normal estimate: the design's table C2 follows from it.
    expected = float(stats.norm.cdf((gain + 0.005) / error - stats.norm.ppf(0.95)))
    assert within(count, worlds, expected), (count, expected)
    bars = {-0.03: (0.0, 0.0), -0.01: (0.0, 0.05), 0.0: (0.35, 1.0), 0.005: (0.75, 1.0)}
    lowest, highest = bars.get(gain, (0.0, 1.0))
    slack = 3 * np.sqrt(0.25 / worlds)
    assert lowest - slack <= count / worlds <= highest + (slack if highest > 0 else 0)


@pytest.mark.slow
def test_with_many_churners_an_equal_refresh_is_promoted_more_often() -> None:
    worlds = 120
    count, error = promoted_share(np.random.default_rng(21), churners=1500, gain=0.0, worlds=worlds)
    expected = float(stats.norm.cdf(0.005 / error - stats.norm.ppf(0.95)))
    assert within(count, worlds, expected)
    assert expected > 0.7  # table C2 says .78


@pytest.mark.slow
def test_between_150_and_450_churners_the_estimate_must_not_be_negative() -> None:
    rng = np.random.default_rng(22)
    verdicts = [judged(rng, churners=200, gain=0.0) for _ in range(200)]
    for verdict in verdicts:
        assert verdict.auc_gain is not None
        allowed = verdict.auc_gain.estimate >= 0 and verdict.auc_gain.lower_bound > -0.02
        assert (verdict.decision == "promote") == allowed
    assert within(sum(v.decision == "promote" for v in verdicts), 200, 0.5)


def test_a_clearly_better_refresh_is_promoted_and_a_broken_one_kept_out() -> None:
    assert judged(np.random.default_rng(23), churners=600, gain=0.03).decision == "promote"
    assert judged(np.random.default_rng(24), churners=600, gain=-0.03).decision == "keep"


def test_below_150_churners_nothing_is_promoted_by_itself() -> None:
    verdict = judged(np.random.default_rng(25), churners=149, gain=0.1)
    assert verdict.decision == "keep"
    assert "149 churners" in verdict.reasons[0]


def test_a_changed_recipe_must_be_better_twice() -> None:
    first = judged(np.random.default_rng(26), churners=800, gain=0.03, champion_recipe="older")
    assert (first.decision, first.is_superior, first.is_refresh) == ("keep", True, False)
    second = judged(np.random.default_rng(26), churners=800, gain=0.03, champion_recipe="older", shadow_cycles=1)
    assert second.decision == "promote"


def test_a_changed_recipe_that_is_merely_not_worse_is_kept_out() -> None:
    verdict = judged(np.random.default_rng(27), churners=800, gain=-0.002, champion_recipe="older", shadow_cycles=1)
    assert (verdict.decision, verdict.is_superior) == ("keep", False)


def test_the_same_model_changes_nothing() -> None:
    churned, scores, _ = binormal_pair(
        np.random.default_rng(28), churners=500, stayers=900, auc_first=0.8, auc_second=0.8, correlation=0.5
    )
    p = special.expit(scores)
    verdict = decide(holdout_of(churned), p, recipe="same", guards=(), champion=Incumbent("7", p, "same"))
    assert verdict.decision == "keep"
    assert verdict.auc_gain is not None
    assert verdict.auc_gain.estimate == 0.0


def test_a_failed_guard_blocks_whatever_the_gain() -> None:
    guard = Guard("leak", "block", "churn_score alone ranks the outcome with an AUC of 0.936.", ("churn_score",))
    churned, scores, champion = binormal_pair(
        np.random.default_rng(29), churners=500, stayers=900, auc_first=0.95, auc_second=0.8, correlation=0.5
    )
    verdict = decide(
        holdout_of(churned), special.expit(scores), recipe="same", guards=(guard,),
        champion=Incumbent("7", special.expit(champion), "same"),
    )  # fmt: skip
    assert verdict.decision == "blocked"
    assert "churn_score" in verdict.reasons[0]


def test_a_warning_blocks_nothing() -> None:
    churned, scores, _ = binormal_pair(
        np.random.default_rng(30), churners=500, stayers=900, auc_first=0.8, auc_second=0.8, correlation=0.5
    )
    warning = Guard("slices", "warn", "one group is ranked worse.")
    verdict = decide(holdout_of(churned), special.expit(scores), recipe="same", guards=(warning,), champion=None)
    assert verdict.decision == "promote"


def test_a_champion_that_saw_the_holdouts_outcomes_is_not_compared() -> None:
    churned, scores, champion = binormal_pair(
        np.random.default_rng(31), churners=500, stayers=900, auc_first=0.9, auc_second=0.8, correlation=0.5
    )
    seen = Incumbent("7", special.expit(champion), "same", knows_until=date(2025, 6, 2))
    verdict = decide(holdout_of(churned), special.expit(scores), recipe="same", guards=(), champion=seen)
    assert verdict.decision == "keep"
    assert "no fair comparison" in verdict.reasons[0]


def test_a_verdict_is_plain_content_for_the_ledger() -> None:
    import json

    verdict = judged(np.random.default_rng(32), churners=300, gain=0.02)
    content = json.loads(json.dumps(verdict.as_dict()))
    assert content["decision"] == verdict.decision
    assert content["auc_gain"]["metric"] == "auc"
    assert content["figures"]["churner_count"] == 300
