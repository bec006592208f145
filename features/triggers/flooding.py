"""When a trigger fires far more often than it should: a fault of the data, not customers in need."""

from __future__ import annotations

from math import exp

from holdback.business import Trigger

#: So many times the expected volume is reported.
TOO_MANY_TIMES = 3

#: A trigger that fires less than this often by chance alone has not been hit by chance.
_RARE = 0.001


def is_flooded(trigger: Trigger, count: int, days: float) -> bool:
    """True when a trigger fired too often: over three times what is expected, and more than chance explains.

    Args:
        trigger: Says how often it should fire; nothing is too often for one that does not.
        count: How often it fired.
        days: In how many days.

    Of a trigger that should fire once in five days, two firings in one day are over three times as many, and nothing
    special: firings that come one by one (Poisson) do so now and then. Less than once in a thousand is special.
    """
    if trigger.expected_per_day is None:
        return False
    expected = trigger.expected_per_day * days
    return count > TOO_MANY_TIMES * expected and at_least(count, expected) < _RARE


def at_least(count: int, expected: float) -> float:
    """Return the Poisson probability of at least ``count`` events where ``expected`` are expected.

    Examples:
        >>> round(at_least(2, 0.5), 4)
        0.0902
        >>> at_least(1, 0.0)
        0.0
    """
    if count <= 0:
        return 1.0
    if expected > 500:  # where three times as many are impossible anyhow, and exp(-expected) ends
        return 0.0 if count > 2 * expected else 1.0
    term, below = exp(-expected), 0.0
    for number in range(count):
        below += term
        term *= expected / (number + 1)
        if number > expected and term < 1e-18:
            break
    return max(0.0, 1.0 - below)
