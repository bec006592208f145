"""Which uplifts count on a day, and what they are worth; each kind of row that cannot be used has its answer."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.uplifts import Uplifts, expected_gain, implied_save_rate, read_uplifts
from tests.campaigns.company import warehouse
from tests.campaigns.decisions.world import AS_OF, Row, company, uplift

NAN = float("nan")


def read(*rows: Row) -> Uplifts:
    return read_uplifts(warehouse(company(), uplifts=list(rows)), company(), AS_OF)


def of(found: Uplifts, *names: str, action: str = "call") -> list[float]:
    values: list[float] = found.of(action, pa.chunked_array([pa.array(names, pa.string())])).tolist()
    return values


def test_the_days_own_uplifts_count_by_action_and_version() -> None:
    found = read(uplift("ann", 0.1), uplift("bea", -0.02), uplift("ann", 0.01, action="mail", version="7"))
    assert found.versions == {"call": "3", "mail": "7"}
    assert of(found, "bea", "ann") == [-0.02, 0.1]
    assert of(found, "ann", action="mail") == [0.01]


def test_who_has_no_row_has_no_uplift() -> None:
    assert np.isnan(of(read(uplift("ann", 0.1)), "bea")).all()
    assert np.isnan(of(read(uplift("ann", 0.1)), "ann", action="mail")).all()
    assert read().versions == {}


@pytest.mark.parametrize(
    "unusable",
    [
        uplift("ann", 0.1, on=AS_OF - timedelta(days=1)),
        uplift("ann", 0.1, on=AS_OF + timedelta(days=1)),
        uplift("ann", 0.1, action="carrier_pigeon"),
        uplift("ann", NAN),
        uplift("ann", None),
        uplift("ann", float("inf")),
        uplift("ann", 1.5),
    ],
    ids=["yesterday", "tomorrow", "an action that is gone", "nan", "null", "infinite", "no probability"],
)
def test_a_row_that_cannot_be_used_counts_as_none(unusable: Row) -> None:
    found = read(unusable)
    assert found.versions == {}
    assert np.isnan(of(found, "ann")).all()


def test_of_two_models_on_one_day_the_newer_counts_for_everybody() -> None:
    """By number, not by text; who is not in the newest model's rows is decided by the lift."""
    found = read(uplift("ann", 0.5, version="9"), uplift("ann", 0.1, version="10"), uplift("bea", 0.5, version="9"))
    assert found.versions == {"call": "10"}
    assert of(found, "ann") == [0.1]
    assert np.isnan(of(found, "bea")).all()


def test_who_stands_twice_is_promised_the_least() -> None:
    assert of(read(uplift("ann", 0.2), uplift("ann", 0.1), uplift("ann", 0.2)), "ann") == [0.1]


def test_a_newer_models_rows_that_are_all_unusable_leave_the_older_ones_in_force() -> None:
    assert read(uplift("ann", 0.1, version="3"), uplift("ann", NAN, version="4")).versions == {"call": "3"}


def test_a_company_without_actions_has_no_uplifts() -> None:
    bare = company(actions=[], campaigns=[])
    assert read_uplifts(warehouse(bare, uplifts=[uplift("ann", 0.1)]), bare, AS_OF).versions == {}


@given(
    st.floats(-1, 1), st.floats(-1e7, 1e7), st.floats(0, 1e5)
)  # fmt: skip
def test_nobody_is_driven_away_for_money(rise: float, kept: float, cost: float) -> None:
    gain = float(expected_gain(np.array([rise]), np.array([kept]), cost)[0])
    assert gain <= max(rise * kept, 0) - cost + 1e-6
    if rise <= 0 or kept <= 0:
        assert gain <= 0


def test_what_an_uplift_amounts_to_is_defined_for_those_who_do_not_leave() -> None:
    found = implied_save_rate(np.array([0.05, 0.0, 0.05, -0.1]), np.array([0.25, 0.0, 0.0, 0.5]))
    assert found.tolist() == pytest.approx([0.2, NAN, NAN, -0.2], nan_ok=True)
