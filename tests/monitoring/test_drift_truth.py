"""Drift that does not cry wolf: 200 days on which nothing changes, and days on which something does.

The days of a company are not independent, nor are its weeks: the same customers, and one reference for all of them. So
the bound counts companies x features, each with a share of alarmed weeks in [0, 1]; a sum of n such shares with a mean
of at most q exceeds k with a chance of at most ``exp(-n KL(k/n, q))``, like a binomial (Hoeffding 1963, theorem 1).
"""

from math import log

import numpy as np
import pytest
from scipy import stats

from holdback.tables import TABLES
from holdback.warehouse import Lake
from monitoring.drift import ColumnBins, Reference, day_drift
from tests.monitoring.drifting import KINDS, PLANTED, Unchanging, drift, planted

WEEK_BAR = 0.01
"""Most false alarms per feature and week."""
POWER_BAR = 0.95
REFUTED = 0.001
"""Chance of refuting a bar that holds."""
DAYS = 200


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path, TABLES, threads=1)


def most_alarmed(units):
    """Largest sum of shares of alarmed weeks over independent units that does not refute the bar."""
    allowed = 0.0
    for k in np.arange(0.0, units, 0.01):
        x = max(k / units, WEEK_BAR)
        divergence = x * log(x / WEEK_BAR) + (1 - x) * log((1 - x) / (1 - WEEK_BAR))
        if units * divergence > -log(REFUTED):
            return allowed
        allowed = float(k)
    return allowed


def alarmed_weeks(lake, seed, customers):
    """Share of weeks with an alarm, by feature, over 200 days of one company."""
    world = Unchanging(seed, customers)
    reference = world.learned(KINDS, lake)
    alarms = {name: set() for name in KINDS}
    for day in range(DAYS):
        for column in drift(lake, reference, world.described()).drifted:
            alarms[column.name].add(day // 7)
        world.pass_days()
    return {name: len(weeks) / (DAYS / 7) for name, weeks in alarms.items()}


def test_a_fortnight_without_change_raises_no_alarm(lake):
    world = Unchanging([31, 0], 2_000)
    reference = world.learned(KINDS, lake)
    alarms = []
    for _ in range(14):
        alarms += [column.name for column in drift(lake, reference, world.described()).drifted]
        world.pass_days()
    assert len(set(alarms)) <= most_alarmed(len(KINDS))


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("customers", "companies"), [(2_500, 4), (500, 4)])
def test_in_200_days_without_change_a_feature_alarms_in_one_week_of_a_hundred_at_most(lake, customers, companies):
    shares = [alarmed_weeks(lake, [37, customers, company], customers) for company in range(companies)]
    found = {name: sum(each[name] for each in shares) for name in KINDS}
    assert sum(found.values()) <= most_alarmed(companies * len(KINDS)), found


def one_column(seed, customers, *, companies):
    """Weeks with an alarm of one column alone, whose days have nothing in common but the reference: the worst case."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.095] * 10 + [0.05])
    weeks = []
    for _ in range(companies):
        column = ColumnBins("x", "number", tuple(rng.multinomial(customers, shares)), edges=tuple(map(float, range(9))))
        reference = Reference((column,), customers, customers)
        alarmed = set()
        for day in range(DAYS):
            counts = {"x": rng.multinomial(customers, shares).tolist()}
            if day_drift(reference, counts, row_count=customers).drifted:
                alarmed.add(day // 7)
        weeks.append(len(alarmed) / (DAYS / 7))
    return weeks


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize("customers", [100, 300, 1_000])
def test_one_feature_by_itself_alarms_no_more_often(customers):
    # Before each column had a limit of its own this was 2 to 10 weeks of a hundred.
    weeks = one_column([41, customers], customers, companies=150)
    assert sum(weeks) <= most_alarmed(len(weeks))


def found_in(lake, worlds, customers):
    found = dict.fromkeys(PLANTED, 0)
    for number in range(worlds):
        world = Unchanging([43, customers, number], customers)
        reference = world.learned(KINDS, lake, outlier=True)
        columns = planted(world, np.random.default_rng([47, customers, number]))
        findings = {column.name: column.findings for column in drift(lake, reference, columns).columns}
        for name, (column, finding) in PLANTED.items():
            found[name] += finding in findings[column]
    return found


def test_planted_changes_are_found_among_the_same_customers(lake):
    found = found_in(lake, 8, 2_500)
    least = stats.binom.ppf(REFUTED, 8, POWER_BAR)
    assert {name: count for name, count in found.items() if count < least} == {}


@pytest.mark.slow
@pytest.mark.truth
@pytest.mark.parametrize(("customers", "worlds"), [(2_000, 100), (5_000, 40)])
def test_each_planted_change_is_found_on_95_days_of_a_hundred(lake, customers, worlds):
    found = found_in(lake, worlds, customers)
    least = stats.binom.ppf(REFUTED, worlds, POWER_BAR)
    assert {name: count for name, count in found.items() if count < least} == {}
