"""The platform: it explores, measures, learns each month, and decides by what it learned.

The parts are those that run in production: keyed exploration with logged odds, the uplift learners, the league that
alone promotes, and the allocation. Only the files are read in memory instead of through the warehouse.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from bench.year.arms import CAMPAIGN, Arm
from bench.year.oracle import HORIZON_DAYS
from bench.year.plan import Floats, Integers, value_amounts
from bench.year.policies import Forecast, chosen
from campaigns.exploration import explore, taken_probabilities
from campaigns.holdout import draw
from holdback.errors import NotKnowableYet
from training.uplift.fitting import fit, out_of_fold
from training.uplift.league import run_league
from training.uplift.learners import Recipe
from training.uplift.model import UpliftModel
from training.uplift.trial import Trial

Flags = npt.NDArray[np.bool_]

BY_VALUE = "value"
#: Smaller boosters than the default, so that twenty worlds can be learned in.
LIGHT = Recipe(outcome_trees=100, effect_trees=60, learning_rate=0.08)
OUTER_FOLDS = 3


@dataclass(frozen=True, eq=False)
class Entry:
    """A week's decisions, as the ledger keeps them.

    Attributes:
        day: Ordinal.
        who: Positions of those who were drawn: explorers, and those whom the policy chose.
        frame: Their features on that day.
        value_amounts: What each is worth.
        treated: Who is contacted.
        propensity: Probability of that, written down when it was drawn.
    """

    day: int
    who: Integers
    frame: pd.DataFrame
    value_amounts: Floats
    treated: Flags
    propensity: Floats


@dataclass(frozen=True)
class Lesson:
    """What one month's learning came to."""

    week: int
    rows: int
    treated: int
    winner: str | None
    in_office: str | None
    average: float
    verdict: str


@dataclass
class Platform:
    """Explore, measure, learn, decide.

    It begins without any knowledge: all who are looked at explore (a lottery within the capacity), until the league
    promotes a model, and at most for ``plan.first_weeks``. With a model in office a smaller share explores until
    ``plan.second_weeks``, and a few for ever. Who does not explore is decided by the uplift in office times the value,
    less the cost; without a model in office by the average effect times the value ("treat by value"), which treats
    nobody when contacts do not pay.
    """

    recipe: Recipe = LIGHT
    forecast: Forecast = field(default_factory=Forecast)
    entries: list[Entry] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)
    in_office: str | None = None
    model: UpliftModel | None = None
    explorer_contacts: list[int] = field(default_factory=list)

    def choose(self, arm: Arm, week: int, who: Integers) -> Integers:
        """Decide about those who are looked at, and write down with which odds."""
        assert arm.watched is not None
        if week in arm.plan.learning_weeks:
            self._learn(arm, week)
        if week == 0:
            self.forecast.learn(arm.watched)
        frame, values, ids = arm.watched.frame(who), value_amounts(arm.watched.price[who]), arm.ids(who)
        risk = self.forecast.risk(frame)
        frame = frame.assign(risk=risk, log_risk=np.log(risk))
        cost = np.full(len(who), _cost(arm))
        capacity = arm.capacity(who)
        share = self._share(arm, week)
        reserve = max(1, round(share * capacity))
        is_chosen = np.zeros(len(who), dtype=np.bool_)
        if self.model is not None and share < 1.0:
            gross = self.model.uplift(frame, threads=1) * values
            is_chosen = chosen(arm, week, who, gross, cost, capacity - reserve)
        drawn = explore(
            ids,
            np.ones((len(who), 2), dtype=np.bool_),
            share=share,
            salt=f"{CAMPAIGN}/1/explore/{arm.plan.monday(week)}",
            reserve=[reserve],
        )
        treated = np.where(drawn.is_explorer, drawn.action == 1, is_chosen)
        taken = taken_probabilities(drawn, is_chosen.astype(np.int64))[:, 1]
        # Of those whom the policy leaves alone only explorers are entries, and their odds are the explorers'.
        odds = np.where(is_chosen, taken, drawn.probability[:, 1])
        entered = is_chosen | drawn.is_explorer
        self.entries.append(
            Entry(
                arm.watched.day + 1,
                who[entered],
                frame.loc[entered].reset_index(drop=True),
                values[entered],
                treated[entered],
                odds[entered],
            )
        )
        self.explorer_contacts.append(int((treated & drawn.is_explorer).sum()))
        return who[treated]

    def _share(self, arm: Arm, week: int) -> float:
        plan = arm.plan
        if week >= (plan.first_weeks if self.in_office is None else plan.second_weeks):
            return plan.explore_share
        return plan.first_share if self.in_office is None else plan.second_share

    def trial(self, arm: Arm) -> Trial | None:
        """Return what can be learned from today: those who were drawn, and whose outcome is known."""
        assert arm.watched is not None
        known = [entry for entry in self.entries if entry.day + HORIZON_DAYS <= arm.watched.day + 1]
        if not known:
            return None
        who = np.concatenate([entry.who for entry in known])
        treated = np.concatenate([entry.treated for entry in known])
        odds = np.concatenate([entry.propensity for entry in known])
        days = np.concatenate([np.full(len(entry.who), entry.day) for entry in known])
        left = np.concatenate([arm.watched.left_within(entry.who, entry.day, HORIZON_DAYS) for entry in known])
        # Uncontacted explorers are many: a keyed share of them tells as much, and the odds say so.
        thin = np.where(odds < 0.5, arm.plan.kept_controls, 1.0)
        names = pa.array([f"{one}/{day}" for one, day in zip(who.tolist(), days.tolist(), strict=True)])
        kept = treated | (draw(names, salt=f"{CAMPAIGN}/thinned") < thin)
        trial = Trial(
            action=arm.plan.action,
            frame=pd.concat([entry.frame for entry in known], ignore_index=True),
            customer_ids=np.array(arm.ids(who).to_pylist(), dtype=object),
            as_ofs=(days - _EPOCH).astype("datetime64[D]"),
            treated=treated,
            propensity=odds / (odds + (1 - odds) * thin),
            good=1.0 - left,
            value_amounts=np.concatenate([entry.value_amounts for entry in known]),
            cost_amounts=np.full(len(who), _cost(arm)),
            risk=np.concatenate([entry.frame["risk"].to_numpy() for entry in known]),
        )
        return trial.where(kept)

    def _learn(self, arm: Arm, week: int) -> None:
        trial = self.trial(arm)
        if trial is None:
            return
        try:
            heard = out_of_fold(trial, threads=1, seed=week, fold_count=OUTER_FOLDS, recipe=self.recipe)
        except NotKnowableYet:  # too few customers so far: go on exploring
            return
        league = run_league(
            trial,
            heard,
            incumbent=self.in_office or BY_VALUE,
            capacity_share=arm.plan.capacity_share,
            resamples=200,
            seed=week,
        )
        self.in_office = league.winner or (league.heir(self.in_office) if self.in_office else None)
        name = self.in_office or BY_VALUE
        also = ("s_learner",) if name == "s_learner" else ()
        fitted = fit(trial, threads=1, seed=week, recipe=self.recipe, also=also)
        self.model = fitted.model.decided_by(name, league.effect_line(name))
        self.lessons.append(
            Lesson(
                week,
                len(trial),
                int(trial.treated.sum()),
                league.winner,
                self.in_office,
                fitted.average.estimate,
                league.verdict,
            )
        )


_EPOCH = 719_163  # ordinal of 1970-01-01


def _cost(arm: Arm) -> float:
    action = next(action for action in arm.company.actions if action.name == arm.plan.action)
    return action.cost_cents / 100.0
