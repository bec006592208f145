"""The same statements for PostgreSQL and Spark: golden files, and the traps that transpiling alone leaves in.

``python -m tests.features.test_dialects`` writes the golden files anew; read the difference before committing it.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
import sqlglot

from features.clocks import Clock
from features.compiler import compile_features, only
from features.declarations import Aggregate
from features.dialects import Dialect, render
from features.families import feature_set
from features.labels import label_sql
from features.spine import spine_sql
from holdback.errors import OperatorError
from tests.features.world import AS_OF, company

GOLDEN = Path(__file__).parent / "golden"
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

#: At least one feature of every aggregate, and every preparation.
SHOWN = (
    "order_count_90d", "spend_amount_90d", "order_amount_mean_90d", "order_amount_max_365d", "order_amount_last",
    "order_lines_mean_365d", "last_order_channel", "category_count_90d", "discount_share_90d", "days_since_first_order",
    "gap_mean_days", "gap_sd_days", "overdue_ratio", "order_count_trend_30d", "order_count_next_30d_year_ago",
    "lifecycle_stage", "unresolved_count", "feedback_score_min_365d", "feedback_score_change",
    "feedback_silence_days", "feedback_remarks_365d", "balance_drop_30d_amount", "contract_days_left", "plan_last",
    "contract_price_change_amount", "usage_minutes_30d", "contact_answered_share_365d", "tenure_days", "vip",
)  # fmt: skip


def statements(names: tuple[str, ...] | None = None) -> dict[str, str]:
    business = company()
    declared = feature_set(business)
    clock, corrected = Clock.of(business, AS_OF), ("tills", "customers")
    chosen = only(declared, names) if names else declared
    found = dict(compile_features(chosen, clock, corrected=corrected))
    for churn in business.churn:
        found[f"spine_{churn.name}"] = spine_sql(business, churn, clock, corrected=corrected)
        asked = AS_OF - timedelta(days=80)
        found[f"labels_{churn.name}"] = label_sql(business, churn, asked, known_on=AS_OF, corrected=corrected)
    return found


def golden_text(dialect: Dialect) -> str:
    return "\n".join(f"-- ### {name}\n{render(sql, dialect)}" for name, sql in statements(SHOWN).items())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sql_is_what_was_reviewed(dialect: Dialect) -> None:
    assert golden_text(dialect) == (GOLDEN / f"{dialect}.sql").read_text(encoding="utf-8")


def test_the_golden_files_show_every_aggregate() -> None:
    shown = {feature.aggregate for feature in only(feature_set(company()), SHOWN)}
    assert shown == set(get_args(Aggregate))


@pytest.mark.parametrize("dialect", ["postgres", "spark"])
@pytest.mark.parametrize("name", statements())
def test_every_statement_renders_and_parses_in_its_dialect(name: str, dialect: Dialect) -> None:
    rendered = render(statements()[name], dialect)
    assert sqlglot.parse_one(rendered, read=dialect).sql(dialect)


def test_postgres_takes_the_first_of_an_ordered_array_for_the_value_at_the_maximum() -> None:
    sql = "select arg_max(x, row(event_at, x)) filter (where x > 0) as a, arg_max(y, row(event_at, y)) as b from t"
    rendered = " ".join(render(sql, "postgres").split())
    assert (
        "( ARRAY_AGG(x ORDER BY event_at DESC NULLS LAST, x DESC NULLS LAST) FILTER(WHERE x > 0) )[1] AS a" in rendered
    )
    assert "( ARRAY_AGG(y ORDER BY event_at DESC NULLS LAST, y DESC NULLS LAST) )[1] AS b" in rendered


def test_spark_takes_max_by_a_struct_for_the_value_at_the_maximum() -> None:
    sql = "select arg_max(x, row(event_at, x)) filter (where x > 0) as a from t"
    assert "MAX_BY(x, STRUCT(event_at, x)) FILTER(WHERE x > 0)" in " ".join(render(sql, "spark").split())


def test_a_group_of_a_pattern_is_named_as_each_engine_names_it() -> None:
    sql = r"select regexp_replace(x, '&([a-z])acute;', '\1!', 'g') as r from t"
    assert r"'\1!', 'g')" in render(sql, "postgres")
    assert "'$1!')" in render(sql, "spark")


def test_a_difference_in_days_is_one_between_dates() -> None:
    sql = "select date_diff('day', a, b) as d from t"
    assert "DATEDIFF(DAY, CAST(a AS DATE), CAST(b AS DATE))" in render(sql, "spark")
    assert "CAST(b AS DATE) - CAST(a AS DATE)" in render(sql, "postgres")


def test_the_local_time_of_an_instant_and_the_way_back_are_each_engines_own() -> None:
    sql = "select cast(event_at at time zone 'UTC' at time zone 'Europe/Madrid' as date) as day from t"
    assert "CAST(FROM_UTC_TIMESTAMP(event_at, 'Europe/Madrid') AS DATE)" in render(sql, "spark")
    assert "CAST(event_at AT TIME ZONE 'UTC' AT TIME ZONE 'Europe/Madrid' AS DATE)" in render(sql, "postgres")
    back = "select x at time zone 'Europe/Madrid' at time zone 'UTC' as at from t"
    assert "CAST(TO_UTC_TIMESTAMP(x, 'Europe/Madrid') AS TIMESTAMP_NTZ)" in render(back, "spark")
    with pytest.raises(OperatorError, match="AT TIME ZONE is left"):
        render("select x at time zone 'Europe/Madrid' at time zone 'Asia/Tokyo' as at from t", "spark")


@pytest.mark.parametrize(
    ("sql", "postgres", "spark"),
    [
        (
            "select round(x) as r from t",
            "SIGN(CAST(x AS DOUBLE PRECISION)) * FLOOR(ABS(CAST(x AS DOUBLE PRECISION)) + 5e-1)",
            "ROUND(x)",
        ),
        (
            "select epoch(at) as s from t",
            "DATE_PART('epoch', at)",
            "CAST(UNIX_MICROS(CAST(at AS TIMESTAMP)) AS DOUBLE) / 1e6",
        ),
        ("select lower(x) as l from t", 'LOWER((x) COLLATE "C.utf8")', "LOWER(TRANSLATE(x, 'Σİ', 'σi'))"),
        (
            "select first(v order by n desc, v) as f from t",
            "(ARRAY_AGG(v ORDER BY n DESC NULLS LAST, v))[1]",
            "MIN_BY(v, STRUCT(-(n), v))",
        ),
        (
            "select json_object('a', x) as j from t",
            "JSON_BUILD_OBJECT('a', x)",
            "TO_JSON(NAMED_STRUCT('a', x), MAP('ignoreNullFields', 'false'))",
        ),
        (
            "select map(list(k order by k), list(v order by k)) as m from t",
            "JSON_OBJECT_AGG(k, v)",
            "MAP_FROM_ENTRIES(ARRAY_SORT(COLLECT_LIST(STRUCT(k, v))))",
        ),
        (
            "select count(*) filter (where x) over () as c from t",
            "COUNT(*) FILTER(WHERE x) OVER ()",
            "COUNT(CASE WHEN x THEN 1 END) OVER ()",
        ),
        (
            "select row_number() over () as n, k from t",
            "ROW_NUMBER() OVER () AS n",
            "ROW_NUMBER() OVER (ORDER BY k NULLS LAST) AS n",
        ),
        (
            "select sum(cast(g * g as hugeint)) as s from t",
            "SUM(CAST(g * g AS DECIMAL))",
            "SUM(CAST(g * g AS DECIMAL(20, 0)))",
        ),
        ("select cast(x as hugeint) * 3 as h from t", "CAST(x AS DECIMAL) * 3", "CAST(x AS DECIMAL(20, 0)) * 3"),
        ("select at + to_days(40) as d from t", "MAKE_INTERVAL(0, 0, 0, 40)", "MAKE_DT_INTERVAL(40)"),
        ("select x > 0.3::double as d from t", "x > 0.3e0", "x > 0.3e0"),
        ("select any_value(x) as a from t", "MAX(x) AS a", "ANY_VALUE(x) IGNORE NULLS AS a"),
        ("select x, sum(y) as s from t group by all", "GROUP BY x", "GROUP BY ALL"),
        (
            "select list_extract(['a', 'b'], i) as l from t",
            "(ARRAY['a', 'b'])[i]",
            "ELEMENT_AT(ARRAY('a', 'b'), CAST(i AS INT))",
        ),
        ("select median(x) as m from t", "PERCENTILE_CONT(5e-1) WITHIN GROUP (ORDER BY x)", "MEDIAN(x)"),
        ("select x from (select 1 as x)", ") AS _unnamed_", ")"),
        (
            "select try_cast(v as bigint) as n from t",
            "CASE WHEN CAST(v AS TEXT) ~ '^-?[0-9]{1,18}$' THEN CAST(v AS BIGINT) END",
            "TRY_CAST(v AS BIGINT)",
        ),
    ],
)
def test_each_engine_has_a_form_of_its_own(sql: str, postgres: str, spark: str) -> None:
    assert without_breaks(postgres) in without_breaks(render(sql, "postgres"))
    assert without_breaks(spark) in without_breaks(render(sql, "spark"))


def without_breaks(sql: str) -> str:
    return "".join(sql.split())


def test_the_row_as_of_an_instant_is_the_one_whose_successor_is_later() -> None:
    sql = "select b.v from a asof left join b on a.at >= b.starts_at"
    for dialect in ("postgres", "spark"):
        rendered = without_breaks(render(sql, dialect))
        assert "LEAD(starts_at)OVER(ORDERBYstarts_at" in rendered
        assert "ONa.at>=b.starts_atAND(b._next_keyISNULLORa.at<b._next_key)" in rendered
    with pytest.raises(OperatorError, match="ASOF join is not of the form"):
        render("select 1 as x from a asof join b on a.k = b.k and a.at >= b.at", "spark")


@pytest.mark.parametrize("dialect", ["postgres", "spark"])
def test_a_decimal_literal_is_refused_because_it_changes_the_value_on_spark(dialect: Dialect) -> None:
    with pytest.raises(OperatorError, match=r"'30\.0' is left in the SQL"):
        render("select x / 30.0 as r from t", dialect)
    assert "1e2" in render("select cast(x as double) / 1e2 as r from t where name = '30.0'", dialect)


@pytest.mark.parametrize("name", statements())
def test_no_statement_holds_a_decimal_or_counts_distinct_or_joins_as_of(name: str) -> None:
    sql = statements()[name].lower()
    assert "count(distinct" not in sql
    assert "asof" not in sql
    assert "decimal" not in sql


def test_each_output_column_is_cast() -> None:
    business = company()
    for sql in compile_features(feature_set(business), Clock.of(business, AS_OF)).values():
        described = sql[sql.index("_described as (") :]
        for line in described.splitlines():
            if " as " in line and "spine" not in line and "_described" not in line:
                assert "cast(" in line, line


def write_golden_files() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for dialect in DIALECTS:
        (GOLDEN / f"{dialect}.sql").write_text(golden_text(dialect), encoding="utf-8")


if __name__ == "__main__":
    write_golden_files()
