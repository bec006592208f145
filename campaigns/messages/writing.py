"""Fill the messages of a day's decisions; what cannot be filled is withheld, and says what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from campaigns.contact_columns import MESSAGE_COLUMNS
from campaigns.messages.fields import known_values, tidy
from campaigns.messages.languages import written_language
from campaigns.messages.outputs import CannotBeFilled
from campaigns.messages.sources import source_of
from campaigns.messages.templates import FieldMissing, Template, read_template
from holdback.business import Action, Business
from holdback.errors import BusinessFileError

#: What is kept of a decision that is withheld: ids and the name of the field, never a value.
WITHHELD_COLUMNS = ("decision_id", "customer_id", "campaign", "action", "channel", "missing_field", "withheld_because")

_WRITTEN = pa.schema([(name, pa.string()) for name in ("decision_id", *MESSAGE_COLUMNS)])
_WITHHELD = pa.schema([(name, pa.string()) for name in WITHHELD_COLUMNS])


@dataclass(frozen=True)
class Written:
    """The messages of a day.

    Args:
        messages: ``decision_id`` and :data:`~campaigns.contact_columns.MESSAGE_COLUMNS`, one row per decision that can
            leave, in the order of the decisions; null where an action writes or offers nothing.
        withheld: :data:`WITHHELD_COLUMNS`, one row per decision that cannot.
    """

    messages: pa.Table
    withheld: pa.Table


def write_messages(business: Business, decided: pa.Table, *, language: str | None = None) -> Written:
    """Fill the message of each decision, or say why it is withheld.

    Args:
        business: The company.
        decided: ``decision_id, customer_id, campaign, action, channel, reasons`` (JSON as the table ``scores`` keeps
            it) and ``attribute_<name>`` for each attribute that a message can need, one row per decision.
        language: Write everything in this one instead of the customer's (where there are words in it).

    Raises:
        BusinessFileError: a template has faults (:func:`campaigns.messages.check_messages` finds them all).
    """
    press = _Press(business, language)
    messages: list[dict[str, object]] = []
    withheld: list[dict[str, object]] = []
    for row in decided.to_pylist():
        found = press.write(row)
        if isinstance(found, _Lack):
            kept = {name: row.get(name) for name in WITHHELD_COLUMNS}
            withheld.append({**kept, "missing_field": found.field, "withheld_because": found.because})
        else:
            messages.append({"decision_id": row["decision_id"], **found})
    return Written(pa.Table.from_pylist(messages, _WRITTEN), pa.Table.from_pylist(withheld, _WITHHELD))


@dataclass(frozen=True)
class _Lack:
    field: str
    because: str


@dataclass
class _Press:
    business: Business
    language: str | None
    _templates: dict[tuple[str, str, str], Template] = field(default_factory=dict)

    def write(self, row: Mapping[str, Any]) -> dict[str, str | None] | _Lack:
        actions = {action.name: action for action in self.business.actions}
        action = actions.get(row["action"])
        if action is None:  # decided with an earlier business file
            return {}
        spoken = self.language or row.get(f"attribute_{self.business.delivery.language}")
        if action.message is None:
            return {"offer": self._offer(action, spoken)}
        language = written_language(action.message.text, spoken, self.business.language)
        values, because = known_values(self.business, action, row, language)
        told: dict[str, str | None] = {
            name: str(values[name]) if name in values else None for name in MESSAGE_COLUMNS[2:]
        }
        for column, part in (("subject", "subject"), ("message", "text")):
            if language not in getattr(action.message, part):
                told[column] = None  # check_messages refuses a subject that lacks a language of the text
                continue
            try:
                told[column] = self._template(action, part, language).fill(values)
            except FieldMissing as missing:
                name = str(missing)
                return _Lack(name, because.get(name, "is not known"))
            except CannotBeFilled as failure:
                return _Lack(part, str(failure))
        if not told["message"]:
            return _Lack("text", "is empty")
        if told["subject"] is not None:
            told["subject"] = _one_line(told["subject"])
        return told

    def _offer(self, action: Action, spoken: str | None) -> str | None:
        if not action.offer:
            return None
        return action.offer[written_language(action.offer, spoken, self.business.language)]

    def _template(self, action: Action, part: str, language: str) -> Template:
        key = (action.name, part, language)
        if key not in self._templates:
            assert action.message is not None
            text = getattr(action.message, part)[language]
            # A subject is a line of a header, never HTML.
            is_html = action.message.is_html and part == "text"
            try:
                source = source_of(self.business, text) if part == "text" else text
                self._templates[key] = read_template(source, language=language, is_html=is_html)
            except ValueError as error:
                where = f"{self.business.slug}: actions: {action.name}: message.{part}.{language}"
                raise BusinessFileError(f"{where}: {error}") from None
        return self._templates[key]


def _one_line(text: str) -> str:
    return str(tidy(text) or "")
