"""A shop whose figures of a day are known by hand: who was scored, what came in, what was answered."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from tests.monitoring.company import BUSINESS, CHURN, workspace_in

DAY = date(2025, 6, 1)

FEEDS: dict[str, Any] = {
    **BUSINESS["feeds"],  # type: ignore[dict-item]
    "survey": {
        "role": "feedback", "source": "survey.csv", "scale": "nps",
        "columns": {"customer_id": "client", "event_at": "at", "score": "s"},
    },
}  # fmt: skip
TRIGGER = {
    "name": "angry", "kind": "score_below", "feed": "survey", "at": 7, "cooldown_days": 30, "expected_per_day": 1,
}  # fmt: skip


def shop(folder: Path, **changes: Any) -> Workspace:
    """An empty workspace of a shop that asks its customers."""
    return workspace_in(folder, **{"feeds": FEEDS, **changes})


def score_day(workspace: Workspace, day: date, probabilities: list[float], *, churn: str = CHURN) -> None:
    """Store scores of a day: high from 0.5 on, medium from 0.2 on."""
    rows = [
        {
            "as_of": day, "customer_id": f"c{number:03d}", "churn": churn, "model_version": "1",
            "probability": probability, "is_above_capacity_line": False,
            "risk_tier": "high" if probability >= 0.5 else "medium" if probability >= 0.2 else "low",
        }
        for number, probability in enumerate(probabilities)
    ]  # fmt: skip
    workspace.warehouse.append("scores", rows_of(TABLES["scores"], rows), batch=f"{churn}/{day}")


def ask(workspace: Workspace, day: date, scores: list[float | None], *, batch: str = "asked") -> None:
    """Store one request for feedback per customer, two days before a day; None is silence."""
    at = datetime.combine(day, datetime.min.time()) - timedelta(days=2)
    rows = [
        {
            "customer_id": f"c{number:03d}", "event_at": at, "score": score, "batch_id": batch, "row_number": number,
            "loaded_at": at + timedelta(hours=1),
        }
        for number, score in enumerate(scores)
    ]  # fmt: skip
    table = workspace.business.tables["survey"]
    workspace.warehouse.append("survey", rows_of(table, rows), batch=batch)


def value_customers(workspace: Workspace, day: date, margins: list[int]) -> None:
    """Store what a value model expects of each customer, in cents."""
    rows = [
        {
            "as_of": day, "customer_id": f"c{number:03d}", "model_version": "1", "method": "btyd",
            "margin_cents": cents, "months": None, "value_decile": 5,
        }
        for number, cents in enumerate(margins)
    ]  # fmt: skip
    workspace.warehouse.append("customer_values", rows_of(TABLES["customer_values"], rows), batch=f"values/{day}")
