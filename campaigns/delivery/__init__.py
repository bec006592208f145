"""How decisions leave the house: as files, as a table, as signed calls; never for anybody who is to be left alone.

:func:`~campaigns.delivery.deliveries.deliver` delivers a day. Whom: :mod:`~campaigns.delivery.contacts`, after
:mod:`~campaigns.delivery.last_check`. How: :mod:`~campaigns.delivery.contact_list`,
:mod:`~campaigns.delivery.postgres`, :mod:`~campaigns.delivery.webhook`. ``docs/contact-list.md`` is for those who read
it.
"""

from campaigns.delivery.contact_list import masked
from campaigns.delivery.contacts import Listed, check_contacts, contacts
from campaigns.delivery.deliveries import Delivered, deliver, resend
from campaigns.delivery.previews import Previews, preview, preview_samples
from campaigns.delivery.webhook import Patience, WebhookResult

__all__ = [
    "Delivered",
    "Listed",
    "Patience",
    "Previews",
    "WebhookResult",
    "check_contacts",
    "contacts",
    "deliver",
    "masked",
    "preview",
    "preview_samples",
    "resend",
]
