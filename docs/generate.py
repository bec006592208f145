"""Write the pages that are generated from declarations: `make docs`. `--check` only fails when one is old.

| page | built from |
|---|---|
| `data-dictionary.md` | `holdback.tables` |
| `business-file.md` | the JSON schema of a business file |
| `business.schema.json` | the same, for editors: they complete and check a business file with it |
| `metrics.md` | `monitoring.history.METRICS` |
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from holdback.business import business_schema
from holdback.tables import LOAD_COLUMNS, ROLES, TABLES, Column, Table
from monitoring.evidently_workspace import KEPT_DAYS
from monitoring.history import ABOUT, METRICS, Metric

DOCS = Path(__file__).resolve().parent
Schema = dict[str, Any]


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _rows(header: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"
    yield ""


def _column_row(column: Column) -> tuple[object, ...]:
    rules = [
        "never empty" if column.required else "",
        f"one of {', '.join(column.allowed)}" if column.allowed else "",
        f"at least {column.minimum:g}" if column.minimum is not None else "",
        f"at most {column.maximum:g}" if column.maximum is not None else "",
        f"mapped as `{column.mapped_as}`" if column.mapped_as else "",
    ]
    meaning = f"{column.meaning} ({column.unit})" if column.unit else column.meaning
    return f"`{column.name}`", column.sql_type, meaning, "; ".join(filter(None, rules))


def _table_section(table: Table, *, heading: str) -> Iterator[str]:
    own = [column for column in table.columns if column not in LOAD_COLUMNS]
    yield f"## {heading}"
    yield ""
    yield f"One row: {table.grain}."
    yield ""
    yield from _rows(("column", "type", "meaning", "rule"), map(_column_row, own))
    if len(own) < len(table.columns):
        yield "And the [load columns](#load-columns)."
        yield ""


def data_dictionary() -> str:
    """Return the data dictionary: each table's grain and columns, as declared in `holdback.tables`."""
    lines = [
        "# Data dictionary",
        "",
        "Generated from `holdback/tables.py` by `make docs`; edit it there.",
        "",
        "Money is integer cents of the business' currency. Instants (`_at`) are UTC without an offset; dates (`_on`, "
        "`as_of`) are days of the business. The `features` table has one column per declared feature: "
        "`holdback features list` prints them.",
        "",
        "## Load columns",
        "",
        "Every table that is filled by `holdback ingest` says where a row came from and from when on it was known.",
        "",
        *_rows(("column", "type", "meaning", "rule"), map(_column_row, LOAD_COLUMNS)),
    ]
    for name, table in ROLES.items():
        lines += _table_section(table, heading=f"A feed with role `{name}`")
    for name, table in TABLES.items():
        lines += _table_section(table, heading=f"`{name}`")
    return "\n".join(lines).rstrip() + "\n"


def _type_of(schema: Schema) -> str:
    """Say in words what a value may be: `a whole number, at least 1`."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(_type_of(option) for option in options if option.get("type") != "null"))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"a list of: {_type_of(schema['items'])}" if schema.get("items") else "a list"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        return f"a mapping of names to: {_type_of(values)}" if isinstance(values, dict) else "a mapping"
    words = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false"}
    text = "a date" if schema.get("format") == "date" else words.get(schema.get("type", ""), "any value")
    bounds = {
        "minimum": "at least",
        "exclusiveMinimum": "more than",
        "maximum": "at most",
        "exclusiveMaximum": "less than",
    }
    return ", ".join([text, *(f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema)])


def _key_row(key: str, schema: Schema, *, is_required: bool) -> tuple[object, ...]:
    default = schema.get("default")
    if is_required:
        left_out = "required"
    elif isinstance(default, dict) and default:
        left_out = "each key's own default"
    else:
        left_out = "" if default in (None, [], {}) else f"`{json.dumps(default)}`"
    return f"`{key}`", _type_of(schema), left_out, schema.get("description", "")


def _object_section(name: str, schema: Schema) -> Iterator[str]:
    required = set(schema.get("required", ()))
    yield f"## {name}"
    yield ""
    if description := schema.get("description"):
        yield " ".join(description.split())
        yield ""
    keys = schema.get("properties", {})
    rows = (_key_row(key, keys[key], is_required=key in required) for key in keys)
    yield from _rows(("key", "value", "when left out", "meaning"), rows)


def _in_order_of_mention(schema: Schema) -> Iterator[str]:
    """Yield the sections' names as a reader of the file meets them, each once."""
    text = json.dumps(schema)
    for mention in text.split('"#/$defs/')[1:]:
        yield mention.split('"', 1)[0]


def business_file_reference() -> str:
    """Return the reference page of the business file, from its JSON schema."""
    schema = business_schema()
    sections: Schema = schema.pop("$defs", {})
    waiting, order = list(dict.fromkeys(_in_order_of_mention(schema))), []
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            waiting = [*_in_order_of_mention(sections[name]), *waiting]
    lines = [
        "# The business file",
        "",
        "Generated from the models in `holdback/business/` by `make docs`; edit it there. "
        "`holdback business check FILE` reports every fault of a file at once; "
        "[`business.schema.json`](business.schema.json) lets an editor complete it.",
        "",
        *_object_section("The file", schema),
    ]
    for name in order:
        lines += _object_section(name, sections[name])
    return "\n".join(lines).rstrip() + "\n"


def _metric_section(metric: Metric) -> Iterator[str]:
    units = {
        "count": "a number of customers, rows or checks", "share": "a share in [0, 1]", "number": "a plain number",
        "money": "money, in units of the business' currency", "points": "points from -100 to 100", "days": "days",
    }  # fmt: skip
    better = {True: "when it is higher", False: "when it is lower", None: "neither way by itself"}
    yield f"## `{metric.name}`"
    yield ""
    yield f"**{metric.title.en}.** {metric.meaning.en}"
    yield ""
    yield f"*{metric.title.es}. {metric.meaning.es}*"
    yield ""
    yield f"- Unit: {units[metric.unit]}. Better {better[metric.is_good_when_higher]}."
    yield f"- `about`: {ABOUT[metric.about]}."
    yield f"- Computed from: {metric.computed}."
    yield f"- Seen in: {metric.seen}."
    yield ""


def metrics_page() -> str:
    """Return the page about the figures that are kept of each day: what each means and how it is computed."""
    lines = [
        "# The figures of each day",
        "",
        "Generated from `monitoring/history/metrics.py` by `make docs`; edit it there.",
        "",
        "At the end of each day's work `holdback daily` keeps the figures below in the table `daily_metrics`, as "
        "they were known then. The first record of each figure stands: late rows and corrections change what the "
        "past looks like today, not what was known when people decided. A figure that cannot be known yet is kept "
        "without a value and with its reason; a day that was not recorded is simply not there. Estimates carry "
        "their 95 % interval (`low`, `high`) and `n`, what they rest on; what is counted has no interval. Counts "
        "are kept as they are: pages for people hide groups of fewer than five customers.",
        "",
        "```",
        "holdback metrics list                          # each figure: newest value, change, the days before",
        "holdback metrics show feed_age_days --about tickets --days 14",
        "holdback metrics show auc --json",
        "```",
        "",
        "Every report also leaves Evidently's snapshot of the day in `<workspace>/evidently`, the newest "
        f"{KEPT_DAYS} days of each churn definition (a quarter of a megabyte each). Evidently's own pages show them:",
        "",
        "```",
        "DO_NOT_TRACK=true evidently ui --workspace .holdback/<slug>/evidently --host 127.0.0.1 --port 8000",
        "```",
        "",
        "That server has no login: keep it on the loopback address, or behind a proxy that asks who is there. Without "
        "`DO_NOT_TRACK` it tells its makers what is looked at, over plain HTTP; Holdback's own processes set it.",
        "",
    ]
    for metric in METRICS.values():
        lines += _metric_section(metric)
    return "\n".join(lines).rstrip() + "\n"


def pages() -> dict[str, str]:
    """Return every generated page: file name to text."""
    return {
        "data-dictionary.md": data_dictionary(),
        "business-file.md": business_file_reference(),
        "metrics.md": metrics_page(),
        "business.schema.json": json.dumps(business_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def outdated() -> dict[str, str]:
    """Return the pages whose file is missing or differs: file name to the text that it should have."""
    found = {path.name: path.read_text(encoding="utf-8") for path in DOCS.iterdir() if path.is_file()}
    return {name: text for name, text in pages().items() if found.get(name) != text}


def main(arguments: list[str]) -> int:
    """Write the pages, or with `--check` only say which are old: exit code 1."""
    old = outdated()
    if "--check" in arguments:
        if old:
            sys.stderr.write(f"docs: {', '.join(old)}: not what the declarations say now. Run `make docs`.\n")
        return 1 if old else 0
    for name, text in old.items():
        (DOCS / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"docs/{name}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
