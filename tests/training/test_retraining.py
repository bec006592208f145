import dataclasses
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from holdback.business import Business
from holdback.errors import DataError, NotKnowableYet
from holdback.journal import Champion, Journal
from holdback.workspace import Workspace
from tests.training.companies import SHOP, open_shop
from tests.training.conftest import QUICK, TODAY, copy_of
from training.registry import champion_model, promote_by_hand
from training.retraining import RetrainResult, retrain

Trained = tuple[Workspace, RetrainResult]


def test_the_first_model_that_passes_every_guard_takes_office(trained: Trained) -> None:
    _, result = trained
    assert result.decision == "promote"
    assert result.champion_version == result.version == "1"
    assert not [guard for guard in result.guards if guard.is_blocking]


def test_every_figure_stands_beside_the_baselines_on_the_same_rows(trained: Trained) -> None:
    _, result = trained
    assert [b.name for b in result.baselines] == ["rule", "rfm_logistic", "spline_logistic"]
    for baseline in result.baselines:
        assert baseline.evaluation.n == result.evaluation.n
        gain = result.evaluation.auc.estimate - baseline.evaluation.auc.estimate
        assert baseline.auc_gain.estimate == pytest.approx(gain)
        assert baseline.auc_gain.low < gain < baseline.auc_gain.high
    assert result.baselines[0].auc_gain.low > 0  # the shop's customers have more to learn from than recency
    assert result.value_meaning == "margin of the last 365 days in EUR (30% of spending)"


def test_the_remarks_say_so_where_catboost_is_not_better(trained: Trained) -> None:
    _, result = trained
    for remark, baseline in zip(result.remarks, result.baselines, strict=True):
        if baseline.auc_gain.low > 0:
            assert remark.startswith("CatBoost ranks better than")
        elif baseline.log_loss_gain.low > 0:
            assert "no better, but its probabilities are truer" in remark
        else:
            assert "not better beyond chance" in remark or "WORSE" in remark


def test_every_figure_is_a_row_of_the_table_evaluations(trained: Trained) -> None:
    workspace, result = trained
    rows = workspace.warehouse.query("select * from evaluations").to_pylist()
    assert {row["run_id"] for row in rows} == {result.run_id}
    assert {row["model"] for row in rows} == {"catboost", "rule", "rfm_logistic", "spline_logistic"}
    auc = next(r for r in rows if (r["model"], r["metric"], r["slice"]) == ("catboost", "auc", "all"))
    assert (auc["estimate"], auc["low"], auc["high"]) == pytest.approx(
        (result.evaluation.auc.estimate, result.evaluation.auc.low, result.evaluation.auc.high)
    )
    assert {"auc_gain_over_rule", "log_loss_gain_over_spline_logistic", "value_at_capacity"} <= {
        row["metric"] for row in rows
    }
    assert [row for row in rows if row["slice"].startswith("lifecycle_stage=")]


def test_a_result_is_plain_content_for_the_run_ledger(trained: Trained) -> None:
    content = json.loads(json.dumps(dataclasses.asdict(trained[1]), default=str))
    assert content["learned_on"] == ["2025-03-31", "2025-04-30", "2025-05-31", "2025-06-30"]
    assert content["evaluation"]["auc"]["n"] == content["evaluation"]["n"]


def test_the_same_data_give_the_same_model_and_the_champion_stays(copied: Workspace) -> None:
    again = retrain(copied, "lapsed", TODAY, threads=1, recipe=QUICK)
    assert again.decision == "keep"
    assert again.champion_version == "1"
    assert "nothing would change" in again.reasons[0]


def test_a_changed_recipe_is_no_refresh(copied: Workspace) -> None:
    result = retrain(copied, "lapsed", TODAY, threads=1, recipe=dataclasses.replace(QUICK, depth=2))
    assert result.decision == "keep"
    assert result.reasons[0].startswith("a changed recipe must be better beyond chance")
    stored = copied.journal.verdicts("shop-lapsed")[-1]
    assert stored.figures["is_refresh"] is False
    assert stored.figures["auc_gain"]["n"] == result.evaluation.n


@pytest.mark.slow
def test_another_churn_definition_makes_another_recipe(copied: Workspace) -> None:
    content = {**SHOP, "churn": [{**SHOP["churn"][0], "active_days": 45}]}
    other = Workspace(copied.root, Business.model_validate(content), threads=1)
    retrain(other, "lapsed", TODAY, threads=1, recipe=QUICK)
    assert copied.journal.verdicts("shop-lapsed")[-1].figures["is_refresh"] is False


@pytest.mark.slow
def test_a_champion_that_needs_a_feature_that_is_gone_stays_and_the_reason_is_given(copied: Workspace) -> None:
    columns = {**SHOP["feeds"]["tills"]["columns"], "order_id": "ticket"}
    content = {**SHOP, "feeds": {"tills": {**SHOP["feeds"]["tills"], "columns": columns}}}
    richer = Workspace(copied.root, Business.model_validate(content), threads=1)
    # A champion of the richer file needs `order_lines_mean_90d`, which the plain file does not have.
    version = retrain(richer, "lapsed", TODAY, threads=1, recipe=QUICK).version
    promote_by_hand(richer, "lapsed", version, TODAY)
    result = retrain(copied, "lapsed", TODAY, threads=1, recipe=QUICK)
    assert result.decision == "keep"
    assert "cannot score today's features" in result.reasons[0]


class RacingLedger(Journal):
    """The journal of a day on which another retrain takes office in the very moment before ours does, once."""

    others: list[str] = []  # noqa: RUF012 - filled by the test

    def crown(self, model: str, version: str, *, seen: Champion | None, as_of: date) -> Champion:
        if self.others:
            super().crown(model, self.others.pop(), seen=seen, as_of=as_of)
        return super().crown(model, version, seen=seen, as_of=as_of)


class RacingWorkspace(Workspace):
    @property
    def journal(self) -> Journal:
        return RacingLedger(super().journal.url)


def test_whoever_loses_the_race_is_compared_with_the_winner(trained: Trained, tmp_path: Path) -> None:
    workspace = copy_of(trained[0], tmp_path)
    # Nobody is in office yet in the eyes of a new journal; version 1 is registered and takes office during our gate.
    (workspace.folder / "journal.db").unlink()
    racing = RacingWorkspace(workspace.root, workspace.business, threads=1)
    RacingLedger.others = ["1"]
    result = retrain(racing, "lapsed", TODAY, threads=1, recipe=QUICK)
    assert RacingLedger.others == []
    assert (result.decision, result.champion_version) == ("keep", "1")
    assert workspace.journal.verdicts("shop-lapsed")[-1].champion == "1"


@pytest.mark.slow
def test_two_retrains_at_once_have_exactly_one_winner(tmp_path: Path) -> None:
    workspace = open_shop(tmp_path, customers=700)
    code = (
        "import sys; from pathlib import Path; from datetime import date\n"
        "from tests.training.companies import shop; from tests.training.conftest import QUICK\n"
        "from training.retraining import retrain\n"
        f"result = retrain(shop(Path({str(tmp_path)!r})), 'lapsed', date(2025, 10, 1), threads=1, recipe=QUICK)\n"
        "print(result.decision, result.champion_version)\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [0, 0], answers
    decisions = sorted(out.strip().splitlines()[-1].split()[0] for out, _ in answers)
    assert decisions == ["keep", "promote"]
    champion = workspace.journal.champion("shop-lapsed")
    assert champion is not None
    assert champion.revision == 1
    found = champion_model(workspace, "lapsed")
    assert found is not None


def test_before_any_outcome_is_known_nothing_is_trained(tmp_path: Path) -> None:
    workspace = open_shop(tmp_path, customers=60, days=80)
    with pytest.raises(NotKnowableYet, match="Come back on 2025-04-02"):
        retrain(workspace, "lapsed", date(2025, 3, 1), threads=1)
    assert not (tmp_path / "mlflow").exists()


def test_a_handful_of_churners_is_refused_with_the_counts(tmp_path: Path) -> None:
    workspace = open_shop(tmp_path, customers=12)
    with pytest.raises(DataError, match="at least"):
        retrain(workspace, "lapsed", TODAY, threads=1, recipe=QUICK)


@pytest.mark.slow
def test_few_churners_train_a_model_that_a_person_must_promote(tmp_path: Path) -> None:
    workspace = open_shop(tmp_path, customers=160)
    result = retrain(workspace, "lapsed", TODAY, threads=1, recipe=QUICK)
    assert result.decision == "blocked"
    assert result.champion_version is None
    assert "outcomes" in [guard.name for guard in result.guards if guard.is_blocking]
    assert promote_by_hand(workspace, "lapsed", result.version, TODAY).version == result.version
