"""Who decides whom an action is given, and what customers are worth: read from the journal and the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from holdback.journal import StoredVerdict
from holdback.sql import literal
from monitoring.portal.source import Source
from training.estimates import Estimate
from training.registry import VALUE, model_name, uplift_subject

VALUE_METRICS: Final = ("gini", "decile_error", "total_ratio", "top_share")
_PLAIN_LEARNERS: Final = ("t_learner", "s_learner")  # of which the stack is made: the newer stack takes their office
_STACK: Final = "dr_stack"

Found = Literal["winner", "no evidence", "not learnable", "nothing learned"]


@dataclass(frozen=True, slots=True)
class Competitor:
    """One row of a league.

    Attributes:
        name: Competitor.
        gain: Incremental margin per customer who entered, at the capacity, in currency units.
        against_incumbent: Its gain less the incumbent's, simultaneous for all challengers; None for the incumbent.
        treated_share: Share of the customers on its list.
        is_incumbent: It decided when the league was held.
        is_winner: It beat the incumbent.
    """

    name: str
    gain: Estimate
    against_incumbent: Estimate | None
    treated_share: float
    is_incumbent: bool
    is_winner: bool


@dataclass(frozen=True, slots=True)
class ActionOffice:
    """Who decides about one action, and what its newest league found.

    Attributes:
        action: Its name.
        version: The version in office; None while the rule of the day decides.
        since: The day it took office.
        decided_by: The competitor by which it decides; None as before.
        asked_count: Customers it was asked about on the newest scored day.
        found: What the newest league means.
        held_on: Its day; None before the first.
        customer_count: Customers compared in it.
        capacity_share: Share of the customers that can be treated.
        incumbent: Who was challenged in it.
        competitors: Best gain first.
    """

    action: str
    version: str | None
    since: date | None
    decided_by: str | None
    asked_count: int
    found: Found
    held_on: date | None = None
    customer_count: int = 0
    capacity_share: float | None = None
    incumbent: str | None = None
    competitors: tuple[Competitor, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueOffice:
    """The model that says what customers are worth.

    Attributes:
        version: In office; None when bookkeeping values the customers.
        since: The day it took office.
        method: How it values.
        valued_count: Customers valued on the newest day.
        valued_on: That day.
        methods: Its own method, then the plain ones it was compared with.
        figures: ``(method, metric)`` -> figure on outcomes that it had not seen.
    """

    version: str | None = None
    since: date | None = None
    method: str | None = None
    valued_count: int = 0
    valued_on: date | None = None
    methods: tuple[str, ...] = ()
    figures: Mapping[tuple[str, str], Estimate] | None = None


def action_offices(source: Source, scored_on: date | None) -> tuple[ActionOffice, ...]:
    """Return who decides about each action of the business file, in its order, as it was on the day."""
    asked = _asked(source, scored_on)
    return tuple(_office_of(source, action.name, asked) for action in source.business.actions)


def value_office(source: Source) -> ValueOffice:
    """Return the value model that was in office on the day, with the figures of its training."""
    model = model_name(source.business, VALUE)
    verdicts = [verdict for verdict in source.journal.verdicts(model) if verdict.as_of <= source.as_of]
    version, since = _in_office(verdicts)
    if version is None or since is None:
        return ValueOffice()
    day = source.warehouse.query(
        "select as_of, count(*) as n, min(method) as method from customer_values "
        f"where model_version = {literal(version)} and as_of <= date '{source.as_of}' "
        "group by as_of order by as_of desc limit 1"
    ).to_pylist()
    method = str(day[0]["method"]) if day else None
    figures = _value_figures(source, since)
    names = sorted({name for name, _ in figures}, key=lambda name: (name != method, name))
    return ValueOffice(
        version=version,
        since=since,
        method=method,
        valued_count=int(day[0]["n"]) if day else 0,
        valued_on=day[0]["as_of"] if day else None,
        methods=tuple(names),
        figures=figures,
    )


def _office_of(source: Source, action: str, asked: Mapping[str, tuple[str, int]]) -> ActionOffice:
    model = model_name(source.business, uplift_subject(action))
    verdicts = [verdict for verdict in source.journal.verdicts(model) if verdict.as_of <= source.as_of]
    version, since = _in_office(verdicts)
    leagues = [verdict for verdict in verdicts if verdict.figures.get("league")]
    crowned = next((verdict for verdict in reversed(leagues) if verdict.version == version), None)
    version_asked, count = asked.get(action, ("", 0))
    decided_by = _decided_by(crowned.figures["league"]) if version is not None and crowned is not None else None
    asked_count = count if version is not None and version_asked == version else 0
    if not leagues:
        return ActionOffice(action, version, since, decided_by, asked_count, "nothing learned")
    newest = leagues[-1]
    league: Mapping[str, Any] = newest.figures["league"]
    return ActionOffice(
        action=action,
        version=version,
        since=since,
        decided_by=decided_by,
        asked_count=asked_count,
        found=_found(league),
        held_on=newest.as_of,
        customer_count=int(league["n"]),
        capacity_share=float(league["capacity_share"]),
        incumbent=str(league["incumbent"]),
        competitors=tuple(_competitor(league, standing) for standing in league["standings"]),
    )


def _in_office(verdicts: Sequence[StoredVerdict]) -> tuple[str | None, date | None]:
    """Replay the decisions: who was in office after the last of them, and since when."""
    version: str | None = None
    since: date | None = None
    for verdict in verdicts:
        is_by_hand = verdict.figures.get("by") == "hand"
        if verdict.decision == "promote":
            version, since = verdict.version, verdict.as_of
        elif is_by_hand:  # rolled back, and nobody was there before
            version, since = None, None
    return version, since


def _decided_by(league: Mapping[str, Any]) -> str:
    """Who took or kept office in a league: the winner, else the incumbent or the stack that it is part of."""
    if league.get("winner"):
        return str(league["winner"])
    incumbent = str(league["incumbent"])
    gains = {str(each["name"]): float(each["gain"]["estimate"]) for each in league["standings"]}
    is_part = incumbent in _PLAIN_LEARNERS and gains.get(_STACK, float("-inf")) >= gains.get(incumbent, 0.0)
    return _STACK if is_part else incumbent


def _found(league: Mapping[str, Any]) -> Found:
    if league.get("winner"):
        return "winner"
    return "not learnable" if str(league.get("verdict", "")).startswith("not learnable") else "no evidence"


def _competitor(league: Mapping[str, Any], standing: Mapping[str, Any]) -> Competitor:
    name = str(standing["name"])
    against = standing.get("against_incumbent")
    return Competitor(
        name=name,
        gain=_estimate(standing["gain"]),
        against_incumbent=None if against is None else _estimate(against),
        treated_share=float(standing["treated_share"]),
        is_incumbent=name == league["incumbent"],
        is_winner=name == league.get("winner"),
    )


def _estimate(found: Mapping[str, Any]) -> Estimate:
    return Estimate(
        float(found["estimate"]), float(found["low"]), float(found["high"]), int(found.get("n") or 0),
        str(found.get("method") or ""),
    )  # fmt: skip


def _asked(source: Source, scored_on: date | None) -> Mapping[str, tuple[str, int]]:
    """Action -> the version that was asked on a day, and about how many customers."""
    if scored_on is None:
        return {}
    rows = source.warehouse.query(
        "select action, min(model_version) as version, count(*) as n from uplifts "
        f"where as_of = date '{scored_on}' group by action"
    ).to_pylist()
    return {row["action"]: (str(row["version"]), int(row["n"])) for row in rows}


def _value_figures(source: Source, trained_on: date) -> Mapping[tuple[str, str], Estimate]:
    named = ", ".join(literal(metric) for metric in VALUE_METRICS)
    rows = source.warehouse.query(
        f"select * from evaluations where as_of = date '{trained_on}' and metric in ({named}) and slice = 'all' "
        "and estimate is not null order by run_id"
    ).to_pylist()
    last = rows[-1]["run_id"] if rows else None
    return {
        (row["model"], row["metric"]): Estimate(
            row["estimate"], row["low"], row["high"], row["row_count"] or 0, row["method"] or ""
        )
        for row in rows
        if row["run_id"] == last
    }
