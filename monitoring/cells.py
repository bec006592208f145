"""No page shows a group so small that it could point at somebody."""

from __future__ import annotations

from collections.abc import Sequence

MINIMUM_CELL = 5
"""Fewest customers that a page shows as a group."""


def hidden(counts: Sequence[int]) -> tuple[bool, ...]:
    """Say which cells of a whole must not be shown.

    Those of 1 to 4 customers; and when that is a single cell, the next smallest too, as the first could be worked out
    from the total. Empty cells are nobody and are shown.

    Examples:
        >>> hidden([3, 120, 40])
        (True, False, True)
        >>> hidden([3, 2, 120])
        (True, True, False)
        >>> hidden([0, 120, 40])
        (False, False, False)
    """
    marks = [0 < count < MINIMUM_CELL for count in counts]
    if sum(marks) == 1:
        others = [i for i, count in enumerate(counts) if not marks[i] and count > 0]
        if others:
            marks[min(others, key=lambda i: counts[i])] = True
    return tuple(marks)


def shown_count(count: int) -> int | None:
    """Return a count that may be shown, or None when the group is too small."""
    return None if 0 < count < MINIMUM_CELL else count
