"""Chance that is the same on every machine: a number for each (seed, purpose, day, customer).

The simulator never draws "the next" number of a stream. Each number is a function of what it is for, so a decision that
changes one customer's life changes nobody else's luck (common random numbers), whatever is drawn elsewhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, figure 14). It is written
# out because NumPy promises no equal streams between its versions; whole numbers give the same bits everywhere.
_GAMMA = 0x9E3779B97F4A7C15
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def split_mix(start: int, places: Integers) -> npt.NDArray[np.uint64]:
    """Return the numbers that stand at some places (from 0) of the SplitMix64 sequence that begins at ``start``.

    Examples:
        >>> int(split_mix(1234567, np.array([0]))[0])
        6457827717110365317
    """
    state = places.astype(np.uint64)
    state *= np.uint64(_GAMMA)
    state += np.uint64((start + _GAMMA) % 2**64)
    shifted = state >> np.uint64(30)
    state ^= shifted
    state *= _FIRST
    np.right_shift(state, np.uint64(27), out=shifted)
    state ^= shifted
    state *= _SECOND
    np.right_shift(state, np.uint64(31), out=shifted)
    state ^= shifted
    return state


@dataclass(frozen=True)
class Chance:
    """A world's luck.

    Args:
        world: Names the world; another name is another, independent world.

    Examples:
        >>> luck = Chance("telecom/7")
        >>> one = luck.uniform("leave", 738000, np.array([4, 5]))
        >>> bool(one[1] == luck.uniform("leave", 738000, np.array([5]))[0])
        True
    """

    world: str

    def uniform(self, purpose: str, day: int, customers: Integers) -> Floats:
        """Return one number in [0, 1) for each customer.

        Args:
            purpose: What it decides; purposes are independent of each other.
            day: Ordinal of the day (``date.toordinal``); 0 for what is decided once for ever.
            customers: Positions of the customers, from 0.
        """
        name = f"{self.world}/{purpose}/{day}".encode()
        start = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")
        bits = split_mix(start, customers)
        bits >>= np.uint64(11)
        return bits.astype(np.float64) * _TO_UNIT

    def bell(self, purpose: str, day: int, customers: Integers) -> Floats:
        """Return numbers of mean 0 and standard deviation 1, bell-shaped, within [-3, 3]: the sum of three uniforms."""
        parts = [self.uniform(f"{purpose}/{part}", day, customers) for part in range(3)]
        return (parts[0] + parts[1] + parts[2] - 1.5) * 2.0

    def choice(self, purpose: str, day: int, customers: Integers, shares: npt.ArrayLike) -> Integers:
        """Return an option for each customer; ``shares`` are those of the options, or one row of shares per customer.

        Examples:
            >>> Chance("x").choice("coin", 0, np.arange(3), [0.0, 1.0]).tolist()
            [1, 1, 1]
        """
        heights = np.cumsum(np.atleast_2d(np.asarray(shares, dtype=np.float64)), axis=1)
        drawn = self.uniform(purpose, day, customers)[:, None]
        found: Integers = (drawn >= heights[:, :-1] / heights[:, -1:]).sum(axis=1)
        return found
