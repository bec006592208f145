from __future__ import annotations

import math

import numpy as np
import pytest

from simulator.chance import Chance, split_mix

EVERYONE = np.arange(40_000, dtype=np.int64)


def test_the_sequence_is_split_mix_64() -> None:
    # The reference implementation's first outputs for seed 1234567 (S. Vigna, prng.di.unimi.it/splitmix64.c).
    assert split_mix(1234567, np.arange(5, dtype=np.int64)).tolist() == [
        6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821,
    ]  # fmt: skip


@pytest.mark.parametrize("purpose", ["leave", "ticket"])
def test_numbers_are_uniform(purpose: str) -> None:
    drawn = Chance("a").uniform(purpose, 738_000, EVERYONE)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    # Kolmogorov-Smirnov: the largest gap to the diagonal exceeds 1.95/sqrt(n) once in a thousand samples.
    gap = np.abs(np.sort(drawn) - (EVERYONE + 0.5) / len(EVERYONE)).max()
    assert gap < 1.95 / math.sqrt(len(EVERYONE))


def test_days_purposes_customers_and_worlds_are_independent() -> None:
    base = Chance("a").uniform("leave", 5, EVERYONE)
    others = [
        Chance("a").uniform("leave", 6, EVERYONE),
        Chance("a").uniform("stay", 5, EVERYONE),
        Chance("b").uniform("leave", 5, EVERYONE),
        np.roll(base, 1),
    ]
    for other in others:  # correlation of independent samples: standard error 1/sqrt(n), four of them
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 / math.sqrt(len(EVERYONE))


def test_a_customers_luck_does_not_depend_on_who_else_is_asked() -> None:
    chance = Chance("a")
    some = np.array([7, 30_000, 11], dtype=np.int64)
    assert chance.uniform("leave", 5, some).tolist() == chance.uniform("leave", 5, EVERYONE)[some].tolist()


def test_a_bell_has_mean_0_and_deviation_1() -> None:
    drawn = Chance("a").bell("mood", 0, EVERYONE)
    assert abs(drawn.mean()) < 4 / math.sqrt(len(EVERYONE))
    # The variance of a sample variance is (kurtosis - 1)/n; the sum of three uniforms has kurtosis 2.6.
    assert abs(drawn.var() - 1) < 4 * math.sqrt(1.6 / len(EVERYONE))


def test_choices_have_their_shares_and_may_differ_by_customer() -> None:
    shares = np.array([0.2, 0.5, 0.3])
    chosen = Chance("a").choice("segment", 0, EVERYONE, shares)
    found = np.bincount(chosen, minlength=3) / len(EVERYONE)
    assert (np.abs(found - shares) < 4 * np.sqrt(shares * (1 - shares) / len(EVERYONE))).all()
    rows = np.where(EVERYONE[:, None] % 2 == 0, [1.0, 0.0], [0.0, 1.0])
    assert Chance("a").choice("side", 0, EVERYONE, rows).tolist() == (EVERYONE % 2).tolist()
