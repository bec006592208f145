"""What a contact carries when it leaves the house, by channel: our columns, and the attributes that were asked for."""

from __future__ import annotations

from holdback.business import Business

#: What every channel gets, in this order; what is written and the attributes that ``delivery.fields`` names follow.
CONTACT_COLUMNS = (
    "decision_id", "customer_id", "contact_key", "campaign", "action", "channel", "incentive_amount", "reason",
    "contact_from", "contact_until",
)  # fmt: skip
#: What the channels of a business get besides whose actions have a message or an offer; all of them texts.
MESSAGE_COLUMNS = ("subject", "message", "reason_text", "offer", "executive", "first_name")
#: What the table and the calls carry besides.
FRAME_COLUMNS = ("business", "as_of")


def has_messages(business: Business) -> bool:
    """True when any action says what is written or offered; the lists of the others stay without such columns."""
    return any(action.message or action.offer for action in business.actions)


def message_columns(business: Business, channel: str) -> tuple[str, ...]:
    """Return the columns of what is written that one channel's list carries: none where nothing is written."""
    is_written = any(a.channel == channel and (a.message or a.offer) for a in business.actions)
    return MESSAGE_COLUMNS if is_written else ()


def attribute_columns(business: Business, channel: str) -> dict[str, str]:
    """Return the attributes that one channel's list carries: their column in the list, and their name.

    An attribute that is called like one of our own columns is listed as ``customer_<name>``; one that is that very
    column already (``first_name``, where ``delivery.first_name`` names it) stands there once.
    """
    own = {*CONTACT_COLUMNS, *FRAME_COLUMNS, *(MESSAGE_COLUMNS if has_messages(business) else ())}
    written = message_columns(business, channel)
    told = {key for key in ("first_name", "executive") if key in written and getattr(business.delivery, key) == key}
    return {
        f"customer_{name}" if name in own else name: name
        for name in business.delivery.fields.get(channel, ())
        if name not in told
    }
