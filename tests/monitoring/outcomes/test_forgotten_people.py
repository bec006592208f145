"""Who was forgotten counts in his group as drawn, and his outcome is missing: never stayed, never gone."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from monitoring.effects.missing import coverage
from monitoring.effects.moments import moments_of
from monitoring.outcomes import Cohort, Outcomes, read_outcomes
from monitoring.outcomes.found import GROUPS, TOTALS
from monitoring.proportions import newcombe
from tests.features.world import Row
from tests.monitoring.outcomes.company import AS_OF, KINDS, Past, assigned, company, contract, noon, warehouse
from tests.monitoring.outcomes.test_traps import ENTRY, HORIZON, LATER, LONG_AGO

_PEOPLE = {"customer_id", "unit_id"}


def rows_after(past: Past, gone: set[str], *, with_ledger: bool) -> dict[str, list[Row]]:
    """What a forgetting leaves; without the ledger's rows too, a past in which they never were."""
    named = {name: f"forgotten:{name}" for name in gone}
    left: dict[str, list[Row]] = {}
    for table, rows in past.rows.items():
        if table == "ledger" and with_ledger:
            left[table] = [{**r, **{k: named.get(r[k], r[k]) for k in _PEOPLE & set(r)}} for r in rows]
        elif table == "superseded":
            left[table] = [row for row in rows if row["old"].get("customer_id") not in gone]
        else:
            left[table] = [row for row in rows if row.get("customer_id") not in gone]
    return left


def read(kind: str, rows: dict[str, list[Row]]) -> Outcomes:
    business = company(kind)
    return read_outcomes(warehouse(business, **rows), business, Cohort("spring", 1, business.churn[0], 30, None), AS_OF)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_are_as_drawn_and_outcomes_are_those_of_everybody_else(kind: str) -> None:
    past = Past(7)
    gone = {"c005", "c011", "c021", "c033", "c044"}
    before = read(kind, past.rows)
    found = read(kind, rows_after(past, gone, with_ledger=True))
    never = read(kind, rows_after(past, gone, with_ledger=False))
    assert found.maturity.assigned_count == before.maturity.assigned_count
    assert found.entries.equals(before.entries)
    for group in GROUPS:
        ours, theirs = found.groups[group], never.groups[group]
        for total in TOTALS:
            if total != "present":
                assert ours.total(total) == pytest.approx(theirs.total(total), abs=1e-6), total
    present = sum(found.groups[group].total("present") for group in GROUPS)
    assert present > sum(never.groups[group].total("present") for group in GROUPS)
    assert any("were forgotten since they were assigned" in note for note in found.notes)
    assert not any("forgotten" in note for note in before.notes)


def test_who_was_forgotten_neither_stayed_nor_left() -> None:
    business = company("inactivity")
    ledger = [assigned("forgotten:1", "treatment", ENTRY), assigned("ana", "treatment", ENTRY)]
    tills = [{"customer_id": "ana", "event_at": noon(ENTRY + timedelta(days=9)), "amount_cents": 100}]
    tills.append({"customer_id": "later", "event_at": noon(ENTRY + timedelta(days=40)), "amount_cents": 100})
    deals = [contract("ana", "start", LONG_AGO), LATER]
    cohort = Cohort("spring", 1, business.churn[0], HORIZON, None)
    held = warehouse(business, ledger=ledger, tills=tills, deals=deals)
    moments = read_outcomes(held, business, cohort, ENTRY + timedelta(days=60)).groups["treatment"]
    assert [moments.total(name) for name in ("present", "customers", "known", "churned")] == [2, 1, 1, 0]


# --------------------------------------------------------------------------------------------- many worlds, in numbers

WORLDS = 400
TREATED, HELD = 4_000, 2_000
RATES = {"treatment": 0.17, "holdout": 0.20}
#: By group: how many there are, of how many the outcome is known, and how many of those left.
Found = dict[str, tuple[int, int, int]]


def world(rng: np.random.Generator, rates: dict[str, float], forgotten: dict[str, tuple[float, float]]) -> Found:
    """Draw who leaves, and who is forgotten: by chance, of those who stay and of those who leave."""
    found: Found = {}
    for group, size in (("treatment", TREATED), ("holdout", HELD)):
        leaves = rng.random(size) < rates[group]
        of_stayers, of_leavers = forgotten[group]
        known = rng.random(size) >= np.where(leaves, of_leavers, of_stayers)
        found[group] = (size, int(known.sum()), int((leaves & known).sum()))
    return found


def verdict_of(found: Found) -> str:
    groups = {}
    for group, (size, known, _) in found.items():
        flags = np.zeros(size)
        flags[:known] = 1
        groups[group] = moments_of({"present": np.ones(size), "known": flags})
    return coverage(groups).verdict


def covered(found: Found, truth: float) -> bool:
    """Does the interval of treatment minus holdout, among those who are known, hold the truth?"""
    (_, known, gone), (_, held, left) = found["treatment"], found["holdout"]
    effect = newcombe((left, held), (gone, known))
    return effect.low <= truth <= effect.high


def test_forgotten_at_random_the_interval_holds_the_truth_as_often_as_it_promises() -> None:
    """Of 400 worlds a 95 % interval covers 0.917 to 0.983 (three standard errors of a binomial share)."""
    rng = np.random.default_rng(1)
    alike = {"treatment": (0.05, 0.05), "holdout": (0.05, 0.05)}
    worlds = [world(rng, RATES, alike) for _ in range(WORLDS)]
    share = np.mean([covered(one, RATES["treatment"] - RATES["holdout"]) for one in worlds])
    assert 0.917 <= share <= 0.983
    assert sum(verdict_of(one) == "failed" for one in worlds) <= 3  # p < .001 and a point apart: hardly ever by chance


def test_when_nothing_has_an_effect_nothing_is_found() -> None:
    """400 worlds without an effect, 5 % forgotten: a 95 % interval is off zero in 1.7 % to 8.3 % of them."""
    rng = np.random.default_rng(2)
    alike = {"treatment": (0.05, 0.05), "holdout": (0.05, 0.05)}
    same = dict.fromkeys(RATES, 0.20)
    off = np.mean([not covered(world(rng, same, alike), 0.0) for _ in range(WORLDS)])
    assert 0.017 <= off <= 0.083


def test_forgotten_more_often_in_treatment_the_effect_is_withheld() -> None:
    """A contact makes leavers ask to be forgotten: the effect among the known is wrong, and is not shown.

    10 % of the treated against 5 % of those held out: a difference of 5 points has a standard error of about 0.7.
    """
    rng = np.random.default_rng(3)
    torn = {"treatment": (0.05, 0.30), "holdout": (0.05, 0.05)}
    worlds = [world(rng, dict.fromkeys(RATES, 0.20), torn) for _ in range(100)]
    assert np.mean([covered(one, 0.0) for one in worlds]) < 0.5  # it would deceive
    assert all(verdict_of(one) == "failed" for one in worlds)
