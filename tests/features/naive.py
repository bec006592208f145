"""Every feature family computed a second time, the slow and obvious way: plain Python over the rows of one customer.

Written from the meanings of the features, not from the compiler's SQL.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from holdback.business import Business

Row = dict[str, Any]
Values = dict[str, float | str | None]
WINDOWS = (7, 30, 90, 180, 365)


@dataclass(frozen=True)
class Day:
    business: Business
    as_of: date

    @property
    def now(self) -> datetime:
        return self.business.instant(self.as_of)

    def ago(self, days: int) -> datetime:
        return self.business.instant(self.as_of - timedelta(days=days))

    def inside(self, rows: Sequence[Row], days: int, ends: int = 0) -> list[Row]:
        return [row for row in rows if self.ago(days + ends) <= row["event_at"] < self.ago(ends)]

    def full_days(self, at: datetime | None) -> float | None:
        return None if at is None else float((self.now - at) // timedelta(days=1))


def visible(rows: Sequence[Row], day: Day, replaced: Sequence[Row], feed: str) -> list[Row]:
    gone = {(r["batch_id"], r["row_number"]) for r in replaced if r["feed"] == feed and r["replaced_at"] <= day.now}
    return [
        row
        for row in rows
        if row["event_at"] < day.now
        and row["loaded_at"] <= day.now
        and (row["batch_id"], row["row_number"]) not in gone
    ]


def total(rows: Sequence[Row], column: str, scale: float = 1) -> float:
    return sum(thousandths(row[column]) if scale == 1000 else row[column] or 0 for row in rows) / scale


def thousandths(value: float | None) -> int:
    return 0 if value is None else math.floor(value * 1000 + 0.5)


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def trend(day: Day, rows: Sequence[Row], days: int, measure: Callable[[Sequence[Row]], float]) -> float | None:
    recent = measure(day.inside(rows, days)) / days
    before = measure(day.inside(rows, 3 * days, days)) / (3 * days)
    return recent / before if before else None


def newest(rows: Sequence[Row]) -> datetime | None:
    return max((row["event_at"] for row in rows), default=None)


def oldest(rows: Sequence[Row]) -> datetime | None:
    return min((row["event_at"] for row in rows), default=None)


def last_of(rows: Sequence[Row], column: str, vocabulary: Sequence[str]) -> str | None:
    known = [(row["event_at"], vocabulary.index(row[column])) for row in rows if row[column] in vocabulary]
    return vocabulary[max(known)[1]] if known else None


def orders_of(lines: Sequence[Row], has_orders: bool) -> list[Row]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for position, line in enumerate(lines):
        key = position
        if has_orders:
            key = line["order_id"] if line["order_id"] is not None else ("at", line["event_at"])
        groups[key].append(line)
    return [
        {
            "event_at": min(line["event_at"] for line in group),
            "bought": [line for line in group if line["amount_cents"] >= 0],
            "refunded": [line for line in group if line["amount_cents"] < 0],
            "paid": sum(line["amount_cents"] for line in group if line["amount_cents"] >= 0),
            "refund": -sum(line["amount_cents"] for line in group if line["amount_cents"] < 0),
            "discount": sum(line["discount_cents"] or 0 for line in group),
            "thousandths": sum(thousandths(line["quantity"]) for line in group),
            "categories": {line["category"] for line in group} - {None},
            **{
                label: min((line[label] for line in group if line[label] is not None), default=None)
                for label in ("channel", "direction", "destination")
            },
        }
        for group in groups.values()
    ]


def transactions(lines: Sequence[Row], day: Day, *, has_orders: bool = True) -> Values:
    orders = orders_of(lines, has_orders)
    bought = [order for order in orders if order["bought"]]
    refunded = [order for order in orders if order["refunded"]]
    times = sorted(order["event_at"] for order in bought)
    gaps = [(b - a) // timedelta(seconds=1) for a, b in pairwise(times)]
    v: Values = {
        "days_since_last_order": day.full_days(newest(bought)),
        "days_since_first_order": day.full_days(oldest(bought)),
        "order_count_all": len(bought),
        "spend_amount_all": sum(o["paid"] for o in orders) / 100,
        "days_since_last_refund": day.full_days(newest(refunded)),
    }
    for w in WINDOWS:
        v[f"order_count_{w}d"] = len(day.inside(bought, w))
        v[f"spend_amount_{w}d"] = sum(o["paid"] for o in day.inside(orders, w)) / 100
    for w in (90, 365):
        paid, discount = (sum(o[k] for o in day.inside(orders, w)) for k in ("paid", "discount"))
        v[f"order_amount_mean_{w}d"] = ratio(paid / 100, len(day.inside(bought, w)))
        v[f"discount_share_{w}d"] = ratio(discount, paid + discount)
        for channel in ("web", "store"):
            v[f"order_{channel}_count_{w}d"] = len([o for o in day.inside(bought, w) if o["channel"] == channel])
    for w in (30, 90, 365):
        here = day.inside(orders, w)
        v[f"unit_count_{w}d"] = sum(o["thousandths"] for o in here) / 1000
        v[f"refund_count_{w}d"] = len(day.inside(refunded, w))
        v[f"refund_amount_{w}d"] = sum(o["refund"] for o in here) / 100
        v[f"discount_amount_{w}d"] = sum(o["discount"] for o in here) / 100
        v[f"category_count_{w}d"] = len(set().union(*(o["categories"] for o in here)))
    for w in (30, 90):
        here = day.inside(orders, w)
        for direction in ("in", "out"):
            v[f"{direction}flow_amount_{w}d"] = sum(o["paid"] for o in here if o["direction"] == direction) / 100
        for place in ("own", "wire"):
            sent = [o for o in here if o["direction"] == "out" and o["destination"] == place]
            v[f"to_{place}_amount_{w}d"] = sum(o["paid"] for o in sent) / 100
        v[f"order_count_trend_{w}d"] = trend(day, bought, w, len)
        v[f"spend_amount_trend_{w}d"] = trend(day, orders, w, lambda rows: sum(o["paid"] for o in rows))
        v[f"order_count_next_{w}d_year_ago"] = len(day.inside(bought, w, 365 - w))
    v["spend_amount_next_90d_year_ago"] = sum(o["paid"] for o in day.inside(orders, 90, 275)) / 100
    v["order_count_30d_year_ago"] = len(day.inside(bought, 30, 365))
    year = day.inside(bought, 365)
    v["order_amount_max_365d"] = max((o["paid"] / 100 for o in year), default=None)
    v["order_amount_last"] = max(((o["event_at"], o["paid"] / 100) for o in bought), default=(None, None))[1]
    v["order_lines_mean_365d"] = mean([len(o["bought"]) for o in year])
    v["refund_share_365d"] = ratio(*(sum(o[k] for o in day.inside(orders, 365)) for k in ("refund", "paid")))
    v["last_order_channel"] = last_of(bought, "channel", ("web", "store"))
    v["gap_mean_days"] = mean([gap / 86400 for gap in gaps])
    v["gap_sd_days"] = None
    if len(gaps) > 1:
        middle = sum(gaps) / len(gaps)
        v["gap_sd_days"] = math.sqrt(sum((g - middle) ** 2 for g in gaps) / (len(gaps) - 1)) / 86400
    return v | _segments(v)


def _segments(v: Values) -> Values:
    recency, gap, first = v["days_since_last_order"], v["gap_mean_days"], v["days_since_first_order"]
    steps = ((7, 5.0), (30, 4.0), (90, 3.0), (180, 2.0))
    scores: Values = {
        "overdue_ratio": recency / gap if recency is not None and gap else None,  # type: ignore[operator]
        "rfm_recency_score": next((s for limit, s in steps if recency is not None and recency < limit), 1.0),  # type: ignore[operator]
        "rfm_frequency_score": _score(v["order_count_365d"], (24, 12, 6, 2)),
        "rfm_monetary_score": _score(v["spend_amount_365d"], (10_000, 1_000, 100, 10)),
    }
    if recency is None:
        scores["lifecycle_stage"] = "none"
    elif recency >= 365:  # type: ignore[operator]
        scores["lifecycle_stage"] = "lapsed"
    elif first < 90:  # type: ignore[operator]
        scores["lifecycle_stage"] = "new"
    else:
        is_late = gap is not None and recency > 2 * gap  # type: ignore[operator]
        scores["lifecycle_stage"] = "slipping" if is_late else "regular"
    return scores


def _score(value: Any, limits: Sequence[float]) -> float:
    return next((5.0 - place for place, limit in enumerate(limits) if value >= limit), 1.0)


def interactions(rows: Sequence[Row], day: Day) -> Values:
    solved = {id(r) for r in rows if r["resolved_at"] is not None and r["resolved_at"] < day.now}
    still_open = [r for r in rows if id(r) not in solved]
    v: Values = {
        "days_since_last_interaction": day.full_days(newest(rows)),
        "interaction_count_all": len(rows),
        "interaction_count_trend_30d": trend(day, rows, 30, len),
        "last_interaction_channel": last_of(rows, "channel", ("phone", "email")),
        "last_interaction_outcome": last_of(rows, "outcome", ("solved", "refused")),
        "unresolved_count": len(still_open),
        "oldest_unresolved_days": day.full_days(oldest(still_open)),
    }
    for w in WINDOWS:
        v[f"interaction_count_{w}d"] = len(day.inside(rows, w))
    for channel in ("phone", "email"):
        for w in (30, 90, 365):
            here = day.inside(rows, w)
            v[f"interaction_{channel}_count_{w}d"] = len([r for r in here if r["channel"] == channel])
    for w in (90, 365):
        here = day.inside(rows, w)
        for outcome in ("solved", "refused"):
            v[f"interaction_ended_{outcome}_count_{w}d"] = len([r for r in here if r["outcome"] == outcome])
        v[f"interaction_about_bill_count_{w}d"] = len([r for r in here if r["topic"] == "bill"])
        v[f"interaction_minutes_{w}d"] = total(here, "duration_seconds", 60)
        v[f"our_fault_count_{w}d"] = len([r for r in here if r["is_caused_by_us"]])
    year = day.inside(rows, 365)
    timed = [r["duration_seconds"] / 60 for r in year if r["duration_seconds"] is not None]
    v["interaction_minutes_mean_365d"] = mean(timed)
    waited = [(r["resolved_at"] - r["event_at"]) / timedelta(hours=1) for r in year if id(r) in solved]
    v["resolution_hours_mean_365d"] = mean(waited)
    v["interaction_remarks_365d"] = remarks(year)
    return v


def remarks(rows: Sequence[Row]) -> str | None:
    said = []
    for row in rows:
        text = re.sub(r"<[a-z/][^<>]*>", " ", (row.get("remark") or "").lower())
        words = [re.sub(r"[0-9]+", " ", word).strip() for word in text.split() if "@" not in word]
        if any(words):
            said.append((row["event_at"], " ".join(word for word in words if word)))
    return " ".join(text for _, text in sorted(said, reverse=True))[:2000] or None


def feedback(rows: Sequence[Row], day: Day) -> Values:
    answers = sorted((r for r in rows if r["score"] is not None), key=lambda r: (r["event_at"], r["score"]))
    scores = [thousandths(r["score"]) / 1000 for r in answers]
    said = [r for r in rows if r["score"] is not None or re.sub(r"<[a-z/][^<>]*>", " ", r["remark"] or "").strip()]
    requests = [r for r in rows if r["kind"] not in ("review", "remark")]
    answered = [r for r in requests if r in said]
    last_at = newest(said)
    silent = [r for r in requests if r not in answered and (last_at is None or r["event_at"] > last_at)]
    year = [thousandths(r["score"]) / 1000 for r in day.inside(answers, 365)]
    last, previous = (scores[-n] if len(scores) >= n else None for n in (1, 2))
    v: Values = {
        "days_since_last_feedback_request": day.full_days(newest(requests)),
        "feedback_score_last": last,
        "feedback_score_previous": previous,
        "feedback_score_change": last - previous if last is not None and previous is not None else None,
        "feedback_score_mean_365d": mean(year),
        "feedback_score_min_365d": min(year, default=None),
        "days_since_last_feedback": day.full_days(newest(answers)),
        "feedback_answer_share_365d": ratio(len(day.inside(answered, 365)), len(day.inside(requests, 365))),
        "feedback_unanswered_count": len(silent),
        "feedback_silence_days": day.full_days(oldest(silent)),
    }
    for w in (90, 365):
        v[f"feedback_request_count_{w}d"] = len(day.inside(requests, w))
        v[f"feedback_answer_count_{w}d"] = len(day.inside(answers, w))
    v["feedback_remarks_365d"] = remarks(day.inside(rows, 365))
    return v


def balances(rows: Sequence[Row], day: Day) -> Values:
    v: Values = {"days_since_last_balance": day.full_days(newest(rows))}
    accounts: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        accounts[row["account_kind"]].append(row)

    def level(kinds: Sequence[Any], before: datetime) -> float | None:
        found = [
            max(((r["event_at"], r["balance_cents"]) for r in accounts[kind] if r["event_at"] < before), default=None)
            for kind in kinds
        ]
        known = [balance for found_one in found if found_one is not None for balance in [found_one[1]]]
        return sum(known) / 100 if known else None

    for name, kinds in (("", tuple(accounts)), ("_savings", ("savings",)), ("_checking", ("checking",))):
        now = level(kinds, day.now)
        v[f"balance{name}_amount"] = now
        for w in (7, 30, 90):
            ago = level(kinds, day.ago(w))
            fell = None if ago is None or now is None else max(ago - now, 0.0)
            v[f"balance{name}_{w}d_ago_amount"] = ago
            v[f"balance{name}_drop_{w}d_amount"] = fell
            v[f"balance{name}_drop_{w}d_share"] = None if fell is None else 0.0
            if fell:
                v[f"balance{name}_drop_{w}d_share"] = fell / ago if ago is not None and ago > 0 else None
    recent = [day.inside(account, 90) for account in accounts.values()]
    peaks = [max(r["balance_cents"] for r in account) for account in recent if account]
    peak = sum(peaks) / 100 if peaks else None
    now = v["balance_amount"]  # type: ignore[assignment]
    v["balance_peak_90d_amount"] = peak
    v["balance_below_peak_share"] = 1 - now / peak if peak is not None and peak > 0 and now is not None else None
    return v


def subscriptions(rows: Sequence[Row], day: Day) -> Values:
    contracts: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: (r["event_at"], r["loaded_at"], r["batch_id"], r["row_number"])):
        contracts[row["subscription_id"] or row["customer_id"]].append(row)
    still_open = [events for events in contracts.values() if events[-1]["kind"] != "cancel"]
    prices = [e[-1]["price_cents"] for e in still_open if e[-1]["price_cents"] is not None]
    changes = [
        e[-1]["price_cents"] - e[-2]["price_cents"]
        for e in still_open
        if len(e) > 1 and None not in (e[-1]["price_cents"], e[-2]["price_cents"])
    ]
    left = [(e[-1]["ends_on"] - day.as_of).days for e in still_open if e[-1]["ends_on"] is not None]
    plans = [(r["event_at"], r["plan"]) for r in rows if r["kind"] != "cancel" and r["plan"] is not None]
    v: Values = {
        "open_contract_count": len(still_open),
        "days_since_first_contract": day.full_days(oldest([r for r in rows if r["kind"] == "start"])),
        "days_since_last_contract_event": day.full_days(newest(rows)),
        "plan_last": max(plans)[1] if plans else None,
        "contract_price_amount": sum(prices) / 100 if prices else None,
        "contract_price_change_amount": sum(changes) / 100 if changes else None,
        "contract_days_left": min(left, default=None),
    }
    for kind in ("change", "renew", "pause", "cancel"):
        for w in (90, 365):
            v[f"contract_{kind}_count_{w}d"] = len([r for r in day.inside(rows, w) if r["kind"] == kind])
    return v


def usage(rows: Sequence[Row], day: Day) -> Values:
    v: Values = {
        "days_since_last_usage": day.full_days(newest([r for r in rows if thousandths(r["quantity"]) > 0])),
        "usage_count_trend_30d": trend(day, rows, 30, len),
    }
    for w in WINDOWS:
        v[f"usage_count_{w}d"] = len(day.inside(rows, w))
        for metric in ("minutes", "megabytes"):
            used = [r for r in day.inside(rows, w) if r["metric"] == metric]
            v[f"usage_{metric}_{w}d"] = total(used, "quantity", 1000)
    for metric in ("minutes", "megabytes"):
        own = [r for r in rows if r["metric"] == metric]
        v[f"usage_{metric}_trend_30d"] = trend(day, own, 30, lambda rs: sum(thousandths(r["quantity"]) for r in rs))
    return v


def campaign_contacts(rows: Sequence[Row], day: Day) -> Values:
    answered = [r for r in rows if r["outcome"] in ("answered", "redeemed")]
    v: Values = {
        "days_since_last_contact": day.full_days(newest(rows)),
        "days_since_last_answered_contact": day.full_days(newest(answered)),
        "contact_answered_share_365d": ratio(len(day.inside(answered, 365)), len(day.inside(rows, 365))),
    }
    for w in (7, 30, 90, 365):
        v[f"contact_count_{w}d"] = len(day.inside(rows, w))
    for w in (30, 90):
        for channel in ("email", "phone"):
            v[f"contact_{channel}_count_{w}d"] = len([r for r in day.inside(rows, w) if r["channel"] == channel])
    for w in (90, 365):
        v[f"contact_answered_count_{w}d"] = len(day.inside(answered, w))
        for outcome in ("sent", "answered", "redeemed"):
            v[f"contact_ended_{outcome}_count_{w}d"] = len([r for r in day.inside(rows, w) if r["outcome"] == outcome])
    return v


def customers(rows: Sequence[Row], day: Day) -> Values:
    known = [row for row in rows if row["loaded_at"] <= day.now]
    if not known:
        return {"tenure_days": None, "segment": None, "age": None, "vip": None}
    last = max(known, key=lambda r: (r["loaded_at"], r["batch_id"], r["row_number"]))
    since = last["signed_up_at"]
    return {
        "tenure_days": None if since is None else day.full_days(since),
        "segment": last["segment"],
        "age": last["age"],
        "vip": None if last["vip"] is None else float(last["vip"]),
    }
