"""One campaign as a section of the page: what it does, who is in it, what it changed, and what can be done now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

from campaigns.designs import campaign_shares
from holdback.business import Action, Audience
from monitoring.measurement.readable import is_large_enough
from monitoring.portal.pages.campaigns_asking import Row
from monitoring.portal.pages.campaigns_content import CampaignsContent, Seen
from monitoring.portal.pages.campaigns_segments import in_peace, segment_parts
from monitoring.portal.pages.campaigns_words import (
    check_means,
    check_name,
    check_says,
    check_value,
    counts,
    definition,
    found_cell,
    interval,
    metric,
    notes,
    planned_cell,
    reason,
    side,
    verdict_cell,
    who,
)
from monitoring.portal.parts import (
    Cell,
    Chart,
    Column,
    Notice,
    Part,
    Point,
    Section,
    Series,
    Stat,
    State,
    Stats,
    Table,
)
from monitoring.words import Words

_STATES: dict[str, State] = {
    "in force": "good", "programme": "none", "elsewhere": "none", "waits": "none", "over": "none", "older": "none",
    "not launched": "none", "gone": "look", "halted": "look", "retired": "look", "harmful": "bad",
}  # fmt: skip
_VERDICTS: dict[str, State] = {"passed": "good", "warning": "look", "failed": "bad", "not checked": "none"}


def title(seen: Seen, w: Words) -> str:
    """Name a campaign; its version where there was another one."""
    if seen.name is None:
        return w("campaigns_programme")
    if seen.version == 1 and seen.stage != "older":
        return seen.name
    return w("campaigns_version", campaign=seen.name, version=seen.version)


def stage(seen: Seen, w: Words) -> Cell:
    """Say where a campaign stands."""
    text = w(f"campaigns_stage_{seen.stage.replace(' ', '_')}")
    small = w("campaigns_since", day=w.day(seen.since)) if seen.since is not None else ""
    return Cell(text, small, _STATES[seen.stage])


def sections(seen: Seen, content: CampaignsContent, w: Words) -> Iterator[Section]:
    """Yield what there is to read about one campaign, then what is folded: what only asks, and what was checked."""
    parts: list[Part] = [*_standing(seen, w), *_counts(seen, content, w)]
    if seen.design is not None:
        parts.append(_promised(seen, content, w))
    if not _only_waits(seen):
        parts += _found(seen, content, w)
    parts += _band(seen, content, w)
    parts += segment_parts(seen, content, w, ("official", "daily"))
    parts += in_peace(seen, w)
    parts += _history(seen, w)
    named = title(seen, w)
    yield Section(seen.slug, named, tuple(parts), lead=does(seen, content, w))
    asking = (
        () if _only_waits(seen) else (*_asked(seen, content, w), *segment_parts(seen, content, w, ("exploratory",)))
    )
    if asking:
        text = w("campaigns_folded_asked", campaign=named)
        yield Section(f"{seen.slug}-exploratory", text, tuple(asking), is_folded=True)
    checks = tuple(_checks(seen, w))
    if checks:
        found = Counter(check["verdict"] for check in seen.checks)
        text = w("campaigns_folded_checks", campaign=named, passed=found["passed"], all=len(seen.checks))
        if found["not checked"]:
            text = f"{text}, {w('campaigns_folded_open', n=found['not checked'])}"
        yield Section(f"{seen.slug}-integrity", text, checks, is_folded=not seen.failed)


def _only_waits(seen: Seen) -> bool:
    """True when nothing can be read yet and the day is known from which on it can: a sentence says it all."""
    return seen.knowable_on is not None and all(row["estimate"] is None for row in seen.figures)


def does(seen: Seen, content: CampaignsContent, w: Words) -> str:
    """Say in words what a campaign does."""
    business, campaign = content.business, seen.campaign
    if seen.name is None:
        return w("campaigns_does_programme", share=w.share(business.holdout.global_share, 0))
    if campaign is None:
        return w("campaigns_does_gone")
    if campaign.assigned_by is not None:
        return w("campaigns_does_elsewhere", feed=campaign.assigned_by)
    actions = "; ".join(_action(business.action_named(name), content, w) for name in campaign.actions)
    share = w.share(campaign_shares(business, campaign)["holdout_share"], 0)
    days = business.horizon_days(campaign)
    said = [w("campaigns_does", actions=actions), _for_whom(campaign.audience, w)]
    if campaign.trigger is not None:
        said.append(w("campaigns_does_trigger", trigger=campaign.trigger, days=campaign.trigger_days))
    return " ".join([*said, w("campaigns_does_holdout", share=share, days=days)])


def _action(action: Action, content: CampaignsContent, w: Words) -> str:
    currency = content.business.currency
    channel = w.known("campaigns_channel_", action.channel)
    cost = w.money(action.cost, currency)
    if not action.incentive_amount:
        return w("campaigns_action", action=action.name, channel=channel, cost=cost)
    gift = w.money(action.incentive_amount, currency)
    return w("campaigns_action_gift", action=action.name, channel=channel, cost=cost, gift=gift)


def _for_whom(audience: Audience, w: Words) -> str:
    either = w("campaigns_or")
    said = []
    if audience.risk_tiers:
        said.append(
            w("campaigns_for_tiers", tiers=either.join(w(f"campaigns_tier_{tier}") for tier in audience.risk_tiers))
        )
    if audience.value_deciles:
        said.append(w("campaigns_for_deciles", deciles=either.join(map(str, audience.value_deciles))))
    said += [f"{name}: {either.join(map(str, values))}" for name, values in audience.where.items()]
    for name, (low, high) in audience.between.items():
        said.append(f"{name}: {w('interval', low=w.significant(low), high=w.significant(high))}")
    return w("campaigns_for", conditions="; ".join(said)) if said else w("campaigns_for_all")


def _standing(seen: Seen, w: Words) -> Iterator[Notice]:
    """Where it stands and why, what a person can do now, and what withholds its effects."""
    cell = stage(seen, w)
    last = next((one for one in reversed(seen.happenings) if one.kind != "launched"), None)
    why = ""
    if seen.stage in ("halted", "harmful", "retired") and last is not None:
        why = w("campaigns_halted_why", who=who(last.by, w), reason=reason(last.by, last.reason, w))
    stands = (
        w("campaigns_stands_since", stage=cell.text, since=cell.small)
        if cell.small
        else w("campaigns_stands", stage=cell.text)
    )
    text = " ".join(filter(None, [stands, why]))
    yield Notice(text, cell.state, details=_commands(seen, w))
    if seen.failed:
        named = ", ".join(check_name(check, w) for check in seen.failed)
        key = "campaigns_withheld" if seen.is_withheld else "campaigns_withheld_answers"
        yield Notice(w(key, checks=named), "bad", tuple(check_says(check, seen, w) for check in seen.failed))
    if seen.knowable_on is not None and not seen.is_withheld:
        yield Notice(w("campaigns_knowable", day=w.day(seen.knowable_on)))
    elif seen.found is None and not seen.failed and seen.stage not in ("not launched", "gone"):
        yield Notice(w("campaigns_nothing_yet") if seen.figures else w("campaigns_matured_unmeasured"))


def _commands(seen: Seen, w: Words) -> tuple[str, ...]:
    """What a person can do now, as it is typed."""
    if seen.name is None:
        return (w("campaigns_can_portfolio"),)
    name = seen.name
    launch = (w("campaigns_can_plan", campaign=name), w("campaigns_can_launch", campaign=name))
    stop = (w("campaigns_can_stop", campaign=name),)
    again = (w("campaigns_can_resume", campaign=name), w("campaigns_can_new", campaign=name))
    found: dict[str, tuple[str, ...]] = {
        "not launched": launch, "in force": stop, "waits": stop, "halted": again, "harmful": again, "retired": again,
        "over": (w("campaigns_can_new", campaign=name),), "elsewhere": (w("campaigns_can_measure", campaign=name),),
    }  # fmt: skip
    return found.get(seen.stage, ())


def _counts(seen: Seen, content: CampaignsContent, w: Words) -> Iterator[Stats]:
    entered = seen.entered
    if entered is None or entered.all == 0:
        if seen.assigned_count == 0:
            if seen.stage not in ("not launched", "gone", "elsewhere"):
                yield Stats((Stat(w("campaigns_treated"), "0", w("campaigns_treated_means")),))
            return
        yield Stats((_matured(seen, content, w),))
        return
    treated, held = counts((entered.treated, entered.held), w)
    contacted, _ = counts((entered.contacted, max(entered.treated - entered.contacted, 0)), w)
    if not content.is_contact_reported:
        contacted = w("nothing")
    yield Stats(
        (
            Stat(w("campaigns_treated"), treated, w("campaigns_treated_means")),
            Stat(w("campaigns_held"), held, w("campaigns_held_means")),
            Stat(
                w("campaigns_contacted"), contacted, w("campaigns_contacted_means"),
                note="" if content.is_contact_reported else w("campaigns_contacted_unknown"),
            ),
            _matured(seen, content, w),
        )
    )  # fmt: skip


def _matured(seen: Seen, content: CampaignsContent, w: Words) -> Stat:
    if content.measured_on is None or not seen.figures:
        note = w("campaigns_matured_unmeasured")
        return Stat(w("campaigns_matured"), w("nothing"), w("campaigns_matured_means"), note=note)
    shown, _ = counts((seen.matured_count, max(seen.assigned_count - seen.matured_count, 0)), w)
    note = w("campaigns_matured_of", n=w.count(seen.assigned_count), day=w.day(content.measured_on))
    return Stat(w("campaigns_matured"), shown, w("campaigns_matured_means"), note=note)


def _promised(seen: Seen, content: CampaignsContent, w: Words) -> Stats:
    """What the launch promised, and when it can be held to it."""
    design = seen.design
    assert design is not None
    effect = w("campaigns_points", value=w.signed(-100 * design.effect, 2))
    base = w("campaigns_promised_base", rate=w.share(design.base_rate), lift=w.share(design.lift))
    if design.holdout_count is None or design.treatment_count is None:
        needed, held = w("nothing"), w("campaigns_needed_none")
    else:
        needed = w.count(design.holdout_count + design.treatment_count)
        held = w("campaigns_needed_held", n=w.count(design.holdout_count))
    # Written large: on a narrow screen the year may stand below.
    reads_on = w("nothing") if design.reads_on is None else w.day(design.reads_on).replace("\u00a0", " ")
    is_told_below = len(seen.happenings) > 1
    forced = w("campaigns_forced", reason=design.forced_reason) if design.forced_reason and not is_told_below else ""
    return Stats(
        (
            Stat(w("campaigns_promised"), effect, w("campaigns_promised_means"), note=base),
            Stat(w("campaigns_needed"), needed, w("campaigns_needed_means", power=w.share(design.power, 0)), note=held),
            Stat(
                w("campaigns_reading"), reads_on, w("campaigns_reading_means"),
                note=_reading_note(seen, content.as_of, w) + (f" {forced}" if forced else ""),
            ),
        )
    )  # fmt: skip


def _reading_note(seen: Seen, as_of: date, w: Words) -> str:
    assert seen.design is not None
    taken = next((row for row in seen.figures if row["reading"] == "official" and row["estimate"] is not None), None)
    if taken is not None:
        return w("campaigns_reading_taken", day=w.day(taken["as_of"]))
    if seen.design.reads_on is None:
        return w("campaigns_reading_never")
    return w("campaigns_reading_ahead") if seen.design.reads_on > as_of else w("campaigns_reading_waits")


def _found(seen: Seen, content: CampaignsContent, w: Words) -> Iterator[Part]:
    """Planned beside found: what decides."""
    return _figures("found", [row for row in seen.figures if row["reading"] != "exploratory"], seen, content, w)


def _asked(seen: Seen, content: CampaignsContent, w: Words) -> Iterator[Part]:
    """Planned beside found: what only asks."""
    return _figures("asked", [row for row in seen.figures if row["reading"] == "exploratory"], seen, content, w)


def _figures(name: str, own: Sequence[Row], seen: Seen, content: CampaignsContent, w: Words) -> Iterator[Part]:
    if not own:
        return
    rows = tuple(
        (
            Cell(metric(row["metric"], w)),
            planned_cell(row, seen, content, w),
            found_cell(row, seen, content, w),
            Cell(w(f"campaigns_voice_{row['reading']}"), w.known("campaigns_method_", row["method"])),
            verdict_cell(row, seen, content, w),
        )
        for row in own
    )
    kinds = "; ".join(f"{metric(n, w)}: {definition(n, w)}" for n in dict.fromkeys(row["metric"] for row in own))
    columns = (
        Column(w("campaigns_column_what"), kinds),
        Column(w("campaigns_column_planned"), w("campaigns_column_planned_means"), is_number=True),
        Column(w("campaigns_column_found"), w("campaigns_column_found_means"), is_number=True),
        Column(w("campaigns_column_voice"), w("campaigns_column_voice_means")),
        Column(w("campaigns_column_says"), w("campaigns_column_says_means")),
    )
    yield Table(f"{name}-{seen.slug}", w(f"campaigns_caption_{name}"), columns, rows)
    for note in dict.fromkeys(filter(None, (notes(row, content, w) for row in own if not seen.is_withheld))):
        yield Notice(note)


def _band(seen: Seen, content: CampaignsContent, w: Words) -> Iterator[Part]:
    """The daily interval over time, with the day on which the planned reading is taken."""
    if seen.is_withheld:
        return
    factor = {"share": 100.0, "money": 0.01, "number": 1.0}[content.units.get(seen.primary, "number")]
    points = tuple(
        Point(row["as_of"].isoformat(), row["estimate"] * factor, row["low"] * factor, row["high"] * factor)
        for row in seen.history
        if row["estimate"] is not None and is_large_enough(row)
    )
    if not points:
        return
    series = [Series(w("campaigns_band_found"), points, is_main=True)]
    planned = next((row["planned"] for row in reversed(seen.history) if row["planned"] is not None), None)
    if planned is not None:
        ends = (points[0], points[-1]) if len(points) > 1 else points
        series.append(Series(w("campaigns_band_planned"), tuple(Point(end.x, planned * factor) for end in ends)))
    taken = next((row for row in seen.figures if row["reading"] == "official" and row["estimate"] is not None), None)
    marks = [(one.on.isoformat(), w(f"campaigns_happened_{one.kind}")) for one in seen.happenings]
    if taken is not None:
        marks.append((taken["as_of"].isoformat(), w("campaigns_mark_read")))
    elif seen.design is not None and seen.design.reads_on is not None:
        marks.append((seen.design.reads_on.isoformat(), w("campaigns_mark_reads")))
    unit = content.units.get(seen.primary, "number")
    yield Chart(
        f"band-{seen.slug}",
        w("campaigns_band", what=metric(seen.primary, w)),
        w("campaigns_band_means"),
        "history",
        tuple(series),
        "money" if unit == "money" else "number",
        w("campaigns_day"),
        w("campaigns_band_y", what=metric(seen.primary, w)) if unit == "share" else metric(seen.primary, w),
        reference=0.0,
        reference_label=w("campaigns_band_zero"),
        marks=tuple(marks),
        sentence=_band_says(seen, content, w),
    )


def _band_says(seen: Seen, content: CampaignsContent, w: Words) -> str:
    last = next(row for row in reversed(seen.history) if row["estimate"] is not None and is_large_enough(row))
    between = interval(seen.primary, last["low"], last["high"], content, w)
    return w(f"campaigns_band_{side(last, content)}", day=w.day(last["as_of"]), interval=between)


def _checks(seen: Seen, w: Words) -> Iterator[Table]:
    if not seen.checks:
        return
    order = {"failed": 0, "warning": 1, "passed": 2, "not checked": 3}
    rows = tuple(
        (
            Cell(check_name(check, w), check_means(check, w)),
            Cell(w(f"campaigns_verdict_{check['verdict'].replace(' ', '_')}"), state=_VERDICTS[check["verdict"]]),
            Cell(check_says(check, seen, w), check_value(check, seen, w)),
        )
        for check in sorted(seen.checks, key=lambda check: order[check["verdict"]])
    )
    columns = (
        Column(w("campaigns_column_check"), w("campaigns_column_check_means")),
        Column(w("campaigns_column_verdict"), w("campaigns_column_verdict_means")),
        Column(w("campaigns_column_todo"), w("campaigns_column_todo_means")),
    )
    yield Table(f"checks-{seen.slug}", w("campaigns_caption_checks"), columns, rows)


def _history(seen: Seen, w: Words) -> Iterator[Table]:
    if len(seen.happenings) < 2:  # a launch alone is told where the campaign stands
        return
    rows = tuple(
        (
            Cell(w.brief_day(one.on)),
            Cell(w(f"campaigns_happened_{one.kind}")),
            Cell(who(one.by, w)),
            Cell(_because(one.kind, one.by, one.reason, w)),
        )
        for one in seen.happenings
    )
    columns = (
        Column(w("campaigns_day")),
        Column(w("campaigns_column_happened"), w("campaigns_column_happened_means")),
        Column(w("campaigns_column_who")),
        Column(w("campaigns_column_why")),
    )
    yield Table(f"happened-{seen.slug}", w("campaigns_caption_happened"), columns, rows)


def _because(kind: str, by: str | None, text: str | None, w: Words) -> str:
    if kind == "launched":
        return w("campaigns_forced", reason=text) if text else w("campaigns_launched_plan")
    return reason(by, text, w)
