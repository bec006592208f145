"""In which language something is written."""

from __future__ import annotations

from collections.abc import Iterable


def written_language(declared: Iterable[str], spoken: str | None, fallback: str) -> str:
    """Return the language to write in: the customer's, else the business', else the first there is.

    Args:
        declared: Languages that there are words in, in the order of the business file; at least one.
        spoken: The customer's, as the company writes it: ``es``, ``ES``, ``es-MX``.
        fallback: The business' language.

    Examples:
        >>> written_language(("en", "es"), "es-MX", "en"), written_language(("pt_br", "fr"), None, "en")
        ('es', 'pt_br')
    """
    known = list(declared)
    whole = (spoken or "").strip().lower().replace("-", "_")
    for wanted in (whole, whole.partition("_")[0], fallback):
        if wanted in known:
            return wanted
    return known[0]
