"""What a template can ask for, and what of it is known of one customer."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from campaigns.contact_columns import attribute_columns
from campaigns.messages.phrases import reason_phrase
from holdback.business import Action, Business

#: A name or a word of a customer is never longer; what is longer is something else that came into its column.
LONGEST_VALUE: Final = 200

#: Fields that are not attributes; an attribute that is called like one is ``customer_<name>``.
OWN_FIELDS: Final = ("action", "campaign", "channel", "company", "executive", "first_name", "offer", "reason_text")

# Controls, line ends, halves of characters, and marks that turn the direction of writing: they can forge a line or hide
# text. Joiners stay: emoji are made with them.
_UNWRITABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+")


def possible_fields(business: Business, action: Action) -> dict[str, str | None]:
    """Return what a template of an action could ask for: None where it can, else what to do so that it can."""
    found: dict[str, str | None] = dict.fromkeys(OWN_FIELDS)
    for key in ("first_name", "executive"):
        if getattr(business.delivery, key) is None:
            found[key] = f"is not told. Name the attribute that holds it in delivery.{key}."
    if not action.offer:
        found["offer"] = f"the action {action.name!r} has none. Write it in the action's offer."
    told = _attribute_fields(business, action.channel)
    attributes = business.customers.attributes if business.customers else {}
    protected = business.customers.protected if business.customers else ()
    for name, attribute in attributes.items():
        if name in found or name in told:
            continue
        found[name] = (
            "is protected or a label, and never told."
            if name in protected or attribute.kind == "label"
            else f"the list of this channel does not carry it. Add it to delivery.fields.{action.channel}."
        )
    return {**found, **dict.fromkeys(told)}


def flag_fields(business: Business, action: Action) -> set[str]:
    """Return the fields of a template that hold yes or no."""
    attributes = business.customers.attributes if business.customers else {}
    told = _attribute_fields(business, action.channel)
    named = {key: getattr(business.delivery, key) for key in ("first_name", "executive")}
    return {field for field, name in {**told, **named}.items() if name and attributes[name].kind == "flag"}


def known_values(
    business: Business, action: Action, row: Mapping[str, object], language: str
) -> tuple[dict[str, object], dict[str, str]]:
    """Return what is known of one customer, and of what is not known, why.

    Args:
        business: The company.
        action: What was decided.
        row: ``campaign``, ``channel``, ``reasons`` (JSON as in the table ``scores``) and ``attribute_<name>`` for each
            attribute that any message can need.
        language: Of the message.
    """
    attributes = business.customers.attributes if business.customers else {}
    reasons = row.get("reasons")
    asked: dict[str, object] = {
        "action": action.name,
        "campaign": row["campaign"],
        "channel": action.channel,
        "company": business.name,
        "offer": action.offer.get(language),
        "reason_text": reason_phrase(reasons if isinstance(reasons, str) else None, language, attributes),
    }
    for key in ("first_name", "executive"):
        asked[key] = row.get(f"attribute_{getattr(business.delivery, key)}")
    for field, name in _attribute_fields(business, action.channel).items():
        asked[field] = row.get(f"attribute_{name}")
    values: dict[str, object] = {}
    because: dict[str, str] = {}
    for name, value in asked.items():
        clean = tidy(value)
        if clean is None:
            because[name] = "is not known"
        elif isinstance(clean, str) and len(clean) > LONGEST_VALUE and name not in ("offer", "company"):
            because[name] = f"is longer than {LONGEST_VALUE} characters"
        else:
            values[name] = clean
    return values, because


def needed_attributes(business: Business) -> set[str]:
    """Return the attributes that messages need besides those on the lists."""
    delivery = business.delivery
    return {name for name in (delivery.language, delivery.first_name, delivery.executive) if name}


def tidy(value: object) -> object:
    r"""Return a value as it can be written: one line, no controls; None when nothing is left.

    Examples:
        >>> tidy(" Ana\r\nBcc: x\x00 "), tidy(""), tidy(40.0), tidy(float("nan"))
        ('Ana Bcc: x', None, 40, None)
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() else value
    if not isinstance(value, str):
        return value
    line = " ".join(_UNWRITABLE.sub(" ", value).split())
    return line if any(sign.isprintable() and not sign.isspace() for sign in line) else None


def _attribute_fields(business: Business, channel: str) -> dict[str, str]:
    """Return the attributes that a channel's list carries: how a template calls them, and their name."""
    return {
        f"customer_{name}" if column in OWN_FIELDS else column: name
        for column, name in attribute_columns(business, channel).items()
    }
