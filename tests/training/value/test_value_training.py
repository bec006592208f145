from __future__ import annotations

import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdback.business import Business
from holdback.errors import BusinessFileError, DataError, NotKnowableYet, OperatorError
from holdback.workspace import Workspace
from tests.training.companies import SHOP, open_shop, sell, shop
from tests.training.value.conftest import SHOP_TODAY, Trained
from tests.training.value.gym import TODAY, Gym, open_gym, write_deals
from training.registry import VALUE, list_models, show_model
from training.value.backtests import Reach, backtest, judged_days
from training.value.contracts import contract_holders, first_ending
from training.value.described import described
from training.value.holders import spread
from training.value.model import load
from training.value.training import evaluation_rows, model_in_office, train_value

DAY = timedelta(days=1)


def evaluations(workspace: Workspace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = workspace.warehouse.query("select * from evaluations").to_pylist()
    return found


# -- contracts ---------------------------------------------------------------------------------------------------------


def test_a_model_of_contracts_is_judged_registered_and_put_in_office(trained_gym: Trained) -> None:
    result = trained_gym.result
    assert (result.kind, result.method, result.version, result.is_in_office) == ("contracts", "hazard", "1", True)
    assert result.model == "gym-customer-value"
    assert set(result.figures) == {"gini", "decile_error", "total_ratio", "top_share"}
    ratio = result.figures["total_ratio"]
    assert ratio.estimate == pytest.approx(result.factors[-1])
    assert ratio.low < ratio.estimate < ratio.high
    assert ratio.estimate == pytest.approx(1, abs=0.05)
    assert result.judged_on[-1] < TODAY
    assert result.factor == 1
    assert result.judged_method == "hazard"
    [verdict] = trained_gym.workspace.journal.verdicts(result.model)
    assert (verdict.version, verdict.decision, verdict.champion) == ("1", "promote", None)
    found = model_in_office(trained_gym.workspace)
    assert found is not None
    assert found[0] == "1"
    assert found[1].information["feed"] == "deals"


def test_in_money_too_the_landmark_hazard_beats_a_constant_one(trained_gym: Trained) -> None:
    result = trained_gym.result
    rival = result.rivals["constant_hazard"]
    assert result.figures["decile_error"].estimate < rival["decile_error"].estimate
    assert result.figures["gini"].estimate > rival["gini"].estimate


def test_the_figures_stand_in_the_table_of_evaluations(trained_gym: Trained) -> None:
    rows = [row for row in evaluations(trained_gym.workspace) if row["slice"] == "all" and row["model"] == "hazard"]
    assert {row["metric"] for row in rows} == {"gini", "decile_error", "total_ratio", "top_share"}
    for row in rows:
        assert row["churn"] == "left"
        assert row["run_id"] == trained_gym.result.run_id
        assert row["low"] <= row["estimate"] <= row["high"]
        assert row["estimate"] == trained_gym.result.figures[row["metric"]].estimate
        assert "bootstrap over customers" in row["method"]
        assert str(trained_gym.result.judged_on[-1]) in row["method"]


def test_the_registry_tells_of_it(trained_gym: Trained) -> None:
    summary = list_models(trained_gym.workspace, VALUE)[0]
    assert summary.version == "1"
    assert summary.decision == "promote"
    assert summary.figure is not None
    assert summary.figure.estimate == pytest.approx(trained_gym.result.figures["gini"].estimate)
    card = show_model(trained_gym.workspace, VALUE, "1").card
    assert "no risk score" in card
    assert "constant_hazard" in card


def test_days_before_the_first_end_on_record_teach_nothing(gym: Gym, trained_gym: Trained) -> None:
    # Contracts began 20 months before the gym kept those that ended: in that time nobody was ever seen to leave.
    first = first_ending(gym.workspace.warehouse, gym.workspace.business, "deals", TODAY)
    assert first is not None
    assert trained_gym.result.learned_on[0] >= first + gym.workspace.business.training.min_history_days * DAY


def test_a_file_without_a_pickle_says_the_same_when_read_back(trained_gym: Trained, tmp_path: Path) -> None:
    found = model_in_office(trained_gym.workspace)
    assert found is not None
    model = found[1]
    assert model.lasting is not None
    model.save(tmp_path / "again.value")
    again = load(tmp_path / "again.value")
    assert again.lasting is not None
    frame = _frame(trained_gym.workspace)
    assert (again.lasting.hazards(frame, 5) == model.lasting.hazards(frame, 5)).all()
    assert (again.kind, again.method, again.information) == (model.kind, model.method, model.information)
    assert b"pickle" not in (tmp_path / "again.value").read_bytes()


def _frame(workspace: Workspace) -> Any:
    ids = contract_holders(workspace.warehouse, workspace.business, "deals", TODAY).customer_ids[:50]
    return next(described(workspace.warehouse, workspace.business, TODAY, ids))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.value"
    path.write_bytes(b"nothing")
    for file in (path, tmp_path / "absent.value"):
        with pytest.raises(OperatorError, match=r"cannot be read.*train again"):
            load(file)


def test_a_damaged_copy_is_fetched_again(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    path = workspace.models / "gym-customer-value-1.value"
    path.write_bytes(b"nothing")
    found = model_in_office(workspace)
    assert found is not None
    assert found[1].kind == "contracts"


def test_a_training_for_an_earlier_day_does_not_unseat_a_later_model(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    earlier = train_value(workspace, TODAY - 30 * DAY, threads=1)
    assert not earlier.is_in_office
    assert "Version 1" in earlier.reason
    later = train_value(workspace, TODAY, threads=1)
    assert (later.version, later.is_in_office) == ("3", True)


def test_nobody_can_be_seen_to_leave_yet(tmp_path: Path) -> None:
    gym = open_gym(tmp_path, customers=200)
    first = gym.workspace.warehouse.query("select min(event_at) as at from deals where kind = 'cancel'")["at"][
        0
    ].as_py()
    with pytest.raises(NotKnowableYet, match=r"no contract has ended on record.*Come back on"):
        train_value(gym.workspace, first.date() - 5 * DAY, threads=1)
    with pytest.raises(NotKnowableYet, match=rf"first contract ended on {first.date()}.*Nothing was trained"):
        train_value(gym.workspace, first.date() + 80 * DAY, threads=1)


def test_thirty_customers_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 20 who left"):
        train_value(open_gym(tmp_path, customers=30).workspace, TODAY, threads=1)


def test_a_history_too_short_for_a_matured_forecast_says_so(trained_gym: Trained, tmp_path: Path) -> None:
    trained_gym.lend_registry(tmp_path)
    gym = open_gym(tmp_path, customers=3000, records_begin=36)
    result = train_value(gym.workspace, TODAY, threads=1)
    assert result.figures == {}
    assert result.factors == ()
    assert result.is_in_office
    assert "No forecast has matured yet" in result.reason
    assert any("longer than the" in note for note in result.notes)
    assert evaluations(gym.workspace) == []


def test_events_of_the_future_change_nothing(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    tomorrow = workspace.business.instant(TODAY + 2 * DAY)
    everybody = workspace.warehouse.query("select distinct customer_id from deals")["customer_id"].to_pylist()
    rows = [{"customer_id": who, "event_at": tomorrow, "kind": "cancel"} for who in everybody]
    write_deals(workspace, rows, batch="b-2")
    again = train_value(workspace, TODAY, threads=1)
    assert again.figures == trained_gym.result.figures
    assert again.learned_on == trained_gym.result.learned_on


# -- purchases ---------------------------------------------------------------------------------------------------------


def test_a_model_of_purchases_has_both_parts(trained_shop: Trained) -> None:
    result = trained_shop.result
    assert (result.kind, result.method, result.is_in_office) == ("purchases", "btyd+hurdle", True)
    assert result.judged_on == tuple(sorted(result.judged_on))
    assert len(result.factors) == len(result.judged_on) == 3
    assert result.figures["gini"].estimate > result.rivals["spend_rate"]["gini"].estimate
    assert result.figures["decile_error"].estimate < result.rivals["spend_rate"]["decile_error"].estimate
    assert 60 <= result.window_days < result.horizon_days
    assert any("carried on" in note for note in result.notes)


def test_what_another_method_missed_does_not_correct_the_values(trained_shop: Trained) -> None:
    # All three matured forecasts promised too much, but BG/NBD made them alone.
    assert all(factor is not None and factor > 1 for factor in trained_shop.result.factors)
    assert trained_shop.result.judged_method == "btyd"
    assert trained_shop.result.factor == 1
    assert any("not by btyd+hurdle" in note for note in trained_shop.result.notes)


def test_older_forecasts_stand_in_slices_of_their_own(trained_shop: Trained) -> None:
    slices = {row["slice"] for row in evaluations(trained_shop.workspace)}
    older = {f"judged_on={day}" for day in trained_shop.result.judged_on[:-1]}
    assert slices == {"all", *older}


def test_one_past_day_is_not_enough_for_the_hurdle(trained_shop: Trained, tmp_path: Path) -> None:
    trained_shop.lend_registry(tmp_path)
    result = train_value(open_shop(tmp_path, days=150), date(2025, 5, 30), threads=1)
    assert result.method == "btyd"
    assert any("the hurdle model is left out" in note and "past days" in note for note in result.notes)


def test_an_empty_feed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no event is known"):
        train_value(shop(tmp_path), SHOP_TODAY, threads=1)


def test_a_shop_that_only_gave_money_back_is_refused(tmp_path: Path) -> None:
    workspace = shop(tmp_path)
    sell(workspace, ["ana", "bea"], [1.0, 2.0], np.array([-100, -200]))
    with pytest.raises(DataError, match=r"nobody has bought.*Ingest"):
        train_value(workspace, SHOP_TODAY, threads=1)


def test_customers_who_all_bought_once_teach_neither_part(tmp_path: Path) -> None:
    workspace = shop(tmp_path)
    ids, days = [f"c-{i}" for i in range(200)], [float(i % 100) for i in range(200)]
    sell(workspace, ids, days, np.full(200, 1000))
    with pytest.raises(DataError, match=r"0 customers came back.*hurdle model is left out.*bookkeeping's values stand"):
        train_value(workspace, SHOP_TODAY, threads=1)


def test_thirty_buyers_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"at least 50 are needed.*bookkeeping"):
        train_value(open_shop(tmp_path, customers=30), SHOP_TODAY, threads=1)


# -- whom a model can serve --------------------------------------------------------------------------------------------


def test_balances_are_refused_and_nothing_is_registered(tmp_path: Path) -> None:
    content: dict[str, Any] = {**SHOP, "churn": [{"name": "left", "kind": "column", "attribute": "gone"}]}
    content["customers"] = {"source": "c.csv", "key": "c", "attributes": {"gone": "label"}}
    levels = {"role": "balances", "source": "l.csv", "columns": {"customer_id": "c", "event_at": "at", "balance": "b"}}
    workspace = Workspace(tmp_path, Business.model_validate({**content, "feeds": {"levels": levels}}), threads=1)
    with pytest.raises(BusinessFileError, match="carried on by the bookkeeping"):
        train_value(workspace, TODAY, threads=1)
    assert list_models(workspace, VALUE) == ()


def test_a_forecast_that_missed_by_half_does_not_take_office(trained_shop: Trained, tmp_path: Path) -> None:
    # The shop doubled its prices when the newest window began, and nobody could have known.
    trained_shop.lend_registry(tmp_path)
    workspace = open_shop(tmp_path, customers=500)
    rows = workspace.warehouse.query("select customer_id, event_at from tills where event_at >= timestamp '2025-07-20'")
    start = workspace.business.instant(date(2025, 1, 1))
    days = [(at - start).total_seconds() / 86_400 for at in rows["event_at"].to_pylist()]
    content = {"customers": rows["customer_id"].to_pylist(), "day_numbers": days, "cents": np.full(len(days), 9000)}
    _sell_more(workspace, **content)
    result = train_value(workspace, SHOP_TODAY, threads=1)
    assert result.factors[-1] is not None
    assert result.factors[-1] < 0.6
    assert not result.is_in_office
    assert "off by more than 40%" in result.reason
    assert model_in_office(workspace) is None
    assert list_models(workspace, VALUE)[0].decision == "keep"


def _sell_more(workspace: Workspace, customers: list[str], day_numbers: list[float], cents: Any) -> None:
    """As :func:`tests.training.companies.sell`, in another batch."""
    import pyarrow as pa

    source = shop(workspace.root.parent / "other")
    sell(source, customers, day_numbers, cents)
    rows = source.warehouse.query("select * from tills")
    batch = pa.array(["b-2"] * rows.num_rows, pa.string())
    rows = rows.set_column(rows.column_names.index("batch_id"), "batch_id", batch)
    workspace.warehouse.append("tills", rows, batch="b-2")


def test_the_same_training_finds_the_same_figures(trained_shop: Trained, tmp_path: Path) -> None:
    again = train_value(trained_shop.copied(tmp_path), SHOP_TODAY, threads=2)
    assert again.figures == trained_shop.result.figures
    assert again.version == "2"


# -- small parts -------------------------------------------------------------------------------------------------------


def test_nothing_came_is_an_endless_factor_without_figures() -> None:
    found = backtest(TODAY, 60, {"btyd": np.array([1.0, 2.0])}, "btyd", np.zeros(2))
    assert math.isinf(found.factor)
    assert found.figures == {}
    assert evaluation_rows("left", TODAY, "run", (found,)).num_rows == 0


def test_at_most_three_days_are_judged() -> None:
    days = [TODAY - 31 * number * DAY for number in range(8)]
    assert judged_days(days, Reach(days[-1], TODAY), 90) == tuple(days[3:6])
    assert judged_days(days, Reach(days[-1], TODAY), 900) == ()


def test_landmarks_are_spread_from_the_newest_to_the_oldest() -> None:
    days = [TODAY - 30 * number * DAY for number in range(10)]
    assert spread(days, 4) == (days[0], days[3], days[6], days[9])
    assert spread(days[:2], 4) == tuple(days[:2])
