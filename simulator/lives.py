"""What changes in a customer from day to day: mood, fading interest, what prices and contacts left behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.chance import Chance, Flags, Floats, Integers
from simulator.people import People
from simulator.scenarios import Scenario

#: The mood in which nothing pulls a customer either way, on a scale from 0 to 1.
EVEN_MOOD = 0.62

_MOOD_RETURNS = 0.012
_FADES_PER_DAY, _RECOVERS_PER_DAY, _FADE_SPEED = 0.0013, 1 / 140, 0.045
_PAIN_LASTS_DAYS, _FATIGUE_LASTS_DAYS = 45.0, 30.0
_FATIGUE_FREE, _FATIGUE_WEIGHT = 1.5, 0.35
_FADE_WEIGHT, _MOOD_WEIGHT, _PAIN_WEIGHT = 2.3, 4.5, 0.8


@dataclass
class Lives:
    """Hidden state, one entry per customer.

    Args:
        is_active: True for those who are customers (and, where customers just stay away, have not).
        has_consent: True until the customer opts out.
        usual_mood: Where the mood returns to.
        mood: Satisfaction in [0, 1].
        is_fading: True while interest wanes.
        fade: How far it has waned, in [0, 1].
        pain: What is left of a price increase; 1 on its day.
        nudge: What is left of contacts, as a shift of the log hazard.
        fatigue: Contacts that are still remembered.
        left_on: Ordinal of the day on which the customer left; 0 for nobody.
    """

    is_active: Flags
    has_consent: Flags
    usual_mood: Floats
    mood: Floats
    is_fading: Flags
    fade: Floats
    pain: Floats
    nudge: Floats
    fatigue: Floats
    left_on: Integers

    @classmethod
    def begin(cls, chance: Chance, people: People) -> Lives:
        """Start everybody's life in the state in which a company finds its customers."""
        everyone = np.arange(len(people), dtype=np.int64)
        usual = np.clip(EVEN_MOOD + 0.10 * chance.bell("life/mood", 0, everyone), 0.15, 0.95)
        is_fading = chance.uniform("life/fading", 0, everyone) < 0.08
        zero = np.zeros(len(people))
        return cls(
            is_active=np.ones(len(people), dtype=np.bool_),
            has_consent=people.has_consent.copy(),
            usual_mood=usual,
            mood=usual.copy(),
            is_fading=is_fading,
            fade=np.where(is_fading, chance.uniform("life/fade", 0, everyone), 0.0),
            pain=zero.copy(),
            nudge=zero.copy(),
            fatigue=zero.copy(),
            left_on=np.zeros(len(people), dtype=np.int64),
        )

    def pass_a_day(self, chance: Chance, day: int, everyone: Integers, scenario: Scenario) -> None:
        """Let memories fade and interest wane or return."""
        first = slice(0, len(everyone))
        mood, fade = self.mood[first], self.fade[first]
        mood += (self.usual_mood[first] - mood) * _MOOD_RETURNS
        drawn = chance.uniform("life/turns", day, everyone)
        begins = drawn < _FADES_PER_DAY * np.maximum(1 + 2.5 * (EVEN_MOOD - mood), 0.2)
        self.is_fading[first] = np.where(self.is_fading[first], drawn >= _RECOVERS_PER_DAY, begins)
        fade += (self.is_fading[first] - fade) * _FADE_SPEED
        self.pain[first] *= np.exp(-1 / _PAIN_LASTS_DAYS)
        self.nudge[first] *= np.exp(-1 / scenario.fades_after_days)
        self.fatigue[first] *= np.exp(-1 / _FATIGUE_LASTS_DAYS)

    def pull(self, everyone: Integers, scenario: Scenario, *, has_changed: bool) -> Floats:
        """Return each customer's log hazard of leaving, against that of an even mood."""
        first = slice(0, len(everyone))
        total = self.fade[first] * (0.0 if has_changed else _FADE_WEIGHT)
        total += (EVEN_MOOD - self.mood[first]) * _MOOD_WEIGHT
        total += self.pain[first] * (_PAIN_WEIGHT * (2.0 if has_changed else 1.0))
        total += self.nudge[first]
        if scenario.response == "by_kind":
            total += np.maximum(self.fatigue[first] - _FATIGUE_FREE, 0.0) * _FATIGUE_WEIGHT
        return total

    def upset(self, customers: Integers, by: Floats | float) -> None:
        """Lower the mood of some customers, each named once."""
        self.mood[customers] = np.clip(self.mood[customers] - by, 0.02, 0.98)
