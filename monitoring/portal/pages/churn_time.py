"""Say the churn rate, its history, and what became of the revenue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from holdback.business import CancellationChurn, Churn, ColumnChurn
from monitoring.kpis import GroupRate, Ratio, RevenueChurn
from monitoring.portal.pages.churn_rates import Divided, Months
from monitoring.portal.pages.figures import in_words, limits, share_point
from monitoring.portal.parts import Chart, Notice, Part, Section, Series, Stat, State, Stats
from monitoring.report_view import churn_meaning
from monitoring.words import Words


def rate_section(months: Months, churn: Churn, as_of: date, words: Words) -> Section:
    """Say the rate of the newest month and the history."""
    w = words
    parts: list[Part] = []
    if months.newest is None or months.newest.left is None:
        parts.append(Notice(why_no_rate(months, w)))
    else:
        parts.append(Stats(tuple(_stats(months, churn, as_of, w))))
    drawn = [one for one in months.known if one.left is not None]
    if len(drawn) > 1:
        parts.append(_chart(months, churn, w))
    elif isinstance(churn, ColumnChurn):
        parts.append(Notice(w("churn_page_no_time")))
    elif drawn:
        parts.append(Notice(w("churn_page_one_month")))
    left_out = tuple(_left_out(months, w))
    if left_out:
        parts.append(Notice(w("churn_page_left_out"), details=left_out))
    return Section("rate", w("churn_page_rate"), tuple(parts), churn_meaning(churn, w))


def why_no_rate(months: Months, words: Words) -> str:
    """Say why there is no rate yet, and what to do or when it is known."""
    w = words
    if months.has_no_cancellation:
        return w("churn_page_no_cancellation")
    if months.known and months.known[-1].is_withheld:
        return w("churn_page_too_few")
    if months.unknown:
        return w("churn_page_data_behind", month=_month(w, months.unknown[-1]))
    if months.next_known_on is not None:
        return w("churn_page_later", day=w.day(months.next_known_on))
    return w("churn_page_nobody")


def _stats(months: Months, churn: Churn, as_of: date, words: Words) -> Iterator[Stat]:
    w, newest = words, months.newest
    assert newest is not None
    assert newest.left is not None
    if isinstance(churn, ColumnChurn):
        yield Stat(
            w("churn_page_rate_snapshot"), w.share(newest.left.share),
            w("churn_page_rate_snapshot_definition"), limits(w, newest.left),
        )  # fmt: skip
    else:
        day, known_from = _first_day(newest), newest.known_from or as_of
        yield Stat(
            w("churn_page_rate_of", month=_month(w, newest.value)),
            w.share(newest.left.share),
            w(
                "churn_page_rate_definition",
                day=w.day(day),
                outcome=churn.outcome_days,
                meaning=churn_meaning(churn, w),
            ),
            limits(w, newest.left),
            w("churn_page_known_since", day=w.day(known_from)),
            _state(months),
        )
    yield Stat(
        w("churn_page_counted"), w.count(newest.left.n), w("churn_page_counted_definition"),
        note=w("churn_page_left_count", count=w.count(newest.left.count)) if newest.left.count >= 5 else "",
    )  # fmt: skip
    if months.change is not None and months.compared is not None:
        gap = months.change
        yield Stat(
            w("churn_page_change", month=_month(w, months.compared.value)),
            w("churn_page_points", points=w.signed(100 * gap.difference, 1)),
            w("churn_page_change_definition", month=_month(w, months.compared.value)),
            w("interval", low=w.signed(100 * gap.low, 1), high=w.signed(100 * gap.high, 1)),
            changed(months, w),
            _state(months),
        )
    if months.next_known_on is not None:
        yield Stat(
            w("churn_page_next"),
            w.day(months.next_known_on),
            w("churn_page_next_definition", outcome=getattr(churn, "outcome_days", 0)),
        )


def changed(months: Months, words: Words) -> str:
    """Say whether the newest rate is another than before; nothing where there is no month to compare with."""
    w, gap = words, months.change
    if gap is None or months.compared is None:
        return ""
    verdict = "churn_page_rose" if gap.low > 0 else "churn_page_fell" if gap.high < 0 else "churn_page_no_change"
    return w(verdict, before=w.share(gap.first.share), month=_month(w, months.compared.value))


def _state(months: Months) -> State:
    if months.change is None or not months.change.excludes_zero:
        return "none"
    return "look" if months.change.low > 0 else "good"


def _chart(months: Months, churn: Churn, words: Words) -> Chart:
    w = words
    drawn = [one for one in months.known if one.left is not None]
    lowest, highest = (pick(drawn, key=_rate_of) for pick in (min, max))
    assert lowest.left is not None
    assert highest.left is not None
    return Chart(
        "churn-by-month",
        w("churn_page_by_month"),
        w("churn_page_by_month_definition", outcome=getattr(churn, "outcome_days", 0)),
        "history",
        (Series(w("churn_page_rate"), tuple(share_point(one.value, one.left) for one in months.known), True),),
        "share",
        w("churn_page_month"),
        w("churn_page_rate"),
        sentence=w(
            "churn_page_by_month_sentence",
            lowest=in_words(w, lowest.left), low_month=_month(w, lowest.value),
            highest=in_words(w, highest.left), high_month=_month(w, highest.value),
        ),
    )  # fmt: skip


def _rate_of(one: GroupRate) -> float:
    return one.left.share if one.left is not None else 0.0


def _left_out(months: Months, words: Words) -> Iterator[str]:
    """Say which months are not drawn, and why."""
    w = words
    for one in months.open:
        if one.known_from is not None:
            yield w("churn_page_open_month", month=_month(w, one.value), day=w.day(one.known_from))
    if months.half_recorded is not None and months.records_since is not None:
        month = _month(w, months.half_recorded.value)
        yield w("churn_page_half_recorded", month=month, day=w.day(months.records_since))
    elif _is_older_than_records(months) and months.records_since is not None:
        yield w("churn_page_before_records", day=w.day(months.records_since))
    for value in months.unknown:
        yield w("churn_page_unknown_month", month=_month(w, value))
    withheld = sum(one.is_withheld for one in months.known)
    if withheld:
        yield w("churn_page_withheld_months", count=withheld)
    gaps = _missing_months(months)
    if gaps:
        yield w("churn_page_missing_months", months=", ".join(_month(w, value) for value in gaps))


def _is_older_than_records(months: Months) -> bool:
    """Say whether contracts began before the month in which cancellations began to be recorded."""
    since = months.records_since
    return since is not None and months.begins_on is not None and months.begins_on < since.replace(day=1)


def _missing_months(months: Months) -> list[str]:
    """Return months between the first and the last one of which nothing is told: nobody was described on their day."""
    told = {one.value for one in (*months.known, *months.open)} | set(months.unknown)
    if len(told) < 2:
        return []
    first, last = min(told), max(told)
    numbers = range(_number(first), _number(last) + 1)
    return [value for value in (f"{n // 12:04d}-{n % 12 + 1:02d}" for n in numbers) if value not in told]


def revenue_section(divided: Divided | None, months: Months, churn: Churn, words: Words) -> Section:
    """Say what became of the revenue of the same customers."""
    w = words
    if divided is None or divided.revenue is None:
        text = why_no_rate(months, w) if divided is None else w("churn_page_no_revenue")
        return Section("revenue", w("churn_page_revenue"), (Notice(text),))
    found = divided.revenue
    lead = w(
        "churn_page_revenue_lead", n=w.count(found.customer_count), day=w.day(found.described_on),
        amount=w.money(found.start_amount, found.currency, 0), lost=w.share(found.lost.estimate),
        between=w("interval", low=w.share(found.lost.low), high=w.share(found.lost.high)),
    )  # fmt: skip
    notes = [*_revenue_notes(found, churn, w)]
    parts: list[Part] = [Stats(tuple(_revenue_stats(found, w))), *(Notice(note) for note in notes)]
    return Section("revenue", w("churn_page_revenue"), tuple(parts), lead)


def _revenue_stats(found: RevenueChurn, words: Words) -> Iterator[Stat]:
    w = words
    told: tuple[tuple[str, Ratio | None], ...] = (
        ("lost", found.lost),
        ("reduced", found.reduced),
        ("gross", found.gross_churn),
        ("grown", found.grown),
        ("net", found.net_retention),
    )
    for name, ratio in told:
        if ratio is None:
            continue
        yield Stat(
            w(f"churn_page_revenue_{name}"),
            w.share(ratio.estimate),
            w(f"churn_page_revenuedef_{name}", start=w.day(found.described_on), end=w.day(found.ends_on)),
            w("interval", low=w.share(ratio.low), high=w.share(ratio.high)),
        )
    if found.end_amount is not None:
        yield Stat(
            w("churn_page_revenue_end"),
            w.money(found.end_amount, found.currency, 0),
            w("churn_page_revenue_end_definition", start=w.day(found.described_on), end=w.day(found.ends_on)),
            note=w("churn_page_revenue_of", amount=w.money(found.start_amount, found.currency, 0)),
        )


def _revenue_notes(found: RevenueChurn, churn: Churn, words: Words) -> Iterator[str]:
    if found.is_concentrated:
        yield words("churn_page_revenue_few")
    if found.end_amount is None:
        yield words("churn_page_revenue_no_end")
    elif not isinstance(churn, CancellationChurn):
        yield words("churn_page_revenue_chance")


def _first_day(month: GroupRate) -> date:
    return date.fromisoformat(f"{month.value}-01")


def _month(words: Words, value: str) -> str:
    return words.full_month(date.fromisoformat(f"{value}-01"))


def _number(value: str) -> int:
    return int(value[:4]) * 12 + int(value[5:7]) - 1
