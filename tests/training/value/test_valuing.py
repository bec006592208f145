from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from holdback.business import Business
from holdback.errors import DataError, OperatorError
from holdback.workspace import Workspace
from tests.training.companies import SHOP
from tests.training.value.conftest import SHOP_TODAY, Trained
from tests.training.value.gym import GYM, MONTHS, TODAY, Gym, write_deals
from tests.training.value.panel import decile_error
from training.registry import VALUE, model_name
from training.value.described import described
from training.value.hazard import constant_hazards, discounted_survival
from training.value.training import model_in_office
from training.value.valuing import newest_values_on, stored_values, value_day, value_deciles

DAY = timedelta(days=1)


def values(workspace: Workspace, day: date) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stored_values(workspace.warehouse, day).to_pylist()
    return found


def with_file(workspace: Workspace, content: dict[str, Any], **changes: Any) -> Workspace:
    """The same workspace after its business file was changed."""
    return Workspace(workspace.root, Business.model_validate({**content, **changes}), threads=1)


# -- contracts ---------------------------------------------------------------------------------------------------------


def test_planted_lifetimes_come_out_of_the_warehouse(gym: Gym, trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    told = value_day(workspace, TODAY)
    rows = values(workspace, TODAY)
    assert [row["customer_id"] for row in rows] == gym.ids()
    true = discounted_survival(gym.world.true_hazards(MONTHS, 12), discount_rate=0.0).sum(axis=1)
    months = np.array([row["months"] for row in rows])
    assert months.sum() / true.sum() == pytest.approx(1, abs=0.05)
    found = model_in_office(workspace)
    assert found is not None
    assert found[1].lasting is not None
    frame = next(described(workspace.warehouse, workspace.business, TODAY, np.array(gym.ids())))
    first_month = found[1].lasting.hazards(frame, 1)[:, 0]
    constant = discounted_survival(constant_hazards(first_month, 12), discount_rate=0.0).sum(axis=1)
    assert decile_error(months, true) < decile_error(constant, true)
    assert told.mean_months == pytest.approx(months.mean())
    assert told.extrapolated_share == 0  # sixteen months were seen, twelve are valued


def test_a_value_is_price_times_margin_rate_times_months(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    told = value_day(workspace, TODAY)
    prices = workspace.warehouse.query("select customer_id, max(price_cents) as p from deals group by 1").to_pylist()
    price = {row["customer_id"]: row["p"] for row in prices}  # no gym contract ever changed its price
    for row in values(workspace, TODAY)[:200]:
        assert row["margin_cents"] == pytest.approx(price[row["customer_id"]] * 0.5 * row["months"], abs=1)
        assert 0 < row["months"] <= 12
        assert (row["method"], row["model_version"]) == ("hazard", "1")
    total = sum(row["margin_cents"] for row in values(workspace, TODAY))
    assert told.total_margin_amount == pytest.approx(total / 100)


def test_tenths_hold_a_tenth_each_and_rise_with_the_value(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    told = value_day(workspace, TODAY)
    rows = values(workspace, TODAY)
    sizes = np.bincount([row["value_decile"] for row in rows])[1:]
    assert sizes.size == 10
    assert sizes.max() - sizes.min() <= 1
    best = [row["margin_cents"] for row in rows if row["value_decile"] == 10]
    assert min(best) >= max(row["margin_cents"] for row in rows if row["value_decile"] == 9)
    assert told.top_share == pytest.approx(sum(best) / sum(row["margin_cents"] for row in rows), abs=0.002)


def test_who_is_paused_or_without_a_price_is_left_to_the_bookkeeping(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    ana, *_ = workspace.warehouse.query("select min(customer_id) as c from deals where plan = 'yearly'")[
        "c"
    ].to_pylist()
    yesterday = workspace.business.instant(TODAY - 2 * DAY)
    rows = [
        {"customer_id": "c-new", "kind": "start", "plan": "monthly", "event_at": yesterday},
        {"customer_id": ana, "kind": "start", "plan": "yearly", "price_cents": 900, "event_at": yesterday},
        {"customer_id": ana, "kind": "pause", "plan": "yearly", "event_at": yesterday + timedelta(hours=1)},
    ]
    write_deals(workspace, rows, batch="b-2")
    told = value_day(workspace, TODAY)
    assert told.unknown_count == 2
    assert not {"c-new", ana} & {row["customer_id"] for row in values(workspace, TODAY)}


def test_contracts_without_any_price_are_refused(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    deals = workspace.warehouse.query("select * from deals")
    nothing = pa.array([None] * deals.num_rows, pa.int64())
    emptied = deals.set_column(deals.column_names.index("price_cents"), "price_cents", nothing)
    other = Workspace(tmp_path / "other", workspace.business, threads=1)
    other.warehouse.append("deals", emptied, batch="b-1")
    _lend_office(workspace, other)
    with pytest.raises(DataError, match=r"none has a price that is known.*columns\.price"):
        value_day(other, TODAY)


def _lend_office(workspace: Workspace, other: Workspace) -> None:
    """Let another workspace have the same model in office, without a registry."""
    other.models.mkdir(parents=True)
    name = model_name(workspace.business, VALUE)
    (other.models / f"{name}-1.value").write_bytes((workspace.models / f"{name}-1.value").read_bytes())
    other.journal.crown(name, "1", seen=None, as_of=TODAY)


@pytest.mark.parametrize("which", ["gym", "shop"])
def test_customers_in_parts_have_the_same_values(
    which: str, trained_gym: Trained, trained_shop: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained, day = (trained_gym, TODAY) if which == "gym" else (trained_shop, SHOP_TODAY)
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole, parts = trained.copied(tmp_path / "whole"), trained.copied(tmp_path / "parts")
    told = value_day(whole, day)
    monkeypatch.setattr("training.value.described.CUSTOMERS_AT_ONCE", told.customer_count // 3)
    monkeypatch.setattr("training.value.hazard._CELLS_AT_ONCE", 500)
    again = value_day(parts, day)
    assert values(parts, day) == values(whole, day)
    assert again.extrapolated_share == pytest.approx(told.extrapolated_share)
    assert replace(again, extrapolated_share=told.extrapolated_share) == told


# -- once and for ever -------------------------------------------------------------------------------------------------


def test_a_rerun_answers_with_what_stands(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    first = value_day(workspace, TODAY)
    before = values(workspace, TODAY)
    again = value_day(workspace, TODAY)
    assert again == replace(first, was_valued_already=True, unknown_count=None, extrapolated_share=None)
    assert values(workspace, TODAY) == before


def test_values_stand_until_they_are_old(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    first = value_day(workspace, TODAY)
    assert first.next_on == TODAY + 7 * DAY
    sixth = value_day(workspace, TODAY + 6 * DAY)
    assert (sixth.valued_on, sixth.was_valued_already) == (TODAY, True)
    seventh = value_day(workspace, TODAY + 7 * DAY)
    assert (seventh.valued_on, seventh.was_valued_already) == (TODAY + 7 * DAY, False)
    # A day in between that is asked again has the values that it had.
    assert value_day(workspace, TODAY + 6 * DAY).valued_on == TODAY
    assert newest_values_on(workspace.warehouse, TODAY + 60 * DAY) == TODAY + 7 * DAY
    assert newest_values_on(workspace.warehouse, TODAY - DAY) is None


def test_the_business_says_how_often(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = with_file(trained_gym.copied(tmp_path), GYM, value={**GYM["value"], "refresh_days": 1})
    value_day(workspace, TODAY)
    assert not value_day(workspace, TODAY + DAY).was_valued_already


def test_another_model_in_office_values_anew(trained_gym: Trained, tmp_path: Path) -> None:
    workspace = trained_gym.copied(tmp_path)
    value_day(workspace, TODAY)
    name = model_name(workspace.business, VALUE)
    (workspace.models / f"{name}-2.value").write_bytes((workspace.models / f"{name}-1.value").read_bytes())
    workspace.journal.crown(name, "2", seen=workspace.journal.champion(name), as_of=TODAY + 2 * DAY)
    # On the day before it took office the old values stand, whenever the question is asked.
    assert value_day(workspace, TODAY + DAY).was_valued_already
    anew = value_day(workspace, TODAY + 2 * DAY)
    assert (anew.was_valued_already, anew.model_version) == (False, "2")
    assert value_day(workspace, TODAY).model_version == "1"


# -- whom a model cannot serve -----------------------------------------------------------------------------------------


def test_without_a_model_in_office_the_bookkeeping_stands(gym: Gym, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"no value model is in office.*bookkeeping"):
        value_day(Workspace(tmp_path, gym.workspace.business), TODAY)


def test_a_value_must_not_know_the_future(trained_gym: Trained, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must not know the future"):
        value_day(trained_gym.copied(tmp_path), TODAY - DAY)


def test_a_model_of_another_feed_is_refused(trained_gym: Trained, tmp_path: Path) -> None:
    feeds = {**GYM["feeds"], **SHOP["feeds"]}
    workspace = with_file(trained_gym.copied(tmp_path), GYM, feeds=feeds, value={**GYM["value"], "feed": "tills"})
    with pytest.raises(DataError, match=r"learned from contracts in the feed 'deals'.*purchases in 'tills'"):
        value_day(workspace, TODAY)


def test_a_model_whose_feature_is_gone_is_refused_and_nothing_is_written(trained_gym: Trained, tmp_path: Path) -> None:
    deals = GYM["feeds"]["deals"]
    columns = {ours: theirs for ours, theirs in deals["columns"].items() if ours != "ends_on"}
    workspace = with_file(trained_gym.copied(tmp_path), GYM, feeds={"deals": {**deals, "columns": columns}})
    with pytest.raises(DataError, match=r"contract_days_left.*train a new one"):
        value_day(workspace, TODAY)
    assert newest_values_on(workspace.warehouse, TODAY) is None


def test_a_day_on_which_nobody_bought_for_a_year_is_refused(trained_shop: Trained, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody bought in the year before"):
        value_day(trained_shop.copied(tmp_path), SHOP_TODAY + 400 * DAY)


# -- purchases ---------------------------------------------------------------------------------------------------------


def test_buyers_have_a_value_and_no_months(trained_shop: Trained, tmp_path: Path) -> None:
    workspace = trained_shop.copied(tmp_path)
    told = value_day(workspace, SHOP_TODAY)
    rows = values(workspace, SHOP_TODAY)
    assert told.method == "btyd+hurdle"
    assert told.mean_months is None
    assert {row["months"] for row in rows} == {None}
    assert min(row["margin_cents"] for row in rows) >= 0
    # Who still buys is worth more than who has been silent for long.
    silent = workspace.warehouse.query(
        "select customer_id from tills group by customer_id having max(event_at) < timestamp '2025-05-01'"
    )
    gone = set(silent["customer_id"].to_pylist())
    of_gone = np.mean([row["margin_cents"] for row in rows if row["customer_id"] in gone])
    assert of_gone < 0.2 * np.mean([row["margin_cents"] for row in rows if row["customer_id"] not in gone])


def test_a_longer_horizon_and_a_higher_discount_pull_apart(trained_shop: Trained, tmp_path: Path) -> None:
    def total(name: str, **terms: float) -> float:
        place = tmp_path / name
        place.mkdir()
        value = {"margin_rate": 0.3, **terms}
        workspace = with_file(trained_shop.copied(place), SHOP, value=value)
        return value_day(workspace, SHOP_TODAY).total_margin_amount

    year = total("year", discount_rate=0.0)
    assert total("half", discount_rate=0.0, horizon_days=182) < year < total("two", discount_rate=0.0, horizon_days=730)
    assert total("dear", discount_rate=0.5) < year
    assert total("thin", discount_rate=0.0, margin_rate=0.15) == pytest.approx(year / 2, rel=1e-3)


# -- tenths ------------------------------------------------------------------------------------------------------------


def test_ties_go_by_key() -> None:
    keys = np.array([f"c{i}" for i in range(10)])[::-1]
    assert value_deciles(np.ones(10), keys).tolist() == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize(("count", "expected"), [(1, [10]), (2, [5, 10]), (4, [3, 5, 8, 10])])
def test_fewer_than_ten_customers_have_tenths_too(count: int, expected: list[int]) -> None:
    keys = np.array([f"c{i}" for i in range(count)])
    assert value_deciles(np.arange(count, dtype=float), keys).tolist() == expected
