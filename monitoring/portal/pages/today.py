"""The first page: who is at risk, what that is worth, what was decided, what changed, and what needs a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from holdback.business import Churn, ColumnChurn
from monitoring.cells import MINIMUM_CELL
from monitoring.portal.days import with_missing_days
from monitoring.portal.pages.today_decided import Decided, read_decided
from monitoring.portal.pages.today_groups import Division, read_divisions
from monitoring.portal.pages.today_needs import Need, read_needs
from monitoring.portal.pages.today_said import decided_section, groups_section, held_section, needs_section
from monitoring.portal.parts import Chart, Notice, Page, Part, Point, Section, Series, Stat, Stats
from monitoring.portal.source import Source
from monitoring.quality import data_quality
from monitoring.report_view import churn_meaning
from monitoring.risk import Counts, Margin, Risk, read_history, read_risk
from monitoring.words import Words


@dataclass(frozen=True, slots=True)
class Today:
    """Everything that the page says, before it is said in a language.

    Attributes:
        as_of: The day.
        currency: Of all amounts.
        churn: What leaving means.
        value_days: Days over which margins are added up.
        risk: The day's scores; None when it was not scored.
        history: The newest scored days, oldest first; the day itself is the last of them if it was scored.
        divisions: In which groups the risk is.
        decided: What was decided, and who is held back.
        needs: What needs a person, the worst first.
    """

    as_of: date
    currency: str
    churn: Churn
    value_days: int
    risk: Risk | None
    history: tuple[Counts, ...]
    divisions: tuple[Division, ...]
    decided: Decided
    needs: tuple[Need, ...]


def read(source: Source) -> Today:
    """Ask the warehouse and the journal for the day."""
    warehouse, business, churn, as_of = source.warehouse, source.business, source.churn, source.as_of
    history = read_history(warehouse, churn, as_of)
    risk = read_risk(warehouse, churn, as_of, history)
    quality = data_quality(warehouse, business, as_of)
    return Today(
        as_of=as_of,
        currency=business.currency,
        churn=churn,
        value_days=business.value.horizon_days,
        risk=risk,
        history=history,
        divisions=read_divisions(warehouse, business, churn, as_of)
        if risk is not None and risk.now.scored is not None
        else (),
        decided=read_decided(warehouse, business, as_of),
        needs=read_needs(source, quality, is_scored=risk is not None),
    )


def page(content: Today, words: Words) -> Page:
    """Say the day in one language."""
    w = words
    return Page(
        name="today",
        title=w("today_title"),
        lead=" ".join([_risk_lead(content, w), _needs_lead(content, w)]),
        sections=(
            needs_section(content.needs, content.currency, w),
            _risk_section(content, w),
            decided_section(content.decided, content.currency, w),
            held_section(content.decided, w),
            _changes_section(content, w),
            groups_section(content.divisions, _why_no_groups(content.risk), w),
        ),
    )


def _risk_lead(c: Today, w: Words) -> str:
    if c.risk is None:
        return w("today_lead_not_scored", day=w.day(c.as_of))
    now = c.risk.now
    if now.scored is None:
        return w("today_lead_few", least=MINIMUM_CELL)
    share = now.at_risk_share
    if now.at_risk is None or share is None:
        return w("today_lead_hidden", scored=w.count(now.scored), least=MINIMUM_CELL)
    if now.at_risk == 0:
        return w("today_lead_nobody", scored=w.count(now.scored))
    said = w("today_lead", at_risk=w.count(now.at_risk), scored=w.count(now.scored), share=w.share(share))
    if c.risk.margin is None:
        return said
    return f"{said} {w('today_lead_margin', amount=_amount(c.risk.margin, c, w))}"


def _needs_lead(c: Today, w: Words) -> str:
    if not c.needs:
        return w("today_lead_no_needs")
    urgent = sum(need.state == "bad" for need in c.needs)
    kind = f"{'one' if len(c.needs) == 1 else 'many'}_{'some' if urgent else 'none'}"
    return w(f"today_lead_needs_{kind}", n=w.count(len(c.needs)), urgent=w.count(urgent))


def _amount(margin: Margin, c: Today, w: Words) -> str:
    return w.money(round(margin.amount), c.currency, 0)


def _risk_section(c: Today, w: Words) -> Section:
    lead = churn_meaning(c.churn, w)
    if c.risk is None:
        since = w("today_scored_last", day=w.day(c.history[-1].as_of)) if c.history else w("today_never_scored")
        return Section("risk", w("today_risk"), (Notice(w("today_not_scored"), "bad", (since,)), *_history(c, w)), lead)
    if c.risk.now.scored is None:
        return Section("risk", w("today_risk"), (Notice(w("today_few", least=MINIMUM_CELL)),), lead)
    parts: list[Part] = [Stats(tuple(_risk_stats(c, c.risk, w)))]
    if c.risk.nobody_is_valued:
        parts.append(Notice(w("today_no_value"), details=(w("today_no_value_do"), "holdback value train")))
    parts += [*_history(c, w), *_probabilities(c.risk, w)]
    return Section("risk", w("today_risk"), tuple(parts), lead)


def _risk_stats(c: Today, risk: Risk, w: Words) -> list[Stat]:
    now, tiers = risk.now, c.churn.risk_tiers
    high_cut, medium_cut = _percent(tiers.high, w), _percent(tiers.medium, w)
    share = now.at_risk_share
    stats = [
        Stat(
            w("today_at_risk"),
            _count(now.at_risk, w),
            w("today_def_at_risk", cut=medium_cut, version=risk.model_version),
            note=w("today_of_scored", share=w.share(share), scored=w.count(now.scored or 0))
            if share is not None
            else _why_hidden(now.at_risk, w),
        ),
        Stat(w("today_high"), _count(now.high, w), w("today_def_high", cut=high_cut), note=_why_hidden(now.high, w)),
        Stat(
            w("today_medium"),
            _count(now.medium, w),
            w("today_def_medium", low=medium_cut, high=high_cut),
            note=_why_hidden(now.medium, w),
        ),
    ]
    if risk.expected is not None and risk.expected_low is not None and risk.expected_high is not None:
        days = "" if isinstance(c.churn, ColumnChurn) else w("today_expected_note", n=w.count(c.churn.outcome_days))
        stats.append(
            Stat(
                w("today_expected"),
                w.count(risk.expected),
                w("today_def_expected"),
                interval=w("interval", low=w.count(risk.expected_low), high=w.count(risk.expected_high)),
                note=days,
            )
        )
    stats.append(_margin_stat(c, risk.margin, w))
    return stats


def _margin_stat(c: Today, margin: Margin | None, w: Words) -> Stat:
    label, days = w("today_margin"), w.count(c.value_days)
    if margin is None:
        return Stat(label, w("nothing"), w("today_def_margin", days=days), note=w("today_margin_none"))
    basis = w(f"today_margin_{margin.basis}", day=w.day(margin.valued_on))
    if margin.unvalued_share:
        basis = f"{basis} {w('today_margin_unvalued', share=w.share(margin.unvalued_share))}"
    low, high = (w.money(round(end), c.currency, 0) for end in (margin.low, margin.high))
    return Stat(
        label,
        _amount(margin, c, w),
        w("today_def_margin", days=days),
        interval=w("interval", low=low, high=high),
        note=basis,
    )


def _history(c: Today, w: Words) -> list[Chart]:
    by_day = {counts.as_of: counts for counts in c.history}
    if sum(counts.at_risk is not None for counts in c.history) < 2:
        return []
    days = with_missing_days(list(by_day))

    def line(what: str) -> tuple[Point, ...]:
        return tuple(Point(day.isoformat(), getattr(by_day.get(day), what, None)) for day in days)

    chart = Chart(
        name="at-risk-by-day",
        title=w("today_history", n=w.count(len(by_day))),
        definition=w("today_def_history"),
        kind="history",
        series=(
            Series(w("today_at_risk"), line("at_risk"), is_main=True),
            Series(w("today_high"), line("high")),
            Series(w("today_medium"), line("medium")),
        ),
        unit="count",
        x_title=w("today_day"),
        y_title=w("today_customers"),
        sentence=_history_sentence(c, len(days) - len(by_day), w),
    )
    return [chart]


def _history_sentence(c: Today, missing: int, w: Words) -> str:
    shown = [counts for counts in c.history if counts.at_risk is not None]
    first, last = shown[0], shown[-1]
    said = w(
        "today_history_from_to",
        first=w.day(first.as_of),
        before=w.count(first.at_risk or 0),
        last=w.day(last.as_of),
        now=w.count(last.at_risk or 0),
    )
    if not missing:
        return said
    return f"{said} {w('today_history_gap_one' if missing == 1 else 'today_history_gap_many', n=w.count(missing))}"


def _probabilities(risk: Risk, w: Words) -> list[Chart]:
    if not any(found.count for found in risk.bins):
        return []
    last = max(at for at, found in enumerate(risk.bins) if found.count)
    shown, beyond = risk.bins[: last + 1], risk.bins[last + 1 :]
    points = tuple(
        Point(w("today_from_to", low=_percent(found.low, w), high=_percent(found.high, w)), found.count)
        for found in shown
    )
    sentence = _largest_bin(risk, w)
    if beyond:
        key = "few" if any(found.count is None for found in beyond) else "empty"
        sentence = f"{sentence} {w(f'today_probabilities_{key}', low=_percent(beyond[0].low, w))}"
    chart = Chart(
        name="probabilities",
        title=w("today_probabilities"),
        definition=w("today_def_probabilities", least=MINIMUM_CELL),
        kind="bars",
        series=(Series(w("today_customers"), points, is_main=True),),
        unit="count",
        x_title=w("today_probability"),
        y_title=w("today_customers"),
        sentence=sentence,
    )
    return [chart]


def _largest_bin(risk: Risk, w: Words) -> str:
    shown = [(found.count, found) for found in risk.bins if found.count]
    if not shown or not risk.now.scored:
        return ""
    count, largest = max(shown, key=lambda each: each[0])
    share = w.share(count / risk.now.scored, 0)
    return w(
        "today_probabilities_most",
        n=w.count(count),
        share=share,
        low=_percent(largest.low, w),
        high=_percent(largest.high, w),
    )


def _changes_section(c: Today, w: Words) -> Section:
    title = w("today_changes")
    if c.risk is None:
        return Section("changes", title, (Notice(w("today_changes_not_scored")),))
    changes = c.risk.changes
    if changes is None:
        return Section("changes", title, (Notice(w("today_changes_first")),))
    least = MINIMUM_CELL
    since = w.day(changes.since)
    days = (c.as_of - changes.since).days
    lead = w("today_changes_since_one", day=since) if days == 1 else w("today_changes_since_many", day=since, n=days)

    def stat(name: str, value: int | None) -> Stat:
        note = w("today_pair_hidden", least=least) if value is None else ""
        return Stat(w(f"today_change_{name}"), _count(value, w), w(f"today_def_change_{name}", day=since), note=note)

    stats = [
        stat("newly", changes.newly_at_risk),
        stat("no_longer", changes.no_longer_at_risk),
        stat("arrived", changes.arrived),
        stat("gone", changes.gone),
    ]
    now, before = c.risk.now.at_risk, changes.at_risk_before
    if now is not None and before is not None:
        net = Stat(
            w("today_net"),
            w.signed(now - before, 0),
            w("today_def_net", day=since),
            note=w("from_to", before=w.count(before), today=w.count(now)),
        )
        stats.insert(0, net)
    stats.append(_contacts_stat(c.decided, w))
    return Section("changes", title, (Stats(tuple(stats)),), lead)


def _contacts_stat(decided: Decided, w: Words) -> Stat:
    label, definition = w("today_new_contacts"), w("today_def_new_contacts")
    if not decided.is_decided:
        return Stat(label, w("nothing"), definition, note=w("today_not_decided"))
    value = w.count(decided.contact_count)
    if decided.before is None:
        return Stat(label, value, definition, note=w("today_first_decided"))
    written = w.count(decided.contacts_before or 0)
    return Stat(label, value, definition, note=w("today_contacts_before", day=w.day(decided.before), n=written))


def _percent(cut: float, w: Words) -> str:
    """Write a cut-off as it stands in the business file: 5 %, 7.5 %."""
    return w.share(cut, 0 if abs(cut * 100 - round(cut * 100)) < 1e-9 else 1)


def _why_no_groups(risk: Risk | None) -> str:
    if risk is None:
        return "not_scored"
    return "none" if risk.now.scored is not None else "few"


def _count(value: int | None, w: Words) -> str:
    return w("nothing") if value is None else w.count(value)


def _why_hidden(value: int | None, w: Words) -> str:
    return w("today_hidden_note", least=MINIMUM_CELL) if value is None else ""
