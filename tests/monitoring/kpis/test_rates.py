"""Churn rates by month, group and cohort: counted by hand."""

from __future__ import annotations

from datetime import date

import pytest
from statsmodels.stats.proportion import proportion_confint

from holdback.errors import BusinessFileError, DataError, NotKnowableYet
from monitoring.churn_history import churn_history
from monitoring.kpis import ChurnRates, GroupRate, churn_rates, group_names, known_outcomes
from monitoring.kpis.groups import segments_of
from tests.features.world import Memory, Row
from tests.monitoring.kpis.company import AS_OF, MAY, REACH, RECORDED, at, cancel, company, names, start, world

CANCELLED = company().churn_named("cancelled")


def regional(sizes: dict[str, tuple[int, int]]) -> Memory:
    """Contracts since January; of each region so many customers, of whom so many cancel in May."""
    deals, customers = [RECORDED, REACH], []
    for region, (count, gone) in sizes.items():
        for position, who in enumerate(names(region, count)):
            deals.append(start(who, at(2025, 1, 10)))
            deals += [cancel(who, at(2025, 5, 7))] if position < gone else []
            customers.append({"customer_id": who, "signed_up_at": at(2025, 1, 10), "region": region,
                              "vip": position % 2 == 0, "gender": "f", "loaded_at": at(2025, 1, 11)})  # fmt: skip
    return world(deals=deals, customers=customers)


def rates(warehouse: Memory, by: str, *, as_of: date = AS_OF, on: date | None = None) -> ChurnRates:
    return churn_rates(warehouse, company(), CANCELLED, as_of, by=by, on=on)


def told(found: ChurnRates) -> dict[str, tuple[float, float] | None]:
    return {row.value: None if row.left is None else (row.left.count, row.left.n) for row in found.groups}


def test_each_group_is_counted_as_it_was_on_the_day_with_wilson_s_interval() -> None:
    found = rates(regional({"north": (10, 3), "south": (12, 1), "east": (40, 0)}), "region")
    assert found.described_on == MAY
    assert told(found) == {"east": (0, 40), "north": (3, 10), "south": (1, 12)}
    assert found.total is not None
    assert found.total.left is not None
    assert (found.total.customer_count, found.total.left.count, found.total.left.n) == (62, 4, 62)
    for row in (*found.groups, found.total):
        assert row.left is not None
        low, high = proportion_confint(row.left.count, row.left.n, method="wilson")
        assert (row.left.low, row.left.high) == pytest.approx((max(low, 0), high), abs=1e-12)
        assert row.known_from == date(2025, 6, 1)


def test_a_group_that_is_too_small_is_withheld_and_so_is_what_would_give_it_away() -> None:
    found = rates(regional({"north": (10, 3), "west": (3, 3), "east": (40, 0)}), "region")
    assert [(row.value, row.is_withheld) for row in found.groups] == [("east", False), ("north", True), ("west", True)]
    assert all(row.customer_count is None and row.left is None for row in found.groups if row.is_withheld)
    assert "2 groups" in found.notes[0]


def test_two_tiny_groups_take_a_third_one_with_them() -> None:
    found = rates(regional({"a": (1, 1), "b": (2, 0), "c": (10, 3), "d": (50, 1)}), "region")
    assert [row.value for row in found.groups if row.is_withheld] == ["a", "b", "c"]


def test_months_are_those_of_the_churn_history() -> None:
    warehouse = regional({"north": (10, 3), "south": (12, 1)})
    found = rates(warehouse, "month")
    history = churn_history(warehouse, company(), CANCELLED, AS_OF)
    assert [row.left for row in found.groups] == [month.left for month in history]
    assert [row.value for row in found.groups] == ["2025-02", "2025-03", "2025-04", "2025-05", "2025-06"]
    june = found.groups[-1]
    assert (june.left, june.known_from) == (None, date(2025, 7, 2))
    assert found.groups[-2].known_from == date(2025, 6, 1)


def test_by_plan_flag_stage_and_cohort() -> None:
    deals: list[Row] = [REACH]
    customers = []
    for position, who in enumerate(names("c", 40)):
        begun = at(2025, 1 if position < 20 else 4, 5)
        deals.append(start(who, begun, plan="plus" if position < 15 else "basic"))
        if position % 10 == 0:
            deals.append(start(who, at(2025, 4, 20), plan="plus", kind="change"))  # before the day: counts
            deals.append(start(who, at(2025, 5, 20), plan="basic", kind="change"))  # after it: does not
            deals.append(cancel(who, at(2025, 5, 25)))
        customers.append({"customer_id": who, "signed_up_at": begun, "vip": position < 8, "region": "x",
                          "gender": "f", "loaded_at": begun})  # fmt: skip
    warehouse = world(deals=deals, customers=customers)
    assert told(rates(warehouse, "plan")) == {"basic": (0, 23), "plus": (4, 17)}
    assert told(rates(warehouse, "vip")) == {"no": (3, 32), "yes": (1, 8)}
    assert told(rates(warehouse, "cohort")) == {"2025-01": (2, 20), "2025-04": (2, 20)}
    # Those of January signed up 116 days before May; those of April are new.
    assert told(rates(warehouse, "stage")) == {"new": (2, 20), "steady": (2, 20)}
    assert told(rates(warehouse, "rfm")) == {"not known": (4, 40)}
    assert told(rates(warehouse, "value")) == {"not known": (4, 40)}
    day, labels = outcomes = known_outcomes(warehouse, company(), CANCELLED, AS_OF)
    segments, _ = segments_of(warehouse, company(), CANCELLED, day, spine=labels.select(["customer_id", "as_of"]))
    for by in group_names(company()):  # asked together, all groups are told as each is told alone
        together = churn_rates(warehouse, company(), CANCELLED, AS_OF, by=by, outcomes=outcomes, segments=segments)
        assert together == rates(warehouse, by)


def test_a_rate_waits_for_its_outcomes_and_says_how_long() -> None:
    warehouse = regional({"north": (10, 3)})
    with pytest.raises(NotKnowableYet, match="the outcomes of 2025-06-01 are not knowable before 2025-07-02"):
        rates(warehouse, "region", on=date(2025, 6, 1))
    with pytest.raises(NotKnowableYet, match="the outcomes of 2025-02-01 are not knowable before 2025-03-04"):
        rates(warehouse, "region", as_of=date(2025, 1, 25))
    with pytest.raises(NotKnowableYet, match="the outcomes of 2025-02-01 are not knowable before 2025-03-04"):
        rates(warehouse, "region", as_of=date(2025, 2, 20))


def test_on_the_day_between_the_windows_end_and_its_proof_nobody_is_asked_for_newer_data() -> None:
    # The window of May is over on the 31st; an event of that day is visible on June 1st.
    deals = [RECORDED, *(start(who, at(2025, 1, 10)) for who in names("c", 10)), cancel("c00", at(2025, 5, 31, 12))]
    with pytest.raises(NotKnowableYet, match="not knowable before 2025-06-01"):
        rates(world(deals=deals), "region", as_of=date(2025, 5, 31), on=MAY)
    known = rates(world(deals=deals), "region", as_of=date(2025, 6, 1), on=MAY)
    assert known.total is not None
    assert known.total.known_from == date(2025, 6, 1)


def test_a_window_whose_end_the_data_do_not_reach_is_not_known() -> None:
    warehouse = world(deals=[RECORDED, *(start(who, at(2025, 1, 10)) for who in names("c", 10))])
    with pytest.raises(NotKnowableYet, match="no outcome is known on 2025-06-15"):
        rates(warehouse, "plan")
    assert {row.left for row in rates(warehouse, "month").groups} == {None}


def test_everyone_left() -> None:
    found = rates(regional({"north": (10, 10), "south": (12, 12)}), "region")
    assert found.total is not None
    assert found.total.left is not None
    assert (found.total.left.share, found.total.left.high) == (1.0, 1.0)
    assert 0.8 < found.total.left.low < 1.0
    assert rates(regional({"north": (10, 10)}), "month").groups[-1].value == "2025-05"


def test_one_customer_is_not_told_of() -> None:
    found = rates(regional({"north": (1, 1)}), "region")
    assert found.groups == (GroupRate("north", None, None, True, date(2025, 6, 1)),)
    assert found.total is not None
    assert found.total.is_withheld
    assert all(row.is_withheld and row.left is None for row in rates(regional({"north": (1, 1)}), "month").groups)


def test_before_the_first_day_nobody_is_described() -> None:
    for warehouse in (world(), regional({"north": (10, 3)})):
        with pytest.raises(DataError, match="nobody is described"):
            rates(warehouse, "region", as_of=date(2025, 1, 10))
        with pytest.raises(DataError, match="nobody is described"):
            rates(warehouse, "month", as_of=date(2025, 1, 10))


def test_a_missing_day_in_the_middle_changes_nothing_but_what_happened_on_it() -> None:
    tills = [
        {"customer_id": who, "event_at": at(2025, month, day), "amount_cents": 500}
        for who in names("c", 20) for month in range(1, 7) for day in (3, 12, 14) if (month, day) < (6, 15)
    ]  # fmt: skip
    silent = company().churn_named("silent")
    whole = churn_rates(world(tills=tills), company(), silent, AS_OF)
    gap = [row for row in tills if row["event_at"].date() != date(2025, 4, 12)]
    assert churn_rates(world(tills=gap), company(), silent, AS_OF) == whole


def test_a_column_is_a_statement_about_today() -> None:
    customers = [
        {"customer_id": who, "region": "north", "vip": False, "gender": "f", "left": position < 4,
         "loaded_at": at(2025, 1, 1)}
        for position, who in enumerate(names("c", 20))
    ]  # fmt: skip
    said = company().churn_named("said")
    found = churn_rates(world(customers=customers), company(), said, AS_OF, by="region")
    assert (found.described_on, told(found)) == (AS_OF, {"north": (4, 20)})
    [month] = churn_rates(world(customers=customers), company(), said, AS_OF).groups
    assert month.left is not None
    assert month.left.share == 0.2


def test_customers_cannot_be_divided_by_what_is_protected_or_unknown() -> None:
    warehouse = regional({"north": (10, 3)})
    with pytest.raises(BusinessFileError, match="'gender': is a protected attribute"):
        rates(warehouse, "gender")
    with pytest.raises(BusinessFileError, match="Did you mean 'region'"):
        rates(warehouse, "regions")
    with pytest.raises(BusinessFileError, match="is no category or flag"):
        rates(warehouse, "left")
    assert group_names(company()) == ("stage", "rfm", "cohort", "value", "plan", "region", "vip")


def test_a_company_without_a_table_of_customers_has_stages_and_cohorts() -> None:
    business = company(feeds=("deals",), has_customers=False)
    deals = [REACH, *(start(who, at(2025, 1, 10)) for who in names("c", 12)), cancel("c03", at(2025, 5, 9))]
    found = churn_rates(world(business, deals=deals), business, business.churn[0], AS_OF, by="cohort")
    assert told(found) == {"2025-01": (1, 12)}
    assert group_names(business) == ("stage", "cohort", "value", "plan")
    with pytest.raises(BusinessFileError, match="'region': is no category"):
        churn_rates(world(business, deals=deals), business, business.churn[0], AS_OF, by="region")


def old_and_new() -> list[Row]:
    """Contracts of two years of which only the survivors were loaded; cancellations are kept since April 12th."""
    deals = [start(who, at(2023, 6, 10)) for who in names("old", 40)]
    deals += [start(who, at(2025, 2, 10)) for who in names("new", 20)]
    return [*deals, *(cancel(who, at(2025, 4, 12)) for who in names("old", 4)), REACH]


def test_months_before_the_first_cancellation_on_record_are_left_out() -> None:
    warehouse = world(deals=old_and_new())
    found = rates(warehouse, "month")
    assert [row.value for row in found.groups] == ["2025-04", "2025-05", "2025-06"]
    assert told(found)["2025-04"] == (4, 60)
    assert found.notes == (
        "the first cancellation on record is of 2025-04-12: months whose outcomes begin before 2025-04 are left out, "
        "as contracts that ended then are missing",
    )
    assert [row.left for row in found.groups] == [m.left for m in churn_history(warehouse, company(), CANCELLED, AS_OF)]
    with pytest.raises(DataError, match=r"the first cancellation on record is of 2025-04-12.*Ask about 2025-04-01 or"):
        rates(warehouse, "plan", on=date(2025, 3, 1))
    assert rates(warehouse, "plan", on=date(2025, 4, 1)).total is not None
    # What is cancelled later was not on record yet, when the question is asked earlier.
    with pytest.raises(NotKnowableYet, match="has no cancellation up to 2025-04-10"):
        rates(warehouse, "month", as_of=date(2025, 4, 10))
    assert churn_history(warehouse, company(), CANCELLED, date(2025, 4, 10)) == ()


def test_a_lead_moves_the_window_into_the_time_that_is_on_record() -> None:
    early = CANCELLED.model_copy(update={"lead_days": 20})
    found = churn_rates(world(deals=old_and_new()), company(), early, AS_OF)
    # The window of March 1st begins on the 21st, that of April 1st on the 21st, when four had left already.
    assert [row.value for row in found.groups] == ["2025-04", "2025-05", "2025-06"]
    late = CANCELLED.model_copy(update={"lead_days": 31})
    assert churn_rates(world(deals=old_and_new()), company(), late, AS_OF).groups[0].value == "2025-03"


def test_where_no_cancellation_is_on_record_nothing_is_known_of_leaving() -> None:
    deals = [REACH, *(start(who, at(2024, 1, 10)) for who in names("c", 30))]
    for by in ("month", "plan"):
        with pytest.raises(NotKnowableYet, match=r"no cancellation up to 2025-06-15.*Load the cancellations"):
            rates(world(deals=deals), by)
    assert churn_history(world(deals=deals), company(), CANCELLED, AS_OF) == ()


def test_the_first_window_on_record_is_waited_for() -> None:
    deals = [row for row in old_and_new() if row["event_at"] < at(2025, 4, 20)]
    with pytest.raises(NotKnowableYet, match="the outcomes of 2025-04-01 are not knowable before 2025-05-02"):
        rates(world(deals=deals), "plan", as_of=date(2025, 4, 25))


def test_months_have_no_day_of_their_own() -> None:
    with pytest.raises(ValueError, match="by month have no day of their own"):
        rates(regional({"north": (10, 3)}), "month", on=MAY)


def test_without_purchases_there_is_no_recency() -> None:
    business = company(feeds=("deals",))
    warehouse = world(business, deals=[RECORDED, REACH, *(start(who, at(2025, 1, 10)) for who in names("c", 12))])
    assert group_names(business) == ("stage", "cohort", "value", "plan", "region", "vip")
    with pytest.raises(BusinessFileError, match="'rfm': no feed has the role transactions"):
        churn_rates(warehouse, business, business.churn[0], AS_OF, by="rfm")
