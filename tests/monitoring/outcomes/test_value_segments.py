"""Effects by what customers are worth: in groups of tenths, as frozen when they entered."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from monitoring.measurement.segments import cuts
from monitoring.outcomes import Cohort, Outcomes, read_outcomes, segment_names
from monitoring.outcomes.found import UNKNOWN
from tests.features.world import Row
from tests.monitoring.outcomes.company import assigned, company, contract, noon, warehouse

ENTRY = date(2026, 3, 2)
AS_OF = ENTRY + timedelta(days=40)
LONG_AGO = datetime(2025, 6, 1)
DEALS = [contract("later", "start", noon(ENTRY + timedelta(days=31)))]


def read(rows: list[Row], *, segments: tuple[Any, ...] = ("value_decile",), **cohort: Any) -> Outcomes:
    business = company()
    followed = Cohort(**{"campaign": "spring", "version": 1, "churn": business.churn[0], "horizon_days": 30,
                         "assigned_by": None, **cohort})  # fmt: skip
    deals = [*(contract(row["customer_id"], "start", LONG_AGO) for row in rows), *DEALS]
    drawn = cohort.get("assigned_by") is not None
    tables = {"drawn": rows} if drawn else {"ledger": rows}
    return read_outcomes(warehouse(business, deals=deals, **tables), business, followed, AS_OF, segments=segments)


def counted(found: Outcomes, name: Any = "value_decile") -> dict[Any, tuple[float, float]]:
    """Mature customers, treated and held out, by segment."""
    return {
        value: (round(groups["treatment"].total("customers"), 9), round(groups["holdout"].total("customers"), 9))
        for value, groups in found.segments[name].items()
    }


def test_tenths_are_read_in_groups_as_frozen_at_the_entry() -> None:
    rows = [assigned(f"c{d:02d}", "treatment", ENTRY, value_decile=d) for d in range(1, 11)]
    rows += [assigned("old", "holdout", ENTRY)]  # assigned before there were values
    later = {"kind": "decided", "as_of": ENTRY + timedelta(days=5), "value_decile": 10, "entry_id": "later"}
    assert counted(read([*rows, {**rows[0], **later}])) == {
        "10": (1, 0), "8-9": (2, 0), "5-7": (3, 0), "1-4": (4, 0), UNKNOWN: (0, 1),
    }  # fmt: skip


def test_the_members_of_a_unit_keep_their_own_tenth() -> None:
    rows = [assigned(name, "treatment", ENTRY, unit_id="ann", value_decile=d) for name, d in (("ann", 10), ("bea", 2))]
    assert counted(read(rows)) == {"10": (1, 0), "1-4": (1, 0)}


def test_tenths_and_another_segment_can_be_crossed() -> None:
    rows = [assigned("ann", "holdout", ENTRY, value_decile=9, fit_class="invest")]
    name = ("value_decile", "fit_class")
    assert counted(read(rows, segments=(name,)), name) == {("8-9", "invest"): (0, 1)}


def test_another_versions_tenth_is_not_read() -> None:
    rows = [assigned("ann", "treatment", ENTRY, value_decile=3), assigned("ann", "treatment", ENTRY, value_decile=10,
                                                                          version=2)]  # fmt: skip
    assert counted(read(rows)) == {"1-4": (1, 0)}


def test_of_what_was_assigned_elsewhere_no_tenth_was_frozen() -> None:
    row = {"customer_id": "ann", "event_at": noon(ENTRY), "campaign": "elsewhere", "group": "mail", "propensity": 0.5}
    found = read([row], campaign="elsewhere", assigned_by="drawn")
    assert set(found.segments["value_decile"]) == {UNKNOWN}


@pytest.mark.parametrize("kind", ["cancellation", "inactivity"])
def test_every_campaign_is_cut_by_value(kind: str) -> None:
    assert "value_decile" in cuts(company(kind))
    assert "value_decile" in segment_names(company(kind))
