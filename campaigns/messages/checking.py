"""What is wrong with the messages of a business file, before anybody is to receive one."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.messages.fields import flag_fields, possible_fields
from campaigns.messages.phrases import LANGUAGES
from campaigns.messages.samples import sample_rows
from campaigns.messages.sources import source_of
from campaigns.messages.templates import read_template, template_faults
from campaigns.messages.writing import write_messages
from holdback.business import Action, Business
from holdback.errors import BusinessFileError


def check_messages(business: Business) -> list[str]:
    """Return every fault of the messages, one line each, beginning with its place in the business file.

    Templates are read, their fields are compared with what there is, and each is filled once for a customer who does
    not exist and of whom everything is known.

    Examples:
        ``actions[0].message.text.es: line 1: firstname: there is no such field. Did you mean 'first_name'?``
    """
    return [fault for position, action in enumerate(business.actions) for fault in _faults(business, position, action)]


def refuse_faulty_messages(business: Business) -> None:
    """Stop before anything is decided or delivered with messages that cannot be written.

    Raises:
        BusinessFileError: a message has faults; one line each.
    """
    faults = check_messages(business)
    if faults:
        raise BusinessFileError("\n".join(f"{business.slug}: {fault}" for fault in faults))


def _faults(business: Business, position: int, action: Action) -> Iterator[str]:
    if action.message is None:
        return
    where = f"actions[{position}].message"
    found = list(_template_faults(business, where, action))
    text, subject = action.message.text, action.message.subject
    if subject and set(subject) != set(text):
        found.append(f"{where}.subject: must have the languages of the text ({', '.join(text)}).")
    yield from found
    if found:
        return
    for language in text:
        for row in write_messages(business, sample_rows(business, [action]), language=language).withheld.to_pylist():
            lacks = f"{row['missing_field']} {row['withheld_because']}"
            yield f"{where}.text.{language}: {lacks}, tried with sample values."


def _template_faults(business: Business, where: str, action: Action) -> Iterator[str]:
    assert action.message is not None
    known = possible_fields(business, action)
    parts = [("subject", one, text) for one, text in action.message.subject.items()]
    parts += [("text", one, text) for one, text in action.message.text.items()]
    for part, language, text in parts:
        at = f"{where}.{part}.{language}"
        try:
            source = source_of(business, text) if part == "text" else text
        except ValueError as error:
            yield f"{at}: {error}"
            continue
        if part == "subject" and "\n" in text.strip():
            yield f"{at}: must be one line."
        faults = template_faults(source, known, flags=flag_fields(business, action))
        yield from (f"{at}: {fault}" for fault in faults)
        if faults:
            continue
        asked = read_template(source, language=language).fields
        if "offer" in asked and language not in action.offer:
            yield f"{at}: offer: the action's offer has no {language!r} ({', '.join(action.offer)}). Add it."
        if "reason_text" in asked and language not in LANGUAGES:
            yield f"{at}: reason_text: has words in {' and '.join(LANGUAGES)} only. Leave it out here."
