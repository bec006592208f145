"""Which campaigns are measured on a day, and whether today is the day of their planned reading."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from campaigns.designs import Design, Standing, launched_versions, standings
from holdback.business import Business, Campaign
from holdback.warehouse import Warehouse
from monitoring.effects import Maturity
from monitoring.outcomes import Cohort, cohort_of, programme


@dataclass(frozen=True, slots=True)
class Question:
    """One campaign to be measured.

    Attributes:
        cohort: Whom to follow, and for how long.
        design: What was fixed at the launch; None for the programme and what was assigned elsewhere.
        campaign: As the business file has it; None for the programme, and for a campaign taken out of the file.
        standing: Where it stands today; None where that has no meaning (the programme, older versions).
        was_read: True when its official reading was taken on another day, earlier or, for a day measured late, later.
    """

    cohort: Cohort
    design: Design | None
    campaign: Campaign | None
    standing: Standing | None
    was_read: bool

    def is_read_today(self, maturity: Maturity) -> bool:
        """True when the official reading is due: once, on the planned day or the first one after it that can tell.

        It can tell when the data reach the horizon of the last who was planned to enter. Without a planned day (a
        launch by force, a campaign that was assigned elsewhere) it is due when nobody can enter any more and everybody
        is mature. The programme has no such day: it never ends.
        """
        if self.was_read or maturity.matured_count == 0 or self.cohort.campaign is None:
            return False
        if self.design is not None and self.design.reads_on is not None:
            return maturity.as_of >= self.design.reads_on and self._is_reached(maturity)
        return self._is_closed and maturity.matured_count == maturity.assigned_count

    def _is_reached(self, maturity: Maturity) -> bool:
        """True unless a feed that is late leaves out those who entered last: to wait for it favours neither group."""
        reach, design = maturity.data_reach_on, self.design
        if reach is None or design is None or design.last_entry_on is None:
            return True
        return reach >= design.last_entry_on + timedelta(days=design.horizon_days)

    @property
    def _is_closed(self) -> bool:
        if self.cohort.assigned_by is not None or self.standing is None:
            return True
        return self.standing.state == "over"


def questions(warehouse: Warehouse, business: Business, as_of: date) -> Iterator[Question]:
    """Yield what is to be measured on a day: each launched version, what was assigned elsewhere, the programme."""
    read = _read_before(warehouse, as_of)
    stands = {standing.campaign: standing for standing in standings(warehouse, business, as_of)}
    in_file = {campaign.name: campaign for campaign in business.campaigns}
    for design in launched_versions(warehouse, as_of):
        campaign, standing = in_file.get(design.campaign), stands.get(design.campaign)
        is_current = standing is not None and standing.version == design.version
        cohort = cohort_of(business, campaign, design)
        yield Question(
            cohort, design, campaign, standing if is_current else None, (design.campaign, design.version) in read
        )
    for campaign in business.campaigns:
        if campaign.assigned_by is not None:
            # Its assignments do not know our version: a new number is not a new experiment.
            was_read = any(name == campaign.name for name, _ in read)
            yield Question(cohort_of(business, campaign, None), None, campaign, None, was_read)
    if business.holdout.global_share > 0 and _has_global_groups(warehouse, as_of):
        yield Question(programme(business, as_of), None, None, None, was_read=False)


def _read_before(warehouse: Warehouse, as_of: date) -> set[tuple[str, int]]:
    rows = warehouse.query(
        "select distinct campaign, version from effects "
        "where reading = 'official' and segment = 'all' and estimate is not null and campaign is not null "
        f"and as_of <> date '{as_of}'"
    ).to_pylist()
    return {(row["campaign"], row["version"]) for row in rows}


def _has_global_groups(warehouse: Warehouse, as_of: date) -> bool:
    found = warehouse.query(
        "select count(*) > 0 as found from ledger "
        f"where kind = 'assigned' and campaign is null and as_of <= date '{as_of}'"
    )
    return bool(found["found"][0].as_py())
