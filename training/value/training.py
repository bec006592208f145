"""Train a value model, judge it on matured forecasts, register it and perhaps put it in office.

A model takes office unless its last matured forecast missed the total by more than 40 %. It is never chosen by its mean
absolute error, nor against the model in office: money that has not come yet cannot be compared.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pyarrow as pa

from holdback.business import Business, ColumnChurn
from holdback.errors import PromotionConflict
from holdback.progress import Progress, silent
from holdback.workspace import Workspace
from training.estimates import Estimate
from training.registry import (
    VALUE,
    Registration,
    describe_version,
    in_office,
    model_name,
    promote,
    register_file,
    require,
)
from training.registry.files import CARD
from training.value.backtests import Backtest, Learned
from training.value.buyers import learn_from_purchases
from training.value.feeds import Kind, value_feed
from training.value.figures import Factor, ValueFigures
from training.value.holders import learn_from_contracts
from training.value.model import ValueModel, load

_ATTEMPTS = 5
_LEARN = {"purchases": learn_from_purchases, "contracts": learn_from_contracts}


@dataclass(frozen=True)
class ValueResult:
    """What a training came to.

    Attributes:
        as_of: Day of knowledge.
        kind: ``purchases`` or ``contracts``.
        method: ``btyd``, ``hurdle``, ``btyd+hurdle`` or ``hazard``.
        model: Name of the registered model.
        version: Its new version.
        run_id: The MLflow run.
        is_in_office: True when it took office.
        reason: Why, or why not, in one sentence.
        feed: The feed it learned from.
        figures: gini, decile_error, total_ratio and top_share of the newest matured forecast; empty without one.
        rivals: The same of the other ways to forecast, by method: each part alone, and what bookkeeping expects.
        factors: Predicted total / actual total of each matured forecast, oldest first; None when nothing came.
        factor: What the values are multiplied by.
        judged_on: Days whose forecasts have matured, oldest first.
        judged_method: How the newest of them was made; another than ``method`` when the history was too short for it by
            then. None without one.
        judged_days: The time that those forecasts were about.
        learned_on: Past days it learned from, oldest first.
        window_days: Time after those days that it saw, at most.
        horizon_days: Time that it values.
        row_count: Rows it learned from.
        customer_count: Customers judged on the newest day.
        notes: What a reader must know: why a part was left out, what is carried on beyond what was seen.
    """

    as_of: date
    kind: Kind
    method: str
    model: str
    version: str
    run_id: str
    is_in_office: bool
    reason: str
    feed: str
    figures: Mapping[str, Estimate]
    rivals: Mapping[str, Mapping[str, Estimate]]
    factors: tuple[float | None, ...]
    factor: float
    judged_on: tuple[date, ...]
    judged_method: str | None
    judged_days: int | None
    learned_on: tuple[date, ...]
    window_days: int
    horizon_days: int
    row_count: int
    customer_count: int
    notes: tuple[str, ...]


def train_value(workspace: Workspace, as_of: date, *, threads: int, progress: Progress = silent) -> ValueResult:
    """Train the value model that fits the business with what was knowable on a day.

    Args:
        workspace: The business.
        as_of: Day of knowledge.
        threads: CPU threads.
        progress: Told about each step.

    Raises:
        BusinessFileError: no feed carries revenue, or only balances do (bookkeeping values those).
        NotKnowableYet: nothing was seen of how long contracts last yet.
        DataError: the feed is empty, nobody bought, or too few customers came back or left.
        OperatorError: the registry cannot be reached.
        PromotionConflict: other trainings kept promoting first, five times in a row.
    """
    business = workspace.business
    feed, kind = value_feed(business)
    require(workspace)  # a model that cannot be registered need not be trained
    learned = _LEARN[kind](workspace, feed, as_of, threads=threads, progress=progress)
    model = replace(learned.model, information=_information(business, learned, as_of))
    progress("registering", 0, 1)
    registration = _registered(workspace, as_of, model, learned)
    is_in_office, reason = _office(workspace, registration, as_of, learned.factor)
    decision = "promote" if is_in_office else "keep"
    workspace.journal.record_verdict(
        registration.model, registration.version, as_of=as_of, decision=decision, champion=None,
        figures={"reasons": [reason]},
    )  # fmt: skip
    rows = evaluation_rows(churn_of(business, feed), as_of, registration.run_id, learned.backtests)
    if rows.num_rows:
        workspace.warehouse.append("evaluations", rows, batch=f"evaluations/{registration.run_id}")
    newest = learned.backtests[-1] if learned.backtests else None
    found = {} if newest is None else {name: _named(figures) for name, figures in newest.figures.items()}
    return ValueResult(
        as_of=as_of,
        kind=kind,
        method=model.method,
        model=registration.model,
        version=registration.version,
        run_id=registration.run_id,
        is_in_office=is_in_office,
        reason=reason,
        feed=feed,
        figures={} if newest is None else found.get(newest.method, {}),
        rivals={name: figures for name, figures in found.items() if newest is None or name != newest.method},
        factors=_finite(learned.backtests),
        factor=model.factor,
        judged_on=tuple(test.on for test in learned.backtests),
        judged_method=None if newest is None else newest.method,
        judged_days=None if newest is None else newest.window_days,
        learned_on=learned.learned_on,
        window_days=learned.window_days,
        horizon_days=business.value.horizon_days,
        row_count=learned.row_count,
        customer_count=0 if newest is None else newest.customer_count,
        notes=learned.notes,
    )


def model_in_office(workspace: Workspace) -> tuple[str, ValueModel] | None:
    """Return the version and the model that values customers; None when none is in office.

    Raises:
        OperatorError: its file is neither here nor in the registry, or damaged in both.
    """
    found = in_office(workspace, VALUE, load)
    return None if found is None else (found[0].version, found[1])


def churn_of(business: Business, feed: str) -> str:
    """Return the churn definition whose feed carries the revenue, by name; the first one when none does."""
    own = (c.name for c in business.churn if not isinstance(c, ColumnChurn) and c.feed == feed)
    return next(own, business.churn[0].name)


def evaluation_rows(churn: str, as_of: date, run_id: str, backtests: tuple[Backtest, ...]) -> pa.Table:
    """Every figure of the matured forecasts as rows of the table ``evaluations``.

    The slice is ``all`` for the newest day and ``judged_on=DAY`` for the ones before it.
    """
    rows = [
        {
            "as_of": as_of, "churn": churn, "run_id": run_id, "model": method, "metric": metric,
            "slice": "all" if test is backtests[-1] else f"judged_on={test.on}",
            "estimate": figure.estimate, "low": figure.low, "high": figure.high, "row_count": figure.n,
            "method": f"{figure.method}; margin of {test.window_days} days from {test.on}",
        }
        for test in backtests
        for method, figures in test.figures.items()
        for metric, figure in _named(figures).items()
    ]  # fmt: skip
    return pa.Table.from_pylist(
        rows,
        schema=pa.schema(
            {
                "as_of": pa.date32(), "churn": pa.string(), "run_id": pa.string(), "model": pa.string(),
                "metric": pa.string(), "slice": pa.string(), "estimate": pa.float64(), "low": pa.float64(),
                "high": pa.float64(), "row_count": pa.int64(), "method": pa.string(),
            }
        ),
    )  # fmt: skip


def _finite(backtests: tuple[Backtest, ...]) -> tuple[float | None, ...]:
    return tuple(test.factor if math.isfinite(test.factor) else None for test in backtests)


def _named(figures: ValueFigures) -> dict[str, Estimate]:
    return {
        "gini": figures.gini,
        "decile_error": figures.decile_error,
        "total_ratio": figures.total_ratio,
        "top_share": figures.top_share,
    }


def _information(business: Business, learned: Learned, as_of: date) -> dict[str, object]:
    return {
        "business": business.slug,
        "as_of": as_of.isoformat(),
        "feed": learned.feed,
        "learned_on": [day.isoformat() for day in learned.learned_on],
        "window_days": learned.window_days,
        "row_count": learned.row_count,
        "notes": list(learned.notes),
    }


def _registered(workspace: Workspace, as_of: date, model: ValueModel, learned: Learned) -> Registration:
    newest = learned.backtests[-1] if learned.backtests else None
    figures = newest.figures.get(newest.method) if newest is not None else None
    named = {} if figures is None else _named(figures)
    metrics = {
        f"value_{name}{end}": value
        for name, figure in named.items()
        for end, value in (("", figure.estimate), ("_low", figure.low), ("_high", figure.high))
    }
    params = {
        "kind": model.kind,
        "method": model.method,
        "feed": learned.feed,
        "horizon_days": workspace.business.value.horizon_days,
        "window_days": learned.window_days,
        "learned_on": f"{learned.learned_on[0]} to {learned.learned_on[-1]} ({len(learned.learned_on)} days)",
        "judged_method": "" if newest is None else newest.method,
        "judged_on": ", ".join(str(test.on) for test in learned.backtests) or "nothing has matured",
        "training_rows": learned.row_count,
        "holdout_rows": 0 if newest is None else newest.customer_count,
        "factor": model.factor,
    }
    with tempfile.TemporaryDirectory(prefix="holdback-value-") as folder:
        file = Path(folder) / "model.value"
        model.save(file)
        card = _card(workspace.business, as_of, model, learned)
        return register_file(workspace, VALUE, as_of, file=file, params=params, metrics=metrics, texts={CARD: card})


def _office(workspace: Workspace, registration: Registration, as_of: date, factor: Factor) -> tuple[bool, str]:
    """Put the version in office if it may be; the reason in one sentence either way, kept beside it beforehand."""
    version, obstacle = registration.version, None if factor.is_publishable else factor.sentence
    for _ in range(_ATTEMPTS):
        seen = workspace.journal.champion(model_name(workspace.business, VALUE))
        if obstacle is None and seen is not None and seen.as_of > as_of:
            obstacle = (
                f"Version {seen.version} of {seen.as_of} is in office: a model of an earlier day does not follow."
            )
        # Told to MLflow before the office changes: a registry that is away stops a promotion, or not at all.
        decision = "keep" if obstacle is not None else "promote"
        describe_version(workspace, registration, decision=decision, reason=obstacle or factor.sentence)
        if obstacle is not None:
            return False, obstacle
        try:
            promote(workspace, VALUE, version, seen=seen, as_of=as_of)
        except PromotionConflict:
            continue
        return True, factor.sentence
    raise PromotionConflict(
        f"model {VALUE}: other trainings promoted first {_ATTEMPTS} times. Version {version} stays registered. Run the "
        "training again when the others are done."
    )


def _card(business: Business, as_of: date, model: ValueModel, learned: Learned) -> str:
    """The model card: what it is, how its matured forecasts did, what it must not be used for."""
    lines = [
        f"# Value of customers: {business.name}, {as_of}",
        "",
        f"Expected margin of the next {business.value.horizon_days} days in {business.currency}, discounted at "
        f"{business.value.discount_rate:.0%} a year, by **{model.method}** from the feed `{learned.feed}`.",
        "",
        f"Learned from {learned.row_count:,} rows of {len(learned.learned_on)} days, {learned.learned_on[0]} to "
        f"{learned.learned_on[-1]}, and up to {learned.window_days} days after them.",
        "",
        learned.factor.sentence,
        "",
        "| judged on | days | method | gini | decile error | predicted / actual | n |",
        "|---|---|---|---|---|---|---|",
    ]
    for test in reversed(learned.backtests):
        shown = f"{test.factor:.2f}" if math.isfinite(test.factor) else "nothing came"
        if not test.figures:
            lines.append(
                f"| {test.on} | {test.window_days} | {test.method} |  |  | {shown} | {test.customer_count:,} |"
            )
        for method, f in test.figures.items():
            cells = " | ".join(f"{e.estimate:.3f} ({e.low:.3f} to {e.high:.3f})" for e in _table_figures(f))
            lines.append(f"| {test.on} | {test.window_days} | {method} | {cells} | {f.customer_count:,} |")
    lines += ["", *(f"- {note}" for note in learned.notes)]
    lines += [
        "",
        "It says what customers bring, not who leaves: it is no risk score, and no reason to serve anybody worse.",
    ]
    return "\n".join(lines) + "\n"


def _table_figures(figures: ValueFigures) -> tuple[Estimate, Estimate, Estimate]:
    return figures.gini, figures.decile_error, figures.total_ratio
