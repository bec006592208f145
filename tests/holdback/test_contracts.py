"""Every kind of rule: what it catches, and that Great Expectations and our own SQL agree on it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from holdback.business import Business
from holdback.contracts import Contract, Expectation, Judge, Parameter, Rule, contract_of, reconcile, split_rows
from holdback.contracts.rules import Bound, words_of
from holdback.contracts.splitting import measure_batch
from holdback.errors import BusinessFileError, OperatorError
from holdback.mapping import map_rows, shape_of
from holdback.originals import Original

NOW = datetime(2026, 3, 3)
PARAMETERS: dict[str, Bound] = {
    "loaded_before": NOW, "fewest_rows": 0, "most_rows": 10**15, "fresh_after": datetime(2026, 2, 1),
}  # fmt: skip

SUBSCRIPTIONS = {
    "role": "subscriptions",
    "source": "f.csv",
    "columns": {c: c for c in ("customer_id", "event_at", "kind", "plan", "price", "ends_on", "subscription_id")},
    "key": ["subscription_id", "event_at"],
    "accepts": {"plan": ["basic", "it's: {gold}"]},
    "expects": {
        "between": {"price": [0, 99.99]},
        "known_customers": True,
        "null_share": {"plan": 0.5},
        "fresh_within_days": 30,
        "quarantined_share": 1,
        "rows": [1, 100],
        "reference": {
            "price": {
                "mean": [0, 100], "median": [0, 100], "minimum": [-10, 10], "maximum": [10, 200],
                "negative_share": [0, 0.5], "whole_share": [0, 1], "null_share": [0, 1], "distinct_share": [0, 1],
            },
            "plan": {"shares": {"it's: {gold}": [0, 1], "basic": [0, 1]}},
        },
    },
}  # fmt: skip
INTERACTIONS = {
    "role": "interactions",
    "source": "f.csv",
    "columns": {c: c for c in ("customer_id", "event_at", "resolved_at", "duration_seconds", "is_caused_by_us")},
    "expects": {"quarantined_share": 1},
}
FEEDBACK = {
    "role": "feedback",
    "source": "f.csv",
    "columns": {c: c for c in ("customer_id", "event_at", "kind", "score")},
    "scale": "nps",
    "expects": {"quarantined_share": 1},
}
SHOP = {"slug": "lab", "name": "Lab", "currency": "EUR", "time_zone": "Europe/Madrid"}


def lab(feed: dict[str, Any]) -> Business:
    return Business.model_validate(
        {
            **SHOP,
            "customers": {"source": "c.csv", "key": "id", "attributes": {"left": "label"}},
            "feeds": {"lab": feed},
            "churn": [{"name": "gone", "kind": "column", "attribute": "left"}],
        }
    )


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    judge = Judge(tmp_path)
    yield judge
    judge.close()


def offer(connection: duckdb.DuckDBPyConnection, feed: dict[str, Any], rows: list[tuple[str | None, ...]]) -> Contract:
    """Map rows given in the order of the feed's columns; a row of None stands for a line that could not be split."""
    business = lab(feed)
    shape = shape_of(business, "lab")
    names = tuple(feed["columns"].values())
    frame = pa.table(
        {
            "row_number": list(range(1, len(rows) + 1)),
            "is_parsed": [any(value is not None for value in row) for row in rows],
            "line": pa.array([None if any(row) else "?" for row in rows], pa.string()),
            **{f"source_{i + 1}": pa.array([r[i] for r in rows], pa.string()) for i in range(len(names))},
        }
    )
    connection.register("_frame", frame)
    connection.execute("create or replace table _original as select * from _frame")
    connection.execute("create or replace table _known_customers as select 'c' || i as customer_id from range(9) t(i)")
    connection.execute("create or replace table _drift (column_name varchar, excess double)")
    connection.execute(
        "create or replace table _scores_before as select 0 as scale_position, 5.0 as top,"
        " 0 as answers, 0 as not_above, cast(null as varchar[]) as run_customers"
    )
    map_rows(connection, shape, Original("f.csv", names, len(rows)))
    return contract_of(shape)


def judged(
    connection: duckdb.DuckDBPyConnection, judge: Judge, contract: Contract
) -> tuple[dict[str, int], dict[str, Any]]:
    """Let both sides judge what was offered, and return the rows and figures on which they agreed."""
    counts = split_rows(connection, contract, PARAMETERS)
    for relation in ("_judged", "_drift", "_known_customers", "_scores_before"):
        connection.execute(f"copy {relation} to '{judge.staged(relation)}' (format parquet)")
    figures = measure_batch(connection, contract)
    verdict = judge.judge(contract, "_judged", PARAMETERS)
    reconcile(contract, counts, figures, verdict, PARAMETERS)
    return {name: count for name, count in counts.items() if count}, figures


GOOD = ("c1", "2026-03-01 10:00:00", "start", "basic", "10.00", "2026-12-31", "s1")


def changed(**values: str | None) -> tuple[str | None, ...]:
    row = dict(zip(SUBSCRIPTIONS["columns"], GOOD, strict=True))
    return tuple({**row, **values}.values())


BAD_ROWS = [
    (changed(customer_id=None), "customer_id_is_given"),
    (changed(customer_id="stranger"), "customer_id_is_known"),
    (changed(event_at="yesterday"), "event_at_is_instant"),
    (changed(event_at=None), "event_at_is_given"),
    (changed(event_at="2026-03-03 01:00:00"), "event_at_is_not_in_the_future"),
    (changed(kind="begin"), "kind_is_in_vocabulary"),
    (changed(plan="silver"), "plan_is_in_vocabulary"),
    (changed(price="12,5"), "price_is_money"),
    (changed(price="-0.01"), "price_is_in_range"),
    (changed(price="100"), "price_is_in_range"),
    (changed(price=str(2**63)), "price_is_money"),
    (changed(ends_on="31/12/2026"), "ends_on_is_date"),
    (changed(ends_on="2026-02-28"), "ends_on_is_not_before_event_at"),
    (changed(subscription_id=""), "subscription_id_is_given"),
    ((None,) * 7, "line_can_be_split"),
]


def test_a_bad_row_breaks_exactly_its_rule(connection: duckdb.DuckDBPyConnection, judge: Judge) -> None:
    rows = [
        row if row[6] in (None, "") else (*row[:6], f"s{i}") for i, (row, _) in enumerate(BAD_ROWS)
    ]  # no two share a key
    judged(connection, judge, offer(connection, SUBSCRIPTIONS, [changed(subscription_id="other"), *rows]))
    found = connection.sql("select failed_rules from _judged order by row_number").fetchall()
    assert [reasons for (reasons,) in found] == [[], *([rule] for _, rule in BAD_ROWS)]


def test_edges_are_inside(connection: duckdb.DuckDBPyConnection, judge: Judge) -> None:
    rows = [
        changed(price="0", subscription_id="a"),
        changed(price="99.99", subscription_id="b"),
        changed(event_at="2026-03-03 00:59:59", subscription_id="c"),
        changed(ends_on="2026-03-01", event_at="2026-03-01 23:30:00", subscription_id="d"),
        changed(plan="it's: {gold}", subscription_id="e"),
        changed(plan=None, price=None, ends_on=None, subscription_id="f"),
    ]
    assert judged(connection, judge, offer(connection, SUBSCRIPTIONS, rows))[0] == {}


def test_a_key_that_stands_twice_takes_all_its_rows_and_null_keys_are_no_pair(
    connection: duckdb.DuckDBPyConnection, judge: Judge
) -> None:
    rows = [GOOD, GOOD, GOOD, changed(event_at="2026-03-01 11:00:00"), *[changed(subscription_id=None)] * 2]
    reasons, _ = judged(connection, judge, offer(connection, SUBSCRIPTIONS, rows))
    assert reasons == {"subscription_id_is_given": 2, "event_at_and_subscription_id_is_unique": 3}


def test_an_interaction_cannot_be_resolved_before_it_happened(
    connection: duckdb.DuckDBPyConnection, judge: Judge
) -> None:
    rows: list[tuple[str | None, ...]] = [
        ("c1", "2026-03-01", None, "5", "yes"),
        ("c1", "2026-03-01", "2026-03-01", None, None),
        ("c1", "2026-03-01", "2026-02-28", "5", "no"),
        ("c1", "2026-03-01", "2026-03-09", "-1", "maybe"),
    ]
    reasons, _ = judged(connection, judge, offer(connection, INTERACTIONS, rows))
    assert reasons == {
        "is_caused_by_us_is_flag": 1,
        "duration_seconds_is_in_range": 1,
        "resolved_at_is_not_in_the_future": 1,
        "resolved_at_is_not_before_event_at": 1,
    }


def test_a_score_lies_on_its_scale(connection: duckdb.DuckDBPyConnection, judge: Judge) -> None:
    rows: list[tuple[str | None, ...]] = [("c1", "2026-03-01", "nps", s) for s in ("0", "10", "10.5", "-1", None)]
    assert judged(connection, judge, offer(connection, FEEDBACK, rows))[0] == {"score_is_in_range": 2}


def test_every_expectation_counts_as_plain_sql_does(connection: duckdb.DuckDBPyConnection, judge: Judge) -> None:
    """Pins the shim that lets Great Expectations read DuckDB: were it to stop working, these figures would differ."""
    rows: list[tuple[str | None, ...]] = []
    for i in range(400):
        rows.append(
            changed(
                customer_id=None if i % 11 == 0 else f"c{i % 13}",
                event_at="never" if i % 17 == 0 else f"2026-03-0{1 + i % 4} 10:00:00",
                kind="begin" if i % 19 == 0 else "renew",
                plan=None if i % 3 == 0 else "basic" if i % 5 else "silver",
                price="x" if i % 23 == 0 else f"{i - 10}.50",
                ends_on="2026-01-01" if i % 29 == 0 else "2026-12-31",
                subscription_id=f"s{i % 392}",
            )
        )
    rows += [(None,) * 7] * 3
    contract = offer(connection, SUBSCRIPTIONS, rows)
    counts = split_rows(connection, contract, PARAMETERS)
    for relation in ("_judged", "_drift", "_known_customers", "_scores_before"):
        connection.execute(f"copy {relation} to '{judge.staged(relation)}' (format parquet)")
    verdict = judge.judge(contract, "_judged", PARAMETERS)
    plain = {
        "line_can_be_split": "line = '?'",
        "event_at_is_instant": "source_2 = 'never'",
        "price_is_money": "source_5 = 'x'",
        "customer_id_is_given": "source_1 is null and line is null",
        "kind_is_in_vocabulary": "source_3 = 'begin'",
        "plan_is_in_vocabulary": "source_4 = 'silver'",
        "price_is_in_range": "try_cast(source_5 as double) not between 0 and 99.99",
        "customer_id_is_known": "source_1 in ('c9', 'c10', 'c11', 'c12')",
        "event_at_is_not_in_the_future": "source_2 like '2026-03-03%' or source_2 like '2026-03-04%'",
        "ends_on_is_not_before_event_at": "source_6 = '2026-01-01' and source_2 <> 'never'",
        "event_at_and_subscription_id_is_unique": "line is null and source_2 <> 'never' and (select count(*) from"
        " _original o where o.source_2 = _original.source_2 and o.source_7 = _original.source_7) > 1",
    }  # fmt: skip
    for rule, condition in plain.items():
        expected = connection.sql(f"select count(*) from _original where {condition}").fetchall()[0][0]
        assert (verdict.unexpected_counts[rule], counts[rule]) == (expected, expected), rule
        assert expected > 0, rule
    assert sum(counts.values()) - sum(counts[rule] for rule in plain) == 0
    assert {rule for rule, count in counts.items() if count} == set(plain)
    assert verdict.worst == "critical"  # there are more rows than was agreed


THREE_ROWS: list[tuple[str | None, ...]] = [
    ("c1", "2026-01-05", "nps", "7"), ("c2", "2026-01-05", "hugs", None), ("c3", "2026-01-05", "csat", "7"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("expects", "broken"),
    [
        (
            {
                "rows": [4, 5], "fresh_within_days": 30, "null_share": {"score": 0.3}, "quarantined_share": 0.3,
                "reference": {
                    "score": {"mean": [5, 6.9], "median": [7.1, 8], "minimum": [0, 6], "maximum": [8, 10],
                              "null_share": [0, 0.3], "whole_share": [0, 0.9], "distinct_share": [0.4, 1],
                              "negative_share": [0.1, 1]},
                    "kind": {"shares": {"nps": [0.9, 1], "csat": [0, 0.3]}},
                },
            },
            {
                "row_count_is_in_range", "newest_event_is_fresh", "score_is_rarely_missing",
                "quarantined_share_is_small", "score_mean_is_as_known", "score_median_is_as_known",
                "score_minimum_is_as_known", "score_maximum_is_as_known", "score_null_share_is_as_known",
                "score_whole_share_is_as_known", "score_distinct_share_is_as_known",
                "score_negative_share_is_as_known", "kind_share_of_nps_is_as_known", "kind_share_of_csat_is_as_known",
            },
        ),
        (
            {
                "rows": [3, 3], "null_share": {"score": 0.34}, "quarantined_share": 0.34,
                "reference": {
                    "score": {"mean": [7, 7], "median": [7, 7], "minimum": [7, 7], "maximum": [7, 7],
                              "null_share": [0.33, 0.34], "whole_share": [1, 1], "distinct_share": [0.33, 0.34],
                              "negative_share": [0, 0]},
                    "kind": {"shares": {"nps": [0.33, 0.34], "csat": [0.33, 0.34]}},
                },
            },
            set(),
        ),
    ],
    ids=["outside", "inside"],
)  # fmt: skip
def test_a_batch_rule_breaks_outside_its_bounds_and_only_there(
    connection: duckdb.DuckDBPyConnection, judge: Judge, expects: dict[str, Any], broken: set[str]
) -> None:
    contract = offer(connection, {**FEEDBACK, "expects": expects}, THREE_ROWS)
    counts = split_rows(connection, contract, PARAMETERS)
    for relation in ("_judged", "_drift", "_scores_before"):
        connection.execute(f"copy {relation} to '{judge.staged(relation)}' (format parquet)")
    verdict = judge.judge(contract, "_judged", PARAMETERS)
    found = reconcile(contract, counts, measure_batch(connection, contract), verdict, PARAMETERS)
    assert {j.rule.name for j in found if not j.is_passed and j.rule.scope == "batch"} == broken
    assert verdict.worst == ("critical" if broken else "warning")


def test_an_all_null_column_has_no_mean_and_that_is_a_fault(
    connection: duckdb.DuckDBPyConnection, judge: Judge
) -> None:
    feed = {**FEEDBACK, "expects": {"quarantined_share": 1, "reference": {"score": {"mean": [0, 10]}}}}
    contract = offer(connection, feed, [("c1", "2026-01-05", "nps", None)])
    reasons, figures = judged(connection, judge, contract)
    assert (reasons, figures["score_mean_is_as_known"]) == ({}, None)


def test_an_expectation_that_cannot_be_evaluated_is_a_broken_check_and_not_bad_data(
    connection: duckdb.DuckDBPyConnection, judge: Judge
) -> None:
    offer(connection, FEEDBACK, [("c1", "2026-01-05", "nps", "7")])
    expectation = Expectation("ExpectColumnValuesToBeNull", (("column", "no_such"),))
    rule = Rule("is_odd", None, "critical", "row", "", "false", expectation)
    contract = Contract("lab", (rule,))
    split_rows(connection, contract, PARAMETERS)
    connection.execute(f"copy _judged to '{judge.staged('_judged')}' (format parquet)")
    with pytest.raises(OperatorError, match=r"is_odd .* could not be evaluated .* broken, not the data"):
        judge.judge(contract, "_judged", PARAMETERS)


def test_two_sides_that_count_differently_are_not_trusted(connection: duckdb.DuckDBPyConnection, judge: Judge) -> None:
    offer(connection, FEEDBACK, [("c1", "2026-01-05", "nps", "7")])
    expectation = Expectation("ExpectColumnValuesToBeNull", (("column", "score"),))
    contract = Contract("lab", (Rule("score_is_absent", "score", "warning", "row", "", "score > 8", expectation),))
    with pytest.raises(OperatorError, match="score_is_absent: our SQL found 0, Great Expectations 1"):
        judged(connection, judge, contract)


def test_limits_for_what_is_no_number_and_words_for_what_is_no_text_are_faults_of_the_business_file() -> None:
    with pytest.raises(BusinessFileError, match=r"expects\.between: 'kind' is not a number"):
        contract_of(shape_of(lab({**FEEDBACK, "expects": {"between": {"kind": [0, 1]}}}), "lab"))
    with pytest.raises(BusinessFileError, match="accepts: 'score' is not text"):
        contract_of(shape_of(lab({**FEEDBACK, "accepts": {"score": ["1"]}}), "lab"))


def test_every_rule_has_a_name_of_its_own_and_says_what_it_asks() -> None:
    for feed in (SUBSCRIPTIONS, INTERACTIONS, FEEDBACK):
        rules = contract_of(shape_of(lab(feed), "lab")).rules
        assert len({rule.name for rule in rules}) == len(rules)
        assert all(rule.asks and rule.name.replace("_", "").isalnum() for rule in rules)


def test_intervals_are_said_in_words() -> None:
    assert words_of(None, 3) == "at most 3"
    assert words_of(1, 1) == "1"
    assert words_of(1, 2, "rows") == "between 1 and 2 rows"


def test_a_process_that_judged_ends_without_a_word(tmp_path: Path, project_root: Path) -> None:
    program = f"""
from pathlib import Path
from holdback.ingest import ingest
from tests.holdback.shop import AS_OF, make_workspace, orders, write_csv
folder = Path({str(tmp_path)!r})
write_csv(folder / "orders" / "a.csv", orders(3))
print(ingest(make_workspace(folder), AS_OF).clean)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=project_root, capture_output=True, text=True, timeout=120
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "3\n", "")


def test_each_batch_is_judged_by_its_own_bounds(connection: duckdb.DuckDBPyConnection, judge: Judge) -> None:
    contract = offer(connection, SUBSCRIPTIONS, [GOOD])
    judged(connection, judge, contract)
    rule = next(rule.name for rule in contract.rules if rule.high == Parameter("most_rows"))
    for most, is_passed in ((0, False), (1, True), (0, False)):
        verdict = judge.judge(contract, "_judged", {**PARAMETERS, "most_rows": most})
        assert verdict.is_passed[rule] is is_passed
        assert verdict.observed[rule] == (None if is_passed else "1")
        assert set(verdict.unexpected_counts.values()) == {0}
