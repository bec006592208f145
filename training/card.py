"""The model card: one page of Markdown that a person reads before putting a model in office."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from holdback.business import (
    BalanceDropChurn,
    Business,
    CancellationChurn,
    Churn,
    ColumnChurn,
    InactivityChurn,
    RhythmChurn,
)
from training.churn import Fit
from training.datasets import Dataset
from training.gate import Verdict
from training.guards import Guard
from training.metrics import Evaluation
from training.reasons import ASSOCIATION_NOTE
from training.rows import Rows

_TITLES = {
    "auc": "AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "Log-loss (nats)",
    "brier": "Brier score",
    "calibration_error": "Calibration error (10 equal bins)",
    "predicted_over_actual": "Predicted over actual",
    "calibration_slope": "Calibration slope",
    "top_decile_lift": "Lift in the top tenth",
    "value_at_capacity": "Value at the daily capacity",
}


def write_card(
    business: Business,
    churn: Churn,
    as_of: date,
    *,
    version: str,
    fit: Fit,
    dataset: Dataset,
    evaluations: Mapping[str, Evaluation],
    meanings: Mapping[str, str],
    remarks: Sequence[str],
    verdict: Verdict,
) -> str:
    """Write the card of one version.

    Args:
        business: The company.
        churn: The churn definition.
        as_of: Day of the training run.
        version: The registered version.
        fit: The trained model.
        dataset: What it was trained and judged on.
        evaluations: Figures by model, ``catboost`` first.
        meanings: What each model is, in words.
        remarks: What the comparison with the baselines found, in sentences.
        verdict: The gate's.
    """
    parts = [
        f"# {business.name}: {churn.name}, version {version}",
        f"**{verdict.decision}**: {verdict.reasons[0]}",
        "## What it predicts",
        _what(churn),
        "## Data",
        _data(dataset, fit, as_of),
        "## How good it is",
        f"On {dataset.holdout.day_count} day(s) that no training row knew the outcome of; 95 % intervals.",
        _figures(evaluations, meanings),
        f"Value at the daily capacity: {evaluations['catboost'].value_at_capacity.meaning}.",
        "### Against the baselines, on the same rows",
        *[f"- {remark}" for remark in remarks],
        "## Guards",
        _guards(verdict.guards),
        "## Gate",
        *[f"- {reason}" for reason in verdict.reasons],
        *_comparison(verdict),
        "## Limits",
        *[f"- {limit}" for limit in _limits(dataset, fit)],
    ]
    return _spaced(parts)


def _what(churn: Churn) -> str:
    if isinstance(churn, ColumnChurn):
        return f"The probability that the company's own column `{churn.attribute}` says the customer left."
    lead = f", counted from {churn.lead_days} days after the score" if churn.lead_days else ""
    return f"The probability that a customer {_event(churn)}{lead} (feed `{churn.feed}`)."


def _event(churn: InactivityChurn | CancellationChurn | RhythmChurn | BalanceDropChurn) -> str:
    match churn:
        case InactivityChurn():
            return f"buys nothing in {churn.outcome_days} days"
        case CancellationChurn():
            return f"cancels in {churn.outcome_days} days"
        case RhythmChurn():
            return (
                f"buys nothing for {churn.times:g} of the customer's own usual gaps (from {churn.least_days} to "
                f"{churn.outcome_days} days)"
            )
        case BalanceDropChurn():
            return f"takes away {churn.drop_share:.0%} of the balance in {churn.outcome_days} days"


def _data(dataset: Dataset, fit: Fit, as_of: date) -> str:
    plan = dataset.plan
    versions = ", ".join(f"{table} {number}" for table, number in sorted(dataset.versions.items())) or "none"
    return "\n".join(
        (
            "| | |",
            "|---|---|",
            f"| known on | {as_of} |",
            f"| learned on | {', '.join(map(str, plan.learn_on))} |",
            f"| judged on | {', '.join(map(str, plan.judge_on))} |",
            f"| training rows | {_counted(dataset.training)} |",
            f"| holdout rows | {_counted(dataset.holdout)} |",
            f"| features | {len(fit.model.encoding.names)} |",
            f"| trees | {fit.tree_count} per seed, from {fit.validation} |",
            f"| table versions | {versions} |",
        )
    )


def _counted(rows: Rows) -> str:
    return f"{len(rows):,}, of which {rows.churner_count:,} left ({rows.churner_count / max(1, len(rows)):.1%})"


def _figures(evaluations: Mapping[str, Evaluation], meanings: Mapping[str, str]) -> str:
    names = list(evaluations)
    lines = ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    figures = {name: dict(evaluation.figures()) for name, evaluation in evaluations.items()}
    for metric, title in _TITLES.items():
        cells = [
            f"{figures[name][metric].estimate:,.3f} ({figures[name][metric].low:,.3f} to "
            f"{figures[name][metric].high:,.3f})"
            for name in names
        ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    legend = "; ".join(f"{name}: {meanings[name]}" for name in names)
    first = evaluations[names[0]]
    return "\n".join([*lines, "", f"{legend}. n = {first.n:,} rows, {first.churner_count:,} churners."])


def _guards(guards: Sequence[Guard]) -> str:
    rows = [f"| {guard.name} | {guard.severity} | {guard.reason.replace('|', '/')} |" for guard in guards]
    return "\n".join(["| guard | verdict | what was seen |", "|---|---|---|", *rows])


def _comparison(verdict: Verdict) -> list[str]:
    if verdict.auc_gain is None:
        return []
    return [
        f"- against champion version {verdict.champion}: AUC {verdict.auc_gain}; log-loss gain {verdict.log_loss_gain}"
    ]


def _limits(dataset: Dataset, fit: Fit) -> list[str]:
    limits = [ASSOCIATION_NOTE["en"], *dataset.notes, *fit.warnings]
    if fit.dropped:
        limits.append(f"left out, as they are null in every training row: {', '.join(fit.dropped)}")
    limits.append("It ranks and warns; it does not say whom an action would change, nor what an action earns.")
    return limits


def _spaced(parts: Sequence[str]) -> str:
    """Join paragraphs by an empty line, list items by none."""
    text = ""
    for part in parts:
        is_item, follows_item = part.startswith("- "), text.rsplit("\n", 1)[-1].startswith("- ")
        text += ("" if not text else "\n" if is_item and follows_item else "\n\n") + part
    return text + "\n"
