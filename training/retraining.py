"""Train a challenger, judge it beside its baselines, and let the gate decide: the whole of ``holdback retrain``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.business import Business, Churn, ColumnChurn
from holdback.errors import DataError, PromotionConflict
from holdback.journal import Champion
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from training.card import write_card
from training.churn import Fit, Recipe, fit
from training.datasets import Dataset, build_dataset
from training.gate import Decision, Incumbent, Verdict, decide
from training.guards import Guard, calibration_guard, data_guard, minimum_guard, signal_guard
from training.league import BaselineResult, League, evaluation_rows, remarks_on
from training.leaks import availability_guard, leak_guard
from training.metrics import Evaluation, log_loss_difference
from training.registry import (
    Registration,
    champion_model,
    close_registration,
    model_name,
    promote,
    reconcile,
    register,
    require,
)
from training.slices import Slice, slice_guard, slices_of

Floats = npt.NDArray[np.float64]

_ATTEMPTS = 5
_STEPS = 6


@dataclass(frozen=True)
class RetrainResult:
    """What a retrain found and did. Every figure carries its interval.

    Attributes:
        churn: The churn definition.
        as_of: Day of knowledge.
        model: Name of the registered model.
        version: The challenger's version.
        run_id: The MLflow run.
        decision: ``promote``, ``keep`` or ``blocked``.
        reasons: Why, in sentences.
        champion_version: Champion after the gate; None when there still is none.
        learned_on: Snapshots that were learned from.
        judged_on: Days of the holdout.
        training_row_count: Rows learned from.
        training_churner_count: Churners among them.
        feature_count: Features of the model.
        evaluation: Figures on the holdout.
        baselines: The plain models beside it.
        remarks: What a person should take from the comparison, in sentences.
        guards: Every guard's result.
        notes: What to know about the split and the training.
        dropped_features: Features left out because they are null in every training row.
        value_meaning: What "value" is in ``value_at_capacity``; None when customers are counted.
    """

    churn: str
    as_of: date
    model: str
    version: str
    run_id: str
    decision: Decision
    reasons: tuple[str, ...]
    champion_version: str | None
    learned_on: tuple[date, ...]
    judged_on: tuple[date, ...]
    training_row_count: int
    training_churner_count: int
    feature_count: int
    evaluation: Evaluation
    baselines: tuple[BaselineResult, ...]
    remarks: tuple[str, ...]
    guards: tuple[Guard, ...]
    notes: tuple[str, ...]
    dropped_features: tuple[str, ...]
    value_meaning: str | None


def retrain(
    workspace: Workspace,
    churn_name: str,
    as_of: date,
    *,
    threads: int,
    recipe: Recipe | None = None,
    progress: Progress = silent,
) -> RetrainResult:
    """Train, judge, register and perhaps promote a challenger with what was knowable on a day.

    Args:
        workspace: The business.
        churn_name: The churn definition.
        as_of: Day of knowledge.
        threads: CPU threads for training.
        recipe: How to train; the default is the measured one. Another one is a changed recipe to the gate.
        progress: Told about each step.

    Raises:
        NotKnowableYet: no outcome is known yet.
        DataError: all outcomes are the same, or nothing can be learned from the features.
        OperatorError: the registry cannot be reached.
        PromotionConflict: other retrains kept promoting first, five times in a row.
    """
    business, recipe = workspace.business, recipe or Recipe()
    churn = business.churn_named(churn_name)
    require(workspace)  # a model that cannot be registered need not be trained
    progress("snapshots", 0, _STEPS)
    dataset = build_dataset(workspace, churn, as_of, progress=lambda step, *_: progress(step, 0, _STEPS))
    progress(f"training on {len(dataset.training):,} rows", 1, _STEPS)
    fitted = fit(
        dataset.training,
        threads=threads,
        recipe=recipe,
        outcome_days=0 if isinstance(churn, ColumnChurn) else churn.lead_days + churn.outcome_days,
        information=_information(business, churn, as_of, recipe, dataset),
        progress=lambda step, *_: progress(step, 1, _STEPS),
    )
    progress("baselines", 2, _STEPS)
    league = League.of(business, churn, as_of, fitted, dataset)
    progress("guards", 3, _STEPS)
    fixed_guards = _fixed_guards(churn, fitted, dataset, league.evaluation, threads=threads)
    progress("registering", 4, _STEPS)
    registration = register(
        workspace, churn.name, as_of, fit=fitted, recipe=recipe, dataset=dataset, evaluations=league.evaluations
    )
    progress("gate", 5, _STEPS)
    remarks = remarks_on(league.baselines)

    def write_down(verdict: Verdict) -> None:
        card = write_card(
            business,
            churn,
            as_of,
            version=registration.version,
            fit=fitted,
            dataset=dataset,
            evaluations=league.evaluations,
            meanings=league.meanings,
            remarks=remarks,
            verdict=verdict,
        )
        close_registration(workspace, registration, card=card, verdict=verdict)

    verdict, champion, slices = _through_the_gate(
        workspace, churn, as_of, registration, fitted, dataset, league, fixed_guards, write_down
    )
    rows = evaluation_rows(churn.name, as_of, registration.run_id, league.evaluations, league.baselines, slices)
    workspace.warehouse.append("evaluations", rows, batch=f"evaluations/{registration.run_id}")
    return RetrainResult(
        churn=churn.name,
        as_of=as_of,
        model=registration.model,
        version=registration.version,
        run_id=registration.run_id,
        decision=verdict.decision,
        reasons=verdict.reasons,
        champion_version=champion.version if champion else None,
        learned_on=dataset.plan.learn_on,
        judged_on=dataset.plan.judge_on,
        training_row_count=len(dataset.training),
        training_churner_count=dataset.training.churner_count,
        feature_count=len(fitted.model.encoding.names),
        evaluation=league.evaluation,
        baselines=league.baselines,
        remarks=remarks,
        guards=verdict.guards,
        notes=(*dataset.notes, *fitted.warnings),
        dropped_features=fitted.dropped,
        value_meaning=dataset.value_meaning,
    )


def _information(business: Business, churn: Churn, as_of: date, recipe: Recipe, dataset: Dataset) -> dict[str, object]:
    # The churn definition is part of the recipe: a model of another outcome is no refresh of this one.
    definition = churn.model_dump_json(exclude={"risk_tiers"})
    names = tuple(map(str, dataset.training.frame.columns))
    return {
        "business": business.slug,
        "churn": churn.name,
        "definition": json.loads(definition),
        "as_of": as_of.isoformat(),
        "knows_until": dataset.knows_until.isoformat() if dataset.knows_until else None,
        "recipe": recipe.digest((*names, definition), dataset.training.text_names),
    }


def _fixed_guards(
    churn: Churn, fitted: Fit, dataset: Dataset, evaluation: Evaluation, *, threads: int
) -> tuple[Guard, ...]:
    """Guards that do not depend on who is champion."""
    is_snapshot = isinstance(churn, ColumnChurn)
    starts_on = churn.outcome_starts_on if isinstance(churn, ColumnChurn) else dataset.plan.learn_on[0]
    split = Guard("holdout", "pass", "the holdout lies after everything the model learned from.")
    if dataset.plan.is_split_by_customer:
        split = Guard("holdout", "warn", f"{dataset.notes[0]}.")
    # Guards look at what the model learned from a text: at the number, never at the words.
    learned = dataset.training.with_numbers(fitted.text_scores)
    return (
        leak_guard(
            learned,
            fitted.model.importance(),
            dataset.features,
            outcome_starts_on=starts_on,
            threads=threads,
        ),
        availability_guard(dataset.features, outcome_starts_on=starts_on if is_snapshot else None),
        minimum_guard(dataset.holdout),
        data_guard(learned, dataset.holdout, fitted.model.encoding),
        signal_guard(evaluation),
        split,
    )


def _through_the_gate(
    workspace: Workspace,
    churn: Churn,
    as_of: date,
    registration: Registration,
    fitted: Fit,
    dataset: Dataset,
    league: League,
    fixed_guards: tuple[Guard, ...],
    write_down: Callable[[Verdict], None],
) -> tuple[Verdict, Champion | None, tuple[Slice, ...]]:
    """Compare with the champion and promote if the gate says so; when somebody else was faster, compare again.

    What MLflow must be told is told before the office changes: a registry that is away stops it, or not at all.
    """
    journal, name = workspace.journal, model_name(workspace.business, churn.name)
    recipe = str(fitted.model.information["recipe"])
    for _ in range(_ATTEMPTS):
        seen = journal.champion(name)
        reconcile(workspace, churn.name)
        incumbent, obstacle = _incumbent(workspace, churn, dataset)
        against = incumbent.probability if incumbent else None
        columns = pd.concat([dataset.holdout.frame, dataset.audited], axis=1)
        slices = slices_of(dataset.holdout, league.probability, columns, champion=against)
        lost = None
        if against is not None:
            groups = dataset.holdout.customer_ids
            lost = log_loss_difference(dataset.holdout.churned, league.probability, against, groups=groups)
        guards = (
            *fixed_guards,
            calibration_guard(league.evaluation, log_loss_against_champion=lost),
            slice_guard(slices),
        )
        if obstacle is not None and seen is not None:
            verdict = Verdict("keep", (obstacle,), guards, champion=seen.version, is_refresh=False)
        else:
            verdict = decide(
                dataset.holdout,
                league.probability,
                recipe=recipe,
                guards=guards,
                champion=incumbent,
                shadow_cycles=_shadow_cycles(workspace, name, recipe, as_of),
            )
        write_down(verdict)
        champion = seen
        if verdict.decision == "promote":
            try:
                champion = promote(workspace, churn.name, registration.version, seen=seen, as_of=as_of)
            except PromotionConflict:
                continue
        journal.record_verdict(
            name,
            registration.version,
            as_of=as_of,
            decision=verdict.decision,
            champion=seen.version if seen else None,
            figures=verdict.as_dict(),
        )
        return verdict, champion, slices
    raise PromotionConflict(
        f"model {name}: other retrains promoted first {_ATTEMPTS} times while version {registration.version} was being "
        "compared. It stays registered. Run the retrain again when the others are done."
    )


def _incumbent(workspace: Workspace, churn: Churn, dataset: Dataset) -> tuple[Incumbent | None, str | None]:
    """The champion on the holdout, or why it cannot be asked."""
    found = champion_model(workspace, churn.name)
    if found is None:
        return None, None
    champion, model = found
    until = model.information.get("knows_until")
    try:
        probability = model.probability(dataset.holdout.described)
    except DataError as error:
        return None, (
            f"champion version {champion.version} cannot score today's features ({error}) The two cannot be compared; "
            "promote by hand if the feature is gone for good."
        )
    recipe, known = str(model.information["recipe"]), date.fromisoformat(str(until)) if until else None
    return Incumbent(champion.version, probability, recipe, known), None


def _shadow_cycles(workspace: Workspace, name: str, recipe: str, as_of: date) -> int:
    """Earlier retrains, for other days, in which this recipe was better than a champion of another recipe."""
    days = {
        verdict.as_of
        for verdict in workspace.journal.verdicts(name)
        if verdict.as_of < as_of
        and verdict.figures.get("is_superior")
        and not verdict.figures.get("is_refresh")
        and verdict.figures.get("figures", {}).get("recipe") == recipe
    }
    return len(days)
