"""When a server that ends is started again: soon, then ever later, and at last every ten minutes."""

from __future__ import annotations

from collections.abc import Sequence

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
MOST_RESTARTS = 5
WITHIN_SECONDS = 600.0
#: A server that failed is still tried: what was missing at night may be there in the morning.
SLOW_PAUSE_SECONDS = 600.0


def pause_before_restart(ended_at: Sequence[float], now: float) -> float:
    """Return the seconds to wait before a server is started again: the long pause when it ended too often.

    Args:
        ended_at: When it ended, oldest first, this time included, in seconds of any clock.
        now: Now, by the same clock.

    Examples:
        >>> [pause_before_restart([0.0] * count, 0.0) for count in (1, 2, 3, 5, 6)]
        [1.0, 2.0, 4.0, 16.0, 600.0]
        >>> pause_before_restart([0.0, 0.0, 0.0, 0.0, 0.0, 700.0], 700.0)
        1.0
    """
    recent = sum(1 for at in ended_at if now - at <= WITHIN_SECONDS)
    if recent > MOST_RESTARTS:
        return SLOW_PAUSE_SECONDS
    return float(min(FIRST_PAUSE_SECONDS * 2 ** (recent - 1), LONGEST_PAUSE_SECONDS))
