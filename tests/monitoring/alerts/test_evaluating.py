"""When a line is crossed: by a figure, by the nearer end of its interval, for so many days."""

from datetime import date, timedelta

import numpy as np
import pytest

from monitoring.alerts.evaluating import Figure, Status, evaluate, judge
from monitoring.alerts.rules import Rule
from monitoring.history.reading import DayValue
from monitoring.proportions import wilson

DAY = date(2026, 3, 10)


def rule(**changes: object) -> Rule:
    told: dict[str, object] = {
        "name": "own", "metric": "churn_rate", "about": None, "above": 0.10, "below": None, "severity": "warning",
        "channels": (),
    }  # fmt: skip
    return Rule(**{**told, **changes})  # type: ignore[arg-type]


def figure(*values: tuple[float, float, float] | float | None, metric: str = "churn_rate", about: str = "") -> Figure:
    """The last days up to today; None is a day without a value, -1.0 a day that is not there."""
    days = []
    for back, told in enumerate(reversed(values)):
        if told == -1.0:
            continue
        value, low, high = told if isinstance(told, tuple) else (told, None, None)
        days.append(DayValue(DAY - timedelta(days=back), value, low, high))
    return Figure(metric, about, tuple(reversed(days)))


@pytest.mark.parametrize(
    ("told", "status"),
    [
        (0.11, "crossed"),
        (0.10, "within"),  # the line itself is not crossed
        ((0.12, 0.101, 0.14), "crossed"),
        ((0.12, 0.10, 0.14), "unclear"),
        ((0.12, 0.08, 0.16), "unclear"),
        ((0.09, 0.05, 0.13), "within"),
        (None, "no value"),
        (-1.0, "no value"),
    ],
)
def test_the_nearer_end_must_be_beyond_the_line(
    told: tuple[float, float, float] | float | None, status: Status
) -> None:
    assert judge(rule(), figure(told), DAY).status == status


def test_below_looks_at_the_upper_end() -> None:
    low = rule(above=None, below=0.10)
    assert judge(low, figure((0.08, 0.06, 0.099)), DAY).status == "crossed"
    assert judge(low, figure((0.08, 0.06, 0.11)), DAY).status == "unclear"
    assert judge(low, figure((0.11, 0.06, 0.16)), DAY).status == "within"


def test_a_rule_may_look_at_the_figure_alone() -> None:
    assert judge(rule(beyond_chance=False), figure((0.12, 0.08, 0.16)), DAY).status == "crossed"


@pytest.mark.parametrize(
    ("values", "status", "since_days_ago"),
    [
        ((0.2, 0.2, 0.2), "crossed", 2),
        ((0.2, 0.2), "unclear", 1),  # too few days so far
        ((0.2, -1.0, 0.2, None, 0.2), "crossed", 4),  # days without a value count for nothing
        ((0.2, 0.2, 0.0, 0.2), "unclear", 0),
        ((0.2, 0.2, 0.2, 0.0), "within", None),
    ],
)
def test_so_many_days_with_a_value_one_after_the_other(
    values: tuple[float | None, ...], status: Status, since_days_ago: int | None
) -> None:
    found = judge(rule(for_days=3), figure(*values), DAY)
    since = DAY - timedelta(days=since_days_ago) if since_days_ago is not None else None
    assert (found.status, found.since) == (status, since)


def test_a_band_has_two_lines() -> None:
    band = rule(above=1.25, below=0.8)
    assert [judge(band, figure(value), DAY).line for value in (2.0, 1.2, 0.9, 0.1)] == [1.25, 1.25, 0.8, 0.8]
    assert [judge(band, figure(value), DAY).status for value in (2.0, 1.2, 0.9, 0.1)] == [
        "crossed", "within", "within", "crossed",
    ]  # fmt: skip


def test_far_beyond_is_critical() -> None:
    late = rule(metric="feed_age_days", above=3, critical_above=6)
    told = [judge(late, figure(age, metric="feed_age_days"), DAY).severity for age in (4, 6, 7)]
    assert told == ["warning", "warning", "critical"]


def test_of_each_and_all_together_each_one_is_told() -> None:
    named, together = figure(0.5, metric="quarantined_share", about="tills"), figure(0.5, metric="quarantined_share")
    each, all_together = rule(metric="quarantined_share"), rule(metric="quarantined_share", about="")
    assert [found.about for found in evaluate([each], [together, named], DAY)] == ["tills"]
    assert [found.about for found in evaluate([all_together], [together, named], DAY)] == [""]


def test_chance_wakes_nobody_as_often_as_the_interval_promises() -> None:
    # The true rate lies exactly on the line: the lower end of a 95 % interval lies above it in 1 day of 40. 4,000 days:
    # binomial(4000, 0.025) is below 125 with a probability of 99.5 %; the figure alone crosses on every other day.
    rng = np.random.default_rng(7)
    counts = rng.binomial(1000, 0.10, size=4000)
    crossed = {True: 0, False: 0}
    for count in counts:
        share = wilson(int(count), 1000)
        for sure in crossed:
            found = judge(rule(beyond_chance=sure), figure((share.share, share.low, share.high)), DAY)
            crossed[sure] += found.status == "crossed"
    assert crossed[True] <= 125
    assert crossed[False] > 1500
