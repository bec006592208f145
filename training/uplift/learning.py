"""Learn whom each action changes, let everything compete, and put in office only what evidence speaks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np

from holdback.business import Business
from holdback.errors import DataError, NotKnowableYet, PromotionConflict
from holdback.journal import Champion
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from training.registry import (
    Registration,
    describe_version,
    in_office,
    model_name,
    promote,
    require,
    uplift_subject,
)
from training.uplift.competitors import given_scores, incumbent_of
from training.uplift.experience import Experience, read_trials
from training.uplift.experience.aims import aim_of
from training.uplift.fitting import S_LEARNER, fit, out_of_fold
from training.uplift.frozen import COLUMN
from training.uplift.league import League, run_league
from training.uplift.learners import Recipe
from training.uplift.model import STACK, UpliftModel, load
from training.uplift.recording import evaluation_rows, registered
from training.uplift.trial import CHURNED, Trial

_ELSEWHERE = (
    "what is decided here about this action aims at something else (another outcome or horizon, several at once, or "
    "only campaigns that were run elsewhere)"
)

Decision = Literal["promote", "refresh", "keep", "waits"]


@dataclass(frozen=True)
class ActionLearned:
    """What was learned about one action.

    Attributes:
        action: Its name.
        decision: ``promote`` (another competitor takes office), ``refresh`` (the same one, learned anew), ``keep``
            (office stays as it is) or ``waits`` (nothing could be learned yet).
        reason: Why, in a sentence.
        row_count: Customers compared: given the action, or nothing, at random.
        treated_count: Those who were given it.
        version: The registered version; None when nothing was learned.
        champion_version: Version in office afterwards; None when the rule of the day decides.
        decided_by: Competitor that decides; None when the rule of the day does.
        standings: The league, best first, as JSON values.
        diagnosis: Whether customers differ in effect at all, in sentences.
    """

    action: str
    decision: Decision
    reason: str
    row_count: int = 0
    treated_count: int = 0
    version: str | None = None
    champion_version: str | None = None
    decided_by: str | None = None
    standings: Sequence[Mapping[str, Any]] = ()
    diagnosis: Sequence[str] = ()


@dataclass(frozen=True)
class LearnResult:
    """What a day's learning found, by action.

    Attributes:
        as_of: Day of knowledge.
        campaigns: Campaigns whose customers were compared, as ``name/version``.
        actions: One entry per action of the business file that a campaign uses.
        currency: Of every gain.
        notes: What a reader must know: rows that were left out, outcomes that are not pooled.
    """

    as_of: date
    campaigns: Sequence[str]
    actions: Sequence[ActionLearned]
    currency: str
    notes: Sequence[str] = ()


def learn(
    workspace: Workspace,
    as_of: date,
    *,
    campaign: str | None = None,
    threads: int,
    recipe: Recipe | None = None,
    progress: Progress = silent,
) -> LearnResult:
    """Compare customers who got an action with customers who got nothing, and settle who may decide.

    Args:
        workspace: The business.
        as_of: Day of knowledge: only outcomes that were known by then.
        campaign: Learn from this campaign only; all of them by default.
        threads: CPU threads for training.
        recipe: How to learn; the default is the measured one.
        progress: Told about each step.

    Raises:
        NotKnowableYet: no outcome is known yet; the message says when the first one will be.
        DataError: the campaigns logged nothing that can be learned from.
        OperatorError: the registry cannot be reached.
    """
    experience = read_trials(workspace.warehouse, workspace.business, campaign, as_of)
    if experience.trials:
        require(workspace)  # a model that cannot be registered need not be trained
    found = []
    for position, (action, trial) in enumerate(experience.trials.items()):

        def told(step: str, done: int, total: int, at: int = position, about: str = action) -> None:  # noqa: ARG001
            progress(f"{about}: {step}", at, len(experience.trials))

        try:
            found.append(
                _one_action(workspace, as_of, trial, experience, threads=threads, recipe=recipe, progress=told)
            )
        except (DataError, NotKnowableYet) as refusal:
            found.append(_told(workspace, action, "waits", str(refusal), trial))
    found += [_told(workspace, action, "waits", why) for action, why in experience.missing.items()]
    told_already = {f"{action}: {why}" for action, why in experience.missing.items()}
    notes = tuple(note for note in experience.notes if note not in told_already)
    return LearnResult(as_of, experience.campaigns, tuple(found), workspace.business.currency, notes)


def model_in_office(workspace: Workspace, action: str) -> tuple[Champion, UpliftModel] | None:
    """Return the uplift model in office of an action, whatever it is a model of; None when there is none.

    Raises:
        OperatorError: its file is neither here nor in the registry.
    """
    return in_office(workspace, uplift_subject(action), load)


def deciding_model(workspace: Workspace, action: str) -> tuple[Champion, UpliftModel] | None:
    """Return the model in office of an action, if it speaks of what the campaigns with this action aim at today.

    A model of another outcome or horizon, of a campaign that was run elsewhere, or of an action that had another price
    (that was another offer) decides about nobody: the rule of the day does.

    Raises:
        OperatorError: its file is neither here nor in the registry.
    """
    office = model_in_office(workspace, action)
    if office is None:
        return None
    told = office[1].information
    is_of_today = str(told.get("aim")) == _one_aim(workspace.business, action)
    is_at_this_price = told.get("cost_amount") == workspace.business.action_named(action).expected_cost
    return office if is_of_today and is_at_this_price else None


def _one_aim(business: Business, action: str) -> str | None:
    """What decisions about an action aim at: who stays, over one horizon; None when that is not one thing."""
    aims = [aim_of(business, campaign) for campaign in business.own_campaigns if action in campaign.actions]
    found = {str(aim) for aim in aims}
    return found.pop() if len(found) == 1 and all(aim.primary_outcome == CHURNED for aim in aims) else None


def settle(winner: str | None, in_office: str | None, *, is_learnable: bool = True) -> tuple[Decision, str | None]:
    """Return what the league means for the office, and which competitor decides from now on.

    A winner takes office. Without one, whoever is in office stays there with what was learned since: among equals the
    newest knowledge of the average effect is the best; unless nothing could be learned, then with what he knew. Without
    anybody in office the rule of the day goes on.

    Args:
        winner: Who beat the competitor in office, or the rule of the day; None when nobody did.
        in_office: The competitor in office; None when there is none.
        is_learnable: False when the league could not have seen a good ranking.
    """
    if winner is not None:
        return "promote", winner
    return ("refresh", in_office) if in_office is not None and is_learnable else ("keep", in_office)


def _one_action(
    workspace: Workspace,
    as_of: date,
    trial: Trial,
    experience: Experience,
    *,
    threads: int,
    recipe: Recipe | None,
    progress: Progress,
) -> ActionLearned:
    subject = uplift_subject(trial.action)
    seen = workspace.journal.champion(model_name(workspace.business, subject))
    incumbent = _in_office(workspace, trial)
    progress("learning out of fold", 0, 4)
    given = given_scores(workspace.business, trial, incumbent)
    competed = out_of_fold(
        trial, threads=threads, seed=as_of.toordinal(), recipe=recipe, given=given, progress=progress
    )
    progress("league", 1, 4)
    league = run_league(
        trial,
        competed,
        incumbent=incumbent_of(trial, incumbent),
        capacity_share=experience.capacity_shares[trial.action],
        seed=as_of.toordinal(),
    )
    progress("learning from everybody", 2, 4)
    decision, chosen = settle(league.winner, incumbent, is_learnable=league.is_learnable)
    if decision == "refresh" and chosen is not None:
        chosen = league.heir(chosen)
    competitor = chosen or STACK
    line = league.effect_line(competitor)
    model = _model(workspace, as_of, trial, competitor, line, threads=threads, recipe=recipe, progress=progress)
    progress("registering", 3, 4)
    reason, obstacle = league.verdict, _obstacle(workspace, trial, seen, as_of)
    if decision != "keep" and obstacle is not None:
        decision, reason = "keep", f"{league.verdict}. It stays out of office: {obstacle}"
    registration = registered(workspace, subject, as_of, model, trial, league, decision)
    if decision != "keep":
        decision, reason = _into_office(workspace, subject, registration, seen, as_of, decision, league)
    else:
        describe_version(workspace, registration, decision=decision, reason=reason)
    workspace.journal.record_verdict(
        registration.model,
        registration.version,
        as_of=as_of,
        decision="promote" if decision in ("promote", "refresh") else "keep",
        champion=seen.version if seen else None,
        figures={"reasons": [reason], "league": league.as_dict()},
    )
    rows = evaluation_rows(workspace, as_of, registration.run_id, trial, league)
    workspace.warehouse.append("evaluations", rows, batch=f"evaluations/{registration.run_id}")
    return replace(
        _told(workspace, trial.action, decision, reason, trial),
        version=registration.version,
        standings=league.as_table(),
        diagnosis=league.diagnosis.sentences,
    )


def _obstacle(workspace: Workspace, trial: Trial, seen: Champion | None, as_of: date) -> str | None:
    """Why what was learned must not decide, whatever the league says; None when it may."""
    if trial.aim != _one_aim(workspace.business, trial.action):
        return _ELSEWHERE
    if seen is not None and seen.as_of > as_of:
        return f"version {seen.version} of {seen.as_of} is there, and an earlier day does not follow"
    return None


def _in_office(workspace: Workspace, trial: Trial) -> str | None:
    """The competitor that decides today about what the trial tells of; None when the rule of the day does."""
    office = deciding_model(workspace, trial.action)
    if office is None or office[1].information.get("aim") != trial.aim:
        return None
    competitor = str(office[1].information["decided_by"])
    is_gone = competitor.startswith(COLUMN) and competitor.removeprefix(COLUMN) not in trial.frame.columns
    return None if is_gone else competitor


def _model(
    workspace: Workspace,
    as_of: date,
    trial: Trial,
    competitor: str,
    line: tuple[float, float],
    *,
    threads: int,
    recipe: Recipe | None,
    progress: Progress,
) -> UpliftModel:
    """Learn from everybody, and let a competitor decide in what was learned."""
    also = (S_LEARNER,) if competitor == S_LEARNER else ()
    fitted = fit(trial, threads=threads, seed=as_of.toordinal(), recipe=recipe, also=also, progress=progress)
    knows_risk = bool(np.isfinite(trial.risk).all())
    return fitted.model.decided_by(competitor, line).told(
        business=workspace.business.slug,
        outcome=trial.outcome,
        churn=trial.churn,
        aim=trial.aim,
        as_of=as_of.isoformat(),
        cost_amount=float(trial.cost_amounts[0]),
        risk_range=[float(trial.risk.min()), float(trial.risk.max())] if knows_risk else None,
    )


def _into_office(
    workspace: Workspace,
    subject: str,
    registration: Registration,
    seen: Champion | None,
    as_of: date,
    decision: Decision,
    league: League,
) -> tuple[Decision, str]:
    """Promote if nobody was faster; what another run put in office meanwhile was compared on the same rows.

    What MLflow must be told is told before the office changes: a registry that is away stops it, or not at all.
    """
    reason = league.verdict if decision == "promote" else f"learned anew: {league.verdict}"
    describe_version(workspace, registration, decision=decision, reason=reason)
    try:
        promote(workspace, subject, registration.version, seen=seen, as_of=as_of)
    except PromotionConflict:
        decision = "keep"
        reason = "another run changed the office while this one was comparing: it stays as that run left it"
        describe_version(workspace, registration, decision=decision, reason=reason)
    return decision, reason


def _told(
    workspace: Workspace, action: str, decision: Decision, reason: str, trial: Trial | None = None
) -> ActionLearned:
    """What is said of every action: what was decided, on how many, and who decides about it now."""
    office = deciding_model(workspace, action)
    return ActionLearned(
        action=action,
        decision=decision,
        reason=reason,
        row_count=len(trial) if trial else 0,
        treated_count=int(trial.treated.sum()) if trial else 0,
        champion_version=office[0].version if office else None,
        decided_by=str(office[1].information["decided_by"]) if office else None,
    )
