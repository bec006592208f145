"""Who may decide whom an action is given: everybody competes, and nobody is promoted without evidence.

Fixed beforehand: the metric (:mod:`training.uplift.gain`), the family of comparisons (every challenger against the
incumbent, intervals that hold for all at once) and the rule. Promoted is who earns most among those whose simultaneous
lower bound against the incumbent lies above zero, unless something simpler earned as much; nobody where a good ranking
could not have been seen (:mod:`training.uplift.visibility`) and no difference is beyond doubt. Where no difference
between customers is shown (:mod:`training.uplift.diagnosis`), a learned order may be noise, and its intervals are
those of noise. In a world without effect the incumbent is replaced in at most 1 of 20 leagues (measured:
``docs/studies/gate-error.md``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from training.estimates import Estimate
from training.uplift.diagnosis import Diagnosis, diagnose, within_folds
from training.uplift.gain import WINSORISED_AT, Difference, measure_gains
from training.uplift.lists import RANDOM
from training.uplift.qini import Qini, qini_of_gains
from training.uplift.quintiles import Quintiles, quintiles_of
from training.uplift.trial import OutOfFold, Trial
from training.uplift.visibility import Visibility, visibility_of

Floats = npt.NDArray[np.float64]

#: From the simplest to the most involved; a competitor that a company adds stands behind all of them.
SIMPLEST_FIRST: Final = ("random", "value", "risk", "response", "t_learner", "s_learner", "dr_stack")
#: Competitors whose order is learned from the customers who judge it; given scores are not, by their contract.
TAUGHT: Final = frozenset(SIMPLEST_FIRST) - {"random", "value"}
#: Learners of which the stack is made, or could be: each alone overstates how much customers differ.
PLAIN_LEARNERS: Final = frozenset({"t_learner", "s_learner"})
#: The average effect for everybody: ranks by value alone.
VALUE: Final = "value"
QINI_DEFINITION: Final = (
    "aipw-qini: int_0^1 g(u) du - g(1)/2, ranked within folds, in units of the outcome per customer"
)

_ROUNDING = 1e-9
_QINI_OF_NOISE = math.sqrt(1 + 3 / math.pi)  # as LIST_OF_NOISE: a rank and a normal score correlate by sqrt(3 / pi)
_FALLBACK = "no evidence: treat by value, keep exploring"


@dataclass(frozen=True, slots=True)
class Standing:
    """One competitor's place.

    Attributes:
        name: Competitor.
        gain: Incremental margin per customer who entered at the capacity, in currency units.
        treated_share: Share of the population on its list, at most the capacity.
        against_incumbent: Its gain less the incumbent's, simultaneous for all challengers; None for the incumbent.
        over_random: Its gain less that of a lottery of the same size, simultaneous for all competitors.
        qini: ``QINI_DEFINITION``; None for a score that orders nobody.
        line: Intercept and slope (at least 0) of G on the score out of fold: turns any score into an expected effect.
    """

    name: str
    gain: Estimate
    treated_share: float
    against_incumbent: Difference | None
    over_random: Difference
    qini: Estimate | None
    line: tuple[float, float]


@dataclass(frozen=True, slots=True)
class League:
    """The league of one action.

    Attributes:
        action: What was given.
        incumbent: Who decides today.
        capacity_share: Share of the population that can be treated.
        standings: Best gain first.
        winner: Who is promoted; None when nobody is.
        verdict: Who is promoted and by how much, or why nobody is.
        visibility: Whether a good ranking could have been seen at all; if not, nobody is promoted.
        diagnosis: Whether customers differ at all.
        quintiles: Effects by fifths of the winner's score, or of the diagnosed one.
        n: Rows.
        level: Coverage of the intervals.
        method: How gains were measured.
        effects: Competitors whose score is an expected effect; others only rank.
    """

    action: str
    incumbent: str
    capacity_share: float
    standings: tuple[Standing, ...]
    winner: str | None
    verdict: str
    visibility: Visibility
    diagnosis: Diagnosis
    quintiles: Quintiles
    n: int
    level: float
    method: str
    effects: frozenset[str] = frozenset()

    @property
    def is_learnable(self) -> bool:
        """False when not even a good ranking could have been seen, and no difference was found beyond doubt."""
        return _is_learnable(self.visibility, self.diagnosis)

    def heir(self, in_office: str) -> str:
        """Return who goes on when nobody beat the competitor in office: the same, or the stack that it is a part of.

        A plain learner that once led makes way for the stack as soon as that earns as much: no evidence is needed
        against what it is made of.
        """
        gains = {standing.name: standing.gain.estimate for standing in self.standings}
        is_part = in_office in PLAIN_LEARNERS and "dr_stack" in gains
        return "dr_stack" if is_part and gains["dr_stack"] >= gains[in_office] else in_office

    def effect_line(self, name: str) -> tuple[float, float]:
        """Return intercept and slope that turn a competitor's score into an effect.

        An expected effect may be drawn towards the average by what was found out of fold, never blown up by noise.
        """
        intercept, slope = next(standing.line for standing in self.standings if standing.name == name)
        return (0.0, 1.0) if name in self.effects and slope > 1 else (intercept, slope)

    def as_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain | {"qini_definition": QINI_DEFINITION}

    def as_table(self) -> list[dict[str, Any]]:
        """Return one flat row per competitor, best gain first."""
        rows = []
        for standing in self.standings:
            row: dict[str, Any] = {"competitor": standing.name, "is_incumbent": standing.name == self.incumbent}
            row["is_winner"] = standing.name == self.winner
            figures = {
                "gain": standing.gain,
                "gain_against_incumbent": standing.against_incumbent,
                "gain_over_random": standing.over_random,
                "qini": standing.qini,
            }
            for name, figure in figures.items():
                row[name] = None if figure is None else figure.estimate
                row[f"{name}_low"] = None if figure is None else figure.low
                row[f"{name}_high"] = None if figure is None else figure.high
            row["treated_share"] = standing.treated_share
            row["line_intercept"], row["line_slope"] = standing.line
            rows.append(row)
        return rows

    def to_markdown(self) -> str:
        """Return the league as a page: verdict, table, diagnosis, groups, and what the figures mean."""
        lines = [
            f"# League of {self.action}", "", f"**{self.verdict}**", "",
            f"{self.n:,} rows, capacity {self.capacity_share:.1%} of the customers, incumbent {self.incumbent}.", "",
            "| competitor | gain per customer | against the incumbent | over a lottery | Qini x 1e4 | treated |",
            "|---|---|---|---|---|---|",
        ]  # fmt: skip
        for each in self.standings:
            marks = [
                word for word, name in (("incumbent", self.incumbent), ("winner", self.winner)) if name == each.name
            ]
            cells = [
                each.name + (f" ({', '.join(marks)})" if marks else ""),
                _shown(each.gain), _shown(each.against_incumbent), _shown(each.over_random),
                _shown(each.qini, times=1e4), f"{each.treated_share:.1%}",
            ]  # fmt: skip
            lines.append(f"| {' | '.join(cells)} |")
        lines += ["", *(f"- {sentence}" for sentence in self.diagnosis.sentences), "", self.quintiles.sentence, ""]
        lines += ["| fifth of " + self.quintiles.competitor + " | effect | treated | untreated |", "|---|---|---|---|"]
        for group in self.quintiles.groups:
            effect = "too few" if group.effect is None else _shown(group.effect)
            lines.append(f"| {group.rank} | {effect} | {group.treated_count:,.0f} | {group.untreated_count:,.0f} |")
        lines += [
            "", f"Gain: {self.method}. The lottery treats as many. Intervals of differences "
            f"hold for all competitors at once ({self.level:.0%}, max-t of paired resamples).",
            f"Qini: {QINI_DEFINITION}; other definitions differ by a factor of 100.", "",
        ]  # fmt: skip
        return "\n".join(lines)


def run_league(
    trial: Trial,
    out_of_fold: OutOfFold,
    *,
    incumbent: str,
    capacity_share: float,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> League:
    """Let every competitor's list earn on customers whom its models never saw, and settle who may decide.

    Args:
        trial: One action against nothing, with logged propensities.
        out_of_fold: What each competitor says of each row.
        incumbent: Who decides today: one of the competitors.
        capacity_share: Share of the population that can be treated a day, in (0, 1].
        resamples: Resamples of customers behind gains and their differences.
        level: Coverage of all intervals.
        seed: Of the resamples: the same seed gives the same league.

    Raises:
        ValueError: the incumbent does not compete; a score or gain is missing; shares out of range.
        NotKnowableYet: too few customers for any error.
    """
    if incumbent not in out_of_fold.scores:
        raise ValueError(
            f"league: incumbent {incumbent!r} does not compete. Competitors: {sorted(out_of_fold.scores)}."
        )
    competitor = "dr_stack" if "dr_stack" in out_of_fold.scores else incumbent
    diagnosis = diagnose(trial, out_of_fold, competitor=competitor, level=level)
    gains = measure_gains(
        trial,
        out_of_fold,
        capacity_share=capacity_share,
        rng=np.random.default_rng(seed),
        resamples=resamples,
        level=level,
    )
    taught = frozenset() if diagnosis.is_heterogeneous else TAUGHT
    against, over_random = gains.against(incumbent, taught=taught), gains.over_random(taught=taught)
    visibility = visibility_of(
        trial, out_of_fold, capacity_share=capacity_share, competitor_count=len(gains.names) - 1, level=level
    )
    standings = tuple(
        Standing(
            name,
            gains.estimate(name),
            float(gains.treated_share[k]),
            against.get(name),
            over_random[name],
            _qini(trial, out_of_fold, name, level, widening=_QINI_OF_NOISE if name in taught else 1.0),
            line_of(out_of_fold.scores[name], out_of_fold),
        )
        for k, name in enumerate(gains.names)
    )
    standings = tuple(sorted(standings, key=lambda each: (-round(each.gain.estimate, 12), _place(each.name))))
    is_learnable = _is_learnable(visibility, diagnosis)
    over_value = gains.against(VALUE, taught=taught) if VALUE in gains.names else None
    # Whoever declines to pay needs no ranking to be seen.
    allowed = standings if is_learnable else tuple(each for each in standings if each.name == VALUE)
    winner = winner_of(allowed, over_value=over_value)
    return League(
        action=trial.action,
        incumbent=incumbent,
        capacity_share=capacity_share,
        standings=standings,
        winner=None if winner is None else winner.name,
        verdict=_verdict(winner, standings, incumbent, None if is_learnable else visibility, level),
        visibility=visibility,
        diagnosis=diagnosis,
        quintiles=quintiles_of(trial, out_of_fold, competitor if winner is None else winner.name, level=level),
        n=len(trial),
        level=level,
        method=(
            f"AIPW margin per customer who entered, values winsorised at the {WINSORISED_AT:.0%} quantile, "
            f"{resamples:,} resamples of {gains.unit_count:,} customers"
        ),
        effects=out_of_fold.effects,
    )


def _is_learnable(visibility: Visibility, diagnosis: Diagnosis) -> bool:
    """Say whether rankings may win here: what could hardly be seen, and was seen beyond doubt, is no luck."""
    return not visibility.is_blind or diagnosis.is_beyond_doubt


def winner_of(
    standings: tuple[Standing, ...], *, over_value: Mapping[str, Difference] | None = None
) -> Standing | None:
    """Return who is promoted; None when nobody is.

    A candidate's simultaneous lower bound against the incumbent lies above zero, and it loses nothing: a list of nobody
    earns 0, and may replace one that loses. It is passed over when a simpler competitor, told from the incumbent or
    not, earned as much, and for "by value" when that beats the incumbent too, with fewer contacts, and is not told from
    it: where an action costs and changes nobody, whoever declines wins, not a ranking of noise. Where a plain learner
    leads and the stack beats the incumbent too, the stack takes office: it is made of the same parts, and which of them
    leads in one trial is mostly luck. A lottery is a yardstick, never promoted: "by value" is the lottery of those who
    know only value.

    Args:
        standings: All competitors.
        over_value: By competitor, its gain less that of "by value", simultaneous; None when that does not compete.
    """
    found = [
        each
        for each in standings
        if each.name != RANDOM and each.against_incumbent is not None and each.against_incumbent.is_above_zero
        and each.gain.estimate >= -_ROUNDING
    ]  # fmt: skip
    by_value = next((each for each in found if each.name == VALUE), None)
    stack = next((each for each in found if each.name == "dr_stack"), None)

    def declines(other: Standing) -> bool:
        """By value as much may be earned as by another, with fewer contacts."""
        told = None if over_value is None else over_value.get(other.name)
        return (
            by_value is not None and told is not None and not told.is_above_zero
            and by_value.treated_share < other.treated_share * (1 - _ROUNDING)
        )  # fmt: skip

    for each in sorted(found, key=lambda standing: -standing.gain.estimate):
        simpler = [other for other in standings if _place(other.name) < _place(each.name)]
        as_much = each.gain.estimate * (1 - _ROUNDING)
        if any(other.gain.estimate >= as_much and other.name != RANDOM for other in simpler):
            continue
        if each.name == VALUE or not declines(each):
            return stack if each.name in PLAIN_LEARNERS and stack is not None else each
    return None


def line_of(score: Floats, out_of_fold: OutOfFold) -> tuple[float, float]:
    """Return intercept and slope of the expected effect as a line of the score; slope 0 where the score says nothing.

    The slope is that of G on the score within folds, never negative: a score that is upside down expects the average of
    everybody. The intercept makes the mean of the line the average effect.
    """
    gains, centred = out_of_fold.gains, within_folds(score, out_of_fold.fold)
    spread = float(centred @ centred)
    tiny = 1e-18 * len(score) * max(1.0, float(np.abs(score).max())) ** 2
    slope = max(0.0, float(centred @ gains) / spread) if spread > tiny else 0.0
    return float(gains.mean()) - slope * float(score.mean()), slope


def ranked_within_folds(score: Floats, fold: npt.NDArray[np.intp]) -> Floats:
    """Return each row's rank within its fold as a share in (0, 1), equal scores in the middle of their places."""
    ranked = np.empty(len(score))
    for each in np.unique(fold).tolist():
        rows = fold == each
        ranked[rows] = (stats.rankdata(score[rows]) - 0.5) / rows.sum()
    return ranked


def _place(name: str) -> int:
    return SIMPLEST_FIRST.index(name) if name in SIMPLEST_FIRST else len(SIMPLEST_FIRST)


def _qini(trial: Trial, out_of_fold: OutOfFold, name: str, level: float, *, widening: float) -> Estimate | None:
    ranked = ranked_within_folds(out_of_fold.scores[name], out_of_fold.fold)
    if np.ptp(ranked) < 1e-9 or not np.ptp(out_of_fold.gains) > 0:
        return None
    found: Qini = qini_of_gains(ranked, out_of_fold.gains, trial.treated, level=level, unit=trial.customer_ids)
    q = found.estimate
    return Estimate(q, q + (found.low - q) * widening, q + (found.high - q) * widening, len(trial), found.method)


def _verdict(
    winner: Standing | None,
    standings: tuple[Standing, ...],
    incumbent: str,
    blind: Visibility | None,
    level: float,
) -> str:
    if winner is not None and winner.against_incumbent is not None:
        by = winner.against_incumbent
        return (
            f"promoted: {winner.name} earns {by.estimate:.4g} more per customer than {incumbent} "
            f"({level:.0%} for all challengers at once: {by.low:.4g} to {by.high:.4g})"
        )
    if blind is not None:
        return (
            "not learnable here: even a ranking as good as the outcome is foreseeable, worth "
            f"{blind.worth:.3g} per customer, would probably not be seen, for this trial shows "
            f"{blind.visible:.3g} or more. Treat by value, keep exploring; more customers, or an outcome with "
            "less noise, would help"
        )
    challengers = [each for each in standings if each.against_incumbent is not None and each.name != RANDOM]
    if not challengers:
        return f"{_FALLBACK} (nobody challenges {incumbent})"
    best = challengers[0]
    return f"{_FALLBACK} (best challenger of {incumbent}: {best.name}, {_shown(best.against_incumbent)} per customer)"


def _shown(figure: Estimate | Difference | None, *, times: float = 1.0) -> str:
    if figure is None:
        return "-"
    return f"{figure.estimate * times:.4g} ({figure.low * times:.4g} to {figure.high * times:.4g})"


def _plain(value: Any) -> Any:
    """Return JSON values: tuples as lists, numpy's numbers as Python's, what is not a number as None."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
