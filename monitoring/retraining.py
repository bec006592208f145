"""Does evidence speak for training again? Matured outcomes do; drift of the features alone never does.

Three questions are put to customers whose outcome the model in office could not know: does it rank worse than on the
holdout it was promoted with, are its probabilities off, do more or fewer leave than among those it learned from. Each
needs a change that is large enough to matter **and** too large for chance.

Chance: one cohort a week is asked (days between share nearly all their customers), and :data:`YEARLY_ALPHA` is shared
among the five one-sided questions of 52 weeks (Bonferroni), so that a model as good as promised is spoken against in a
whole year with a chance of at most 5 %, however much neighbouring weeks resemble each other. The price is patience:
what has decayed is found once its outcomes are known, at most a week later (see ``docs/runbook.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sqrt
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from features.labels import build_labels, knowable_on, outcome_ends_on
from holdback.business import Churn, ColumnChurn
from holdback.journal import Champion, StoredVerdict
from holdback.sql import literal
from holdback.workspace import Workspace
from monitoring.label_drift import learned_rate
from monitoring.proportions import Share, ratio_of, wilson
from monitoring.words import Words
from training.delong import auc, standard_error
from training.estimates import CONFIDENCE, Estimate
from training.registry import model_name

if TYPE_CHECKING:
    from holdback.warehouse import Warehouse

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Kind = Literal["ranks_worse", "predicts_too_many", "predicts_too_few", "more_leave", "fewer_leave"]
WaitsFor = Literal["model", "snapshot", "window", "labels", "cooldown"]

YEARLY_ALPHA: Final = 0.05
"""Chance that a model as good as promised is spoken against at all within a year."""
LOOK_DAYS: Final = 7
QUESTIONS: Final = 5
_ALPHA: Final = YEARLY_ALPHA / QUESTIONS / (365 // LOOK_DAYS)
AUC_MARGIN: Final = 0.02
"""Loss of AUC from which a new model is worth its work; the gate's wide margin."""
CALIBRATION_BAND: Final = (0.8, 1.25)
"""Predicted over actual within which amounts made from the probabilities can be used."""
RATE_BAND: Final = (2 / 3, 1.5)
"""Churn rate over the rate at training."""
FEWEST_CHURNERS: Final = 100
"""New outcomes of either kind below which nothing is said."""
_LATE_WEEKS = 5  # data later than this are another alert's business
RULE: Final = "retraining_proposed"
"""The alert that proposes."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One answer that speaks for training: what was found, at its interval's nearer end beyond the line."""

    kind: Kind
    found: float
    low: float
    high: float
    promised: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for training a model again, and what stands against doing it now.

    Attributes:
        churn: The churn definition.
        as_of: The day of knowledge.
        version: The model in office; None when there is none.
        asked_on: The day whose customers were asked about; None when none could be.
        customer_count: Customers with a known outcome among them.
        churner_count: Those who left.
        reasons: What speaks for it; empty when nothing does.
        waits_for: Why nothing can be said, or done, yet; None when something can.
        until: First day on which it can; None when that hangs on no date.
        last_trained_on: Newest training, whatever became of it.
        is_proposed: True while a proposal that nobody has followed is open.
        may_be_proposed: True when a person should be asked.
        drifted_features: Features that drifted, for context; None when nobody measured. They decide nothing.
    """

    churn: str
    as_of: date
    version: str | None = None
    asked_on: date | None = None
    customer_count: int = 0
    churner_count: int = 0
    reasons: tuple[Reason, ...] = ()
    waits_for: WaitsFor | None = None
    until: date | None = None
    last_trained_on: date | None = None
    is_proposed: bool = False
    may_be_proposed: bool = False
    drifted_features: int | None = None

    @property
    def is_due(self) -> bool:
        """True when evidence speaks for training and nothing stands against it."""
        return bool(self.reasons) and self.waits_for is None

    @property
    def is_answered(self) -> bool:
        """True when the outcomes could be asked, whatever they say."""
        return self.waits_for in (None, "cooldown")

    def sentences(self, w: Words) -> tuple[str, ...]:
        """Say why, or why not, in the language of ``w``; the first sentence is the answer."""
        return tuple(_sentences(self, w))

    def __str__(self) -> str:
        return " ".join(self.sentences(Words("en")))


@dataclass(frozen=True, slots=True)
class Promised:
    """What the gate promised of a model: its AUC on the holdout, and the churn rate it learned from."""

    auc: Estimate | None
    rate: Share | None


def evidence(workspace: Workspace, churn: Churn, as_of: date) -> Evidence:
    """Say whether evidence speaks for training a churn model again; nothing is trained or written.

    Args:
        workspace: The business.
        churn: The churn definition.
        as_of: Day of knowledge.

    Returns:
        The evidence. No model, no outcome yet, too few new outcomes and a cool-down are answers, not errors.
    """
    warehouse, name = workspace.warehouse, model_name(workspace.business, churn.name)
    verdicts = [verdict for verdict in workspace.journal.verdicts(name) if verdict.as_of <= as_of]
    champion = workspace.journal.champion(name)
    if champion is None or champion.as_of > as_of:
        return Evidence(churn.name, as_of, waits_for="model")
    trained = [verdict.as_of for verdict in verdicts if not _is_by_hand(verdict)]
    last = max(trained, default=champion.as_of)
    raised_on, is_open = _proposal(warehouse, churn, as_of)
    found = _asked(workspace, churn, as_of, champion, verdicts, last)
    is_proposed = is_open and raised_on is not None and raised_on > last
    cooldown = timedelta(days=workspace.business.training.retrain_cooldown_days)
    is_rested = is_proposed or raised_on is None or raised_on + cooldown <= as_of
    waits_for, until = found.waits_for, found.until
    tried = max((last, *_failed_tries(workspace, churn, as_of - cooldown, as_of)))
    if waits_for is None and found.reasons and tried + cooldown > as_of:
        waits_for, until = "cooldown", tried + cooldown
    return Evidence(
        churn.name, as_of, champion.version, found.asked_on, found.customer_count, found.churner_count, found.reasons,
        waits_for, until, tried, is_proposed,
        may_be_proposed=bool(found.reasons) and waits_for is None and is_rested,
        drifted_features=_drifted(warehouse, workspace.business.churn[0].name, churn, as_of),
    )  # fmt: skip


def _failed_tries(workspace: Workspace, churn: Churn, since: date, as_of: date) -> list[date]:
    """Days of trainings that failed and left no verdict: what fails each night must not cost a training each night."""
    if workspace.business.training.retrain != "start":
        return []
    runs = workspace.journal.newest_runs(business=workspace.business.slug, since=since, until=as_of)
    return [
        run.as_of for run in runs if (run.flow, run.subject, run.state) == ("retrain", churn.name, "failed")
    ]  # fmt: skip


def reasons_against(churned: Booleans, probability: Floats, promised: Promised) -> tuple[Reason, ...]:
    """Return what a cohort with known outcomes says against the model that scored it.

    Args:
        churned: Who left, shape (n,); at least one of each kind.
        probability: What was predicted, shape (n,).
        promised: What the gate promised.

    Returns:
        Reasons, each beyond its margin by more than chance (one-sided :data:`YEARLY_ALPHA` / 5 / 52).
    """
    z, level = float(stats.norm.isf(_ALPHA)), 1 - 2 * _ALPHA
    observed, predicted = wilson(int(churned.sum()), churned.size, level=level), float(probability.mean())
    found = []
    if promised.auc is not None:
        now = auc(churned, probability)
        promised_error = (promised.auc.high - promised.auc.low) / (2 * float(stats.norm.ppf(0.5 + CONFIDENCE / 2)))
        half = z * sqrt(standard_error(churned, probability) ** 2 + promised_error**2)
        if promised.auc.estimate - now.estimate - half > AUC_MARGIN:
            found.append(Reason("ranks_worse", now.estimate, now.low, now.high, promised.auc.estimate))
    ratio = (predicted / observed.share, predicted / observed.high, predicted / observed.low)
    if ratio[1] > CALIBRATION_BAND[1]:
        found.append(Reason("predicts_too_many", *ratio, 1.0))
    elif ratio[2] < CALIBRATION_BAND[0]:
        found.append(Reason("predicts_too_few", *ratio, 1.0))
    if promised.rate is not None and promised.rate.count > 0:
        learned = wilson(promised.rate.count, promised.rate.n, level=level)
        _, low, high = ratio_of(observed, learned)
        if low > RATE_BAND[1]:
            found.append(Reason("more_leave", observed.share, observed.low, observed.high, learned.share))
        elif high < RATE_BAND[0]:
            found.append(Reason("fewer_leave", observed.share, observed.low, observed.high, learned.share))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Asked:
    asked_on: date | None = None
    customer_count: int = 0
    churner_count: int = 0
    reasons: tuple[Reason, ...] = field(default=())
    waits_for: WaitsFor | None = None
    until: date | None = None


def _asked(
    workspace: Workspace, churn: Churn, as_of: date, champion: Champion, verdicts: list[StoredVerdict], last: date
) -> _Asked:
    """Ask the newest weekly cohort whose outcomes came after the last training."""
    if isinstance(churn, ColumnChurn):
        return _Asked(waits_for="snapshot")  # its labels are those it learned from
    days = _scored_days(workspace.warehouse, churn, champion.version, as_of)
    # What ended before the last training was there to be learned from: it is no new evidence.
    fresh = [day for day in days if outcome_ends_on(churn, day) > last]
    over = [day for day in fresh if knowable_on(churn, day) <= as_of]
    if not over:
        return _Asked(waits_for="window", until=knowable_on(churn, fresh[0]) if fresh else None)
    day, churned, probability = _newest_known(workspace, churn, over, as_of, champion.version)
    left = int(churned.sum())
    asked = _Asked(day, int(churned.size), left)
    if min(left, int(churned.size) - left) < FEWEST_CHURNERS:
        return _Asked(day, int(churned.size), left, waits_for="labels")
    trained = next((v for v in verdicts if v.version == champion.version and not _is_by_hand(v)), None)
    rate = learned_rate(
        workspace.journal, churn, model=champion.model, version=champion.version, as_of=as_of
    )  # fmt: skip
    promised = Promised(_promised_auc(trained), rate.share if rate is not None else None)
    return _Asked(asked.asked_on, asked.customer_count, left, reasons_against(churned, probability, promised))


def _newest_known(
    workspace: Workspace, churn: Churn, over: list[date], as_of: date, version: str
) -> tuple[date, Booleans, Floats]:
    """Return the newest weekly cohort of which outcomes are known: data may not reach the end of its window yet."""
    days = _weekly(over)
    for day in days[:-1]:
        churned, probability = _outcomes(workspace, churn, day, as_of, version)
        if churned.size:
            return day, churned, probability
    return days[-1], *_outcomes(workspace, churn, days[-1], as_of, version)


def _weekly(over: list[date]) -> list[date]:
    """Return the newest days of a grid of weeks that starts with the first day: between two of them nothing is new."""
    weeks = (over[-1] - over[0]).days // LOOK_DAYS
    grid = (over[0] + timedelta(days=LOOK_DAYS * week) for week in range(weeks, max(weeks - _LATE_WEEKS, -1), -1))
    return [max(day for day in over if day <= last) for last in grid]


def _scored_days(warehouse: Warehouse, churn: Churn, version: str, as_of: date) -> list[date]:
    found = warehouse.query(
        f"select distinct as_of from scores where churn = {literal(churn.name)} and model_version = {literal(version)} "
        f"and as_of < date '{as_of}' order by as_of"
    )
    return [row["as_of"] for row in found.to_pylist()]


def _outcomes(workspace: Workspace, churn: Churn, day: date, as_of: date, version: str) -> tuple[Booleans, Floats]:
    """Return who left and what was predicted, of those whose outcome is known."""
    warehouse = workspace.warehouse
    scores = warehouse.query(
        f"select customer_id, as_of, probability from scores where churn = {literal(churn.name)} "
        f"and model_version = {literal(version)} and as_of = date '{day}' order by customer_id"
    )
    labels = build_labels(
        warehouse, workspace.business, churn, day, known_on=as_of, spine=scores.select(["customer_id", "as_of"])
    )
    known = warehouse.query(
        "select churned, probability from _scored join _labels using (customer_id) where churned is not null "
        "order by customer_id",
        frames={"_scored": scores, "_labels": labels},
    )
    churned = known["churned"].to_numpy(zero_copy_only=False).astype(bool)
    return churned, known["probability"].to_numpy().astype(np.float64)


def _promised_auc(trained: StoredVerdict | None) -> Estimate | None:
    guards: tuple[Mapping[str, Any], ...] = tuple(trained.figures.get("guards", ())) if trained is not None else ()
    for guard in guards:
        figures = (guard.get("figures") or {}).get("auc")
        if guard.get("name") == "signal" and figures:
            return Estimate(figures["estimate"], figures["low"], figures["high"], figures["n"], figures["method"])
    return None


def _is_by_hand(verdict: StoredVerdict) -> bool:
    return verdict.figures.get("by") == "hand"


def _proposal(warehouse: Warehouse, churn: Churn, as_of: date) -> tuple[date | None, bool]:
    """Return when a training was proposed last, and whether that proposal is still open."""
    rows = warehouse.query(
        "select as_of, alert_id, state from alerts "
        f"where rule = {literal(RULE)} and about = {literal(churn.name)} and as_of <= date '{as_of}' "
        "order by sequence"
    ).to_pylist()
    raised = [row for row in rows if row["state"] == "raised"]
    if not raised:
        return None, False
    newest = raised[-1]
    return newest["as_of"], not any(r["alert_id"] == newest["alert_id"] and r["state"] == "over" for r in rows)


def _drifted(warehouse: Warehouse, first: str, churn: Churn, as_of: date) -> int | None:
    about = "" if churn.name == first else churn.name
    rows = warehouse.query(
        f"select value from daily_metrics where metric = 'drifted_features' and about = {literal(about)} "
        f"and as_of <= date '{as_of}' order by as_of desc limit 1"
    ).to_pylist()
    return int(rows[0]["value"]) if rows and rows[0]["value"] is not None else None


def _sentences(found: Evidence, w: Words) -> Iterator[str]:
    day = w.day
    if found.is_due:
        yield w("alerts_retrain_due", churn=found.churn)
    elif found.reasons and found.waits_for == "cooldown" and found.until is not None:
        trained = day(found.last_trained_on) if found.last_trained_on is not None else "–"
        yield w("alerts_retrain_cooling", churn=found.churn, trained=trained, until=day(found.until))
    elif found.waits_for == "window" and found.until is not None:
        yield w("alerts_retrain_window_until", churn=found.churn, until=day(found.until))
    elif found.waits_for == "labels":
        least = w.count(FEWEST_CHURNERS)
        yield w(
            "alerts_retrain_labels", churn=found.churn, n=w.count(found.customer_count),
            left=w.count(found.churner_count), least=least,
        )  # fmt: skip
    elif found.waits_for is not None:
        yield w(f"alerts_retrain_{found.waits_for}", churn=found.churn)
    else:
        yield w("alerts_retrain_not_due", churn=found.churn)
    if found.asked_on is not None and found.waits_for != "labels":
        n, left = w.count(found.customer_count), w.count(found.churner_count)
        yield w("alerts_retrain_asked", day=day(found.asked_on), n=n, left=left)
    for reason in found.reasons:
        write = w.share if reason.kind in ("more_leave", "fewer_leave") else (lambda value: w.number(value, 2))
        yield w(
            f"alerts_retrain_{reason.kind}", found=write(reason.found), low=write(reason.low), high=write(reason.high),
            promised=write(reason.promised),
        )  # fmt: skip
    if found.drifted_features:
        yield w("alerts_retrain_drift", n=w.count(found.drifted_features))
