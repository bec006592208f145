"""What the checks before a promotion saw, in the page's language: from the figures that each of them recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from monitoring.portal.pages.models_written import written
from monitoring.standing import GuardSeen
from monitoring.words import Words
from training.estimates import Estimate
from training.guards import FEWEST_FOR_PROMOTION


def seen_by(guard: GuardSeen, words: Words) -> str:
    """Say what a check saw; what it recorded without figures that we know is quoted."""
    say = _SAID.get(guard.name)
    try:
        said = None if say is None else say(guard, words)
    except (KeyError, TypeError):  # recorded by an older version, which kept fewer figures
        said = None
    return words("models_as_recorded", text=guard.reason) if said is None else said


def _outcomes(guard: GuardSeen, w: Words) -> str:
    key = "models_saw_outcomes" if guard.severity == "pass" else "models_saw_outcomes_few"
    left, stayed = w.count(guard.figures["churner_count"]), w.count(guard.figures["stayer_count"])
    return w(key, left=left, stayed=stayed, least=FEWEST_FOR_PROMOTION)


def _data(guard: GuardSeen, w: Words) -> str:
    now, before = w.share(guard.figures["holdout_base_rate"]), w.share(guard.figures["training_base_rate"])
    if guard.severity == "pass":
        return w("models_saw_data", now=now, before=before)
    columns = ", ".join([*guard.figures["null_shares"], *guard.figures["new_categories"]]) or w("nothing")
    return w("models_saw_data_changed", now=now, before=before, columns=columns)


def _signal(guard: GuardSeen, w: Words) -> str:
    auc = written(w, _estimate(guard.figures["auc"]), lambda value: w.number(value, 3)).both
    return w("models_saw_signal" if guard.severity == "pass" else "models_saw_no_signal", auc=auc)


def _calibration(guard: GuardSeen, w: Words) -> str:
    ratio, slope, error = (
        written(w, _estimate(guard.figures[name]), lambda value, digits=digits: w.number(value, digits)).both  # type: ignore[misc]
        for name, digits in (("predicted_over_actual", 2), ("calibration_slope", 2), ("calibration_error", 3))
    )
    key = "models_saw_calibration" if guard.severity == "pass" else "models_saw_no_calibration"
    return w(key, ratio=ratio, slope=slope, error=error)


def _slices(guard: GuardSeen, w: Words) -> str:
    tested, untestable = w.count(guard.figures["tested"]), w.count(len(guard.figures["untestable"]))
    worse = ", ".join(dict.fromkeys([*guard.figures["worse_than_rest"], *guard.figures["worse_than_champion"]]))
    key = "models_saw_slices" if guard.severity == "pass" else "models_saw_slices_worse"
    return w(key, tested=tested, untestable=untestable, worse=worse)


def _plain(guard: GuardSeen, w: Words) -> str | None:
    """Say what needs no figures: a pass."""
    return w(f"models_saw_{guard.name}") if guard.severity == "pass" else None


_SAID: Final[Mapping[str, Callable[[GuardSeen, Words], str | None]]] = {
    "outcomes": _outcomes, "data": _data, "signal": _signal, "calibration": _calibration, "slices": _slices,
    "leak": _plain, "availability": _plain, "holdout": _plain,
}  # fmt: skip


def _estimate(found: Mapping[str, Any]) -> Estimate:
    return Estimate(
        float(found["estimate"]), float(found["low"]), float(found["high"]), int(found["n"]), str(found["method"])
    )
