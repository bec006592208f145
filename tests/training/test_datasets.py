from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from holdback.days import months_before
from holdback.errors import DataError, NotKnowableYet
from holdback.workspace import Workspace
from tests.training.companies import SHOP, open_shop, sell, shop, snapshot
from training.datasets import build_dataset
from training.snapshot_days import matured_days, purged

AS_OF = date(2025, 10, 1)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return open_shop(tmp_path_factory.mktemp("shop"), customers=500)


def changed(workspace: Workspace, **churn: object) -> Workspace:
    """The same warehouse under another churn definition."""
    content = {**SHOP, "churn": [{**SHOP["churn"][0], **churn}]}
    return Workspace(workspace.root, type(workspace.business).model_validate(content), threads=1)


def test_months_are_calendar_months() -> None:
    assert months_before(date(2011, 9, 9), 3) == date(2011, 6, 9)
    assert months_before(date(2011, 3, 31), 1) == date(2011, 2, 28)
    assert months_before(date(2012, 1, 15), 13) == date(2010, 12, 15)


def test_without_overlap_the_purge_takes_nothing_away() -> None:
    # Known answer of the design: with a step equal to the horizon purged and un-purged days are the same.
    days = tuple(date(2011, 9, 9) - timedelta(days=30 * i) for i in range(1, 6))
    assert purged(days, date(2011, 9, 9), 30) == days


def test_with_overlap_the_purge_ends_training_one_horizon_before_the_holdout() -> None:
    days = tuple(date(2011, 9, 9) - timedelta(days=30 * i) for i in range(1, 6))
    assert purged(days, date(2011, 9, 9), 90) == days[2:]
    assert purged(days, date(2011, 9, 9), 91) == days[3:]


def test_the_holdout_is_the_newest_day_whose_outcome_is_known(opened: Workspace) -> None:
    days = matured_days(opened.warehouse, opened.business, opened.business.churn[0], AS_OF)
    # The last event known on October 1st is of September 30th: its outcome of 30 days began on August 31st.
    assert days[0] == date(2025, 8, 31)
    assert days[1] == date(2025, 7, 31)
    assert days[-1] >= date(2025, 1, 1) + timedelta(days=60)


def test_the_lead_counts_towards_the_horizon(opened: Workspace) -> None:
    workspace = changed(opened, lead_days=10)
    assert matured_days(opened.warehouse, workspace.business, workspace.business.churn[0], AS_OF)[0] == date(
        2025, 8, 21
    )


def test_every_training_outcome_was_over_when_the_holdout_began(opened: Workspace) -> None:
    dataset = build_dataset(opened, opened.business.churn[0], AS_OF)
    earliest = dataset.holdout.as_ofs.min().astype(object)
    assert dataset.training.as_ofs.max().astype(object) + timedelta(days=30) <= earliest
    assert dataset.knows_until is not None
    assert dataset.knows_until <= earliest
    assert not dataset.plan.is_split_by_customer
    assert dataset.versions == {"tills": 0}


def test_few_churners_pool_older_days_and_say_so(opened: Workspace) -> None:
    dataset = build_dataset(opened, opened.business.churn[0], AS_OF)
    assert dataset.holdout.day_count > 1
    assert dataset.holdout.day_count <= 3
    assert "pools" in dataset.notes[0]


def test_training_takes_no_more_snapshots_than_the_business_wants(opened: Workspace) -> None:
    content = {**SHOP, "training": {"snapshots": 2, "min_history_days": 60}}
    workspace = Workspace(opened.root, type(opened.business).model_validate(content), threads=1)
    assert len(build_dataset(workspace, workspace.business.churn[0], AS_OF).plan.learn_on) == 2


def test_what_is_loaded_later_changes_nothing(tmp_path: Path) -> None:
    before = open_shop(tmp_path / "a", customers=200, days=250)
    after = open_shop(tmp_path / "b", customers=200, days=250)
    late = after.business.instant(date(2025, 12, 1))
    import pyarrow as pa

    rows = before.warehouse.query("select * from tills where event_at >= '2025-08-01' limit 100")
    count = rows.num_rows
    poisoned = rows.set_column(
        rows.schema.get_field_index("loaded_at"), "loaded_at", pa.array([late] * count, pa.timestamp("us"))
    ).set_column(rows.schema.get_field_index("batch_id"), "batch_id", pa.array(["late"] * count))
    after.warehouse.append("tills", poisoned, batch="late")
    first, second = (build_dataset(w, w.business.churn[0], date(2025, 9, 1)) for w in (before, after))
    pd.testing.assert_frame_equal(first.training.frame, second.training.frame)
    assert np.array_equal(first.holdout.churned, second.holdout.churned)


def test_values_are_the_margin_of_the_last_year(opened: Workspace) -> None:
    dataset = build_dataset(opened, opened.business.churn[0], AS_OF)
    assert dataset.holdout.value_amounts is not None
    expected = dataset.holdout.frame["spend_amount_365d"].to_numpy() * 0.3
    assert np.allclose(dataset.holdout.value_amounts, expected)
    assert dataset.value_meaning == "margin of the last 365 days in EUR (30% of spending)"


def test_before_any_outcome_is_known_it_says_when_the_first_one_will_be(opened: Workspace) -> None:
    with pytest.raises(NotKnowableYet, match="Come back on 2025-04-02") as caught:
        build_dataset(opened, opened.business.churn[0], date(2025, 3, 15))
    # January 1st + 60 days of history + 30 days of outcome = April 1st; the day after, that day's events are known.
    assert "begin on 2025-01-01" in str(caught.value)
    assert matured_days(opened.warehouse, opened.business, opened.business.churn[0], date(2025, 4, 2)) == (
        date(2025, 3, 2),
    )


def test_a_history_too_short_for_a_split_in_time_is_split_by_customer_and_says_so(opened: Workspace) -> None:
    dataset = build_dataset(opened, opened.business.churn[0], date(2025, 4, 10))
    assert dataset.plan.is_split_by_customer
    assert "quarter of the customers" in dataset.notes[0]
    assert not set(dataset.training.customer_ids) & set(dataset.holdout.customer_ids)


def test_an_empty_feed_is_a_fault_of_the_data(tmp_path: Path) -> None:
    workspace = shop(tmp_path)
    with pytest.raises(DataError, match="no event is known on 2025-10-01"):
        build_dataset(workspace, workspace.business.churn[0], AS_OF)


def test_one_class_only_is_a_fault_of_the_data(tmp_path: Path) -> None:
    workspace = shop(tmp_path)
    customers = [f"c{i}" for i in range(20)]
    days = [day + i / 100 for day in range(0, 270, 10) for i in range(20)]
    sell(workspace, customers * 27, days, np.full(len(days), 1000.0))
    with pytest.raises(DataError, match=r"0 rows left and \d+ stayed"):
        build_dataset(workspace, workspace.business.churn[0], date(2025, 9, 20))


def club(rng: np.random.Generator, n: int) -> pd.DataFrame:
    visits = rng.poisson(4, n).astype(float)
    return pd.DataFrame(
        {
            "member": [f"m-{i:04d}" for i in range(n)],
            "visits": visits,
            "gender": rng.choice(["f", "m"], n),
            "left_club": rng.uniform(size=n) < 0.5 / (1 + visits),
        }
    )


def test_a_snapshot_holds_out_a_quarter_of_the_customers_and_says_so(tmp_path: Path) -> None:
    frame = club(np.random.default_rng(1), 2000)
    workspace = snapshot(tmp_path, frame, key="member", label="left_club", protected=("gender",))
    dataset = build_dataset(workspace, workspace.business.churn[0], date(2025, 3, 1))
    assert len(dataset.training) + len(dataset.holdout) == 2000
    # A quarter of 2,000 by hash: standard deviation 19; four of them.
    assert len(dataset.holdout) == pytest.approx(500, abs=78)
    assert "one snapshot without dates" in dataset.notes[0]
    assert dataset.knows_until is None
    truth = dict(zip(frame["member"], frame["left_club"], strict=True))
    assert [truth[key] for key in dataset.holdout.customer_ids] == dataset.holdout.churned.tolist()


def test_protected_attributes_are_audited_and_never_learned_from(tmp_path: Path) -> None:
    frame = club(np.random.default_rng(1), 400)
    workspace = snapshot(tmp_path, frame, key="member", label="left_club", protected=("gender",))
    dataset = build_dataset(workspace, workspace.business.churn[0], date(2025, 3, 1))
    assert list(dataset.training.frame.columns) == ["visits"]
    assert [feature.name for feature in dataset.features] == ["visits"]
    truth = dict(zip(frame["member"], frame["gender"], strict=True))
    assert dataset.audited["gender"].tolist() == [truth[key] for key in dataset.holdout.customer_ids]
