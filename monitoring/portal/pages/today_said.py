"""What needs a person, what was decided, who is held back and where the risk is, as sections of the first page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from monitoring.cells import MINIMUM_CELL, shown_count
from monitoring.portal.pages.today_decided import Decided
from monitoring.portal.pages.today_groups import MOST_GROUPS, Division
from monitoring.portal.pages.today_needs import Need
from monitoring.portal.parts import Cell, Chart, Column, Notice, Part, Point, Section, Series, Stat, Stats, Table
from monitoring.words import Words

COMMANDS: Final[Mapping[str, str]] = {
    "not_scored": "holdback daily",
    "no_model": "holdback retrain",
    "blocked_model": "holdback models show",
    "failed_run": "holdback runs",
    "halted_for_harm": "holdback campaign show {about}",
    "halted_for_value": "holdback campaign show {about}",
    "reading_taken": "holdback campaign show {about}",
    "reading_due": "holdback campaign measure",
    "reading_waits": "holdback campaign measure",
    "failed_check": "holdback campaign show {about}",
    "not_delivered": "holdback decide --as-of {day}",
    "calls_given_up": "holdback decide --as-of {day}",
    "withheld": "holdback decisions preview",
    "found_leak": "holdback decide",
    "flooded_trigger": "holdback triggers show {about}",
    "refused_file": "holdback ingest",
    "quarantined": "holdback quarantine list",
    "open_alert": "holdback alerts show {name}",
    "acknowledged_alert": "holdback alerts show {name}",
}
"""What to type first about each kind of need; the others are for people to talk about."""
_MOST_BARS: Final = 20
_AT_RISK: Final = "at_risk"


def needs_section(needs: tuple[Need, ...], currency: str, w: Words) -> Section:
    """Say what needs a person, each with what to do."""
    table = Table(
        name="needs",
        caption=w("today_needs_caption"),
        columns=(
            Column(w("today_need"), w("today_def_need")),
            Column(w("today_do"), w("today_def_do")),
        ),
        rows=tuple(_need_row(need, currency, w) for need in needs),
        shown=20,
        empty=w("today_needs_none"),
    )
    return Section("needs", w("today_needs"), (table,))


def _need_row(need: Need, currency: str, w: Words) -> tuple[Cell, ...]:
    values = {
        "about": _about(need, w),
        "day": w.day(need.day) if need.day is not None else w("nothing"),
        "count": _need_count(need, w),
        "names": ", ".join(_name(need, name, w) for name in need.names),
    }
    said = w(f"today_need_{need.kind}", text=_seen(need, currency, w), **values)
    command = COMMANDS.get(need.kind, "").format(
        about=need.about, day=need.day, name=need.names[0] if need.names else ""
    )
    if need.kind == "failed_check" and not need.about:
        command = "holdback campaign measure"
    done = w(f"today_do_{need.kind}")
    return Cell(said, state=need.state), Cell(done, command.strip())


def _seen(need: Need, currency: str, w: Words) -> str:
    """Write what an alert saw, without what it saw besides."""
    if need.seen is None:
        return ""
    about = need.about
    if need.seen.metric == "step_failed" and about:
        about = w.known("today_flow_", about)
    elif about == "programme":
        about = w("today_programme")
    return need.seen.sentence(currency, w, about=about)


def _about(need: Need, w: Words) -> str:
    if need.kind == "failed_run":
        return w.known("today_flow_", need.about)
    if need.kind == "blocked_model" and need.about == "customer-value":
        return w("today_model_value")
    if not need.about:
        return w("today_programme" if need.kind == "failed_check" else "today_company")
    return need.about


def _name(need: Need, name: str, w: Words) -> str:
    if need.kind == "blocked_model":
        return w.known("guard_", name)
    return w.known("today_check_", name) if need.kind == "failed_check" else name


def _need_count(need: Need, w: Words) -> str:
    if need.count is None:
        return w("nothing")
    if need.is_ours or shown_count(need.count) is not None:
        return w.count(need.count)
    return w("today_fewer", least=MINIMUM_CELL)


def decided_section(decided: Decided, currency: str, w: Words) -> Section:
    """Say which contacts were decided today, and what of the budget they use."""
    title = w("today_decided")
    if not decided.is_decided:
        return Section("decided", title, (Notice(w("today_not_decided"), details=(w("today_not_decided_do"),)),))
    contacts = Stat(w("today_contacts"), w.count(decided.contact_count), w("today_def_contacts"))
    stats = (contacts, _money_stat(decided, currency, w))
    table = Table(
        name="contacts",
        caption=w("today_contacts_caption"),
        columns=(
            Column(w("today_action")),
            Column(w("today_channel")),
            Column(w("today_contacts"), w("today_def_contacts_of"), is_number=True),
            Column(w("today_capacity"), w("today_def_capacity"), is_number=True),
        ),
        rows=tuple(
            (
                Cell(own.action.replace("_", " ")),
                Cell(w.known("today_channel_", own.channel)),
                Cell(w.count(own.count)),
                Cell(w("today_no_limit") if own.capacity is None else w.count(own.capacity)),
            )
            for own in decided.contacts
        ),
        empty=w("today_nobody_contacted"),
    )
    return Section("decided", title, (Stats(stats), table))


def _money_stat(decided: Decided, currency: str, w: Words) -> Stat:
    spent, budget = decided.spent_amount, decided.budget_amount
    written = w.money(spent, currency)
    if budget is None:
        return Stat(w("today_spent"), written, w("today_def_spent"), note=w("today_no_budget"))
    share = spent / budget
    note = w("today_of_budget", share=w.share(share, 0), budget=w.money(budget, currency))
    return Stat(w("today_spent"), written, w("today_def_spent"), note=note, state="look" if share > 1 else "none")


def held_section(decided: Decided, w: Words) -> Section:
    """Say who is held back on purpose, and why that matters."""
    table = Table(
        name="held-back",
        caption=w("today_held_caption"),
        columns=(
            Column(w("today_held_from")),
            Column(w("today_held_count"), w("today_def_held"), is_number=True),
            Column(w("today_held_share"), w("today_def_held_share"), is_number=True),
            Column(w("today_held_until"), w("today_def_held_until")),
        ),
        rows=tuple(
            (
                Cell(own.campaign if own.campaign is not None else w("today_held_all")),
                Cell(w("not_shown") if own.held is None else w.count(own.held)),
                Cell(w("nothing") if own.share is None else w.share(own.share)),
                Cell(w("today_held_no_end") if own.last_until is None else w.brief_day(own.last_until)),
            )
            for own in decided.held_back
        ),
        empty=w("today_held_nobody"),
    )
    lead = w("today_held_why") if decided.held_back else ""
    return Section("held-back", w("today_held"), (table,), lead)


def groups_section(divisions: tuple[Division, ...], why_none: str, w: Words) -> Section:
    """Say in which groups of customers the risk is; ``why_none`` is said when there are no groups."""
    title = w("today_groups")
    if not divisions:
        text = w(f"today_groups_{why_none}", least=MINIMUM_CELL)
        return Section("groups", title, (Notice(text),))
    parts: list[Part] = []
    for position, division in enumerate(divisions, start=1):
        parts += _groups_chart(division, position, w) or [_groups_table(division, position, w)]
    return Section("groups", title, tuple(parts), w("today_groups_lead", least=MINIMUM_CELL))


def _groups_title(division: Division, w: Words) -> str:
    if division.title is not None:
        return w("today_by_attribute", name=getattr(division.title, w.language))
    assert division.grouped_on is not None
    return w(f"today_by_{division.kind}", day=w.day(division.grouped_on))


def _group_name(division: Division, name: str, w: Words) -> str:
    if not name:
        return w("today_group_unknown")
    if division.kind == "attribute" and not division.is_flag:
        return name
    kind = "flag" if division.is_flag else division.kind
    return w.known(f"today_in_{kind}_", name)


def _groups_chart(division: Division, position: int, w: Words) -> list[Chart]:
    """Draw groups that can be shown and are few, with their sizes; no chart where a table says more.

    One bar alone compares nothing. A stage that is made of those at high risk says nothing about where the risk is.
    """
    told = [group for group in division.groups if not _is_by_definition(division, group.name)]
    if len(told) < 2 or division.shown_count > _MOST_BARS or any(group.share is None for group in told):
        return []
    points = tuple(
        Point(
            w("today_group_of", group=_group_name(division, group.name, w), n=w.count(group.customer_count or 0)),
            group.share,
        )
        for group in told
    )
    most = max(told, key=lambda group: group.share or 0.0)
    said = [w("today_groups_most", group=_group_name(division, most.name, w), share=w.share(most.share or 0.0))]
    if division.hidden_count:
        said.append(_groups_hidden(division, w))
    if len(told) < len(division.groups):
        said.append(w("today_groups_no_stage", stage=_group_name(division, _AT_RISK, w)))
    chart = Chart(
        name=f"risk-by-group-{position}",
        title=_groups_title(division, w),
        definition=w("today_def_group_share"),
        kind="bars",
        series=(Series(w("today_group_share"), points, is_main=True),),
        unit="share",
        x_title=w("today_group"),
        y_title=w("today_group_share"),
        sentence=" ".join(said),
    )
    return [chart]


def _is_by_definition(division: Division, name: str) -> bool:
    return division.kind == "stage" and name == _AT_RISK


def _groups_hidden(division: Division, w: Words) -> str:
    kind = "one" if division.hidden_count == 1 else "many"
    return w(f"today_groups_hidden_{kind}", n=w.count(division.hidden_count), least=MINIMUM_CELL)


def _groups_table(division: Division, position: int, w: Words) -> Table:
    caption = _groups_title(division, w)
    if division.shown_count > MOST_GROUPS:
        shown = w("today_groups_first", n=w.count(len(division.groups)), all=w.count(division.shown_count))
        caption = f"{caption} {shown}"
    if division.hidden_count:
        caption = f"{caption} {_groups_hidden(division, w)}"
    return Table(
        name=f"groups-{position}",
        caption=caption,
        columns=(
            Column(w("today_group")),
            Column(w("today_customers"), w("today_def_group_customers"), is_number=True),
            Column(w("today_at_risk"), w("today_def_group_at_risk"), is_number=True),
            Column(w("today_group_share"), w("today_def_group_share"), is_number=True),
        ),
        rows=tuple(
            (
                Cell(_group_name(division, group.name, w)),
                Cell(w.count(group.customer_count or 0)),
                Cell(w("not_shown") if group.at_risk is None else w.count(group.at_risk)),
                Cell(w("nothing") if group.share is None else w.share(group.share)),
            )
            for group in division.groups
            if not _is_by_definition(division, group.name)
        ),
        empty=w("today_groups_all_hidden", least=MINIMUM_CELL),
    )
