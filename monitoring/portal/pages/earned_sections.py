"""The parts of the page about earnings: the account, each campaign's own, what is expected, what was not measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from monitoring.cells import MINIMUM_CELL, hidden
from monitoring.pnl.lines import Earned, Line
from monitoring.portal.pages.earned_content import Book, EarnedContent
from monitoring.portal.pages.earned_words import (
    STATES,
    amount_cell,
    fit_class,
    forecast_money,
    interval,
    money,
    months,
    net_side,
    roi_cell,
    signed_share,
    why,
)
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, Stat, Stats, Table
from monitoring.words import Words


def title(book: Book, w: Words) -> str:
    """Name a campaign, or all of them together."""
    if book.campaign is None:
        return w("earned_programme")
    if book.version == 1:
        return book.campaign
    return w("earned_version", campaign=book.campaign, version=book.version)


def summary(content: EarnedContent, w: Words) -> Iterator[Part]:
    """The figures of the whole: what was spent, and what it brought against the global holdout."""
    currency, spent = content.business.currency, content.spent
    stats = []
    if content.campaigns:
        parts = w(
            "earned_so_far_parts",
            contacts=money(spent.contact_cents, currency, w),
            incentives=money(spent.incentive_cents, currency, w),
        )
        stats.append(Stat(w("earned_so_far"), money(spent.cents, currency, w), w("earned_so_far_means"), note=parts))
    programme = content.programme
    line = programme.total if programme is not None else None
    if programme is not None and line is not None and line.earned is not None and not is_small(line):
        stats += _earned_stats(programme, line, line.earned, currency, w)
    elif line is not None:
        note = why(line, w) if not is_small(line) else w("earned_small", least=MINIMUM_CELL)
        stats += [
            Stat(w("earned_margin"), w("nothing"), _margin_means(programme, w), note=note),
            Stat(w("earned_net"), w("nothing"), w("earned_net_means"), note=note),
        ]
    if stats:
        yield Stats(tuple(stats))
    if programme is None:
        share = content.business.holdout.global_share
        yield Notice(w("earned_programme_empty") if share > 0 else w("earned_no_programme"), "look")
    once = () if programme is None else (w("earned_how_once", days=programme.horizon_days),)
    yield Notice(w("earned_how"), details=(w("earned_how_costs"), w("earned_how_effects"), *once))


def _margin_means(book: Book | None, w: Words) -> str:
    return w("earned_margin_means", days=0 if book is None else book.horizon_days)


def _earned_stats(book: Book, line: Line, found: Earned, currency: str, w: Words) -> Iterator[Stat]:
    """What came in, what of the cost belongs to it, and what is left: the three add up to the cent."""
    margin, net, spent = found.incremental_margin, found.net, line.spent
    entered = w("earned_entered_in", months=months(line, w))
    yield Stat(
        w("earned_margin"), money(margin.cents, currency, w), _margin_means(book, w),
        interval=interval(margin, currency, w), note=entered,
    )  # fmt: skip
    contacts, incentives = money(spent.contact_cents, currency, w), money(spent.incentive_cents, currency, w)
    yield Stat(w("earned_contacts"), contacts, w("earned_contacts_means"), note=entered)
    yield Stat(w("earned_incentives"), incentives, w("earned_incentives_means"), note=entered)
    yield Stat(
        w("earned_net"), money(net.cents, currency, w), w("earned_net_means"), interval=interval(net, currency, w),
        note=w(f"earned_says_{net_side(net)}"), state=STATES[net_side(net)],
    )  # fmt: skip
    if found.roi is not None:
        estimate, low, high = (signed_share(value, w) for value in found.roi)
        yield Stat(w("earned_roi"), estimate, w("earned_roi_means"), interval=w("interval", low=low, high=high))
    if found.stayer_share is not None and found.stayer_incentives is not None:
        share, low, high = (w.share(value, 0) for value in found.stayer_share)
        yield Stat(
            w("earned_dead"), money(found.stayer_incentives.cents, currency, w), w("earned_dead_means"),
            interval=interval(found.stayer_incentives, currency, w),
            note=w("earned_dead_share", share=share, interval=w("interval", low=low, high=high)),
        )  # fmt: skip


def by_campaign(content: EarnedContent, w: Words) -> Iterator[Part]:
    """What each campaign brought, and what it cost: the lines that the command line prints."""
    currency = content.business.currency
    brought, cost = list[tuple[Cell, ...]](), list[tuple[Cell, ...]]()
    for book in content.books:
        if book.trouble is not None:
            told = Cell(w("nothing"), w(f"earned_trouble_{book.trouble}"), "bad")
            brought.append((Cell(title(book, w)), told, *[Cell(w("nothing"))] * 3))
        elif book.total is not None:
            brought.append(tuple(_brought(title(book, w), book.total, currency, w, is_small(book.total))))
            cost.append(tuple(_cost(title(book, w), book.total, currency, w, is_small(book.total))))
    days = ", ".join(sorted({str(book.horizon_days) for book in content.books}, key=int))
    name = Column(w("earned_column_campaign"), w("earned_column_entered_means"))
    caption = w("earned_caption_campaigns", currency=currency)
    yield Table("campaigns", caption, (name, *_brought_columns(days, w)), tuple(brought), shown=30)
    if cost:
        caption = w("earned_caption_costs", currency=currency)
        yield Table("costs", caption, (name, *_cost_columns(w)), tuple(cost), shown=30)


def _brought_columns(days: str, w: Words) -> tuple[Column, ...]:
    return (
        Column(w("earned_margin"), w("earned_margin_means", days=days), is_number=True),
        Column(w("earned_cost"), w("earned_cost_means"), is_number=True),
        Column(w("earned_net"), w("earned_net_means"), is_number=True),
        Column(w("earned_roi"), w("earned_roi_means"), is_number=True),
    )


def _cost_columns(w: Words) -> tuple[Column, ...]:
    return (
        Column(w("earned_column_treated"), w("earned_column_treated_means", least=MINIMUM_CELL), is_number=True),
        Column(w("earned_column_held"), w("earned_column_held_means", least=MINIMUM_CELL), is_number=True),
        Column(w("earned_contacts"), w("earned_contacts_means"), is_number=True),
        Column(w("earned_incentives"), w("earned_incentives_means"), is_number=True),
        Column(w("earned_dead"), w("earned_dead_means"), is_number=True),
    )


def _brought(name: str, line: Line, currency: str, w: Words, is_few: bool) -> Iterator[Cell]:
    """What a line brought beside what it cost; of a handful of people only the cost is told."""
    found = None if is_few else line.earned
    yield Cell(name, months(line, w))
    spent = Cell(money(line.spent.cents, currency, w))
    if found is None:
        yield Cell(w("nothing"), w("earned_small", least=MINIMUM_CELL) if is_few else why(line, w))
        yield spent
        yield from [Cell(w("nothing"))] * 2
        return
    yield amount_cell(found.incremental_margin, currency, w)
    yield spent
    net = amount_cell(found.net, currency, w)
    yield Cell(net.text, net.small, STATES[net_side(found.net)])
    yield roi_cell(found.roi, w)


def _cost(name: str, line: Line, currency: str, w: Words, is_few: bool) -> Iterator[Cell]:
    yield Cell(name, months(line, w))
    yield Cell(w("not_shown") if is_few else w.count(line.treatment_count))
    yield Cell(w("not_shown") if is_few else w.count(line.holdout_count))
    yield Cell(money(line.spent.contact_cents, currency, w))
    yield Cell(money(line.spent.incentive_cents, currency, w))
    found = None if is_few else line.earned
    yield Cell(w("nothing")) if found is None else amount_cell(found.stayer_incentives, currency, w)


def book_section(book: Book, content: EarnedContent, w: Words) -> Section:
    """One campaign: where the money went and came from, by month and by class."""
    assert book.total is not None
    line, parts = book.total, list[Part]()
    is_few = is_small(line)
    found = None if is_few else line.earned
    if found is None:
        text = w("earned_small", least=MINIMUM_CELL) if is_few else why(line, w)
        parts.append(Notice(w("earned_not_yet", why=text), "bad" if line.because == "check" else "none"))
    else:
        if book.campaign is not None:
            parts.append(Stats(tuple(_earned_stats(book, line, found, content.business.currency, w))))
        parts.append(_bars(book, found, content, w))
        parts += _by_month(book, w)
    parts += _by_class(book, content, w)
    return Section(book.slug, title(book, w), tuple(parts), lead=w("earned_book_lead", days=book.horizon_days))


def _bars(book: Book, found: Earned, content: EarnedContent, w: Words) -> Chart:
    """What came in, what went out, and what is left: the last two and the first as wide as chance makes them."""
    assert book.total is not None
    spent, margin, net = book.total.spent, found.incremental_margin, found.net
    points = (
        Point(w("earned_margin"), margin.cents / 100, margin.low_cents / 100, margin.high_cents / 100),
        Point(w("earned_contacts"), -spent.contact_cents / 100),
        Point(w("earned_incentives"), -spent.incentive_cents / 100),
        Point(w("earned_net"), net.cents / 100, net.low_cents / 100, net.high_cents / 100),
    )
    return Chart(
        f"bars-{book.slug}",
        w("earned_bars"),
        w("earned_bars_means"),
        "bars",
        (Series(w("earned_amount"), points, is_main=True),),
        "money",
        w("earned_item"),
        w("earned_amount"),
        reference=0.0,
        reference_label=w("earned_zero"),
        sentence=w(f"earned_bars_{net_side(net)}", interval=interval(net, content.business.currency, w)),
    )


def _by_month(book: Book, w: Words) -> Iterator[Chart]:
    """Net by month of entry, each month from its own customers."""
    marks = _hidden(book.months)
    points = tuple(
        Point(months(line, w), net.cents / 100, net.low_cents / 100, net.high_cents / 100)
        for line, is_hidden in zip(book.months, marks, strict=True)
        if line.earned is not None and not is_hidden
        for net in (line.earned.net,)
    )
    if len(points) > 1:
        yield Chart(
            f"months-{book.slug}",
            w("earned_months"),
            w("earned_months_means"),
            "dots",
            (Series(w("earned_net"), points, is_main=True),),
            "money",
            w("earned_month"),
            w("earned_net"),
            reference=0.0,
            reference_label=w("earned_zero"),
            sentence=w("earned_months_says"),
        )


def _by_class(book: Book, content: EarnedContent, w: Words) -> Iterator[Table]:
    """What each fit class brought, and what it cost: the figures of finance, one class at a time."""
    currency = content.business.currency
    marks = _hidden(book.classes)
    lines = [line for line, is_hidden in zip(book.classes, marks, strict=True) if not is_hidden]
    brought = tuple(tuple(_brought(fit_class(line.fit_class, w), line, currency, w, is_few=False)) for line in lines)
    cost = tuple(tuple(_cost(fit_class(line.fit_class, w), line, currency, w, is_few=False)) for line in lines)
    caption = w("earned_caption_classes", campaign=title(book, w))
    if lines and any(marks):
        caption = f"{caption}. {w('earned_classes_hidden', least=MINIMUM_CELL)}"
    name = Column(w("earned_column_class"), w("earned_column_class_means"))
    empty = w("earned_classes_none", least=MINIMUM_CELL)
    columns = (name, *_brought_columns(str(book.horizon_days), w))
    yield Table(f"classes-{book.slug}", caption, columns, brought, empty=empty)
    if lines:
        caption = w("earned_caption_class_costs", campaign=title(book, w))
        yield Table(f"class-costs-{book.slug}", caption, (name, *_cost_columns(w)), cost)


def unmeasured(content: EarnedContent, w: Words) -> Iterator[Part]:
    """What the account does not say, and why."""
    currency = content.business.currency
    told = []
    for book in content.books:
        name = title(book, w)
        if book.trouble is not None:
            told.append(w("earned_gap_line", campaign=name, why=w(f"earned_trouble_{book.trouble}")))
            continue
        if book.total is not None and book.total.earned is None:
            told.append(w("earned_gap_line", campaign=name, why=why(book.total, w)))
        waiting = [line for line in book.months if line.earned is None]
        if book.total is not None and book.total.earned is not None and waiting:
            listed = ", ".join(months(line, w) for line in waiting)
            amount = money(sum(line.spent.cents for line in waiting), currency, w)
            told.append(w("earned_gap_months", campaign=name, months=listed, why=why(waiting[0], w), amount=amount))
        if book.outside.cents:
            key = "earned_gap_outside" if book.campaign is not None else "earned_gap_outside_all"
            amount = money(book.outside.cents, currency, w)
            told.append(w(key, campaign=name, amount=amount, days=book.horizon_days))
        if book.unknown_count:
            few = 0 < book.unknown_count < MINIMUM_CELL
            count = w("fewer_than", least=MINIMUM_CELL) if few else w.count(book.unknown_count)
            told.append(w("earned_gap_unknown", campaign=name, n=count))
        if book.cap_cents is not None:
            told.append(w("earned_gap_cap", campaign=name, amount=money(book.cap_cents, currency, w)))
    told += [w("earned_gap_elsewhere", campaign=name) for name in content.elsewhere]
    if not content.is_revenue_told:
        told.append(w("earned_gap_revenue"))
    if told:
        yield Notice(w("earned_unmeasured_says"), details=tuple(told))


def forecast(content: EarnedContent, w: Words) -> Iterator[Part]:
    """What is expected, apart from what was measured: of those who were kept, and of today's customers by class."""
    currency = content.business.currency
    kept = [
        (Cell(title(book, w)), amount_cell(book.total.earned.expected_net, currency, w))
        for book in content.books
        if book.total is not None
        and book.total.earned is not None
        and book.total.earned.expected_net is not None
        and not is_small(book.total)
    ]
    days = content.business.value.horizon_days
    if kept:
        columns = (
            Column(w("earned_column_campaign")),
            Column(w("earned_expected"), w("earned_expected_means", days=days), is_number=True),
        )
        yield Table("expected", w("earned_caption_expected"), columns, tuple(kept), shown=30)
    if content.stock_on is not None:
        marks = hidden([one.customer_count for one in content.stock])
        rows = tuple(
            (
                Cell(fit_class(one.fit_class, w)),
                Cell(w.count(one.customer_count)),
                *(
                    Cell(forecast_money(cents, currency, w))
                    for cents in (one.margin_cents, one.cost_to_serve_cents, one.retention_cents, one.net_cents)
                ),
            )
            for one, is_hidden in zip(content.stock, marks, strict=True)
            if not is_hidden
        )
        stock_columns = (
            Column(w("earned_column_class_now"), w("earned_column_class_now_means")),
            Column(w("earned_stock_count"), w("earned_stock_count_means"), is_number=True),
            Column(w("earned_stock_margin"), w("earned_stock_margin_means", days=days), is_number=True),
            Column(w("earned_stock_serve"), w("earned_stock_serve_means"), is_number=True),
            Column(w("earned_stock_keep"), w("earned_stock_keep_means"), is_number=True),
            Column(w("earned_stock_net"), w("earned_stock_net_means"), is_number=True),
        )
        caption = w("earned_caption_stock", day=w.day(content.stock_on))
        yield Table("stock", caption, stock_columns, rows, empty=w("earned_classes_none", least=MINIMUM_CELL))


def proofs(content: EarnedContent, w: Words) -> Iterator[Part]:
    """Whether the account agrees with the books, and where every line of it is."""
    if any(book.trouble == "books" for book in content.books):
        yield Notice(w("earned_differs"), "bad", (w("earned_verify"), w("earned_every_line")))
        return
    count = sum(book.agreed_count for book in content.books)
    yield Notice(w("earned_agrees", n=w.count(count)), "good", (w("earned_every_line"),))


def is_small(line: Line) -> bool:
    """True when one of the groups is a handful of people."""
    return 0 < line.treatment_count < MINIMUM_CELL or 0 < line.holdout_count < MINIMUM_CELL


def _hidden(lines: Sequence[Line]) -> list[bool]:
    """Say which parts of a whole are not shown: a handful in either group, or what would give one away."""
    treated = hidden([line.treatment_count for line in lines])
    held = hidden([line.holdout_count for line in lines])
    return [a or b for a, b in zip(treated, held, strict=True)]
