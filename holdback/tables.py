"""Every table, declared once: grain, columns, types, units, meaning, allowed values.

Contracts, table creation, the data dictionary (``docs/data-dictionary.md``) and the empty views that queries see
before the first load are all built from these declarations.

A business' feeds become one table each, named as the feed and shaped by its role (:data:`ROLES`); the other tables
(:data:`TABLES`) have fixed names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

ColumnType = Literal["text", "integer", "money", "number", "flag", "date", "instant"]

#: How each column type is stored (DuckDB names). Money is integer cents, an instant is naive UTC with microseconds.
SQL_TYPES: Mapping[ColumnType, str] = {
    "text": "varchar",
    "integer": "bigint",
    "money": "bigint",
    "number": "double",
    "flag": "boolean",
    "date": "date",
    "instant": "timestamp",
}


@dataclass(frozen=True)
class Column:
    """One column: its name carries unit and time, its type says how it is stored.

    ``mapped_as`` is the name a business file uses when it differs from the stored one (``amount`` is mapped,
    ``amount_cents`` is stored).
    """

    name: str
    type: ColumnType
    meaning: str
    unit: str | None = None
    required: bool = False
    allowed: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    mapped_as: str | None = None

    @property
    def key(self) -> str:
        """The name by which a business file maps this column."""
        return self.mapped_as or self.name

    @property
    def sql_type(self) -> str:
        """How DuckDB stores it."""
        return SQL_TYPES[self.type]


@dataclass(frozen=True)
class Table:
    """One table: what a row is (``grain``), and its columns in order."""

    name: str
    grain: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """Return the column stored under ``name``; raise ``KeyError`` when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}")

    @property
    def column_names(self) -> tuple[str, ...]:
        """The stored names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def is_keyed_by_day(self) -> bool:
        """True when the table holds one set of rows per ``as_of`` and is stored in one folder per day."""
        return "as_of" in self.column_names

    def named(self, name: str, extra: Iterable[Column] = ()) -> Table:
        """Return this shape under another name, with ``extra`` columns before the load columns."""
        own = tuple(column for column in self.columns if column not in LOAD_COLUMNS)
        loads = tuple(column for column in self.columns if column in LOAD_COLUMNS)
        return replace(self, name=name, columns=own + tuple(extra) + loads)

    def empty_select(self) -> str:
        """SQL of a relation with this table's columns and types and no row."""
        columns = ", ".join(f'cast(null as {column.sql_type}) as "{column.name}"' for column in self.columns)
        return f"select {columns} where false"


CUSTOMER_ID = Column("customer_id", "text", "Who can leave: the company's own key, as text", required=True)
EVENT_AT = Column("event_at", "instant", "When it happened", unit="UTC", required=True)

LOAD_COLUMNS: tuple[Column, ...] = (
    Column("batch_id", "text", "The batch that brought this row (SHA-256 of the file, shortened)", required=True),
    Column("row_number", "integer", "Position of the row in its batch, from 1", required=True, minimum=1),
    Column("loaded_at", "instant", "From when on this row was known (the second clock)", unit="UTC", required=True),
)


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
        ),
        _role(
            "feedback",
            "one request for feedback, answered or not",
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
            Column("outcome", "text", "What came of it: sent, opened, answered, redeemed, bounced, ..."),
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

_AS_OF = Column("as_of", "date", "The day of knowledge: nothing later was visible", required=True)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        CUSTOMERS,
        Table(
            "batches",
            "one accepted batch of one feed (a rejected one leaves only its validations)",
            (
                Column("sequence", "integer", "Order in which batches were accepted, from 1", required=True, minimum=1),
                Column("batch_id", "text", "SHA-256 of feed, mapping and content, shortened", required=True),
                Column("feed", "text", "Which feed it was offered to", required=True),
                Column("source", "text", "Name of the file or query it came from; never a password"),
                Column("content", "text", "SHA-256 of the original's bytes"),
                Column("covers_on", "date", "The day in the file's name, when the source has one"),
                Column("as_of", "date", "The day it was loaded for", required=True),
                Column("rows_offered", "integer", "Rows in the file", required=True),
                Column("rows_clean", "integer", "Rows that passed, unchanged ones included", required=True),
                Column("rows_quarantined", "integer", "Rows kept aside with their reasons", required=True),
                Column("rows_unchanged", "integer", "Clean rows equal to what was known: not stored again"),
                Column("rows_corrected", "integer", "Clean rows that replace an earlier version"),
                Column("first_event_at", "instant", "Earliest event in the batch", unit="UTC"),
                Column("last_event_at", "instant", "Latest event in the batch", unit="UTC"),
                Column("loaded_at", "instant", "From when on its rows were known", unit="UTC", required=True),
                Column(
                    "is_load_time_assumed",
                    "flag",
                    "True for history: a row counts as known on the morning after it",
                ),
                Column("released_from", "text", "Batch in quarantine that this one was released from"),
                Column("replaces", "text", "Earlier batch of the same file, all of whose rows this one accounts for"),
            ),
        ),
        Table(
            "quarantine",
            "one row that was offered and not let in, verbatim",
            (
                Column("batch_id", "text", "The batch it came with", required=True),
                Column("feed", "text", "The feed it was offered to", required=True),
                Column("row_number", "integer", "Line number in the file (1 is the first data row)", required=True),
                Column(
                    "raw", "text", "The row as it came: JSON of the source's columns, or the raw line", required=True
                ),
                Column("is_parsed", "flag", "False when the line could not even be split into columns"),
                Column("failed_rules", "text", "JSON list of the rules that the row broke", required=True),
                Column("loaded_at", "instant", "When it would have been known", unit="UTC", required=True),
            ),
        ),
        Table(
            "releases",
            "one quarantined row that was later let in",
            (
                Column("batch_id", "text", "The batch it was quarantined with", required=True),
                Column("feed", "text", "The feed", required=True),
                Column("row_number", "integer", "Its line number", required=True),
                Column("released_batch_id", "text", "The batch that let it in", required=True),
            ),
        ),
        Table(
            "superseded",
            "one stored row that a later batch replaced (same key, other values)",
            (
                Column("feed", "text", "The table of the replaced row", required=True),
                Column("batch_id", "text", "Batch of the replaced row", required=True),
                Column("row_number", "integer", "Row number of the replaced row", required=True),
                Column("replaced_at", "instant", "From when on the newer row was known", unit="UTC", required=True),
                Column("replaced_by", "text", "Batch that brought the newer row", required=True),
            ),
        ),
        Table(
            "validations",
            "the verdict of one rule on one batch",
            (
                Column("batch_id", "text", "The batch", required=True),
                Column("feed", "text", "The feed", required=True),
                Column("as_of", "date", "The day it was loaded for", required=True),
                Column("rule", "text", "Name of the rule", required=True),
                Column("column_name", "text", "The column it is about; null for rules on the whole batch"),
                Column("severity", "text", "Weight of a failure", allowed=("critical", "warning", "info")),
                Column("scope", "text", "What the rule is about", allowed=("batch", "row")),
                Column("is_passed", "flag", "True when the rule held", required=True),
                Column("is_accepted", "flag", "False when the whole batch was refused: none of its rows was stored"),
                Column("unexpected_count", "integer", "Rows that broke it (row rules)"),
                Column("observed", "text", "What was seen (batch rules)"),
                Column("expected", "text", "What the rule asks, in words", required=True),
                Column("expectation", "text", "The Great Expectations expectation that judged it"),
            ),
        ),
        Table(
            "profiles",
            "one statistic of one column of one accepted batch: the reference for the next",
            (
                Column("batch_id", "text", "The batch", required=True),
                Column("feed", "text", "The feed", required=True),
                Column("as_of", "date", "The day it was loaded for", required=True),
                Column("column_name", "text", "The column", required=True),
                Column(
                    "statistic", "text", "null_share, whole_share, negative_share, quantile, share, ...", required=True
                ),
                Column("key", "text", "Which quantile or which value"),
                Column("value", "number", "The value", required=True),
                Column("row_count", "integer", "Rows it was computed from", required=True),
            ),
        ),
        Table(
            "scores",
            "one customer on one day for one churn definition; never rewritten",
            (
                _AS_OF,
                CUSTOMER_ID,
                Column("churn", "text", "Name of the churn definition", required=True),
                Column("model_version", "text", "Version of the registered model", required=True),
                Column("probability", "number", "Calibrated probability of churn", required=True, minimum=0, maximum=1),
                Column(
                    "risk_tier", "text", "By the business' cut-offs", required=True, allowed=("high", "medium", "low")
                ),
                Column("is_above_capacity_line", "flag", "True for those whom the team can reach today", required=True),
                Column("reasons", "text", "JSON list of the main reasons; null below the capacity line"),
            ),
        ),
        Table(
            "evaluations",
            "one figure of one trained model, with its interval",
            (
                _AS_OF,
                Column("churn", "text", "Name of the churn definition", required=True),
                Column("run_id", "text", "The training run (MLflow)", required=True),
                Column("model", "text", "catboost, or the baseline's name", required=True),
                Column("metric", "text", "auc, pr_auc, log_loss, ...", required=True),
                Column("slice", "text", "all, or column=value"),
                Column("estimate", "number", "The figure"),
                Column("low", "number", "Lower end of its 95 % interval"),
                Column("high", "number", "Upper end of its 95 % interval"),
                Column("row_count", "integer", "Rows it was computed on"),
                Column("method", "text", "How the interval was computed"),
            ),
        ),
    )
}

#: Stored one folder per day although their columns are not declared here: they follow the business' feature set.
FEATURES_TABLE = "features"

RESERVED_NAMES: frozenset[str] = frozenset(TABLES) | {FEATURES_TABLE, "labels", "spine"}
