"""The business files that ship with Holdback: each works from its YAML alone, and says what the documentation tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from holdback.business import Business, Churn, check_business, load_business
from holdback.tables import ROLES

FOLDER = Path(__file__).resolve().parents[2] / "businesses"
FILES = sorted(FOLDER.glob("*.yaml"))
SIMULATED = ("telecom", "bank", "resort", "dealer")
REAL = ("groceries", "online_retail", "telco", "savings_bank", "hillstrom")
TRIGGERS = {
    "bank": {"drop"},
    "resort": {"overdue"},
    "dealer": {"due"},
    "telecom": {"announced", "count_over", "score_below"},
    "groceries": {"overdue"},
    "online_retail": {"overdue"},
    "savings_bank": {"drop"},
    "telco": set(),
    "hillstrom": set(),
}


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def business(path: Path) -> Business:
    return load_business(path)


def test_there_are_nine_of_them() -> None:
    assert sorted(path.stem for path in FILES) == sorted((*SIMULATED, *REAL))


def test_each_is_right_and_is_named_as_its_file(path: Path) -> None:
    assert check_business(path) == []
    assert load_business(path).slug == path.stem


def test_each_feed_has_a_role_and_all_the_columns_that_the_role_needs(business: Business) -> None:
    for feed in business.feeds.values():
        required = {column.name for column in ROLES[feed.role].columns if column.required}
        mapped = {column.name for column in feed.mapped_columns}
        assert {name for name in required if name not in mapped} <= {"customer_id", "event_at", "batch_id",
                                                                      "row_number", "loaded_at"}  # fmt: skip


def test_each_has_the_triggers_of_its_trade_and_says_how_often_they_should_fire(business: Business) -> None:
    assert {trigger.kind for trigger in business.triggers} == TRIGGERS[business.slug]
    assert all(trigger.expected_per_day for trigger in business.triggers)


def test_campaigns_of_a_trigger_stand_before_those_of_a_score_and_have_a_holdout(business: Business) -> None:
    of_triggers = [campaign.trigger is not None for campaign in business.campaigns]
    assert of_triggers == sorted(of_triggers, reverse=True)
    for campaign in business.campaigns:
        share = campaign.holdout_share if campaign.holdout_share is not None else business.holdout.campaign_share
        assert share > 0
    if business.campaigns and business.triggers:
        assert {campaign.trigger for campaign in business.campaigns} >= {trigger.name for trigger in business.triggers}


@pytest.mark.parametrize("name", SIMULATED)
def test_what_a_simulated_company_says_it_says_in_both_languages_of_its_customers(name: str) -> None:
    business = load_business(FOLDER / f"{name}.yaml")
    assert business.delivery.language == "language"
    assert business.journey.segments == ("segment", "province")
    for action in business.actions:
        assert action.message is not None
        assert set(action.message.text) == {"en", "es"}
        assert set(action.offer) in (set(), {"en", "es"})


def test_the_banks_trigger_acts_by_where_the_money_went() -> None:
    bank = load_business(FOLDER / "bank.yaml")
    [trigger] = bank.triggers
    taken = {place: branch.action for branch in trigger.then for place in branch.when["destination"]}
    assert taken == {"other_bank": "adviser_call", "own_checking": "loan_offer", "merchant": "loan_offer"}


@pytest.mark.parametrize(
    ("name", "kind"), [("bank", "balance_drop"), ("groceries", "rhythm"), ("online_retail", "rhythm")]
)
def test_a_churn_definition_that_stands_in_a_comment_is_right_too(name: str, kind: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    found = re.search(rf"  # - (\{{name: \w+, kind: {kind}.*?\}})\n(?!\s*#  )", text, flags=re.DOTALL)
    assert found is not None
    definition = yaml.safe_load(re.sub(r"\n\s*#\s*", " ", found[1]))
    churn = TypeAdapter(Churn).validate_python(definition)
    content = load_business(FOLDER / f"{name}.yaml").model_dump(mode="json", exclude_none=True)
    both = [*content["churn"], churn.model_dump(mode="json", exclude_none=True)]
    assert Business.model_validate({**content, "churn": both}).churn_named(churn.name) == churn
