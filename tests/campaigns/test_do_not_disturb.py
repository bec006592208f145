"""Whom a campaign was measured to drive away is left in peace by it: in both groups, until a newer measurement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.decisions import decide, explain_decision
from campaigns.do_not_disturb import Disturbed, disturbed, intended_segment
from flows.cli.decisions import why
from tests.campaigns.company import company as small_company
from tests.campaigns.company import warehouse
from tests.campaigns.decisions.world import AS_OF, Row, company, customer, days_from, decided, ledger, opened, put

MEASURED_ON = AS_OF - timedelta(days=10)


def reading(segment: str = "risk_tier=high", low: float | None = 0.01, **changes: Any) -> Row:
    """A measurement that says: being contacted raises churn in this segment."""
    ends = {"estimate": None, "high": None} if low is None else {"estimate": low + 0.02, "high": low + 0.04}
    return {
        "as_of": MEASURED_ON, "campaign": "spring", "version": 1, "segment": segment, "metric": "churned",
        "method": "hierarchical", "reading": "daily", "level": 0.99, "low": low, **ends, **changes,
    }  # fmt: skip


def banned(*rows: Row, on: date = AS_OF) -> list[tuple[str, str]]:
    found = disturbed(warehouse(small_company(), effects=list(rows)), on)
    return [(one.campaign, one.segment) for one in found]


BANNED = [("spring", "risk_tier=high")]


@pytest.mark.parametrize("kind", ["daily", "official"])
def test_an_interval_that_lies_wholly_above_zero_bans_its_segment(kind: str) -> None:
    assert banned(reading(reading=kind)) == BANNED
    assert banned(reading(low=-0.001, reading=kind)) == []
    assert banned(reading(low=0.0, reading=kind)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"reading": "exploratory"},
        {"metric": "margin"},
        {"segment": "all"},
        {"campaign": None},
        {"withheld": "sample_ratio"},
        {"as_of": AS_OF + timedelta(days=1)},
        {"low": None},
        {"high": float("nan")},
    ],
)
def test_whatever_else_was_computed_bans_nobody(changes: Row) -> None:
    assert banned(reading(**changes)) == []


def test_a_ban_holds_until_a_newer_measurement_of_the_same_segment_says_otherwise() -> None:
    next_day, day_after = MEASURED_ON + timedelta(days=1), MEASURED_ON + timedelta(days=2)
    other = reading("risk_tier=low", low=-0.02, as_of=next_day)
    nothing = reading(low=None, as_of=next_day)
    withheld = reading(low=-0.02, as_of=next_day, withheld="contamination")
    assert banned(reading(), other, nothing, withheld) == BANNED
    fine = reading(low=-0.02, as_of=next_day)
    assert banned(reading(), fine) == []
    assert banned(reading(), fine, on=MEASURED_ON) == BANNED
    assert banned(reading(), fine, reading(as_of=day_after)) == BANNED


def test_what_the_official_reading_found_is_not_taken_back_by_the_wider_daily_interval() -> None:
    later = reading(low=-0.001, as_of=MEASURED_ON + timedelta(days=1))
    assert banned(reading(reading="official"), later) == BANNED
    assert banned(reading(), reading(low=-0.001, reading="official")) == []


def test_a_ban_outlives_its_version_until_a_newer_one_was_measured() -> None:
    assert banned(reading(), reading("risk_tier=low", low=-0.01, version=2)) == BANNED
    assert banned(reading(), reading(low=-0.01, version=2, as_of=MEASURED_ON + timedelta(days=1))) == []
    assert banned(reading(), reading(low=-0.01, campaign="autumn")) == BANNED


def test_where_methods_disagree_nobody_is_banned() -> None:
    """A raw interval beside the shrunken one: the winner's curse bans no segment."""
    assert banned(reading(method="newcombe"), reading(low=-0.01)) == []
    found = disturbed(warehouse(small_company(), effects=[reading(low=0.02), reading(method="newcombe")]), AS_OF)
    assert [(one.estimate, one.low, one.high) for one in found] == [(0.03, 0.01, 0.05)]


def test_a_ban_says_what_it_rests_on() -> None:
    one = Disturbed("spring", "risk_tier=high", 0.03, 0.01, 0.05, MEASURED_ON)
    assert str(one) == (
        "spring: risk_tier=high: being contacted raises churn by 3.0 points (1.0 to 5.0, measured on 2026-02-20)"
    )
    assert (one.name, one.value, one.action) == ("risk_tier", "high", None)
    assert Disturbed("spring", intended_segment("call"), 0.03, 0.01, 0.05, MEASURED_ON).action == "call"


# -- what a decision makes of it ---------------------------------------------------------------------------------------

PEOPLE = [customer("ann"), customer("bea", city="Vigo"), customer("cid")]
RISKS = {"ann": 0.6, "bea": 0.6, "cid": 0.3}


def acts(tmp_path: Path, *effects: Row, **changes: Any) -> dict[str, Row]:
    workspace = opened(tmp_path, company(**changes), PEOPLE, probability=RISKS)
    put(workspace, "effects", effects, batch="measured")
    decide(workspace, AS_OF)
    return decided(workspace)


def refused(row: Row) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["refused"])
    return found


@pytest.mark.parametrize(
    ("segment", "spared"),
    [
        ("risk_tier=high", ["ann", "bea"]),
        ("risk_tier=medium", ["cid"]),
        ("city=Vigo", ["bea"]),
        ("city=Vi'go", []),
        ("fit_class=invest", ["ann", "bea", "cid"]),
        ("fit_class=do_not_spend", []),
        ("age=40", []),  # no segment of this company
        ("risk_tier", []),
    ],
)
def test_the_customers_of_a_banned_segment_get_nothing_from_the_campaign(
    tmp_path: Path, segment: str, spared: Sequence[str]
) -> None:
    rows = acts(tmp_path, reading(segment), fit={"segment": "city"})
    assert {name for name, row in rows.items() if row["action"] == "none"} == set(spared)
    for name in spared:
        assert refused(rows[name]) == dict.fromkeys(["call", "mail"], f"do_not_disturb: {segment}")


def test_another_campaign_may_contact_whom_the_first_one_drives_away(tmp_path: Path) -> None:
    assert "none" not in {row["action"] for row in acts(tmp_path, reading(campaign="autumn")).values()}


def test_an_action_that_drives_customers_away_is_not_given_and_the_others_are(tmp_path: Path) -> None:
    rows = acts(tmp_path, reading("intended_action=call"))
    assert {row["action"] for row in rows.values()} == {"mail"}
    assert {row["refused"] for row in rows.values()} == {'{"call":"do_not_disturb: intended_action=call"}'}


def test_of_several_banned_segments_all_are_told(tmp_path: Path) -> None:
    rows = acts(tmp_path, reading("city=Vigo"), reading(), fit={"segment": "city"})
    assert refused(rows["bea"])["call"] == "do_not_disturb: city=Vigo, risk_tier=high"
    assert refused(rows["ann"])["call"] == "do_not_disturb: risk_tier=high"


def test_the_held_out_of_a_banned_segment_do_not_enter_either(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(holdout={"campaign_share": 1.0}), PEOPLE, probability=RISKS)
    put(workspace, "effects", [reading()], batch="measured")
    decide(workspace, AS_OF)
    entered = {row["customer_id"] for row in ledger(workspace, kind="assigned") if row["campaign"] == "spring"}
    assert entered == {"cid"}
    assert refused(decided(workspace)["ann"])["call"] == "do_not_disturb: risk_tier=high"


def test_a_banned_customer_is_told_why_in_words(tmp_path: Path) -> None:
    workspace = opened(tmp_path, company(), PEOPLE, probability=RISKS)
    put(workspace, "effects", [reading()], batch="measured")
    day = decide(workspace, AS_OF)
    assert day.refused_counts == {"do_not_disturb: risk_tier=high": 2}
    found = explain_decision(workspace.warehouse, workspace.business, AS_OF, "ann")
    assert found.refused is not None
    assert why(found.refused["call"]) == (
        "measured: being contacted makes customers like this one leave: risk_tier=high"
    )


SEGMENTS = ["risk_tier=high", "risk_tier=medium", "city=Lugo", "city=Vigo", "fit_class=invest", "fit_class=maintain"]


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.lists(st.tuples(st.sampled_from(["Lugo", "Vigo"]), st.sampled_from([0.3, 0.6])), min_size=1, max_size=12),
    harmed=st.sets(st.sampled_from([*SEGMENTS, "intended_action=call", "intended_action=mail"]), max_size=3),
    share=st.sampled_from([0.0, 0.5]),
)
def test_nobody_in_a_banned_segment_is_ever_chosen(
    tmp_path_factory: pytest.TempPathFactory, people: list[tuple[str, float]], harmed: set[str], share: float
) -> None:
    """Whoever is treated, explored or held out, on the day of the measurement and on those after it."""
    days = days_from(AS_OF, 2)
    names = [f"c{i:02d}" for i in range(len(people))]
    business = company(
        fit={"segment": "city"}, contact={"at_most": 9}, holdout={"campaign_share": share, "explore_share": share}
    )
    customers = [customer(name, city=city) for name, (city, _) in zip(names, people, strict=True)]
    risks = {name: risk for name, (_, risk) in zip(names, people, strict=True)}
    workspace = opened(tmp_path_factory.mktemp("world"), business, customers, days=days, probability=risks)
    put(workspace, "effects", [reading(segment, as_of=AS_OF) for segment in sorted(harmed)], batch="measured")
    for day in days:
        decide(workspace, day)
        for name, row in decided(workspace, on=day).items():
            city, risk = dict(zip(names, people, strict=True))[name]
            own = {f"city={city}", f"risk_tier={'high' if risk > 0.5 else 'medium'}", f"fit_class={row['fit_class']}"}
            if own & harmed:
                assert (row["action"], row["intended_action"]) == ("none", "none")
            assert intended_segment(row["action"]) not in harmed
            assert intended_segment(row["intended_action"]) not in harmed
