"""The ledger: what was decided and done, row after row, each carrying the hash of the one before it.

Rows are only ever added: :func:`record` writes all rows of one batch in one commit, once, and never into a day before
the newest. The first row of a day carries the hash of the last row of the day before, so no day can be taken out. Where
each day ends is also written into the journal, so a tail that was cut off is found; :func:`verify` recomputes it all.

Nothing is ever taken out. Who has to be forgotten becomes a name that says nothing (:func:`redact`): the chain holds,
and says so.

This finds mistakes, lost files and people who change a row. It does not stop somebody who may write both the warehouse
and the journal and computes every hash anew: keep a copy of the newest hash where that person cannot write.
"""

from campaigns.ledger.reading import DayCounts, assignments, counts_by_day, decisions, entries, newest_day
from campaigns.ledger.recording import correct, record
from campaigns.ledger.redaction import Redaction, redact
from campaigns.ledger.verification import Verification, verify

__all__ = [
    "DayCounts",
    "Redaction",
    "Verification",
    "assignments",
    "correct",
    "counts_by_day",
    "decisions",
    "entries",
    "newest_day",
    "record",
    "redact",
    "verify",
]
