"""A business file is refused with every fault at once: path, value, rule, nearest known name."""

from __future__ import annotations

import copy
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdback.business import business_schema, check_business, load_business
from holdback.errors import BusinessFileError
from tests.holdback.shop import CUSTOMERS, FILE, make_business


def faults(folder: Path, **changes: Any) -> list[str]:
    """Set keys given by their path (`churn__0__outcome_days=-3`); `None` removes one."""
    content = copy.deepcopy(FILE)
    for path, value in changes.items():
        *steps, last = (int(step) if step.isdigit() else step for step in path.split("__"))
        here: Any = content
        for step in steps:
            here = here[step]
        if value is None:
            del here[last]
        else:
            here[last] = value
    file = folder / "shop.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return check_business(file)


def test_a_right_file_has_no_faults(tmp_path: Path) -> None:
    assert faults(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"churn__0__outcome_days": -3}, "shop.yaml: churn[0].outcome_days: must be at least 1 (got -3)."),
        ({"churn__0__outcom_days": 3}, "shop.yaml: churn[0].outcom_days: unknown key. Did you mean 'outcome_days'?"),
        ({"curency": "EUR"}, "shop.yaml: curency: unknown key. Did you mean 'currency'?"),
        ({"feeds__orders__colums": {}}, "shop.yaml: feeds.orders.colums: unknown key. Did you mean 'columns'?"),
        ({"currency": "euro"}, "shop.yaml: currency: must match ^[A-Z]{3}$ (got 'euro')."),
        ({"currency": None}, "shop.yaml: currency: is missing. Add it."),
        ({"time_zone": "Madrid"}, "time_zone: must be a time zone name such as Europe/Madrid (got 'Madrid')."),
        ({"churn__0__kind": "vanished"}, "shop.yaml: churn[0]: kind must be one of"),
        ({"churn": []}, "shop.yaml: churn: needs at least 1"),
        ({"slug": "../etc"}, "shop.yaml: slug: must match"),
        ({"slug": 7}, "shop.yaml: slug: must be text (put it in quotes) (got 7)."),
        ({"feeds__orders__columns__amount": None}, "'amount' is missing; a feed of role transactions needs it"),
        ({"feeds__orders__columns__amont": "x"}, "'amont' is not a column of role transactions. Did you mean"),
        ({"feeds__orders__key": ["number"]}, "key: 'number' is not a mapped column."),
        ({"feeds__orders__accepts": {"channel": ["web"]}}, "accepts: 'channel' is not a mapped column."),
        ({"feeds__orders__expects": {"rows": [9, 1]}}, "feeds.orders.expects.rows: must be [lowest, highest]"),
        ({"feeds__orders__csv": {"delimiter": ",", "decimal": ","}}, "delimiter and decimal must differ"),
        ({"feeds__orders__csv": {"encoding": "klingon"}}, "'klingon' is not an encoding that Python knows"),
        ({"feeds__orders__scale": "nps"}, "scale: only a feed of role feedback has a scale"),
        ({"feeds__orders__source": "postgresql://me:secret@db/x", "feeds__orders__query": "select 1"},
         "secrets never stand in a business file"),
        ({"feeds__orders__source": "postgresql://$DB"}, "a postgresql:// source needs the SELECT to run"),
        ({"feeds__orders__query": "select 1"}, "only a postgresql:// source takes a query"),
        ({"churn__0__feed": "purchases"}, "churn[0].feed: 'purchases' must be a feed of role transactions (orders)"),
        ({"feeds__batches": FILE["feeds"]["orders"]}, "'batches' is a table of Holdback's own"),
        ({"actions": [{"name": "call", "channel": "phone", "cost": -1}]}, "cost: must be at least 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_fault_names_its_path_its_value_and_its_rule(tmp_path: Path, change: dict[str, Any], fault: str) -> None:
    found = faults(tmp_path, **change)
    assert len(found) == 1
    assert fault in found[0]


CALL: dict[str, Any] = {"name": "call", "channel": "phone", "cost": 5}
SPRING: dict[str, Any] = {"name": "spring", "actions": ["call"]}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"actions": [{"name": "call", "channel": "phone"}]}, "shop.yaml: actions[0].cost: is missing. Add it."),
        ({"actions": [{**CALL, "capacity_per_day": 0}]}, "actions[0].capacity_per_day: must be at least 1 (got 0)."),
        ({"actions": [{**CALL, "name": "none"}]}, "'none' is the action of doing nothing"),
        ({"actions": [CALL, CALL]}, "actions: two actions have the same name"),
        ({"actions": [{**CALL, "incentive_taken_share": 1.2}]}, "taken_share: must be at most 1.0 (got 1.2)."),
        ({"actions": [{**CALL, "assumed_lift": {"value": 2, "source": "us", "expires_on": date(2027, 1, 1)}}]},
         "assumed_lift.value: must be at most 1.0 (got 2)."),
        ({"actions": [{**CALL, "eligible": {"where": {"town": ["Lugo"]}}}]}, "actions[0].eligible.where: 'town'"),
        ({"actions": [{**CALL, "eligible": {"between": {"city": [1, 2]}}}]}, "actions[0].eligible.between: 'city'"),
        ({"holdout": {"global_share": 1.5}}, "holdout.global_share: must be at most 1.0 (got 1.5)."),
        ({"holdout": {"campaign_share": -0.1}}, "holdout.campaign_share: must be at least 0.0 (got -0.1)."),
        ({"holdout": {"explore_share": float("nan")}}, "holdout.explore_share: "),
        ({"holdout": {"rotates_on": [date(2027, 1, 1), date(2026, 1, 1)]}}, "must be dates in rising order"),
        ({"campaigns": [{**SPRING, "holdout_share": 2}]}, "campaigns[0].holdout_share: must be at most 1.0 (got 2)."),
        ({"campaigns": [SPRING, SPRING]}, "campaigns: two campaigns have the same name"),
        ({"campaigns": [{**SPRING, "name": "global"}]}, "'global' is the holdout of all campaigns together"),
        ({"campaigns": [{**SPRING, "actions": ["cal"]}]}, "campaigns[0].actions: 'cal'"),
        ({"campaigns": [{**SPRING, "actions": []}]}, "campaigns[0].actions: needs at least 1"),
        ({"campaigns": [{**SPRING, "actions": ["call", "call"]}]}, "actions: an action stands twice"),
        ({"campaigns": [{**SPRING, "churn": "laps"}]}, "campaigns[0].churn: 'laps'"),
        ({"campaigns": [{**SPRING, "audience": {"where": {"town": ["Lugo"]}}}]}, "campaigns[0].audience.where: 'town'"),
        ({"campaigns": [{**SPRING, "audience": {"risk_tiers": ["highest"]}}]}, "campaigns[0].audience.risk_tiers[0]: "),
        ({"campaigns": [{**SPRING, "budget_per_day": 4.99}]},
         "campaigns[0].budget_per_day: 4.99 does not pay for one 'call', the cheapest action (5 each)"),
        ({"campaigns": [{**SPRING, "budget_per_day": 0}]}, "campaigns[0].budget_per_day: must be more than 0.0"),
        ({"campaigns": [{**SPRING, "starts_on": date(2026, 5, 1), "ends_on": date(2026, 5, 1)}]},
         "ends_on: must lie after starts_on"),
        ({"budget": {"per_day": 1}}, "budget.per_day: 1 does not pay for one 'call', the cheapest action (5 each)"),
        ({"budget": {"per_day": -1}}, "budget.per_day: must be more than 0.0 (got -1)."),
        ({"campaigns": [{**SPRING, "assigned_by": "orders"}]},
         "campaigns[0].assigned_by: 'orders' is not a feed of role assignments"),
        ({"campaigns": [{**SPRING, "primary_outcome": "visited"}]},
         "campaigns[0].primary_outcome: 'visited' is not an outcome. Known: churned."),
        ({"outcomes": [{"name": "net", "feed": "orders", "kind": "event"}]}, "'net' is measured of every campaign"),
        ({"outcomes": [{"name": "spend", "feed": "orders", "kind": "total"}]}, "a total needs the column"),
        ({"outcomes": [{"name": "spend", "feed": "order", "kind": "event"}]},
         "outcomes[0].feed: 'order' is not a feed. Did you mean 'orders'?"),
        ({"outcomes": [{"name": "spend", "feed": "orders", "kind": "total", "of": "amont"}]},
         "outcomes[0].of: 'amont' is not a column of numbers of orders. Did you mean 'amount'?"),
        ({"outcomes": [{"name": "bought", "feed": "orders", "kind": "event"}] * 2}, "two outcomes have the same name"),
        ({"feeds__orders__groups": {"holdout": "no mail"}}, "groups: only a feed of role assignments has groups"),
        ({"contact": {"at_most": 0}}, "contact.at_most: must be at least 1 (got 0)."),
        ({"contact": {"opted_out": "city"}}, "contact.opted_out: 'city'"),
        ({"contact": {"quiet_hours": ["09:00", "09:00"]}}, "two different times of the day"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_fault_of_what_decides_is_found_before_anything_is_decided(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    found = faults(tmp_path, **{"customers": CUSTOMERS, "actions": [CALL], "campaigns": [SPRING], **change})
    assert len(found) == 1
    assert found[0].startswith("shop.yaml: ")
    assert fault in found[0]


CONTRACTS: dict[str, Any] = {
    "role": "subscriptions", "source": "contracts.csv",
    "columns": {"customer_id": "who", "event_at": "at", "kind": "k", "ends_on": "e"},
}  # fmt: skip
ENDS: dict[str, Any] = {"name": "ends", "kind": "announced", "feed": "contracts"}


def asking(folder: Path, asked: Any, *, of: str = "member") -> tuple[Path, list[str]]:
    """Write a file that asks for an attribute's value in each place where one can, and return it with its faults."""
    where = {of: asked}
    faults_found = faults(
        folder,
        customers=CUSTOMERS,
        feeds__contracts=CONTRACTS,
        actions=[{**CALL, "eligible": {"where": where}}],
        campaigns=[{**SPRING, "audience": {"where": where}}],
        triggers=[{**ENDS, "then": [{"when": where, "action": "call"}]}],
    )
    return folder / "shop.yaml", faults_found


@pytest.mark.parametrize(
    ("asked", "words"),
    [(True, ("true",)), (False, ("false",)), ([True, False], ("true", "false")), ("true", ("true",))],
)
def test_a_flag_is_asked_for_as_yaml_writes_it(tmp_path: Path, asked: Any, words: tuple[str, ...]) -> None:
    file, found = asking(tmp_path, asked)
    assert found == []
    business = load_business(file)
    assert business.actions[0].eligible.where == {"member": words}
    assert business.campaigns[0].audience.where == {"member": words}
    assert business.triggers[0].then[0].when == {"member": words}


@pytest.mark.parametrize(("asked", "word"), [("yes", "'yes'"), ("True", "'True'"), (["true", "no"], "'no'")])
def test_a_word_that_no_flag_holds_is_refused_where_it_stands(tmp_path: Path, asked: Any, word: str) -> None:
    _, found = asking(tmp_path, asked)
    where = "actions[0].eligible.where.member"
    assert found == [f"shop.yaml: {where}: {word} is nothing that a flag holds; write true or false."]
    when = [{"when": {"member": ["true", "no"]}, "action": "call"}]
    places: list[tuple[dict[str, Any], str]] = [
        (
            {"campaigns": [{**SPRING, "audience": {"where": {"member": "no"}}}]},
            "campaigns[0].audience.where.member: 'no'",
        ),
        ({"triggers": [{**ENDS, "then": when}]}, "triggers[0].then[0].when.member: 'no'"),
    ]
    for change, path in places:
        told_of = faults(tmp_path, customers=CUSTOMERS, feeds__contracts=CONTRACTS, actions=[CALL], **change)
        assert [path in fault for fault in told_of] == [True]


@pytest.mark.parametrize(("asked", "seen"), [(True, "True"), ([True], "True"), (5, "5")])
def test_a_category_is_asked_for_in_words_and_yes_needs_quotes(tmp_path: Path, asked: Any, seen: str) -> None:
    _, found = asking(tmp_path, asked, of="city")
    assert len(found) == 3
    assert all("city" in fault and f"must be text (put it in quotes) (got {seen})." in fault for fault in found)


def test_what_is_announced_fires_once_for_its_day(tmp_path: Path) -> None:
    faults(tmp_path, feeds__contracts=CONTRACTS, triggers=[{**ENDS, "ahead_days": 60}])
    assert load_business(tmp_path / "shop.yaml").triggers[0].cooldown_days == 61
    for cooldown in (0, 61, 400):
        given = {**ENDS, "ahead_days": 60, "cooldown_days": cooldown}
        assert faults(tmp_path, feeds__contracts=CONTRACTS, triggers=[given]) == []
    for cooldown in (1, 60):
        given = {**ENDS, "ahead_days": 60, "cooldown_days": cooldown}
        [fault] = faults(tmp_path, feeds__contracts=CONTRACTS, triggers=[given])
        assert f"triggers[0].cooldown_days: {cooldown} days are over before the day" in fault
    [fault] = faults(tmp_path, feeds__contracts=CONTRACTS, triggers=[{**ENDS, "ahead_days": 9_999}])
    assert "triggers[0].ahead_days: must be at most 1830 (got 9999)." in fault


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    found = faults(tmp_path, currency="euro", curency="EUR", time_zone="Madrid", churn__0__outcome_days=0)
    assert len(found) == 4


def test_a_churn_definition_of_kind_column_needs_a_label(tmp_path: Path) -> None:
    churn = [{"name": "left", "kind": "column", "attribute": "member"}]
    found = faults(tmp_path, customers=CUSTOMERS, churn=churn)
    assert "'member' must be an attribute of customers with kind: label" in found[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("slug: a\nslug: b\n", "line 2 is not valid YAML: the key 'slug' stands twice"),
        ("slug: [\n", "is not valid YAML"),
        ("- a\n- b\n", "must be a mapping of keys to values (got list)"),
        ("", "must be a mapping of keys to values (got NoneType)"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "b.yaml"
    path.write_text(text)
    assert fault in check_business(path)[0]


def test_a_file_that_is_missing_or_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BusinessFileError, match="there is no such file") as caught:
        load_business(tmp_path / "none.yaml")
    assert caught.value.exit_code == 2
    (tmp_path / "latin.yaml").write_bytes("name: café".encode("latin-1"))
    assert "is not UTF-8 (byte 9)" in check_business(tmp_path / "latin.yaml")[0]


def test_a_day_starts_at_midnight_of_the_business(tmp_path: Path) -> None:
    business = make_business(tmp_path)
    assert business.instant(date(2026, 1, 15)) == datetime(2026, 1, 14, 23)
    assert business.instant(date(2026, 7, 15)) == datetime(2026, 7, 14, 22)
    assert business.day_of(datetime(2026, 7, 14, 22)) == date(2026, 7, 15)
    assert business.day_of(datetime(2026, 7, 14, 21, 59)) == date(2026, 7, 14)


def test_the_capacity_is_what_all_actions_reach_or_one_in_ten(tmp_path: Path) -> None:
    business = make_business(tmp_path)
    assert (business.daily_capacity, business.capacity_among(101), business.capacity_among(0)) == (None, 11, 0)
    content = copy.deepcopy(FILE)
    content["actions"] = [
        {"name": "call", "channel": "phone", "cost": 5, "capacity_per_day": 20},
        {"name": "mail", "channel": "email", "cost": 0},
    ]
    (tmp_path / "b.yaml").write_text(yaml.safe_dump(content))
    assert load_business(tmp_path / "b.yaml").capacity_among(101) == 20


def test_the_schema_is_json_and_knows_every_section() -> None:
    schema = json.loads(json.dumps(business_schema()))
    assert set(schema["properties"]) >= {"slug", "feeds", "customers", "churn", "actions", "training"}
    assert schema["additionalProperties"] is False


def test_every_business_file_of_the_project_is_right(project_root: Path) -> None:
    paths = sorted((project_root / "businesses").glob("*.yaml"))
    assert {path.stem for path in paths} >= {"groceries", "online_retail", "savings_bank", "telco"}
    assert [fault for path in paths for fault in check_business(path)] == []


DRAWN: dict[str, Any] = {
    "role": "assignments",
    "source": "drawn.csv",
    "columns": {"customer_id": "who", "event_at": "at", "campaign": "mailing", "group": "arm"},
}


def test_a_campaign_that_was_run_elsewhere_names_the_feed_of_its_assignments(tmp_path: Path) -> None:
    changes = {"feeds__drawn": {**DRAWN, "groups": {"holdout": "no mail", "treatment": ["mail", "call"]}}}
    assert faults(tmp_path, **changes, actions=[CALL], campaigns=[{**SPRING, "assigned_by": "drawn"}]) == []
    business = load_business(tmp_path / "shop.yaml")
    assert business.feeds["drawn"].group_words("treatment") == ("mail", "call")
    assert business.own_campaigns == ()
    with pytest.raises(BusinessFileError, match="campaign spring: assigned_by: 'drawn' says that it was run elsewhere"):
        business.own_campaign_named("spring")
    (found,) = faults(tmp_path, feeds__drawn={**DRAWN, "groups": {"holdout": "a", "treatment": ["a"]}})
    assert "groups: 'a' cannot mean both treatment and holdout" in found


def test_a_campaign_can_be_judged_by_an_outcome_of_the_company(tmp_path: Path) -> None:
    outcome = {"name": "spend", "feed": "orders", "kind": "total", "of": "amount"}
    assert (
        faults(tmp_path, outcomes=[outcome], actions=[CALL], campaigns=[{**SPRING, "primary_outcome": "spend"}]) == []
    )
    (found,) = faults(tmp_path, outcomes=[outcome], actions=[CALL], campaigns=[{**SPRING, "primary_outcome": "spent"}])
    assert "campaigns[0].primary_outcome: 'spent' is not an outcome. Did you mean 'spend'?" in found
