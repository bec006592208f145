"""What was measured of each campaign, once a day: planned beside found, with everything that it takes to believe it.

:mod:`~monitoring.measurement.questions` says what is asked today, :mod:`~monitoring.measurement.checks` whether it can
be believed, :mod:`~monitoring.measurement.figures` what may be said, :mod:`~monitoring.measurement.measuring` does it.
"""

from monitoring.measurement.measuring import HARM_ALPHA, Measurement, measure
from monitoring.measurement.metrics import metrics_of, unit_of
from monitoring.measurement.readings import Figure, Reading
from monitoring.measurement.storing import measured_on, official_effects, stored_checks, stored_effects

__all__ = [
    "HARM_ALPHA",
    "Figure",
    "Measurement",
    "Reading",
    "measure",
    "measured_on",
    "metrics_of",
    "official_effects",
    "stored_checks",
    "stored_effects",
    "unit_of",
]
