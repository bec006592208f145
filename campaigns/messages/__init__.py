"""What is written to a customer, or put before whoever calls: filled per decision, in the customer's language.

A decision whose template asks for something that is not known of this customer is withheld, and the others go out.
:mod:`~campaigns.messages.templates` says what a template may do, :mod:`~campaigns.messages.phrases` how a reason of the
model sounds to a customer, :func:`check_messages` what is wrong with the templates of a business file.
"""

from campaigns.messages.checking import check_messages, refuse_faulty_messages
from campaigns.messages.samples import sample_rows
from campaigns.messages.writing import WITHHELD_COLUMNS, Written, write_messages

__all__ = [
    "WITHHELD_COLUMNS",
    "Written",
    "check_messages",
    "refuse_faulty_messages",
    "sample_rows",
    "write_messages",
]
