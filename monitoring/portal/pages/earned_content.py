"""What the page about earnings is written from: the account of finance, held against the books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any, Final, Literal

from campaigns.margins import revenue_feed
from holdback.business import Business
from holdback.errors import BusinessFileError, DataError
from holdback.warehouse import Warehouse
from monitoring.pnl.account import accounts
from monitoring.pnl.cohort_account import CohortAccount
from monitoring.pnl.lines import Line, Spent
from monitoring.portal.source import Source

_NOTHING: Final = Spent()
Trouble = Literal["books", "file", "data"]
"""Why there is no account: it differs from the books; the file lacks something; the assignments cannot be read."""


@dataclass(frozen=True, slots=True)
class Book:
    """The account of one campaign, or of the programme against the global holdout.

    Attributes:
        campaign: Its name; None for the programme.
        version: Its version.
        horizon_days: Days after the entry that count.
        total: Its own line, as ``holdback campaign pnl`` prints it; None when nobody entered.
        classes: By fit class, over the months that can be read (all while there is none).
        months: By month of entry.
        so_far: All that it spent, whether or not it can be read.
        outside: What of it was spent on customers, or at times, that are in no analysis.
        unknown_count: Mature customers of whom nobody knows whether they left; None when none is mature.
        cap_cents: Revenue above it is cut, per customer; None when it is not cut, or nothing can be read.
        agreed_count: Totals that were held against the books and agree.
        trouble: Why there is no account; None when there is one.
    """

    campaign: str | None
    version: int
    horizon_days: int
    total: Line | None = None
    classes: tuple[Line, ...] = ()
    months: tuple[Line, ...] = ()
    so_far: Spent = _NOTHING
    outside: Spent = _NOTHING
    unknown_count: int | None = None
    cap_cents: float | None = None
    agreed_count: int = 0
    trouble: Trouble | None = None

    @property
    def slug(self) -> str:
        """What names it in an address: no two have the same."""
        if self.campaign is None:
            return f"programme-{self.version}"
        return f"c-{self.campaign.replace('_', '-')}-{self.version}"


@dataclass(frozen=True, slots=True)
class Stock:
    """What the customers of one fit class are expected to bring: a forecast."""

    fit_class: str
    customer_count: int
    margin_cents: int
    cost_to_serve_cents: int
    retention_cents: int
    net_cents: int


@dataclass(frozen=True, slots=True)
class EarnedContent:
    """What there is to say about what retention earned.

    Attributes:
        as_of: The day.
        business: The company.
        books: The programme first, when anybody is held out of it, then each launched version.
        elsewhere: Campaigns that were run outside: what they cost is not in the ledger.
        is_revenue_told: False when no feed says what customers bring.
        stock: What is expected of today's customers, by fit class.
        stock_on: The day on which they were classed; None when nobody was.
    """

    as_of: date
    business: Business
    books: tuple[Book, ...]
    elsewhere: tuple[str, ...]
    is_revenue_told: bool
    stock: tuple[Stock, ...]
    stock_on: date | None

    @property
    def programme(self) -> Book | None:
        """The programme against the global holdout; None when nobody is held out of it."""
        return next((book for book in self.books if book.campaign is None), None)

    @property
    def campaigns(self) -> tuple[Book, ...]:
        """The campaigns, in the order of their launch."""
        return tuple(book for book in self.books if book.campaign is not None)

    @property
    def spent(self) -> Spent:
        """All that campaigns spent: costs add up, the programme's are the same money."""
        return reduce(Spent.__add__, (book.so_far for book in self.campaigns if book.trouble is None), Spent())


def read_earned(source: Source) -> EarnedContent:
    """Read the account; what cannot be read of one campaign leaves the others alone."""
    warehouse, business, as_of = source.warehouse, source.business, source.as_of
    stock_on, stock = _stock(warehouse, as_of)
    return EarnedContent(
        as_of=as_of,
        business=business,
        books=tuple(_book(account) for account in accounts(warehouse, business, as_of)),
        elsewhere=tuple(campaign.name for campaign in business.campaigns if campaign.assigned_by is not None),
        is_revenue_told=_tells_revenue(business),
        stock=stock,
        stock_on=stock_on,
    )


def _book(account: CohortAccount) -> Book:
    cohort = account.cohort
    empty = Book(cohort.campaign, cohort.version, cohort.horizon_days)
    try:
        proofs = account.proofs()
        if not all(proof.agrees for proof in proofs):
            return _in_trouble(empty, "books")
        readable = bool(account.readable)
        outcomes = account.outcomes if readable else None
        return Book(
            cohort.campaign,
            cohort.version,
            cohort.horizon_days,
            total=account.total(),
            classes=tuple(account.by_class()),
            months=tuple(account.by_month()),
            so_far=account.cost_so_far(),
            outside=account.spent.get((None, None), Spent()),
            unknown_count=outcomes.maturity.matured_count - outcomes.maturity.known_count if outcomes else None,
            cap_cents=outcomes.cap_cents if outcomes else None,
            agreed_count=len(proofs),
        )
    except DataError:
        return _in_trouble(empty, "data")
    except BusinessFileError:
        return _in_trouble(empty, "file")


def _in_trouble(empty: Book, trouble: Trouble) -> Book:
    return Book(empty.campaign, empty.version, empty.horizon_days, trouble=trouble)


def _stock(warehouse: Warehouse, as_of: date) -> tuple[date | None, tuple[Stock, ...]]:
    """What is expected of the customers as they were classed last, by class; the best first."""
    rows: list[dict[str, Any]] = warehouse.query(
        f"""select as_of, fit_class, count(*) as customer_count,
            cast(sum(margin_cents) as bigint) as margin_cents,
            cast(sum(coalesce(cost_to_serve_cents, 0)) as bigint) as cost_to_serve_cents,
            cast(sum(coalesce(retention_cents, 0)) as bigint) as retention_cents,
            cast(sum(net_cents) as bigint) as net_cents
        from fit where as_of = (select max(as_of) from fit where as_of <= date '{as_of}')
        group by fit.as_of, fit_class order by net_cents desc, fit_class"""
    ).to_pylist()
    if not rows:
        return None, ()
    day = rows[0]["as_of"]
    return day, tuple(Stock(**{key: value for key, value in row.items() if key != "as_of"}) for row in rows)


def _tells_revenue(business: Business) -> bool:
    try:
        revenue_feed(business)
    except BusinessFileError:
        return False
    return True
