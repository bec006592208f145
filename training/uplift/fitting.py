"""From a trial to an uplift model: cross-fitted outcome models, doubly robust gains, and a shrunken stack on them.

Outcome models of each arm give every customer two expectations by models that did not see him; corrected by what
happened (AIPW), they are a noisy but honest gain. Regressions learn the gain from the features, and a non-negative
combination of all bases explains it best; where customers do not differ it is the average effect for everybody.

Source: Kennedy (2020) for learning on doubly robust scores; Nie and Wager, Biometrika 108 (2021) for the stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from holdback.errors import DataError
from holdback.progress import Progress, silent
from training.encoding import Encoding, learn_encoding
from training.estimates import Estimate
from training.rows import hash_share
from training.uplift.aipw import aipw_scores, average_effect
from training.uplift.frozen import TREATMENT, Floats, Frozen, sigmoid
from training.uplift.learnable import folds_of, order_of, require_learnable
from training.uplift.learners import Recipe, along, ask, asked_of, boost, learn_design, merge, pool_of
from training.uplift.lines import logistic_line, one_blas_thread, ridge_line
from training.uplift.model import BASIS_OF, EVERYBODY, STACK, UpliftModel
from training.uplift.stacking import stack
from training.uplift.trial import OutOfFold, Trial

Integers = npt.NDArray[np.intp]

RANDOM = "random"
S_LEARNER = "s_learner"


@dataclass(frozen=True, eq=False)
class Fitted:
    """A freshly trained uplift model and how it came about.

    Attributes:
        model: The model, decided by the stack.
        gains: AIPW score of each row by outcome models that did not see its customer, in units of the outcome, (n,).
        untreated: Expected outcome of each row without the action, by the same models, shape (n,).
        out_of_fold_bases: What the stack was learned from, by basis, each of shape (n,).
        average: Average effect with its interval.
        dropped: Features left out because they are null in every row.
    """

    model: UpliftModel
    gains: Floats
    untreated: Floats
    out_of_fold_bases: Mapping[str, Floats]
    average: Estimate
    dropped: tuple[str, ...] = ()


def fit(
    trial: Trial,
    *,
    threads: int,
    seed: int = 0,
    recipe: Recipe | None = None,
    also: Sequence[str] = (),
    information: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> Fitted:
    """Learn whom an action changes.

    The same rows, recipe and seed give the same predictions to the last bit, in whatever order the rows come.

    Args:
        trial: Customers who got the action or nothing, with known outcomes.
        threads: CPU threads.
        seed: Of folds and boosters.
        recipe: What to do; the default is the measured one.
        also: Competitors that the stack does not need but the model must be able to be decided by: ``s_learner``.
        information: Facts to store in the file beside our own.
        progress: Told about each step.

    Raises:
        DataError: the trial cannot be learned from as it is.
        NotKnowableYet: too few customers of an arm have one of the outcomes, or an arm is empty.
    """
    require_learnable(trial)
    with one_blas_thread():
        return _fit(trial, recipe or Recipe(), threads, seed, tuple(also), information or {}, progress)


def out_of_fold(
    trial: Trial,
    *,
    threads: int,
    seed: int = 0,
    fold_count: int = 3,
    recipe: Recipe | None = None,
    given: Mapping[str, Floats] | None = None,
    progress: Progress = silent,
) -> OutOfFold:
    """Let every competitor speak of each row by models that saw neither the row nor its customer.

    Competitors: ``random`` (a keyed hash of the customer), ``value`` (the average effect for everybody), ``risk``
    (worst off untreated first), ``response`` (best outcome when treated first), ``s_learner``, ``t_learner``,
    ``dr_stack``, and the given ones.

    Args:
        trial: Customers who got the action or nothing, with known outcomes.
        threads: CPU threads.
        seed: Of folds, boosters and the random competitor.
        fold_count: Outer folds, grouped by customer; within each the model is cross-fitted again.
        recipe: What to do; the default is the measured one.
        given: Scores that a company adds, by name, each of shape (n,); they must not have learned from these outcomes.
        progress: Told about each step.

    Raises:
        DataError: the trial cannot be learned from as it is; a given score lacks values or has a name that is taken.
        NotKnowableYet: too few customers of an arm have one of the outcomes, or an arm is empty.
    """
    require_learnable(trial)
    recipe, n = recipe or Recipe(), len(trial)
    fold = folds_of(trial, fold_count=fold_count, salt=f"uplift/outer/{seed}")
    scores = {name: np.empty(n) for name in (EVERYBODY, *BASIS_OF, STACK)}
    one, none = np.empty(n), np.empty(n)
    for number in range(fold_count):

        def told(step: str, done: int, total: int, at: int = number) -> None:
            progress(f"fold {at + 1} of {fold_count}: {step}", at * total + done, fold_count * total)

        judged = fold == number
        with one_blas_thread():
            model = _fit(trial.where(~judged), recipe, threads, seed, (S_LEARNER,), {}, told).model
        frame = trial.frame.loc[judged]
        bases = model.bases(frame, threads=threads)
        one[judged], none[judged] = bases["response"], -bases["risk"]
        for name, basis in BASIS_OF.items():
            scores[name][judged] = bases[basis]
        scores[EVERYBODY][judged] = model.average
        scores[STACK][judged] = model.frozen.combined(bases)
    scores[RANDOM] = hash_share(trial.customer_ids.astype(str), salt=f"uplift/random/{seed}")
    return OutOfFold(
        scores={**scores, **_checked(given or {}, n, taken=scores)},
        effects=frozenset({EVERYBODY, S_LEARNER, "t_learner", STACK}),
        gains=aipw_scores(trial.good, trial.treated, trial.propensity, one, none),
        untreated=none,
        fold=fold,
    )


@dataclass(frozen=True, eq=False)
class _Data:
    """A trial in the order in which it is learned, as the learners want it."""

    trial: Trial
    encoding: Encoding
    encoded: pd.DataFrame
    matrix: Floats
    folds: Sequence[tuple[Integers, Integers]]
    asked: Sequence[Any]  # a pool of the rows that each fold holds out
    recipe: Recipe
    threads: int
    seed: int

    @property
    def is_binary(self) -> bool:
        return self.trial.is_binary


def _fit(
    offered: Trial,
    recipe: Recipe,
    threads: int,
    seed: int,
    also: tuple[str, ...],
    information: Mapping[str, Any],
    progress: Progress,
) -> Fitted:
    order = order_of(offered)
    trial = _reordered(offered, order)
    encoding, dropped = learn_encoding(trial.frame, trial.customer_ids)
    encoded = encoding.apply(trial.frame)
    design = learn_design(encoded, encoding)
    fold = folds_of(trial, fold_count=recipe.fold_count, salt=f"uplift/inner/{seed}")
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(recipe.fold_count)]
    asked = [asked_of(encoded.iloc[judge], encoding, threads=threads) for _, judge in folds]
    data = _Data(trial, encoding, encoded, design.matrix(encoded), folds, asked, recipe, threads, seed)

    boosters, lines, bases = _outcomes(data, progress)
    gains = aipw_scores(trial.good, trial.treated, trial.propensity, bases["response"], -bases["risk"])
    _effects(data, gains, boosters, lines, bases, progress)
    average = average_effect(gains, trial.customer_ids)
    means = {name: float(values.mean()) for name, values in bases.items()}
    weights = stack(bases, gains, folds=folds, customers=trial.customer_ids, overlap=trial.overlap)
    progress("putting the parts together", 2 * recipe.fold_count, 2 * recipe.fold_count + 1)
    if S_LEARNER in also:
        boosters["both"] = [_both(data)]
    merged = {part: merge(several, _with_treatment(encoded, part)) for part, several in boosters.items()}
    facts = {
        **information,
        "action": trial.action,
        "as_of": str(trial.as_ofs.max()),
        "decided_by": STACK,
        "line": [0.0, 1.0],
        "recipe": recipe.digest(tuple(map(str, trial.frame.columns))),
        "seed": seed,
        "row_count": len(trial),
        "customer_count": int(np.unique(trial.customer_ids).size),
        "treated_count": int(trial.treated.sum()),
        "average": [average.estimate, average.low, average.high],
        "stack": {"average": average.estimate, "weights": weights, "means": {name: means[name] for name in weights}},
        "basis_means": means,
        "column_means": {
            name: float(trial.frame[name].mean()) for name in encoding.names if name not in encoding.categories
        },
        "dropped": list(dropped),
        "null_shares": {name: float(trial.frame[name].isna().mean()) for name in encoding.names},
    }
    frozen = Frozen(
        encoding,
        design,
        {part: booster for part, (booster, _) in merged.items()},
        {part: np.mean(several, axis=0) for part, several in lines.items()},
        trial.is_binary,
        average.estimate,
        weights,
        {name: means[name] for name in weights},
        facts,
    )
    if S_LEARNER in also:
        means["s_difference"] = float(
            frozen.bases(trial.frame, ["s_difference"], threads=threads)["s_difference"].mean()
        )
    back = np.argsort(order)
    return Fitted(
        UpliftModel(frozen, {part: content for part, (_, content) in merged.items()}),
        gains[back],
        -bases["risk"][back],
        {name: values[back] for name, values in bases.items()},
        average,
        dropped,
    )


def _reordered(trial: Trial, order: Integers) -> Trial:
    per_row = ("customer_ids", "as_ofs", "treated", "propensity", "good", "value_amounts", "cost_amounts", "risk")
    columns: dict[str, Any] = {name: getattr(trial, name)[order] for name in per_row}
    return replace(trial, frame=trial.frame.iloc[order].reset_index(drop=True), **columns)


class _How(TypedDict):
    seed: int
    threads: int
    is_binary: bool


def _outcomes(
    data: _Data, progress: Progress
) -> tuple[dict[str, list[Any]], dict[str, list[Floats]], dict[str, Floats]]:
    """Fit the outcome models of each arm and fold; return them, and what they say out of fold."""
    trial, binary, steps = data.trial, data.is_binary, 2 * len(data.folds) + 1
    pool = pool_of(data.encoded, trial.good, data.encoding, data.recipe, threads=data.threads, is_binary=binary)
    boosters: dict[str, list[Any]] = {}
    lines: dict[str, list[Floats]] = {}
    raw = {part: np.empty(len(trial)) for part in ("treated", "untreated", "line_treated", "line_untreated", "shift")}
    how = _How(seed=data.seed, threads=data.threads, is_binary=binary)
    for number, (learn, judge) in enumerate(data.folds):
        progress("outcome models", number, steps)
        for arm, part in ((trial.treated, "treated"), (~trial.treated, "untreated")):
            rows = learn[arm[learn]]
            booster = boost(pool, rows, data.recipe, **how)
            line = (logistic_line if binary else ridge_line)(data.matrix[rows], trial.good[rows])
            raw[part][judge] = ask(booster, data.asked[number], threads=data.threads)
            raw[f"line_{part}"][judge] = along(data.matrix[judge], line)
            boosters.setdefault(part, []).append(booster)
            lines.setdefault(f"line_{part}", []).append(line)
        # The treated of the same folds start from what their untreated would do: nothing of the judged goes in.
        rows = learn[trial.treated[learn]]
        alike = asked_of(data.encoded.iloc[rows], data.encoding, threads=data.threads)
        start = ask(boosters["untreated"][-1], alike, threads=data.threads)
        shift = boost(pool, rows, data.recipe, role="shift", baseline=start, **how)
        raw["shift"][judge] = raw["untreated"][judge] + ask(shift, data.asked[number], threads=data.threads)
        boosters.setdefault("shift", []).append(shift)
    said = {part: sigmoid(values) if binary else values for part, values in raw.items()}
    bases = {
        "t_difference": said["treated"] - said["untreated"],
        "shift_difference": said["shift"] - said["untreated"],
        "logistic_difference": said["line_treated"] - said["line_untreated"],
        "risk": -said["untreated"],
        "response": said["treated"],
    }
    return boosters, lines, bases


def _effects(
    data: _Data,
    gains: Floats,
    boosters: dict[str, list[Any]],
    lines: dict[str, list[Floats]],
    bases: dict[str, Floats],
    progress: Progress,
) -> None:
    """Fit the regressions of the gains by fold, and add them and what they say out of fold."""
    overlap = data.trial.overlap
    pool = pool_of(data.encoded, gains, data.encoding, data.recipe, threads=data.threads, weights=overlap)
    bases |= {"ridge": np.empty(len(gains)), "boosted": np.empty(len(gains))}
    boosters["effect"], lines["line_effect"] = [], []
    for number, (learn, judge) in enumerate(data.folds):
        progress("effect models", len(data.folds) + number, 2 * len(data.folds) + 1)
        booster = boost(pool, learn, data.recipe, seed=data.seed, threads=data.threads, is_binary=False, role="effect")
        line = ridge_line(data.matrix[learn], gains[learn], weights=overlap[learn])
        bases["boosted"][judge] = ask(booster, data.asked[number], threads=data.threads)
        bases["ridge"][judge] = along(data.matrix[judge], line)
        boosters["effect"].append(booster)
        lines["line_effect"].append(line)


def _both(data: _Data) -> Any:
    """Fit the one booster that knows the treatment, on all rows."""
    encoded = _with_treatment(data.encoded, "both", data.trial.treated.astype(np.float64))
    pool = pool_of(encoded, data.trial.good, data.encoding, data.recipe, threads=data.threads, is_binary=data.is_binary)
    rows = np.arange(len(data.trial))
    return boost(pool, rows, data.recipe, seed=data.seed, threads=data.threads, is_binary=data.is_binary)


def _with_treatment(encoded: pd.DataFrame, part: str, treated: Floats | float = 1.0) -> pd.DataFrame:
    return encoded.assign(**{TREATMENT: treated}) if part == "both" else encoded


def _checked(given: Mapping[str, Floats], n: int, *, taken: Mapping[str, Floats]) -> dict[str, Floats]:
    found = {}
    for name, values in given.items():
        score = np.asarray(values, dtype=np.float64)
        if name in taken:
            raise DataError(f"league: the name {name!r} is taken. A company's own scorer needs a name of its own.")
        if score.shape != (n,) or not np.isfinite(score).all():
            raise DataError(
                f"league: the scores of {name!r} have shape {score.shape}, or lack values. One finite number for each "
                f"of the {n:,} rows."
            )
        found[name] = score
    return found
