"""The rows that a day's decision adds to the ledger: who was assigned to what, and what was decided for whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from campaigns.decisions.candidates import Candidates
from campaigns.decisions.choices import NONE, Choices, explore_salt
from campaigns.decisions.refusals import DRIVES_AWAY, Refusal
from campaigns.decisions.rests_on import rests_on
from campaigns.do_not_disturb import intended_segment
from campaigns.holdout import Layer, campaign_layer
from holdback.business import Business, Campaign

if TYPE_CHECKING:
    from campaigns.decisions.candidates import Column
    from campaigns.lifts import Lift

Bools = npt.NDArray[np.bool_]
Objects = npt.NDArray[np.object_]

#: Raise it when the same business file would be decided differently by newer code.
_RULES = "2"
#: Stands for no gain where a model expects harm, until it is written out.
_NO_GAIN_BUT_HARM = -1
#: How an action is worded chooses nobody: a message that is corrected leaves the rules their name.
_WORDS: Final = {"message", "offer"}
_SECTIONS = ("value", "fit", "actions", "holdout", "contact", "budget", "campaigns")


def policy_version(business: Business, lifts: Mapping[str, Lift], models: Mapping[str, str] | None = None) -> str:
    """Return the name of the rules that choose: a hash of the business file's sections on decisions and of our own.

    A measured lift is part of the rules: with another one the same scores are decided differently, so it has another
    name, and whoever evaluates a policy from the ledger does not take two for one. An assumed lift stands in the file
    already; that a lift turned stale changes no choice, and no name. So are the models in office: those whose uplifts
    and values of the day are used.

    Args:
        business: The company.
        lifts: Lift by action.
        models: Version by model: ``uplift/<action>``, ``value``.

    Examples:
        ``2-5f0c21e5a7b3``: the same for the same sections and measurements, whatever else the file says.
    """
    content = business.model_dump(mode="json", include=set(_SECTIONS), exclude={"actions": {"__all__": _WORDS}})
    measured = {name: lift.save_rate for name, lift in lifts.items() if lift.is_from_measurement}
    if measured:
        content["measured_lifts"] = measured
    if models:
        content["models"] = dict(models)
    return f"{_RULES}-{hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]}"


def assigned_rows(layer: Layer, groups: pa.Table, seen: pa.Table) -> pa.Table:
    """Return one row of kind ``assigned`` for everybody whom the ledger does not have in this layer yet.

    Args:
        layer: The layer.
        groups: Result of :func:`campaigns.holdout.assign`.
        seen: ``customer_id, probability, kept_cents, fit_class, value_decile, model_version, policy_version`` as the
            decision saw them; frozen here, because a score that is refreshed after a contact is no covariate any more.
    """
    new = groups.filter(groups["is_new"]).drop_columns("is_new")
    rows = new.append_column("kind", _all("assigned", new)).append_column("salt", _all(layer.salt, new))
    rows = rows.append_column("version", _all(layer.version, new))
    if layer.campaign is not None:
        rows = rows.append_column("campaign", _all(layer.campaign, new))
    position = pc.index_in(new["customer_id"], value_set=seen["customer_id"])
    for name in seen.column_names:
        if name != "customer_id":
            rows = rows.append_column(name, seen[name].take(position))
    return rows


def decided_rows(
    business: Business,
    campaigns: Sequence[Campaign],
    as_of: date,
    candidates: Candidates,
    choices: Choices,
    group: Objects,
    policy: str,
) -> pa.Table:
    """Return one row of kind ``decided`` per candidate: what is done, what was refused, and why.

    Args:
        business: The company.
        campaigns: Those in force.
        as_of: The day.
        candidates: The audiences.
        choices: What was chosen.
        group: ``treatment`` or ``holdout`` by candidate.
        policy: Result of :func:`policy_version`.
    """
    rows, columns = candidates.rows, candidates.columns
    own = np.asarray(rows["campaign_index"].to_numpy(), dtype=np.int64)
    count = own.size
    positions = np.arange(count)
    shown = np.where(choices.action != NONE, choices.action, choices.intended)
    layers = [campaign_layer(business, campaign) for campaign in campaigns]
    salts = np.array([[layer.salt for layer in layers], [explore_salt(business, c, as_of) for c in campaigns]], object)
    with_shown = shown != NONE
    gains = np.zeros(count)
    gains[with_shown] = candidates.gain_cents[positions[with_shown], shown[with_shown]]
    costs = np.where(choices.action != NONE, candidates.costs[choices.action], 0)
    basis = rests_on(candidates, shown)
    return pa.table(
        {
            "kind": pa.array(["decided"] * count, pa.string()),
            "customer_id": rows["customer_id"],
            "unit_id": rows["unit_id"],
            "campaign": pa.array(np.array([c.name for c in campaigns], object)[own], pa.string()),
            "version": pa.array(np.array([c.version for c in campaigns], np.int64)[own]),
            "salt": pa.array(salts[choices.is_explorer.astype(int), own], pa.string()),
            "group": pa.array(group, pa.string()),
            "propensity": pa.array(choices.propensity),
            "action": pa.array(_names(columns, choices.action, "action"), pa.string()),
            "intended_action": pa.array(_names(columns, choices.intended, "action"), pa.string()),
            "channel": pa.array(_names(columns, choices.action, "channel"), pa.string()),
            "is_exploration": pa.array(choices.is_explorer),
            "policy_version": pa.array([policy] * count, pa.string()),
            "model_version": rows["model_version"],
            "probability": rows["probability"],
            "kept_cents": rows["kept_cents"],
            "fit_class": rows["fit_class"],
            "value_decile": rows["value_decile"],
            "gain_cents": pa.array(np.rint(gains).astype(np.int64), mask=~with_shown),
            "lift": pa.array(basis.lift, pa.float64()),
            "lift_status": pa.array(basis.status, pa.string()),
            "eligible": pa.array(_eligible(columns, own, choices), pa.string()),
            "refused": pa.array(_refused(candidates, choices, own, group == "holdout"), pa.string()),
            "reason": _reasons(business, rows),
            "cost_cents": pa.array(costs.astype(np.int64)),
            "detail": pa.array(basis.detail, pa.string()),
        }
    )


def why_refused(candidates: Candidates, choices: Choices, is_held_out: Bools) -> npt.NDArray[np.int8]:
    """Return, for each candidate and column, why it was not carried out (``OPEN`` where it was), shape (n, k)."""
    found = candidates.refusal.copy()
    is_open = candidates.is_open
    found[is_open & (candidates.gain_cents <= 0)] = Refusal.NO_GAIN
    gainful = is_open & (candidates.gain_cents > 0)
    found[gainful & (choices.intended == NONE)[:, None]] = Refusal.PRICE
    found[gainful & (choices.intended != NONE)[:, None]] = Refusal.WEAKER
    chosen = np.flatnonzero(choices.intended != NONE)
    is_drawn = choices.is_explorer[chosen]  # of the others, those for whom no limit had room
    found[chosen, choices.intended[chosen]] = np.where(is_drawn, Refusal.EXPLORED, Refusal.PRICE)
    found[is_open & is_held_out[:, None]] = Refusal.HELD_OUT
    done = np.flatnonzero(choices.action != NONE)
    found[done, choices.action[done]] = Refusal.OPEN
    return found


def _refused(candidates: Candidates, choices: Choices, own: npt.NDArray[np.int64], is_held_out: Bools) -> Objects:
    why = why_refused(candidates, choices, is_held_out)
    why[(why == Refusal.NO_GAIN) & (candidates.uplift < 0)] = _NO_GAIN_BUT_HARM
    because = {name: candidates.rows[name].to_pylist() for name in ("suppressed_by", "disturbed_by")}
    patterns, which = np.unique(np.column_stack([own.astype(np.int8), why]), axis=0, return_inverse=True)
    texts = np.array([_pattern(candidates.columns, pattern, {}) for pattern in patterns], dtype=object)
    found = texts[which.reshape(-1)]
    for position in np.flatnonzero(np.isin(why, (Refusal.SUPPRESSED, Refusal.DO_NOT_DISTURB)).any(axis=1)):
        reasons = {
            Refusal.SUPPRESSED: because["suppressed_by"][position],
            Refusal.DO_NOT_DISTURB: because["disturbed_by"][position],
        }
        found[position] = _pattern(candidates.columns, patterns[which.reshape(-1)[position]], reasons)
    return np.asarray(found, dtype=object)


def _pattern(columns: Sequence[Column], pattern: npt.NDArray[np.int8], reasons: Mapping[Refusal, str | None]) -> str:
    """JSON of the refused actions of one campaign, each with why."""
    index, why = int(pattern[0]), pattern[1:]
    named = {
        column.action.name: DRIVES_AWAY if code == _NO_GAIN_BUT_HARM else _told(column, Refusal(int(code)), reasons)
        for column, code in zip(columns, why, strict=True)
        if column.campaign_index == index and code != Refusal.OPEN
    }
    return json.dumps(named, separators=(",", ":"), ensure_ascii=False)


def _told(column: Column, refusal: Refusal, reasons: Mapping[Refusal, str | None]) -> str:
    reason = reasons.get(refusal)
    if refusal == Refusal.DO_NOT_DISTURB and reason is None:
        reason = intended_segment(column.action.name)  # nothing else of the customer was harmed: it is the action
    return refusal.code + (f": {reason}" if reason else "")


def _eligible(columns: Sequence[Column], own: npt.NDArray[np.int64], choices: Choices) -> Objects:
    """JSON of the probability of each action in the treatment group, none included; what can be learned needs it."""
    rounded = np.round(choices.probability, 12)
    patterns, which = np.unique(np.column_stack([own, rounded]), axis=0, return_inverse=True)
    names = ["none", *(column.action.name for column in columns)]
    texts = [
        json.dumps({n: p for n, p in zip(names, pattern[1:].tolist(), strict=True) if p > 0}, separators=(",", ":"))
        for pattern in patterns
    ]
    return np.array(texts, dtype=object)[which.reshape(-1)]


def _names(columns: Sequence[Column], chosen: npt.NDArray[np.int64], what: str) -> Objects:
    """Name of the chosen action, or its channel; ``none`` (no channel) where nothing was chosen."""
    if what == "channel":
        return np.array([*(column.action.channel for column in columns), None], dtype=object)[chosen]
    return np.array([*(column.action.name for column in columns), "none"], dtype=object)[chosen]


def _reasons(business: Business, rows: pa.Table) -> pa.Array:
    """What the model associates with leaving, in the business' language and without probabilities; null if unknown."""
    from features.families import feature_set

    meanings = {feature.name: getattr(feature.meaning, business.language) for feature in feature_set(business)}
    return pa.array([_reason(text, meanings) for text in rows["reasons"].to_pylist()], pa.string())


def _reason(text: str | None, meanings: Mapping[str, str]) -> str | None:
    found = json.loads(text) if text else []
    if not found:
        return None
    first = found[0]
    return f"{meanings.get(first['feature'], first['feature'])}: {first['value']}"


def _all(value: str | int, rows: pa.Table) -> pa.Array:
    return pa.array([value] * rows.num_rows, pa.string() if isinstance(value, str) else pa.int64())
