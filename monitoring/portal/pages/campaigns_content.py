"""What the page about campaigns is written from: the ledger, what was measured, and what was checked, read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from campaigns.designs import Design, Standing, launched_versions, standings
from campaigns.do_not_disturb import Disturbed, disturbed
from holdback.business import Business, Campaign
from holdback.warehouse import Warehouse
from monitoring.measurement import measured_on, metrics_of, unit_of
from monitoring.measurement.measuring import MONITOR
from monitoring.measurement.metrics import METRICS, Unit
from monitoring.measurement.portfolio import SideBySide, side_by_side
from monitoring.measurement.readable import newest_checks, quotable, withholding
from monitoring.measurement.retiring import RETIRER
from monitoring.outcomes import CHURNED
from monitoring.portal.pages import campaigns_asking as asking
from monitoring.portal.pages.campaigns_asking import Entered, Happening, Row
from monitoring.portal.source import Source

Stage = Literal[
    "in force", "halted", "harmful", "retired", "waits", "over", "not launched", "elsewhere", "programme", "older",
    "gone",
]  # fmt: skip
"""Where a campaign stands: a standing of the ledger, or why it has none. ``harmful`` and ``retired`` are halts."""

_VOICES: Final = ("official", "daily", "exploratory")
_ORDER: Final = ("save_rate", *(metric.name for metric in METRICS), "roi", "expected_roi", "days_kept")

LARGEST_PAGE: Final = 30
"""Campaigns with a section of their own; the rest stand in the overview."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One version of a campaign, or the programme, as known on the day.

    Attributes:
        name: The campaign's name; None for the programme.
        version: Its version, or that of the global holdout.
        stage: Where it stands.
        since: Since when; None when that has no meaning.
        campaign: As the business file has it; None for the programme and what was taken out of the file.
        design: What its launch fixed; None when it was not launched by us.
        primary: The outcome that it is judged by.
        entered: Who is in it; None when that is not in the ledger (it was run elsewhere).
        figures: For everybody: the official reading, then what was measured last, in reading order.
        history: The daily figures of the primary outcome, oldest first.
        segments: Figures of segments, those measured last of each voice.
        checks: Checks of the day on which it was measured last.
        happenings: What happened, oldest first.
        in_peace: Segments that it drives away, and that it leaves in peace since.
    """

    name: str | None
    version: int
    stage: Stage
    since: date | None
    campaign: Campaign | None
    design: Design | None
    primary: str
    entered: Entered | None = None
    figures: tuple[Row, ...] = ()
    history: tuple[Row, ...] = ()
    segments: tuple[Row, ...] = ()
    checks: tuple[Row, ...] = ()
    happenings: tuple[Happening, ...] = ()
    in_peace: tuple[Disturbed, ...] = ()

    @property
    def key(self) -> tuple[str | None, int]:
        """What names it in the tables."""
        return self.name, self.version

    @property
    def slug(self) -> str:
        """What names it in an address: no two have the same."""
        return f"programme-{self.version}" if self.name is None else f"c-{self.name.replace('_', '-')}-{self.version}"

    @property
    def failed(self) -> tuple[Row, ...]:
        """The checks that failed: while there is one, nothing is said about effects."""
        return tuple(check for check in self.checks if check["verdict"] == "failed")

    @property
    def is_withheld(self) -> bool:
        """True while a failed check withholds every effect; one about answers withholds what was answered only."""
        return bool(withholding(self.checks))

    @property
    def newest(self) -> tuple[Row, ...]:
        """Figures of the primary outcome, the planned reading first, then that of the newest day."""
        return tuple(
            row for row in self.figures if row["metric"] == self.primary and row["reading"] in ("official", "daily")
        )

    @property
    def found(self) -> Row | None:
        """The figure to quote: the planned reading once it was taken, else the newest daily one; None without one."""
        return quotable(self.newest, self.checks)

    @property
    def assigned_count(self) -> int:
        """Customers who had entered when it was measured last."""
        return max((row["assigned_count"] or 0 for row in self.figures), default=0)

    @property
    def matured_count(self) -> int:
        """Those of them whose outcome could be read."""
        return max((row["matured_count"] or 0 for row in self.figures), default=0)

    @property
    def knowable_on(self) -> date | None:
        """First day on which the primary outcome can be read; None when it can be, or when no day can be named."""
        days = [row["knowable_on"] for row in self.newest if row["reading"] == "daily" and row["knowable_on"]]
        return min(days, default=None)


@dataclass(frozen=True, slots=True)
class CampaignsContent:
    """What there is to say about campaigns.

    Attributes:
        as_of: The day.
        business: The company.
        measured_on: Newest measured day; None when nothing was measured yet.
        seen: The programme, then the campaigns of the file, then older versions and what was taken out of the file.
        units: Unit of each figure by its name.
        lower_is_better: Names of the figures of which less is better.
        is_contact_reported: True when a feed tells who was contacted.
        portfolio: What to expect when campaigns are repeated.
    """

    as_of: date
    business: Business
    measured_on: date | None
    seen: tuple[Seen, ...]
    units: Mapping[str, Unit]
    lower_is_better: frozenset[str]
    is_contact_reported: bool
    portfolio: SideBySide


def read_campaigns(source: Source) -> CampaignsContent:
    """Read what the page says, whatever there is."""
    warehouse, business, as_of = source.warehouse, source.business, source.as_of
    newest = measured_on(warehouse, as_of)
    figures = asking.figures(warehouse, as_of, newest)
    seen = _with_rows(warehouse, business, as_of, _asked(warehouse, business, as_of, figures), figures, newest)
    metrics = metrics_of(business)
    names = {row["metric"] for row in figures} | {metric.name for metric in metrics}
    return CampaignsContent(
        as_of=as_of,
        business=business,
        measured_on=newest,
        seen=tuple(seen),
        units={name: "number" if name == "days_kept" else unit_of(name, business) for name in names},
        lower_is_better=frozenset(metric.name for metric in metrics if metric.is_good_when_lower),
        is_contact_reported=bool(business.feeds_with_role("campaign_contacts")),
        portfolio=side_by_side(warehouse, as_of),
    )


def _asked(warehouse: Warehouse, business: Business, as_of: date, figures: Sequence[Row]) -> list[Seen]:
    """Return everything that there is to tell of, in reading order, without its rows."""
    in_file = {campaign.name: campaign for campaign in business.campaigns}
    stands = {standing.campaign: standing for standing in standings(warehouse, business, as_of)}
    found = [
        Seen(None, version, "programme", None, None, None, CHURNED)
        for version in sorted({row["version"] for row in figures if row["campaign"] is None}, reverse=True)[:1]
    ]
    for campaign in business.campaigns:
        standing = stands.get(campaign.name)
        if standing is None:
            found.append(
                Seen(campaign.name, campaign.version, "elsewhere", None, campaign, None, campaign.primary_outcome)
            )
        else:
            found.append(_standing(campaign, standing))
    told = {seen.key for seen in found}
    for design in launched_versions(warehouse, as_of):
        if (design.campaign, design.version) not in told:
            stage: Stage = "older" if design.campaign in in_file else "gone"
            campaign_now = in_file.get(design.campaign)
            found.append(
                Seen(
                    design.campaign,
                    design.version,
                    stage,
                    design.launched_on,
                    campaign_now,
                    design,
                    design.primary_outcome,
                )
            )
    return found


def _standing(campaign: Campaign, standing: Standing) -> Seen:
    stage: Stage = standing.state
    if stage == "halted":
        stage = {MONITOR: "harmful", RETIRER: "retired"}.get(standing.by or "", "halted")  # type: ignore[assignment]
    design = standing.design if standing.since is not None else None
    primary = design.primary_outcome if design is not None else campaign.primary_outcome
    return Seen(campaign.name, standing.version, stage, standing.since, campaign, design, primary)


def _with_rows(
    warehouse: Warehouse,
    business: Business,
    as_of: date,
    asked: Sequence[Seen],
    figures: Sequence[Row],
    newest: date | None,
) -> list[Seen]:
    entered = asking.entered(warehouse, business, as_of)
    segments, checks = asking.segments(warehouse, as_of), newest_checks(warehouse, as_of)
    happenings, in_peace = asking.happenings(warehouse, as_of), disturbed(warehouse, as_of)
    found = []
    for one in asked:
        own = _own(figures, one)
        found.append(
            replace(
                one,
                entered=None if one.stage == "elsewhere" else entered.get(one.key, Entered()),
                figures=_told(own, newest),
                history=tuple(row for row in own if row["reading"] == "daily" and row["metric"] == one.primary),
                segments=_own(segments, one),
                checks=_own(checks, one),
                happenings=tuple(happening for key, happening in happenings if key == one.key),
                in_peace=tuple(segment for segment in in_peace if segment.campaign == one.name),
            )
        )
    return found


def _own(rows: Iterable[Row], one: Seen) -> tuple[Row, ...]:
    return tuple(row for row in rows if (row["campaign"], row["version"]) == one.key)


def _told(own: Sequence[Row], newest: date | None) -> tuple[Row, ...]:
    """The planned reading, whenever it was taken, then the newest day; what says that it was taken is not repeated."""
    official = [row for row in own if row["reading"] == "official" and row["estimate"] is not None]
    has_none = bool(official) or any(row["campaign"] is None for row in own)  # the programme never ends
    today = [row for row in own if row["as_of"] == newest and not (has_none and row["reading"] == "official")]
    order = {name: position for position, name in enumerate(_ORDER)}
    return tuple(
        sorted(
            [*official, *today],
            key=lambda row: (_VOICES.index(row["reading"]), order.get(row["metric"], len(order)), row["method"]),
        )
    )
