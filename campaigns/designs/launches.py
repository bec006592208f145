"""Launch, halt and resume a campaign: facts of the ledger, each with who or what it rests on.

A campaign decides about customers only while it is *in force*: its version was launched, it was not halted since, and
the day lies within its period.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from campaigns.designs.design import Design, check_unchanged, design_of
from campaigns.feasibility.planning import plan
from campaigns.feasibility.plans import Plan
from campaigns.holdout import campaign_layer
from campaigns.ledger import record
from holdback.business import Business, Campaign
from holdback.errors import BusinessFileError
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

State = Literal["in force", "halted", "waits", "over", "not launched"]

_FEWEST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Launch:
    """What a launch did.

    Attributes:
        design: The design in the ledger.
        plan: The plan that it was launched with; None when the version had been launched before.
        was_launched_already: True when nothing was written.
        changes: What the business file has changed since the launch, and may.
    """

    design: Design
    plan: Plan | None
    was_launched_already: bool
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a campaign stands on a day.

    Attributes:
        campaign: Its name.
        version: Its version in the business file.
        state: ``in force``; ``halted``; ``waits`` (launched, and starts later); ``over``; ``not launched``.
        since: Day of the fact that put it there; None when it is not launched.
        design: The newest launched design, of whatever version; None when none was.
        reason: Why it was halted, resumed, or launched by force.
        by: Who halted or resumed it.
    """

    campaign: str
    version: int
    state: State
    since: date | None
    design: Design | None
    reason: str | None
    by: str | None


def launch(workspace: Workspace, campaign_name: str, as_of: date, *, force_reason: str | None = None) -> Launch:
    """Fix a campaign's design and record it in the ledger, once per version.

    Args:
        workspace: The business.
        campaign_name: One of its campaigns.
        as_of: The day.
        force_reason: Why it is launched although its effect cannot be read in time; kept in the ledger and shown. Not
            needed, and not kept, for a campaign that can be read.

    Raises:
        BusinessFileError: the campaign was run elsewhere; the file changed what the launch of the same version had
            fixed, or has an older version than the launched one; the reason is too short; or the plan's own reasons.
        NotKnowableYet: the effect cannot be read in time, and no reason was given; or there is no past to plan from.
    """
    warehouse, business = workspace.warehouse, workspace.business
    campaign = business.own_campaign_named(campaign_name)
    newest = _designs(warehouse, as_of).get(campaign.name)
    if newest is not None and newest.version == campaign.version:
        return Launch(newest, None, True, check_unchanged(business, newest))
    if newest is not None and newest.version > campaign.version:
        raise BusinessFileError(
            f"{business.slug}: campaign {campaign.name}: version: {campaign.version} is older than version "
            f"{newest.version}, launched on {newest.launched_on}. Versions only rise: choose {newest.version + 1}."
        )
    reason = None if force_reason is None else _written(business, campaign, "--force", force_reason)
    planned = plan(warehouse, business, campaign.name, as_of)
    if reason is None:
        planned.require_readable()
    forced = None if planned.as_written.is_readable else reason
    design = design_of(business, campaign, planned, forced_reason=forced)
    rows = _row(
        "launched", campaign, design.salt, {"design": json.loads(design.to_json()), "hash": design.hash}, forced
    )
    if not record(workspace, as_of, rows, batch=f"launch/{campaign.name}/{campaign.version}"):
        known = _designs(warehouse, as_of).get(campaign.name, design)  # another process was faster: what stands counts
        return Launch(known, None, True, check_unchanged(business, known))
    return Launch(design, planned, False, ())


def halt(workspace: Workspace, campaign_name: str, as_of: date, *, reason: str, by: str) -> bool:
    """Stop a campaign's decisions from ``as_of`` on; who is in it keeps his group, and is read on the planned day.

    Args:
        workspace: The business.
        campaign_name: A launched campaign.
        as_of: The day.
        reason: Why, in a few words.
        by: Who, or which monitor, halts it.

    Returns:
        True when it was recorded; False when the campaign was halted already.

    Raises:
        BusinessFileError: the campaign was run elsewhere, its version was never launched, or the reason is too short.
    """
    return _switch(workspace, campaign_name, as_of, "halted", reason=reason, by=by)


def resume(workspace: Workspace, campaign_name: str, as_of: date, *, reason: str, by: str) -> bool:
    """Let a halted campaign decide again. It takes a person: say who, and why.

    Args:
        workspace: The business.
        campaign_name: A halted campaign.
        as_of: The day.
        reason: Why, in a few words.
        by: The person's name.

    Returns:
        True when it was recorded; False when the campaign was not halted.

    Raises:
        BusinessFileError: as :func:`halt`; also when no name is given.
    """
    return _switch(workspace, campaign_name, as_of, "resumed", reason=reason, by=by)


def launched(warehouse: Warehouse, business: Business, as_of: date) -> tuple[Design, ...]:
    """Return the designs in force on a day, in the order of the business file; a day's decisions follow them alone."""
    return tuple(
        standing.design
        for standing in standings(warehouse, business, as_of)
        if standing.state == "in force" and standing.design is not None
    )


def launched_versions(warehouse: Warehouse, as_of: date) -> tuple[Design, ...]:
    """Return every design that was ever launched up to a day, in the order of the launches; older versions too."""
    return tuple(_design_in(fact) for fact in _facts(warehouse, as_of) if fact["kind"] == "launched")


def resumed_on(warehouse: Warehouse, campaign: str, version: int, as_of: date) -> date | None:
    """Return the day on which a person resumed a campaign last, or None when nobody did."""
    days = [
        fact["as_of"]
        for fact in _facts(warehouse, as_of)
        if fact["kind"] == "resumed" and (fact["campaign"], fact["version"]) == (campaign, version)
    ]
    return max(days, default=None)


def resumed_against(warehouse: Warehouse, campaign: str, version: int, as_of: date, *, halter: str) -> date | None:
    """Return the day on which a person last resumed what ``halter`` had halted, or None when nobody did.

    A resumption answers the halt before it: who brings a campaign back after a holiday has not overruled a monitor.

    Args:
        warehouse: Where the ledger is.
        campaign: Name of the campaign.
        version: Its version.
        as_of: The day of knowledge.
        halter: Who halted, as the ledger names it.
    """
    found, halted_by = None, None
    for fact in _facts(warehouse, as_of):
        if (fact["campaign"], fact["version"]) != (campaign, version):
            continue
        if fact["kind"] == "halted":
            halted_by = json.loads(fact["detail"])["by"]
        elif fact["kind"] == "resumed" and halted_by == halter:
            found = fact["as_of"]
    return found


def standings(warehouse: Warehouse, business: Business, as_of: date) -> tuple[Standing, ...]:
    """Return where each campaign of the business file stands on a day, as the ledger knew it then.

    A campaign that was run elsewhere stands nowhere: it is measured, and never launched.
    """
    facts = _facts(warehouse, as_of)
    designs = _newest(facts)
    return tuple(_standing(campaign, designs.get(campaign.name), facts, as_of) for campaign in business.own_campaigns)


def _standing(campaign: Campaign, design: Design | None, facts: list[dict[str, Any]], as_of: date) -> Standing:
    def told(state: State, since: date | None, reason: str | None = None, by: str | None = None) -> Standing:
        return Standing(campaign.name, campaign.version, state, since, design, reason, by)

    if design is None or design.version != campaign.version:
        return told("not launched", None)
    own = [fact for fact in facts if (fact["campaign"], fact["version"]) == (campaign.name, campaign.version)]
    switches = [fact for fact in own if fact["kind"] != "launched"]
    reason, by, since = design.forced_reason, None, design.launched_on
    if switches:
        reason, by, since = switches[-1]["reason"], json.loads(switches[-1]["detail"])["by"], switches[-1]["as_of"]
    if campaign.ends_on is not None and as_of >= campaign.ends_on:
        return told("over", campaign.ends_on, reason, by)
    if switches and switches[-1]["kind"] == "halted":
        return told("halted", since, reason, by)
    if campaign.starts_on is not None and as_of < campaign.starts_on:
        return told("waits", since, reason, by)
    return told("in force", since, reason, by)


def _switch(
    workspace: Workspace, campaign_name: str, as_of: date, kind: Literal["halted", "resumed"], *, reason: str, by: str
) -> bool:
    business = workspace.business
    campaign = business.own_campaign_named(campaign_name)
    where = f"{business.slug}: campaign {campaign.name}"
    written = _written(business, campaign, "reason", reason)
    if not by.strip():
        raise BusinessFileError(f"{where}: by: nobody is named. Say who has it {kind}.")
    facts = _facts(workspace.warehouse, as_of)
    own = [fact for fact in facts if (fact["campaign"], fact["version"]) == (campaign.name, campaign.version)]
    if not any(fact["kind"] == "launched" for fact in own):
        raise BusinessFileError(
            f"{where}: version {campaign.version} was not launched by {as_of}, so it cannot be {kind}. "
            f"Launch it with `holdback campaign launch {campaign.name}`."
        )
    switches = [fact["kind"] for fact in own if fact["kind"] != "launched"]
    if (switches[-1] if switches else "resumed") == kind:
        return False
    rows = _row(kind, campaign, campaign_layer(business, campaign).salt, {"by": by.strip()}, written)
    # A day may see several halts for the same reason: each is a fact of its own, so its batch names it.
    batch = f"{kind}/{campaign.name}/{campaign.version}/{1 + switches.count(kind)}"
    named = rows.append_column("entry_id", [[hashlib.sha256(batch.encode()).hexdigest()]])
    return record(workspace, as_of, named, batch=batch)


def _designs(warehouse: Warehouse, as_of: date) -> dict[str, Design]:
    return _newest(_facts(warehouse, as_of))


def _newest(facts: list[dict[str, Any]]) -> dict[str, Design]:
    """Return the highest launched version of each campaign."""
    found: dict[str, Design] = {}
    for fact in facts:
        known = found.get(fact["campaign"])
        if fact["kind"] == "launched" and (known is None or fact["version"] > known.version):
            found[fact["campaign"]] = _design_in(fact)
    return found


def _design_in(fact: dict[str, Any]) -> Design:
    return Design.from_json(json.dumps(json.loads(fact["detail"])["design"]))


def _facts(warehouse: Warehouse, as_of: date) -> list[dict[str, Any]]:
    """Read launches, halts and resumptions up to a day, in the order in which they were recorded."""
    found: list[dict[str, Any]] = warehouse.query(
        "select as_of, kind, campaign, version, detail, reason from ledger "
        f"where kind in ('launched', 'halted', 'resumed') and as_of <= date '{as_of}' order by ledger.as_of, sequence"
    ).to_pylist()
    return found


def _row(kind: str, campaign: Campaign, salt: str, detail: dict[str, Any], reason: str | None) -> pa.Table:
    import pyarrow as pa

    text = json.dumps(detail, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return pa.table(
        {
            "kind": pa.array([kind], pa.string()),
            "campaign": pa.array([campaign.name], pa.string()),
            "version": pa.array([campaign.version], pa.int64()),
            "salt": pa.array([salt], pa.string()),
            "detail": pa.array([text], pa.string()),
            "reason": pa.array([reason], pa.string()),
        }
    )


def _written(business: Business, campaign: Campaign, what: str, reason: str) -> str:
    words = reason.split()
    if len(words) < _FEWEST_WORDS:
        raise BusinessFileError(
            f"{business.slug}: campaign {campaign.name}: {what}: {reason!r} is no reason. It is kept for those who ask "
            f"later: write at least {_FEWEST_WORDS} words."
        )
    return " ".join(words)
