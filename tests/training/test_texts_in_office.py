"""A shop whose customers write: its remarks go the whole way into a champion's scores, and nowhere else."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from holdback.tables import FEATURES_TABLE
from holdback.workspace import Workspace
from tests.training.companies import SHOP, SHOP_OPENS, open_shop
from tests.training.conftest import QUICK, TODAY
from training.churn import load
from training.datasets import build_dataset
from training.reasons import explain, from_json
from training.registry import champion_model
from training.registry.store import mlflow_at
from training.retraining import RetrainResult, retrain
from training.scoring import score, stored_scores
from training.texts import METADATA_KEY

NAME = "feedback_remarks_365d"
CANARY = "canariosecreto"
_SURVEYS = {
    "role": "feedback",
    "source": "surveys/*.csv",
    "columns": {"customer_id": "c", "event_at": "at", "remark": "said"},
}


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, RetrainResult]:
    """Everybody says thanks, by name; four in ten say five days before their last purchase that they are fed up."""
    feeds: dict[str, Any] = {**SHOP["feeds"], "surveys": _SURVEYS}
    workspace = open_shop(tmp_path_factory.mktemp("talking"), feeds=feeds)
    bought = workspace.warehouse.query(
        "select customer_id, max(event_at) as last_at from tills group by all order by customer_id"
    ).to_pydict()
    rng = np.random.default_rng(5)
    opens = workspace.business.instant(SHOP_OPENS)
    rows: list[dict[str, Any]] = []
    for customer, last_at in zip(bought["customer_id"], bought["last_at"], strict=True):
        letters = "".join(chr(97 + int(digit)) for digit in customer[2:])
        # When a customer is asked has nothing to do with leaving: only the words have.
        for at in [opens + timedelta(days=float(days)) for days in rng.uniform(0, 290, 3)]:
            text = f"Gracias a todos, firmado {CANARY}{letters} {letters}@home.example"
            rows.append({"customer_id": customer, "event_at": at, "remark": text})
        if rng.random() < (0.4 if last_at < opens + timedelta(days=260) else 0.05):
            text = f"<b>Me voy</b>, estoy harto. {CANARY}{letters}"
            rows.append({"customer_id": customer, "event_at": last_at - timedelta(days=5), "remark": text})
    written_at = [row["event_at"] for row in rows]
    table = pa.table(
        {
            "customer_id": [row["customer_id"] for row in rows],
            "event_at": pa.array(written_at, pa.timestamp("us")),
            "remark": [row["remark"] for row in rows],
            "batch_id": ["b-2"] * len(rows),
            "row_number": pa.array(range(1, len(rows) + 1), pa.int64()),
            "loaded_at": pa.array([one + timedelta(days=1) for one in written_at], pa.timestamp("us")),
        }
    )
    workspace.warehouse.append("surveys", table, batch="b-2")
    return workspace, retrain(workspace, "lapsed", TODAY, threads=1, recipe=QUICK)


def test_the_gate_lets_a_model_that_reads_into_office(talking: tuple[Workspace, RetrainResult]) -> None:
    workspace, result = talking
    assert result.decision == "promote", result.reasons
    found = champion_model(workspace, "lapsed")
    assert found is not None
    assert found[1].importance()[NAME] > 0.05
    against = next(b for b in result.baselines if b.name == "spline_logistic")
    assert against.auc_gain.estimate > 0


def test_reasons_name_the_remarks_and_quote_nothing(talking: tuple[Workspace, RetrainResult]) -> None:
    workspace, _ = talking
    scored = score(workspace, "lapsed", TODAY)
    texts = [text for text in stored_scores(workspace.warehouse, "lapsed", TODAY)["reasons"].to_pylist() if text]
    said = [reason for text in texts for reason in from_json(text) if reason.family == "remarks"]
    assert len(said) > 10
    assert said[0].value == "like others who left"
    assert said[0].text.startswith("What the customer wrote when asked in the last 365 days: like others who left (+")
    assert "What the customer wrote when asked in the last 365 days" in {one.meaning for one in scored.main_reasons}
    assert not any(word in text for text in texts for word in ("harto", CANARY))


def test_reasons_are_told_in_spanish_and_never_to_who_wrote_nothing(talking: tuple[Workspace, RetrainResult]) -> None:
    workspace, _ = talking
    found = champion_model(workspace, "lapsed")
    assert found is not None
    dataset = build_dataset(workspace, workspace.business.churn[0], TODAY)
    frame = dataset.holdout.described
    fed_up = frame[frame[NAME].str.contains("harto", na=False)]
    for texts, is_told in ((fed_up[NAME], True), (None, False)):
        given = fed_up.assign(**{NAME: texts})
        reasons = explain(found[1], given, dataset.features, language="es", currency="EUR", threads=1)
        told = [one.text for row in reasons for one in row if one.family == "remarks"]
        assert bool(told) == is_told
        assert all("últimos 365 días: como otros que se fueron (+" in text for text in told)


def test_what_was_written_stays_in_its_feed(talking: tuple[Workspace, RetrainResult]) -> None:
    workspace, _ = talking
    score(workspace, "lapsed", TODAY)
    kept = workspace.warehouse.query(f"select * from {FEATURES_TABLE} limit 1").column_names
    assert "days_since_last_feedback_request" in kept
    assert NAME not in kept
    root = workspace.root
    feed = workspace.warehouse.root / "surveys"
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(feed)]
    assert any(path.name == "mlflow.db" for path in files)
    for path in files:
        content = path.read_bytes()
        assert CANARY.encode() not in content, path
        if path.suffix == ".cbm":
            metadata = dict(load(path).booster.get_metadata().items())
            for file in json.loads(metadata[METADATA_KEY])[NAME]:
                assert CANARY.encode() not in base64.b64decode(file)


def test_the_served_model_reads_texts_by_itself(talking: tuple[Workspace, RetrainResult]) -> None:
    workspace, result = talking
    found = champion_model(workspace, "lapsed")
    assert found is not None
    rows = build_dataset(workspace, workspace.business.churn[0], TODAY).holdout
    frame = rows.described[list(reversed(found[1].encoding.names))]
    with mlflow_at(workspace) as mlflow:
        served = mlflow.pyfunc.load_model(f"models:/{result.model}@champion")
        kinds = {column.name: column.type.name for column in served.metadata.signature.inputs}
        answers = served.predict(frame)["p_churn"].to_numpy()
    assert kinds[NAME] == "string"
    assert np.array_equal(answers, found[1].probability(frame))


def test_no_baseline_reads(talking: tuple[Workspace, RetrainResult]) -> None:
    workspace, result = talking
    dataset = build_dataset(workspace, workspace.business.churn[0], TODAY)
    assert NAME not in dataset.training.frame
    assert dataset.training.text_names == (NAME,)
    assert not [guard.reason for guard in result.guards if NAME in guard.columns]
