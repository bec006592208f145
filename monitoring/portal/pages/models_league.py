"""Who decides whom an action is given, and what customers are worth: the competitions and their figures."""

from __future__ import annotations

from functools import partial

from monitoring.portal.pages.models_content import ModelsContent
from monitoring.portal.pages.models_offices import VALUE_METRICS, ActionOffice
from monitoring.portal.pages.models_written import written
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, State, Stats, Table
from monitoring.words import Words


def league_section(content: ModelsContent, words: Words) -> Section:
    """Per action: who is in office, and what everybody who competes would earn."""
    w = words
    if not content.actions:
        return Section("whom", w("models_whom"), (Notice(w("models_no_actions"), "none"),))
    parts: list[Part] = []
    for position, office in enumerate(content.actions, start=1):
        parts += _action(office, position, content, w)
    return Section("whom", w("models_whom"), tuple(parts), w("models_whom_lead"))


def value_section(content: ModelsContent, words: Words) -> Section:
    """The model that says what customers are worth, and its figures."""
    w, v = words, content.value
    title = w("models_value")
    if v.version is None or v.since is None:
        return Section("value", title, (Notice(w("models_value_none"), "none"),))
    method = w.known("models_value_method_", v.method) if v.method else w("nothing")
    text = w("models_value_in_office", version=v.version, day=w.day(v.since), method=method)
    details = (w("models_valued", n=w.count(v.valued_count), day=w.day(v.valued_on)),) if v.valued_on else ()
    figures = v.figures or {}
    ours = {metric: figures[v.methods[0], metric] for metric in VALUE_METRICS if v.methods
            and (v.methods[0], metric) in figures}  # fmt: skip
    if not ours:
        return Section("value", title, (Notice(text, "none", (*details, w("models_value_no_figures"))),))
    ratio = ours.get("total_ratio")
    state: State = "none"
    if ratio is not None:
        state = "good" if ratio.high >= 0.8 and ratio.low <= 1.25 else "look"
        promised = written(w, ratio, partial(w.number, digits=2)).both
        details = (w("models_value_promised", ratio=promised), *details)
    stats = Stats(
        tuple(
            written(w, found, _shown_as(metric, w)).stat(
                w(f"models_value_{metric}"), w(f"models_def_value_{metric}"),
                note=w("models_rows_judged", n=w.count(found.n)),
            )
            for metric, found in ours.items()
        )
    )  # fmt: skip
    heads = [w.known("models_value_method_", name) for name in v.methods]
    columns = [Column(w("metric"), w("models_def_metric"))]
    columns += [Column(head, w("models_def_value_method"), is_number=True) for head in heads]
    rows = tuple(
        (
            Cell(w(f"models_value_{metric}")),
            *(
                written(w, figures[name, metric], _shown_as(metric, w)).cell
                if (name, metric) in figures
                else Cell(w("nothing"))
                for name in v.methods
            ),
        )
        for metric in ours
    )
    table = Table("value-figures", w("models_value_caption"), tuple(columns), rows)
    return Section("value", title, (Notice(text, state, details), stats, table))


def _shown_as(metric: str, w: Words) -> partial[str]:
    if metric == "top_share":
        return partial(w.share, digits=1)
    return partial(w.number, digits=2 if metric == "total_ratio" else 3)


def _action(office: ActionOffice, position: int, content: ModelsContent, w: Words) -> list[Part]:
    who, details = _in_office(office, w)
    if office.held_on is None:
        return [Notice(w("models_action_nothing", action=office.action), "none", (who, *details))]
    day, n = w.day(office.held_on), w.count(office.customer_count)
    state: State = "good" if office.found == "winner" else "none"
    winner = next((each for each in office.competitors if each.is_winner), None)
    incumbent = w.known("models_competitor_", office.incumbent or "")
    if winner is not None and winner.against_incumbent is not None:
        gain = written(w, winner.against_incumbent, partial(w.money, currency=content.currency)).both
        name = w.known("models_competitor_", winner.name)
        text = w("models_action_winner", action=office.action, winner=name, incumbent=incumbent, gain=gain)
    elif office.found == "not learnable":
        text = w("models_action_blind", action=office.action)
    else:
        text = w("models_action_no_evidence", action=office.action, incumbent=incumbent)
    held = w("models_league_held", day=day, n=n, share=w.share(office.capacity_share or 0.0))
    parts: list[Part] = [Notice(text, state, (who, *details, held))]
    points = tuple(
        Point(w.known("models_competitor_", each.name), each.gain.estimate, each.gain.low, each.gain.high)
        for each in office.competitors
    )
    if points:
        parts.append(
            Chart(f"gain-{position}", w("models_gain_chart", action=office.action), w("models_def_gain"), "dots",
                  (Series(w("models_gain"), points, is_main=True),), "money", w("models_competitor"),
                  w("models_gain"), reference=0.0, reference_label=w("models_nothing_gained"))
        )  # fmt: skip
        parts.append(_standings(office, position, content, w))
    return parts


def _in_office(office: ActionOffice, w: Words) -> tuple[str, tuple[str, ...]]:
    if office.version is None or office.since is None:
        return w("models_rule_decides"), ()
    by = w.known("models_competitor_", office.decided_by) if office.decided_by else w("models_unknown_competitor")
    who = w("models_action_office", version=office.version, day=w.day(office.since), by=by)
    key = "models_asked" if office.asked_count else "models_not_asked"
    return who, (w(key, n=w.count(office.asked_count)),)


def _standings(office: ActionOffice, position: int, content: ModelsContent, w: Words) -> Table:
    money = partial(w.money, currency=content.currency)
    columns = tuple(
        Column(w(f"models_league_{name}"), w(f"models_def_league_{name}"), is_number=name != "competitor")
        for name in ("competitor", "gain", "against", "treated")
    )
    rows = []
    for each in office.competitors:
        offices = [w("models_is_winner")] if each.is_winner else []
        offices += [w("models_is_incumbent")] if each.is_incumbent else []
        against = (
            Cell(w("nothing")) if each.against_incumbent is None else written(w, each.against_incumbent, money).cell
        )
        rows.append(
            (
                Cell(
                    w.known("models_competitor_", each.name), ", ".join(offices), "good" if each.is_winner else "none"
                ),
                written(w, each.gain, money).cell,
                against,
                Cell(w.share(each.treated_share)),
            )
        )
    return Table(f"league-{position}", w("models_league_caption", action=office.action), columns, tuple(rows))
