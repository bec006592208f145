from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest

from features.labels import build_labels
from holdback.business import Business, load_business
from holdback.commits import rows_of
from holdback.errors import NotKnowableYet
from holdback.ingest import ingest
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.proportions import wilson
from monitoring.triggers import TriggerRecord, judge
from tests.monitoring.triggers.company import DAY, OPENS, OUTCOME_DAYS, Shop, business_of, loaded, random_shop, start
from tests.monitoring.triggers.plain import trial

AS_OF = OPENS + timedelta(days=201)


def tried(workspace: Workspace, as_of: date = AS_OF, **how: Any) -> TriggerRecord:
    return judge(workspace.warehouse, workspace.business, workspace.business.triggers[0], as_of, **how)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("churn", "kind", "judged_days", "wait"),
    [
        ("cancelled", "cancellation", 30, 30),
        ("cancelled", "cancellation", 20, 20),
        ("lapsed", "inactivity", 30, 60),
        ("lapsed", "inactivity", 12, 42),
    ],
)
def test_a_trial_is_what_plain_python_counts(
    tmp_path: Path, seed: int, churn: Literal["lapsed", "cancelled"], kind: str, judged_days: int, wait: int
) -> None:
    shop = random_shop(seed)
    given = {} if judged_days == OUTCOME_DAYS else {"judged_days": judged_days}
    record = tried(shop.write(tmp_path, business_of(churn=churn, **given)))
    last = OPENS + timedelta(days=200 - wait)
    assert (record.last_on, record.judged_days, record.known_after_days) == (last, judged_days, wait)
    days = tuple(last - timedelta(days=7 * back) for back in range(record.day_count - 1, -1, -1))
    assert record.first_on == days[0] > OPENS
    found = trial(shop, days, kind=kind, judged_days=judged_days)
    assert found.fired > 10
    assert (record.fired_count, record.undescribed_count, record.described_count) == (
        found.fired, found.undescribed, found.described,
    )  # fmt: skip
    assert record.precision == wilson(found.right, found.judged)
    assert record.base is not None
    assert record.base.share == pytest.approx(found.left / found.described)
    assert record.rest is not None
    assert record.rest.share == pytest.approx((found.left - found.right) / (found.described - found.judged))
    assert record.lift is not None
    assert record.precision is not None
    assert record.lift.lift == pytest.approx(record.precision.share / record.base.share)
    assert record.lead is not None
    assert (record.lead.lower_quartile, record.lead.median, record.lead.upper_quartile) == tuple(
        np.quantile(found.leads, (0.25, 0.5, 0.75))
    )
    whole = [
        caught for (_, on), caught in found.leavers.items() if days[0] + judged_days * DAY <= on <= days[-1]
    ]  # fmt: skip
    assert record.recall == wilson(sum(whole), len(whole))
    assert sum(branch.fired_count for branch in record.branches) == found.fired
    assert {(branch.branch, branch.action) for branch in record.branches} == {(0, "call"), (1, "gift")}


def test_what_happened_or_was_loaded_later_changes_nothing(tmp_path: Path) -> None:
    early = AS_OF - 40 * DAY
    whole, cut = random_shop(3), random_shop(3)
    for one in (cut.purchases, cut.tickets):
        for who, moments in one.items():
            one[who] = [at for at in moments if at < start(early) - DAY]
    cut.cancelled = {who: at for who, at in cut.cancelled.items() if at < start(early) - DAY}
    found = [
        tried(shop.write(tmp_path / name, business_of(churn="cancelled")), early, every_days=21)
        for name, shop in (("whole", whole), ("cut", cut))
    ]
    assert found[0] == found[1]


def test_a_firing_is_judged_as_soon_as_its_days_are_over_and_not_before(tmp_path: Path) -> None:
    shop = random_shop(4)
    workspace = shop.write(tmp_path, business_of(churn="cancelled"))
    first = OPENS + (min(at for moments in shop.tickets.values() for at in moments) - start(OPENS)).days * DAY + DAY
    said = rf"trigger complaints: no firing can be judged .* Ask again on {first + 31 * DAY}"
    with pytest.raises(NotKnowableYet, match=said):
        tried(workspace, first + 30 * DAY)
    # Until the feed of contracts reaches a day, it cannot be known who is still there on it.
    assert first <= tried(workspace, first + 40 * DAY, every_days=14).last_on <= first + 10 * DAY
    empty = Workspace(tmp_path / "empty", business_of())
    with pytest.raises(NotKnowableYet, match="nothing was loaded by 2025-07-21"):
        tried(empty)


def test_only_days_since_a_day_are_replayed(tmp_path: Path) -> None:
    workspace = random_shop(5).write(tmp_path, business_of(churn="cancelled"))
    since = OPENS + 100 * DAY
    record = tried(workspace, OPENS + 150 * DAY, since=since, every_days=3)
    assert since <= record.first_on < since + 3 * DAY
    assert record.day_count == (record.last_on - record.first_on).days // 3 + 1


def test_who_met_the_condition_before_the_first_day_is_no_volume(tmp_path: Path) -> None:
    shop = Shop()
    for number in range(30):
        shop.region[who := f"c{number}"] = "north"
        shop.tickets[who] = [start(OPENS + day * DAY) for day in range(2, 150)]
        shop.purchases[who] = [start(OPENS + day * DAY) for day in range(1, 150, 5)]
    record = tried(shop.write(tmp_path, business_of(cooldown_days=365)), OPENS + 150 * DAY, since=OPENS + 40 * DAY)
    assert record.fired_count == 0
    assert record.precision is None
    assert record.lift is None
    record = tried(shop.write(tmp_path / "0", business_of(cooldown_days=0)), OPENS + 150 * DAY, since=OPENS + 40 * DAY)
    assert record.fired_count == 0  # it went on holding: without a cooldown only what begins anew fires


def test_nobody_who_left_is_no_recall(tmp_path: Path) -> None:
    shop = Shop()
    for number in range(30):
        shop.region[who := f"c{number}"] = "north"
        shop.purchases[who] = [start(OPENS + day * DAY) for day in range(1, 150, 5)]
    shop.tickets["c1"] = [start(OPENS + day * DAY) for day in (50, 51)]
    record = tried(shop.write(tmp_path, business_of()), OPENS + 150 * DAY, since=OPENS + 40 * DAY)
    assert (record.fired_count, record.recall, record.lead) == (1, None, None)
    assert record.precision is not None
    assert record.precision.share == 0
    assert "nobody left: there is no recall" in record.notes


def test_whoever_is_gone_already_counts_for_the_volume_alone(tmp_path: Path) -> None:
    shop = random_shop(7)
    shop.tickets["c000"] = [start(OPENS + day * DAY) for day in (100, 101)]
    shop.cancelled["c000"] = start(OPENS + 60 * DAY)
    record = tried(shop.write(tmp_path, business_of(churn="cancelled")), since=OPENS + 90 * DAY)
    assert record.undescribed_count >= 1
    assert any("does not describe" in note for note in record.notes)


JUMP = {"name": "jump", "kind": "score_above", "churn": "cancelled", "at": 0.5, "cooldown_days": 7}


def scored_shop(tmp_path: Path, seed: int, scores: dict[int, dict[str, float]]) -> Workspace:
    """A shop that scored some customers on some days (counted from its opening), and its trigger on scores."""
    content = business_of(churn="cancelled").model_dump(mode="json", exclude_none=True)
    workspace = random_shop(seed).write(tmp_path, Business.model_validate(content | {"triggers": [JUMP]}))
    rows = [
        {"as_of": OPENS + number * DAY, "customer_id": who, "churn": "cancelled", "model_version": "1",
         "probability": probability, "risk_tier": "high", "is_above_capacity_line": False}
        for number, told in scores.items() for who, probability in told.items()
    ]  # fmt: skip
    if rows:
        workspace.warehouse.append("scores", rows_of(TABLES["scores"], rows), batch="scores")
    return workspace


def test_a_score_is_replayed_on_the_days_that_were_scored(tmp_path: Path) -> None:
    with pytest.raises(NotKnowableYet, match="no firing can be judged"):
        tried(scored_shop(tmp_path / "none", 8, {}))
    told = {day: {"c001": 0.1 + 0.5 * (day == 80), "c002": 0.9} for day in (60, 62, 80, 190)}
    record = tried(scored_shop(tmp_path, 8, told))
    assert (record.first_on, record.last_on, record.day_count) == (OPENS + 60 * DAY, OPENS + 80 * DAY, 2)
    assert record.fired_count >= 1


def test_the_rate_of_a_trigger_on_scores_is_told_by_the_days_that_lie_between_them(tmp_path: Path) -> None:
    months = {30: 0.1, 60: 0.9, 90: 0.1, 120: 0.9, 150: 0.1}
    monthly = {day: {"c001": score, "c002": 0.9} for day, score in months.items()}
    record = tried(scored_shop(tmp_path, 8, monthly))
    # On the first scored day nobody knows since when c002's score is high. From then on c002 fires each month, c001
    # every other one: six firings in 120 days, though only five days were asked.
    assert (record.day_count, record.every_days, record.fired_count) == (5, 30, 7)
    assert record.fired is not None
    assert (record.fired.count, record.fired.days) == (6, 120)
    assert record.fired.per_day == pytest.approx(6 / 120)
    assert any("1 firings are of the first scored day" in note for note in record.notes)
    assert not any("what happened between was missed" in note for note in record.notes)
    # The windows of 30 judged days do not overlap when they lie 30 days apart: every customer and day is news.
    assert record.base is not None
    assert record.base.n == record.described_count
    since = tried(scored_shop(tmp_path / "since", 8, monthly), since=OPENS + 90 * DAY)
    assert (since.day_count, since.fired_count) == (3, 4)
    assert since.fired is not None
    assert (since.fired.count, since.fired.days) == (4, 90), "the score of day 60 tells what held before"
    once = tried(scored_shop(tmp_path / "once", 8, {60: {"c002": 0.9}}))
    assert (once.fired, once.volume) == (None, "one day only")


def test_a_snapshot_is_judged_on_its_day(tmp_path: Path) -> None:
    fell = {"name": "fell", "kind": "drop", "before": "was", "after": "now", "at_least": 100.0}
    content: dict[str, Any] = {
        "slug": "snap", "name": "Snap", "currency": "EUR", "time_zone": "UTC",
        "customers": {
            "source": "c.csv", "key": "id", "attributes": {"was": "number", "now": "number", "gone": "label"},
        },
        "churn": [{"name": "left", "kind": "column", "attribute": "gone"}],
        "triggers": [fell],
    }  # fmt: skip
    workspace = Workspace(tmp_path, Business.model_validate(content), threads=1)
    rows = {
        "customer_id": [f"c{number}" for number in range(100)],
        "was": [500.0] * 100,
        "now": [300.0] * 20 + [450.0] * 80,
        "gone": [True] * 10 + [False] * 10 + [True] * 8 + [False] * 70 + [None] * 2,
    }
    rows |= loaded(100, [start(OPENS)] * 100)
    workspace.warehouse.append("customers", pa.table(rows), batch="all")
    record = tried(workspace, OPENS + DAY)
    assert (record.fired, record.fired_count, record.volume) == (None, 20, "one day only")
    assert (record.precision, record.recall) == (wilson(10, 20), wilson(10, 18))
    assert (record.base, record.rest) == (wilson(18, 98), wilson(8, 78))
    assert record.lead is None
    assert any("one snapshot" in note for note in record.notes)


@pytest.mark.parametrize("judged_days", [None, 40])
def test_a_kind_of_churn_without_a_day_of_leaving_is_judged_by_its_labels(
    tmp_path: Path, judged_days: int | None
) -> None:
    rhythm = {"name": "off_beat", "kind": "rhythm", "feed": "tills", "outcome_days": 60, "lead_days": 3}
    content = business_of(judged_days=judged_days).model_dump(mode="json", exclude_none=True)
    business = Business.model_validate(content | {"churn": [rhythm]})
    workspace = random_shop(9).write(tmp_path, business)
    record = tried(workspace, every_days=28)
    assert record.judged_days == record.known_after_days == (judged_days or 63)
    window = {} if judged_days is None else {"lead_days": 0, "outcome_days": judged_days}
    asked = Business.model_validate(content | {"churn": [rhythm | window]})
    days = [record.last_on - back * 28 * DAY for back in range(record.day_count)]
    labels = [build_labels(workspace.warehouse, asked, asked.churn[0], day, known_on=AS_OF)["churned"] for day in days]
    known = [value for column in labels for value in column.to_pylist() if value is not None]
    assert record.described_count == len(known) > 100
    assert record.base is not None
    assert record.base.share == pytest.approx(sum(known) / len(known))
    assert record.lead is None


@pytest.mark.slow
def test_a_savings_bank_finds_634_customers_of_whom_five_in_eight_leave(
    tmp_path: Path, project_root: Path, shared_data: Callable[[str], Path]
) -> None:
    """28,382 rows; a fall of 10,000 or more: 634 customers, 62.5 % leave, recall 7.5 % (PROVENANCE.md)."""
    root = shared_data("savings_bank/churn_prediction.csv").parents[1]
    business = load_business(project_root / "businesses" / "savings_bank.yaml")
    bank = Workspace(tmp_path, business, {"HOLDBACK_DATA": str(root)})
    ingest(bank, date(2026, 3, 2))
    record = tried(bank, date(2026, 3, 3))
    assert (record.described_count, record.fired_count) == (28_382, 634)
    assert record.precision == wilson(396, 634)
    assert record.recall == wilson(396, 5_260)
    assert record.base is not None
    assert record.base.share == pytest.approx(0.1853, abs=5e-5)
    assert record.rest is not None
    assert record.rest.share == pytest.approx(0.1753, abs=5e-5)
    assert record.lift is not None
    # Against all customers; against those for whom it did not fire (17.5 %) it would be 3.56.
    assert record.lift.lift == pytest.approx(0.6246 / 0.1853, abs=0.002)
    assert record.lift.low is not None
    assert record.lift.low > 3.1
