"""No page shows a group so small that it could point at somebody."""

from __future__ import annotations

from collections.abc import Sequence

MINIMUM_CELL = 5
"""Fewest customers that a page shows as a group."""


def hidden(counts: Sequence[int]) -> tuple[bool, ...]:
    """Say which cells of a whole must not be shown.

    Those of 1 to 4 customers; and as long as what is missing in the total is a single cell, or fewer customers than may
    be shown, the next smallest too. Empty cells are nobody and are shown.

    Examples:
        >>> hidden([3, 120, 40])
        (True, False, True)
        >>> hidden([3, 2, 120])
        (True, True, False)
        >>> hidden([1, 1, 120, 40])
        (True, True, False, True)
        >>> hidden([0, 120, 40])
        (False, False, False)
    """
    return tuple(completed(counts, [False] * len(counts)))


def completed(counts: Sequence[int], already: Sequence[bool]) -> list[bool]:
    """Say the same where some cells are hidden already, for another reason."""
    marks = [is_hidden or 0 < count < MINIMUM_CELL for count, is_hidden in zip(counts, already, strict=True)]
    while any(marks):
        missing = [count for count, is_hidden in zip(counts, marks, strict=True) if is_hidden]
        others = [i for i, count in enumerate(counts) if not marks[i] and count > 0]
        if (len(missing) > 1 and sum(missing) >= MINIMUM_CELL) or not others:
            break
        marks[min(others, key=lambda i: counts[i])] = True
    return marks


def hidden_grid(counts: Sequence[Sequence[int]]) -> tuple[tuple[bool, ...], ...]:
    """Say which cells of a table must not be shown beside the totals of its rows and columns.

    Rows and columns are each treated as by :func:`hidden`, until nothing more has to be hidden.

    Examples:
        >>> hidden_grid([[3, 50, 20], [40, 30, 10], [60, 70, 80]])
        ((True, False, True), (True, False, True), (False, False, False))
    """
    rows, columns = len(counts), len(counts[0]) if counts else 0
    marks = [[False] * columns for _ in range(rows)]
    while True:
        before = [list(row) for row in marks]
        for row in range(rows):
            _hide_more(counts[row], marks, [(row, column) for column in range(columns)])
        for column in range(columns):
            _hide_more([line[column] for line in counts], marks, [(row, column) for row in range(rows)])
        if marks == before:
            return tuple(tuple(row) for row in marks)


def _hide_more(counts: Sequence[int], marks: list[list[bool]], cells: Sequence[tuple[int, int]]) -> None:
    """Hide cells of one line, of which some may be hidden already, until its total gives nothing away."""
    own = completed(counts, [marks[row][column] for row, column in cells])
    for (row, column), is_hidden in zip(cells, own, strict=True):
        marks[row][column] = is_hidden


def shown_count(count: int) -> int | None:
    """Return a count that may be shown, or None when the group is too small."""
    return None if 0 < count < MINIMUM_CELL else count
