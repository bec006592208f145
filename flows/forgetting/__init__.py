"""What is held about one person, and how it is removed everywhere; docs/people.md tells it for people.

:func:`held_about` answers an access request, :func:`forget` an erasure request, :func:`welcome_back` ends one.
"""

from flows.forgetting.forgetting import Forgotten, forget, welcome_back
from flows.forgetting.holdings import Held, count_held, held_about

__all__ = ["Forgotten", "Held", "count_held", "forget", "held_about", "welcome_back"]
