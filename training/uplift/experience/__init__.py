"""What a company has tried: customers who got an action or nothing, with the probabilities that were written down.

- :mod:`~training.uplift.experience.entries`: who entered a campaign, and with which probabilities what was drawn;
- :mod:`~training.uplift.experience.aims`: to which outcome each campaign follows its customers;
- :mod:`~training.uplift.experience.became`: what became of them;
- :mod:`~training.uplift.experience.described`: what was known of them when they entered;
- :mod:`~training.uplift.experience.logged`: all of it, for what is worth comparing with one another;
- :mod:`~training.uplift.experience.reading`: one trial per action.
"""

from training.uplift.experience.aims import Aim
from training.uplift.experience.logged import Logged, read_logged
from training.uplift.experience.reading import Experience, capacity_share, read_trials

__all__ = ["Aim", "Experience", "Logged", "capacity_share", "read_logged", "read_trials"]
