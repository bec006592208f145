"""A day's scoring as a whole: who is in office, the guard over all customers, the line, the one commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from features.families import feature_set
from holdback.business import Churn
from holdback.errors import DataError, OperatorError
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from training.churn import ChurnModel
from training.guards import grown_beyond
from training.registry import ask_registry, champion_model, model_name
from training.scoring.parts import (
    PartReceipt,
    RunParts,
    ScorePlan,
    TablesChanged,
    described_parts,
    explain_part,
    keep_line,
    line_of,
    one_after_another,
    plan_parts,
    reasons_of,
    refuse_other_tables,
    remove_parts,
    remove_parts_of_day,
    score_part,
    scored_customers,
)
from training.scoring.results import (
    ScoreResult,
    above_capacity_line,
    explained_too,
    keep_features,
    score_result,
    score_rows,
    stored_scores,
)

_TRIES = 3  # rows that come in between are few: the second try meets none


def score(
    workspace: Workspace,
    churn_name: str,
    as_of: date,
    *,
    progress: Progress = silent,
    run_parts: RunParts = one_after_another,
    customers_per_part: int | None = None,
) -> ScoreResult:
    """Score the day's described customers with the champion, or answer with the rows that stand already.

    Args:
        workspace: The business.
        churn_name: Which churn definition.
        as_of: The day of knowledge.
        progress: Called at the start of each step.
        run_parts: Who does the parts; this process, one after the other, by default.
        customers_per_part: See :func:`training.scoring.parts.plan_parts`.

    Raises:
        BusinessFileError: the business has no such churn definition.
        OperatorError: there is no champion, or a worker or the disk failed.
        TablesChanged: rows kept coming in (a kind of ``Busy``); no score was written.
        DataError: the champion knows more than the day did, nobody is described, or columns that matter grew empty.
    """
    business, warehouse = workspace.business, workspace.warehouse
    churn = business.churn_named(churn_name)
    if warehouse.has_batch("scores", score_batch(churn, as_of)):
        remove_parts_of_day(workspace, churn, as_of)
        stored = stored_scores(warehouse, churn.name, as_of)
        return score_result(workspace, stored, churn, as_of, was_scored_already=True)
    note = ask_registry(workspace, churn.name)
    if workspace.spark_master is not None:
        from training.scoring_on_spark import score_on_spark

        return replace(score_on_spark(workspace, churn_name, as_of, progress=progress), registry_note=note)
    version, model = champion_for(workspace, churn, as_of)
    for tries_left in reversed(range(_TRIES)):
        progress(f"customers of {as_of}", 0, 3)
        plan = plan_parts(workspace, churn, as_of, version, model, customers_per_part=customers_per_part)
        try:
            receipts = run_parts(score_part, workspace, plan, progress)
            draw_line(workspace, plan, receipts)
            run_parts(explain_part, workspace, plan, progress)
            progress(f"writing {plan.customer_count:,} scores", 2, 3)
            return replace(commit_parts(workspace, plan), registry_note=note)
        except TablesChanged:
            remove_parts(plan)
            if not tries_left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def score_batch(churn: Churn, as_of: date) -> str:
    """Name of the commit that holds a day's scores of a definition."""
    return f"scores/{churn.name}/{as_of}"


def draw_line(workspace: Workspace, plan: ScorePlan, receipts: Sequence[PartReceipt]) -> None:
    """Refuse a day whose columns grew empty; else say who is above the capacity line and who is told a reason.

    Raises:
        DataError: columns that matter are null far more often than in training; no score was written.
    """
    counts = {name: sum(receipt.null_counts[name] for receipt in receipts) for name in plan.watched}
    try:
        refuse_empty_columns(workspace, plan.watched, counts, plan.customer_count, plan.as_of)
    except DataError:
        remove_parts(plan)
        raise
    customer_ids, probability = scored_customers(plan)
    above = above_capacity_line(probability, customer_ids, workspace.business.capacity_among(probability.size))
    churn = workspace.business.churn_named(plan.churn)
    keep_line(plan, above, above | explained_too(probability, customer_ids, churn))


def commit_parts(workspace: Workspace, plan: ScorePlan) -> ScoreResult:
    """Write the day: its features, then all scores in one commit; then nothing of the parts is left.

    Whether this process wrote the rows or another was faster: what stands is what counts.

    Raises:
        TablesChanged: rows came in since the plan was made, which the day would be said to have known.
    """
    business, warehouse = workspace.business, workspace.warehouse
    churn = business.churn_named(plan.churn)
    refuse_other_tables(workspace, plan)
    customer_ids, probability = scored_customers(plan)
    rows = score_rows(
        churn, plan.as_of, plan.model_version, customer_ids, probability, line_of(plan), reasons_of(plan)
    )  # fmt: skip
    described = described_parts(plan).select(["customer_id", "as_of", *feature_set(business).without_texts.names])
    keep_features(warehouse, plan.as_of, described)
    written = warehouse.append("scores", rows, batch=score_batch(churn, plan.as_of))
    remove_parts(plan)
    stored = stored_scores(warehouse, churn.name, plan.as_of)
    return score_result(workspace, stored, churn, plan.as_of, was_scored_already=not written)


def champion_for(workspace: Workspace, churn: Churn, as_of: date) -> tuple[str, ChurnModel]:
    """Return the version and the model that scores a day.

    Raises:
        OperatorError: there is no champion.
        DataError: it was trained with what was known later than the day.
    """
    found = champion_model(workspace, churn.name)
    if found is None:
        raise OperatorError(
            f"model {model_name(workspace.business, churn.name)}: there is no champion to score with. A guard may have "
            "stopped it: look with `holdback models list`; train with `holdback retrain`, or promote a version by hand "
            "with `holdback models promote VERSION`."
        )
    champion, model = found
    known_on = date.fromisoformat(str(model.information["as_of"]))
    if known_on > as_of:
        raise DataError(
            f"scores of {as_of}: champion version {champion.version} was trained with what was known on {known_on}. "
            f"A score must not know the future. Score {known_on} or a later day, or retrain for {as_of}."
        )
    return champion.version, model


def refuse_empty_columns(
    workspace: Workspace, watched: Mapping[str, float], null_counts: Mapping[str, int], customer_count: int, as_of: date
) -> None:
    """Refuse a day on which columns that matter to the model are null far more often than in training.

    Args:
        workspace: The business.
        watched: Share of nulls in training of each column that matters.
        null_counts: How many customers have no value in it now.
        customer_count: Of how many.
        as_of: The day.

    Raises:
        DataError: names the columns with both shares.
    """
    grown = grown_beyond(watched, {name: null_counts[name] / max(customer_count, 1) for name in watched})
    if grown:
        seen = "; ".join(f"{name} in {now:.1%} (in training {before:.1%})" for name, (before, now) in grown.items())
        raise DataError(
            f"{workspace.business.slug}: scores of {as_of}: columns are null far more often than in training: {seen}. "
            "The model would take a null for the smallest value. Look at the feeds behind them; no score was written."
        )
