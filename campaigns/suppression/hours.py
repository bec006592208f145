"""The hours of a day in which a customer may be contacted."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from holdback.business import Business


def contact_window(business: Business, as_of: date) -> tuple[datetime, datetime]:
    """Return from when until when contacts may leave on a day of the business.

    The window is half-open, lies within the day, and never touches the quiet hours, also when the clocks change: of an
    hour that comes twice or not at all, the reading counts that leaves more quiet. Quiet hours over midnight leave one
    window between them; quiet hours within the day leave two, of which the longer one is returned.

    Args:
        business: Its quiet hours and its time zone.
        as_of: The day.

    Returns:
        Two instants, naive UTC; equal when the day has no hour to contact anybody.

    Examples:
        Quiet from 21:00 to 09:00 in Madrid: from 07:00 to 19:00 UTC in summer.
    """
    starts, ends = business.contact.quiet_hours
    midnight, next_midnight = business.instant(as_of), business.instant(as_of + timedelta(days=1))
    quiet_from, quiet_until = min(_readings(business, as_of, starts)), max(_readings(business, as_of, ends))
    if starts > ends:
        return _window(quiet_until, quiet_from)
    before, after = _window(midnight, quiet_from), _window(quiet_until, next_midnight)
    return after if after[1] - after[0] >= before[1] - before[0] else before


def _window(from_at: datetime, until_at: datetime) -> tuple[datetime, datetime]:
    return from_at, max(from_at, until_at)


def _readings(business: Business, day: date, moment: time) -> tuple[datetime, datetime]:
    """Both instants that a time on a clock can mean; they differ only where the clocks change."""
    local = datetime.combine(day, moment, tzinfo=ZoneInfo(business.time_zone))
    first, second = (local.replace(fold=fold).astimezone(UTC).replace(tzinfo=None) for fold in (0, 1))
    return first, second
