"""Why customers leave: what a model associates with it, what customers state, and what campaigns were measured to do.

- :mod:`~monitoring.causes.drivers`: grouped SHAP of the model in office, on a day and the days before it;
- :mod:`~monitoring.causes.stated`: reasons, topics and feedback of those who left, against those who stayed;
- :mod:`~monitoring.causes.control`: what the company can change;
- :mod:`~monitoring.causes.measured`: effects on churn, the only place where something "causes" something;
- :mod:`~monitoring.causes.finding`: all of it by theme and segment (``find_causes``).
"""

from monitoring.causes.control import CONTROLLABLE, control_of
from monitoring.causes.finding import find_causes
from monitoring.causes.results import (
    Asked,
    Causes,
    Driver,
    FeatureDriver,
    Figure,
    Level,
    Measured,
    Saying,
    SegmentCauses,
    Theme,
    Trend,
)
from monitoring.causes.vocabulary import family_named
from monitoring.causes.wording import measured_sentence

__all__ = [
    "CONTROLLABLE",
    "Asked",
    "Causes",
    "Driver",
    "FeatureDriver",
    "Figure",
    "Level",
    "Measured",
    "Saying",
    "SegmentCauses",
    "Theme",
    "Trend",
    "control_of",
    "family_named",
    "find_causes",
    "measured_sentence",
]
