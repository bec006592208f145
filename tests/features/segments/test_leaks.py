"""Nothing learned after ``as_of`` changes a segment: the worlds and the mutations of the features' own leak tests."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlglot import exp

from features.clocks import Clock
from features.segments import Asked, build_segments, month_frame, segments_sql
from features.spine import build_spine
from tests.features.test_leaks import CUSTOMERS, EVERYBODY, FEEDS, WORLD, clock_sites, cut_off, poisoned, without_site
from tests.features.world import AS_OF, Memory, Row, Rows, company, spine_of

Worlds = tuple[Memory, Memory, Memory]
CHURNS = tuple(company().churn)


def scored(days: int, tier: str) -> list[Row]:
    """Scores of everybody on a day after AS_OF (negative: before it)."""
    day = AS_OF + timedelta(days=days)
    return [
        {"as_of": day, "customer_id": customer, "churn": churn.name, "model_version": "1", "probability": 0.5,
         "risk_tier": tier, "is_above_capacity_line": False}
        for churn in CHURNS for customer in EVERYBODY
    ]  # fmt: skip


def valued(days: int, decile: int) -> list[Row]:
    day = AS_OF + timedelta(days=days)
    return [
        {"as_of": day, "customer_id": customer, "model_version": "1", "method": "hurdle", "margin_cents": 1,
         "value_decile": decile}
        for customer in EVERYBODY
    ]  # fmt: skip


def with_results(world: Rows, *, future: bool, poison: bool = False) -> Rows:
    scores, values = scored(-2, "low"), valued(-9, 4)
    if future:
        scores = scores + scored(1, "high" if poison else "medium")
        values = values + valued(1, 10 if poison else 5)
    return {**world, "scores": scores, "customer_values": values}


@pytest.fixture(scope="module")
def worlds() -> Worlds:
    business = company()
    return (
        Memory(business, with_results(WORLD, future=True)),
        Memory(business, with_results(cut_off(WORLD), future=False)),
        Memory(business, with_results(poisoned(WORLD), future=True, poison=True)),
    )


def sql_of(churn: object) -> str:
    asked = Asked(company(), churn, Clock.of(company(), AS_OF), (*FEEDS, "customers"))  # type: ignore[arg-type]
    return segments_sql(asked)


def leaks(sql: str, worlds: Worlds) -> bool:
    frames = {"spine": spine_of(EVERYBODY), "_months": month_frame(company(), AS_OF)}
    known, *others = (world.query(sql, frames=frames) for world in worlds)
    return any(not known.equals(other) for other in others)


@pytest.mark.parametrize("churn", CHURNS, ids=lambda churn: churn.name)
def test_neither_a_missing_nor_a_poisoned_future_changes_a_segment(churn: object, worlds: Worlds) -> None:
    assert not leaks(sql_of(churn), worlds)


@pytest.mark.parametrize("churn", CHURNS, ids=lambda churn: churn.name)
def test_the_whole_way_from_the_spine_on_is_the_same_in_all_three_worlds(churn: object, worlds: Worlds) -> None:
    business = company()
    definition = business.churn_named(churn.name)  # type: ignore[attr-defined]
    known, *others = (build_segments(world, business, definition, AS_OF) for world in worlds)
    assert known.num_rows >= len(CUSTOMERS)
    assert all(known.equals(other) for other in others)


@pytest.mark.parametrize("name", ["lapse", "leave", "drain"])
def test_removing_any_clock_condition_is_noticed(name: str, worlds: Worlds) -> None:
    sql = sql_of(company().churn_named(name))
    sites = clock_sites(sql)
    unnoticed = {number for number in range(len(sites)) if not leaks(without_site(sql, number), worlds)}
    # The first record of all is not moved by a future that only adds later ones, and nobody here has a contract again:
    # the two tests after this look at these steps.
    assert {_step_of(sites[number]) for number in unnoticed} <= {"_reach", "_contract_events"}
    assert len(sites) >= 8


def _step_of(site: exp.Expr) -> str:
    return str(site.find_ancestor(exp.CTE).alias)  # type: ignore[union-attr]


def test_old_records_that_come_later_make_nobody_new_today() -> None:
    """Since when records are kept is what was known: history that is loaded tomorrow does not count today."""
    business, now = company(without=("customers",)), company().instant(AS_OF)
    recent = [
        {"customer_id": "ann", "event_at": now - timedelta(days=20), "amount_cents": 100},
        {"customer_id": "bob", "event_at": now - timedelta(days=30), "amount_cents": 100},
    ]
    old = {"customer_id": "cy", "event_at": now - timedelta(days=900), "amount_cents": 100}
    for loaded_days, stage in ((-1, "new"), (1, "steady")):
        late = {**old, "loaded_at": now + timedelta(days=loaded_days)}
        rows = build_segments(Memory(business, {"tills": [*recent, late]}), business, business.churn[0], AS_OF)
        assert rows["stage"].to_pylist() == [stage, stage]


@pytest.mark.parametrize(
    ("event_days", "load_days", "stage"), [(-5, -1, "steady"), (2, -1, "returned"), (-5, 1, "returned")]
)
def test_a_cancellation_counts_when_it_has_happened_and_is_known(event_days: int, load_days: int, stage: str) -> None:
    business, now = company(), company().instant(AS_OF)

    def event(days: int, kind: str, contract: str, **more: object) -> Row:
        return {"customer_id": "ann", "event_at": now + timedelta(days=days), "kind": kind,
                "subscription_id": contract, **more}  # fmt: skip

    deals = [event(-700, "start", "a"), event(-200, "cancel", "a"), event(-20, "start", "b")]
    deals.append(event(event_days, "cancel", "b", loaded_at=now + timedelta(days=load_days)))
    customers = [{"customer_id": "ann", "signed_up_at": now - timedelta(days=700)}]
    world = Memory(business, {"deals": deals, "customers": customers})
    rows = build_segments(world, business, business.churn_named("leave"), AS_OF, spine=spine_of(["ann"]))
    assert rows["stage"].to_pylist() == [stage]


def test_scores_and_values_of_a_later_day_do_not_count(worlds: Worlds) -> None:
    for churn in CHURNS:
        rows = build_segments(worlds[2], company(), churn, AS_OF).to_pylist()
        assert {row["value_decile"] for row in rows} == {4}
        assert not any(row["stage"] == "at_risk" for row in rows)


def test_segments_of_a_past_day_do_not_change_with_what_came_since() -> None:
    business, before = company(), AS_OF - timedelta(days=40)
    world = Memory(business, with_results(WORLD, future=True))
    earlier = Memory(
        business,
        {
            name: [row for row in rows if row.get("loaded_at") is None or row["loaded_at"] <= business.instant(before)]
            for name, rows in WORLD.items()
        },
    )
    for churn in CHURNS:
        spine = build_spine(earlier, business, churn, before)
        assert build_segments(world, business, churn, before, spine=spine).equals(
            build_segments(earlier, business, churn, before, spine=spine)
        )


def test_the_day_is_the_company_s_own() -> None:
    assert month_frame(company(), date(2025, 6, 1))["starts_at"][-7].as_py() == company().instant(date(2025, 6, 1))
