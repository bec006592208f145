"""What the account is made of: lines with what was spent and, once it can be known, what that brought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from monitoring.effects import Effect

#: Why a line has no figure: its customers are not mature; the data do not reach that far; its planned reading comes
#: later; an integrity check failed; its numbers carry none; it is about customers who are in no analysis.
Because = Literal["maturity", "data", "reading", "check", "numbers", "analysis"]

#: Stands where a line is not about one class, but about the whole campaign.
ALL = "all"


@dataclass(frozen=True, slots=True)
class Amount:
    """Money with its interval.

    Attributes:
        cents: The figure, in cents of the business' currency.
        low_cents: Lower end of the interval.
        high_cents: Upper end.
    """

    cents: float
    low_cents: float
    high_cents: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What the campaign spent on some customers, to the cent.

    Attributes:
        contact_cents: What the contacts cost: as reported, else as decided.
        incentive_cents: What was given: what it was reported to have cost, else what was offered to those who redeemed
            it where redemptions are reported, else as expected.
        decision_count: Decisions behind it.
    """

    contact_cents: int = 0
    incentive_cents: int = 0
    decision_count: int = 0

    @property
    def cents(self) -> int:
        """Contacts and incentives together."""
        return self.contact_cents + self.incentive_cents

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.contact_cents + other.contact_cents,
            self.incentive_cents + other.incentive_cents,
            self.decision_count + other.decision_count,
        )


@dataclass(frozen=True, slots=True)
class Sums:
    """What one group of customers paid, in total: what finance recomputes an effect from.

    Attributes:
        customer_count: Customers whose horizon is over.
        revenue_cents: What they paid within their horizon; proved against the transactions.
        margin_cents: The same, cut at the cap of each customer, times the margin rate.
        before_cents: What they paid in as long a time before they entered, cut alike.
        value_kept_cents: What those who stayed were expected to bring from their entry on, over the value's horizon,
            less what was spent on the group; expected and not booked.
    """

    customer_count: int
    revenue_cents: float
    margin_cents: float
    before_cents: float
    value_kept_cents: float


@dataclass(frozen=True, slots=True)
class Earned:
    """What the money brought, against the holdout.

    Attributes:
        treatment: Sums of the treated, as assigned.
        holdout: Sums of those left alone.
        theta: How much of a difference from before the entry is expected to last: the weight of the adjustment.
        margin: Effect on the margin of one treated customer within the horizon, before the campaign's cost, in cents.
            Its estimate is ``treated margin / treated - held-out margin / held out - theta * (treated before / treated
            - held-out before / held out)``.
        incremental_margin: The effect times the treated customers.
        net: Incremental margin less what was spent.
        roi: ``net / spent``, with its interval; None when nothing was spent.
        stayer_share: Share of the incentives that went to those who would have stayed anyway: estimate, low, high;
            None when it cannot be told, or no incentive was given.
        stayer_incentives: That share of the incentives.
        expected_net: Not booked: the effect on the value kept, less cost, times the treated customers. The horizon of a
            campaign ends long before a kept customer stops paying. None when it cannot be told.
    """

    treatment: Sums
    holdout: Sums
    theta: float
    margin: Effect
    incremental_margin: Amount
    net: Amount
    roi: tuple[float, float, float] | None
    stayer_share: tuple[float, float, float] | None
    stayer_incentives: Amount | None
    expected_net: Amount | None


@dataclass(frozen=True, slots=True)
class Line:
    """One line: a class and a month of entry of one campaign, or all that can be known of it.

    Attributes:
        campaign: Its name; None for the programme against the global holdout.
        version: Its version, or that of the global holdout.
        fit_class: Class at the entry; ``all`` in a campaign's own line; None for what was spent on customers who are
            in no analysis (they joined a unit later, or entered nothing).
        entry_month: ``2026-03``; in a campaign's own line the months that it is about, ``2026-01 to 2026-03``: those
            that can be read, or all while there is none.
        treatment_count: Treated customers, as assigned.
        holdout_count: Customers held out.
        spent: What was spent on them within their horizon.
        earned: None while it cannot be known, or when it cannot be measured.
        knowable_on: First day on which the line can be read; None when it can be, or never.
        reason: Why there is no figure; None when there is one.
        because: The same as one of a few words, for those who say it in their own.
    """

    campaign: str | None
    version: int
    fit_class: str | None
    entry_month: str | None
    treatment_count: int
    holdout_count: int
    spent: Spent
    earned: Earned | None
    knowable_on: date | None = None
    reason: str | None = None
    because: Because | None = None

    @property
    def is_total(self) -> bool:
        """True for the line of a whole campaign; its effect is estimated, not added up."""
        return self.fit_class == ALL


@dataclass(frozen=True, slots=True)
class Proof:
    """One total of the account beside the same total, taken straight from the books.

    Attributes:
        what: Such as ``spring/1: contact cost``.
        account_cents: Sum over the lines.
        books_cents: Sum over the ledger, or over the feed that carries the revenue.
        books: Where the second was taken from.
    """

    what: str
    account_cents: int
    books_cents: int
    books: str

    @property
    def agrees(self) -> bool:
        """True when both are equal, to the cent."""
        return self.account_cents == self.books_cents

    def __str__(self) -> str:
        verdict = "agrees" if self.agrees else f"differs by {(self.account_cents - self.books_cents) / 100:,.2f}"
        return (
            f"{self.what}: {self.account_cents / 100:,.2f} in the account, {self.books_cents / 100:,.2f} in "
            f"{self.books}: {verdict}"
        )


@dataclass(frozen=True, slots=True)
class ProfitAndLoss:
    """What retention cost and what it brought, as known on a day.

    Attributes:
        business: The company's slug.
        as_of: The day of knowledge.
        currency: ISO 4217.
        level: Coverage of every interval.
        lines: The programme first, then each campaign in the order of its launch; of each, its own line, its classes
            and months, and what was spent outside the analysis. Costs add up; effects do not.
        proofs: Every total that was held against the books; all agree, or there is no account.
        notes: What a reader must know.
    """

    business: str
    as_of: date
    currency: str
    level: float
    lines: tuple[Line, ...]
    proofs: tuple[Proof, ...]
    notes: tuple[str, ...]
