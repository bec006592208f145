"""What each rule would have earned in one company, as known on one day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from holdback.errors import BusinessFileError, NotKnowableYet
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from monitoring.effects import NotMeasurable
from monitoring.policies.estimators import Difference, PolicyValue, aipw, difference, ipw, snipw
from monitoring.policies.expectations import expected_rewards
from monitoring.policies.policies import MEANINGS, Policy, policy, rewards
from monitoring.policies.results import METHODS, Comparison, InOffice, PolicyResult
from training.uplift.experience import Logged, capacity_share, read_logged

Booleans = npt.NDArray[np.bool_]


def policy_values(
    workspace: Workspace,
    as_of: date,
    *,
    campaign: str | None = None,
    names: Sequence[str] = tuple(MEANINGS),
    models: Mapping[str, InOffice] | None = None,
    share: float | None = None,
    level: float = 0.95,
    progress: Progress = silent,
) -> Comparison:
    """Tell what rules would have earned, from the logged probabilities of what was done.

    The reward of a customer is what his outcome was worth less what his action was expected to cost. All rules are
    asked about the same customers: those who entered a campaign. Only ``model`` is judged on fewer: on households whose
    outcome was not known yet when it learned.

    Args:
        workspace: The business.
        as_of: The day of knowledge.
        campaign: One campaign; None for all that follow their customers to the outcome that most are followed to.
        names: Which rules, of :data:`MEANINGS`; when just two, their difference is told too.
        models: Uplift model in office by action.
        share: Share of the customers that the limited rules can treat, divided among the actions as their capacities
            are; by default what the capacities have room for.
        level: Coverage of the intervals.
        progress: Told about each step.

    Raises:
        BusinessFileError: a rule or the campaign does not exist.
        NotKnowableYet: nobody's outcome is known yet; the message says when.
        DataError: what was drawn was not logged.
    """
    for name in names:
        if name not in MEANINGS:
            raise BusinessFileError(f"policy {name!r}: does not exist. Choose one of: {', '.join(MEANINGS)}.")
    business = workspace.business
    read = read_logged(workspace.warehouse, business, campaign, as_of, progress=progress)
    logged, notes = _of_today(read[0]), list(_notes(read))
    if not len(logged):
        raise NotKnowableYet(
            f"{business.slug}: policies: the price of an action changed since, and nobody's outcome under today's is "
            f"known by {as_of}. Wait until the horizon of those who entered since is over."
        )
    shares = _shares(workspace, logged, as_of, campaign, share)
    progress("outcome models", 0, 1)
    judge = _Judge(logged, shares, models or {}, level)
    results = tuple(judge.result(name) for name in names)
    return Comparison(
        as_of=as_of,
        aim=str(logged.aim),
        currency=business.currency if logged.is_valued else None,
        n=len(logged),
        campaigns=tuple(sorted({str(name) for name in logged.campaigns})),
        policy_versions=logged.policy_versions,
        capacity_shares=shares,
        results=results,
        differences=judge.difference(*names) if len(names) == 2 else {},
        notes=(*notes, *judge.notes),
    )


class _Judge:
    """Judges rules on the same customers, each once."""

    def __init__(
        self, logged: Logged, shares: Mapping[str, float], models: Mapping[str, InOffice], level: float
    ) -> None:
        self.logged, self.shares, self.level = logged, shares, level
        self.expected, self.rewards = expected_rewards(logged), rewards(logged)
        self.fresh = _not_learned_from(logged, models)
        self.uplifts = {action: model.uplift(logged.frame) for action, model in models.items()}
        self.notes: list[str] = []
        if models and not self.fresh.all():
            self.notes.append(
                f"model is judged on {int(self.fresh.sum()):,} customers: of the others it learned the outcome itself"
            )

    def result(self, name: str) -> PolicyResult:
        """Judge one rule; what cannot be told says why."""
        rows = self._rows(name)
        found = self._policy(name, rows)
        if isinstance(found, str):
            return PolicyResult(name, MEANINGS[name], why_not=found)
        try:
            values = {method: self._value(found, rows, method) for method in METHODS}
            nobody = self._policy("nobody", rows)
            assert isinstance(nobody, Policy)
            over = {method: difference(values[method], self._value(nobody, rows, method)) for method in METHODS}
        except NotMeasurable as reason:
            return PolicyResult(name, MEANINGS[name], found.treated_share, why_not=str(reason))
        return PolicyResult(name, MEANINGS[name], found.treated_share, values, over)

    def difference(self, first: str, second: str) -> dict[str, Difference]:
        """Compare two rules on the customers that both can be judged on; empty when one of them cannot be told."""
        rows: Booleans = np.logical_and(self._rows(first), self._rows(second))
        policies = [self._policy(name, rows) for name in (first, second)]
        one, other = policies
        if isinstance(one, str) or isinstance(other, str):
            return {}
        try:
            return {
                method: difference(self._value(one, rows, method), self._value(other, rows, method))
                for method in METHODS
            }
        except NotMeasurable:
            return {}

    def _rows(self, name: str) -> Booleans:
        return self.fresh if name == "model" else np.ones(len(self.logged), dtype=bool)

    def _policy(self, name: str, rows: Booleans) -> Policy | str:
        if not rows.any():
            return "the models in office learned from all of these customers: wait for outcomes that they did not see"
        uplifts = {action: values[rows] for action, values in self.uplifts.items()}
        return policy(name, self.logged.where(rows), self.shares, uplifts)

    def _value(self, found: Policy, rows: Booleans, method: str) -> PolicyValue:
        chosen, probability, unit = (
            values[rows] for values in (self.logged.chosen, self.logged.probability, self.logged.unit_ids)
        )
        earned = self.rewards[rows]
        if method == "aipw":
            return aipw(found.target, chosen, probability, earned, self.expected[rows], unit=unit, level=self.level)
        estimate = ipw if method == "ipw" else snipw
        return estimate(found.target, chosen, probability, earned, unit=unit, level=self.level)


def _of_today(logged: Logged) -> Logged:
    """Leave out those decided when any action had another price: their odds are of other offers."""
    return logged.where(np.asarray(logged.is_of_today.all(axis=1), dtype=bool))


def _shares(
    workspace: Workspace, logged: Logged, as_of: date, campaign: str | None, share: float | None
) -> dict[str, float]:
    """Share of the customers that each action has room for; only actions that somebody could have got."""
    tried = [
        action for position, action in enumerate(logged.actions, start=1) if (logged.probability[:, position] > 0).any()
    ]
    shares = {
        action: capacity_share(workspace.warehouse, workspace.business, action, as_of, campaign=campaign)
        for action in tried
    }
    if share is None:
        return shares
    total = sum(shares.values())
    return {action: share * own / total for action, own in shares.items()}


def _not_learned_from(logged: Logged, models: Mapping[str, InOffice]) -> Booleans:
    """True for units none of whose outcomes was known when any of the models learned."""
    if not models:
        return np.ones(len(logged), dtype=bool)
    newest = np.datetime64(max(model.learned_on for model in models.values()))
    known = logged.as_ofs + np.timedelta64(logged.aim.horizon_days, "D") <= newest
    learned = set(logged.unit_ids[known].tolist())
    return np.array([unit not in learned for unit in logged.unit_ids.tolist()], dtype=bool)


def _notes(read: Sequence[Logged]) -> list[str]:
    first = read[0]
    notes = [f"{count:,} left out: {reason}" for reason, count in first.left_out.items()]
    dear = int((~first.is_of_today.all(axis=1)).sum())
    if dear:
        notes.append(f"{dear:,} left out: from before the price of an action changed")
    notes += [f"not pooled: {len(other):,} customers followed to {other.aim}" for other in read[1:]]
    if not first.is_valued:
        notes.append("no money belongs to this outcome: it is counted, and an action is taken as free")
    return notes
