"""A small company with a year of purchases, a real model, scores and outcomes: what the report is written about."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml

from holdback.business import load_business
from holdback.commits import rows_of
from holdback.tables import TABLES
from holdback.workspace import Workspace
from training.churn import Recipe, fit
from training.datasets import build_dataset
from training.gate import Verdict
from training.guards import Guard
from training.metrics import Estimate, PairedDifference
from training.scoring import score

TRAINED_ON = date(2025, 7, 1)
FIRST_DAY = date(2025, 7, 2)  # scored; its outcomes are over by LAST_DAY
LAST_DAY = date(2025, 10, 1)
HOSTILE = "<script>alert(\"1\")</script> & 'co'"
CHURN = "lapsed"

BUSINESS = {
    "slug": "shop",
    "name": "Shop",
    "currency": "EUR",
    "time_zone": "Europe/Madrid",
    "feeds": {
        "tills": {
            "role": "transactions",
            "source": "tills/*.csv",
            "columns": {
                "customer_id": "client",
                "event_at": "at",
                "amount": "paid",
                "order_id": "ticket",
                "channel": "where",
            },
            "accepts": {"channel": ["store", "web"]},
            "expects": {"fresh_within_days": 3},
        }
    },
    "customers": {
        "source": "clients.csv",
        "key": "client",
        "attributes": {"region": "category"},
    },
    "churn": [{"name": CHURN, "kind": "inactivity", "feed": "tills", "outcome_days": 28, "active_days": 56}],
    "actions": [{"name": "call", "channel": "phone", "cost": 1.0, "capacity_per_day": 20}],
    "training": {"min_history_days": 28},
}


def workspace_in(folder: Path, **changes: object) -> Workspace:
    """An empty workspace of the shop; ``changes`` replace keys of its business file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "business.yaml"
    path.write_text(yaml.safe_dump({**BUSINESS, **changes}, allow_unicode=True), encoding="utf-8")
    return Workspace(folder / ".holdback", load_business(path), threads=1)


def load_year(workspace: Workspace, *, customers: int = 400, seed: int = 0) -> None:
    """Load purchases from January to September 2025: some customers slow down and leave, most go on."""
    rng = np.random.default_rng(seed)
    rows = []
    first = datetime(2025, 1, 1, 9)
    for number in range(customers):
        gap = rng.gamma(4, 3.5)
        leaves_after = rng.exponential(220)
        day, slow = rng.uniform(0, 20), 1.0
        while day < min(leaves_after, 272):
            at = first + timedelta(days=float(day))
            rows.append((f"c{number:04d}", at, int(rng.gamma(2, 1500)), "web" if rng.random() < 0.4 else "store"))
            slow = 1.0 if day < leaves_after - 60 else slow * 1.25
            day += rng.exponential(gap) * slow
    rows.sort(key=lambda row: (row[1], row[0]))
    at = [row[1] for row in rows]
    tills = pa.table(
        {
            "customer_id": [row[0] for row in rows],
            "event_at": pa.array(at, pa.timestamp("us")),
            "amount_cents": [row[2] for row in rows],
            "order_id": [f"t{i}" for i in range(len(rows))],
            "channel": [row[3] for row in rows],
            "batch_id": ["year"] * len(rows),
            "row_number": list(range(1, len(rows) + 1)),
            "loaded_at": pa.array([moment + timedelta(days=1) for moment in at], pa.timestamp("us")),
        }
    )
    clients = pa.table(
        {
            "customer_id": [f"c{number:04d}" for number in range(customers)],
            "region": [("north", "south", HOSTILE)[number % 3] for number in range(customers)],
            "batch_id": ["clients"] * customers,
            "row_number": list(range(1, customers + 1)),
            "loaded_at": pa.array([first] * customers, pa.timestamp("us")),
        }
    )
    workspace.warehouse.append("tills", tills, batch="year")
    workspace.warehouse.append("customers", clients, batch="clients")


def train(workspace: Workspace, as_of: date = TRAINED_ON, *, version: str = "1") -> None:
    """Train a small real model and put it in office, without a registry."""
    churn = workspace.business.churn_named(CHURN)
    data = build_dataset(workspace, churn, as_of)
    facts = {"as_of": as_of.isoformat(), "knows_until": data.knows_until.isoformat() if data.knows_until else None}
    found = fit(
        data.training,
        threads=1,
        recipe=Recipe(most_trees=60, patience=20, fold_count=2, seed_count=1, learning_rate=0.15),
        information=facts,
    )
    model = f"{workspace.business.slug}-{CHURN}"
    workspace.models.mkdir(parents=True, exist_ok=True)
    found.model.save(workspace.models / f"{model}-{version}.cbm")
    journal = workspace.journal
    journal.crown(model, version, seen=journal.champion(model), as_of=as_of)
    judge(workspace, as_of, version=version)


def judge(workspace: Workspace, as_of: date, *, version: str, auc: float = 0.8, run_id: str = "run") -> None:
    """Store invented figures of the model and its baselines, and the gate's decision."""
    model = f"{workspace.business.slug}-{CHURN}"
    figures = [
        ("catboost", "auc", auc, auc - 0.03, auc + 0.03),
        ("catboost", "log_loss", 0.45, 0.42, 0.48),
        ("catboost", "value_at_capacity", 42.5, 30.0, 55.0),
        ("rule", "auc", 0.70, 0.66, 0.74),
        ("rule", "log_loss", 0.52, 0.50, 0.54),
        ("spline_logistic", "auc", 0.79, 0.76, 0.82),
        ("catboost", "auc_gain_over_rule", 0.10, 0.06, 0.14),
        ("catboost", "log_loss_gain_over_rule", 0.07, 0.04, 0.10),
        ("catboost", "auc_gain_over_spline_logistic", 0.01, -0.01, 0.03),
        ("catboost", "log_loss_gain_over_spline_logistic", 0.00, -0.01, 0.01),
    ]
    rows = [
        {
            "as_of": as_of, "churn": CHURN, "run_id": run_id, "model": name, "metric": metric, "slice": "all",
            "estimate": estimate, "low": low, "high": high, "row_count": 300, "method": "DeLong",
        }
        for name, metric, estimate, low, high in figures
    ]  # fmt: skip
    workspace.warehouse.append(
        "evaluations", rows_of(TABLES["evaluations"], rows), batch=f"evaluations/{run_id}/{version}"
    )
    found = Estimate(auc, auc - 0.03, auc + 0.03, 300, "DeLong")
    verdict = Verdict(
        "promote",
        ("a refresh that is not worse.",),
        (Guard("signal", "pass", f"the AUC is {found}.", figures={"auc": found}), Guard("leak", "warn", HOSTILE)),
        auc_gain=PairedDifference("auc", 0.004, 0.003, -0.002, 0.01, 0.2, 300, 90, "DeLong"),
    )
    workspace.journal.record_verdict(
        model, version, as_of=as_of, decision="promote", champion=None, figures=verdict.as_dict()
    )


def score_rows(days: list[date], customers: list[str], *, probability: float = 0.3, version: str = "1") -> pa.Table:
    """Invented scores: everybody has the same one."""
    rows = [
        {"as_of": day, "customer_id": customer, "churn": CHURN, "model_version": version, "probability": probability,
         "risk_tier": "medium", "is_above_capacity_line": False}
        for day in days for customer in customers
    ]  # fmt: skip
    return rows_of(TABLES["scores"], rows)


def receive(workspace: Workspace, as_of: date, *, offered: int = 120, bad: int = 6, batch_id: str = "b1") -> None:
    """Store the bookkeeping of one batch of tills: counts, verdicts, quarantined rows, profile."""
    at = workspace.business.instant(as_of)
    lake = workspace.warehouse
    batch = {
        "batch_id": batch_id, "sequence": 1, "feed": "tills", "source": f"{as_of}{HOSTILE}.csv", "as_of": as_of,
        "rows_offered": offered,
        "rows_clean": offered - bad, "rows_quarantined": bad, "rows_unchanged": 3, "rows_corrected": 1,
        "first_event_at": at - timedelta(days=1), "last_event_at": at - timedelta(hours=1), "loaded_at": at,
        "is_load_time_assumed": False, "released_from": None,
    }  # fmt: skip
    lake.append("batches", rows_of(TABLES["batches"], [batch]), batch=f"{batch_id}/batches")
    rule = {
        "batch_id": batch_id,
        "feed": "tills",
        "as_of": as_of,
        "is_accepted": True,
        "expectation": "ExpectSomething",
    }
    verdicts = [
        {**rule, "rule": "channel_is_known", "column_name": "channel", "severity": "warning", "scope": "row",
         "is_passed": bad == 0, "unexpected_count": bad, "observed": None, "expected": "channel must be store or web"},
        {**rule, "rule": "row_count_is_in_range", "column_name": None, "severity": "critical", "scope": "batch",
         "is_passed": True, "unexpected_count": None, "observed": str(offered), "expected": "between 1 and 9,999 rows"},
    ]  # fmt: skip
    lake.append("validations", rows_of(TABLES["validations"], verdicts), batch=f"{batch_id}/validations")
    if bad:
        kept = [
            {
                "batch_id": batch_id, "feed": "tills", "row_number": i + 1, "is_parsed": True, "loaded_at": at,
                "raw": json.dumps({"client": f"eva-{i}@example.org", "where": "kiosk" if i else "eva@example.org"}),
                "failed_rules": '["channel_is_known"]',
            }
            for i in range(bad)
        ]  # fmt: skip
        lake.append("quarantine", rows_of(TABLES["quarantine"], kept), batch=f"{batch_id}/quarantine")
    profile = {
        "batch_id": batch_id, "feed": "tills", "as_of": as_of, "column_name": "channel", "statistic": "null_share",
        "key": None, "value": 0.02, "row_count": offered,
    }  # fmt: skip
    lake.append("profiles", rows_of(TABLES["profiles"], [profile]), batch=f"{batch_id}/profiles")


def full_company(folder: Path, **changes: object) -> Workspace:
    """The shop after nine months: trained, scored on two days, a batch received today."""
    workspace = workspace_in(folder, **changes)
    load_year(workspace)
    train(workspace)
    for day in (FIRST_DAY, LAST_DAY):
        score(workspace, CHURN, day)
    receive(workspace, LAST_DAY)
    return workspace
