"""Two layers: independent, or drawn with one salt."""

from hashlib import blake2b

import numpy as np
import pytest
from scipy import stats

from monitoring.effects.independence import independence


def crossed(first_salt: str, second_salt: str, *, share: float = 0.1, units: int = 5_000) -> list[list[int]]:
    """The project's own drawing of both layers, crossed."""

    def is_held(unit: int, salt: str) -> bool:
        digest = blake2b(str(unit).encode(), key=salt.encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / 2**53 < share

    table = [[0, 0], [0, 0]]
    for unit in range(units):
        table[is_held(unit, first_salt)][is_held(unit, second_salt)] += 1
    return table


def test_the_same_salt_gives_a_correlation_of_one_and_fails() -> None:
    found = independence(crossed("shop/spring/1", "shop/spring/1"))
    assert found.correlation == pytest.approx(1.0)
    assert found.check.verdict == "failed"
    assert "salt" in found.finding


def test_different_salts_pass() -> None:
    found = independence(crossed("shop/spring/1", "shop/autumn/1"))
    assert found.verdict == "passed"
    assert "as chance has it" in found.finding


def test_the_probability_is_scipys() -> None:
    table = [[812, 95], [70, 23]]
    expected = stats.chi2_contingency(table, correction=False)
    found = independence(table)
    assert found.method == "chi-square"
    assert found.p_value == pytest.approx(float(expected.pvalue))
    assert found.correlation == pytest.approx(np.sqrt(expected.statistic / 1000))


def test_small_cells_are_judged_exactly() -> None:
    table = [[18, 1], [1, 4]]
    found = independence(table)
    assert found.method == "fisher"
    assert found.p_value == pytest.approx(float(stats.fisher_exact(table).pvalue))


@pytest.mark.parametrize("table", [[[0, 0], [0, 0]], [[9, 1], [5, 4]], [[900, 100], [0, 0]], [[900, 0], [100, 0]]])
def test_too_little_to_compare_is_not_checked(table: list[list[int]]) -> None:
    found = independence(table)
    assert (found.check.verdict, found.check.value) == ("not checked", None)


@pytest.mark.parametrize("table", [[[1, 2, 3], [4, 5, 6]], [[-1, 2], [3, 4]], [[float("nan"), 2], [3, 4]]])
def test_impossible_tables_are_refused(table: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="two by two"):
        independence(table)


@pytest.mark.slow
@pytest.mark.truth
def test_independent_layers_fail_in_one_of_a_thousand() -> None:
    """20,000 pairs of 90/10 layers with 5,000 units: at most 35 fail when the test is exact (P < 1e-3)."""
    rng = np.random.default_rng(21)
    worlds = 20_000
    cells = rng.multinomial(5_000, [0.81, 0.09, 0.09, 0.01], worlds).reshape(-1, 2, 2)
    assert stats.binom.sf(35, worlds, 0.001) < 1e-3
    assert sum(independence(table).verdict == "failed" for table in cells) <= 35
