"""Small groups are not shown, nor what would give them away."""

from hypothesis import given
from hypothesis import strategies as st

from monitoring.cells import MINIMUM_CELL, hidden, shown_count


@given(st.lists(st.integers(0, 30), max_size=8))
def test_a_hidden_cell_cannot_be_worked_out_from_the_total(counts):
    marks = hidden(counts)
    assert all(mark or count == 0 or count >= MINIMUM_CELL for count, mark in zip(counts, marks, strict=True))
    small = sum(0 < count < MINIMUM_CELL for count in counts)
    others = sum(count >= MINIMUM_CELL for count in counts)
    if small == 1 and others:
        assert sum(marks) == 2
    if small == 0:
        assert not any(marks)


def test_nobody_is_shown_and_few_are_not():
    assert [shown_count(n) for n in (0, 1, 4, 5)] == [0, None, None, 5]
