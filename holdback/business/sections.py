"""The sections of a business file, as frozen models that refuse unknown keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from holdback.tables import CUSTOMERS, LOAD_COLUMNS, RESERVED_NAMES, ROLES, Column

Role = Literal[
    "transactions", "subscriptions", "interactions", "feedback", "balances", "usage", "campaign_contacts", "assignments"
]
Group = Literal["treatment", "holdout"]
LOAD_NAMES = frozenset(column.name for column in LOAD_COLUMNS)


class Section(BaseModel):
    """A frozen part of the business file; a key that it does not know is a fault, not a comment."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("must be a time zone name such as Europe/Madrid")
    return name


def _ordered(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("must be [lowest, highest]")
    return pair


def _as_tuple(value: Any) -> Any:
    """Take one value for a list of one; what is no text in it is refused where it stands."""
    return value if value is None or isinstance(value, list | tuple | dict) else (value,)


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="Lower case, digits and underscores")]
TimeZone = Annotated[str, AfterValidator(_known_time_zone)]
Range = Annotated[tuple[float, float], AfterValidator(_ordered), Field(description="[lowest, highest]")]
Share = Annotated[float, Field(ge=0, le=1)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class CsvFormat(Section):
    """How a company's CSV files are written. Nothing is guessed: a file that differs is refused or quarantined."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quote: Annotated[str, Field(max_length=1)] = '"'
    encoding: str = Field("utf-8", description="Any encoding that Python knows: utf-8, latin-1, cp1252, utf-16, ...")
    decimal: Literal[".", ","] = "."
    nulls: tuple[str, ...] = Field(("",), description="Texts that mean 'not known'")

    @model_validator(mode="after")
    def _encoding_is_known(self) -> CsvFormat:
        try:
            "".encode(self.encoding)  # knows texts alone, and not zlib or hex, which Python calls encodings too
        except (LookupError, UnicodeError, ValueError) as error:
            raise ValueError(f"encoding: {self.encoding!r} is not an encoding that Python knows") from error
        if self.delimiter == self.decimal:
            raise ValueError("delimiter and decimal must differ")
        return self


class Product(Section):
    """A column computed as the product of two of theirs (quantity x unit price)."""

    multiply: Annotated[tuple[str, ...], Field(min_length=2, max_length=3)]


class Constant(Section):
    """A column that has the same value in every row of the feed."""

    constant: str | float | bool


Mapping_ = str | Product | Constant


class ReferenceFacts(Section):
    """What is known of a column, so that an altered copy of the file is noticed. Each is [lowest, highest]."""

    null_share: Range | None = None
    distinct_share: Range | None = Field(None, description="Distinct values divided by rows")
    negative_share: Range | None = None
    whole_share: Range | None = Field(None, description="Share of numbers without a fraction")
    mean: Range | None = None
    median: Range | None = None
    minimum: Range | None = None
    maximum: Range | None = None
    shares: dict[str, Range] = Field({}, description="Share of each value named")


class Expectations(Section):
    """What a batch of this feed looks like when all is well."""

    rows: Range | None = Field(None, description="Rows in one batch; outside is critical")
    fresh_within_days: Annotated[int, Field(ge=0)] | None = Field(
        None, description="The newest event may be at most this many days older than as_of; older is critical"
    )
    volume_ratio: Annotated[float, Field(gt=1)] = Field(
        4.0, description="Rows may differ by this factor from the same weekday's median; more is a warning"
    )
    quarantined_share: Share = Field(0.2, description="More bad rows than this is a fault of the batch, not of rows")
    null_share: dict[str, Share] = Field({}, description="Largest share of missing values by column; more is critical")
    between: dict[str, Range] = Field({}, description="Lowest and highest value by column; outside is quarantined")
    known_customers: bool = Field(False, description="Quarantine rows whose customer is not in the customers table")
    drift_limit: Annotated[float, Field(gt=0)] = Field(
        0.5, description="Largest population stability index of a column against the accepted batches before it"
    )
    on_drift: Literal["critical", "warning"] = "warning"
    reference: dict[str, ReferenceFacts] = Field({}, description="Known facts by column; outside is critical")


class Source(Section):
    """Where the rows come from, and how they are written."""

    source: str = Field(
        description="A path or glob (relative to the business file; $NAME is taken from the environment; {date} marks "
        "the day of a daily file), or postgresql://$NAME, where the variable holds the connection string"
    )
    query: str | None = Field(None, description="The SELECT to run on a postgresql:// source")
    csv: CsvFormat = CsvFormat()
    date_format: Texts = Field((), description="strptime formats of instants and dates; ISO 8601 when empty")
    time_zone: TimeZone | None = Field(None, description="Of instants without an offset; the business' own by default")
    accepts: dict[str, tuple[str, ...]] = Field({}, description="Allowed values by column; others are quarantined")
    expects: Expectations = Expectations()
    is_required: bool = Field(True, description="False: a day without a file is no failure")

    @property
    def is_daily(self) -> bool:
        """True when each file names the day that it covers."""
        return self.query is None and "{date}" in self.source

    @model_validator(mode="after")
    def _query_belongs_to_postgres(self) -> Source:
        is_postgres = self.source.startswith("postgresql://")
        if is_postgres and self.query is None:
            raise ValueError("query: a postgresql:// source needs the SELECT to run")
        if self.query is not None and not is_postgres:
            raise ValueError("query: only a postgresql:// source takes a query")
        if is_postgres and not self.source.removeprefix("postgresql://").startswith("$"):
            raise ValueError(
                "source: write postgresql://$NAME, where the environment variable NAME holds the connection string; "
                "secrets never stand in a business file"
            )
        return self


Scale = Literal["nps", "five", "ten", "hundred"]


class ScaleSince(Section):
    """A survey's scale from a day on."""

    scale: Scale
    since: date | None = Field(None, description="First day of the answers on this scale; the first one has none")


class Feed(Source):
    """One source table after mapping to ours; its role brings its contract and its feature families."""

    role: Role
    columns: dict[str, Mapping_] = Field(description="Ours on the left, theirs on the right")
    key: Texts = Field(
        (), description="Our columns that identify a row; a second row with the same key corrects the first"
    )
    scale: Scale | tuple[ScaleSince, ...] | None = Field(
        None,
        description="Scale of a feedback feed's scores: nps (0 to 10), five (1 to 5), ten (1 to 10), hundred (0 to "
        "100); a list of {since, scale} when it changed. Answers outside are quarantined",
    )
    groups: dict[Group, Texts] = Field(
        {}, description="Their words for treatment and holdout in a feed of role assignments; ours by default"
    )

    @property
    def mapped_columns(self) -> tuple[Column, ...]:
        """The role's columns that this feed really has, in the role's order."""
        return tuple(column for column in ROLES[self.role].columns if column.key in self.columns)

    def has(self, stored_name: str) -> bool:
        """True when the column stored under this name is mapped."""
        return any(column.name == stored_name for column in self.mapped_columns)

    @model_validator(mode="after")
    def _columns_fit_the_role(self) -> Feed:
        shape = [column for column in ROLES[self.role].columns if column.name not in LOAD_NAMES]
        refuse_unknown("columns", self.columns, [column.key for column in shape], f"a column of role {self.role}")
        for column in shape:
            if column.required and column.key not in self.columns:
                raise ValueError(f"columns: {column.key!r} is missing; a feed of role {self.role} needs it")
        mapped = [column.key for column in self.mapped_columns]
        refuse_unknown("key", self.key, mapped, "a mapped column")
        refuse_unknown("accepts", self.accepts, mapped, "a mapped column")
        refuse_unknown("expects.null_share", self.expects.null_share, mapped, "a mapped column")
        refuse_unknown("expects.between", self.expects.between, mapped, "a mapped column")
        refuse_unknown("expects.reference", self.expects.reference, mapped, "a mapped column")
        if self.scale is not None and self.role != "feedback":
            raise ValueError("scale: only a feed of role feedback has a scale")
        if isinstance(self.scale, tuple):
            _in_order(self.scale)
        if self.groups and self.role != "assignments":
            raise ValueError("groups: only a feed of role assignments has groups")
        both = sorted(set(self.group_words("treatment")) & set(self.group_words("holdout")))
        if both:
            raise ValueError(f"groups: {both[0]!r} cannot mean both treatment and holdout")
        return self

    @property
    def scales(self) -> tuple[ScaleSince, ...]:
        """The scales of a feedback feed, the oldest first; empty when none is declared."""
        if isinstance(self.scale, str):
            return (ScaleSince(scale=self.scale),)
        return self.scale or ()

    def group_words(self, group: Group) -> tuple[str, ...]:
        """Return the words by which a feed of role assignments means a group."""
        return self.groups.get(group, (group,))


def _in_order(scales: tuple[ScaleSince, ...]) -> None:
    days = [scale.since for scale in scales]
    later = [day for day in days[1:] if day is not None]
    if not days or days[0] is not None or len(later) < len(days) - 1 or later != sorted(set(later)):
        raise ValueError("scale: the first of several has no since, the others each a later day")


class Attribute(Section):
    """One fact about a customer. ``label`` marks the company's own churn column: it never becomes a feature."""

    kind: Literal["category", "number", "flag", "label"]
    column: str | None = Field(None, description="Their name of it; our name by default")
    meaning: str | Annotated[dict[Literal["en", "es"], str], Field(min_length=1)] | None = Field(
        None, description="In a few words; by language ({en: ..., es: ...}) where the pages are read in both"
    )
    unit: str | None = None
    observed_on: date | None = Field(
        None, description="The day the value describes; a day inside the outcome window is a leak"
    )

    def meaning_in(self, language: Literal["en", "es"]) -> str | None:
        """Return what it means in a language, or else in the one in which it is told; None when nothing is told."""
        if self.meaning is None or isinstance(self.meaning, str):
            return self.meaning
        return self.meaning.get(language) or next(iter(self.meaning.values()))


def _attribute_shorthand(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class Customers(Source):
    """The table of customers: key, contact data and attributes."""

    key: str = Field(description="Their column that holds the customer's key")
    columns: dict[str, Mapping_] = Field({}, description="Ours on the left, theirs on the right")
    attributes: dict[Name, Annotated[Attribute, BeforeValidator(_attribute_shorthand)]] = {}
    protected: tuple[str, ...] = Field((), description="Attributes that are audited but never used or shown")

    @model_validator(mode="after")
    def _names_fit(self) -> Customers:
        own = [c.key for c in CUSTOMERS.columns if c.name not in LOAD_NAMES and c.name != "customer_id"]
        refuse_unknown("columns", self.columns, own, "a column of customers")
        clash = sorted(set(self.attributes) & set(CUSTOMERS.column_names))
        if clash:
            raise ValueError(f"attributes: {clash[0]!r} is a column of customers already; map it under columns")
        refuse_unknown("protected", self.protected, list(self.attributes), "an attribute")
        known = ["customer_id", *self.attributes, *self.columns]
        refuse_unknown("accepts", self.accepts, known, "an attribute")
        refuse_unknown("expects.null_share", self.expects.null_share, known, "an attribute")
        refuse_unknown("expects.between", self.expects.between, known, "an attribute")
        refuse_unknown("expects.reference", self.expects.reference, known, "an attribute")
        return self


class Value(Section):
    """What a customer's business is worth to the company."""

    feed: str | None = Field(
        None,
        description="The feed that carries the revenue: subscriptions (price), transactions (amount) or balances; "
        "the first of these roles by default",
    )
    margin_rate: Annotated[float, Field(gt=0, le=1)] = Field(1.0, description="Share of an amount that is margin")
    discount_rate: Annotated[float, Field(ge=0, le=1)] = 0.08
    horizon_days: Annotated[int, Field(ge=30, le=1830)] = 365
    refresh_days: Annotated[int, Field(ge=1, le=31)] = Field(
        7, description="Customers are valued anew when their newest values are this many days old"
    )


class Training(Section):
    """How much history a model learns from."""

    snapshots: Annotated[int, Field(ge=1, le=60)] = Field(12, description="Monthly snapshots at most")
    min_history_days: Annotated[int, Field(ge=0)] = Field(60, description="Days of data before the first snapshot")
    scorers: Texts = Field(
        (),
        description="Features (numbers, such as an attribute with a score of your own) that compete as they stand for "
        "whom an action is given to: higher comes first",
    )
    retrain: Literal["propose", "start", "never"] = Field(
        "propose",
        description="What evidence that a model has aged leads to: an alert, a training (its gate decides on the "
        "promotion), or nothing",
    )
    retrain_cooldown_days: Annotated[int, Field(ge=1, le=365)] = Field(
        14, description="Days after a training or a proposal in which no other one is proposed"
    )


def refuse_reserved(name: str) -> None:
    """Raise ``ValueError`` when a feed's name is that of one of our own tables."""
    if name in RESERVED_NAMES:
        raise ValueError(f"feeds: {name!r} is a table of Holdback's own; choose another name")


def refuse_unknown(where: str, names: Iterable[str], known: list[str], what: str) -> None:
    """Raise ``ValueError`` for the first name that is not known, with the nearest known one."""
    from difflib import get_close_matches

    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
            raise ValueError(f"{where}: {name!r} is not {what}.{hint}")
