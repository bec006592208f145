"""Drift: bins that ties and outliers cannot break; a verdict silent without drift that finds what was planted."""

from datetime import date
from math import log
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from holdback.tables import TABLES
from holdback.warehouse import Lake
from monitoring.drift import (
    ColumnBins,
    Reference,
    bin_counts,
    chance_psi,
    day_drift,
    largest_unknown,
    new_values,
    psi,
    reference_bins,
    same_distribution,
)
from monitoring.drift.storage import from_rows, to_rows
from monitoring.drift.verdicts import DAY_ALPHA, bin_labels

DAY = date(2026, 3, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path, TABLES, threads=1)


def rows(columns: dict, *, customers: list[str] | None = None) -> pa.Table:
    n = len(next(iter(columns.values())))
    ids = customers or [f"c{i}" for i in range(n)]
    return pa.table({"customer_id": ids, "as_of": pa.array([DAY] * n, pa.date32()), **columns})


def drift_of(lake: Lake, reference: dict, current: dict, **options):
    kinds = {
        name: "category" if pa.types.is_string(pa.array(values).type) else "number"
        for name, values in reference.items()
    }
    frames = {"before": rows(reference), "today": rows(current)}
    ref = reference_bins(lake, "before", kinds, frames=frames)
    counts = bin_counts(lake, "today", ref.columns, frames=frames)
    return day_drift(ref, counts, row_count=frames["today"].num_rows, **options)


def only(found, name):
    return next(column for column in found.columns if column.name == name)


# --- known answers ---------------------------------------------------------------------------------------------------


def test_psi_is_the_closed_form():
    big = 1_000_000  # so that the half row added to each bin does not show
    assert psi([0.5 * big, 0.5 * big], [0.4 * big, 0.6 * big]) == pytest.approx(
        0.1 * log(5 / 4) + 0.1 * log(6 / 5), abs=1e-6
    )
    assert psi([0.1 * big, 0.9 * big], [0.1 * big, 0.9 * big]) == 0.0


def test_psi_of_a_shifted_normal_is_the_squared_shift_less_what_binning_loses():
    # PSI is the symmetrised Kullback-Leibler divergence: for N(0,1) and N(d,1) it is d^2 exactly; deciles lose some.
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    p = np.diff(stats.norm.cdf([-np.inf, *edges, np.inf])) * 1e7
    q = np.diff(stats.norm.cdf([-np.inf, *edges, np.inf], loc=0.3)) * 1e7
    assert 0.08 < psi(p, q) < 0.09


def test_the_chance_term_is_what_equal_samples_show_on_average():
    rng = np.random.default_rng(3)
    found = [psi(rng.multinomial(3_000, [0.1] * 10), rng.multinomial(2_000, [0.1] * 10)) for _ in range(2_000)]
    expected = chance_psi(10, 3_000, 2_000)
    assert expected == pytest.approx(9 / 3_000 + 9 / 2_000)
    # Standard deviation of PSI is sqrt(2 / (k - 1)) of its mean; three standard errors of the mean of 2,000 draws.
    assert np.mean(found) == pytest.approx(expected, rel=3 * np.sqrt(2 / 9) / np.sqrt(2_000))


def test_the_p_value_is_that_of_the_two_sample_chi_square_test():
    table = np.array([[120.0, 300.0, 80.0], [100.0, 240.0, 160.0]])
    assert same_distribution(table[0], table[1]) == pytest.approx(
        stats.chi2_contingency(table, correction=False).pvalue
    )


def test_the_p_value_is_uniform_without_drift():
    rng = np.random.default_rng(5)
    found = [
        same_distribution(
            rng.multinomial(900, [0.1] * 10).astype(float), rng.multinomial(400, [0.1] * 10).astype(float)
        )
        for _ in range(3_000)
    ]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 3_000))


# --- bins ------------------------------------------------------------------------------------------------------------


def test_every_row_is_in_exactly_one_bin(lake):
    rng = np.random.default_rng(7)
    values = pa.array(rng.normal(size=500), mask=rng.random(500) < 0.1)
    kinds = [str(v) if v else None for v in rng.integers(0, 40, 500)]
    frames = {"before": rows({"x": values, "kind": kinds})}
    ref = reference_bins(lake, "before", {"x": "number", "kind": "category"}, frames=frames)
    counts = bin_counts(lake, "before", ref.columns, frames=frames)
    assert sum(counts["x"]) == sum(counts["kind"]) == 500
    assert counts["x"][-1] == values.null_count
    assert all(len(counts[c.name]) == c.bin_count == len(bin_labels(c)) for c in ref.columns)


def test_a_value_that_most_customers_share_has_a_bin_of_its_own(lake):
    # Nine deciles of ten are zero. Without the edge after the atom, zero and one would fall into one bin.
    then = {"count": [-1.0] * 50 + [0.0] * 900 + [1.0] * 50}
    found = only(drift_of(lake, then, {"count": [-1.0] * 50 + [0.0] * 700 + [1.0] * 250}), "count")
    assert found.reference_shares == (0.05, 0.9, 0.05, 0.0)
    assert found.current_shares == (0.05, 0.7, 0.25, 0.0)
    assert found.findings == ("distribution",)
    assert bin_labels(found.bins) == ("< 0", "0", "≥ 1", "<null>")


def test_a_constant_column_that_stays_constant_is_stable(lake):
    found = only(drift_of(lake, {"x": [3.0] * 200}, {"x": [3.0] * 200}), "x")
    assert (found.status, found.psi, found.p_value) == ("stable", 0.0, 1.0)


def test_a_constant_column_that_moves_is_drift(lake):
    found = only(drift_of(lake, {"x": [3.0] * 200}, {"x": [4.0] * 200}), "x")
    assert found.findings == ("distribution",)
    assert bin_labels(found.bins) == ("< 3", "3", "> 3", "<null>")
    assert only(drift_of(lake, {"x": [3.0] * 200}, {"x": [2.0] * 200}), "x").findings == ("distribution",)


def test_values_that_need_quoting_are_counted(lake):
    then = {'o"dd': ["it's", "a\\b", "</script>", "é"] * 50}
    found = only(drift_of(lake, then, then), 'o"dd')
    assert found.status == "stable"
    assert sum(found.current_shares[:4]) == 1.0


def test_nan_counts_as_null_and_infinity_as_large(lake):
    then = {"x": [float(i) for i in range(100)]}
    found = only(drift_of(lake, then, {"x": [float("nan")] * 30 + [float("inf")] * 70}), "x")
    assert found.current_shares[-1] == 0.3
    assert found.current_shares[-2] == 0.7


def test_a_reference_counts_categories_as_any_day_is_counted_on_the_half_that_did_not_choose_them(lake):
    rng = np.random.default_rng(5)
    kinds = dict.fromkeys(("few", "many", "none"), "category")
    values = {"few": rng.integers(0, 4, 3000), "many": rng.integers(0, 900, 3000)}
    drawn = {name: [f"v{i}" if rng.random() < 0.9 else None for i in column] for name, column in values.items()}
    frames = {"before": rows({**drawn, "none": pa.array([None] * 3000, pa.string())})}
    ref = reference_bins(lake, "before", kinds, frames=frames)
    half = "(select * from before where md5(customer_id) >= '8')"
    assert {c.name: c.counts for c in ref.columns} == bin_counts(lake, half, ref.columns, frames=frames)
    assert [c.is_tail_complete for c in ref.columns] == [True, False, True]


def test_the_stored_reference_is_the_computed_one(lake):
    rng = np.random.default_rng(11)
    frames = {
        "before": rows({"x": rng.normal(size=300), "kind": [f"v{i}" for i in rng.zipf(1.5, 300)], "none": [None] * 300})
    }
    ref = reference_bins(lake, "before", {"x": "number", "kind": "category", "none": "number"}, frames=frames)
    stored = pa.Table.from_pylist(to_rows(ref, batch_id="drift/lapse/3", feed="features", as_of=DAY))
    assert lake.append("profiles", stored, batch="drift/lapse/3")
    assert from_rows(lake.query("select * from profiles").to_pylist()) == ref
    assert from_rows([]) is None


# --- what cannot be measured -----------------------------------------------------------------------------------------


def test_a_column_without_any_value_is_not_measured_and_says_why(lake):
    found = drift_of(lake, {"x": pa.nulls(100, pa.float64())}, {"x": pa.nulls(100, pa.float64())})
    assert (only(found, "x").status, only(found, "x").reason) == ("not measured", "all null")


def test_a_column_that_loses_all_its_values_is_drift(lake):
    found = drift_of(lake, {"x": [1.0, 2.0] * 50}, {"x": pa.nulls(100, pa.float64())})
    assert "missing" in only(found, "x").findings


def test_a_column_that_gets_its_first_values_is_drift(lake):
    found = drift_of(lake, {"x": pa.nulls(100, pa.float64())}, {"x": [1.0, 2.0] * 50})
    assert "missing" in only(found, "x").findings


def test_too_few_rows_say_nothing(lake):
    many = {"x": [float(i) for i in range(200)]}
    few = {"x": [float(i) for i in range(20)]}
    assert only(drift_of(lake, many, few), "x").reason == "few rows"
    assert only(drift_of(lake, few, many), "x").reason == "small reference"
    assert only(drift_of(lake, many, {"x": pa.array([], pa.float64())}), "x").reason == "no rows"


def test_an_absent_column_and_an_absent_reference_are_results(lake):
    frames = {"before": rows({"x": [1.0] * 100})}
    ref = reference_bins(lake, "before", {"x": "number"}, frames=frames)
    assert day_drift(ref, {}, row_count=100, absent=["x"]).columns[0].reason == "absent"
    assert day_drift(None, {}, row_count=100).columns == ()


def test_an_empty_reference_is_a_result(lake):
    found = drift_of(lake, {"x": pa.array([], pa.float64())}, {"x": [1.0] * 100})
    assert only(found, "x").reason == "no reference"


# --- ranking ---------------------------------------------------------------------------------------------------------


def test_what_drifted_and_matters_to_the_model_comes_first(lake):
    rng = np.random.default_rng(13)
    same = rng.normal(size=1_000)
    then = {"a": same, "b": same, "c": same, "d": same}
    now = {"a": same, "b": same + 1, "c": same + 3, "d": same}
    found = drift_of(lake, then, now, importances={"a": 5.0, "b": 3.0, "c": 1.0, "d": 1.0})
    assert [column.name for column in found.columns] == ["b", "c", "a", "d"]
    assert found.drifted_importance == pytest.approx(0.4)
    assert drift_of(lake, then, now).drifted_importance is None
    assert next(column.name for column in drift_of(lake, then, now).columns) == "c"


# --- silence ---------------------------------------------------------------------------------------------------------


def day_without_drift(rng: np.random.Generator, n: int) -> dict:
    """Columns of every awkward shape, drawn from one fixed distribution."""
    zipf = 1 / np.arange(1, 301)
    return {
        "normal": rng.normal(size=n),
        "money": rng.lognormal(7, 1.2, n),
        "count": rng.poisson(0.5, n).astype(float),
        "mostly_zero": np.where(rng.random(n) < 0.9, 0.0, rng.exponential(10, n)),
        "third_null": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.3),
        "rarely_null": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.002),
        "kind_4": [f"v{i}" for i in rng.integers(4, size=n)],
        "kind_50": [f"v{i}" for i in rng.integers(50, size=n)],
        "kind_300": [f"v{i}" for i in rng.integers(300, size=n)],
        "kind_zipf": [f"v{i}" for i in rng.choice(300, p=zipf / zipf.sum(), size=n)],
    }


@pytest.mark.parametrize(("then", "now", "days"), [(400, 400, 10), (2_500, 2_500, 10), (8_000, 2_500, 5)])
def test_a_day_without_drift_raises_no_alarm(lake, then, now, days):
    alarms = 0
    for day in range(days):
        rng = np.random.default_rng([then, now, day])
        found = drift_of(lake, day_without_drift(rng, then), day_without_drift(rng, now))
        alarms += bool(found.drifted)
    # At most 1 % of days may have any alarm at all. More than the 99.9 % point of Binomial(days, 0.01) refutes that.
    assert alarms <= stats.binom.ppf(0.999, days, DAY_ALPHA)


def test_days_of_thirty_columns_without_drift_raise_alarms_on_one_day_in_a_hundred_at_most():
    rng = np.random.default_rng(23)
    days, k = 300, 11
    shares = np.array([0.095] * 10 + [0.05])
    alarms = 0
    for _ in range(days):
        columns = tuple(
            ColumnBins(f"x{i}", "number", tuple(rng.multinomial(1_500, shares)), edges=tuple(map(float, range(k - 2))))
            for i in range(30)
        )
        counts = {column.name: rng.multinomial(900, shares).tolist() for column in columns}
        alarms += bool(day_drift(Reference(columns, 1_500, 1_500), counts, row_count=900).drifted)
    assert alarms <= stats.binom.ppf(0.999, days, DAY_ALPHA)


def test_the_monthly_rows_of_one_customer_do_not_pass_for_many_customers(lake):
    # 12 snapshots of 400 customers whose value hardly moves are 400 draws, not 4,800.
    alarms = 0
    for day in range(12):
        rng = np.random.default_rng([17, day])
        own = rng.normal(size=400)
        months = np.concatenate([own + rng.normal(scale=0.05, size=400) for _ in range(12)])
        frames = {
            "before": rows({"x": months}, customers=[f"c{i}" for i in range(400)] * 12),
            "today": rows({"x": rng.normal(size=2_500)}),
        }
        ref = reference_bins(lake, "before", {"x": "number"}, frames=frames)
        assert ref.customer_count == 400
        alarms += bool(day_drift(ref, bin_counts(lake, "today", ref.columns, frames=frames), row_count=2_500).drifted)
    assert alarms <= stats.binom.ppf(0.999, 12, DAY_ALPHA)


# --- power -----------------------------------------------------------------------------------------------------------

PLANTED = {
    "a mean moved by 0.3 standard deviations": ("normal", "distribution"),
    "one value in ten missing": ("full", "missing"),
    "a new category of 5 %": ("kind", "new values"),
    "amounts times three, with an outlier in the reference": ("money", "distribution"),
}


@pytest.mark.parametrize(("n", "days"), [(2_500, 12), (20_000, 4)])
def test_planted_changes_are_found(lake, n, days):
    found_on = dict.fromkeys(PLANTED, 0)
    for day in range(days):
        rng = np.random.default_rng([19, n, day])
        money = rng.lognormal(7, 1.2, n)
        money[0] = 1e9
        then = {
            "normal": rng.normal(size=n),
            "full": rng.normal(size=n),
            "kind": [f"v{i}" for i in rng.integers(12, size=n)],
            "money": money,
        }
        fresh = rng.random(n) < 0.05
        now = {
            "normal": rng.normal(size=n) + 0.3,
            "full": pa.array(rng.normal(size=n), mask=rng.random(n) < 0.1),
            "kind": ["brand new" if new else f"v{i}" for new, i in zip(fresh, rng.integers(12, size=n), strict=True)],
            "money": rng.lognormal(7, 1.2, n) * 3,
        }
        found = drift_of(lake, then, now)
        for name, (column, finding) in PLANTED.items():
            found_on[name] += finding in only(found, column).findings
    # Each is found with a power of at least 95 %: fewer than the 0.1 % point of Binomial(days, 0.95) refutes that.
    least = stats.binom.ppf(0.001, days, 0.95)
    assert {name: count for name, count in found_on.items() if count < least} == {}


def test_the_new_values_are_named_unless_they_are_few(lake):
    then = {"kind": ["a", "b"] * 100}
    now = {"kind": ["a"] * 150 + ["brand new"] * 20 + ["one person"]}
    frames = {"before": rows(then), "today": rows(now)}
    ref = reference_bins(lake, "before", {"kind": "category"}, frames=frames)
    assert new_values(lake, "today", ref.columns[0], at_least=5, frames=frames) == (("brand new", 20),)


def test_a_value_that_grew_out_of_a_long_tail_is_new_and_the_tail_itself_is_not(lake):
    rng = np.random.default_rng(29)
    then = {"street": [f"s{i}" for i in rng.integers(2_000, size=4_000)]}
    frames = {"before": rows(then)}
    ref = reference_bins(lake, "before", {"street": "category"}, frames=frames)
    assert not ref.columns[0].is_tail_complete

    def verdict(values):
        day = {"today": rows({"street": values})}
        counts = bin_counts(lake, "today", ref.columns, frames=day)
        unknown = largest_unknown(lake, "today", ref.columns, frames=day)
        return day_drift(ref, counts, row_count=len(values), unknown=unknown).columns[0]

    usual = [f"s{i}" for i in rng.integers(2_000, size=2_000)]
    assert verdict(usual).status == "stable"
    assert verdict(["new street"] * 100 + usual[100:]).findings == ("new values",)
    assert verdict(["new street"] * 20 + usual[20:]).status == "stable"  # one in a hundred: too few to matter


def test_a_bin_holds_its_lower_end_and_not_its_upper(lake):
    inf, tiny = float("inf"), 5e-324
    column = ColumnBins("x", "number", (1,), edges=(-inf, -1.5, 0.0, tiny, 2.0, inf))
    values = [-1e308, -1.5, -0.0, 0.0, tiny, 1.0, 2.0, 1e308, inf, float("nan"), None, -inf]
    frames = {"today": rows({"x": pa.array(values, pa.float64())})}
    assert bin_counts(lake, "today", [column], frames=frames)["x"] == (0, 2, 1, 2, 2, 2, 1, 2)
    empty = {"today": rows({"x": pa.array([], pa.float64())})}
    assert sum(bin_counts(lake, "today", [column], frames=empty)["x"]) == 0
    whole = {"today": rows({"x": pa.array([1, 2, 3, None])})}
    assert bin_counts(lake, "today", [column], frames=whole)["x"] == (0, 0, 0, 0, 1, 2, 0, 1)


@pytest.mark.parametrize("at_once", [1, 2_000, 5_000, 10**9])
def test_the_bins_are_the_same_however_many_values_are_held_at_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    rng = np.random.default_rng(3)
    columns = {f"x{i}": rng.gamma(1 + i, 2, 1_000).round(i % 3) for i in range(7)} | {"empty": [None] * 1_000}
    frames, kinds = {"before": rows(columns)}, dict.fromkeys(columns, "number")
    expected = {name: np.quantile(values, 0.5, method="inverted_cdf") for name, values in list(columns.items())[:7]}
    monkeypatch.setattr("monitoring.drift.bins.VALUES_AT_ONCE", at_once)
    found = {column.name: column for column in reference_bins(lake, "before", kinds, frames=frames).columns}
    assert list(found) == list(columns)
    assert all(expected[name] in (*found[name].edges, *found[name].atoms) for name in expected)
    assert not found["empty"].edges
