"""Guards: what must be true of a challenger and its data before anybody compares it with the champion.

Each is one named result with its figures and a sentence. ``block`` stops an automatic promotion; ``warn`` is shown in
the model card and the report and stops nothing. Limits are those of the churn model's design (section C4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from training.encoding import Encoding
from training.metrics import Estimate, Evaluation, PairedDifference
from training.rows import Rows, is_number

Severity = Literal["pass", "warn", "block"]

FEWEST_FOR_PROMOTION = 150
"""Churners, and stayers, that the holdout needs before any promotion is automatic."""

_RATIO = (0.8, 1.25)
_SLOPE = (0.7, 1.3)
_MOST_CALIBRATION_ERROR = 0.06
_MOST_LOG_LOSS_LOST = 0.01
_NULL_FACTOR = 3.0
_NULL_FLOOR = 0.02
_MOST_NEW_CATEGORY = 0.05
_BASE_RATE_FACTOR = 2.0


@dataclass(frozen=True)
class Guard:
    """One guard's verdict.

    Attributes:
        name: Which guard, for example ``leak`` or ``calibration``.
        severity: ``pass``, ``warn`` or ``block``.
        reason: One sentence: what was seen, against which limit, and what to do when it does not hold.
        columns: Columns it names, if it is about columns.
        figures: Every number it looked at.
    """

    name: str
    severity: Severity
    reason: str
    columns: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_blocking(self) -> bool:
        """True when it stops an automatic promotion."""
        return self.severity == "block"


def calibration_guard(found: Evaluation, *, log_loss_against_champion: PairedDifference | None = None) -> Guard:
    """Are the probabilities true? Predicted over actual, calibration error and slope, log-loss against the champion.

    A limit is broken when the whole 95 % interval lies outside it: with a few hundred churners the calibration error
    of a perfect model is .02 to .04 by chance alone, and a gate that blocks on noise keeps stale models in office.
    """
    broken = []
    if _outside(found.predicted_over_actual, *_RATIO):
        broken.append(
            f"predicted over actual is {found.predicted_over_actual} where {_RATIO[0]} to {_RATIO[1]} is allowed"
        )
    if _outside(found.calibration_slope, *_SLOPE):
        broken.append(f"the calibration slope is {found.calibration_slope} where {_SLOPE[0]} to {_SLOPE[1]} is allowed")
    if _outside(found.calibration_error, 0.0, _MOST_CALIBRATION_ERROR):
        broken.append(
            f"the calibration error is {found.calibration_error} where at most {_MOST_CALIBRATION_ERROR} is allowed"
        )
    lost = log_loss_against_champion
    if lost is not None and lost.estimate > _MOST_LOG_LOSS_LOST:
        broken.append(f"log-loss is {lost} against the champion, where at most +{_MOST_LOG_LOSS_LOST} is allowed")
    figures = {
        "predicted_over_actual": found.predicted_over_actual,
        "calibration_slope": found.calibration_slope,
        "calibration_error": found.calibration_error,
        "log_loss_against_champion": lost,
    }
    if broken:
        return Guard("calibration", "block", f"{'; '.join(broken)}. Retrain on newer outcomes.", figures=figures)
    seen = (
        f"predicted over actual {found.predicted_over_actual.estimate:.2f}, "
        f"slope {found.calibration_slope.estimate:.2f}, error {found.calibration_error.estimate:.3f}"
    )
    return Guard("calibration", "pass", f"the probabilities agree with what happened: {seen}.", figures=figures)


def signal_guard(found: Evaluation) -> Guard:
    """Does the model rank at all? The lower end of its AUC must lie above one half."""
    figures = {"auc": found.auc}
    if found.auc.low > 0.5:
        return Guard("signal", "pass", f"the AUC is {found.auc}.", figures=figures)
    return Guard(
        "signal", "block", f"the AUC is {found.auc}: not better than chance. Add features or outcomes.", figures=figures
    )


def minimum_guard(holdout: Rows) -> Guard:
    """Are there enough outcomes to judge? At least 150 churners and 150 stayers in the holdout."""
    figures = {"churner_count": holdout.churner_count, "stayer_count": holdout.stayer_count}
    seen = f"{holdout.churner_count:,} customers left and {holdout.stayer_count:,} stayed in the holdout"
    if min(holdout.churner_count, holdout.stayer_count) >= FEWEST_FOR_PROMOTION:
        return Guard("outcomes", "pass", f"{seen}.", figures=figures)
    return Guard(
        "outcomes",
        "block",
        f"{seen}; below {FEWEST_FOR_PROMOTION} of each nothing is promoted by itself. Wait for more outcomes, or look "
        "at the model card and promote by hand.",
        figures=figures,
    )


def data_guard(training: Rows, holdout: Rows, encoding: Encoding) -> Guard:
    """Is the holdout made of the same stuff as the training rows? Null shares, categories, base rate."""
    problems: list[str] = []
    columns: list[str] = []
    shares = {name: float(training.frame[name].isna().mean()) for name in encoding.names}
    nulls = null_shares_grown(shares, holdout.described)
    for name, (before, now) in nulls.items():
        columns.append(name)
        problems.append(f"{name} is null in {now:.1%} of the rows ({before:.1%} in training)")
    new = _new_category_shares(training.frame, holdout.frame, encoding)
    for name, (share, level) in new.items():
        columns.append(name)
        problems.append(f"{name} has values never seen in training in {share:.1%} of the rows (such as {level!r})")
    before_rate, now_rate = (rows.churner_count / max(1, len(rows)) for rows in (training, holdout))
    if not 1 / _BASE_RATE_FACTOR <= now_rate / max(before_rate, 1e-12) <= _BASE_RATE_FACTOR:
        problems.append(f"{now_rate:.1%} of the holdout left and {before_rate:.1%} of the training rows")
    figures = {
        "training_base_rate": before_rate,
        "holdout_base_rate": now_rate,
        "null_shares": {name: list(pair) for name, pair in nulls.items()},
        "new_categories": {name: list(pair) for name, pair in new.items()},
    }
    if problems:
        reason = f"{'; '.join(problems)}. Look at the feeds behind these columns."
        return Guard("data", "block", reason, tuple(columns), figures)
    return Guard(
        "data",
        "pass",
        f"holdout and training rows agree: {now_rate:.1%} and {before_rate:.1%} left, no column grew empty.",
        figures=figures,
    )


def null_shares_grown(training_shares: Mapping[str, float], frame: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Columns that are null more than three times as often as in training (and in more than 2 % of the rows).

    A booster takes a null in a number that never had one for the smallest value of all, without a word: customers
    with an unknown tenure become brand-new ones.

    Returns:
        ``{column: (share in training, share now)}``.
    """
    return grown_beyond(
        training_shares,
        {name: float(frame[name].isna().mean()) if len(frame) else 0.0 for name in training_shares},
    )


def grown_beyond(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """The rule of :func:`null_shares_grown` where the shares of nulls are known already."""
    return {
        name: (share, now[name]) for name, share in before.items() if now[name] > max(_NULL_FACTOR * share, _NULL_FLOOR)
    }


def _new_category_shares(training: pd.DataFrame, now: pd.DataFrame, encoding: Encoding) -> dict[str, tuple[float, str]]:
    found = {}
    for name in encoding.categories:
        if name in encoding.kept or is_number(now[name]):
            continue  # a folded category expects new levels: they are "(other)"
        present = now[name].dropna().astype(str)
        new = present[~present.isin(set(training[name].dropna().astype(str)))]
        if len(new) > _MOST_NEW_CATEGORY * len(now):
            found[name] = (len(new) / len(now), str(new.mode().iloc[0]))
    return found


def _outside(figure: Estimate, lowest: float, highest: float) -> bool:
    return figure.high < lowest or figure.low > highest
