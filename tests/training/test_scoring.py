import dataclasses
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from holdback.errors import DataError, OperatorError
from holdback.workspace import Workspace
from tests.training.companies import SHOP, open_shop, snapshot
from tests.training.conftest import QUICK, TODAY, copy_of
from training.reasons import from_json
from training.registry import promote_by_hand
from training.retraining import RetrainResult, retrain
from training.scoring import above_capacity_line, risk_tiers, score, stored_scores


def bytes_of(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def test_every_described_customer_gets_one_row(copied: Workspace) -> None:
    result = score(copied, "lapsed", TODAY)
    rows = stored_scores(copied.warehouse, "lapsed", TODAY)
    ids = rows["customer_id"].to_pylist()
    assert len(ids) == len(set(ids)) == result.customer_count
    active = copied.warehouse.query(
        "select count(distinct customer_id) as n from tills where event_at >= timestamp '2025-08-01 22:00:00' "
        "and event_at < timestamp '2025-09-30 22:00:00'"
    )
    assert result.customer_count == active["n"][0].as_py()
    assert result.high_count + result.medium_count + result.low_count == result.customer_count
    p = rows["probability"].to_numpy()
    assert ((p > 0) & (p < 1)).all()
    assert result.expected_churner_count == pytest.approx(p.sum())


def test_the_line_is_drawn_at_the_daily_capacity_and_only_those_above_or_at_risk_get_reasons(copied: Workspace) -> None:
    result = score(copied, "lapsed", TODAY)
    rows = stored_scores(copied.warehouse, "lapsed", TODAY).to_pylist()
    above = [row for row in rows if row["is_above_capacity_line"]]
    assert len(above) == result.above_capacity_count == 25
    assert min(row["probability"] for row in above) == result.line_probability
    assert max(row["probability"] for row in rows if not row["is_above_capacity_line"]) <= result.line_probability
    others = [row for row in rows if not row["is_above_capacity_line"]]
    assert all(row["reasons"] is None for row in others if row["risk_tier"] == "low")
    assert all(from_json(row["reasons"])[0].points >= 2 for row in above)
    assert sum(reason.customer_count for reason in result.main_reasons) == 25


def test_a_rerun_answers_with_the_same_bytes_and_writes_nothing(copied: Workspace) -> None:
    first = score(copied, "lapsed", TODAY)
    before, version = stored_scores(copied.warehouse, "lapsed", TODAY), copied.warehouse.version("scores")
    again = score(copied, "lapsed", TODAY)
    assert (first.was_scored_already, again.was_scored_already) == (False, True)
    assert bytes_of(stored_scores(copied.warehouse, "lapsed", TODAY)) == bytes_of(before)
    assert copied.warehouse.version("scores") == version


def test_another_champion_does_not_rewrite_a_scored_day(copied: Workspace) -> None:
    score(copied, "lapsed", TODAY)
    before = bytes_of(stored_scores(copied.warehouse, "lapsed", TODAY))
    challenger = retrain(copied, "lapsed", TODAY, threads=1, recipe=replace(QUICK, depth=3))
    promote_by_hand(copied, "lapsed", challenger.version, TODAY)
    again = score(copied, "lapsed", TODAY)
    assert again.model_version == "1"
    assert bytes_of(stored_scores(copied.warehouse, "lapsed", TODAY)) == before
    tomorrow = date(2025, 10, 2)
    assert score(copied, "lapsed", tomorrow).model_version == challenger.version


def test_two_scorings_of_the_same_day_agree_to_the_bit(
    trained: tuple[Workspace, RetrainResult], copied: Workspace, tmp_path: Path
) -> None:
    other = copy_of(trained[0], tmp_path / "second")
    score(copied, "lapsed", TODAY)
    score(other, "lapsed", TODAY)
    first, second = (bytes_of(stored_scores(w.warehouse, "lapsed", TODAY)) for w in (copied, other))
    assert first == second


def test_the_days_features_are_kept_for_the_reports(copied: Workspace) -> None:
    result = score(copied, "lapsed", TODAY)
    kept = copied.warehouse.query(f"select * from features where as_of = date '{TODAY}'")
    assert kept.num_rows == result.customer_count
    assert "days_since_last_order" in kept.column_names


@pytest.mark.slow
def test_a_second_definition_of_the_same_day_keeps_the_others_customers(copied: Workspace) -> None:
    score(copied, "lapsed", TODAY)
    kept = copied.warehouse.query("select customer_id from features")["customer_id"].to_pylist()
    content = {**SHOP, "churn": [*SHOP["churn"], {**SHOP["churn"][0], "name": "sleepy", "active_days": 20}]}
    two = Workspace(copied.root, type(copied.business).model_validate(content), threads=1)
    promote_by_hand(two, "sleepy", retrain(two, "sleepy", TODAY, threads=1, recipe=QUICK).version, TODAY)
    assert score(two, "sleepy", TODAY).customer_count < len(kept)
    assert sorted(two.warehouse.query("select customer_id from features")["customer_id"].to_pylist()) == sorted(kept)


def test_ties_go_to_the_smaller_key() -> None:
    ids = np.array(["d", "c", "b", "a"], dtype=object)
    above = above_capacity_line(np.array([0.5, 0.5, 0.5, 0.9]), ids, 2)
    assert above.tolist() == [False, False, True, True]
    assert above_capacity_line(np.array([0.5]), np.array(["a"]), 0).tolist() == [False]


def test_tiers_follow_the_businesss_cut_offs(copied: Workspace) -> None:
    content = {**SHOP["churn"][0], "risk_tiers": {"high": 0.4, "medium": 0.2}}
    business = type(copied.business).model_validate({**SHOP, "churn": [content]})
    assert risk_tiers(np.array([0.4, 0.39, 0.2, 0.19]), business.churn[0]).tolist() == [
        "high",
        "medium",
        "medium",
        "low",
    ]


def test_without_a_champion_an_operator_is_told_what_to_do(tmp_path: Path) -> None:
    workspace = open_shop(tmp_path, customers=50, days=100)
    with pytest.raises(OperatorError, match="holdback retrain"):
        score(workspace, "lapsed", date(2025, 4, 1))


def test_a_model_that_knows_the_future_does_not_score_the_past(copied: Workspace) -> None:
    with pytest.raises(DataError, match="must not know the future"):
        score(copied, "lapsed", date(2025, 9, 30))
    assert not copied.warehouse.has_batch("scores", "scores/lapsed/2025-09-30")


def test_a_day_without_customers_is_a_fault_of_the_data(copied: Workspace) -> None:
    with pytest.raises(DataError, match="nobody is described on 2026-06-01"):
        score(copied, "lapsed", date(2026, 6, 1))


def test_a_column_that_grew_empty_stops_the_day_and_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    visits = rng.poisson(4, 1500).astype(float)
    frame = pd.DataFrame(
        {
            "member": [f"m-{i:04d}" for i in range(1500)],
            "visits": visits,
            "left_club": rng.uniform(size=1500) < 1.5 / (1 + visits),
        }
    )
    workspace = snapshot(tmp_path, frame, key="member", label="left_club", loaded_on=date(2025, 1, 1))
    result = retrain(workspace, "left", date(2025, 3, 1), threads=1, recipe=QUICK)
    if result.champion_version is None:
        promote_by_hand(workspace, "left", result.version, date(2025, 3, 1))
    broken = frame.assign(visits=np.where(np.arange(1500) < 100, np.nan, visits))
    rows = workspace.warehouse.query("select * from customers")
    later = pa.array([workspace.business.instant(date(2025, 4, 1))] * 1500, pa.timestamp("us"))
    rows = rows.set_column(
        rows.schema.get_field_index("visits"), "visits", pa.array(broken["visits"], from_pandas=True)
    )
    rows = rows.set_column(rows.schema.get_field_index("loaded_at"), "loaded_at", later)
    workspace.warehouse.append("customers", rows, batch="b-2")
    assert score(workspace, "left", date(2025, 3, 2)).customer_count == 1500
    with pytest.raises(DataError, match=r"visits in 6.7% \(in training 0.0%\)"):
        score(workspace, "left", date(2025, 4, 2))


def test_a_result_is_plain_content_for_the_run_ledger(copied: Workspace) -> None:
    content = json.loads(json.dumps(dataclasses.asdict(score(copied, "lapsed", TODAY)), default=str))
    assert content["as_of"] == "2025-10-01"
    assert content["main_reasons"][0]["customer_count"] >= 1
