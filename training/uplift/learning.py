"""Learn whom each action changes, let everything compete, and put in office only what evidence speaks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np

from holdback.business import Business
from holdback.errors import DataError, HoldbackError, NotKnowableYet, PromotionConflict
from holdback.journal import Champion
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from training.registry import (
    Registration,
    describe_version,
    fetched_again,
    file_in_office,
    model_name,
    promote,
    reconcile,
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
        notes: Rows left out and other things to know.
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
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class LearnResult:
    """What a day's learning found, by action.

    Attributes:
        as_of: Day of knowledge.
        campaigns: Campaigns whose customers were compared, as ``name/version``.
        actions: One entry per action of the business file that a campaign uses.
        notes: What a reader must know.
    """

    as_of: date
    campaigns: Sequence[str]
    actions: Sequence[ActionLearned]
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
    found = []
    for position, (action, trial) in enumerate(experience.trials.items()):

        def told(step: str, done: int, total: int, at: int = position, about: str = action) -> None:  # noqa: ARG001
            progress(f"{about}: {step}", at, len(experience.trials))

        try:
            found.append(
                _one_action(workspace, as_of, trial, experience, threads=threads, recipe=recipe, progress=told)
            )
        except (DataError, NotKnowableYet) as refusal:
            found.append(_waits(workspace, action, str(refusal), trial))
    found += [_waits(workspace, action, why) for action, why in experience.missing.items()]
    return LearnResult(as_of, experience.campaigns, tuple(found), experience.notes)


def model_in_office(workspace: Workspace, action: str) -> tuple[Champion, UpliftModel] | None:
    """Return the uplift model that decides about an action; None when the rule of the day does.

    Raises:
        OperatorError: its file is neither here nor in the registry.
    """
    subject = uplift_subject(action)
    found = file_in_office(workspace, subject)
    if found is None:
        return None
    champion, path = found
    try:
        return champion, load(path)
    except HoldbackError:  # a damaged copy: the registry has the original
        return champion, load(fetched_again(workspace, subject, champion.version))


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
    may_decide = trial.aim == _one_aim(workspace.business, trial.action)
    in_office = _in_office(workspace, trial)
    progress("learning out of fold", 0, 4)
    given = given_scores(workspace.business, trial, in_office)
    competed = out_of_fold(
        trial, threads=threads, seed=as_of.toordinal(), recipe=recipe, given=given, progress=progress
    )
    progress("league", 1, 4)
    league = run_league(
        trial,
        competed,
        incumbent=incumbent_of(trial, in_office),
        capacity_share=experience.capacity_shares[trial.action],
        seed=as_of.toordinal(),
    )
    progress("learning from everybody", 2, 4)
    decision, chosen = settle(league.winner, in_office, is_learnable=league.is_learnable)
    if decision == "refresh" and chosen is not None:
        chosen = league.heir(chosen)
    competitor = chosen or STACK
    line = league.effect_line(competitor)
    model = _model(workspace, as_of, trial, competitor, line, threads=threads, recipe=recipe, progress=progress)
    progress("registering", 3, 4)
    registration = registered(workspace, subject, as_of, model, trial, league, decision)
    champion, reason = seen, league.verdict
    if decision != "keep" and not may_decide:
        decision, reason = "keep", f"{league.verdict}. It stays out of office: {_ELSEWHERE}"
    elif decision != "keep" and seen is not None and seen.as_of > as_of:
        decision, reason = (
            "keep",
            f"version {seen.version} of {seen.as_of} is in office: an earlier day does not follow",
        )
    elif decision != "keep":
        champion, decision, reason = _into_office(workspace, subject, registration, seen, as_of, decision, league)
    reconcile(workspace, subject)
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
    return ActionLearned(
        action=trial.action,
        decision=decision,
        reason=reason,
        row_count=len(trial),
        treated_count=int(trial.treated.sum()),
        version=registration.version,
        champion_version=champion.version if champion else None,
        decided_by=_in_office(workspace, trial) if champion else None,
        standings=league.as_table(),
        diagnosis=league.diagnosis.sentences,
        notes=_left_out(trial),
    )


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
) -> tuple[Champion | None, Decision, str]:
    """Promote if nobody was faster; what another run put in office meanwhile was compared on the same rows."""
    try:
        champion = promote(workspace, subject, registration.version, seen=seen, as_of=as_of)
    except PromotionConflict:
        now = workspace.journal.champion(registration.model)
        return now, "keep", "another run changed the office while this one was comparing: it stays as that run left it"
    told = league.verdict if decision == "promote" else f"learned anew: {league.verdict}"
    return champion, decision, told


def _waits(workspace: Workspace, action: str, why: str, trial: Trial | None = None) -> ActionLearned:
    office = workspace.journal.champion(model_name(workspace.business, uplift_subject(action)))
    return ActionLearned(
        action=action,
        decision="waits",
        reason=why,
        row_count=len(trial) if trial else 0,
        treated_count=int(trial.treated.sum()) if trial else 0,
        champion_version=office.version if office else None,
        notes=_left_out(trial) if trial else (),
    )


def _left_out(trial: Trial) -> list[str]:
    return [f"{count:,} rows left out: {why}" for why, count in trial.left_out.items()]
