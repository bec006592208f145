"""Effects: what an action changed, from moments and counts, by methods with known answers: functions of numbers."""

from __future__ import annotations

from monitoring.effects.moments import Moments, moments_of
from monitoring.effects.results import Arm, Effect, Maturity

__all__ = ["Arm", "Effect", "Maturity", "Moments", "moments_of"]
