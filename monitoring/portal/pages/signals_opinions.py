"""Say what customers answer and write, and what goes with leaving."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from monitoring.cells import MINIMUM_CELL
from monitoring.feedback import Association, FeedbackRisk, Rating, Theme
from monitoring.feedback.intervals import Figure
from monitoring.portal.pages.figures import in_points, in_words, limits, share_cell
from monitoring.portal.pages.signals_voices import DAYS, Answers, Opinions
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, Stat, Stats, Table, Unit
from monitoring.words import Words

_MOST_SERIES: Final = 6


def answers_section(opinions: Opinions, words: Words) -> Section:
    """Say the NPS, satisfaction and mean scores, who answers, and how that moved over the months."""
    w = words
    if opinions.answers_lack is not None:
        text = w(f"signals_lack_{opinions.answers_lack}", days=DAYS)
        return Section("feedback", w("signals_feedback"), (Notice(text),))
    stats = tuple(stat for one in opinions.answers for stat in _stats(one, w))
    parts: list[Part] = [Stats(stats)] if stats else []
    parts.append(_table(opinions.answers, w))
    parts += _charts(opinions.answers, w)
    if not any(isinstance(part, Chart) for part in parts):
        parts.append(Notice(w("signals_no_history")))
    if any(month.is_hidden for one in opinions.answers for month in one.months):
        parts.append(Notice(w("signals_hidden_months", least=MINIMUM_CELL)))
    if any(one.rating.scale is None and one.rating.answered for one in opinions.answers):
        parts.append(Notice(w("signals_no_scale"), state="look"))
    return Section("feedback", w("signals_feedback"), tuple(parts), w("signals_feedback_lead", days=DAYS))


def _stats(answers: Answers, words: Words) -> Iterator[Stat]:
    """The numbers of one feed: its score, and who answers."""
    w, rating = words, answers.rating
    if rating.is_hidden:
        return
    if rating.nps is not None:
        figure = rating.nps
        yield Stat(
            w("signals_nps_of", feed=answers.feed),
            w.signed(figure.estimate, 0),
            w("signals_nps_definition", days=DAYS),
            w("interval", low=w.signed(figure.low, 0), high=w.signed(figure.high, 0)),
            w("signals_scores", n=w.count(figure.n)),
        )
    elif rating.satisfied is not None:
        yield Stat(
            w("signals_satisfied_of", feed=answers.feed),
            w.share(rating.satisfied.share),
            w("signals_satisfied_definition", days=DAYS),
            limits(w, rating.satisfied),
            w("signals_scores", n=w.count(rating.satisfied.n)),
        )
    elif rating.mean is not None:
        yield Stat(
            w("signals_mean_of", feed=answers.feed),
            w.number(rating.mean.estimate, 1),
            w("signals_mean_definition", days=DAYS),
            w("interval", low=w.number(rating.mean.low, 1), high=w.number(rating.mean.high, 1)),
            w("signals_scores", n=w.count(rating.mean.n)),
        )
    if rating.response is not None:
        yield Stat(
            w("signals_response_of", feed=answers.feed),
            w.share(rating.response.share),
            w("signals_response_definition", days=DAYS),
            limits(w, rating.response),
            w("signals_silent", silent=_count(rating.silent, w), asked=_count(rating.asked, w)),
        )


def _table(answers: Sequence[Answers], words: Words) -> Table:
    w = words
    return Table(
        "answers",
        w("signals_answers_table", days=DAYS),
        (
            Column(w("signals_feed")),
            Column(w("signals_kind"), w("signals_kind_definition")),
            Column(w("signals_asked"), w("signals_asked_definition"), is_number=True),
            Column(w("signals_response"), w("signals_response_definition", days=DAYS), is_number=True),
            Column("NPS", w("signals_nps_definition", days=DAYS), is_number=True),
            Column(w("signals_satisfied"), w("signals_satisfied_definition", days=DAYS), is_number=True),
            Column(w("signals_mean"), w("signals_mean_definition", days=DAYS), is_number=True),
        ),
        tuple(_answers_row(one, w) for one in answers),
    )


def _answers_row(answers: Answers, words: Words) -> tuple[Cell, ...]:
    w, rating = words, answers.rating
    kind = Cell(w.known("signals_kind_", rating.kind), w.known("signals_scale_", rating.scale or "none"))
    if rating.is_hidden:
        return (Cell(answers.feed), kind, *[Cell(w("signals_not_shown"))] * 5)
    return (
        Cell(answers.feed),
        kind,
        Cell(_count(rating.asked, w)),
        share_cell(w, rating.response),
        _figure(rating.nps, lambda value: w.signed(value, 0), w),
        share_cell(w, rating.satisfied),
        _figure(rating.mean, lambda value: w.number(value, 1), w),
    )


def _charts(answers: Sequence[Answers], words: Words) -> Iterator[Chart]:
    """Draw what moves over the months: a line for each feed."""
    w = words
    for name, unit, point in _MONTHLY:
        series = _lines(answers, point, w)
        if series:
            yield Chart(
                f"{name}-by-month", w(f"signals_months_{name}"), w(f"signals_monthsdef_{name}"), "history",
                series, unit, w("signals_month"), w(f"signals_monthly_{name}"),
                reference=0.0 if name == "nps" else None,
                reference_label=w("signals_as_many") if name == "nps" else "",
            )  # fmt: skip


def _lines(answers: Sequence[Answers], point: Callable[[Rating], Point], words: Words) -> tuple[Series, ...]:
    w = words
    series: list[Series] = []
    for one in answers:
        points = tuple(point(month) for month in one.months)
        if sum(x.value is not None for x in points) > 1:
            is_same = sum(other.feed == one.feed for other in answers) > 1
            label = f"{one.feed}, {w.known('signals_kind_', one.rating.kind)}" if is_same else one.feed
            series.append(Series(label, points, is_main=not series))
    return tuple(series[:_MOST_SERIES])


def _nps(month: Rating) -> Point:
    figure = month.nps
    return Point(month.group, None) if figure is None else Point(month.group, figure.estimate, figure.low, figure.high)


def _satisfied(month: Rating) -> Point:
    share = month.satisfied
    return Point(month.group, None) if share is None else Point(month.group, share.share, share.low, share.high)


def _response(month: Rating) -> Point:
    share = month.response
    return Point(month.group, None) if share is None else Point(month.group, share.share, share.low, share.high)


_MONTHLY: Final[tuple[tuple[str, Unit, Callable[[Rating], Point]], ...]] = (
    ("nps", "number", _nps),
    ("satisfied", "share", _satisfied),
    ("response", "share", _response),
)


def themes_section(opinions: Opinions, words: Words) -> Section:
    """Say what customers write about: words and counts, nobody's text."""
    w = words
    if opinions.themes_lack is not None:
        text = w(f"signals_lack_{opinions.themes_lack}", days=DAYS)
        return Section("themes", w("signals_themes"), (Notice(text),))
    table = Table(
        "themes",
        w("signals_themes_table", days=DAYS),
        (
            Column(w("signals_words"), w("signals_words_definition", least=MINIMUM_CELL)),
            Column(w("signals_writers"), w("signals_writers_definition"), is_number=True),
            Column(w("signals_theme_share"), w("signals_theme_share_definition"), is_number=True),
            Column(w("signals_theme_score"), w("signals_theme_score_definition"), is_number=True),
            Column(w("signals_theme_trend"), w("signals_theme_trend_definition"), is_number=True),
        ),
        tuple(_theme(one, w) for one in opinions.themes),
    )
    parts: list[Part] = [table]
    if opinions.writers is not None and opinions.all_writers is not None and opinions.writers < opinions.all_writers:
        read, everybody = w.count(opinions.writers), w.count(opinions.all_writers)
        parts.append(Notice(w("signals_themes_sample", read=read, all=everybody)))
    return Section("themes", w("signals_themes"), tuple(parts), w("signals_themes_lead"))


def _theme(theme: Theme, words: Words) -> tuple[Cell, ...]:
    w = words
    trend = Cell(w("nothing"))
    if theme.trend is not None:
        gap = theme.trend
        small = "" if gap.excludes_zero else w("signals_no_evidence_trend")
        trend = Cell(in_points(w, gap.difference, gap.low, gap.high), small)
    return (
        Cell(", ".join(theme.words)),
        Cell(w.count(theme.customers)),
        Cell(w.share(theme.share)),
        _figure(theme.score, lambda value: w.share(value, 0), w),
        trend,
    )


def risk_section(opinions: Opinions, words: Words) -> Section:
    """Say whether a low score, or silence, goes with leaving here: learned, never assumed."""
    w, risk = words, opinions.risk
    if risk is None:
        text = w(f"signals_risk_lack_{opinions.risk_lack or 'no_outcome'}")
        return Section("learned", w("signals_learned"), (Notice(text),))
    told = sorted(risk.associations, key=lambda one: one.name != "low_score")  # what the heading asks comes first
    stats = Stats(tuple(_association(one, risk, w) for one in told))
    notices = [Notice(risk_sentence(one, w)) for one in told]
    days = w("signals_learned_days", first=w.day(risk.looked_at[-1]), last=w.day(risk.looked_at[0]), days=risk.days)
    lead = w("signals_learned_lead")
    return Section("learned", w("signals_learned"), (stats, *notices, Notice(days)), lead)


def _association(one: Association, risk: FeedbackRisk, words: Words) -> Stat:
    w, gap = words, one.gap
    return Stat(
        w(f"signals_learned_{one.name}"),
        w("signals_points", points=w.signed(100 * gap.difference, 1)),
        w(f"signals_learneddef_{one.name}", days=risk.days),
        w("interval", low=w.signed(100 * gap.low, 1), high=w.signed(100 * gap.high, 1)),
        w("signals_of_both", first=w.count(one.customers[0]), second=w.count(one.customers[1])),
        "look" if one.sign == "more" else "none",
    )


def risk_sentence(one: Association, words: Words) -> str:
    """Say in which direction something goes with leaving."""
    w, gap = words, one.gap
    sign = one.sign.replace("not clear", "unclear")
    return w(f"signals_risk_{sign}_{one.name}", rate=in_words(w, gap.second), others=in_words(w, gap.first))


def _figure(figure: Figure | None, write: Callable[[float], str], words: Words) -> Cell:
    if figure is None:
        return Cell(words("nothing"))
    return Cell(write(figure.estimate), words("interval", low=write(figure.low), high=write(figure.high)))


def _count(count: int | None, words: Words) -> str:
    return words("nothing") if count is None else words.count(count)
