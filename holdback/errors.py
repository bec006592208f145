"""One class per *reaction*: who has to do what when it is raised.

Every message says where it happened, what was seen, which rule it broke and what to do. ``exit_code`` is what the
command line returns for it; the codes are listed in ``holdback --help``.
"""

from __future__ import annotations


class HoldbackError(Exception):
    """Any failure that Holdback foresaw; never raised itself."""

    exit_code = 1


class Unforeseen(HoldbackError):
    """Look into it: nobody foresaw this. The message says where it is kept, and repeats nothing of it."""


class BusinessFileError(HoldbackError):
    """Fix the business file. Carries every fault at once, one line each."""

    exit_code = 2


class DataError(HoldbackError):
    """Fix the data: what was offered cannot be used as it is. Nothing was written."""

    exit_code = 3


class ContractBroken(DataError):
    """A critical rule of a feed's contract failed for a whole batch. Nothing was written."""


class NotKnowableYet(HoldbackError):
    """Wait: the answer depends on days that have not passed yet. The message says when it will be known."""

    exit_code = 4


class Busy(HoldbackError):
    """Wait: another run holds what this one needs. Nothing was changed."""

    exit_code = 5


class OperatorError(HoldbackError):
    """Call an operator: a disk, a server, a permission or an installation is not as it must be."""

    exit_code = 6


class PromotionConflict(HoldbackError):
    """Evaluate again: another model was promoted between the comparison and the promotion."""

    exit_code = 7
