"""The trial of a trigger in plain Python: one loop per sentence of the docstrings."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from tests.monitoring.triggers.company import ACTIVE_DAYS, DAY, OUTCOME_DAYS, Shop, start


@dataclass
class Counts:
    """What a trial adds up."""

    fired: int = 0
    undescribed: int = 0
    judged: int = 0
    right: int = 0
    described: int = 0
    left: int = 0
    leads: list[int] = field(default_factory=list)
    leavers: dict[tuple[str, date], bool] = field(default_factory=dict)


def trial(
    shop: Shop, days: tuple[date, ...], *, kind: str, judged_days: int, every_days: int = 7, over_days: int = 14,
    at_least: int = 2, cooldown_days: int = 21,
) -> Counts:  # fmt: skip
    """Count firings and leavers over some days."""
    found = Counts()
    last: dict[str, date] = {}
    for day in (days[0] - every_days * DAY, *days):
        now = start(day)
        # Loaded a day after it happened: what is a day old or less is not known yet.
        holds = {
            who
            for who, tickets in shop.tickets.items()
            if sum(now - over_days * DAY <= at <= now - DAY for at in tickets) >= at_least
        }
        fires = {who for who in holds if who not in last or (day - last[who]).days >= cooldown_days}
        last |= dict.fromkeys(fires, day)
        if day < days[0]:
            continue
        found.fired += len(fires)
        described = {who for who in shop.region if is_described(shop, who, now, kind)}
        found.undescribed += len(fires - described)
        for who in described:
            if kind == "cancellation" and shop.cancelled.get(who, now) < now:
                continue  # gone since yesterday, which is not known yet: too late to be kept
            found.described += 1
            on = left_on(shop, who, now, kind, judged_days)
            if who in fires:
                found.judged += 1
            if on is None:
                continue
            found.left += 1
            key = (who, on.date())
            found.leavers[key] = found.leavers.get(key, False) or who in fires
            if who in fires:
                found.right += 1
                found.leads.append((on.date() - day).days)
    return found


def is_described(shop: Shop, who: str, now: datetime, kind: str) -> bool:
    """True for who bought lately, or has a contract, as known now."""
    if kind == "inactivity":
        return any(now - ACTIVE_DAYS * DAY <= at <= now - DAY for at in shop.purchases.get(who, []))
    return who not in shop.cancelled or shop.cancelled[who] > now - DAY


def left_on(shop: Shop, who: str, now: datetime, kind: str, judged_days: int) -> datetime | None:
    """Return when somebody left within the judged days; None when he did not."""
    until = now + judged_days * DAY
    if kind == "cancellation":
        at = shop.cancelled.get(who)
        return at if at is not None and now <= at < until else None
    bought = [at for at in shop.purchases[who] if at >= now - ACTIVE_DAYS * DAY]
    for at, following in zip(bought, [*bought[1:], datetime.max], strict=True):
        if at < until and following >= max(at, now) + OUTCOME_DAYS * DAY:
            return at
    return None
