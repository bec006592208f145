"""The account of a day: lines from what was spent and what became of everybody, proved against the books."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property, reduce

from campaigns.designs import launched_versions
from campaigns.margins import revenue_feed
from holdback.business import Business
from holdback.errors import BusinessFileError, DataError, OperatorError
from holdback.sql import literal
from holdback.warehouse import Warehouse
from holdback.workspace import Workspace
from monitoring.effects import Moments, NotMeasurable
from monitoring.effects.ratios import pooled
from monitoring.outcomes import GROUPS, HOLDOUT, TREATMENT, Cohort, Outcomes, cohort_of, programme, read_outcomes
from monitoring.pnl.arithmetic import LEVEL, earned, sums_of
from monitoring.pnl.books import Cell, entries, ledger_sums, spent
from monitoring.pnl.lines import ALL, Line, ProfitAndLoss, Proof, Spent
from monitoring.pnl.receipts import paid

_BY_MONTH = "entry_month"
_BY_CELL = ("fit_class", "entry_month")

#: Checks that withhold what customers said, not what they paid.
_ABOUT_ANSWERS = ("response_rate",)

_NOT_ADDED = (
    "Costs add up over lines. Effects do not: a campaign's own line is estimated from all of its customers, and the "
    "programme is measured against its own holdout. Never add campaigns."
)
_CONTACTS_COUNT_ONCE = (
    "The programme's line holds what all campaigns spent on its customers within the programme's horizon; the same "
    "money stands in the campaigns' lines. Never add the programme to the campaigns."
)


def pnl(workspace: Workspace, as_of: date) -> ProfitAndLoss:
    """Return what retention cost and what it brought, by campaign, class and month of entry, as known on a day.

    A month is read when everybody who entered in it is mature; until then it stands there with what it cost, and the
    first day on which it can be read. Where an integrity check failed when the campaign was measured last, effects are
    withheld here as well.

    Args:
        workspace: The business.
        as_of: The day of knowledge.

    Raises:
        DataError: nothing was decided by then, or the assignments contradict themselves.
        BusinessFileError: a feed that the account needs is gone from the file.
        OperatorError: a total of the account differs from the books; nothing is handed out.
    """
    warehouse, business = workspace.warehouse, workspace.business
    lines: list[Line] = []
    proofs: list[Proof] = []
    notes: dict[str, None] = dict.fromkeys([_NOT_ADDED, _CONTACTS_COUNT_ONCE])
    for cohort in _cohorts(warehouse, business, as_of):
        account = _Account(warehouse, business, cohort, as_of)
        lines += account.lines()
        proofs += account.proofs()
        notes |= dict.fromkeys(f"{cohort.name}: {note}" for note in account.outcomes.notes)
    if not lines:
        raise DataError(
            f"{business.slug}: profit and loss of {as_of}: nobody was assigned to anything by then. Decide a day first "
            "(`holdback decide`)."
        )
    elsewhere = [campaign.name for campaign in business.campaigns if campaign.assigned_by is not None]
    notes |= dict.fromkeys(
        f"{name}: was run elsewhere; its cost is not in the ledger, so it has no account here" for name in elsewhere
    )
    _refuse_what_differs(business, as_of, proofs)
    return ProfitAndLoss(business.slug, as_of, business.currency, LEVEL, tuple(lines), tuple(proofs), tuple(notes))


def _cohorts(warehouse: Warehouse, business: Business, as_of: date) -> Iterator[Cohort]:
    """Yield the programme, when anybody is held out of it, then every launched version."""
    everybody = programme(business, as_of)
    found = entries(warehouse, everybody, as_of)
    if any(held for _, held, _ in found.values()):
        yield everybody
    in_file = {campaign.name: campaign for campaign in business.campaigns}
    for design in launched_versions(warehouse, as_of):
        yield cohort_of(business, in_file.get(design.campaign), design)


@dataclass(frozen=True)
class _Account:
    """One cohort's account in the making: what was read once for its lines and their proofs."""

    warehouse: Warehouse
    business: Business
    cohort: Cohort
    as_of: date

    @cached_property
    def entries(self) -> Mapping[Cell, tuple[int, int, date]]:
        return entries(self.warehouse, self.cohort, self.as_of)

    @cached_property
    def spent(self) -> Mapping[Cell, Spent]:
        return spent(self.warehouse, self.business, self.cohort, self.as_of)

    @cached_property
    def outcomes(self) -> Outcomes:
        return read_outcomes(self.warehouse, self.business, self.cohort, self.as_of, segments=(_BY_MONTH, _BY_CELL))

    @cached_property
    def readable(self) -> tuple[str, ...]:
        """The months of which everybody who entered is mature."""
        assigned: dict[str, int] = {}
        for (_, month), (treated, held, _) in self.entries.items():
            assigned[str(month)] = assigned.get(str(month), 0) + treated + held
        mature = {
            str(month): round(sum(groups[group].total("customers") for group in GROUPS))
            for month, groups in self.outcomes.segments[_BY_MONTH].items()
        }
        return tuple(sorted(month for month, count in assigned.items() if mature.get(month, 0) == count))

    def lines(self) -> list[Line]:
        """Return the cohort's own line, its cells, and what was spent outside the analysis."""
        found = [self._total(), *(self._cell(cell) for cell in sorted(self.entries))] if self.entries else []
        rest = self.spent.get((None, None), Spent())
        if rest != Spent():
            reason = "spent on customers, or at times, that are in no analysis"
            found.append(Line(self.cohort.campaign, self.cohort.version, None, None, 0, 0, rest, None, None, reason))
        return found

    def proofs(self) -> list[Proof]:
        """Hold every total against the books."""
        name = self.cohort.name
        books = ledger_sums(self.warehouse, self.business, self.cohort, self.as_of)
        total = reduce(Spent.__add__, self.spent.values(), Spent())
        found = [
            Proof(f"{name}: contact cost", total.contact_cents, books.contact_cents, "the ledger"),
            Proof(f"{name}: incentives", total.incentive_cents, books.incentive_cents, "the ledger"),
        ]
        feed = _feed(self.business)
        if feed is not None and self.readable:
            cells = self.outcomes.segments[_BY_CELL]
            revenue = sum(
                sums_of(cells[cell][group]).revenue_cents for cell in self._readable_cells() for group in GROUPS
            )
            months = _span(self.readable)
            direct = paid(self.warehouse, self.business, self.cohort, self.as_of, self.readable)
            found.append(Proof(f"{name}: revenue of those who entered in {months}", round(revenue), direct, feed))
        return found

    def _readable_cells(self) -> list[tuple[str, str]]:
        return [(str(fit_class), str(month)) for fit_class, month in self.entries if month in self.readable]

    def _total(self) -> Line:
        """The cohort's own line: all months that can be read, as one estimate; all months while there is none."""
        cells = [cell for cell in self.entries if cell[1] in self.readable] or list(self.entries)
        months = sorted({str(month) for _, month in cells})
        line = Line(
            self.cohort.campaign,
            self.cohort.version,
            ALL,
            _span(months),
            sum(self.entries[cell][0] for cell in cells),
            sum(self.entries[cell][1] for cell in cells),
            reduce(Spent.__add__, (self.spent.get(cell, Spent()) for cell in cells), Spent()),
            None,
        )
        if not self.readable:
            return self._not_yet(line, min(self._knowable_on(month) for month in months))
        by_month = self.outcomes.segments[_BY_MONTH]
        groups = {group: reduce(pooled, (by_month[month][group] for month in self.readable)) for group in GROUPS}
        return self._read(line, groups)

    def _cell(self, cell: Cell) -> Line:
        treated, held, _ = self.entries[cell]
        spent_on = self.spent.get(cell, Spent())
        line = Line(self.cohort.campaign, self.cohort.version, *cell, treated, held, spent_on, None)
        if cell[1] not in self.readable:
            return self._not_yet(line, self._knowable_on(str(cell[1])))
        return self._read(line, self.outcomes.segments[_BY_CELL][(str(cell[0]), str(cell[1]))])

    def _knowable_on(self, month: str) -> date:
        """An event at or after the last horizon's end proves it, and is visible on the day after it at the earliest."""
        last_on = max(last_on for (_, entered), (_, _, last_on) in self.entries.items() if entered == month)
        return last_on + timedelta(days=self.cohort.horizon_days + 1)

    def _not_yet(self, line: Line, knowable_on: date) -> Line:
        if knowable_on > self.as_of:
            return replace(line, knowable_on=knowable_on, reason=f"not knowable before {knowable_on}")
        reach = self.outcomes.maturity.data_reach_on
        until = f"the data reach until {reach} only" if reach else "the feeds that would tell hold nothing"
        return replace(line, reason=f"could be known since {knowable_on}, but {until}")

    @cached_property
    def reads_on(self) -> date | None:
        """The planned reading of a campaign of ours; None for the programme, and where none was planned."""
        designs = launched_versions(self.warehouse, self.as_of)
        own = (self.cohort.campaign, self.cohort.version)
        return next((design.reads_on for design in designs if (design.campaign, design.version) == own), None)

    @cached_property
    def failed(self) -> str | None:
        """Why nothing may be said about effects: the checks that failed when the campaign was measured last."""
        named = "is null" if self.cohort.campaign is None else f"= {literal(self.cohort.campaign)}"
        rows = self.warehouse.query(
            f"""select "check", finding from integrity_checks
            where campaign {named} and version = {self.cohort.version} and as_of <= date '{self.as_of}'
            qualify verdict = 'failed' and as_of = max(as_of) over ()
            order by "check\""""
        ).to_pylist()
        findings = [f"{row['check']}: {row['finding']}" for row in rows if row["check"] not in _ABOUT_ANSWERS]
        return "; ".join(findings) or None

    def _read(self, line: Line, groups: Mapping[str, Moments]) -> Line:
        if self.failed is not None:
            return replace(line, reason=f"withheld: {self.failed}")
        if self.reads_on is not None and self.reads_on > self.as_of:
            reason = f"not before the planned reading on {self.reads_on}: to look earlier would be to look twice"
            return replace(line, knowable_on=self.reads_on, reason=reason)
        cap = self.outcomes.cap_cents
        notes = () if cap is None else (f"revenue capped at {cap / 100:,.2f} per customer",)
        try:
            return replace(line, earned=earned(groups[TREATMENT], groups[HOLDOUT], line.spent, notes=notes))
        except NotMeasurable as refused:
            return replace(line, reason=f"cannot be measured: {refused}")


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _feed(business: Business) -> str | None:
    try:
        return f"the feed {revenue_feed(business)}"
    except BusinessFileError:
        return None


def _refuse_what_differs(business: Business, as_of: date, proofs: Sequence[Proof]) -> None:
    wrong = [str(proof) for proof in proofs if not proof.agrees]
    if wrong:
        raise OperatorError(
            f"{business.slug}: profit and loss of {as_of}: {'; '.join(wrong)}. An account is only handed out when it "
            "agrees with the books to the cent. Run `holdback ledger verify`, look for actions that were renamed or "
            "changed in the business file since, and report it when both are as they were."
        )
