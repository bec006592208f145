"""From a source's texts to our typed columns: what each column is made of, and the SQL that makes it.

The rules, the same for every kind of source:

* A text that the file declares as null (``csv.nulls``) is missing. Anything else that cannot be read as its column's
  type makes the value null and is kept in ``<column>_unreadable``, so that the contract can name it.
* Money is read as a decimal number and stored as whole cents, rounded half away from zero; no float is involved.
  ``inf``, ``nan``, thousands separators and 10^13 or more (10^15 cents) are unreadable. A comma is a decimal sign only
  where the file declares it. A product is computed from factors of up to 12 digits before the point and 6 after it.
* Dates and instants are read in the declared formats, else as ISO 8601, in the years 1900 to 9999. An instant without
  an offset is local time in the feed's time zone: a time that the clock skips is read with the offset before the
  change, a time that occurs twice is its second occurrence.
* Flags are yes/no, true/false, y/n and 1/0, in any case.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from holdback.business import AnnouncedTrigger, Business, Feed
from holdback.business.sections import Constant, Mapping_, Product, Source
from holdback.errors import BusinessFileError, ContractBroken
from holdback.originals import RELATION, Original, source_column
from holdback.sql import literal
from holdback.tables import CUSTOMERS, ROLES, Column, Table

if TYPE_CHECKING:
    import duckdb

OFFERED = "_offered"

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_WHOLE = r"^[+-]?[0-9]+(\.0*)?$"
_ISO_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"
_ISO_TIME = r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?$"
_ISO_OFFSET = r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)? ?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"


@dataclass(frozen=True)
class Field:
    """One of our columns and what it is made of."""

    column: Column
    origin: Mapping_


@dataclass(frozen=True)
class Shape:
    """A feed as it is mapped: which table it fills, from what, and what identifies a row.

    Args:
        feed: Name of the feed, which is the name of its table; ``customers`` for the customers.
        table: The declared table.
        fields: The mapped columns.
        source: The feed's section of the business file.
        key: Stored names of the columns that identify a row; empty when nothing does.
        time_zone: Of instants without an offset.
        instant: Start of a day of the business, as naive UTC.
        is_announcing: True when a trigger waits for events of the feed that are still to come; they are no mistakes.
    """

    feed: str
    table: Table
    fields: tuple[Field, ...]
    source: Source
    key: tuple[str, ...]
    time_zone: str
    instant: Callable[[date], datetime]
    is_announcing: bool = False

    @property
    def is_customers(self) -> bool:
        """True for the table of customers, which keeps versions."""
        return self.feed == CUSTOMERS.name

    @property
    def column_names(self) -> tuple[str, ...]:
        """Stored names of the mapped columns, in order."""
        return tuple(field.column.name for field in self.fields)

    @property
    def event_column(self) -> str | None:
        """The instant that dates a row: when it happened, or when the customer became one."""
        for name in ("event_at", "signed_up_at"):
            if name in self.column_names:
                return name
        return None

    def column(self, key: str) -> Column | None:
        """Return the mapped column that the business file calls ``key``."""
        return next((field.column for field in self.fields if key in (field.column.key, field.column.name)), None)

    @property
    def fingerprint(self) -> str:
        """Changes exactly when the same bytes would be stored as other rows."""
        described = {
            "feed": self.feed,
            "key": self.key,
            "time_zone": self.time_zone,
            "date_format": self.source.date_format,
            "csv": self.source.csv.model_dump(mode="json"),
            "fields": [
                [f.column.name, f.column.type, f.origin if isinstance(f.origin, str) else f.origin.model_dump()]
                for f in self.fields
            ],
        }
        return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()


def shape_of(business: Business, feed: str) -> Shape:
    """Return how ``feed`` (or ``customers``) is mapped.

    Raises:
        BusinessFileError: there is no such feed.
    """
    if feed == CUSTOMERS.name and business.customers is not None:
        return _customers_shape(business)
    section = business.feeds.get(feed)
    if section is None:
        known = [*([CUSTOMERS.name] if business.customers else []), *business.feeds]
        near = get_close_matches(feed, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
        raise BusinessFileError(f"{business.slug}: feed {feed!r} does not exist. {hint}")
    return _feed_shape(business, feed, section)


def _feed_shape(business: Business, name: str, section: Feed) -> Shape:
    fields = tuple(Field(column, section.columns[column.key]) for column in section.mapped_columns)
    key = tuple(column.name for column in section.mapped_columns if column.key in section.key)
    zone = section.time_zone or business.time_zone
    is_announcing = any(
        isinstance(trigger, AnnouncedTrigger) and trigger.on == "event_at" and trigger.feed == name
        for trigger in business.triggers
    )
    return Shape(name, ROLES[section.role].named(name), fields, section, key, zone, business.instant, is_announcing)


def _customers_shape(business: Business) -> Shape:
    section = business.customers
    assert section is not None
    own = [
        Field(column, section.key if column.name == "customer_id" else section.columns[column.key])
        for column in CUSTOMERS.columns
        if column.name == "customer_id" or column.key in section.columns
    ]
    theirs = [
        Field(column, section.attributes[column.name].column or column.name) for column in business.attribute_columns
    ]
    zone = section.time_zone or business.time_zone
    table = CUSTOMERS.named(CUSTOMERS.name, business.attribute_columns)
    return Shape(CUSTOMERS.name, table, (*own, *theirs), section, ("customer_id",), zone, business.instant)


def check_columns(shape: Shape, original: Original) -> tuple[str, ...]:
    """Check that every mapped column is in the file once; return the file's columns that nothing uses.

    Raises:
        ContractBroken: a column is missing, was renamed, or stands twice; every one is named, with its nearest name.
    """
    present = list(original.columns)
    wanted = dict.fromkeys(name for field in shape.fields for name in _origins(field.origin))
    is_header = bool(original.typed) or not wanted.keys().isdisjoint(present)
    faults = []
    for field in shape.fields:
        for name in _origins(field.origin):
            if present.count(name) == 1:
                continue
            where = f"column {name!r} (our {field.column.key!r})"
            if name in present:
                faults.append(f"{where} stands {present.count(name)} times in the header")
            else:
                near = get_close_matches(name, present, n=1, cutoff=0.5) if is_header else []
                faults.append(f"{where} is missing" + (f"; the nearest one there is {near[0]!r}" if near else ""))
    if faults:
        hint = f"The file has: {', '.join(present)[:500]}."
        if not is_header:  # a first line without any name that is known may be a customer's: none of it is repeated
            hint = f"The first line has {len(present)} columns and none of these names: is the header there?"
        if len(present) == 1 and not original.typed:
            hint += f" The header has one column only: is csv.delimiter {shape.source.csv.delimiter!r} right?"
        raise ContractBroken(
            f"{original.name}: {'; '.join(faults)}. {hint}"
            " Send the file as agreed, or change the mapping in the business file. Nothing was written."
        )
    used = {name for field in shape.fields for name in _origins(field.origin)}
    return tuple(name for name in present if name not in used)


def map_rows(connection: duckdb.DuckDBPyConnection, shape: Shape, original: Original) -> None:
    """Fill the table ``_offered``: the original's columns, ours with their types, and what could not be read.

    Raises:
        BusinessFileError: a declared date format is not one.
    """
    import duckdb

    texts: list[str] = []
    values: list[str] = []
    unreadable: list[str] = []
    for field in shape.fields:
        name = field.column.name
        made = _Origin.of(field, shape, original)
        texts.extend(f'{sql} as "{name}_text_{i}"' for i, sql in enumerate(made.texts))
        columns = [f'"{name}_text_{i}"' for i in range(len(made.texts))]
        values.append(f'{made.value(columns)} as "{name}"')
        if field.column.type != "text":
            given = made.unreadable(columns, f'"{name}"')
            unreadable.append(
                f"case when {given} then concat_ws(' x ', {', '.join(columns)}) end as \"{name}_unreadable\""
            )
    ours = [f'"{name}"' for name in shape.column_names]
    if "ends_on" in shape.column_names:
        unreadable.append(f"{_local_day('event_at', shape.time_zone)} as event_on")
    sources = ", ".join(source_column(i) for i in range(len(original.columns)))
    sql = f"""
        create temp table {OFFERED} as
        with texts as (select row_number, is_parsed, line, {sources}, {", ".join(texts)} from {RELATION}),
        typed as (select *, {", ".join(values)} from texts)
        select row_number, is_parsed, line, {sources}, {", ".join([*ours, *unreadable])} from typed"""
    try:
        connection.execute(sql)
    except duckdb.InvalidInputException as error:
        raise BusinessFileError(
            f"{shape.feed}: date_format {', '.join(shape.source.date_format)}: is not a strptime format"
            f" ({str(error).splitlines()[0]})."
        ) from error


def raw_json(original: Original) -> str:
    """SQL of the row as it came: the line when it could not be split, else JSON of the source's columns."""
    names: list[str] = []
    for position, name in enumerate(original.columns):
        names.append(name if name and name not in names else f"{name or 'column'} ({position + 1})")
    pairs = ", ".join(f"{literal(name)}, {source_column(i)}" for i, name in enumerate(names))
    return f"case when is_parsed then cast(json_object({pairs}) as varchar) else line end"


@dataclass(frozen=True)
class _Origin:
    """The SQL of one column: its texts (nulls taken out), and how they are read."""

    column: Column
    texts: tuple[str, ...]
    decimal: str
    formats: tuple[str, ...]
    time_zone: str

    @classmethod
    def of(cls, field: Field, shape: Shape, original: Original) -> _Origin:
        csv = shape.source.csv
        if isinstance(field.origin, Constant):
            return cls(field.column, (literal(_constant_text(field.origin.constant)),), ".", (), shape.time_zone)
        names = _origins(field.origin)
        positions = [original.columns.index(name) for name in names]
        nulls = ", ".join(literal(null) for null in csv.nulls)
        texts = [
            f"case when {source_column(i)} in ({nulls}) then null else {source_column(i)} end" if nulls
            else source_column(i)
            for i in positions
        ]  # fmt: skip
        if original.typed.issuperset(positions):
            return cls(field.column, tuple(texts), ".", (), shape.time_zone)
        return cls(field.column, tuple(texts), csv.decimal, shape.source.date_format, shape.time_zone)

    def value(self, texts: Sequence[str]) -> str:
        if self.column.type == "text":
            return texts[0]
        if len(texts) > 1:
            return self._product(texts)
        text = f"trim({texts[0]})"
        match self.column.type:
            case "money":
                return _cents(self._number(text))
            case "number":
                return _finite(self._number(text))
            case "integer":
                point = self._pointed(text)
                whole = f"try_cast(split_part({point}, '.', 1) as bigint)"
                return f"case when regexp_matches({point}, '{_WHOLE}') then {whole} end"
            case "flag":
                return (
                    f"case when lower({text}) in ('yes', 'true', 'y', '1') then true"
                    f" when lower({text}) in ('no', 'false', 'n', '0') then false end"
                )
            case "date":
                return self._date(text)
            case _:
                return self._instant(text)

    def unreadable(self, texts: Sequence[str], value: str) -> str:
        """SQL that is true when something was given that cannot be read (an absent factor is absent, not bad)."""
        if len(texts) == 1:
            return f"{texts[0]} is not null and {value} is null"
        factors = " or ".join(f"({text} is not null and {self._factor(text)} is null)" for text in texts)
        all_given = " and ".join(f"{text} is not null" for text in texts)
        return f"({factors} or ({all_given} and {value} is null))"

    def _pointed(self, text: str) -> str:
        return text if self.decimal == "." else f"translate({text}, ',.', '.,')"

    def _number(self, text: str) -> str:
        point = self._pointed(text)
        return f"case when regexp_matches({point}, '{_NUMBER}') then {point} end"

    def _factor(self, text: str) -> str:
        narrow = f"try_cast({self._number(f'trim({text})')} as decimal(18, 6))"
        return f"cast({narrow} as decimal(38, 6))"

    def _product(self, texts: Sequence[str]) -> str:
        product = f"{self._factor(texts[0])} * {self._factor(texts[1])}"
        for text in texts[2:]:
            product = f"cast(try_cast({product} as decimal(18, 6)) as decimal(38, 6)) * {self._factor(text)}"
        return _cents(product) if self.column.type == "money" else f"try_cast({product} as {self.column.sql_type})"

    def _date(self, text: str) -> str:
        if self.formats:
            return f"cast({self._parsed(text)} as date)"
        day = f"try_cast(left({text}, 10) as date)"
        return f"case when regexp_matches({text}, '{_ISO_DAY}{_ISO_TIME}') and {_in_years(day)} then {day} end"

    def _instant(self, text: str) -> str:
        if self.formats:
            return self._parsed(text, to_utc=True)
        local = _utc(f"try_cast({text} as timestamp)", self.time_zone)
        absolute = f"timezone('UTC', try_cast({text} as timestamptz))"
        return (
            f"case when regexp_matches({text}, '{_ISO_DAY}{_ISO_TIME}') then {_sane(local)}"
            f" when regexp_matches({text}, '{_ISO_DAY}{_ISO_OFFSET}') then {_sane(absolute)} end"
        )

    def _parsed(self, text: str, *, to_utc: bool = False) -> str:
        """Read by the declared formats, the first that fits; a text without a digit is never a date."""
        readings = []
        for pattern in self.formats:
            parsed = f"try_strptime({text}, {literal(pattern)})"
            if "%z" in pattern or "%Z" in pattern:
                parsed = f"timezone('UTC', {parsed})" if to_utc else f"timezone('{self.time_zone}', {parsed})"
            elif to_utc:
                parsed = _utc(parsed, self.time_zone)
            readings.append(_sane(parsed))
        return f"case when regexp_matches({text}, '[0-9]') then coalesce({', '.join(readings)}) end"


def _origins(origin: Mapping_) -> tuple[str, ...]:
    if isinstance(origin, Product):
        return origin.multiply
    return () if isinstance(origin, Constant) else (origin,)


def _constant_text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value).removesuffix(".0")


def _cents(decimal: str) -> str:
    # At most 10^15 cents: so many rows can be added up without leaving 64 bits, and doubles hold each exactly.
    return f"cast(try_cast({decimal} as decimal(15, 2)) * 100 as bigint)"


def _finite(number: str) -> str:
    value = f"try_cast({number} as double)"
    return f"case when isfinite({value}) then {value} end"


def _in_years(value: str) -> str:
    return f"year({value}) between 1900 and 9999"


def _sane(value: str) -> str:
    return f"case when {_in_years(value)} then {value} end"


def _utc(local: str, zone: str) -> str:
    return local if zone == "UTC" else f"timezone('UTC', timezone('{zone}', {local}))"


def _local_day(instant: str, zone: str) -> str:
    return f"cast(timezone('{zone}', timezone('UTC', \"{instant}\")) as date)"
