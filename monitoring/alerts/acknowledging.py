"""A person says that an alert is known: nobody is told of it again until it is worse or over, or taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from holdback.commits import rows_of
from holdback.errors import DataError
from holdback.tables import TABLES
from holdback.workspace import Workspace
from monitoring.alerts.changing import Change
from monitoring.alerts.raising import LOCK, row_of
from monitoring.alerts.states import Alert, Event, read_alerts

_PATIENCE_SECONDS = 120


def acknowledge(
    workspace: Workspace, alert_id: str, *, by: str, note: str = "", undo: bool = False, now: datetime
) -> Alert:
    """Silence an alert until it is worse than now, or over; whoever did it and the note are kept.

    Args:
        workspace: The business.
        alert_id: The alert, or the beginning of its id.
        by: Who says so.
        note: What they know about it.
        undo: True to take it back: it is told again, as if nobody had silenced it.
        now: The instant, naive UTC.

    Returns:
        The alert as it stands now; one that was acknowledged before stays as it was.

    Raises:
        DataError: no alert, or more than one, has this id; or it is over.
        Busy: another process holds the alerts.
    """
    with workspace.lock(LOCK, wait_seconds=_PATIENCE_SECONDS):
        alerts = read_alerts(workspace.warehouse)
        alert = alert_named(alerts, alert_id)
        if alert.state == "over":
            raise DataError(
                f"alert {alert.alert_id}: is over since {alert.newest.as_of}. Only what is open is acknowledged; see "
                "`holdback alerts list`."
            )
        if (alert.state == "acknowledged") != undo:
            return alert
        last = alert.newest
        sequence = max(one.newest.sequence for one in alerts) + 1
        detail = {**last.detail, "note": note} if note else dict(last.detail)
        event = Event(
            last.as_of,
            sequence,
            "seen_again" if undo else "acknowledged",
            last.severity,
            now,
            last.message,
            last.value,
            by,
            (),
            detail,
        )
        row = row_of(Change(alert.alert_id, alert.rule, alert.about, event))
        workspace.warehouse.append(
            "alerts", rows_of(TABLES["alerts"], [row]), batch=f"alerts/acknowledged/{alert.alert_id}/{sequence}"
        )
        return alert_named(read_alerts(workspace.warehouse), alert.alert_id)


def alert_named(alerts: Sequence[Alert], alert_id: str) -> Alert:
    """Return the alert with this id, or the only one whose id begins with it.

    Raises:
        DataError: there is none, or more than one.
    """
    found = [alert for alert in alerts if alert_id and alert.alert_id.startswith(alert_id)]
    if len(found) == 1:
        return found[0]
    what = "no alert has this id" if not found else f"{len(found)} alerts begin with it"
    raise DataError(f"alert {alert_id!r}: {what}. See `holdback alerts list --all`.")
