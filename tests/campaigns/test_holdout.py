"""Who is left alone: drawn by a hash, remembered by the ledger, checked at once."""

from __future__ import annotations

import doctest
from datetime import date
from hashlib import blake2b
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from campaigns import exploration, units
from campaigns.holdout import (
    EARLIER,
    Group,
    Layer,
    assign,
    assign_group,
    balance,
    campaign_layer,
    check_balance,
    draw,
    earlier_groups,
    global_layer,
    layers,
    open_holdouts,
    taken_units,
)
from holdback.errors import BusinessFileError
from tests.campaigns.company import AS_OF, company, ledger_row, rows, units_of, warehouse

NOBODY = EARLIER.empty_table()


def layer(share: float, *, salt: str = "acme/spring/1") -> Layer:
    return Layer("spring", "spring", 1, salt, share)


def many(count: int) -> pa.Table:
    return units_of({f"c{i}": f"c{i}" for i in range(count)})


def remembered(assigned: pa.Table) -> pa.Table:
    """What the ledger will say of an assignment."""
    return assigned.select(EARLIER.names).cast(EARLIER)


def ledger(*facts: tuple[str, str, str]) -> pa.Table:
    customers, units, groups = zip(*facts, strict=True) if facts else ((), (), ())
    return pa.table([customers, units, groups, [None] * len(facts)], schema=EARLIER)


def group_of(assigned: pa.Table) -> dict[str, str]:
    return dict(rows(assigned, "customer_id", "group"))


@pytest.mark.parametrize("module", [exploration, units, layers, balance], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_are_true(module: ModuleType) -> None:
    found = doctest.testmod(module)
    assert found.failed == 0
    assert found.attempted > 0


# The draw


def test_the_draw_is_the_keyed_hash_that_anybody_can_compute() -> None:
    # 53 bits of BLAKE2b with 8 bytes of digest, as the standard library has it in one call.
    digest = blake2b(b"c-001", key=b"acme/spring/1", digest_size=8).digest()
    assert draw(pa.array(["c-001"]), salt="acme/spring/1")[0] == (int.from_bytes(digest, "big") >> 11) / 2**53


def test_a_long_salt_is_hashed_first_and_its_end_counts() -> None:
    salts = ["x" * 80 + "1", "x" * 80 + "2", "x" * 64]
    assert len({float(draw(pa.array(["a"]), salt=salt)[0]) for salt in salts}) == 3


def test_the_draw_is_uniform_and_independent_between_salts() -> None:
    ids = pa.array([f"c{i}" for i in range(40_000)])
    one, other = draw(ids, salt="acme/spring/1"), draw(ids, salt="acme/autumn/1")
    assert stats.kstest(one, "uniform").pvalue > 1e-6
    table = np.histogram2d(one < 0.2, other < 0.2, bins=2)[0]
    assert stats.chi2_contingency(table).pvalue > 1e-6  # the same salt would give a correlation of 1


def test_a_draw_lies_in_the_half_open_interval_for_any_text() -> None:
    drawn = draw(pa.array(["", "ñandú", "a" * 1000]), salt="")
    assert ((drawn >= 0) & (drawn < 1)).all()


@given(st.text(max_size=20), st.text(max_size=100), st.floats(0, 1), st.floats(0, 1))
def test_growing_a_share_moves_nobody_out_of_the_holdout(unit: str, salt: str, share: float, other: float) -> None:
    smaller, larger = sorted((share, other))
    if assign_group(unit, salt=salt, holdout_share=smaller) is Group.HOLDOUT:
        assert assign_group(unit, salt=salt, holdout_share=larger) is Group.HOLDOUT


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share: float) -> None:
    with pytest.raises(BusinessFileError, match="must be from 0 to 1"):
        assign_group("a", salt="s", holdout_share=share)
    with pytest.raises(BusinessFileError, match="must be from 0 to 1"):
        layer(share)


# Layers


def test_every_layer_and_version_has_a_salt_of_its_own() -> None:
    business = company()
    layers = [global_layer(business, AS_OF), *(campaign_layer(business, c) for c in business.campaigns)]
    assert [(one.name, one.campaign, one.version, one.salt, one.holdout_share) for one in layers] == [
        ("global", None, 1, "acme/global/1", 0.05),
        ("spring", "spring", 1, "acme/spring/1", 0.2),
        ("autumn", "autumn", 2, "acme/autumn/2", 0.5),
    ]


def test_the_global_holdout_is_drawn_anew_on_the_planned_day() -> None:
    business = company()
    before, after = (global_layer(business, day) for day in (date(2026, 6, 30), date(2026, 7, 1)))
    assert (before.version, after.version) == (1, 2)
    assert before.salt != after.salt


def test_a_campaign_may_not_take_the_salt_of_the_global_holdout() -> None:
    with pytest.raises(ValueError, match="'global' is the holdout of all campaigns"):
        company(campaigns=[{"name": "global", "actions": ["mail"]}])


# Assignment


def test_a_unit_without_history_is_drawn_with_the_probability_of_its_group() -> None:
    assigned = assign(many(20_000), layer(0.2), NOBODY)
    held = pc.sum(pc.equal(assigned["group"], "holdout")).as_py()
    assert stats.binomtest(held, 20_000, 0.2).pvalue > 1e-6
    assert set(rows(assigned, "group", "is_new", "propensity")) == {("holdout", True, 0.2), ("treatment", True, 0.8)}
    by_hand = assign_group("c7", salt="acme/spring/1", holdout_share=0.2)
    assert group_of(assigned)["c7"] == by_hand


def test_a_unit_is_assigned_as_one() -> None:
    assigned = assign(units_of({f"{unit}-{i}": f"u{unit}" for unit in range(50) for i in range(3)}), layer(0.5), NOBODY)
    assert len(set(rows(assigned, "unit_id", "group"))) == 50


def test_what_the_ledger_says_is_not_drawn_again() -> None:
    first = assign(many(500), layer(0.3), NOBODY)
    again = assign(many(500), layer(0.3), remembered(first))
    assert group_of(again) == group_of(first)
    assert not any(again["is_new"].to_pylist())


def test_a_grown_share_holds_out_new_units_only() -> None:
    first = group_of(assign(many(500), layer(0.1), NOBODY))
    later = group_of(assign(many(1000), layer(0.4), remembered(assign(many(500), layer(0.1), NOBODY))))
    fresh = group_of(assign(many(1000), layer(0.4), NOBODY))
    assert {c: later[c] for c in first} == first  # who was treated may have been contacted: he cannot become a control
    assert all(later[c] == fresh[c] for c in later if c not in first)
    assert all(fresh[c] == "holdout" for c, group in first.items() if group == "holdout")


def test_a_shrunk_share_sets_nobody_free() -> None:
    first = assign(many(500), layer(0.4), NOBODY)
    assert group_of(assign(many(500), layer(0.0), remembered(first))) == group_of(first)


def test_who_joins_a_unit_inherits_its_group_and_is_recorded_with_the_probability_it_was_drawn_with() -> None:
    earlier = pa.table([["a", "x"], ["a", "x"], ["holdout", "treatment"], [0.3, 0.7]], schema=EARLIER)
    assigned = assign(units_of({"a": "a", "b": "a", "w": "w", "x": "w"}), layer(0.1), earlier)
    assert rows(assigned) == [
        ("a", "a", "holdout", False, 0.3),
        ("b", "a", "holdout", True, 0.3),
        ("w", "w", "treatment", True, 0.7),
        ("x", "w", "treatment", False, 0.7),
    ]


def test_when_units_merge_the_holdout_wins() -> None:
    earlier = ledger(("a", "a", "treatment"), ("b", "b", "holdout"))
    assert group_of(assign(units_of({"a": "a", "b": "a", "c": "a"}), layer(0.0), earlier)) == dict.fromkeys(
        "abc", "holdout"
    )


def test_the_customer_who_gave_the_unit_its_name_was_in_it_too() -> None:
    # b was held out as member of a's unit; today b lives elsewhere and a, who has no row of his own, has a new family.
    earlier = ledger(("b", "a", "holdout"))
    assigned = assign(units_of({"a": "a", "z": "a"}), layer(0.0), earlier)
    assert rows(assigned, "customer_id", "group", "is_new") == [("a", "holdout", True), ("z", "holdout", True)]


def test_a_new_version_draws_anew() -> None:
    one, two = (
        np.array(assign(many(5000), layer(0.5, salt=f"acme/spring/{v}"), NOBODY)["group"].to_pylist()) for v in (1, 2)
    )
    assert stats.binomtest(int((one == two).sum()), 5000, 0.5).pvalue > 1e-6


_PEOPLE = [f"p{i}" for i in range(10)]
_SHARES = st.floats(0, 1)
_HOMES = st.lists(st.integers(0, 4), min_size=10, max_size=10)


def living(homes: list[int]) -> dict[str, str]:
    """Each person's unit: the smallest person of the same home."""
    smallest: dict[int, str] = {}
    for person, home in zip(_PEOPLE, homes, strict=True):
        smallest.setdefault(home, person)
    return {person: smallest[home] for person, home in zip(_PEOPLE, homes, strict=True)}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_HOMES, _SHARES, st.permutations(_PEOPLE)), min_size=2, max_size=6))
def test_nobody_who_is_held_out_in_the_ledger_is_ever_treated(days: list[tuple[list[int], float, list[str]]]) -> None:
    # People move in with each other and apart, the share changes every day, and rows come in any order.
    told = NOBODY
    for homes, share, order in days:
        unit = living(homes)
        held = {person for person, group in rows(told, "customer_id", "group") if group == "holdout"}
        assigned = assign(units_of({person: unit[person] for person in order}), layer(share), told)
        groups = group_of(assigned)
        assert all(groups[person] == "holdout" for person in held)
        assert all(groups[mate] == "holdout" for person in held for mate in order if unit[mate] == unit[person])
        told = pa.concat_tables([told, remembered(assigned.filter(assigned["is_new"]))])


@settings(max_examples=60, deadline=None)
@given(_HOMES, _SHARES, st.integers(1, 4), st.lists(st.sampled_from(_PEOPLE), max_size=4), st.booleans())
def test_the_assignment_is_the_same_on_any_partition_of_the_units(
    homes: list[int], share: float, parts: int, known: list[str], is_held: bool
) -> None:
    unit = living(homes)
    told = ledger(*((person, person, "holdout" if is_held else "treatment") for person in known))
    whole = rows(assign(units_of(unit), layer(share), told))
    apart = [
        row
        for part in range(parts)
        for row in rows(
            assign(
                units_of({p: unit[p] for p in reversed(_PEOPLE) if int(unit[p][1:]) % parts == part}),
                layer(share),
                told,
            )
        )
    ]
    assert sorted(apart) == sorted(whole)


# The ledger


def test_the_ledger_is_read_by_layer_and_version() -> None:
    business = company()
    spring = {"campaign": "spring", "group": "holdout", "unit_id": "a"}
    lake = warehouse(
        business,
        ledger=[
            ledger_row("assigned", "a", AS_OF, **spring, propensity=0.2),
            ledger_row("assigned", "a", AS_OF, **{**spring, "version": 2}),
            ledger_row("assigned", "a", AS_OF, **{**spring, "campaign": None, "group": "treatment"}),
            ledger_row("decided", "z", AS_OF, **spring),
        ],
    )
    assert rows(earlier_groups(lake, layer(0.5))) == [("a", "a", "holdout", 0.2)]
    assert rows(earlier_groups(lake, global_layer(business, AS_OF))) == [("a", "a", "treatment", None)]
    assert earlier_groups(lake, campaign_layer(business, business.campaign_named("autumn"))).num_rows == 0


def test_an_empty_ledger_says_nothing() -> None:
    assert earlier_groups(warehouse(company()), layer(0.5)).equals(NOBODY)


def test_a_correction_can_hold_somebody_out_but_set_nobody_free() -> None:
    business = company()
    assigned = [
        ledger_row("assigned", who, AS_OF, campaign="spring", group=group, unit_id=who)
        for who, group in (("a", "treatment"), ("b", "holdout"))
    ]
    corrected = [
        ledger_row("corrected", row["customer_id"], AS_OF, corrects=row["entry_id"], group=group)
        for row, group in zip(assigned, ("holdout", "treatment"), strict=True)
    ]
    told = earlier_groups(warehouse(business, ledger=assigned + corrected), layer(0.0))
    assert group_of(assign(many(0), layer(0.0), told)) == {}
    assert group_of(assign(units_of({"a": "a", "b": "b"}), layer(0.0), told)) == {"a": "holdout", "b": "holdout"}


# Who is in a campaign now


def assigned_on(
    day: date, who: str, campaign: str = "spring", group: str = "holdout", **rest: object
) -> dict[str, object]:
    return ledger_row("assigned", who, day, campaign=campaign, group=group, unit_id=who, **rest)


def test_a_campaign_takes_its_units_until_the_horizon_ends() -> None:
    business = company()  # spring: 60 days
    lake = warehouse(business, ledger=[assigned_on(date(2026, 1, 1), "a"), assigned_on(date(2026, 1, 2), "b")])
    assert rows(open_holdouts(lake, business, date(2026, 3, 2))) == [
        ("b", "b", "spring", 1, "holdout", date(2026, 1, 2), date(2026, 3, 3))
    ]
    assert open_holdouts(lake, business, date(2026, 3, 3)).num_rows == 0


@pytest.mark.parametrize("detail", ['{"design": {"horizon_days": 90}, "hash": "0"}', '{"horizon_days": 90}'])
def test_the_horizon_of_the_launch_is_kept_when_the_file_changes_or_forgets_the_campaign(detail: str) -> None:
    launched = ledger_row("launched", None, date(2026, 1, 1), campaign="spring", detail=detail)
    taken = [assigned_on(date(2026, 1, 1), "a"), assigned_on(date(2026, 1, 1), "b", "unknown", "treatment")]
    without = company(campaigns=[])
    found = open_holdouts(warehouse(without, ledger=[launched, *taken]), without, AS_OF)
    assert rows(found, "customer_id", "until_on") == [("a", date(2026, 4, 1)), ("b", date(2028, 1, 1))]


def test_a_rerun_does_not_see_its_own_day_but_a_backfill_sees_later_ones() -> None:
    business = company()
    lake = warehouse(business, ledger=[assigned_on(AS_OF, "a"), assigned_on(date(2026, 3, 9), "b")])
    assert rows(open_holdouts(lake, business, AS_OF), "customer_id") == [("b",)]


def test_the_global_holdout_is_no_campaign() -> None:
    business = company()
    lake = warehouse(business, ledger=[assigned_on(date(2026, 3, 1), "a", campaign=None)])  # type: ignore[arg-type]
    assert open_holdouts(lake, business, AS_OF).num_rows == 0


def test_the_whole_of_todays_unit_is_taken_by_what_any_member_is_in() -> None:
    business = company()
    lake = warehouse(
        business,
        ledger=[
            assigned_on(date(2026, 3, 1), "b", "autumn", "treatment"),
            assigned_on(date(2026, 2, 1), "c", "spring", "holdout"),
            ledger_row("assigned", "z", date(2026, 3, 1), campaign="autumn", group="treatment", unit_id="y"),
        ],
    )
    today = units_of({"a": "a", "b": "a", "c": "a", "x": "x", "y": "y"})
    assert rows(taken_units(today, open_holdouts(lake, business, AS_OF))) == [
        ("a", "a", "spring", 1, "holdout", date(2026, 4, 2), True),
        ("b", "a", "spring", 1, "holdout", date(2026, 4, 2), True),
        ("c", "a", "spring", 1, "holdout", date(2026, 4, 2), True),
        ("y", "y", "autumn", 1, "treatment", date(2026, 3, 31), False),
    ]
    assert taken_units(today, open_holdouts(warehouse(business), business, AS_OF)).num_rows == 0


# Balance


def split(treated: int, held: int, share: float) -> pa.Table:
    names = [f"u{i}" for i in range(treated + held)]
    is_held = np.arange(treated + held) >= treated
    return pa.table(
        {
            "customer_id": names,
            "unit_id": names,
            "group": np.where(is_held, "holdout", "treatment"),
            "propensity": np.where(is_held, share, 1 - share),
        }
    )


def test_the_sample_ratio_of_the_textbook_is_found() -> None:
    # Kohavi, Tang, Xu: Trustworthy Online Controlled Experiments (2020), chapter 3: p = 1.8e-6.
    found = check_balance(split(821_588, 815_482, 0.5))
    assert found.sample_ratio_p == pytest.approx(1.82e-6, rel=0.005)
    assert found.sample_ratio_p == pytest.approx(stats.chisquare([821_588, 815_482]).pvalue)
    assert not found.is_sound
    assert "that is no chance (p = 1.8e-06)" in found.verdict


def test_few_units_are_judged_exactly() -> None:
    assert check_balance(split(30, 6, 0.05)).sample_ratio_p == pytest.approx(stats.binomtest(6, 36, 0.05).pvalue)


def test_nothing_and_certainty_are_no_alarm() -> None:
    assert check_balance(split(0, 0, 0.5)).verdict == "No unit was assigned."
    assert check_balance(split(10, 0, 0.0)).is_sound
    assert not check_balance(split(10, 1, 0.0)).is_sound


def test_shares_that_differ_are_added_up() -> None:
    both = pa.concat_tables([split(900, 100, 0.1), split(500, 500, 0.5)])
    both = both.set_column(1, "unit_id", pa.array([str(i) for i in range(2000)]))
    found = check_balance(both)
    assert (found.expected_share, found.sample_ratio_p) == (pytest.approx(0.3), pytest.approx(1.0))


def test_units_are_counted_not_customers() -> None:
    families = units_of({f"{unit}-{i}": f"u{unit}" for unit in range(100) for i in range(unit % 7 + 1)})
    found = check_balance(assign(families, layer(0.5), NOBODY))
    assert found.treatment_count + found.holdout_count == 100


def test_daily_balance_is_silent_when_nothing_is_wrong() -> None:
    ids = pa.array([f"c{i}" for i in range(400)])
    risk = pa.table({"customer_id": ids, "risk": np.random.default_rng(3).beta(1, 6, 400)})
    alone = pa.table({"customer_id": ids, "unit_id": ids})
    worlds = 400
    found = [check_balance(assign(alone, layer(0.2, salt=f"w/{world}"), NOBODY), risk) for world in range(worlds)]
    # Each of two checks alarms with probability below 0.001 (0.002 allows for the normal approximation with 80 held
    # out); more than this many alarms have a probability below 1e-6.
    most = stats.binom.isf(1e-6, worlds, 0.004)
    assert sum(not balance.is_sound for balance in found) <= most
    # And the probabilities are ones: uniform, so half of them lie below a half.
    below = sum(balance.difference_p < 0.5 for balance in found)
    assert stats.binomtest(below, worlds, 0.5).pvalue > 1e-6


def test_a_covariate_that_differs_is_named() -> None:
    groups = split(800, 200, 0.2)
    rng = np.random.default_rng(5)
    is_held = np.array(groups["group"].to_pylist()) == "holdout"
    covariates = pa.table(
        {
            "customer_id": groups["customer_id"],
            "tenure": rng.normal(size=1000),
            "risk": rng.normal(size=1000) + 0.5 * is_held,
            "constant": np.ones(1000),
            "unknown": pa.array([None] * 1000, pa.float64()),
        }
    )
    found = check_balance(groups, covariates)
    assert found.largest_on == "risk"
    # The difference is 0.5 +- 4.9 standard errors of sqrt(1/800 + 1/200).
    assert found.largest_difference == pytest.approx(0.5, abs=4.9 * np.sqrt(1 / 800 + 1 / 200))
    assert not found.is_sound
    assert "the groups differ in risk by" in found.verdict
