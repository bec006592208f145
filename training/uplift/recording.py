"""Write down what was learned: the file, its card, the league, and every figure in the table ``evaluations``."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from holdback.workspace import Workspace
from training.registry import Registration, register_file
from training.uplift.card import write_card
from training.uplift.league import League, Standing
from training.uplift.model import UpliftModel
from training.uplift.serving import served
from training.uplift.trial import Trial

if TYPE_CHECKING:
    import pyarrow as pa


def registered(
    workspace: Workspace,
    subject: str,
    as_of: date,
    model: UpliftModel,
    trial: Trial,
    league: League,
    decision: str,
) -> Registration:
    """Register a model as a new version, with its card and the whole league beside it; it is in no office yet."""
    told = next(s for s in league.standings if s.name == model.information["decided_by"])
    card = write_card(workspace.business, as_of, trial=trial, model=model, league=league, decision=decision)
    with tempfile.TemporaryDirectory(prefix="holdback-uplift-") as folder:
        file = Path(folder) / "model.uplift"
        model.save(file)
        return register_file(
            workspace,
            subject,
            as_of,
            file=file,
            params={
                "decided_by": model.information["decided_by"],
                "holdout_rows": len(trial),
                "treated_rows": int(trial.treated.sum()),
                "capacity_share": league.capacity_share,
                "incumbent": league.incumbent,
            },
            metrics=_metrics(told),
            texts={"model_card.md": card, "league.md": league.to_markdown()},
            served=served(model, trial),
        )


def _metrics(standing: Standing) -> dict[str, float]:
    figures = {"gain": standing.gain, "qini": standing.qini}
    found: dict[str, float] = {}
    for name, figure in figures.items():
        if figure is not None:
            found |= {name: figure.estimate, f"{name}_low": figure.low, f"{name}_high": figure.high}
    return found


def evaluation_rows(workspace: Workspace, as_of: date, run_id: str, trial: Trial, league: League) -> pa.Table:
    """Every figure of the league as rows of the table ``evaluations``."""
    import pyarrow as pa

    rows = [
        {
            "as_of": as_of,
            "churn": trial.churn or workspace.business.churn_named(None).name,
            "run_id": run_id,
            "model": standing.name,
            "metric": metric,
            "slice": f"action={trial.action}",
            "estimate": figure.estimate,
            "low": figure.low,
            "high": figure.high,
            "row_count": figure.n,
            "method": figure.method,
        }
        for standing in league.standings
        for metric, figure in (("incremental_margin", standing.gain), ("qini", standing.qini))
        if figure is not None
    ]
    return pa.Table.from_pylist(rows)
