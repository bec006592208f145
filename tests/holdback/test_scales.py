"""A survey's scale: every answer is judged by the scale of its day, and a change that nobody announced is noticed."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from math import comb
from pathlib import Path
from typing import Any

import duckdb
import pytest

from holdback.business import Business, Feed
from holdback.contracts import contract_of
from holdback.contracts.scales import scores_before_sql
from holdback.contracts.splitting import measure_batch
from holdback.errors import ContractBroken
from holdback.ingest import ingest
from holdback.loading import BatchResult
from holdback.mapping import shape_of
from holdback.scales import SCALE_RANGES, ScaleSpan, scale_spans
from holdback.workspace import Workspace
from tests.holdback.shop import make_workspace, stored, write_csv

FIRST = date(2026, 3, 2)
CHANGED = [{"scale": "nps"}, {"scale": "five", "since": "2026-03-01"}]
SURVEY: dict[str, Any] = {
    "role": "feedback",
    "source": "answers/{date}.csv",
    "columns": {"customer_id": "customer", "event_at": "at", "score": "score"},
    "scale": "nps",
}
#: Answers of a company whose customers are content: 0 to 10, most of them above 5.
CONTENT = [0, 3, 5, 6, 7, 7, 8, 8, 9, 9, 9, 10, 10]


def feed(scale: Any) -> Feed:
    return Feed.model_validate({**SURVEY, "scale": scale})


def survey(folder: Path, **changes: Any) -> Workspace:
    """The shop with one feed of answers."""
    feeds = {"answers": {**SURVEY, **changes}, "orders": {
        "role": "transactions", "source": "o.csv", "is_required": False,
        "columns": {"customer_id": "c", "event_at": "at", "amount": "a"}}}  # fmt: skip
    return make_workspace(folder, feeds=feeds)


def answer(folder: Path, day: date, scores: list[Any], *, per_customer: int = 1) -> None:
    """Write a day's answers."""
    rows = [[f"c{i // per_customer}", f"{day} 10:00:00", str(score)] for i, score in enumerate(scores)]
    write_csv(folder / "answers" / f"{day}.csv", rows, ("customer", "at", "score"))


def load(workspace: Workspace, day: date) -> BatchResult:
    return ingest(workspace, day + timedelta(days=1)).batches[-1]


def test_scales_follow_each_other_without_a_gap() -> None:
    assert scale_spans(feed("ten")) == (ScaleSpan("ten"),)
    assert scale_spans(feed(None)) == ()
    first, second = scale_spans(feed(CHANGED))
    assert (first.until, second.since, second.until) == (date(2026, 3, 1), date(2026, 3, 1), None)
    midnight = datetime(2026, 2, 28, 23)
    assert first.condition(lambda _: midnight) == "event_at < timestamp '2026-02-28 23:00:00'"
    assert second.condition(lambda _: midnight) == "event_at >= timestamp '2026-02-28 23:00:00'"
    assert first.words == "scale nps, in force before 2026-03-01"


def test_every_scale_has_the_range_that_the_business_file_promises() -> None:
    promised = Feed.model_fields["scale"].description or ""
    for scale, (low, high) in SCALE_RANGES.items():
        assert f"{scale} ({low:g} to {high:g})" in promised.replace("\n", " ")


def test_an_answer_is_judged_by_the_scale_of_its_day_in_the_business_own_time(tmp_path: Path) -> None:
    workspace = survey(tmp_path, scale=CHANGED, expects={"quarantined_share": 1})
    rows = [
        ("c1", "2026-02-28 23:59:59", "10"),  # Madrid: the last second of the old scale
        ("c2", "2026-03-01 00:00:00", "10"),
        ("c3", "2026-03-01 00:00:00", "5"),
        ("c4", "2026-02-28 23:59:59", "11"),
        ("c5", "2026-03-01 00:00:00", "0"),
        ("c6", "2026-03-01 00:00:00", ""),
        ("c7", "some day", "99"),
    ]
    write_csv(tmp_path / "answers" / "2026-03-01.csv", rows, ("customer", "at", "score"))
    (batch,) = ingest(workspace, FIRST).batches
    assert batch.reasons == {
        "event_at_is_instant": 1, "score_is_on_scale_nps": 1, "score_is_on_scale_five_since_2026_03_01": 2,
    }  # fmt: skip
    assert [c for (c,) in stored(workspace, "customer_id", "answers")] == ["c1", "c3", "c6"]


def test_the_reason_names_the_scale_of_the_day(tmp_path: Path) -> None:
    rules = {
        rule.name: rule for rule in contract_of(shape_of(survey(tmp_path, scale=CHANGED).business, "answers")).rules
    }
    asks = rules["score_is_on_scale_five_since_2026_03_01"].asks
    assert asks == "score must be between 1 and 5 (scale five, in force from 2026-03-01)"
    assert "score_is_in_range" not in rules


def test_a_single_scale_keeps_its_one_rule(tmp_path: Path) -> None:
    rules = {
        rule.name: rule for rule in contract_of(shape_of(survey(tmp_path, scale="five").business, "answers")).rules
    }
    assert rules["score_is_in_range"].asks == "score must be between 1 and 5 (scale five)"
    assert not any(name.startswith(("score_is_on_scale", "score_reaches")) for name in rules)


def test_a_survey_that_moves_to_1_to_5_unannounced_is_refused_and_told_what_to_declare(tmp_path: Path) -> None:
    workspace = survey(tmp_path)
    for back in (3, 2):
        answer(tmp_path, FIRST - timedelta(days=back), CONTENT * 8)
        load(workspace, FIRST - timedelta(days=back))
    silent = FIRST - timedelta(days=1)
    answer(tmp_path, silent, [1, 2, 3, 4, 4, 5, 5, 5] * 6)
    with pytest.raises(ContractBroken, match=r"score_reaches_up_scale_nps: .*scale: five, since: DAY"):
        load(workspace, silent)
    announced = survey(tmp_path, scale=[{"scale": "nps"}, {"scale": "five", "since": str(silent)}])
    batch = load(announced, silent)
    assert (batch.clean, batch.quarantined) == (48, 0)


def test_answers_that_really_fell_are_let_in_once_somebody_says_so(tmp_path: Path) -> None:
    workspace = survey(tmp_path)
    before, fell = FIRST - timedelta(days=2), FIRST - timedelta(days=1)
    answer(tmp_path, before, CONTENT * 8)
    load(workspace, before)
    answer(tmp_path, fell, [1, 2, 3] * 20)
    with pytest.raises(ContractBroken, match="score_reaches_up_scale_nps"):
        load(workspace, fell)
    same = survey(tmp_path, scale=[{"scale": "nps"}, {"scale": "nps", "since": str(fell)}])
    assert load(same, fell).clean == 60


@pytest.mark.parametrize(
    ("scores", "per_customer", "why"),
    [
        ([1, 5, 4], 1, "three low answers are chance"),
        ([0, 1, 2, 3, 4, 5] * 10, 1, "a 0 is on no shorter scale"),
        ([1, 2, 6] * 20, 1, "a 6 is above its top"),
        ([4] * 60, 30, "two customers are no proof however often they answer"),
        ([""] * 60, 1, "silence says nothing of the scale"),
    ],
)
def test_what_may_be_the_old_scale_is_let_in(tmp_path: Path, scores: list[Any], per_customer: int, why: str) -> None:
    workspace = survey(tmp_path)
    answer(tmp_path, FIRST - timedelta(days=2), CONTENT * 8)
    load(workspace, FIRST - timedelta(days=2))
    answer(tmp_path, FIRST - timedelta(days=1), scores, per_customer=per_customer)
    assert load(workspace, FIRST - timedelta(days=1)).clean == len(scores), why


def test_a_scale_of_100_that_shrinks_to_10_is_noticed_and_a_first_batch_is_not_judged(tmp_path: Path) -> None:
    workspace = survey(tmp_path, scale="hundred")
    answer(tmp_path, FIRST - timedelta(days=2), [1, 3, 5] * 50)
    load(workspace, FIRST - timedelta(days=2))  # nothing to compare with
    answer(tmp_path, FIRST - timedelta(days=1), [40, 70, 90] * 50)
    load(workspace, FIRST - timedelta(days=1))
    answer(tmp_path, FIRST, [0, 7, 9, 10] * 15)
    with pytest.raises(ContractBroken, match="score_reaches_up_scale_hundred"):
        load(workspace, FIRST)


def test_the_chance_is_the_predictive_probability_of_no_success(tmp_path: Path) -> None:
    """Uniform prior, k of m before: P(0 of n) = C(m - k + n, n) / C(m + 1 + n, n) (beta-binomial)."""
    business: Business = survey(tmp_path).business
    shape = shape_of(business, "answers")
    contract = contract_of(shape)
    name = "score_reaches_up_scale_nps"
    found = []
    with duckdb.connect() as connection:
        connection.execute("create table answers as select 'b' || i as customer_id,"
                           " timestamp '2026-01-01' as event_at, i % 10 as score from range(200) t(i)")  # fmt: skip
        connection.execute("create table _drift (column_name varchar, excess double)")
        connection.execute("create table _judged as select 'c' || i as customer_id, timestamp '2026-02-01' as event_at,"
                           " 1 + i % 5 as score, true as is_clean from range(12) t(i)")  # fmt: skip
        # Then nine low answers of five customers, of whom two answer again; then an 8 that ends the run.
        for then in ("", "select 'c' || (10 + i % 5), timestamp '2026-01-10', 1 + i % 5 from range(9) t(i)",
                     "select 'c77', timestamp '2026-01-20', 8"):  # fmt: skip
            if then:
                connection.execute(f"insert into answers {then}")
            connection.execute(f"create or replace table _scores_before as {scores_before_sql(shape)}")
            found.append(measure_batch(connection, contract)[name])
    for chance, (m, k, n) in zip(found, [(200, 80, 12), (200, 80, 15), (210, 81, 12)], strict=True):
        assert chance == pytest.approx(comb(m - k + n, n) / comb(m + 1 + n, n), rel=1e-9)


def test_a_change_in_small_daily_files_is_refused_once_the_files_together_prove_it(tmp_path: Path) -> None:
    workspace = survey(tmp_path)
    answer(tmp_path, FIRST, CONTENT * 8)
    load(workspace, FIRST)
    m, k = 104, 80  # answers, and those of them above 5
    proof = next(n for n in range(100) if comb(m - k + n, n) / comb(m + 1 + n, n) < 1e-6)
    refused_on = -(-proof // 7)  # seven customers a day
    assert 1 < refused_on <= 12
    for number in range(1, refused_on + 1):
        day = FIRST + timedelta(days=number)
        rows = [[f"d{number}-{i}", f"{day} 10:00:00", str(1 + i % 5)] for i in range(7)]
        write_csv(tmp_path / "answers" / f"{day}.csv", rows, ("customer", "at", "score"))
        if number < refused_on:
            assert load(workspace, day).clean == 7
    with pytest.raises(ContractBroken, match="score_reaches_up_scale_nps"):
        load(workspace, FIRST + timedelta(days=refused_on))


@pytest.mark.parametrize("breaks", [9, 0], ids=["above the top", "below the lowest"])
def test_low_days_with_an_answer_of_the_old_scale_among_them_are_let_in(tmp_path: Path, breaks: int) -> None:
    workspace = survey(tmp_path)
    answer(tmp_path, FIRST, CONTENT * 8)
    load(workspace, FIRST)
    for number in range(1, 9):
        day = FIRST + timedelta(days=number)
        rows = [[f"d{number}-{i}", f"{day} 10:00:00", str(1 + i % 5)] for i in range(5)]
        if number % 2 == 0:
            rows.append([f"d{number}", f"{day} 20:00:00", str(breaks)])
        write_csv(tmp_path / "answers" / f"{day}.csv", rows, ("customer", "at", "score"))
        assert load(workspace, day).clean == len(rows)


def test_one_customer_who_answers_low_every_day_is_no_proof(tmp_path: Path) -> None:
    workspace = survey(tmp_path)
    answer(tmp_path, FIRST, CONTENT * 8)
    load(workspace, FIRST)
    for number in range(1, 8):
        day = FIRST + timedelta(days=number)
        answer(tmp_path, day, [2] * 7, per_customer=7)
        assert load(workspace, day).clean == 7


def test_an_announced_change_is_no_critical_drift(tmp_path: Path) -> None:
    expects = {"on_drift": "critical", "drift_limit": 0.1, "quarantined_share": 0.2}
    workspace = survey(tmp_path, scale=CHANGED, expects=expects)
    answer(tmp_path, date(2026, 2, 28), CONTENT * 8)
    load(workspace, date(2026, 2, 28))
    answer(tmp_path, date(2026, 3, 1), [1, 2, 3, 4, 5] * 20)
    batch = load(workspace, date(2026, 3, 1))
    assert batch.verdict == "warning"
    assert any(finding.startswith("score_has_not_drifted") for finding in batch.findings)
