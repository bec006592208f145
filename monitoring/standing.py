"""Where the model stands: its figures beside the plain baselines, and what the gate decided about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from holdback.journal import Journal, StoredVerdict
from holdback.warehouse import Warehouse
from training.estimates import Estimate

OURS = "catboost"
METRICS = (
    "auc", "pr_auc", "top_decile_lift", "value_at_capacity", "log_loss", "brier", "calibration_error",
    "predicted_over_actual", "calibration_slope",
)  # fmt: skip
"""Figures in reading order: how well it ranks, then how true its probabilities are."""
_GAIN = "_gain_over_"


@dataclass(frozen=True, slots=True)
class Gain:
    """What our model gains over a baseline on the same rows; above zero ours is better."""

    baseline: str
    auc: Estimate
    log_loss: Estimate | None

    @property
    def is_better(self) -> bool:
        """True when ours ranks better beyond chance."""
        return self.auc.low > 0

    @property
    def is_worse(self) -> bool:
        """True when the baseline ranks better beyond chance."""
        return self.auc.high < 0


@dataclass(frozen=True, slots=True)
class GuardSeen:
    """One guard's result as the journal keeps it."""

    name: str
    severity: str
    reason: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one version, by the gate or by a person."""

    version: str
    as_of: date
    decision: str
    reasons: tuple[str, ...]
    guards: tuple[GuardSeen, ...]
    auc_gain: Estimate | None
    is_by_hand: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """The model that scored the day.

    Attributes:
        models: ``catboost`` first, then the baselines.
        metrics: Names of the figures in reading order.
        figures: ``(model, metric)`` -> figure on the holdout.
        gains: Ours against each baseline, the strongest baseline first.
        newest: The newest decision up to the day, whatever version it is about; None before the first.
        trained: The gate's own decision about the version that scored; None when it has not judged it.
    """

    models: tuple[str, ...]
    metrics: tuple[str, ...]
    figures: Mapping[tuple[str, str], Estimate]
    gains: tuple[Gain, ...]
    newest: Decision | None
    trained: Decision | None = None

    @property
    def blocking_guards(self) -> tuple[GuardSeen, ...]:
        """Guards that stop the version that scored from being promoted by itself."""
        guards = self.trained.guards if self.trained is not None else ()
        return tuple(guard for guard in guards if guard.severity == "block")


def model_standing(
    warehouse: Warehouse, journal: Journal, *, model: str, churn_name: str, version: str | None, as_of: date
) -> Standing:
    """Return the figures of the version that scored the day, and the newest decision.

    Args:
        warehouse: Holds the table ``evaluations``.
        journal: Holds the verdicts.
        model: Name of the registered model.
        churn_name: The churn definition.
        version: The version that scored; None when the day was not scored.
        as_of: The day; later decisions are not shown.
    """
    verdicts = [verdict for verdict in journal.verdicts(model) if verdict.as_of <= as_of]
    trained = next((v for v in verdicts if v.version == version and not _is_by_hand(v)), None)
    rows = [] if trained is None else _evaluation_rows(warehouse, churn_name, trained)
    figures = {(r["model"], r["metric"]): _estimate(r) for r in rows if _GAIN not in r["metric"]}
    names = sorted({name for name, _ in figures}, key=lambda name: (name != OURS, name))
    gains = [
        Gain(baseline, _estimate(row), _found(rows, f"log_loss{_GAIN}{baseline}"))
        for row in rows
        for kind, _, baseline in [row["metric"].partition(_GAIN)]
        if kind == "auc" and baseline
    ]
    strength = {name: figures[name, "auc"].estimate for name in names if (name, "auc") in figures}
    return Standing(
        models=tuple(names),
        metrics=tuple(metric for metric in METRICS if (OURS, metric) in figures),
        figures=figures,
        gains=tuple(sorted(gains, key=lambda gain: -strength.get(gain.baseline, 0.0))),
        newest=_decision(verdicts[-1]) if verdicts else None,
        trained=_decision(trained) if trained is not None else None,
    )


def decisions(journal: Journal, model: str, as_of: date) -> tuple[Decision, ...]:
    """Return everything that was decided about a model's versions up to a day, in order."""
    return tuple(_decision(verdict) for verdict in journal.verdicts(model) if verdict.as_of <= as_of)


def _evaluation_rows(warehouse: Warehouse, churn_name: str, trained: StoredVerdict) -> list[dict[str, Any]]:
    """Rows of the run that the verdict is about: of several runs on one day, the one whose AUC the verdict quotes."""
    rows: list[dict[str, Any]] = warehouse.query(
        f"select * from evaluations where churn = '{churn_name}' and as_of = date '{trained.as_of}' and slice = 'all' "
        "and estimate is not null order by run_id"
    ).to_pylist()
    quoted = _quoted_auc(trained.figures)
    runs = [
        row["run_id"] for row in rows if (row["model"], row["metric"]) == (OURS, "auc") and row["estimate"] == quoted
    ]
    chosen = runs[0] if runs else (rows[-1]["run_id"] if rows else None)
    return [row for row in rows if row["run_id"] == chosen]


def _quoted_auc(figures: Mapping[str, Any]) -> float | None:
    for guard in figures.get("guards", ()):
        if guard.get("name") == "signal":
            found = guard.get("figures", {}).get("auc", {}).get("estimate")
            return None if found is None else float(found)
    return None


def _decision(verdict: StoredVerdict) -> Decision:
    figures = verdict.figures
    gain = figures.get("auc_gain")
    return Decision(
        version=verdict.version,
        as_of=verdict.as_of,
        decision=verdict.decision,
        reasons=tuple(str(reason) for reason in figures.get("reasons", ())),
        guards=tuple(
            GuardSeen(g["name"], g["severity"], g["reason"], g.get("figures") or {}) for g in figures.get("guards", ())
        ),
        auc_gain=None if not gain else Estimate(gain["estimate"], gain["low"], gain["high"], gain["n"], gain["method"]),
        is_by_hand=_is_by_hand(verdict),
    )


def _is_by_hand(verdict: StoredVerdict) -> bool:
    return verdict.figures.get("by") == "hand"


def _estimate(row: Mapping[str, Any]) -> Estimate:
    return Estimate(row["estimate"], row["low"], row["high"], row["row_count"] or 0, row["method"] or "")


def _found(rows: Sequence[Mapping[str, Any]], metric: str) -> Estimate | None:
    return next((_estimate(row) for row in rows if row["metric"] == metric), None)
