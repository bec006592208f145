"""The account of one campaign, or of the programme: its own line, its cells, its classes and its months."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property, reduce

from campaigns.designs import launched_versions
from campaigns.margins import revenue_feed
from holdback.business import Business
from holdback.errors import BusinessFileError
from holdback.warehouse import Warehouse
from monitoring.effects import Moments, NotMeasurable
from monitoring.effects.ratios import pooled
from monitoring.measurement.readable import newest_checks, withholding
from monitoring.outcomes import GROUPS, HOLDOUT, TREATMENT, Cohort, Outcomes, read_outcomes
from monitoring.pnl.arithmetic import earned, sums_of
from monitoring.pnl.books import Cell, entries, ledger_sums, spent
from monitoring.pnl.lines import ALL, Line, Proof, Spent
from monitoring.pnl.receipts import paid

_BY_MONTH = "entry_month"
_BY_CELL = ("fit_class", "entry_month")


@dataclass(frozen=True)
class CohortAccount:
    """One cohort's account in the making: what was read once for its lines and their proofs.

    Attributes:
        warehouse: Where ledger and feeds are; only read.
        business: The company.
        cohort: Whose account.
        as_of: The day of knowledge.
    """

    warehouse: Warehouse
    business: Business
    cohort: Cohort
    as_of: date

    @cached_property
    def entries(self) -> Mapping[Cell, tuple[int, int, date]]:
        """By class and month of entry: customers treated, held out, and the last day of entry."""
        return entries(self.warehouse, self.cohort, self.as_of)

    @cached_property
    def spent(self) -> Mapping[Cell, Spent]:
        """By class and month of entry: what was spent."""
        return spent(self.warehouse, self.business, self.cohort, self.as_of)

    @cached_property
    def outcomes(self) -> Outcomes:
        """What became of everybody, by month and by class and month; the slow part of an account."""
        return read_outcomes(self.warehouse, self.business, self.cohort, self.as_of, segments=(_BY_MONTH, _BY_CELL))

    @cached_property
    def readable(self) -> tuple[str, ...]:
        """The months of which everybody who entered is mature."""
        if not any(self._can_be_mature(str(month)) for _, month in self.entries):
            return ()
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
        found = []
        if self.entries:
            found = [self._total(), *(self._over(str(cell[0]), [cell]) for cell in sorted(self.entries))]
        rest = self.spent.get((None, None), Spent())
        if rest != Spent():
            reason = "spent on customers, or at times, that are in no analysis"
            line = Line(self.cohort.campaign, self.cohort.version, None, None, 0, 0, rest, None)
            found.append(replace(line, reason=reason, because="analysis"))
        return found

    def total(self) -> Line | None:
        """Return the cohort's own line; None when nobody entered."""
        return self._total() if self.entries else None

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

    def by_class(self) -> list[Line]:
        """Return one line per class over the months that can be read; over all months while there is none."""
        months = self._shown_months()
        found = []
        for fit_class in dict.fromkeys(str(fit_class) for fit_class, _ in sorted(self.entries)):
            cells = [cell for cell in self.entries if cell[0] == fit_class and cell[1] in months]
            if cells:
                found.append(self._over(fit_class, cells))
        return found

    def by_month(self) -> list[Line]:
        """Return one line per month of entry, all classes together, each estimated from its own customers."""
        months = sorted({str(month) for _, month in self.entries})
        return [self._over(ALL, [cell for cell in self.entries if cell[1] == month]) for month in months]

    def cost_so_far(self) -> Spent:
        """Return all that was spent, whether or not it can be read: what the ledger says."""
        return reduce(Spent.__add__, self.spent.values(), Spent())

    def _shown_months(self) -> tuple[str, ...]:
        return self.readable or tuple(sorted({str(month) for _, month in self.entries}))

    def _readable_cells(self) -> list[tuple[str, str]]:
        return [(str(fit_class), str(month)) for fit_class, month in self.entries if month in self.readable]

    def _total(self) -> Line:
        """The cohort's own line: all months that can be read, as one estimate; all months while there is none."""
        months = self._shown_months()
        return self._over(ALL, [cell for cell in self.entries if cell[1] in months])

    def _over(self, fit_class: str, cells: Sequence[Cell]) -> Line:
        """Some cells as one line, estimated from all of their customers together."""
        months = sorted({str(month) for _, month in cells})
        line = Line(
            self.cohort.campaign,
            self.cohort.version,
            fit_class,
            _span(months),
            sum(self.entries[cell][0] for cell in cells),
            sum(self.entries[cell][1] for cell in cells),
            reduce(Spent.__add__, (self.spent.get(cell, Spent()) for cell in cells), Spent()),
            None,
        )
        if not set(months) <= set(self.readable):
            return self._not_yet(line, min(self._knowable_on(month) for month in months if month not in self.readable))
        segments = self.outcomes.segments
        if fit_class == ALL:
            each = [segments[_BY_MONTH][month] for month in months]
        else:
            each = [segments[_BY_CELL][(str(own), str(month))] for own, month in cells]
        return self._read(line, {group: reduce(pooled, (one[group] for one in each)) for group in GROUPS})

    def _knowable_on(self, month: str) -> date:
        """An event at or after the last horizon's end proves it, and is visible on the day after it at the earliest."""
        last_on = max(last_on for (_, entered), (_, _, last_on) in self.entries.items() if entered == month)
        return last_on + timedelta(days=self.cohort.horizon_days + 1)

    def _can_be_mature(self, month: str) -> bool:
        """False when no outcome can prove it yet: then nothing has to be read to know."""
        wait = self.cohort.horizon_days + (1 if _feed(self.business) else 0)
        return all(
            last_on + timedelta(days=wait) <= self.as_of
            for (_, entered), (_, _, last_on) in self.entries.items()
            if entered == month
        )

    def _not_yet(self, line: Line, knowable_on: date) -> Line:
        if knowable_on > self.as_of:
            return replace(
                line, knowable_on=knowable_on, reason=f"not knowable before {knowable_on}", because="maturity"
            )
        reach = self.outcomes.maturity.data_reach_on
        until = f"the data reach until {reach} only" if reach else "the feeds that would tell hold nothing"
        return replace(line, reason=f"could be known since {knowable_on}, but {until}", because="data")

    @cached_property
    def reads_on(self) -> date | None:
        """The planned reading of a campaign of ours; None for the programme, and where none was planned."""
        designs = launched_versions(self.warehouse, self.as_of)
        own = (self.cohort.campaign, self.cohort.version)
        return next((design.reads_on for design in designs if (design.campaign, design.version) == own), None)

    @cached_property
    def failed(self) -> str | None:
        """Why nothing may be said about effects: the checks that failed when the campaign was measured last."""
        own = (self.cohort.campaign, self.cohort.version)
        checks = newest_checks(self.warehouse, self.as_of)
        failed = withholding(check for check in checks if (check["campaign"], check["version"]) == own)
        return "; ".join(sorted(f"{check['check']}: {check['finding']}" for check in failed)) or None

    def _read(self, line: Line, groups: Mapping[str, Moments]) -> Line:
        if self.failed is not None:
            return replace(line, reason=f"withheld: {self.failed}", because="check")
        if self.reads_on is not None and self.reads_on > self.as_of:
            reason = f"not before the planned reading on {self.reads_on}: to look earlier would be to look twice"
            return replace(line, knowable_on=self.reads_on, reason=reason, because="reading")
        cap = self.outcomes.cap_cents
        notes = () if cap is None else (f"revenue capped at {cap / 100:,.2f} per customer",)
        try:
            return replace(line, earned=earned(groups[TREATMENT], groups[HOLDOUT], line.spent, notes=notes))
        except NotMeasurable as refused:
            return replace(line, reason=f"cannot be measured: {refused}", because="numbers")


def _span(months: Sequence[str]) -> str:
    return months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"


def _feed(business: Business) -> str | None:
    try:
        return f"the feed {revenue_feed(business)}"
    except BusinessFileError:
        return None
