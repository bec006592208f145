"""The truth against what happens when forked worlds are really played."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from simulator import Company
from simulator.company import CompanyKind
from simulator.truth import truth
from tests.simulator.companies import active, company_after, contacts_for, left, play_on

Floats = npt.NDArray[np.float64]


def told(company: Company, days: int, **options: int) -> pa.Table:
    return truth(company, company.played_until + timedelta(days=1), days, **options)


def played(company: Company, who: npt.NDArray[np.int64], days: int, worlds: int, action: str | None = None) -> Floats:
    """Whether each customer churned in each world, shape (worlds, customers)."""
    contacts = contacts_for(company, who, action) if action else []
    churned = []
    for world in range(worlds):
        fork = company.fork(f"played/{world}")
        silent = np.ones(len(fork.people), dtype=np.bool_)
        for number in range(days):
            play_on(fork, 1, contacts if number == 0 else ())
            if company.trade.returns_per_day:
                silent[fork.trade.bought_today] = False  # type: ignore[attr-defined]
        churned.append(silent[who] if company.trade.returns_per_day else left(fork, who))
    return np.array(churned, dtype=np.float64)


def agree(observed: Floats, probability: Floats, truth_worlds: int) -> None:
    """Compare frequencies with probabilities, all together and by fifths of the risk.

    A group's frequency differs from its true probability by the draws (binomial) and by what a world's luck does to all
    of the group, which the worlds themselves show; the truth's own worlds add the latter once more.
    """
    worlds = len(observed)
    for group in [np.arange(len(probability)), *np.array_split(np.argsort(probability), 5)]:
        expected = probability[group]
        drawn = (expected * (1 - expected)).sum() / len(group) ** 2
        between = max(observed[:, group].mean(axis=1).var(ddof=1), drawn)
        error = math.sqrt(between / worlds + between / truth_worlds)
        assert abs(observed[:, group].mean() - expected.mean()) < 4 * error


@pytest.mark.parametrize(
    ("kind", "days", "customers"),
    [
        ("telecom", 60, 1000),
        ("bank", 45, 500),
        pytest.param("resort", 120, 300, marks=pytest.mark.slow),
        pytest.param("dealer", 120, 300, marks=pytest.mark.slow),
    ],
)
def test_the_truth_is_how_often_it_happens(kind: CompanyKind, days: int, customers: int) -> None:
    company = company_after(90, kind, customers=customers)
    table = told(company, days, worlds=10, value_days=1)
    who = company.people.positions(table["customer_id"].to_pylist())
    base = table["probability"].to_numpy()
    alone = played(company, who, days, 10)
    agree(alone, base, 10)
    action = company.actions[0].name
    effect = table[f"effect_{action}"].to_numpy()
    contacted = played(company, who, days, 10, action)
    agree(contacted, base + effect, 10)
    # In the same worlds, so the worlds' luck cancels: the mean effect is known much better than either level.
    differences = (contacted - alone).mean(axis=1)
    error = differences.std(ddof=1) / math.sqrt(len(differences))
    assert abs(differences.mean() - effect.mean()) < 4 * error * math.sqrt(2)


def test_effects_have_the_sign_of_their_kind() -> None:
    company = company_after(60, customers=2000)
    table = told(company, 60, worlds=2, value_days=1)
    kind = np.array(table["kind"].to_pylist())
    for action in company.actions:
        effect = table[f"effect_{action.name}"].to_numpy()
        assert (effect[kind == "persuadable"] <= 0).all()
        assert (effect[kind == "sleeping_dog"] >= 0).all()
        assert effect[kind == "lost_cause"].tolist() == [0.0] * int((kind == "lost_cause").sum())
        assert abs(effect[kind == "sure_thing"]).mean() < 0.2 * abs(effect[kind == "persuadable"]).mean()


def test_who_cannot_be_reached_cannot_be_changed() -> None:
    company = company_after(30, customers=1500)
    table = told(company, 30, worlds=1, value_days=1)
    who = company.people.positions(table["customer_id"].to_pylist())
    assert not table["effect_retention_call"].to_numpy()[~company.people.has_phone[who]].any()
    assert not table["effect_loyalty_offer"].to_numpy()[~company.people.has_email[who]].any()


def test_lifetime_value_is_the_margin_of_the_days_that_are_left() -> None:
    company = company_after(30, customers=800, scenario="harmful_campaign")
    table = told(company, 30, worlds=1, value_days=365, discount=0)
    who = company.people.positions(table["customer_id"].to_pylist())
    today = company.today(company.played_until + timedelta(days=1))
    per_day = company.trade.margin_per_day(today)[who]
    hazard = company.scenario.constant_hazard
    assert hazard is not None
    # With today's prices it would be a geometric series; price rounds and larger plans raise some of them.
    series = per_day * (1 - (1 - hazard) ** 365) / hazard
    ratio = table["lifetime_value"].to_numpy() / series
    assert ratio.min() > 1 - 1e-9
    assert np.median(ratio) < 1.1


def test_whoever_cancelled_is_absent_and_whoever_is_silent_is_not() -> None:
    telecom = company_after(90, customers=500)
    assert told(telecom, 5, worlds=1, value_days=1).num_rows == len(active(telecom))
    bank = company_after(90, "bank", customers=500)
    table = told(bank, 5, worlds=1, value_days=1)
    assert table.num_rows == bank.people.known_on(bank.played_until.toordinal()) > len(active(bank))


def test_asking_for_the_truth_changes_nothing_and_needs_yesterday() -> None:
    company, twin = company_after(30, customers=300), company_after(30, customers=300)
    told(company, 30, worlds=1, value_days=40)
    for one in (company, twin):
        play_on(one, 30)
    assert (company.lives.left_on == twin.lives.left_on).all()
    assert company.feeds(company.played_until).keys() == twin.feeds(twin.played_until).keys()
    with pytest.raises(ValueError, match=r"as_of: the company was played until .* Play it until the day before"):
        truth(company, company.played_until, 30)


def test_two_truths_are_equal() -> None:
    company = company_after(30, customers=300)
    assert told(company, 20, worlds=2, value_days=30).equals(told(company, 20, worlds=2, value_days=30))
