import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from holdback.errors import BusinessFileError, DataError, OperatorError, PromotionConflict
from holdback.workspace import Workspace
from tests.training.companies import shop
from tests.training.conftest import QUICK, TODAY, copy_of
from training.churn import load
from training.datasets import build_dataset
from training.registry import (
    champion_model,
    list_models,
    model_name,
    promote,
    promote_by_hand,
    reconcile,
    rollback,
    show_model,
)
from training.registry.recording import invented_example
from training.registry.store import mlflow_at
from training.retraining import RetrainResult, retrain

Trained = tuple[Workspace, RetrainResult]


@pytest.fixture(scope="module")
def two_versions(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A shop with champion version 1 and a challenger, version 2. Read only."""
    workspace = copy_of(trained[0], tmp_path_factory.mktemp("two"))
    retrain(workspace, "lapsed", TODAY, threads=1, recipe=replace(QUICK, depth=3))
    return workspace


def alias_of(workspace: Workspace, alias: str) -> str:
    with mlflow_at(workspace) as mlflow:
        client = mlflow.MlflowClient()
        return str(client.get_model_version_by_alias(model_name(workspace.business, "lapsed"), alias).version)


def test_a_version_carries_its_signature_data_versions_and_pinned_requirements(trained: Trained) -> None:
    workspace, result = trained
    with mlflow_at(workspace) as mlflow:
        info = mlflow.models.get_model_info(f"models:/{result.model}/{result.version}")
        inputs = {column.name: column.type.name for column in info.signature.inputs}
        assert inputs["days_since_last_order"] == "double"
        assert inputs["lifecycle_stage"] == "string"
        assert set(inputs.values()) == {"double", "string"}
        needed = mlflow.pyfunc.get_model_dependencies(f"models:/{result.model}/{result.version}")
        assert all("==" in line for line in Path(needed).read_text().splitlines() if line.strip())
        run = mlflow.MlflowClient().get_run(result.run_id)
    assert run.data.params["delta.tills"] == "0"
    assert run.data.tags["as_of"] == "2025-10-01"
    assert run.data.metrics["auc"] == pytest.approx(result.evaluation.auc.estimate)
    assert run.data.metrics["spline_logistic.auc_low"] == pytest.approx(
        next(b.evaluation.auc.low for b in result.baselines if b.name == "spline_logistic")
    )


def test_figures_are_bound_to_the_model_and_the_holdout(trained: Trained) -> None:
    workspace, result = trained
    with mlflow_at(workspace) as mlflow:
        found = mlflow.search_logged_models(output_format="list", experiment_ids=["1"])
    metric = next(m for m in found[0].metrics if m.key == "auc")
    assert metric.dataset_name == f"judged on {result.judged_on[-1]}"


def test_nothing_in_the_artefact_is_pickled_and_no_customer_is_in_it(trained: Trained) -> None:
    workspace, _ = trained
    files = [path for path in workspace.mlflow_artifacts.rglob("*") if path.is_file()]
    assert {"model.cbm", "encoding.py", "churn_model.py", "model_card.md"} <= {path.name for path in files}
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib")]
    for path in files:
        assert b"c-00001" not in path.read_bytes(), path


def test_the_input_example_is_nobody(trained: Trained) -> None:
    workspace, _ = trained
    rows = build_dataset(workspace, workspace.business.churn[0], TODAY).training
    found = champion_model(workspace, "lapsed")
    assert found is not None
    example = invented_example(rows.frame, found[1].encoding)
    same = (rows.frame[example.columns] == example.iloc[0]).all(axis=1)
    assert not same.any()


def test_the_served_model_answers_with_the_native_probability_in_any_column_order(trained: Trained) -> None:
    workspace, result = trained
    found = champion_model(workspace, "lapsed")
    assert found is not None
    rows = build_dataset(workspace, workspace.business.churn[0], TODAY).holdout
    frame = rows.frame[list(found[1].encoding.names)]
    shuffled = frame[list(reversed(frame.columns))].copy()
    shuffled.loc[0, "lifecycle_stage"] = None
    frame = frame.copy()
    frame.loc[0, "lifecycle_stage"] = None
    with mlflow_at(workspace) as mlflow:
        served = mlflow.pyfunc.load_model(f"models:/{result.model}@champion").predict(shuffled)
    assert list(served.columns) == ["p_churn"]
    assert np.array_equal(served["p_churn"].to_numpy(), found[1].probability(frame))


@pytest.mark.slow
def test_the_served_model_needs_nothing_of_ours(trained: Trained, tmp_path: Path) -> None:
    workspace, result = trained
    code = (
        "import sys, mlflow, pandas as pd\n"
        f"mlflow.set_tracking_uri({workspace.mlflow_uri!r})\n"
        f"model = mlflow.pyfunc.load_model('models:/{result.model}/{result.version}')\n"
        "columns = model.metadata.signature.inputs\n"
        "row = {c.name: [None] if c.type.name == 'string' else [1.0] for c in columns}\n"
        "print(float(model.predict(pd.DataFrame(row))['p_churn'][0]))\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('training', 'features', 'holdback')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 < float(done.stdout.strip().splitlines()[-1]) < 1


def test_the_list_shows_offices_and_verdicts_newest_first(two_versions: Workspace) -> None:
    found = list_models(two_versions, "lapsed")
    assert [model.version for model in found] == ["2", "1"]
    assert found[1].aliases == ("champion",)
    assert found[0].aliases == ("challenger",)
    assert [model.decision for model in found] == ["keep", "promote"]
    figures = [model.figure for model in found]
    assert all(figure is not None and figure.low < figure.estimate < figure.high for figure in figures)
    assert {model.metric for model in found} == {"auc"}


def test_before_the_first_training_the_list_is_empty_and_makes_nothing(tmp_path: Path) -> None:
    workspace = shop(tmp_path)
    assert list_models(workspace, "lapsed") == ()
    assert champion_model(workspace, "lapsed") is None
    assert not (tmp_path / "mlflow").exists()


def test_a_version_is_shown_by_number_or_office_with_its_card(two_versions: Workspace) -> None:
    assert show_model(two_versions, "lapsed", "champion").summary.version == "1"
    card = show_model(two_versions, "lapsed", "2").card
    for part in ("# A shop: lapsed, version 2", "## Data", "## How good it is", "spline_logistic", "## Guards",
                 "## Limits", "not causes", "95 % intervals"):  # fmt: skip
        assert part in card


def test_an_unknown_version_is_answered_with_the_known_ones(two_versions: Workspace) -> None:
    with pytest.raises(BusinessFileError, match="Known versions: 2, 1"):
        show_model(two_versions, "lapsed", "9")


def test_promoted_by_hand_and_rolled_back_each_is_kept_in_the_ledger(two_versions: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(two_versions, tmp_path)
    assert promote_by_hand(workspace, "lapsed", "2", TODAY).version == "2"
    assert alias_of(workspace, "champion") == "2"
    champion = rollback(workspace, "lapsed", TODAY)
    assert (champion.version, champion.previous, champion.revision) == ("1", "2", 3)
    assert alias_of(workspace, "champion") == "1"
    reasons = [v.figures["reasons"][0] for v in workspace.journal.verdicts("shop-lapsed")]
    assert reasons[-2:] == ["promoted by hand", "rolled back from version 2"]


def test_promoting_the_champion_changes_nothing(copied: Workspace) -> None:
    before = copied.journal.champion("shop-lapsed")
    assert promote_by_hand(copied, "lapsed", "1", TODAY) == before


def test_the_first_champion_cannot_be_rolled_back(copied: Workspace) -> None:
    with pytest.raises(DataError, match="no champion before this one"):
        rollback(copied, "lapsed", TODAY)


def test_a_promotion_on_an_outdated_view_changes_nothing(two_versions: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(two_versions, tmp_path)
    seen = workspace.journal.champion("shop-lapsed")
    promote_by_hand(workspace, "lapsed", "2", TODAY)
    with pytest.raises(PromotionConflict, match="Compare again"):
        promote(workspace, "lapsed", "1", seen=seen, as_of=TODAY)
    assert alias_of(workspace, "champion") == "2"


def test_an_alias_moved_by_somebody_else_is_put_right(two_versions: Workspace, tmp_path: Path) -> None:
    workspace = copy_of(two_versions, tmp_path)
    with mlflow_at(workspace) as mlflow:
        mlflow.MlflowClient().set_registered_model_alias("shop-lapsed", "champion", "2")
    reconcile(workspace, "lapsed")
    assert alias_of(workspace, "champion") == "1"


def test_a_lost_or_damaged_copy_is_fetched_again(copied: Workspace) -> None:
    first = champion_model(copied, "lapsed")
    copy = copied.models / "shop-lapsed-1.cbm"
    for spoil in (copy.unlink, lambda: copy.write_bytes(b"half a file")):
        spoil()
        again = champion_model(copied, "lapsed")
        assert first is not None
        assert again is not None
        assert again[1].information == first[1].information


def test_scoring_reads_the_copy_without_the_registry(copied: Workspace) -> None:
    (copied.root / "mlflow" / "mlflow.db").unlink()
    found = champion_model(copied, "lapsed")
    assert found is not None
    assert load(copied.models / "shop-lapsed-1.cbm").information == found[1].information


def test_without_copy_and_registry_an_operator_is_called(copied: Workspace) -> None:
    (copied.models / "shop-lapsed-1.cbm").unlink()
    with mlflow_at(copied) as mlflow:
        mlflow.MlflowClient().delete_registered_model("shop-lapsed")
    with pytest.raises(OperatorError, match="model registry"):
        champion_model(copied, "lapsed")


def test_the_processs_own_mlflow_settings_are_put_back(copied: Workspace) -> None:
    import mlflow

    before = (mlflow.get_tracking_uri(), mlflow.get_registry_uri(), os.environ.get("MLFLOW_REGISTRY_URI"))
    list_models(copied, "lapsed")
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri(), os.environ.get("MLFLOW_REGISTRY_URI")) == before


def test_an_unfinished_training_has_no_card(copied: Workspace) -> None:
    with mlflow_at(copied) as mlflow:
        mlflow.MlflowClient().delete_model_version_tag("shop-lapsed", "1", "decision")
    details = show_model(copied, "lapsed", "1")
    assert details.summary.decision is None
    assert "did not finish" in details.card


def test_an_example_of_categories_and_gaps_can_be_invented() -> None:
    from training.encoding import learn_encoding

    frame = pd.DataFrame({"x": [1.0, 3.0, np.nan], "plan": ["a", "b", "b"]})
    example = invented_example(frame, learn_encoding(frame)[0])
    assert example.to_dict("list") == {"x": [2.0], "plan": ["b"]}


def test_the_ledger_stores_the_verdict_with_every_guard(trained: Trained) -> None:
    workspace, result = trained
    stored = workspace.journal.verdicts("shop-lapsed")
    assert [(v.version, v.decision, v.champion) for v in stored] == [("1", "promote", None)]
    names = [guard["name"] for guard in stored[0].figures["guards"]]
    assert names == ["leak", "availability", "outcomes", "data", "signal", "holdout", "calibration", "slices"]
    assert stored[0].as_of == date(2025, 10, 1)
    assert result.champion_version == "1"
