"""Whether a campaign can be believed: its checks, in reading order. A failed one withholds the effects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Final

import pyarrow.compute as pc

from campaigns.designs import check_unchanged
from campaigns.ledger import verify
from holdback.errors import BusinessFileError
from holdback.sql import literal
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.effects.checks import LARGEST_CONTAMINATION, Check, Verdict
from monitoring.effects.independence import P_LIMIT, independence
from monitoring.effects.missing import coverage, response_rates
from monitoring.effects.sample_ratio import sample_ratio
from monitoring.measurement.questions import Question
from monitoring.outcomes import HOLDOUT, TREATMENT, Outcomes

#: Feeds that end longer ago than this are told: outcomes may wait for them.
LATEST_DATA_DAYS: Final = 7
#: Fewer of the decided contacts carried out than this is told: the effect as assigned is then mostly that of nothing.
LEAST_REACHED: Final = 0.5


def checks_of(
    workspace: Workspace, question: Question, outcomes: Outcomes, as_of: date, *, is_official: bool
) -> Iterator[Check]:
    """Yield the checks of one campaign on one day."""
    yield _drawing(outcomes, is_official=is_official)
    yield from _assignments(question, outcomes)
    yield _contamination(outcomes)
    yield _reach(outcomes)
    if question.cohort.campaign is not None and question.cohort.assigned_by is None:
        yield from _independence(workspace.warehouse, question, as_of)
    yield coverage(outcomes.groups).check
    yield response_rates(outcomes.groups).check
    yield from _data_reach(outcomes)
    yield from _design(workspace, question)
    if is_official and question.cohort.assigned_by is None:
        yield _ledger(workspace)


def _data_reach(outcomes: Outcomes) -> Iterator[Check]:
    """A feed that is late: those whose horizon it does not reach wait, however long."""
    reach, as_of = outcomes.maturity.data_reach_on, outcomes.maturity.as_of
    if reach is not None and (as_of - reach).days > LATEST_DATA_DAYS:
        late = (as_of - reach).days
        finding = (
            f"The feeds that tell outcomes reach until {reach} only: who would be mature since then is not read. "
            "Look at what arrived: `holdback runs`, and the site's page about data."
        )
        yield Check("data_reach", "warning", float(late), float(LATEST_DATA_DAYS), finding)


def _drawing(outcomes: Outcomes, *, is_official: bool) -> Check:
    drawn = outcomes.entries.filter(pc.is_valid(outcomes.entries["propensity"]))
    if drawn.num_rows == 0:
        finding = "Nobody says with which probability the groups were drawn."
        return Check("sample_ratio", "not checked", None, None, finding)
    return sample_ratio(drawn, is_final=is_official).check


def _assignments(question: Question, outcomes: Outcomes) -> Iterator[Check]:
    """Who was assigned twice, or whose assignment was corrected: analysed as first assigned, and told."""
    if outcomes.duplicate_count or outcomes.changed_count:
        finding = (
            f"{outcomes.duplicate_count:,} customers were assigned more than once and {outcomes.changed_count:,} "
            f"assignments to {question.cohort.name} were changed afterwards; everybody is analysed as first assigned."
        )
        yield Check("assignments", "warning", outcomes.duplicate_count + outcomes.changed_count, 0, finding)


def _contamination(outcomes: Outcomes) -> Check:
    held, treated = outcomes.exposure[HOLDOUT], outcomes.exposure[TREATMENT]
    if not outcomes.is_reach_known:
        return Check("contamination", "not checked", None, LARGEST_CONTAMINATION, "No feed reports contacts.")
    share = held.reached_count / held.customer_count if held.customer_count else 0.0
    seen = f"{held.reached_count:,} of {held.customer_count:,} held out ({share:.1%}) were reached by this campaign"
    others = [group.other_count / group.customer_count if group.customer_count else 0.0 for group in (treated, held)]
    if abs(others[0] - others[1]) > LARGEST_CONTAMINATION:
        finding = (
            f"{others[1]:.1%} of those held out and {others[0]:.1%} of the treated were reached by other campaigns: "
            "what is compared is this campaign with another one. Look for contacts under another name."
        )
        return Check("contamination", "failed", abs(others[0] - others[1]), LARGEST_CONTAMINATION, finding)
    if share > LARGEST_CONTAMINATION:
        finding = f"{seen}. Look for who contacts outside the contact list: `holdback ledger show`."
        return Check("contamination", "failed", share, LARGEST_CONTAMINATION, finding)
    verdict: Verdict = "warning" if held.reached_count else "passed"
    return Check("contamination", verdict, share, LARGEST_CONTAMINATION, f"{seen}.")


def _reach(outcomes: Outcomes) -> Check:
    treated = outcomes.exposure[TREATMENT]
    if not outcomes.is_reach_known or treated.decided_count == 0:
        return Check("reach", "not checked", None, LEAST_REACHED, "No contact was decided, or no feed reports any.")
    share = min(treated.reached_count / treated.decided_count, 1.0)
    seen = f"{treated.reached_count:,} of {treated.decided_count:,} customers with a decided contact were reached"
    if share < LEAST_REACHED:
        finding = f"{seen} ({share:.0%}): the effect as assigned is mostly that of nothing. Look at the delivery."
        return Check("reach", "warning", share, LEAST_REACHED, finding)
    return Check("reach", "passed", share, LEAST_REACHED, f"{seen} ({share:.0%}).")


def _independence(warehouse: Warehouse, question: Question, as_of: date) -> Iterator[Check]:
    """Compare the drawing with that of every other campaign that some of the same units went through."""
    own = f"campaign = {literal(question.cohort.campaign or '')} and version = {question.cohort.version}"
    rows = warehouse.query(
        f"""
        -- groups: one row per unit and campaign, as first assigned.
        with groups as (
            select unit_id, campaign, version, arg_min("group", row(as_of, sequence)) as "group"
            from ledger
            where kind = 'assigned' and campaign is not null and as_of <= date '{as_of}'
            group by unit_id, campaign, version
        )
        select
            other.campaign,
            other.version,
            count(*) filter (where mine."group" = 'treatment' and other."group" = 'treatment') as both_treated,
            count(*) filter (where mine."group" = 'treatment' and other."group" = 'holdout') as only_mine,
            count(*) filter (where mine."group" = 'holdout' and other."group" = 'treatment') as only_other,
            count(*) filter (where mine."group" = 'holdout' and other."group" = 'holdout') as both_held
        from (select * from groups where {own}) as mine
            inner join (select * from groups where not ({own})) as other on other.unit_id = mine.unit_id
        group by other.campaign, other.version
        order by other.campaign, other.version
        """
    ).to_pylist()
    for row in rows:
        table = [[row["both_treated"], row["only_mine"]], [row["only_other"], row["both_held"]]]
        found = independence(table, p_limit=P_LIMIT / len(rows)).check
        yield Check(
            found.name, found.verdict, found.value, found.limit, f"{row['campaign']}/{row['version']}: {found.finding}"
        )


def _design(workspace: Workspace, question: Question) -> Iterator[Check]:
    """What the business file says otherwise than the launch: shown, and measured as launched."""
    if question.design is None or question.standing is None:
        return
    try:
        changes = check_unchanged(workspace.business, question.design)
    except BusinessFileError as error:
        yield Check("design", "warning", None, None, f"{error} It is measured as it was launched.")
        return
    for change in changes:
        yield Check("design", "warning", None, None, f"Changed since the launch: {change}.")


def _ledger(workspace: Workspace) -> Check:
    found = verify(workspace)
    return Check("ledger", "passed" if found.is_whole else "failed", float(found.rows), None, f"The ledger is {found}.")
