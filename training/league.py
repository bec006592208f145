"""The challenger beside its baselines, on the same rows and the same resamples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from holdback.business import Business, Churn, InactivityChurn, RhythmChurn
from training.baselines import Baseline, best_single_rule, recency_rule, rfm_logistic, spline_logistic
from training.churn import Fit
from training.datasets import Dataset
from training.metrics import Evaluation, PairedDifference, auc_difference, evaluate, log_loss_difference
from training.slices import Slice

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]

_RECENCY, _FREQUENCY, _AMOUNT = "days_since_last_order", "order_count_365d", "spend_amount_365d"


@dataclass(frozen=True)
class BaselineResult:
    """A baseline on the holdout, and what CatBoost gains over it on the same rows.

    Attributes:
        name: ``rule``, ``spline_logistic`` or ``rfm_logistic``.
        meaning: What it is, in words.
        evaluation: Its figures.
        auc_gain: AUC of CatBoost minus its own.
        log_loss_gain: Its log-loss minus CatBoost's: above zero CatBoost is better.
    """

    name: str
    meaning: str
    evaluation: Evaluation
    auc_gain: PairedDifference
    log_loss_gain: PairedDifference


@dataclass(frozen=True, eq=False)
class League:
    """The challenger and its baselines on the holdout.

    Attributes:
        probability: The challenger's probabilities, shape (n,).
        evaluation: Its figures.
        baselines: The plain models, in the order of the report.
    """

    probability: Floats
    evaluation: Evaluation
    baselines: tuple[BaselineResult, ...]

    @classmethod
    def of(cls, business: Business, churn: Churn, as_of: date, fitted: Fit, dataset: Dataset) -> League:
        """Train the baselines and measure everybody on the holdout; ``as_of`` seeds the resamples."""
        holdout, share = dataset.holdout, dataset.held_out_share
        probability = fitted.model.probability(holdout.described)

        def figures(p: Floats) -> Evaluation:
            # Every model gets the same resamples: the seed is the day.
            return evaluate(
                holdout.churned,
                p,
                holdout.customer_ids,
                capacity=business.capacity_among(round(len(holdout) / holdout.day_count / share)),
                value_amounts=holdout.value_amounts,
                currency=business.currency,
                day_count=holdout.day_count,
                sampled_share=share,
                rng=np.random.default_rng(as_of.toordinal()),
            )

        results = []
        for baseline in train_baselines(churn, dataset):
            p = baseline.probability(holdout.frame)
            customers = holdout.customer_ids
            results.append(
                BaselineResult(
                    baseline.name,
                    baseline.meaning,
                    figures(p),
                    auc_difference(holdout.churned, probability, p, groups=customers),
                    log_loss_difference(holdout.churned, p, probability, groups=customers),
                )
            )
        return cls(probability, figures(probability), tuple(results))

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """Figures by model, the challenger first."""
        return {"catboost": self.evaluation, **{b.name: b.evaluation for b in self.baselines}}

    @property
    def meanings(self) -> dict[str, str]:
        """What each model is, in words."""
        return {"catboost": "the churn model", **{b.name: b.meaning for b in self.baselines}}


def train_baselines(churn: Churn, dataset: Dataset) -> tuple[Baseline, ...]:
    """Train the plain models that the challenger must be seen beside.

    With purchases: recency alone, RFM logistic regression and spline logistic regression. Without: the best rule on
    one feature, and the spline logistic regression.
    """
    rows = dataset.training
    names = set(map(str, rows.frame.columns))
    feeds = {f.feed: f.name.removesuffix(_RECENCY) for f in dataset.features if f.name.endswith(_RECENCY)}
    own = (
        feeds.get(churn.feed) if isinstance(churn, InactivityChurn | RhythmChurn) else next(iter(feeds.values()), None)
    )
    rule = recency_rule(rows, own + _RECENCY) if own is not None else best_single_rule(rows)
    found = [rule]
    if own is not None and {own + _FREQUENCY, own + _AMOUNT} <= names:
        found.append(rfm_logistic(rows, recency=own + _RECENCY, frequency=own + _FREQUENCY, amount=own + _AMOUNT))
    return (*found, spline_logistic(rows))


def evaluation_rows(
    churn_name: str,
    as_of: date,
    run_id: str,
    evaluations: Mapping[str, Evaluation],
    baselines: tuple[BaselineResult, ...],
    slices: tuple[Slice, ...],
) -> pa.Table:
    """Every figure of a run as rows of the table ``evaluations``."""
    import pyarrow as pa

    rows: list[dict[str, object]] = []

    def add(model: str, metric: str, part: str, figures: tuple[float, float, float], n: int, method: str) -> None:
        estimate, low, high = figures
        rows.append(
            {
                "as_of": as_of,
                "churn": churn_name,
                "run_id": run_id,
                "model": model,
                "metric": metric,
                "slice": part,
                "estimate": estimate,
                "low": low,
                "high": high,
                "row_count": n,
                "method": method,
            }
        )

    for model, evaluation in evaluations.items():
        for metric, f in evaluation.figures():
            add(model, metric, "all", (f.estimate, f.low, f.high), f.n, f.method)
    for baseline in baselines:
        for gain in (baseline.auc_gain, baseline.log_loss_gain):
            metric = f"{gain.metric}_gain_over_{baseline.name}"
            add("catboost", metric, "all", (gain.estimate, gain.low, gain.high), gain.n, gain.method)
    for part in slices:
        if part.auc is not None:
            add("catboost", "auc", part.name, (part.auc.estimate, part.auc.low, part.auc.high), part.n, part.auc.method)
    return pa.Table.from_pylist(rows)


def remarks_on(baselines: tuple[BaselineResult, ...]) -> tuple[str, ...]:
    """Say in sentences whether CatBoost is better than each baseline; it says so when it is not."""
    remarks = []
    for baseline in baselines:
        gain, loss = baseline.auc_gain, baseline.log_loss_gain
        if gain.low > 0:
            said = "CatBoost ranks better than"
        elif gain.high < 0:
            said = "CatBoost ranks WORSE than"
        elif loss.low > 0:
            said = "CatBoost ranks no better, but its probabilities are truer, than"
        else:
            said = "CatBoost is not better beyond chance than"
        remarks.append(f"{said} {baseline.name} ({baseline.meaning}): AUC {gain}, log-loss gain {loss}.")
    return tuple(remarks)
