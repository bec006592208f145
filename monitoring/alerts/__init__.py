"""Alerts: what a person must hear of, told once, silenced by whoever takes care of it, and closed when it is over.

:func:`raise_alerts` does a day: rules (:mod:`~monitoring.alerts.rules`) are asked
(:mod:`~monitoring.alerts.evaluating`) about what is seen (:mod:`~monitoring.alerts.seeing`), and what happens
(:mod:`~monitoring.alerts.changing`) is kept in the table ``alerts`` and told through the channels
(:mod:`~monitoring.alerts.channels`). :func:`read_alerts` reads it back. ``docs/runbook.md`` says what to do.
"""

from monitoring.alerts.acknowledging import acknowledge, alert_named
from monitoring.alerts.raising import AlertedDay, raise_alerts, try_channels
from monitoring.alerts.states import Alert, Event, Sent, read_alerts

__all__ = [
    "Alert",
    "AlertedDay",
    "Event",
    "Sent",
    "acknowledge",
    "alert_named",
    "raise_alerts",
    "read_alerts",
    "try_channels",
]
