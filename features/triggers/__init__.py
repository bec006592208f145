"""Triggers: what must happen to a customer for somebody to act at once.

- :func:`evaluate` says for whom a trigger's condition holds at an instant, as known then, with the branch that it takes
  (:func:`examine` says besides what had to be learned, and what is not known yet);
- :func:`fire` asks all triggers, minds their cooldowns, and writes down for whom they fire; :func:`fired` reads it;
- :func:`is_flooded` says when a trigger fires far too often.

The kinds: :mod:`~features.triggers.drops` (and :mod:`~features.triggers.destinations`, where the money went),
:mod:`~features.triggers.overdue`, :mod:`~features.triggers.due` (and :mod:`~features.triggers.ages`, learned),
:mod:`~features.triggers.scores`, :mod:`~features.triggers.counts`.
"""

from features.triggers.ages import LearnedAge, learned_ages
from features.triggers.asking import Asked
from features.triggers.evaluating import Evaluation, evaluate, examine, trigger_sql
from features.triggers.firing import FiredDay, FiredTrigger, asked_last, fire, fired
from features.triggers.flooding import is_flooded

__all__ = [
    "Asked", "Evaluation", "FiredDay", "FiredTrigger", "LearnedAge", "asked_last", "evaluate", "examine", "fire",
    "fired", "is_flooded", "learned_ages", "trigger_sql",
]  # fmt: skip
