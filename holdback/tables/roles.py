"""The shape of a feed by its role, and of the customers: what a company's own data become."""

from __future__ import annotations

from collections.abc import Mapping

from holdback.tables.columns import CUSTOMER_ID, EVENT_AT, LOAD_COLUMNS, Column, Table


def _role(name: str, grain: str, *columns: Column) -> Table:
    return Table(name, grain, (CUSTOMER_ID, EVENT_AT, *columns, *LOAD_COLUMNS))


#: Shape of a feed by its role.
ROLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        _role(
            "transactions",
            "one line of a purchase, payment or transfer; lines of one order share order_id",
            Column(
                "amount_cents",
                "money",
                "What the customer paid for the line; negative when money went back",
                unit="cents of the business' currency",
                required=True,
                mapped_as="amount",
            ),
            Column("order_id", "text", "The order, invoice or basket that the line belongs to"),
            Column("quantity", "number", "Units bought; negative when returned", unit="units"),
            Column("discount_cents", "money", "Discount given on the line", unit="cents", mapped_as="discount"),
            Column("category", "text", "What kind of thing was bought"),
            Column("channel", "text", "Where it was bought: store, web, app, ..."),
            Column("direction", "text", "Which way the money moved", allowed=("in", "out")),
            Column("destination", "text", "Where outgoing money went"),
        ),
        _role(
            "subscriptions",
            "one event in the life of a contract",
            Column(
                "kind", "text", "What happened", required=True, allowed=("start", "renew", "change", "pause", "cancel")
            ),
            Column("subscription_id", "text", "The contract; the customer itself when a customer has only one"),
            Column("plan", "text", "The plan after the event"),
            Column("price_cents", "money", "Price per month after the event", unit="cents", mapped_as="price"),
            Column("ends_on", "date", "Day on which the contract can end, as known at the event"),
            Column("reason", "text", "Why, in the company's own vocabulary"),
        ),
        _role(
            "interactions",
            "one contact that the customer made or answered: call, ticket, visit, e-mail",
            Column("channel", "text", "How: phone, email, chat, branch, ticket, ..."),
            Column("topic", "text", "About what"),
            Column("outcome", "text", "How it ended"),
            Column("resolved_at", "instant", "When it was resolved; null while open", unit="UTC"),
            Column("duration_seconds", "integer", "How long it took", unit="seconds", minimum=0),
            Column("is_caused_by_us", "flag", "True when our own fault caused it (outage, billing error)"),
            Column("step", "text", "Step of the journey it belongs to"),
            Column("remark", "text", "The customer's words; never printed in reports"),
        ),
        _role(
            "feedback",
            "one request for feedback, answered or not",
            Column("channel", "text", "Where it was asked or written: email, app, web, store, a review site, ..."),
            Column("kind", "text", "What was asked", allowed=("nps", "csat", "ces", "rating", "review", "remark")),
            Column("score", "number", "The answer on the feed's scale; null when not answered"),
            Column("remark", "text", "The customer's words; never printed in reports"),
            Column("step", "text", "Step of the journey it belongs to"),
        ),
        _role(
            "balances",
            "the balance of one account at the end of a day",
            Column("account_kind", "text", "savings, checking, credit, ..."),
            Column("balance_cents", "money", "Balance", unit="cents", required=True, mapped_as="balance"),
        ),
        _role(
            "usage",
            "one measurement of use",
            Column("metric", "text", "What was measured: logins, minutes, megabytes, ..."),
            Column("quantity", "number", "How much", required=True),
        ),
        _role(
            "campaign_contacts",
            "one message of ours that was sent to a customer",
            Column("campaign", "text", "Which campaign sent it", required=True),
            Column("channel", "text", "By which channel"),
            Column(
                "outcome",
                "text",
                "What came of it; Holdback understands sent, delivered, opened, answered, redeemed, bounced, opted_out "
                "and complained",
            ),
            Column("action", "text", "Which of our actions it was"),
            Column("decision_id", "text", "The decision of ours that it carries out, as the contact list gave it"),
            Column("cost_cents", "money", "What it cost", unit="cents", mapped_as="cost"),
        ),
        _role(
            "assignments",
            "one customer's assignment in a campaign that was run elsewhere; event_at is his entry",
            Column("campaign", "text", "Which campaign", required=True),
            Column("group", "text", "What he was assigned to, in the words that groups translates", required=True),
            Column("action", "text", "Which of our actions the treated got"),
            Column(
                "propensity",
                "number",
                "Probability with which he was drawn into treatment, whatever he was drawn into",
                minimum=0,
                maximum=1,
            ),
            Column("unit_id", "text", "Who was drawn together shares it; the customer himself when left out"),
        ),
    )
}

CUSTOMERS = Table(
    "customers",
    "one version of one customer; the newest with loaded_at <= as_of is what was known then",
    (
        CUSTOMER_ID,
        Column("signed_up_at", "instant", "When the customer became one", unit="UTC"),
        Column("household_id", "text", "Customers who decide together share it"),
        Column("contact_key", "text", "Hash of the address used to contact; equal keys are one recipient"),
        Column("has_consent", "flag", "True when the customer agreed to be contacted", mapped_as="consent"),
        *LOAD_COLUMNS,
    ),
)
